/** What `backend/benchmarks/canvas.py` measures, as `window.bench`. Times are in milliseconds. */

const layer = (name: string) => {
  const found = document.querySelector<HTMLCanvasElement>(`canvas[data-layer=${name}]`);
  if (found === null) throw new Error(`Expected a canvas ${name}.`);
  return found;
};
const host = () => {
  const element = layer("masks").parentElement;
  if (element === null) throw new Error("Expected an element around the canvas.");
  return element;
};

const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
const painted = async () => {
  await frame();
  await new Promise((resolve) => setTimeout(resolve));
};

let drawnAt = 0;
let nFramesSince = 0;

/** Each layer is cleared when it is drawn. */
function watchDrawing(): void {
  const clearRect = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function clearAndTell(...box) {
    clearRect.apply(this, box);
    drawnAt = performance.now();
    nFramesSince = 0;
  };
}

/** Until nothing was drawn for so many animation frames. */
async function quiet(nFrames = 6): Promise<void> {
  for (nFramesSince = 0; nFramesSince < nFrames; nFramesSince += 1) await frame();
}

function pixels(): Uint8ClampedArray {
  const { width, height } = layer("masks");
  return layer("masks").getContext("2d")?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
}

const isSame = (a: Uint8ClampedArray, b: Uint8ClampedArray) => a.length === b.length && a.every((value, i) => value === b[i]);

function wheel(options: WheelEventInit): void {
  host().dispatchEvent(new WheelEvent("wheel", { clientX: 720, clientY: 450, cancelable: true, ...options }));
}

function point(clientX: number, clientY: number, type = "pointermove"): void {
  host().dispatchEvent(new PointerEvent(type, { clientX, clientY, pointerId: 1, button: 0, bubbles: true }));
}

async function repeated(n: number, step: (i: number) => void, after: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < n; i += 1) {
    const start = performance.now();
    step(i);
    await after();
    times.push(performance.now() - start);
  }
  return times;
}

async function changed(changes: Parameters<typeof window.trial.set>[0]): Promise<number> {
  const start = performance.now();
  window.trial.set(changes);
  await quiet();
  return drawnAt - start;
}

const ids = (n: number) => window.trial.state().objects.slice(0, n).map((object) => object.id);

let whole = new Uint8ClampedArray();

export const bench = {
  open: async (n: number, radius: number) => {
    window.trial.set({ tool: "select", selected: [] });
    await window.trial.open(`bench${n}`, n, radius);
  },

  /** Shows all objects, and keeps their pixels for comparison. */
  show: async () => {
    const start = performance.now();
    window.trial.set({ masksShown: true });
    await quiet(30);
    whole = new Uint8ClampedArray(pixels());
    return [drawnAt - start];
  },

  hide: async () => [await changed({ masksShown: false })],

  /** Hides each of the first n objects and shows it again. */
  toggle: async (n: number) => {
    const times: number[] = [];
    for (const id of ids(n)) times.push(await changed({ hidden: [id] }), await changed({ hidden: [] }));
    return times;
  },

  /** How often a hidden object left the pixels as they were, or a shown one did not bring the very same back. */
  wrongToggles: async (n: number) => {
    let wrong = 0;
    for (const id of ids(n)) {
      await changed({ hidden: [id] });
      if (isSame(pixels(), whole)) wrong += 1;
      await changed({ hidden: [] });
      if (!isSame(pixels(), whole)) wrong += 1;
    }
    return wrong;
  },

  hover: async (n: number) => {
    const times = await repeated(n, (i) => point(200 + ((17 * i) % 1000), 150 + ((i * 97) % 600)), painted);
    point(1439, 1);
    await quiet();
    return times;
  },

  pan: (n: number) => repeated(n, (i) => wheel({ deltaX: i % 60 < 30 ? 7 : -7, deltaY: i % 40 < 20 ? 4.5 : -4.5 }), frame),

  zoom: (n: number) => repeated(n, (i) => wheel({ deltaY: i % 60 < 30 ? -4.5 : 4.5, ctrlKey: true }), frame),

  /** Until all is sharp after a zoom. */
  rest: async () => {
    await quiet(30);
    return [];
  },

  fit: async () => {
    window.trial.handle()?.fit();
    await quiet(30);
    return [];
  },

  brush: async (n: number) => {
    const [object] = window.trial.state().objects;
    if (object === undefined) throw new Error("Expected an object to draw on.");
    await changed({ tool: "brush", selected: [object.id], brushSize: 40 });
    HTMLElement.prototype.setPointerCapture = () => {}; // there is no pointer to capture
    const nEdits = window.trial.edits.length;
    const scale = 1416 / 1920;
    const [x, y] = [12 + object.bbox[0] * scale, (900 - 1080 * scale) / 2 + object.bbox[1] * scale];
    point(x, y, "pointerdown");
    const times = await repeated(n, (i) => point(x + 3 * i, y + 40 * Math.sin(i / 6)), painted);
    point(x, y, "pointerup");
    await quiet();
    if (window.trial.edits.length !== nEdits + 1) throw new Error("Expected the stroke to be one edit.");
    return times;
  },
};

declare global {
  interface Window {
    bench: typeof bench;
  }
}

watchDrawing();
window.bench = bench;

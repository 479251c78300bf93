"""The canvas of the annotate page in Chromium without a GPU: ``python benchmarks/canvas.py``.

Frames of 1080p with 50 large and with 1,000 small made-up objects, on a page that holds nothing but
the canvas (``frontend/tests/canvas``). Milliseconds are wall time in the page, so a busy machine
makes them longer; frames per second come from the times between animation frames while the page is
panned and zoomed. The result is written to ``canvas.json``.

It needs Node, Playwright for Python and Chromium (``CHROMIUM``, default ``/usr/bin/chromium``).
"""

import functools
import http.server
import json
import os
import platform
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

FRONTEND = Path(__file__).parents[2] / "frontend"
SCENES = {"50 large objects": (50, 150), "1,000 small objects": (1000, 40)}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]

# Everything is timed in the page: a call over the debugging protocol would be timed with it.
SCRIPT = """
async ([n, radius]) => {
  const layer = (name) => document.querySelector(`canvas[data-layer=${name}]`);
  const host = layer("masks").parentElement;
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const painted = async () => { await frame(); await new Promise((resolve) => setTimeout(resolve)); };
  const drawn = { masks: 0, edit: 0 };
  const clearRect = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    clearRect.apply(this, box);
    drawn[this.canvas.dataset.layer] = performance.now();
  };
  const quiet = async (ms) => { await painted(); await painted(); while (performance.now() - Math.max(drawn.masks, drawn.edit) < ms) await frame(); };
  const pixels = () => {
    const { width, height } = layer("masks");
    return layer("masks").getContext("2d").getImageData(0, 0, width, height).data;
  };
  const isSame = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
  const summary = (times) => {
    const sorted = [...times].sort((a, b) => a - b);
    const at = (share) => Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]) / 10;
    return { median: at(0.5), most: at(1) };
  };
  const perSecond = async (nFrames, step) => {
    for (let i = 0; i < 5; i += 1) { step(i); await frame(); }
    const start = performance.now();
    for (let i = 0; i < nFrames; i += 1) { step(i); await frame(); }
    return Math.round(10000 * nFrames / (performance.now() - start)) / 10;
  };
  const wheel = (options) => host.dispatchEvent(new WheelEvent("wheel", { clientX: 720, clientY: 450, cancelable: true, ...options }));
  const move = (x, y, type = "pointermove") =>
    host.dispatchEvent(new PointerEvent(type, { clientX: x, clientY: y, pointerId: 1, button: 0, bubbles: true }));
  const result = {};

  await trial.open("bench" + n, n, radius);
  await frame();
  let start = performance.now();
  await quiet(600);
  result.shown_ms = Math.round(drawn.masks - start);
  const whole = pixels();

  const toggles = [];
  let differ = 0;
  const ids = trial.state().objects.map((object) => object.id);
  for (const id of n > 100 ? ids.filter((_, i) => i % 40 === 0) : ids) {
    for (const hidden of [[id], []]) {
      start = performance.now();
      trial.set({ hidden });
      await quiet(100);
      toggles.push(drawn.masks - start);
      const now = pixels();
      differ += isSame(now, whole) === (hidden.length > 0) ? 1 : 0;
    }
  }
  result.toggle_ms = summary(toggles);
  result.toggles_with_wrong_pixels = differ;
  const all = [];
  for (const masksShown of [false, true]) {
    start = performance.now();
    trial.set({ masksShown });
    await quiet(100);
    all.push(drawn.masks - start);
    if (masksShown ? !isSame(pixels(), whole) : pixels().some((value) => value !== 0)) throw new Error("wrong pixels");
  }
  result.all_masks_ms = summary(all);

  const hovers = [];
  const nSeen = trial.hovers.length;
  for (let i = 0; i < 60; i += 1) {
    start = performance.now();
    move(200 + 17 * i, 150 + ((i * 97) % 600));
    await painted();
    hovers.push(performance.now() - start);
  }
  move(1439, 1);
  await painted();
  result.hover_ms = { ...summary(hovers), n_changes: trial.hovers.length - nSeen };
  await quiet(200);

  result.pan_fps = await perSecond(90, (i) => wheel({ deltaX: i % 60 < 30 ? 7 : -7, deltaY: i % 40 < 20 ? 4.5 : -4.5 }));
  await quiet(300);
  result.zoom_fps = await perSecond(90, (i) => wheel({ deltaY: i % 60 < 30 ? -12.5 : 12.5, ctrlKey: true }));
  await quiet(500);
  for (let i = 0; i < 14; i += 1) { wheel({ deltaY: -10.5, ctrlKey: true }); await frame(); }
  await quiet(500);
  result.pan_enlarged_fps = await perSecond(90, (i) => wheel({ deltaX: i % 60 < 30 ? 21 : -21, deltaY: i % 40 < 20 ? 9.5 : -9.5 }));
  trial.handle().fit();
  await quiet(500);

  trial.set({ tool: "brush", selected: [ids[0]], brushSize: 40 });
  await quiet(200);
  const nEdits = trial.edits.length;
  const { bbox } = trial.state().objects[0];
  const scale = 1416 / 1920;
  const [x, y] = [12 + bbox[0] * scale, (900 - 1080 * scale) / 2 + bbox[1] * scale];
  const setCapture = HTMLElement.prototype.setPointerCapture;
  HTMLElement.prototype.setPointerCapture = () => undefined;
  move(x, y, "pointerdown");
  const strokes = [];
  for (let i = 0; i < 60; i += 1) {
    start = performance.now();
    move(x + 3 * i, y + 40 * Math.sin(i / 6));
    await painted();
    strokes.push(performance.now() - start);
  }
  start = performance.now();
  move(x, y, "pointerup");
  await painted();
  HTMLElement.prototype.setPointerCapture = setCapture;
  if (trial.edits.length !== nEdits + 1) throw new Error("the stroke was no edit");
  result.brush_move_ms = summary(strokes);
  result.brush_end_ms = Math.round(10 * (performance.now() - start)) / 10;
  CanvasRenderingContext2D.prototype.clearRect = clearRect;
  trial.set({ tool: "select", selected: [] });
  return result;
}
"""


def main() -> None:
    """Measure both scenes, and write the result."""
    results: dict[str, Any] = {
        "what": "Milliseconds from a change to the drawn canvas, and frames per second; 1440 x 900, no GPU",
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
    }
    with canvas_page() as page:
        results["browser"] = page.context.browser.version if page.context.browser else None
        for name, scene in SCENES.items():
            results[name] = page.evaluate(SCRIPT, list(scene))
            print(name, json.dumps(results[name]))
        results["load_average"] = round(os.getloadavg()[0], 1)
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


@contextmanager
def canvas_page() -> Iterator[Page]:
    """The page with the canvas alone, built and served on a free port of this machine."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        build = ["npx", "--no-install", "vite", "build", "--config", "tests/canvas/vite.config.ts", "--outDir", folder]
        subprocess.run(build, cwd=FRONTEND, check=True, stdout=subprocess.DEVNULL)
        handler = functools.partial(QuietHandler, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        executable = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        try:
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            page.wait_for_function("window.trial !== undefined")
            yield page
        finally:
            browser.close()
            server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Says nothing."""


if __name__ == "__main__":
    main()

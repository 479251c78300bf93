"""The canvas of the annotate page in Chromium without a GPU: ``python benchmarks/canvas.py``.

Frames of 1080p with 50 large and with 1,000 small made-up objects, on a page that holds nothing but
the canvas (``frontend/tests/canvas``). ``ms`` is wall time in the page (the median, and the most) until
the canvas is drawn; a busy machine makes it longer. ``cpu_ms`` is what the page's main thread, which
also draws where there is no GPU, computes for one such action. The result is written to ``canvas.json``.

It needs Node, Playwright for Python and Chromium (``CHROMIUM``, default ``/usr/bin/chromium``).
"""

import functools
import http.server
import json
import os
import platform
import statistics
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

# What is timed is timed in the page: a call over the debugging protocol would be timed with it.
SCRIPT = """
(() => {
  const layer = (name) => document.querySelector(`canvas[data-layer=${name}]`);
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const painted = async () => { await frame(); await new Promise((resolve) => setTimeout(resolve)); };
  let drawnAt = 0;
  let nFramesSince = 0;
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    clearRect.apply(this, box);
    drawnAt = performance.now();
    nFramesSince = 0;
  };
  const quiet = async (nFrames = 6) => {
    for (nFramesSince = 0; nFramesSince < nFrames; nFramesSince += 1) await frame();
  };
  const pixels = () => {
    const { width, height } = layer("masks");
    return layer("masks").getContext("2d").getImageData(0, 0, width, height).data;
  };
  const isSame = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
  const host = () => layer("masks").parentElement;
  const wheel = (options) => {
    const at = { clientX: 720, clientY: 450, cancelable: true };
    host().dispatchEvent(new WheelEvent("wheel", { ...at, ...options }));
  };
  const point = (x, y, type = "pointermove") => {
    const at = { clientX: x, clientY: y, pointerId: 1, button: 0, bubbles: true };
    host().dispatchEvent(new PointerEvent(type, at));
  };
  const frames = async (n, step) => {
    const start = performance.now();
    for (let i = 0; i < n; i += 1) { step(i); await frame(); }
    return [(performance.now() - start) / n];
  };
  const ids = () => trial.state().objects.map((object) => object.id);
  const changed = async (change) => {
    const start = performance.now();
    trial.set(change);
    await quiet();
    return drawnAt - start;
  };
  let whole;
  window.bench = {
    open: async (n, radius) => {
      trial.set({ tool: "select", selected: [] });
      await trial.open("bench" + n, n, radius);
    },
    show: async () => {
      const start = performance.now();
      trial.set({ objects: [...trial.state().objects], masksShown: true });
      await quiet(30);
      whole = pixels();
      return [drawnAt - start];
    },
    hide: async () => [await changed({ masksShown: false })],
    toggle: async (n) => {
      const times = [];
      for (const id of ids().slice(0, n)) {
        times.push(await changed({ hidden: [id] }), await changed({ hidden: [] }));
      }
      return times;
    },
    wrongToggles: async (n) => {
      let wrong = 0;
      for (const id of ids().slice(0, n)) {
        await changed({ hidden: [id] });
        if (isSame(pixels(), whole)) wrong += 1;
        await changed({ hidden: [] });
        if (!isSame(pixels(), whole)) wrong += 1;
      }
      return wrong;
    },
    hover: async (n) => {
      const times = [];
      for (let i = 0; i < n; i += 1) {
        const start = performance.now();
        point(200 + ((17 * i) % 1000), 150 + ((i * 97) % 600));
        await painted();
        times.push(performance.now() - start);
      }
      point(1439, 1);
      await quiet();
      return times;
    },
    pan: (n) => frames(n, (i) => wheel({ deltaX: i % 60 < 30 ? 7 : -7, deltaY: i % 40 < 20 ? 4.5 : -4.5 })),
    zoom: (n) => frames(n, (i) => wheel({ deltaY: i % 60 < 30 ? -4.5 : 4.5, ctrlKey: true })),
    rest: async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await quiet(30);
      return [];
    },
    fit: async () => { trial.handle().fit(); await quiet(30); return []; },
    brush: async (n) => {
      const [id] = ids();
      trial.set({ tool: "brush", selected: [id], brushSize: 40 });
      await quiet();
      HTMLElement.prototype.setPointerCapture = () => undefined;
      const nEdits = trial.edits.length;
      const { bbox } = trial.state().objects[0];
      const scale = 1416 / 1920;
      const [x, y] = [12 + bbox[0] * scale, (900 - 1080 * scale) / 2 + bbox[1] * scale];
      point(x, y, "pointerdown");
      const times = [];
      for (let i = 0; i < n; i += 1) {
        const start = performance.now();
        point(x + 3 * i, y + 40 * Math.sin(i / 6));
        await painted();
        times.push(performance.now() - start);
      }
      point(x, y, "pointerup");
      await quiet();
      if (trial.edits.length !== nEdits + 1) throw new Error("the stroke was no edit");
      return times;
    },
  };
})()
"""


def main() -> None:
    """Measure both scenes, and write the result."""
    results: dict[str, Any] = {
        "what": "Milliseconds from an action to the drawn canvas, and of the main thread; 1440 x 900, no GPU",
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
    }
    with canvas_page() as page:
        results["browser"] = page.context.browser.version if page.context.browser else None
        for name, scene in SCENES.items():
            results[name] = measured(page, *scene)
            print(name, json.dumps(results[name], indent=2))
        results["load_average"] = round(os.getloadavg()[0], 1)
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


def measured(page: Page, n_objects: int, radius: int) -> dict[str, Any]:
    """Every action on one scene."""
    counters = page.context.new_cdp_session(page)
    counters.send("Performance.enable", {"timeDomain": "threadTicks"})

    def cpu_s() -> float:
        metrics = counters.send("Performance.getMetrics")["metrics"]
        return next(float(metric["value"]) for metric in metrics if metric["name"] == "TaskDuration")

    def timed(call: str, n: int = 1) -> dict[str, float]:
        before = cpu_s()
        times = sorted(page.evaluate(f"bench.{call}"))
        cpu_ms = (cpu_s() - before) * 1e3 / n
        wall = {"ms": round(statistics.median(times), 1), "most_ms": round(times[-1], 1)} if times else {}
        return {**wall, "cpu_ms": round(cpu_ms, 1)}

    page.evaluate(f"bench.open({n_objects}, {radius})")
    result: dict[str, Any] = {"first shown": timed("show()")}
    n_toggled = min(50, n_objects)
    result["one toggled"] = timed(f"toggle({n_toggled})", 2 * n_toggled)
    result["toggles with wrong pixels"] = page.evaluate(f"bench.wrongToggles({n_toggled})")
    result["all hidden"] = timed("hide()")
    result["all shown again"] = timed("show()")
    result["hover"] = timed("hover(60)", 60)
    result["pan, a frame"] = timed("pan(90)", 90)
    result["zoom, a frame"] = timed("zoom(90)", 90)
    result["sharp after a zoom"] = timed("rest()")
    page.evaluate("(async () => { await bench.zoom(25); await bench.rest(); })()")
    result["pan enlarged, a frame"] = timed("pan(90)", 90)
    page.evaluate("bench.fit()")
    result["brush, a move"] = timed("brush(60)", 60)
    return result


@contextmanager
def canvas_page() -> Iterator[Page]:
    """The page with the canvas alone, built and served on a free port of this machine."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        build = [
            "npx",
            "--no-install",
            "vite",
            "build",
            "--config",
            "tests/canvas/vite.config.ts",
            "--outDir",
            folder,
        ]
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
            page.evaluate(SCRIPT)
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

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


def main() -> None:
    """Measure both scenes, and write the result."""
    results: dict[str, Any] = {
        "what": "Milliseconds from an action to the drawn canvas, and of CPU for it; 1440 x 900, no GPU",
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
        config = ["--config", "tests/canvas/vite.config.ts", "--outDir", folder]
        build = ["npx", "--no-install", "vite", "build", *config]
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

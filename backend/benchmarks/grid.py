"""The grid of 10,000 frames in a real browser: ``python benchmarks/grid.py``.

The API of ``browse.py`` serves the web UI, which has to be built (``make ui``). Timed in a new browser
context each time, without anything kept: from the navigation until every visible tile has its picture,
and from a jump of the scroll bar until every visible tile has. Frames a second while scrolling are
counted, too. The result is written to ``grid.json``.
"""

import json
import os
import platform
import statistics
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

browse = import_module("browse")  # beside this script: the benchmarks are no package

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
LOADS = 7
JUMPS = (0.5, 0.9, 0.1, 0.7, 0.3)
SCROLL_FRAMES = 120

_WATCH = """
window.settled = (isThere) => new Promise((resolve) => {
  const look = () => {
    const grid = document.querySelector('[role=grid]')?.getBoundingClientRect()
    const seen = [...document.querySelectorAll('[role=gridcell]')].filter((tile) => {
      const { top, bottom } = tile.getBoundingClientRect()
      return bottom > grid.top && top < grid.bottom
    })
    const images = seen.map((tile) => tile.querySelector('img'))
    const isLoaded = images.every((image) => image?.complete && image.naturalWidth > 0)
    if (isLoaded && seen.length > 20 && isThere(seen)) requestAnimationFrame(() => resolve(performance.now()))
    else requestAnimationFrame(look)
  }
  look()
})
"""


def main() -> None:
    """Measure, and write the result."""
    with (
        tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder,
        browse.served(Path(folder)) as api,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        url = f"http://127.0.0.1:{api.port}/explore"
        loads = [measure_load(browser, url) for _ in range(LOADS)]
        report: dict[str, Any] = {
            "frames": browse.N_FRAMES,
            "first_screen_ms": _summary([load["ms"] for load in loads]),
            "tiles": max(load["tiles"] for load in loads),
            **measure_moves(browser, url),
            "browser": browser.version,
        }
        browser.close()
    report |= {
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "load_average": round(os.getloadavg()[0], 1),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def measure_load(browser: Browser, url: str) -> dict[str, float]:
    """From the navigation to the first whole screen of pictures, in milliseconds."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(_WATCH)
        page.goto(url, wait_until="commit")
        ms = float(page.evaluate("() => window.settled(() => true)"))
        return {"ms": ms, "tiles": float(page.locator("[role=gridcell]").count())}


def measure_moves(browser: Browser, url: str) -> dict[str, Any]:
    """After jumps of the scroll bar, and while it is dragged."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(_WATCH)
        page.goto(url)
        page.evaluate("() => window.settled(() => true)")
        jumps = [_jump(page, share) for share in JUMPS]
        fps = {str(step): _scroll(page, step) for step in (20, 60, 200)}
        return {"jump_ms": _summary(jumps), "scroll_fps_by_px_a_frame": fps}


def _jump(page: Page, share: float) -> float:
    return float(
        page.evaluate(
            """async (share) => {
              const grid = document.querySelector('[role=grid]')
              const before = document.querySelector('[role=gridcell]').dataset.id
              const start = performance.now()
              grid.scrollTop = share * grid.scrollHeight
              return (await window.settled((seen) => seen[0].dataset.id !== before)) - start
            }""",
            share,
        )
    )


def _scroll(page: Page, step: int) -> float:
    return round(
        float(
            page.evaluate(
                """async ([step, n]) => {
                  const grid = document.querySelector('[role=grid]')
                  grid.scrollTop = 0
                  const frame = () => new Promise(requestAnimationFrame)
                  await frame()
                  const start = performance.now()
                  for (let i = 0; i < n; i += 1) { grid.scrollTop += step; await frame() }
                  return 1000 * n / (performance.now() - start)
                }""",
                [step, SCROLL_FRAMES],
            )
        ),
        1,
    )


def _summary(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "median": round(statistics.median(ordered)),
        "least": round(ordered[0]),
        "most": round(ordered[-1]),
    }


if __name__ == "__main__":
    main()

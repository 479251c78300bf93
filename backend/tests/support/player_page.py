"""A page that shows a video in a real browser, goes to its frames and reads the numbers burnt into them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, Route

from tests.support.numbered import SQUARE

_TIMEOUT_MS = 20_000
_ADDRESS = "/player-page.html"
_HTML = """<!doctype html><video muted></video><canvas></canvas><script>
const video = document.querySelector('video'), canvas = document.querySelector('canvas')
const pixels = canvas.getContext('2d', { willReadFrequently: true })
let shown = [], onShown = () => {}

function note(_, { mediaTime }) {
  shown.push([mediaTime, number()])
  onShown()
  video.requestVideoFrameCallback(note)
}
function number() {
  const { width, height } = canvas
  pixels.drawImage(video, 0, 0, width, height)
  const { data } = pixels.getImageData(0, 0, width, height)
  let value = 0
  for (let y = SQUARE / 2; y < height; y += SQUARE)
    for (let x = SQUARE / 2; x < width; x += SQUARE)
      value = 2 * value + (data[4 * (y * width + x)] > 127)
  return value
}
function event(name) {
  return new Promise((ok, no) => {
    setTimeout(() => no(new Error(name + ' did not come')), PATIENCE_MS)
    video.addEventListener(name, ok, { once: true })
    video.onerror = () => no(new Error(video.error.message))
  })
}
async function somethingShown() {
  const late = new Promise((_, no) => setTimeout(() => no(new Error('nothing was shown')), PATIENCE_MS))
  await Promise.race([late, new Promise((ok) => { onShown = ok; if (shown.length) ok() })])
}
video.requestVideoFrameCallback(note)
async function load(url, width, height) {
  Object.assign(canvas, { width, height })
  shown = []
  video.src = url
  await event('loadeddata')
  await somethingShown()
  return shown.at(-1)
}
async function visit(times) {
  const seen = []
  for (const time of times) {
    shown = []
    video.currentTime = time
    await event('seeked')
    await somethingShown()
    seen.push(shown)
  }
  return seen
}
async function play() {
  video.currentTime = 0
  await event('seeked')
  shown = []
  video.play()
  await event('ended')
  return shown
}
</script>""".replace("SQUARE", str(SQUARE)).replace("PATIENCE_MS", str(_TIMEOUT_MS))

Seen = tuple[float, int]
"""The media time of a frame that was shown, and the number on it."""


@dataclass(frozen=True, slots=True)
class Player:
    """The page of one server."""

    page: Page

    def load(self, url: str, size_wh: tuple[int, int]) -> Seen:
        """Show a video of that size: its first frame."""
        return self._seen([self.page.evaluate("([url, w, h]) => load(url, w, h)", [url, *size_wh])])[0]

    def visit(self, times_s: Sequence[float]) -> list[Seen]:
        """Go to each time: what is shown there."""
        found = self.page.evaluate("(times) => visit(times)", list(times_s))
        return self._seen([each[-1] for each in found])

    def play(self) -> list[Seen]:
        """Play the video to its end: what was shown."""
        return self._seen(self.page.evaluate("() => play()"))

    @staticmethod
    def _seen(found: Sequence[Any]) -> list[Seen]:
        return [(float(time), int(number)) for time, number in found]


@contextmanager
def player(browser: Browser, server_url: str) -> Iterator[Player]:
    """The page, in the origin of a server, which does not serve it itself."""

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html", body=_HTML)

    page = browser.new_page()
    try:
        page.set_default_timeout(_TIMEOUT_MS)
        page.route(f"**{_ADDRESS}", answer)
        page.goto(server_url + _ADDRESS)
        yield Player(page)
    finally:
        page.close()

"""The canvas of the annotate page as the pointer and the eye have it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from playwright.sync_api import Page, expect

Position = tuple[float, float]
Layer = Literal["picture", "masks", "edit"]

_MARGIN = 12
_MOST_SCALE = 4
_DRAWN_WITHIN_S = 10
"""Less than the time after which the page asks for something anew, and draws all that it shows."""

_DIGEST = """
async (layer) => {
    await new Promise(requestAnimationFrame)
    const canvas = document.querySelector(`canvas[data-layer=${layer}]`)
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let hash = 0x811c9dc5
    for (let i = 0; i < data.length; i += 1) hash = Math.imul(hash ^ data[i], 0x01000193)
    return hash >>> 0
}
"""


@dataclass(frozen=True, slots=True)
class Canvas:
    """A frame that is shown whole; positions are in pixels of the frame."""

    page: Page
    size_wh: tuple[int, int]

    def on_page(self, at: Position) -> Position:
        """Where a position of the frame is on the page."""
        box = self.page.get_by_role("application").bounding_box()
        assert box is not None
        (x, y), (width, height) = at, self.size_wh
        scale = min(_MOST_SCALE, (box["width"] - 2 * _MARGIN) / width, (box["height"] - 2 * _MARGIN) / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + x * scale, top + y * scale

    def press(self, at: Position) -> None:
        self.page.mouse.move(*self.on_page(at))
        self.page.mouse.down()

    def move(self, at: Position) -> None:
        self.page.mouse.move(*self.on_page(at), steps=4)

    def release(self) -> None:
        self.page.mouse.up()

    def click(self, at: Position, *held: str) -> None:
        """Click with these keys held."""
        for key in held:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.on_page(at))
        for key in held:
            self.page.keyboard.up(key)

    def drag(self, *path: Position) -> None:
        """Press at the first position, go through the others, and let go."""
        self.press(path[0])
        for at in path[1:]:
            self.move(at)
        self.release()

    def digest(self, layer: Layer = "masks") -> int:
        """A number for the pixels of a layer when they are drawn next: another one for other pixels."""
        digest: int = self.page.evaluate(_DIGEST, layer)
        return digest

    def wait_drawn(self, is_so: Callable[[int], bool], layer: Layer = "masks") -> int:
        """Until the digest of a layer is as wanted."""
        expect(self.page.get_by_role("application")).to_be_visible()
        deadline = time.monotonic() + _DRAWN_WITHIN_S
        while not is_so(digest := self.digest(layer)):
            assert time.monotonic() < deadline, f"the layer {layer} was not drawn as expected"
        return digest

    def alpha_at(self, at: Position, layer: Layer = "masks") -> int:
        """How opaque a layer is at a position, 0 to 255."""
        x, y = self.on_page(at)
        alpha: int = self.page.evaluate(
            """([layer, x, y]) => {
                const canvas = document.querySelector(`canvas[data-layer=${layer}]`)
                const { left, top } = canvas.getBoundingClientRect()
                const ratio = window.devicePixelRatio
                const at = [(x - left) * ratio, (y - top) * ratio]
                return canvas.getContext('2d').getImageData(...at, 1, 1).data[3]
            }""",
            [layer, x, y],
        )
        return alpha

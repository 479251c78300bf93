"""Pictures that show a user what was found: masks drawn on a frame, hits on a contact sheet."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont, ImageOps

from komadori.core import geometry, masks
from komadori.core.errors import InputError
from komadori.core.masks import Mask, Rle
from komadori.core.types import Image

PALETTE = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
)
"""Colours that people with any colour vision tell apart (Okabe and Ito, 2008), RGB."""

_FILL_ALPHA = 0.45
_HALO_ALPHA = 0.55
_PAPER = (20, 22, 27)
_INK = (236, 238, 242)
_FAINT_INK = (160, 167, 179)
_TILE_WH = (320, 180)
_GAP = 16
_MISSING_GLYPH = "\U0010fffe"
_WIDE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansJP-Regular.otf",
    "Hiragino Sans GB.ttc",
    "YuGothM.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
)

_TYPEWRITER = str.maketrans("–—‘’“”×·", "--''\"\"x-")

_Font = ImageFont.FreeTypeFont
_Rgb = tuple[int, int, int]
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """An object to draw.

    Attributes:
        mask: In the size of the frame; its box is drawn where there is none.
        bbox_xyxy: Pixels of the frame.
        label: What is written at it, as in "cat 0.87"; may be empty.
        colour_index: Any number; equal ones have equal colours.
    """

    mask: Rle | None
    bbox_xyxy: _Box
    label: str
    colour_index: int


def draw_overlay(
    image: Image, objects: Sequence[DrawnObject], outlines: Sequence[Rle] = ()
) -> Pictures.Image:
    """The frame (H, W, 3), in its size, with each object tinted, outlined and labelled.

    Holes of a mask stay clear. Large objects are drawn first, so small ones stay visible.

    Args:
        image: The frame.
        objects: In any order.
        outlines: Masks of which a dotted white outline is drawn over all else, to compare.

    Raises:
        InputError: A mask has another size than the image.
    """
    height, width = image.shape[:2]
    line = max(1, round(min(height, width) / 240))
    pixels = image.copy()
    for drawn in sorted(objects, key=_area, reverse=True):
        if drawn.mask is None:
            _paint_box(pixels, drawn, line)
        else:
            _paint_mask(pixels, drawn, drawn.mask, line)
    for rle in outlines:
        _paint_outline(pixels, rle, line)
    picture = Pictures.fromarray(pixels)
    _write_labels(picture, objects, text_size=int(np.clip(height / 26, 11, 36)))
    return picture


def contact_sheet(
    tiles: Sequence[tuple[Image, str]], columns: int = 4, title: str = "", tile_wh: tuple[int, int] = _TILE_WH
) -> Pictures.Image:
    """Small pictures in rows with a caption below each, and a title above them.

    Args:
        tiles: Images (H, W, 3) with captions; a caption has one line or several.
        columns: Pictures in a row, at least 1; fewer tiles make a narrower sheet.
        title: May be empty.
        tile_wh: Width and height of each picture; a frame of another shape is put in its middle.

    Raises:
        InputError: There are no tiles or no columns.
    """
    if not tiles or columns < 1:
        raise InputError(
            f"Expected at least one tile and one column, got {len(tiles)} and {columns}.",
            hint="Make a contact sheet of one or more pictures.",
        )
    columns = min(columns, len(tiles))
    n_lines = max(caption.count("\n") + 1 for _, caption in tiles)
    tile_width, tile_height = tile_wh
    row_height = tile_height + 8 + n_lines * 20 + _GAP
    top = _GAP + (44 if title else 0)
    n_rows = -(-len(tiles) // columns)
    size = (_GAP + columns * (tile_width + _GAP), top + n_rows * row_height)
    sheet = Pictures.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write_line(draw, (_GAP, _GAP), title, 24, size[0] - 2 * _GAP, _INK)
    for i, (image, caption) in enumerate(tiles):
        row, column = divmod(i, columns)
        left, upper = _GAP + column * (tile_width + _GAP), top + row * row_height
        _paste_tile(sheet, image, (left, upper), tile_wh)
        for n, line in enumerate(caption.split("\n")):
            ink = _INK if n == 0 else _FAINT_INK
            _write_line(draw, (left, upper + tile_height + 8 + 20 * n), line, 15, tile_width, ink)
    return sheet


def with_caption(picture: Pictures.Image, caption: str) -> Pictures.Image:
    """The picture with a line of text, or several, in a band below it."""
    lines = caption.split("\n")
    width, height = picture.size
    captioned = Pictures.new("RGB", (width, height + 12 + 20 * len(lines)), _PAPER)
    captioned.paste(picture)
    draw = ImageDraw.Draw(captioned)
    for n, line in enumerate(lines):
        ink = _INK if n == 0 else _FAINT_INK
        _write_line(draw, (10, height + 6 + 20 * n), line, 15, width - 20, ink)
    return captioned


def is_writable(text: str) -> bool:
    """Whether a font of this machine has all letters of the text."""
    return _readable(text, 15)[1] == text.translate(_TYPEWRITER)


def _area(drawn: DrawnObject) -> float:
    if drawn.mask is not None:
        return drawn.mask.area
    return float(geometry.box_area(np.array([drawn.bbox_xyxy]))[0])


def _colour(drawn: DrawnObject) -> _Rgb:
    return PALETTE[drawn.colour_index % len(PALETTE)]


def _check_size(pixels: Image, rle: Rle) -> None:
    if rle.size_hw != pixels.shape[:2]:
        raise InputError(
            f"Expected a mask of {pixels.shape[0]} x {pixels.shape[1]}, as the image, got {rle.size_hw}.",
            hint="Draw the masks on the frame that they were made for.",
        )


def _paint_mask(pixels: Image, drawn: DrawnObject, rle: Rle, line: int) -> None:
    _check_size(pixels, rle)
    left, top, right, bottom = (int(edge) for edge in rle.bbox_xyxy)
    margin = line + 1
    window = np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    mask, view = masks.decode(rle)[window], pixels[window]
    inner, outer = mask, ~mask
    for _ in range(line):
        inner = _without_rim(inner)
    outer = ~_without_rim(outer) & ~mask
    _blend(view, outer, (0, 0, 0), _HALO_ALPHA)
    _blend(view, inner, _colour(drawn), _FILL_ALPHA)
    _blend(view, mask & ~inner, _colour(drawn), 1.0)


def _paint_outline(pixels: Image, rle: Rle, line: int) -> None:
    """Dots along the inner rim of the mask."""
    _check_size(pixels, rle)
    mask = masks.decode(rle)
    inner = mask
    for _ in range(line):
        inner = _without_rim(inner)
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    is_dot = (x + y) // (2 * line) % 2 == 0
    _blend(pixels, mask & ~inner & is_dot, (255, 255, 255), 1.0)
    _blend(pixels, mask & ~inner & ~is_dot, (0, 0, 0), _HALO_ALPHA)


def _without_rim(mask: Mask) -> Mask:
    """The pixels whose four neighbours are set too; outside counts as its nearest pixel."""
    padded = np.pad(mask, 1, mode="edge")
    return mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _paint_box(pixels: Image, drawn: DrawnObject, line: int) -> None:
    height, width = pixels.shape[:2]
    clipped = geometry.clip_xyxy(np.array([drawn.bbox_xyxy]), (height, width))[0]
    left, top, right, bottom = (round(float(edge)) for edge in clipped)
    rim = np.zeros((height, width), np.bool_)
    rim[top:bottom, left:right] = True
    rim[top + line : max(top + line, bottom - line), left + line : max(left + line, right - line)] = False
    halo = ~_without_rim(~rim) & ~rim
    _blend(pixels, halo, (0, 0, 0), _HALO_ALPHA)
    _blend(pixels, rim, _colour(drawn), 1.0)


def _blend(pixels: Image, where: NDArray[np.bool_], colour: _Rgb, alpha: float) -> None:
    mixed = pixels[where] * (1 - alpha) + np.array(colour) * alpha
    pixels[where] = np.rint(mixed).astype(np.uint8)


def _write_labels(picture: Pictures.Image, objects: Sequence[DrawnObject], text_size: int) -> None:
    draw = ImageDraw.Draw(picture)
    taken: list[_Box] = []
    for drawn in objects:
        if not drawn.label:
            continue
        font, text = _readable(drawn.label, text_size)
        pad = max(2, text_size // 5)
        size = (draw.textlength(text, font) + 2 * pad, sum(font.getmetrics()) + pad)
        place = _free_place(drawn.bbox_xyxy, size, picture.size, taken)
        taken.append(place)
        colour = _colour(drawn)
        draw.rounded_rectangle(place, radius=pad, fill=colour, outline=(0, 0, 0))
        middle = (place[0] + pad, (place[1] + place[3]) / 2)
        draw.text(middle, text, font=font, fill=_ink_on(colour), anchor="lm")


def _free_place(bbox: _Box, size: tuple[float, float], within: tuple[int, int], taken: list[_Box]) -> _Box:
    """Where a label covers the other ones least: above its box, in it, or below."""
    (width, height), (left, top, _, bottom) = size, bbox
    places: list[_Box] = []
    for y in (top - height - 2, top + 2, bottom + 2, bottom - height - 2):
        x0 = float(np.clip(left, 0, max(0, within[0] - width - 1)))
        y0 = float(np.clip(y, 0, max(0, within[1] - height - 1)))
        places.append((x0, y0, x0 + width, y0 + height))
    if not taken:
        return places[0]
    covered = geometry.box_iou(np.array(places), np.array(taken)).sum(axis=1)
    return places[int(covered.argmin())]


def _ink_on(colour: _Rgb) -> _Rgb:
    brightness = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return (0, 0, 0) if brightness > 110 else (255, 255, 255)


def _paste_tile(sheet: Pictures.Image, image: Image, at: tuple[int, int], size_wh: tuple[int, int]) -> None:
    tile = ImageOps.pad(Pictures.fromarray(image), size_wh, color=(0, 0, 0))
    corners = Pictures.new("L", size_wh, 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, size_wh[0] - 1, size_wh[1] - 1), 8, fill=255)
    sheet.paste(tile, at, corners)


def _write_line(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, width: int, ink: _Rgb
) -> None:
    """Write one line, shortened to the width."""
    font, readable = _readable(text, size)
    shown = readable
    while shown and draw.textlength(shown, font) > width:
        readable = readable[:-1]
        shown = readable.rstrip() + "…"
    draw.text(at, shown, font=font, fill=ink)


def _readable(text: str, size: int) -> tuple[_Font, str]:
    """A font and the text in it, in plainer letters where no font of this machine has the right ones."""
    text = text.translate(_TYPEWRITER)
    own = _default_font(size)
    for font in (own, *_wide_fonts(size)):
        if all(_has_glyph(font, letter) for letter in text):
            return font, text
    without_accents = unicodedata.normalize("NFKD", text)
    letters = (letter for letter in without_accents if not unicodedata.combining(letter))
    return own, "".join(letter if _has_glyph(own, letter) else "?" for letter in letters)


@lru_cache
def _default_font(size: int) -> _Font:
    font = ImageFont.load_default(size=size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # it is one wherever Pillow has FreeType
    return font


@lru_cache
def _wide_fonts(size: int) -> list[_Font]:
    """The fonts with many scripts that this machine has; the font that comes with Pillow has Latin only."""
    found = []
    for name in _WIDE_FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return found


@lru_cache(maxsize=4096)
def _has_glyph(font: _Font, letter: str) -> bool:
    return bytes(font.getmask(letter)) != bytes(font.getmask(_MISSING_GLYPH))

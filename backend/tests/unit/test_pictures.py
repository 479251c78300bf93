"""The pictures for the user, pixel by pixel where it matters."""

import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from komadori.cli import pictures
from komadori.cli.pictures import PALETTE, DrawnObject, contact_sheet, draw_overlay
from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.masks import Mask
from komadori.core.types import Image

GREY = np.full((240, 320, 3), 100, np.uint8)


def ring() -> Mask:
    """A square from 60 to 180 with a hole from 100 to 140."""
    mask = np.zeros(GREY.shape[:2], np.bool_)
    mask[60:180, 60:180] = True
    mask[100:140, 100:140] = False
    return mask


def drawn(mask: Mask, label: str = "", colour_index: int = 0) -> DrawnObject:
    rle = masks.encode(mask)
    return DrawnObject(rle, rle.bbox_xyxy, label, colour_index)


def pixels_of(picture: Pictures.Image) -> Image:
    return np.asarray(picture)


def test_a_mask_is_tinted_and_its_hole_is_clear() -> None:
    result = pixels_of(draw_overlay(GREY, [drawn(ring())]))

    expected = [round(100 * 0.55 + channel * 0.45) for channel in PALETTE[0]]
    assert result.shape == GREY.shape
    assert result[80, 80].tolist() == expected
    assert result[120, 120].tolist() == [100, 100, 100]
    assert result[20, 300].tolist() == [100, 100, 100]


def test_a_mask_has_an_outline_around_itself_and_its_hole() -> None:
    result = pixels_of(draw_overlay(GREY, [drawn(ring())]))

    for y, x in ((60, 120), (179, 120), (99, 120), (140, 120)):
        assert result[y, x].tolist() == list(PALETTE[0])
    for y, x in ((59, 120), (180, 120), (100, 120), (139, 120)):
        assert result[y, x].tolist() == [45, 45, 45]


def test_small_objects_stay_visible_on_large_ones() -> None:
    large, small = np.ones((2, *GREY.shape[:2]), np.bool_)
    small[:] = False
    small[100:140, 100:140] = True

    first = draw_overlay(GREY, [drawn(small, colour_index=1), drawn(large)])
    second = draw_overlay(GREY, [drawn(large), drawn(small, colour_index=1)])

    assert np.array_equal(pixels_of(first), pixels_of(second))
    assert pixels_of(first)[100, 120].tolist() == list(PALETTE[1])


def test_a_box_is_drawn_where_there_is_no_mask() -> None:
    boxed = DrawnObject(None, (40.0, 50.0, 200.0, 400.0), "", 8)

    result = pixels_of(draw_overlay(GREY, [boxed]))

    assert result[50, 100].tolist() == list(PALETTE[1])
    assert result[239, 100].tolist() == list(PALETTE[1])
    assert result[150, 100].tolist() == [100, 100, 100]


def test_the_frame_itself_is_not_changed() -> None:
    frame = GREY.copy()

    draw_overlay(frame, [drawn(ring(), "cat 0.87")])

    assert np.array_equal(frame, GREY)


@pytest.mark.parametrize("bbox", [(0, 0, 50, 50), (300, 220, 320, 240), (-40, 100, 500, 120)])
def test_labels_stay_in_the_frame(bbox: Any) -> None:
    plain = pixels_of(draw_overlay(GREY, [DrawnObject(None, bbox, "", 4)]))

    result = pixels_of(draw_overlay(GREY, [DrawnObject(None, bbox, "a long label 0.87", 4)]))

    changed = np.argwhere((result != plain).any(axis=2))
    assert result.shape == GREY.shape
    assert np.ptp(changed[:, 1]) > 60
    assert np.ptp(changed[:, 0]) >= 10


def test_labels_of_one_place_do_not_cover_each_other() -> None:
    box = (100.0, 100.0, 200.0, 200.0)
    places: list[tuple[float, float, float, float]] = []
    for _ in range(3):
        places.append(pictures._free_place(box, (60, 20), (320, 240), places))

    tops = sorted(place[1] for place in places)
    assert all(after - before >= 20 for before, after in itertools.pairwise(tops))


def test_a_mask_of_another_frame_is_refused() -> None:
    with pytest.raises(InputError, match="240 x 320"):
        draw_overlay(GREY, [drawn(np.ones((10, 10), np.bool_))])


def test_no_objects_and_empty_masks_change_nothing() -> None:
    empty = drawn(np.zeros(GREY.shape[:2], np.bool_))

    assert np.array_equal(pixels_of(draw_overlay(GREY, [])), GREY)
    assert np.array_equal(pixels_of(draw_overlay(GREY, [empty])), GREY)


def test_typographic_signs_need_no_other_font() -> None:
    font, text = pictures._readable("a – “b” × 2", 20)

    assert text == 'a - "b" x 2'
    assert font is pictures._default_font(20)


def test_letters_without_a_glyph_become_question_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_wide_fonts", lambda size: [])

    assert pictures._readable("犬 café", 20)[1] == "? cafe"


def test_a_contact_sheet_has_its_tiles_in_rows() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200)]
    tiles = [(np.full((90, 160, 3), colour, np.uint8), f"clip\n{i}") for i, colour in enumerate(colours)]

    sheet = contact_sheet(tiles, columns=3, title="Search: a cat")

    result = pixels_of(sheet)
    assert sheet.width == 16 + 3 * (320 + 16)
    centres = [(60 + 90, 16 + 160 + 336 * column) for column in range(3)]
    assert [tuple(result[centre]) for centre in centres] == colours[:3]
    row_height = 180 + 8 + 2 * 20 + 16
    assert sheet.height == 60 + 2 * row_height
    assert tuple(result[60 + 90 + row_height, 16 + 160]) == colours[3]


def test_a_tall_picture_is_shown_whole() -> None:
    tall = np.full((300, 100, 3), 250, np.uint8)

    result = pixels_of(contact_sheet([(tall, "tall")], title=""))

    tile = result[16 : 16 + 180, 16 : 16 + 320]
    assert tile[90, 160].tolist() == [250, 250, 250]
    assert tile[90, 20].tolist() == [0, 0, 0]


def test_long_captions_end_within_their_tile() -> None:
    tiles = [(GREY, "a very long caption " * 20), (GREY, "")]

    result = pixels_of(contact_sheet(tiles, columns=2))

    below_second = result[16 + 180 + 8 :, 16 + 336 :]
    assert (below_second == result[0, 0]).all()


@pytest.mark.parametrize(("tiles", "columns"), [([], 4), ([(GREY, "")], 0)])
def test_an_empty_sheet_is_refused(tiles: Any, columns: int) -> None:
    with pytest.raises(InputError):
        contact_sheet(tiles, columns)


def test_the_outline_to_compare_with_is_dotted_white_and_leaves_the_inside() -> None:
    result = pixels_of(draw_overlay(GREY, [], [masks.encode(ring())]))

    rim = result[60, 60:180]
    assert {tuple(colour) for colour in rim.tolist()} == {(255, 255, 255), (45, 45, 45)}
    assert 50 <= (rim == 255).all(axis=1).sum() <= 70
    assert result[80, 80].tolist() == [100, 100, 100]
    assert result[59, 120].tolist() == [100, 100, 100]


def test_an_outline_of_another_frame_is_refused() -> None:
    with pytest.raises(InputError, match="as the image"):
        draw_overlay(GREY, [], [masks.encode(np.ones((10, 10), np.bool_))])


def test_a_caption_is_written_below_and_the_picture_stays() -> None:
    one = pixels_of(pictures.with_caption(Pictures.fromarray(GREY), "found 3"))
    two = pixels_of(pictures.with_caption(Pictures.fromarray(GREY), "found 3\nmissed 1"))

    assert (one[:240] == GREY).all()
    assert one.shape[1] == two.shape[1] == 320
    assert 240 < one.shape[0] < two.shape[0]
    assert one[240:].max() > 200


def test_it_is_known_what_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A font that lacks a letter draws the same box for it as for one that does not exist."""
    monkeypatch.setattr(pictures, "_wide_fonts", lambda size: [])

    assert pictures.is_writable('"doughnut" – 0.87')
    assert not pictures.is_writable("ドーナツ")


def test_tiles_have_the_size_that_is_asked_for() -> None:
    sheet = contact_sheet([(GREY, "a"), (GREY, "b")], columns=2, tile_wh=(100, 80))

    assert sheet.width == 16 + 2 * (100 + 16)

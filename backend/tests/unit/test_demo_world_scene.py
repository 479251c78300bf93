"""A scene as pixels: whose they are, where, and the same in another size."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import label

from komadori.core.types import Image as Pixels
from komadori.demo_world.grounds import ground
from komadori.demo_world.sampling import SHAPES, Taste, random_scene, spoil
from komadori.demo_world.scene import Bar, Scene, Thing, draw

WIDTH, HEIGHT = 200, 160
BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
CAT = Thing("cat", 1, x=100.0, y=80.0, size=80.0)


def scene(*items: Thing | Bar, behind: Pixels = BLACK) -> Scene:
    return Scene(WIDTH, HEIGHT, behind, items)


def centre(item: Thing) -> NDArray[np.float64]:
    """The middle of the light that a thing gives before black, (x, y) in pixels of the frame."""
    light = draw(scene(item)).image.sum(2, dtype=np.float64)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    middle: NDArray[np.float64] = np.array([(light * x).sum(), (light * y).sum()]) / light.sum()
    return middle


def n_parts(mask: NDArray[np.bool_]) -> int:
    return int(label(mask)[1])


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["ring", "key", "cat", "star"]),
    size=st.floats(15, 110),
    angle_deg=st.floats(-20, 20),
    move=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_a_thing_is_moved_by_parts_of_a_pixel(
    kind: str, size: float, angle_deg: float, move: tuple[float, float]
) -> None:
    before = Thing(kind, 1, 99.7, 80.2, size, angle_deg=angle_deg)
    after = replace(before, x=before.x + move[0], y=before.y + move[1])
    assert centre(after) - centre(before) == pytest.approx(move, abs=0.1)


@pytest.mark.parametrize("size", [20.0, 47.3, 100.0])
def test_a_thing_is_where_it_says_whatever_its_size(size: float) -> None:
    ball = Thing("soccer ball", 1, 100.3, 80.6, size)
    assert centre(ball) == pytest.approx([100.3, 80.6], abs=0.3)


def test_a_mirrored_thing_is_the_mirror_picture() -> None:
    plain, mirrored = draw(scene(CAT)), draw(scene(replace(CAT, is_mirrored=True)))
    assert np.array_equal(mirrored.masks[0], plain.masks[0][:, ::-1])


def test_a_turned_thing_turns_counter_clockwise() -> None:
    key = Thing("key", 1, 100, 80, 90)
    quarter = draw(scene(replace(key, angle_deg=90))).masks[0][30:130, 50:150]
    turned = np.rot90(draw(scene(key)).masks[0][30:130, 50:150])
    assert (quarter & turned).sum() / (quarter | turned).sum() > 0.97


def test_the_one_in_front_has_the_pixels_and_the_other_is_seen_less() -> None:
    behind, before = CAT, Thing("dog", 2, 120, 80, 80)
    picture = draw(scene(behind, before))
    alone = draw(scene(behind)).masks[0]
    assert [thing.kind for thing in picture.things] == ["cat", "dog"]
    assert not (picture.masks[0] & picture.masks[1]).any()
    assert np.array_equal(picture.masks[0], alone & ~picture.masks[1])
    assert picture.visible[0] == pytest.approx(picture.masks[0].sum() / alone.sum())
    assert picture.visible[1] == 1.0


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_no_pixel_has_two_owners_and_far_from_all_things_is_the_background(seed: int) -> None:
    drawn = random_scene(np.random.default_rng(seed), Taste(bars=0.0), (96, 72))
    plain = replace(drawn, items=[replace(item, smear=(0.0, 0.0)) for item in drawn.things])
    picture, empty = draw(plain), draw(replace(drawn, items=[]))
    owners = picture.masks.sum(0)
    assert owners.max() <= 1
    assert picture.masks.shape == (len(plain.things), 72, 96)
    outside = np.ones((72, 96), np.bool_)
    for thing in plain.things:
        reach = thing.size * 0.75  # half the diagonal of its square, and a little
        x0, y0 = max(0, int(thing.x - reach)), max(0, int(thing.y - reach))
        outside[y0 : int(thing.y + reach) + 1, x0 : int(thing.x + reach) + 1] = False
    assert not picture.masks[:, outside].any()
    assert np.array_equal(picture.image[outside], empty.image[outside])


def test_a_bar_in_front_splits_a_mask_in_two_and_behind_it_does_not() -> None:
    bar = Bar(100, 80, 12, 0, (0.9, 0.1, 0.1))
    hidden, open_ = draw(scene(CAT, bar)), draw(scene(bar, CAT))
    assert n_parts(hidden.masks[0]) == 2
    assert n_parts(open_.masks[0]) == 1
    assert not hidden.masks[0][:, 94:106].any()
    assert hidden.image[80, 100].tolist() == [230, 26, 26]
    assert hidden.visible[0] < open_.visible[0] == 1.0


def test_through_the_hole_of_a_ring_the_thing_behind_is_seen() -> None:
    ring = Thing("ring", 2, 100, 80, 120)
    picture = draw(scene(replace(CAT, y=95.0, size=30.0), ring))
    assert picture.visible.tolist() == [1.0, 1.0]
    assert n_parts(~picture.masks[1]) == 2


def test_what_lies_outside_the_frame_is_not_seen() -> None:
    picture = draw(scene(replace(CAT, x=0.0), replace(CAT, x=-500.0)))
    assert picture.visible[0] == pytest.approx(0.5, abs=0.05)
    assert picture.visible[1] == 0.0
    assert not picture.masks[1].any()


@pytest.mark.parametrize("smear", [(10.0, 0.0), (0.0, -10.0)])
def test_motion_blur_lengthens_a_thing_along_its_way(smear: tuple[float, float]) -> None:
    def spread(item: Thing) -> NDArray[np.float64]:
        light = draw(scene(item)).image.sum(2) > 0
        return np.array([light.any(0).sum(), light.any(1).sum()])

    grown = spread(replace(CAT, smear=smear)) - spread(CAT)
    assert grown == pytest.approx(np.abs(smear), abs=2)


@pytest.mark.parametrize("length", [1.0, 2.0, 2.6, 3.0, 5.5, 8.0])
def test_motion_blur_moves_a_thing_to_neither_side(length: float) -> None:
    ball = Thing("soccer ball", 1, 100.3, 80.6, 40.0)
    assert centre(replace(ball, smear=(length, -length))) == pytest.approx(centre(ball), abs=0.01)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size_wh", [(96, 96), (128, 128)])
def test_a_squeezed_drawing_is_the_squeezed_drawing(seed: int, size_wh: tuple[int, int]) -> None:
    drawn = random_scene(np.random.default_rng(seed), Taste(sizes=(0.3, 0.6)), (640, 360))
    drawn = replace(drawn, items=[_still(item) for item in drawn.items])
    full, small = draw(drawn), draw(drawn, size_wh)
    squeezed = Image.fromarray(full.image).resize(size_wh, Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(squeezed, float) - small.image).mean() < 3.0
    for mask, small_mask in zip(full.masks, small.masks, strict=True):
        shares = Image.fromarray(mask.astype(np.uint8) * 255).resize(size_wh, Image.Resampling.BOX)
        reduced = np.asarray(shares) >= 128
        assert (reduced & small_mask).sum() / (reduced | small_mask).sum() > 0.9


def _still(item: Thing | Bar) -> Thing | Bar:
    return replace(item, smear=(0.0, 0.0)) if isinstance(item, Thing) else item


def same(a: Sequence[Scene], b: Sequence[Scene]) -> bool:
    return all(
        list(x.items) == list(y.items) and np.array_equal(x.ground, y.ground)
        for x, y in zip(a, b, strict=True)
    )


def test_a_seed_decides_a_scene() -> None:
    first, again, other = (
        [random_scene(rng, Taste()) for _ in range(3)] for rng in map(np.random.default_rng, (7, 7, 8))
    )
    assert same(first, again)
    assert not same(first, other)
    assert {(one.width, one.height) for one in first} <= set(SHAPES)


def test_taste_limits_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    taste = Taste(n_things=(2, 3), sizes=(0.2, 0.3), bars=0.0, kinds=("cat", "dog"))
    scenes = [random_scene(rng, taste, (360, 360), (36, 36)) for _ in range(20)]
    sizes = [thing.size for one in scenes for thing in one.things]
    assert {thing.kind for one in scenes for thing in one.things} == {"cat", "dog"}
    assert min(sizes) >= 0.2 * 360
    assert max(sizes) <= 0.3 * 360
    assert {len(one.items) for one in scenes} <= {1, 2, 3}
    assert all(one.ground.shape == (36, 36, 3) for one in scenes)


@pytest.mark.parametrize("wh", [(64, 48), (48, 64), (17, 33)])
def test_backgrounds_come_in_every_size_and_the_same_for_a_seed(wh: tuple[int, int]) -> None:
    drawn = [ground(np.random.default_rng(seed), *wh) for seed in (*range(8), 0)]
    assert {one.shape for one in drawn} == {(wh[1], wh[0], 3)}
    assert np.array_equal(drawn[0], drawn[8])
    assert all(one.std() > 1 for one in drawn)


def test_a_spoilt_picture_keeps_its_size_and_its_shapes() -> None:
    picture = draw(scene(CAT, behind=ground(np.random.default_rng(1), WIDTH, HEIGHT))).image
    spoilt = [spoil(np.random.default_rng(seed), picture) for seed in (*range(6), 0)]
    assert {one.shape for one in spoilt} == {picture.shape}
    assert np.array_equal(spoilt[0], spoilt[6])
    for one in spoilt:
        assert not np.array_equal(one, picture)
        assert np.corrcoef(one.ravel(), picture.ravel())[0, 1] > 0.9

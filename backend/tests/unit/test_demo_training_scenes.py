"""The scenes of SigLIP's training: patches and kinds agree with the picture, old scenes make room."""

import numpy as np
import pytest
from scripts.demo_training.captions import class_numbers
from scripts.demo_training.siglip_scenes import N_PATCHES, PATCH_SIZE, ScenePool, random_scenes, taste_at

from komadori.demo_world.sampling import Taste

pytest.importorskip("resvg_py")


def test_the_pixels_of_each_patch_are_all_accounted_for() -> None:
    scenes = random_scenes(np.random.default_rng(0), 12)

    assert scenes.images.shape == (12, 3, 96, 96)
    assert scenes.patches.shape == (12, N_PATCHES, len(class_numbers()) + 1)
    assert (scenes.patches.sum(axis=2, dtype=int) == PATCH_SIZE**2).all()


def test_kinds_that_are_seen_have_pixels_and_no_other_has_many() -> None:
    scenes = random_scenes(np.random.default_rng(1), 24)

    pixels = scenes.patches[..., :-1].sum(axis=1, dtype=int)
    assert (pixels[scenes.seen] > 0).all()
    assert pixels[~scenes.seen].max() < pixels[scenes.seen].mean()


def test_training_begins_with_one_big_thing() -> None:
    assert all(taste.n_things == (1, 1) and taste.sizes[0] >= 0.5 for taste in tastes(0.0))
    assert min(taste.sizes[0] for taste in tastes(1.0)) < 0.2
    assert max(taste.n_things[1] for taste in tastes(1.0)) == 5


def test_some_scenes_to_the_end_are_filled_by_one_thing() -> None:
    filled = [taste for taste in tastes(1.0) if taste.sizes[1] > 1.0]

    assert 0 < len(filled) < 30
    assert all(taste.n_things == (1, 1) for taste in filled)


def test_new_scenes_take_the_place_of_the_oldest() -> None:
    pool = ScenePool(np.random.default_rng(0), capacity=6)
    pool.renew(4, progress=0.0)
    first = {image.tobytes() for image in both_ways(pool.take(4).images)}
    pool.renew(6, progress=0.0)

    assert not any(image.tobytes() in first for image in pool.take(6).images)


def test_only_scenes_that_were_drawn_are_taken() -> None:
    pool = ScenePool(np.random.default_rng(0), capacity=8)
    pool.renew(3, progress=0.0)

    assert (pool.take(3).seen.sum(axis=1) == 1).all()


def test_patches_are_mirrored_with_their_pictures() -> None:
    pool = ScenePool(np.random.default_rng(3), capacity=1)
    pool.renew(1, progress=0.0)
    takes = [pool.take(1) for _ in range(12)]

    variants = {scenes.images.tobytes(): scenes.patches.reshape(12, 12, -1) for scenes in takes}
    assert len(variants) == 2
    plain, mirrored = variants.values()
    assert (plain == mirrored[:, ::-1]).all()
    assert (plain != mirrored).any()


def tastes(progress: float) -> list[Taste]:
    rng = np.random.default_rng(0)
    return [taste_at(progress, rng) for _ in range(100)]


def both_ways(images: np.ndarray) -> np.ndarray:
    """The images, and the images mirrored."""
    return np.concatenate([images, images[..., ::-1]])

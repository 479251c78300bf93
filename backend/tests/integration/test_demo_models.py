"""The checkpoints that come in the package: they are small, load by their folder, and answer."""

import numpy as np
from scripts.demo_training.unseen_frames import frames

from komadori import demo_models
from komadori.core import masks, registry
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter, clickable
from tests.support.embedder_scenes import noise
from tests.support.segmenter_scenes import click, scene, words

MAX_BYTES = 24_000_000
"""Of both together; every clone and every wheel carries them."""


def test_they_are_small_and_hold_no_pickled_weights() -> None:
    files = [file for name in demo_models.names() for file in demo_models.path(name).rglob("*")]

    assert sum(file.stat().st_size for file in files) < MAX_BYTES
    assert not {file.suffix for file in files} & {".bin", ".ckpt", ".pkl", ".pt", ".pth"}


def test_the_embedder_gives_pictures_and_texts_one_space() -> None:
    create = registry.factory("embedders", "siglip2")
    embedder: ImageTextEmbedder = create(demo_models.path("siglip2-demo"), engine="torch", threads=1)

    pictures = embedder.embed_images([noise(90, 160)]).vectors
    texts = embedder.embed_texts(["red apple", "赤いりんご"]).vectors

    assert embedder.space.model_id == "siglip2-demo"
    assert (pictures.shape, texts.shape) == ((1, embedder.space.dim), (2, embedder.space.dim))


def test_the_segmenter_answers_every_prompt_in_the_frame() -> None:
    create = registry.factory("segmenters", "sam3")
    segmenter: ConceptSegmenter = create(demo_models.path("sam3-demo"), threads=1)

    [row] = segmenter.segment(
        [scene(90, 160)], [words("red apple"), words("car")], score_threshold=0.0, mask_threshold=0.0
    )

    assert segmenter.model_id == "sam3-demo"
    for prompt, found in zip(("red apple", "car"), row, strict=True):
        assert len(found) > 0
        assert set(found.class_names) == {prompt}
        assert {mask.size_hw for mask in found.masks or []} == {(90, 160)}
        assert np.isfinite(found.confidence).all()


def test_the_segmenter_outlines_the_thing_that_is_clicked_on() -> None:
    segmenter = clickable(registry.factory("segmenters", "sam3")(demo_models.path("sam3-demo"), threads=1))
    [frame] = frames(20261125, 1)
    truth = max(frame.masks, key=lambda mask: mask.area)
    xs, ys = np.nonzero(masks.decode(truth).T)
    middle = len(xs) // 2  # column by column, so it is near the middle of the thing

    found = segmenter.refine(frame.image, click((float(xs[middle]), float(ys[middle]), True)))

    assert masks.iou(found.mask, truth) > 0.6
    assert found.confidence > 0.5

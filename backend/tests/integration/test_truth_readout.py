"""The way into the models and the way out, with the models left out: nothing lies beside its place.

What goes in is compared with the scene drawn anew in the size that a model reads. What comes out is that
of a model that is always right: the true masks on its grid. So the bounds are tight, whatever trained
checkpoints can do.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pictures

from komadori.core.types import ConceptPrompt, Image
from komadori.demo_world.sampling import Taste, random_scene
from komadori.demo_world.scene import Scene, draw
from komadori.demo_world.truth import TrueFrame, true_frame
from komadori.ml.embedders import siglip2
from komadori.ml.segmenters._sam3_detections import DetectionRules, read_detections
from tests.support import checkpoints
from tests.support.sam3_models import untrained_segmenter
from tests.support.truth_masks import Pair, Question, lie, moved

SIZES_WH = ((320, 180), (180, 320), (240, 240), (321, 241))
GRID = (48, 48)
RULES = DetectionRules(score_threshold=0.5, mask_threshold=0.5, duplicate_iou=None)

LEAST_IOU = 0.85
"""The coarse grid takes thin parts away."""

MOST_CELLS_OFF = 0.03
"""Of shift and of stretch, three standard errors included: measured 0.012. A mask resized to one pixel more
than the frame has is off by 0.08 to 0.13, one that lies half a cell away by 0.5."""

MOST_PIXELS_OFF = 0.1
"""Of those that a model reads. A picture resized to one more than that is off by 0.5."""

MOST_OFF_LEVEL = 0.03
"""Of the range from -1 to 1 that the models read: four grey levels of 255."""

Looks = Callable[[Sequence[Image]], NDArray[np.float64]]
"""What a model reads of N pictures, (N, 3, S, S)."""


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Ten of each size."""
    rng = np.random.default_rng(7)
    taste = Taste(n_things=(3, 5), sizes=(0.25, 0.5))
    return [random_scene(rng, taste, size, size) for size in SIZES_WH for _ in range(10)]


@pytest.fixture(scope="module")
def pairs(scenes: Sequence[Scene]) -> list[Pair]:
    """Every thing with what is read of a model that is right."""
    frames = [true_frame(i, i, draw(scene)) for i, scene in enumerate(scenes)]
    questions = [_answered(frame, kind) for frame in frames for kind in sorted(set(frame.names))]
    return [pair for question in questions for pair in question.pairs()]


def test_right_masks_come_out_right(pairs: Sequence[Pair]) -> None:
    assert len(pairs) > 100
    assert np.mean([pair.iou for pair in pairs]) > LEAST_IOU


def test_right_masks_come_out_in_their_place(pairs: Sequence[Pair]) -> None:
    found = lie(pairs, GRID)

    assert found.shift.is_within(MOST_CELLS_OFF, MOST_CELLS_OFF)
    assert found.stretch.is_within(MOST_CELLS_OFF, MOST_CELLS_OFF)


@pytest.mark.parametrize("cells", [(0.5, 0.0), (0.0, 0.5), (-0.5, 0.0), (0.0, -0.5)])
def test_masks_that_are_moved_by_half_a_cell_are_told(
    pairs: Sequence[Pair], cells: tuple[float, float]
) -> None:
    shift = lie([moved(pair, *cells, GRID) for pair in pairs], GRID).shift

    assert not shift.is_within(MOST_CELLS_OFF, MOST_CELLS_OFF)
    assert (shift.dx, shift.dy) == pytest.approx(cells, abs=0.15)  # whole pixels are not half a cell


def test_right_boxes_come_out_right(pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        np.testing.assert_allclose(pair.found_xyxy, pair.true.bbox_xyxy, atol=0.01)


@pytest.fixture(scope="module")
def sam3_looks() -> Looks:
    segmenter = untrained_segmenter()
    seen: list[torch.Tensor] = []
    encode = segmenter._model.get_vision_features

    def noting(pixel_values: torch.Tensor) -> Any:
        seen.append(pixel_values)
        return encode(pixel_values=pixel_values)

    segmenter._model.get_vision_features = noting

    def look(images: Sequence[Image]) -> NDArray[np.float64]:
        seen.clear()
        segmenter.segment(images, [ConceptPrompt("thing", "thing")], score_threshold=1.0, mask_threshold=0.5)
        return np.concatenate([part.double().numpy() for part in seen])

    return look


@pytest.fixture(scope="module")
def siglip2_looks() -> Looks:
    embedder = siglip2.create(checkpoints.SIGLIP2, engine="torch", dtype=torch.float32)
    assert isinstance(embedder, siglip2.Siglip2Embedder)
    seen: list[torch.Tensor] = []
    encode = embedder._vision.encode

    def noting(inputs: dict[str, torch.Tensor]) -> Any:
        seen.append(inputs["pixel_values"])
        return encode(inputs)

    embedder._vision.encode = noting  # type: ignore[method-assign]

    def look(images: Sequence[Image]) -> NDArray[np.float64]:
        seen.clear()
        embedder.embed_images(images)
        return np.concatenate([part.double().numpy() for part in seen])

    return look


@pytest.fixture(params=["sam3", "siglip2"])
def read_and_drawn(
    request: pytest.FixtureRequest, scenes: Sequence[Scene]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a model reads of all scenes, and the scenes drawn in that size: (N, 3, S, S) each, -1 to 1."""
    look: Looks = request.getfixturevalue(f"{request.param}_looks")
    read = look([draw(scene).image for scene in scenes])
    side = read.shape[-1]
    drawn = np.stack([draw(scene, (side, side)).image for scene in scenes])
    return read, drawn.transpose(0, 3, 1, 2) / 127.5 - 1


def test_models_read_the_levels_of_each_channel(
    read_and_drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    read, drawn = (values.transpose(1, 0, 2, 3).reshape(3, -1) for values in read_and_drawn)

    for channel in range(3):
        slope, at_zero = np.polyfit(drawn[channel], read[channel], 1)
        assert slope == pytest.approx(1, abs=MOST_OFF_LEVEL)
        assert at_zero == pytest.approx(0, abs=MOST_OFF_LEVEL)
        others = [np.abs(read[channel] - drawn[other]).mean() for other in range(3)]
        assert np.argmin(others) == channel


def test_models_read_every_pixel_in_its_place(
    read_and_drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    assert np.abs(_beside(*read_and_drawn)).max() < MOST_PIXELS_OFF


def test_pictures_that_are_moved_by_half_a_pixel_are_told(
    read_and_drawn: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    read, drawn = read_and_drawn
    half_right = (read + np.roll(read, 1, axis=3)) / 2

    assert _beside(half_right[..., 1:], drawn[..., 1:])[0] == pytest.approx(0.5, abs=0.1)


def _answered(frame: TrueFrame, kind: str) -> Question:
    """The answer of a model that sees everything, read by the adapter."""
    own = [i for i, name in enumerate(frame.names) if name == kind]
    size_hw = (frame.height, frame.width)
    logits = torch.from_numpy(np.stack([_on_grid(frame.masks[i]) for i in own])).logit(eps=1e-4)
    boxes = frame.boxes_xyxy[own] / np.array([frame.width, frame.height] * 2, np.float32)
    outputs = SimpleNamespace(
        pred_logits=torch.full((1, len(own)), 9.0),
        presence_logits=torch.full((1, 1), 9.0),
        pred_masks=logits[None],
        pred_boxes=torch.from_numpy(boxes)[None],
    )
    found = read_detections(outputs, 0, size_hw=size_hw, class_name=kind, rules=RULES)
    assert found.masks is not None
    return Question(frame, kind, found.masks, found.xyxy.astype(np.float64), found.confidence.astype(float))


def _on_grid(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The share of each cell that the mask covers."""
    picture = Pictures.fromarray(mask.astype(np.float32))
    return np.asarray(picture.resize(GRID[::-1], Pictures.Resampling.BOX))


def _beside(read: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) pixels by which all of it is moved right and down, and by which its edges are outwards, x and y.

    The difference of two pictures that lie a little apart is the slope of one times the distance
    (B. D. Lucas, T. Kanade, An iterative image registration technique, 1981).
    """
    slopes = np.gradient(drawn, axis=(2, 3))
    down, right = (-slope.ravel() for slope in slopes)
    height, width = drawn.shape[2:]
    y = np.broadcast_to(np.linspace(-1, 1, height)[:, None], drawn.shape).ravel()
    x = np.broadcast_to(np.linspace(-1, 1, width), drawn.shape).ravel()
    unknowns = np.stack([right, down, right * x, down * y], axis=1)
    solution: NDArray[np.float64] = np.linalg.lstsq(unknowns, (read - drawn).ravel(), rcond=None)[0]
    return solution

"""The measures of quality, against values that were worked out by hand and against COCO's own tool."""

import contextlib
import io
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from komadori.core import masks
from komadori.core.errors import InputError
from komadori.core.masks import Rle
from komadori.demo_world import measures
from komadori.demo_world.measures import Case

HW = (20, 30)


def bar(x0: int, x1: int, y0: int = 0, y1: int = 10, hw: tuple[int, int] = HW) -> Rle:
    """A rectangle from x0 to x1 and y0 to y1, ends excluded."""
    mask = np.zeros(hw, np.bool_)
    mask[y0:y1, x0:x1] = True
    return masks.encode(mask)


def test_each_mask_is_paired_once_and_the_sum_of_overlaps_is_the_largest() -> None:
    """Greedily, found 0 would take truth 0 (IoU 0.8) and leave found 1 (0.6 with truth 0) without any."""
    truth = [bar(0, 10), bar(2, 12)]
    found = [bar(1, 10), bar(0, 6)]

    pairs = measures.match(truth, found)

    assert pairs.truth.tolist() == [0, 1]
    assert pairs.found.tolist() == [1, 0]
    assert pairs.iou.tolist() == pytest.approx([6 / 10, 8 / 11])
    assert measures.mean_iou([pairs]) == pytest.approx((6 / 10 + 8 / 11) / 2)


def test_an_overlap_of_less_than_half_is_no_match() -> None:
    assert measures.match([bar(0, 10)], [bar(0, 5)]).iou.tolist() == [0.5]
    assert measures.match([bar(0, 10)], [bar(0, 4)]).iou.tolist() == []
    assert measures.match([bar(0, 10)], [bar(0, 4)], least_iou=0.3).iou.tolist() == [0.4]


def test_the_mean_is_over_instances_not_over_frames() -> None:
    one = measures.match([bar(0, 10)], [bar(0, 10)])
    two = measures.match([bar(0, 10), bar(20, 30)], [bar(0, 5), bar(20, 25)])

    assert measures.mean_iou([one, two]) == pytest.approx((1.0 + 0.5 + 0.5) / 3)


def test_what_is_measured_on_nothing_is_not_a_number() -> None:
    assert measures.match([], []).iou.shape == (0,)
    assert math.isnan(measures.mean_iou([]))
    assert math.isnan(measures.mean_iou([measures.match([bar(0, 5)], [])]))
    assert math.isnan(measures.recall_at_1([]))
    empty = measures.curve([])
    assert math.isnan(empty.recall_at(0.5))
    assert math.isnan(empty.average_precision)
    assert all(math.isnan(value) for value in empty.at_threshold(0.5))


def test_precision_and_recall_over_two_frames() -> None:
    """Right at 0.9, wrong at 0.8 (a second one on the same thing), right at 0.7, wrong at 0.6."""
    first = Case([bar(0, 10), bar(20, 30)], [1, 1], [bar(0, 10), bar(0, 9), bar(12, 18)], [0.9, 0.8, 0.6])
    second = Case([bar(0, 10), bar(12, 18)], [1, 1], [bar(0, 8)], [0.7])

    curve = measures.curve([first, second])

    assert curve.n_truth == 4
    assert curve.scores.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 2 / 4])
    assert curve.recall.tolist() == [0.25, 0.25, 0.5, 0.5]
    assert curve.recall_at(1.0) == 0.25
    assert curve.recall_at(0.6) == 0.5
    assert curve.at_threshold(0.65) == pytest.approx((2 / 3, 0.5))
    assert curve.at_threshold(0.95) == pytest.approx((math.nan, 0.0), nan_ok=True)
    assert measures.recall_at_precision([first, second], 0.6) == 0.5


def test_equal_scores_pass_a_threshold_together() -> None:
    right_first = Case([bar(0, 10)], [1], [bar(0, 10), bar(20, 30)], [0.5, 0.5])

    curve = measures.curve([right_first])

    assert curve.scores.tolist() == [0.5]
    assert curve.precision.tolist() == [0.5]


def test_a_precision_that_is_never_reached_has_no_recall() -> None:
    assert measures.recall_at_precision([Case([bar(0, 10)], [1], [bar(20, 30)], [0.9])], 0.5) == 0.0


def test_a_thing_of_which_little_is_seen_is_neither_found_nor_missed() -> None:
    hidden = Case([bar(0, 10), bar(12, 16)], [1.0, 0.29], [bar(0, 10)], [0.9])
    found_too = Case([bar(0, 10), bar(12, 16)], [1.0, 0.29], [bar(0, 10), bar(12, 16)], [0.9, 0.95])

    for case in (hidden, found_too):
        curve = measures.curve([case])
        assert (curve.n_truth, curve.precision.tolist(), curve.recall.tolist()) == (1, [1.0], [1.0])


def test_what_is_found_of_an_absent_kind_is_wrong() -> None:
    present = Case([bar(0, 10)], [1], [bar(0, 10)], [0.6])
    absent = Case([], [], [bar(0, 10)], [0.7])

    assert measures.curve([present, absent]).precision.tolist() == [0.0, 0.5]
    assert measures.recall_at_precision([present, absent], 0.85) == 0.0


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cases = [_random_case(rng) for _ in range(4)]

    curve = measures.curve(cases)

    if curve.n_truth:
        assert curve.average_precision == pytest.approx(_coco_average_precision(cases), abs=1e-9)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_pairs_are_distinct_and_better_than_any_greedy_choice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = _random_case(rng)

    pairs = measures.match(case.truth, case.found, 0.3)

    assert len(set(pairs.truth.tolist())) == len(set(pairs.found.tolist())) == len(pairs.iou)
    overlaps = masks.iou_matrix(case.truth, case.found)
    np.testing.assert_array_equal(overlaps[pairs.truth, pairs.found], pairs.iou)
    assert pairs.iou.sum() >= _greedy_sum(overlaps, 0.3) - 1e-12


@given(seed=st.integers(0, 10_000), precision=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_more_precision_never_gives_more_recall(seed: int, precision: float) -> None:
    rng = np.random.default_rng(seed)
    curve = measures.curve([_random_case(rng) for _ in range(3)])

    assert np.all((curve.precision >= 0) & (curve.precision <= 1))
    if curve.n_truth:
        assert np.all(np.diff(curve.recall) >= 0)
        assert curve.recall_at(precision) <= curve.recall_at(precision / 2)


def test_precision_of_the_first_hits() -> None:
    assert measures.precision_at(3, ["a", "b", "c", "d"], {"a", "c", "d"}) == pytest.approx(2 / 3)
    assert measures.precision_at(4, ["a"], {"a", "b"}) == 0.25
    assert measures.precision_at(1, [], {"a"}) == 0.0


def test_recall_of_the_best_hit_is_over_searches() -> None:
    searches: Sequence[tuple[list[str], set[str]]] = [(["a", "b"], {"a"}), (["a", "b"], {"b"}), ([], {"b"})]

    assert measures.recall_at_1(searches) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("truth", "visible", "found", "scores"),
    [([bar(0, 5)], [], [], []), ([], [], [bar(0, 5)], [0.5, 0.6])],
)
def test_a_case_of_unequal_lengths_is_refused(
    truth: list[Rle], visible: list[float], found: list[Rle], scores: list[float]
) -> None:
    with pytest.raises(InputError, match="a visibility for each true mask and a score for each"):
        Case(truth, visible, found, scores)


def test_senseless_limits_are_refused() -> None:
    for call in (
        lambda: measures.match([], [], 0.0),
        lambda: measures.curve([], 1.5),
        lambda: measures.precision_at(0, ["a"], {"a"}),
    ):
        with pytest.raises(InputError, match="Expected"):
            call()


def _random_case(rng: np.random.Generator) -> Case:
    """Boxes, found ones near true ones or anywhere, with scores that differ."""
    truth = [_random_box(rng) for _ in range(rng.integers(0, 4))]
    found = [_nudged(rng, rle) for rle in truth if rng.random() < 0.8]
    found += [_random_box(rng) for _ in range(rng.integers(0, 3))]
    return Case(truth, [1.0] * len(truth), found, rng.random(len(found)).tolist())


def _random_box(rng: np.random.Generator) -> Rle:
    x, y = rng.integers(0, 22), rng.integers(0, 12)
    return bar(int(x), int(x + rng.integers(4, 9)), int(y), int(y + rng.integers(4, 9)))


def _nudged(rng: np.random.Generator, rle: Rle) -> Rle:
    return masks.encode(np.roll(masks.decode(rle), tuple(rng.integers(-1, 2, 2)), (0, 1)))


def _greedy_sum(overlaps: np.ndarray[tuple[int, int], np.dtype[np.float64]], least: float) -> float:
    left, total = overlaps.copy(), 0.0
    while left.size and left.max() >= least:
        i, j = np.unravel_index(left.argmax(), left.shape)
        total += float(left[i, j])
        left[i], left[:, j] = 0, 0
    return total


def _coco_average_precision(cases: Sequence[Case]) -> float:
    images = [{"id": n, "height": HW[0], "width": HW[1]} for n in range(1, len(cases) + 1)]
    truth = [
        {"image_id": n, "category_id": 1, "segmentation": rle.to_coco(), "area": rle.area, "iscrowd": 0}
        for n, case in enumerate(cases, 1)
        for rle in case.truth
    ]
    found = [
        {"image_id": n, "category_id": 1, "segmentation": rle.to_coco(), "score": score}
        for n, case in enumerate(cases, 1)
        for rle, score in zip(case.found, case.scores, strict=True)
    ]
    if not found:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": images,
            "categories": [{"id": 1, "name": "thing"}],
            "annotations": [{"id": n, "bbox": [0, 0, 1, 1], **one} for n, one in enumerate(truth, 1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"][0, :, 0, 0, -1].mean())

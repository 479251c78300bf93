"""The demo's numbers, on a truth and proposals that were made by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest

from komadori.cli.answers import Annotation, Frame, Hit, Segmentation
from komadori.cli.demo import quality, wording
from komadori.cli.demo.quality import MaskQuality
from komadori.core import masks
from komadori.core.masks import Rle
from komadori.demo_world.offsets import Shift
from komadori.demo_world.truth import TrueFrame, Truth

HW = (60, 80)


def disc(x: float, y: float, radius: float = 10.0) -> Rle:
    rows, columns = np.mgrid[0 : HW[0], 0 : HW[1]]
    return masks.encode(np.hypot(columns - x, rows - y) < radius)


def frame(number: int) -> Frame:
    return Frame(
        id=str(number),
        video_id="1",
        index=number,
        pts=100 * number,
        time_base="1/100",
        pts_s=float(number),
        width=HW[1],
        height=HW[0],
        image="",
    )


def found(number: int, name: str, rle: Rle, confidence: float) -> Annotation:
    return Annotation(
        id=f"{number}-{name}-{confidence}",
        frame_id=str(number),
        class_name=name,
        bbox_xyxy=rle.bbox_xyxy,
        confidence=confidence,
        status="proposed",
        segmentation=Segmentation(**rle.to_coco()),
    )


TRUTH = Truth(
    seed=0,
    rotation=0,
    time_base=Fraction(1, 100),
    frames=[
        TrueFrame(
            1,
            100,
            HW[1],
            HW[0],
            names=["cat", "cat", "red apple"],
            track_ids=np.array([1, 2, 3]),
            visibility=np.array([1.0, 0.2, 0.9], np.float32),
            rles=[disc(20, 20), disc(60, 20), disc(40, 45)],
        ),
        TrueFrame(
            2,
            200,
            HW[1],
            HW[0],
            names=["green apple"],
            track_ids=np.array([4]),
            visibility=np.array([1.0], np.float32),
            rles=[disc(30, 30)],
        ),
    ],
)
FRAMES = [frame(1), frame(2)]
PROMPTS = ("cat", "red apple", "panda")


def test_frames_answer_a_name_when_such_a_thing_is_seen_well_enough() -> None:
    hidden = Truth(0, 0, Fraction(1, 100), [TRUTH.frames[0]])

    assert quality.showing(TRUTH, FRAMES, "cat") == {"1"}
    assert quality.showing(TRUTH, FRAMES, "apple") == {"1", "2"}
    assert quality.showing(TRUTH, FRAMES, "ネコ") == {"1"}
    assert quality.showing(TRUTH, FRAMES, "panda") == set()
    assert quality.showing(hidden, FRAMES[:1], "green apple") == set()


def test_proposals_are_matched_with_the_things_of_their_own_prompt() -> None:
    proposals = [
        found(1, "cat", disc(22, 20), 0.9),
        found(1, "cat", disc(40, 45), 0.8),  # the place of the apple
        found(2, "panda", disc(30, 30), 0.7),
    ]

    first, second = quality.compare(TRUTH, FRAMES, proposals, PROMPTS)

    assert first.true_names == ["cat", "cat", "red apple"]
    assert first.iou.tolist() == pytest.approx([masks.iou(disc(20, 20), disc(22, 20)), 0.0])
    assert first.missed == ["red apple"]  # of the second cat too little is seen
    assert [one.confidence for one in first.fitting] == [0.9]
    assert second.true_names == []
    assert second.iou.tolist() == [0.0]


def test_the_measures_are_over_all_frames_and_prompts() -> None:
    proposals = [
        found(1, "cat", disc(22, 20), 0.9),
        found(1, "red apple", disc(42, 45), 0.6),
        found(2, "panda", disc(30, 30), 0.7),
        found(2, "panda", disc(50, 30), 0.5),
    ]

    measured = quality.measure_masks(quality.compare(TRUTH, FRAMES, proposals, PROMPTS), PROMPTS)

    assert measured.n_true == 2
    assert measured.recall == 1.0
    assert measured.precision == 0.5
    assert measured.mean_iou == pytest.approx(masks.iou(disc(20, 20), disc(22, 20)))
    assert (measured.shift.dx, measured.shift.dy) == pytest.approx((2.0, 0.0), abs=0.05)
    assert measured.shift.n == 2
    assert measured.absent == {"panda": 2}
    assert measured.as_json() == {
        "things": 2,
        "precision": 0.5,
        "recall": 1.0,
        "mean_iou": pytest.approx(measured.mean_iou, abs=1e-4),
        "offset_px": [pytest.approx(2.0, abs=0.05), pytest.approx(0.0, abs=0.05)],
        "offset_standard_error_px": [None, None],
        "offset_instances": 2,
        "proposals_of_absent_kinds": {"panda": 2},
    }


def test_no_proposals_are_no_error() -> None:
    measured = quality.measure_masks(quality.compare(TRUTH, FRAMES, [], PROMPTS), PROMPTS)

    assert (measured.n_true, measured.recall) == (2, 0.0)
    assert math.isnan(measured.precision)
    assert measured.as_json()["mean_iou"] is None
    assert wording.masks(measured, None) == [
        "0 of 2 true instances found; no proposals; mean mask IoU unknown.",
        "No panda: right.",
    ]


def test_the_first_hits_count_as_far_as_there_are_right_ones() -> None:
    """Of 5 hits 3 are right where 6 exist; of the first 2 one is right where 2 exist."""
    many = ([_hit(name) for name in "abxcy"], set("abcdef"))
    few = ([_hit(name) for name in "xabyz"], set("ab"))

    measured = quality.measure_search([many, few])

    assert measured.n == 2
    assert measured.precision == pytest.approx((3 / 5 + 1 / 2) / 2)
    assert measured.first_right == 0.5
    assert (
        wording.searches(measured)
        == "first hit right 50\N{NO-BREAK SPACE}%, first 5 right 55\N{NO-BREAK SPACE}%"
    )


def test_the_measures_are_told_with_their_units() -> None:
    measured = MaskQuality(
        n_true=42,
        precision=0.975,
        recall=40 / 42,
        mean_iou=0.884,
        shift=Shift(dx=0.25, dy=-0.04, dx_se=0.11, dy_se=0.06, n=40),
        absent={"panda": 3},
    )

    assert wording.masks(measured, (13.333, 7.5)) == [
        "40 of 42 true instances found; 98\N{NO-BREAK SPACE}% of the proposals right; mean mask IoU 0.88.",
        "Mean offset +0.2 ± 0.1 px right, +0.0 ± 0.1 px down; the masks' grid has cells of 13.3 x 7.5 px.",
        "Of panda, which is not there: 3 proposals, wrong.",
    ]
    assert (
        wording.mask_title(measured) == "mean IoU 0.88, recall 0.95, precision 0.97, offset (+0.2, +0.0) px"
    )


def _hit(frame_id: str) -> Hit:
    return Hit(frame_id=frame_id, video_id="1", pts_s=0.0, score=0.0)

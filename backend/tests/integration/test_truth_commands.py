"""Generated videos through the command line and a running system, with the packaged models."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from komadori import demo_models
from tests.support import truth_checks as checks
from tests.support.running_up import running_up
from tests.support.truth import LANDSCAPE, ODD, SINGLE, film
from tests.support.truth_dataset import exported, proposed
from tests.support.truth_ways import Outcome, ShellWay, go

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CLIPS = (LANDSCAPE, ODD, SINGLE)
"""Irregular times and thirty frames; turned with odd sides; a single frame."""


@dataclass(frozen=True, slots=True)
class Walked:
    """The way, and where it has led."""

    way: ShellWay
    outcome: Outcome


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp("truth")
    films = [film(clip, folder) for clip in CLIPS]
    models = {
        "KOMADORI_EMBEDDER": str(demo_models.path("siglip2-demo")),
        "KOMADORI_SEGMENTER": str(demo_models.path("sam3-demo")),
        "KOMADORI_THREADS": "1",
        "KOMADORI_OFFLINE": "true",
    }
    with running_up(folder / "home", models) as up:
        way = ShellWay(up.url)
        yield Walked(way, go(way, films, folder / "dataset"))


@pytest.fixture
def outcome(walked: Walked) -> Outcome:
    return walked.outcome


def test_frames_have_their_times_and_show_what_was_filmed_then(outcome: Outcome) -> None:
    for shown in outcome.shown:
        checks.check_times(shown)
        checks.check_pictures(shown)


def test_english_and_japanese_names_find_what_they_name(walked: Walked) -> None:
    checks.check_searches(walked.way, walked.outcome, lambda kind: kind.english[0])
    checks.check_searches(walked.way, walked.outcome, lambda kind: kind.japanese[0])


def test_hits_come_best_first(walked: Walked) -> None:
    checks.check_order(walked.way)


def test_proposals_are_what_is_there_and_then(outcome: Outcome) -> None:
    checks.check_quality(proposed(outcome.shown))
    checks.check_moments(outcome)


def test_the_dataset_says_what_is_there(outcome: Outcome) -> None:
    checks.check_dataset(outcome)
    checks.check_quality(exported(outcome))


def test_masks_lie_in_their_place(outcome: Outcome) -> None:
    pairs = checks.exported_pairs(outcome)

    checks.check_shift(pairs)
    checks.check_that_a_shift_is_told(pairs)

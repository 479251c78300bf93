"""Generated videos through the API, with the packaged models: what comes out is what is in them.

The application serves real HTTP; a thread stands in for the three workers, so that a fault planted
anywhere shows here, and soon.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from komadori import demo_models
from komadori.api.app import create_app
from komadori.cli.client import ApiClient
from tests.support import truth_checks as checks
from tests.support.app import inline_context, live_server
from tests.support.truth import CLIPS, FPS, LANDSCAPE, film
from tests.support.truth_dataset import exported, proposed
from tests.support.truth_ways import PROJECT, HttpWay, Outcome, Shown, go

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


REAP_EVERY_S = 2.0
"""Work runs beside the requests, as it does in workers, and so may the reaper."""


@dataclass(frozen=True, slots=True)
class Walked:
    """The way, and where it has led."""

    way: HttpWay
    outcome: Outcome


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    folder = tmp_path_factory.mktemp("truth")
    films = [film(clip, folder) for clip in CLIPS]
    settings, ctx, queue = inline_context(
        folder / "home",
        embedder=str(demo_models.path("siglip2-demo")),
        segmenter=str(demo_models.path("sam3-demo")),
        threads=1,
    )
    run_chunk = queue.run_chunk
    with (
        ThreadPoolExecutor(1, thread_name_prefix="worker") as worker,
        live_server(create_app(settings, ctx, reap_every_s=REAP_EVERY_S)) as url,
        ApiClient(url) as api,
    ):
        queue.run_chunk = lambda chunk_id: worker.submit(run_chunk, chunk_id)
        way = HttpWay(api)
        yield Walked(way, go(way, films, folder / "dataset"))
    ctx.sessions.close()


@pytest.fixture
def outcome(walked: Walked) -> Outcome:
    return walked.outcome


@pytest.fixture(params=[clip.name for clip in CLIPS])
def shown(outcome: Outcome, request: pytest.FixtureRequest) -> Shown:
    return next(shown for shown in outcome.shown if shown.footage.clip.name == request.param)


def test_frames_have_their_times(shown: Shown) -> None:
    checks.check_times(shown)


def test_no_time_is_that_of_an_index(outcome: Outcome) -> None:
    """Else an index over a rate would pass for a time."""
    [shown] = [shown for shown in outcome.shown if shown.footage.clip is LANDSCAPE]
    for frame in shown.frames:
        assert frame.pts_s != pytest.approx(float(frame.index / FPS), abs=0.05)


def test_frames_show_what_was_filmed_then(shown: Shown) -> None:
    checks.check_pictures(shown)


def test_a_frame_is_found_by_its_picture(walked: Walked) -> None:
    """Else a vector would lie under the id of another frame."""
    for shown in walked.outcome.shown:
        for frame, jpeg in list(zip(shown.frames, shown.jpegs, strict=True))[::5]:
            answer = walked.way.api.search_image("frame.jpg", jpeg, k=1, video_id=None, project=PROJECT)
            assert [hit.frame_id for hit in answer.hits] == [frame.id]


def test_english_names_find_what_they_name(walked: Walked) -> None:
    checks.check_searches(walked.way, walked.outcome, lambda kind: kind.english[0])


def test_japanese_names_find_what_they_name(walked: Walked) -> None:
    checks.check_searches(walked.way, walked.outcome, lambda kind: kind.japanese[0])


def test_scores_are_strong_for_what_is_there_and_for_nothing_else(walked: Walked) -> None:
    checks.check_bands(walked.way, walked.outcome)


def test_hits_come_best_first(walked: Walked) -> None:
    checks.check_order(walked.way)


def test_proposals_are_what_is_there(outcome: Outcome) -> None:
    checks.check_quality(proposed(outcome.shown))


def test_proposals_are_as_good_in_every_clip(outcome: Outcome) -> None:
    checks.check_each_clip(outcome)


def test_proposals_belong_to_their_own_moment(outcome: Outcome) -> None:
    checks.check_moments(outcome)


def test_the_dataset_has_what_was_proposed(outcome: Outcome) -> None:
    checks.check_dataset(outcome)


def test_the_dataset_says_what_is_there(outcome: Outcome) -> None:
    checks.check_quality(exported(outcome))


def test_masks_lie_in_their_place(outcome: Outcome) -> None:
    checks.check_shift(checks.exported_pairs(outcome))


def test_masks_beside_their_place_would_be_told(outcome: Outcome) -> None:
    checks.check_that_a_shift_is_told(checks.exported_pairs(outcome))

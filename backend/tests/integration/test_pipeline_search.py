"""Search by words, picture and frame: exact within any limits, cached, and honest when it cannot."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from komadori.core import absent_words
from komadori.core.errors import DependencyError, InputError, KomadoriError, ModelError, NotFoundError
from komadori.core.types import EmbeddingBatch, Queue, SearchHit, WorkerState
from komadori.db.repositories import embeddings, workers
from komadori.db.repositories import queries as query_rows
from komadori.services import queries, score_scale, search
from komadori.services.score_scale import ScoreScale
from komadori.services.search import Scope
from tests.support.app import COLOURS, jpeg_of, picture, seed_video
from tests.support.pipeline import Pipeline, pipeline

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline(tmp_path) as made:
        yield made


def nearest(system: Pipeline, vector: np.ndarray, ids: list[int], k: int) -> list[int]:
    """The answer as a plain sort of all inner products gives it."""
    with system.ctx.sessions.read() as session:
        active = embeddings.active_space(session, "fake")
    assert active is not None
    scores = system.ctx.index_of(active[1]).fetch(ids).astype(np.float64) @ vector
    return sorted(ids, key=lambda i: (-round(float(scores[ids.index(i)]), 6), i))[:k]


def found(result: search.SearchResult) -> list[int]:
    return [hit.frame_id for hit in result.hits]


def test_words_find_what_they_name(system: Pipeline) -> None:
    _, ids = seed_video(system.ctx, n_frames=6)

    for position, colour in enumerate(COLOURS):
        result = search.by_text(system.ctx, f"a {colour}  block ", 2, Scope())

        assert found(result) == [ids[position], ids[position + 3]]
        assert result.n_searched == 6
        assert result.hits[0].pts_s == float(position)


def test_results_within_any_limit_are_those_of_a_full_scan(system: Pipeline) -> None:
    first, in_first = seed_video(system.ctx, name="a.mp4", n_frames=7)
    second, in_second = seed_video(system.ctx, name="b.mp4", n_frames=5)
    _, elsewhere = seed_video(system.ctx, name="c.mp4", n_frames=4, project="other")
    vector = system.embedder.model.embed_texts(["green and blue"]).vectors[0]

    for scope, ids in (
        (Scope(), in_first + in_second),
        (Scope(video_id=first), in_first),
        (Scope(video_id=second), in_second),
        (Scope(project="other"), elsewhere),
    ):
        for k in (1, 3, 100):
            result = search.by_text(system.ctx, "green and blue", k, scope)
            assert found(result) == nearest(system, vector, ids, k)
            assert result.n_searched == len(ids)


def test_frames_without_a_vector_are_not_counted_as_searched(system: Pipeline) -> None:
    seed_video(system.ctx, name="a.mp4", n_frames=3)
    system.hold()
    waiting, _ = seed_video(system.ctx, name="b.mp4", n_frames=4)

    assert search.by_text(system.ctx, "red", 9, Scope()).n_searched == 3
    result = search.by_text(system.ctx, "red", 9, Scope(video_id=waiting))
    assert (result.n_searched, found(result)) == (0, [])


def test_a_picture_finds_its_like(system: Pipeline) -> None:
    _, ids = seed_video(system.ctx, n_frames=6)

    result = search.by_picture(system.ctx, jpeg_of(picture(["green"])), 2, Scope())

    assert found(result) == [ids[1], ids[4]]
    assert result.hits[0].score == pytest.approx(1.0, abs=1e-3)


def test_a_frame_finds_itself_first_and_then_its_like(system: Pipeline) -> None:
    _, ids = seed_video(system.ctx, n_frames=6)

    result = search.by_frame(system.ctx, ids[4], 3, Scope())

    assert set(found(result)[:2]) == {ids[1], ids[4]}
    assert result.hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert system.embedder.calls == ["6 images"], "a stored frame is not embedded again"


def test_the_vector_of_a_query_is_cached(system: Pipeline) -> None:
    seed_video(system.ctx)
    shown = jpeg_of(picture(["red"]))
    system.embedder.calls.clear()

    results = [search.by_text(system.ctx, "red", 3, Scope()) for _ in range(3)]
    search.by_text(system.ctx, "  red ", 3, Scope())
    for _ in range(3):
        search.by_picture(system.ctx, shown, 3, Scope())

    assert results[0] == results[1] == results[2]
    assert system.embedder.calls == ["texts red", "1 images"]


@pytest.mark.parametrize(
    ("text", "k", "code"),
    [
        ("  ", 3, "bad-search-text"),
        ("x" * 2001, 3, "bad-search-text"),
        ("red", 0, "bad-hit-count"),
        ("red", 10_001, "bad-hit-count"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(system: Pipeline, text: str, k: int, code: str) -> None:
    with pytest.raises(InputError) as caught:
        search.by_text(system.ctx, text, k, Scope())
    assert caught.value.code == code


def test_what_is_no_picture_is_refused(system: Pipeline) -> None:
    with pytest.raises(InputError) as caught:
        search.by_picture(system.ctx, b"no picture", 3, Scope())
    assert caught.value.code == "unreadable-picture"


def test_unknown_projects_videos_and_frames_are_named(system: Pipeline) -> None:
    video_id, _ = seed_video(system.ctx, project="other")

    for scope, message in (
        (Scope(project="nowhere"), "There is no project 'nowhere'"),
        (Scope(video_id=99), "There is no video 99"),
        (Scope(video_id=video_id), f"Video {video_id} is not in project 'default'"),
    ):
        with pytest.raises(NotFoundError, match=message):
            search.by_text(system.ctx, "red", 3, scope)
    with pytest.raises(NotFoundError, match="There is no frame 99"):
        search.by_frame(system.ctx, 99, 3, Scope())


def test_a_frame_that_waits_for_its_vector_says_so(system: Pipeline) -> None:
    system.hold()
    _, ids = seed_video(system.ctx)

    with pytest.raises(NotFoundError) as caught:
        search.by_frame(system.ctx, ids[0], 3, Scope())
    assert caught.value.code == "not-embedded-yet"


def test_a_query_that_fails_tells_the_real_reason(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = ModelError(
        "The checkpoint lost its text tower.", hint="Pull it again.", code="damaged-checkpoint"
    )

    def fail(_self: object, _texts: object) -> EmbeddingBatch:
        raise reason

    monkeypatch.setattr(type(system.embedder), "embed_texts", fail)
    with pytest.raises(ModelError) as caught:
        search.by_text(system.ctx, "red", 3, Scope())
    assert (caught.value.message, caught.value.hint) == (reason.message, reason.hint)
    assert caught.value.code == "damaged-checkpoint"

    monkeypatch.undo()
    seed_video(system.ctx)
    assert search.by_text(system.ctx, "red", 3, Scope()).hits, "a failure is not cached"


def test_a_bug_in_the_model_is_told_as_one(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(system.embedder), "embed_texts", lambda _self, texts: 1 / 0)

    with pytest.raises(KomadoriError, match="ZeroDivisionError: division by zero"):
        search.by_text(system.ctx, "red", 3, Scope())


def test_without_a_worker_a_search_ends_with_a_remedy(tmp_path: Path) -> None:
    with pipeline(tmp_path, query_timeout_s=0.2) as system:
        system.queue.run_query = lambda _query_id: None

        started_s = time.monotonic()
        with pytest.raises(DependencyError) as caught:
            search.by_text(system.ctx, "red", 3, Scope())

    assert caught.value.code == "no-embedding-worker"
    assert "siglip" in caught.value.hint
    assert time.monotonic() - started_s >= 0.2


def test_a_worker_that_starts_again_has_the_whole_patience_from_when_it_was_last_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process is listed for seconds, and may take some more to come back."""
    monkeypatch.setattr(queries, "_LOOK_AT_WORKERS_S", 0.0)
    monkeypatch.setattr(queries, "_NO_WORKER_PATIENCE_S", 0.5)
    with pipeline(tmp_path) as system:
        seed_video(system.ctx)
        killed_s = time.monotonic() + 0.7
        answer = system.queue.run_query
        system.queue.run_query = lambda _query_id: None

        def of_queue(_session: object, _queue: object) -> list[workers.Worker]:
            if time.monotonic() < killed_s:
                return [workers.Worker("machine/1/1", Queue.SIGLIP, WorkerState.READY, "", 0.0)]
            answer(1)
            return []

        monkeypatch.setattr(workers, "of_queue", of_queue)
        assert search.by_text(system.ctx, "red", 3, Scope()).hits


def test_a_lost_hint_is_sent_again(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    seed_video(system.ctx)
    answer = system.queue.run_query
    told: list[int] = []

    def lose_the_first(query_id: int) -> object:
        told.append(query_id)
        return answer(query_id) if len(told) > 1 else None

    monkeypatch.setattr(queries, "_WAKE_AGAIN_S", 0.01)
    system.queue.run_query = lose_the_first

    assert search.by_text(system.ctx, "red", 3, Scope()).hits
    assert told == [1, 1]


def test_a_query_whose_worker_was_killed_is_answered_by_the_next(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_video(system.ctx)
    answer = system.queue.run_query
    taken: list[int] = []

    def take_the_first_and_die(query_id: int) -> object:
        if taken:
            return answer(query_id)
        taken.append(query_id)
        with system.ctx.sessions.write() as session:
            return query_rows.claim(session, Queue.SIGLIP, query_id)

    monkeypatch.setattr(queries, "_WAKE_AGAIN_S", 0.01)
    system.queue.run_query = take_the_first_and_die

    assert search.by_text(system.ctx, "red", 3, Scope()).hits


def test_neighbouring_hits_form_a_moment() -> None:
    hits = [
        SearchHit(1, 1, 10.0, 0.5),
        SearchHit(2, 1, 12.0, 0.9),
        SearchHit(3, 1, 14.6, 0.7),
        SearchHit(4, 1, 3.0, 0.8),
        SearchHit(5, 2, 11.0, 0.85),
    ]

    merged = search.moments(hits, {1: 1.0, 2: 1.0})

    assert [(m.video_id, m.from_pts_s, m.to_pts_s, m.best_frame_id, m.score) for m in merged] == [
        (1, 10.0, 12.0, 2, 0.9),
        (2, 11.0, 11.0, 5, 0.85),
        (1, 3.0, 3.0, 4, 0.8),
        (1, 14.6, 14.6, 3, 0.7),
    ]


def test_moments_of_a_search_span_hits_up_to_two_and_a_half_spacings_apart(system: Pipeline) -> None:
    video_id, ids = seed_video(system.ctx, n_frames=9)

    result = search.by_text(system.ctx, "red", 3, Scope())
    assert found(result) == [ids[0], ids[3], ids[6]]
    assert [(m.from_pts_s, m.to_pts_s) for m in result.moments] == [(0.0, 0.0), (3.0, 3.0), (6.0, 6.0)]

    result = search.by_text(system.ctx, "red green", 6, Scope(video_id=video_id))
    assert sorted(found(result)) == sorted(ids[i] for i in (0, 1, 3, 4, 6, 7))
    [moment] = result.moments
    assert (moment.from_pts_s, moment.to_pts_s) == (0.0, 7.0)


def test_scores_are_measured_by_words_of_which_there_is_nothing(system: Pipeline) -> None:
    seed_video(system.ctx, n_frames=30)

    result = search.by_text(system.ctx, "red", 30, Scope())
    in_vain = search.by_text(system.ctx, "zebra", 30, Scope())

    assert result.scale is not None
    assert [result.band(hit.score) for hit in result.hits[:10]] == ["strong"] * 10
    assert in_vain.n_in("none") == 30
    assert result.scale == in_vain.scale


def test_pictures_are_measured_by_the_likeness_of_the_frames(system: Pipeline) -> None:
    _, ids = seed_video(system.ctx, n_frames=30)
    noise = np.random.default_rng(1).integers(0, 2, (48, 64, 3), np.uint8) * np.uint8(255)

    like = search.by_frame(system.ctx, ids[0], 30, Scope())
    unlike = search.by_picture(system.ctx, jpeg_of(noise), 30, Scope())

    assert (like.n_in("strong"), unlike.n_in("none")) == (10, 30)


def test_few_frames_say_nothing_about_chance(system: Pipeline) -> None:
    seed_video(system.ctx, n_frames=29)
    first, _ = seed_video(system.ctx, name="b.mp4", n_frames=2)

    assert search.by_text(system.ctx, "red", 3, Scope()).scale is not None
    result = search.by_text(system.ctx, "red", 3, Scope(video_id=first))
    assert (result.scale, result.band(1.0), result.band(-1.0)) == (None, "maybe", "maybe")


def test_a_scale_is_made_anew_when_there_are_more_frames(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    of_words = score_scale.of_words

    def noted(scores: NDArray[np.float32], n_frames: int) -> ScoreScale:
        made.append(n_frames)
        return of_words(scores, n_frames)

    monkeypatch.setattr(score_scale, "of_words", noted)
    seed_video(system.ctx, n_frames=30)
    for _ in range(3):
        search.by_text(system.ctx, "red", 3, Scope())
    seed_video(system.ctx, name="b.mp4", n_frames=3)
    for _ in range(3):
        search.by_text(system.ctx, "blue", 3, Scope())

    assert made == [30, 33]


def test_a_search_is_answered_also_when_its_scale_cannot_be_made(
    system: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absent_words, "WORDS", ("a text that is refused",))
    monkeypatch.setattr(search, "_WORDS_PATIENCE_S", 0.0)
    seed_video(system.ctx, n_frames=30)
    embed_texts = system.embedder.model.embed_texts

    def refuse(texts: Sequence[str]) -> EmbeddingBatch:
        if "refused" in texts[0]:
            raise ModelError("It is refused.")
        return embed_texts(texts)

    monkeypatch.setattr(system.embedder.model, "embed_texts", refuse)
    result = search.by_text(system.ctx, "red", 3, Scope())

    assert (len(result.hits), result.scale) == (3, None)

"""Proposals: where they come from, and that they never replace what a person has said."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from komadori.core import masks
from komadori.core.errors import InputError, NotFoundError
from komadori.core.types import Annotation, AnnotationSource, AnnotationStatus, Job, JobState
from komadori.db.repositories import annotations, chunks
from komadori.services import annotate, review
from komadori.services.annotate import Targets
from tests.support.app import seed_video
from tests.support.pipeline import Pipeline, pipeline

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    """An installation with a video whose six frames show red, green, blue, red, green, blue."""
    with pipeline(tmp_path, annotate_chunk_frames=4) as made:
        seed_video(made.ctx, n_frames=6)
        yield made


def ask(system: Pipeline, *prompts: str, frames: Sequence[int] = (), force: bool = False, **how: Any) -> Job:
    return annotate.request(system.ctx, prompts, Targets(frame_ids=frames), force=force, **how)


def content(annotation: Annotation) -> tuple[object, ...]:
    """All that a person sees of an annotation; not its id and not its run."""
    return (
        annotation.frame_id,
        annotation.class_name,
        annotation.bbox_xyxy,
        annotation.mask,
        annotation.confidence,
        annotation.status,
    )


def test_several_prompts_in_one_run_each_with_its_origin(system: Pipeline) -> None:
    job = ask(system, "red", "the  green thing", score_threshold=0.4, mask_threshold=0.6)

    assert (job.state, job.total, job.done) == (JobState.DONE, 6, 6)
    found = system.annotations()
    assert [(a.frame_id, a.class_name, a.prompt) for a in found] == [
        (1, "red", "red"),
        (2, "the green thing", "the green thing"),
        (4, "red", "red"),
        (5, "the green thing", "the green thing"),
    ]
    for annotation in found:
        assert annotation.status is AnnotationStatus.PROPOSED
        assert annotation.source is AnnotationSource.MODEL
        assert annotation.confidence is not None
        assert 0.4 <= annotation.confidence <= 1
        assert annotation.mask is not None
        assert annotation.mask.size_hw == (48, 64)
        assert annotation.bbox_xyxy == annotation.mask.bbox_xyxy
    with system.ctx.sessions.read() as session:
        [run] = annotations.runs(session, 1)
    assert {annotation.run_id for annotation in found} == {run.id}
    assert (run.model_id, run.model_revision) == ("fake", "1")
    assert run.prompts == ["red", "the green thing"]
    assert run.thresholds == {"score": 0.4, "mask": 0.6}


def test_each_image_goes_through_the_model_once_for_all_prompts(system: Pipeline) -> None:
    ask(system, "red", "green", "blue")

    assert system.segmenter.calls == [["red", "green", "blue"]] * 6


def test_the_same_request_again_runs_no_model_and_changes_nothing(system: Pipeline) -> None:
    ask(system, "red", "green")
    before = system.annotations()
    system.segmenter.calls.clear()

    job = ask(system, "red", "green")

    assert (job.state, job.done) == (JobState.DONE, 6)
    assert system.segmenter.calls == []
    assert system.annotations() == before


def test_a_request_for_more_frames_looks_only_at_those(system: Pipeline) -> None:
    ask(system, "red", frames=[1, 2])
    ask(system, "red")

    assert len(system.segmenter.calls) == 6
    assert [a.frame_id for a in system.annotations()] == [1, 4]


def test_force_asks_again_and_replaces_open_proposals(system: Pipeline) -> None:
    ask(system, "red")
    before = system.annotations()

    ask(system, "red", force=True)

    after = system.annotations()
    assert len(system.segmenter.calls) == 12
    assert list(map(content, after)) == list(map(content, before))
    assert {a.id for a in after}.isdisjoint({a.id for a in before})


def test_what_a_person_decided_drew_or_edited_stays_as_it_is(system: Pipeline) -> None:
    ask(system, "red", "green")
    red, green, other_red, other_green = system.annotations()
    review.decide(system.ctx, [red.id], AnnotationStatus.ACCEPTED)
    review.decide(system.ctx, [green.id], AnnotationStatus.REJECTED)
    review.edit(system.ctx, other_red.id, bbox_xyxy=(3, 7, 21, 41))
    review.edit(system.ctx, other_green.id, class_name="traffic light")
    review.draw(system.ctx, 3, "red", (1, 2, 30, 40), None)
    before = system.annotations()

    ask(system, "red", "green", force=True)

    assert system.annotations() == before, "and nothing is proposed twice beside it"


def test_what_was_reverted_to_a_proposal_is_still_touched(system: Pipeline) -> None:
    """Who reverts may want to go back again, so the annotation must not be another one by then."""
    ask(system, "red")
    first, _ = system.annotations()
    review.edit(system.ctx, first.id, class_name="bus", bbox_xyxy=(1, 2, 3, 4))
    reverted = review.revert(system.ctx, first.id, 1)
    assert (reverted.status, reverted.source) == (AnnotationStatus.PROPOSED, AnnotationSource.MODEL)

    ask(system, "red", force=True)
    ask(system, "red", score_threshold=0.2)

    kept, other = system.annotations()
    assert kept == reverted
    assert other.frame_id == 4


def test_few_named_frames_are_a_chunk_each(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    assert annotate.TRY_FRAMES == 16
    monkeypatch.setattr(annotate, "TRY_FRAMES", 5)

    def sizes(job: Job) -> list[int]:
        with system.ctx.sessions.read() as session:
            return [chunk.total for chunk in chunks.of_job(session, job.id)]

    assert sizes(ask(system, "red", frames=[1, 2, 3, 4, 5])) == [1, 1, 1, 1, 1]
    assert sizes(ask(system, "red", frames=[1, 2, 3, 4, 5, 6])) == [4, 2]
    assert sizes(ask(system, "red")) == [4, 2]


def test_a_rejected_proposal_is_not_made_again_but_others_are(system: Pipeline) -> None:
    ask(system, "red")
    first, second = system.annotations()
    review.decide(system.ctx, [first.id], AnnotationStatus.REJECTED)

    ask(system, "red", force=True)
    ask(system, "red", score_threshold=0.2)

    rejected, proposed = system.annotations()
    assert (rejected.id, rejected.status) == (first.id, AnnotationStatus.REJECTED)
    assert (proposed.frame_id, proposed.status) == (second.frame_id, AnnotationStatus.PROPOSED)


def test_an_accepted_object_may_still_be_proposed_as_something_else(system: Pipeline) -> None:
    ask(system, "red", frames=[1])
    review.decide(system.ctx, [system.annotations()[0].id], AnnotationStatus.ACCEPTED)

    ask(system, "red car", frames=[1])

    assert [(a.class_name, a.status.value) for a in system.annotations()] == [
        ("red", "accepted"),
        ("red car", "proposed"),
    ]


def test_proposals_for_other_prompts_are_left_alone(system: Pipeline) -> None:
    ask(system, "blue")
    before = system.annotations()

    ask(system, "red", "green", force=True)

    assert [a for a in system.annotations() if a.class_name == "blue"] == before


def test_proposals_of_other_models_are_left_alone(system: Pipeline) -> None:
    ask(system, "red")
    before = system.annotations()
    system.segmenter.model_id = "another/model"

    ask(system, "red")
    ask(system, "red", force=True)

    after = system.annotations()
    assert after[: len(before)] == before
    assert len(after) == 2 * len(before)
    with system.ctx.sessions.read() as session:
        models = {run.id: run.model_id for run in annotations.runs(session, 1)}
    assert [models[a.run_id or 0] for a in after] == ["fake", "fake", "another/model", "another/model"]


def test_another_threshold_is_another_run_that_replaces_the_models_open_proposals(system: Pipeline) -> None:
    ask(system, "red", score_threshold=0.1)
    ask(system, "red", score_threshold=0.3)

    found = system.annotations()
    assert len(found) == 2, "no object is proposed twice"
    with system.ctx.sessions.read() as session:
        assert [run.thresholds["score"] for run in annotations.runs(session, 1)] == [0.1, 0.3]
        assert {a.run_id for a in found} == {annotations.runs(session, 1)[1].id}


def test_a_bad_frame_is_skipped_and_asked_again_once_it_is_whole(system: Pipeline) -> None:
    whole = system.damage(4)

    job = ask(system, "red")

    assert (job.state, job.done, job.skipped, job.failed) == (JobState.DONE, 5, 1, 0)
    [issue] = system.issues(job.id)
    assert (issue.item, issue.outcome) == ("frame 4", "skipped")
    assert [a.frame_id for a in system.annotations()] == [1]

    system.mend(4, whole)
    system.segmenter.calls.clear()
    ask(system, "red")
    assert len(system.segmenter.calls) == 1
    assert [a.frame_id for a in system.annotations()] == [1, 4]


def test_force_on_a_bad_frame_keeps_the_proposals_that_are_there(system: Pipeline) -> None:
    ask(system, "red")
    before = system.annotations()
    for frame_id in range(1, 7):
        system.damage(frame_id)

    job = ask(system, "red", force=True)

    assert job.skipped == 6
    assert system.annotations() == before


def test_the_frames_of_a_video_or_of_a_search_can_be_meant(system: Pipeline) -> None:
    other, in_other = seed_video(system.ctx, name="other.mp4", n_frames=3)

    annotate.request(system.ctx, ["red"], Targets(video_id=other))
    assert {a.frame_id for a in system.annotations()} == {in_other[0]}

    job = annotate.request(system.ctx, ["blue"], Targets(search_text="blue", top=3))
    assert job.total == 3
    assert {a.frame_id for a in system.annotations() if a.class_name == "blue"} == {3, 6, in_other[2]}


@pytest.mark.parametrize(
    ("prompts", "code"),
    [([], "bad-prompts"), (["red", " "], "bad-prompts"), (["x" * 201], "prompt-too-long")],
)
def test_prompts_without_sense_are_refused_at_once(system: Pipeline, prompts: list[str], code: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(system, *prompts)
    assert caught.value.code == code


def test_thresholds_targets_and_empty_projects_are_checked_at_once(system: Pipeline) -> None:
    with pytest.raises(InputError, match=r"threshold of 1\.5"):
        ask(system, "red", score_threshold=1.5)
    with pytest.raises(InputError, match="threshold of nan"):
        ask(system, "red", mask_threshold=float("nan"))
    with pytest.raises(NotFoundError, match="There is no frame 99"):
        ask(system, "red", frames=[99])
    with pytest.raises(NotFoundError, match="There is no project 'nowhere'"):
        annotate.request(system.ctx, ["red"], Targets(project="nowhere"))


def test_masks_and_boxes_agree_with_the_picture(system: Pipeline) -> None:
    ask(system, "red", frames=[1])

    [annotation] = system.annotations()
    assert annotation.mask is not None
    x0, y0, x1, y1 = annotation.bbox_xyxy
    assert (round(x0), round(y0), round(x1), round(y1)) == (4, 8, 20, 40)
    assert masks.decode(annotation.mask)[8:40, 4:20].all()

"""A person's decisions: each is a revision, none overwrites another's unseen, none is out of the frame."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from komadori.core import masks
from komadori.core.errors import ConflictError, InputError, NotFoundError
from komadori.core.masks import Rle
from komadori.core.types import Annotation, AnnotationSource, AnnotationStatus, FormerState
from komadori.db.repositories import revisions
from komadori.db.tables import AnnotationRow
from komadori.services import annotate, review
from komadori.services.annotate import Targets
from komadori.services.review import Matching
from tests.support.app import seed_video
from tests.support.pipeline import Pipeline, pipeline

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Pipeline]:
    """An installation with two proposals, on frames 1 and 4 of 64 x 48 pixels."""
    with pipeline(tmp_path) as made:
        seed_video(made.ctx, n_frames=6)
        annotate.request(made.ctx, ["red"], Targets())
        yield made


def history(system: Pipeline, annotation: Annotation) -> list[FormerState]:
    with system.ctx.sessions.read() as session:
        return revisions.history(session, annotation.id)


def block(height: int = 48, width: int = 64) -> Rle:
    mask = np.zeros((height, width), np.bool_)
    mask[10:20, 30:50] = True
    return masks.encode(mask)


def test_deciding_makes_a_revision_and_keeps_the_former_state(system: Pipeline) -> None:
    before = system.annotations()

    review.decide(system.ctx, [a.id for a in before], AnnotationStatus.ACCEPTED)

    accepted = system.annotations()
    assert {a.status for a in accepted} == {AnnotationStatus.ACCEPTED}
    assert {a.revision for a in accepted} == {2}
    assert {a.source for a in accepted} == {AnnotationSource.MODEL}
    [former] = history(system, before[0])
    assert (former.revision, former.status, former.source) == (1, "proposed", "model")
    assert (former.bbox_xyxy, former.mask) == (before[0].bbox_xyxy, before[0].mask)


def test_deciding_the_same_again_is_no_revision(system: Pipeline) -> None:
    ids = [a.id for a in system.annotations()]
    review.decide(system.ctx, ids, AnnotationStatus.REJECTED)

    review.decide(system.ctx, ids * 2, AnnotationStatus.REJECTED)

    assert [a.revision for a in system.annotations()] == [2, 2]


def test_deciding_is_all_or_nothing(system: Pipeline) -> None:
    before = system.annotations()

    with pytest.raises(NotFoundError, match="There is no annotation 99"):
        review.decide(system.ctx, [before[0].id, 99], AnnotationStatus.ACCEPTED)
    with pytest.raises(InputError, match="0 annotations were named"):
        review.decide(system.ctx, [], AnnotationStatus.ACCEPTED)

    assert system.annotations() == before


def test_an_edit_makes_it_a_persons_and_accepted(system: Pipeline) -> None:
    proposal = system.annotations()[0]

    edited = review.edit(system.ctx, proposal.id, class_name=" red  car ", mask=block(), expected_revision=1)

    assert (edited.class_name, edited.source, edited.status) == (
        "red car",
        AnnotationSource.PERSON,
        AnnotationStatus.ACCEPTED,
    )
    assert (edited.mask, edited.bbox_xyxy, edited.revision) == (block(), (30.0, 10.0, 50.0, 20.0), 2)
    assert (edited.run_id, edited.prompt) == (proposal.run_id, "red")


def test_a_new_box_drops_the_mask_that_would_contradict_it(system: Pipeline) -> None:
    edited = review.edit(system.ctx, system.annotations()[0].id, bbox_xyxy=(1, 2, 30, 40))

    assert edited.mask is None
    assert edited.bbox_xyxy == (1.0, 2.0, 30.0, 40.0)


def test_an_edit_that_says_nothing_changes_nothing(system: Pipeline) -> None:
    proposal = system.annotations()[0]

    assert review.edit(system.ctx, proposal.id) == proposal


def test_each_change_is_in_the_history_in_order(system: Pipeline) -> None:
    proposal = system.annotations()[0]
    review.edit(system.ctx, proposal.id, bbox_xyxy=(1, 2, 30, 40))
    review.edit(system.ctx, proposal.id, class_name="bus")
    review.decide(system.ctx, [proposal.id], AnnotationStatus.REJECTED)

    states = history(system, proposal)

    assert [(s.revision, s.status) for s in states] == [
        (1, "proposed"),
        (2, "accepted"),
        (3, "accepted"),
    ]
    assert states[0].mask is not None
    assert [s.mask for s in states[1:]] == [None, None]


def test_a_stale_revision_is_a_conflict_and_changes_nothing(system: Pipeline) -> None:
    proposal = system.annotations()[0]
    mine = review.edit(system.ctx, proposal.id, class_name="bus", expected_revision=1)

    with pytest.raises(ConflictError) as caught:
        review.edit(system.ctx, proposal.id, class_name="lorry", expected_revision=1)

    assert caught.value.code == "stale-revision"
    assert "revision 2, not 1" in caught.value.message
    assert system.annotations()[0] == mine


def test_a_revert_restores_each_column_to_the_last_bit(system: Pipeline) -> None:
    with system.ctx.sessions.write() as session:
        odd = {"x0": 1 / 3, "y0": 0.1 + 0.2, "confidence": 2 / 3, "track_id": 2**40}
        session.execute(update(AnnotationRow).where(AnnotationRow.id == 1).values(odd))
    before = system.annotations()[0]
    review.edit(system.ctx, before.id, class_name="bus", mask=block(), status=AnnotationStatus.REJECTED)

    reverted = review.revert(system.ctx.acting_as("Ann"), before.id, 1, expected_revision=2)

    assert reverted == system.annotations()[0]
    assert reverted == replace(before, revision=3, changed_s=reverted.changed_s, changed_by="Ann")
    again = review.revert(system.ctx, before.id, 2)
    assert (again.class_name, again.mask, again.status) == ("bus", block(), AnnotationStatus.REJECTED)
    assert (again.source, again.revision) == (AnnotationSource.PERSON, 4)


def test_a_revert_to_what_it_is_already_is_no_revision(system: Pipeline) -> None:
    proposal = system.annotations()[0]
    for status in (AnnotationStatus.ACCEPTED, AnnotationStatus.PROPOSED):
        review.decide(system.ctx, [proposal.id], status)

    assert review.revert(system.ctx, proposal.id, 1).revision == 3


def test_a_revert_needs_a_revision_that_was(system: Pipeline) -> None:
    proposal = system.annotations()[0]
    review.edit(system.ctx, proposal.id, class_name="bus")

    with pytest.raises(NotFoundError, match="no former revision 2"):
        review.revert(system.ctx, proposal.id, 2)
    with pytest.raises(ConflictError, match="revision 2, not 1"):
        review.revert(system.ctx, proposal.id, 1, expected_revision=1)
    assert system.annotations()[0].revision == 2


def test_more_ids_than_a_statement_has_parameters_are_decided_at_once(system: Pipeline) -> None:
    before = system.annotations()

    with pytest.raises(NotFoundError, match="There is no annotation 3"):
        review.decide(system.ctx, range(1, review.MAX_AT_ONCE + 1), AnnotationStatus.ACCEPTED)

    assert system.annotations() == before


def test_the_open_proposals_that_match_are_decided_and_no_others(system: Pipeline) -> None:
    annotate.request(system.ctx, ["green", "blue"], Targets())
    _, other_project = seed_video(system.ctx, project="other", n_frames=1)
    annotate.request(system.ctx, ["red"], Targets("other", frame_ids=other_project))
    with system.ctx.sessions.write() as session:
        for annotation_id, confidence in enumerate((0.5, 0.6, 0.7, 0.8, 0.9, 0.95), 1):
            row = update(AnnotationRow).where(AnnotationRow.id == annotation_id)
            session.execute(row.values(confidence=confidence))
    review.draw(system.ctx, 1, "red", (1, 2, 3, 4), None)
    review.decide(system.ctx, [4], AnnotationStatus.REJECTED)
    accept = AnnotationStatus.ACCEPTED
    before = {a.id: a for a in system.annotations()}

    between = Matching("default", min_confidence=0.6, max_confidence=0.9)
    found = review.decide_matching(system.ctx.acting_as("Ann"), between, accept)

    assert found == [2, 3, 5]
    after = {a.id: a for a in system.annotations()}
    assert {id_ for id_ in after if after[id_] != before[id_]} == set(found)
    assert {(after[id_].status, after[id_].revision, after[id_].changed_by) for id_ in found} == {
        (accept, 2, "Ann")
    }
    assert review.decide_matching(system.ctx, Matching("default", class_name="red", frame_id=4), accept) == []
    assert review.decide_matching(system.ctx, Matching("default", class_name="red"), accept) == [1]


def test_too_many_that_match_are_left_alone(system: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    before = system.annotations()
    monkeypatch.setattr(review, "MAX_AT_ONCE", 1)

    with pytest.raises(InputError, match="More than 1 proposals match"):
        review.decide_matching(system.ctx, Matching("default"), AnnotationStatus.ACCEPTED)

    assert system.annotations() == before


def test_drawing_is_accepted_from_the_start(system: Pipeline) -> None:
    drawn = review.draw(system.ctx, 2, "dog", None, block())

    assert (drawn.status, drawn.source, drawn.revision) == (
        AnnotationStatus.ACCEPTED,
        AnnotationSource.PERSON,
        1,
    )
    assert (drawn.confidence, drawn.run_id, drawn.prompt) == (None, None, None)
    assert drawn.bbox_xyxy == (30.0, 10.0, 50.0, 20.0)


def test_a_box_is_clipped_to_the_frame(system: Pipeline) -> None:
    assert review.draw(system.ctx, 2, "dog", (-5, 10, 900, 20), None).bbox_xyxy == (0.0, 10.0, 64.0, 20.0)


@pytest.mark.parametrize(
    "box", [(10, 10, 10, 20), (30, 10, 20, 20), (70, 0, 90, 20), (float("nan"), 0, 5, 5), None]
)
def test_a_box_without_area_in_the_frame_is_refused(
    system: Pipeline, box: tuple[float, float, float, float] | None
) -> None:
    with pytest.raises(InputError) as caught:
        review.draw(system.ctx, 2, "dog", box, None)
    assert caught.value.code == "bad-box"
    assert len(system.annotations()) == 2


@pytest.mark.parametrize("mask", [block(64, 48), masks.encode(np.zeros((48, 64), np.bool_))])
def test_a_mask_of_another_size_or_without_pixels_is_refused(system: Pipeline, mask: Rle) -> None:
    with pytest.raises(InputError) as drawn:
        review.draw(system.ctx, 2, "dog", None, mask)
    with pytest.raises(InputError) as edited:
        review.edit(system.ctx, system.annotations()[0].id, mask=mask)
    assert drawn.value.code == edited.value.code == "bad-mask"


def test_a_class_needs_a_name(system: Pipeline) -> None:
    with pytest.raises(InputError) as caught:
        review.draw(system.ctx, 2, " \t", (1, 2, 3, 4), None)
    assert caught.value.code == "bad-class-name"


def test_deleting_takes_the_history_along(system: Pipeline) -> None:
    first, second = system.annotations()
    review.decide(system.ctx, [first.id], AnnotationStatus.ACCEPTED)

    review.delete(system.ctx, first.id)

    assert system.annotations() == [second]
    assert history(system, first) == []
    with pytest.raises(NotFoundError):
        review.delete(system.ctx, first.id)

"""The oracle finds nothing wrong with a whole store, and all that was taken from it or added."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from komadori.core.types import JobState
from komadori.db.repositories import embeddings
from komadori.db.tables import AnnotationRow, ChunkRow, EmbeddingRow, FrameRow
from komadori.services import annotate
from komadori.services.context import Context
from tests.chaos import oracle, parts
from tests.chaos.client import PROMPTS, Round
from tests.chaos.clips import Clip, make_clips
from tests.chaos.truth import SCORE_THRESHOLD, Truth
from tests.support.pipeline import pipeline, sampling


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return make_clips(tmp_path_factory.mktemp("clips"))[0]


@pytest.fixture(scope="module")
def whole(clip: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a store with everything that was asked of it."""
    home = tmp_path_factory.mktemp("whole")
    with pipeline(home) as made:
        made.add(clip.path, sampling("all_frames"))
        annotate.request(made.ctx, PROMPTS, annotate.Targets(), score_threshold=SCORE_THRESHOLD)
    return home


@pytest.fixture
def ctx(whole: Path, tmp_path: Path) -> Iterator[Context]:
    """A copy of it, to be broken."""
    home = shutil.copytree(whole, tmp_path / "home")
    with pipeline(home) as made:
        yield made.ctx


def violations(ctx: Context, clip: Clip, accepted: frozenset[str] = frozenset()) -> list[str]:
    truth = Truth(parts.open_embedder("fake"), parts.open_segmenter("fake"))
    return oracle.examine(ctx, [Round("default", clip.path, clip)], set(accepted), truth).violations


def test_a_whole_store_has_none(ctx: Context, clip: Clip) -> None:
    assert violations(ctx, clip, frozenset({"1", "2", "3"})) == []


def test_a_job_that_was_forgotten_is_named(ctx: Context, clip: Clip) -> None:
    assert violations(ctx, clip, frozenset({"99"})) == ["jobs that the API had accepted are gone: ['99']"]


def take_a_frame(ctx: Context) -> None:
    with ctx.sessions.write() as session:
        session.execute(delete(FrameRow).where(FrameRow.decode_index == 7))


def take_a_picture(ctx: Context) -> None:
    ctx.blobs.delete(key_of_a_picture(ctx))


def change_a_picture(ctx: Context) -> None:
    key = key_of_a_picture(ctx)
    ctx.blobs.put(key, ctx.blobs.get(key) + b"\0")


def key_of_a_picture(ctx: Context) -> str:
    with ctx.sessions.read() as session:
        return session.scalars(select(FrameRow.image_key).where(FrameRow.decode_index == 7)).one()


def take_a_vector(ctx: Context) -> None:
    with ctx.sessions.read() as session:
        frame_id = session.scalars(select(FrameRow.id).where(FrameRow.decode_index == 7)).one()
        active = embeddings.active_space(session, "fake")
        assert active is not None
    ctx.index_of(active[1]).delete([frame_id])


def forget_a_vector(ctx: Context) -> None:
    with ctx.sessions.write() as session:
        first = session.scalars(select(EmbeddingRow.frame_id).limit(1)).one()
        session.execute(delete(EmbeddingRow).where(EmbeddingRow.frame_id == first))


def swap_two_vectors(ctx: Context) -> None:
    with ctx.sessions.read() as session:
        ids = list(session.scalars(select(FrameRow.id).where(FrameRow.decode_index.in_((0, 20)))))
        active = embeddings.active_space(session, "fake")
        assert active is not None
    index = ctx.index_of(active[1])
    index.upsert(ids[::-1], index.fetch(ids))


def take_an_annotation(ctx: Context) -> None:
    with ctx.sessions.write() as session:
        session.execute(delete(AnnotationRow).where(AnnotationRow.id == 1))


def double_an_annotation(ctx: Context) -> None:
    with ctx.sessions.write() as session:
        columns = [column for column in AnnotationRow.__table__.columns if column.name != "id"]
        row = session.execute(select(*columns).limit(1)).mappings().one()
        session.execute(insert(AnnotationRow).values(**row))


def leave_a_lease(ctx: Context) -> None:
    with ctx.sessions.write() as session:
        session.execute(update(ChunkRow).where(ChunkRow.id == 2).values(owner="somebody"))


def leave_a_chunk(ctx: Context) -> None:
    with ctx.sessions.write() as session:
        session.execute(update(ChunkRow).where(ChunkRow.id == 2).values(state=JobState.QUEUED))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (take_a_frame, "its frames are"),
        (take_a_picture, "frame 7: There is nothing stored"),
        (change_a_picture, "frame 7: its file is not what the ledger says"),
        (take_a_vector, "frame 7: it has no vector"),
        (forget_a_vector, "vectors in the index"),
        (swap_two_vectors, "its vector is off by"),
        (take_an_annotation, "annotations instead of"),
        (double_an_annotation, "annotations that are there twice"),
        (leave_a_lease, "is still leased"),
        (leave_a_chunk, "is queued"),
    ],
)
def test_what_is_broken_is_named(
    ctx: Context, clip: Clip, break_it: Callable[[Context], None], words: str
) -> None:
    break_it(ctx)

    assert any(words in violation for violation in violations(ctx, clip)), violations(ctx, clip)

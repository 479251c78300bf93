"""Questions about whether rows fit together, asked page by page so that no answer is large."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    and_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.orm import Session, aliased

from komadori.core.types import JobState, JsonDict, VideoState
from komadori.db.repositories.queries import QueryKind
from komadori.db.repositories.statements import now_s
from komadori.db.session import Sessions
from komadori.db.tables import (
    AnnotationRevisionRow,
    AnnotationRow,
    AnnotationRunRow,
    Base,
    ChunkCountRow,
    ChunkRow,
    ClassRow,
    EmbeddingRow,
    EmbeddingSpaceRow,
    FrameRow,
    JobRow,
    QueryRow,
    RunFrameRow,
    SamplingFrameRow,
    SamplingRow,
    UploadRow,
    VideoRow,
    WorkerRow,
)

_PAGE = 1000
_MANY = 1000
"""Of things that are wrong no more are named."""

_LIVE = [state.value for state in JobState if not state.is_terminal]


def integrity(session: Session) -> list[str]:
    """What SQLite says of its file, nothing when it is whole; PostgreSQL has no such question."""
    if session.get_bind().dialect.name != "sqlite":
        return []
    return [line for line in session.scalars(text("PRAGMA integrity_check(20)")) if line != "ok"]


def dangling(session: Session) -> Iterator[tuple[str, str, int]]:
    """Tables with rows whose parent is gone: the table, the column, and how many."""
    for table, column, parent in _references():
        n = session.scalar(select(func.count()).select_from(table).where(_has_no_parent(column, parent)))
        if n:
            yield table.name, column.name, n


def remove_dangling(session: Session) -> int:
    """Delete the rows whose parent is gone: how many there were."""
    removed = 0
    for table, column, parent in _references():
        removed += session.execute(delete(table).where(_has_no_parent(column, parent))).rowcount  # type: ignore[attr-defined]
    return removed


def jobs_with_chunks(sessions: Sessions) -> Iterator[Any]:
    """Each job with what its chunks come to."""
    is_live = ChunkRow.state.in_(_LIVE)
    statement = (
        select(
            JobRow.id,
            JobRow.state,
            JobRow.is_open,
            JobRow.finished_s,
            func.count(ChunkRow.id).label("n"),
            func.min(ChunkRow.position).label("first"),
            func.max(ChunkRow.position).label("last"),
            func.sum(case((is_live, 1), else_=0)).label("n_live"),
            *(
                func.sum(case((ChunkRow.state == state.value, 1), else_=0)).label(f"n_{state}")
                for state in (JobState.FAILED, JobState.CANCELLED)
            ),
        )
        .outerjoin(ChunkRow, ChunkRow.job_id == JobRow.id)
        .group_by(JobRow.id)
    )
    yield from _pages(sessions, statement, JobRow.id)


def children_left_open(session: Session) -> list[int]:
    """Jobs that wait for more chunks of a parent that has ended."""
    parent = aliased(JobRow)
    statement = (
        select(JobRow.id)
        .join(parent, parent.id == JobRow.parent_id)
        .where(JobRow.is_open, parent.state.not_in(_LIVE))
    )
    return list(session.scalars(statement.limit(_MANY)))


def miscounted_chunks(session: Session) -> Sequence[Any]:
    """Chunks whose items do not add up: all of them are accounted for at the end, and never more."""
    ended = ChunkRow.done + ChunkRow.skipped + ChunkRow.failed
    is_over = ChunkRow.state.in_([JobState.DONE.value, JobState.FAILED.value])
    columns = (ChunkRow.total, ChunkRow.done, ChunkRow.skipped, ChunkRow.failed)
    is_wrong = or_(
        ended > ChunkRow.total, and_(is_over, ended != ChunkRow.total), *(column < 0 for column in columns)
    )
    return session.execute(
        select(ChunkRow.id, ChunkRow.job_id, ChunkRow.state, *columns).where(is_wrong).limit(_MANY)
    ).all()


def miscounted_jobs(session: Session) -> list[Any]:
    """Jobs whose counts, which triggers keep, are not what their chunks come to."""
    columns = ("total", "done", "skipped", "failed")
    key = (ChunkRow.job_id, ChunkRow.queue, ChunkRow.state)
    is_running = ChunkRow.state == JobState.RUNNING.value
    sums = (func.sum(case((is_running, 0), else_=getattr(ChunkRow, name))) for name in columns)
    counted = session.execute(
        select(
            ChunkCountRow.job_id,
            ChunkCountRow.queue,
            ChunkCountRow.state,
            ChunkCountRow.n,
            *(getattr(ChunkCountRow, name) for name in columns),
        ).where(or_(ChunkCountRow.n != 0, *(getattr(ChunkCountRow, name) != 0 for name in columns)))
    )
    there = session.execute(select(*key, func.count(), *sums).group_by(*key))
    wrong = {tuple(map(str, row)) for row in counted} ^ {tuple(map(str, row)) for row in there}
    return sorted({int(row[0]) for row in wrong})[:_MANY]


def misowned_chunks(session: Session) -> Sequence[Any]:
    """Chunks that run for nobody, or belong to somebody without running."""
    is_running = ChunkRow.state == JobState.RUNNING.value
    has_no_lease = or_(ChunkRow.owner.is_(None), ChunkRow.lease_until_s.is_(None))
    is_wrong = or_(and_(is_running, has_no_lease), and_(~is_running, ChunkRow.owner.is_not(None)))
    return session.execute(
        select(ChunkRow.id, ChunkRow.job_id, ChunkRow.state, ChunkRow.owner).where(is_wrong).limit(_MANY)
    ).all()


def overdue_chunks(session: Session, grace_s: float) -> Sequence[Any]:
    """Running chunks whose lease ran out more than ``grace_s`` ago, without anybody taking them back."""
    silent_s = now_s() - ChunkRow.lease_until_s
    return session.execute(
        select(ChunkRow.id, ChunkRow.job_id, ChunkRow.owner, silent_s.label("silent_s"))
        .where(ChunkRow.state == JobState.RUNNING.value, silent_s > grace_s)
        .limit(_MANY)
    ).all()


def silent_workers(session: Session, silent_s: float) -> list[tuple[str, float]]:
    """Workers that have not reported for so long: their names, and for how long."""
    age_s = now_s() - WorkerRow.seen_s
    rows = session.execute(select(WorkerRow.name, age_s).where(age_s > silent_s).limit(_MANY))
    return [(name, seconds) for name, seconds in rows]


def running_payloads(session: Session) -> list[tuple[str, JsonDict]]:
    """The kind and the payload of every chunk that runs."""
    rows = session.execute(
        select(ChunkRow.kind, ChunkRow.payload).where(ChunkRow.state == JobState.RUNNING.value)
    )
    return [(kind, payload) for kind, payload in rows]


def hold_chunks(session: Session) -> None:
    """Let no chunk begin or end until the transaction ends; on SQLite no other writes anyway."""
    if session.connection().dialect.name == "postgresql":  # on SQLite to connect is to begin
        session.execute(text("LOCK TABLE chunks IN SHARE MODE"))


def stuck_videos(session: Session, kind: str) -> Sequence[Any]:
    """Videos that wait for their frames while no job of that kind is under way in their project."""
    is_awaited = exists().where(
        JobRow.project_id == VideoRow.project_id, JobRow.kind == kind, JobRow.state.in_(_LIVE)
    )
    unfinished = [VideoState.QUEUED.value, VideoState.EXTRACTING.value]
    statement = select(VideoRow.id, VideoRow.state).where(VideoRow.state.in_(unfinished), ~is_awaited)
    return session.execute(statement.limit(_MANY)).all()


def ledger(sessions: Sessions) -> Iterator[Any]:
    """All frames with the SHA-256 of their videos, by video, stream and order of presentation."""
    key = (FrameRow.video_id, FrameRow.stream_index, FrameRow.decode_index)
    statement = (
        select(
            *key,
            FrameRow.id,
            FrameRow.pts,
            FrameRow.time_base_num,
            FrameRow.time_base_den,
            FrameRow.width,
            FrameRow.height,
            FrameRow.image_key,
            FrameRow.thumbnail_key,
            FrameRow.image_sha256,
            FrameRow.perceptual_hash,
            VideoRow.sha256,
        )
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .order_by(*key)
        .limit(_PAGE)
    )
    after: Any = None
    while True:
        with sessions.read() as session:
            beyond = true() if after is None else tuple_(*key) > tuple_(*map(literal, after))
            rows = session.execute(statement.where(beyond)).all()
        yield from rows
        if len(rows) < _PAGE:
            return
        after = tuple(rows[-1][:3])


def frames_in_foreign_samplings(session: Session) -> Sequence[Any]:
    """Frames that a sampling of another video has chosen."""
    return session.execute(
        select(SamplingFrameRow.sampling_id, SamplingFrameRow.frame_id)
        .join(SamplingRow, SamplingRow.id == SamplingFrameRow.sampling_id)
        .join(FrameRow, FrameRow.id == SamplingFrameRow.frame_id)
        .where(SamplingRow.video_id != FrameRow.video_id)
        .limit(_MANY)
    ).all()


def annotations(sessions: Sessions) -> Iterator[Any]:
    """All annotations, with what they must agree with: frame, class, run and history."""
    run_frame = and_(
        RunFrameRow.run_id == AnnotationRow.run_id, RunFrameRow.frame_id == AnnotationRow.frame_id
    )
    history = AnnotationRevisionRow.annotation_id == AnnotationRow.id
    statement = (
        select(
            AnnotationRow,
            FrameRow.width,
            FrameRow.height,
            VideoRow.project_id,
            ClassRow.project_id.label("class_project_id"),
            AnnotationRunRow.project_id.label("run_project_id"),
            RunFrameRow.run_id.label("seen_by"),
            select(func.count()).where(history).scalar_subquery().label("n_former"),
            select(func.max(AnnotationRevisionRow.revision)).where(history).scalar_subquery().label("newest"),
        )
        .join(FrameRow, FrameRow.id == AnnotationRow.frame_id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .join(ClassRow, ClassRow.id == AnnotationRow.class_id)
        .outerjoin(AnnotationRunRow, AnnotationRunRow.id == AnnotationRow.run_id)
        .outerjoin(RunFrameRow, run_frame)
    )
    yield from _pages(sessions, statement, AnnotationRow.id)


def miscounted_run_frames(session: Session) -> Sequence[Any]:
    """Frames of another project than the run that has looked at them, or with less than no detection."""
    return session.execute(
        select(RunFrameRow.run_id, RunFrameRow.frame_id, RunFrameRow.n_detections)
        .join(AnnotationRunRow, AnnotationRunRow.id == RunFrameRow.run_id)
        .join(FrameRow, FrameRow.id == RunFrameRow.frame_id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(or_(RunFrameRow.n_detections < 0, AnnotationRunRow.project_id != VideoRow.project_id))
        .limit(_MANY)
    ).all()


def spaces(session: Session) -> list[EmbeddingSpaceRow]:
    """All embedding spaces."""
    return list(session.scalars(select(EmbeddingSpaceRow).order_by(EmbeddingSpaceRow.id)))


def embedded_frames(sessions: Sessions, space_id: int) -> Iterator[list[int]]:
    """The frames that have a vector in a space, ascending, page by page."""
    after = 0
    statement = (
        select(EmbeddingRow.frame_id)
        .where(EmbeddingRow.space_id == space_id)
        .order_by(EmbeddingRow.frame_id)
        .limit(_PAGE * 10)
    )
    while True:
        with sessions.read() as session:
            ids = list(session.scalars(statement.where(EmbeddingRow.frame_id > after)))
        if not ids:
            return
        yield ids
        after = ids[-1]


def frame_files(session: Session, sha256: str, decode_indices: Sequence[int]) -> set[str]:
    """The keys of the images and thumbnails of those frames, in every project that has the video."""
    rows = session.execute(
        select(FrameRow.image_key, FrameRow.thumbnail_key)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(VideoRow.sha256 == sha256, FrameRow.decode_index.in_(set(decode_indices)))
    )
    return {key for row in rows for key in row}


def sha256s(session: Session, video_ids: Sequence[int]) -> set[str]:
    """The SHA-256 of those videos."""
    return set(session.scalars(select(VideoRow.sha256).where(VideoRow.id.in_(video_ids))))


def known_videos(session: Session, sha256s: Sequence[str]) -> set[str]:
    """Which of these are the SHA-256 of a video."""
    return set(session.scalars(select(VideoRow.sha256).where(VideoRow.sha256.in_(sha256s))))


def known_sources(session: Session, sha256s: Sequence[str]) -> set[str]:
    """Which of these are the SHA-256 of a video or of a whole upload."""
    uploads = session.scalars(select(UploadRow.sha256).where(UploadRow.sha256.in_(sha256s)))
    return known_videos(session, sha256s) | {sha256 for sha256 in uploads if sha256}


def known_uploads(session: Session, upload_ids: Sequence[str]) -> set[str]:
    """Which of these are the ids of uploads."""
    return set(session.scalars(select(UploadRow.id).where(UploadRow.id.in_(upload_ids))))


def sources(sessions: Sessions) -> Iterator[Any]:
    """All videos with what their sources are."""
    statement = select(VideoRow.id, VideoRow.sha256, VideoRow.source_uri, VideoRow.size_bytes)
    yield from _pages(sessions, statement, VideoRow.id)


def known_pictures(session: Session, content_keys: Sequence[str]) -> set[str]:
    """Which of these are the SHA-256 of a picture that was searched with, and is still remembered."""
    return set(
        session.scalars(
            select(QueryRow.content_key).where(
                QueryRow.kind == QueryKind.PICTURE, QueryRow.content_key.in_(content_keys)
            )
        )
    )


def export_targets(session: Session, kind: str) -> Iterator[tuple[int, str, bool]]:
    """The jobs of that kind with the folder that they write to, and whether one of their chunks runs."""
    is_running = exists().where(ChunkRow.job_id == JobRow.id, ChunkRow.state == JobState.RUNNING.value)
    rows = session.execute(select(JobRow.id, JobRow.parameters, is_running).where(JobRow.kind == kind))
    for job_id, parameters, runs in rows:
        yield job_id, str(parameters["directory"]), bool(runs)


def _references() -> Iterator[tuple[Any, Any, Any]]:
    """Each column that refers to another table, with its table and the column that it names."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                yield table, column, key.column


def _has_no_parent(column: Any, parent: Any) -> Any:
    other = parent.table.alias()
    return and_(column.is_not(None), ~exists().where(other.c[parent.name] == column))


def _pages(sessions: Sessions, statement: Any, key: Any) -> Iterator[Any]:
    """The rows of a statement by a key that grows, each page in a transaction of its own."""
    after = 0
    while True:
        with sessions.read() as session:
            rows = session.execute(statement.where(key > after).order_by(key).limit(_PAGE)).all()
            after = rows[-1][0] if rows else 0
            after = getattr(after, "id", after)
        yield from rows
        if len(rows) < _PAGE:
            return

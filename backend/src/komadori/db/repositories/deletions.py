"""What belongs to a video that is being deleted, and nobody else sees any more."""

from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.core.types import JobState, VideoState
from komadori.db.repositories import jobs
from komadori.db.tables import ChunkRow, FrameRow, JobIssueRow, JobRow, SamplingRow, VideoRow


def mark(session: Session, video_id: int) -> VideoRow:
    """Take a video away from everybody; again is the same. Its row, locked.

    Raises:
        NotFoundError: There is no such video.
    """
    row = session.get(VideoRow, video_id, with_for_update={"key_share": True}, populate_existing=True)
    if row is None:
        raise _no_such_video(video_id)
    row.state, row.error = VideoState.DELETING, None
    session.flush()
    return row


def project_of(session: Session, video_id: int) -> int:
    """The project of a video, also of one that is being deleted.

    Raises:
        NotFoundError: There is no such video.
    """
    project_id = session.scalar(select(VideoRow.project_id).where(VideoRow.id == video_id))
    if project_id is None:
        raise _no_such_video(video_id)
    return project_id


def is_left(session: Session, video_id: int) -> bool:
    """Whether the row of the video is still there."""
    return session.scalar(select(VideoRow.id).where(VideoRow.id == video_id)) is not None


def job_ids(session: Session, project_id: int, video_id: int) -> list[int]:
    """The jobs that are about this video alone, with those that they started; oldest first."""
    of_video = (
        select(JobRow.id)
        .where(
            JobRow.project_id == project_id,
            JobRow.kind.in_(("ingest", "embed", "verify", "proxy")),
            or_(
                JobRow.result["video_id"].as_string() == str(video_id),
                JobRow.parameters["video_id"].as_integer() == video_id,
            ),
        )
        .order_by(JobRow.id)
    )
    own = list(session.scalars(of_video))
    children = session.scalars(select(JobRow.id).where(JobRow.parent_id.in_(own)))
    return sorted({*own, *children})


def has_running_chunk(session: Session, job_ids: Sequence[int]) -> bool:
    """Whether somebody works for one of these jobs."""
    statement = select(ChunkRow.id).where(ChunkRow.job_id.in_(job_ids), ChunkRow.state == JobState.RUNNING)
    return session.scalar(statement.limit(1)) is not None


def count_frames(session: Session, video_id: int) -> int:
    """How many of its frames are left."""
    return session.scalar(select(func.count()).where(FrameRow.video_id == video_id)) or 0


def next_frames(session: Session, video_id: int, limit: int) -> list[FrameRow]:
    """Some of the frames that are left, in the order of presentation."""
    statement = select(FrameRow).where(FrameRow.video_id == video_id)
    return list(
        session.scalars(statement.order_by(FrameRow.stream_index, FrameRow.decode_index).limit(limit))
    )


def shared_keys(session: Session, sha256: str, frames: Sequence[FrameRow]) -> set[str]:
    """Those image and thumbnail keys of frames that another video with the same bytes has too."""
    own = {frame.video_id for frame in frames}
    indices = [frame.decode_index for frame in frames]
    rows = session.execute(
        select(FrameRow.image_key, FrameRow.thumbnail_key)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(
            VideoRow.sha256 == sha256,
            VideoRow.id.not_in(own),
            FrameRow.decode_index.between(min(indices), max(indices)),
        )
    )
    return {key for keys in rows for key in keys}


def remove_frames(session: Session, frame_ids: Sequence[int]) -> None:
    """Delete frames, and with them what the database knows of them: annotations, samplings, vectors."""
    session.execute(delete(FrameRow).where(FrameRow.id.in_(frame_ids)))


def remove_video(session: Session, video_id: int, job_ids: Sequence[int]) -> None:
    """Delete a video without frames, its samplings, and what did not go through in its jobs."""
    session.execute(delete(JobIssueRow).where(JobIssueRow.job_id.in_(job_ids)))
    session.execute(delete(SamplingRow).where(SamplingRow.video_id == video_id))
    session.execute(delete(VideoRow).where(VideoRow.id == video_id))


def other_with_bytes(session: Session, sha256: str, video_id: int) -> bool:
    """Whether another video, in whatever state, has the same bytes."""
    statement = select(VideoRow.id).where(VideoRow.sha256 == sha256, VideoRow.id != video_id)
    return session.scalar(statement.limit(1)) is not None


def has_live_ingest(session: Session, uri: str) -> bool:
    """Whether a job that has not ended is to take frames from there."""
    statement = select(JobRow.id).where(
        JobRow.kind == "ingest",
        JobRow.state.in_(jobs.LIVE),
        JobRow.parameters["path"].as_string() == uri,
    )
    return session.scalar(statement.limit(1)) is not None


def _no_such_video(video_id: int) -> NotFoundError:
    return NotFoundError(f"There is no video {video_id}.", hint="`komadori videos` lists them.")

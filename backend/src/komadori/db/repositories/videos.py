"""Videos, the samplings asked of them, and their frames."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.core.types import Frame, JsonDict, Video, VideoState
from komadori.db.repositories.statements import insert_missing
from komadori.db.tables import FrameRow, SamplingFrameRow, SamplingRow, SamplingSkipRow, VideoRow

_PAGE = 500

IS_LIVE = VideoRow.state != VideoState.DELETING.value
"""What is being deleted is there for nobody any more: every query that shows something of videos has this."""


@dataclass(frozen=True, slots=True)
class NewVideo:
    """A video that is not in the database yet; ``facts`` are those of the probe."""

    project_id: int
    sha256: str
    name: str
    source_uri: str
    size_bytes: int
    duration_s: float
    width: int
    height: int
    facts: JsonDict


def find_or_add(session: Session, new: NewVideo) -> int:
    """The video of the project with these bytes: its id. From now on it is read from where it was seen.

    Its facts are those of the newest probe, which may know more than that of an older version.
    """
    values = {field.name: getattr(new, field.name) for field in fields(new)}
    started = {"state": VideoState.QUEUED, "error": None, "created_s": time.time()}
    insert_missing(session, VideoRow, [{**values, **started}])
    statement = (
        update(VideoRow)
        .where(VideoRow.project_id == new.project_id, VideoRow.sha256 == new.sha256, IS_LIVE)
        .values(source_uri=new.source_uri, facts=new.facts)
        .returning(VideoRow.id)
    )
    return session.scalars(statement).one()


def set_state(session: Session, video_id: int, state: VideoState, error: str | None = None) -> None:
    """Say how far a video has come."""
    session.execute(update(VideoRow).where(VideoRow.id == video_id).values(state=state, error=error))


def get(session: Session, video_id: int) -> Video:
    """The video with that id.

    Raises:
        NotFoundError: There is no such video.
    """
    row = session.get(VideoRow, video_id)
    if row is None or row.state == VideoState.DELETING:
        raise NotFoundError(f"There is no video {video_id}.", hint="`komadori videos` lists them.")
    return _video(row, frame_count(session, video_id))


def is_any_deleting(session: Session) -> bool:
    """Whether something of a video may still be there that nobody must see."""
    return session.scalar(select(VideoRow.id).where(~IS_LIVE).limit(1)) is not None


def of_bytes(session: Session, sha256: str) -> list[Video]:
    """The videos with these bytes; each is in a project of its own."""
    rows = session.scalars(select(VideoRow).where(VideoRow.sha256 == sha256, IS_LIVE).order_by(VideoRow.id))
    return [_video(row, 0) for row in rows]


def check_in_project(session: Session, video_id: int, project_id: int, project: str) -> None:
    """Refuse a video of another project.

    Raises:
        NotFoundError: The video does not exist, or not in this project.
    """
    if get(session, video_id).project_id != project_id:
        raise NotFoundError(
            f"Video {video_id} is not in project {project!r}.", hint="Name its project with --project."
        )


def page(
    session: Session, *, project_id: int | None = None, after_id: int = 0, limit: int = 100
) -> list[Video]:
    """Videos by id."""
    statement = select(VideoRow).where(VideoRow.id > after_id, IS_LIVE).order_by(VideoRow.id).limit(limit)
    if project_id is not None:
        statement = statement.where(VideoRow.project_id == project_id)
    videos = session.scalars(statement).all()
    counts = _frame_counts(session, [row.id for row in videos])
    return [_video(row, counts.get(row.id, 0)) for row in videos]


def count(session: Session, project_id: int | None = None) -> int:
    """How many videos there are."""
    statement = select(func.count()).select_from(VideoRow).where(IS_LIVE)
    if project_id is not None:
        statement = statement.where(VideoRow.project_id == project_id)
    return session.scalar(statement) or 0


def frame_count(session: Session, video_id: int) -> int:
    """How many frames of a video are stored."""
    return _frame_counts(session, [video_id]).get(video_id, 0)


def poster_frames(session: Session, video_ids: Sequence[int]) -> dict[int, int]:
    """The stored frame that stands for each video: the first one after a third of it, else its first."""
    third = func.coalesce(VideoRow.facts["n_frames"].as_integer(), 0) / 3
    first = (
        select(FrameRow.id)
        .where(
            FrameRow.video_id == VideoRow.id,
            FrameRow.stream_index == VideoRow.facts["stream_index"].as_integer(),
        )
        .order_by(FrameRow.decode_index)
        .limit(1)
    )
    found = func.coalesce(
        first.where(FrameRow.decode_index >= third).scalar_subquery(), first.scalar_subquery()
    )
    rows = session.execute(select(VideoRow.id, found).where(VideoRow.id.in_(video_ids)))
    return {video_id: frame_id for video_id, frame_id in rows if frame_id is not None}


def count_frames(session: Session, video_id: int, sampling_id: int | None = None) -> int:
    """How many frames of a video are stored; of one sampling, or of all."""
    return session.scalar(select(func.count()).select_from(_frames_of(video_id, sampling_id).subquery())) or 0


def sampling(session: Session, video_id: int, key: str, parameters: JsonDict) -> int:
    """The id of a sampling of a video, made when it is new."""
    values = {"video_id": video_id, "parameters_key": key, "parameters": parameters, "created_s": time.time()}
    insert_missing(session, SamplingRow, [values])
    found = session.scalar(
        select(SamplingRow.id).where(SamplingRow.video_id == video_id, SamplingRow.parameters_key == key)
    )
    assert found is not None
    return found


def add_frames(session: Session, frames: Sequence[dict[str, Any]]) -> None:
    """Insert ledger entries; those that are already there stay as they are."""
    insert_missing(session, FrameRow, sorted(frames, key=itemgetter("video_id", "decode_index")))


def lock_frames(session: Session, frame_ids: Sequence[int]) -> set[int]:
    """Let nobody else who asks for this lock work on these frames until the transaction ends.

    The ids of those that exist.
    """
    statement = _live_frames().where(FrameRow.id.in_(frame_ids)).order_by(FrameRow.id)
    rows = session.scalars(statement.with_for_update(key_share=True, of=FrameRow))
    return {row.id for row in rows}


def link_sampling(session: Session, sampling_id: int, frame_ids: Sequence[int]) -> None:
    """Say that a sampling chose these frames."""
    insert_missing(
        session,
        SamplingFrameRow,
        [{"sampling_id": sampling_id, "frame_id": frame_id} for frame_id in sorted(frame_ids)],
    )


def skip(session: Session, sampling_id: int, reasons: Mapping[int, str]) -> None:
    """Say why a sampling did not keep frames, by decode index."""
    insert_missing(
        session,
        SamplingSkipRow,
        [
            {"sampling_id": sampling_id, "decode_index": decode_index, "reason": reason}
            for decode_index, reason in sorted(reasons.items())
        ],
    )


def decided_indices(session: Session, sampling_id: int, decode_indices: Sequence[int]) -> set[int]:
    """Which of these decode indices a sampling has kept or passed over."""
    if not decode_indices:
        return set()
    first, last = min(decode_indices), max(decode_indices)
    kept = (
        select(FrameRow.decode_index)
        .join(SamplingFrameRow, SamplingFrameRow.frame_id == FrameRow.id)
        .where(SamplingFrameRow.sampling_id == sampling_id, FrameRow.decode_index.between(first, last))
    )
    passed_over = select(SamplingSkipRow.decode_index).where(
        SamplingSkipRow.sampling_id == sampling_id, SamplingSkipRow.decode_index.between(first, last)
    )
    return set(session.scalars(kept.union(passed_over))) & set(decode_indices)


def frame_ids_by_index(
    session: Session, video_id: int, stream_index: int, decode_indices: Sequence[int] | None = None
) -> dict[int, int]:
    """The ids of the stored frames of a video, by decode index."""
    statement = select(FrameRow.decode_index, FrameRow.id).where(
        FrameRow.video_id == video_id, FrameRow.stream_index == stream_index
    )
    if decode_indices is not None:
        wanted = sorted(decode_indices)
        if not wanted:
            return {}
        statement = statement.where(FrameRow.decode_index.between(wanted[0], wanted[-1]))
        allowed = set(wanted)
        return {index: frame_id for index, frame_id in session.execute(statement) if index in allowed}
    return {row[0]: row[1] for row in session.execute(statement)}


def get_frame(session: Session, frame_id: int) -> Frame:
    """The frame with that id.

    Raises:
        NotFoundError: There is no such frame.
    """
    row = session.scalar(_live_frames().where(FrameRow.id == frame_id))
    if row is None:
        raise NotFoundError(
            f"There is no frame {frame_id}.", hint="`komadori frames VIDEO` lists the frames of a video."
        )
    return _frame(row)


def get_frames(session: Session, frame_ids: Sequence[int]) -> list[Frame]:
    """Those of the frames that exist, in the order asked for."""
    found: dict[int, Frame] = {}
    for start in range(0, len(frame_ids), _PAGE):
        ids = frame_ids[start : start + _PAGE]
        found.update(
            {row.id: _frame(row) for row in session.scalars(_live_frames().where(FrameRow.id.in_(ids)))}
        )
    return [found[frame_id] for frame_id in frame_ids if frame_id in found]


def frames_page(
    session: Session,
    video_id: int,
    *,
    sampling_id: int | None = None,
    after_index: int = -1,
    limit: int = 1000,
) -> list[Frame]:
    """Frames of a video in the order of presentation; of one sampling, or of all."""
    statement = _frames_of(video_id, sampling_id).where(FrameRow.decode_index > after_index)
    return [_frame(row) for row in session.scalars(statement.order_by(FrameRow.decode_index).limit(limit))]


def iterate_frames(session: Session, video_id: int) -> Iterator[Frame]:
    """All frames of a video in the order of presentation, read page by page."""
    after = -1
    while page_of := frames_page(session, video_id, after_index=after, limit=_PAGE):
        yield from page_of
        after = page_of[-1].decode_index


def frame_ids(
    session: Session, *, project_id: int | None = None, video_id: int | None = None
) -> NDArray[np.int64]:
    """The ids of all frames of a project or a video, by video and presentation order."""
    conditions: list[ColumnElement[bool]] = [IS_LIVE]
    if video_id is not None:
        conditions.append(FrameRow.video_id == video_id)
    if project_id is not None:
        conditions.append(VideoRow.project_id == project_id)
    rows = session.scalars(
        select(FrameRow.id)
        .join(VideoRow, VideoRow.id == FrameRow.video_id)
        .where(*conditions)
        .order_by(FrameRow.video_id, FrameRow.decode_index)
    )
    return np.fromiter(rows, np.int64)


def mean_spacing_s(session: Session, video_ids: Sequence[int]) -> dict[int, float]:
    """The mean distance in time between stored neighbours, by video."""
    counts = _frame_counts(session, video_ids)
    rows = session.execute(select(VideoRow.id, VideoRow.duration_s).where(VideoRow.id.in_(video_ids)))
    return {video_id: duration / max(1, counts.get(video_id, 1)) for video_id, duration in rows}


def _live_frames() -> Select[FrameRow]:
    return select(FrameRow).join(VideoRow, VideoRow.id == FrameRow.video_id).where(IS_LIVE)


def _frames_of(video_id: int, sampling_id: int | None) -> Select[FrameRow]:
    statement = select(FrameRow).where(FrameRow.video_id == video_id)
    if sampling_id is not None:
        statement = statement.join(SamplingFrameRow, SamplingFrameRow.frame_id == FrameRow.id).where(
            SamplingFrameRow.sampling_id == sampling_id
        )
    return statement


def _frame_counts(session: Session, video_ids: Sequence[int]) -> dict[int, int]:
    if not video_ids:
        return {}
    rows = session.execute(
        select(FrameRow.video_id, func.count())
        .where(FrameRow.video_id.in_(video_ids))
        .group_by(FrameRow.video_id)
    )
    return {row[0]: row[1] for row in rows}


def _video(row: VideoRow, frames: int) -> Video:
    facts = row.facts
    return Video(
        id=row.id,
        project_id=row.project_id,
        sha256=row.sha256,
        name=row.name,
        source_uri=row.source_uri,
        size_bytes=row.size_bytes,
        container=facts["container"],
        codec=facts["codec"],
        duration_s=row.duration_s,
        width=row.width,
        height=row.height,
        rotation=facts["rotation"],
        stream_index=facts["stream_index"],
        time_base=Fraction(facts["time_base"]),
        start_pts=facts["start_pts"],
        state=VideoState(row.state),
        error=row.error,
        facts=facts,
        frame_count=frames,
        created_s=row.created_s,
    )


def _frame(row: FrameRow) -> Frame:
    return Frame(
        id=row.id,
        video_id=row.video_id,
        stream_index=row.stream_index,
        decode_index=row.decode_index,
        pts=row.pts,
        time_base=Fraction(row.time_base_num, row.time_base_den),
        width=row.width,
        height=row.height,
        image_key=row.image_key,
        thumbnail_key=row.thumbnail_key,
        image_sha256=row.image_sha256,
        perceptual_hash=row.perceptual_hash,
        is_key=row.is_key,
        is_suspect=row.is_suspect,
        transform=row.transform,
        mean_colour=row.mean_colour,
    )

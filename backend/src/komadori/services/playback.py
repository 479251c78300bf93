"""How a browser shows a video: its source where it can, else a proxy, and the times of their frames."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from komadori.core.errors import KomadoriError, NotFoundError
from komadori.core.types import JobState, Video
from komadori.db.repositories import jobs, videos
from komadori.media import playable
from komadori.media.base import VideoFacts
from komadori.media.packet_index import PacketIndex
from komadori.media.proxy import proxy_times_s
from komadori.services import proxy, source_file
from komadori.services.context import Context
from komadori.services.ingest import index_key

Version = Literal["source", "proxy"]


@dataclass(frozen=True, slots=True)
class Playback:
    """What there is to play of a video; ``reason`` says why there is nothing.

    ``job_id`` is the job that makes the proxy, as long as it has not ended.
    """

    kind: Literal["source", "proxy", "none"]
    mime: str | None = None
    reason: str | None = None
    job_id: int | None = None


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file to play; ``tag`` changes whenever its bytes may."""

    path: Path
    mime: str
    tag: str


def look(ctx: Context, video_id: int) -> tuple[Video, Playback]:
    """The video, and what a browser can play of it.

    Raises:
        NotFoundError: There is no such video.
    """
    with ctx.sessions.read() as session:
        video = videos.get(session, video_id)
        job = jobs.newest_of_video(session, proxy.KIND, video_id)
    try:
        path = source_file.locate_unchanged(ctx.blobs, video)
        mime = playable.mime_of(path, VideoFacts.from_dict(video.facts))
        reason = playable.why_not_playable(mime, VideoFacts.from_dict(video.facts), _index(ctx, video))
    except KomadoriError as error:
        mime, reason = "", str(error)
    if reason is None:
        return video, Playback("source", mime)
    if ctx.blobs.exists(proxy.key(video.sha256)):
        return video, Playback("proxy", playable.MP4)
    if job is not None and not job.state.is_terminal:
        return video, Playback("none", reason=reason, job_id=job.id)
    if job is not None and job.state is JobState.FAILED:
        reason = f"{reason} No proxy could be made of it: {job.error}"
    return video, Playback("none", reason=reason)


def media_file(ctx: Context, video_id: int, version: Version) -> MediaFile:
    """The file of a version of a video.

    Raises:
        NotFoundError: There is no such video, its file is gone, or it has no proxy.
        MediaError: Its file is not the one any more that was added.
    """
    with ctx.sessions.read() as session:
        video = videos.get(session, video_id)
    if version == "proxy":
        return MediaFile(ctx.blobs.local_path(_proxy_key(ctx, video)), playable.MP4, f"{video.sha256}-proxy")
    path = source_file.locate_unchanged(ctx.blobs, video)
    return MediaFile(path, playable.mime_of(path, VideoFacts.from_dict(video.facts)), video.sha256)


def media_times(ctx: Context, video_id: int, version: Version) -> bytes:
    """(F,) float64, little-endian: the media time of each visible frame in seconds, by decode index.

    Raises:
        NotFoundError: There is no such video, or no packet index of it, or no proxy.
        StorageError: Its packet index is damaged.
    """
    with ctx.sessions.read() as session:
        video = videos.get(session, video_id)
    index = _index(ctx, video)
    if version == "proxy":
        _proxy_key(ctx, video)
        return proxy_times_s(index).astype("<f8").tobytes()
    return playable.media_times_s(index).astype("<f8").tobytes()


def _index(ctx: Context, video: Video) -> PacketIndex:
    """What is stored: to index a file takes longer than anybody waits for an answer."""
    try:
        return PacketIndex.from_bytes(ctx.blobs.get(index_key(video.sha256)))
    except NotFoundError as error:
        raise NotFoundError(
            f"The packet index of video {video.id} is gone.",
            hint=f"`komadori verify {video.id}` makes it again.",
            code="no-packet-index",
        ) from error


def _proxy_key(ctx: Context, video: Video) -> str:
    key = proxy.key(video.sha256)
    if not ctx.blobs.exists(key):
        raise NotFoundError(
            f"Video {video.id} has no proxy.",
            hint=f"`komadori proxy {video.id}` makes one.",
            code="no-proxy",
        )
    return key

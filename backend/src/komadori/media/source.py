"""Opens a video file for demuxing and decoding, with everything shut that is not needed."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from komadori.core.errors import MediaError
from komadori.media.content import describe_content

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,gif,m4v,"
    "h264,hevc,vvc,vc1,av1,obu,ivf,mxf,dv,nut,rm,yuv4mpegpipe,wtv,gxf,dhav"
)
"""Containers and elementary streams that hold video and never name other files.

Playlists (hls, dash, concat), session descriptions (sdp, rtsp) and still pictures
(image2, the pipes) are left out on purpose.
"""

_HEAD_BYTES = 4096
# What an MP4 or MOV file can begin with; FFmpeg takes other files of that name for one as well.
_MP4_BOXES = (b"ftyp", b"mdat", b"free", b"skip", b"wide", b"moov")


def open_source(path: Path, *, max_pixels: int) -> InputContainer:
    """Open a file by content, not by name; only the ``file`` protocol and ``FORMATS`` are allowed.

    Raises:
        MediaError: The file is no video; the message says what it seems to be.
    """
    av.logging.set_level(av.logging.ERROR)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": FORMATS,
        "max_pixels": str(max_pixels),
    }
    try:
        return av.open(f"file:{path}", mode="r", options=options, metadata_errors="replace")
    except (av.FFmpegError, MemoryError) as exc:
        raise unreadable(path) from exc


def select_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video stream that a player would show: cover pictures do not count.

    The other streams are told apart so that their packets are not even read.

    Raises:
        MediaError: There is none.
    """
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise MediaError(
            f"Expected a video stream, but {path} has streams of these kinds only: {kinds}.",
            hint="Add a file with moving pictures; sound and cover pictures cannot be sampled.",
            code="no-video-stream",
        )
    best = container.streams.best("video")
    stream = next((s for s in videos if best is not None and s.index == best.index), videos[0])
    return keep_only(container, stream)


def stream_at(container: InputContainer, index: int, path: Path) -> VideoStream:
    """The video stream with a known index.

    Raises:
        MediaError: The file is no longer the one that was indexed.
    """
    for stream in container.streams.video:
        if stream.index == index:
            return keep_only(container, stream)
    raise changed_source(path)


def keep_only(container: InputContainer, stream: VideoStream) -> VideoStream:
    """Let the demuxer drop the packets of all other streams."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def prepare_decoder(stream: VideoStream, path: Path, *, max_pixels: int, n_threads: int) -> None:
    """Open the decoder of a stream; pictures carry the ``opaque`` of their packets.

    The limit on pixels must be set here too: the container's own option does not reach
    the decoder.

    Raises:
        MediaError: The decoder cannot be opened for this stream.
    """
    context = stream.codec_context
    context.options = {"max_pixels": str(max_pixels)}
    context.thread_count = n_threads
    context.thread_type = "AUTO" if n_threads > 1 else "NONE"
    context.copy_opaque = True
    # Opened now, while nothing is skipped: dav1d takes what it finds here for good.
    context.skip_frame = "DEFAULT"
    try:
        context.open(strict=False)
    except (av.FFmpegError, MemoryError) as exc:
        raise MediaError(
            f"Expected a video that the decoder {context.name} takes, but it refuses the settings in {path} "
            f"({last_log_line() or exc}).",
            hint="Convert the file, for example to H.264 in MP4; its header may be damaged.",
            code="unusable-decoder-settings",
        ) from exc


def demux(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[VideoStream]]":
    """The packets of the stream that hold data, up to the end or to where reading fails."""
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError:
        return


def changed_source(path: Path) -> MediaError:
    """The error for a file that no longer holds the packets of its index."""
    return MediaError(
        f"Expected the file that was indexed, but {path} has changed since.",
        hint="Put the original file back, or add this one as a new video.",
        code="source-changed",
    )


def unreadable(path: Path) -> MediaError:
    """The error for a file that cannot be opened, with the reason that FFmpeg logged last."""
    head = _head(path)
    content = describe_content(head)
    log_line = last_log_line()
    if "moov atom not found" in log_line and head[4:8] in _MP4_BOXES:
        return MediaError(
            f"Expected a complete MP4 file, but {path} has no index (moov atom): it was cut off.",
            hint="Copy it again in full, or repair the recording with a tool that rebuilds the index.",
            code="truncated-video",
        )
    detail = f" ({log_line})" if log_line and content.is_unknown else ""
    return MediaError(
        f"Expected a video, but {path} is {content.what}{detail}.",
        hint=content.hint,
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def last_log_line() -> str:
    """What FFmpeg last logged as an error, or nothing."""
    last = av.logging.get_last_error()[1]
    return last[2].strip() if last else ""


def n_logged_errors() -> int:
    """How many errors FFmpeg has logged so far; decoders log what they conceal, and do not raise it."""
    return av.logging.get_last_error()[0]

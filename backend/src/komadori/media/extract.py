"""Takes chosen frames out of a video: each as an upright JPEG, a thumbnail and a ledger entry."""

import base64
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from komadori.core.types import JsonDict
from komadori.media.base import (
    ExtractedFrame,
    ExtractOptions,
    MediaLimits,
    SegmentReport,
    VideoFacts,
)
from komadori.media.packet_index import PacketIndex
from komadori.media.probe import check_is_file
from komadori.media.sandbox import run_child
from komadori.media.segments import Segment, is_interlaced, plan_segments

__all__ = ["Segment", "extract_segment", "plan_segments", "reextract_frames"]

EXTRACT_LIMITS = MediaLimits(wall_s=3600, cpu_s=3600)
DEFAULT_OPTIONS = ExtractOptions()


def extract_segment(
    path: Path,
    facts: VideoFacts,
    index: PacketIndex,
    segment: Segment,
    out: Path,
    *,
    options: ExtractOptions = DEFAULT_OPTIONS,
    on_frame: Callable[[ExtractedFrame], None],
    limits: MediaLimits = EXTRACT_LIMITS,
    check_cancelled: Callable[[], object] = lambda: None,
) -> SegmentReport:
    """Decode one segment in a child process and hand over each frame as soon as it is written.

    Args:
        path: The video file.
        facts: What probing found.
        index: Of the whole video.
        segment: One of :func:`plan_segments`.
        out: An existing empty folder for the files, best on the file system of the blob store.
        options: How frames are written.
        on_frame: Called in this thread, once for each target that gave a picture, in order of
            time but for the few that had to be decoded twice. What it raises ends the child.
        limits: What the child may use.
        check_cancelled: Called a few times a second in another thread; what it raises ends the child too.

    Returns:
        What was missing and why, and how it went.

    Raises:
        MediaError: The file is gone, has changed, or went over a limit; frames handed over before stay good.
        StorageError: ``out`` is full or not writable.
    """
    path = path.absolute()
    check_is_file(path)

    def receive(message: JsonDict) -> None:
        on_frame(_to_frame(message, facts, out))

    request = _request(path, facts, index, segment, out, options, limits)
    answer = run_child(
        "komadori.media.extract_child",
        request,
        path=path,
        limits=limits,
        on_message=receive,
        check_cancelled=check_cancelled,
        writable=out,
    )
    return SegmentReport(
        n_decode_errors=int(answer["n_decode_errors"]),
        missing={int(k): str(v) for k, v in answer["missing"].items()},
        mode=answer["mode"],
        n_packets_fed=int(answer["n_packets_fed"]),
        cpu_s=float(answer["cpu_s"]),
        peak_rss_bytes=int(answer["peak_rss_bytes"]),
        is_network_isolated=bool(answer["is_network_isolated"]),
    )


def reextract_frames(
    path: Path,
    facts: VideoFacts,
    index: PacketIndex,
    decode_indices: Sequence[int],
    *,
    options: ExtractOptions = DEFAULT_OPTIONS,
    limits: MediaLimits = EXTRACT_LIMITS,
    check_cancelled: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, str]]:
    """Take frames from the source again and yield (decode index, SHA-256 of the JPEG) for each found.

    With the options, libraries and machine type of the ledger entry the bytes are the same.
    Frames that cannot be decoded any more are not yielded.

    Raises:
        MediaError: The file is gone, has changed, or went over a limit.
    """
    options = _without_skipping(options)
    for segment in plan_segments(index, sorted(set(decode_indices)), facts=facts):
        digests: list[tuple[int, str]] = []

        def note(frame: ExtractedFrame, digests: list[tuple[int, str]] = digests) -> None:
            digests.append((frame.decode_index, frame.image_sha256))
            for written in (frame.image_path, frame.thumbnail_path):
                if written is not None:
                    written.unlink()

        with tempfile.TemporaryDirectory(prefix="komadori-verify-") as folder:
            extract_segment(
                path,
                facts,
                index,
                segment,
                Path(folder),
                options=options,
                on_frame=note,
                limits=limits,
                check_cancelled=check_cancelled,
            )
        yield from digests


def _without_skipping(options: ExtractOptions) -> ExtractOptions:
    return ExtractOptions.from_dict({**options.to_dict(), "skip_near_duplicates": False})


def _request(
    path: Path,
    facts: VideoFacts,
    index: PacketIndex,
    segment: Segment,
    out: Path,
    options: ExtractOptions,
    limits: MediaLimits,
) -> JsonDict:
    # One group more than needed, for a second try where the first keyframe is no clean start.
    keys = index.key_rows
    before = keys[keys < segment.start_row]
    start = int(before[-1]) if len(before) else 0
    window = index.window(start, segment.stop_row)
    return {
        "path": str(path),
        "stream_index": facts.stream_index,
        "index": base64.b64encode(window.to_bytes()).decode(),
        "targets": list(segment.targets),
        "rotation": facts.rotation,
        "is_mirrored": facts.details["is_mirrored"],
        "pixel_aspect": facts.details["pixel_aspect"],
        "is_interlaced": is_interlaced(facts),
        "options": options.to_dict(),
        "out": str(out.absolute()),
        "max_pixels": limits.max_pixels,
    }


def _to_frame(message: JsonDict, facts: VideoFacts, out: Path) -> ExtractedFrame:
    """The ledger entry; the paths are made here, never taken from the child."""
    decode_index = int(message["decode_index"])
    is_kept = message["skipped"] is None
    return ExtractedFrame(
        pts=int(message["pts"]),
        time_base=facts.time_base,
        decode_index=decode_index,
        width=int(message["width"]),
        height=int(message["height"]),
        is_key=bool(message["is_key"]),
        is_suspect=bool(message["is_suspect"]),
        image_path=out / f"{decode_index}.jpg" if is_kept else None,
        thumbnail_path=out / f"{decode_index}.thumb.jpg" if is_kept else None,
        image_sha256=str(message["image_sha256"]),
        perceptual_hash=str(message["perceptual_hash"]),
        transform=message["transform"],
        skipped=message["skipped"],
        mean_colour=int(message["mean_colour"]) if is_kept else None,
    )

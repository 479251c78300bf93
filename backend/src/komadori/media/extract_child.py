"""The child behind :func:`komadori.media.extract.extract_segment`: decodes, renders and writes frames."""

import base64
import hashlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from komadori.core.errors import StorageError
from komadori.core.near_duplicates import NearDuplicateFilter, Verdict, dhash
from komadori.core.types import JsonDict
from komadori.media.base import ExtractOptions
from komadori.media.confinement import send, serve
from komadori.media.decode import Decoded, DecodeStats, Source, decode_wanted
from komadori.media.deinterlace import Deinterlacer, deinterlace_alone
from komadori.media.orientation import Orientation
from komadori.media.packet_index import PacketIndex
from komadori.media.picture import Picture, PictureMaker
from komadori.media.segments import with_neighbours

_NO_PICTURE = "the decoder gave no picture: the data here is damaged or cut off"


@dataclass(frozen=True, slots=True)
class _Upcoming:
    """A wanted picture on its way to the files."""

    decode_index: int
    frame: VideoFrame
    is_suspect: bool
    is_deinterlaced: bool


class _FrameWriter:
    """Writes wanted pictures and tells the parent about each."""

    def __init__(self, request: JsonDict, window: PacketIndex) -> None:
        self._options = ExtractOptions.from_dict(request["options"])
        orientation = Orientation(int(request["rotation"]), is_mirrored=bool(request["is_mirrored"]))
        self._maker = PictureMaker(orientation, Fraction(request["pixel_aspect"]), self._options)
        self._duplicates = NearDuplicateFilter(self._options.duplicate_thresholds)
        self._folder = Path(request["out"])
        rows = window.rows_in_presentation_order()
        self._pts = dict(zip(window.decode_index[rows].tolist(), window.pts[rows].tolist(), strict=True))
        self._time_base = window.time_base

    def write(self, upcoming: _Upcoming) -> None:
        """Judge, render, store and report one picture.

        Raises:
            StorageError: The folder cannot take the files.
        """
        picture = self._maker.look(upcoming.frame)
        verdict = self._judge(upcoming, picture)
        report = self._describe(upcoming, picture, verdict)
        if verdict is None or verdict.duplicate_of is None:
            report |= self._store(upcoming.decode_index, picture)
        send(report)

    def _judge(self, upcoming: _Upcoming, picture: Picture) -> Verdict | None:
        if not self._options.skip_near_duplicates or upcoming.is_suspect:
            return None
        time_s = float(self._pts[upcoming.decode_index] * self._time_base)
        return self._duplicates.judge(upcoming.decode_index, time_s, picture.luma)

    def _describe(self, upcoming: _Upcoming, picture: Picture, verdict: Verdict | None) -> JsonDict:
        transform = self._maker.transform(picture.colour, is_deinterlaced=upcoming.is_deinterlaced)
        skipped = None
        if verdict is not None and verdict.difference is not None:
            distance = verdict.difference
            transform["near_duplicate"] = {
                "compared_with": verdict.compared_with,
                "mad": round(distance.mad, 3),
                "bmx": round(distance.bmx, 3),
            }
        if verdict is not None and verdict.duplicate_of is not None:
            skipped = f"near-duplicate of {verdict.duplicate_of}"
        return {
            "kind": "frame",
            "decode_index": upcoming.decode_index,
            "pts": self._pts[upcoming.decode_index],
            "is_key": upcoming.frame.key_frame,
            "is_suspect": upcoming.is_suspect,
            "perceptual_hash": dhash(picture.luma),
            "transform": transform,
            "skipped": skipped,
            "width": 0,
            "height": 0,
            "image_sha256": "",
        }

    def _store(self, decode_index: int, picture: Picture) -> JsonDict:
        encoded = self._maker.encode(picture)
        image_name, thumbnail_name = file_names(decode_index)
        try:
            (self._folder / image_name).write_bytes(encoded.jpeg)
            (self._folder / thumbnail_name).write_bytes(encoded.thumbnail_jpeg)
        except OSError as exc:
            raise StorageError(
                f"Expected to write frames to {self._folder}, got: {exc}.",
                hint="Free some space or choose another folder, then retry the job.",
            ) from exc
        digest = hashlib.sha256(encoded.jpeg).hexdigest()
        return {
            "width": encoded.width,
            "height": encoded.height,
            "image_sha256": digest,
            "mean_colour": encoded.mean_colour,
        }


def file_names(decode_index: int) -> tuple[str, str]:
    """The names of the picture and the thumbnail of a frame in the output folder."""
    return f"{decode_index}.jpg", f"{decode_index}.thumb.jpg"


def extract(request: JsonDict) -> JsonDict:
    """Extract the frames ``request["targets"]`` into the folder ``request["out"]``."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    window = PacketIndex.from_bytes(base64.b64decode(request["index"]))
    source = Source(
        Path(request["path"]),
        int(request["stream_index"]),
        window,
        int(request["max_pixels"]),
        int(request["options"]["n_threads"]),
    )
    writer, stats = _FrameWriter(request, window), DecodeStats()
    missing = dict.fromkeys(request["targets"], _NO_PICTURE)
    for upcoming in _upcoming(source, request["targets"], stats, is_interlaced=request["is_interlaced"]):
        try:
            writer.write(upcoming)
        except (av.FFmpegError, MemoryError, ValueError) as exc:
            missing[upcoming.decode_index] = f"the picture could not be converted: {exc}"
        else:
            missing.pop(upcoming.decode_index, None)
    return {
        "missing": missing,
        "n_decode_errors": stats.n_errors,
        "n_packets_fed": stats.n_packets_fed,
        "mode": "sequential" if stats.has_fallen_back else "gop",
    }


def _upcoming(
    source: Source, targets: list[int], stats: DecodeStats, *, is_interlaced: bool
) -> Iterator[_Upcoming]:
    if is_interlaced and not source.window.is_ordinal:
        yield from _deinterlaced(source, targets, stats)
        return
    for decoded in decode_wanted(source, targets, stats):
        frame = decoded.frame
        is_alone = frame.interlaced_frame
        shown = deinterlace_alone(frame) if is_alone else frame
        yield _Upcoming(decoded.decode_index, shown, decoded.is_suspect, is_alone)


def _deinterlaced(source: Source, targets: list[int], stats: DecodeStats) -> Iterator[_Upcoming]:
    wanted = with_neighbours(source.window, targets)
    deinterlacer = Deinterlacer(frozenset(targets))
    seen: dict[int, Decoded] = {}
    for decoded in decode_wanted(source, wanted, stats):
        seen[decoded.decode_index] = decoded
        for index, frame in deinterlacer.push(decoded.decode_index, decoded.frame):
            yield _finished(seen, index, frame)
    for index, frame in deinterlacer.flush():
        yield _finished(seen, index, frame)


def _finished(seen: dict[int, Decoded], index: int, frame: VideoFrame) -> _Upcoming:
    original = seen.pop(index)
    for old in [i for i in seen if i < index]:
        del seen[old]
    return _Upcoming(index, frame, original.is_suspect, frame is not original.frame)


if __name__ == "__main__":
    serve(extract)

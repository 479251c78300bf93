"""Short cuts for tests that take frames out of clips."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import simplejpeg
from av.video.frame import VideoFrame

from komadori.core.types import Image
from komadori.media.base import ExtractedFrame, ExtractOptions, SegmentReport, VideoFacts
from komadori.media.extract import DEFAULT_OPTIONS, extract_segment, plan_segments
from komadori.media.packet_index import PacketIndex
from komadori.media.probe import probe_video


@dataclass(slots=True)
class Extraction:
    """Everything that came of a clip."""

    facts: VideoFacts
    index: PacketIndex
    frames: list[ExtractedFrame] = field(default_factory=list)
    reports: list[SegmentReport] = field(default_factory=list)

    @property
    def digests(self) -> dict[int, str]:
        """The SHA-256 of each kept frame, by decode index."""
        return {f.decode_index: f.image_sha256 for f in self.frames if f.skipped is None}

    @property
    def missing(self) -> dict[int, str]:
        """The reasons of all segments."""
        return {index: reason for report in self.reports for index, reason in report.missing.items()}


def extract_clip(
    path: Path,
    out: Path,
    targets: Sequence[int] | None = None,
    *,
    options: ExtractOptions = DEFAULT_OPTIONS,
    max_cost_s: float = 1e9,
) -> Extraction:
    """Probe a clip and take the targets (all frames if None) into ``out``."""
    facts, index = probe_video(path)
    result = Extraction(facts, index)
    wanted = range(facts.n_frames) if targets is None else targets
    for segment in plan_segments(index, list(wanted), facts=facts, max_cost_s=max_cost_s):
        report = extract_segment(
            path, facts, index, segment, out, options=options, on_frame=result.frames.append
        )
        result.reports.append(report)
    return result


def picture_of(frame: ExtractedFrame) -> Image:
    """The stored picture."""
    assert frame.image_path is not None
    picture: Image = simplejpeg.decode_jpeg(frame.image_path.read_bytes())
    return picture


def thumbnail_of(frame: ExtractedFrame) -> Image:
    """The stored thumbnail."""
    assert frame.thumbnail_path is not None
    picture: Image = simplejpeg.decode_jpeg(frame.thumbnail_path.read_bytes())
    return picture


def samples_md5(frame: VideoFrame) -> str:
    """The MD5 of all samples, row by row without padding, as ffmpeg's ``framemd5`` has it."""
    digest = hashlib.md5()
    for number, plane in enumerate(frame.planes):
        components = [c for c in frame.format.components if c.plane == number]
        n_bytes = sum((c.bits + 7) // 8 for c in components)
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        digest.update(np.ascontiguousarray(rows[: plane.height, : plane.width * n_bytes]).tobytes())
    return digest.hexdigest()

"""What the rest of the system sees of the media layer: plain data about packets and frames."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from komadori.core.types import JsonDict


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What probing a file found; sizes are those of the upright picture in square pixels."""

    container: str
    codec: str
    duration_s: float
    width: int
    height: int
    rotation: int
    stream_index: int
    time_base: Fraction
    start_pts: int
    n_frames: int
    is_variable_frame_rate: bool
    details: JsonDict


@dataclass(frozen=True, slots=True)
class ExtractedFrame:
    """One frame as the decoding child wrote it: the ledger entry and two files.

    ``skipped`` is a reason for which the frame was not kept (then there are no files).
    """

    pts: int
    time_base: Fraction
    decode_index: int
    width: int
    height: int
    is_key: bool
    is_suspect: bool
    image_path: Path | None
    thumbnail_path: Path | None
    image_sha256: str
    perceptual_hash: str
    transform: JsonDict
    skipped: str | None

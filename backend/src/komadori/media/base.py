"""What the rest of the system sees of the media layer: plain data about packets and frames."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from komadori.core.near_duplicates import DuplicateThresholds
from komadori.core.types import JsonDict

DecodeMode = Literal["gop", "sequential"]
"""``gop``: only the packets that the wanted frames need. ``sequential``: every packet, in order."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What probing a file found; sizes are those of the upright picture in square pixels.

    ``rotation`` is the clockwise turn in degrees (0, 90, 180, 270) that brings the coded
    picture upright, applied after mirroring when ``details["is_mirrored"]``.
    """

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

    def to_dict(self) -> JsonDict:
        """The facts as JSON can hold them; the time base is written ``num/den``."""
        return {**asdict(self), "time_base": format_fraction(self.time_base)}

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> "VideoFacts":
        """The facts that :meth:`to_dict` wrote."""
        fields: JsonDict = {**data, "time_base": Fraction(str(data["time_base"]))}
        return VideoFacts(**fields)


@dataclass(frozen=True, slots=True)
class ExtractedFrame:
    """One frame as the decoding child wrote it: the ledger entry and two files.

    ``skipped`` is a reason for which the frame was not kept (then there are no files and no ``mean_colour``,
    which is 0xRRGGBB).
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
    mean_colour: int | None = None


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What a decoding child may use; going over any of them ends the child and nothing else.

    Attributes:
        wall_s: Seconds on the clock.
        cpu_s: Seconds of processor time, all threads together.
        memory_bytes: Address space of the child.
        max_pixels: Width times height of one picture, coded or upright.
        max_packets: Packets of the video stream.
        max_file_bytes: Size of one file that the child writes.
        max_open_files: File descriptors.
    """

    wall_s: float = 900.0
    cpu_s: int = 900
    memory_bytes: int = 2 * 1024**3
    max_pixels: int = 50_000_000
    max_packets: int = 10_000_000
    max_file_bytes: int = 256 * 1024**2
    max_open_files: int = 64


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """How kept frames are written.

    Attributes:
        jpeg_quality: Of the full picture, 1 to 100.
        thumbnail_px: Length of the longer side of the thumbnail; it is never enlarged.
        thumbnail_quality: JPEG quality of the thumbnail.
        skip_near_duplicates: Leave out frames that repeat the last kept one.
        duplicate_thresholds: What counts as a repetition.
        n_threads: Threads of the decoder; 1 costs the least processor time in total.
    """

    jpeg_quality: int = 90
    thumbnail_px: int = 384
    thumbnail_quality: int = 85
    skip_near_duplicates: bool = False
    duplicate_thresholds: DuplicateThresholds = field(default_factory=DuplicateThresholds)
    n_threads: int = 1

    def __post_init__(self) -> None:
        if not (1 <= self.jpeg_quality <= 100 and 1 <= self.thumbnail_quality <= 100):
            raise ValueError(f"expected qualities from 1 to 100, got {self}")
        if self.thumbnail_px < 16 or self.n_threads < 1:
            raise ValueError(f"expected thumbnail_px >= 16 and n_threads >= 1, got {self}")

    def to_dict(self) -> JsonDict:
        """The options as JSON can hold them."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, object]) -> "ExtractOptions":
        """The options that :meth:`to_dict` wrote."""
        fields: JsonDict = dict(data)
        fields["duplicate_thresholds"] = DuplicateThresholds(**fields["duplicate_thresholds"])
        return ExtractOptions(**fields)


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """How the decoding of one segment went.

    Attributes:
        n_decode_errors: Packets at which the decoder complained.
        missing: The reason for each wanted decode index that gave no picture.
        mode: ``sequential`` when the segment had to be decoded in full at least in part.
        n_packets_fed: Packets that went through the decoder.
        cpu_s: Processor time of the child.
        peak_rss_bytes: The most memory that the child held.
        is_network_isolated: Whether the kernel took the network away from the child;
            without it the protocol allow-list alone keeps FFmpeg from it.
    """

    n_decode_errors: int
    missing: dict[int, str]
    mode: DecodeMode
    n_packets_fed: int
    cpu_s: float
    peak_rss_bytes: int
    is_network_isolated: bool


def format_fraction(value: Fraction) -> str:
    """``num/den``, also for whole numbers."""
    return f"{value.numerator}/{value.denominator}"

"""How the numbers of a decoded picture stand for colours, and what is assumed where the file does not say.

The numbers and names are those of ITU-T H.273, which containers and codecs share.
"""

from dataclasses import dataclass, replace

from av.video.frame import VideoFrame

from komadori.core.types import JsonDict

BT709, BT470BG, SMPTE170M, BT2020_NCL = 1, 5, 6, 9
BT2020_PRIMARIES = 9
PQ, HLG = 16, 18
LIMITED_RANGE, FULL_RANGE = 1, 2

_MATRICES = {
    0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c", 14: "ictcp",
}  # fmt: skip
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
    10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "iec61966-2-4",
    13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_RANGES = {1: "limited", 2: "full"}
_HD_HEIGHT, _HD_WIDTH = 720, 1280
# Matrices that the converter of FFmpeg has coefficients for; others are treated as untagged.
_CONVERTIBLE = {BT709, 4, BT470BG, SMPTE170M, 7, BT2020_NCL, 10}


@dataclass(frozen=True, slots=True)
class Colour:
    """The four tags of a picture after assumptions; ``assumed`` names those that the file left open."""

    matrix: int
    range: int
    primaries: int
    transfer: int
    assumed: tuple[str, ...]

    @property
    def is_hdr(self) -> bool:
        """Whether the picture is brighter than white can be, and must be tone-mapped."""
        return self.transfer in (PQ, HLG)

    def to_dict(self) -> JsonDict:
        """The tags by their usual names, as the ledger keeps them."""
        return {
            "matrix": _MATRICES.get(self.matrix, str(self.matrix)),
            "range": _RANGES.get(self.range, str(self.range)),
            "primaries": _PRIMARIES.get(self.primaries, str(self.primaries)),
            "transfer": _TRANSFERS.get(self.transfer, str(self.transfer)),
            "assumed": list(self.assumed),
        }


def colour_of(frame: VideoFrame) -> Colour:
    """The colour tags of a picture, with assumptions for those that are missing.

    Untagged pictures of 720 lines or more are taken as BT.709 and smaller ones as BT.601,
    as broadcasters do; decoders that take BT.601 for all are off by 4 levels on average in HD.
    """
    if frame.format.is_rgb:
        return Colour(0, FULL_RANGE, frame.color_primaries, frame.color_trc, ())
    tagged = Colour(frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc, ())
    is_full = frame.format.name.startswith("yuvj")
    guessed_matrix = _guess_matrix(frame, tagged)
    matrix = tagged.matrix if tagged.matrix in _CONVERTIBLE else guessed_matrix
    range_ = tagged.range if tagged.range in _RANGES else (FULL_RANGE if is_full else LIMITED_RANGE)
    primaries = tagged.primaries if tagged.primaries in _PRIMARIES else _primaries_for(matrix)
    transfer = tagged.transfer if tagged.transfer in _TRANSFERS else BT709
    known = Colour(matrix, range_, primaries, transfer, ())
    names = ("matrix", "range", "primaries", "transfer")
    assumed = tuple(n for n in names if getattr(known, n) != getattr(tagged, n))
    return replace(known, assumed=assumed if not is_full else tuple(n for n in assumed if n != "range"))


def _guess_matrix(frame: VideoFrame, tagged: Colour) -> int:
    if tagged.is_hdr or tagged.primaries == BT2020_PRIMARIES:
        return BT2020_NCL
    is_hd = frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH
    return BT709 if is_hd else SMPTE170M


def _primaries_for(matrix: int) -> int:
    return {BT709: 1, BT470BG: 5, SMPTE170M: 6, 7: 7, BT2020_NCL: 9, 10: 9}.get(matrix, 1)

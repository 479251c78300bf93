"""Frames over which the decoder ends are found one by one; all others of the portion are kept."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pytest

from komadori.core.errors import DecoderKilledError, MediaError
from komadori.media.base import ExtractedFrame, SegmentReport
from komadori.services.portions import Portion

TARGETS = tuple(range(10, 30))


def frame(decode_index: int) -> ExtractedFrame:
    return ExtractedFrame(
        pts=decode_index,
        time_base=Fraction(1, 30),
        decode_index=decode_index,
        width=4,
        height=4,
        is_key=False,
        is_suspect=False,
        image_path=Path("a"),
        thumbnail_path=Path("b"),
        image_sha256="",
        perceptual_hash="",
        transform={},
        skipped=None,
    )


@dataclass
class Decoder:
    """Ends at some frames, after it has handed over those before; remembers what it was asked for."""

    ends_at: Collection[int]
    error: MediaError
    missing: dict[int, str] = field(default_factory=dict)
    asked: list[list[int]] = field(default_factory=list)

    def __call__(self, targets: Sequence[int], keep: Callable[[ExtractedFrame], None]) -> SegmentReport:
        self.asked.append(list(targets))
        for target in targets:
            if target in self.ends_at:
                raise self.error
            keep(frame(target))
        return SegmentReport(0, self.missing, "gop", 1, 0.0, 0, is_network_isolated=True)


def crash() -> MediaError:
    return MediaError("It crashed the decoder.", code="decoder-crash")


def indices(portion: Portion) -> list[int]:
    return sorted(frame.decode_index for frame in portion.frames)


def test_the_frames_that_crash_the_decoder_alone_are_given_up_and_no_others() -> None:
    portion = Portion()

    portion.take(Decoder({14, 27}, crash()), TARGETS, 3)

    assert portion.given_up == {14: "It crashed the decoder.", 27: "It crashed the decoder."}
    assert indices(portion) == [t for t in TARGETS if t not in (14, 27)]


def test_a_crash_after_the_last_frame_costs_nothing() -> None:
    def decode(targets: Sequence[int], keep: Callable[[ExtractedFrame], None]) -> SegmentReport:
        for target in targets:
            keep(frame(target))
        raise crash()

    portion = Portion()
    portion.take(decode, TARGETS, 3)

    assert (indices(portion), portion.given_up) == (list(TARGETS), {})


def test_what_gave_no_picture_is_told_apart_from_what_was_given_up() -> None:
    portion = Portion()

    portion.take(Decoder({11}, crash(), {12: "damaged"}), [11, 10], 3)

    assert (portion.missing, list(portion.given_up)) == ({12: "damaged"}, [11])


def test_a_decoder_that_is_killed_now_and_then_loses_no_frame() -> None:
    kills = iter([True, False, True, True, False, False, False, False, False])

    def decode(targets: Sequence[int], keep: Callable[[ExtractedFrame], None]) -> SegmentReport:
        if next(kills):
            raise DecoderKilledError("It was killed.")
        for target in targets:
            keep(frame(target))
        return SegmentReport(0, {}, "gop", 1, 0.0, 0, is_network_isolated=True)

    portion = Portion()
    portion.take(decode, [10, 11], 3)

    assert (indices(portion), portion.given_up) == ([10, 11], {})


def test_a_frame_over_which_the_decoder_is_killed_each_time_is_given_up_after_some_attempts() -> None:
    decode = Decoder({11}, DecoderKilledError("It was killed."))
    portion = Portion()

    portion.take(decode, [10, 11, 12], 3)

    assert decode.asked.count([11]) == 3
    assert (indices(portion), list(portion.given_up)) == ([10, 12], [11])


def test_when_everything_is_killed_it_is_not_the_videos_doing() -> None:
    with pytest.raises(DecoderKilledError):
        Portion().take(Decoder(range(1000), DecoderKilledError("It was killed.")), range(1000), 3)


def test_a_decoder_that_crashes_over_everything_is_given_up_soon() -> None:
    decode = Decoder(range(1000), crash())
    portion = Portion()

    portion.take(decode, range(1000), 3)

    assert sorted(portion.given_up) == list(range(1000))
    assert len(decode.asked) == 32


def test_after_a_decoder_whose_time_was_up_the_rest_is_not_tried() -> None:
    decode = Decoder({14}, MediaError("It took longer than an hour.", code="media-time-limit"))
    portion = Portion()

    portion.take(decode, TARGETS, 3)

    assert (indices(portion), sorted(portion.given_up)) == ([10, 11, 12, 13], list(range(14, 30)))
    assert len(decode.asked) == 1


def test_another_error_is_none_of_a_frame() -> None:
    with pytest.raises(MediaError, match="has changed"):
        Portion().take(Decoder({10}, MediaError("The file has changed.")), TARGETS, 3)

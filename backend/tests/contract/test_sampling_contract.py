"""What every registered sampler promises."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction

import pytest

from komadori.core.registry import factory, names
from komadori.core.types import FrameCandidate


def candidates(n: int) -> Iterator[FrameCandidate]:
    for i in range(n):
        yield FrameCandidate(i, 1001 * i, Fraction(1, 30000), i % 12 == 0)


@pytest.fixture(params=names("samplers"))
def sampler(request: pytest.FixtureRequest) -> object:
    return factory("samplers", request.param)()


def test_keeps_the_order_and_yields_only_what_it_was_given(sampler: object) -> None:
    frames = list(candidates(200))
    chosen = list(sampler.select(frames))  # type: ignore[attr-defined]
    assert chosen
    assert chosen == [f for f in frames if f in chosen]


def test_reads_lazily(sampler: object) -> None:
    read = []

    def watched() -> Iterator[FrameCandidate]:
        for frame in candidates(200):
            read.append(frame)
            yield frame

    first = next(iter(sampler.select(watched())))  # type: ignore[attr-defined]
    assert first.decode_index == 0
    assert len(read) <= 2


def test_nothing_gives_nothing(sampler: object) -> None:
    assert list(sampler.select([])) == []  # type: ignore[attr-defined]


def test_can_be_used_again(sampler: object) -> None:
    frames = list(candidates(60))
    assert list(sampler.select(frames)) == list(sampler.select(frames))  # type: ignore[attr-defined]


def test_is_a_frozen_dataclass(sampler: object) -> None:
    assert dataclasses.is_dataclass(sampler)
    field = next(iter(dataclasses.fields(sampler)), None)
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        setattr(sampler, field.name if field else "anything", 1)

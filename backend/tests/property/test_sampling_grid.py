from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from komadori.core.types import FrameCandidate
from komadori.sampling.every import Every

STEPS = st.fractions(min_value=Fraction(1, 1000), max_value=100, max_denominator=1000)
TICKS = st.lists(st.integers(-(10**7), 10**8), min_size=1, max_size=80, unique=True).map(sorted)


@given(ticks=TICKS, step=STEPS)
def test_each_step_that_has_frames_gives_exactly_its_first_one(ticks: list[int], step: Fraction) -> None:
    frames = [FrameCandidate(i, t, Fraction(1, 90000), is_key=False) for i, t in enumerate(ticks)]
    start = frames[0].time
    first_of_step: dict[int, int] = {}
    for frame in frames:
        first_of_step.setdefault((frame.time - start) // step, frame.decode_index)
    assert [f.decode_index for f in Every(step).select(frames)] == list(first_of_step.values())

from fractions import Fraction

import numpy as np
import pytest

from komadori.core.errors import StorageError
from komadori.media.packet_index import CORRUPT, DISCARD, KEY, PacketIndex, build_index

TICK = Fraction(1, 1000)
RATE_25 = Fraction(1, 25)


def index_of(*packets: tuple[int | None, int | None, int], reliable: bool = True) -> PacketIndex:
    sized = [(*packet, 100 + row) for row, packet in enumerate(packets)]
    return build_index(sized, TICK, RATE_25, are_times_reliable=reliable)


def test_candidates_come_in_presentation_order() -> None:
    index = index_of((0, -80, KEY), (120, -40, 0), (40, 0, 0), (80, 40, 0))
    found = [(c.decode_index, c.pts, c.is_key) for c in index.candidates()]
    assert found == [(0, 0, True), (1, 40, False), (2, 80, False), (3, 120, False)]
    assert not index.is_ordinal


def test_packets_before_an_edit_are_decoded_but_not_shown() -> None:
    index = index_of((-40, -40, KEY | DISCARD), (0, 0, 0), (40, 40, 0))
    assert index.n_frames == 2
    assert [c.pts for c in index.candidates()] == [0, 40]
    assert index.rows_of([0, 1]).tolist() == [1, 2]


def test_without_any_times_they_are_counted_off_from_the_rate() -> None:
    index = index_of((None, None, KEY), (None, None, 0), (None, None, 0))
    assert index.is_ordinal
    assert [c.pts for c in index.candidates()] == [0, 40, 80]


def test_joined_recordings_are_shown_one_after_the_other() -> None:
    one = [(0, 0, KEY), (80, 10, 0), (40, 20, 0)]
    index = index_of(*one, *one)
    assert index.is_ordinal
    assert [c.pts for c in index.candidates()] == [0, 40, 80, 0, 40, 80]


def test_times_of_a_container_that_stores_none_are_handed_out_in_order() -> None:
    index = index_of((1, 1, KEY), (4, 2, 0), (2, 3, 0), reliable=False)
    assert index.is_ordinal
    assert [c.pts for c in index.candidates()] == [1, 2, 4]


def test_survives_the_way_to_the_store_and_back() -> None:
    index = index_of((0, -80, KEY), (120, None, CORRUPT), (40, 0, DISCARD), (80, 40, 0))
    again = PacketIndex.from_bytes(index.to_bytes())
    assert (again.time_base, again.is_ordinal, again.first_row) == (TICK, False, 0)
    for name in ("pts", "dts", "flags", "sizes", "decode_index"):
        np.testing.assert_array_equal(getattr(again, name), getattr(index, name))


def test_an_hour_of_video_takes_a_few_hundred_kilobytes() -> None:
    packets = [(i * 33, i * 33, KEY * (i % 250 == 0)) for i in range(108_000)]
    assert len(index_of(*packets).to_bytes()) < 200_000


def test_a_window_keeps_the_decode_indices_of_the_whole() -> None:
    index = index_of(*[(40 * i, 40 * i, KEY * (i % 3 == 0)) for i in range(9)])
    window = PacketIndex.from_bytes(index.window(3, 7).to_bytes())
    assert window.first_row == 3
    assert window.rows_of([4, 6]).tolist() == [1, 3]
    assert window.key_rows.tolist() == [0, 3]


def test_asking_for_a_picture_that_is_not_there_is_an_error() -> None:
    index = index_of((0, 0, KEY), (40, 40, 0))
    with pytest.raises(KeyError, match="5"):
        index.rows_of([1, 5])


@pytest.mark.parametrize("data", [b"", b"KPIX1\n{}\nxx", b"something\nelse\nentirely"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StorageError, match="packet index") as caught:
        PacketIndex.from_bytes(data)
    assert caught.value.code == "damaged-packet-index"


def test_a_cut_index_is_refused() -> None:
    data = index_of((0, 0, KEY), (40, 40, 0)).to_bytes()
    with pytest.raises(StorageError):
        PacketIndex.from_bytes(data[:-4])

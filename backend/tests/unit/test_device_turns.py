"""Turns on a card within one process: nesting, stretches, what is told, and what a wait ends with."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from komadori.core import device_turns
from komadori.core.device_turns import DeviceTurns, NoTurns
from komadori.core.errors import StorageError
from komadori.core.file_lock import FileLock, lock_folder
from komadori.core.progress import Cancelled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lock_folder(tmp_path)


@contextmanager
def somebody_waits(folder: Path) -> Iterator[None]:
    waiter = FileLock(folder / "card.next.lock")
    assert waiter.try_acquire()
    yield
    waiter.release()


def is_free(folder: Path) -> bool:
    return not FileLock(folder / "card.lock").is_held()


def test_a_turn_within_a_turn_takes_nothing_and_gives_nothing(folder: Path) -> None:
    turns = DeviceTurns(folder, "card")
    with turns.turn():
        with turns.turn():
            assert not is_free(folder)
        assert not is_free(folder)
    assert is_free(folder)
    assert turns.n_turns == 1


def test_a_turn_ends_with_its_block_whatever_ends_that(folder: Path) -> None:
    turns = DeviceTurns(folder, "card")
    with pytest.raises(ZeroDivisionError), turns.turn():
        1 / 0  # noqa: B018
    assert is_free(folder)


def test_memory_is_given_back_while_the_card_is_still_in_hand(folder: Path) -> None:
    seen: list[bool] = []
    turns = DeviceTurns(folder, "card", before_giving=lambda: seen.append(is_free(folder)))
    with turns.turn(), turns.turn():
        pass
    assert seen == [False]


def test_a_card_is_free_even_when_its_memory_could_not_be_given_back(folder: Path) -> None:
    def fail() -> None:
        raise RuntimeError("the card fell off the bus")

    with pytest.raises(RuntimeError, match="bus"), DeviceTurns(folder, "card", before_giving=fail).turn():
        pass
    assert is_free(folder)


def test_a_stretch_has_the_card_from_its_first_turn_to_its_end(folder: Path) -> None:
    turns = DeviceTurns(folder, "card", slice_s=3600)
    with turns.stretch(lambda: None):
        assert is_free(folder), "pictures are read before the first turn"
        with turns.turn():
            pass
        with somebody_waits(folder), turns.turn():
            pass
        assert not is_free(folder)
    assert is_free(folder)
    assert turns.n_turns == 1


def test_a_stretch_gives_way_after_its_slice_to_who_waits(folder: Path) -> None:
    turns = DeviceTurns(folder, "card", slice_s=0)
    with turns.stretch(lambda: None):
        with turns.turn():
            pass
        assert not is_free(folder), "nobody waits"
        with somebody_waits(folder), turns.turn():
            pass
        assert is_free(folder)


def test_a_cancelled_wait_ends_and_takes_nothing(folder: Path) -> None:
    holder, turns = DeviceTurns(folder, "card"), DeviceTurns(folder, "card")

    def cancel() -> None:
        raise Cancelled

    with holder.turn():
        with pytest.raises(Cancelled), turns.stretch(cancel), turns.turn():
            raise AssertionError("the card was not free")
        assert not FileLock(folder / "card.next.lock").is_held(), "nobody waits any more"
    assert is_free(folder)
    with turns.turn():
        assert not is_free(folder)


def test_a_long_wait_says_for_whom(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device_turns, "SAY_AFTER_S", 0.01)
    holder, turns = DeviceTurns(folder, "card", label="sam3"), DeviceTurns(folder, "card", label="siglip")
    seen: list[str] = []

    def look() -> None:
        if turns.waiting and caplog.messages:
            seen.append(turns.waiting)
            raise Cancelled

    with holder.turn(), pytest.raises(Cancelled), turns.stretch(look), turns.turn():
        pass
    assert "waiting for its turn on card, which is with sam3 (process " in seen[0]
    assert caplog.messages[0].startswith("siglip: waiting for its turn on card")
    assert turns.waiting is None


def test_who_was_stopped_while_waiting_does_not_block_a_free_card(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_turns, "SAY_AFTER_S", 0.01)
    turns = DeviceTurns(folder, "card")
    with somebody_waits(folder), turns.turn():
        assert not is_free(folder)


def test_the_holder_is_known_while_there_is_one(folder: Path) -> None:
    turns = DeviceTurns(folder, "card", label="sam3")
    assert turns.holder() is None
    with turns.turn():
        holder = DeviceTurns(folder, "card").holder()
    assert holder is not None
    assert holder.label == "sam3"
    assert turns.holder() is None


def test_a_lock_without_a_record_is_held_by_somebody_unknown(folder: Path) -> None:
    (folder / "card.lock").write_text("no record")
    stranger = FileLock(folder / "card.lock")
    assert stranger.try_acquire()
    holder = DeviceTurns(folder, "card").holder()
    stranger.release()
    assert holder is not None
    assert "did not say its name" in str(holder)


def test_threads_of_a_process_wait_for_each_other(folder: Path) -> None:
    turns = DeviceTurns(folder, "card")
    order: list[str] = []

    def other() -> None:
        with turns.turn():
            order.append("other")

    with turns.turn():
        thread = threading.Thread(target=other)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
    assert turns.n_turns == 2


def test_each_turn_is_logged_with_its_begin_and_end(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="komadori.core.device_turns")
    with DeviceTurns(folder, "card", label="sam3").turn():
        pass
    words = caplog.messages[-1].split()
    assert words[:4] == ["turn", "on", "card:", "sam3"]
    assert float(words[5]) < float(words[7])


def test_locks_follow_the_rights_of_the_models_folder_and_not_the_umask(tmp_path: Path) -> None:
    root = tmp_path / "models"
    root.mkdir()
    root.chmod(0o775)
    folder = lock_folder(root)
    with DeviceTurns(folder, "card").turn():
        pass
    assert folder.stat().st_mode & 0o777 == 0o775
    assert (folder / "card.lock").stat().st_mode & 0o777 == 0o664


def test_a_lock_file_that_was_removed_is_made_anew(folder: Path) -> None:
    turns = DeviceTurns(folder, "card")
    with turns.turn():
        (folder / "card.lock").unlink()
    with turns.turn():
        assert not is_free(folder)


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / ".locks").write_text("a file")
    with pytest.raises(StorageError, match="folder for locks"):
        lock_folder(tmp_path)


def test_without_turns_nothing_is_waited_for() -> None:
    turns = NoTurns()
    with turns.stretch(lambda: None), turns.turn(), turns.turn():
        assert turns.waiting is None

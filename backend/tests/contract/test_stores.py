"""What every registered store of bytes does."""

import threading
from pathlib import Path

import pytest

from komadori.core import registry
from komadori.core.errors import InputError, NotFoundError
from komadori.storage.base import BlobStore

KEY = "frames/ab/abcd/0_1024.jpg"


@pytest.fixture(params=registry.names("stores"))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    made: BlobStore = registry.factory("stores", request.param)(tmp_path / "blobs")
    return made


def test_what_was_put_comes_back(store: BlobStore) -> None:
    store.put(KEY, b"first")
    store.put(KEY, b"second")
    store.put("empty", b"")

    assert store.get(KEY) == b"second"
    assert store.get("empty") == b""
    assert store.local_path(KEY).read_bytes() == b"second"
    assert store.exists(KEY)


def test_an_adopted_file_moves(store: BlobStore, tmp_path: Path) -> None:
    store.put(KEY, b"older")
    own = store.scratch() / "frame.jpg"
    foreign = tmp_path / "frame.jpg"
    for path in (own, foreign):
        path.write_bytes(b"\xff\xd8 picture")

    store.adopt(KEY, own)
    store.adopt("frames/other.jpg", foreign)

    assert store.get(KEY) == store.get("frames/other.jpg") == b"\xff\xd8 picture"
    assert not own.exists()
    assert not foreign.exists()


@pytest.mark.parametrize("make", ["missing", "folder", "link"])
def test_only_a_regular_file_is_adopted(store: BlobStore, tmp_path: Path, make: str) -> None:
    path = tmp_path / "source"
    if make == "folder":
        path.mkdir()
    elif make == "link":
        path.symlink_to(__file__)

    with pytest.raises(InputError, match="regular file"):
        store.adopt(KEY, path)

    assert not store.exists(KEY)


def test_a_deleted_key_is_gone(store: BlobStore) -> None:
    store.put(KEY, b"data")

    store.delete(KEY)
    store.delete(KEY)
    store.delete("never/there")

    assert not store.exists(KEY)
    for read in (store.get, store.local_path):
        with pytest.raises(NotFoundError) as caught:
            read(KEY)
        assert caught.value.hint


def test_a_folder_of_keys_is_no_key(store: BlobStore) -> None:
    store.put(KEY, b"data")

    store.delete("frames/ab")

    assert not store.exists("frames/ab")
    assert store.exists(KEY)
    with pytest.raises(NotFoundError):
        store.get("frames/ab")
    with pytest.raises(NotFoundError):
        store.get(f"{KEY}/below")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../outside",
        "frames/../../outside",
        "frames/./a",
        "frames//a",
        "frames/",
        "frames\\..\\a",
        "C:/a",
        "frames/a\nb",
        "frames/a\x00b",
        "frames/\udc80",
        ".hidden",
        "frames/.part",
        "a" * 300,
        "a/" * 600 + "a",
    ],
)
def test_other_keys_are_refused_everywhere(store: BlobStore, tmp_path: Path, key: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"data")

    for call in (
        lambda: store.put(key, b"data"),
        lambda: store.adopt(key, source),
        lambda: store.get(key),
        lambda: store.local_path(key),
        lambda: store.exists(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == "invalid-key"

    assert source.exists()


def test_scratch_folders_are_new_and_empty(store: BlobStore) -> None:
    first, second = store.scratch(), store.scratch()

    assert first != second
    assert list(first.iterdir()) == []


def test_a_reader_never_sees_half_a_blob(store: BlobStore) -> None:
    payloads = [bytes([letter]) * 300_000 for letter in b"ab"]
    store.put(KEY, payloads[0])

    def write() -> None:
        for turn in range(40):
            store.put(KEY, payloads[turn % 2])

    writer = threading.Thread(target=write)
    writer.start()
    seen = {store.get(KEY)}
    while writer.is_alive():
        seen.add(store.get(KEY))
    writer.join()

    assert seen <= set(payloads)

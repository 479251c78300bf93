"""Archives that are streamed, as the standard library reads them; also of sizes that no test writes."""

import io
import zipfile
from pathlib import Path

import pytest

from komadori.core import zip_stream
from komadori.core.errors import StorageError
from komadori.core.zip_stream import Entry, Place

GIB = 2**30


def entry(folder: Path, name: str, data: bytes) -> Entry:
    path = folder / name.replace("/", "_")
    path.write_bytes(data)
    return Entry(name, path, len(data))


def test_the_standard_library_reads_what_was_streamed(tmp_path: Path) -> None:
    contents = {
        "manifest.json": b"{}",
        "images/train/a.jpg": bytes(range(256)) * 4096,
        "labels/動画.txt": b"",
    }
    entries = [entry(tmp_path, name, data) for name, data in contents.items()]

    data = b"".join(zip_stream.stream(entries))

    assert len(data) == zip_stream.size_of(entries)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
        assert [info.compress_type for info in archive.infolist()] == [zipfile.ZIP_STORED] * 3


def test_what_comes_is_never_much_more_than_a_block(tmp_path: Path) -> None:
    entries = [entry(tmp_path, f"{number}", bytes(1_000_000)) for number in range(3)]

    lengths = [len(block) for block in zip_stream.stream(entries)]

    assert max(lengths) < 600_000
    assert len(lengths) > 5


def test_the_same_files_give_the_same_archive(tmp_path: Path) -> None:
    entries = [entry(tmp_path, "a", b"abc")]
    first = b"".join(zip_stream.stream(entries))
    (tmp_path / "a").touch()

    assert b"".join(zip_stream.stream(entries)) == first


@pytest.mark.parametrize("now", [b"", b"ab", b"abcd"])
def test_a_file_that_has_changed_its_size_ends_the_archive(tmp_path: Path, now: bytes) -> None:
    announced = entry(tmp_path, "a", b"abc")
    announced.path.write_bytes(now)

    with pytest.raises(StorageError) as caught:
        list(zip_stream.stream([announced]))

    assert caught.value.code == "export-changed"


@pytest.mark.parametrize(
    "places",
    [
        [Place("small", 10, 7, 0), Place("large", 5 * GIB, 8, 50), Place("behind", 3, 9, 5 * GIB + 100)],
        [Place("just-too-large", 2**32 - 1, 8, 0), Place("at", 1, 9, 2**32 - 1)],
        [Place("just-fits", 2**32 - 2, 8, 0)],
        [Place("last-that-fits", 1, 9, 2**32 - 2)],
    ],
    ids=["far", "at-the-limit", "below", "below-by-place"],
)
def test_sizes_and_places_beyond_32_bits_are_read_back(tmp_path: Path, places: list[Place]) -> None:
    end = places[-1].offset + places[-1].size + 100
    sparse = tmp_path / "sparse.zip"
    with sparse.open("wb") as file:
        file.seek(end)
        file.write(zip_stream.directory(places, end))

    with zipfile.ZipFile(sparse) as archive:
        found = archive.infolist()
    read = [Place(info.filename, info.file_size, info.CRC, info.header_offset) for info in found]
    assert read == places
    assert [info.extra[:2] for info in found] == [
        b"\1\0" if max(place.size, place.offset) >= 2**32 - 1 else b"" for place in places
    ]


def test_more_files_than_16_bits_count(tmp_path: Path) -> None:
    entries = [entry(tmp_path, "a", b"x")] * 65_535

    size = zip_stream.size_of(entries)
    data = b"".join(zip_stream.stream(entries[:2]))
    places = [Place("a", 1, 0, 0)] * 65_535
    directory = zip_stream.directory(places, 0)

    assert size == 65_535 * (30 + 1 + 1 + 46 + 1) + 56 + 20 + 22
    assert len(data) == 2 * (30 + 1 + 1 + 46 + 1) + 22
    with zipfile.ZipFile(io.BytesIO(directory)) as archive:
        assert len(archive.infolist()) == 65_535


def test_a_large_file_has_its_size_in_the_header_before_it(tmp_path: Path) -> None:
    large = Entry("large", tmp_path, 5 * GIB)

    header = zip_stream._local_header(Place("large", 5 * GIB, 0, 0))

    assert header[:4] == b"PK\3\4"
    assert header[18:26] == b"\xff" * 8
    assert header[-16:] == (5 * GIB).to_bytes(8, "little") * 2
    assert zip_stream.size_of([large]) == len(header) + 5 * GIB + (46 + 5 + 20) + 56 + 20 + 22

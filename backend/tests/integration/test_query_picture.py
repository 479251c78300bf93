"""A picture to search with becomes a harmless one before anybody looks at it."""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from komadori.core.errors import MediaError
from komadori.core.types import Image
from komadori.media.images import read_query_picture
from komadori.media.query_picture import PICTURE_LIMITS, harmless
from tests.support.hostile.pictures import jpeg_claiming, png_bomb

HALVES = np.zeros((40, 60, 3), np.uint8)
HALVES[:20] = (250, 10, 10)
"""Red above, black below."""


def saved(picture: Image, name: str, **options: object) -> bytes:
    out = io.BytesIO()
    Pictures.fromarray(picture).save(out, name, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF"])
def test_no_pixel_changes_where_none_has_to(name: str) -> None:
    assert np.array_equal(read_query_picture(harmless(saved(HALVES, name))), HALVES)


def test_it_is_turned_upright() -> None:
    exif = Pictures.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    upright = read_query_picture(harmless(saved(HALVES, "PNG", exif=exif.tobytes())))
    assert np.array_equal(upright, np.rot90(HALVES, -1))


def test_nothing_comes_along() -> None:
    exif = Pictures.Exif()
    exif[0x010E] = "somebody's secret"
    made = harmless(saved(HALVES, "JPEG", exif=exif.tobytes(), comment=b"another"))
    assert b"secret" not in made
    with Pictures.open(io.BytesIO(made)) as picture:
        assert not picture.info


@pytest.mark.parametrize("turned", [False, True])
def test_a_large_one_is_shrunk(turned: bool) -> None:
    large = np.repeat(np.repeat(HALVES, 100, axis=0), 100, axis=1)
    exif = Pictures.Exif()
    exif[0x0112] = 6 if turned else 1
    shrunk = read_query_picture(harmless(saved(large, "JPEG", exif=exif.tobytes())))
    assert shrunk.shape == ((2048, 1365, 3) if turned else (1365, 2048, 3))
    red = shrunk[1000, 1300] if turned else shrunk[100, 1000]
    assert abs(red.astype(int) - (250, 10, 10)).max() < 6


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (png_bomb(60_000, 60_000), "picture-too-large"),
        (b"", "unreadable-picture"),
        (b"GIF89a", "unreadable-picture"),
    ],
)
def test_what_is_refused_is_told(picture: bytes, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        harmless(picture)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"memory_bytes": 200 * 2**20}, "media-memory-limit"), ({"wall_s": 0.01}, "media-time-limit")],
)
def test_what_takes_too_much_is_ended_and_told(changes: dict[str, float], code: str) -> None:
    with pytest.raises(MediaError) as caught:
        harmless(png_bomb(7_000, 7_000), limits=replace(PICTURE_LIMITS, **changes))  # type: ignore[arg-type]
    assert caught.value.code == code
    assert "picture" in caught.value.message
    assert "/" not in caught.value.message, "the path is none that the user knows"


SEARCHED = """
import resource, sys
from komadori.core.errors import MediaError
from komadori.media.query_picture import harmless

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        harmless(open(path, "rb").read())
    except MediaError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_who_asks_does_not_grow(tmp_path: Path) -> None:
    pictures = [jpeg_claiming(7_000, 7_000), png_bomb(7_000, 7_000)]
    paths = [tmp_path / f"{number}" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(picture)
    done = subprocess.run(
        [sys.executable, "-c", SEARCHED, *map(str, paths)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 40 * 1024, "decoded, each of them has 150 MB"


def test_its_files_are_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    harmless(saved(HALVES, "PNG"))
    with pytest.raises(MediaError):
        harmless(b"x")
    assert list(tmp_path.iterdir()) == []

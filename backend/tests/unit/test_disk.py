"""What a failure of the file system says, by the number that the system gives it."""

import errno
import os

import pytest

from komadori.core.disk import storage_errors
from komadori.core.errors import StorageError


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EACCES, "Give the user that Komadori runs as the right"),
        (errno.EROFS, "a container exports to /exports"),
        (errno.EIO, "mounted and healthy"),
    ],
)
def test_each_failure_has_a_remedy_of_its_own(number: int, remedy: str) -> None:
    with pytest.raises(StorageError) as caught, storage_errors("store the frame"):
        raise OSError(number, os.strerror(number), "/frames/1.jpg")

    assert caught.value.message == f"Could not store the frame: {os.strerror(number)} (/frames/1.jpg)."
    assert remedy in (caught.value.hint or "")

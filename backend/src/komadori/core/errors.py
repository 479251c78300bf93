"""Every error that Komadori raises on purpose.

    KomadoriError
    ├── InputError          what the user gave cannot be used
    │   └── MediaError      a file that is no video, or a damaged one
    │       └── DecoderKilledError  its decoding was killed, by a person or for memory
    ├── NotFoundError       the thing named does not exist
    ├── ConflictError       it would overwrite or contradict what is there
    ├── DependencyError     an extra, a program, a server or a GPU is missing
    ├── ModelError          a checkpoint cannot be found, fetched, read or run
    │   ├── HubError        the model hub does not answer
    │   └── DeviceMemoryError   it needs more memory than is free now
    └── StorageError        a disk or a database failed
        └── PermanentStorageError   and no second attempt will find it healed

Each error says what was expected, what came, and what to do; its ``code`` never
changes between releases. Whether a chunk is tried again is decided by
``is_retryable`` of the class.
"""

from __future__ import annotations  # read by the doctor of a host, whose Python may be 3.9

from collections.abc import Iterator, Mapping
from typing import ClassVar


class KomadoriError(Exception):
    """The root of the tree.

    Args:
        message: What was expected and what came, one or two sentences.
        hint: What the user can do about it, an imperative sentence.
        code: A stable kebab-case name for this very case; the class has a default.
    """

    default_code: ClassVar[str] = "internal-error"
    is_retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint, self.code))


class InputError(KomadoriError):
    """What the user gave cannot be used."""

    default_code = "invalid-input"


class MediaError(InputError):
    """A file is no video that can be read, or it is damaged."""

    default_code = "unreadable-video"


class DecoderKilledError(MediaError):
    """Something outside killed the decoding of a file; the same request may succeed later."""

    default_code = "decoder-killed"
    is_retryable = True


class NotFoundError(KomadoriError):
    """The thing named does not exist."""

    default_code = "not-found"


class ConflictError(KomadoriError):
    """The request contradicts what is already there."""

    default_code = "conflict"


class DependencyError(KomadoriError):
    """A package, a program, a server or a device is missing."""

    default_code = "missing-dependency"


class ModelError(KomadoriError):
    """A checkpoint cannot be found, fetched, read or run."""

    default_code = "model-unavailable"


class HubError(ModelError):
    """The model hub does not answer; the same request may succeed later."""

    default_code = "unreachable-hub"
    is_retryable = True


class DeviceMemoryError(ModelError):
    """A model needs more memory than is free on its device; others may give some back."""

    default_code = "out-of-memory"
    is_retryable = True


class StorageError(KomadoriError):
    """A disk or a database did not do its part; the same request may succeed later."""

    default_code = "storage-failed"
    is_retryable = True


class PermanentStorageError(StorageError):
    """What is stored is damaged, or where it is stored is unfit; a person has to mend it first."""

    default_code = "storage-unusable"
    is_retryable = False


def to_dict(error: Exception) -> dict[str, str]:
    """An error as JSON can hold it, for another process; what is no KomadoriError becomes the root."""
    if not isinstance(error, KomadoriError):
        return to_dict(KomadoriError(f"{type(error).__name__}: {error}", hint="See the worker's log."))
    return {
        "class": type(error).__name__,
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
    }


def from_dict(data: Mapping[str, str]) -> KomadoriError:
    """The error that :func:`to_dict` wrote; one of an unknown class becomes the root."""
    classes = {cls.__name__: cls for cls in _tree(KomadoriError)}
    cls = classes.get(data["class"], KomadoriError)
    return cls(data["message"], hint=data["hint"], code=data["code"])


def _tree(cls: type[KomadoriError]) -> Iterator[type[KomadoriError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _tree(child)


def _rebuild(cls: type[KomadoriError], message: str, hint: str, code: str) -> KomadoriError:
    return cls(message, hint=hint, code=code)

"""Says what a database could not do, and whether another attempt may succeed.

PostgreSQL names its errors by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html),
except those of a connection that did not come about: these have words alone, as all of SQLite's have.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.exc import DatabaseError, DataError, DBAPIError
from sqlalchemy.exc import InterfaceError as DriverError
from sqlalchemy.exc import OperationalError as NotDoneError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from komadori.core.errors import InputError, KomadoriError, PermanentStorageError, StorageError


@dataclass(frozen=True, slots=True)
class _Failure:
    """What is known of a failure: ``states`` are the beginnings of SQLSTATEs, ``words`` parts of messages."""

    code: str
    hint: str
    states: tuple[str, ...]
    words: tuple[str, ...] = ()
    is_permanent: bool = False

    def fits(self, state: str, reason: str) -> bool:
        """Whether an error is of this kind; its words count only when it has no state."""
        return state.startswith(self.states) if state else any(word in reason for word in self.words)


_DAMAGED = _Failure(
    "database-damaged",
    "Stop Komadori and restore the database from a backup; frames and vectors are not touched.",
    ("XX001", "XX002"),
    is_permanent=True,
)
_FAILURES = (
    _Failure(
        "disk-full",
        "Free some space on its disk, then try again.",
        ("53100",),
        ("is full", "No space left on device"),
    ),
    _Failure(
        "database-busy",
        "Let fewer processes use it, or raise max_connections of PostgreSQL; then try again.",
        ("53300",),
        ("too many clients", "remaining connection slots", "too many connections"),
    ),
    _Failure(
        "database-locked",
        "Another program holds it; end that program, then try again.",
        ("40001", "40P01", "55P03", "57014"),
        ("is locked",),
    ),
    _Failure(
        "database-refused",
        "Correct the user and the password in KOMADORI_DATABASE_URL (write % : / @ of a password as "
        "%25 %3A %2F %40), and see that pg_hba.conf lets this machine in.",
        ("28",),
        ("authentication failed", "no pg_hba.conf entry", "no password supplied", 'role "'),
        is_permanent=True,
    ),
    _Failure(
        "database-missing",
        "Create it (`createdb`), or correct KOMADORI_DATABASE_URL.",
        ("3D000",),
        ('database "',),
        is_permanent=True,
    ),
    _Failure(
        "database-forbidden",
        "Make the user of KOMADORI_DATABASE_URL the owner of the database.",
        ("42501",),
        is_permanent=True,
    ),
    _Failure(
        "database-read-only", "Let KOMADORI_DATABASE_URL name the primary server, no standby.", ("25006",)
    ),
    _Failure(
        "database-not-migrated",
        "Start the API of this version once: it brings the database to its schema.",
        ("42P01", "42703"),
        ("no such table", "no such column"),
    ),
    _DAMAGED,
    _Failure(
        "database-unreachable",
        "See that PostgreSQL runs and that KOMADORI_DATABASE_URL leads to it; Komadori connects again by "
        "itself.",
        ("08", "57P", "25P03"),
        ("connection", "could not translate host name", "failed to resolve host"),
    ),
)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what a database cannot do into a :class:`StorageError`; wrong statements stay what they are.

    A value that it cannot hold, such as a text with a NUL on PostgreSQL, is an :class:`InputError`.
    """
    try:
        yield
    except PoolTimeoutError as error:
        raise StorageError(
            "All connections to the database were in use for too long.",
            hint="Send fewer requests at once, then try again.",
            code="database-busy",
        ) from error
    except DBAPIError as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def _translated(error: DBAPIError) -> KomadoriError | None:
    """What an error of the driver means; None for a wrong statement, which is our own fault."""
    reason = " ".join(str(error.orig).split()).rstrip(".")
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if isinstance(error, DataError):
        return InputError(
            f"The database cannot hold a value: {reason}.",
            hint="Leave out control characters, and numbers beyond 64 bits.",
            code="unstorable-value",
        )
    if type(error) is DatabaseError:  # how SQLite says that a file is damaged, and nothing else
        return _told(_DAMAGED, reason)
    can_be_told = bool(state) or isinstance(error, NotDoneError | DriverError)
    failure = next((f for f in _FAILURES if can_be_told and f.fits(state, reason)), None)
    if failure is not None:
        return _told(failure, reason)
    if not isinstance(error, NotDoneError):
        return None
    return StorageError(
        f"The database did not do what was asked: {reason}.",
        hint="Check that it is reachable and that Komadori may write there, then try again.",
        code="database-failed",
    )


def _told(failure: _Failure, reason: str) -> StorageError:
    kind = PermanentStorageError if failure.is_permanent else StorageError
    return kind(f"The database did not do what was asked: {reason}.", hint=failure.hint, code=failure.code)

"""Files that come in over HTTP, until they are videos or their time is over."""

import time
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.db.tables import UploadRow


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is on its way, or whole: then its ``sha256`` is known.

    ``name`` is a label for people. ``tus_metadata`` is what the client has sent, word for word.
    """

    id: str
    name: str
    size_bytes: int
    tus_metadata: str
    expected_sha256: str | None
    sha256: str | None
    created_s: float
    expires_s: float


def add(session: Session, upload: Upload) -> None:
    """Enter a new upload."""
    session.add(
        UploadRow(
            id=upload.id,
            name=upload.name,
            size_bytes=upload.size_bytes,
            tus_metadata=upload.tus_metadata,
            expected_sha256=upload.expected_sha256,
            sha256=upload.sha256,
            created_s=upload.created_s,
            expires_s=upload.expires_s,
        )
    )


def get(session: Session, upload_id: str) -> Upload:
    """The upload with that id.

    Raises:
        NotFoundError: There is none, or no longer.
    """
    row = session.get(UploadRow, upload_id)
    if row is None:
        raise NotFoundError(
            f"There is no upload {upload_id}.",
            hint="It may have expired, or its bytes were not those expected; begin a new one.",
            code="no-such-upload",
        )
    return _upload(row)


def newest(session: Session, expected_sha256: str | None, limit: int) -> list[Upload]:
    """The newest uploads; of a file with that SHA-256, or all."""
    statement = select(UploadRow).order_by(UploadRow.created_s.desc(), UploadRow.id).limit(limit)
    if expected_sha256 is not None:
        statement = statement.where(UploadRow.expected_sha256 == expected_sha256)
    return [_upload(row) for row in session.scalars(statement)]


def count(session: Session, expected_sha256: str | None) -> int:
    """How many uploads there are; of a file with that SHA-256, or in all."""
    statement = select(func.count()).select_from(UploadRow)
    if expected_sha256 is not None:
        statement = statement.where(UploadRow.expected_sha256 == expected_sha256)
    return session.scalar(statement) or 0


def unfinished(session: Session) -> list[Upload]:
    """The uploads that are not whole."""
    return [_upload(row) for row in session.scalars(select(UploadRow).where(UploadRow.sha256.is_(None)))]


def expired(session: Session) -> list[Upload]:
    """The uploads whose time is over."""
    return [
        _upload(row) for row in session.scalars(select(UploadRow).where(UploadRow.expires_s < time.time()))
    ]


def has_bytes(session: Session, sha256: str) -> bool:
    """Whether a whole upload has these bytes."""
    return session.scalar(select(UploadRow.id).where(UploadRow.sha256 == sha256).limit(1)) is not None


def extend(session: Session, upload_id: str, expires_s: float) -> None:
    """Let an upload live until then."""
    session.execute(update(UploadRow).where(UploadRow.id == upload_id).values(expires_s=expires_s))


def set_whole(session: Session, upload_id: str, sha256: str, expires_s: float) -> None:
    """Say that all bytes have come, and what they are."""
    session.execute(
        update(UploadRow).where(UploadRow.id == upload_id).values(sha256=sha256, expires_s=expires_s)
    )


def remove_whole(session: Session, sha256: str, before_s: float) -> list[str]:
    """Forget the whole uploads of these bytes that were begun before: their ids."""
    statement = delete(UploadRow).where(UploadRow.sha256 == sha256, UploadRow.created_s < before_s)
    return list(session.scalars(statement.returning(UploadRow.id)))


def remove(session: Session, upload_id: str) -> None:
    """Forget an upload."""
    session.execute(delete(UploadRow).where(UploadRow.id == upload_id))


def _upload(row: UploadRow) -> Upload:
    return Upload(
        id=row.id,
        name=row.name,
        size_bytes=row.size_bytes,
        tus_metadata=row.tus_metadata,
        expected_sha256=row.expected_sha256,
        sha256=row.sha256,
        created_s=row.created_s,
        expires_s=row.expires_s,
    )

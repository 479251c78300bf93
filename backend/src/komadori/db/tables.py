"""The tables. Times are seconds since 1970 (UTC); large bytes live in the blob store."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_ID = BigInteger().with_variant(Integer, "sqlite")
_JSON = JSON().with_variant(JSONB, "postgresql")


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can change it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _id_column() -> Mapped[int]:
    return mapped_column(_ID, primary_key=True, autoincrement=True)


def _reference(target: str, **options: Any) -> Mapped[Any]:
    return mapped_column(_ID, ForeignKey(target, ondelete="CASCADE"), **options)


class ProjectRow(Base):
    """A project."""

    __tablename__ = "projects"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = _id_column()
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_s: Mapped[float] = mapped_column(Float)


_IS_NOT_DELETING = text("state != 'deleting'")


class VideoRow(Base):
    """A video file, known by its sha256 within a project; one that is being deleted is known no more."""

    __tablename__ = "videos"
    __table_args__ = (
        Index(
            None,
            "project_id",
            "sha256",
            unique=True,
            sqlite_where=_IS_NOT_DELETING,
            postgresql_where=_IS_NOT_DELETING,
        ),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = _id_column()
    project_id: Mapped[int] = _reference("projects.id")
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(Text)
    source_uri: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    duration_s: Mapped[float] = mapped_column(Float)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    facts: Mapped[dict[str, Any]] = mapped_column(_JSON)
    state: Mapped[str] = mapped_column(String(20))
    error: Mapped[str | None] = mapped_column(Text)
    created_s: Mapped[float] = mapped_column(Float)


class UploadRow(Base):
    """A file that comes in over HTTP; ``sha256`` is known, and the bytes are ours, once it is whole.

    How many bytes have come says the file itself. ``tus_metadata`` is what the client sent, word for word.
    """

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    tus_metadata: Mapped[str] = mapped_column(Text)
    expected_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    created_s: Mapped[float] = mapped_column(Float)
    expires_s: Mapped[float] = mapped_column(Float)


class FrameRow(Base):
    """A stored frame: the entry of the frame ledger."""

    __tablename__ = "frames"
    __table_args__ = (
        UniqueConstraint("video_id", "stream_index", "decode_index"),
        Index(None, "video_id", "pts"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = _id_column()
    video_id: Mapped[int] = _reference("videos.id")
    stream_index: Mapped[int] = mapped_column(Integer)
    decode_index: Mapped[int] = mapped_column(BigInteger)
    pts: Mapped[int] = mapped_column(BigInteger)
    time_base_num: Mapped[int] = mapped_column(BigInteger)
    time_base_den: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    image_key: Mapped[str] = mapped_column(Text)
    thumbnail_key: Mapped[str] = mapped_column(Text)
    image_sha256: Mapped[str] = mapped_column(String(64))
    perceptual_hash: Mapped[str] = mapped_column(String(16))
    mean_colour: Mapped[int | None] = mapped_column(Integer)
    is_key: Mapped[bool]
    is_suspect: Mapped[bool]
    transform: Mapped[dict[str, Any]] = mapped_column(_JSON)


class SamplingRow(Base):
    """One way of choosing frames that was asked of a video."""

    __tablename__ = "samplings"
    __table_args__ = (UniqueConstraint("video_id", "parameters_key"), {"sqlite_autoincrement": True})
    id: Mapped[int] = _id_column()
    video_id: Mapped[int] = _reference("videos.id")
    parameters_key: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]] = mapped_column(_JSON)
    created_s: Mapped[float] = mapped_column(Float)


class SamplingFrameRow(Base):
    """Which frames a sampling chose; a frame may belong to several."""

    __tablename__ = "sampling_frames"
    sampling_id: Mapped[int] = _reference("samplings.id", primary_key=True)
    frame_id: Mapped[int] = _reference("frames.id", primary_key=True, index=True)


class SamplingSkipRow(Base):
    """Which frames a sampling wanted and did not keep, and why; it does not ask for them again."""

    __tablename__ = "sampling_skips"
    sampling_id: Mapped[int] = _reference("samplings.id", primary_key=True)
    decode_index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(Text)


class EmbeddingSpaceRow(Base):
    """A space of comparable vectors; ``source`` is the setting that led to it."""

    __tablename__ = "embedding_spaces"
    __table_args__ = (
        UniqueConstraint("model_id", "revision", "preprocessing_hash", "dim"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = _id_column()
    model_id: Mapped[str] = mapped_column(Text)
    revision: Mapped[str] = mapped_column(String(200))
    preprocessing_hash: Mapped[str] = mapped_column(String(64))
    dim: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    last_used_s: Mapped[float] = mapped_column(Float)


class EmbeddingRow(Base):
    """Says that the index of a space has the vector of a frame."""

    __tablename__ = "embeddings"
    space_id: Mapped[int] = _reference("embedding_spaces.id", primary_key=True)
    frame_id: Mapped[int] = _reference("frames.id", primary_key=True, index=True)


class AbsentWordsRow(Base):
    """The vectors of the words of ``core.absent_words`` in a space, float32 one after the other."""

    __tablename__ = "absent_words"
    space_id: Mapped[int] = _reference("embedding_spaces.id", primary_key=True)
    words_key: Mapped[str] = mapped_column(String(64))
    vectors: Mapped[bytes] = mapped_column(LargeBinary)


class QueryRow(Base):
    """What a person waits for: a text or a picture to become a vector, which is kept, or clicks a mask."""

    __tablename__ = "queries"
    __table_args__ = (Index(None, "source", "kind", "content_key"), {"sqlite_autoincrement": True})
    id: Mapped[int] = _id_column()
    source: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(10))
    content_key: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), index=True)
    space_id: Mapped[int | None] = _reference("embedding_spaces.id")
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    answer: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    error: Mapped[dict[str, Any] | None] = mapped_column(_JSON)
    created_s: Mapped[float] = mapped_column(Float)


class ClassRow(Base):
    """A class that annotations of a project can have."""

    __tablename__ = "classes"
    __table_args__ = (UniqueConstraint("project_id", "name"), {"sqlite_autoincrement": True})
    id: Mapped[int] = _id_column()
    project_id: Mapped[int] = _reference("projects.id")
    name: Mapped[str] = mapped_column(String(200))


class AnnotationRunRow(Base):
    """A model with its prompts and thresholds; the same request again is the same run."""

    __tablename__ = "annotation_runs"
    __table_args__ = (UniqueConstraint("project_id", "fingerprint"), {"sqlite_autoincrement": True})
    id: Mapped[int] = _id_column()
    project_id: Mapped[int] = _reference("projects.id")
    fingerprint: Mapped[str] = mapped_column(String(64))
    model_id: Mapped[str] = mapped_column(Text)
    model_revision: Mapped[str] = mapped_column(String(200))
    prompts: Mapped[list[str]] = mapped_column(_JSON)
    thresholds: Mapped[dict[str, Any]] = mapped_column(_JSON)
    created_s: Mapped[float] = mapped_column(Float)


class RunFrameRow(Base):
    """Says that a run has looked at a frame, also when it found nothing there."""

    __tablename__ = "run_frames"
    run_id: Mapped[int] = _reference("annotation_runs.id", primary_key=True)
    frame_id: Mapped[int] = _reference("frames.id", primary_key=True, index=True)
    n_detections: Mapped[int] = mapped_column(Integer)


class AnnotationRow(Base):
    """A labelled object in its newest revision.

    ``created_by`` is who drew it, None for a proposal. ``changed_s`` and ``changed_by`` say when a person
    drew, changed or decided it last, and who; a name is None where that person gave none.
    """

    __tablename__ = "annotations"
    __table_args__ = (
        Index(None, "frame_id", "status"),
        Index(None, "class_id", "frame_id", "status"),
        CheckConstraint("status in ('proposed', 'accepted', 'rejected')", name="status"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = _id_column()
    frame_id: Mapped[int] = _reference("frames.id")
    class_id: Mapped[int] = _reference("classes.id")
    run_id: Mapped[int | None] = _reference("annotation_runs.id", index=True)
    prompt: Mapped[str | None] = mapped_column(Text)
    x0: Mapped[float] = mapped_column(Float)
    y0: Mapped[float] = mapped_column(Float)
    x1: Mapped[float] = mapped_column(Float)
    y1: Mapped[float] = mapped_column(Float)
    mask_counts: Mapped[bytes | None] = mapped_column(LargeBinary)
    mask_height: Mapped[int | None] = mapped_column(Integer)
    mask_width: Mapped[int | None] = mapped_column(Integer)
    confidence: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10))
    revision: Mapped[int] = mapped_column(Integer)
    track_id: Mapped[int | None] = mapped_column(BigInteger)
    created_s: Mapped[float] = mapped_column(Float)
    created_by: Mapped[str | None] = mapped_column(String(80))
    changed_s: Mapped[float | None] = mapped_column(Float)
    changed_by: Mapped[str | None] = mapped_column(String(80))


class AnnotationRevisionRow(Base):
    """What an annotation was before a person changed it, and when who did that.

    Columns and not JSON, so that one statement can copy those of many annotations, to the last bit.
    """

    __tablename__ = "annotation_revisions"
    annotation_id: Mapped[int] = _reference("annotations.id", primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    class_id: Mapped[int] = _reference("classes.id")
    x0: Mapped[float] = mapped_column(Float)
    y0: Mapped[float] = mapped_column(Float)
    x1: Mapped[float] = mapped_column(Float)
    y1: Mapped[float] = mapped_column(Float)
    mask_counts: Mapped[bytes | None] = mapped_column(LargeBinary)
    mask_height: Mapped[int | None] = mapped_column(Integer)
    mask_width: Mapped[int | None] = mapped_column(Integer)
    confidence: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10))
    track_id: Mapped[int | None] = mapped_column(BigInteger)
    changed_s: Mapped[float] = mapped_column(Float)
    changed_by: Mapped[str | None] = mapped_column(String(80))


class JobRow(Base):
    """A request for long work; ``is_open`` says that more chunks may still be added."""

    __tablename__ = "jobs"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = _id_column()
    kind: Mapped[str] = mapped_column(String(20))
    project_id: Mapped[int] = _reference("projects.id")
    parent_id: Mapped[int | None] = _reference("jobs.id", index=True)
    parameters: Mapped[dict[str, Any]] = mapped_column(_JSON)
    result: Mapped[dict[str, Any]] = mapped_column(_JSON)
    state: Mapped[str] = mapped_column(String(20), index=True)
    error: Mapped[str | None] = mapped_column(Text)
    is_open: Mapped[bool]
    is_cancel_requested: Mapped[bool]
    created_s: Mapped[float] = mapped_column(Float)
    started_s: Mapped[float | None] = mapped_column(Float)
    finished_s: Mapped[float | None] = mapped_column(Float)


class ChunkRow(Base):
    """A part of a job: one worker, one transaction. The counts are items, such as frames.

    ``deaths`` are those attempts that ended with their process; a chunk that is done keeps them only
    when it was set aside.
    """

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("job_id", "position"),
        Index(None, "queue", "state", "published_s"),
        Index(None, "job_id", "state", "published_s", "position"),
        {"sqlite_autoincrement": True},
    )
    id: Mapped[int] = _id_column()
    job_id: Mapped[int] = _reference("jobs.id")
    position: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    queue: Mapped[str] = mapped_column(String(20))
    payload: Mapped[dict[str, Any]] = mapped_column(_JSON)
    state: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(Integer)
    deaths: Mapped[int] = mapped_column(Integer, server_default="0")
    owner: Mapped[str | None] = mapped_column(Text)
    lease_until_s: Mapped[float | None] = mapped_column(Float)
    published_s: Mapped[float | None] = mapped_column(Float)
    error: Mapped[str | None] = mapped_column(Text)
    total: Mapped[int] = mapped_column(Integer)
    done: Mapped[int] = mapped_column(Integer)
    skipped: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)


class ChunkCountRow(Base):
    """How many chunks of a job are in a queue and state, kept by triggers of the database.

    The sums of their items leave out chunks that run: these count as they go, in their own rows.
    ``announced_s`` says when a chunk of those was announced last.
    """

    __tablename__ = "chunk_counts"
    __table_args__ = (
        Index(
            None,
            "queue",
            "state",
            "announced_s",
            sqlite_where=text("n > 0"),
            postgresql_where=text("n > 0"),
        ),
    )
    job_id: Mapped[int] = _reference("jobs.id", primary_key=True)
    queue: Mapped[str] = mapped_column(String(20), primary_key=True)
    state: Mapped[str] = mapped_column(String(20), primary_key=True)
    n: Mapped[int] = mapped_column(Integer)
    announced_s: Mapped[float] = mapped_column(Float)
    total: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[int] = mapped_column(BigInteger)
    skipped: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)


class JobIssueRow(Base):
    """Why an item of a job was skipped or failed."""

    __tablename__ = "job_issues"
    __table_args__ = ({"sqlite_autoincrement": True},)
    id: Mapped[int] = _id_column()
    job_id: Mapped[int] = _reference("jobs.id", index=True)
    chunk_id: Mapped[int] = _reference("chunks.id", index=True)
    item: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)


class WorkerRow(Base):
    """A worker process, as it last reported."""

    __tablename__ = "workers"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    queue: Mapped[str] = mapped_column(String(20), index=True)
    state: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(Text)
    seen_s: Mapped[float] = mapped_column(Float)

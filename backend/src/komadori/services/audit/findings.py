"""What a look at the store may find: each kind has a name that never changes, and one remedy."""

from dataclasses import dataclass
from enum import StrEnum

from komadori.core.types import JsonDict


class Kind(StrEnum):
    """What is wrong."""

    DATABASE_DAMAGED = "database-damaged"
    SCHEMA = "schema"
    ORPHAN_ROW = "orphan-row"
    STUCK_JOB = "stuck-job"
    JOB_STATE = "job-state"
    CHUNK_COUNTS = "chunk-counts"
    CHUNK_MISSING = "chunk-missing"
    CHUNK_OWNER = "chunk-owner"
    LOST_CHUNK = "lost-chunk"
    SILENT_WORKER = "silent-worker"
    HINTS_PILED_UP = "hints-piled-up"
    STUCK_VIDEO = "stuck-video"
    LEDGER = "ledger"
    SAMPLING = "sampling"
    IMAGE_MISSING = "image-missing"
    IMAGE_DAMAGED = "image-damaged"
    THUMBNAIL_MISSING = "thumbnail-missing"
    THUMBNAIL_DAMAGED = "thumbnail-damaged"
    ANNOTATION_BOX = "annotation-box"
    ANNOTATION_MASK = "annotation-mask"
    ANNOTATION_ORIGIN = "annotation-origin"
    ANNOTATION_REVISIONS = "annotation-revisions"
    RUN_FRAME = "run-frame"
    VECTOR_MISSING = "vector-missing"
    VECTOR_DAMAGED = "vector-damaged"
    INDEX_DAMAGED = "index-damaged"
    ORPHAN_VECTOR = "orphan-vector"
    ORPHAN_INDEX = "orphan-index"
    INDEX_LEFTOVER = "index-leftover"
    ORPHAN_FILE = "orphan-file"
    UNKNOWN_FILE = "unknown-file"
    STALE_SCRATCH = "stale-scratch"
    STALE_EXPORT = "stale-export"
    STALE_DOWNLOAD = "stale-download"
    STALE_LOCK = "stale-lock"


_GC = "`komadori gc` removes it."
_DEFECT = "This is a defect of Komadori: report it with what `komadori jobs show ID --json` says."
_VERIFY = "`komadori verify VIDEO` takes it from the video again."
_REVIEW = "Correct or delete it in the review."
_EMBED_ALL = "Stop the siglip workers, remove this folder of vectors, start them, then `komadori embed`."

REMEDIES: dict[Kind, str] = {
    Kind.DATABASE_DAMAGED: "Restore a backup (`komadori restore`), and look after the disk.",
    Kind.SCHEMA: "Start the API of this version, which brings the database to its schema; then check again.",
    Kind.ORPHAN_ROW: _GC,
    Kind.STUCK_JOB: "`komadori jobs cancel ID`, then `komadori jobs retry ID`.",
    Kind.JOB_STATE: _DEFECT,
    Kind.CHUNK_COUNTS: _DEFECT,
    Kind.CHUNK_MISSING: _DEFECT,
    Kind.CHUNK_OWNER: _DEFECT,
    Kind.LOST_CHUNK: "Start Komadori: the API takes it back within seconds, and it is done again.",
    Kind.SILENT_WORKER: _GC,
    Kind.HINTS_PILED_UP: "Start a worker for this queue: it throws old hints away at once.",
    Kind.STUCK_VIDEO: "Add the file again (`komadori add`): what is there already is kept.",
    Kind.LEDGER: "`komadori verify VIDEO` compares it with the source; report this, it is a defect.",
    Kind.SAMPLING: "Report this, it is a defect; the frame itself is whole.",
    Kind.IMAGE_MISSING: _VERIFY,
    Kind.IMAGE_DAMAGED: _VERIFY,
    Kind.THUMBNAIL_MISSING: _VERIFY,
    Kind.THUMBNAIL_DAMAGED: f"Remove the file; {_VERIFY}",
    Kind.ANNOTATION_BOX: _REVIEW,
    Kind.ANNOTATION_MASK: _REVIEW,
    Kind.ANNOTATION_ORIGIN: _REVIEW,
    Kind.ANNOTATION_REVISIONS: "Report this, it is a defect; the annotation itself is whole.",
    Kind.RUN_FRAME: "`komadori annotate` with --force looks at the frame again.",
    Kind.VECTOR_MISSING: "`komadori embed` makes it again.",
    Kind.VECTOR_DAMAGED: _EMBED_ALL,
    Kind.INDEX_DAMAGED: _EMBED_ALL,
    Kind.ORPHAN_VECTOR: _GC,
    Kind.ORPHAN_INDEX: _GC,
    Kind.INDEX_LEFTOVER: _GC,
    Kind.ORPHAN_FILE: _GC,
    Kind.UNKNOWN_FILE: "Move it elsewhere: it is none of Komadori's, and `gc` leaves it alone.",
    Kind.STALE_SCRATCH: _GC,
    Kind.STALE_EXPORT: _GC,
    Kind.STALE_DOWNLOAD: "`komadori models pull NAME` goes on with it; `komadori gc` removes it.",
    Kind.STALE_LOCK: _GC,
}
"""What to do about each kind."""

HARMLESS = frozenset(
    kind for kind, remedy in REMEDIES.items() if remedy == _GC and kind != Kind.ORPHAN_ROW
) | {
    Kind.UNKNOWN_FILE,
    Kind.STALE_DOWNLOAD,
}
"""What only takes room: nothing that is stored is lost or wrong by it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; ``subject`` names what it concerns, ``detail`` says how."""

    kind: Kind
    subject: str
    detail: str

    @property
    def key(self) -> tuple[Kind, str]:
        """The same for the same fault found twice."""
        return self.kind, self.subject

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.kind]

    @property
    def is_harmless(self) -> bool:
        """Whether it only takes room."""
        return self.kind in HARMLESS

    def as_json(self) -> JsonDict:
        """As `komadori check --json` prints it."""
        return {
            "kind": self.kind.value,
            "subject": self.subject,
            "detail": self.detail,
            "remedy": self.remedy,
            "is_harmless": self.is_harmless,
        }

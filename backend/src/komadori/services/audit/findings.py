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

_KINDS: dict[Kind, tuple[str, str]] = {
    Kind.DATABASE_DAMAGED: (
        "SQLite finds its file damaged.",
        "Restore a backup (`komadori restore`), and look after the disk.",
    ),
    Kind.SCHEMA: (
        "The database has another schema than this version needs.",
        "Start the API of this version, which brings the database to its schema; then check again.",
    ),
    Kind.ORPHAN_ROW: ("Rows refer to a row that is gone.", _GC),
    Kind.STUCK_JOB: (
        "A job that is under way has nothing left to do, or one that has ended has.",
        "`komadori jobs cancel ID`, then `komadori jobs retry ID`.",
    ),
    Kind.JOB_STATE: ("The state of a job is not what its chunks come to.", _DEFECT),
    Kind.CHUNK_COUNTS: ("The items of a chunk do not add up.", _DEFECT),
    Kind.CHUNK_MISSING: ("The positions of a job's chunks have a gap.", _DEFECT),
    Kind.CHUNK_OWNER: ("A chunk runs for nobody, or belongs to somebody without running.", _DEFECT),
    Kind.LOST_CHUNK: (
        "A chunk runs whose lease ran out long ago: its worker is dead, or the API is.",
        "Start Komadori: the API takes it back within seconds, and it is done again.",
    ),
    Kind.SILENT_WORKER: ("A worker that has not reported for over an hour is still listed.", _GC),
    Kind.HINTS_PILED_UP: (
        "Hundreds of messages wait in the broker.",
        "Start a worker for this queue: it throws old hints away at once.",
    ),
    Kind.STUCK_VIDEO: (
        "A video waits for its frames, and no job takes them.",
        "Add the file again (`komadori add`): what is there already is kept.",
    ),
    Kind.LEDGER: (
        "An entry of the frame ledger makes no sense: size, time base, order, keys.",
        "`komadori verify VIDEO` compares it with the source; report this, it is a defect.",
    ),
    Kind.SAMPLING: (
        "A sampling has chosen a frame of another video.",
        "Report this, it is a defect; the frame itself is whole.",
    ),
    Kind.IMAGE_MISSING: ("The image of a frame is not in the store.", _VERIFY),
    Kind.IMAGE_DAMAGED: (
        "The image of a frame is empty; with `--deep`: it is not that of the ledger.",
        _VERIFY,
    ),
    Kind.THUMBNAIL_MISSING: ("The thumbnail of a frame is not in the store.", _VERIFY),
    Kind.THUMBNAIL_DAMAGED: (
        "The thumbnail of a frame is empty; with `--deep`: it is no whole JPEG.",
        f"Remove the file; {_VERIFY}",
    ),
    Kind.ANNOTATION_BOX: ("A box has no area, or reaches out of its frame.", _REVIEW),
    Kind.ANNOTATION_MASK: ("A mask is empty, cannot be read, or is not in the size of its frame.", _REVIEW),
    Kind.ANNOTATION_ORIGIN: ("Class, source, confidence or run of an annotation do not fit it.", _REVIEW),
    Kind.ANNOTATION_REVISIONS: (
        "The former states of an annotation are not all there.",
        "Report this, it is a defect; the annotation itself is whole.",
    ),
    Kind.RUN_FRAME: (
        "A run says of a frame what cannot be.",
        "`komadori annotate` with --force looks at the frame again.",
    ),
    Kind.VECTOR_MISSING: (
        "A frame has a vector in the database, and none in the index.",
        "`komadori embed` makes it again.",
    ),
    Kind.VECTOR_DAMAGED: (
        "A vector is not finite or not of unit norm; with `--deep`: its code is another's.",
        _EMBED_ALL,
    ),
    Kind.INDEX_DAMAGED: ("The files of an index are missing, cut, or of another dimension.", _EMBED_ALL),
    Kind.ORPHAN_VECTOR: ("A frame has a vector in the index, and none in the database.", _GC),
    Kind.ORPHAN_INDEX: ("An index belongs to no embedding space of the database.", _GC),
    Kind.INDEX_LEFTOVER: ("A file in an index is named by nothing there.", _GC),
    Kind.ORPHAN_FILE: ("A file in the store is named by no row.", _GC),
    Kind.UNKNOWN_FILE: (
        "There is something in the store that Komadori does not write.",
        "Move it elsewhere: it is none of Komadori's, and `gc` leaves it alone.",
    ),
    Kind.STALE_SCRATCH: ("Something was being written, and never ended.", _GC),
    Kind.STALE_EXPORT: ("An export that was never ended lies beside its target.", _GC),
    Kind.STALE_DOWNLOAD: (
        "A model was never fetched to its end.",
        "`komadori models pull NAME` goes on with it; `komadori gc` removes it.",
    ),
    Kind.STALE_LOCK: ("The lock of a `komadori up`, or the socket of a broker, whose process is gone.", _GC),
}
"""What each kind means, and what to do about it."""

REMEDIES = {kind: remedy for kind, (_, remedy) in _KINDS.items()}
MEANINGS = {kind: meaning for kind, (meaning, _) in _KINDS.items()}


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

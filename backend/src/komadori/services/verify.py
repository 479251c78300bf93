"""Takes stored frames from the source again and compares them with the ledger."""

from collections.abc import Sequence

from komadori.core.errors import InputError, KomadoriError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, Frame, Job, Queue, Video
from komadori.db.repositories import jobs, videos
from komadori.db.repositories.jobs import Counts, Issue, NewChunk
from komadori.media.base import VideoFacts
from komadori.media.extract import reextract_frames
from komadori.services.context import Context
from komadori.services.ingest import check_path, load_index
from komadori.services.jobs import ChunkResult, submit

KIND = "verify"
_CHUNK_FRAMES = 120

"""A small system for tests of the job protocol: real SQLite, and chunk work that the test gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import update

from komadori.bootstrap import open_context, prepare_home
from komadori.core.progress import Progress
from komadori.core.types import Chunk, Job, JobState, Priority, Queue
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import jobs as rows
from komadori.db.repositories import projects
from komadori.db.repositories.chunks import Counts, NewChunk
from komadori.db.tables import ChunkRow
from komadori.services import jobs
from komadori.services.context import Context
from komadori.services.jobs import ChunkResult
from komadori.settings import Settings

KIND = "work"


@dataclass(slots=True)
class RecordingQueue:
    """Remembers the hints instead of sending them; ``is_down`` makes sending fail."""

    hints: list[int] = field(default_factory=list)
    is_down: bool = False

    def wake_for_chunk(self, queue: Queue, chunk_id: int, priority: Priority = Priority.BULK) -> bool:
        if not self.is_down:
            self.hints.append(chunk_id)
        return not self.is_down

    def is_reachable(self) -> bool:
        return not self.is_down

    def wake_for_query(self, queue: Queue, query_id: int) -> bool:
        return not self.is_down


@dataclass(slots=True)
class JobSystem:
    ctx: Context
    queue: RecordingQueue
    project_id: int

    def submit(self, n_chunks: int, items: int = 10) -> int:
        chunks = [NewChunk(KIND, Queue.DEFAULT, {"n": n}, items) for n in range(n_chunks)]
        return jobs.submit(self.ctx, KIND, self.project_id, {}, chunks).id

    def job(self, job_id: int) -> Job:
        with self.ctx.sessions.read() as session:
            return rows.get(session, job_id)

    def chunks(self, job_id: int) -> Sequence[Chunk]:
        with self.ctx.sessions.read() as session:
            return chunk_rows.of_job(session, job_id)

    def expire(self, chunk_id: int) -> None:
        """Let the lease of a chunk run out now, as when the clock has stepped or the machine has slept."""
        with self.ctx.sessions.write() as session:
            session.execute(update(ChunkRow).where(ChunkRow.id == chunk_id).values(lease_until_s=0.0))

    def run(self, chunk_id: int, work: jobs.ChunkWork, owner: str = "worker-a") -> JobState | None:
        return jobs.run_chunk(self.ctx, chunk_id, {KIND: work}, owner)


def job_system(home: Path, **options: object) -> JobSystem:
    """A system in an empty folder; options are those of the settings."""
    prepare_home(_settings(home, options))
    return attach(home, **options)


def attach(home: Path, **options: object) -> JobSystem:
    """What another process has of a system that is there."""
    queue = RecordingQueue()
    ctx = open_context(_settings(home, options), queue)
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, projects.DEFAULT).id
    return JobSystem(ctx, queue, project_id)


def _settings(home: Path, options: dict[str, object]) -> Settings:
    return Settings(home=home, **{"embedder": "fake", "segmenter": "fake", **options})  # type: ignore[arg-type]


def succeed(chunk: Chunk, progress: Progress) -> ChunkResult:
    """Work that finishes every item."""
    progress.advance(chunk.total)
    return ChunkResult(Counts(done=chunk.total))


def fail_with(error: Exception) -> Callable[[Chunk, Progress], ChunkResult]:
    """Work that raises."""

    def work(_chunk: Chunk, _progress: Progress) -> ChunkResult:
        raise error

    return work

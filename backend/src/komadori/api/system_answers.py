"""What the HTTP API answers about the installation itself."""

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, Field

from komadori.core import types
from komadori.core.types import JobState, Queue, WorkerState
from komadori.db.repositories import workers
from komadori.db.repositories.queues import QueueLoad
from komadori.ml.checkpoints import ModelState, ModelStatus
from komadori.services import readiness


class Session(BaseModel):
    """How this server is entered."""

    needs_token: bool = Field(description="Whether requests for data must carry the token, or the cookie")
    is_open: bool = Field(description="Whether this client may ask for data now")
    version: str
    is_local: bool = Field(description="Whether only programs on the server's machine reach it")
    database_id: str = Field(
        description="What ids belong to; a browser keeps pictures by it, as another home may use its port"
    )
    has_ui: bool = Field(description="Whether the web UI was built into this installation")


class Model(BaseModel):
    """A checkpoint that is known or on this machine."""

    name: str | None
    model_id: str
    revision: str | None
    state: ModelState
    size_bytes: int
    licence: str | None
    is_gated: bool
    path: str | None
    pull_job_id: str | None = Field(description="The job that fetches it, while one does")

    @staticmethod
    def of(status: ModelStatus, pull: types.Job | None) -> "Model":
        """A model as it is shown, with the job that fetches it."""
        return Model(
            name=status.name,
            model_id=status.model_id,
            revision=status.revision,
            state=status.state,
            size_bytes=status.size_bytes,
            licence=status.licence,
            is_gated=status.is_gated,
            path=None if status.path is None else str(status.path),
            pull_job_id=None if pull is None else str(pull.id),
        )


class Worker(BaseModel):
    """A worker process as it last reported."""

    name: str
    queue: Queue
    state: WorkerState
    detail: str
    seen_s: float

    @staticmethod
    def of(worker: workers.Worker) -> "Worker":
        """A worker as it is shown."""
        return Worker(
            name=worker.name,
            queue=worker.queue,
            state=worker.state,
            detail=worker.detail,
            seen_s=worker.seen_s,
        )


class Space(BaseModel):
    """What makes vectors comparable, and how many there are; `key` is its name in addresses."""

    key: str
    model_id: str
    revision: str
    preprocessing_hash: str
    dim: int
    n_vectors: int

    @staticmethod
    def of(space: types.EmbeddingSpace, n_vectors: int) -> "Space":
        """A space as it is shown."""
        return Space(key=space.key, n_vectors=n_vectors, **asdict(space))


class QueueState(BaseModel):
    """How much work waits in a queue, runs, rests in paused jobs and has ended, in chunks."""

    queue: Queue
    queued: int
    running: int
    paused: int
    done: int
    failed: int
    cancelled: int
    oldest_queued_s: float | None = Field(description="How long the oldest queued chunk has waited")

    @staticmethod
    def of(load: QueueLoad) -> "QueueState":
        """A queue as it is shown."""
        counts = {state.value: load.chunks.get(state, 0) for state in JobState}
        return QueueState(queue=load.queue, oldest_queued_s=load.oldest_queued_s, **counts)


class System(BaseModel):
    """What this installation is, and how busy."""

    version: str
    embedder: str
    segmenter: str
    device: str
    database: Literal["sqlite", "postgresql"]
    home: str
    is_offline: bool
    queues: list[QueueState]


class Health(BaseModel):
    """That the process lives."""

    status: Literal["ok"] = "ok"


class Lack(BaseModel):
    """A part that is missing: `code` never changes between releases, `hint` says what to do."""

    part: str = Field(description="`database`, `disk`, `broker`, or `worker` and its queue")
    code: str
    detail: str
    hint: str

    @staticmethod
    def of(lack: readiness.Lack) -> "Lack":
        """A missing part as it is shown."""
        return Lack(part=lack.part, code=lack.code, detail=lack.detail, hint=lack.hint)


class Readiness(BaseModel):
    """That work is accepted; it is `degraded` while a part is missing without which some of it waits."""

    status: Literal["ok", "degraded"]
    lacks: list[Lack]

"""Puts the system together from the settings: services never see these, only what is made of them."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from komadori.core import registry
from komadori.core.device_turns import NoTurns, Turns
from komadori.core.errors import ConflictError, KomadoriError, ModelError, NotFoundError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, EmbeddingSpace, Queue
from komadori.db import migrate
from komadori.db.repositories import projects
from komadori.db.session import PATIENCE_S, Sessions, parse_url
from komadori.ml.cards import Card, open_card
from komadori.ml.checkpoints import ModelStore
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter, clickable
from komadori.ml.smaller_batches import BatchingEmbedder, BatchingSegmenter, BatchLimit
from komadori.ml.turn_taking import TurnTakingEmbedder, TurnTakingSegmenter, loading_in_turn
from komadori.queueing.base import JobQueue
from komadori.queueing.outbox import Outbox
from komadori.services import annotate, backup, clicks, delete, embed, export, ingest, models, proxy, verify
from komadori.services.audit.look import Store
from komadori.services.context import Context, Options
from komadori.services.jobs import ChunkResult, ChunkWork
from komadori.settings import Settings
from komadori.vectors.base import VectorIndex

_PULL_SLICE_S = 20.0
"""After so long a download lets others have the process, and goes on after them."""

_COUNT_WAITING = "komadori.queueing.celery_queue:count_waiting"
"""By name: not every process needs Celery."""

_log = logging.getLogger(__name__)


def open_context(
    settings: Settings, queue: JobQueue | None = None, *, patience_s: float = PATIENCE_S
) -> Context:
    """Connect everything; one for each process, made after a fork.

    The database must be at the newest schema, see :func:`prepare_home`.
    """
    home = settings.home.absolute()
    return Context(
        home=home,
        exports=settings.exports_dir.absolute(),
        sessions=Sessions(settings.effective_database_url, patience_s=patience_s),
        blobs=registry.factory("stores", "local")(home / "blobs"),
        queue=queue or _broker(settings),
        index_of=_index_opener(settings, home / "vectors"),
        options=Options(
            embedder=settings.embedder,
            segmenter=settings.segmenter,
            jpeg_quality=settings.jpeg_quality,
            thumbnail_size=settings.thumbnail_size,
            decode_chunk_s=settings.decode_chunk_s,
            embed_chunk_frames=settings.embed_chunk_frames,
            annotate_chunk_frames=settings.annotate_chunk_frames,
            score_threshold=settings.score_threshold,
            mask_threshold=settings.mask_threshold,
            lease_s=settings.lease_s,
            max_attempts=settings.max_attempts,
            query_timeout_s=settings.query_timeout_s,
            upload_max_bytes=int(settings.upload_max_gb * 10**9),
            upload_expires_s=settings.upload_expires_h * 3600,
        ),
    )


def open_store(settings: Settings) -> Store:
    """What `komadori check`, `gc` and `backup` look at; nothing is made for it, no folder and no file.

    Raises:
        NotFoundError: There is no database where the settings say.
    """
    home, url = settings.home.absolute(), parse_url(settings.effective_database_url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise NotFoundError(
            f"Expected a database at {url.database}, there is none.",
            hint="Set KOMADORI_HOME to the folder of the data; `komadori up` makes a new one.",
            code="no-database",
        )
    return Store(
        home=home,
        models=settings.models_dir.absolute(),
        broker_socket=settings.broker_socket.absolute(),
        sessions=Sessions(settings.effective_database_url),
        index_of=_index_opener(settings, home / "vectors"),
        waiting_hints=lambda: resolve_name(_COUNT_WAITING)(settings.effective_broker_url),
        lease_s=settings.lease_s,
    )


@contextmanager
def api_context(settings: Settings, *, patience_s: float) -> Iterator[Context]:
    """What the API has: the index itself, hints that it does not wait for, and less patience."""
    outbox = Outbox(_broker(settings))
    ctx = open_context(settings.model_copy(update={"vectors": "local"}), outbox, patience_s=patience_s)
    try:
        yield ctx
    finally:
        outbox.close()
        ctx.sessions.close()


def prepare_home(settings: Settings) -> None:
    """Make the folders, bring the database to the newest schema and see that the default project exists."""
    if (settings.home / backup.UNFINISHED).is_dir():
        raise ConflictError(
            f"A restore into {settings.home} was interrupted, so its data is not whole.",
            hint="Run `komadori restore DIR` again; it begins anew.",
            code="unfinished-restore",
        )
    settings.home.mkdir(parents=True, exist_ok=True)
    sessions = Sessions(settings.effective_database_url)
    try:
        migrate.upgrade(sessions.engine)
        with sessions.write() as session:
            projects.get_or_create(session, projects.DEFAULT)
    finally:
        sessions.close()


def model_store(settings: Settings) -> ModelStore:
    """The checkpoints of this machine."""
    return ModelStore(
        settings.models_dir,
        endpoint=settings.hub_url,
        token=settings.effective_hub_token,
        is_offline=settings.offline,
    )


def load_embedder(settings: Settings) -> ImageTextEmbedder:
    """The embedding model of the settings, ready to run.

    Raises:
        ModelError: Its checkpoint is not on this machine, or damaged.
        DependencyError: A package that it needs is missing.
    """
    cache_dir = settings.models_dir / ".compiled"
    embedder: ImageTextEmbedder = _load_model(
        settings, "embedders", settings.embedder, cache_dir=cache_dir, batch_size=settings.embed_batch
    )
    return embedder


def load_segmenter(settings: Settings) -> ConceptSegmenter:
    """The segmentation model of the settings, ready to run.

    Raises:
        ModelError: Its checkpoint is not on this machine, or damaged.
        DependencyError: A package that it needs is missing.
    """
    segmenter: ConceptSegmenter = _load_model(settings, "segmenters", settings.segmenter)
    return segmenter


def checkpoint_of(settings: Settings, queue: Queue) -> str | None:
    """The checkpoint that a worker of the queue loads, as the settings name it; None when it needs none."""
    needed = {
        Queue.SIGLIP: ("embedders", settings.embedder),
        Queue.SAM3: ("segmenters", settings.segmenter),
    }.get(queue)
    return None if needed is None or part_name(*needed) is not None else needed[1]


def part_name(kind: str, source: str) -> str | None:
    """The registered part that a setting such as ``fake`` or ``acme:/models/acme`` names itself.

    None when it names a checkpoint, whose kind decides which part runs it.
    """
    name = source.partition(":")[0]
    return name if name in registry.names(kind) else None


class WorkerParts:
    """What a worker process of one queue needs: the work that it does, and its model where it has one.

    Chunks and queries come after :meth:`load` has loaded the model.
    """

    def __init__(self, settings: Settings, queue: Queue, ctx: Context) -> None:
        self._settings = settings
        self._queue = queue
        self._ctx = ctx
        self._embedder: ImageTextEmbedder | None = None
        self._segmenter: ConceptSegmenter | None = None
        self._turns: Turns = NoTurns()
        self._card: Card | None = None
        self._limit: BatchLimit | None = None

    @property
    def waiting(self) -> str | None:
        """Whose turn on the card this worker has been waiting for, if that has been long."""
        return self._turns.waiting

    @property
    def remark(self) -> str | None:
        """What else people should know of the model, if anything."""
        return None if self._limit is None else self._limit.remark

    @property
    def lacking(self) -> str:
        """What a worker that could not :meth:`load` waits for."""
        return "model" if self._embedder is None else "vector index"

    def load(self) -> str:
        """Load the model of the queue: a line for people that says which and where it runs.

        Raises:
            KomadoriError: It cannot be loaded, or the index of its vectors not be opened; a later
                attempt may succeed.
        """
        if self._queue == Queue.DEFAULT:
            return "ready"
        try:
            self._take_card()
            return self._load()
        except KomadoriError:
            raise
        except Exception as error:
            _log.exception("the model of queue %s could not be loaded", self._queue)
            raise ModelError(
                f"The model of queue {self._queue} could not be loaded: {error}.",
                hint="See the worker's log; `komadori doctor` checks the model.",
            ) from error

    def work_by_kind(self) -> Mapping[str, ChunkWork]:
        """How each kind of chunk that this queue may have is done."""
        if self._queue == Queue.SIGLIP:
            return {embed.KIND: self._embed}
        if self._queue == Queue.SAM3:
            return {annotate.KIND: self._annotate}
        return {
            kind: _bound(self._ctx, run)
            for kind, run in {
                ingest.PROBE: ingest.run_probe,
                ingest.DECODE: ingest.run_decode,
                export.KIND: export.run_chunk,
                verify.KIND: verify.run_chunk,
                proxy.KIND: proxy.run_chunk,
                delete.KIND: delete.run_chunk,
                models.KIND: self._pull,
            }.items()
        }

    def answer_query(self, query_id: int) -> bool:
        """Give a search its vector or clicks their mask, or the reason why there is none.

        False when the query is one of another queue, or somebody else has answered it.
        """
        if self._queue == Queue.SAM3:
            assert self._segmenter is not None
            return clicks.answer_query(self._ctx, clickable(self._segmenter), query_id)
        assert self._embedder is not None
        return embed.answer_query(self._ctx, self._embedder, query_id)

    def _embed(self, chunk: Chunk, progress: Progress) -> ChunkResult:
        embedder = self._embedder
        assert embedder is not None
        return embed.run_chunk(
            self._ctx,
            embedder,
            chunk,
            progress,
            between_batches=lambda: _ignore(embed.answer_waiting_queries(self._ctx, embedder)),
            stretch=self._turns.stretch(progress.check_cancelled),
        )

    def _annotate(self, chunk: Chunk, progress: Progress) -> ChunkResult:
        segmenter = self._segmenter
        assert segmenter is not None
        with self._turns.stretch(progress.check_cancelled):
            return annotate.run_chunk(
                self._ctx,
                segmenter,
                chunk,
                progress,
                between_frames=lambda: _ignore(
                    clicks.answer_waiting_queries(self._ctx, clickable(segmenter))
                ),
            )

    def _take_card(self) -> None:
        """Once for a process: a second load uses the same card."""
        if self._card is None:
            wanted = self._settings
            self._card = open_card(wanted.device, wanted.gpu_lock, wanted.models_dir, self._queue)
            self._settings = wanted.model_copy(update={"device": self._card.device})
            self._turns = self._card.turns

    def _load(self) -> str:
        with loading_in_turn(self._turns):
            said = self._load_model()
        if self._embedder is not None:
            embed.open_space(self._ctx, self._embedder)
        return said

    def _load_model(self) -> str:
        if self._queue == Queue.SIGLIP:
            if self._embedder is None:  # else only the index was lacking
                embedder = BatchingEmbedder(load_embedder(self._settings))
                self._embedder, self._limit = TurnTakingEmbedder(embedder, self._turns), embedder.limit
            return f"{self._embedder.space.model_id} on {self._embedder.device_name}"
        segmenter = BatchingSegmenter(load_segmenter(self._settings))
        self._segmenter, self._limit = TurnTakingSegmenter(segmenter, self._turns), segmenter.limit
        return f"{self._segmenter.model_id} on {self._segmenter.device_name}"

    def _pull(self, ctx: Context, chunk: Chunk, progress: Progress) -> ChunkResult:
        slice_s = min(_PULL_SLICE_S, self._settings.chunk_time_limit_s / 4)
        return models.run_pull(ctx, model_store(self._settings), chunk, progress, slice_s=slice_s)


def configure_logging(level: str) -> None:
    """Log to stderr, one line for each event."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for noisy in ("httpx", "httpcore", "alembic", "celery.app.trace", "celery.worker.strategy", "kombu"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))


def default_worker_processes(settings: Settings) -> int:
    """How many processes the worker of the queue ``default`` has."""
    return settings.decode_workers or len(os.sched_getaffinity(0))


def _broker(settings: Settings) -> JobQueue:
    queue: JobQueue = registry.factory("queues", "celery_queue")(settings.effective_broker_url)
    return queue


def _load_model(settings: Settings, kind: str, source: str, **options: object) -> Any:
    """The part of a setting; ``options`` are for parts that run a checkpoint of the store."""
    runtime = {"device": settings.device, "threads": settings.threads}
    name = part_name(kind, source)
    if name is not None:
        return registry.factory(kind, name)(source.partition(":")[2] or name, **runtime)
    model = model_store(settings).resolve(source)
    create = registry.factory(kind, model.adapter)
    return create(model.directory, revision=model.revision, model_id=model.model_id, **runtime, **options)


def _index_opener(settings: Settings, root: Path) -> Callable[[EmbeddingSpace], VectorIndex]:
    token = settings.token.get_secret_value() if settings.token else None

    @lru_cache(maxsize=16)
    def index_of(space: EmbeddingSpace) -> VectorIndex:
        index: VectorIndex
        if settings.vectors == "api":
            index = registry.factory("indexes", "api")(settings.url, space.key, space.dim, token=token)
        else:
            index = registry.factory("indexes", "flat")(root / space.key, space.dim)
        return index

    return index_of


def _bound(ctx: Context, run: Callable[[Context, Chunk, Progress], ChunkResult]) -> ChunkWork:
    return lambda chunk, progress: run(ctx, chunk, progress)


def _ignore(_value: object) -> None:
    return None

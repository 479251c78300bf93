"""What becomes of one hostile file: it goes the whole way of its kind, in a process that must survive it."""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from komadori.core.errors import InputError, KomadoriError, NotFoundError, StorageError
from komadori.core.types import Chunk, JobState
from komadori.media.base import MediaLimits
from komadori.media.images import read_frame
from komadori.media.probe import PROBE_LIMITS
from komadori.services import ingest, search
from komadori.services.jobs import ChunkResult, ChunkWork
from komadori.services.search import Scope
from tests.support.hostile.base import Hostile
from tests.support.pipeline import Pipeline, pipeline, sampling

LONGEST_S = PROBE_LIMITS.wall_s
"""What a probe may take. Decoding may take longer, but no file here has so much to decode."""

MOST_WORKER_BYTES = 2560 * 2**20
"""By which the process may grow that serves the file, as all workers in one: two batches of the largest
frames that are embedded together, and what reading them takes besides."""

_SHOWN = 1_000
"""Characters of a path by which a person knows it."""


@dataclass(slots=True)
class Verdict:
    """What became of a hostile file.

    Attributes:
        family: Of the file.
        name: Of the file.
        outcome: ``read``, or ``refused``; empty while neither is known.
        detail: The stable code of the refusal, or how many frames came out.
        wall_s: How long it took.
        child_mib: The most memory that a decoding child held.
        worker_mib: By how much the process grew that served the file.
        problems: What must not have happened.
    """

    family: str
    name: str
    outcome: str = ""
    detail: str = ""
    wall_s: float = 0.0
    child_mib: int = 0
    worker_mib: int = 0
    problems: list[str] = field(default_factory=list)


def examine(hostile: Hostile, path: str, home: Path) -> Verdict:
    """Let a file go its way in this process, which should do nothing else before or after."""
    verdict = Verdict(hostile.family, hostile.name)
    started_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pipeline(home) as system:
        way: dict[str, Callable[[Pipeline, str, Verdict], None]] = {
            "video": _ingest,
            "picture": _search,
            "stored": _read,
        }
        try:
            way[hostile.kind](system, path, verdict)
        except KomadoriError as error:
            _refuse(verdict, error, path)
    verdict.wall_s = time.monotonic() - started_s
    verdict.child_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    verdict.worker_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    _judge(hostile, verdict, home)
    return verdict


def _ingest(system: Pipeline, path: str, verdict: Verdict) -> None:
    raised: list[Exception] = []
    system.work.update({kind: _noting(work, raised) for kind, work in system.work.items()})
    job = system.job(ingest.request(system.ctx, path, f"project {os.getpid()}", sampling("all_frames")).id)
    for error in raised:
        _refuse(verdict, error, path)
    if job.state == JobState.DONE:
        verdict.outcome, verdict.detail = "read", f"{job.done} frames, {job.skipped} skipped"
        if job.done + job.skipped != job.total or not job.total:
            verdict.problems.append(f"{job.total} frames, of which {verdict.detail}")
        if not all(issue.reason for issue in system.issues(job.id)):
            verdict.problems.append("a frame was skipped without a reason")
    elif job.state != JobState.FAILED or not raised:
        verdict.problems.append(f"the job is {job.state}: {job.error}")


def _noting(work: ChunkWork, raised: list[Exception]) -> ChunkWork:
    def run(chunk: Chunk, progress: object) -> ChunkResult:
        try:
            return work(chunk, progress)  # type: ignore[arg-type]
        except Exception as error:
            raised.append(error)
            raise

    return run


def _search(system: Pipeline, path: str, verdict: Verdict) -> None:
    search.by_picture(system.ctx, Path(path).read_bytes(), 5, Scope())
    verdict.outcome, verdict.detail = "read", "a vector"


def _read(_system: Pipeline, path: str, verdict: Verdict) -> None:
    picture = read_frame(Path(path).read_bytes())
    verdict.outcome, verdict.detail = "read", f"{picture.shape[1]} x {picture.shape[0]}"


def _refuse(verdict: Verdict, error: Exception, path: str) -> None:
    """Note a refusal, and whether it says what a person needs to know."""
    verdict.outcome = "refused"
    if not isinstance(error, InputError | NotFoundError | StorageError):
        verdict.problems.append(f"{type(error).__name__}: {error}")
        return
    verdict.detail = error.code
    if not error.hint:
        verdict.problems.append(f"no hint: {error.message}")
    shown = path[:_SHOWN]
    is_named = shown in error.message or repr(shown)[:-1] in error.message
    if not is_named and verdict.family not in ("pictures", "stored"):
        verdict.problems.append(f"the file is not named: {error.message[:_SHOWN]}")
    if error.code == "decoder-crash" and "exit 1:" in error.message:
        verdict.problems.append(f"a fault of ours in the child: {error.message}")


def _judge(hostile: Hostile, verdict: Verdict, home: Path) -> None:
    checks = {
        f"took {verdict.wall_s:.0f} s": verdict.wall_s > LONGEST_S,
        f"a child held {verdict.child_mib} MiB": verdict.child_mib * 2**20 > MediaLimits().memory_bytes,
        f"the worker grew by {verdict.worker_mib} MiB": verdict.worker_mib * 2**20 > MOST_WORKER_BYTES,
        f"is good, but was refused: {verdict.detail}": hostile.is_good and verdict.outcome != "read",
        "neither read nor refused": not verdict.outcome and not verdict.problems,
        "a child was left behind": bool(psutil.Process(os.getpid()).children()),
        "something was left in scratch": any((home / "blobs" / ".scratch").glob("*")),
    }
    verdict.problems += [what for what, is_so in checks.items() if is_so]

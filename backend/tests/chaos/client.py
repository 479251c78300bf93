"""Two users of the API while faults happen: one adds work and sees it through, one only asks."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from komadori.cli.answers import Job
from komadori.cli.client import ApiClient
from komadori.core.errors import KomadoriError, NotFoundError
from komadori.core.types import JobState
from tests.chaos.clips import Clip
from tests.chaos.system import System

PROMPTS = ("red", "green", "blue")
_PAUSE_S = 0.3
_QUESTIONS_FOR_A_JOB = 20
_RETRIES = 5


class Phase(Enum):
    """How far a round is."""

    ADD = auto()
    INGEST = auto()
    ANNOTATE = auto()
    RUN = auto()
    EMBED = auto()
    OVER = auto()


@dataclass(slots=True)
class Round:
    """A video of its own project: added, embedded, annotated.

    Attributes:
        project: Its name.
        clip: What is added; a file that is no video when None.
        path: The file.
        phase: How far it is.
        ingest_id: The job that was accepted last.
        run_id: And that of the annotation.
    """

    project: str
    path: Path
    clip: Clip | None
    phase: Phase = Phase.ADD
    ingest_id: str = ""
    run_id: str = ""


@dataclass(slots=True)
class Answers:
    """What a user of the API has heard."""

    n_good: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    longest_silence_s: float = 0.0
    _heard_s: float = field(default_factory=time.monotonic)

    def good(self) -> None:
        """An answer came."""
        self._note_silence()
        self.n_good += 1
        self._heard_s = time.monotonic()

    def refused(self, error: KomadoriError) -> None:
        """None came, or one that says that it cannot be."""
        self._note_silence()
        self.refusals[error.code] += 1

    def _note_silence(self) -> None:
        self.longest_silence_s = max(self.longest_silence_s, time.monotonic() - self._heard_s)


class _User(threading.Thread):
    """Does one thing after the other until it is told to end."""

    def __init__(self, system: System, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._system = system
        self._must_end = threading.Event()
        self.answers = Answers()
        self.accepted: set[str] = set()
        """The ids of the jobs that the API said it has taken."""

    def end(self, timeout_s: float = 200) -> None:
        """Let it finish what it does at this moment."""
        self._must_end.set()
        self.join(timeout_s)

    def _try(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except NotFoundError:
            raise
        except KomadoriError as error:
            self.answers.refused(error)
        else:
            self.answers.good()


class Feeder(_User):
    """Keeps a few rounds at work while :attr:`is_feeding`, and sees each to its end.

    What failed, but for the file that is no video, it queues again, as a person would who has read the error.
    """

    def __init__(self, system: System, rounds: Iterator[Round], at_once: int) -> None:
        super().__init__(system, "feeder")
        self._rounds = rounds
        self._at_once = at_once
        self.is_feeding = True
        self.rounds: list[Round] = []
        self.retried: list[str] = []
        """Job and error of each time that a job was queued again."""

    @property
    def is_done(self) -> bool:
        """Whether every round is over, and none is added any more."""
        return not self.is_feeding and not self.open

    @property
    def open(self) -> list[Round]:
        """The rounds that are not over."""
        return [each for each in self.rounds if each.phase is not Phase.OVER]

    def run(self) -> None:
        with self._system.client() as api:
            while not self._must_end.is_set() and not self.is_done:
                while self.is_feeding and len(self.open) < self._at_once:
                    self.rounds.append(next(self._rounds))
                for each in self.open:
                    self._try(lambda each=each: self._advance(api, each))  # type: ignore[misc]
                self._must_end.wait(_PAUSE_S)

    def _advance(self, api: ApiClient, each: Round) -> None:
        """Take the next step with a round, if it can be taken."""
        if each.phase is Phase.ADD:
            each.ingest_id = self._accept(_add(api, each))
            each.phase = Phase.INGEST
        elif each.phase is Phase.INGEST and self._has_ended(api, each.ingest_id, each):
            each.phase = Phase.ANNOTATE if each.clip else Phase.OVER
        elif each.phase is Phase.ANNOTATE:
            each.run_id = self._accept(api.annotate(PROMPTS, {"project": each.project}, {}))
            each.phase = Phase.RUN
        elif each.phase is Phase.RUN and self._has_ended(api, each.run_id, each):
            each.phase = Phase.EMBED
        elif each.phase is Phase.EMBED:
            children = [job.id for job in api.jobs(project=each.project) if job.parent_id]
            if all(self._has_ended(api, child, each) for child in children):
                each.phase = Phase.OVER

    def _accept(self, job: Job) -> str:
        self.accepted.add(job.id)
        return job.id

    def _has_ended(self, api: ApiClient, job_id: str, each: Round) -> bool:
        """Whether a job is over for good; one that should not have failed is queued again."""
        job = api.job(job_id)
        if not job.state.is_terminal:
            return False
        failed = [chunk for chunk in job.chunks if chunk.state == JobState.FAILED]
        n_retries = sum(line.startswith(f"job {job_id}:") for line in self.retried)
        if not failed or each.clip is None or n_retries >= _RETRIES:
            return True
        self.retried.append(f"job {job_id}: {job.kind}: {failed[0].error}")
        api.retry_job(job_id)
        return False


def _add(api: ApiClient, each: Round) -> Job:
    return api.add_video(
        each.path,
        project=each.project,
        sampler="all_frames",
        sampler_parameters={},
        skip_near_duplicates=False,
    )


class Asker(_User):
    """Looks at jobs and videos, searches, and asks for a small job now and then."""

    def run(self) -> None:
        with self._system.client() as api:
            questions: tuple[Callable[[], None], ...] = (
                lambda: _forget(api.jobs(limit=20)),
                lambda: _forget(api.videos()),
                lambda: _forget(api.workers()),
            )
            for number, question in enumerate(itertools.cycle(questions), start=1):
                if number % _QUESTIONS_FOR_A_JOB == 0:
                    self._try(lambda: self._embed(api))
                if self._must_end.wait(_PAUSE_S):
                    return
                self._try(question)

    def _embed(self, api: ApiClient) -> None:
        """Frames without a vector of the first project: a job that finds little or nothing to do."""
        self.accepted.add(api.embed("default", None).id)


class Searcher(_User):
    """Searches one text after the other; each needs the embedder once."""

    def run(self) -> None:
        with self._system.client() as api:
            for number in itertools.count():
                if self._must_end.wait(2 * _PAUSE_S):
                    return
                self._try(
                    lambda number=number: _forget(  # type: ignore[misc]
                        api.search(text=f"red thing {number}", k=3, video_id=None, project="default")
                    )
                )


def _forget(_answer: object) -> None:
    return None

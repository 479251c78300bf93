"""Many processes and threads change one database at once: nothing is lost, doubled or waited for in a circle.

What the server counts as deadlocks must stay zero; SQLite lets its writers in one by one, and passes as well.
"""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from komadori.core.errors import ConflictError
from komadori.core.types import AnnotationStatus, JobState, Queue, WorkerState
from komadori.db.repositories import chunks, projects, queries, revisions, videos, workers
from komadori.db.repositories import jobs as job_rows
from komadori.db.repositories.queries import QueryKind
from komadori.db.repositories.videos import NewVideo
from komadori.services import annotate, jobs, review
from komadori.services.annotate import Targets
from komadori.services.review import Matching
from tests.support.app import seed_video
from tests.support.jobs import KIND, JobSystem, job_system, succeed
from tests.support.pipeline import Pipeline, pipeline

pytestmark = pytest.mark.usefixtures("both_databases")

BACKEND = Path(__file__).parents[2]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[JobSystem]:
    made = job_system(tmp_path)
    yield made
    assert deadlocks(made) == 0
    made.ctx.sessions.close()


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Pipeline]:
    """An installation with six frames."""
    with pipeline(tmp_path, annotate_chunk_frames=3) as made:
        seed_video(made.ctx, n_frames=6)
        yield made


def deadlocks(system: JobSystem) -> int:
    """How often the server had to break a circle of waiting transactions."""
    if system.ctx.sessions.engine.dialect.name == "sqlite":
        return 0
    with system.ctx.sessions.write() as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
        counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(session.scalar(text(counted)) or 0)


def at_once(*calls: Callable[[], object]) -> None:
    """Start all calls at the same moment; the first error of one is raised here."""
    barrier = threading.Barrier(len(calls))
    failed: list[Exception] = []

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            call()
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def test_processes_that_claim_the_same_chunks_do_each_once(system: JobSystem, tmp_path: Path) -> None:
    job_ids = [system.submit(n) for n in (15, 2, 2, 1)]
    command = [sys.executable, "-m", "tests.support.chunk_runner", str(tmp_path)]
    runners = [
        subprocess.Popen(
            [*command, str(seed), *map(str, job_ids)], cwd=BACKEND, env=os.environ, stdout=subprocess.PIPE
        )
        for seed in range(3)
    ]
    done = [int(line) for runner in runners for line in runner.communicate()[0].split()]

    assert [runner.returncode for runner in runners] == [0, 0, 0]
    assert sorted(done) == list(range(1, 21))
    assert {system.job(job_id).state for job_id in job_ids} == {JobState.DONE}
    assert {chunk.attempts for job_id in job_ids for chunk in system.chunks(job_id)} == {1}


def test_submit_run_cancel_retry_and_reap_at_once_end_in_a_finished_job(system: JobSystem) -> None:
    job_ids = [system.submit(8) for _ in range(3)]
    chunk_ids = list(range(1, 25))

    def work(owner: str, order: Sequence[int]) -> None:
        for chunk_id in order:
            system.run(chunk_id, succeed, owner)

    def reap(times: int) -> None:
        for _ in range(times):
            jobs.reap(system.ctx)

    def disturb() -> None:
        for _ in range(4):
            for job_id in job_ids:
                jobs.cancel(system.ctx, job_id)
                jobs.retry(system.ctx, job_id)
                jobs.reap(system.ctx)

    at_once(
        lambda: work("a", chunk_ids),
        lambda: work("b", chunk_ids[::-1]),
        disturb,
        lambda: [system.submit(2) for _ in range(4)],
        lambda: reap(10),
    )
    for job_id in job_ids:
        jobs.retry(system.ctx, job_id)
    work("c", chunk_ids)

    for job_id in job_ids:
        job = system.job(job_id)
        assert (job.state, job.done, job.failed) == (JobState.DONE, 80, 0)


def test_the_last_chunks_of_a_job_that_end_together_end_the_job(system: JobSystem) -> None:
    for first in range(1, 13, 2):
        job_id = system.submit(2)
        at_once(lambda: system.run(first, succeed, "a"), lambda: system.run(first + 1, succeed, "b"))  # noqa: B023
        assert system.job(job_id).state is JobState.DONE


def test_a_lease_that_is_renewed_while_the_reaper_looks_is_kept(system: JobSystem) -> None:
    job_id = system.submit(1)
    with system.ctx.sessions.write() as session:
        assert chunks.claim(session, 1, "elsewhere/1/1", -1.0, 3) is not None
    is_renewed = threading.Event()

    def renew() -> None:
        with system.ctx.sessions.write() as session:
            assert chunks.renew(session, 1, "elsewhere/1/1", 60.0, 4) is False
            is_renewed.set()
            is_reaping.wait(10)
            threading.Event().wait(0.2)  # the reaper stands before the row by now

    is_reaping = threading.Event()

    def reap() -> None:
        is_renewed.wait(10)
        is_reaping.set()
        jobs.reap(system.ctx)

    at_once(renew, reap)

    chunk = system.chunks(job_id)[0]
    assert (chunk.state, chunk.owner, chunk.done) == (JobState.RUNNING, "elsewhere/1/1", 4)


def test_two_who_announce_at_once_announce_no_chunk_twice(system: JobSystem) -> None:
    system.queue.is_down = True
    system.submit(40)
    system.queue.is_down = False

    at_once(*[lambda: jobs.announce(system.ctx)] * 4)

    assert Counter(system.queue.hints).most_common(1)[0][1] == 1
    assert len(system.queue.hints) >= 16


def test_a_job_has_one_child_however_many_ask_for_it(system: JobSystem) -> None:
    job = system.job(system.submit(1))
    found: list[int] = []

    def ask() -> None:
        with system.ctx.sessions.write() as session:
            found.append(job_rows.open_child(session, job, "embed"))

    at_once(*[ask] * 6)

    assert len(found) == 6
    assert len(set(found)) == 1


def test_one_of_several_equal_jobs_is_made(system: JobSystem) -> None:
    found: list[int] = []

    def submit() -> None:
        new = [chunks.NewChunk(KIND, Queue.DEFAULT, {}, 1)]
        job = jobs.submit(system.ctx, KIND, system.project_id, {"source": "a/b"}, new, is_unique=True)
        found.append(job.id)

    at_once(*[submit] * 5)

    assert len(found) == 5
    assert len(set(found)) == 1


def test_a_video_that_is_added_twice_at_once_is_one_video(system: JobSystem) -> None:
    found: list[int] = []

    def add(place: str) -> None:
        new = NewVideo(system.project_id, "5" * 64, "a.mp4", place, 1, 1.0, 64, 48, {"codec": "h264"})
        with system.ctx.sessions.write() as session:
            found.append(videos.find_or_add(session, new))

    at_once(*[lambda place=f"/videos/{n}/a.mp4": add(place) for n in range(5)])

    assert len(found) == 5
    assert len(set(found)) == 1


def test_names_and_frames_that_many_add_in_any_order_exist_once(system: JobSystem) -> None:
    with system.ctx.sessions.write() as session:
        new = NewVideo(system.project_id, "5" * 64, "a.mp4", "/a.mp4", 1, 1.0, 64, 48, {})
        video_id = videos.find_or_add(session, new)

    def add(order: Sequence[int]) -> None:
        with system.ctx.sessions.write() as session:
            projects.class_ids(session, system.project_id, [f"class {n}" for n in order])
            videos.add_frames(session, [frame_row(video_id, n) for n in order])
            ids = videos.frame_ids_by_index(session, video_id, 0, list(order))
            sampling_id = videos.sampling(session, video_id, "k", {})
            videos.link_sampling(session, sampling_id, [ids[n] for n in order])

    for start in range(0, 200, 50):
        order = range(start, start + 50)
        at_once(lambda: add(order), lambda: add(order[::-1]), lambda: add(order))  # noqa: B023

    with system.ctx.sessions.read() as session:
        assert videos.count_frames(session, video_id) == 200
        assert len(projects.class_names(session, system.project_id)) == 200


def test_a_query_that_many_could_answer_is_claimed_once(system: JobSystem) -> None:
    with system.ctx.sessions.write() as session:
        ids = [queries.add(session, "fake", QueryKind.TEXT, str(n), str(n)) for n in range(12)]
    claimed: list[int] = []

    def claim() -> None:
        for _ in range(3):
            with system.ctx.sessions.write() as session:
                query = queries.claim_any(session, Queue.SIGLIP)
                queries.prune(session, 3600, 5)
            assert query is not None
            claimed.append(query.id)

    at_once(*[claim] * 4)

    assert sorted(claimed) == ids


def test_the_first_report_of_a_worker_may_come_from_two_threads(system: JobSystem) -> None:
    def report(detail: str) -> None:
        with system.ctx.sessions.write() as session:
            workers.report(session, "machine/1/1", Queue.SAM3, WorkerState.READY, detail)

    at_once(*[lambda: report("ready")] * 6)

    with system.ctx.sessions.read() as session:
        [worker] = workers.living(session)
    assert (worker.queue, worker.detail) == (Queue.SAM3, "ready")


def test_people_who_decide_at_once_lose_no_revision(installed: Pipeline) -> None:
    annotate.request(installed.ctx, ["red"], Targets())
    ids = [annotation.id for annotation in installed.annotations()]

    def decide(order: Sequence[int]) -> None:
        for status in (AnnotationStatus.ACCEPTED, AnnotationStatus.REJECTED) * 3:
            review.decide(installed.ctx, order, status)

    at_once(lambda: decide(ids), lambda: decide(ids[::-1]), lambda: decide(ids))

    for annotation in installed.annotations():
        with installed.ctx.sessions.read() as session:
            history = revisions.history(session, annotation.id)
        assert [former.revision for former in history] == list(range(1, annotation.revision))


def test_of_two_who_decide_what_matches_each_proposal_belongs_to_one(installed: Pipeline) -> None:
    annotate.request(installed.ctx, ["red", "green", "blue"], Targets())
    ids = [annotation.id for annotation in installed.annotations()]
    changed: list[int] = []

    def decide(status: AnnotationStatus) -> None:
        changed.extend(review.decide_matching(installed.ctx, Matching(projects.DEFAULT), status))

    at_once(lambda: decide(AnnotationStatus.ACCEPTED), lambda: decide(AnnotationStatus.REJECTED))

    assert sorted(changed) == ids
    assert {annotation.revision for annotation in installed.annotations()} == {2}


def test_of_two_edits_of_the_same_revision_one_is_told_so(installed: Pipeline) -> None:
    annotate.request(installed.ctx, ["red"], Targets())
    [first, *_] = installed.annotations()
    refused: list[ConflictError] = []

    def rename(name: str) -> None:
        try:
            review.edit(installed.ctx, first.id, class_name=name, expected_revision=1)
        except ConflictError as error:
            refused.append(error)

    at_once(lambda: rename("car"), lambda: rename("bus"), lambda: rename("van"))

    assert [error.code for error in refused] == ["stale-revision"] * 2
    assert installed.annotations()[0].revision == 2


def test_chunks_that_annotate_the_same_frames_at_once_propose_nothing_twice(installed: Pipeline) -> None:
    alone = Counter(
        (a.frame_id, a.class_name, a.mask)
        for a in (annotate.request(installed.ctx, ["red", "green"], Targets()), installed.annotations())[1]
    )
    installed.hold()
    job_ids = [annotate.request(installed.ctx, ["red", "green"], Targets(), force=True).id for _ in range(4)]

    at_once(*[lambda job_id=job_id: installed.run_waiting(job_id) for job_id in job_ids])

    assert {installed.job(job_id).state for job_id in job_ids} == {JobState.DONE}
    assert Counter((a.frame_id, a.class_name, a.mask) for a in installed.annotations()) == alone


def frame_row(video_id: int, decode_index: int) -> dict[str, object]:
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": decode_index,
        "pts": decode_index * 1000,
        "time_base_num": 1,
        "time_base_den": 1000,
        "width": 64,
        "height": 48,
        "image_key": f"frames/{decode_index}.jpg",
        "thumbnail_key": f"thumbnails/{decode_index}.jpg",
        "image_sha256": "0" * 64,
        "perceptual_hash": "0" * 16,
        "is_key": False,
        "is_suspect": False,
        "transform": {},
    }

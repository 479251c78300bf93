"""Jobs that are paused and resumed over HTTP and from the command line, and jobs of very many chunks."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.cli import following
from komadori.cli.client import ApiClient
from komadori.cli.main import main
from komadori.core.types import JobState, Queue
from komadori.db.repositories import jobs as rows
from komadori.db.repositories.chunks import NewChunk
from komadori.services import jobs
from tests.support.app import InlineSystem, inline_system, live_server
from tests.support.jobs import succeed

JOBS = "/api/v1/jobs"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with inline_system(tmp_path) as system:
        system.queue.run_chunk = lambda _chunk_id: None
        yield system


@pytest.fixture
def url(system: InlineSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with live_server(system.app) as url:
        monkeypatch.setenv("KOMADORI_URL", url)
        yield url


def submit(system: InlineSystem, n_chunks: int = 2) -> int:
    chunks = [NewChunk("embed", Queue.SIGLIP, {"frame_ids": []}, 1) for _ in range(n_chunks)]
    return jobs.submit(system.ctx, "embed", 1, {}, chunks).id


def test_a_job_is_paused_and_resumed_over_http(system: InlineSystem) -> None:
    address = f"{JOBS}/{submit(system)}"
    assert system.client.post(f"{address}/pause").json()["state"] == "paused"
    assert system.client.get(address).json()["state"] == "paused"
    assert system.client.post(f"{address}/resume").json()["state"] == "queued"


@pytest.mark.parametrize("change", ["pause", "resume"])
def test_a_job_that_has_ended_is_a_conflict(system: InlineSystem, change: str) -> None:
    answer = system.client.post(f"{JOBS}/{submit(system, 0)}/{change}")
    assert (answer.status_code, answer.json()["code"]) == (409, "job-ended")


def test_the_load_of_paused_jobs_is_told_apart(system: InlineSystem) -> None:
    system.client.post(f"{JOBS}/{submit(system)}/pause")
    (queue,) = [q for q in system.client.get("/api/v1/system").json()["queues"] if q["queue"] == "siglip"]
    assert (queue["queued"], queue["paused"], queue["oldest_queued_s"]) == (0, 2, None)
    assert 'komadori_chunks{queue="siglip",state="paused"} 2.0' in system.client.get("/metrics").text


@pytest.mark.usefixtures("url")
def test_the_commands_say_what_comes_next(system: InlineSystem, capsys: pytest.CaptureFixture[str]) -> None:
    job_id = str(submit(system))
    assert main(["jobs", "pause", job_id]) == 0
    said = capsys.readouterr()
    assert f"Job {job_id} (embed) is paused: 0 of 2." in said.out
    assert main(["jobs", "show", job_id]) == 0
    assert f"`komadori jobs resume {job_id}` lets it go on." in capsys.readouterr().out
    assert main(["jobs", "resume", job_id, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "queued"


@pytest.mark.usefixtures("url")
def test_pausing_what_has_ended_fails_with_its_reason(
    system: InlineSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jobs", "pause", str(submit(system, 0))]) == 1
    assert "has ended: it is done" in capsys.readouterr().err


def test_who_waits_for_a_paused_job_is_told_how_it_goes_on(
    system: InlineSystem, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = submit(system, 1)
    jobs.pause(system.ctx, job_id)
    told = threading.Event()

    def cancel_once_told() -> None:
        while not told.wait(0.05):
            if "is paused" in capsys.readouterr().err:
                jobs.cancel(system.ctx, job_id)
                told.set()

    person = threading.Thread(target=cancel_once_told)
    person.start()
    with ApiClient(url) as api:
        (ended,) = following.follow(api, [api.job(str(job_id))])
    person.join()
    assert ended.state is JobState.CANCELLED


def test_a_paused_child_is_told_of_with_its_parent(system: InlineSystem, url: str) -> None:
    parent_id = submit(system)
    with system.ctx.sessions.write() as session:
        child_id = rows.open_child(session, rows.get(session, parent_id), "embed")
    jobs.pause(system.ctx, parent_id)
    with ApiClient(url) as api:
        found = following.hindrances(api, [api.job(str(parent_id)), api.job(str(child_id))])
    assert [hindrance.text.split(":")[0] for hindrance in found] == [f"Job {parent_id} (embed) is paused"]


def test_a_job_of_many_chunks_shows_the_first_and_lists_all(system: InlineSystem) -> None:
    address = f"{JOBS}/{submit(system, 250)}"
    job = system.client.get(address).json()
    assert [chunk["position"] for chunk in job["chunks"]] == list(range(100))
    assert (job["n_chunks"], job["waits_for"], job["total"]) == (250, ["siglip"], 250)
    first = system.client.get(f"{address}/chunks", params={"limit": 200}).json()
    rest = system.client.get(f"{address}/chunks", params={"cursor": first["next_cursor"]}).json()
    positions = [chunk["position"] for page in (first, rest) for chunk in page["items"]]
    assert positions == list(range(250))
    assert (first["total"], rest["next_cursor"]) == (250, None)


def test_chunks_are_listed_by_their_state(system: InlineSystem) -> None:
    job_id = submit(system, 3)
    jobs.run_chunk(system.ctx, 2, {"embed": succeed}, "worker-a")
    page = system.client.get(f"{JOBS}/{job_id}/chunks", params={"state": "done"}).json()
    assert ([chunk["id"] for chunk in page["items"]], page["total"]) == (["2"], 1)


@pytest.mark.usefixtures("url")
def test_the_command_line_prints_every_chunk_as_json_and_the_first_for_people(
    system: InlineSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = str(submit(system, 250))
    assert main(["jobs", "show", job_id, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["chunks"]) == 250
    assert main(["jobs", "show", job_id]) == 0
    assert "… and 150 more; --json lists all." in capsys.readouterr().out

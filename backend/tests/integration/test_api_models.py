"""Models over HTTP, and what people are told who wait for a worker without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.cli import following, supervisor
from komadori.cli.client import ApiClient
from komadori.cli.following import Following, NoDisplay
from komadori.cli.supervisor import Readiness
from komadori.core.errors import DependencyError
from komadori.core.types import Priority, Queue, WorkerState
from komadori.db.repositories import workers
from komadori.services import embed, queries, search
from komadori.services.context import Context
from tests.support.app import InlineSystem, inline_system, live_server, seed_video
from tests.support.jobs import job_system

WAITING = "waiting for model: 12% of 1.5 GB, job 3"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with inline_system(tmp_path) as running:
        running.queue.run_chunk = lambda _chunk_id: None  # no worker runs
        yield running


def report(ctx: Context, state: WorkerState, detail: str, name: str = "w") -> None:
    with ctx.sessions.write() as session:
        workers.report(session, name, Queue.SIGLIP, state, detail)


def test_a_pull_is_accepted_once_and_shown_with_its_model(system: InlineSystem) -> None:
    asked = system.client.post("/api/v1/models/pulls", json={"source": "siglip2-base"})
    assert asked.status_code == 202, asked.text
    job = asked.json()
    assert (job["kind"], job["state"], job["total"]) == ("models.pull", "queued", 1468)
    assert job["parameters"] == {"source": "google/siglip2-base-patch16-224", "update": False}
    assert asked.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    again = system.client.post(
        "/api/v1/models/pulls", json={"source": "google/siglip2-base-patch16-224", "update": False}
    )
    assert again.json()["id"] == job["id"]
    listed = {model["name"]: model for model in system.client.get("/api/v1/models").json()}
    assert listed["siglip2-base"]["pull_job_id"] == job["id"]
    assert listed["sam3"]["pull_job_id"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"source": "kingfisher"}, "unknown-model"),
        ({"source": "sam3@../main"}, "unknown-model"),
        ({"source": "/data/my-model"}, "nothing-to-pull"),
        ({"source": ""}, "invalid-request"),
        ({"source": "sam3", "token": "hf_secret"}, "invalid-request"),
    ],
)
def test_what_cannot_be_pulled_is_a_problem(system: InlineSystem, body: dict[str, str], code: str) -> None:
    answer = system.client.post("/api/v1/models/pulls", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["hint"]


def test_a_search_fails_at_once_while_every_worker_waits(system: InlineSystem) -> None:
    report(system.ctx, WorkerState.WAITING, WAITING)
    answer = system.client.post("/api/v1/searches", json={"text": "red"})
    assert (answer.status_code, answer.json()["code"]) == (503, "waiting-for-model")
    assert WAITING in answer.json()["detail"]


@pytest.mark.parametrize("state", [WorkerState.LOADING, WorkerState.READY])
def test_a_search_waits_for_a_worker_that_loads_or_works(tmp_path: Path, state: WorkerState) -> None:
    ctx = job_system(tmp_path, query_timeout_s=0.3).ctx
    report(ctx, WorkerState.WAITING, WAITING, "a")
    report(ctx, state, "loading its model", "b")
    with pytest.raises(DependencyError) as caught:
        search.by_text(ctx, "red", 3, search.Scope())
    assert caught.value.code == "no-embedding-worker"
    assert "within 0.3 s" in caught.value.message


def test_a_search_without_any_worker_does_not_wait_for_all_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_NO_WORKER_PATIENCE_S", 0.2)
    ctx = job_system(tmp_path, query_timeout_s=3600.0).ctx
    with pytest.raises(DependencyError, match="komadori worker siglip") as caught:
        search.by_text(ctx, "red", 3, search.Scope())
    assert caught.value.code == "no-embedding-worker"


def test_a_broker_that_takes_nothing_is_blamed_instead_of_the_worker(tmp_path: Path) -> None:
    system = job_system(tmp_path, query_timeout_s=0.3)
    system.queue.is_down = True
    report(system.ctx, WorkerState.READY, "ready")
    with pytest.raises(DependencyError, match="The broker took no message") as caught:
        search.by_text(system.ctx, "red", 3, search.Scope())
    assert caught.value.code == "unreachable-broker"
    assert not system.queue.wake_for_chunk(Queue.SIGLIP, 1, Priority.BULK)


def test_who_follows_a_job_is_told_once_why_it_waits(
    system: InlineSystem, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(following, "_LOOK_AFTER_S", 0.0)
    seed_video(system.ctx)
    job_id = embed.request(system.ctx, project="default").id
    report(system.ctx, WorkerState.WAITING, WAITING)
    with live_server(system.app) as url, ApiClient(url) as api:
        followed = Following(api, NoDisplay(), {str(job_id): api.job(str(job_id))})
        assert followed.poll()
        report(system.ctx, WorkerState.WAITING, WAITING.replace("12%", "13%"))
        assert followed.poll()
        assert capsys.readouterr().err == f"siglip: {WAITING}\n", "numbers alone are no news"
        report(system.ctx, WorkerState.WAITING, "waiting for model: the hub wants a token.")
        assert followed.poll()
        assert capsys.readouterr().err == "siglip: waiting for model: the hub wants a token.\n"
        (hindrance,) = following.hindrances(api, [api.job(str(job_id))])
        assert hindrance.text == "siglip: waiting for model: the hub wants a token."


def test_the_start_of_all_parts_says_what_is_waited_for_and_then_that_it_is_ready(
    system: InlineSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_ASK_EVERY_S", 0.0)
    said: list[tuple[str, str]] = []
    with live_server(system.app) as url, ApiClient(url) as api:
        readiness = Readiness(api, lambda part, text: said.append((part, text)))
        for queue in (Queue.DEFAULT, Queue.SAM3):
            with system.ctx.sessions.write() as session:
                workers.report(session, queue.value, queue, WorkerState.READY, "ready")
        report(system.ctx, WorkerState.LOADING, "loading its model")
        assert not readiness.look(), "one of them is still starting"
        report(system.ctx, WorkerState.WAITING, WAITING)
        assert readiness.look()
        assert readiness.waiting == ["siglip"]
        report(system.ctx, WorkerState.WAITING, WAITING.replace("12%", "99%"))
        assert readiness.look()
        report(system.ctx, WorkerState.READY, "siglip2 on cpu")
        assert readiness.look()
        assert readiness.waiting == []
    assert said == [
        ("api", f"listening on {url}"),
        ("default", "ready"),
        ("sam3", "ready"),
        ("siglip", WAITING),
        ("siglip", "ready: siglip2 on cpu"),
    ]

"""A running installation: the containers of the compose files, and what a user does with it."""

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

from tests.containers.compose import Definition
from tests.containers.engine import Engine
from tests.support import checkpoints
from tests.support.workers import wait_until

CHECKPOINTS = "/checkpoints"
"""Where every container has the untrained checkpoints of the tests."""

JsonDict = dict[str, Any]
_START_S = 120.0
_SLACK_BYTES = 48 * 2**20
_TAKE_MEMORY = """
import pathlib, time
victim = pathlib.Path("/proc/{victim}")
(victim / "oom_score_adj").write_text("1000")

def has_memory():
    try:
        return "VmRSS" in (victim / "status").read_text()
    except OSError:
        return False

taken = []
while has_memory():
    taken.append(b"x" * 2**22)
    time.sleep(0.01)
"""
"""Takes memory until the victim has none: a dead process keeps its entry until its parent looks, and what
is taken in between would cost the next one its life."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container that was started; it may have ended since."""

    engine: Engine
    name: str

    def execute(self, *command: str, user: str | None = None) -> str:
        """Run a command inside: what it printed."""
        return self.engine.podman("exec", *(("--user", user) if user else ()), self.name, *command)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, which may fail."""
        return self.engine.try_podman("exec", self.name, *command)

    def kill(self) -> None:
        """SIGKILL for all of it, as an OOM killer of the machine or a power cut would."""
        self.engine.podman("kill", "--signal", "KILL", self.name)
        self.engine.podman("wait", self.name)

    def start(self) -> None:
        """Start it again, as the engine's restart policy would."""
        self.engine.podman("start", self.name)

    def stop(self) -> int:
        """SIGTERM, with the time to end that the files give: its exit status."""
        self.engine.podman("stop", "--time", "60", self.name)
        return int(self.inspect("{{.State.ExitCode}}"))

    def remove(self) -> None:
        """As if it had never been; its volumes stay."""
        self.engine.podman("rm", "--force", "--time", "0", self.name)

    def logs(self) -> str:
        """What it wrote."""
        done = self.engine.try_podman("logs", self.name)
        return done.stdout + done.stderr

    def inspect(self, template: str) -> str:
        """A value of ``podman inspect``."""
        return self.engine.podman("inspect", "--format", template, self.name)

    def is_healthy(self) -> bool:
        """What its health check says now."""
        return self.engine.try_podman("healthcheck", "run", self.name).returncode == 0

    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self.inspect("{{.State.Running}}") == "true"

    def run_out_of_memory(self, victim: int) -> int:
        """Let the kernel kill a process inside for want of memory: how many it killed.

        Another process of the container takes memory up to a limit just above what is used. The kernel
        takes the largest, which is the one that holds the model; that it is the victim is made certain.
        """
        before = self._n_oom_kills()
        limit = self.inspect("{{.HostConfig.Memory}}")
        script = _TAKE_MEMORY.format(victim=victim)
        self.engine.podman("update", "--memory", str(self._memory_used() + _SLACK_BYTES), self.name)
        try:
            self.run("python", "-c", script)  # which may be killed as well, after the victim
        finally:
            self.engine.podman("update", "--memory", limit, self.name)
        return self._n_oom_kills() - before

    def _memory_used(self) -> int:
        return int(self._of_cgroup("memory/memory.usage_in_bytes", "memory.current"))

    def _n_oom_kills(self) -> int:
        lines = self._of_cgroup("memory/memory.oom_control", "memory.events").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def _of_cgroup(self, first: str, second: str) -> str:
        """A file of the container's own group, under its name in version 1 or 2 of cgroups."""
        root = "/sys/fs/cgroup"
        return self.execute("sh", "-c", f"cat {root}/{first} 2>/dev/null || cat {root}/{second}")

    def started(self) -> str:
        """When it was started last."""
        return self.inspect("{{.State.StartedAt}}")

    def published(self, port: int, host: str = "127.0.0.1") -> str:
        """The address ``host:port`` of this machine that leads to a port of the container."""
        addresses = self.engine.podman("port", self.name, str(port)).split()
        return next(address for address in addresses if address.rpartition(":")[0] == host)


@dataclass(slots=True)
class Stack:
    """The containers of one installation, on networks and volumes of their own."""

    engine: Engine
    definition: Definition
    label: str
    containers: dict[str, Container] = field(default_factory=dict)

    def named(self, what: str) -> str:
        """The name of a network, a volume or a container of this installation."""
        return self.engine.name(f"{self.label}-{what}")

    def prepare(self) -> None:
        """Make the networks and the volumes."""
        for name, network in self.definition.networks.items():
            internal = ["--internal"] if network.get("internal") else []
            self.engine.podman("network", "create", *internal, self.named(name))
        for volume in self.definition.volumes:
            self.engine.podman("volume", "create", self.named(volume))

    def up(self, service: str, *, instance: str = "", extra: tuple[str, ...] = ()) -> Container:
        """Start a service, or one more container of it, with the tests' checkpoints beside what it has."""
        wanted = self.definition.services[service]
        container = Container(self.engine, self.named(f"{service}{instance}"))
        mounted = ("--volume", f"{checkpoints.FOLDER}:{CHECKPOINTS}:ro")
        arguments = (*wanted.arguments(self.named), *mounted)
        self.engine.podman(
            "run", "--detach", "--name", container.name, *arguments, *extra, wanted.image, *wanted.command
        )
        self.containers[f"{service}{instance}"] = container
        return container

    def run_alone(self, service: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of Komadori's in a container of its own, without a network, to its end."""
        wanted = self.definition.services[service]
        options = ["--rm", "--network", "none", *wanted.arguments_alone(self.named)]
        return self.engine.try_podman("run", *options, wanted.image, *command)

    def remove(self, name: str) -> None:
        """Remove one of its containers, which gets the time to end its work."""
        container = self.containers.pop(name)
        container.stop()
        container.remove()

    def down(self) -> None:
        """Remove its containers; networks and volumes stay until the engine sweeps."""
        for container in reversed(self.containers.values()):
            container.remove()
        self.containers.clear()

    def api(self, token: str | None = None) -> "Api":
        """A client of the API, once it answers."""
        address = self.containers["api"].published(8000)
        api = Api(f"http://{address}", token, self.logs)
        api.wait_until_it_answers()
        return api

    def logs(self) -> str:
        """The ends of all logs, for the message of a failure."""
        return "\n".join(f"--- {name}\n{c.logs()[-3000:]}" for name, c in self.containers.items())


class Api:
    """What a user of the installation asks of it over HTTP."""

    def __init__(self, url: str, token: str | None, logs: Callable[[], str]) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=90)
        self._logs = logs

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def wait_until_it_answers(self) -> None:
        """Until the database is there and the broker answers."""

        def is_ready() -> bool:
            try:
                return self._client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        self.wait(is_ready, "API that is ready")

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = _START_S) -> None:
        """Wait for something that must come; the logs explain why it did not."""
        try:
            wait_until(condition, timeout_s, what, poll_s=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._logs()}") from error

    def get(self, path: str, **query: str) -> JsonDict:
        """The answer to a question."""
        answer: JsonDict = self._checked(self._client.get(f"/api/v1{path}", params=query)).json()
        return answer

    def get_list(self, path: str) -> list[JsonDict]:
        """The answer to a question that has no pages."""
        answer: list[JsonDict] = self._checked(self._client.get(f"/api/v1{path}")).json()
        return answer

    def post(self, path: str, /, **body: Any) -> JsonDict:
        """The answer to a request."""
        answer: JsonDict = self._checked(self._client.post(f"/api/v1{path}", json=body)).json()
        return answer

    def search(self, text: str, **scope: Any) -> httpx.Response:
        """A search, answered or refused."""
        return self._client.post("/api/v1/searches", json={"text": text, "k": 5, **scope})

    def job(self, job_id: str) -> JsonDict:
        """A job with its chunks."""
        return self.get(f"/jobs/{job_id}")

    def ended(self, job_id: str, timeout_s: float = _START_S) -> JsonDict:
        """A job once it has ended."""
        self.wait(
            lambda: self.job(job_id)["state"] not in ("queued", "running"), f"end of job {job_id}", timeout_s
        )
        return self.job(job_id)

    def wait_until_amid(self, job_id: str) -> None:
        """Until a chunk of the job is done, another runs, and more are left."""

        def is_amid() -> bool:
            states = [chunk["state"] for chunk in self.job(job_id)["chunks"] if chunk["total"]]
            return {"done", "running", "queued"} <= set(states)

        self.wait(is_amid, f"job {job_id} amid its chunks")

    def wait_for_worker(self, queue: str, state: str = "ready", n: int = 1) -> None:
        """Until so many workers of the queue report that state."""
        self.wait(lambda: len(self.workers(queue, state)) >= n, f"{n} {state} worker(s) of {queue}")

    def workers(self, queue: str, state: str | None = None) -> list[JsonDict]:
        """The workers of a queue, in that state."""
        return [w for w in self.get_list("/workers") if w["queue"] == queue and state in (None, w["state"])]

    def all_of(self, path: str, **query: str) -> list[JsonDict]:
        """Every item of a list, page by page."""
        items: list[JsonDict] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **query, **cursor)
            items += page["items"]
            if not page["next_cursor"]:
                return items
            cursor = {"cursor": page["next_cursor"]}

    def _checked(self, response: httpx.Response) -> httpx.Response:
        assert response.is_success, (
            f"{response.request.url}: {response.status_code} {response.text}\n{self._logs()}"
        )
        return response


class Searching:
    """Searches without a pause while something else happens, and keeps every answer."""

    def __init__(self, api: Api, text: str) -> None:
        self._api = api
        self._text = text
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._search, name="searching")
        self.answers: list[tuple[int, int]] = []

    def __enter__(self) -> "Searching":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._has_ended.set()
        self._thread.join()

    def all_answered(self, at_least: int) -> None:
        """Fail unless every search so far had hits, and there were that many."""
        refused = [answer for answer in self.answers if answer[0] != 200 or answer[1] == 0]
        assert not refused, f"of {len(self.answers)} searches these were not answered: {refused[:5]}"
        assert len(self.answers) >= at_least

    def wait_for_more(self, n: int) -> None:
        """Until that many searches more were answered or refused."""
        wanted = len(self.answers) + n
        self._api.wait(lambda: len(self.answers) >= wanted, f"{n} answers more")

    def _search(self) -> None:
        while not self._has_ended.is_set():
            response = self._api.search(self._text)
            hits = response.json()["hits"] if response.is_success else []
            self.answers.append((response.status_code, len(hits)))
            self._has_ended.wait(0.05)

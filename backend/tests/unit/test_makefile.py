"""The make targets for containers, with a docker that notes what it is asked and ends as the test wants."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "make", "mkdir", "id", "grep", "sed", "expand")
SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]

BASE_AND_GPU = "compose -f docker/docker-compose.yml -f docker/docker-compose.gpu.yml"
BASE_AND_CPU = "compose -f docker/docker-compose.yml -f docker/docker-compose.cpu.yml"
WORKERS = "siglip-worker sam3-worker"
QUESTIONS = ["compose version --short", "version --format {{.Server.Version}}"]

STUB = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    "compose version --short") [ -n "$COMPOSE_VERSION" ] && echo "$COMPOSE_VERSION" ;;
    version*) [ -z "$ENGINE_SAYS" ] || { echo "$ENGINE_SAYS" >&2; exit 1; } ;;
    *"config --services") echo "$SERVICES" ;;
    *"logs --tail 20") echo "api-1 | the reason" ;;
esac || exit 1
for failure in $FAILURES; do
    case " $* " in *" ${failure%=*} "*) exit "${failure#*=}" ;; esac
done
"""


class Checkout:
    """The Makefile and the scripts of ``docker/`` in a folder of their own, and a PATH with few programs."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder = folder
        self.shell = shell
        shutil.copy(ROOT / "Makefile", folder)
        shutil.copytree(ROOT / "docker", folder / "docker")
        self._programs = folder / "programs"
        self._programs.mkdir()
        for tool in TOOLS:
            found = shutil.which(shell if tool == "sh" else tool)
            assert found is not None, tool
            (self._programs / tool).symlink_to(found)
        self._calls = folder / "calls"
        self.environment = {
            "PATH": str(self._programs),
            "CALLS": str(self._calls),
            "COMPOSE_VERSION": "2.40.3",
            "SERVICES": "api redis sam3-worker siglip-worker worker",
        }

    def install(self, name: str = "docker") -> None:
        """Put the stub on the PATH."""
        program = self._programs / name
        program.write_text(
            STUB if name == "docker" else f'#!/bin/sh\necho "{name} $*" >>"$CALLS"; exit $HOST\n'
        )
        program.chmod(0o755)

    def run(self, command: Sequence[str], **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def make(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        shell = f"SHELL={self._programs / 'sh'}"
        return self.run(["make", shell, "PYTHON=python-of-host", *words], HOST="0", **environment)

    def calls(self) -> list[str]:
        """What docker and Python were asked for, without the questions whether they are there."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if line not in QUESTIONS]


@pytest.fixture(params=SHELLS)
def checkout(tmp_path: Path, request: pytest.FixtureRequest) -> Checkout:
    made = Checkout(tmp_path, request.param)
    made.install()
    made.install("python-of-host")
    return made


EXAMINED = [
    f"{BASE_AND_GPU} config --services",
    "python-of-host backend/scripts/verify_gpu.py --role host --require-gpu",
    f"{BASE_AND_GPU} run --rm --no-deps -T sam3-worker doctor --role sam3 --require-gpu",
    f"{BASE_AND_GPU} run --rm --no-deps -T siglip-worker doctor --role siglip --require-gpu",
    f"{BASE_AND_GPU} run --rm --no-deps -T worker doctor --role app",
]

STARTED = [
    f"{BASE_AND_GPU} config --quiet",
    f"{BASE_AND_GPU} build",
    f"{BASE_AND_GPU} up --detach --wait --wait-timeout 180",
]


@pytest.mark.parametrize(
    ("target", "calls"),
    [
        ("up-gpu", STARTED + EXAMINED),
        ("verify-gpu", EXAMINED),
        ("logs-gpu", [f"{BASE_AND_GPU} logs --follow --tail 200 {WORKERS}"]),
        (
            "rebuild-gpu",
            [
                f"{BASE_AND_GPU} build --pull {WORKERS}",
                f"{BASE_AND_GPU} up --detach --wait --wait-timeout 180 --no-deps {WORKERS}",
            ],
        ),
        ("down-gpu", [f"{BASE_AND_GPU} rm --stop --force {WORKERS}"]),
        ("down", [f"{BASE_AND_GPU} --profile postgres down --remove-orphans"]),
        (
            "up",
            [
                f"{BASE_AND_CPU} config --quiet",
                f"{BASE_AND_CPU} build",
                f"{BASE_AND_CPU} up --detach --wait --wait-timeout 180",
                f"{BASE_AND_CPU} port api 8000",
            ],
        ),
    ],
)
def test_a_target_does_this_and_nothing_else(checkout: Checkout, target: str, calls: list[str]) -> None:
    done = checkout.make(target)
    assert (done.returncode, done.stderr) == (0, "")
    assert checkout.calls() == calls
    assert not re.search(r"(^| )(-v|--volumes|volume)( |$)", "\n".join(calls), re.MULTILINE)


def test_the_file_env_goes_to_every_call(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("KOMADORI_PORT=9000\n")
    for target in ("up", "up-gpu", "logs-gpu", "rebuild-gpu", "down-gpu", "down"):
        assert checkout.make(target).returncode == 0
    calls = [call for call in checkout.calls() if call.startswith("compose")]
    assert len(calls) == 16
    assert all(call.startswith("compose --env-file .env -f docker/") for call in calls)


def test_a_machine_that_lends_its_cards_runs_the_two_workers_alone(checkout: Checkout) -> None:
    for target in ("up-gpu", "rebuild-gpu", "down-gpu"):
        done = checkout.make(target, "FILES=docker-compose.join.yml", SERVICES="sam3-worker siglip-worker")
        assert (done.returncode, done.stderr) == (0, "")
    compose = "compose -f docker/docker-compose.join.yml"
    assert checkout.calls() == [
        f"{compose} config --quiet",
        f"{compose} build",
        f"{compose} up --detach --wait --wait-timeout 180",
        f"{compose} config --services",
        "python-of-host backend/scripts/verify_gpu.py --role host --require-gpu",
        f"{compose} run --rm --no-deps -T sam3-worker doctor --role sam3 --require-gpu",
        f"{compose} run --rm --no-deps -T siglip-worker doctor --role siglip --require-gpu",
        f"{compose} build --pull {WORKERS}",
        f"{compose} up --detach --wait --wait-timeout 180 --no-deps {WORKERS}",
        f"{compose} rm --stop --force {WORKERS}",
    ]


def test_a_machine_that_borrows_cards_runs_no_model(checkout: Checkout) -> None:
    done = checkout.make(
        "up", "FILES=docker-compose.yml docker-compose.remote.yml", FILES="of another program"
    )
    assert done.returncode == 0
    compose = "compose -f docker/docker-compose.yml -f docker/docker-compose.remote.yml"
    assert checkout.calls()[0] == f"{compose} config --quiet"


def test_files_of_the_environment_are_not_meant(checkout: Checkout) -> None:
    assert checkout.make("down-gpu", FILES="of another program").returncode == 0
    assert checkout.calls() == [f"{BASE_AND_GPU} rm --stop --force {WORKERS}"]


@pytest.mark.parametrize("failing", ["config", "build"])
def test_nothing_is_started_from_bad_files_or_without_images(checkout: Checkout, failing: str) -> None:
    done = checkout.make("up-gpu", FAILURES=f"{failing}=15")
    assert done.returncode != 0
    assert not any(" up " in call or " run " in call for call in checkout.calls())


def test_what_does_not_get_healthy_says_why_and_is_not_verified(checkout: Checkout) -> None:
    done = checkout.make("up-gpu", FAILURES="up=1")
    assert done.returncode != 0
    assert "api-1 | the reason" in done.stdout
    assert checkout.calls() == [*STARTED, f"{BASE_AND_GPU} logs --tail 20"]


@pytest.mark.parametrize(
    ("host", "failures", "worst"),
    [
        ("0", "", 0),
        ("1", "", 1),
        ("0", "sam3-worker=1", 1),
        ("1", "siglip-worker=125 worker=2", 125),
        ("2", "sam3-worker=1 worker=1", 2),
    ],
)
def test_verification_goes_through_all_and_ends_with_the_worst(
    checkout: Checkout, host: str, failures: str, worst: int
) -> None:
    script = ["sh", "docker/verify_gpu.sh", "docker", *BASE_AND_GPU.split()]
    done = checkout.run(script, PYTHON="python-of-host", HOST=host, FAILURES=failures)
    assert done.returncode == worst
    assert checkout.calls() == EXAMINED
    assert re.findall(r"^== (.*)$", done.stdout, re.MULTILINE) == [
        "this machine",
        "a container of sam3-worker",
        "a container of siglip-worker",
        "a container of worker",
    ]


def test_make_fails_when_verification_does(checkout: Checkout) -> None:
    done = checkout.make("verify-gpu", FAILURES="sam3-worker=3")
    assert done.returncode != 0
    assert "Error 3" in done.stderr


def test_verification_fails_at_once_where_the_files_are_bad(checkout: Checkout) -> None:
    script = ["sh", "docker/verify_gpu.sh", "docker", *BASE_AND_GPU.split()]
    assert checkout.run(script, FAILURES="config=15").returncode == 15
    assert checkout.calls() == EXAMINED[:1]


@pytest.mark.parametrize("version", ["2.24.0", "v2.40.3", "2.24.6-desktop.1", "5.0.1", "10.2.0"])
def test_these_versions_of_compose_will_do(checkout: Checkout, version: str) -> None:
    assert checkout.make("down-gpu", COMPOSE_VERSION=version).returncode == 0


@pytest.mark.parametrize("version", ["2.23.3", "v2.9.0", "1.29.2", "dev"])
def test_an_old_compose_is_named(checkout: Checkout, version: str) -> None:
    done = checkout.make("up-gpu", COMPOSE_VERSION=version)
    assert done.returncode != 0
    assert f"Docker Compose {version.removeprefix('v')} is too old: 2.24 or newer" in done.stderr
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("environment", "explanation"),
    [
        (
            {"COMPOSE_VERSION": ""},
            "Docker has no Compose plugin: install docker-compose-plugin 2.24 or newer",
        ),
        (
            {"ENGINE_SAYS": "permission denied while trying to connect to the docker API"},
            "You may not use Docker: run 'sudo usermod -aG docker",
        ),
        (
            {"ENGINE_SAYS": "Cannot connect to the Docker daemon"},
            "The Docker engine does not answer: start it",
        ),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(
    checkout: Checkout, environment: dict[str, str], explanation: str
) -> None:
    done = checkout.make("up-gpu", **environment)
    assert done.returncode != 0
    assert done.stderr.startswith(explanation)
    assert checkout.calls() == []


def test_a_machine_without_docker_is_told(tmp_path: Path) -> None:
    done = Checkout(tmp_path, SHELLS[0]).make("up")
    assert done.returncode != 0
    assert done.stderr.startswith("Docker is not installed: install Docker Engine with its Compose plugin")


def test_a_dry_run_asks_docker_nothing(checkout: Checkout) -> None:
    for target in ("up", "up-gpu", "verify-gpu", "logs-gpu", "rebuild-gpu", "down-gpu", "down"):
        assert checkout.make("--dry-run", target).returncode == 0
    assert checkout.calls() == []


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("local", ".venv/bin/komadori up"),
        ("lock", ".venv/bin/python backend/scripts/lock_images.py"),
        ("ui", ".venv/bin/python backend/scripts/build_ui.py"),
        ("check-ui", ".venv/bin/python backend/scripts/build_ui.py npm test"),
        ("test-browser", "python -m pytest -q tests/e2e -m browser "),
        ("test-containers", "python -m pytest -q tests/containers -m containers"),
    ],
)
def test_other_targets_run_this(target: str, command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert command in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("words", [[], ["OPEN=1"]])
def test_the_demo_needs_the_web_ui_only_to_show_it(words: list[str]) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "demo", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("build_ui.py" in done.stdout) == bool(words)
    assert done.stdout.rstrip().endswith("--open" if words else "--output demo-output")


def test_help_and_the_contributors_guide_name_every_target(tmp_path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
    assert phony is not None
    targets = set(phony[1].replace("\\", " ").split()) - {"compose-is-there"}
    shown = Checkout(tmp_path, SHELLS[0]).make("help").stdout
    assert {line.split()[0] for line in shown.splitlines()} == targets
    assert set(re.findall(r"`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text())) >= targets

"""The three Dockerfiles: what they copy, in which order, and as whom they run."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from scripts.lock_images import BACKEND, BUILD, NODE, SETS, RequirementSet

FILES = ("Dockerfile", "Dockerfile.siglip", "Dockerfile.sam3")
_SETS_OF = {"Dockerfile": "app", "Dockerfile.siglip": "siglip-", "Dockerfile.sam3": "sam3-"}
_INSTALL = re.compile(r"pip (?:--python \S+ )?install(.*?)(?:&&|;|$)")


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, on one line; ``stage`` counts from 0."""

    stage: int
    keyword: str
    rest: str


def steps(file: str) -> list[Step]:
    text = (BACKEND / file).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found: list[Step] = []
    stage = -1
    for line in re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines():
        keyword, _, rest = line.partition(" ")
        if keyword:
            stage += keyword == "FROM"
            found.append(Step(stage, keyword, rest.strip()))
    return found


def sources(file: str) -> list[str]:
    """What a Dockerfile takes out of the build context, in order."""
    copies = [step.rest for step in steps(file) if step.keyword == "COPY" and "--from=" not in step.rest]
    return [source for copy in copies for source in copy.split()[:-1]]


def last_stage(file: str) -> list[Step]:
    every = steps(file)
    return [step for step in every if step.stage == every[-1].stage]


def installs(file: str) -> list[str]:
    """The arguments of every ``pip install``."""
    runs = [step.rest for step in steps(file) if step.keyword == "RUN"]
    return [arguments.strip() for run in runs for arguments in _INSTALL.findall(run)]


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), *FILES],
        cwd=BACKEND,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("file", FILES)
def test_an_image_copies_its_own_sets_and_no_other(file: str) -> None:
    copied = [path for path in sources(file) if path.startswith("requirements")]
    names = [Path(path).stem for path in copied]
    assert (NODE in names) == (file == "Dockerfile"), "only the API shows the web UI"
    names = [name for name in names if name != NODE]
    mine = [one.name for one in SETS if one.name.startswith(_SETS_OF[file])]
    expanded = [names[1].replace("${TORCH}", build) for build in _builds(mine)]
    assert names[0] == BUILD
    assert len(names) == 2
    assert expanded == mine


def test_no_set_goes_into_two_images() -> None:
    """So a change of one set leaves every layer of the other image as it is."""
    sets = [{path for path in sources(file) if path.startswith("requirements")} for file in FILES]
    assert set.intersection(*sets) == {f"requirements/images/{BUILD}.txt"}
    assert sum(len(one) - 1 for one in sets) == len(set.union(*sets)) - 1


def test_a_change_of_the_web_ui_installs_no_package_anew() -> None:
    """Node, then the locked packages, then the source; and the packages of the image are in another stage."""
    copies = [step.rest for step in steps("Dockerfile") if step.keyword == "COPY" and step.stage == 0]
    assert copies[0] == f"requirements/images/{NODE}.txt ./"
    assert copies[2] == "--from=frontend package.json package-lock.json .npmrc ./"
    assert copies[-1] == "--from=frontend src src"
    needed = {word for copy in copies if "--from=frontend" in copy for word in copy.split()[1:-1]}
    source = {path.name for path in (BACKEND.parent / "frontend").iterdir()}
    assert source - needed <= {"node_modules", ".oxlintrc.json", "tests", ".gitignore"}
    assert [step.stage for step in steps("Dockerfile") if "--from=ui" in step.rest] == [1]


@pytest.mark.parametrize("file", FILES[1:])
def test_a_worker_is_built_without_the_web_ui(file: str) -> None:
    (build,) = [step.rest for step in steps(file) if "pip wheel" in step.rest]
    assert build.startswith("KOMADORI_SKIP_UI=1 ")


@pytest.mark.parametrize("file", FILES)
def test_the_ignore_file_admits_what_is_copied(file: str) -> None:
    rules = (BACKEND / ".dockerignore").read_text(encoding="utf-8").splitlines()
    admitted = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert "*" in rules
    assert [
        path
        for path in sources(file)
        if not any(fnmatch(path, rule) or path.startswith(f"{rule}/") for rule in admitted)
    ] == []


@pytest.mark.parametrize("file", FILES)
def test_packages_come_before_the_code(file: str) -> None:
    """A change of the code then leaves the layer of the packages as it is."""
    order = [step for step in last_stage(file) if step.keyword in {"COPY", "RUN"}]
    packages = next(at for at, step in enumerate(order) if "--require-hashes" in step.rest)
    code = next(at for at, step in enumerate(order) if "--from=code" in step.rest)
    assert packages < code
    assert [step.rest for step in order[code:] if _INSTALL.search(step.rest)] == []
    copied = sources(file)
    assert copied.index(f"requirements/images/{BUILD}.txt") < copied.index("src")


@pytest.mark.parametrize("file", FILES)
def test_what_is_installed_is_locked(file: str) -> None:
    allowed = ("--require-hashes --no-deps --only-binary=:all: -r ", "--no-index --no-deps ")
    chosen = [arguments for arguments in installs(file) if not arguments.startswith(allowed)]
    by_argument = ['--constraint /tmp/torch.txt "${wanted}"'] if file == "Dockerfile.sam3" else []
    assert len(installs(file)) >= 3
    assert chosen == by_argument


@pytest.mark.parametrize("file", FILES)
def test_nobody_runs_as_root(file: str) -> None:
    order = [step for step in last_stage(file) if step.keyword in {"USER", "RUN", "COPY"}]
    assert (order[-1].keyword, order[-1].rest) == ("USER", "10001:10001")
    assert "--uid 10001" in " ".join(step.rest for step in order if step.keyword == "RUN")
    assert [step.rest for step in order if "--chown" in step.rest or "--chmod" in step.rest] == []


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("Dockerfile", ["api", "--host", "0.0.0.0"]),
        ("Dockerfile.siglip", ["worker", "siglip"]),
        ("Dockerfile.sam3", ["worker", "sam3"]),
    ],
)
def test_the_process_is_started_without_a_shell(file: str, command: list[str]) -> None:
    given = {step.keyword: step.rest for step in last_stage(file)}
    assert json.loads(given["ENTRYPOINT"]) == ["komadori"]
    assert json.loads(given["CMD"]) == command
    assert given["STOPSIGNAL"] == "SIGTERM"


@pytest.mark.parametrize("file", ["Dockerfile.siglip", "Dockerfile.sam3"])
def test_cards_have_the_numbers_that_the_driver_gives_them(file: str) -> None:
    """CUDA of itself calls the fastest card 0, nvidia-smi the first on the bus."""
    given = next(step.rest for step in last_stage(file) if step.keyword == "ENV")
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in given.split()


@pytest.mark.parametrize("file", FILES)
def test_the_base_is_slim_and_has_a_version(file: str) -> None:
    base = next(step.rest for step in steps(file) if step.keyword == "ARG")
    stages = [step.rest for step in steps(file) if step.keyword == "FROM"]
    assert base == "BASE=docker.io/library/python:3.11-slim-bookworm"
    first = ["${BASE} AS ui"] if file == "Dockerfile" else []
    assert stages == [*first, "${BASE} AS code", "${BASE}"]


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_fetched_or_kept_beside_the_packages(file: str) -> None:
    every = steps(file)
    assert [step for step in every if step.keyword == "ADD"] == []
    assert [step.rest for step in every if re.search(r"apt|curl|wget", step.rest)] == []
    declared = " ".join(step.rest for step in every if step.keyword in {"ARG", "ENV"})
    assert re.search(r"TOKEN|PASSWORD|SECRET", declared) is None


@pytest.mark.parametrize("one", SETS, ids=lambda one: one.name)
def test_the_label_names_the_strictest_licences_in_the_image(one: RequirementSet) -> None:
    """PyAV's wheel ships x264 and x265 (GPL); psycopg is LGPL; CUDA's libraries are NVIDIA's own."""
    file = next(file for file, prefix in _SETS_OF.items() if one.name.startswith(prefix))
    label = next(step.rest for step in last_stage(file) if step.keyword == "LABEL")
    text = (BACKEND / "requirements" / "images" / f"{one.name}.txt").read_text(encoding="utf-8")
    for package, licence in (
        ("av", "GPL-3.0-or-later"),
        ("psycopg", "LGPL-3.0-only"),
        ("nvidia-cublas", "LicenseRef-NVIDIA-Proprietary"),
    ):
        if re.search(rf"^{package}\b", text, re.MULTILINE):
            assert licence in label
    assert ("AND GPL" in label) == (file == "Dockerfile")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("5.24.0", "transformers==5.24.0"),
        ("transformers>=5.24,<6", "transformers>=5.24,<6"),
        (
            "0123456789abcdef0123456789abcdef01234567",
            "transformers @ https://github.com/huggingface/transformers/archive/"
            "0123456789abcdef0123456789abcdef01234567.zip",
        ),
    ],
)
def test_another_transformers_leaves_torch_as_it_is_locked(given: str, asked: str, tmp_path: Path) -> None:
    arguments, constraints = _switch_transformers(given, tmp_path)
    assert arguments[-1] == asked
    assert arguments[-3] == "--constraint"
    assert constraints == ["torch==2.10.0", "torchvision==0.25.0"]


def test_without_the_argument_transformers_stays_locked(tmp_path: Path) -> None:
    assert _switch_transformers("", tmp_path) == ([], [])


def _builds(names: list[str]) -> list[str]:
    return [name.partition("-")[2] for name in names]


def _switch_transformers(given: str, folder: Path) -> tuple[list[str], list[str]]:
    """Run the step of Dockerfile.sam3 in a shell: what pip was asked, and under which constraints."""
    step = next(
        one.rest for one in steps("Dockerfile.sam3") if one.keyword == "RUN" and "TRANSFORMERS" in one.rest
    )
    script = re.sub(r"^--mount=\S+ ", "", step).replace("/opt/komadori", str(folder))
    script = script.replace("/tmp/torch.txt", str(folder / "torch.txt"))
    locked = BACKEND / "requirements" / "images" / "sam3-cu12.txt"
    (folder / "requirements.txt").write_bytes(locked.read_bytes())
    python = folder / "python3"
    python.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/asked\ncp {folder}/torch.txt {folder}/constraints\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "TRANSFORMERS": given}
    subprocess.run(["/bin/sh", "-euc", script], env=environment, check=True)
    return _lines(folder / "asked"), _lines(folder / "constraints")


def _lines(path: Path) -> list[str]:
    """The words of each line that count; none when there is no file."""
    if not path.exists():
        return []
    return [line.removesuffix(" \\") for line in path.read_text(encoding="utf-8").splitlines()]

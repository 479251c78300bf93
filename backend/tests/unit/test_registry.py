"""Parts are found by name, listed without being imported, and joined by packages outside."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from komadori.core import registry
from komadori.core.errors import DependencyError, InputError


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed package, as importlib.metadata sees it, that offers exporters."""
    (tmp_path / "acme_exports.py").write_text("def create():\n    return 'made outside'\n")
    (tmp_path / "acme_broken.py").write_text("import a_package_that_nobody_has\n")
    (tmp_path / "acme_outdated.py").write_text("from json import a_name_of_a_newer_version\n")
    info = tmp_path / "acme_exports-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-exports\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[komadori.exporters]\n"
        "acme = acme_exports:create\n"
        "coco = acme_exports:create\n"
        "broken = acme_broken:create\n"
        "outdated = acme_outdated:create\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("acme_exports", None)


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_names_are_sorted_and_leave_out_ports_and_private_modules(kind: str) -> None:
    names = registry.names(kind)

    assert names == sorted(set(names))
    assert "base" not in names
    assert not [name for name in names if name.startswith("_")]


def test_built_in_parts_are_listed() -> None:
    assert "coco" in registry.names("exporters")
    assert {"every", "fps", "keyframes", "all_frames"} <= set(registry.names("samplers"))
    assert "sam3" in registry.names("segmenters")


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_every_built_in_part_has_a_create(kind: str) -> None:
    without = [name for name in registry.names(kind) if "create" not in top_level_names(kind, name)]

    assert without == []


def test_listing_all_kinds_imports_no_part() -> None:
    code = (
        "import sys\nfrom komadori.core import registry\n"
        "parts = {f'{p}.{n}' for k, p in registry.PACKAGES.items() for n in registry.names(k)}\n"
        "print(sorted(parts & set(sys.modules)), len(parts) > 7)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[] True"


def test_factory_gives_the_create_of_the_module() -> None:
    create = registry.factory("exporters", "coco")

    assert create.__module__ == "komadori.exporters.coco"


@pytest.mark.parametrize("name", ["cocoa", "", "base", "dataset_folder", "_times", "../coco", "coco.create"])
def test_unknown_name_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.factory("exporters", name)

    assert caught.value.code == "unknown-name"
    assert repr(name) in caught.value.message
    assert "coco" in caught.value.hint


def test_outside_package_joins_by_its_entry_point(outside: Path) -> None:
    assert "acme" in registry.names("exporters")
    assert registry.factory("exporters", "acme")() == "made outside"


def test_outside_package_joins_one_kind_only(outside: Path) -> None:
    assert "acme" not in registry.names("samplers")


def test_outside_package_cannot_replace_a_built_in_part(outside: Path) -> None:
    assert registry.names("exporters").count("coco") == 1
    assert registry.factory("exporters", "coco").__module__ == "komadori.exporters.coco"


@pytest.mark.parametrize(
    ("name", "lacks"), [("broken", "a_package_that_nobody_has"), ("outdated", "a_name_of_a_newer_version")]
)
def test_what_a_part_of_another_package_lacks_is_a_dependency_error(
    outside: Path, name: str, lacks: str
) -> None:
    with pytest.raises(DependencyError) as caught:
        registry.factory("exporters", name)

    assert lacks in caught.value.message
    assert "package that brings this part" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "name", "package", "remedy"),
    [
        ("embedders", "siglip2", "torch", "komadori[siglip]"),
        ("segmenters", "sam3", "torch", "komadori[sam3]"),
        ("queues", "celery_queue", "celery", "pip install komadori`"),
    ],
)
def test_what_our_own_parts_lack_is_installed_with_their_extra(
    kind: str, name: str, package: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"{registry.PACKAGES[kind]}.{name}"
    for loaded in [m for m in sys.modules if m == module or m.startswith("komadori.ml.torch_runtime")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(DependencyError) as caught:
        registry.factory(kind, name)

    assert package in caught.value.message
    assert remedy in caught.value.hint


def top_level_names(kind: str, name: str) -> set[str]:
    """The names that a module defines or imports, read from its source."""
    spec = find_spec(registry.module_of(kind, name))
    assert spec is not None
    assert spec.origin is not None
    found = set()
    for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found

"""Which checks a role has, and what they need."""

import subprocess
import sys

import pytest

from komadori.core.errors import InputError
from komadori.doctor import roles
from komadori.doctor.report import Check


def names(role: str) -> list[str]:
    return [check.name for check in roles.checks(role)]


@pytest.mark.parametrize("role", roles.ROLES)
def test_every_check_has_a_name_of_its_own_and_comes_after_what_it_needs(role: str) -> None:
    seen: set[str] = set()
    for check in roles.checks(role):
        assert isinstance(check, Check)
        assert check.name not in seen
        assert seen.issuperset(check.needs), f"{check.name} comes before what it needs"
        seen.add(check.name)


@pytest.mark.parametrize("role", roles.ROLES)
def test_checks_of_a_group_stand_together(role: str) -> None:
    groups = [check.group for check in roles.checks(role)]
    headlines = [group for at, group in enumerate(groups) if at == 0 or groups[at - 1] != group]
    assert len(headlines) == len(set(headlines))


def test_a_worker_with_a_model_is_asked_for_its_own_alone() -> None:
    assert {"embedder-files", "embedder-run", "vram-embedder", "queue-siglip"} <= set(names("siglip"))
    assert {"segmenter-files", "segmenter-run", "vram-segmenter", "queue-sam3"} <= set(names("sam3"))
    assert not [name for name in names("siglip") if "segmenter" in name or "sam3" in name]
    assert not [name for name in names("sam3") if "embedder" in name or "siglip" in name]


def test_the_app_runs_no_model_and_looks_at_no_card() -> None:
    assert not [name for name in names("app") if name.endswith("-run") or name.startswith(("gpu", "torch"))]
    assert {"api", "queue-default", "decoder", "backlog"} <= set(names("app"))


def test_a_whole_machine_has_all_but_the_containers() -> None:
    everything = set(names("siglip")) | set(names("sam3")) | set(names("app"))
    assert {name for name in everything if not name.startswith("container-")} <= set(names("all"))


def test_the_host_is_asked_with_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules);"
        "from komadori.doctor import roles; roles.checks('host');"
        "print({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'komadori'}"


def test_a_quick_look_runs_no_model() -> None:
    left_out = set(names("all")) - {check.name for check in roles.checks("all", is_quick=True)}
    assert left_out == {"embedder-run", "segmenter-run"}


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InputError, match="expert"):
        roles.checks("expert")

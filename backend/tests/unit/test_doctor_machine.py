"""How checks are run, and what those of one machine find in known states."""

import threading
from pathlib import Path

import pytest

from komadori.bootstrap import prepare_home
from komadori.core.errors import ModelError
from komadori.core.types import Queue, WorkerState
from komadori.db.repositories import workers
from komadori.db.session import Sessions
from komadori.doctor import machine
from komadori.doctor.printing import Printer
from komadori.doctor.report import Check, Result, Status, examine, fail, ok, skip, verdict, warn
from komadori.settings import Settings
from tests.support.running_up import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        url=f"http://127.0.0.1:{free_port()}",
        embedder="fake",
        segmenter="fake",
        offline=True,
        _env_file=None,
    )


def _broken(_settings: Settings) -> Result:
    raise ZeroDivisionError("oops")


def _refused(_settings: Settings) -> Result:
    raise ModelError("Expected a model, got none.", hint="Pull it.")


def test_a_check_that_breaks_or_hangs_hides_no_other(settings: Settings) -> None:
    never = threading.Event()

    def hang(_settings: Settings) -> Result:
        never.wait()
        return ok("never seen")

    checks = [
        Check("hang", "a", hang, deadline_s=0.05),
        Check("broken", "a", _broken),
        Check("refused", "a", _refused),
        Check("fine", "b", lambda _: ok("fine")),
    ]
    findings = examine(settings, checks)
    never.set()

    assert [finding.status for finding in findings] == [Status.FAIL, Status.FAIL, Status.FAIL, Status.OK]
    assert findings[0].result.detail == "no answer within 0.05 s"
    assert findings[1].result.detail == "ZeroDivisionError: oops"
    assert findings[2].result == Result(Status.FAIL, "Expected a model, got none.", "Pull it.")


def test_only_a_failure_stands_in_the_way(settings: Settings) -> None:
    checks = [
        Check("a", "g", lambda _: ok("")),
        Check("b", "g", lambda _: warn("slow", "wait")),
        Check("c", "g", lambda _: skip("not here")),
    ]

    assert verdict(examine(settings, checks)) == "1 ok, 1 warn, 1 skip. Nothing stands in the way."
    checks.append(Check("d", "g", lambda _: fail("gone", "find it")))
    assert verdict(examine(settings, checks)) == "1 ok, 1 warn, 1 fail, 1 skip. Something cannot work."


def test_findings_are_printed_in_groups_with_their_remedies(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [Check("disk", "Data", lambda _: fail("full", "Free some space."))]

    examine(settings, checks, Printer().show)

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == ["", "Data", "  FAIL disk              full"]
    assert lines[3].strip() == "> Free some space."


def test_an_installation_that_does_not_run_is_no_failure(settings: Settings) -> None:
    findings = {finding.check.name: finding.status for finding in examine(settings, machine.CHECKS)}

    assert [name for name, status in findings.items() if status is Status.FAIL] == []
    assert findings["decoder"] is Status.OK
    assert findings["api"] is Status.WARN
    assert findings["database"] is Status.SKIP
    assert not settings.home.exists()


def test_a_missing_model_fails_with_the_command_that_fetches_it(settings: Settings) -> None:
    configured = settings.model_copy(update={"segmenter": "facebook/sam3"})
    (check,) = [check for check in machine.CHECKS if check.name == "segmenter"]

    (finding,) = examine(configured, [check])

    assert finding.status is Status.FAIL
    assert "komadori models pull sam3" in finding.result.remedy


@pytest.mark.parametrize("embedder", ["acme", "acme:/models/acme"])
def test_a_part_of_another_package_is_no_model_id(
    embedder: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_embedder.py").write_text("def create(source, **options):\n    return None\n")
    info = tmp_path / "acme_embedder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-embedder\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[komadori.embedders]\nacme = acme_embedder:create\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    result = machine.check_model(settings.model_copy(update={"embedder": embedder}), "embedder")

    assert result == ok("the registered part acme")


def test_a_home_that_cannot_be_written_fails(settings: Settings, tmp_path: Path) -> None:
    blocked = settings.model_copy(update={"home": Path("/proc/komadori")})

    result = machine.check_home(blocked)

    assert result.status is Status.FAIL
    assert "KOMADORI_HOME" in result.remedy


def test_a_broker_that_does_not_answer_fails(settings: Settings) -> None:
    away = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{free_port()}/0"})

    assert machine.check_broker(away).status is Status.FAIL


def test_workers_are_judged_by_what_they_report(settings: Settings) -> None:
    prepare_home(settings)
    assert machine.check_worker(settings, Queue.SAM3).status is Status.WARN

    sessions = Sessions(settings.effective_database_url)
    with sessions.write() as session:
        workers.report(session, "a", Queue.SIGLIP, WorkerState.READY, "a model on cpu")
        workers.report(session, "b", Queue.DEFAULT, WorkerState.WAITING, "Expected a model, got none.")
    sessions.close()

    assert machine.check_worker(settings, Queue.SIGLIP) == ok("a model on cpu")
    assert machine.check_worker(settings, Queue.DEFAULT).status is Status.WARN
    assert machine.check_worker(settings, Queue.SAM3).status is Status.FAIL


def test_the_schema_of_the_database_is_compared(settings: Settings) -> None:
    prepare_home(settings)

    assert machine.check_database(settings).status is Status.OK

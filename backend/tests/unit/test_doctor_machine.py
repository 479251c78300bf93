"""What the checks of an installation find in known states."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from komadori.bootstrap import prepare_home
from komadori.doctor import machine
from komadori.doctor.broker import check_broker
from komadori.doctor.report import Check, Result, Status, examine
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


def test_a_home_that_cannot_be_written_fails(settings: Settings, tmp_path: Path) -> None:
    blocked = settings.model_copy(update={"home": Path("/proc/komadori")})

    result = machine.check_home(blocked)

    assert result.status is Status.FAIL
    assert "KOMADORI_HOME" in result.remedy


def test_a_home_that_cannot_even_be_seen_fails(settings: Settings, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    hidden = settings.model_copy(update={"home": closed / "home"})

    with as_nobody(tmp_path):
        result = machine.check_home(hidden)

    assert result.status is Status.FAIL
    assert "cannot be written: Permission denied" in result.detail


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """The block as a user other than root, who may look into the folder and those above it."""
    if os.geteuid() != 0:
        yield
        return
    for above in (folder, folder.parent, folder.parent.parent):
        above.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("redis://127.0.0.1:1/0", "Start it, or correct KOMADORI_BROKER_URL"),
        ("redis://127.0.0.1:port/0", "Write it like redis://"),
        ("redis://:a/b@127.0.0.1:6379/0", "percent-encoded"),
        ("http://127.0.0.1", "Write it like redis://"),
        ("nonsense", "Write it like redis://"),
    ],
)
def test_a_broker_that_cannot_be_used_fails_with_the_remedy(
    url: str, remedy: str, settings: Settings
) -> None:
    result = broker_of(settings.model_copy(update={"broker_url": url}))

    assert result.status is Status.FAIL
    assert remedy in result.remedy


def test_an_embedded_broker_that_does_not_run_is_no_fault(settings: Settings) -> None:
    assert broker_of(settings).status is Status.SKIP


def broker_of(settings: Settings) -> Result:
    """What the doctor says of the broker."""
    (finding,) = examine(settings, [Check("broker", "Running", check_broker)])
    return finding.result


def test_the_schema_of_the_database_is_compared(settings: Settings) -> None:
    prepare_home(settings)

    assert machine.check_database(settings).status is Status.OK

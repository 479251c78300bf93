"""What the checks of an installation find in known states."""

from pathlib import Path

import pytest

from komadori.bootstrap import prepare_home
from komadori.doctor import machine
from komadori.doctor.report import Status
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


def test_a_broker_that_does_not_answer_fails(settings: Settings) -> None:
    away = settings.model_copy(update={"broker_url": f"redis://127.0.0.1:{free_port()}/0"})

    assert machine.check_broker(away).status is Status.FAIL


def test_the_schema_of_the_database_is_compared(settings: Settings) -> None:
    prepare_home(settings)

    assert machine.check_database(settings).status is Status.OK

"""Which card a worker takes and whose turns it keeps, with what torch would say of the cards."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from komadori.core.device_turns import DeviceTurns, NoTurns
from komadori.core.errors import DependencyError
from komadori.doctor import model_run
from komadori.ml import cards
from komadori.ml.cards import Card, open_card
from komadori.settings import Settings


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "DEVICE_NODES", (tmp_path,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid=f"card-{i}"))


def name_of(card: Card) -> str | None:
    return card.turns.name if isinstance(card.turns, DeviceTurns) else None


@pytest.mark.usefixtures("two_cards")
def test_copies_of_a_worker_take_a_card_each_and_the_turns_on_it(tmp_path: Path) -> None:
    taken = [open_card("auto", "auto", tmp_path, queue) for queue in ("sam3", "sam3", "siglip", "sam3")]
    assert [card.device for card in taken] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert [name_of(card) for card in taken] == ["gpu-card-0", "gpu-card-1", "gpu-card-0", "gpu-card-1"]


@pytest.mark.usefixtures("two_cards")
def test_a_card_that_is_named_is_kept(tmp_path: Path) -> None:
    taken = [open_card("cuda:1", "auto", tmp_path, "sam3") for _ in range(2)]
    assert [card.device for card in taken] == ["cuda:1", "cuda:1"]
    assert name_of(taken[0]) == "gpu-card-1"
    assert taken[0].seat is None


@pytest.mark.usefixtures("two_cards")
def test_a_card_that_is_not_there_is_a_missing_dependency(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="cuda:5"):
        open_card("cuda:5", "auto", tmp_path, "sam3")


@pytest.mark.usefixtures("two_cards")
def test_without_turns_cards_are_still_shared_out(tmp_path: Path) -> None:
    taken = [open_card("cuda", "off", tmp_path, "sam3") for _ in range(2)]
    assert [card.device for card in taken] == ["cuda:0", "cuda:1"]
    assert isinstance(taken[0].turns, NoTurns)


@pytest.mark.usefixtures("two_cards")
def test_the_doctor_measures_on_the_card_with_the_fewest_workers(tmp_path: Path) -> None:
    open_card("auto", "auto", tmp_path, "siglip")

    settings, turns = model_run._on_card(Settings(models=tmp_path, _env_file=None))

    assert settings.device == "cuda:1"
    assert isinstance(turns, DeviceTurns)
    assert turns.name == "gpu-card-1"


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_a_processor_has_no_turns_unless_they_have_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(cards, "DEVICE_NODES", ())
    assert isinstance(open_card(device, "auto", tmp_path, "sam3").turns, NoTurns)
    assert not list(tmp_path.iterdir()), "no lock is made that nobody needs"
    assert name_of(open_card(device, "shared", tmp_path, "sam3")) == "shared"


def test_torch_is_not_imported_where_there_is_no_card(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from komadori.ml import cards; cards.DEVICE_NODES = ();"
        f"cards.open_card('auto', 'auto', Path({str(tmp_path)!r}), 'sam3'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

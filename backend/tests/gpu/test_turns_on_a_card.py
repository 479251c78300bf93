"""Names of cards and memory that goes back to them, on a real card."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from komadori.core.device_turns import DeviceTurns
from komadori.core.file_lock import lock_folder
from komadori.ml.cards import open_card
from komadori.ml.torch_runtime import lock_name

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]

_SAY_FREE = "import torch; print(torch.cuda.mem_get_info(0)[0])"
_SAY_NAME = "from komadori.ml.torch_runtime import lock_name; print(lock_name('cuda:0'))"


def _ask(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_two_processes_call_a_card_by_the_same_uuid() -> None:
    name = lock_name("cuda:0")
    assert name is not None
    assert name.startswith("gpu-")
    assert len(name) == len("gpu-ffc79498-8ff3-c2dc-3b0d-fafd804516ae")
    assert _ask(_SAY_NAME) == name


def test_after_a_turn_the_other_process_finds_the_memory(tmp_path: Path) -> None:
    n_bytes = torch.cuda.mem_get_info(0)[0] // 2
    card = open_card("cuda:0", "auto", tmp_path, "sam3")
    with card.turns.turn():
        block = torch.empty(n_bytes, dtype=torch.uint8, device="cuda:0")
        del block
        amid = int(_ask(_SAY_FREE))
    after = int(_ask(_SAY_FREE))
    assert after - amid > 0.9 * n_bytes


def test_the_turns_on_a_card_have_its_name(tmp_path: Path) -> None:
    card = open_card("cuda:0", "auto", tmp_path, "sam3")
    assert isinstance(card.turns, DeviceTurns)
    with card.turns.turn():
        assert (lock_folder(tmp_path) / f"{lock_name('cuda:0')}.lock").exists()

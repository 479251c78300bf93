"""The untrained checkpoints of the tests are what the script makes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from scripts import make_untrained_models

from tests.support import checkpoints


@pytest.mark.parametrize("name", make_untrained_models.MAKERS)
def test_the_script_makes_what_is_committed(name: str, tmp_path: Path) -> None:
    made_in = tmp_path / name
    make_untrained_models.MAKERS[name](made_in, make_untrained_models.SEED)
    committed = checkpoints.FOLDER / name

    assert {path.name for path in made_in.iterdir()} == {path.name for path in committed.iterdir()}
    for path in made_in.iterdir():
        if path.suffix != ".safetensors":
            assert path.read_text() == (committed / path.name).read_text(), path.name
    made = load_file(made_in / "model.safetensors")
    for key, weight in load_file(committed / "model.safetensors").items():
        # Sums are taken in another order on another machine, so the last bits may differ.
        torch.testing.assert_close(made[key], weight, atol=5e-3, rtol=5e-3, msg=key)


@pytest.mark.parametrize("name", make_untrained_models.MAKERS)
def test_it_is_small_enough_to_be_in_the_repository(name: str) -> None:
    files = list((checkpoints.FOLDER / name).iterdir())

    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert all(path.stat().st_size < 100_000 for path in files if path.suffix != ".safetensors")

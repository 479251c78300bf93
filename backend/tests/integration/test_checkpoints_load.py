"""A pulled checkpoint loads with the real model classes, and with every socket shut."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori import demo_models
from komadori.ml.checkpoints import LocalModel, ModelStore
from tests.support.checkpoints import SIGLIP2, SIGLIP2_NAFLEX
from tests.support.fake_hub import FakeHub

LOAD_WITHOUT_NETWORK = """
import socket, sys

def refuse(*args, **kwargs):
    raise AssertionError("the network was used")

socket.socket.connect = refuse
socket.getaddrinfo = refuse
from komadori.ml import torchvision_shim

torchvision_shim.install()
from transformers import AutoTokenizer, SiglipModel

model, info = SiglipModel.from_pretrained(
    sys.argv[1], local_files_only=True, use_safetensors=True, output_loading_info=True
)
tokens = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)("a bird")
print(model.config.model_type, sorted(info["missing_keys"]), len(tokens["input_ids"]) > 0)
"""


@pytest.fixture
def pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalModel]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeHub() as hub:
        hub.add_folder("google/siglip2-base-patch16-224", SIGLIP2)
        yield ModelStore(tmp_path, endpoint=hub.url).pull("siglip2-base")


def test_pulled_checkpoint_loads_with_the_network_cut(pulled: LocalModel) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD_WITHOUT_NETWORK, str(pulled.directory)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split("\n")[0] == "siglip [] True", done.stderr


@pytest.mark.parametrize(
    ("folder", "adapter"),
    [
        (demo_models.path("siglip2-demo"), "siglip2"),
        (demo_models.path("sam3-demo"), "sam3"),
        (SIGLIP2_NAFLEX, "siglip2"),
    ],
    ids=lambda given: getattr(given, "name", given),
)
def test_a_checkpoint_resolves_as_a_folder(tmp_path: Path, folder: Path, adapter: str) -> None:
    model = ModelStore(tmp_path).resolve(str(folder))

    assert (model.model_id, model.adapter) == (folder.name, adapter)
    assert model.revision.startswith("sha256:")

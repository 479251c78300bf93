"""A model on a hub of the tests, and the store that pulls it."""

import json
import random
from pathlib import Path

from komadori.ml.checkpoints import ModelStore
from tests.support.fake_hub import FakeHub

WEIGHTS = random.Random(7).randbytes(600_000)
FILES = {
    "config.json": json.dumps({"model_type": "siglip"}).encode(),
    "tokenizer.json": json.dumps({"words": ["kingfisher", "reed"] * 500}).encode(),
    "spiece.model": b"pieces" * 100,
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle",
    "sam3.pt": b"another pickle",
    "README.md": b"words",
    ".gitattributes": b"*.bin lfs",
}
TAKEN = {"config.json", "tokenizer.json", "spiece.model", "model.safetensors", "komadori-model.json"}
MODEL = "acme/kingfisher"


def store_at(
    root: Path, hub: FakeHub, token: str | None = None, *, stall_timeout_s: float = 20.0
) -> ModelStore:
    """A store at ``root`` that pulls from the hub."""
    return ModelStore(root, endpoint=hub.url, token=token, stall_timeout_s=stall_timeout_s)

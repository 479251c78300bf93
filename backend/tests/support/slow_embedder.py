"""An embedder whose loading the test holds up or lets fail, as an outside package would bring it.

Its source is a folder: loading waits for the file ``open`` in it, and fails with what the
file ``broken`` says.
"""

import time
from pathlib import Path

from komadori.core.errors import ModelError
from komadori.ml.embedders import fake
from komadori.ml.embedders.base import ImageTextEmbedder

_BACKEND = Path(__file__).parents[2]


def create(source: str, **_runtime: object) -> ImageTextEmbedder:
    """The fake embedder, once the test lets it load."""
    folder = Path(source)
    while not (folder / "open").exists():
        time.sleep(0.05)
    if (folder / "broken").exists():
        raise ModelError((folder / "broken").read_text("utf-8"), hint="Mend it.", code="damaged-model")
    return fake.create("fake")


def install(folder: Path) -> str:
    """Say to Python, as ``pip install`` would, that this is a part: the import path that knows it."""
    info = folder / "slow_embedder-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-embedder\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[komadori.embedders]\nslow = tests.support.slow_embedder:create\n", "utf-8"
    )
    return f"{folder}:{_BACKEND}"

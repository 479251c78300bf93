"""Runs in a container: the tests' hub on the loopback of the container whose network it shares.

Started as ``python3 hub_in_container.py PORT PORT ID=FOLDER...`` with the tests' folder around it; prints
every second, as JSON, how often the weights of each model were asked for.
"""

import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path


def sha256_of(file: Path) -> str:
    """The name of a file in the hub's storage."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def serve(ports: tuple[int, int], folders: dict[str, Path]) -> None:
    """Serve the folders as models until the container is removed."""
    from tests.support.fake_hub import FakeHub

    paths = {
        model: f"/storage/{sha256_of(folder / 'model.safetensors')}" for model, folder in folders.items()
    }
    with FakeHub(ports) as hub:
        for model_id, folder in folders.items():
            hub.add_folder(model_id, folder)
        while True:
            asked = Counter(request.path for request in hub.requests)
            sys.stdout.write(json.dumps({model: asked[path] for model, path in paths.items()}) + "\n")
            sys.stdout.flush()
            time.sleep(1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    pairs = (argument.partition("=") for argument in sys.argv[3:])
    serve((int(sys.argv[1]), int(sys.argv[2])), {model: Path(folder) for model, _, folder in pairs})

"""What a checkpoint folder holds: the list of its files with their SHA-256.

A folder without a manifest is no finished download. The manifest is written last and
names the model and its commit, so a folder that was copied to another machine is
still known for what it is.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from komadori.core.disk import move_synced, sha256_of
from komadori.core.errors import ModelError
from komadori.ml.catalogue import Adapter, adapter_for

MANIFEST_NAME = "komadori-model.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file as it was verified at download time."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of a checkpoint folder."""

    model_id: str
    revision: str
    adapter: Adapter
    files: tuple[ManifestFile, ...]

    @property
    def size_bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files)

    def misfits(self, directory: Path) -> list[str]:
        """The files that are missing or have another size; reads no contents."""
        return [file.name for file in self.files if size_of(directory / file.name) != file.size]

    def damaged(self, directory: Path, check_cancelled: Callable[[], None]) -> list[str]:
        """The files that are missing or whose contents differ; reads everything."""
        wrong = set(self.misfits(directory))
        for file in self.files:
            if file.name not in wrong and sha256_of(directory / file.name, check_cancelled) != file.sha256:
                wrong.add(file.name)
        return [file.name for file in self.files if file.name in wrong]


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of a folder, or None when it has none.

    Raises:
        ModelError: There is one, but it cannot be read.
    """
    path = directory / MANIFEST_NAME
    try:
        return _parse(json.loads(path.read_text("utf-8")), path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ModelError(
            f"Expected a manifest of format {_FORMAT} at {path}, got one that cannot be read ({exc}).",
            hint=f"Remove the folder {directory} and pull the model again.",
            code="damaged-model",
        ) from exc


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder whose files are all there."""
    data = {
        "format": _FORMAT,
        "model_id": manifest.model_id,
        "revision": manifest.revision,
        "model_type": read_model_type(directory),
        "files": [asdict(file) for file in manifest.files],
    }
    write_json(directory / MANIFEST_NAME, data)


def read_model_type(directory: Path) -> object:
    """The ``model_type`` of a checkpoint's config.json, None when it names none.

    Raises:
        ModelError: There is no config.json, or it is no JSON object.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        config = exc
    if isinstance(config, dict):
        return config.get("model_type")
    raise ModelError(
        f"Expected a checkpoint with a config.json in {directory}, got {config!r}.",
        hint="Give the folder that holds config.json, the tokenizer and model.safetensors.",
        code="damaged-model",
    )


def size_of(path: Path) -> int | None:
    """The size of a file in bytes, or None when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def write_json(path: Path, data: object) -> None:
    """Put a JSON file in place in one step; it is on the disk when this returns."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as stream:
        json.dump(data, stream, indent=2, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    move_synced(beside, path)


def _parse(data: Any, path: Path) -> Manifest:
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']}")
    return Manifest(
        model_id=str(data["model_id"]),
        revision=str(data["revision"]),
        adapter=adapter_for(data["model_type"], str(path)),
        files=tuple(ManifestFile(str(f["name"]), int(f["size"]), str(f["sha256"])) for f in data["files"]),
    )

"""Checkpoints as folders on this machine: what they are, and whether they are whole."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from komadori.core.disk import sha256_of
from komadori.core.errors import ModelError
from komadori.ml.catalogue import Adapter, adapter_for
from komadori.ml.manifest import read_manifest, read_model_type, write_json

_LOADED_SUFFIXES = {".json", ".txt", ".model", ".safetensors"}


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A checkpoint that can be loaded from ``directory`` without a network.

    ``revision`` is the commit on the hub, or for other folders "sha256:" and a hash of
    the contents; two folders with the same files have the same revision.
    """

    directory: Path
    model_id: str
    revision: str
    adapter: Adapter


def open_pulled(directory: Path) -> LocalModel | None:
    """The checkpoint in a folder with a manifest, None when the folder has none.

    Looks at the sizes of the files only.

    Raises:
        ModelError: A file is missing or cut short, or the manifest cannot be read.
    """
    manifest = read_manifest(directory)
    if manifest is None:
        return None
    if misfits := manifest.misfits(directory):
        raise ModelError(
            f"Expected {', '.join(misfits)} of {manifest.model_id} whole in {directory}, "
            "got a missing file or another size.",
            hint=f"Run `komadori models pull {manifest.model_id}@{manifest.revision}`; "
            "only what is damaged is fetched again.",
            code="damaged-model",
        )
    return LocalModel(directory, manifest.model_id, manifest.revision, manifest.adapter)


def open_folder(folder: Path, hashes: Path) -> LocalModel:
    """The checkpoint in any folder, named by its contents unless it has a manifest.

    Args:
        folder: Holds config.json, the tokenizer and safetensors.
        hashes: A folder in which to remember the SHA-256 of files, by size and time of change.

    Raises:
        ModelError: It is no checkpoint, has no safetensors, or nothing runs it.
    """
    if not folder.is_dir():
        raise ModelError(
            f"Expected a folder with a checkpoint, got {folder}, which is not one.",
            hint="Give the folder that holds config.json, the tokenizer and model.safetensors.",
            code="model-not-found",
        )
    folder = folder.resolve()
    if (pulled := open_pulled(folder)) is not None:
        return pulled
    adapter = adapter_for(read_model_type(folder), str(folder / "config.json"))
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"Expected a .safetensors file in {folder}, got {', '.join(f.name for f in folder.iterdir())}.",
            hint="Save the checkpoint with save_pretrained of transformers; pickled weights "
            "(.bin, .pt) can run code and are never loaded.",
            code="no-safetensors",
        )
    return LocalModel(folder, folder.name, content_revision(folder, hashes), adapter)


def content_revision(folder: Path, hashes: Path | None = None) -> str:
    """What names the contents of a checkpoint: "sha256:" and a hash of all files that shape its results.

    The hash is the one that ``sha256sum FILES... | sha256sum`` prints, with the files in order of
    their names. Takes about a second for each GB.

    Args:
        folder: Holds config.json, the tokenizer and safetensors.
        hashes: A folder in which to remember the SHA-256 of files: one of the size, time and inode
            that it had last time is not read again. None reads everything.
    """
    files = sorted(f for f in folder.iterdir() if f.suffix in _LOADED_SUFFIXES and f.is_file())
    remembered = None if hashes is None else hashes / f"{hashlib.sha256(bytes(folder)).hexdigest()[:32]}.json"
    known = {} if remembered is None else _read_known(remembered)
    seen: dict[str, str] = {}
    sums = ""
    for file in files:
        stat = file.stat()
        stamp = f"{file.name}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}"
        seen[stamp] = known.get(stamp) or sha256_of(file)
        sums += f"{seen[stamp]}  {file.name}\n"
    if remembered is not None and seen != known:
        _remember(remembered, seen)
    return f"sha256:{hashlib.sha256(sums.encode()).hexdigest()}"


def _read_known(remembered: Path) -> dict[str, str]:
    try:
        known = json.loads(remembered.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    items = known.items() if isinstance(known, dict) else ()
    return {stamp: digest for stamp, digest in items if isinstance(digest, str)}


def _remember(remembered: Path, seen: dict[str, str]) -> None:
    try:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        write_json(remembered, seen)
    except OSError:
        return  # a store that is read-only costs time, not correctness

"""What a name, an id or a folder means on this machine, without any network."""

import json
import os
import shutil
from pathlib import Path

import pytest

from komadori.core.errors import ModelError
from komadori.ml.checkpoints import ModelStore


def write_checkpoint(folder: Path, model_type: str = "siglip2", weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_missing_model_says_all_three_ways_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path).resolve("siglip2-base")

    assert caught.value.code == "model-not-pulled"
    assert "`komadori models pull siglip2-base` (about 1.5 GB)" in caught.value.hint
    assert str(tmp_path / "google--siglip2-base-patch16-224") in caught.value.hint
    assert "local checkpoint" in caught.value.hint


def test_missing_gated_model_mentions_token_and_licence(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path).resolve("sam3")

    assert "HF_TOKEN" in caught.value.hint
    assert "licence" in caught.value.hint


def test_missing_revision_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="google/siglip2-base-patch16-224@v2"):
        ModelStore(tmp_path).resolve("siglip2-base@v2")


def test_verify_of_a_missing_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path).verify("siglip2-base")

    assert caught.value.code == "model-not-pulled"


def test_verify_of_a_folder_without_manifest_says_so(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "own")

    with pytest.raises(ModelError, match=r"komadori-model\.json"):
        ModelStore(tmp_path / "models").verify(str(folder))


def test_local_folder_is_named_by_its_contents(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "own")
    store = ModelStore(tmp_path / "models")

    model = store.resolve(str(folder))

    assert (model.directory, model.model_id, model.adapter) == (folder, "own", "siglip2")
    assert model.revision == "sha256:48d608e6b95c1ec601c3bdcac25b7e73e747b95eb97512680202d17b11dbccb5"


def test_moved_folder_keeps_its_revision(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    folder = write_checkpoint(tmp_path / "own")
    before = store.resolve(str(folder)).revision

    shutil.copytree(folder, tmp_path / "elsewhere")

    assert store.resolve(str(tmp_path / "elsewhere")).revision == before


def test_changed_contents_are_another_revision(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    folder = write_checkpoint(tmp_path / "own")
    before = store.resolve(str(folder)).revision

    (folder / "model.safetensors").write_bytes(b"retrained")

    assert store.resolve(str(folder)).revision != before


def test_notes_and_pickles_do_not_change_the_revision(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    folder = write_checkpoint(tmp_path / "own")
    before = store.resolve(str(folder)).revision

    (folder / "README.md").write_text("what it is")
    (folder / "optimizer.pt").write_bytes(b"state")

    assert store.resolve(str(folder)).revision == before


def test_unchanged_files_are_read_once(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    folder = write_checkpoint(tmp_path / "own", weights=b"a" * 10)
    before = store.resolve(str(folder)).revision
    weights = folder / "model.safetensors"
    stat = weights.stat()

    weights.write_bytes(b"b" * 10)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert store.resolve(str(folder)).revision == before
    assert ModelStore(tmp_path / "other").resolve(str(folder)).revision != before


def test_store_that_cannot_be_written_still_resolves_folders(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "own")
    (tmp_path / "models").write_text("a file where a folder is expected")

    assert ModelStore(tmp_path / "models").resolve(str(folder)).adapter == "siglip2"


@pytest.mark.parametrize("known", ["", "[]", '{"config.json": 3}', "not json"])
def test_damaged_memory_of_hashes_is_ignored(tmp_path: Path, known: str) -> None:
    store = ModelStore(tmp_path / "models")
    folder = write_checkpoint(tmp_path / "own")
    before = store.resolve(str(folder)).revision
    (remembered,) = (tmp_path / "models" / ".content-hashes").iterdir()

    remembered.write_text(known)

    assert store.resolve(str(folder)).revision == before


@pytest.mark.parametrize(
    ("config", "code"),
    [
        (None, "damaged-model"),
        ("", "damaged-model"),
        ("[1]", "damaged-model"),
        ('"siglip2"', "damaged-model"),
        ("{}", "unsupported-model"),
        ('{"model_type": "clip"}', "unsupported-model"),
    ],
)
def test_folder_that_is_no_supported_checkpoint_is_refused(
    tmp_path: Path, config: str | None, code: str
) -> None:
    folder = write_checkpoint(tmp_path / "own")
    (folder / "config.json").unlink()
    if config is not None:
        (folder / "config.json").write_text(config)

    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path / "models").resolve(str(folder))

    assert caught.value.code == code
    assert str(folder) in caught.value.message


def test_folder_with_pickles_only_is_refused(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "own")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path / "models").resolve(str(folder))

    assert caught.value.code == "no-safetensors"
    assert "pytorch_model.bin" in caught.value.message


@pytest.mark.parametrize("name", ["nowhere", "own/config.json"])
def test_path_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    write_checkpoint(tmp_path / "own")

    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path / "models").resolve(str(tmp_path / name))

    assert caught.value.code == "model-not-found"


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', '{"format": 1, "files": 3}', "[]"])
def test_damaged_manifest_is_a_clear_error(tmp_path: Path, text: str) -> None:
    folder = write_checkpoint(tmp_path / "own")
    (folder / "komadori-model.json").write_text(text)

    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path / "models").resolve(str(folder))

    assert caught.value.code == "damaged-model"
    assert str(folder) in caught.value.hint


def test_two_revisions_without_a_pin_are_not_guessed_between(tmp_path: Path) -> None:
    for digit in "ab":
        write_checkpoint(tmp_path / "google--siglip2-base-patch16-224" / (digit * 40))

    with pytest.raises(ModelError) as caught:
        ModelStore(tmp_path).resolve("siglip2-base")

    assert caught.value.code == "model-not-pulled"


def test_empty_store_lists_the_registered_models_as_missing(tmp_path: Path) -> None:
    rows = ModelStore(tmp_path / "nowhere").list()

    assert [(row.name, row.state.value, row.path) for row in rows] == [
        ("siglip2-base", "missing", None),
        ("siglip2-so400m", "missing", None),
        ("siglip2-base-naflex", "missing", None),
        ("sam3", "missing", None),
    ]

"""How a model is named, and which files of a repository are taken."""

import subprocess
import sys
from pathlib import Path

import pytest

from komadori.core.errors import ModelError
from komadori.ml.catalogue import KNOWN_MODELS, HubSource, adapter_for, parse_source, spec_of
from komadori.ml.download import select_files
from komadori.ml.hub import HubFile

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("siglip2-base", HubSource("google/siglip2-base-patch16-224", "main")),
        ("sam3", HubSource("facebook/sam3", "main")),
        (f"sam3@{COMMIT}", HubSource("facebook/sam3", COMMIT)),
        ("acme/own-model", HubSource("acme/own-model", "main")),
        (f"acme/own-model@{COMMIT}", HubSource("acme/own-model", COMMIT)),
        ("acme/own-model@v1.2", HubSource("acme/own-model", "v1.2")),
        ("./acme/own-model", Path("acme/own-model")),
        ("/srv/models/own", Path("/srv/models/own")),
    ],
)
def test_source_is_read_as_a_hub_model_or_a_folder(source: str, expected: HubSource | Path) -> None:
    assert parse_source(source) == expected


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    assert parse_source("~/models") == Path("/home/ada/models")


def test_existing_relative_folder_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "siglip2-demo").mkdir()

    assert parse_source("siglip2-demo") == Path("siglip2-demo")


@pytest.mark.parametrize(
    "source",
    ["", "siglip", "a/b/c", "a--b/c", "a/..", "org/na me", "org/name@", "sam3@", "-/x"],
)
def test_anything_else_is_refused_by_name(source: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_source(source)

    assert caught.value.code == "unknown-model"
    assert repr(source) in caught.value.message


@pytest.mark.parametrize("revision", ["../../etc", "a/b", "-x", "a..b", "é"])
def test_revision_cannot_leave_the_store(revision: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_source(f"org/name@{revision}")

    assert caught.value.code == "unknown-model"


def test_registered_names_and_ids_are_unique() -> None:
    assert len({spec.name for spec in KNOWN_MODELS}) == len(KNOWN_MODELS)
    assert len({spec.model_id for spec in KNOWN_MODELS}) == len(KNOWN_MODELS)


def test_defaults_come_first() -> None:
    first = {
        kind: next(s.model_id for s in KNOWN_MODELS if s.kind == kind) for kind in ("embedder", "segmenter")
    }

    assert first == {"embedder": "google/siglip2-base-patch16-224", "segmenter": "facebook/sam3"}


def test_only_sam3_is_gated() -> None:
    assert [spec.name for spec in KNOWN_MODELS if spec.is_gated] == ["sam3"]


def test_spec_of_an_unknown_id_is_none() -> None:
    assert spec_of("acme/own-model") is None


@pytest.mark.parametrize(
    ("model_type", "adapter"),
    [("siglip", "siglip2"), ("siglip2", "siglip2"), ("sam3", "sam3"), ("sam3_video", "sam3")],
)
def test_adapter_follows_the_model_type(model_type: str, adapter: str) -> None:
    assert adapter_for(model_type, "config.json") == adapter


@pytest.mark.parametrize("model_type", ["clip", None, 3, ["sam3"]])
def test_other_model_types_are_refused_by_name(model_type: object) -> None:
    with pytest.raises(ModelError) as caught:
        adapter_for(model_type, "x/config.json")

    assert caught.value.code == "unsupported-model"
    assert "sam3, sam3_video, siglip, siglip2" in caught.value.message


def listed(*names: str) -> list[HubFile]:
    return [HubFile(name, 1, "0" * 40, None) for name in names]


def test_config_comes_first_and_weights_last() -> None:
    files = listed("vocab.json", "model.safetensors", "config.json", "LICENSE", "spiece.model")

    assert [f.name for f in select_files("a/b", files)] == [
        "config.json",
        "LICENSE",
        "spiece.model",
        "vocab.json",
        "model.safetensors",
    ]


def test_pickles_code_and_pictures_are_left_out() -> None:
    files = listed(
        "config.json", "model.safetensors", "sam3.pt", "pytorch_model.bin", "a.pkl", "modeling.py", "x.png"
    )

    assert [f.name for f in select_files("a/b", files)] == ["config.json", "model.safetensors"]


def test_whole_weights_are_preferred_to_shards_and_variants() -> None:
    files = listed(
        "config.json", "model.fp16.safetensors", "model-00001-of-00002.safetensors", "model.safetensors"
    )

    assert [f.name for f in select_files("a/b", files)] == ["config.json", "model.safetensors"]


def test_shards_are_taken_with_their_index() -> None:
    files = listed(
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    )

    assert len(select_files("a/b", files)) == 4


@pytest.mark.parametrize("names", [("config.json", "pytorch_model.bin"), ("model.safetensors",), ()])
def test_without_safetensors_or_config_there_is_nothing_to_load(names: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        select_files("a/b", listed(*names))

    assert caught.value.code == "no-safetensors"


@pytest.mark.parametrize(
    "name", ["../evil.json", "/etc/x.txt", "a\\b.json", "..", "", "a/b.json", "x\n.json"]
)
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        select_files("a/b", listed("config.json", "model.safetensors", name))

    assert caught.value.code == "unsafe-file-name"


def test_a_manifest_from_the_hub_is_not_taken() -> None:
    files = listed("config.json", "komadori-model.json", "model.safetensors")

    assert [f.name for f in select_files("a/b", files)] == ["config.json", "model.safetensors"]


def test_importing_the_store_loads_no_model_library() -> None:
    code = (
        "import sys, komadori.ml.checkpoints\n"
        "print(sorted({'torch', 'transformers', 'huggingface_hub', 'av'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"

"""The fake hub is one that the real hub's own client accepts, so tests against it mean something."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from tests.support.fake_hub import FakeHub

MODEL = "acme/kingfisher"
FILES = {"config.json": b'{"model_type": "siglip"}', "model.safetensors": b"weights" * 5000}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeHub() as running:
        running.add(MODEL, FILES)
        yield running


def client(hub: FakeHub, token: str | None = None) -> huggingface_hub.HfApi:
    return huggingface_hub.HfApi(endpoint=hub.url, token=token or False)


def test_commit_and_tree_are_read_by_the_real_client(hub: FakeHub) -> None:
    hub.page_size = 1

    commit = client(hub).model_info(MODEL, revision="main").sha
    tree = {entry.path: entry for entry in client(hub).list_repo_tree(MODEL, revision=commit)}

    assert commit == hub.repositories[MODEL].commit
    assert set(tree) == {*FILES, "onnx"}
    assert tree["model.safetensors"].lfs.size == 35_000
    assert tree["config.json"].lfs is None


@pytest.mark.parametrize("name", FILES)
def test_files_are_downloaded_by_the_real_client(hub: FakeHub, tmp_path: Path, name: str) -> None:
    path = client(hub).hf_hub_download(MODEL, name, cache_dir=tmp_path)

    assert Path(path).read_bytes() == FILES[name]


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("hf_reader", 403)])
def test_gate_is_understood_by_the_real_client(
    hub: FakeHub, tmp_path: Path, token: str | None, status: int
) -> None:
    hub.tokens.add("hf_reader")
    hub.repositories[MODEL].is_gated = True

    with pytest.raises(GatedRepoError) as caught:
        client(hub, token).hf_hub_download(MODEL, "config.json", cache_dir=tmp_path)

    assert caught.value.response.status_code == status


def test_missing_things_are_understood_by_the_real_client(hub: FakeHub) -> None:
    with pytest.raises(RepositoryNotFoundError):
        client(hub).model_info("acme/heron", revision="main")
    with pytest.raises(RevisionNotFoundError):
        client(hub).model_info(MODEL, revision="v9")

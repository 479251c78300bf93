"""What the hub, the disk or a model refuses ends with its own message, before anything is lost."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.errors import HubError, ModelError, StorageError
from komadori.ml.checkpoints import ModelStore
from tests.support.fake_hub import FakeHub
from tests.support.hub_models import FILES, MODEL, store_at


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeHub() as running:
        running.add(MODEL, FILES)
        yield running


def test_gated_model_without_a_token_asks_for_one(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("facebook/sam3", FILES, is_gated=True)

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub).pull("sam3")

    assert caught.value.code == "model-token-needed"
    assert "HF_TOKEN" in caught.value.hint


def test_gated_model_without_access_asks_to_accept_the_licence(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("facebook/sam3", FILES, is_gated=True)
    hub.tokens.add("hf_reader")

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub, token="hf_reader").pull("sam3")

    assert caught.value.code == "model-access-denied"
    assert f"{hub.url}/facebook/sam3" in caught.value.hint


def test_wrong_token_is_named_as_such_and_not_printed(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub, token="hf_expired").pull(MODEL)

    assert caught.value.code == "model-token-refused"
    assert "hf_expired" not in str(caught.value)


def test_token_of_other_characters_is_refused_and_not_printed(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub, token="hf_tökén\nwith a line").pull(MODEL)

    assert caught.value.code == "model-token-refused"
    assert "tök" not in str(caught.value)


def test_line_end_after_the_token_is_ignored(hub: FakeHub, tmp_path: Path) -> None:
    hub.tokens.add("hf_reader")

    assert store_at(tmp_path, hub, token="hf_reader\n").pull(MODEL).model_id == MODEL
    assert hub.requests[0].token == "hf_reader"


def test_token_with_access_pulls_and_never_reaches_the_storage(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("facebook/sam3", FILES | {"config.json": b'{"model_type": "sam3_video"}'}, is_gated=True)
    hub.tokens.add("hf_reader")
    hub.repositories["facebook/sam3"].readers.add("hf_reader")

    model = store_at(tmp_path, hub, token="hf_reader").pull("sam3")

    assert model.adapter == "sam3"
    assert {request.token for request in hub.requests if not request.is_storage} == {"hf_reader"}
    assert {request.token for request in hub.requests if request.is_storage} == {None}


@pytest.mark.parametrize("token", [None, "hf_reader"])
def test_unknown_model_is_not_found(hub: FakeHub, tmp_path: Path, token: str | None) -> None:
    hub.tokens.add("hf_reader")

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub, token=token).pull("acme/heron")

    assert caught.value.code == "model-not-found"


@pytest.mark.parametrize("revision", ["v9", "f" * 40])
def test_unknown_revision_is_not_found(hub: FakeHub, tmp_path: Path, revision: str) -> None:
    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub).pull(f"{MODEL}@{revision}")

    assert caught.value.code == "model-not-found"
    assert revision in caught.value.message


def test_no_network_is_said_without_waiting(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{probe.getsockname()[1]}"
    store = ModelStore(tmp_path, endpoint=closed)

    with pytest.raises(HubError) as caught:
        store.pull(MODEL)

    assert caught.value.code == "unreachable-hub"
    assert closed in caught.value.message


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:99999"]
)
def test_address_that_is_no_hub_is_said_without_waiting(tmp_path: Path, address: str) -> None:
    with pytest.raises(HubError) as caught:
        ModelStore(tmp_path, endpoint=address).pull(MODEL)

    assert address in caught.value.message


def test_offline_pull_of_a_missing_model_asks_nobody(hub: FakeHub, tmp_path: Path) -> None:
    store = ModelStore(tmp_path, endpoint=hub.url, is_offline=True)

    with pytest.raises(ModelError) as caught:
        store.pull(MODEL)

    assert caught.value.code == "model-not-pulled"
    assert "the network is shut" in caught.value.message
    assert hub.requests == []


def test_something_else_than_a_hub_is_named(hub: FakeHub, tmp_path: Path) -> None:
    hub.repositories[MODEL].commit = "../../../etc"

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub).pull(MODEL)

    assert caught.value.code == "hub-nonsense"


def test_disk_without_room_fails_before_the_first_byte(hub: FakeHub, tmp_path: Path) -> None:
    store = ModelStore(tmp_path, endpoint=hub.url, free_bytes=lambda _: 1000)

    with pytest.raises(StorageError) as caught:
        store.pull(MODEL)

    assert caught.value.code == "disk-full"
    assert "0.27 GB free" in caught.value.message
    assert hub.downloads("model.safetensors") == []


def test_disk_that_fills_up_on_the_way_says_so(hub: FakeHub, tmp_path: Path) -> None:
    staging = tmp_path / "acme--kingfisher" / f".{hub.repositories[MODEL].commit}.partial"
    staging.mkdir(parents=True)
    (staging / "model.safetensors.part").symlink_to("/dev/full")

    with pytest.raises(StorageError) as caught:
        store_at(tmp_path, hub).pull(MODEL)

    assert caught.value.code == "disk-full"
    assert "space" in caught.value.hint


def test_file_name_that_leaves_the_folder_stops_the_pull(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(MODEL, FILES | {"../../evil.json": b"{}"})

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path / "models", hub).pull(MODEL)

    assert caught.value.code == "unsafe-file-name"
    assert not list(tmp_path.rglob("evil.json"))


def test_unsupported_model_is_refused_before_its_weights_come(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(MODEL, FILES | {"config.json": b'{"model_type": "clip"}'})

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub).pull(MODEL)

    assert caught.value.code == "unsupported-model"
    assert hub.downloads("model.safetensors") == []


def test_folder_that_cannot_be_written_is_named(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder is expected")

    with pytest.raises(StorageError) as caught:
        store_at(tmp_path / "models", hub).pull(MODEL)

    assert str(tmp_path / "models") in caught.value.message

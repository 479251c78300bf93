"""Fetching checkpoints from a hub on the loopback, with what goes wrong on real ones."""

import json
import random
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.errors import HubError, ModelError, StorageError
from komadori.core.progress import Cancelled
from komadori.ml.checkpoints import ModelState, ModelStore
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


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeHub() as running:
        running.add(MODEL, FILES)
        yield running


def store_at(
    root: Path, hub: FakeHub, token: str | None = None, *, stall_timeout_s: float = 20.0
) -> ModelStore:
    return ModelStore(root, endpoint=hub.url, token=token, stall_timeout_s=stall_timeout_s)


class Watcher:
    """Remembers the progress, and cancels after so many bytes."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.steps: list[tuple[int, int, str]] = []
        self._cancel_after = cancel_after

    def update(self, bytes_done: int, bytes_total: int, file: str) -> None:
        self.steps.append((bytes_done, bytes_total, file))

    def check_cancelled(self) -> None:
        if self._cancel_after is not None and self.steps and self.steps[-1][0] > self._cancel_after:
            raise Cancelled


def test_pull_brings_the_wanted_files_and_pins_the_commit(hub: FakeHub, tmp_path: Path) -> None:
    commit = hub.repositories[MODEL].commit

    model = store_at(tmp_path, hub).pull(MODEL)

    assert model.directory == tmp_path / "acme--kingfisher" / commit
    assert (model.model_id, model.revision, model.adapter) == (MODEL, commit, "siglip2")
    assert {f.name for f in model.directory.iterdir()} == TAKEN
    assert (model.directory / "model.safetensors").read_bytes() == WEIGHTS


def test_a_second_pull_asks_the_hub_nothing(hub: FakeHub, tmp_path: Path) -> None:
    first = store_at(tmp_path, hub).pull(MODEL)
    hub.requests.clear()

    assert store_at(tmp_path, hub).pull(MODEL) == first
    assert hub.requests == []


def test_offline_finds_what_was_pulled(hub: FakeHub, tmp_path: Path) -> None:
    pulled = store_at(tmp_path, hub).pull(MODEL)

    offline = ModelStore(tmp_path, endpoint=hub.url, is_offline=True)

    assert offline.resolve(MODEL) == pulled
    assert offline.pull(MODEL) == pulled


def test_branch_stays_at_its_first_commit_until_updated(hub: FakeHub, tmp_path: Path) -> None:
    store = store_at(tmp_path, hub)
    first = store.pull(MODEL)
    hub.add(MODEL, FILES | {"tokenizer.json": b"{}"})

    assert store.pull(MODEL) == first
    second = store.pull(MODEL, update=True)
    assert second.revision == hub.repositories[MODEL].commit != first.revision
    assert store.resolve(MODEL) == second
    assert store.resolve(f"{MODEL}@{first.revision}") == first


def test_commit_given_by_the_user_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    commit = hub.repositories[MODEL].commit
    store = store_at(tmp_path, hub)

    assert store.pull(f"{MODEL}@{commit}").revision == commit
    assert not any("/revision/" in request.path for request in hub.requests)
    assert store.resolve(MODEL).revision == commit


def test_progress_covers_all_bytes(hub: FakeHub, tmp_path: Path) -> None:
    watcher = Watcher()

    store_at(tmp_path, hub).pull(MODEL, progress=watcher)

    total = sum(len(data) for name, data in FILES.items() if name in TAKEN)
    assert watcher.steps[-1] == (total, total, "model.safetensors")
    assert [done for done, _, _ in watcher.steps] == sorted(done for done, _, _ in watcher.steps)


def test_cut_transfer_goes_on_from_where_it_was(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.cut_after["model.safetensors"] = [200_000, 100_000]

    model = store_at(tmp_path, hub).pull(MODEL)

    assert (model.directory / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [request.range for request in hub.downloads("model.safetensors")]
    assert ranges[0] is None
    assert len(ranges) == 3
    assert all(asked and asked != "bytes=0-" for asked in ranges[1:])
    assert hub.bytes_served["model.safetensors"] < 1.2 * len(WEIGHTS)


def test_stalled_transfer_is_begun_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.stall_after["model.safetensors"] = 300_000

    model = store_at(tmp_path, hub, stall_timeout_s=0.5).pull(MODEL)

    assert (model.directory / "model.safetensors").read_bytes() == WEIGHTS
    assert len(hub.downloads("model.safetensors")) == 2


def test_server_that_ignores_ranges_starts_the_file_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.ignores_ranges = True
    hub.faults.cut_after["model.safetensors"] = [200_000]

    model = store_at(tmp_path, hub).pull(MODEL)

    assert (model.directory / "model.safetensors").read_bytes() == WEIGHTS


def test_busy_hub_is_asked_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.statuses = [503, 429]

    assert store_at(tmp_path, hub).pull(MODEL).model_id == MODEL


def test_hub_that_stays_busy_is_given_up(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.statuses = [429] * 50

    with pytest.raises(HubError) as caught:
        store_at(tmp_path, hub).pull(MODEL)

    assert "429" in caught.value.message
    assert len(hub.requests) == 5


def test_listing_is_read_page_by_page(hub: FakeHub, tmp_path: Path) -> None:
    hub.page_size = 3

    model = store_at(tmp_path, hub).pull(MODEL)

    assert {f.name for f in model.directory.iterdir()} == TAKEN


def test_bytes_with_a_wrong_checksum_are_removed(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.flipped.add("model.safetensors")
    store = store_at(tmp_path, hub)

    with pytest.raises(ModelError) as caught:
        store.pull(MODEL)

    assert caught.value.code == "checksum-mismatch"
    assert "Run the same command again" in caught.value.hint
    assert not list(tmp_path.rglob("model.safetensors*"))
    hub.faults.flipped.clear()
    assert store.pull(MODEL).model_id == MODEL


def test_small_files_are_checked_as_well(hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.flipped.add("tokenizer.json")

    with pytest.raises(ModelError) as caught:
        store_at(tmp_path, hub).pull(MODEL)

    assert caught.value.code == "checksum-mismatch"


def test_damaged_beginning_of_an_earlier_attempt_is_fetched_afresh(hub: FakeHub, tmp_path: Path) -> None:
    staging = tmp_path / "acme--kingfisher" / f".{hub.repositories[MODEL].commit}.partial"
    staging.mkdir(parents=True)
    (staging / "model.safetensors.part").write_bytes(bytes(300_000))

    model = store_at(tmp_path, hub).pull(MODEL)

    assert (model.directory / "model.safetensors").read_bytes() == WEIGHTS
    assert [request.range for request in hub.downloads("model.safetensors")] == ["bytes=300000-", None]


def test_cancel_keeps_what_was_fetched(hub: FakeHub, tmp_path: Path) -> None:
    store = store_at(tmp_path, hub)

    with pytest.raises(Cancelled):
        store.pull(MODEL, progress=Watcher(cancel_after=300_000))

    with pytest.raises(ModelError, match="not finished"):
        store.resolve(MODEL)
    store.pull(MODEL)
    assert hub.downloads("model.safetensors")[-1].range is not None


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


def test_verify_finds_a_changed_byte_and_update_mends_it(hub: FakeHub, tmp_path: Path) -> None:
    store = store_at(tmp_path, hub)
    weights = store.pull(MODEL).directory / "model.safetensors"
    assert store.verify(MODEL) == []
    weights.write_bytes(WEIGHTS[:-1] + b"?")
    hub.requests.clear()

    assert store.verify(MODEL) == ["model.safetensors"]
    store.pull(MODEL, update=True)

    assert store.verify(MODEL) == []
    assert hub.downloads("tokenizer.json") == []


def test_file_cut_short_is_noticed_and_only_it_is_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    store = store_at(tmp_path, hub)
    weights = store.pull(MODEL).directory / "model.safetensors"
    weights.write_bytes(WEIGHTS[:1000])
    hub.requests.clear()

    with pytest.raises(ModelError) as caught:
        store.resolve(MODEL)
    assert caught.value.code == "damaged-model"

    assert store.pull(MODEL).directory == weights.parent
    assert weights.read_bytes() == WEIGHTS
    assert hub.downloads("tokenizer.json") == []


def test_list_shows_ready_partial_and_missing(hub: FakeHub, tmp_path: Path) -> None:
    store = store_at(tmp_path, hub)
    store.pull(MODEL)
    hub.add("google/siglip2-base-patch16-224", FILES)
    with pytest.raises(Cancelled):
        store.pull("siglip2-base", progress=Watcher(cancel_after=300_000))

    rows = {row.model_id: row for row in store.list()}

    assert rows[MODEL].state is ModelState.READY
    assert rows[MODEL].licence is None
    assert rows["google/siglip2-base-patch16-224"].state is ModelState.PARTIAL
    assert rows["google/siglip2-base-patch16-224"].licence == "Apache-2.0"
    assert rows["facebook/sam3"].state is ModelState.MISSING
    assert rows["facebook/sam3"].size_bytes == 3_450_000_000


def test_folder_copied_to_another_machine_is_known_for_what_it_is(hub: FakeHub, tmp_path: Path) -> None:
    pulled = store_at(tmp_path / "a", hub).pull(MODEL)
    shutil.copytree(pulled.directory, tmp_path / "usb")

    offline = ModelStore(tmp_path / "b", endpoint=hub.url, is_offline=True)
    copied = offline.resolve(str(tmp_path / "usb"))

    assert (copied.model_id, copied.revision) == (pulled.model_id, pulled.revision)
    assert copied.directory == tmp_path / "usb"


def test_store_folder_copied_without_its_refs_still_resolves(hub: FakeHub, tmp_path: Path) -> None:
    pulled = store_at(tmp_path / "a", hub).pull(MODEL)
    shutil.copytree(pulled.directory, tmp_path / "b" / "acme--kingfisher" / pulled.revision)

    assert ModelStore(tmp_path / "b", is_offline=True).resolve(MODEL).revision == pulled.revision

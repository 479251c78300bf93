"""Fetching checkpoints from a hub on the loopback, with what goes wrong on real ones."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.errors import HubError, ModelError
from komadori.core.progress import Cancelled
from komadori.ml.checkpoints import ModelState, ModelStore
from tests.support.fake_hub import FakeHub
from tests.support.hub_models import FILES, MODEL, TAKEN, WEIGHTS, store_at


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FakeHub() as running:
        running.add(MODEL, FILES)
        yield running


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

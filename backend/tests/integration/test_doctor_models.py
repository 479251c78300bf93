"""What the doctor says of models: real checkpoints run by real libraries, and every way to go wrong."""

import json
import math
import shutil
import threading
from contextlib import closing
from pathlib import Path

import pytest
import torch

from komadori import demo_models
from komadori.bootstrap import prepare_home
from komadori.core.device_turns import DeviceTurns
from komadori.core.disk import sha256_of
from komadori.core.errors import ModelError
from komadori.core.file_lock import FileLock, lock_folder
from komadori.core.types import Queue, WorkerState
from komadori.db.repositories import workers
from komadori.db.session import Sessions
from komadori.doctor import model_run, models
from komadori.doctor.env_file import write_settings
from komadori.doctor.report import Check, Result, Status, examine
from komadori.ml.catalogue import ModelKind
from komadori.ml.manifest import Manifest, ManifestFile, write_manifest
from komadori.ml.segmenters.sam3 import Sam3Segmenter
from komadori.settings import Settings
from tests.support.sam3_models import untrained_segmenter
from tests.support.workers import wait_until

COMMIT = "0" * 40


def settings(home: Path, **changes: object) -> Settings:
    """With the packaged models, on the processor."""
    given = {
        "embedder": str(demo_models.path("siglip2-demo")),
        "segmenter": str(demo_models.path("sam3-demo")),
        "offline": True,
        "device": "cpu",
        "threads": 1,
    }
    return Settings(home=home, _env_file=None, **{**given, **changes})  # type: ignore[arg-type]


def pulled(home: Path) -> Path:
    """The folder of an embedder as it is after a pull."""
    source = demo_models.path("siglip2-demo")
    folder = home / "models" / "google--siglip2-base-patch16-224" / COMMIT
    shutil.copytree(source, folder)
    files = tuple(
        ManifestFile(file.name, file.stat().st_size, sha256_of(file)) for file in sorted(folder.iterdir())
    )
    manifest = Manifest("google/siglip2-base-patch16-224", COMMIT, "siglip2", files)
    write_manifest(folder, manifest)
    return folder


def look(configured: Settings, kind: ModelKind, budget_s: float = 120) -> Result:
    """The check of a run as the engine runs it."""
    check = Check("run", "Models", lambda given: models.check_run(given, kind), budget_s)
    (finding,) = examine(configured, [check])
    return finding.result


def test_the_embedder_runs_and_its_batch_can_be_written(tmp_path: Path) -> None:
    configured = settings(tmp_path)
    config = json.loads((demo_models.path("siglip2-demo") / "config.json").read_text())

    result = look(configured, "embedder")

    assert result.status is Status.OK, result
    assert result.detail.startswith("siglip2-demo on cpu, ")
    assert result.facts["dim"] == config["vision_config"]["hidden_size"]
    assert result.facts["peak_bytes"] > 50e6
    assert {cost["batch"] for cost in result.facts["batches"]} <= {1, 2, 4, 8}
    fastest = min(result.facts["batches"], key=lambda cost: cost["ms_per_image"])
    assert result.settings == {"KOMADORI_EMBED_BATCH": str(fastest["batch"])}
    write_settings(tmp_path / ".env", result.settings)
    assert Settings(_env_file=tmp_path / ".env").embed_batch == fastest["batch"]


def test_no_batch_is_larger_than_what_a_worker_has_at_once(tmp_path: Path) -> None:
    result = look(settings(tmp_path, embedder="fake", embed_chunk_frames=4), "embedder")

    assert {cost["batch"] for cost in result.facts["batches"]} <= {1, 2, 4}


def test_the_segmenter_runs_with_few_and_many_prompts(tmp_path: Path) -> None:
    result = look(settings(tmp_path), "segmenter")

    assert result.status is Status.OK, result
    assert [cost["n_prompts"] for cost in result.facts["prompts"]] == [1, 16]
    assert "16 prompts:" in result.detail
    assert result.settings == {}


def segmenter_with_masks_of(logit: float) -> Sam3Segmenter:
    """Every pixel of every mask has this logit, whatever the picture."""
    segmenter = untrained_segmenter()
    last = segmenter._model.mask_decoder.mask_embedder.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, logit)
    return segmenter


def test_a_segmenter_that_knows_nothing_in_the_picture_is_sound() -> None:
    model_run.check_segmenter(segmenter_with_masks_of(0.0))


def test_a_segmenter_that_computes_no_numbers_is_not() -> None:
    with pytest.raises(ModelError, match="detections when none is left out"):
        model_run.check_segmenter(segmenter_with_masks_of(math.nan))


def test_a_processor_is_a_fault_where_a_gpu_is_required(tmp_path: Path) -> None:
    result = models.check_run(settings(tmp_path, embedder="fake"), "embedder", needs_gpu=True)

    assert result.status is Status.FAIL
    assert "not on a GPU" in result.detail


@pytest.mark.parametrize("kind", ["embedder", "segmenter"])
def test_a_registered_part_needs_no_files(kind: ModelKind, tmp_path: Path) -> None:
    configured = settings(tmp_path, embedder="fake", segmenter="fake")

    assert models.check_files(configured, kind).status is Status.OK


def test_a_model_that_is_not_here_is_a_warning_and_nothing_to_run(tmp_path: Path) -> None:
    configured = settings(tmp_path, segmenter="facebook/sam3", offline=False)

    files = models.check_files(configured, "segmenter")

    assert files.status is Status.WARN
    assert "komadori models pull sam3" in files.remedy
    assert "huggingface.co/facebook/sam3" in files.remedy
    assert "SAM License" in files.remedy
    assert models.check_run(configured, "segmenter").status is Status.SKIP


def test_the_state_of_the_token_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    gated = {"segmenter": "facebook/sam3", "offline": False}

    without = models.check_files(settings(tmp_path, **gated), "segmenter")
    given = models.check_files(settings(tmp_path, hub_token="hf_secret", **gated), "segmenter")

    assert "HF_TOKEN is not set" in without.remedy
    assert "HF_TOKEN is set" in given.remedy
    assert "hf_secret" not in given.remedy


def test_every_byte_of_a_pulled_model_is_read(tmp_path: Path) -> None:
    folder = pulled(tmp_path)
    configured = settings(tmp_path, embedder="siglip2-base")
    assert models.check_files(configured, "embedder").status is Status.OK
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)

    result = models.check_files(configured, "embedder")

    assert result.status is Status.FAIL
    assert "model.safetensors" in result.detail
    assert f"komadori models pull google/siglip2-base-patch16-224@{COMMIT} --update" in result.remedy


def test_weights_that_are_cut_short_fail_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(demo_models.path("siglip2-demo"), folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])

    result = look(settings(tmp_path, embedder=str(folder)), "embedder")

    assert result.status is Status.FAIL
    assert "could not be loaded" in result.detail
    assert "Fetch the checkpoint again" in result.remedy


def test_a_folder_that_cannot_be_written_fails_when_something_is_to_be_fetched(tmp_path: Path) -> None:
    locked = settings(tmp_path, models=Path("/proc/models"), segmenter="facebook/sam3")

    assert models.check_models_folder(locked).status is Status.FAIL
    assert models.check_models_folder(locked.model_copy(update={"segmenter": "fake"})).status is Status.WARN


def test_what_is_fetched_already_needs_no_room_any_more(tmp_path: Path) -> None:
    configured = settings(tmp_path, segmenter="facebook/sam3")
    assert "3.45 GB to fetch" in models.check_models_folder(configured).detail
    begun = tmp_path / "models" / "facebook--sam3" / f".{COMMIT}.partial"
    begun.mkdir(parents=True)
    with (begun / "model.safetensors").open("wb") as file:
        file.truncate(3_000_000_000)  # of which nothing lies on the disk

    assert "0.45 GB to fetch" in models.check_models_folder(configured).detail


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that is the embedder of a package outside; the test writes what it does."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[komadori.embedders]\nacme = acme_model:create\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "acme_model.py"


@pytest.mark.parametrize(
    ("program", "said", "remedy"),
    [
        ("import os; os.abort()", "SIGABRT", "accelerator"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "memory", "more memory"),
        ("raise MemoryError('no room')", "memory ran out while loading", "smaller model"),
        ("raise RuntimeError('driver oops')", "RuntimeError: driver oops", "report"),
    ],
)
def test_a_model_that_dies_fails_with_a_remedy(
    program: str, said: str, remedy: str, part: Path, tmp_path: Path
) -> None:
    part.write_text(f"def create(source, **options):\n    {program}\n")

    result = look(settings(tmp_path, embedder="acme"), "embedder")

    assert result.status is Status.FAIL
    assert said in result.detail
    assert remedy in result.remedy


def test_no_room_for_a_second_copy_is_no_fault_of_a_worker_that_has_the_first(
    part: Path, tmp_path: Path
) -> None:
    part.write_text("def create(source, **options):\n    raise MemoryError('no room')\n")
    configured = settings(tmp_path, embedder="acme")
    prepare_home(configured)
    with closing(Sessions(configured.effective_database_url)) as sessions, sessions.write() as session:
        workers.report(session, "a", Queue.SIGLIP, WorkerState.READY, "acme on cuda:0, bfloat16")

    result = look(configured, "embedder")

    assert result.status is Status.WARN
    assert "acme on cuda:0" in result.detail
    assert "stop that worker" in result.remedy


def test_a_model_that_hangs_is_ended_and_its_process_gone(part: Path, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    part.write_text(
        "import os, time\n"
        "def create(source, **options):\n"
        f"    open({str(alive)!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(600)\n"
    )

    with pytest.raises(ModelError, match="still loading the model after 8 s") as raised:
        models.run(settings(tmp_path, embedder="acme"), "embedder", 8)

    assert raised.value.code == "model-hung"
    assert not Path(f"/proc/{alive.read_text()}").exists()


def test_vectors_that_mean_nothing_fail(part: Path, tmp_path: Path) -> None:
    part.write_text(
        "import numpy as np\n"
        "from komadori.core.types import EmbeddingBatch\n"
        "from komadori.ml.embedders import fake\n"
        "class Deaf(fake.FakeEmbedder):\n"
        "    def embed_images(self, images):\n"
        "        vectors = np.zeros((len(images), self.space.dim), np.float32)\n"
        "        vectors[:, 0] = 1\n"
        "        return EmbeddingBatch(vectors, np.arange(len(images)))\n"
        "def create(source, **options):\n"
        "    return Deaf(model_id='deaf', revision='1', batch_size=8)\n"
    )

    result = look(settings(tmp_path, embedder="acme"), "embedder")

    assert result.status is Status.FAIL
    assert "different vectors for different pictures" in result.detail


def test_a_run_waits_for_its_turn_on_the_card(tmp_path: Path) -> None:
    configured = settings(tmp_path, embedder="fake", gpu_lock="shared")
    turns = DeviceTurns(lock_folder(configured.models_dir), "shared", label="siglip")
    found: list[Result] = []
    with turns.turn():
        thread = threading.Thread(target=lambda: found.append(look(configured, "embedder")))
        thread.start()
        wait_until(lambda: _is_asked_for(turns), 60, "a process that waits for its turn")
        assert found == []
    thread.join(60)

    assert found[0].status is Status.OK


def _is_asked_for(turns: DeviceTurns) -> bool:
    return FileLock(turns._next.path).is_held()


def test_a_card_that_is_never_given_back_is_named(tmp_path: Path) -> None:
    configured = settings(tmp_path, embedder="fake", gpu_lock="shared")
    turns = DeviceTurns(lock_folder(configured.models_dir), "shared", label="siglip")

    with turns.turn(), pytest.raises(ModelError) as raised:
        models.run(configured, "embedder", 8)

    assert "A worker holds the card" in raised.value.hint

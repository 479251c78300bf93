"""The checks of the models: their files, the room for what is missing, and a real run of each."""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from komadori import bootstrap
from komadori.core import registry
from komadori.core.errors import DependencyError, KomadoriError, ModelError, from_dict
from komadori.core.types import JsonDict, Queue, WorkerState
from komadori.doctor import child, folders
from komadori.doctor.queues import reported
from komadori.doctor.report import Result, fail, ok, skip, warn
from komadori.ml.catalogue import HubSource, ModelKind, ModelSpec, parse_source, spec_of
from komadori.ml.checkpoints import ModelState, ModelStore
from komadori.ml.manifest import read_manifest
from komadori.settings import Settings

FILES_DEADLINE_S = 300.0
"""For reading every byte: 4.6 GB from a disk that gives 20 MB a second."""

RUN_BUDGETS_S = {"embedder": 180.0, "segmenter": 600.0}
"""For loading and running a model; on a processor a single frame takes SAM 3 a minute or two."""

RUN_DEADLINE_MORE_S = 30.0
"""What the check has beyond its budget, to end the process and to tell how far it came."""

_LITTLE_SPACE_BYTES = 1e9
_KILLED = "killed by the system, as happens when the memory of the machine or the container runs out"


def source_of(settings: Settings, kind: ModelKind) -> str:
    """What the settings name as the model of that kind."""
    return settings.embedder if kind == "embedder" else settings.segmenter


def check_files(settings: Settings, kind: ModelKind) -> Result:
    """Whether every byte of the configured model is here and as it was published.

    A model that is not here is a warning: its worker waits, and everything else works.
    """
    source = source_of(settings, kind)
    part = bootstrap.part_name(f"{kind}s", source)
    if part is not None:
        registry.factory(f"{kind}s", part)
        return ok(f"the registered part {part}, which needs no files of ours")
    store = bootstrap.model_store(settings)
    try:
        model = store.resolve(source)
    except ModelError as missing:
        if missing.code != "model-not-pulled":
            raise
        return warn(missing.message, _with_token(settings, source, missing.hint))
    manifest = read_manifest(model.directory)
    if manifest is None:
        return ok(f"{model.model_id} in {model.directory}, {model.revision[:19]}")
    if damaged := store.verify(str(model.directory)):
        return fail(
            f"{', '.join(damaged)} of {model.model_id} is not what was published",
            f"Run `komadori models pull {model.model_id}@{model.revision} --update`; it fetches only that.",
        )
    spec = spec_of(model.model_id)
    licence = f", {spec.licence}" if spec else ""
    size = f"{manifest.size_bytes / 1e9:.2f} GB with the right checksums"
    return ok(f"{model.model_id}@{model.revision[:12]}, {size}{licence}", bytes=manifest.size_bytes)


def check_models_folder(settings: Settings, kinds: Sequence[ModelKind] = ("embedder", "segmenter")) -> Result:
    """Whether the folder of models can be written, and has room for those of the kinds that are not here."""
    folder = settings.models_dir.absolute()
    existing = folders.nearest(folder)
    wanted = _bytes_to_fetch(settings, kinds)
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1e9:.3g} GB free"
    if wanted:
        detail += f", {wanted / 1e9:.3g} GB to fetch"
    if folders.why_not_writable(existing):
        trouble = f"{detail}; it cannot be written by user {os.getuid()}"
        remedy = (
            f"Make it writable: `chown -R {os.getuid()}:{os.getgid()} {existing}`; or set KOMADORI_MODELS."
        )
        return fail(trouble, remedy) if wanted else warn(trouble, remedy)
    if free < wanted + _LITTLE_SPACE_BYTES:
        remedy = "Free some space there, or set KOMADORI_MODELS to a folder on a larger disk."
        return fail(detail, remedy) if free < wanted else warn(detail, remedy)
    return ok(detail)


def check_run(settings: Settings, kind: ModelKind, *, needs_gpu: bool = False) -> Result:
    """Whether the configured model loads and answers sensibly, on what, how fast and in which memory.

    Args:
        settings: Of the installation.
        kind: Which model.
        needs_gpu: Whether it is a fault when it runs on the processor.
    """
    if (absent := _why_not_to_run(settings, kind)) is not None:
        return absent
    try:
        facts = run(settings, kind, RUN_BUDGETS_S[kind])
    except ModelError as problem:
        if problem.code != "out-of-memory" or (own := _loaded_elsewhere(settings, kind)) is None:
            raise
        return warn(
            f"no room for a second copy, which a measurement takes; the worker has the first: {own}",
            "To measure, stop that worker for the time and look again.",
        )
    detail = _said(facts, kind)
    if needs_gpu and not facts["device"].startswith("cuda"):
        return fail(
            f"{detail}: not on a GPU", "See the checks of the accelerator, and KOMADORI_DEVICE.", **facts
        )
    suited = {"KOMADORI_EMBED_BATCH": str(facts["batch"])} if "batch" in facts else {}
    return replace(ok(detail, **facts), settings=suited)


def run(settings: Settings, kind: ModelKind, budget_s: float) -> JsonDict:
    """What ``model_run`` found out in a process of its own.

    Raises:
        KomadoriError: The model does not load, runs out of memory, crashes, hangs or answers nonsense.
    """
    with tempfile.TemporaryDirectory(prefix="komadori-doctor-") as folder:
        report = Path(folder) / "report.json"
        arguments = [kind, str(report), str(0.8 * budget_s), str(os.getpid())]
        command = [sys.executable, "-m", "komadori.doctor.model_run", *arguments]
        try:
            output = child.run(command, budget_s, _environment(settings))
        except DependencyError as hung:
            raise _hung(_read(report), budget_s) from hung
        said = _read(report)
    if "result" in said and output.status == 0:
        facts: JsonDict = said["result"]
        return facts
    if "error" in said:
        raise from_dict(said["error"])
    raise _crashed(said, output)


def _why_not_to_run(settings: Settings, kind: ModelKind) -> Result | None:
    source = source_of(settings, kind)
    if bootstrap.part_name(f"{kind}s", source) is not None:
        return None
    try:
        bootstrap.model_store(settings).resolve(source)
    except ModelError as missing:
        if missing.code == "model-not-pulled":
            return skip("the model is not here")
        raise
    if find_spec("torch") is None:
        return skip("torch is not installed here; the image of its worker has it")
    return None


def _loaded_elsewhere(settings: Settings, kind: ModelKind) -> str | None:
    """What a worker says that has the model loaded, if one does."""
    queue = Queue.SIGLIP if kind == "embedder" else Queue.SAM3
    ready = [worker for worker in reported(settings) if worker.state == WorkerState.READY]
    return next((worker.detail for worker in ready if worker.queue == queue), None)


def _environment(settings: Settings) -> dict[str, str]:
    """What a worker would see, with the network shut for the libraries."""
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    return {**quiet, **os.environ, **settings.environment()}


def _read(report: Path) -> JsonDict:
    try:
        said: JsonDict = json.loads(report.read_text("utf-8"))
    except (OSError, ValueError):
        return {"phase": "starting"}
    return said


def _hung(said: JsonDict, budget_s: float) -> KomadoriError:
    phase = said.get("phase", "ending")
    hint = (
        "A worker holds the card: see its log, or stop it and look again."
        if "turn on the card" in phase
        else "Stop what else uses the device, or set KOMADORI_DEVICE=cpu; a card that hangs for all needs a "
        "restart of the machine."
    )
    return ModelError(
        f"The model was still {phase} after {budget_s:g} s and was ended.", hint=hint, code="model-hung"
    )


def _crashed(said: JsonDict, output: child.Output) -> KomadoriError:
    phase = said.get("phase", "ending")
    if output.status == -signal.SIGKILL:
        how, hint = _KILLED, "Give it more memory (mem_limit in the compose file), or take a smaller model."
    elif output.status < 0:
        how = f"ended by {signal.Signals(-output.status).name}: {output.last_line}"
        hint = "The libraries do not fit this machine: see the checks of the accelerator; then install again."
    else:
        how = f"ended with status {output.status}: {output.last_line}"
        hint = "Install the packages of this worker again."
    return ModelError(f"The process of the model, {phase}, was {how}.", hint=hint, code="model-crashed")


def _said(facts: JsonDict, kind: ModelKind) -> str:
    """The measured facts as a line or two."""
    memory = f"peak {facts['peak_bytes'] / 1e9:.2f} GB"
    if facts.get("room_bytes"):
        memory += f" of {facts['room_bytes'] / 1e9:.1f} GB"
    device = f"{facts['device']} ({facts['device_name']})"
    detail = f"{facts['model']} on {device}, loaded in {facts['load_s']:.1f} s"
    if kind == "embedder":
        return f"{detail}; batch {facts['batch']}: {facts['ms_per_image']:.3g} ms a picture, {memory}"
    parts = [
        f"{cost['n_prompts']} prompts: {cost['ms_per_image']:.0f} ms a frame, peak "
        f"{cost['peak_bytes'] / 1e9:.2f} GB"
        for cost in facts.get("prompts", [])
    ]
    return f"{detail}; " + (
        "; ".join(parts) or f"{facts['ms_per_image']:.0f} ms for the first frames, {memory}"
    )


def _bytes_to_fetch(settings: Settings, kinds: Sequence[ModelKind]) -> int:
    """Roughly how much the downloads of the configured models still take, without what is fetched already."""
    store = bootstrap.model_store(settings)
    begun = [status for status in store.list() if status.state is ModelState.PARTIAL]
    fetched = {status.model_id: status.size_bytes for status in begun}
    wanted = 0
    for kind in kinds:
        source = source_of(settings, kind)
        if bootstrap.part_name(f"{kind}s", source) is None and not _is_here(store, source):
            spec = _spec_on_hub(source)
            wanted += max(0, spec.approx_bytes - fetched.get(spec.model_id, 0)) if spec else 0
    return wanted


def _spec_on_hub(source: str) -> ModelSpec | None:
    parsed = parse_source(source)
    return spec_of(parsed.model_id) if isinstance(parsed, HubSource) else None


def _is_here(store: ModelStore, source: str) -> bool:
    try:
        store.resolve(source)
    except ModelError:
        return False
    return True


def _with_token(settings: Settings, source: str, hint: str) -> str:
    """The remedy for a missing model, with what stands in the way of fetching it."""
    spec = _spec_on_hub(source)
    if spec is None or not spec.is_gated or settings.offline:
        return hint
    accept = f"The licence ({spec.licence}) is accepted at {settings.hub_url.rstrip('/')}/{spec.model_id}."
    token = "HF_TOKEN is not set." if settings.effective_hub_token is None else "HF_TOKEN is set."
    return f"{hint} {accept} {token}"

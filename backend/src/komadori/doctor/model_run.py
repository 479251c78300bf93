"""Loads the configured model, runs it for real, and measures it: a program of its own.

``python -m komadori.doctor.model_run KIND REPORT BUDGET_S PARENT`` reads the settings from its
environment, as a worker does. It is a process apart so that a crash, a full card or a hang hurts
nobody, and so that all memory is given back at its end. What it is about, and at the end what it
found, is in the file REPORT, since libraries print what they like.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from komadori import bootstrap
from komadori.core.device_turns import DeviceTurns, Turns
from komadori.core.errors import KomadoriError, ModelError, to_dict
from komadori.core.orphans import die_with_parent
from komadori.core.types import ConceptPrompt, Detections, Image, JsonDict
from komadori.ml.cards import open_card
from komadori.ml.device_memory import DeviceMemory, is_out_of_memory, memory_of
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.ml.segmenters.base import ConceptSegmenter
from komadori.ml.turn_taking import loading_in_turn
from komadori.settings import Settings

LARGEST_BATCH = 256
LARGEST_CPU_BATCH = 8
"""A processor gains nothing from more, see ``BATCH_SIZES`` of the SigLIP 2 adapter."""

SHARE_OF_FREE = 0.8
"""How much of the free memory of a card a batch may take: others come and go on it."""

MANY_PROMPTS = 16
FRAME_HW = (720, 1280)

Part = TypeVar("Part", ImageTextEmbedder, ConceptSegmenter)

_ROUNDS = 3
_MEASURING_S = 30.0
"""A model that is too slow to be measured in that time is measured once, or by its first run."""

_WORDS = "car bus dog cat tree person ball boat train horse bird chair table lamp bottle clock".split()  # noqa: SIM905


@dataclass(slots=True)
class Report:
    """The file that the parent reads, and how much time is left."""

    path: Path
    ends_s: float

    def phase(self, what: str) -> None:
        """Say what is being done, so that a hang or a crash can be told by it."""
        self._write({"phase": what})

    def result(self, facts: JsonDict) -> None:
        """Say what was found."""
        self._write({"result": facts})

    def error(self, error: Exception) -> None:
        """Say why nothing was found."""
        self._write({"error": to_dict(error)})

    def limit(self, seconds: float) -> None:
        """Leave no more time than that from now on."""
        self.ends_s = min(self.ends_s, time.monotonic() + seconds)

    def has_time(self, needed_s: float) -> bool:
        """Whether something that takes so long can still be done."""
        return time.monotonic() + needed_s < self.ends_s

    def _write(self, data: JsonDict) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(data), "utf-8")
        beside.replace(self.path)


def run_embedder(settings: Settings, report: Report) -> JsonDict:
    """Facts of the embedder: its vectors are sound, and what a batch of each size costs."""
    settings = settings.model_copy(update={"embed_batch": LARGEST_BATCH})  # of which a pass takes what comes
    settings, turns = _on_card(settings)
    embedder, facts = _loaded(bootstrap.load_embedder, settings, turns, report)
    memory = memory_of(embedder.device_name)
    with _turn(turns, report, "embedding pictures and texts"):
        started_s = time.monotonic()
        check_embedder(embedder)
        first_s = time.monotonic() - started_s
    report.limit(_MEASURING_S)
    is_card = memory.available() is not None
    limit = LARGEST_BATCH if is_card else LARGEST_CPU_BATCH
    largest = min(embedder.batch_size, limit, settings.embed_chunk_frames)  # a worker has no more at once
    batches = _measure_batches(embedder, memory, turns, report, largest=largest, guess_s=first_s)
    best = batches[-1] if is_card else min(batches, key=lambda batch: batch["ms_per_image"])
    space = embedder.space
    identity = {"model": space.model_id, "revision": space.revision, "dim": space.dim}
    return {**identity, **facts, **best, "batches": batches}


def run_segmenter(settings: Settings, report: Report) -> JsonDict:
    """Facts of the segmenter: its detections are sound, and what few and many prompts cost."""
    settings, turns = _on_card(settings)
    segmenter, facts = _loaded(bootstrap.load_segmenter, settings, turns, report)
    memory = memory_of(segmenter.device_name)
    with _turn(turns, report, "segmenting a picture"):
        memory.forget_peak()
        started_s = time.monotonic()
        check_segmenter(segmenter)
        first_s = time.monotonic() - started_s
    report.limit(_MEASURING_S)
    facts |= {"model": segmenter.model_id, "revision": segmenter.model_revision}
    costs = [
        _measure_prompts(segmenter, memory, turns, report, n_prompts)
        for n_prompts in (1, MANY_PROMPTS)
        if report.has_time(first_s * (1 + n_prompts / 4))
    ]
    if not costs:
        return {**facts, "ms_per_image": round(first_s * 1000, 1), "peak_bytes": memory.peak().used}
    return {**facts, **costs[0], "prompts": costs}


def check_embedder(embedder: ImageTextEmbedder) -> None:
    """Check that vectors are those of their inputs: alike for the same, different for others.

    Raises:
        ModelError: They are not.
    """
    one, other = frames(2)
    together, alone = embedder.embed_images([one, other, one]), embedder.embed_images([one])
    texts = embedder.embed_texts(["a red car", "a tree in the snow", "a red car"])
    for batch, what in ((together, "pictures"), (texts, "texts")):
        if batch.vectors.shape != (3, embedder.space.dim):
            raise _unsound(f"3 vectors of {embedder.space.dim} values for 3 {what}", str(batch.vectors.shape))
        same, unlike = batch.vectors[0] @ batch.vectors[2], batch.vectors[0] @ batch.vectors[1]
        if same < 0.999:
            raise _unsound(f"the same vector for the same of the {what}", f"a cosine of {same:.4f}")
        if unlike > 0.999999:
            raise _unsound(f"different vectors for different {what}", f"a cosine of {unlike:.7f}")
    likeness = together.vectors[0] @ alone.vectors[0]
    if likeness < 0.99:
        raise _unsound("the same vector alone as among others", f"a cosine of {likeness:.4f}")


def check_segmenter(segmenter: ConceptSegmenter) -> None:
    """Check that detections have the shapes and ranges of the port, and come again for the same picture.

    No threshold leaves anything out, so that a model may know nothing of what is in the picture.

    Raises:
        ModelError: They do not.
    """
    (frame,) = frames(1)
    prompts = [ConceptPrompt("red", "a red square"), ConceptPrompt("blue", "a blue square")]
    found, again = (
        segmenter.segment([frame], prompts, score_threshold=0.0, mask_threshold=0.0)[0] for _ in range(2)
    )
    if len(found) != len(prompts) or not any(len(detections) for detections in found):
        raise _unsound("detections when none is left out", f"{[len(detections) for detections in found]}")
    for first, second in zip(found, again, strict=True):
        _check_detections(first, frame.shape[:2])
        if len(first) != len(second) or not np.allclose(first.confidence, second.confidence, atol=0.02):
            raise _unsound("the same detections for the same picture", f"{len(first)} and {len(second)}")


def _check_detections(detections: Detections, size_hw: tuple[int, ...]) -> None:
    height, width = size_hw
    limits = np.array([width, height, width, height], np.float32)
    boxes, confidence = detections.xyxy, detections.confidence
    if not (np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= limits).all()):
        raise _unsound(f"boxes within {width} x {height} pixels", f"{boxes.tolist()[:3]}")
    if not ((confidence >= 0).all() and (confidence <= 1).all()):
        raise _unsound("confidences from 0 to 1", f"{confidence.tolist()[:3]}")
    sizes = {mask.size_hw for mask in detections.masks or []}
    if len(detections.masks or []) != len(detections) or sizes - {(height, width)}:
        raise _unsound(
            f"a mask of {height} x {width} for each box", f"{len(detections)} boxes, masks of {sizes}"
        )


def frames(n: int, seed: int = 0) -> list[Image]:
    """N different frames with coloured squares and grain, the same for the same seed."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        coarse = rng.integers(0, 256, (FRAME_HW[0] // 80, FRAME_HW[1] // 80, 3), np.uint8)
        frame = coarse.repeat(80, 0).repeat(80, 1)
        frame[240:480, 160:400], frame[240:480, 800:1040] = (220, 30, 30), (30, 60, 220)
        made.append(frame ^ rng.integers(0, 8, frame.shape, np.uint8))
    return made


def _measure_batches(
    embedder: ImageTextEmbedder,
    memory: DeviceMemory,
    turns: Turns,
    report: Report,
    *,
    largest: int,
    guess_s: float,
) -> list[JsonDict]:
    """The costs of batches of 1, 2, 4, ... pictures, as far as memory and time go; of 1 in any case.

    Raises:
        ModelError: Not even a single picture goes.
    """
    pictures, costs, expected_s = frames(8), list[JsonDict](), guess_s
    n = 1
    while n <= largest and (not costs or report.has_time(expected_s)):
        batch = (pictures * -(-n // len(pictures)))[:n]
        with _turn(turns, report, f"embedding {n} pictures at once"):
            memory.forget_peak()
            room = memory.available()
            try:
                taken_s = _median_s(lambda given=batch: embedder.embed_images(given), report)  # type: ignore[misc]
            except Exception as exc:
                if not is_out_of_memory(exc) or not costs:
                    raise
                memory.forget_peak()
                break
            peak = memory.peak()
        if room is not None and costs and peak.taken > SHARE_OF_FREE * room:
            break
        ms = round(taken_s * 1000 / n, 3)
        costs.append({"batch": n, "ms_per_image": ms, "peak_bytes": peak.used, "room_bytes": room})
        n, expected_s = 2 * n, 2 * taken_s * (_ROUNDS + 1)
    return costs


def _measure_prompts(
    segmenter: ConceptSegmenter, memory: DeviceMemory, turns: Turns, report: Report, n_prompts: int
) -> JsonDict:
    """What a frame that is new costs with P prompts whose texts are known."""
    prompts = [ConceptPrompt(word, word) for word in _WORDS[:n_prompts]]
    fresh = iter(frames(_ROUNDS + 1, seed=n_prompts))
    with _turn(turns, report, f"segmenting with {n_prompts} prompts"):
        memory.forget_peak()
        taken_s = _median_s(
            lambda: segmenter.segment([next(fresh)], prompts, score_threshold=0.5, mask_threshold=0.5), report
        )
        peak = memory.peak()
    return {
        "n_prompts": n_prompts,
        "ms_per_image": round(taken_s * 1000, 1),
        "prompts_per_s": round(n_prompts / taken_s, 2),
        "peak_bytes": peak.used,
        "room_bytes": memory.available(),
    }


def _median_s(action: Callable[[], object], report: Report) -> float:
    """Seconds of a call: the median of three after one that warms up, of fewer when time is short."""
    taken: list[float] = []
    while len(taken) <= _ROUNDS and (not taken or report.has_time(taken[-1])):
        started_s = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started_s)
    return statistics.median(taken[1:] or taken)


def _loaded(
    load: Callable[[Settings], Part], settings: Settings, turns: Turns, report: Report
) -> tuple[Part, JsonDict]:
    """The model, and how long that took; its weights go to the card when its turn has come."""
    report.phase(
        "loading the model" + " and waiting for its turn on the card" * isinstance(turns, DeviceTurns)
    )
    started_s = time.monotonic()
    with loading_in_turn(turns):
        part = load(settings)
    facts = {"device": part.device_name, "load_s": round(time.monotonic() - started_s, 2)}
    return part, facts | {"device_name": memory_of(part.device_name).name}


@contextmanager
def _turn(turns: Turns, report: Report, what: str) -> Iterator[None]:
    """Have the card for a block, and say so; a worker may have it for as long as its chunk takes."""
    if isinstance(turns, DeviceTurns):
        report.phase(f"waiting for its turn on the card for {what}")
    with turns.turn():
        report.phase(what)
        yield


def _on_card(settings: Settings) -> tuple[Settings, Turns]:
    """The settings with the card that fewest workers sit on, and its turns, which they take too."""
    card = open_card(settings.device, settings.gpu_lock, settings.models_dir, "doctor")
    return settings.model_copy(update={"device": card.device}), card.turns


def _unsound(expected: str, got: str) -> ModelError:
    return ModelError(
        f"Expected {expected}, got {got}.",
        hint="Fetch the model again with `komadori models pull NAME --update`; when that does not help, "
        "the driver or the card computes wrongly: see the checks of the accelerator.",
        code="unsound-model",
    )


def _explained(error: Exception, phase: str) -> KomadoriError:
    """Any error as one of ours."""
    if isinstance(error, KomadoriError) and not is_out_of_memory(error):
        return error
    if is_out_of_memory(error):
        return ModelError(
            f"The memory ran out while {phase}: {str(error).splitlines()[0]}",
            hint="Free the card (`nvidia-smi` lists who uses it), use another by KOMADORI_SIGLIP_GPU or "
            "KOMADORI_SAM3_GPU, or take a smaller model.",
            code="out-of-memory",
        )
    return ModelError(
        f"The model failed while {phase}: {type(error).__name__}: {error}",
        hint="See the trace above; report it with the output of `komadori doctor --json`.",
        code="model-failed",
    )


def main(arguments: Sequence[str]) -> None:
    """Run one kind of model."""
    kind, path, budget_s, parent = arguments
    die_with_parent(int(parent))
    report = Report(Path(path), time.monotonic() + float(budget_s))
    report.phase("starting")
    settings = Settings()
    programs: dict[str, Callable[[Settings, Report], dict[str, Any]]] = {
        "embedder": run_embedder,
        "segmenter": run_segmenter,
    }
    try:
        report.result(programs[kind](settings, report))
    except Exception as error:
        phase = json.loads(report.path.read_text("utf-8")).get("phase", "running")
        report.error(_explained(error, phase))
        raise


if __name__ == "__main__":
    main(sys.argv[1:])

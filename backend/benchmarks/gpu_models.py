"""Full-size models through our adapters: images per second and peak memory.

    python benchmarks/gpu_models.py                 all on a card; on a processor the smallest alone
    python benchmarks/gpu_models.py --model sam3    one of them, wherever it runs

The architectures are those of google/siglip2-base-patch16-224, google/siglip2-so400m-patch14-384 and
facebook/sam3; the weights are random, which changes neither the work nor the memory (but for masks,
which are as ragged as noise). Each is saved as a checkpoint into a temporary folder, and loaded and
run by the adapter as a worker does, in a process of its own. The card is used when torch has one, else
the processor.

An image is a decoded frame of 1280 x 720 in memory; preparing it is part of the time. Frames per second
come from the median of several calls after one that warms up. Peak memory is torch's own count on a
card (allocated, and reserved with what it keeps for later), and the resident size of the process on a
processor. The result is written to ``results/gpu_models-<device>.json``.
"""

import argparse
import json
import multiprocessing
import os
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from komadori.core.types import ConceptPrompt
from komadori.doctor.model_run import frames
from komadori.ml.device_memory import is_out_of_memory, memory_of

RESULTS = Path(__file__).parent / "results"
BATCHES = (1, 8, 32, 64, 128, 256)
CPU_BATCHES = (1, 8)
PROMPTS = (1, 4, 16)
CALLS = 5
LONG_S = 20.0
"""A model whose call takes longer is measured by fewer calls."""

WORDS = "car bus dog cat tree person ball boat train horse bird chair table lamp bottle clock".split()  # noqa: SIM905


def siglip2(folder: Path, vision: dict[str, int], text: dict[str, int]) -> None:
    """A fixed-resolution SigLIP 2 checkpoint with random weights, float32."""
    from komadori import demo_models
    from komadori.ml import torchvision_shim

    torchvision_shim.install()
    import torch
    from transformers import AutoTokenizer, SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(demo_models.path("siglip2-demo"))
    words = {"vocab_size": 256_000, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    SiglipModel(SiglipConfig(text_config=words | text, vision_config=vision)).save_pretrained(folder)
    side = vision["image_size"]
    images = SiglipImageProcessor(size={"height": side, "width": side}, resample=2)
    SiglipProcessor(images, tokenizer).save_pretrained(folder)


def base_224(folder: Path) -> None:
    """google/siglip2-base-patch16-224: 375 M parameters."""
    siglip2(folder, {"image_size": 224, "patch_size": 16}, {})


def so400m_384(folder: Path) -> None:
    """google/siglip2-so400m-patch14-384: 1136 M parameters."""
    shape = {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
    }
    siglip2(folder, {"image_size": 384, "patch_size": 14, **shape}, {"projection_size": 1152, **shape})


def sam3(folder: Path) -> None:
    """facebook/sam3 without its tracker: 840 M parameters."""
    from komadori import demo_models
    from komadori.ml import torchvision_shim

    torchvision_shim.install()
    import torch
    from transformers import Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    torch.manual_seed(0)
    Sam3Model(Sam3Config()).save_pretrained(folder)
    tokenizer = Sam3Processor.from_pretrained(demo_models.path("sam3-demo")).tokenizer
    Sam3Processor(Sam3ImageProcessor(size={"height": 1008, "width": 1008}), tokenizer).save_pretrained(folder)


def measure_embedder(folder: Path, device: str) -> dict[str, Any]:
    """Batches of the embedder, each as one pass."""
    from komadori.ml.embedders.siglip2 import create

    started_s = time.perf_counter()
    embedder = create(folder, revision="random", device=device, batch_size=max(BATCHES))
    load_s = time.perf_counter() - started_s
    memory = memory_of(embedder.device_name)
    is_card = memory.available() is not None
    pictures = frames(8)
    rows = []
    for n in BATCHES if is_card else CPU_BATCHES:
        batch = (pictures * -(-n // len(pictures)))[:n]
        row = measured(lambda given=batch: embedder.embed_images(given), n, memory)  # type: ignore[misc]
        rows.append({"batch": n, **row})
        if "out_of_memory" in row:
            break
    texts = measured(lambda: embedder.embed_texts(["a small dog near a tree"]), 1, memory)
    return {
        "device": embedder.device_name,
        "card": memory.name,
        "load_s": round(load_s, 2),
        "images": rows,
        "query": texts,
    }


def measure_segmenter(folder: Path, device: str) -> dict[str, Any]:
    """New frames with few and many prompts; images per forward are one by design."""
    from komadori.ml.segmenters.sam3 import create

    started_s = time.perf_counter()
    segmenter: Any = create(folder, revision="random", device=device)
    load_s = time.perf_counter() - started_s
    memory = memory_of(segmenter.device_name)
    rows = []
    for n_prompts in PROMPTS:
        prompts = [ConceptPrompt(word, word) for word in WORDS[:n_prompts]]
        fresh = iter(frames(CALLS + 1, seed=n_prompts))
        row = measured(
            lambda new=fresh, asked=prompts: segmenter.segment(  # type: ignore[misc]
                [next(new)], asked, score_threshold=0.5, mask_threshold=0.5
            ),
            1,
            memory,
        )
        rows.append({"prompts": n_prompts, **row})
        if "out_of_memory" in row:
            break
    return {
        "device": segmenter.device_name,
        "card": memory.name,
        "load_s": round(load_s, 2),
        "prompts_per_pass": segmenter.prompts_per_pass,
        "images": rows,
    }


def measured(action: Callable[[], object], n_items: int, memory: Any) -> dict[str, Any]:
    """Items per second and peak memory of a call that takes N items."""
    memory.forget_peak()
    taken: list[float] = []
    try:
        while len(taken) <= CALLS and (len(taken) < 2 or sum(taken) < LONG_S):
            started_s = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started_s)
    except Exception as exc:
        if not is_out_of_memory(exc):
            raise
        return {"out_of_memory": str(exc).splitlines()[0]}
    call_s, peak = statistics.median(taken[1:]), memory.peak()
    return {
        "per_s": round(n_items / call_s, 2),
        "ms_per_call": round(call_s * 1000, 2),
        "calls": len(taken) - 1,
        "peak_gb": round(peak.used / 1e9, 3),
        "peak_reserved_gb": round(peak.taken / 1e9, 3),
    }


Make = Callable[[Path], None]
Measure = Callable[[Path, str], dict[str, Any]]

MODELS: dict[str, tuple[Make, Measure]] = {
    "siglip2-base-patch16-224": (base_224, measure_embedder),
    "siglip2-so400m-patch14-384": (so400m_384, measure_embedder),
    "sam3": (sam3, measure_segmenter),
}

CPU_MODELS = ("siglip2-base-patch16-224",)
"""The others take a processor minutes for a frame; they run when they are named."""


def apart(step: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own, whose memory is gone afterwards."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_put, args=(answers, step, arguments))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{step.__name__} ended with status {process.exitcode}")
    return answers.get()


def machine() -> dict[str, Any]:
    """What ran this, and with which libraries."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "numpy")},
    }


def card_of(device: str) -> dict[str, Any]:
    """What torch says of the device asked for."""
    import torch

    if device == "cpu" or not torch.cuda.is_available():
        return {"name": "cpu", "cuda": None}
    card = torch.cuda.get_device_properties(int(device.partition(":")[2] or 0))
    return {
        "name": card.name,
        "cuda": torch.version.cuda,
        "compute_capability": f"{card.major}.{card.minor}",
        "memory_gb": round(card.total_memory / 1e9, 1),
    }


def main() -> None:
    """Measure the models asked for and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", choices=MODELS, help="may be repeated")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the result")
    arguments = parser.parse_args()
    device: dict[str, Any] = apart(card_of, arguments.device)
    report: dict[str, Any] = {
        "what": "full-size architectures with random weights through our adapters, frames of 1280 x 720",
        "device": device,
        "machine": machine(),
        "models": {},
    }
    for name in arguments.model or (MODELS if device["cuda"] else CPU_MODELS):
        make, measure = MODELS[name]
        with tempfile.TemporaryDirectory() as folder:
            apart(make, Path(folder))
            report["models"][name] = apart(measure, Path(folder), arguments.device)
        print(json.dumps({name: report["models"][name]}, indent=2), flush=True)
    label = re.sub(r"[^a-z0-9]+", "-", device["name"].lower()).strip("-")
    arguments.results.mkdir(exist_ok=True)
    (arguments.results / f"gpu_models-{label}.json").write_text(json.dumps(report, indent=2) + "\n")


def _put(answers: Any, step: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    answers.put(step(*arguments))


if __name__ == "__main__":
    main()

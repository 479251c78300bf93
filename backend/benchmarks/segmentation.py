"""SAM 3 with many prompts on a frame against as many plain calls, in one run.

    python benchmarks/segmentation.py            a smaller vision encoder, a minute; printed only
    python benchmarks/segmentation.py --full     the architecture of facebook/sam3, 8 CPU minutes, 3 GB

A plain call is what the documentation of transformers shows: ``Sam3Processor`` on a frame and a
text, ``Sam3Model``, ``post_process_instance_segmentation``. Ours is one call of the adapter with P
prompts on a frame that it has not seen, with texts that it has not seen. Both begin with the decoded
frame and end with masks in its size (ours as run lengths); the score threshold is set so that
about ten objects of each prompt are kept, duplicates included, on both sides.

P plain calls are P times the fastest of those that were timed, of which there are ``PLAIN_CALLS``.
The weights are random, which changes no cost but that of the masks: they are as ragged as noise.
CPU seconds of one thread count, so that a busy machine does not change the ratios. Memory is the
peak of the process during the call, the weights included. The full result is written to
``segmentation.json``.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from komadori import demo_models
from komadori.core.types import ConceptPrompt, Image
from komadori.ml import torchvision_shim
from komadori.ml.segmenters.sam3 import Sam3Segmenter
from komadori.ml.torch_runtime import choose_runtime

torchvision_shim.install()

from transformers import AutoModel, Sam3Config, Sam3ImageProcessor, Sam3Processor  # noqa: E402

FRAME_HW = (1080, 1920)
PROMPT_COUNTS = (1, 4, 16)
PLAIN_CALLS = 2
KEPT_PER_PROMPT = 10

WORDS = "car bus dog cat tree person ball boat train horse bird chair table lamp bottle clock".split()  # noqa: SIM905

Found = Any


@dataclass(frozen=True)
class Cost:
    """What a call took."""

    cpu_s: float
    wall_s: float
    peak_gb: float | None

    def as_json(self) -> dict[str, float | None]:
        """Rounded, by name."""
        peak_gb = None if self.peak_gb is None else round(self.peak_gb, 2)
        return {"cpu_s": round(self.cpu_s, 3), "wall_s": round(self.wall_s, 3), "peak_gb": peak_gb}


def cost_of(action: Callable[[], object]) -> Cost:
    """CPU and wall seconds of one call, and the peak of the process's memory meanwhile."""
    can_reset = _reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu_s, wall_s, _peak_gb() if can_reset else None)


def full_config() -> Sam3Config:
    """The architecture of facebook/sam3."""
    return Sam3Config()


def reduced_config() -> Sam3Config:
    """A quarter of the pixels and a fifth of the layers' width and number; the prompt head is whole."""
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 512,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 8,
        "image_size": 504,
        "window_size": 12,
        "global_attn_indexes": [3, 7, 11],
    }
    text = {
        "model_type": "clip_text_model",
        "hidden_size": 512,
        "intermediate_size": 1024,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "max_position_embeddings": 32,
    }
    sizes = [[144, 144], [72, 72], [36, 36]]
    return Sam3Config(
        vision_config={"backbone_config": backbone, "backbone_feature_sizes": sizes}, text_config=text
    )


class Bench:
    """One model, called in both ways."""

    def __init__(self, config: Sam3Config, threads: int) -> None:
        torch.manual_seed(0)
        self.runtime = choose_runtime("cpu", threads=threads)
        self.model = AutoModel.from_config(config, dtype=self.runtime.dtype).eval().requires_grad_(False)
        side = config.vision_config.backbone_config.image_size
        images = Sam3ImageProcessor(size={"height": side, "width": side})
        tokenizer = Sam3Processor.from_pretrained(demo_models.path("sam3-demo")).tokenizer
        self.processor = Sam3Processor(images, tokenizer)
        self.threshold = 0.0
        self._seed = 0

    def frame(self) -> Image:
        """A frame that has not been there before."""
        self._seed += 1
        shape = (FRAME_HW[0] // 8, FRAME_HW[1] // 8, 3)
        coarse = np.random.default_rng(self._seed).integers(0, 256, shape, dtype=np.uint8)
        return coarse.repeat(8, axis=0).repeat(8, axis=1)

    def plain(self, image: Image, text: str) -> Found:
        """One image, one prompt, as documented."""
        inputs = self.processor(images=image, text=text, return_tensors="pt").to(self.runtime.dtype)
        with torch.inference_mode():
            outputs = self.model(**inputs)
        [found] = self.processor.post_process_instance_segmentation(
            outputs, threshold=self.threshold, mask_threshold=0.5, target_sizes=[image.shape[:2]]
        )
        return found

    def set_threshold(self) -> None:
        """Let the wanted number of objects pass, judging by one plain call on a small frame."""
        scores = self.plain(self.frame()[::8, ::8], WORDS[0])["scores"]
        best = scores.float().sort(descending=True).values
        self.threshold = float((best[KEPT_PER_PROMPT - 1] + best[KEPT_PER_PROMPT]) / 2)

    def segmenter(self) -> Sam3Segmenter:
        """The adapter, with nothing encoded yet; from here on the model is no longer the plain one."""
        return Sam3Segmenter(
            self.model,
            self.processor,
            self.runtime,
            model_id="random",
            model_revision="0",
            duplicate_iou=None,
        )

    def ours(self, segmenter: Sam3Segmenter, image: Image, n_prompts: int) -> list[int]:
        """How many objects each of P prompts found in one call of the adapter."""
        prompts = [ConceptPrompt(text, text) for text in WORDS[:n_prompts]]
        [found] = segmenter.segment([image], prompts, score_threshold=self.threshold, mask_threshold=0.5)
        return [len(detections) for detections in found]


def measure(bench: Bench) -> dict[str, Any]:
    """The costs of both ways, and their ratios."""
    bench.set_threshold()
    plain_frame = bench.frame()
    plain = [cost_of(lambda i=i: bench.plain(plain_frame, WORDS[i])) for i in range(PLAIN_CALLS)]  # type: ignore[misc]
    one_call_s = min(cost.cpu_s for cost in plain)
    ours: dict[int, Cost] = {}
    kept: list[int] = []
    for n_prompts in PROMPT_COUNTS:
        segmenter, image = bench.segmenter(), bench.frame()
        ours[n_prompts] = cost_of(lambda s=segmenter, i=image, n=n_prompts: kept.extend(bench.ours(s, i, n)))  # type: ignore[misc]
    again = cost_of(lambda: bench.ours(segmenter, image, 1))
    few, many = PROMPT_COUNTS[-2:]
    per_prompt_s = (ours[many].cpu_s - ours[few].cpu_s) / (many - few)
    return {
        "plain_call": [cost.as_json() for cost in plain],
        "ours": {
            str(n): {**cost.as_json(), "times_faster": round(n * one_call_s / cost.cpu_s, 2)}
            for n, cost in ours.items()
        },
        "another_prompt_on_the_same_frame": {
            **again.as_json(),
            "times_faster": round(one_call_s / again.cpu_s, 2),
        },
        "cpu_s_per_prompt": round(per_prompt_s, 3),
        "cpu_s_per_frame": round(ours[many].cpu_s - many * per_prompt_s, 3),
        "prompts_per_pass": segmenter.prompts_per_pass,
        "objects_kept_per_prompt": round(float(np.mean(kept)), 1),
    }


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="the architecture of facebook/sam3")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    bench = Bench(full_config() if arguments.full else reduced_config(), arguments.threads)
    result = {
        "what": "SAM 3 with P prompts on a 1080p frame: the adapter against P plain calls, CPU seconds",
        "model": "facebook/sam3's architecture" if arguments.full else "a reduced vision encoder",
        "weights": "random",
        "parameters_millions": round(sum(p.numel() for p in bench.model.parameters()) / 1e6, 1),
        "device": bench.runtime.name,
        "threads": arguments.threads,
        "machine": {"processor": _processor(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("torch", "torchvision", "transformers", "numpy")},
        **measure(bench),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.full:
        Path(__file__).with_suffix(".json").write_text(text + "\n")


def _reset_peak() -> bool:
    """Forget the peak of this process's memory; only Linux can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _peak_gb() -> float:
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) * 1024 / 1e9


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()

"""Embedding frames against the plain transformers loop, in one run: ``python benchmarks/embedding.py``.

The plain loop is what the documentation of transformers shows: ``AutoProcessor`` and
``SiglipModel.get_image_features`` in float32, one frame at a time. Ours is ``embed_images`` of the
adapter, with OpenVINO and with torch. Both begin with decoded frames of 1280 x 720 and end with
vectors on the same checkpoint: the architecture of google/siglip2-base-patch16-224 with random
weights, 1.5 GB, written to a temporary folder.

Each way runs in a process of its own, so that peak memory is its own (the highest resident size,
libraries and weights included); they take turns frame batch by frame batch, and a ratio is the median
of the ratios of the rounds. CPU seconds of all threads count, because a busy machine does not change
them much; wall time is stated beside them. Each way has one thread unless told otherwise: on a busy
machine the plain loop's threads spend much time waiting for each other, which would flatter us. The
result is written to ``embedding.json``.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_FRAMES = 16
ROUNDS = 5
WAYS = ("plain", "openvino", "torch")

Frames = list[NDArray[np.uint8]]
Vectors = NDArray[np.float32]
Embed = Callable[[Frames], Vectors]


def main() -> None:
    """Run all ways in turn and write the figures, or serve one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.folder, arguments.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), arguments.threads)
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text)


def measure(folder: Path, threads: int) -> dict[str, Any]:
    """All figures, with the checkpoint and the converted model in ``folder``."""
    run_apart(
        "import pathlib; from benchmarks import embedding; embedding.make_checkpoint(pathlib.Path(%r))",
        folder,
    )
    first = Server("openvino", folder, threads)  # converts; what it needed is stated as the first start
    converting = first.facts
    first.stop()
    servers = {way: Server(way, folder, threads) for way in WAYS}
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, server in servers.items():
            rounds[way].append(server.ask("embed"))
    peaks = {way: server.ask("memory")["peak_rss_gb"] for way, server in servers.items()}
    texts = servers["openvino"].ask("texts")
    reference = np.load(folder / "plain.npy")
    report: dict[str, Any] = {"machine": machine(threads), "n_frames": N_FRAMES, "rounds": ROUNDS}
    for way, server in servers.items():
        taken = rounds[way]
        vectors = np.load(folder / f"{way}.npy")
        report[way] = {
            "device": server.facts["device"],
            "start_s": server.facts["start_s"],
            "cpu_s_per_frame": median(turn["cpu_s"] / N_FRAMES for turn in taken),
            "wall_s_per_frame": median(turn["wall_s"] / N_FRAMES for turn in taken),
            "times_faster_cpu": ratio(rounds["plain"], taken, "cpu_s"),
            "times_faster_wall": ratio(rounds["plain"], taken, "wall_s"),
            "lowest_cosine": round(float((vectors * reference).sum(axis=1).min()), 6),
            "peak_rss_gb": round(peaks[way], 2),
        }
        server.stop()
    report["openvino"]["first_start_s"] = converting["start_s"]
    report["openvino"]["first_start_peak_rss_gb"] = round(converting["peak_rss_gb"], 2)
    report["texts"] = {key: round(value, 3) for key, value in texts.items()}
    report["preparing_cpu_ms_per_frame"] = preparing()
    return report


class Server:
    """One way in a process of its own, which answers a word on stdin with a line of JSON."""

    def __init__(self, way: str, folder: Path, threads: int) -> None:
        command = [
            sys.executable,
            __file__,
            "--serve",
            way,
            "--folder",
            str(folder),
            "--threads",
            str(threads),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.facts = self._answer()

    def ask(self, word: str) -> dict[str, float]:
        """The answer to ``word``."""
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End the process and wait for it."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def serve(way: str, folder: Path, threads: int) -> None:
    """Load one way and answer until stdin ends."""
    start = time.perf_counter()
    embed, embed_texts, device = plain(folder, threads) if way == "plain" else ours(way, folder, threads)
    frames = make_frames()
    embed(frames[:2])
    start_s = round(time.perf_counter() - start, 2)
    print(json.dumps({"device": device, "start_s": start_s, "peak_rss_gb": peak_rss_gb()}), flush=True)
    for line in sys.stdin:
        answer = {"peak_rss_gb": peak_rss_gb()}
        if line.strip() == "embed":
            answer = timed(lambda: np.save(folder / f"{way}.npy", embed(frames)))
        elif line.strip() == "texts":
            load = timed(lambda: embed_texts(["a red car"]))
            query = timed(lambda: embed_texts(["a small dog near a tree"]))
            answer = {
                "first_query_s": load["wall_s"],
                "query_s": query["wall_s"],
                "peak_rss_gb": peak_rss_gb(),
            }
        print(json.dumps(answer), flush=True)


def plain(folder: Path, threads: int) -> tuple[Embed, Callable[[Sequence[str]], Any], str]:
    """The loop of the documentation."""
    from komadori.ml import torchvision_shim

    torchvision_shim.install()
    import torch
    from transformers import AutoModel, AutoProcessor

    torch.set_num_threads(threads)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def embed(frames: Frames) -> Vectors:
        vectors = []
        for frame in frames:
            with torch.inference_mode():
                features = model.get_image_features(**processor(images=frame, return_tensors="pt"))
            vectors.append(torch.nn.functional.normalize(features.pooler_output, dim=-1)[0].numpy())
        return np.stack(vectors)

    def embed_texts(texts: Sequence[str]) -> None:
        raise NotImplementedError(f"only the adapter is asked for texts, got {len(texts)}")

    return embed, embed_texts, "cpu, float32, transformers"


def ours(way: str, folder: Path, threads: int) -> tuple[Embed, Callable[[Sequence[str]], Any], str]:
    """The adapter with one of its engines."""
    from komadori.ml.embedders import siglip2

    engine: Any = way
    embedder = siglip2.create(folder, revision="benchmark", threads=threads, engine=engine, cache_dir=folder)
    return lambda frames: embedder.embed_images(frames).vectors, embedder.embed_texts, embedder.device_name


def make_frames() -> Frames:
    """Frames of 1280 x 720 with patches of colour and grain."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(N_FRAMES):
        coarse = rng.integers(0, 256, (18, 32, 3)).repeat(40, 0).repeat(40, 1)
        frames.append(np.clip(coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8))
    return frames


def make_checkpoint(folder: Path) -> None:
    """The architecture of google/siglip2-base-patch16-224 with random weights, float32."""
    from komadori import demo_models
    from komadori.ml import torchvision_shim

    torchvision_shim.install()
    import torch
    from transformers import (
        AutoTokenizer,
        SiglipConfig,
        SiglipImageProcessor,
        SiglipModel,
        SiglipProcessor,
    )

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(demo_models.path("siglip2-demo"))
    text = {"vocab_size": 256_000, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
    config = SiglipConfig(text_config=text, vision_config={"image_size": 224, "patch_size": 16})
    SiglipModel(config).save_pretrained(folder)
    images = SiglipImageProcessor(size={"height": 224, "width": 224}, resample=2)
    SiglipProcessor(images, tokenizer).save_pretrained(folder)


def preparing() -> dict[str, float]:
    """CPU milliseconds for resizing and normalising a frame: ours and both processors'."""
    from komadori.ml import torchvision_shim

    torchvision_shim.install()
    import torch
    from transformers import SiglipImageProcessor, SiglipImageProcessorPil

    from komadori.ml.embedders._siglip_pixels import FixedPixels, PixelSettings

    torch.set_num_threads(1)
    frames, size = make_frames(), {"height": 224, "width": 224}
    pixels = FixedPixels(PixelSettings((224, 224), 16, 0, "bilinear", (1 / 127.5,) * 3, (-1.0,) * 3))
    fast = SiglipImageProcessor(size=size, resample=2)
    slow = SiglipImageProcessorPil(size=size, resample=2)
    cpu = torch.device("cpu")
    actions: dict[str, Callable[[Any], object]] = {
        "ours": lambda frame: pixels.collate([pixels.prepare(frame)], cpu),
        "torchvision_processor": lambda frame: fast(frame, return_tensors="pt"),
        "pil_processor": lambda frame: slow(frame, return_tensors="pt"),
    }
    for action in actions.values():
        action(frames[0])
    return {
        name: round(median(timed(partial(action, frame))["cpu_s"] for frame in frames) * 1000, 2)
        for name, action in actions.items()
    }


def timed(action: Callable[[], object]) -> dict[str, float]:
    """CPU seconds of all threads, and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def ratio(base: Sequence[dict[str, float]], taken: Sequence[dict[str, float]], key: str) -> float:
    """How many times less the second took: the median over the rounds."""
    return round(median(b[key] / t[key] for b, t in zip(base, taken, strict=True)), 2)


def median(values: Iterable[float]) -> float:
    """The median, to four places."""
    return round(statistics.median(values), 4)


def peak_rss_gb() -> float:
    """The highest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run_apart(program: str, folder: Path) -> None:
    """Run a line of Python in a process of its own, so that its memory is gone afterwards."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", program % str(folder)], check=True, env=environment)


def machine(threads: int) -> dict[str, Any]:
    """What ran this."""
    info = Path("/proc/cpuinfo").read_text()
    return {
        "cpu": next(
            line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")
        ),
        "has_bf16": "avx512_bf16" in info or "amx_bf16" in info,
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "openvino")},
    }


if __name__ == "__main__":
    main()

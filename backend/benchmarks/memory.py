"""How much memory a whole installation holds over a long video: ``python benchmarks/memory.py``.

An hour of synthetic video goes through `komadori up` with the tests' checkpoints: a frame a second is
taken, embedded and annotated with one prompt. Twice a second the memory of every process is read. The
peak is stated for each kind of process, and whether it is flat: the median of the last fifth of
the run against that of the second fifth. The checkpoints are small, so what their two workers
hold is the runtime; what a real model adds is its weights. The result is written to ``memory.json``.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import imageio_ffmpeg
import psutil

from komadori.core.types import Queue
from komadori.settings import Settings

CHECKPOINTS = Path(__file__).parents[1] / "tests" / "checkpoints"
MINUTES = 60
SAMPLE_EVERY_S = 0.5
PORT = 8765

Samples = dict[str, list[tuple[float, float]]]
"""For each kind of process: (seconds since the start, MiB held by the largest of its kind)."""


def make_video(path: Path) -> None:
    """An hour of moving shapes, 640x360 at 10 frames a second: one minute, repeated."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    minute = path.with_name("minute.mp4")
    source = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=10:d=60"]
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-v", "error", *source, *encode, str(minute)], check=True)
    loop = ["-stream_loop", str(MINUTES - 1), "-i", str(minute), "-c", "copy", str(path)]
    subprocess.run([ffmpeg, "-v", "error", *loop], check=True)


def kind_of(process: psutil.Process) -> str | None:
    """What a process of the installation does, None for those that only start others."""
    words = process.cmdline()
    line = " ".join(words)
    for child in ("extract_child", "probe_child"):
        if child in line:
            return "decoding child"
    if "spawn_main" in line:
        return f"{kind_of(process.parent() or process)} child"
    if "worker" in words:
        return f"worker {words[words.index('worker') + 1]}"
    if "api" in words:
        return "api"
    return "broker" if "server" in words[0] else None


def sample(root: psutil.Process, start_s: float, samples: Samples) -> None:
    """Add the largest process of each kind."""
    largest: dict[str, float] = {}
    for process in root.children(recursive=True):
        try:
            kind = kind_of(process)
            if kind is not None:
                largest[kind] = max(largest.get(kind, 0.0), process.memory_info().rss / 2**20)
        except (psutil.Error, IndexError):
            continue
    for kind, mebibytes in largest.items():
        samples.setdefault(kind, []).append((time.monotonic() - start_s, mebibytes))


def watch(root: psutil.Process, command: list[str], env: dict[str, str]) -> tuple[Samples, float]:
    """The samples while a command runs, and the seconds that it took."""
    samples: Samples = {}
    start_s = time.monotonic()
    job = subprocess.Popen([sys.executable, "-m", "komadori.cli.main", *command], env=env)
    while job.poll() is None:
        sample(root, start_s, samples)
        time.sleep(SAMPLE_EVERY_S)
    assert job.returncode == 0, command
    return samples, time.monotonic() - start_s


def summary(series: list[tuple[float, float]], seconds: float) -> dict[str, float]:
    """Peak, and the growth from the second to the last fifth of the run."""
    early = [mib for at, mib in series if 0.2 <= at / seconds < 0.4]
    late = [mib for at, mib in series if at / seconds >= 0.8]
    facts = {"peak_mib": round(max(mib for _, mib in series), 1)}
    if early and late:
        facts["growth"] = round(statistics.median(late) / statistics.median(early), 3)
    return facts


def wait_for_workers(url: str) -> None:
    """Until every queue has a worker that is ready."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            workers = httpx.get(f"{url}/api/v1/workers").json()
        except (httpx.HTTPError, ValueError):
            workers = []
        if {worker["queue"] for worker in workers if worker["state"] == "ready"} >= set(Queue):
            return
        time.sleep(0.5)
    raise SystemExit("the workers did not start")


def main() -> None:
    """Run everything and write the JSON."""
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder:
        video = Path(folder) / "hour.mp4"
        make_video(video)
        settings = Settings(
            home=Path(folder) / "home",
            url=f"http://127.0.0.1:{PORT}",
            embedder=str(CHECKPOINTS / "siglip2-untrained"),
            segmenter=str(CHECKPOINTS / "sam3-untrained"),
            log_level="warning",
        )
        env = {**os.environ, **settings.environment()}
        up = subprocess.Popen([sys.executable, "-m", "komadori.cli.main", "up", "--port", str(PORT)], env=env)
        try:
            wait_for_workers(settings.url)
            root = psutil.Process(up.pid)
            steps = {
                "ingest and embed": ["add", str(video), "--wait"],
                "annotate": ["annotate", "--prompt", "shape", "--wait"],
            }
            results = {}
            for name, command in steps.items():
                samples, seconds = watch(root, command, env)
                results[name] = {
                    "seconds": round(seconds, 1),
                    "processes": {kind: summary(series, seconds) for kind, series in sorted(samples.items())},
                }
        finally:
            up.terminate()
            up.wait()
    report = {
        "frames": MINUTES * 60,
        "steps": results,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("av", "torch", "transformers", "celery")},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

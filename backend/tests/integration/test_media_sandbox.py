"""The bounds of a decoding child."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from komadori.core.errors import StorageError
from komadori.media.base import ExtractedFrame, MediaLimits
from komadori.media.extract import extract_segment, plan_segments
from komadori.media.probe import probe_video
from tests.support.clips import clip

CONFINED = """
import json, resource, socket, sys
from komadori.media.confinement import serve

def work(request):
    try:
        socket.create_connection(("127.0.0.1", request["port"]), timeout=2).close()
        is_reached = True
    except OSError:
        is_reached = False
    names = ("CPU", "AS", "FSIZE", "NOFILE", "CORE")
    return {"limits": {n: resource.getrlimit(getattr(resource, "RLIMIT_" + n))[0] for n in names},
            "is_reached": is_reached,
            "opened": [name for name, mode in request["tries"] if is_opened(name, mode)]}

def is_opened(name, mode):
    try:
        open(name, mode).close()
    except PermissionError:
        return False
    return True

serve(work)
"""


def confined(
    limits: MediaLimits,
    port: int = 9,
    *,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    tries: Sequence[tuple[Path, str]] = (),
) -> dict[str, object]:
    """What a confined process finds about itself; it tries to open files in these modes."""
    request = json.dumps(
        {
            "port": port,
            "limits": asdict(limits),
            "readable": [str(path) for path in readable],
            "writable": [str(path) for path in writable],
            "tries": [(str(path), mode) for path, mode in tries],
        }
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", CONFINED], input=request, capture_output=True, text=True, check=True
    )
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def children_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def wait_for(condition: "object", seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


def test_all_limits_are_in_force() -> None:
    limits = MediaLimits(cpu_s=7, memory_bytes=2**30, max_file_bytes=2**20, max_open_files=33)
    assert confined(limits)["limits"] == {"CPU": 7, "AS": 2**30, "FSIZE": 2**20, "NOFILE": 33, "CORE": 0}


def test_where_the_kernel_allows_it_the_network_is_gone() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = confined(MediaLimits(), server.getsockname()[1])
    assert answer["is_reached"] is not answer["is_network_isolated"]


LANDLOCK_CREATE_RULESET = 444
"""Asked for its version, it says whether there is Landlock."""


def test_where_the_kernel_allows_it_all_files_but_the_named_ones_are_gone(tmp_path: Path) -> None:
    video, other, out = tmp_path / "video.mp4", tmp_path / "other.mp4", tmp_path / "out"
    video.touch()
    other.touch()
    out.mkdir()
    allowed = [(video, "rb"), (out / "new.jpg", "wb")]
    forbidden = [
        (other, "rb"),
        (video, "r+b"),
        (tmp_path / "new.jpg", "wb"),
        (Path("/etc/passwd"), "rb"),
        (Path("/proc/1/status"), "rb"),
    ]
    if ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock")
    answer = confined(MediaLimits(), readable=[video], writable=[out], tries=allowed + forbidden)
    assert answer["are_files_isolated"]
    assert answer["opened"] == [str(path) for path, _ in allowed]


def test_a_full_folder_is_an_error_of_storage_that_may_be_tried_again(tmp_path: Path) -> None:
    facts, index = probe_video(clip("h264.mp4"))
    (segment,) = plan_segments(index, [0], facts=facts)
    limits = MediaLimits(max_file_bytes=1000)
    with pytest.raises(StorageError) as caught:
        extract_segment(
            clip("h264.mp4"), facts, index, segment, tmp_path, on_frame=lambda _: None, limits=limits
        )
    assert caught.value.is_retryable
    assert str(tmp_path) in caught.value.message


def test_no_child_is_left_behind_when_the_receiver_fails(tmp_path: Path) -> None:
    facts, index = probe_video(clip("h264.mp4"))
    (segment,) = plan_segments(index, list(range(120)), facts=facts, max_cost_s=1e9)

    def fail(_: ExtractedFrame) -> None:
        raise InterruptedError

    before = {child.pid for child in children_of(os.getpid())}
    with pytest.raises(InterruptedError):
        extract_segment(clip("h264.mp4"), facts, index, segment, tmp_path, on_frame=fail)
    assert {child.pid for child in children_of(os.getpid())} <= before


WORKER = """
import sys, time
from pathlib import Path
from komadori.media.extract import extract_segment, plan_segments
from komadori.media.probe import probe_video

path, out = Path(sys.argv[1]), Path(sys.argv[2])
facts, index = probe_video(path)
segment = plan_segments(index, list(range(facts.n_frames)), facts=facts, max_cost_s=1e9)[0]

def slow(frame):
    print("frame", flush=True)
    time.sleep(60)

extract_segment(path, facts, index, segment, out, on_frame=slow)
"""


def test_a_worker_that_is_killed_takes_its_child_with_it(tmp_path: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(clip("h264.mp4")), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == b"frame\n"
        (child,) = children_of(worker.pid)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    assert wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

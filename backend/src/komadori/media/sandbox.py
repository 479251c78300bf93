"""Runs a decoding child: a process of its own with bounded time, memory, files and no network.

Video files come from strangers, and decoders are written in C. What goes wrong in the child,
a crash, a loop, a bomb, ends the child and leaves the worker with a clear error.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from komadori.core.errors import DecoderKilledError, DependencyError, MediaError, StorageError
from komadori.core.types import JsonDict
from komadori.media.base import MediaLimits

_OUT_OF_MEMORY = ("MemoryError", "Cannot allocate memory", "failed to map segment")
"""What a child says that may not have more memory: Python, the C library, its loader."""

_LOOK_EVERY_S = 0.2
_STDERR_TAIL_BYTES = 2000
_MAX_LINE_BYTES = 64 * 1024**2
_CHILD_ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    # One BLAS thread: each more reserves address space, and there is nothing for it to do.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def run_child(
    module: str,
    request: JsonDict,
    *,
    path: Path,
    limits: MediaLimits,
    on_message: Callable[[JsonDict], None],
    check_cancelled: Callable[[], object] = lambda: None,
    writable: Path | None = None,
) -> JsonDict:
    """Run ``python -m module`` on a request and give each message to ``on_message``.

    The child gets the request as JSON on its standard input and answers with JSON lines:
    any number of messages, then one with ``kind`` ``done`` (returned) or ``error`` (raised).

    Args:
        module: A module of this package whose ``main`` reads a request.
        request: What the child is to do.
        path: The file it works on; it can read no other, but for those of Python and the system.
        limits: What it may use.
        on_message: Called in this thread for each message but the last; what it raises ends the child.
        check_cancelled: Called in another thread, a few times a second; what it raises ends the child too.
        writable: The only folder in which it can write.

    Raises:
        MediaError: The child said so, went over a limit, or died.
        DecoderKilledError: Something killed it, such as the kernel for want of memory.
        StorageError: The child could not write.
        DependencyError: The media packages are not installed.
    """
    command = [sys.executable, "-I", "-m", module]
    access = {"readable": [str(path)], "writable": [str(writable)] if writable else []}
    payload = json.dumps({**request, **access, "limits": asdict(limits)}).encode()
    with tempfile.TemporaryFile() as stderr:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_CHILD_ENVIRONMENT,
            start_new_session=True,
        )
        watch = _Watch(child, limits.wall_s, check_cancelled)
        watch.start()
        try:
            answer = _converse(child, payload, on_message)
            child.wait()
        finally:
            watch.end()
            _kill(child)
        if watch.stopped_by is not None:
            raise watch.stopped_by
        if answer is None:
            raise _died(path, child.returncode, _tail(stderr), limits, watch.has_timed_out)
    if answer["kind"] == "error":
        if answer["code"] == StorageError.default_code:
            raise StorageError(answer["message"], hint=answer["hint"])
        raise MediaError(answer["message"], hint=answer["hint"], code=answer["code"])
    return answer


def _converse(
    child: "subprocess.Popen[bytes]", payload: bytes, on_message: Callable[[JsonDict], None]
) -> JsonDict | None:
    """Send the request and read messages; the last one, or None if the child stopped without it."""
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(BrokenPipeError), child.stdin:
        child.stdin.write(payload)
    with child.stdout:
        while line := child.stdout.readline(_MAX_LINE_BYTES):
            try:
                message: JsonDict = json.loads(line)
            except ValueError:
                return None
            if message.get("kind") in ("done", "error"):
                return message
            on_message(message)
    return None


class _Watch:
    """Kills a child whose time is up, or whose answer is no longer wanted."""

    def __init__(
        self, child: "subprocess.Popen[bytes]", wall_s: float, check_cancelled: Callable[[], object]
    ) -> None:
        self.has_timed_out = False
        self.stopped_by: Exception | None = None
        self._child = child
        self._deadline_s = time.monotonic() + wall_s
        self._check_cancelled = check_cancelled
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name=f"watch-{child.pid}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(max(0.0, min(_LOOK_EVERY_S, self._deadline_s - time.monotonic()))):
            try:
                self._check_cancelled()
            except Exception as error:  # noqa: BLE001  (it is raised in the thread that waits)
                self.stopped_by = error
            self.has_timed_out = time.monotonic() >= self._deadline_s
            if self.stopped_by is not None or self.has_timed_out:
                _kill(self._child)
                return


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End the child and whatever it started; harmless when it has ended already."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _tail(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _STDERR_TAIL_BYTES))
    lines = stderr.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _died(
    path: Path, returncode: int, log_line: str, limits: MediaLimits, has_timed_out: bool
) -> MediaError | DependencyError:
    if "No module named" in log_line:
        return DependencyError(
            f"Reading video expects the media packages, got: {log_line}.",
            hint="Install them with: pip install 'komadori[cpu-worker]'.",
        )
    if has_timed_out:
        cause, code = f"took longer than {limits.wall_s:g} s", "media-time-limit"
    elif returncode == -signal.SIGKILL:
        return DecoderKilledError(
            f"The decoding of {path} was killed from outside, often because the machine has no memory left.",
            hint="Free some, or let fewer decode at once (KOMADORI_DECODE_WORKERS); then retry the job.",
        )
    elif returncode == -signal.SIGXCPU:
        cause, code = f"used more than {limits.cpu_s} s of processor time", "media-time-limit"
    elif any(words in log_line for words in _OUT_OF_MEMORY):
        cause, code = f"needed more than {limits.memory_bytes // 1024**2} MiB of memory", "media-memory-limit"
    else:
        cause, code = f"crashed the decoder (exit {returncode}: {log_line or 'no message'})", "decoder-crash"
    return MediaError(
        f"Expected a video that decodes within the limits, but {path} {cause}.",
        hint="If you trust the file, raise the limits; else re-encode it or leave it out.",
        code=code,
    )

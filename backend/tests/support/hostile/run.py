"""Sends hostile files the way of good ones: ``python -m tests.support.hostile.run [--every N]``.

Each file is served by a process of its own, which is forked from this one and must end well. Around it lie
things that nothing may touch: a good video, a server on the loopback interface, and every folder.
Prints a table of the families, and every problem; ends with 1 if there was one.
"""

import argparse
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from tests.support.hostile import Hostile, World, corpus
from tests.support.hostile.base import good
from tests.support.hostile.examine import Verdict, examine
from tests.support.pipeline import pipeline

_KILLED_AFTER_S = 400.0
_LONG_AGO = (1, 1)


class Surroundings:
    """What lies around the hostile files, and must be as before when they are gone."""

    def __init__(self, root: Path, port: int, heard: list[str]) -> None:
        self.root, self.port, self._heard = root, port, heard
        self.home, self.temporary, self._outside = root / "home", root / "tmp", root / "outside"
        for folder in (self.temporary, self._outside):
            folder.mkdir()
        self.secret = self._outside / "secret.ts"
        self.secret.write_bytes(good("h264.ts"))
        with pipeline(self.home):
            pass
        self._before = self._listing()

    def world(self, number: int) -> World:
        """A folder for a hostile file."""
        os.utime(self.secret, _LONG_AGO)
        folder = self.root / "files" / str(number)
        folder.mkdir(parents=True)
        return World(folder, self.secret, self.port)

    def disturbed(self) -> Iterator[str]:
        """What has been touched since."""
        if self.secret.stat().st_atime != _LONG_AGO[0]:
            yield "another file was read"
        if self._listing() != self._before:
            yield f"files appeared or went: {sorted(self._listing() ^ self._before)[:5]}"
        if self._heard:
            yield f"the network was asked: {self._heard.pop()}"

    def would_notice(self) -> bool:
        """Whether the file system remembers that a file was read."""
        os.utime(self.secret, _LONG_AGO)
        self.secret.read_bytes()
        return self.secret.stat().st_atime != _LONG_AGO[0]

    def _listing(self) -> set[str]:
        watched = (Path.cwd(), self.root, self._outside, self.temporary, self.home)
        found = {str(path) for folder in watched for path in folder.iterdir()}
        return {
            path for path in found if not path.endswith(("files", "-wal", "-shm", "__pycache__", "_cache"))
        }


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Folders that are removed at the end, and a server that notes who asks."""
    root = Path(tempfile.mkdtemp(prefix="komadori-hostile-"))
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(server.getsockname())
        for listener in (server, datagrams):
            threading.Thread(target=_listen, args=(listener, heard), daemon=True).start()
        try:
            yield Surroundings(root, server.getsockname()[1], heard)
        finally:
            shutil.rmtree(root, ignore_errors=True)


def _listen(listener: socket.socket, heard: list[str]) -> None:
    with suppress(OSError):
        while True:
            if listener.type == socket.SOCK_DGRAM:
                heard.append(f"a datagram from {listener.recvfrom(9)[1]}")
            else:
                connection, address = listener.accept()
                connection.close()
                heard.append(f"a connection from {address}")


def serve(hostile: Hostile, around: Surroundings, number: int) -> Verdict:
    """Make a file and let a process of its own serve it."""
    world = around.world(number)
    path = hostile.make(world)
    before = sorted(world.folder.rglob("*"))
    verdict = _in_a_fork(hostile, path, around)
    verdict.problems += around.disturbed()
    if sorted(world.folder.rglob("*")) != before:
        verdict.problems.append("files appeared beside it, or went")
    shutil.rmtree(world.folder, ignore_errors=True)
    return verdict


def _in_a_fork(hostile: Hostile, path: str, around: Surroundings) -> Verdict:
    receiver, sender = os.pipe()
    pid = os.fork()
    if not pid:
        _answer(hostile, path, around, sender)
    os.close(sender)
    timer = threading.Timer(_KILLED_AFTER_S, os.kill, (pid, signal.SIGKILL))
    timer.start()
    with os.fdopen(receiver) as answers:
        answer = answers.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    timer.cancel()
    if status or not answer:
        problem = f"the worker ended with {status}"
        return Verdict(hostile.family, hostile.name, "broken", problems=[problem])
    return Verdict(**json.loads(answer))


def _answer(hostile: Hostile, path: str, around: Surroundings, sender: int) -> None:
    """What the fork does; it never returns."""
    status = 1
    try:
        tempfile.tempdir = str(around.temporary)
        verdict = examine(hostile, path, around.home)
        with os.fdopen(sender, "w") as answers:
            json.dump(asdict(verdict), answers)
        status = 0
    except BaseException as error:
        sys.stderr.write(f"{hostile.family}, {hostile.name}: {error!r}\n")
        raise
    finally:
        os._exit(status)


def run(files: Sequence[Hostile]) -> list[Verdict]:
    """Serve all of these files, one after the other.

    Raises:
        RuntimeError: The file system does not say whether a file was read, so that nothing would be noticed.
    """
    with surroundings() as around:
        verdicts = []
        for number, hostile in enumerate(files):
            verdicts.append(serve(hostile, around, number))
            _tell(verdicts[-1])
        if not around.would_notice():
            raise RuntimeError(f"the file system under {around.root} keeps no times of reading")
        return verdicts


def chosen(every: int) -> list[Hostile]:
    """Every Nth file of each family, the first one always."""
    seen: dict[str, int] = {}
    kept = []
    for hostile in corpus():
        seen[hostile.family] = seen.get(hostile.family, -1) + 1
        if seen[hostile.family] % every == 0:
            kept.append(hostile)
    return kept


def _tell(verdict: Verdict) -> None:
    for problem in verdict.problems:
        sys.stderr.write(f"{verdict.family}, {verdict.name}: {problem}\n")


def _print_table(verdicts: Sequence[Verdict], out: IO[str]) -> None:
    out.write("family          n  refused  read  worst s  child MiB  worker MiB\n")
    for family in dict.fromkeys(verdict.family for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.family == family]
        n_refused, n_read = (sum(v.outcome == o for v in own) for o in ("refused", "read"))
        out.write(
            f"{family:12} {len(own):4} {n_refused:8} {n_read:5} {max(v.wall_s for v in own):8.1f} "
            f"{max(v.child_mib for v in own):10} {max(v.worker_mib for v in own):11}\n"
        )


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Send hostile files the way of good ones.")
    parser.add_argument("--every", type=int, default=1, help="only every Nth file of each family")
    parser.add_argument("--only", default="", help="only files with this in their family or name")
    parser.add_argument("--json", type=Path, help="write what became of each file there")
    options = parser.parse_args()
    started_s = time.monotonic()
    logging.disable(
        logging.CRITICAL
    )  # each refusal is logged, with its traceback where it is a fault of ours
    files = [h for h in chosen(options.every) if options.only in f"{h.family}, {h.name}"]
    verdicts = run(files)
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1))
    _print_table(verdicts, sys.stdout)
    bad = [verdict for verdict in verdicts if verdict.problems]
    for verdict in bad:
        sys.stdout.write(f"{verdict.family}, {verdict.name}: {'; '.join(verdict.problems)}\n")
    sys.stdout.write(
        f"{len(verdicts)} files in {time.monotonic() - started_s:.0f} s, {len(bad)} with problems\n"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

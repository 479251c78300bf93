"""What the index asks of the disk: to be local, to lock, to write wholly and to keep it."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from komadori.core.errors import PermanentStorageError

NETWORK_TYPES = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "drvfs", "fakeowner", "fuse.ceph", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.grpcfuse", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gpfs", "lustre",
        "ncpfs", "nfs", "nfs4", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs",
    }
)  # fmt: skip
"""File systems on which memory maps and locks of several processes do not see each other reliably."""

_MOUNTS = Path("/proc/self/mountinfo")
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


def require_local(directory: Path, mounts: Path = _MOUNTS) -> None:
    """Do nothing on a local disk.

    Raises:
        StorageError: The directory is on a network or shared file system.
    """
    kind = filesystem_type(directory, mounts)
    if kind in NETWORK_TYPES:
        raise PermanentStorageError(
            f"The vector index needs a local disk, {directory} is on {kind}.",
            hint="Put KOMADORI_HOME on a disk of this machine, or use an index that is a server.",
            code="network-filesystem",
        )


def filesystem_type(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the file system that holds ``path``, or None where the system does not tell.

    The table is the one of Linux, proc_pid_mountinfo(5); a later mount hides an earlier one.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    resolved, found, depth = path.resolve(), None, 0
    for line in lines:
        before, _, after = line.partition(" - ")
        mount_point = Path(_unescape(before.split()[4]))
        if resolved.is_relative_to(mount_point) and len(mount_point.parts) >= depth:
            found, depth = after.split()[0], len(mount_point.parts)
    return found


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path`` against every other thread and process.

    The kernel lets go of the lock when the process dies. The file is opened anew each
    time, since a lock belongs to an open file: one kept open would be shared with
    threads and with forked children.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def durable(path: Path, *, create: bool = False) -> Iterator[int]:
    """A descriptor to write with; on the way out everything written is on the disk."""
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666)
    try:
        yield descriptor
        _sync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte of ``data`` at ``offset``; a single system call may write fewer."""
    rest = memoryview(data).cast("B")
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _unescape(name: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        name = name.replace(code, char)
    return name

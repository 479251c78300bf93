"""Does to a running system what the plan says; each function is one kind of fault."""

import shutil
import signal
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
import psycopg
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.chaos.plan import Event
from tests.chaos.system import System

_HOUR_S = 3600
_LOCK_S = 2.0
"""So long a lock is waited for; other faults wait meanwhile."""

_LOCKED_TABLES = ("jobs", "chunks", "frames")


@dataclass(frozen=True, slots=True)
class Hit:
    """What a fault did: who was hit, for people, and how it ends, if it lasts."""

    who: str
    recover: Callable[[], None] | None = None


NOBODY = Hit("nobody was there")


def inflict(system: System, event: Event) -> Hit:
    """Let a fault happen."""
    return _FAULTS[event.kind](system, event)


def kinds() -> set[str]:
    """The names of the kinds that can be inflicted."""
    return set(_FAULTS)


def _kill_worker(system: System, event: Event) -> Hit:
    return _signalled(system.family(event.victim), signal.SIGKILL)


def _kill_parent(system: System, event: Event) -> Hit:
    return _signalled(system.family(event.victim)[:1], signal.SIGKILL)


def _kill_child(system: System, event: Event) -> Hit:
    return _signalled(_one_of(system.children(event.victim), event), signal.SIGKILL)


def _kill_decoder(system: System, event: Event) -> Hit:
    return _signalled(_one_of(system.decoders(), event), signal.SIGKILL)


def _end_worker(system: System, event: Event) -> Hit:
    return _signalled(system.family(event.victim)[:1], signal.SIGTERM)


def _stop_worker(system: System, event: Event) -> Hit:
    return _stopped(system.family(event.victim))


def _stop_child(system: System, event: Event) -> Hit:
    return _stopped(_one_of(system.children(event.victim), event))


def _kill_broker(system: System, _event: Event) -> Hit:
    return _signalled(_part(system, "broker"), signal.SIGKILL)


def _lose_broker(system: System, _event: Event) -> Hit:
    hit = _signalled(_part(system, "broker"), signal.SIGKILL)
    for path in (system.home / "run" / "broker").iterdir():
        shutil.rmtree(path, ignore_errors=True)
    return hit


def _flush_broker(system: System, _event: Event) -> Hit:
    socket, once = str(system.home / "run" / "broker.sock"), Retry(NoBackoff(), 0)
    try:
        with Redis(unix_socket_path=socket, socket_timeout=1, socket_connect_timeout=1, retry=once) as broker:
            n_keys = broker.dbsize()
            broker.flushall()
    except RedisError:
        return NOBODY
    return Hit(f"{n_keys} keys")


def _pause_broker(system: System, _event: Event) -> Hit:
    return _stopped(_part(system, "broker"))


def _lock_database(system: System, _event: Event) -> Hit:
    return _lock_postgresql(system) if system.place.server else _lock_sqlite(system)


def _lock_sqlite(system: System) -> Hit:
    writer = sqlite3.connect(
        system.home / "komadori.db", timeout=_LOCK_S, isolation_level=None, check_same_thread=False
    )
    try:
        writer.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        writer.close()
        return NOBODY
    return Hit("komadori.db", writer.close)


def _lock_postgresql(system: System) -> Hit:
    assert system.place.server is not None
    assert system.database_name is not None
    writer = system.place.server.connect(system.database_name)
    writer.execute(f"SET lock_timeout = '{_LOCK_S:g}s'".encode())
    writer.autocommit = False
    try:
        writer.execute(f"LOCK TABLE {', '.join(_LOCKED_TABLES)} IN ACCESS EXCLUSIVE MODE".encode())
    except psycopg.errors.LockNotAvailable:
        writer.close()
        return NOBODY
    return Hit(f"the tables {', '.join(_LOCKED_TABLES)}", writer.close)


def _restart_database(system: System, _event: Event) -> Hit:
    assert system.place.server is not None
    system.place.server.stop()
    system.place.server.start()
    return Hit("the server")


def _fill_disk(system: System, _event: Event) -> Hit:
    assert system.place.disk is not None
    system.place.disk.fill()
    return Hit("the disk of the home", system.place.disk.free)


def _kill_api(system: System, _event: Event) -> Hit:
    return _signalled(_part(system, "api"), signal.SIGKILL)


def _end_api(system: System, _event: Event) -> Hit:
    return _signalled(_part(system, "api"), signal.SIGTERM)


def _kill_all(system: System, _event: Event) -> Hit:
    process = system.running.process
    process.kill()
    return Hit(f"komadori up, {process.pid}")


def _step_clock(system: System, event: Event) -> Hit:
    clock = system.place.clock
    assert clock is not None
    clock.set_ahead(_HOUR_S if event.victim == "ahead" else -_HOUR_S)
    return Hit("every clock", lambda: clock.set_ahead(0))


_FAULTS: dict[str, Callable[[System, Event], Hit]] = {
    "kill-worker": _kill_worker,
    "kill-parent": _kill_parent,
    "kill-child": _kill_child,
    "kill-decoder": _kill_decoder,
    "end-worker": _end_worker,
    "stop-worker": _stop_worker,
    "stop-child": _stop_child,
    "kill-broker": _kill_broker,
    "lose-broker": _lose_broker,
    "flush-broker": _flush_broker,
    "pause-broker": _pause_broker,
    "lock-database": _lock_database,
    "restart-database": _restart_database,
    "fill-disk": _fill_disk,
    "kill-api": _kill_api,
    "end-api": _end_api,
    "kill-all": _kill_all,
    "step-clock": _step_clock,
}


def _part(system: System, name: str) -> list[psutil.Process]:
    process = system.part(name)
    return [process] if process else []


def _one_of(processes: Sequence[psutil.Process], event: Event) -> Sequence[psutil.Process]:
    return [processes[event.pick % len(processes)]] if processes else []


def _signalled(processes: Sequence[psutil.Process], number: signal.Signals) -> Hit:
    """Those first that started the others: a worker shall not see its children die before it does."""
    hit = []
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
            hit.append(str(process.pid))
    return Hit(", ".join(hit)) if hit else NOBODY


def _stopped(processes: Sequence[psutil.Process]) -> Hit:
    hit = _signalled(processes, signal.SIGSTOP)

    def resume() -> None:
        _signalled(processes, signal.SIGCONT)

    return hit if hit is NOBODY else Hit(hit.who, resume)

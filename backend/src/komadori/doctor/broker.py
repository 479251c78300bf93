"""The checks of the broker: whether it answers, keeps what it is given, and has the same time."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import redis
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from komadori.core.errors import DependencyError, InputError
from komadori.doctor.report import Result, fail, ok, skip, warn
from komadori.settings import Settings

_TIMEOUT_S = 3.0
_ONCE = Retry(NoBackoff(), 0)
"""Of itself the client tries three times more, which takes longer than a check may."""

_FULL_SHARE = 0.9


def check_broker(settings: Settings) -> Result:
    """Whether the broker answers."""
    if _is_embedded_off(settings):
        return skip("embedded, not running; `komadori up` starts it")
    with connection(settings) as client:
        started_s = time.monotonic()
        client.ping()
        taken_ms = (time.monotonic() - started_s) * 1000
    where = f", embedded, on {settings.broker_socket}" if settings.broker_url is None else ""
    return ok(f"answers in {taken_ms:.0f} ms{where}")


def check_storage(settings: Settings) -> Result:
    """Whether the broker keeps its messages over a restart, and has room for more."""
    with connection(settings) as client:
        persistence, memory = client.info("persistence"), client.info("memory")
    used, limit = memory["used_memory"], memory.get("maxmemory", 0)
    detail = f"{used / 1e6:.1f} MB used" + (f" of {limit / 1e6:.0f} MB" if limit else ", no limit")
    if limit and used > _FULL_SHARE * limit:
        return fail(f"{detail}: it soon refuses messages", "Raise maxmemory of the broker.")
    policy = memory.get("maxmemory_policy", "noeviction")
    if limit and policy != "noeviction":
        return warn(f"{detail}, and {policy} drops messages", "Set maxmemory-policy to noeviction.")
    if not persistence.get("aof_enabled"):
        return warn(
            f"{detail}; nothing is written to a disk, so a restart forgets who was to be woken",
            "Start the broker with `--appendonly yes`; work that is forgotten is announced again "
            "after a minute.",
        )
    if persistence.get("aof_last_write_status", "ok") != "ok":
        return fail(f"{detail}; its append-only file cannot be written", "Free space on the broker's disk.")
    return ok(f"{detail}, append-only file on, {policy}")


def check_clock(settings: Settings) -> Result:
    """Whether this machine's clock and the broker's agree: leases of chunks compare clocks."""
    with connection(settings) as client:
        before_s = time.time()
        seconds, microseconds = client.time()
        after_s = time.time()
    skew_s = seconds + microseconds / 1e6 - (before_s + after_s) / 2
    detail = f"{abs(skew_s):.3f} s from the broker's clock"
    remedy = "Set the clocks of all machines by NTP (chrony or systemd-timesyncd)."
    if abs(skew_s) > settings.lease_s / 2:
        return fail(f"{detail}: chunks are taken from workers that live", remedy)
    return warn(detail, remedy) if abs(skew_s) > settings.lease_s / 10 else ok(detail)


@contextmanager
def connection(settings: Settings) -> Iterator[redis.Redis]:
    """A connection that gives up soon; what the broker refuses in the block is told with its remedy.

    Raises:
        InputError: KOMADORI_BROKER_URL names no Redis server.
        DependencyError: The broker does not answer.
    """
    url = settings.effective_broker_url.replace("redis+socket://", "unix://", 1)
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry=_ONCE
        )
    except ValueError as exc:
        raise InputError(
            f"KOMADORI_BROKER_URL cannot be used: {exc}.",
            hint="Write it like redis://:password@host:6379/0, a password percent-encoded (% : / @ as "
            "%25 %3A %2F %40), or unset it for the embedded broker.",
            code="bad-broker-url",
        ) from exc
    with told_errors(settings), closing(client):
        yield client


@contextmanager
def told_errors(settings: Settings) -> Iterator[None]:
    """Turn what the clients of the broker raise into a :class:`DependencyError` with the remedy."""
    try:
        yield
    except (redis.RedisError, OperationalError, OSError) as exc:
        hint = "Start it, or correct KOMADORI_BROKER_URL."
        if settings.broker_url is None:
            hint = "Run this as the user who started `komadori up`, or stop that and start it again."
        said = str(exc).rstrip(".")
        raise DependencyError(f"The broker does not answer: {said}.", hint=hint, code="broker-away") from exc


def _is_embedded_off(settings: Settings) -> bool:
    """Whether nobody listens on the socket; a broker that listens and says nothing is not off."""
    if settings.broker_url is not None:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_TIMEOUT_S)
        try:
            probe.connect(str(settings.broker_socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return True
        except OSError:
            return False
    return False

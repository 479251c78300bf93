"""Serves the API on an address of this machine."""

import ipaddress
import socket

import uvicorn
from fastapi import FastAPI

from komadori.api.app import create_app
from komadori.api.connection import TimedConnection
from komadori.bootstrap import configure_logging, prepare_home
from komadori.core.errors import ConflictError, InputError
from komadori.settings import Settings

_MAX_WEBSOCKET_MESSAGE_BYTES = 64 * 2**10
_PING_EVERY_S = 15.0
_GRACE_S = 5


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until the process is told to stop; brings the database up to date first.

    Raises:
        InputError: Other machines could reach it without a token.
        ConflictError: The address is taken, or not one of this machine.
    """
    check_binding(settings, host)
    configure_logging(settings.log_level)
    prepare_home(settings)
    app = app_on(settings, host)
    with bind(host, port) as listener:
        server_of(app).run(sockets=[listener])


def app_on(settings: Settings, host: str) -> FastAPI:
    """The application for a server on that address: on a loopback one it answers to loopback names only."""
    return create_app(settings, is_local=is_loopback(reached_at(settings, host)))


def server_of(app: FastAPI) -> uvicorn.Server:
    """The server of an application; it is given its socket when it runs."""
    config = uvicorn.Config(
        app,
        http=TimedConnection,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=_MAX_WEBSOCKET_MESSAGE_BYTES,
        ws_ping_interval=_PING_EVERY_S,
        ws_ping_timeout=_PING_EVERY_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        ConflictError: The address is taken, or not one of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        raise ConflictError(
            f"The API cannot listen on {host}, port {port}: {error.strerror or error}.",
            hint="Stop what listens there, or choose another port.",
            code="address-taken",
        ) from error
    # Connections inherit it. asyncio sets it only on sockets that name their protocol, and without it
    # the body of each small answer waits 40 ms for the acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reached_at(settings: Settings, host: str) -> str:
    """The address that decides who can reach a server on ``host``.

    A container listens on all of its addresses, which none but its own network reaches;
    then it is the address of the host on which the port is published, with brackets if it
    is one of IPv6.
    """
    if settings.published_on is not None and is_unspecified(host):
        return settings.published_on.strip("[]")
    return host


def is_unspecified(host: str) -> bool:
    """Whether that address stands for all of this machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def check_binding(settings: Settings, host: str) -> None:
    """Refuse to let other machines in without a token, unless the settings say that this is meant.

    Raises:
        InputError: They could come in.
    """
    address = reached_at(settings, host)
    if is_loopback(address) or settings.token is not None or settings.allow_open:
        return
    raise InputError(
        f"On {address} other machines could read and change everything, because no token is set.",
        hint="Set KOMADORI_TOKEN, or KOMADORI_ALLOW_OPEN=true where the network itself keeps others out.",
        code="open-to-network",
    )

"""Stands before every request: who may ask, from where, and how much may be sent.

A server on a loopback address is still reachable for every web page that its user has
open: by a name that resolves to 127.0.0.1 (DNS rebinding), or by a form that is sent
across sites. The ``Host`` and ``Origin`` headers tell these apart from the user's own
requests; a server that other machines can reach is protected by its token. Programs send it
with each request; a browser gives it once and has a cookie from then on.
"""

import base64
import binascii
import hmac
import math
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from komadori.api import session_cookie, ui
from komadori.api.errors import ForeignRequestError, TokenError, TooLargeError, response_to
from komadori.core.errors import KomadoriError

MAX_BODY_BYTES = 8 * 2**20
"""Enough for the mask of a large frame, and for ten thousand decisions."""

MAX_UPLOAD_BYTES = 20 * 2**20
UPLOAD_PATH = "/api/v1/searches/image"
_MULTIPART_SLACK = 64 * 2**10

BODY_GRACE_S = 30.0
LEAST_BODY_BYTES_PER_S = 1024
"""How fast a body must come in the long run, so that nobody holds requests open by sending almost nothing."""

UPLOADS_PATH = "/api/v1/uploads"
"""What is sent there goes to disk piece by piece; each upload has its own limit."""

OPEN_PATH = "/healthz"
"""Needs no token: whether the process lives."""

SESSION_PATH = "/api/v1/session"
"""Needs no token: where it is given. Nothing else of the API is open."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

SUBPROTOCOL = "komadori.events"
TOKEN_SUBPROTOCOL = "komadori.token."  # noqa: S105
"""Browsers cannot send a header with a WebSocket: they name the token, base64url, among the subprotocols."""

_TOO_SLOW = f"The request's body came with less than {LEAST_BODY_BYTES_PER_S} bytes a second."

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    Attributes:
        token: Needed with every request for data, when set.
        hosts: The names under which the server may be asked, or None for any.
        trusted_hosts: The names of other sites whose pages may change things, such as a
            development server of the web UI.
    """

    token: str | None
    hosts: frozenset[str] | None
    trusted_hosts: frozenset[str]


class Guard:
    """ASGI middleware that refuses what must not come in, and adds the headers of safety."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except KomadoriError as error:
            await _refuse(scope, receive, send, error)
            return
        if scope["type"] == "http":
            receive, send = _counted(scope, receive), _with_headers(send)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_origin(scope, headers)
        self._check_token(scope)
        if scope["type"] == "http" and _announced_bytes(headers) > _limit(scope):
            raise _too_large(scope)

    def _check_host(self, headers: Headers) -> None:
        if self._access.hosts is None or _host_name(headers.get("host", "")) in self._access.hosts:
            return
        raise ForeignRequestError(
            f"The request was made for the host {headers.get('host', '')!r}.",
            hint="Use the address that the server printed, or add the name to KOMADORI_ALLOWED_HOSTS.",
            code="unknown-host",
        )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
            return
        origin = headers.get("origin")
        if origin is None and _may_lack_origin(scope, headers):
            return
        address = (origin or "").partition("://")[2]
        if address and (address == headers.get("host") or _host_name(address) in self._access.trusted_hosts):
            return
        raise ForeignRequestError(
            f"The request was made by a page of {origin or 'another site'!r}.",
            hint="Use Komadori's own page, or add the other's host to KOMADORI_ALLOWED_HOSTS.",
        )

    def _check_token(self, scope: Scope) -> None:
        if _is_open(scope) or is_let_in(self._access, scope):
            return
        raise TokenError(
            "The request carries no valid token.",
            hint="Set KOMADORI_TOKEN to the server's, or send 'Authorization: Bearer <token>'.",
        )


def is_let_in(access: Access, scope: Scope) -> bool:
    """Whether a request may ask for data: no token is needed, or it carries it, or the cookie."""
    if access.token is None:
        return True
    headers = Headers(scope=scope)
    given = _websocket_token(scope) if scope["type"] == "websocket" else None
    given = given or _bearer_token(headers)
    if given is not None:
        return hmac.compare_digest(given.encode(), access.token.encode())
    cookie = session_cookie.given(headers)
    return cookie is not None and session_cookie.is_valid(cookie, access.token, time.time())


def _is_open(scope: Scope) -> bool:
    """Whether everybody may ask: for the files of the web UI, which hold no data, and to give the token."""
    if scope["type"] == "websocket":
        return False
    is_page = scope["method"] in ("GET", "HEAD") and ui.is_page(scope["path"])
    return is_page or scope["path"] in (OPEN_PATH, SESSION_PATH)


def _may_lack_origin(scope: Scope, headers: Headers) -> bool:
    """Whether a request that names no origin was made by a program, or by a browser for its own page.

    One with the cookie comes from a browser, which must say so. SameSite is not enough: it takes a page
    of another port of the same host for one of the same site.
    """
    site = headers.get("sec-fetch-site")
    if session_cookie.given(headers) is None:
        return site in (None, "same-origin", "none")
    return scope["type"] == "http" and site in ("same-origin", "none")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _bearer_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _websocket_token(scope: Scope) -> str | None:
    for name in scope.get("subprotocols", ()):
        if name.startswith(TOKEN_SUBPROTOCOL):
            encoded = name.removeprefix(TOKEN_SUBPROTOCOL)
            try:
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            except (binascii.Error, ValueError):
                return None
    return None


def _announced_bytes(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


def _limit(scope: Scope) -> float:
    if scope["path"] == UPLOADS_PATH or scope["path"].startswith(f"{UPLOADS_PATH}/"):
        return math.inf
    return MAX_UPLOAD_BYTES + _MULTIPART_SLACK if scope["path"] == UPLOAD_PATH else MAX_BODY_BYTES


def _too_large(scope: Scope) -> TooLargeError:
    limit = MAX_UPLOAD_BYTES if scope["path"] == UPLOAD_PATH else MAX_BODY_BYTES
    return TooLargeError(
        f"The request's body is larger than {limit // 2**20} MiB.",
        hint="Send less at once, or a smaller picture.",
    )


def _counted(scope: Scope, receive: Receive) -> Receive:
    """Stops the reading of a body that did not say how large it is, or that hardly comes."""
    limit, size, is_whole = _limit(scope), 0, False
    started_s = time.monotonic()

    async def receive_counted() -> Message:
        nonlocal size, is_whole
        if is_whole:  # what comes now is that the client has left
            return await receive()
        allowed_s = BODY_GRACE_S + size / LEAST_BODY_BYTES_PER_S - (time.monotonic() - started_s)
        try:
            with anyio.fail_after(max(0.0, allowed_s)):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, _TOO_SLOW, {"Connection": "close"}) from None
        is_whole = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > limit:
            raise HTTPException(413, _too_large(scope).message)
        return message

    return receive_counted


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


async def _refuse(scope: Scope, receive: Receive, send: Send, error: KomadoriError) -> None:
    if scope["type"] == "http":
        await response_to(error)(scope, receive, _with_headers(send))
    elif "websocket.http.response" in scope.get("extensions", {}):
        await response_to(error)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})

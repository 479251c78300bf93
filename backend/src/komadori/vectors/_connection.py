"""Requests to the API of the machine that holds an index, and what its refusals mean."""

import time
import weakref
from dataclasses import dataclass

import httpx

from komadori.core.errors import (
    ConflictError,
    DependencyError,
    InputError,
    KomadoriError,
    NotFoundError,
    StorageError,
)

PATIENCE_S = 60.0
"""How long a request is sent again while nothing answers: an API that is replaced is back by then."""

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

_NOT_THERE = {502, 503, 504}
"""What a proxy says of an API that does not answer it."""

_CLASS_OF_STATUS: dict[int, type[KomadoriError]] = {
    401: DependencyError,
    403: DependencyError,
    404: NotFoundError,
    409: ConflictError,
    413: InputError,
    422: InputError,
}


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A problem document."""

    code: str
    detail: str
    hint: str


class Connection:
    """Sends requests to one API, again while nothing answers; safe for threads.

    That is harmless because each of them leaves the same behind when it comes twice.

    Args:
        url: Where the API listens, such as ``http://10.8.0.1:8000``.
        token: Sent as a bearer token when given.

    Raises:
        InputError: ``url`` is no HTTP address.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=_TIMEOUT,
            trust_env=_host_of(url) not in _LOOPBACK,  # a proxy never leads back to this machine
        )
        weakref.finalize(self, self._http.close)  # an index is never told that nobody needs it any more

    def get_number(self, path: str, name: str, patience_s: float = PATIENCE_S) -> int:
        """A number of the JSON object at ``path``.

        Raises:
            KomadoriError: See :meth:`post`.
        """
        answer = self._send("GET", path, b"", {}, patience_s)
        try:
            return int(answer.json()[name])
        except (ValueError, TypeError, KeyError, IndexError) as exc:
            raise self._foreign(f"an answer without a number {name}") from exc

    def post(self, path: str, content: bytes, patience_s: float = PATIENCE_S, **query: int) -> bytes:
        """The bytes that ``content`` is answered with.

        Raises:
            StorageError: Nothing answers, or the index or its disk failed there; worth another attempt.
            DependencyError: The API refuses this machine, or is none of this version.
            NotFoundError, ConflictError, InputError: As the index there has raised it.
        """
        return self._send("POST", path, content, query, patience_s).content

    def _send(
        self, method: str, path: str, content: bytes, query: dict[str, int], patience_s: float
    ) -> httpx.Response:
        deadline_s, pause_s = time.monotonic() + patience_s, _FIRST_PAUSE_S
        headers = {"Content-Type": "application/octet-stream"} if content else {}
        while True:
            try:
                answer = self._http.request(method, path, content=content, params=query, headers=headers)
            except httpx.TransportError as exc:
                if time.monotonic() + pause_s > deadline_s:
                    raise self._unreachable(str(exc) or type(exc).__name__) from exc
            else:
                refusal = _refusal_in(answer)
                if refusal is not None or answer.status_code not in _NOT_THERE:
                    return self._accepted(answer, refusal)
                if time.monotonic() + pause_s > deadline_s:
                    raise self._unreachable(f"HTTP status {answer.status_code}")
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _accepted(self, answer: httpx.Response, refusal: _Refusal | None) -> httpx.Response:
        if answer.is_success:
            return answer
        if refusal is None:
            raise self._foreign(f"HTTP status {answer.status_code}")
        raise self._error(answer.status_code, refusal)

    def _error(self, status: int, refusal: _Refusal) -> KomadoriError:
        if status == httpx.codes.UNAUTHORIZED:
            return DependencyError(
                f"The API at {self.url}, which holds the vectors, does not accept this machine's token.",
                hint="Set KOMADORI_TOKEN here to the one that the API has, then start the worker again.",
                code="token-required",
            )
        if refusal.code == "unknown-space":
            return DependencyError(
                f"The API at {self.url} does not know this worker's model: it has another database.",
                hint="Give this worker the API's KOMADORI_DATABASE_URL, and the API's KOMADORI_URL.",
                code=refusal.code,
            )
        if refusal.code == "no-such-address":
            return self._foreign("one without vectors")
        kind = _CLASS_OF_STATUS.get(status, StorageError)
        return kind(f"The API at {self.url} says: {refusal.detail}", hint=refusal.hint, code=refusal.code)

    def _unreachable(self, reason: str) -> StorageError:
        return StorageError(
            f"Nothing answers at {self.url}, where the vectors are kept ({reason}).",
            hint="Start the API there, or set KOMADORI_URL to an address that leads to it from this machine.",
            code="vectors-unreachable",
        )

    def _foreign(self, got: str) -> DependencyError:
        return DependencyError(
            f"Expected Komadori's API at {self.url}, got {got}.",
            hint="Check KOMADORI_URL, and that this worker and the API have the same version.",
            code="unexpected-answer",
        )


def _host_of(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise InputError(
            f"Expected an address such as http://10.8.0.1:8000 in KOMADORI_URL, got {url!r}.",
            hint="Set KOMADORI_URL to where the API is reached from this machine.",
            code="bad-url",
        )
    return parts.host


def _refusal_in(answer: httpx.Response) -> _Refusal | None:
    """The problem document of an answer, if it has one."""
    if answer.headers.get("content-type") != "application/problem+json":
        return None
    try:
        body = answer.json()
        return _Refusal(str(body["code"]), str(body["detail"]), str(body["hint"]))
    except (ValueError, TypeError, KeyError):
        return None

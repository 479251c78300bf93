"""The part of the Hugging Face hub's HTTP interface that fetching a checkpoint needs.

Our own client, for three reasons seen with huggingface_hub 2.4: a killed download starts
again from zero (huggingface_hub#4306), bytes of the right size are never compared with
their checksum, and a stalled transfer can hang for hours (sam3#582).
"""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx

from komadori.core.errors import HubError, ModelError
from komadori.ml.catalogue import COMMIT
from komadori.ml.manifest import size_of

DEFAULT_ENDPOINT = "https://huggingface.co"

_ATTEMPTS = 5
_MAX_PAUSE_S = 60.0
_NO_CONNECTION = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.ProxyError,
    httpx.TooManyRedirects,
    httpx.UnsupportedProtocol,
)
_BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository, with the checksum that the hub has for it.

    Large files have a SHA-256 (git LFS); small ones only the id of their git blob, which
    is the SHA-1 of "blob", the size and the contents.
    """

    name: str
    size: int
    git_oid: str
    sha256: str | None

    def matches(self, path: Path, sha256: str) -> bool:
        """Whether the file at ``path``, whose SHA-256 is given, has the hub's checksum."""
        if self.sha256 is not None:
            return sha256 == self.sha256
        data = path.read_bytes()
        return (
            hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == self.git_oid
        )


class Hub:
    """A connection to a hub; a context manager.

    Args:
        endpoint: The address of the hub.
        token: An access token for gated and private models.
        stall_timeout_s: A transfer that brings nothing for so long is begun again.
        check_cancelled: Called between blocks and while waiting; what it raises ends the call.

    Raises:
        ModelError: The token cannot be one.
    """

    def __init__(
        self, endpoint: str, token: str | None, stall_timeout_s: float, check_cancelled: Callable[[], None]
    ) -> None:
        self._check_cancelled = check_cancelled
        self._endpoint = endpoint.rstrip("/")
        token = _clean(token)
        self._has_token = bool(token)
        headers = {"Accept-Encoding": "identity", "User-Agent": "komadori"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # httpx drops the token when the hub redirects to its storage on another host.
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(stall_timeout_s, connect=min(5.0, stall_timeout_s)),
            follow_redirects=True,
        )

    def __enter__(self) -> "Hub":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def commit_of(self, model_id: str, revision: str) -> str:
        """The commit (40 hex digits) that a branch or a tag names now.

        Raises:
            ModelError: There is no such model or revision, or no access to it.
            HubError: The hub cannot be reached.
        """
        data, _ = self._json(
            model_id, f"{self._endpoint}/api/models/{model_id}/revision/{quote(revision, safe='')}"
        )
        commit = data.get("sha") if isinstance(data, dict) else None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise self._nonsense(model_id, f"a commit for revision {revision}", commit)
        return commit

    def files(self, model_id: str, commit: str) -> list[HubFile]:
        """The files in the top folder of a repository, in the order of the hub.

        Raises:
            ModelError: There is no such model or commit, or no access to it.
            HubError: The hub cannot be reached.
        """
        found: list[HubFile] = []
        url: str | None = f"{self._endpoint}/api/models/{model_id}/tree/{commit}"
        while url is not None:
            entries, following = self._json(model_id, url)
            try:
                found += _hub_files(entries)
            except (KeyError, TypeError, ValueError) as exc:
                raise self._nonsense(model_id, "a list of files with their checksums", exc) from exc
            if following is not None and not following.startswith(f"{self._endpoint}/"):
                raise self._nonsense(model_id, "the next page of the list on the same host", following)
            url = following
        return found

    def download(
        self, model_id: str, commit: str, file: HubFile, part: Path, on_bytes: Callable[[int], None]
    ) -> None:
        """Append to ``part`` what it lacks of a file; the caller compares it with its checksum.

        A cut or stalled transfer goes on from where it was; after five attempts that brought
        nothing it is given up.

        Args:
            model_id: The model.
            commit: The commit to take it from.
            file: What to fetch.
            part: The file to append to; what it holds is taken as the beginning.
            on_bytes: Called often with the bytes of the file that are there.

        Raises:
            ModelError: There is no access, or the hub sends something else.
            HubError: The hub cannot be reached.
        """
        url = f"{self._endpoint}/{model_id}/resolve/{commit}/{quote(file.name)}"
        part.touch()
        failures = 0
        while True:
            before = part.stat().st_size
            try:
                self._append(model_id, url, file, part, on_bytes)
            except _PassingError as passing:
                failures = 1 if part.stat().st_size > before else failures + 1
                self._pause(passing, failures)
            else:
                return

    def _append(
        self, model_id: str, url: str, file: HubFile, part: Path, on_bytes: Callable[[int], None]
    ) -> None:
        done = size_of(part) or 0
        if done > file.size:
            part.write_bytes(b"")
            done = 0
        if done == file.size:
            return
        with self._stream(model_id, url, {"Range": f"bytes={done}-"} if done else {}) as response:
            if response.status_code != httpx.codes.PARTIAL_CONTENT:
                done = 0  # the server does not know ranges, or there was nothing to go on from
            with part.open("ab" if done else "wb") as stream:
                for n_bytes in self._write_blocks(response, stream, done, file, model_id):
                    on_bytes(n_bytes)
                    self._check_cancelled()

    def _write_blocks(
        self, response: httpx.Response, stream: BinaryIO, done: int, file: HubFile, model_id: str
    ) -> Iterator[int]:
        """Write what comes, and yield after each block how many bytes of the file are there."""
        for block in response.iter_bytes():
            done += len(block)
            if done > file.size:
                raise self._nonsense(model_id, f"{file.size} bytes of {file.name}", "more")
            stream.write(block)
            yield done

    def _json(self, model_id: str, url: str) -> tuple[Any, str | None]:
        """The JSON at ``url``, and the address of the next page if there is one."""
        failures = 0
        while True:
            try:
                with self._stream(model_id, url, {}) as response:
                    response.read()
                    return response.json(), response.links.get("next", {}).get("url")
            except _PassingError as passing:
                failures = _ATTEMPTS if passing.is_no_connection else failures + 1
                self._pause(passing, failures)
            except ValueError as exc:
                raise self._nonsense(model_id, "JSON", url) from exc

    @contextmanager
    def _stream(self, model_id: str, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code in _BUSY:
                    raise _PassingError(
                        f"it answered {response.status_code}", _seconds(response.headers.get("Retry-After"))
                    )
                if not response.is_success:
                    raise self._refusal(model_id, response)
                yield response
        except _NO_CONNECTION as exc:
            raise _PassingError(str(exc) or "no answer", is_no_connection=True) from exc
        except httpx.RequestError as exc:
            raise _PassingError(str(exc) or "the transfer stalled") from exc

    def _pause(self, passing: "_PassingError", failures: int) -> None:
        """Wait before another attempt, or give up."""
        if failures >= _ATTEMPTS:
            raise HubError(
                f"Expected an answer from the model hub {self._endpoint}, got none: {passing}.",
                hint="Check the network and the proxy settings and run the same command again; what was "
                "fetched is kept. Without a network, copy the model's folder from another machine "
                "or give the path of a local checkpoint.",
            ) from passing
        wait_s = passing.wait_s if passing.wait_s is not None else 0.5 * 2 ** (failures - 1)
        until = time.monotonic() + min(wait_s, _MAX_PAUSE_S) * random.uniform(1.0, 1.2)  # noqa: S311
        while (left_s := until - time.monotonic()) > 0:
            self._check_cancelled()
            time.sleep(min(left_s, 0.2))

    def _refusal(self, model_id: str, response: httpx.Response) -> ModelError:
        """What a refused request means for the user."""
        status, reason = response.status_code, response.headers.get("X-Error-Code", "")
        said = response.headers.get("X-Error-Message", f"HTTP {status}")
        page = f"{self._endpoint}/{model_id}"
        if status == 401 and self._has_token:
            return ModelError(
                f"Expected a valid token for {model_id}, got one that the hub does not accept: {said}.",
                hint=f"Make a new token at {self._endpoint}/settings/tokens and set HF_TOKEN to it.",
                code="model-token-refused",
            )
        if status == 401 and reason == "GatedRepo":
            return ModelError(
                f"{model_id} is gated: expected an access token, got none.",
                hint=f"Accept the licence at {page}, make a token at {self._endpoint}/settings/tokens, "
                "set HF_TOKEN to it and try again.",
                code="model-token-needed",
            )
        if status == 403:
            return ModelError(
                f"Expected access to {model_id}, got: {said}",
                hint=f"Ask for access and accept the licence at {page} with the account that the token "
                "belongs to; a fine-grained token must also be allowed to read gated models.",
                code="model-access-denied",
            )
        if status in (401, 404):
            return ModelError(
                f"Expected the model {model_id} at {self._endpoint}, got: {said}.",
                hint="Check the spelling and the revision; for a private model, set HF_TOKEN.",
                code="model-not-found",
            )
        return self._nonsense(model_id, "a file or a list", said)

    def _nonsense(self, model_id: str, expected: str, got: object) -> ModelError:
        return ModelError(
            f"Expected {expected} for {model_id} from {self._endpoint}, got {got!r}.",
            hint="Check that the address is that of a Hugging Face hub, and run the same command again.",
            code="hub-nonsense",
        )


class _PassingError(Exception):
    """A failure that may be gone at the next attempt."""

    def __init__(self, reason: str, wait_s: float | None = None, *, is_no_connection: bool = False) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.is_no_connection = is_no_connection


def _clean(token: str | None) -> str | None:
    """The token without the line end that files and shells add to it."""
    token = (token or "").strip()
    if token.isascii() and token.isprintable() and " " not in token:
        return token or None
    raise ModelError(
        "Expected an access token of letters and digits, got other characters in it.",
        hint="Copy the token again from the settings page of the hub and set HF_TOKEN to it.",
        code="model-token-refused",
    )


def _hub_files(entries: Any) -> list[HubFile]:
    """The files among the entries of a tree, which are JSON of unknown shape."""
    return [
        HubFile(
            name=str(entry["path"]),
            size=int(entry["size"]),
            git_oid=str(entry["oid"]),
            sha256=str(entry["lfs"]["oid"]) if entry.get("lfs") else None,
        )
        for entry in entries
        if entry["type"] == "file"
    ]


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None

"""A model hub on the loopback, with the faults that real ones have.

Speaks the part of the Hugging Face hub's HTTP interface that fetching a checkpoint uses, as
huggingface_hub 2.4 expects it: ``/api/models/ID/revision/REV``, ``/api/models/ID/tree/REV`` in
pages, and ``/ID/resolve/REV/FILE`` with ranges. Large files are redirected to a second server,
the "storage", which is another origin and must never see a token.
"""

import hashlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

_BLOCK_BYTES = 16 << 10
_ROUTE = re.compile(
    r"/api/models/(?P<api>[^/]+/[^/]+)/(?P<what>revision|tree)/(?P<rev>[^/]+)"
    r"|/(?P<id>[^/]+/[^/]+)/resolve/(?P<commit>[^/]+)/(?P<file>.+)"
    r"|/storage/(?P<sha256>[0-9a-f]{64})"
)


@dataclass
class Repository:
    """A model on the hub; ``readers`` are the tokens with access to a gated one."""

    files: dict[str, bytes]
    commit: str
    is_gated: bool = False
    readers: set[str] = field(default_factory=set)
    branches: dict[str, str] = field(default_factory=dict)

    def knows(self, revision: str) -> bool:
        return revision in {"main", self.commit, *self.branches}


@dataclass
class Faults:
    """What goes wrong; keyed by file name. Each cut and each stall happens once."""

    cut_after: dict[str, list[int]] = field(default_factory=dict)
    stall_after: dict[str, int] = field(default_factory=dict)
    flipped: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    bytes_per_s: float | None = None
    ignores_ranges: bool = False


@dataclass(frozen=True)
class Request:
    """A request as the hub saw it."""

    path: str
    range: str | None
    token: str | None
    is_storage: bool


class FakeHub:
    """Serves repositories until it is closed; a context manager. Ports are free ones unless named."""

    def __init__(self, ports: tuple[int, int] = (0, 0)) -> None:
        self.repositories: dict[str, Repository] = {}
        self.tokens: set[str] = set()
        self.faults = Faults()
        self.requests: list[Request] = []
        self.bytes_served: Counter[str] = Counter()
        self.page_size = 1000
        self.is_closing = threading.Event()
        self._blobs: dict[str, tuple[str, bytes]] = {}
        self._servers = [
            _Server(self, ports[0], is_storage=False),
            _Server(self, ports[1], is_storage=True),
        ]

    def __enter__(self) -> "FakeHub":
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return self._servers[0].url

    @property
    def storage_url(self) -> str:
        return self._servers[1].url

    def add(self, model_id: str, files: Mapping[str, bytes], *, is_gated: bool = False) -> Repository:
        """Publish files under a commit made of their contents."""
        digest = hashlib.sha1(usedforsecurity=False)
        for name, data in sorted(files.items()):
            digest.update(name.encode() + b"\0" + data)
            self._blobs[hashlib.sha256(data).hexdigest()] = (name, data)
        self.repositories[model_id] = Repository(dict(files), digest.hexdigest(), is_gated)
        return self.repositories[model_id]

    def add_folder(self, model_id: str, folder: Path) -> Repository:
        """Publish the files of a folder."""
        return self.add(model_id, {f.name: f.read_bytes() for f in folder.iterdir() if f.is_file()})

    def downloads(self, name: str) -> list[Request]:
        """The requests for the contents of a file, redirects left out."""
        stored = {f"/storage/{sha256}" for sha256, (file, _) in self._blobs.items() if file == name}
        return [
            r
            for r in self.requests
            if r.path in stored or (r.path.endswith(f"/{name}") and not is_large(name))
        ]

    def blob(self, sha256: str) -> tuple[str, bytes]:
        return self._blobs[sha256]


def is_large(name: str) -> bool:
    """Whether the hub keeps a file in its storage instead of in git."""
    return name.endswith((".safetensors", ".bin", ".model"))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: FakeHub, port: int, *, is_storage: bool) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.hub = hub
        self.is_storage = is_storage
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    _commit = ""
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.server.hub
        split = urlsplit(self.path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        hub.requests.append(Request(split.path, self.headers.get("Range"), token, self.server.is_storage))
        if hub.faults.statuses:
            return self._refuse(hub.faults.statuses.pop(0), "", "the hub is busy")
        route = _ROUTE.fullmatch(unquote(split.path))
        if route is None:
            return self._refuse(404, "", "Not Found")
        if route["sha256"]:
            return self._send_file(*hub.blob(route["sha256"]))
        if token is not None and token not in hub.tokens:
            return self._refuse(401, "", "Invalid credentials in Authorization header")
        model_id = route["api"] or route["id"]
        repository = hub.repositories.get(model_id)
        if repository is None:
            return self._refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        if not repository.knows(route["rev"] or route["commit"]):
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {route['rev'] or route['commit']}")
        if route["what"] == "revision":
            commit = repository.branches.get(route["rev"], repository.commit)
            return self._send_json({"id": model_id, "sha": commit, "gated": repository.is_gated})
        if route["what"] == "tree":
            return self._send_tree(repository, split.path, int(parse_qs(split.query).get("cursor", ["0"])[0]))
        return self._resolve(model_id, repository, route["file"], token)

    def _resolve(self, model_id: str, repository: Repository, file: str, token: str | None) -> None:
        if repository.is_gated and token not in repository.readers:
            said = (
                f"Access to model {model_id} is restricted and you are not in the authorized list."
                if token
                else f"Access to model {model_id} is restricted. Please log in."
            )
            return self._refuse(403 if token else 401, "GatedRepo", said)
        self._commit = repository.commit
        data = repository.files.get(file)
        if data is None:
            return self._refuse(404, "EntryNotFound", "Entry not found")
        if not is_large(file):
            return self._send_file(file, data)
        sha256 = hashlib.sha256(data).hexdigest()
        self.send_response(302)
        self.send_header("Location", f"{self.server.hub.storage_url}/storage/{sha256}")
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("X-Linked-Etag", f'"{sha256}"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def _send_tree(self, repository: Repository, path: str, start: int) -> None:
        hub = self.server.hub
        entries = [_entry(name, data) for name, data in repository.files.items()]
        entries.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": "onnx"})
        end = start + hub.page_size
        following = f'<{hub.url}{path}?cursor={end}>; rel="next"' if end < len(entries) else None
        self._send_json(entries[start:end], {"Link": following} if following else {})

    def _send_json(self, data: object, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_file(self, name: str, data: bytes) -> None:
        faults = self.server.hub.faults
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(asked[1]) if asked and not faults.ignores_ranges else 0
        if start and start >= len(data):
            return self._refuse(416, "", "Range Not Satisfiable")
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", self._commit)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if name in faults.flipped:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self._send_body(name, data[start:])
        return None

    def _send_body(self, name: str, body: bytes) -> None:
        hub = self.server.hub
        cuts = hub.faults.cut_after.get(name)
        cut = cuts.pop(0) if cuts else None
        stall = hub.faults.stall_after.pop(name, None)
        for offset in range(0, len(body), _BLOCK_BYTES):
            if cut is not None and offset >= cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if stall is not None and offset >= stall:
                hub.is_closing.wait(30)
                return
            block = body[offset : offset + _BLOCK_BYTES]
            self.wfile.write(block)
            hub.bytes_served[name] += len(block)
            if hub.faults.bytes_per_s:
                time.sleep(len(block) / hub.faults.bytes_per_s)


def _entry(name: str, data: bytes) -> dict[str, object]:
    blob = b"blob %d\0" % len(data) + data
    entry: dict[str, object] = {
        "type": "file",
        "oid": hashlib.sha1(blob, usedforsecurity=False).hexdigest(),
        "size": len(data),
        "path": name,
    }
    if is_large(name):
        entry["oid"] = "9" * 40  # the id of the pointer file, not of the contents
        entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return entry

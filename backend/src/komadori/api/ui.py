"""Serves the built web UI, where this installation has it.

Its files hold no data, so they are served to everybody; what they show comes from the API. Every
address that is none of the API, of the probes or of a file gives ``index.html``, which finds its own way.
"""

import gzip
import hashlib
import re
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).parent / "static"

_ASSETS = "assets/"
"""Files whose names change with their content."""

_FOREVER = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"

_NO_PAGES = frozenset({"api", "healthz", "readyz", "metrics"})
"""The first parts of all other addresses."""

_TEXTS = frozenset({".css", ".html", ".js", ".json", ".map", ".md", ".svg", ".txt", ".webmanifest"})
_MEDIA_TYPES = {".js": "text/javascript", ".md": "text/plain", ".webmanifest": "application/manifest+json"}
"""Where the machine's own table may say otherwise, or browsers would not show it."""

_LEAST_PACKED_BYTES = 1024
_FILES_KNOWN = 256

_POLICY = (
    "default-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
_NAMED_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")

_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Komadori</title>
<h1>The web UI was not built</h1>
<p>This installation of Komadori has no web UI. The API and the command line work as ever.</p>
<p>In a checkout, <code>make ui</code> builds it; an installation without KOMADORI_SKIP_UI has it.</p>
</html>
"""


def is_page(path: str) -> bool:
    """Whether an address belongs to the web UI."""
    return path.removeprefix("/").partition("/")[0] not in _NO_PAGES


def mount(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the files of ``folder``; call this after all other routes."""
    folder = folder.resolve()
    app.state.ui_folder = folder

    def show(request: Request) -> Response:
        path: str = request.path_params["path"]
        if not is_page(f"/{path}"):
            raise HTTPException(404)
        found = _found(folder, path)
        if found is None and path.startswith(_ASSETS):
            raise HTTPException(404)
        index = folder / "index.html"
        if found is None or found == index:
            return _file(index, request, _ASK_EACH_TIME) if index.is_file() else HTMLResponse(_NOT_BUILT, 503)
        return _file(found, request, _FOREVER if path.startswith(_ASSETS) else _ASK_EACH_TIME)

    app.add_route("/{path:path}", show, include_in_schema=False)


def _found(folder: Path, name: str) -> Path | None:
    """The file of that name in the folder; none for names that lead out of it, or that no file can have."""
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder) and path.is_file() else None
    except (OSError, ValueError):
        return None


def _policy(host: str) -> str:
    """What the page may load: nothing of another origin. Not every browser counts WebSockets to 'self'."""
    sockets = f" ws://{host} wss://{host}" if _NAMED_HOST.fullmatch(host) else ""
    return "; ".join((*_POLICY, f"connect-src 'self'{sockets}"))


def _file(path: Path, request: Request, cache_control: str) -> Response:
    """A file, packed if it is text and the client takes that, or that the client has it already."""
    found = path.stat()
    tag = _tag(path, found.st_mtime_ns)
    headers = {
        "Cache-Control": cache_control,
        "Content-Security-Policy": _policy(request.headers.get("host", "")),
        "ETag": tag,
        # Not `no-referrer`: that would hide from the API itself where some of the page's requests come from.
        "Referrer-Policy": "same-origin",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    plain = FileResponse(path, headers=headers, media_type=_MEDIA_TYPES.get(path.suffix), stat_result=found)
    if path.suffix not in _TEXTS or found.st_size < _LEAST_PACKED_BYTES or not _takes_gzip(request):
        return plain
    packed = _packed(path, found.st_mtime_ns)
    return Response(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=plain.media_type)


def _takes_gzip(request: Request) -> bool:
    accepted = request.headers.get("accept-encoding", "")
    return any(re.fullmatch(r"\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?", part) for part in accepted.split(","))


@lru_cache(_FILES_KNOWN)
def _tag(path: Path, _changed_ns: int) -> str:
    """By the content: files of a wheel may all have the time at which it was made."""
    with path.open("rb") as file:
        return f'W/"{hashlib.file_digest(file, "sha256").hexdigest()[:32]}"'


@lru_cache(_FILES_KNOWN)
def _packed(path: Path, _changed_ns: int) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)

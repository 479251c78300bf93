"""Serves the built web UI, where this installation has it."""

from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"

_FOREVER = "public, max-age=31536000, immutable"


class _Assets(StaticFiles):
    """Files whose names change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _FOREVER
        return response


def mount(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the files of ``folder``, if it has an ``index.html``; call this after all other routes.

    Every address that is none of the API gives ``index.html``, which finds its own way.
    """
    index = folder / "index.html"
    if not index.is_file():
        return
    if (folder / "assets").is_dir():
        app.mount("/assets", _Assets(directory=folder / "assets"))
    top = {path.name: path for path in folder.iterdir() if path.is_file()}

    @app.get("/{path:path}", include_in_schema=False)
    def show(path: str) -> FileResponse:
        if path.partition("/")[0] == "api":
            raise HTTPException(404)
        return FileResponse(top.get(path, index), headers={"Cache-Control": "no-cache"})

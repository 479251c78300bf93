"""Whether a browser may come in: it gives the token once, and has a cookie from then on."""

import hmac
import time

from fastapi import APIRouter, Request, Response

import komadori
from komadori.api import schemas, session_cookie
from komadori.api import system_answers as answers
from komadori.api.errors import TokenError
from komadori.api.guard import SESSION_PATH, Access, is_let_in

router = APIRouter(tags=["session"])


@router.get(SESSION_PATH)
async def get_session(request: Request) -> answers.Session:
    """Whether a token is needed, and whether this client has given it; needs no token itself."""
    state = request.app.state
    access: Access = state.access
    return answers.Session(
        needs_token=access.token is not None,
        is_open=is_let_in(access, request.scope),
        version=komadori.__version__,
        is_local=state.is_local,
        database_id=state.database_id,
        has_ui=(state.ui_folder / "index.html").is_file(),
    )


@router.post(SESSION_PATH, status_code=204)
async def open_session(body: schemas.NewSession, request: Request, response: Response) -> None:
    """Let the browser in that gives the token: it gets a cookie that counts as the token for 30 days."""
    access: Access = request.app.state.access
    if access.token is None:
        return
    if not hmac.compare_digest(body.token.encode(), access.token.encode()):
        raise TokenError(
            "This is not the server's token.",
            hint="It is what KOMADORI_TOKEN is set to, where the server runs.",
            code="wrong-token",
        )
    value = session_cookie.value_for(access.token, time.time())
    response.set_cookie(session_cookie.COOKIE, value, session_cookie.LIVES_S, **_attributes(request))


@router.delete(SESSION_PATH, status_code=204)
async def close_session(request: Request, response: Response) -> None:
    """Take the cookie away from this browser; others that gave the token stay."""
    response.delete_cookie(session_cookie.COOKIE, **_attributes(request))


def _attributes(request: Request) -> session_cookie.Attributes:
    """Behind a proxy that ends HTTPS the request itself is plain, and the page's origin tells."""
    is_encrypted = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": is_encrypted}

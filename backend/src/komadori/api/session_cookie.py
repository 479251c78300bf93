"""The cookie by which a browser shows that it has given the token.

Its value is when it ends and a keyed hash of that, with the token as the key: the server keeps no
list of sessions, the token itself is not stored in the browser, and another token ends them all.
"""

import hashlib
import hmac
from typing import Literal, TypedDict

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

COOKIE = "komadori_session"
LIVES_S = 30 * 24 * 3600

_PURPOSE = b"komadori session 1 until "
"""What is hashed begins with it, so that no hash made for another purpose is a session."""


class Attributes(TypedDict):
    """Of the cookie: no script reads it, and no other site's page makes a browser send it."""

    path: str
    httponly: bool
    samesite: Literal["strict"]
    secure: bool


def value_for(token: str, now_s: float) -> str:
    """The cookie's value for who has given the token at that time."""
    return _signed(token, str(int(now_s) + LIVES_S))


def is_valid(value: str, token: str, now_s: float) -> bool:
    """Whether a value was made with this token and has not ended; takes the same time for all wrong ones."""
    ends_s, _, _ = value.partition(".")
    is_signed = hmac.compare_digest(value.encode(), _signed(token, ends_s).encode())
    return is_signed and now_s < int(ends_s)


def given(headers: Headers) -> str | None:
    """The value that came with a request."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


def _signed(token: str, ends_s: str) -> str:
    return f"{ends_s}.{hmac.new(token.encode(), _PURPOSE + ends_s.encode(), hashlib.sha256).hexdigest()}"

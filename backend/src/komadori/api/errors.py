"""What errors look like over HTTP: the only place that knows status codes.

Every error is a problem document (RFC 9457) with the stable ``code`` and the ``hint`` of
:class:`~komadori.core.errors.KomadoriError`.
"""

import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from komadori.core.errors import (
    ConflictError,
    DependencyError,
    InputError,
    KomadoriError,
    ModelError,
    NotFoundError,
    StorageError,
)
from komadori.services import incoming, uploads

MEDIA_TYPE = "application/problem+json"
INVALID_REQUEST = "invalid-request"

_LONGEST_DETAIL = 2_000
_ERRORS_SHOWN = 5

_log = logging.getLogger(__name__)


class TokenError(KomadoriError):
    """The request carries no token, or a wrong one."""

    default_code = "token-required"


class ForeignRequestError(KomadoriError):
    """The request was made by, or for, another site."""

    default_code = "foreign-request"


class TooLargeError(KomadoriError):
    """The request's body is larger than what is read."""

    default_code = "request-too-large"


_STATUS: tuple[tuple[type[KomadoriError], int], ...] = (
    (TokenError, 401),
    (ForeignRequestError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (TooLargeError, 413),
    (InputError, 422),
    (DependencyError, 503),
    (ModelError, 503),
    (StorageError, 503),
)
_STATUS_OF_CODE = {
    "disk-full": 507,
    "unknown-model": 422,
    uploads.TOO_LARGE: 413,
    uploads.BUSY: 423,
    uploads.WRONG_BYTES: 460,
    incoming.WRONG_CHECKSUM: 460,
    "tus-version": 412,
    "tus-content-type": 415,
    "tus-checksum": 400,
}
_TITLE_OF_STATUS = {460: "Checksum Mismatch"}
"""A status of the tus protocol that HTTP does not have."""

_CODE_OF_STATUS = {
    404: "no-such-address",
    405: "method-not-allowed",
    408: "request-too-slow",
    413: TooLargeError.default_code,
}


def status_of(error: KomadoriError) -> int:
    """The HTTP status of an error."""
    by_class = next((status for cls, status in _STATUS if isinstance(error, cls)), 500)
    return _STATUS_OF_CODE.get(error.code, by_class)


def title_of(status: int) -> str:
    """The name of a status."""
    return _TITLE_OF_STATUS.get(status) or HTTPStatus(status).phrase


def response_to(error: KomadoriError, headers: dict[str, str] | None = None) -> Response:
    """An error as an answer."""
    if isinstance(error, TokenError):
        headers = {**(headers or {}), "WWW-Authenticate": "Bearer"}
    return problem(status_of(error), error.code, error.message, error.hint, headers)


def problem(
    status: int,
    code: str,
    detail: str,
    hint: str = "",
    headers: dict[str, str] | None = None,
    **more: object,
) -> Response:
    """A problem document as an answer, with ``more`` members; text that is no Unicode is mended."""
    body = {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "code": code,
        "detail": detail[:_LONGEST_DETAIL],
        "hint": hint,
        **more,
    }
    content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(KomadoriError, _on_komadori_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_unknown_error)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These statuses as FastAPI's ``responses``."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": title_of(status), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


async def _on_komadori_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, KomadoriError)
    if status_of(error) >= 500:
        _log.warning("%s: %s", error.code, error)
    return response_to(error)


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(422, INVALID_REQUEST, _in_words(error.errors()), _schema_hint())


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    """What the framework refuses; a body that it could not read (400) is an invalid request too."""
    assert isinstance(error, HTTPException)
    status = 422 if error.status_code == 400 else error.status_code
    code = _CODE_OF_STATUS.get(status, INVALID_REQUEST)
    return problem(status, code, error.detail, _schema_hint(), dict(error.headers or {}))


async def _on_unknown_error(_request: Request, _error: Exception) -> Response:
    """The server logs the traceback once this answer is on its way."""
    return problem(
        500, "internal-error", "Komadori failed to answer this request.", "The reason is in the API's log."
    )


def _schema_hint() -> str:
    return "GET /api/v1/openapi.json says what can be asked."


def _in_words(errors: Sequence[Any]) -> str:
    told = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in errors[:_ERRORS_SHOWN]]
    rest = len(errors) - len(told)
    return "; ".join(told) + (f"; and {rest} more" if rest > 0 else "")

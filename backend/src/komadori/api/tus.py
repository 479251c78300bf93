"""What is said in the headers of the tus protocol 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from email.utils import formatdate
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from komadori.api.errors import response_to
from komadori.core.errors import InputError, KomadoriError
from komadori.services.incoming import CHECKSUM_ALGORITHMS, Checksum
from komadori.services.uploads import Progress

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
CONTENT_TYPE = "application/offset+octet-stream"

_METADATA_CHARACTERS = 8_000
_PAIR = re.compile(r"([!-+\--~]{1,100})(?: +([A-Za-z0-9+/]*={0,2}))? *", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class TusRoute(APIRoute):
    """A route whose every answer says the version; a request of another version is refused."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()

        async def answer_in_tus(request: Request) -> Response:
            try:
                if request.method not in ("OPTIONS", "GET"):
                    _check_version(request)
                response = await answer(request)
            except KomadoriError as error:
                return response_to(error, {"Tus-Resumable": VERSION, "Tus-Version": VERSION})
            response.headers["Tus-Resumable"] = VERSION
            return response

        return answer_in_tus


def whole_number(value: str | None, header: str) -> int:
    """The number that a header must have.

    Raises:
        InputError: It has none.
    """
    if value is None or not _DIGITS.fullmatch(value):
        raise InputError(
            f"Expected a whole number of at most 18 digits in {header}, got {value!r}.",
            hint="Send it as the tus protocol says.",
            code="tus-header",
        )
    return int(value)


def metadata(header: str) -> dict[str, str]:
    """The pairs of an ``Upload-Metadata``, whose values are UTF-8.

    Raises:
        InputError: It has another form.
    """
    if not header.strip():
        return {}
    if len(header) > _METADATA_CHARACTERS:
        raise _bad_metadata()
    pairs = [_PAIR.fullmatch(pair.strip()) for pair in header.split(",")]
    try:
        found = {pair[1]: base64.b64decode(pair[2] or "", validate=True).decode() for pair in pairs if pair}
    except ValueError as error:  # base64 or UTF-8 that is none
        raise _bad_metadata() from error
    if len(found) < len(pairs):  # one of another form, or a key twice
        raise _bad_metadata()
    return found


def checksum(header: str | None) -> Checksum | None:
    """What the ``Upload-Checksum`` of a request says of its body; None without one.

    Raises:
        InputError: It has another form, or names an algorithm that is not known.
    """
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    if algorithm in CHECKSUM_ALGORITHMS:
        with suppress(ValueError):
            return Checksum(algorithm, base64.b64decode(encoded, validate=True))
    raise InputError(
        f"Expected one of {', '.join(CHECKSUM_ALGORITHMS)} and a digest in base64, got {header[:100]!r}.",
        hint="Send another Upload-Checksum, or none.",
        code="tus-checksum",
    )


def check_content_type(request: Request) -> None:
    """Refuse a body of another type.

    Raises:
        InputError: It is of one.
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise InputError(
            f"Expected a body of type {CONTENT_TYPE}, got {given!r}.",
            hint="Send the bytes of the file as they are, with that Content-Type.",
            code="tus-content-type",
        )


def state_headers(progress: Progress) -> dict[str, str]:
    """How far an upload is."""
    upload = progress.upload
    headers = {
        "Upload-Offset": str(progress.offset),
        "Upload-Length": str(upload.size_bytes),
        "Upload-Expires": formatdate(upload.expires_s, usegmt=True),
        "Cache-Control": "no-store",
    }
    return headers | ({"Upload-Metadata": upload.tus_metadata} if upload.tus_metadata else {})


def _check_version(request: Request) -> None:
    given = request.headers.get("tus-resumable")
    if given != VERSION:
        raise InputError(
            f"Expected Tus-Resumable: {VERSION}, got {given!r}.",
            hint="Use a client of the tus protocol, version 1.0.",
            code="tus-version",
        )


def _bad_metadata() -> InputError:
    return InputError(
        f"Expected Upload-Metadata of up to {_METADATA_CHARACTERS} characters: keys with UTF-8 in base64.",
        hint="Send it as the tus protocol says: 'filename Y2xpcC5tcDQ=,sha256 ...'.",
        code="tus-metadata",
    )

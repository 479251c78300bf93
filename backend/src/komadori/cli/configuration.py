"""The settings as the command line needs them: wrong ones are an error like any other."""

from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from komadori.core.errors import InputError
from komadori.settings import Settings


def read_settings(**changes: Any) -> Settings:
    """The settings of the environment and of ``.env``; ``changes`` go before them.

    Raises:
        InputError: One of them has a value that cannot be used.
    """
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})
    except ValidationError as exc:
        problem = exc.errors()[0]
        name = "_".join(str(part) for part in problem["loc"]).upper()
        raise InputError(
            f"The setting KOMADORI_{name} cannot be used: {problem['msg']}, got {problem['input']!r}.",
            hint="Correct it in the environment or in the file .env.",
            code="bad-setting",
        ) from exc


def listening_address(settings: Settings, host: str | None, port: int | None) -> tuple[str, int]:
    """Where the API listens: as said, else where the command line will look for it."""
    try:
        url = urlsplit(settings.url)
        url_port = url.port
    except ValueError as exc:
        raise InputError(
            f"The setting KOMADORI_URL cannot be used: {exc}, got {settings.url!r}.",
            hint="Write it like http://127.0.0.1:8000.",
            code="bad-url",
        ) from exc
    return host or url.hostname or "127.0.0.1", port or url_port or 8000

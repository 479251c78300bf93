"""The settings as the command line needs them: wrong ones are an error like any other."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationError

from komadori.core.errors import InputError
from komadori.settings import Settings

_SECRET = {"TOKEN", "HUB_TOKEN"}
"""Settings whose values are not shown, not even wrong ones."""


class SettingError(InputError):
    """A setting has a value that cannot be used."""

    default_code = "bad-setting"


def read_settings(**changes: Any) -> Settings:
    """The settings of the environment and of ``.env``; ``changes`` go before them.

    Raises:
        SettingError: One of them has a value that cannot be used.
    """
    try:
        return Settings(**{name: value for name, value in changes.items() if value is not None})
    except ValidationError as exc:
        problem = exc.errors()[0]
        name = "_".join(str(part) for part in problem["loc"]).upper()
        got = "" if name in _SECRET else f", got {problem['input']!r}"
        raise SettingError(
            f"The setting KOMADORI_{name} cannot be used: {problem['msg']}{got}.",
            hint="Correct it in the environment or in the file .env.",
        ) from (None if name in _SECRET else exc)


def listening_address(settings: Settings, host: str | None, port: int | None) -> tuple[str, int]:
    """Where the API listens: as said, else where the command line will look for it."""
    url = http_address(settings.url)
    return host or url.hostname or "127.0.0.1", port or url.port or 8000


def http_address(url: str) -> SplitResult:
    """The value of ``KOMADORI_URL`` in its parts, with a host.

    Raises:
        SettingError: It is no HTTP address.
    """
    try:
        address = urlsplit(url)
        is_usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise SettingError(
            f"Expected an address such as http://127.0.0.1:8000 in KOMADORI_URL, got {url!r}.",
            hint="Correct KOMADORI_URL, or unset it.",
            code="bad-url",
        )
    return address

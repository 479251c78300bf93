"""Keeps secrets out of a report that people paste into an issue."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from komadori.settings import Settings

_HIDDEN = "***"
_SECRET_NAME = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|KEY)$", re.IGNORECASE)
_SHORTEST = 4
"""Values below are no secrets worth the name, and would be found in ordinary words."""

_IN_URL = re.compile(r"(\w://[^\s/:@]*:)[^\s/]+@")
_IN_QUERY = re.compile(r"((?:password|passwd|secret|token|api_key)=)[^\s&;,'\"]+", re.IGNORECASE)
_BEARER = re.compile(r"(Bearer\s+)[^\s,;'\"]+", re.IGNORECASE)
_HUB_TOKEN = re.compile(r"\bhf_\w{8,}")
_PASSWORD_OF_URL = re.compile(r"\w://[^\s/:@]*:(?P<password>.+)@")


class Mask:
    """Replaces secrets in texts: those given, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))}
        self._secrets = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)

    @classmethod
    def of(cls, settings: Settings | None) -> Mask:
        """Hides the tokens and passwords of the environment and of the settings."""
        values = dict(os.environ)
        if settings is not None:
            values.update(settings.environment())
        return cls(_secrets(values))

    def __call__(self, text: str) -> str:
        """The text without its secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        text = _IN_URL.sub(rf"\1{_HIDDEN}@", text)
        for pattern in (_IN_QUERY, _BEARER):
            text = pattern.sub(rf"\1{_HIDDEN}", text)
        return _HUB_TOKEN.sub(_HIDDEN, text)

    def tree(self, value: Any) -> Any:
        """The same for each text in a value as JSON has it."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {key: self.tree(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tree(inner) for inner in value]
        return value


def _secrets(values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if _SECRET_NAME.search(name):
            yield value
        found = _PASSWORD_OF_URL.search(value)
        if found:
            yield found["password"]

"""The settings as the command line needs them: wrong ones are an error like any other."""

from typing import Any

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

"""The names that people give."""

from komadori.core.errors import InputError

MAX_LENGTH = 200


def cleaned(name: str, what: str) -> str:
    """A name without needless spaces; ``what`` says of what it is one, such as "class".

    Raises:
        InputError: Nothing is left of it, or it is too long.
    """
    words = " ".join(name.split())
    if not 1 <= len(words) <= MAX_LENGTH:
        raise InputError(
            f"A {what} name of {len(words)} characters was given.",
            hint=f"Use 1 to {MAX_LENGTH}.",
            code=f"bad-{what}-name",
        )
    return words

"""The names and words that people give."""

import unicodedata

from komadori.core.errors import InputError

MAX_LENGTH = 200
MAX_PERSON_LENGTH = 80

_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Characters that count as letters or symbols, and show nothing."""


def cleaned(name: str, what: str) -> str:
    """A name without needless spaces; ``what`` says of what it is one, such as "class".

    Raises:
        InputError: Nothing of it is seen, it is too long, or it holds control characters.
    """
    words = " ".join(name.split())
    if not is_visible(words) or len(words) > MAX_LENGTH:
        raise InputError(
            f"A {what} name of {counted(words)} was given.",
            hint=f"Use 1 to {MAX_LENGTH} characters, of which some can be seen.",
            code=f"bad-{what}-name",
        )
    check_printable(words, f"The {what} name", f"bad-{what}-name")
    return words


def person(name: str) -> str:
    """The name of a person, as it is kept beside what that person does.

    Raises:
        InputError: Nothing of it is seen, it is too long, or it holds control characters.
    """
    if not is_visible(name) or len(name) > MAX_PERSON_LENGTH:
        raise InputError(
            f"A person's name of {counted(name)} was given.",
            hint=f"Use 1 to {MAX_PERSON_LENGTH} characters, of which some can be seen.",
            code="bad-actor",
        )
    check_printable(name, "The person's name", "bad-actor")
    return name


def is_visible(text: str) -> bool:
    """Whether a person would see something: a letter, a digit, a mark of punctuation or a symbol."""
    return any(unicodedata.category(one)[0] in "LNPS" and one not in _BLANKS for one in text)


def counted(text: str) -> str:
    """How many characters a text has, for a person who may see none of them."""
    return f"{len(text)} characters" + (", none of which is seen," if text and not is_visible(text) else "")


def check_printable(text: str, subject: str, code: str) -> None:
    """Make sure that no control characters are in a text, with which it could command a terminal.

    Raises:
        InputError: There is one.
    """
    found = next((one for one in text if unicodedata.category(one) == "Cc"), None)
    if found is not None:
        raise InputError(
            f"{subject} holds the control character U+{ord(found):04X}.",
            hint="Leave it out; it may have come along from a terminal or another program.",
            code=code,
        )

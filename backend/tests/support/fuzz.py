"""JSON that no careful client sends, written by hand because ``json`` would refuse to."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Raw = str
"""JSON as it goes over the wire."""

WRONG: tuple[Raw, ...] = (
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 5000,
    "1" + "0" * 400,
    "9223372036854775808",
    "-9223372036854775809",
    "0.1e-9999999",
    '""',
    '" "',
    r'"\u0000"',
    r'"a\u0000b"',
    r'"\ud800"',
    r'"\udfff\ud800"',
    r'"\u202e\u200b\u0301"',
    '"' + "é" * 300 + '"',
    '"' + "x" * 100_000 + '"',
    '"../../../etc/passwd"',
    '"/dev/zero"',
    '"\'; DROP TABLE videos; --"',
    '"%s%n{0}{{}}"',
    "[]",
    "{}",
    "[" * 300 + "]" * 300,
    "[" * 20_000,
    '{"a":' * 3_000 + "1" + "}" * 3_000,
    '{"a":1,"a":2}',
    "[1" + ",1" * 30_000 + "]",
    "01",
    "'single'",
    "",
    "\ufeff1",
)
"""Values for any place."""


def spoiled(body: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A body of JSON in which one or two places hold something wrong."""
    places = list(_places(body))
    return st.lists(
        st.tuples(st.sampled_from(places), st.sampled_from(WRONG), st.booleans()), min_size=1, max_size=2
    ).map(lambda changes: _written(body, changes))


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from _places(part, (*path, key))


def _written(body: dict[str, Any], changes: list[tuple[tuple[Any, ...], Raw, bool]]) -> bytes:
    wrong = {path: (raw, is_key) for path, raw, is_key in changes}

    def write(value: Any, path: tuple[Any, ...]) -> Raw:
        raw, is_key = wrong.get(path, (None, False))
        if raw is not None and not (is_key and isinstance(value, dict)):
            return raw
        if isinstance(value, dict):
            members = [f"{json.dumps(key)}:{write(part, (*path, key))}" for key, part in value.items()]
            if raw is not None:  # a member of a name that nobody knows, or that comes twice
                members.append(f"{raw if raw.startswith(chr(34)) else json.dumps(next(iter(value), raw))}:1")
            return "{" + ",".join(members) + "}"
        if isinstance(value, list):
            return "[" + ",".join(write(part, (*path, at)) for at, part in enumerate(value)) + "]"
        return json.dumps(value)

    return write(body, ()).encode("utf-8", "surrogatepass")

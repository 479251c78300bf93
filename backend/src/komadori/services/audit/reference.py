"""The page ``docs/check.md``, written from the kinds of findings themselves."""

from komadori.services.audit.findings import HARMLESS, MEANINGS, REMEDIES, Kind

_INTRODUCTION = """\
# What `komadori check` finds

`komadori check` looks at everything that is stored: database, jobs, frame ledger, files, vectors and
annotations. It writes nothing, needs no API, and works while Komadori runs or is stopped. What it
finds is looked at a second time after 5 s, and only what is found twice counts. A file without a row
counts once nobody has touched it for a day. `--deep` also reads every picture.

Each finding has a `kind`, which never changes, the `subject` that it concerns, a `detail` and a
`remedy`. `--json` gives them under these names, with `counts` of each kind, and with `seen`, which says
how much was looked at. The exit status is 1 with any finding. Harmless ones only take room: nothing
that is stored is lost or wrong by them.

| kind | means | remedy | |
|---|---|---|---|
"""


def markdown() -> str:
    """The whole page, the same on every machine."""
    return _INTRODUCTION + "\n".join(map(_row, Kind)) + "\n"


def _row(kind: Kind) -> str:
    return f"| `{kind}` | {MEANINGS[kind]} | {REMEDIES[kind]} | {'harmless' if kind in HARMLESS else ''} |"

"""Commands that look after the data of this machine: check, gc, backup, restore. They need no API."""

from contextlib import closing
from typing import Annotated

import typer

from komadori.cli import output
from komadori.cli.configuration import read_settings
from komadori.cli.options import Json

_SHOWN = 20
"""So many of a kind are shown; all that have a name with --json."""


def check(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every picture and compare it with the ledger.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify all that is stored: ledger, files, vectors, annotations, jobs; exit 1 with findings.

    Works on the home itself, whether Komadori runs or not, and changes nothing.
    """
    from komadori.bootstrap import open_store
    from komadori.services import check as service

    store = open_store(read_settings())
    with closing(store.sessions), output.spinner("Looking at everything that is stored ..."):
        report = service.check(store, is_deep=deep)
    if as_json:
        output.print_json(report.as_json())
    else:
        _show(report)
    if not report.is_clean:
        raise typer.Exit(1)


def _show(report: object) -> None:
    from komadori.services.check import Report

    assert isinstance(report, Report)
    for kind, n in report.counts.items():
        found = [finding for finding in report.findings if finding.kind == kind]
        output.line(f"{kind.value}: {n:,}" + (" (harmless)" if found[0].is_harmless else ""))
        for finding in found[:_SHOWN]:
            output.line(f"  {finding.subject}: {finding.detail}")
        if n > _SHOWN:
            output.line(f"  and {n - _SHOWN:,} more")
        output.line(f"  > {found[0].remedy}")
    seen = ", ".join(f"{n:,} {what}" for what, n in report.seen.items()) or "an empty store"
    n_findings = sum(report.counts.values())
    output.line(
        f"{output.count(n_findings, 'finding') if n_findings else 'Nothing is wrong'}; looked at {seen}."
    )
    for what, n in report.young.items():
        output.line(f"{n:,} {what} are less than a day old and named by no row; they were not judged.")

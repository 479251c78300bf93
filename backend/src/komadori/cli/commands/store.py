"""Commands that look after the data of this machine: check, gc, backup, restore. They need no API."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
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


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the database knows less than half of the frames.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove what nothing names any more: files, vectors and rows without a parent, unfinished writing.

    Works on the home itself, whether Komadori runs or not. Leaves alone what was touched within a day.
    """
    from komadori.bootstrap import open_store
    from komadori.services import garbage

    store = open_store(read_settings())
    with closing(store.sessions), output.spinner("Looking for what nothing names ..."):
        found = garbage.collect(store, is_dry_run=dry_run, is_forced=force)
    if as_json:
        output.print_json(found.as_json())
        return
    for kind, n in found.counts.items():
        output.line(f"{kind.value}: {n:,}, {output.size(found.n_bytes[kind])}")
        for name in found.names[kind][:_SHOWN]:
            output.line(f"  {name}")
        if n > _SHOWN:
            output.line(f"  and {n - _SHOWN:,} more")
    total = output.size(sum(found.n_bytes.values()))
    if not found.counts:
        output.line("There is nothing to remove.")
    else:
        output.line(f"{total} {'would be' if dry_run else 'were'} removed.")


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")],
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy pictures even where a second name for them would do.")
    ] = False,
    without_vectors: Annotated[
        bool, typer.Option("--without-vectors", help="Leave out what can be made again from the frames.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Back up everything but models and videos, while Komadori runs or not."""
    from komadori.bootstrap import open_store
    from komadori.services import backup as service

    settings = read_settings()
    store = open_store(settings)
    with closing(store.sessions), output.spinner(f"Writing a backup to {folder} ..."):
        about = service.back_up(
            store,
            settings.effective_database_url,
            folder,
            is_linking=not copy,
            with_vectors=not without_vectors,
        )
    if as_json:
        output.print_json(asdict(about))
        return
    output.line(f"{output.count(about.n_frames, 'frame')}, {output.size(about.n_bytes)} in {folder}.")
    if about.n_missing:
        output.line(
            f"{output.count(about.n_missing, 'picture')} were not in the store; `komadori check` names them."
        )


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `komadori backup` has written.")],
    as_json: Json = False,
) -> None:
    """Put a backup into an empty home (KOMADORI_HOME), and check it; exit 1 when something is wrong.

    Work that was under way begins again when Komadori starts.
    """
    from komadori.bootstrap import open_store
    from komadori.services import backup as service
    from komadori.services import check as checking

    settings = read_settings()
    home = settings.home.absolute()
    with output.spinner(f"Restoring into {home} ..."):
        about = service.restore(folder.absolute(), home, settings.effective_database_url)
        store = open_store(settings)
        with closing(store.sessions):
            report = checking.check(store, pause_s=0.0)
    if as_json:
        output.print_json({**asdict(about), "check": report.as_json()})
    else:
        output.line(f"{output.count(about.n_frames, 'frame')}, {output.size(about.n_bytes)} in {home}.")
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

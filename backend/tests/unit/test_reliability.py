"""The page about reliability shows the figures of the last recorded run, which held."""

from tests.chaos import figures
from tests.chaos.plan import KINDS


def test_the_page_shows_what_was_recorded() -> None:
    shown = figures.PAGE.read_text("utf-8").partition(figures.BEGIN)[2].partition(figures.END)[0]

    assert shown.strip() == figures.as_markdown(figures.recorded())


def test_the_recorded_runs_held_on_both_databases_and_with_the_demo_models() -> None:
    reports = figures.recorded()

    assert {(report["database"], report["models"]) for report in reports} == {
        ("sqlite", "fake"),
        ("postgresql", "fake"),
        ("sqlite", "demo"),
    }
    assert [report["violations"] for report in reports] == [[], [], []]


def test_they_had_every_kind_of_fault() -> None:
    inflicted = {name for report in figures.recorded() for name in report["faults"]}

    assert inflicted == {kind.name for kind in KINDS}

"""How a search is shown: what its scores are worth, and that nothing matches."""

import pytest

from komadori.cli.answers import Hit, ScoreScale, SearchAnswer
from komadori.cli.commands import search


class Videos:
    """An API that knows names of videos."""

    name = "street.mp4"

    def video(self, _video_id: str) -> "Videos":
        return self


def shown(capsys: pytest.CaptureFixture[str], answer: SearchAnswer) -> str:
    search._show(Videos(), answer)  # type: ignore[arg-type]
    return capsys.readouterr().out


def answer(n_strong: int, n_maybe: int) -> SearchAnswer:
    bands = ["strong"] * n_strong + ["maybe"] * n_maybe + ["none"]
    hits = [Hit(frame_id="7", video_id="1", pts_s=2.0, score=0.1, band=band) for band in bands]
    scale = ScoreScale(
        null_mean=0.1,
        null_std=0.02,
        n_null=98,
        strong_from=0.3,
        maybe_from=0.25,
        n_strong=n_strong,
        n_maybe=n_maybe,
    )
    return SearchAnswer(query="a cat", hits=hits, moments=[], n_searched=50, scale=scale)


def test_each_hit_has_its_band(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, answer(1, 2))
    assert "1 strong, 2 maybe" in said
    assert [line.split()[4] for line in said.splitlines() if "street.mp4" in line] == [
        "strong",
        "maybe",
        "maybe",
        "none",
    ]


def test_it_is_said_when_nothing_matches(capsys: pytest.CaptureFixture[str]) -> None:
    in_vain = answer(0, 0)
    assert in_vain.is_in_vain
    assert "Nothing here matches: from 0.250 on something might." in shown(capsys, in_vain)


def test_without_a_scale_nothing_is_said_of_worth(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = answer(0, 2).model_copy(update={"scale": None})
    assert not unknown.is_in_vain
    said = shown(capsys, unknown)
    assert "BAND" not in said
    assert "maybe" not in said

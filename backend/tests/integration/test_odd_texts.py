"""Words of every length and script: an answer or a clear refusal, on all the ways that words come in."""

import contextlib
import io
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from komadori.cli.main import main
from komadori.core.errors import InputError
from komadori.core.types import ConceptPrompt
from komadori.ml.segmenters.sam3 import Sam3Segmenter
from komadori.services import names
from tests.support.app import InlineSystem, inline_context, inline_system, live_server, seed_video
from tests.support.odd_texts import INVISIBLE, ODD_TEXTS
from tests.support.sam3_models import untrained_segmenter

LETTERS = ("x", "犬", "🐕 ", "e\u0301", "\u200b", "ᄒ", "\u202e", "word ")
LENGTHS = (1, 32, 33, 64, 10_000)
LONG_TEXTS = [letter * max(1, n // len(letter)) for letter in LETTERS for n in LENGTHS] + ["x" * 1_000_000]
REFUSALS = {"bad-search-text", "bad-prompts", "prompt-too-long", "invalid-request", "text-too-long"}

PICTURE = np.zeros((32, 32, 3), np.uint8)
THRESHOLDS = {"score_threshold": 0.5, "mask_threshold": 0.5}


@cache
def segmenter() -> Sam3Segmenter:
    return untrained_segmenter()


def short(text: str) -> str:
    """A name for a test."""
    return f"{text[:8].encode('unicode_escape').decode()}-{len(text)}"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        seed_video(system.ctx, n_frames=1)
        yield system


@pytest.mark.parametrize("text", [*filter(None, ODD_TEXTS), *LONG_TEXTS], ids=short)
def test_sam_3_reads_a_text_whole_or_refuses_it(text: str) -> None:
    problem = refused_by_sam_3(text)
    if problem is not None:
        assert problem.code in ("prompt-too-long", "empty-prompt")
        assert problem.hint
        assert len(problem.message) < 1_000


def refused_by_sam_3(text: str) -> InputError | None:
    """Why the segmenter does not take a text; None when it gave an answer."""
    try:
        found = segmenter().segment([PICTURE], [ConceptPrompt("thing", text)], **THRESHOLDS)
    except InputError as error:
        return error
    assert len(found[0]) == 1
    return None


@pytest.mark.parametrize("text", [*ODD_TEXTS, *LONG_TEXTS], ids=short)
@pytest.mark.parametrize(("path", "field"), [("/searches", "text"), ("/annotation-runs", "prompts")])
def test_the_api_answers_or_refuses(system: InlineSystem, path: str, field: str, text: str) -> None:
    body = {field: [text] if field == "prompts" else text}
    answer = system.client.post(f"/api/v1{path}", json=body)
    assert answer.status_code in (200, 202, 422), answer.text
    if answer.status_code == 422:
        assert answer.json()["code"] in REFUSALS
        assert answer.json()["hint"]
        assert len(answer.content) < 5_000


@pytest.mark.parametrize("text", INVISIBLE, ids=short)
def test_a_text_of_which_nothing_is_seen_is_refused_in_words(system: InlineSystem, text: str) -> None:
    for path, body in (
        ("/searches", {"text": text}),
        ("/annotation-runs", {"prompts": ["car", text]}),
        ("/annotations", {"frame_id": "1", "class_name": text, "bbox_xyxy": [0, 0, 5, 5]}),
    ):
        answer = system.client.post(f"/api/v1{path}", json=body)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["code"] in {*REFUSALS, "bad-class-name"}


@pytest.mark.parametrize("text", ["a", "犬", "é", "🐕", "👩‍👩‍👧", "?", "کتاب‌ها", "1", "가"])
def test_what_is_seen_is_taken(system: InlineSystem, text: str) -> None:
    assert system.client.post("/api/v1/searches", json={"text": text}).status_code == 200
    assert system.client.post("/api/v1/annotation-runs", json={"prompts": [text]}).status_code == 202
    assert names.cleaned(text, "class") == text


def test_control_characters_get_into_no_name(system: InlineSystem) -> None:
    for body in ({"prompts": ["car\x1b[2J"]}, {"prompts": ["car\x9b2J"]}):
        answer = system.client.post("/api/v1/annotation-runs", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-prompts")
        assert "U+00" in answer.json()["detail"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from komadori.api.app import create_app

    options, ctx, _ = inline_context(tmp_path_factory.mktemp("home"))
    seed_video(ctx, n_frames=1)
    with live_server(create_app(options, ctx)) as url:
        yield url
    ctx.sessions.close()


@pytest.mark.parametrize("text", [*ODD_TEXTS, "x" * 10_000, "\udcff\ud800", "-k"], ids=short)
@pytest.mark.parametrize("words", [("search",), ("annotate", "--prompt")])
def test_the_command_line_answers_or_refuses(
    served: str, words: tuple[str, ...], text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KOMADORI_URL", served)
    monkeypatch.setenv("KOMADORI_HOME", str(tmp_path))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = _ended(*words, text, "--json")
    assert status in (0, 1, 2), err.getvalue()
    assert "Traceback" not in err.getvalue()
    if status == 0:
        json.loads(out.getvalue())
    else:
        assert err.getvalue().strip()


def _ended(*words: str) -> int:
    try:
        return main(words)
    except SystemExit as error:
        return int(error.code or 0)

"""Decisions over HTTP: who made them, how they are undone, and how far a project has come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.app import InlineSystem, inline_system, seed_video

ACTOR = "X-Komadori-Actor"


@pytest.fixture
def system(tmp_path: Path) -> Iterator[InlineSystem]:
    with filled_system(tmp_path) as system:
        yield system


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    """One for all tests whose requests are refused."""
    with filled_system(tmp_path_factory.mktemp("unchanged")) as system:
        yield system


@contextmanager
def filled_system(folder: Path) -> Iterator[InlineSystem]:
    """Six frames, and a proposal on each: red on 1 and 4, green on 2 and 5, blue on 3 and 6."""
    with inline_system(folder / "home") as system:
        seed_video(system.ctx)
        ask(system, "POST", "/annotation-runs", {"prompts": ["red", "green"]})
        ask(system, "POST", "/annotation-runs", {"prompts": ["blue"]})
        yield system


def ask(
    system: InlineSystem, method: str, path: str, body: dict[str, Any] | None = None, actor: str = ""
) -> Any:
    headers = {ACTOR: quote(actor, safe="")} if actor else {}
    answer = system.client.request(method, f"/api/v1{path}", json=body, headers=headers)
    return answer.raise_for_status().json()


def proposals(system: InlineSystem, **filters: str) -> list[dict[str, Any]]:
    answer = system.client.get("/api/v1/annotations", params=filters).raise_for_status().json()
    items: list[dict[str, Any]] = answer["items"]
    assert answer["total"] == len(items)
    return items


def test_each_change_says_who_and_when(system: InlineSystem) -> None:
    first = proposals(system)[0]
    assert (first["created_by"], first["changed_s"], first["changed_by"]) == (None, None, None)
    url = f"/annotations/{first['id']}"

    ask(system, "POST", "/annotations/decisions", {"ids": [first["id"]], "status": "accepted"}, "駒鳥 ✿")
    edited = ask(system, "PATCH", url, {"class_name": "bus"}, "Ann O'Neil/%")
    nameless = ask(system, "PATCH", url, {"class_name": "lorry"})
    reverted = ask(system, "POST", f"{url}/revert", {"revision": 1}, "Eve")

    assert (edited["changed_by"], nameless["changed_by"], reverted["changed_by"]) == (
        "Ann O'Neil/%",
        None,
        "Eve",
    )
    history = ask(system, "GET", f"{url}/history")["items"]
    assert [state["changed_by"] for state in history] == ["駒鳥 ✿", "Ann O'Neil/%", None, "Eve"]
    times = [first["created_s"], *(state["changed_s"] for state in history)]
    assert times == sorted(times)
    assert times[-1] == reverted["changed_s"]


def test_a_drawn_annotation_keeps_who_drew_it(system: InlineSystem) -> None:
    box = {"frame_id": "1", "class_name": "cup", "bbox_xyxy": [1, 2, 30, 40]}
    drawn = ask(system, "POST", "/annotations", box, "Ann")
    edited = ask(system, "PATCH", f"/annotations/{drawn['id']}", {"class_name": "mug"}, "Ben")

    assert (drawn["created_by"], drawn["changed_by"]) == ("Ann", "Ann")
    assert (edited["created_by"], edited["changed_by"]) == ("Ann", "Ben")
    assert drawn["created_s"] == drawn["changed_s"] < edited["changed_s"]


@pytest.mark.parametrize(
    "name", ["", "%20", "x" * 81, "a%0Ab", "%1B[31m", "%00", "a%7F", "%E2%80%8B", "%FF", "%ED%A0%80", "\xe9"]
)
def test_a_name_that_could_deceive_is_refused(unchanged: InlineSystem, name: str) -> None:
    first = proposals(unchanged)[0]
    answer = unchanged.client.post(
        "/api/v1/annotations/decisions",
        json={"ids": [first["id"]], "status": "accepted"},
        headers={ACTOR.encode(): name.encode("latin-1")},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-actor")
    assert proposals(unchanged)[0] == first


def test_the_longest_name_is_kept_whole(system: InlineSystem) -> None:
    first, name = proposals(system)[0], "駒" * 80
    decision = {"ids": [first["id"]], "status": "accepted"}
    [item] = ask(system, "POST", "/annotations/decisions", decision, name)["items"]
    assert item["changed_by"] == name


def test_what_is_reverted_is_as_it_was_but_for_its_revision(system: InlineSystem) -> None:
    first = proposals(system)[0]
    url = f"/annotations/{first['id']}"
    ask(system, "PATCH", url, {"bbox_xyxy": [1, 2, 3, 4], "class_name": "bus"})

    reverted = ask(system, "POST", f"{url}/revert", {"revision": 1, "expected_revision": 2})

    touched = ("revision", "changed_s", "changed_by")
    assert {**reverted, **dict.fromkeys(touched)} == {**first, **dict.fromkeys(touched)}
    assert reverted["revision"] == 3


def test_a_revert_is_refused_as_an_edit_is(system: InlineSystem) -> None:
    url = f"/annotations/{proposals(system)[0]['id']}"
    ask(system, "PATCH", url, {"class_name": "bus"})
    before = ask(system, "GET", url)

    def refused(path: str, body: dict[str, int]) -> tuple[int, str]:
        answer = system.client.post(f"/api/v1{path}/revert", json=body)
        return answer.status_code, answer.json()["code"]

    assert refused(url, {"revision": 1, "expected_revision": 1}) == (409, "stale-revision")
    assert refused(url, {"revision": 2}) == (404, "no-such-revision")
    assert refused("/annotations/999", {"revision": 1}) == (404, "not-found")
    assert refused(url, {"revision": 0}) == (422, "invalid-request")
    assert ask(system, "GET", url) == before


def test_a_decision_answers_with_ids_alone_where_that_is_enough(system: InlineSystem) -> None:
    ids = [item["id"] for item in proposals(system)][::-1]
    decision = {"ids": ids, "status": "rejected"}

    whole = ask(system, "POST", "/annotations/decisions", decision)
    brief = ask(system, "POST", "/annotations/decisions", {**decision, "return_items": False})

    assert [item["id"] for item in whole["items"]] == whole["ids"] == ids
    assert brief == {"ids": ids, "items": []}


def test_a_whole_class_is_decided_at_once_and_undone(system: InlineSystem) -> None:
    red = [item["id"] for item in proposals(system, class_name="red")]
    ask(system, "PATCH", f"/annotations/{red[0]}", {"status": "rejected"})

    matching = {"project": "default", "status": "accepted", "class_name": "red"}
    found = ask(system, "POST", "/annotations/decisions/matching", matching, "Ann")

    assert found == {"ids": red[1:], "total": 1}
    assert {item["id"]: item["status"] for item in proposals(system, class_name="red")} == {
        red[0]: "rejected",
        red[1]: "accepted",
    }
    undo = {"ids": found["ids"], "status": "proposed"}
    ask(system, "POST", "/annotations/decisions", undo)
    assert [item["id"] for item in proposals(system, status="proposed", class_name="red")] == red[1:]


def test_annotations_are_narrowed_by_class_and_run(system: InlineSystem) -> None:
    runs = ask(system, "GET", "/annotation-runs?project=default")

    assert [run["prompts"] for run in runs["items"]] == [["red", "green"], ["blue"]]
    assert runs["items"][0] == {
        "id": "1",
        "prompts": ["red", "green"],
        "thresholds": {"score": 0.5, "mask": 0.5},
        "model_id": "fake",
        "model_revision": "1",
        "created_s": runs["items"][0]["created_s"],
    }
    assert [item["frame_id"] for item in proposals(system, run_id="2")] == ["3", "6"]
    assert [item["frame_id"] for item in proposals(system, class_name="green")] == ["2", "5"]
    assert proposals(system, class_name="green", run_id="2") == []


def test_the_summary_says_how_far_a_project_has_come(system: InlineSystem) -> None:
    first, second, *_ = proposals(system)
    for item, status in ((first, "accepted"), (second, "rejected")):
        ask(system, "PATCH", f"/annotations/{item['id']}", {"status": status})
    ask(system, "POST", "/annotations", {"frame_id": "1", "class_name": "red", "bbox_xyxy": [1, 2, 30, 40]})
    seed_video(system.ctx, project="other", n_frames=2)

    assert ask(system, "GET", "/projects/default/summary") == {
        "n_videos": 1,
        "n_frames": 6,
        "n_frames_with_proposals": 4,
        "n_frames_accepted": 1,
        "n_annotations": 7,
        "classes": [
            {"name": "blue", "n_accepted": 0, "n_proposed": 2, "n_rejected": 0, "n_frames": 2},
            {"name": "green", "n_accepted": 0, "n_proposed": 1, "n_rejected": 1, "n_frames": 1},
            {"name": "red", "n_accepted": 2, "n_proposed": 1, "n_rejected": 0, "n_frames": 2},
        ],
    }

"""Whatever is sent, the answer is a problem document that says what to do, and never a traceback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from komadori.api.errors import status_of
from komadori.core import errors
from komadori.db.repositories import projects
from tests.support.app import InlineSystem, inline_system, seed_video

HUGE = "9" * 30


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        seed_video(system.ctx)
        yield system


def problem_of(system: InlineSystem, method: str, path: str, **request: Any) -> dict[str, Any]:
    """The problem that the API answers with."""
    response = system.client.request(method, f"/api/v1{path}", **request)
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert sorted(body) == ["code", "detail", "hint", "status", "title", "type"]
    assert body["status"] == response.status_code
    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InputError("a"), 422),
        (errors.MediaError("a"), 422),
        (errors.NotFoundError("a"), 404),
        (errors.ConflictError("a"), 409),
        (errors.DependencyError("a"), 503),
        (errors.ModelError("a"), 503),
        (errors.HubError("a"), 503),
        (errors.StorageError("a"), 503),
        (errors.StorageError("a", code="disk-full"), 507),
        (errors.KomadoriError("a"), 500),
    ],
)
def test_each_class_of_error_has_its_status(error: errors.KomadoriError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize(
    "path",
    [
        "/videos/999",
        "/videos/999/frames",
        "/frames/999",
        "/frames/999/image",
        "/jobs/999",
        "/annotations/999",
    ],
)
def test_what_does_not_exist_is_named(system: InlineSystem, path: str) -> None:
    problem = problem_of(system, "GET", path)
    assert (problem["status"], problem["code"]) == (404, "not-found")
    assert "999" in problem["detail"]


@pytest.mark.parametrize(
    "identifier", ["0", "-1", "1.0", "1e3", "０", "x", "%00", HUGE, "9" * 19, "1_0", "+1", "٣"]
)
@pytest.mark.parametrize("path", ["/videos/{}", "/frames/{}/image", "/jobs/{}/issues", "/annotations/{}"])
def test_an_id_is_up_to_18_digits(system: InlineSystem, path: str, identifier: str) -> None:
    problem = problem_of(system, "GET", path.format(identifier))
    assert (problem["status"], problem["code"]) == (422, "invalid-request")


def test_the_largest_id_is_no_error_of_the_database(system: InlineSystem) -> None:
    assert problem_of(system, "GET", f"/videos/{'9' * 18}")["status"] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/frames/..%2f..%2fkomadori.db/image",
        "/frames/1/..%2f..%2f..%2fkomadori.db",
        "/videos/%2e%2e/%2e%2e/komadori.db",
        "/frames/%2fetc%2fpasswd/image",
    ],
)
def test_a_path_leads_nowhere_but_to_a_route(system: InlineSystem, path: str) -> None:
    assert problem_of(system, "GET", path)["status"] in (404, 422)


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "1.5", '"0.5"', "true", "[0]"]
)
def test_a_threshold_is_a_number_from_0_to_1(system: InlineSystem, number: str) -> None:
    body = f'{{"prompts": ["car"], "score_threshold": {number}}}'
    problem = problem_of(
        system, "POST", "/annotation-runs", content=body, headers={"content-type": "application/json"}
    )
    assert problem["code"] == "invalid-request"
    assert "score_threshold" in problem["detail"]


@pytest.mark.parametrize("corner", ["NaN", "1e999", "1e300", "null", '"1"'])
def test_a_box_has_finite_corners_near_the_frame(system: InlineSystem, corner: str) -> None:
    body = f'{{"frame_id": "1", "class_name": "car", "bbox_xyxy": [0, 0, 5, {corner}]}}'
    problem = problem_of(
        system, "POST", "/annotations", content=body, headers={"content-type": "application/json"}
    )
    assert problem["code"] == "invalid-request"


@pytest.mark.parametrize("value", ["NaN", "1e999", "9" * 400, '"1e999999999"', '{"a": 1}', f'"{"9" * 100}"'])
def test_parameters_of_a_sampler_are_bounded(system: InlineSystem, value: str, tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    body = f'{{"path": "{file}", "sampler": "every", "sampler_parameters": {{"seconds": {value}}}}}'
    problem = problem_of(
        system, "POST", "/videos", content=body, headers={"content-type": "application/json"}
    )
    assert problem["status"] == 422


@pytest.mark.parametrize("parameters", [{"second": 1}, {"seconds": 0}, {"seconds": True}, {"seconds": "abc"}])
def test_parameters_that_a_sampler_does_not_take_are_refused(
    system: InlineSystem, parameters: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    body = {"path": str(file), "sampler_parameters": parameters}
    assert problem_of(system, "POST", "/videos", json=body)["status"] == 422


@pytest.mark.parametrize("text", [r"a\u0000b", r"\ud800"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/searches", '{{"text": "{}"}}'),
        ("/searches", '{{"text": "a", "project": "{}"}}'),
        ("/videos", '{{"path": "/{}"}}'),
        ("/videos", '{{"path": "/a", "sampler_parameters": {{"{}": 1}}}}'),
        ("/annotations", '{{"frame_id": "1", "class_name": "{}", "bbox_xyxy": [0, 0, 5, 5]}}'),
        ("/annotation-runs", '{{"prompts": ["{}"]}}'),
        ("/exports", '{{"directory": "/{}"}}'),
        ("/exports", '{{"{}": "/a"}}'),
    ],
)
def test_text_that_no_database_can_hold_is_refused(
    system: InlineSystem, path: str, body: str, text: str
) -> None:
    problem = problem_of(
        system,
        "POST",
        path,
        content=body.format(text).encode(),
        headers={"content-type": "application/json"},
    )
    assert problem["code"] == "invalid-request"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"text": "\xff"}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_refused(system: InlineSystem, content: bytes) -> None:
    problem = problem_of(
        system, "POST", "/searches", content=content, headers={"content-type": "application/json"}
    )
    assert problem["code"] == "invalid-request"


def test_an_unknown_field_is_named(system: InlineSystem) -> None:
    problem = problem_of(system, "POST", "/searches", json={"text": "a", "top": 3})
    assert "body.top" in problem["detail"]


def test_a_search_has_one_question(system: InlineSystem) -> None:
    for body in ({}, {"text": "a", "like_frame_id": "1"}):
        assert "either text or like_frame_id" in problem_of(system, "POST", "/searches", json=body)["detail"]


def test_an_unknown_project_is_not_found(system: InlineSystem) -> None:
    for path in ("/videos", "/jobs", "/annotations"):
        assert problem_of(system, "GET", path, params={"project": "none"})["code"] == "not-found"


def test_unknown_addresses_and_methods_are_problems(system: InlineSystem) -> None:
    assert problem_of(system, "GET", "/nothing")["code"] == "no-such-address"
    assert problem_of(system, "DELETE", "/videos")["code"] == "method-not-allowed"


@pytest.mark.parametrize("name", ["a" * 300, "x/" * 3000])
def test_a_path_too_long_for_the_disk_is_the_callers_error(system: InlineSystem, name: str) -> None:
    assert problem_of(system, "POST", "/videos", json={"path": f"/tmp/{name}"})["status"] in (404, 422)
    assert problem_of(system, "POST", "/exports", json={"directory": f"/tmp/{name}"})["status"] == 422


def test_an_unknown_error_tells_nothing_of_the_inside(
    system: InlineSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(projects, "list_all", fail)
    response = system.client.get("/api/v1/projects")
    assert response.status_code == 500
    assert response.json()["code"] == "internal-error"
    assert "secret" not in response.text

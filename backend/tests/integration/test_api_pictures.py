"""Stored pictures over HTTP: whole, in parts, and not at all when the caller has them."""

import hashlib
from collections.abc import Iterator

import pytest

from komadori.db.repositories import videos
from tests.support.app import InlineSystem, inline_system, seed_video

URL = "/api/v1/frames/1/image"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    with inline_system(tmp_path_factory.mktemp("home")) as system:
        seed_video(system.ctx, n_frames=2)
        yield system


@pytest.fixture
def stored(system: InlineSystem) -> bytes:
    with system.ctx.sessions.read() as session:
        return system.ctx.blobs.get(videos.get_frame(session, 1).image_key)


def test_a_picture_comes_with_its_sha256_and_stays_for_ever(system: InlineSystem, stored: bytes) -> None:
    response = system.client.get(URL)
    assert response.content == stored
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["etag"] == f'"{hashlib.sha256(stored).hexdigest()}"'
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_the_paths_in_a_frame_lead_to_its_pictures(system: InlineSystem, stored: bytes) -> None:
    frame = system.client.get("/api/v1/frames/1").json()
    assert system.client.get(frame["image"]).content == stored
    assert system.client.get(frame["thumbnail"]).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("given", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_who_has_the_picture_is_told_so(system: InlineSystem, stored: bytes, given: str) -> None:
    tag = given.format(hashlib.sha256(stored).hexdigest())
    response = system.client.get(URL, headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["etag"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=100-", slice(100, None)), ("bytes=-5", slice(-5, None))],
)
def test_a_part_is_given(system: InlineSystem, stored: bytes, asked: str, part: slice) -> None:
    response = system.client.get(URL, headers={"Range": asked})
    assert (response.status_code, response.content) == (206, stored[part])


def test_a_part_of_another_picture_is_not_mixed_in(system: InlineSystem, stored: bytes) -> None:
    response = system.client.get(URL, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (response.status_code, response.content) == (200, stored)


def test_a_part_beyond_the_end_is_refused(system: InlineSystem) -> None:
    assert system.client.get(URL, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_picture_that_is_gone_from_the_disk_is_a_problem(system: InlineSystem) -> None:
    with system.ctx.sessions.read() as session:
        system.ctx.blobs.delete(videos.get_frame(session, 2).image_key)
    response = system.client.get("/api/v1/frames/2/image")
    assert (response.status_code, response.json()["code"]) == (404, "no-such-key")

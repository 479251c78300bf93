"""Uploads by the tus protocol: whole bytes after any interruption, clear refusals, one copy of a file."""

import base64
import hashlib
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from komadori.api.reaper import Reaper
from komadori.db.repositories import chunks as chunk_rows
from komadori.db.repositories import uploads as rows
from komadori.services import uploads
from komadori.services.incoming import IncomingFile
from tests.support.app import InlineSystem, inline_system
from tests.support.clips import clip
from tests.support.workers import wait_until

URL = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
EVERY = {"sampler": "every", "sampler_parameters": {"seconds": "0.5"}}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InlineSystem]:
    """One for all tests here: each has bytes of its own."""
    with inline_system(tmp_path_factory.mktemp("home"), upload_max_gb=1.0) as system:
        yield system


@pytest.fixture
def data() -> bytes:
    """Eight bytes that no other test has."""
    return secrets.token_bytes(8)


@pytest.fixture
def video() -> bytes:
    """A video that no other test has: a box that every reader skips is added at its end."""
    return clip("h264.mp4").read_bytes() + struct.pack(">I4s8s", 16, b"free", secrets.token_bytes(8))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def create(system: InlineSystem, size: int, **metadata: str) -> Any:
    pairs = ",".join(f"{key} {b64(value)}" for key, value in metadata.items())
    headers = {**TUS, "Upload-Length": str(size), **({"Upload-Metadata": pairs} if pairs else {})}
    return system.client.post(URL, headers=headers)


def begin(system: InlineSystem, size: int, **metadata: str) -> str:
    """The address of a new upload."""
    response = create(system, size, **metadata)
    assert response.status_code == 201, response.text
    return str(response.headers["location"])


def send(system: InlineSystem, address: str, offset: int, data: bytes, **headers: str) -> Any:
    return system.client.patch(
        address, content=data, headers={**BYTES, "Upload-Offset": str(offset), **headers}
    )


def offset_of(system: InlineSystem, address: str) -> int:
    return int(system.client.head(address, headers=TUS).headers["upload-offset"])


def make_video(system: InlineSystem, address: str, **request: Any) -> Any:
    body = {"upload_id": address.rpartition("/")[2], **EVERY, **request}
    return system.client.post("/api/v1/videos", json=body)


def stored(system: InlineSystem, data: bytes) -> bool:
    """Whether the store has these bytes, under their hash."""
    path = system.settings.home / "blobs" / "sources" / sha256(data)[:2] / sha256(data)
    return path.is_file() and path.read_bytes() == data


def left_of(system: InlineSystem, address: str) -> list[str]:
    """What is left of an upload in the folder of those that come in."""
    return sorted(path.suffix for path in (system.settings.home / "uploads").glob(f"{address[-32:]}*"))


def videos_of(system: InlineSystem, data: bytes) -> list[Any]:
    found = system.client.get("/api/v1/videos", params={"limit": 1000}).json()["items"]
    return [video for video in found if video["sha256"] == sha256(data)]


def code_of(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def test_a_file_comes_in_pieces_and_becomes_a_video(system: InlineSystem, video: bytes) -> None:
    address = begin(system, len(video), filename="../../etc/my clip.mp4", sha256=sha256(video))
    assert send(system, address, 0, video[:1000]).headers["upload-offset"] == "1000"
    assert offset_of(system, address) == 1000
    last = send(system, address, 1000, video[1000:])
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(video)))
    assert last.headers["tus-resumable"] == "1.0.0"

    assert make_video(system, address).status_code == 202
    (made,) = videos_of(system, video)
    assert (made["name"], made["frames"]) == ("my clip.mp4", 8)
    assert stored(system, video)
    assert left_of(system, address) == [".lock"]


def test_what_is_offered_is_said(system: InlineSystem) -> None:
    response = system.client.options(URL)
    assert response.headers["tus-version"] == "1.0.0"
    assert response.headers["tus-max-size"] == "1000000000"
    extensions = set(response.headers["tus-extension"].split(","))
    assert extensions == {"creation", "creation-with-upload", "termination", "checksum", "expiration"}
    assert "sha1" in response.headers["tus-checksum-algorithm"].split(",")


def test_bytes_may_come_with_the_creation(system: InlineSystem, data: bytes) -> None:
    response = system.client.post(URL, content=data[:4], headers={**BYTES, "Upload-Length": "8"})
    assert (response.status_code, response.headers["upload-offset"]) == (201, "4")
    assert offset_of(system, response.headers["location"]) == 4


def test_another_offset_is_refused_and_changes_nothing(system: InlineSystem, data: bytes) -> None:
    address = begin(system, 8)
    send(system, address, 0, data[:4])
    for wrong in (0, 3, 5, 8):
        assert code_of(send(system, address, wrong, b"x")) == (409, uploads.OFFSET_MISMATCH)
    assert offset_of(system, address) == 4
    assert send(system, address, 4, data[4:]).status_code == 204
    assert stored(system, data)


def test_more_bytes_than_announced_are_refused(system: InlineSystem) -> None:
    address = begin(system, 4)
    assert code_of(send(system, address, 0, b"01234")) == (413, uploads.TOO_LARGE)
    headers = {**BYTES, "Upload-Offset": "0"}
    of_unknown_length = system.client.patch(address, content=iter([b"01", b"234"]), headers=headers)
    assert code_of(of_unknown_length) == (413, uploads.TOO_LARGE)
    assert offset_of(system, address) < 4


def test_what_does_not_fit_is_refused_before_a_byte_is_sent(
    system: InlineSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_of(create(system, 10**9 + 1)) == (413, uploads.TOO_LARGE)
    assert code_of(create(system, 0)) == (422, "empty-upload")

    with system.ctx.sessions.read() as session:
        promised = sum(upload.size_bytes for upload in rows.unfinished(session))
    monkeypatch.setattr(uploads, "free_bytes", lambda _folder: promised + 2**30 + 3_000)
    address = begin(system, 2_900)
    assert code_of(create(system, 2_900)) == (507, "disk-full")
    system.client.delete(address, headers=TUS)
    assert create(system, 2_900).status_code == 201


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_piece_with_another_checksum_costs_nothing_that_was_saved(
    system: InlineSystem, data: bytes, algorithm: str
) -> None:
    def checked(piece: bytes) -> dict[str, str]:
        digest = base64.b64encode(hashlib.new(algorithm, piece).digest()).decode()
        return {"Upload-Checksum": f"{algorithm} {digest}"}

    address = begin(system, 8, sha256=sha256(data))
    assert send(system, address, 0, data[:4], **checked(data[:4])).status_code == 204
    assert code_of(send(system, address, 4, b"bad!", **checked(data[4:]))) == (460, "upload-checksum")
    assert offset_of(system, address) == 4
    assert send(system, address, 4, data[4:], **checked(data[4:])).status_code == 204
    assert stored(system, data)
    assert left_of(system, address) == [".lock"]


def test_an_unknown_checksum_algorithm_is_refused(system: InlineSystem) -> None:
    response = send(system, begin(system, 4), 0, b"0123", **{"Upload-Checksum": "md4 AAAA"})
    assert code_of(response) == (400, "tus-checksum")


def test_bytes_that_are_not_those_announced_are_refused_and_nothing_of_them_is_kept(
    system: InlineSystem, data: bytes
) -> None:
    address = begin(system, 8, sha256=sha256(data))
    assert code_of(send(system, address, 0, b"01234567")) == (460, uploads.WRONG_BYTES)
    assert system.client.head(address, headers=TUS).status_code == 404
    assert not stored(system, b"01234567")
    assert left_of(system, address) in ([], [".lock"])


def test_a_mismatch_leaves_the_stored_file_of_that_hash_alone(system: InlineSystem, data: bytes) -> None:
    addresses = [begin(system, 8, sha256=sha256(data)) for _ in range(2)]
    send(system, addresses[0], 0, data)
    assert code_of(send(system, addresses[1], 0, b"01234567")) == (460, uploads.WRONG_BYTES)
    assert stored(system, data)


def test_a_whole_upload_of_known_bytes_needs_no_sending(system: InlineSystem, data: bytes) -> None:
    send(system, begin(system, 8), 0, data)
    response = create(system, 8, sha256=sha256(data))
    assert (response.status_code, response.headers["upload-offset"]) == (201, "8")


def test_two_uploads_of_a_file_at_once_and_one_by_path_are_one_video_and_one_copy(
    system: InlineSystem, video: bytes, tmp_path: Path
) -> None:
    own = tmp_path / "own.mp4"
    own.write_bytes(video)
    addresses = [begin(system, len(video)), begin(system, len(video))]
    for start, piece in ((0, video[:5_000]), (5_000, video[5_000:])):
        assert [send(system, address, start, piece).status_code for address in addresses] == [204, 204]
    for address in addresses:
        assert make_video(system, address).status_code == 202
    assert system.client.post("/api/v1/videos", json={"path": str(own), **EVERY}).status_code == 202

    assert [made["frames"] for made in videos_of(system, video)] == [8]
    assert stored(system, video)
    assert [left_of(system, address) for address in addresses] == [[".lock"]] * 2


def test_an_upload_of_a_file_that_was_added_by_its_path_is_not_kept_twice(
    system: InlineSystem, video: bytes, tmp_path: Path
) -> None:
    own = tmp_path / "own.mp4"
    own.write_bytes(video)
    system.client.post("/api/v1/videos", json={"path": str(own), **EVERY}).raise_for_status()
    address = begin(system, len(video))
    send(system, address, 0, video)
    assert not stored(system, video)

    assert make_video(system, address).status_code == 202
    (made,) = videos_of(system, video)
    assert system.client.get(f"/api/v1/videos/{made['id']}").json()["source_uri"] == str(own)


def test_a_file_by_path_that_has_other_bytes_by_now_is_no_copy(
    system: InlineSystem, video: bytes, tmp_path: Path
) -> None:
    own = tmp_path / "own.mp4"
    own.write_bytes(video)
    system.client.post("/api/v1/videos", json={"path": str(own), **EVERY}).raise_for_status()
    own.write_bytes(video[:-1] + b"!")
    send(system, begin(system, len(video)), 0, video)
    assert stored(system, video)


def test_an_uploaded_file_goes_with_its_last_video(system: InlineSystem, video: bytes) -> None:
    address = begin(system, len(video))
    send(system, address, 0, video)
    ids = []
    for project in ("default", "another"):
        make_video(system, address, project=project)
        ids.append(videos_of(system, video)[-1]["id"])
    system.client.delete(f"/api/v1/videos/{ids[0]}").raise_for_status()
    assert stored(system, video)
    assert system.client.delete(f"/api/v1/videos/{ids[1]}").status_code == 202
    assert not stored(system, video)
    assert left_of(system, address) == []


def test_an_upload_that_was_begun_after_a_deletion_keeps_its_file(
    system: InlineSystem, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(system, len(video))
    send(system, first, 0, video)
    make_video(system, first)
    with monkeypatch.context() as held:
        held.setattr(system.queue, "run_chunk", lambda _chunk_id: None)
        job = system.client.delete(f"/api/v1/videos/{videos_of(system, video)[0]['id']}").json()
        second = create(system, len(video), sha256=sha256(video))
    with system.ctx.sessions.read() as session:
        waiting = [chunk.id for chunk in chunk_rows.of_job(session, int(job["id"]))]
    for chunk_id in waiting * 2:
        system.queue.run_chunk(chunk_id)
    assert system.client.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "done"
    assert make_video(system, second.headers["location"]).status_code == 202
    assert [made["frames"] for made in videos_of(system, video)] == [8]


def test_after_a_restart_the_hash_is_that_of_all_bytes(tmp_path: Path, data: bytes) -> None:
    with inline_system(tmp_path) as system:
        address = begin(system, 8, sha256=sha256(data))
        send(system, address, 0, data[:4])
    with inline_system(tmp_path) as system:
        assert offset_of(system, address) == 4
        assert send(system, address, 4, data[4:]).status_code == 204
        assert stored(system, data)


@pytest.mark.parametrize("step", ["recognised", "placed"])
def test_a_kill_while_a_whole_file_is_put_in_its_place_costs_nothing(
    system: InlineSystem, data: bytes, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_arguments: object) -> None:
        raise Killed

    address = begin(system, 8)
    with uploads.exclusive(system.ctx, address[-32:]) as file:
        file.path.write_bytes(data)
        with monkeypatch.context() as patched:
            if step == "recognised":
                patched.setattr(uploads, "_place", die)
            else:
                patched.setattr(IncomingFile, "remove", die)
            with pytest.raises(Killed):
                uploads.finish(system.ctx, address[-32:], file)
    assert offset_of(system, address) == 8
    uri, _name = uploads.source_of(system.ctx, address[-32:])
    assert uri == f"blob:sources/{sha256(data)[:2]}/{sha256(data)}"
    assert stored(system, data)


def test_an_upload_that_is_not_whole_makes_no_video(system: InlineSystem, data: bytes) -> None:
    address = begin(system, 8)
    send(system, address, 0, data[:4])
    assert code_of(make_video(system, address)) == (409, "upload-not-whole")
    assert code_of(make_video(system, f"{URL}/{'0' * 32}")) == (404, "no-such-upload")


def test_a_terminated_upload_is_gone(system: InlineSystem, data: bytes) -> None:
    address = begin(system, 8)
    send(system, address, 0, data[:4])
    assert system.client.delete(address, headers=TUS).status_code == 204
    assert code_of(send(system, address, 4, data[4:])) == (404, "no-such-upload")
    assert code_of(system.client.delete(address, headers=TUS)) == (404, "no-such-upload")
    assert left_of(system, address) == []


def test_what_nobody_goes_on_with_expires_and_a_video_keeps_its_file(
    system: InlineSystem, video: bytes, data: bytes
) -> None:
    used, unused, partial = (begin(system, len(video)), begin(system, 8), begin(system, 9))
    send(system, used, 0, video)
    send(system, unused, 0, data)
    send(system, partial, 0, data)
    make_video(system, used)
    assert uploads.expire(system.ctx) == 0

    with system.ctx.sessions.write() as session:
        for address in (used, unused, partial):
            rows.extend(session, address[-32:], 0.0)
    assert uploads.expire(system.ctx) == 3
    assert [left_of(system, address) for address in (used, unused, partial)] == [[]] * 3
    assert (stored(system, video), stored(system, data)) == (True, False)
    assert system.client.head(used, headers=TUS).status_code == 404


def test_a_file_whose_ingest_still_waits_outlives_its_upload(
    system: InlineSystem, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = begin(system, len(video))
    send(system, address, 0, video)
    with monkeypatch.context() as held:
        held.setattr(system.queue, "run_chunk", lambda _chunk_id: None)
        job = make_video(system, address).json()
    uploads.terminate(system.ctx, address[-32:])
    assert stored(system, video)
    system.client.post(f"/api/v1/jobs/{job['id']}/cancel").raise_for_status()
    system.client.post(f"/api/v1/jobs/{job['id']}/retry").raise_for_status()
    assert [made["frames"] for made in videos_of(system, video)] == [8]


def test_the_reaper_lets_uploads_expire(system: InlineSystem) -> None:
    address = begin(system, 8)
    with system.ctx.sessions.write() as session:
        rows.extend(session, address[-32:], 0.0)
    reaper = Reaper(system.ctx, 0.01)
    reaper.start()
    wait_until(lambda: system.client.get(address).status_code == 404, 30, "expiry")
    reaper.stop()


def test_going_on_keeps_an_upload_alive(system: InlineSystem, data: bytes) -> None:
    address = begin(system, 8)
    with system.ctx.sessions.write() as session:
        rows.extend(session, address[-32:], 0.0)
    send(system, address, 0, data[:4])
    assert uploads.expire(system.ctx) == 0


def test_uploads_are_listed_by_what_they_are_to_be(system: InlineSystem, data: bytes) -> None:
    address = begin(system, 8, name="a\nname\u202e", sha256=sha256(data))
    begin(system, 8)
    listed = system.client.get(URL, params={"sha256": sha256(data)}).json()
    assert [(item["id"], item["name"], item["offset"]) for item in listed["items"]] == [
        (address[-32:], "a name", 0)
    ]
    assert system.client.get(URL).json()["total"] >= 2


def test_methods_may_be_named_in_a_header(system: InlineSystem) -> None:
    address = begin(system, 4)
    headers = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert system.client.post(address, content=b"01", headers=headers).headers["upload-offset"] == "2"
    head = system.client.post(address, headers={**TUS, "X-HTTP-Method-Override": "HEAD"})
    assert head.headers["upload-offset"] == "2"
    assert system.client.post(address, headers={**TUS, "X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert code_of(system.client.post(address, headers=TUS)) == (422, "tus-header")


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"Tus-Resumable": "0.2.2"}, (412, "tus-version")),
        ({"Content-Type": "text/plain"}, (415, "tus-content-type")),
        ({"Upload-Offset": "-1"}, (422, "tus-header")),
        ({"Upload-Offset": "٣"}, (422, "tus-header")),
        ({"Upload-Offset": "9" * 30}, (422, "tus-header")),
    ],
)
def test_requests_that_are_not_of_the_protocol_are_refused(
    system: InlineSystem, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    sent = {**BYTES, "Upload-Offset": "0", **headers}
    encoded = [(name.encode(), value.encode()) for name, value in sent.items()]
    response = system.client.patch(begin(system, 4), content=b"0123", headers=encoded)
    assert code_of(response) == refusal
    assert response.headers["tus-resumable"] == "1.0.0"


@pytest.mark.parametrize("metadata", ["filename ???", "a YQ==,a YQ==", ", ,", "a /w==", "a " * 5_000])
def test_metadata_of_another_form_is_refused(system: InlineSystem, metadata: str) -> None:
    response = system.client.post(URL, headers={**TUS, "Upload-Length": "4", "Upload-Metadata": metadata})
    assert code_of(response) == (422, "tus-metadata")


def test_a_key_without_a_value_is_metadata_too(system: InlineSystem) -> None:
    headers = {**TUS, "Upload-Length": "4", "Upload-Metadata": "is_confidential,filename YQ=="}
    address = system.client.post(URL, headers=headers).headers["location"]
    assert system.client.head(address, headers=TUS).headers["upload-metadata"] == headers["Upload-Metadata"]


def test_a_hash_that_is_none_is_refused(system: InlineSystem) -> None:
    assert code_of(create(system, 4, sha256="../../x")) == (422, "bad-sha256")


def test_the_guard_holds_for_uploads_too(tmp_path: Path) -> None:
    with inline_system(tmp_path, token="a-token") as system:
        headers = {**TUS, "Upload-Length": "4"}
        assert code_of(system.client.post(URL, headers=headers)) == (401, "token-required")
        authorised = {**headers, "Authorization": "Bearer a-token"}
        assert system.client.post(URL, headers=authorised).status_code == 201
        foreign = {**authorised, "Origin": "http://evil.example"}
        assert code_of(system.client.post(URL, headers=foreign)) == (403, "foreign-request")
        assert system.client.head(URL, headers={**authorised, "Host": "evil.example"}).status_code == 403

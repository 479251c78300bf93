"""An API and a client that are killed amid an upload: the bytes are whole, and memory stays bounded."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from komadori.cli import uploading
from komadori.cli.client import ApiClient
from komadori.core.errors import DependencyError
from tests.support.running_up import KOMADORI, free_port
from tests.support.workers import environment, settings_for, wait_until

MIB = 2**20
SIZE = 128 * MIB

_UPLOAD = (
    "import sys; from pathlib import Path; from komadori.cli import uploading;"
    "from komadori.cli.client import ApiClient;"
    "print(uploading.upload(ApiClient(sys.argv[1]), Path(sys.argv[2])))"
)


class Api:
    """A real API process on one home and port, without workers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        settings = settings_for(self.home)
        self.process = subprocess.Popen(
            [*KOMADORI, "api", "--port", str(self._port)],
            env=environment(settings),
            stderr=subprocess.DEVNULL,
        )
        with ApiClient(self.url) as client:
            wait_until(lambda: answers(client), 60, "an API that answers")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def most_memory(self) -> int:
        """The largest resident set so far, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

    def n_arrived(self) -> int:
        return max((path.stat().st_size for path in (self.home / "uploads").glob("*.part")), default=0)


def answers(client: ApiClient) -> bool:
    try:
        client.projects()
    except DependencyError:
        return False
    return True


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    running = Api(tmp_path_factory.mktemp("uploads") / "home")
    yield running
    running.kill()


@pytest.fixture(scope="module")
def client(api: Api) -> Iterator[ApiClient]:
    with ApiClient(api.url) as client:
        yield client


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Different everywhere, so that a block in another place is noticed."""
    path = tmp_path_factory.mktemp("recordings") / "recording.mp4"
    with path.open("wb") as file:
        for number in range(SIZE // MIB):
            file.write(hashlib.sha256(str(number).encode()).digest() * (MIB // 32))
    return path


def start_client(api: Api, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _UPLOAD, api.url, str(path)], stdout=subprocess.PIPE, text=True
    )


def freeze_amid(api: Api, process: subprocess.Popen[str], from_bytes: int) -> None:
    """Stop a process when so many bytes have come, before all have."""
    wait_until(lambda: api.n_arrived() > from_bytes, 60, "bytes of the upload", poll_s=0.001)
    os.kill(process.pid, signal.SIGSTOP)
    assert api.n_arrived() < SIZE, "all had come before it could be stopped"


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_killed_on_either_side_an_upload_goes_on_and_its_bytes_are_whole(
    api: Api, client: ApiClient, recording: Path
) -> None:
    before = api.most_memory()
    first = start_client(api, recording)
    freeze_amid(api, first, 4 * MIB)
    first.kill()
    first.communicate()
    n_kept = client.uploads(sha256_of(recording))[0].offset
    assert n_kept > 4 * MIB

    second = start_client(api, recording)
    freeze_amid(api, second, n_kept + 16 * MIB)
    assert api.most_memory() - before < 48 * MIB, "what comes goes to the disk"
    api.kill()
    os.kill(second.pid, signal.SIGCONT)
    api.start()
    third = start_client(api, recording)  # both come to the end, and neither costs the other a byte
    ids = [process.communicate(timeout=120)[0].strip() for process in (second, third)]
    assert (second.returncode, third.returncode) == (0, 0)

    (kept,) = (path for path in (api.home / "blobs" / "sources").rglob("*") if path.is_file())
    assert sha256_of(kept) == kept.name == sha256_of(recording)
    assert {upload.id for upload in client.uploads(kept.name)} == set(ids)
    assert len(set(ids)) == 1


def test_the_request_that_a_dead_connection_left_behind_is_ended(api: Api, client: ApiClient) -> None:
    """Its client has vanished without a word; the same client comes back by another connection."""
    upload = client.create_upload("a.mp4", 10, hashlib.sha256(b"0123456789").hexdigest())
    head = {
        "Host": "127.0.0.1",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Length": "10",
        "Content-Type": "application/offset+octet-stream",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2]))) as lost:
        lost.sendall(f"PATCH /api/v1/uploads/{upload.id} HTTP/1.1\r\n{lines}\r\n0123".encode())
        part = api.home / "uploads" / f"{upload.id}.part"
        wait_until(part.exists, 30, "a request at work")
        answer = httpx.head(f"{api.url}/api/v1/uploads/{upload.id}", headers={"Tus-Resumable": "1.0.0"})
        assert answer.headers["upload-offset"] == "4"
        assert client.send_piece(upload.id, 4, iter([b"456789"]), 6) == 10


def test_a_client_says_how_to_go_on_when_nothing_answers_any_more(
    api: Api, client: ApiClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(os.urandom(3_000_000))
    monkeypatch.setattr(uploading, "_PAUSES_S", (0.0, 0.0))
    send = client.send_piece

    def send_and_lose(upload_id: str, offset: int, blocks: Iterator[bytes], n_bytes: int) -> int:
        reached = send(upload_id, offset, blocks, n_bytes)
        api.kill()
        return reached

    monkeypatch.setattr(client, "send_piece", send_and_lose)
    with pytest.raises(DependencyError, match="1 MB are there: the same command again goes on from there"):
        uploading.upload(client, path, piece_bytes=1_000_000)

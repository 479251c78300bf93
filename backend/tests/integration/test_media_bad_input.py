"""What strangers may hand in: each ends in a clear error that names the file, and nothing else happens."""

import http.server
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from komadori.core.errors import MediaError
from komadori.media.base import MediaLimits
from komadori.media.extract import extract_segment, plan_segments
from komadori.media.probe import PROBE_LIMITS, probe_video
from tests.support.clips import clip, ffmpeg


def refusal(path: Path, limits: MediaLimits = PROBE_LIMITS) -> MediaError:
    """The error that probing ends in; its message names the file and its hint says what to do."""
    with pytest.raises(MediaError) as caught:
        probe_video(path, limits=limits)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A server on the loopback interface that notes every connection."""
    seen: list[str] = []

    class Note(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_error(404)

        def log_message(self, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def process_request(self, request: object, client_address: object) -> None:
            seen.append("connection")
            super().process_request(request, client_address)  # type: ignore[arg-type]

    server = Server(("127.0.0.1", 0), Note)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_missing_path(tmp_path: Path) -> None:
    assert refusal(tmp_path / "holiday.mp4").code == "missing-file"


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "is-a-folder"


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "live.mp4")
    assert refusal(tmp_path / "live.mp4").code == "not-a-regular-file"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refusal(tmp_path / "empty.mp4").code == "empty-file"


def test_text_under_the_name_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("These are my notes of Monday.\n" * 40)
    assert "is a text file" in refusal(path).message


def test_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(os.urandom(100_000))
    assert refusal(path).code == "unreadable-video"


@pytest.mark.parametrize(("suffix", "what"), [("png", "a PNG picture"), ("jpg", "a JPEG picture")])
def test_a_still_picture_under_the_name_of_a_video(suffix: str, what: str, tmp_path: Path) -> None:
    picture = tmp_path / f"x.{suffix}"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", "-frames:v", "1", str(picture))
    path = picture.rename(tmp_path / "photo.mp4")
    assert what in refusal(path).message


def test_a_file_with_sound_only() -> None:
    error = refusal(clip("sound.m4a"))
    assert error.code == "no-video-stream"
    assert "audio" in error.message


def test_a_recording_that_was_cut_off_before_its_index() -> None:
    error = refusal(clip("no_index.mp4"))
    assert error.code == "truncated-video"
    assert "Copy it again" in error.hint


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    error = refusal(clip("huge.mkv"))
    assert error.code == "picture-too-large"
    assert "16000 x 16000" in error.message


def test_an_absurd_pixel_shape_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "absurd.mkv"
    ffmpeg("-i", str(clip("h264.mp4")), "-c", "copy", "-aspect", "4000:1", str(path))
    facts, _ = probe_video(path)
    assert (facts.width, facts.height) == (320, 240)


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
def test_a_playlist_opens_no_connection(name: str, tmp_path: Path, listener: tuple[int, list[str]]) -> None:
    port, seen = listener
    path = tmp_path / name
    url = f"http://127.0.0.1:{port}/segment.ts"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n")
    assert "an HLS playlist" in refusal(path).message
    assert seen == []


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8"])
def test_a_playlist_opens_no_other_file(name: str, tmp_path: Path) -> None:
    path, secret = tmp_path / name, tmp_path / "secret.ts"
    secret.write_bytes(clip("h264.ts").read_bytes())
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n")
    os.utime(secret, (1, 1))
    assert "an HLS playlist" in refusal(path).message
    assert secret.stat().st_atime == 1


@pytest.mark.parametrize("name", ["list.mp4", "list.ffconcat"])
def test_a_concat_script_opens_no_other_file(name: str, tmp_path: Path) -> None:
    path, secret = tmp_path / name, tmp_path / "secret.mp4"
    secret.write_bytes(clip("h264.mp4").read_bytes())
    path.write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")
    os.utime(secret, (1, 1))
    assert "an ffconcat script" in refusal(path).message
    assert secret.stat().st_atime == 1


@pytest.mark.parametrize("name", ["call.mp4", "call.sdp"])
def test_a_session_description_opens_no_socket(name: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        path = tmp_path / name
        path.write_text(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        )
        assert "an SDP session description" in refusal(path).message


def test_a_streaming_manifest_opens_no_connection(tmp_path: Path, listener: tuple[int, list[str]]) -> None:
    port, seen = listener
    path = tmp_path / "manifest.mp4"
    path.write_text(
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
        f"<BaseURL>http://127.0.0.1:{port}/</BaseURL></Period></MPD>"
    )
    assert "a streaming manifest" in refusal(path).message
    assert seen == []


def test_a_quicktime_reference_to_another_file_is_not_followed(tmp_path: Path) -> None:
    """The data reference of a MOV may name another file (ISO/IEC 14496-12, 8.7.2)."""
    path, other = tmp_path / "reference.mov", tmp_path / "other.mov"
    ffmpeg("-i", str(clip("h264.mp4")), "-c", "copy", str(other))
    data = other.read_bytes()
    in_this_file = bytes.fromhex("0000000c 75726c20 00000001")
    assert data.count(in_this_file) == 1
    moov = data[data.index(b"moov") - 4 :].replace(in_this_file, in_this_file[:-1] + b"\x00")
    path.write_bytes(data[:20] + moov)
    os.utime(other, (1, 1))
    assert refusal(path).code in ("no-frames", "unreadable-video")
    assert other.stat().st_atime == 1


def test_names_that_look_like_options_or_protocols_are_plain_names(tmp_path: Path) -> None:
    for name in ("-i.mp4", "concat:a|b.mp4", "http:x.mp4", "frame%d.mp4", "naïve ☃.mp4"):
        path = tmp_path / name
        path.write_bytes(clip("one_frame.mp4").read_bytes())
        facts, _ = probe_video(path)
        assert facts.n_frames == 1


def test_ten_hours_between_two_frames_are_two_frames(tmp_path: Path) -> None:
    facts, index = probe_video(clip("gap.mp4"))
    assert facts.n_frames == 2
    assert facts.duration_s >= 36_000
    assert [c.time for c in index.candidates()] == [0, 36_000]


def test_too_many_packets_are_refused() -> None:
    error = refusal(clip("h264.mp4"), MediaLimits(max_packets=100))
    assert error.code == "video-too-long"


def test_running_out_of_time_ends_the_child() -> None:
    assert refusal(clip("h264.mp4"), MediaLimits(wall_s=0.02)).code == "media-time-limit"


def test_running_out_of_memory_ends_the_child() -> None:
    error = refusal(clip("h264.mp4"), MediaLimits(memory_bytes=150 * 1024**2))
    assert error.code == "media-memory-limit"


def test_a_file_that_vanishes_after_probing(tmp_path: Path) -> None:
    path = tmp_path / "gone.mp4"
    path.write_bytes(clip("h264.mp4").read_bytes())
    facts, index = probe_video(path)
    path.unlink()
    (segment,) = plan_segments(index, [0], facts=facts)
    with pytest.raises(MediaError, match=r"gone\.mp4"):
        extract_segment(path, facts, index, segment, tmp_path, on_frame=lambda _: None)


def test_a_file_that_is_another_one_after_probing(tmp_path: Path) -> None:
    path = tmp_path / "swapped.mp4"
    path.write_bytes(clip("h264.mp4").read_bytes())
    facts, index = probe_video(path)
    path.write_bytes(clip("sound.m4a").read_bytes())
    (segment,) = plan_segments(index, [0], facts=facts)
    with pytest.raises(MediaError, match="has changed"):
        extract_segment(path, facts, index, segment, tmp_path, on_frame=lambda _: None)

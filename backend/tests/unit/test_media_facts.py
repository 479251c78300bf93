import json
from fractions import Fraction

import numpy as np
import pytest

from komadori.core.near_duplicates import DuplicateThresholds
from komadori.media.base import ExtractOptions, VideoFacts
from komadori.media.content import describe_content


def test_facts_survive_json() -> None:
    facts = VideoFacts(
        "matroska,webm", "vp9", 1.5, 640, 360, 90, 1, Fraction(1001, 30000), -5, 45, True, {"hdr": None}
    )
    data = facts.to_dict()
    assert data["time_base"] == "1001/30000"
    assert VideoFacts.from_dict(json.loads(json.dumps(data))) == facts


def test_a_whole_time_base_is_written_as_a_fraction_too() -> None:
    facts = VideoFacts("avi", "mjpeg", 1.0, 2, 2, 0, 0, Fraction(1), 0, 1, False, {})
    assert facts.to_dict()["time_base"] == "1/1"


def test_options_survive_json() -> None:
    options = ExtractOptions(skip_near_duplicates=True, duplicate_thresholds=DuplicateThresholds(mad=2.5))
    assert ExtractOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options


@pytest.mark.parametrize(
    "field", [{"jpeg_quality": 0}, {"thumbnail_quality": 101}, {"thumbnail_px": 4}, {"n_threads": 0}]
)
def test_impossible_options_are_refused(field: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ExtractOptions(**field)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"", "an empty file"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\n", "an HLS playlist"),
        (b"\xef\xbb\xbf#EXTM3U\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile 'a.mp4'\n", "an ffconcat script"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "an SDP session description"),
        (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "a streaming manifest"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG picture"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "a WebP picture"),
        (b"\x00\x00\x00\x20ftypavif", "an AVIF or HEIC picture"),
        (b"%PDF-1.7", "a PDF document"),
        (("Grüße aus Köln, " * 30).encode()[:301], "a text file"),
        (bytes(range(256)), "data in no known video format"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_describes_what_is_no_video(head: bytes, what: str) -> None:
    content = describe_content(head)
    assert content.what == what
    assert content.hint


def test_random_bytes_are_described_without_an_error() -> None:
    rng = np.random.default_rng(1)
    for n in range(1, 40):
        assert describe_content(rng.bytes(n)).what

"""Says in words what a file that is no video seems to be, from its first bytes."""

from dataclasses import dataclass

_SCRIPT_HINT = "Add the media file itself: files that make the decoder open other files are never followed."
_PICTURE_HINT = "Add a video file; a still picture has no frames to sample."
_OTHER_HINT = "Add a video file, for example MP4, MKV, WebM, MOV, AVI or MPEG-TS."


@dataclass(frozen=True, slots=True)
class Content:
    """What a file seems to be, as a noun phrase, and what the user can do."""

    what: str
    hint: str

    @property
    def is_unknown(self) -> bool:
        """Whether nothing was recognised, so that only the decoder's own words can help."""
        return self.what == _UNKNOWN


_UNKNOWN = "data in no known video format"
_SIGNATURES = (
    (b"#EXTM3U", Content("an HLS playlist", _SCRIPT_HINT)),
    (b"ffconcat", Content("an ffconcat script", _SCRIPT_HINT)),
    (b"v=0", Content("an SDP session description", _SCRIPT_HINT)),
    (b"[playlist]", Content("a playlist", _SCRIPT_HINT)),
    (b"\x89PNG", Content("a PNG picture", _PICTURE_HINT)),
    (b"\xff\xd8\xff", Content("a JPEG picture", _PICTURE_HINT)),
    (b"BM", Content("a BMP picture", _PICTURE_HINT)),
    (b"II*\x00", Content("a TIFF picture", _PICTURE_HINT)),
    (b"MM\x00*", Content("a TIFF picture", _PICTURE_HINT)),
    (b"%PDF", Content("a PDF document", _OTHER_HINT)),
    (b"PK\x03\x04", Content("a ZIP archive", "Unpack it and add the videos inside.")),
    (b"\x1f\x8b", Content("a gzip archive", "Unpack it and add the video inside.")),
    (b"\x7fELF", Content("a program", _OTHER_HINT)),
)


def describe_content(head: bytes) -> Content:
    """What the file whose first bytes (a few hundred are enough) are given seems to be."""
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return Content("an empty file", "Copy or record it again: it holds no data.")
    for signature, content in _SIGNATURES:
        if stripped.startswith(signature):
            return content
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Content("a WebP picture", _PICTURE_HINT)
    if head[4:12] in (b"ftypavif", b"ftypheic", b"ftypmif1"):
        return Content("an AVIF or HEIC picture", _PICTURE_HINT)
    if b"<MPD" in head or b"<SmoothStreamingMedia" in head:
        return Content("a streaming manifest", _SCRIPT_HINT)
    if _is_text(head):
        return Content("a text file", _OTHER_HINT)
    return Content(_UNKNOWN, _OTHER_HINT)


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head[: len(head) - 4 or None].decode() if len(head) > 8 else head.decode()
    except UnicodeDecodeError:
        return False
    return True

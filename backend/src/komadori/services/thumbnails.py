"""Packs the thumbnails of many frames into one answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from komadori.core.errors import NotFoundError
from komadori.db.repositories import browsing
from komadori.services.context import Context

MAX_IN_A_PACK = 64


@dataclass(frozen=True, slots=True)
class Pack:
    """Thumbnails one after the other.

    Attributes:
        content: The count N and N lengths in bytes, uint32 little-endian, then the N JPEGs; a length
            of 0 says that there is none.
        is_whole: Whether each frame has its thumbnail.
    """

    content: bytes
    is_whole: bool


def pack(ctx: Context, frame_ids: Sequence[int]) -> Pack:
    """The thumbnails of these frames in the order asked for: one query, and each file read once."""
    with ctx.sessions.read() as session:
        keys = browsing.thumbnail_keys(session, frame_ids)
    jpegs = [_read(ctx, keys.get(frame_id)) for frame_id in frame_ids]
    lengths = list(map(len, jpegs))
    header = np.array([len(jpegs), *lengths], "<u4").tobytes()
    return Pack(header + b"".join(jpegs), is_whole=all(lengths))


def _read(ctx: Context, key: str | None) -> bytes:
    if key is None:
        return b""
    try:
        return ctx.blobs.get(key)
    except NotFoundError:  # one lost file is one grey tile; `komadori check` tells of it
        return b""

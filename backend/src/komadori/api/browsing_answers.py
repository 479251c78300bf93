"""What the HTTP API answers to those who look through many frames: columns, and no object for each row."""

import json

from fastapi import Response
from pydantic import BaseModel, Field

from komadori.db.repositories.browsing import FrameColumns, Place


class FrameTable(BaseModel):
    """Frames as columns of equal length, by video and order of presentation.

    Ten thousand of them are one answer of about 0.5 MB that is written and read in milliseconds.
    """

    total: int = Field(ge=0, description="How many frames there are in all")
    next_cursor: str | None
    ids: list[str]
    video_ids: list[str]
    indices: list[int] = Field(description="Their places among the visible frames of their videos")
    pts_s: list[float]
    mean_colours: str = Field(description="Six hexadecimal digits a frame; 808080 where it is not known")
    n_accepted: list[int] = Field(description="How many accepted annotations each has")
    n_proposed: list[int] = Field(description="How many open proposals each has")


def frame_table(columns: FrameColumns, total: int) -> Response:
    """The answer, written without a model for each value: ten times as fast."""
    content = {
        "total": total,
        "next_cursor": None if columns.next_place is None else cursor_of(columns.next_place),
        "ids": list(map(str, columns.ids)),
        "video_ids": list(map(str, columns.video_ids)),
        "indices": columns.decode_indices,
        "pts_s": columns.pts_s,
        "mean_colours": "".join([f"{colour:06x}" for colour in columns.mean_colours]),
        "n_accepted": columns.n_accepted,
        "n_proposed": columns.n_proposed,
    }
    return Response(json.dumps(content, separators=(",", ":")), media_type="application/json")


def cursor_of(place: Place) -> str:
    """A place as a cursor, which is one word to clients."""
    return "-".join(f"{part:x}" for part in place)


def place_of(cursor: str | None) -> Place | None:
    """The place that a cursor names; None for the first page."""
    if cursor is None:
        return None
    video_id, stream_index, decode_index = (int(part, 16) for part in cursor.split("-"))
    return video_id, stream_index, decode_index

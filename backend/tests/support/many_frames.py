"""Thousands of frames that were never decoded, of a colour of their own, in the home of a running system."""

import io
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import insert

from komadori.bootstrap import open_context
from komadori.core.types import VideoState
from komadori.db.repositories import projects, videos
from komadori.db.repositories.videos import NewVideo
from komadori.db.tables import FrameRow
from komadori.queueing.inline import InlineQueue
from komadori.settings import Settings
from tests.support.app import seeded_facts

SIZE_WH = (256, 144)
_STEP = 16
"""Between the values of a channel, so that colours are told apart after JPEG."""


def colour_of(index: int) -> tuple[int, int, int]:
    """The red, green and blue of the frame with that index; 4,096 of them, then again."""
    return (index % 16 * _STEP, index // 16 % 16 * _STEP, index // 256 % 16 * _STEP)


def add_many_frames(home: Path, project: str, n_frames: int) -> list[int]:
    """A video of so many frames, one a second, with their thumbnails: the ids of the frames."""
    ctx = open_context(Settings(home=home), InlineQueue())
    pictures = [_jpeg(colour_of(index)) for index in range(min(n_frames, 4096))]
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, project).id
        new = NewVideo(
            project_id,
            f"{project_id:064}",
            "many.mp4",
            "/many.mp4",
            1,
            float(n_frames),
            *SIZE_WH,
            seeded_facts(),
        )
        video_id = videos.find_or_add(session, new)
        videos.set_state(session, video_id, VideoState.READY)
        rows = [_row(video_id, index) for index in range(n_frames)]
        for index, row in enumerate(rows):
            path = home / "blobs" / row["thumbnail_key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pictures[index % 4096])
        session.execute(insert(FrameRow), rows)
    with ctx.sessions.read() as session:
        ids: list[int] = videos.frame_ids(session, video_id=video_id).tolist()
    ctx.sessions.close()
    return ids


def _jpeg(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", SIZE_WH, colour).save(file, "JPEG", quality=90)
    return file.getvalue()


def _row(video_id: int, index: int) -> dict[str, Any]:
    red, green, blue = colour_of(index)
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": index,
        "pts": index,
        "time_base_num": 1,
        "time_base_den": 1,
        "width": SIZE_WH[0],
        "height": SIZE_WH[1],
        "image_key": f"frames/many/{video_id}/{index}.jpg",
        "thumbnail_key": f"thumbnails/many/{video_id}/{index}.jpg",
        "image_sha256": f"{video_id:032}{index:032}",
        "perceptual_hash": "0" * 16,
        "mean_colour": red << 16 | green << 8 | blue,
        "is_key": False,
        "is_suspect": False,
        "transform": {},
    }

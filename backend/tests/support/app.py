"""The whole system in one process: work runs inline, the models are the fakes, SQLite is real."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image as Pictures

from komadori.api import server
from komadori.api.app import create_app
from komadori.bootstrap import WorkerParts, open_context, prepare_home
from komadori.core.types import Image, Queue, VideoState
from komadori.db.repositories import projects, videos
from komadori.db.repositories.videos import NewVideo
from komadori.queueing.inline import InlineQueue
from komadori.services import embed, jobs
from komadori.services.context import Context
from komadori.settings import Settings

NEVER_S = 3600.0
WITH_MODEL = (Queue.SIGLIP, Queue.SAM3)

SIZE_HW = (48, 64)
COLOURS = {"red": (220, 30, 30), "green": (30, 160, 40), "blue": (30, 60, 220)}
"""The pictures of a seeded video show a block of one of these, in turn, on white."""


@dataclass(frozen=True, slots=True)
class InlineSystem:
    """What a test talks to; ``client`` speaks HTTP to ``app`` without a network."""

    settings: Settings
    ctx: Context
    queue: InlineQueue
    app: FastAPI
    client: TestClient


def inline_context(home: Path, **options: Any) -> tuple[Settings, Context, InlineQueue]:
    """A system without HTTP in an empty folder; options are those of the settings."""
    values: dict[str, Any] = {
        "embedder": "fake",
        "segmenter": "fake",
        "query_timeout_s": 5.0,
        "exports": home.with_name(f"{home.name}-exports"),
        **options,
    }
    settings = Settings(_env_file=None, home=home, **values)
    prepare_home(settings)
    queue = InlineQueue()
    ctx = open_context(settings, queue)
    connect(settings, ctx, queue)
    return settings, ctx, queue


def connect(settings: Settings, ctx: Context, queue: InlineQueue) -> None:
    """Let the queue do at once what workers of all three queues would."""
    parts = {name: WorkerParts(settings, name, ctx) for name in Queue}
    for part in parts.values():
        part.load()
    work = {kind: run for part in parts.values() for kind, run in part.work_by_kind().items()}
    queue.run_chunk = lambda chunk_id: jobs.run_chunk(ctx, chunk_id, work, "inline")
    queue.run_query = lambda query_id: any(parts[name].answer_query(query_id) for name in WITH_MODEL)


@contextmanager
def inline_system(home: Path, **options: Any) -> Iterator[InlineSystem]:
    """The system with its API; the reaper sleeps, as it would run chunks beside the requests."""
    settings, ctx, queue = inline_context(home, **options)
    app = create_app(settings, ctx, reap_every_s=NEVER_S)
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield InlineSystem(settings, ctx, queue, app, client)
    ctx.sessions.close()


@contextmanager
def live_server(app: FastAPI) -> Iterator[str]:
    """Serves an application over real HTTP on a loopback port: its URL."""
    listener = server.bind("127.0.0.1", 0)
    running = server.server_of(app)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="uvicorn")
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join()
        listener.close()


def seed_video(
    ctx: Context, *, name: str = "seeded.mp4", project: str = projects.DEFAULT, n_frames: int = 6
) -> tuple[int, list[int]]:
    """A video with embedded frames, one a second, without a file behind it: its id and theirs."""
    sha256 = hashlib.sha256(f"{project}/{name}".encode()).hexdigest()
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, project).id
        new = NewVideo(
            project_id, sha256, name, f"/nowhere/{name}", 1_000, float(n_frames), 64, 48, seeded_facts()
        )
        video_id = videos.find_or_add(session, new)
        videos.set_state(session, video_id, VideoState.READY)
        rows = [_frame_row(ctx, video_id, sha256, index) for index in range(n_frames)]
        videos.add_frames(session, rows)
        ids = videos.frame_ids_by_index(session, video_id, 0)
    embed.request(ctx, project=project, video_id=video_id)
    return video_id, [ids[index] for index in sorted(ids)]


def picture(colours: Sequence[str]) -> Image:
    """(48, 64, 3): blocks of the colours beside each other on white."""
    image = np.full((*SIZE_HW, 3), 255, np.uint8)
    for position, colour in enumerate(colours):
        image[8:40, 4 + 20 * position : 20 + 20 * position] = COLOURS[colour]
    return image


def jpeg_of(image: Image) -> bytes:
    """A picture as a JPEG of good quality."""
    file = io.BytesIO()
    Pictures.fromarray(image).save(file, "JPEG", quality=95)
    return file.getvalue()


def _frame_row(ctx: Context, video_id: int, sha256: str, index: int) -> dict[str, Any]:
    picture_bytes = jpeg_of(picture([list(COLOURS)[index % len(COLOURS)]]))
    image_key = f"frames/{sha256[:2]}/{sha256}/0_{index}_{index * 1000}.jpg"
    thumbnail_key = image_key.replace("frames/", "thumbnails/", 1)
    ctx.blobs.put(image_key, picture_bytes)
    ctx.blobs.put(thumbnail_key, picture_bytes)
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": index,
        "pts": index * 1000,
        "time_base_num": 1,
        "time_base_den": 1000,
        "width": SIZE_HW[1],
        "height": SIZE_HW[0],
        "image_key": image_key,
        "thumbnail_key": thumbnail_key,
        "image_sha256": hashlib.sha256(picture_bytes).hexdigest(),
        "perceptual_hash": "00ff00ff00ff00ff",
        "mean_colour": None if index == 0 else 0x102030 + index,
        "is_key": index == 0,
        "is_suspect": False,
        "transform": {"encoder": {"quality": 90}},
    }


def seeded_facts() -> dict[str, Any]:
    return {
        "container": "mov,mp4",
        "codec": "h264",
        "duration_s": 6.0,
        "width": SIZE_HW[1],
        "height": SIZE_HW[0],
        "rotation": 0,
        "stream_index": 0,
        "time_base": "1/1000",
        "start_pts": 0,
        "n_frames": 6,
        "is_variable_frame_rate": False,
        "details": {},
    }

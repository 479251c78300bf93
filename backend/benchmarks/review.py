"""What decisions about many annotations cost: ``python benchmarks/review.py [POSTGRESQL_URL]``.

A project of 100,000 proposals with masks of about 700 bytes, eight on each of 12,500 frames, in ten
classes. 10,000 and 100,000 of them are decided by their ids, undone, and decided by what matches; 10,000
also, for comparison, in a loop over the annotations. The summary of the project is measured before and after.
With the address of an empty PostgreSQL database both databases are measured, one after the other.
The result is written to ``review.json``.
"""

import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert, text

from komadori.bootstrap import open_context, prepare_home
from komadori.core import masks
from komadori.core.types import AnnotationStatus, VideoState
from komadori.db.repositories import annotations, projects, revisions, summaries, videos
from komadori.db.repositories.videos import NewVideo
from komadori.db.tables import AnnotationRevisionRow, AnnotationRow, FrameRow
from komadori.queueing.inline import InlineQueue
from komadori.services import review
from komadori.services.context import Context
from komadori.settings import Settings

RESULTS = Path(__file__).with_suffix(".json")
N = 100_000
SIZES = (N // 10, N)
ON_A_FRAME = 8
CLASSES = [f"class {number}" for number in range(10)]
SIZE_HW = (1080, 1920)


def main() -> None:
    results: dict[str, Any] = {"sqlite": measured(None)}
    for url in sys.argv[1:]:
        results["postgresql"] = measured(url)
    results |= {
        "n_annotations": N,
        "machine": platform.machine(),
        "load_average": round(os.getloadavg()[0], 1),
        "sqlite_version": sqlite3.sqlite_version,
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


def measured(url: str | None) -> dict[str, Any]:
    """Seconds of each way on a database; None is SQLite in the home."""
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder:
        settings = Settings(_env_file=None, home=Path(folder), broker_url=None, database_url=url)
        prepare_home(settings)
        ctx = open_context(settings, InlineQueue()).acting_as("bench")
        ids = fill(ctx)
        found: dict[str, Any] = {"summary": cost(lambda: summary(ctx))}
        found |= {f"{n} decisions": decisions(ctx, ids, n) for n in SIZES}
        found["summary after"] = cost(lambda: summary(ctx))
        ctx.sessions.close()
        return found


def decisions(ctx: Context, ids: list[int], n: int) -> dict[str, Any]:
    """What it costs to change ``n`` annotations, and to find that nothing is to be changed."""
    some = ids[:n]
    which = review.Matching(projects.DEFAULT, class_name=CLASSES[0] if n < len(ids) else None)
    proposed, accepted, rejected = AnnotationStatus
    found = {
        "by ids": cost(lambda: review.decide(ctx, some, accepted)),
        "undo": cost(lambda: review.decide(ctx, some, proposed)),
        "nothing to change": cost(lambda: review.decide(ctx, some, proposed)),
        "matching": cost(lambda: review.decide_matching(ctx, which, rejected)),
    }
    review.decide(ctx, ids, proposed)
    if n == min(SIZES):
        found["in a loop"] = cost(lambda: decide_in_a_loop(ctx, some, accepted))
        review.decide(ctx, ids, proposed)
    return found


def decide_in_a_loop(ctx: Context, ids: list[int], status: AnnotationStatus) -> None:
    """One annotation after the other in one transaction, as it was done before."""
    with ctx.sessions.write() as session:
        for annotation_id in ids:
            if annotations.get(session, annotation_id).status == status:
                continue
            row = session.get(AnnotationRow, annotation_id, with_for_update=True, populate_existing=True)
            assert row is not None
            former = {name: getattr(row, name) for name in revisions.KEPT}
            now_s = time.time()
            session.add(
                AnnotationRevisionRow(annotation_id=row.id, revision=row.revision, **former, changed_s=now_s)
            )
            row.revision += 1
            row.status = status


def summary(ctx: Context) -> None:
    with ctx.sessions.read() as session:
        found = summaries.summary(session, projects.by_name(session, projects.DEFAULT).id)
    assert found.n_annotations == N


def cost(work: Callable[[], object]) -> dict[str, float]:
    """Seconds on the wall, and of the processor in this process; PostgreSQL computes in another one."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    found = {"s": round(time.perf_counter() - started_s, 3), "cpu_s": round(time.process_time() - cpu_s, 3)}
    print(found, file=sys.stderr)
    return found


def fill(ctx: Context) -> list[int]:
    """A project that was never decoded or looked at by a model: the ids of its annotations."""
    shapes = [annotations.mask_values(masks.encode(blob(seed))) for seed in range(len(CLASSES))]
    with ctx.sessions.write() as session:
        project_id = projects.by_name(session, projects.DEFAULT).id
        class_ids = list(projects.class_ids(session, project_id, CLASSES).values())
        new = NewVideo(project_id, "ab" * 32, "v.mp4", "/v.mp4", 1, 1.0, *SIZE_HW[::-1], {"stream_index": 0})
        video_id = videos.find_or_add(session, new)
        videos.set_state(session, video_id, VideoState.READY)
        rows = [frame(video_id, index) for index in range(N // ON_A_FRAME)]
        session.execute(insert(FrameRow), rows)
        frame_ids = list(videos.frame_ids_by_index(session, video_id, 0).values())
        for start in range(0, N, 10_000):
            several = range(start, start + 10_000)
            values = [
                annotation(frame_ids[n // ON_A_FRAME], class_ids[n % 10], shapes[n % 10]) for n in several
            ]
            session.execute(insert(AnnotationRow), values)
    if ctx.sessions.engine.dialect.name == "postgresql":
        with ctx.sessions.write() as session:
            session.execute(text("ANALYZE"))
    with ctx.sessions.read() as session:
        return [int(row[0]) for row in session.execute(text("SELECT id FROM annotations ORDER BY id"))]


def blob(seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(1080, 1920) bool: a round thing with an uneven edge."""
    height, width = SIZE_HW
    y, x = np.mgrid[:height, :width]
    angle = np.arctan2(y - 500, x - 900)
    radius = 200 + 20 * np.sin(7 * angle + seed) + 10 * np.sin(31 * angle)
    mask: np.ndarray[Any, np.dtype[np.bool_]] = np.hypot(y - 500, x - 900) < radius
    return mask


def frame(video_id: int, index: int) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": index,
        "pts": index * 1000,
        "time_base_num": 1,
        "time_base_den": 1000,
        "width": SIZE_HW[1],
        "height": SIZE_HW[0],
        "image_key": f"frames/ab/{'ab' * 32}/0_{index}.jpg",
        "thumbnail_key": f"thumbnails/ab/{'ab' * 32}/0_{index}.jpg",
        "image_sha256": "0" * 64,
        "perceptual_hash": "0" * 16,
        "is_key": False,
        "is_suspect": False,
        "transform": {"rotation": 0, "colour": "bt709 to srgb", "encoder": {"quality": 92}},
    }


def annotation(frame_id: int, class_id: int, shape: dict[str, Any]) -> dict[str, Any]:
    return {
        "frame_id": frame_id,
        "class_id": class_id,
        "x0": 680.5,
        "y0": 280.5,
        "x1": 1120.5,
        "y1": 720.5,
        **shape,
        "confidence": 0.75,
        "source": "model",
        "status": "proposed",
        "revision": 1,
        "created_s": time.time(),
    }


if __name__ == "__main__":
    main()

"""How long `komadori check` takes for a store of many frames, and how much memory.

    python benchmarks/check.py [--frames N]

Frames are rows and files of random bytes, a tenth of them has an annotation with a mask, all
have a vector of 64 components and belong to chunks of 64. A process of its own checks the store.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from komadori.bootstrap import open_context, open_store, prepare_home
from komadori.core import masks
from komadori.core.types import EmbeddingSpace, JobState, Queue, VideoState
from komadori.db.repositories import annotations, embeddings, jobs, projects, videos
from komadori.db.repositories.videos import NewVideo
from komadori.db.tables import AnnotationRow, ChunkRow, EmbeddingRow, FrameRow
from komadori.queueing.inline import InlineQueue
from komadori.services import check
from komadori.settings import Settings

RESULTS = Path(__file__).with_suffix(".json")
CHUNK = 64
DIM = 64
PER_VIDEO = 100 * CHUNK
SPACE = EmbeddingSpace("bench", "1", "0" * 64, DIM)
ANNOTATED = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--look-at", type=Path, help="a home that was made before")
    options = parser.parse_args()
    if options.look_at:
        print(json.dumps(look_at(options.look_at)))
        return
    results = []
    for n in (options.frames // 10, options.frames):
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder), n)
            command = [sys.executable, __file__, "--look-at", folder]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        results.append({"frames": n, **json.loads(said)})
        print(results[-1])
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


def settings_of(home: Path) -> Settings:
    return Settings(_env_file=None, home=home, broker_url="redis://127.0.0.1:9/0")


def look_at(home: Path) -> dict[str, Any]:
    """Plain and deep: seconds, and the most memory that the process has had by then."""
    found: dict[str, Any] = {"before_mb": peak_mb()}
    store = open_store(settings_of(home))
    with closing(store.sessions):
        for name, is_deep in (("plain", False), ("deep", True)):
            started_s, cpu_s = time.perf_counter(), time.process_time()
            report = check.check(store, is_deep=is_deep, age_s=0.0)
            assert report.is_clean, report.counts
            found[f"{name}_s"] = round(time.perf_counter() - started_s, 2)
            found[f"{name}_cpu_s"] = round(time.process_time() - cpu_s, 2)
            found[f"{name}_peak_mb"] = peak_mb()
    return found


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def fill(home: Path, n_frames: int) -> None:
    """A store that was never decoded or embedded, and looks as if."""
    settings = settings_of(home)
    prepare_home(settings)
    ctx = open_context(settings, InlineQueue())
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, projects.DEFAULT).id
        space_id = embeddings.register_space(session, SPACE, "bench")
        class_id = projects.class_ids(session, project_id, ["cat"])["cat"]
        job_id = jobs.create(session, "embed", project_id, {})
    index = ctx.index_of(SPACE)
    generator = np.random.default_rng(1)
    for first in range(0, n_frames, PER_VIDEO):
        n = min(PER_VIDEO, n_frames - first)
        sha256 = hashlib.sha256(str(first).encode()).hexdigest()
        rows = [_frame(home, sha256, index_) for index_ in range(n)]
        with ctx.sessions.write() as session:
            facts = {"stream_index": 0}
            new = NewVideo(project_id, sha256, "v.mp4", "/v.mp4", 1, float(n), 64, 48, facts)
            video_id = videos.find_or_add(session, new)
            videos.set_state(session, video_id, VideoState.READY)
            session.execute(insert(FrameRow), [{"video_id": video_id, **row} for row in rows])
            ids = list(videos.frame_ids_by_index(session, video_id, 0).values())
            session.execute(insert(EmbeddingRow), [{"space_id": space_id, "frame_id": i} for i in ids])
            session.execute(insert(AnnotationRow), [_annotation(i, class_id) for i in ids[::ANNOTATED]])
            parts = [ids[start : start + CHUNK] for start in range(0, n, CHUNK)]
            session.execute(
                insert(ChunkRow),
                [_chunk(job_id, first // CHUNK + place, part) for place, part in enumerate(parts)],
            )
        vectors = generator.standard_normal((n, DIM)).astype(np.float32)
        index.upsert(ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    with ctx.sessions.write() as session:
        jobs.settle(session, job_id)
    ctx.sessions.close()


def _frame(home: Path, sha256: str, index: int) -> dict[str, Any]:
    content = b"\xff\xd8" + os.urandom(64) + b"\xff\xd9"
    name = f"{sha256[:2]}/{sha256}/0_{index}_{index * 1000}_{'0' * 16}.jpg"
    for place in ("frames", "thumbnails"):
        path = home / "blobs" / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {
        "stream_index": 0,
        "decode_index": index,
        "pts": index * 1000,
        "time_base_num": 1,
        "time_base_den": 1000,
        "width": 64,
        "height": 48,
        "image_key": f"frames/{name}",
        "thumbnail_key": f"thumbnails/{name}",
        "image_sha256": hashlib.sha256(content).hexdigest(),
        "perceptual_hash": "0" * 16,
        "is_key": False,
        "is_suspect": False,
        "transform": {},
    }


def _annotation(frame_id: int, class_id: int) -> dict[str, Any]:
    mask = np.zeros((48, 64), np.bool_)
    mask[3:30, 5:60] = True
    return {
        "frame_id": frame_id,
        "class_id": class_id,
        "x0": 5.0,
        "y0": 3.0,
        "x1": 60.0,
        "y1": 30.0,
        **annotations.mask_values(masks.encode(mask)),
        "source": "person",
        "status": "accepted",
        "revision": 1,
        "created_s": time.time(),
    }


def _chunk(job_id: int, position: int, frame_ids: list[int]) -> dict[str, Any]:
    n = len(frame_ids)
    return {
        "job_id": job_id,
        "position": position,
        "kind": "embed",
        "queue": Queue.SIGLIP.value,
        "payload": {"frame_ids": frame_ids},
        "state": JobState.DONE.value,
        "attempts": 1,
        "total": n,
        "done": n,
        "skipped": 0,
        "failed": 0,
    }


if __name__ == "__main__":
    main()

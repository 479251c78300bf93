"""How often "strong", "maybe" and "nothing here matches" are right: ``python benchmarks/honest_scores.py``.

Projects are drawn of some of the 48 kinds of the demo's world, so it is known which kinds they show; the
vectors are those of the demo's embedder, the rule is that of the product. Each project is asked for all
kinds by name, in English and Japanese, and by a picture that shows one alone. A kind counts as present
when a frame shows 30 % of one thing or more, as absent when no frame shows any of it.

Also timed is what the scale costs a search in 20,000 frames of 768 components. The result is written to
``honest_scores.json``. Nothing here says how real checkpoints do on real footage.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

import komadori.demo_models
from komadori.bootstrap import open_context, prepare_home
from komadori.core import absent_words
from komadori.core.types import EmbeddingSpace, VideoState
from komadori.db.repositories import embeddings, projects, videos
from komadori.db.repositories.queries import QueryKind
from komadori.db.repositories.videos import NewVideo
from komadori.db.tables import EmbeddingRow, FrameRow
from komadori.demo_world.kinds import kinds
from komadori.demo_world.measures import SEEN_FROM
from komadori.demo_world.sampling import Taste, random_scene, spoil
from komadori.demo_world.scene import draw
from komadori.ml.embedders import siglip2
from komadori.ml.embedders.base import ImageTextEmbedder
from komadori.queueing.inline import InlineQueue
from komadori.services import score_scale
from komadori.services.score_scale import ScoreScale
from komadori.settings import Settings

SEED = 20261201
PROJECTS = ((3, 150), (6, 200), (12, 250), (24, 250), (24, 250), (40, 300))
"""How many kinds, and how many frames of one to four things of these."""

SIZES = (30, 100, None)
"""How many of the frames of a project are searched; all when None."""

N_DRAWS = 5
PICTURES_OF_A_KIND = 2
N_FRAMES, DIM = 20_000, 768

_Floats = NDArray[np.float32]


def main() -> None:
    """Run everything and write the JSON."""
    folder = Path(komadori.demo_models.__file__).parent / "siglip2-demo"
    embedder = siglip2.create(folder, device="cpu", threads=1)
    rng = np.random.default_rng(SEED)
    queries = {
        "english": embedder.embed_texts([kind.name for kind in kinds()]).vectors,
        "japanese": embedder.embed_texts([kind.japanese[0] for kind in kinds()]).vectors,
    }
    queries["pictures"] = pictures(rng, embedder)
    absent = embedder.embed_texts(absent_words.WORDS).vectors
    made = [project(rng, embedder, n_kinds, n_frames) for n_kinds, n_frames in PROJECTS]
    report: dict[str, Any] = {
        f"{size or 'all'} frames": judge(rng, made, size, queries, absent) for size in SIZES
    }
    report["cost_of_a_search"] = measure_cost()
    report |= {
        "projects": [{"kinds": n_kinds, "frames": n_frames} for n_kinds, n_frames in PROJECTS],
        "device": embedder.device_name,
        "machine": platform.machine(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def project(
    rng: np.random.Generator, embedder: ImageTextEmbedder, n_kinds: int, n_frames: int
) -> tuple[_Floats, _Floats]:
    """(N, D) the vectors of random frames, (N, 48) the largest share of a thing of each kind that is seen."""
    chosen = [kinds()[number].name for number in rng.permutation(len(kinds()))[:n_kinds]]
    taste = Taste((1, 4), (0.2, 0.6), kinds=chosen)
    drawn = [frame(rng, embedder, taste) for _ in range(n_frames)]
    return np.concatenate([vector for vector, _ in drawn]), np.stack([seen for _, seen in drawn])


def pictures(rng: np.random.Generator, embedder: ImageTextEmbedder) -> _Floats:
    """(48 times some, D) the vectors of frames that show one thing alone, kind by kind."""
    tastes = [Taste((1, 1), (0.3, 0.7), kinds=(kind.name,)) for kind in kinds()]
    vectors = [frame(rng, embedder, taste)[0] for taste in tastes for _ in range(PICTURES_OF_A_KIND)]
    return np.concatenate(vectors)


def frame(rng: np.random.Generator, embedder: ImageTextEmbedder, taste: Taste) -> tuple[_Floats, _Floats]:
    """(1, D) the vector of a random frame, (48,) how much of each kind it shows."""
    scene = random_scene(rng, taste)
    while not scene.things:
        scene = random_scene(rng, taste)
    picture = draw(scene)
    seen = np.zeros(len(kinds()), np.float32)
    names = [kind.name for kind in kinds()]
    for thing, visible in zip(picture.things, picture.visible, strict=True):
        number = names.index(thing.kind)
        seen[number] = max(seen[number], visible)
    return embedder.embed_images([spoil(rng, picture.image)]).vectors, seen


def judge(
    rng: np.random.Generator,
    made: Sequence[tuple[_Floats, _Floats]],
    size: int | None,
    queries: dict[str, _Floats],
    absent: _Floats,
) -> dict[str, Any]:
    """The share of kinds in each band, by the way they are asked for."""
    counts: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in queries}
    for vectors, seen in made:
        for _ in range(1 if size is None else N_DRAWS):
            rows = np.sort(rng.permutation(len(vectors))[:size])
            truth = [
                "present" if most >= SEEN_FROM else "absent" if most == 0 else ""
                for most in seen[rows].max(0)
            ]
            for name, asked in queries.items():
                scale = _scale(name, vectors[rows], absent)
                best = (vectors[rows] @ asked.T).max(axis=0)
                kinds_asked = np.arange(len(asked)) // (len(asked) // len(truth))
                bands = [scale.band(float(score)) for score in best]
                counts[name].update(
                    (truth[kind], band) for kind, band in zip(kinds_asked, bands, strict=True)
                )
    return {
        name: {there: _shares(count, there) for there in ("present", "absent")}
        for name, count in counts.items()
    }


def _scale(name: str, vectors: _Floats, absent: _Floats) -> ScoreScale:
    if name == "pictures":
        return score_scale.of_pictures(vectors, np.arange(len(vectors)), len(vectors))
    return score_scale.of_words(absent @ vectors.T, len(vectors))


def _shares(count: Counter[tuple[str, str]], there: str) -> dict[str, float]:
    n = sum(number for (truth, _), number in count.items() if truth == there)
    return {"n": n, **{band: round(count[there, band] / n, 3) for band in ("strong", "maybe", "none")}}


def measure_cost() -> dict[str, float]:
    """Milliseconds of the search in the index alone, of a kept scale, and of a scale that is made anew."""
    rng = np.random.default_rng(SEED)
    space = EmbeddingSpace("bench", "1", "0" * 64, DIM)
    with tempfile.TemporaryDirectory(prefix="komadori-bench-") as folder:
        settings = Settings(_env_file=None, home=Path(folder), embedder="fake", segmenter="fake")
        prepare_home(settings)
        ctx = open_context(settings, InlineQueue())
        space_id = _fill(ctx, space, rng)
        query = _unit(rng, 1)[0]
        index = ctx.index_of(space)

        def scaled() -> object:
            return score_scale.scale_of(ctx, space_id, space, QueryKind.TEXT, N_FRAMES, {})

        def made_anew() -> object:
            ctx.scales.clear()
            return scaled()

        cost = {
            "index_ms": _median_ms(lambda: index.search(query, 100)),
            "kept_scale_ms": _median_ms(scaled),
            "new_scale_ms": _median_ms(made_anew),
        }
        ctx.sessions.close()
    return cost


def _fill(ctx: Any, space: EmbeddingSpace, rng: np.random.Generator) -> int:
    with ctx.sessions.write() as session:
        project_id = projects.get_or_create(session, projects.DEFAULT).id
        new = NewVideo(project_id, "0" * 64, "v.mp4", "/v.mp4", 1, 1.0, 640, 360, {"stream_index": 0})
        video_id = videos.find_or_add(session, new)
        videos.set_state(session, video_id, VideoState.READY)
        session.execute(insert(FrameRow), [_frame_row(video_id, index) for index in range(N_FRAMES)])
        ids = list(videos.frame_ids_by_index(session, video_id, 0).values())
        space_id = embeddings.register_space(session, space, "fake")
        session.execute(insert(EmbeddingRow), [{"space_id": space_id, "frame_id": i} for i in ids])
        words = _unit(rng, len(absent_words.WORDS))
        embeddings.keep_absent_words(session, space_id, absent_words.key(), words)
    ctx.index_of(space).upsert(ids, _unit(rng, N_FRAMES))
    return space_id


def _frame_row(video_id: int, index: int) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "stream_index": 0,
        "decode_index": index,
        "pts": index,
        "time_base_num": 1,
        "time_base_den": 25,
        "width": 640,
        "height": 360,
        "image_key": "frames/one.jpg",
        "thumbnail_key": "thumbnails/one.jpg",
        "image_sha256": "0" * 64,
        "perceptual_hash": "0" * 16,
        "is_key": False,
        "is_suspect": False,
        "transform": {},
    }


def _unit(rng: np.random.Generator, n: int) -> _Floats:
    vectors = rng.standard_normal((n, DIM)).astype(np.float32)
    unit: _Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _median_ms(act: Callable[[], object]) -> float:
    act()
    times = []
    for _ in range(15):
        start = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - start))
    return round(statistics.median(times), 2)


if __name__ == "__main__":
    main()

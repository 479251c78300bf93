"""What a SigLIP checkpoint is worth on scenes that its training never saw.

Everything goes the way of the product: frames of full size, JPEG, the embedder's own adapter, texts
as a person types them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.demo_training.captions import class_numbers
from scripts.demo_training.unseen_frames import as_jpeg, scene_of_things

from komadori.demo_world.kinds import groups, kinds
from komadori.demo_world.measures import precision_at, recall_at_1
from komadori.demo_world.sampling import Taste, spoil
from komadori.demo_world.scene import draw
from komadori.ml.embedders import siglip2
from komadori.ml.embedders.base import ImageTextEmbedder

_Floats = NDArray[np.float32]

Search = tuple[list[int], set[int]]
"""The frames from best to worst, and those that are right."""

JPEG_QUALITY = 85


def names_by_language() -> dict[str, list[str]]:
    """The name of each kind that a person would type first, by language code."""
    return {"en": [kind.name for kind in kinds()], "ja": [kind.japanese[0] for kind in kinds()]}


def measure_checkpoint(
    folder: Path, seed: int, threads: int | None = 1, *, frames_per_kind: int = 16, n_gallery: int = 1000
) -> dict[str, Any]:
    """Measure the checkpoint in ``folder``; about three minutes.

    Args:
        folder: In the layout of transformers.
        seed: Of the frames; take one that no training used.
        threads: How many threads the model computes with.
        frames_per_kind: Frames that show one thing, for each kind.
        n_gallery: Frames of one to four things that are searched.

    Returns:
        ``zero_shot_top1_L`` (one thing in the frame, the best of 48 names), ``recall_at_1_L`` (the share
        of queries whose best frame shows the thing), ``precision_at_10_L`` and ``group_precision_at_10_L``
        for the languages L "en" and "ja", ``precision_at_10_others`` for further languages, ``per_kind``
        (top-1 by kind), ``confusion_L`` (true kind by row, best name by column).
    """
    embedder = siglip2.create(folder, device="cpu", threads=threads)
    rng = np.random.default_rng(seed)
    single = [Taste((1, 1), (0.2, 0.6), kinds=(kind.name,)) for kind in kinds()]
    vectors, seen = _frames(rng, embedder, [taste for taste in single for _ in range(frames_per_kind)])
    gallery, shown = _frames(rng, embedder, [Taste((1, 4), (0.2, 0.6))] * n_gallery)
    measures: dict[str, Any] = {"seed": seed, "frames": len(vectors), "gallery": len(gallery)}
    measures["device"] = embedder.device_name
    for language, names in names_by_language().items():
        texts = embedder.embed_texts(names).vectors
        confusion = _confusion(seen, vectors @ texts.T)
        searches = _searches(gallery, texts, shown)
        words = [group.name if language == "en" else group.japanese for group in groups()]
        of_groups = _searches(gallery, embedder.embed_texts(words).vectors, _shows_group(shown))
        measures |= {
            f"zero_shot_top1_{language}": float(np.trace(confusion) / confusion.sum()),
            f"precision_at_10_{language}": _precision_at_10(searches),
            f"recall_at_1_{language}": recall_at_1(searches),
            f"group_precision_at_10_{language}": _precision_at_10(of_groups),
            f"per_kind_{language}": _per_kind(confusion),
            f"confusion_{language}": confusion.tolist(),
        }
    measures["precision_at_10_others"] = {
        language: _precision_at_10(_searches(gallery, embedder.embed_texts(names).vectors, shown))
        for language, names in _names_of_others().items()
    }
    return measures


def _frames(
    rng: np.random.Generator, embedder: ImageTextEmbedder, tastes: Sequence[Taste]
) -> tuple[_Floats, NDArray[np.bool_]]:
    """(N, D) the vectors of one random frame for each taste, (N, 48) which kinds it shows."""
    seen = np.zeros((len(tastes), len(kinds())), np.bool_)
    vectors = []
    for row, taste in enumerate(tastes):
        scene = scene_of_things(rng, taste)
        picture = draw(scene)
        for thing in scene.things:
            seen[row, class_numbers()[thing.kind]] = True
        vectors.append(embedder.embed_images([as_jpeg(spoil(rng, picture.image), JPEG_QUALITY)]).vectors)
    return np.concatenate(vectors), seen


def _confusion(seen: NDArray[np.bool_], scores: _Floats) -> NDArray[np.int64]:
    """(48, 48) how often frames of a kind (row) are best named as another (column)."""
    counts = np.zeros((len(kinds()), len(kinds())), np.int64)
    np.add.at(counts, (seen.argmax(axis=1), scores.argmax(axis=1)), 1)
    return counts


def _per_kind(confusion: NDArray[np.int64]) -> dict[str, float]:
    shares: list[float] = (np.diagonal(confusion) / confusion.sum(axis=1)).tolist()
    return {kind.name: round(share, 4) for kind, share in zip(kinds(), shares, strict=True)}


def _names_of_others() -> dict[str, list[str]]:
    return {language: [kind.others[language] for kind in kinds()] for language in sorted(kinds()[0].others)}


def _shows_group(shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, G) which frames show a kind of each group, from (N, K) which kinds they show."""
    columns = [[class_numbers()[name] for name in sorted(group.kinds)] for group in groups()]
    return np.stack([shown[:, numbers].any(axis=1) for numbers in columns], axis=1)


def _searches(gallery: _Floats, texts: _Floats, is_right: NDArray[np.bool_]) -> list[Search]:
    """The search for each of Q texts among N frames, where (N, Q) are right."""
    ranked = np.argsort(-(gallery @ texts.T), axis=0, kind="stable")
    return [
        (ranked[:, query].tolist(), set(np.flatnonzero(is_right[:, query]).tolist()))
        for query in range(len(texts))
    ]


def _precision_at_10(searches: Sequence[Search]) -> float:
    return float(np.mean([precision_at(10, hits, right) for hits, right in searches]))

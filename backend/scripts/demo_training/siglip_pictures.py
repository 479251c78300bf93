"""What a SigLIP checkpoint finds for words in English and Japanese among unseen frames."""

import numpy as np
from PIL import Image, ImageDraw
from scripts.demo_training.unseen_frames import frames

from komadori.cli.pictures import contact_sheet
from komadori.core.types import Image as Pixels
from komadori.demo_world.kinds import kinds_called
from komadori.ml.embedders.base import ImageTextEmbedder

QUERIES = (
    "a photo of a red apple",
    "リンゴ",
    "penguin",
    "ペンギンの写真",
    "yellow heart",
    "自転車",
    "fruit",
    "動物",
    "a cat and a key",
    "傘とバス",
)
"""Shown in this order; names, groups, and two things at once."""

MEANT = {
    "a photo of a red apple": ("red apple",),
    "ペンギンの写真": ("ペンギン",),
    "a cat and a key": ("cat", "key"),
    "傘とバス": ("傘", "バス"),
}
"""The names within queries that are more than one name."""

N_HITS = 8
_TILE_WH = (176, 110)
_RIGHT = (0, 158, 115)
_WRONG = (213, 94, 0)


def retrieval_rows(embedder: ImageTextEmbedder, seed: int, n_frames: int) -> dict[str, Image.Image]:
    """A row of the best frames for each query, green where all that it names is there, else red."""
    gallery = list(frames(seed, n_frames))
    vectors = np.concatenate([embedder.embed_images([frame.image]).vectors for frame in gallery])
    rows = {}
    for query, text in zip(QUERIES, embedder.embed_texts(QUERIES).vectors, strict=True):
        scores = vectors @ text
        wanted = [kinds_called(name) for name in MEANT.get(query, (query,))]
        tiles = []
        for hit in np.argsort(-scores, kind="stable")[:N_HITS]:
            frame = gallery[int(hit)]
            is_right = all(kinds & set(frame.kinds) for kinds in wanted)
            tiles.append((_framed(frame.image, is_right), f"{scores[hit]:.3f}"))
        rows[query] = contact_sheet(tiles, columns=N_HITS, tile_wh=_TILE_WH)
    return rows


def _framed(image: Pixels, is_right: bool) -> Pixels:
    picture = Image.fromarray(image)
    width = max(4, min(picture.size) // 30)
    edges = (0, 0, picture.width - 1, picture.height - 1)
    ImageDraw.Draw(picture).rectangle(edges, outline=_RIGHT if is_right else _WRONG, width=width)
    return np.array(picture)

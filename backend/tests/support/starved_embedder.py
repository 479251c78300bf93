"""``python -m tests.support.starved_embedder N MIB``: a real model embeds N pictures in little memory.

Prints the batch that it came down to, or 0, and whether its vectors are those of single pictures, or
the error. A batch of all N is tried first.
"""

import resource
import sys
from pathlib import Path

import numpy as np

from komadori.core.errors import KomadoriError
from komadori.ml.embedders import siglip2
from komadori.ml.smaller_batches import BatchingEmbedder
from tests.support.checkpoints import SIGLIP2


def main(n_pictures: int, spare_mib: int) -> None:
    n_batch = max(n_pictures, 1)
    model = siglip2.create(SIGLIP2, device="cpu", engine="torch", threads=1, batch_size=n_batch)
    embedder = BatchingEmbedder(model)
    rng = np.random.default_rng(7)
    pictures = [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(n_pictures)]
    alone = np.concatenate([model.embed_images([picture]).vectors for picture in pictures[:8]])
    virtual_kib = next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text("ascii").splitlines()
        if line.startswith("VmSize")
    )
    resource.setrlimit(resource.RLIMIT_AS, (virtual_kib * 1024 + spare_mib * 2**20, resource.RLIM_INFINITY))
    try:
        vectors = embedder.embed_images(pictures).vectors
    except KomadoriError as error:
        sys.stdout.write(f"{error.code}: {error}\n")
        return
    is_same = len(vectors) == n_pictures and np.allclose(vectors[:8], alone, atol=1e-3)
    sys.stdout.write(f"{embedder.limit.size or 0} {is_same}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

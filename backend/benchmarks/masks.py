"""Masks as run lengths against pycocotools, in one run: ``python benchmarks/masks.py``.

Masks of 1080p frames: a small smooth one, a large smooth one, and a large one with a ragged
outline and hundreds of holes. They start and end as models and viewers have them, (H, W) bool in
row-major order, so pycocotools pays for the copy into the order that it reads.

Every operation is timed beside its counterpart, one of each in turn; the ratio is the median of
the ratios of the pairs. CPU time counts. The result is written to ``masks.json``.
"""

import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pycocotools import mask as reference

from komadori.core import masks
from komadori.core.masks import Mask

SIZE_HW = (1080, 1920)
REPEATS = 30
N_OVERLAPS = 12
N_UNION = 6

Action = Callable[[], object]


def ellipse(centre_yx: tuple[float, float], radii_yx: tuple[float, float]) -> Mask:
    """A filled ellipse in a frame, (H, W) bool."""
    rows, columns = np.ogrid[: SIZE_HW[0], : SIZE_HW[1]]
    distance = ((rows - centre_yx[0]) / radii_yx[0]) ** 2 + ((columns - centre_yx[1]) / radii_yx[1]) ** 2
    is_inside: Mask = distance < 1
    return is_inside


def ragged(mask: Mask) -> Mask:
    """The mask with 400 holes, and every column's ends moved a little."""
    random = np.random.default_rng(0)
    result = mask & np.roll(mask, 9, axis=0)
    jitter = random.integers(0, 9, size=SIZE_HW[1])
    rows = (np.arange(SIZE_HW[0])[:, None] - jitter) % SIZE_HW[0]
    result = np.take_along_axis(result, rows, axis=0)
    for top, left in zip(random.integers(0, 1070, 400), random.integers(0, 1910, 400), strict=True):
        result[top : top + 10, left : left + 10] = False
    return result


def cpu_s(action: Action) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def in_turn(ours: Action, theirs: Action) -> dict[str, float]:
    """Medians over REPEATS pairs: CPU milliseconds of each, and the ratio of ours to theirs."""
    ours(), theirs()
    pairs = [(cpu_s(ours), cpu_s(theirs)) for _ in range(REPEATS)]
    return {
        "cpu_ms": round(statistics.median(mine for mine, _ in pairs) * 1e3, 3),
        "other_cpu_ms": round(statistics.median(other for _, other in pairs) * 1e3, 3),
        "ratio": round(statistics.median(mine / other for mine, other in pairs), 3),
    }


def measure(mask: Mask) -> dict[str, object]:
    """All operations on one mask; the bytes of both sides must agree."""
    rle = masks.encode(mask)
    coco = rle.to_coco()
    crowds = [0] * N_OVERLAPS
    encoded = reference.encode(np.asfortranarray(mask, np.uint8))
    assert encoded["counts"] == rle.counts, "the two encodings differ"
    return {
        "area": rle.area,
        "runs": len(masks.decode_runs(rle.counts)),
        "bytes": len(rle.counts),
        "encode": in_turn(
            lambda: masks.encode(mask), lambda: reference.encode(np.asfortranarray(mask, np.uint8))
        ),
        "decode": in_turn(lambda: masks.decode(rle), lambda: reference.decode(coco)),
        "area_and_box": in_turn(
            lambda: (rle.area, rle.bbox_xyxy), lambda: (reference.area(coco), reference.toBbox(coco))
        ),
        f"union_of_{N_UNION}": in_turn(
            lambda: masks.merge([rle] * N_UNION), lambda: reference.merge([coco] * N_UNION)
        ),
        f"union_of_{N_UNION}_against_decoding": in_turn(
            lambda: masks.merge([rle] * N_UNION),
            lambda: masks.encode(np.logical_or.reduce([masks.decode(rle) for _ in range(N_UNION)])),
        ),
        f"iou_{N_OVERLAPS}x{N_OVERLAPS}_all_touching": in_turn(
            lambda: masks.iou_matrix([rle] * N_OVERLAPS, [rle] * N_OVERLAPS),
            lambda: reference.iou([coco] * N_OVERLAPS, [coco] * N_OVERLAPS, crowds),
        ),
    }


def main() -> None:
    warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
    large = ellipse((540, 960), (450, 800))
    results = {
        "what": "CPU milliseconds per call on 1080p masks, and ratios to pycocotools",
        "machine": {"processor": _processor(), "python": platform.python_version()},
        "versions": {name: version(name) for name in ("numpy", "pycocotools")},
        "small smooth": measure(ellipse((500, 900), (60, 60))),
        "large smooth": measure(large),
        "large ragged": measure(ragged(large)),
    }
    text = json.dumps(results, indent=2)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()

"""Pooling within boxes beside torchvision's own way without its native library.

    python benchmarks/roi_align.py

The features have the size of the real SAM 3: 256 channels of 72 x 72 cells, a 7 x 7 grid for each box.
Ours and torchvision's uncompiled fallback run in turn in one process; their results must agree. The
memory that each takes at its highest is measured in a process of its own. The limit is reading the
features once, as a copy of them does. The result is written to ``roi_align.json``.
"""

import importlib
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from komadori.ml import torchvision_shim
from komadori.ml.device_memory import memory_of
from komadori.ml.roi_align import roi_align

N_CHANNELS, SIDE, N_BINS = 256, 72, 7
N_BOXES = (1, 4)
REPEATS = 3


def fallback() -> Callable[..., Tensor]:
    """What torchvision has in Python, as it is before the shim puts ours in its place."""
    torchvision_shim.install()
    module: Any = importlib.reload(importlib.import_module("torchvision.ops.roi_align"))
    plain: Callable[..., Tensor] = vars(module)["_roi_align"].__wrapped__
    return plain


def inputs(n_boxes: int) -> tuple[Any, ...]:
    """What the functions are called with: features, boxes, and how to pool."""
    torch.manual_seed(0)
    corner = torch.rand(n_boxes, 2) * SIDE * 0.4
    boxes = torch.cat([torch.zeros(n_boxes, 1), corner, corner + 10 + torch.rand(n_boxes, 2) * 30], dim=1)
    return torch.randn(1, N_CHANNELS, SIDE, SIDE), boxes, 1.0, N_BINS, N_BINS, -1, False


def seconds(action: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    action()
    return time.process_time() - start


def peak_mb(name: str, n_boxes: int) -> float:
    """How much more memory than before one call takes at its highest, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, name, str(n_boxes)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def measure(n_boxes: int) -> dict[str, float]:
    """Both ways on the same boxes."""
    plain, arguments = fallback(), inputs(n_boxes)
    torch.testing.assert_close(roi_align(*arguments), plain(*arguments), atol=1e-4, rtol=1e-4)
    pairs = [
        (seconds(lambda: roi_align(*arguments)), seconds(lambda: plain(*arguments))) for _ in range(REPEATS)
    ]
    copies = [seconds(arguments[0].clone) for _ in range(REPEATS)]
    return {
        "cpu_ms": round(statistics.median(ours for ours, _ in pairs) * 1e3, 2),
        "fallback_cpu_ms": round(statistics.median(theirs for _, theirs in pairs) * 1e3, 1),
        "ratio": round(statistics.median(ours / theirs for ours, theirs in pairs), 5),
        "copy_of_features_cpu_ms": round(statistics.median(copies) * 1e3, 2),
        "peak_mb": peak_mb("ours", n_boxes),
        "fallback_peak_mb": peak_mb("fallback", n_boxes),
    }


def main() -> None:
    """Measure, print, and write the JSON; with a name and a number, say what one call takes in memory."""
    torch.set_num_threads(1)
    if len(sys.argv) == 3:
        pool, arguments = (roi_align if sys.argv[1] == "ours" else fallback()), inputs(int(sys.argv[2]))
        memory = memory_of("cpu")
        memory.forget_peak()
        before = memory.peak().used
        pool(*arguments)
        print(round((memory.peak().used - before) / 1e6, 1))
        return
    result = {
        "machine": f"{platform.machine()}, one thread",
        "torch": torch.__version__,
        "boxes": {str(n_boxes): measure(n_boxes) for n_boxes in N_BOXES},
    }
    print(json.dumps(result, indent=1))
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

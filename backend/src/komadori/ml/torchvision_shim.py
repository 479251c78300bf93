"""Makes torchvision from the package index importable beside a CPU-only torch.

That torchvision is built for CUDA. Beside CPU torch its native library cannot be loaded, and
``import torchvision`` then ends in "operator torchvision::nms does not exist", because its fake
kernels are registered for operators whose schemas nobody has defined. transformers only asks
whether the package is installed, so every vision model of it fails with that import.

The remedy is to define the two schemas first. What needs the native operators themselves (``nms``,
reading image files) keeps raising torchvision's own message; ``roi_align``, which SAM 3 uses for
exemplar boxes, becomes ours: torchvision's fallback compiles itself for tens of seconds at each new
shape, and uncompiled it writes down every sample of every box.

Nothing is changed where torch has CUDA, where torchvision's native library loads, or where there is
no torchvision.
"""

import importlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from komadori.ml.roi_align import roi_align

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_definitions: list[Any] = []
"""The library handle, which must live as long as the definitions are wanted."""


@cache
def install() -> bool:
    """Prepare torchvision for import; call it before transformers loads a vision class.

    Returns:
        Whether anything had to be done.
    """
    if torch.version.cuda is not None or not _is_native_library_broken():
        return False
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _definitions.append(library)
    _use_our_roi_align()
    return True


def _is_native_library_broken() -> bool:
    spec = find_spec("torchvision")
    folders = spec.submodule_search_locations if spec else None
    native = next((path for folder in folders or [] for path in Path(folder).glob("_C.*")), None)
    if native is None:
        return False
    try:
        torch.ops.load_library(native)
    except OSError:
        return True
    return False


def _use_our_roi_align() -> None:
    module = importlib.import_module("torchvision.ops.roi_align")
    if hasattr(module, "_roi_align"):
        vars(module)["_roi_align"] = roi_align

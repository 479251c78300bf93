"""The model's own word on whether something is in a frame at all.

The adapter gives scores of single objects, which are already times this presence score; here the
model's output is read itself.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scripts.demo_training.unseen_frames import TrueFrame

from komadori.demo_world.kinds import kinds
from komadori.demo_world.measures import SEEN_FROM
from komadori.ml import torchvision_shim
from komadori.ml.torch_runtime import choose_runtime, load_pretrained


def presence_scores(
    folder: Path, unseen: Iterable[TrueFrame], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Presence in 0 to 1 of one kind that is there, and of one that is not, for each frame.

    Returns:
        (P,) of kinds that are there, (A,) of kinds that are not; frames that show nothing well enough
        have none of the first.
    """
    torchvision_shim.install()
    from transformers import Sam3Model, Sam3Processor  # not importable before the shim is in place

    runtime = choose_runtime("cpu", threads=1)
    model = load_pretrained(Sam3Model, folder, runtime)
    processor = Sam3Processor.from_pretrained(folder, local_files_only=True)
    rng = np.random.default_rng([seed, 4])
    present: list[float] = []
    absent: list[float] = []
    for frame in unseen:
        there = [kind for kind, seen in zip(frame.kinds, frame.visible, strict=True) if seen >= SEEN_FROM]
        others = [kind.name for kind in kinds() if kind.name not in frame.kinds]
        names = [others[int(rng.integers(len(others)))]]
        names += [there[int(rng.integers(len(there)))]] if there else []
        inputs = processor(images=[frame.image] * len(names), text=names, return_tensors="pt")
        with torch.inference_mode():
            outputs = model(
                pixel_values=inputs["pixel_values"].to(runtime.dtype),
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
            )
        scores = outputs.presence_logits.float().sigmoid().flatten().tolist()
        absent.append(scores[0])
        present += scores[1:]
    return np.array(present), np.array(absent)

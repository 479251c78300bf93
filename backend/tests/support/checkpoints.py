"""The small checkpoints with which tests run the real adapters, untrained on purpose.

They give different vectors for different inputs, and a few detections on any picture for any prompt.
``scripts/make_untrained_models.py`` makes them.
"""

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "checkpoints"
SIGLIP2 = FOLDER / "siglip2-untrained"
SIGLIP2_NAFLEX = FOLDER / "siglip2-naflex-untrained"
SAM3 = FOLDER / "sam3-untrained"
SAM3_TRACKER = FOLDER / "sam3-tracker-untrained"

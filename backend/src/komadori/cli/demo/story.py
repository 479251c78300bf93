"""The story."""

from pathlib import Path

from komadori.cli.demo.models import DemoModels


def tell(folder: Path, home: Path | None, models: DemoModels) -> None:
    """Not yet."""

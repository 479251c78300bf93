"""Which models the demo runs with, and what they can and cannot do."""

from enum import StrEnum


class DemoModels(StrEnum):
    """Where the models come from."""

    PACKAGED = "packaged"
    CONFIGURED = "configured"

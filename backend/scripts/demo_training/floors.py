"""What the packaged models have to reach, and whether measures do."""

from collections.abc import Sequence
from dataclasses import dataclass

from komadori.core.types import JsonDict


@dataclass(frozen=True, slots=True)
class Floor:
    """One condition.

    Attributes:
        path: Where the value stands in ``measures.json``, names joined by dots.
        words: What it says, for people.
        least: The least value that will do; None where ``most`` counts.
        most: The largest value that will do.
    """

    path: str
    words: str
    least: float | None = None
    most: float | None = None

    @property
    def limit(self) -> str:
        """As in "at least 0.80"."""
        return f"at least {self.least:.2f}" if self.least is not None else f"at most {self.most:.2f}"

    def is_reached(self, measures: JsonDict) -> bool:
        """Whether the value is there and keeps to the limit."""
        value = value_at(measures, self.path)
        if value is None:
            return False
        is_enough = self.least is None or value >= self.least
        return is_enough and (self.most is None or value <= self.most)


SIGLIP = (
    Floor("zero_shot_top1_en", "one thing in the frame: the best of 48 English names is right", least=0.90),
    Floor("zero_shot_top1_ja", "one thing in the frame: the best of 48 Japanese names is right", least=0.90),
    Floor(
        "precision_at_10_en", "English name: the share of right ones among the first 10 frames", least=0.85
    ),
    Floor(
        "precision_at_10_ja", "Japanese name: the share of right ones among the first 10 frames", least=0.85
    ),
    Floor("recall_at_1_en", "English name: the best frame is right", least=0.85),
    Floor("recall_at_1_ja", "Japanese name: the best frame is right", least=0.85),
)

SAM3 = (
    Floor("mean_iou", "mean IoU of the masks of things that were found", least=0.80),
    Floor("recall_at_precision_85", "share of things found where 85 % of the finds are right", least=0.85),
    Floor("presence.median_absent", "presence score of what is not there, median", most=0.20),
    Floor("absent.names.share_found", "names of what is not there that find something", most=0.10),
    Floor("boxes.like_this.recall", "one example box and no words: share found of its kind", least=0.70),
    Floor("boxes.word_not_that.unlike_found", "word and counter-example: things unlike it found", most=0.30),
    Floor("clicks.one_point", "one point on a thing: mean IoU of its mask", least=0.60),
)


def value_at(measures: JsonDict, path: str) -> float | None:
    """The number at a path of names joined by dots; None where there is none."""
    value: object = measures
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None


def missed(measures: JsonDict, floors: Sequence[Floor]) -> list[str]:
    """A sentence for each floor that is not reached."""
    return [
        f"{floor.words}: {_shown(value_at(measures, floor.path))}, expected {floor.limit}"
        for floor in floors
        if not floor.is_reached(measures)
    ]


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"

"""How the demo puts hits, proposals and measures into words."""

import math
from collections.abc import Mapping, Sequence

from komadori.cli import output
from komadori.cli.answers import Annotation, Hit
from komadori.cli.demo.gallery import ShownSearch
from komadori.cli.demo.quality import FIRST_HITS, MaskQuality, SearchQuality


def best(found: Sequence[Hit]) -> str:
    """The first hit."""
    first = found[0]
    return f"frame {first.frame_id} at {output.clock(first.pts_s)}, score {first.score:.3f}."


def hits(search: ShownSearch) -> str:
    """How many of the first hits of a search are right."""
    right = search.right or ()
    k = min(FIRST_HITS, len(right))
    n_right = sum(hit.frame_id in right for hit in search.answer.hits[:k])
    return f"{n_right} of the first {k} right"


def searches(measured: SearchQuality) -> str:
    """What was measured over many searches."""
    return (
        f"the best hit is right for {_percent(measured.first_right)}, "
        f"of the first {FIRST_HITS} {_percent(measured.precision)} are"
    )


def counts(found: Sequence[Annotation], prompts: Sequence[str]) -> dict[str, int]:
    """How many proposals each prompt has."""
    return {prompt: sum(one.class_name == prompt for one in found) for prompt in prompts}


def proposals(n: int, by_prompt: Mapping[str, int]) -> str:
    """How many proposals there are, in all and of each prompt."""
    return f"{output.count(n, 'proposal')} ({', '.join(f'{m} {name}' for name, m in by_prompt.items())})"


def masks(measured: MaskQuality, cell_wh: tuple[float, float] | None) -> list[str]:
    """What was measured of the proposals, a sentence each."""
    sentences = [
        f"Of {output.count(measured.n_true, 'true instance')} {_percent(measured.recall)} were found; "
        f"{_percent(measured.precision)} of the proposals are right; "
        f"mean mask IoU {_number(measured.mean_iou)}."
    ]
    if measured.shift.n:
        cell = (
            "" if cell_wh is None else f"; the masks' grid has cells of {cell_wh[0]:.1f} x {cell_wh[1]:.1f}"
        )
        sentences.append(f"Mean offset {_offset(measured)}{cell}.")
    for name, n in measured.absent.items():
        sentences.append(f"No {name}: right." if n == 0 else f"Of {name}, which is not there: {n}, wrong.")
    return sentences


def mask_title(measured: MaskQuality) -> str:
    """The measures in a line."""
    line = (
        f"mean IoU {_number(measured.mean_iou)}, recall {_number(measured.recall)}, "
        f"precision {_number(measured.precision)}"
    )
    return f"{line}, offset {_offset(measured)}" if measured.shift.n else line


def _offset(measured: MaskQuality) -> str:
    shift = measured.shift
    right = f"{shift.dx:+.1f} ± {_number(shift.dx_se, 1)} px right"
    return f"{right}, {shift.dy:+.1f} ± {_number(shift.dy_se, 1)} px down"


def _percent(share: float) -> str:
    return "none" if math.isnan(share) else f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _number(value: float, digits: int = 2) -> str:
    return "unknown" if math.isnan(value) else f"{value:.{digits}f}"

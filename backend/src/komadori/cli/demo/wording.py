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
        f"first hit right {_percent(measured.first_right)}, "
        f"first {FIRST_HITS} right {_percent(measured.precision)}"
    )


def counts(found: Sequence[Annotation], prompts: Sequence[str]) -> dict[str, int]:
    """How many proposals each prompt has."""
    return {prompt: sum(one.class_name == prompt for one in found) for prompt in prompts}


def proposals(n: int, by_prompt: Mapping[str, int]) -> str:
    """How many proposals there are, in all and of each prompt."""
    return f"{output.count(n, 'proposal')} ({', '.join(f'{m} {name}' for name, m in by_prompt.items())})"


def masks(measured: MaskQuality, cell_wh: tuple[float, float] | None) -> list[str]:
    """What was measured of the proposals, a sentence each.

    Args:
        measured: The measures.
        cell_wh: Width and height in pixels of a cell in which masks are drawn, for comparison.
    """
    right = "no proposals"
    if not math.isnan(measured.precision):
        right = f"{_percent(measured.precision)} of the proposals right"
    sentences = [
        f"{_n_found(measured)} of {output.count(measured.n_true, 'true instance')} found; {right}; "
        f"mean mask IoU {_number(measured.mean_iou)}."
    ]
    if measured.shift.n:
        cell = (
            ""
            if cell_wh is None
            else f"; the masks' grid has cells of {cell_wh[0]:.1f} x {cell_wh[1]:.1f} px"
        )
        sentences.append(f"Mean offset {_offset(measured)}{cell}.")
    for name, n in measured.absent.items():
        wrong = f"Of {name}, which is not there: {output.count(n, 'proposal')}, wrong."
        sentences.append(wrong if n else f"No {name}: right.")
    return sentences


def mask_title(measured: MaskQuality) -> str:
    """The measures in a line."""
    line = (
        f"mean IoU {_number(measured.mean_iou)}, recall {_number(measured.recall)}, "
        f"precision {_number(measured.precision)}"
    )
    shift = measured.shift
    return f"{line}, offset ({_signed(shift.dx)}, {_signed(shift.dy)}) px" if shift.n else line


def _n_found(measured: MaskQuality) -> int:
    return 0 if math.isnan(measured.recall) else round(measured.recall * measured.n_true)


def _offset(measured: MaskQuality) -> str:
    shift = measured.shift
    right = f"{_signed(shift.dx)} ± {_number(shift.dx_se, 1)} px right"
    return f"{right}, {_signed(shift.dy)} ± {_number(shift.dy_se, 1)} px down"


def _signed(value: float) -> str:
    """With one decimal, and never as -0.0."""
    return f"{round(value, 1) + 0.0:+}"


def _percent(share: float) -> str:
    return "none" if math.isnan(share) else f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _number(value: float, digits: int = 2) -> str:
    return "unknown" if math.isnan(value) else f"{value:.{digits}f}"

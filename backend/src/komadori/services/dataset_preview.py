"""What an export would hold, before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from komadori.core import registry
from komadori.core.types import AnnotationStatus
from komadori.db.repositories import annotations, projects
from komadori.db.repositories.annotations import ClassShare, Filter
from komadori.exporters.base import Exporter, FormatDescription
from komadori.services import export
from komadori.services.context import Context

_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Preview:
    """What would leave: pictures, annotations by class, some of the frames, and what one should know."""

    n_images: int
    classes: Sequence[ClassShare]
    sample_ids: Sequence[int]
    warnings: Sequence[str]

    @property
    def n_annotations(self) -> int:
        """How many annotations would leave."""
        return sum(share.n for share in self.classes)


def formats() -> list[tuple[str, FormatDescription]]:
    """The registered formats by name, each with what it is."""
    return [(name, _exporter(name).about) for name in registry.names("exporters")]


def preview(ctx: Context, format_name: str, status: str, project: str) -> Preview:
    """Look at what an export would hold.

    Raises:
        InputError: There is no such format or status.
        NotFoundError: There is no such project.
    """
    about = _exporter(format_name).about
    statuses = export.statuses_of(status)
    with ctx.sessions.read() as session:
        project_id = projects.by_name(session, project).id
        frame_ids = annotations.annotated_frame_ids(session, project_id, statuses)
        classes = annotations.shares_of_classes(session, project_id, statuses)
        n_open = annotations.count(session, Filter(project_id=project_id, status=AnnotationStatus.PROPOSED))
    left_out = n_open if AnnotationStatus.PROPOSED not in statuses else 0
    return Preview(len(frame_ids), classes, _spread(frame_ids), _warnings(about, classes, left_out))


def _exporter(name: str) -> Exporter:
    exporter: Exporter = registry.factory("exporters", name)()
    return exporter


def _spread(frame_ids: Sequence[int]) -> list[int]:
    """A few of many, from all over them and in their order; never the same one twice."""
    n = min(_SAMPLES, len(frame_ids))
    return [frame_ids[(2 * i + 1) * len(frame_ids) // (2 * n)] for i in range(n)]


def _warnings(about: FormatDescription, classes: Sequence[ClassShare], n_open: int) -> list[str]:
    found = []
    if not classes:
        found.append("There is nothing to export: no annotation has this status.")
    n_boxes = sum(share.n_without_mask for share in classes)
    if about.needs_masks and n_boxes:
        found.append(export.masks_missing(n_boxes, about.title).message)
    if n_open:
        found.append(f"{n_open} proposals that nobody has decided about stay out.")
    return found

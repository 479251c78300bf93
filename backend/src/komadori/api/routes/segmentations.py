"""Masks of what a person clicks on."""

from fastapi import APIRouter, Request

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.schemas import Clicks, Id
from komadori.api.waiting import while_client_waits
from komadori.services import clicks
from komadori.services.clicks import Box, Point

router = APIRouter(tags=["annotations"])


@router.post("/frames/{frame_id}/segmentations", responses=documented(404, 503))
async def segment_clicks(ctx: Ctx, frame_id: Id, body: Clicks, request: Request) -> answers.Segmented:
    """Outline the one object that is clicked on; a worker answers ahead of all bulk work.

    Nothing is stored: whoever likes the mask draws an annotation with it, or edits one. Who asks again
    before the answer is there may break the connection off.
    """
    points = [Point(point.x, point.y, point.is_positive) for point in body.points]
    return answers.Segmented.of(
        await while_client_waits(
            request,
            lambda has_left: clicks.segment(
                ctx,
                frame_id,
                points,
                box_xyxy=_box(body.box_xyxy),
                annotation_id=body.annotation_id,
                has_left=has_left,
            ),
        )
    )


def _box(corners: list[float] | None) -> Box | None:
    if corners is None:
        return None
    x0, y0, x1, y1 = corners
    return (x0, y0, x1, y1)

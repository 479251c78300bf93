"""What can be asked of the HTTP API.

Ids are strings of digits: they are 64-bit integers inside, which JavaScript cannot hold.
Bodies are read strictly, unknown fields are refused, and numbers are finite.
"""

import re
from typing import Annotated, Literal, Self

from fastapi import Query
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from komadori.core.masks import Rle
from komadori.core.types import AnnotationStatus
from komadori.db.repositories import projects
from komadori.services import annotate, clicks, review
from komadori.services.search import MAX_HITS

ROOT = "/api/v1"

_ID = "^[1-9][0-9]{0,17}$"
"""Up to 18 digits: every one of them fits in 63 bits."""

_MAX_PIXEL = 1e6
_MAX_FRAMES_NAMED = 10_000


def _id(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(_ID, value, re.ASCII):
        return int(value)
    raise ValueError("an id is a whole number from 1, of up to 18 digits, as a string")


Id = Annotated[int, BeforeValidator(_id), WithJsonSchema({"type": "string", "pattern": _ID})]
"""An id in a request."""

Plain = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""Text without NUL, which no file name and no PostgreSQL text can hold."""

ProjectFilter = Annotated[
    str | None, Query(min_length=1, max_length=200, description="The name of a project; all when not given.")
]
ClassFilter = Annotated[Plain | None, Query(min_length=1, max_length=200, description="The name of a class.")]
Name = Annotated[Plain, StringConstraints(min_length=1, max_length=200)]
Path = Annotated[Plain, StringConstraints(min_length=1, max_length=4_096)]
UploadId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Pixel = Annotated[FiniteFloat, Field(ge=-_MAX_PIXEL, le=_MAX_PIXEL)]
Status = Annotated[AnnotationStatus, Field(strict=False)]
HitCount = Annotated[int, Field(ge=1, le=MAX_HITS)]
Box = Annotated[list[Pixel], Field(min_length=4, max_length=4, description="x0, y0, x1, y1 in pixels")]
SamplerValue = (
    Annotated[int, Field(ge=-(2**53), le=2**53)]
    | FiniteFloat
    | bool
    | Annotated[Plain, StringConstraints(max_length=40)]
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _such_as(**example: JsonValue) -> ConfigDict:
    """Adds an example to the description of a body."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Segmentation(_Body):
    """A mask as COCO's compressed run lengths."""

    size: Annotated[list[Annotated[int, Field(ge=1, le=2**31)]], Field(min_length=2, max_length=2)] = Field(
        description="Height and width in pixels"
    )
    counts: str

    def to_rle(self) -> Rle:
        """The mask.

        Raises:
            InputError: The runs do not fill the size.
        """
        return Rle.from_coco(self.model_dump())

    @staticmethod
    def of(mask: Rle) -> "Segmentation":
        """A mask as it is shown."""
        return Segmentation(**mask.to_coco())


def _every_second() -> dict[Name, SamplerValue]:
    return {"seconds": 1.0}


class AddVideo(_Body):
    """A file to take frames from."""

    model_config = _such_as(path="/data/recording.mp4", sampler="every", sampler_parameters={"seconds": 1})

    path: Path | None = Field(None, description="Absolute, on the machine that runs Komadori")
    upload_id: UploadId | None = Field(None, description="Of a whole upload, instead of a path")
    project: Name = projects.DEFAULT
    sampler: Name = "every"
    sampler_parameters: dict[Name, SamplerValue] = Field(default_factory=_every_second, max_length=20)
    skip_near_duplicates: bool = False

    @model_validator(mode="after")
    def _is_one_file(self) -> Self:
        if (self.path is None) == (self.upload_id is None):
            raise ValueError("give either path or upload_id")
        return self


class PullModel(_Body):
    """A model to fetch from the hub."""

    model_config = _such_as(source="siglip2-base")

    source: Name = Field(description="A registered name or `org/name`, either with `@revision`")
    update: bool = Field(False, description="Ask for a newer commit, and repair what is damaged")


class Search(_Body):
    """A query in words, or by a stored frame: one of the two."""

    model_config = _such_as(text="a red car at night", k=20)

    text: Plain | None = Field(None, max_length=10_000)
    like_frame_id: Id | None = None
    k: HitCount = 20
    video_id: Id | None = None
    project: Name = projects.DEFAULT

    @model_validator(mode="after")
    def _is_one_query(self) -> Self:
        if (self.text is None) == (self.like_frame_id is None):
            raise ValueError("give either text or like_frame_id")
        return self


class TopOfSearch(_Body):
    """The best frames of a search in words."""

    text: Plain = Field(max_length=10_000)
    top: HitCount = 100


class Annotate(_Body):
    """What to look for, and in which frames: some, the best of a search, a video's, or all of the project."""

    model_config = _such_as(prompts=["car", "traffic light"], video_id="1", score_threshold=0.5)

    prompts: list[Plain] = Field(min_length=1, max_length=annotate.MAX_PROMPTS)
    project: Name = projects.DEFAULT
    video_id: Id | None = None
    frame_ids: list[Id] | None = Field(None, min_length=1, max_length=_MAX_FRAMES_NAMED)
    search: TopOfSearch | None = None
    score_threshold: Share | None = None
    mask_threshold: Share | None = None
    force: bool = Field(False, description="Look again at frames that this very request has seen")

    @model_validator(mode="after")
    def _names_frames_once(self) -> Self:
        if self.frame_ids is not None and (self.video_id is not None or self.search is not None):
            raise ValueError("frame_ids cannot be combined with video_id or search")
        return self


class Click(_Body):
    """A point in pixels of the upright frame, on the object or, where it is not positive, beside it."""

    x: Pixel
    y: Pixel
    is_positive: bool = True


class Clicks(_Body):
    """What tells one object from all else: points, a box around it, an annotation to begin with."""

    model_config = _such_as(points=[{"x": 20, "y": 30, "is_positive": True}])

    points: list[Click] = Field(default_factory=list, max_length=clicks.MAX_POINTS)
    box_xyxy: Box | None = None
    annotation_id: Id | None = Field(None, description="Of this frame; its mask is refined")


class DrawAnnotation(_Body):
    """An object that a person has found; a mask brings its own box."""

    model_config = _such_as(frame_id="1", class_name="car", bbox_xyxy=[4, 8, 20, 40])

    frame_id: Id
    class_name: Name
    bbox_xyxy: Box | None = None
    segmentation: Segmentation | None = None


class EditAnnotation(_Body):
    """What to change; with `expected_revision` only if nobody has changed it since."""

    model_config = _such_as(class_name="truck", expected_revision=1)

    class_name: Name | None = None
    bbox_xyxy: Box | None = None
    segmentation: Segmentation | None = None
    status: Status | None = None
    expected_revision: int | None = Field(None, ge=1, le=2**31)


class Revert(_Body):
    """Which earlier revision an annotation shall be as again."""

    model_config = _such_as(revision=1, expected_revision=2)

    revision: int = Field(ge=1, le=2**31 - 1)
    expected_revision: int | None = Field(None, ge=1, le=2**31)


class Decide(_Body):
    """The same decision about many annotations; all of them change, or none."""

    model_config = _such_as(ids=["1", "2"], status="accepted")

    ids: list[Id] = Field(min_length=1, max_length=review.MAX_AT_ONCE)
    status: Status
    return_items: bool = Field(True, description="Whether to answer with the annotations, and not only ids")


class DecideMatching(_Body):
    """The same decision about all open proposals that match; both bounds of the confidence are included."""

    model_config = _such_as(project="default", status="accepted", class_name="car", min_confidence=0.8)

    project: Name = projects.DEFAULT
    status: Literal["accepted", "rejected"]
    class_name: Name | None = None
    video_id: Id | None = None
    frame_id: Id | None = None
    run_id: Id | None = None
    min_confidence: Share | None = None
    max_confidence: Share | None = None


class Dataset(_Body):
    """Which annotations to export, and how."""

    model_config = _such_as(format="coco", status="accepted")

    format: Name = "coco"
    status: Literal["accepted", "proposed", "all"] = "accepted"
    project: Name = projects.DEFAULT


class Export(Dataset):
    """A dataset to write to a folder."""

    model_config = _such_as(directory="/data/dataset", format="coco", status="accepted")

    directory: Path | None = Field(
        None,
        description="Absolute, on the machine that runs Komadori; when not given, the folder of this project "
        "and format among the exports",
    )


class Verify(_Body):
    """A video to compare with its frame ledger."""

    model_config = _such_as(video_id="1")

    video_id: Id


class Embed(_Body):
    """Frames to embed that have no vector yet."""

    model_config = _such_as(project="default")

    project: Name = projects.DEFAULT
    video_id: Id | None = None


class NewSession(_Body):
    """The token, given once by a browser."""

    model_config = _such_as(token="what KOMADORI_TOKEN is set to")  # noqa: S106

    token: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]

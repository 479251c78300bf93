"""What a generated video truly shows: class, box, mask and track of every thing in every frame, as COCO.

The file is COCO "instances" JSON (cocodataset.org, "Data format"), with the time of each frame and the
track and visible share of each thing as further fields. All is in pixels of the upright frame, and exact.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import komadori
from komadori.core.errors import InputError, NotFoundError
from komadori.core.masks import Rle, decode, encode
from komadori.core.types import JsonDict
from komadori.demo_world.kinds import kinds
from komadori.demo_world.scene import Picture


@dataclass(frozen=True)
class TrueFrame:
    """What one frame shows: N things of which at least one pixel is seen, the hindmost first.

    Attributes:
        index: Its place among the frames, from 0.
        pts: When it is shown, in time bases of the video.
        width: In pixels, upright.
        height: In pixels, upright.
        names: The kind of each thing.
        track_ids: (N,) int64, the same for the same thing in all frames.
        visibility: (N,) float32, the share of each thing's own pixels that is seen.
        rles: The seen pixels of each thing.
    """

    index: int
    pts: int
    width: int
    height: int
    names: Sequence[str]
    track_ids: NDArray[np.int64]
    visibility: NDArray[np.float32]
    rles: Sequence[Rle]

    def __post_init__(self) -> None:
        lengths = {len(self.names), len(self.track_ids), len(self.visibility), len(self.rles)}
        sizes = {rle.size_hw for rle in self.rles} - {(self.height, self.width)}
        if len(lengths) > 1 or sizes:
            raise _invalid(
                f"Expected as many names, tracks, visible shares and masks of {self.height} x {self.width}, "
                f"got {sorted(lengths)} of them and masks of {sorted(sizes)}."
            )

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(N, H, W) bool, decoded when first asked for."""
        empty = np.zeros((len(self.rles), self.height, self.width), np.bool_)
        for mask, rle in zip(empty, self.rles, strict=True):
            mask[:] = decode(rle)
        return empty

    @cached_property
    def boxes_xyxy(self) -> NDArray[np.float32]:
        """(N, 4) float32, tight around the seen pixels."""
        return np.array([rle.bbox_xyxy for rle in self.rles], np.float32).reshape(-1, 4)


@dataclass(frozen=True)
class Truth:
    """What a whole video shows.

    Attributes:
        seed: From which it was made.
        rotation: The clockwise turn in degrees with which it is stored; the truth is upright already.
        time_base: Of all pts.
        frames: In the order of time.
        generator: What made it, and which version.
    """

    seed: int
    rotation: int
    time_base: Fraction
    frames: Sequence[TrueFrame]
    generator: str = field(default=f"komadori {komadori.__version__}")

    @cached_property
    def by_pts(self) -> dict[int, TrueFrame]:
        """The frames by their pts."""
        return {frame.pts: frame for frame in self.frames}

    def at(self, pts: int) -> TrueFrame:
        """The frame with this pts.

        Raises:
            NotFoundError: There is none.
        """
        frame = self.by_pts.get(pts)
        if frame is None:
            nearest = min(self.by_pts, key=lambda other: abs(other - pts), default=None)
            raise NotFoundError(
                f"Expected the pts of a frame of the generated video, got {pts}; the nearest is {nearest}.",
                hint=f"Times count in steps of {self.time_base} s.",
                code="no-such-frame",
            )
        return frame

    def pts_s(self, frame: TrueFrame) -> float:
        """When a frame is shown, in seconds from the stream's own zero."""
        return float(frame.pts * self.time_base)


def true_frame(index: int, pts: int, picture: Picture) -> TrueFrame:
    """The truth of a drawn picture; what is wholly hidden or outside is left out."""
    seen = [i for i in range(len(picture.things)) if picture.masks[i].any()]
    height, width = picture.image.shape[:2]
    return TrueFrame(
        index,
        pts,
        width,
        height,
        names=[picture.things[i].kind for i in seen],
        track_ids=np.array([picture.things[i].track_id for i in seen], np.int64),
        visibility=picture.visible[seen],
        rles=[encode(picture.masks[i]) for i in seen],
    )


def write_truth(truth: Truth, path: Path) -> None:
    """Write the truth as COCO; the same truth gives the same bytes."""
    numbers = {kind.name: number for number, kind in enumerate(kinds(), start=1)}
    annotations: list[JsonDict] = []
    for image_id, frame in enumerate(truth.frames, start=1):
        for i in range(len(frame.names)):
            annotation = _annotation(frame, i, numbers)
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **annotation})
    coco = {
        "info": {
            "description": "What a generated video truly shows, in upright frames",
            "generator": truth.generator,
            "seed": truth.seed,
            "rotation": truth.rotation,
            "time_base": _pair(truth.time_base),
        },
        "images": [_image(image_id, frame, truth) for image_id, frame in enumerate(truth.frames, start=1)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }
    path.write_text(json.dumps(coco, ensure_ascii=False) + "\n", encoding="utf-8")


def read_truth(path: Path) -> Truth:
    """The truth that :func:`write_truth` wrote.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no such file.
    """
    try:
        coco = json.loads(path.read_text(encoding="utf-8"))
        return _truth(coco)
    except OSError as exc:
        raise NotFoundError(
            f"Expected the truth of a generated video, but {path} cannot be read ({exc.strerror}).",
            hint="`komadori demo-video` writes it beside the video.",
            code="no-truth",
        ) from exc
    except (ValueError, KeyError, TypeError, IndexError, ZeroDivisionError) as exc:
        problem = f"{type(exc).__name__}: {exc}"
        raise _invalid(f"Expected the truth of a generated video in {path}, got {problem}.") from exc


def _image(image_id: int, frame: TrueFrame, truth: Truth) -> JsonDict:
    return {
        "id": image_id,
        "file_name": f"{frame.index:06}.jpg",
        "width": frame.width,
        "height": frame.height,
        "frame_index": frame.index,
        "pts": frame.pts,
        "time_base": _pair(truth.time_base),
        "pts_s": truth.pts_s(frame),
    }


def _annotation(frame: TrueFrame, i: int, numbers: dict[str, int]) -> JsonDict:
    rle = frame.rles[i]
    x0, y0, x1, y1 = rle.bbox_xyxy
    return {
        "category_id": numbers[frame.names[i]],
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": rle.area,
        "segmentation": rle.to_coco(),
        "iscrowd": 0,
        "track_id": int(frame.track_ids[i]),
        "visibility": float(frame.visibility[i]),
    }


def _truth(coco: JsonDict) -> Truth:
    names = {category["id"]: category["name"] for category in coco["categories"]}
    annotations: dict[int, list[JsonDict]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    info = coco["info"]
    return Truth(
        seed=info["seed"],
        rotation=info["rotation"],
        time_base=Fraction(*info["time_base"]),
        frames=[_frame(image, annotations[image["id"]], names) for image in coco["images"]],
        generator=info["generator"],
    )


def _frame(image: JsonDict, annotations: Sequence[JsonDict], names: dict[int, str]) -> TrueFrame:
    return TrueFrame(
        image["frame_index"],
        image["pts"],
        image["width"],
        image["height"],
        names=[names[annotation["category_id"]] for annotation in annotations],
        track_ids=np.array([annotation["track_id"] for annotation in annotations], np.int64),
        visibility=np.array([annotation["visibility"] for annotation in annotations], np.float32),
        rles=[Rle.from_coco(annotation["segmentation"]) for annotation in annotations],
    )


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]


def _invalid(message: str) -> InputError:
    return InputError(message, hint="`komadori demo-video` writes the truth anew.", code="invalid-truth")

"""Records of the database as tests need them: complete, valid, and changed where it matters."""

import hashlib
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pictures

from komadori.core import masks
from komadori.core.masks import Mask
from komadori.core.types import (
    Annotation,
    AnnotationSource,
    AnnotationStatus,
    Frame,
    JsonDict,
    Video,
    VideoState,
)
from komadori.exporters.base import DatasetInfo, DatasetItem

RUN: JsonDict = {
    "model_id": "facebook/sam3",
    "model_revision": "0123abcd",
    "prompts": ["a cat", "犬"],
    "thresholds": {"score": 0.5, "mask": 0.5},
}


def jpeg(seed: int, size_hw: tuple[int, int]) -> bytes:
    """A small picture, another one for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)
    file = BytesIO()
    Pictures.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def make_video(video_id: int = 1, **changes: Any) -> Video:
    """A video of 64 x 48 pixels."""
    video = Video(
        id=video_id,
        project_id=1,
        sha256=hashlib.sha256(str(video_id).encode()).hexdigest(),
        name=f"Clip {video_id}.mp4",
        source_uri=f"file:///private/clip{video_id}.mp4",
        size_bytes=1000,
        container="mov,mp4",
        codec="h264",
        duration_s=2.0,
        width=64,
        height=48,
        rotation=90,
        stream_index=0,
        time_base=Fraction(1, 12800),
        start_pts=0,
        state=VideoState.READY,
        error=None,
        facts={},
    )
    return replace(video, **changes)


def make_frame(video: Video, decode_index: int = 0, picture: bytes = b"", **changes: Any) -> Frame:
    """The frame of a video at 25 frames a second; its id is unique for up to 1000 frames a video."""
    key = f"frames/{video.id}/{decode_index}"
    frame = Frame(
        id=1000 * video.id + decode_index,
        video_id=video.id,
        stream_index=video.stream_index,
        decode_index=decode_index,
        pts=512 * decode_index,
        time_base=video.time_base,
        width=video.width,
        height=video.height,
        image_key=f"{key}.jpg",
        thumbnail_key=f"{key}_small.jpg",
        image_sha256=hashlib.sha256(picture).hexdigest(),
        perceptual_hash="00ff00ff00ff00ff",
        is_key=decode_index == 0,
        is_suspect=False,
        transform={"rotation": 90, "colour": "bt709 to srgb", "encoder": {"quality": 92}},
    )
    return replace(frame, **changes)


def make_mask(frame: Frame) -> Mask:
    """A block with a hole, and a second part in the corner, (H, W) bool."""
    mask = np.zeros((frame.height, frame.width), np.bool_)
    mask[4:30, 5:40] = True
    mask[10:20, 12:25] = False
    mask[-3:, -2:] = True
    return mask


def make_annotation(frame: Frame, annotation_id: int, **changes: Any) -> Annotation:
    """A cat that the model of run 7 proposed."""
    mask = masks.encode(make_mask(frame))
    annotation = Annotation(
        id=annotation_id,
        frame_id=frame.id,
        class_name="cat",
        bbox_xyxy=mask.bbox_xyxy,
        mask=mask,
        confidence=0.75,
        source=AnnotationSource.MODEL,
        status=AnnotationStatus.PROPOSED,
        revision=1,
        track_id=None,
        run_id=7,
        prompt="a cat",
        created_s=1.0,
        created_by=None,
        changed_s=None,
        changed_by=None,
    )
    return replace(annotation, **changes)


def make_info(**changes: Any) -> DatasetInfo:
    """A dataset of cats and dogs from run 7."""
    info = DatasetInfo(
        project="pets", class_names=["dog", "cat"], status="all", runs={7: RUN}, komadori_version="0.1.0"
    )
    return replace(info, **changes)


def make_item(folder: Path, video: Video, decode_index: int, *annotations: Annotation) -> DatasetItem:
    """A frame with its picture in ``folder``; the annotations are put on this frame."""
    picture = jpeg(decode_index, (video.height, video.width))
    path = folder / f"{video.id}_{decode_index}.jpg"
    path.write_bytes(picture)
    frame = make_frame(video, decode_index, picture)
    return DatasetItem(video, frame, path, [replace(a, frame_id=frame.id) for a in annotations])


def make_items(folder: Path) -> list[DatasetItem]:
    """Three frames of two videos, with every kind of annotation and a frame without one."""
    first, second = make_video(1), make_video(2, name="動画.mov", width=40, height=56)
    big, small = make_frame(first), make_frame(second)
    drawn = {"source": AnnotationSource.PERSON, "run_id": None, "confidence": None, "prompt": None}
    return [
        make_item(
            folder,
            first,
            0,
            make_annotation(big, 1),
            make_annotation(
                big, 2, class_name="dog", prompt="犬", status=AnnotationStatus.ACCEPTED, track_id=3
            ),
        ),
        make_item(folder, first, 25),
        make_item(
            folder,
            second,
            0,
            make_annotation(small, 3),
            make_annotation(small, 4, mask=None, bbox_xyxy=(1.5, 2.0, 11.5, 22.0), **drawn),
        ),
    ]

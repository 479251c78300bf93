"""Two ways to the same end, HTTP and the command line, and what Komadori says on them of generated clips."""

import contextlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

from komadori.cli import following
from komadori.cli.answers import Annotation, Frame, Job, SearchAnswer, Video
from komadori.cli.client import ApiClient
from komadori.cli.main import main
from komadori.core.types import Image
from komadori.media.images import read_frame
from tests.support.truth import ABSENT, Footage

PROJECT = "default"


@dataclass(frozen=True, slots=True)
class Shown:
    """A clip as Komadori has it.

    Attributes:
        footage: The clip with its truth.
        video: Its entry.
        frames: All of them, in the order in which they are listed.
        jpegs: The stored picture of each frame.
        proposals: For the kinds of the clip, and for one that it does not show.
    """

    footage: Footage
    video: Video
    frames: Sequence[Frame]
    jpegs: Sequence[bytes]
    proposals: Sequence[Annotation]

    @property
    def pictures(self) -> list[Image]:
        """The stored picture of each frame, as pixels."""
        return [read_frame(jpeg) for jpeg in self.jpegs]

    def frame(self, frame_id: str) -> Frame:
        """The frame with this id."""
        return next(frame for frame in self.frames if frame.id == frame_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a way has led: the clips, and the COCO dataset with all proposals."""

    shown: Sequence[Shown]
    dataset: Path


class Way(Protocol):
    """What a user does, and waits for."""

    def add(self, paths: Sequence[Path]) -> list[Video]:
        """Add videos with all their frames: their entries, in that order."""

    def frames(self, video_id: str) -> list[Frame]:
        """The frames of a video."""

    def jpeg(self, frame: Frame) -> bytes:
        """The stored picture of a frame."""

    def annotate(self, video_id: str, prompts: Sequence[str]) -> list[Annotation]:
        """Let masks be proposed for the prompts: all proposals in the video."""

    def search(self, text: str, k: int) -> SearchAnswer:
        """The frames that show what the words say."""

    def export(self, directory: Path) -> None:
        """Write all proposals as COCO."""


def go(way: Way, films: Sequence[Footage], dataset: Path) -> Outcome:
    """Add the clips, annotate each with its own kinds and an absent one, and export."""
    videos = way.add([footage.path for footage in films])
    shown = []
    for footage, video in zip(films, videos, strict=True):
        frames = way.frames(video.id)
        jpegs = [way.jpeg(frame) for frame in frames]
        proposals = way.annotate(video.id, [*footage.clip.kinds, ABSENT])
        shown.append(Shown(footage, video, frames, jpegs, proposals))
    way.export(dataset)
    return Outcome(shown, dataset)


@dataclass(frozen=True, slots=True)
class HttpWay:
    """Over HTTP."""

    api: ApiClient

    def add(self, paths: Sequence[Path]) -> list[Video]:
        jobs = [
            self.api.add_video(
                path,
                project=PROJECT,
                sampler="all_frames",
                sampler_parameters={},
                skip_near_duplicates=False,
            )
            for path in paths
        ]
        ended = {job.id: job for job in self._done(jobs)}
        return [self.api.video(str(ended[job.id].result["video_id"])) for job in jobs]

    def frames(self, video_id: str) -> list[Frame]:
        return self.api.frames(video_id)

    def jpeg(self, frame: Frame) -> bytes:
        return self.api.image(frame.id)

    def annotate(self, video_id: str, prompts: Sequence[str]) -> list[Annotation]:
        self._done([self.api.annotate(prompts, {"video_id": video_id}, {})])
        return self.api.annotations({"video_id": video_id})

    def search(self, text: str, k: int) -> SearchAnswer:
        return self.api.search(text=text, like_frame_id=None, k=k, video_id=None, project=PROJECT)

    def export(self, directory: Path) -> None:
        self._done([self.api.export(directory, format_name="coco", status="proposed", project=PROJECT)])

    def _done(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs and those that they started, once all have ended well."""
        ended = following.follow(self.api, jobs)
        following.check(ended)
        return ended


@dataclass(frozen=True, slots=True)
class ShellWay:
    """By commands with ``--json``; no command gives pictures, so they come over HTTP."""

    url: str

    def run(self, *words: str) -> Any:
        """What a command prints, read again."""
        said = io.StringIO()
        with mock.patch.dict(os.environ, {"KOMADORI_URL": self.url}), contextlib.redirect_stdout(said):
            status = main([*words, "--json"])
        assert status == 0, (words, said.getvalue())
        return json.loads(said.getvalue())

    def add(self, paths: Sequence[Path]) -> list[Video]:
        added = self.run("add", *map(str, paths), "--all-frames", "--wait")
        assert {one["state"] for one in added} == {"done"}, added
        videos = {video["id"]: Video.model_validate(video) for video in self.run("videos")}
        return [videos[one["video_id"]] for one in added]

    def frames(self, video_id: str) -> list[Frame]:
        return [Frame.model_validate(frame) for frame in self.run("frames", video_id)]

    def jpeg(self, frame: Frame) -> bytes:
        with ApiClient(self.url) as api:
            return api.image(frame.id)

    def annotate(self, video_id: str, prompts: Sequence[str]) -> list[Annotation]:
        job = self.run("annotate", "--video", video_id, "--prompt", *prompts, "--wait")
        assert job["state"] == "done", job
        return [Annotation.model_validate(found) for found in self.run("annotations", "--video", video_id)]

    def search(self, text: str, k: int) -> SearchAnswer:
        return SearchAnswer.model_validate(self.run("search", text, "-k", str(k)))

    def export(self, directory: Path) -> None:
        job = self.run("export", str(directory), "--format", "coco", "--status", "proposed")
        assert job["state"] == "done", job

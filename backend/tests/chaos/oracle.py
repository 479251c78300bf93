"""Says what is wrong with a store after a run: every effect must be there, and be there once."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from komadori.core.errors import KomadoriError, NotFoundError
from komadori.core.types import AnnotationStatus, Chunk, Frame, Image, JobState
from komadori.db.repositories import annotations, chunks, embeddings, jobs, projects, videos
from komadori.db.tables import AnnotationRow, EmbeddingRow, FrameRow, RunFrameRow, VideoRow
from komadori.media.images import read_frame
from komadori.services import annotate, embed, ingest
from komadori.services.context import Context
from komadori.vectors.base import VectorIndex
from tests.chaos.client import Round
from tests.chaos.clips import N_FRAMES, Clip
from tests.chaos.truth import Truth, shape_of

_VECTOR_TOLERANCE = 0.02
"""The demo models compute in half precision, whose last digits depend on how many pictures go together."""

_UNIQUE = {
    "frames": (FrameRow.video_id, FrameRow.pts),
    "vectors": (EmbeddingRow.space_id, EmbeddingRow.frame_id),
    "frames that a run has seen": (RunFrameRow.run_id, RunFrameRow.frame_id),
    "videos": (VideoRow.project_id, VideoRow.sha256),
    "annotations": (
        AnnotationRow.frame_id,
        AnnotationRow.class_id,
        AnnotationRow.mask_counts,
        AnnotationRow.x0,
        AnnotationRow.y0,
    ),
}
"""What may be there once, and by what it is known, whatever the tables allow."""


@dataclass(slots=True)
class Findings:
    """What was counted, what was set aside, and everything that is not as it must be."""

    counts: Counter[str] = field(default_factory=Counter)
    set_aside: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: object, words: str) -> None:
        """Note a violation unless it holds."""
        if not holds:
            self.violations.append(words)


def examine(ctx: Context, rounds: Sequence[Round], accepted: set[str], truth: Truth) -> Findings:
    """Look at everything that a run has left in the database, the store and the index."""
    findings = Findings()
    with ctx.sessions.read() as session:
        _Examination(ctx, session, truth, findings).examine(rounds, accepted)
    return findings


@dataclass(slots=True)
class _Examination:
    ctx: Context
    session: Session
    truth: Truth
    findings: Findings
    spared: dict[str, set[int]] = field(default_factory=lambda: {embed.KIND: set(), annotate.KIND: set()})
    """By kind of job, the frames that were set aside by name."""

    def examine(self, rounds: Sequence[Round], accepted: set[str]) -> None:
        self._jobs(accepted)
        self._doubles()
        index = self._index()
        for each in rounds:
            if each.clip is not None:
                self._round(each, each.clip, index)
        n_frames = self.session.scalar(select(func.count()).select_from(FrameRow))
        wanted = N_FRAMES * sum(each.clip is not None for each in rounds)
        self.findings.expect(n_frames == wanted, f"{n_frames} frames in all instead of {wanted}")

    def _jobs(self, accepted: set[str]) -> None:
        """All ended, none forgotten, counts that add up, and nothing held any more."""
        found = jobs.page(self.session, limit=1_000_000)
        lost = accepted - {str(job.id) for job in found}
        self.findings.expect(not lost, f"jobs that the API had accepted are gone: {sorted(lost)}")
        for job in found:
            self.findings.counts["jobs"] += 1
            self.findings.expect(job.state.is_terminal, f"job {job.id} ({job.kind}) is {job.state}")
            for chunk in chunks.of_job(self.session, job.id):
                self._chunk(chunk)
            for issue in chunks.issues(self.session, job.id):
                if job.kind in self.spared and issue.item.startswith("frame "):
                    self.spared[job.kind].add(int(issue.item.split()[1]))
                    self.findings.set_aside.append(f"job {job.id} ({job.kind}), {issue.item}: {issue.reason}")

    def _chunk(self, chunk: Chunk) -> None:
        self.findings.counts[f"chunks on {chunk.queue}"] += 1
        self.findings.counts[f"chunks started {chunk.attempts} times"] += 1
        where = f"chunk {chunk.id} ({chunk.kind}, job {chunk.job_id})"
        self.findings.expect(chunk.state.is_terminal, f"{where} is {chunk.state}")
        self.findings.expect(chunk.owner is None and chunk.lease_until_s is None, f"{where} is still leased")
        n_ended = chunk.done + chunk.skipped + chunk.failed
        self.findings.expect(n_ended == chunk.total, f"{where}: {n_ended} of {chunk.total} items ended")
        if chunk.state is JobState.FAILED:
            self.findings.set_aside.append(f"{where}, started {chunk.attempts} times: {chunk.error}")
            self.findings.expect(chunk.kind == ingest.PROBE, f"{where} failed: {chunk.error}")

    def _doubles(self) -> None:
        for what, columns in _UNIQUE.items():
            query = select(*columns).group_by(*columns).having(func.count() > 1)
            doubled = [tuple(row) for row in self.session.execute(query)]
            self.findings.expect(not doubled, f"{what} that are there twice: {doubled[:5]}")

    def _index(self) -> VectorIndex | None:
        """The index of the space, which must have as many vectors as the database says."""
        active = embeddings.active_space(self.session, self.ctx.options.embedder)
        if active is None:
            self.findings.violations.append("nothing was embedded")
            return None
        index = self.ctx.index_of(active[1])
        n_rows = embeddings.count_embedded(self.session, active[0])
        self.findings.counts["vectors"] = n_rows
        self.findings.expect(
            index.count() == n_rows, f"{index.count()} vectors in the index, {n_rows} by the rows"
        )
        return index

    def _round(self, each: Round, clip: Clip, index: VectorIndex | None) -> None:
        """Every frame of the video with its file, its vector and its annotations."""
        try:
            project = projects.by_name(self.session, each.project)
        except NotFoundError:
            self.findings.violations.append(f"{each.project}: there is no such project")
            return
        found = videos.page(self.session, project_id=project.id, limit=10)
        self.findings.expect(len(found) == 1, f"{each.project}: {len(found)} videos instead of one")
        for video in found:
            frames = list(videos.iterate_frames(self.session, video.id))
            places = [frame.decode_index for frame in frames]
            self.findings.expect(places == list(range(N_FRAMES)), f"{each.project}: its frames are {places}")
            images = {frame.id: self._image(each, clip, frame) for frame in frames}
            self._vectors(each, clip, frames, images, index)
            self._annotations(each, clip, frames, images)
            self._spared(each, clip, frames)

    def _image(self, each: Round, clip: Clip, frame: Frame) -> Image | None:
        """The stored picture, which must be the bytes that the ledger names, and those of every copy."""
        self.findings.counts["frames"] += 1
        where = f"{each.project}, frame {frame.decode_index}"
        try:
            jpeg = self.ctx.blobs.get(frame.image_key)
        except KomadoriError as error:
            self.findings.violations.append(f"{where}: {error}")
            return None
        is_whole = hashlib.sha256(jpeg).hexdigest() == frame.image_sha256
        self.findings.expect(is_whole, f"{where}: its file is not what the ledger says")
        self.findings.expect(self.ctx.blobs.exists(frame.thumbnail_key), f"{where}: it has no thumbnail")
        is_same = self.truth.picture(clip, frame) == frame.image_sha256
        self.findings.expect(is_same, f"{where}: another picture than a copy of the video has there")
        return read_frame(jpeg)

    def _vectors(
        self,
        each: Round,
        clip: Clip,
        frames: Sequence[Frame],
        images: Mapping[int, Image | None],
        index: VectorIndex | None,
    ) -> None:
        if index is None:
            return
        for frame in frames:
            where, image = f"{each.project}, frame {frame.decode_index}", images[frame.id]
            try:
                stored = index.fetch([frame.id])[0]
            except NotFoundError:
                self._lacks(embed.KIND, frame, clip.embedder_poison, f"{where}: it has no vector")
                continue
            is_poison = frame.decode_index == clip.embedder_poison
            self.findings.expect(not is_poison, f"{where}: poison has a vector")
            if image is not None and not is_poison:
                distance = float(np.abs(stored - self.truth.vector(frame, image)).max())
                self.findings.expect(
                    distance < _VECTOR_TOLERANCE, f"{where}: its vector is off by {distance:.3f}"
                )

    def _annotations(
        self, each: Round, clip: Clip, frames: Sequence[Frame], images: Mapping[int, Image | None]
    ) -> None:
        found = annotations.of_frames(self.session, [frame.id for frame in frames], list(AnnotationStatus))
        for frame in frames:
            where, image = f"{each.project}, frame {frame.decode_index}", images[frame.id]
            stored = Counter(shape_of(annotation) for annotation in found.get(frame.id, ()))
            self.findings.counts["annotations"] += stored.total()
            is_poison = frame.decode_index == clip.segmenter_poison
            wanted = Counter() if is_poison or image is None else self.truth.shapes(frame, image)
            if stored == wanted and not is_poison:
                continue
            words = f"{where}: {stored.total()} annotations instead of {wanted.total()}"
            if stored:
                self.findings.violations.append(words)
            else:
                self._lacks(annotate.KIND, frame, clip.segmenter_poison, words)

    def _lacks(self, kind: str, frame: Frame, poison: int | None, words: str) -> None:
        """What a frame lacks is right only where it is poison, and was set aside by name."""
        is_poison = frame.decode_index == poison
        self.findings.expect(is_poison and frame.id in self.spared[kind], words)

    def _spared(self, each: Round, clip: Clip, frames: Sequence[Frame]) -> None:
        """Nothing but the poison was set aside."""
        for kind, poison in ((embed.KIND, clip.embedder_poison), (annotate.KIND, clip.segmenter_poison)):
            named = [f.decode_index for f in frames if f.id in self.spared[kind]]
            wanted = [] if poison is None else [poison]
            self.findings.expect(
                named == wanted, f"{each.project}: {kind} set aside {named} instead of {wanted}"
            )

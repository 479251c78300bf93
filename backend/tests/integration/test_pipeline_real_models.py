"""The whole way on real footage, with the model classes that users run, in small checkpoints."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from komadori.core import masks
from komadori.core.types import AnnotationStatus, JobState
from komadori.media.images import read_frame
from komadori.services import annotate, export, review, search, verify
from komadori.services.annotate import Targets
from komadori.services.search import Scope
from tests.support import checkpoints
from tests.support.clips import real_clip
from tests.support.pipeline import pipeline, sampling

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROMPTS = ["a person on a bicycle", "a car"]


def test_from_a_video_to_a_dataset(tmp_path: Path) -> None:
    with pipeline(
        tmp_path / "home", embedder=str(checkpoints.SIGLIP2), segmenter=str(checkpoints.SAM3)
    ) as system:
        ingested = system.add(real_clip("bikes.mp4"), sampling("every", seconds=4))
        assert (ingested.state, ingested.done, ingested.skipped) == (JobState.DONE, 3, 0)
        [embedded] = system.children(ingested.id)
        assert (embedded.state, embedded.done) == (JobState.DONE, 3)

        frames = system.frames(ingested)
        by_frame = search.by_frame(system.ctx, frames[1].id, 3, Scope())
        assert by_frame.hits[0].frame_id == frames[1].id
        by_picture = search.by_picture(system.ctx, system.ctx.blobs.get(frames[2].image_key), 3, Scope())
        assert by_picture.hits[0].frame_id == frames[2].id
        by_text = search.by_text(system.ctx, "a bicycle in the street", 3, Scope())
        assert {hit.frame_id for hit in by_text.hits} == {frame.id for frame in frames}
        pictures = [read_frame(system.ctx.blobs.get(frame.image_key)) for frame in frames]
        images = system.embedder.model.embed_images(pictures).vectors
        text = system.embedder.model.embed_texts(["a bicycle in the street"]).vectors[0]
        np.testing.assert_allclose(
            sorted((hit.score for hit in by_text.hits), reverse=True), sorted(images @ text)[::-1], atol=1e-3
        )

        annotated = annotate.request(
            system.ctx, PROMPTS, Targets(frame_ids=[frames[0].id]), score_threshold=0.0
        )
        assert (system.job(annotated.id).state, system.segmenter.calls) == (JobState.DONE, [PROMPTS])
        proposals = system.annotations()
        assert {proposal.prompt for proposal in proposals} == set(PROMPTS)
        accepted = proposals[::7]
        review.decide(system.ctx, [p.id for p in accepted], AnnotationStatus.ACCEPTED)

        target = tmp_path / "dataset"
        exported = export.request(system.ctx, str(target), "coco", "accepted", "default")
        assert system.job(exported.id).state is JobState.DONE
        coco = COCO(str(target / "annotations" / "instances_default.json"))
        assert set(coco.anns) <= {annotation.id for annotation in accepted}
        for annotation in accepted:
            assert annotation.mask is not None
            if annotation.id in coco.anns:
                decoded = coco.annToMask(coco.anns[annotation.id]).astype(bool)
                np.testing.assert_array_equal(decoded, masks.decode(annotation.mask))
        [run] = json.loads((target / "manifest.json").read_text())["runs"].values()
        assert run["prompts"] == PROMPTS
        assert run["model_revision"] == system.segmenter.model_revision

        checked = verify.request(system.ctx, int(ingested.result["video_id"]))
        assert (system.job(checked.id).done, system.job(checked.id).failed) == (3, 0)

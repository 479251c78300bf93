"""What happens to an installation in the scenes: a clip comes in, jobs run, workers die and come back."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.containers.stack import CHECKPOINTS, Api, Container, JsonDict, Stack
from tests.support import checkpoints

N_FRAMES = 30
TOKEN = "a-token-for-the-scenes"
PASSWORD = "a-password-for-the-scenes"
SETTINGS = {
    "KOMADORI_TORCH": "cpu",
    "KOMADORI_TOKEN": TOKEN,
    "KOMADORI_REDIS_PASSWORD": PASSWORD,
    "KOMADORI_EMBEDDER": f"{CHECKPOINTS}/{checkpoints.SIGLIP2.name}",
    "KOMADORI_SEGMENTER": f"{CHECKPOINTS}/{checkpoints.SAM3.name}",
    "KOMADORI_GPU_LOCK": "shared",
    "KOMADORI_THREADS": "1",
    "KOMADORI_LEASE_S": "5",
    "KOMADORI_EMBED_CHUNK_FRAMES": "1",
    "KOMADORI_ANNOTATE_CHUNK_FRAMES": "1",
    "KOMADORI_LOG_LEVEL": "debug",
}
"""One frame in a chunk, so that a kill comes amid a job; a short lease, so that it goes on soon."""

_WORKERS = {"worker": "default", "siglip-worker": "siglip", "sam3-worker": "sam3"}
_TURN = re.compile(r"turn on (?P<card>\S+): (?P<label>\S+) from (?P<begin>[0-9.]+) to (?P<end>[0-9.]+)")


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time in which a worker had the card, by the machine's monotonic clock."""

    begin_s: float
    end_s: float
    label: str


@dataclass(slots=True)
class Story:
    """An installation and its user."""

    stack: Stack
    api: Api
    video_id: str = ""

    def ingest(self) -> JsonDict:
        """Take every frame of the clip: the job."""
        job = self.api.post("/videos", path="/media/shapes.mp4", sampler="all_frames", sampler_parameters={})
        ingested = self.api.ended(job["id"])
        assert (ingested["state"], ingested["done"], ingested["failed"]) == ("done", N_FRAMES, 0), ingested
        self.video_id = ingested["result"]["video_id"]
        return ingested

    def add_clip(self) -> None:
        """Take every frame of the clip and embed it."""
        ingested = self.ingest()
        embedded = self.api.ended(ingested["children"][0])
        assert (embedded["state"], embedded["done"]) == ("done", N_FRAMES), embedded

    def annotate(self, scene: str, n_prompts: int = 12) -> tuple[str, list[str]]:
        """Start a job over all frames with prompts that no other scene has: its id and the prompts."""
        prompts = [f"{scene} {number}" for number in range(n_prompts)]
        job = self.api.post("/annotation-runs", prompts=prompts, video_id=self.video_id, score_threshold=0.0)
        return job["id"], prompts

    def check_annotated_once(self, job_id: str, prompts: Sequence[str]) -> JsonDict:
        """The job once it has ended: every frame has its proposals for every prompt, none of them twice."""
        job = self.api.ended(job_id)
        assert (job["state"], job["done"], job["failed"], job["skipped"]) == ("done", N_FRAMES, 0, 0), job
        found = [a for a in self.api.all_of("/annotations", limit="1000") if a["class_name"] in set(prompts)]
        per_frame = Counter(annotation["frame_id"] for annotation in found)
        assert len(per_frame) == N_FRAMES
        proposals = Counter(
            (a["frame_id"], a["class_name"], a["segmentation"]["counts"], tuple(a["bbox_xyxy"]))
            for a in found
        )
        assert max(proposals.values()) == 1
        return job

    def child_of(self, service: str) -> int:
        """The process id, inside its container, of the child that runs a worker's chunks."""
        ready = self.api.workers(_WORKERS[service], "ready")
        latest = max(ready, key=lambda worker: worker["seen_s"])  # one that was killed is listed for a while
        return int(latest["name"].split("/")[-2])

    def kill_child_amid(self, service: str, job_id: str) -> None:
        """SIGKILL for that child while it has a chunk of the job: the worker itself lives on."""
        container, child = self.stack.containers[service], self.child_of(service)

        def has_chunk() -> bool:
            """It is stopped to look; between two chunks it goes on."""
            container.execute("sh", "-c", f"kill -STOP {child}")
            if any(chunk["state"] == "running" for chunk in self.api.job(job_id)["chunks"]):
                return True
            container.execute("sh", "-c", f"kill -CONT {child}")
            return False

        self.api.wait(has_chunk, "chunk to kill the child with")
        container.execute("sh", "-c", f"kill -KILL {child}")

    def wait_for_new_worker(self, service: str, before: Sequence[JsonDict]) -> None:
        """Until a worker is ready that was not among those before."""
        names = {worker["name"] for worker in before}
        queue = _WORKERS[service]
        self.api.wait(
            lambda: bool({w["name"] for w in self.api.workers(queue, "ready")} - names),
            f"new worker of {queue}",
        )

    def bring_back(self) -> None:
        """See that every service runs and every queue has a worker that is ready."""
        for name, container in self.stack.containers.items():
            if not container.is_running():
                before = self.api.workers(_WORKERS[name]) if name in _WORKERS else []
                container.start()
                if name in _WORKERS:
                    self.wait_for_new_worker(name, before)
        self.api.wait_until_it_answers()
        for queue in _WORKERS.values():
            self.api.wait_for_worker(queue)

    def turns(self, *containers: Container) -> list[Turn]:
        """The turns on the card that the workers logged, by time."""
        logs = "\n".join(container.logs() for container in containers)
        found = (match for match in _TURN.finditer(logs) if match["card"] == SETTINGS["KOMADORI_GPU_LOCK"])
        return sorted(
            (Turn(float(m["begin"]), float(m["end"]), m["label"]) for m in found),
            key=lambda turn: turn.begin_s,
        )

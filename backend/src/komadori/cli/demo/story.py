"""Takes two videos the whole way over the public API, tells what happens, and measures where it can."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import komadori
from komadori.cli import browser, following, output
from komadori.cli.answers import Annotation, Frame, Job, SearchAnswer, Video
from komadori.cli.client import ApiClient
from komadori.cli.configuration import read_settings
from komadori.cli.demo import clips, gallery, quality, system, wording
from komadori.cli.demo.clips import EVERY_S, GeneratedClip
from komadori.cli.demo.gallery import ShownSearch
from komadori.cli.demo.models import Choice, DemoModels, choose
from komadori.cli.demo.narration import Narration
from komadori.cli.demo.quality import ComparedFrame, MaskQuality, SearchQuality
from komadori.cli.demo.system import DemoSystem
from komadori.cli.demo.workspace import claimed
from komadori.cli.options import DEFAULT_PROJECT
from komadori.core.errors import DependencyError
from komadori.core.types import AnnotationStatus, JsonDict
from komadori.demo_world.kinds import Kind, kinds
from komadori.demo_world.truth import Truth

N_STEPS = 9

_SHOWN_KINDS = ("doughnut", "cat")
"""The first is told in English, the second in Japanese; of the first a picture is searched, too."""

_ASKED = (*clips.PROMPTS, clips.ABSENT)
_COMPARED = 12
_OVERLAYS = 4


def tell(folder: Path, home: Path | None, models: DemoModels, seed: int, *, is_shown: bool = False) -> None:
    """Run the demo and leave its results in a folder.

    Args:
        folder: A new one, or that of an earlier demo, which is cleared.
        home: Where the data go; inside ``folder`` when None.
        models: Which to use.
        seed: Of the generated video; another one shows other things in other places.
        is_shown: Whether the web UI is opened in a browser at the end, and all goes on until Ctrl+C.

    Raises:
        ConflictError: A folder holds something that no demo made.
        DependencyError: What makes or carries a video is not installed, or the web UI to show it with.
        JobFailedError: A step did not end well.
    """
    real = clips.real_video()
    choice = choose(models, read_settings())
    with ExitStack() as stack:
        results = stack.enter_context(claimed(folder.absolute()))
        data = results / "home" if home is None else stack.enter_context(claimed(home.absolute()))
        data.mkdir(exist_ok=True)
        # The video is made while the models load.
        beside = stack.enter_context(ThreadPoolExecutor(1))
        story = Story(results, beside.submit(clips.generate, results, seed), real, choice)
        story.tell(data, is_shown=is_shown)


@dataclass(frozen=True, slots=True)
class _Added:
    """A video in the project, with its frames in the order of time."""

    video: Video
    frames: Sequence[Frame]


class Story:
    """One run: its steps, their times, and the facts for ``summary.json``."""

    def __init__(self, folder: Path, generated: Future[GeneratedClip], real: Path, choice: Choice) -> None:
        self._folder = folder
        self._generated = generated
        self._real = real
        self._choice = choice
        self._narration = Narration(N_STEPS)
        self._step, self._say = self._narration.step, self._narration.say
        self._facts: JsonDict = {
            "komadori": komadori.__version__,
            "models": {
                "embedder": choice.settings["KOMADORI_EMBEDDER"],
                "segmenter": choice.settings["KOMADORI_SEGMENTER"],
                "remark": choice.remark,
            },
            "quality": {},
        }

    def tell(self, home: Path, *, is_shown: bool) -> None:
        """All steps, then where to look."""
        began_s = time.monotonic()
        output.line("Komadori demo: videos become a labelled dataset.")
        output.line()
        with ExitStack() as stack:
            with self._step("start", "Start the API, three workers, a broker and a database"):
                with output.spinner("the models load"):
                    running = stack.enter_context(system.running(home, self._choice.settings))
                self._say(f"Models: {self._choice.remark}")
                if is_shown:
                    _check_ui(running.api)
            self._work(running.api)
            if is_shown:
                self._write_summary()
                self._point_out(time.monotonic() - began_s)
                _show(running)
            with self._step("stop", "Stop what was started"):
                with output.spinner("the workers finish"):
                    stack.close()
                self._say("All processes have ended.")
        self._write_summary()
        if not is_shown:
            self._point_out(time.monotonic() - began_s)

    def _write_summary(self) -> None:
        self._facts["timings_s"] = {name: round(s, 3) for name, s in self._narration.timings_s.items()}
        summary = json.dumps(self._facts, indent=2, ensure_ascii=False)
        (self._folder / "summary.json").write_text(summary + "\n", encoding="utf-8")

    def _work(self, api: ApiClient) -> None:
        synthetic, real, truth = self._add(api)
        shown = self._search_words(api, synthetic, real, truth)
        shown += self._search_pictures(api, synthetic, real, truth)
        title = f"Search hits, a query in each row ({self._choice.names}): green is right, orange is wrong"
        gallery.write_hit_sheet(api, self._folder / "search-hits.png", title, shown)
        compared, measured, real_proposals = self._annotate(api, synthetic, real, truth)
        self._review(api, compared, len(real_proposals))
        self._export(api)
        self._verify(api, synthetic, real)
        title = f"Found masks (tinted) and the truth (dotted): {wording.mask_title(measured)}"
        with output.spinner("the pictures are drawn"):
            self._draw(api, title, compared, real, real_proposals)

    def _add(self, api: ApiClient) -> tuple[_Added, _Added, Truth]:
        title = f"Add a synthetic video, whose truth is known, and {self._real.name}, a real one"
        with self._step("add", title):
            clip = self._generated.result()
            # Both are queued at once, so that one is embedded while the other is decoded.
            jobs = [
                api.add_video(
                    path,
                    project=DEFAULT_PROJECT,
                    sampler="every",
                    sampler_parameters={"seconds": EVERY_S},
                    skip_near_duplicates=False,
                )
                for path in (clip.path, self._real)
            ]
            synthetic, real = (self._added(api, job) for job in jobs)
        self._facts["videos"] = {"synthetic": synthetic.video.as_json(), "real": real.video.as_json()}
        self._facts["seed"] = clip.truth.seed
        return synthetic, real, clip.truth

    def _added(self, api: ApiClient, job: Job) -> _Added:
        ended = self._follow(api, job)
        video = api.video(str(ended[0].result["video_id"]))
        self._say(
            f"{video.name}: {video.duration_s:.1f} s of {video.width}x{video.height}, a frame every "
            f"{EVERY_S:g} s: {ended[0].done} taken, {ended[-1].done} embedded."
        )
        return _Added(video, api.frames(video.id))

    def _search_words(
        self, api: ApiClient, synthetic: _Added, real: _Added, truth: Truth
    ) -> list[ShownSearch]:
        with self._step("search_text", "Search by words, in English and in Japanese"):
            asked = [kind for kind in kinds() if quality.showing(truth, synthetic.frames, kind.name)]
            english = [self._search_kind(api, synthetic, truth, kind, kind.english[0]) for kind in asked]
            japanese = [self._search_kind(api, synthetic, truth, kind, kind.japanese[0]) for kind in asked]
            names = [kind.name for kind in asked]
            shown = [
                searches[names.index(name)]
                for name, searches in zip(_SHOWN_KINDS, (english, japanese), strict=True)
                if name in names
            ]
            self._say(
                f"{synthetic.video.name}: {'; '.join(f'{one.query}: {wording.hits(one)}' for one in shown)}."
            )
            for language, searches in (("English", english), ("Japanese", japanese)):
                measured = _measured(searches)
                self._facts["quality"][f"search_{language.lower()}"] = measured.as_json()
                self._say(f"All {measured.n} kinds in it, in {language}: {wording.searches(measured)}.")
            in_real = [self._search(api, real, text=words) for words in clips.REAL_WORDS]
            self._say(f'{real.video.name}: "{clips.REAL_WORDS[0]}": {wording.best(in_real[0].hits)}')
        self._facts["searches"] = [answer.as_json() for answer in (*(one.answer for one in shown), *in_real)]
        return [*shown, ShownSearch(f'"{clips.REAL_WORDS[0]}" in {real.video.name}', "", in_real[0], None)]

    def _search_kind(
        self, api: ApiClient, added: _Added, truth: Truth, kind: Kind, words: str
    ) -> ShownSearch:
        is_english = words in kind.english
        answer = self._search(api, added, text=words)
        return ShownSearch(
            query=f'"{words}"' if is_english else f'"{words}" ({kind.name})',
            plain=f'"{words}"' if is_english else f'"{kind.name}" in Japanese',
            answer=answer,
            right=quality.showing(truth, added.frames, kind.name),
        )

    def _search_pictures(
        self, api: ApiClient, synthetic: _Added, real: _Added, truth: Truth
    ) -> list[ShownSearch]:
        with self._step("search_image", "Search by a picture, and by likeness to a frame"):
            name = _SHOWN_KINDS[0]
            source, picture = gallery.cut_out(api, truth, synthetic.frames, name)
            (self._folder / "query.png").write_bytes(picture)
            answer = api.search_image(
                "query.png",
                picture,
                k=quality.FIRST_HITS,
                video_id=synthetic.video.id,
                project=DEFAULT_PROJECT,
            )
            query = f"query.png, a {name}"
            shown = ShownSearch(query, query, answer, quality.showing(truth, synthetic.frames, name))
            self._facts["quality"]["search_picture"] = _measured([shown]).as_json()
            self._say(f"query.png, a {name} cut out of frame {source.id}: {wording.hits(shown)}.")
            middle = real.frames[len(real.frames) // 2]
            likeness = self._search(api, real, like_frame_id=middle.id)
            others = [hit for hit in likeness.hits if hit.frame_id != middle.id]
            self._say(f"{real.video.name}: like frame {middle.id}, but another one: {wording.best(others)}")
        self._facts["searches"] += [answer.as_json(), likeness.as_json()]
        query = f"like frame {middle.id} of {real.video.name}"
        return [shown, ShownSearch(query, query, likeness, None)]

    def _annotate(
        self, api: ApiClient, synthetic: _Added, real: _Added, truth: Truth
    ) -> tuple[list[ComparedFrame], MaskQuality, list[Annotation]]:
        title = f'Annotate: propose masks for six kinds, and for "{clips.ABSENT}", which is absent'
        with self._step("annotate", title):
            jobs = [
                api.annotate(_ASKED, {"video_id": synthetic.video.id}, {}),
                api.annotate(clips.REAL_PROMPTS, {"video_id": real.video.id}, {}),
            ]
            for job in jobs:
                self._follow(api, job)
            found, found_in_real = (
                api.annotations({"video_id": added.video.id, "status": "proposed"})
                for added in (synthetic, real)
            )
            counts = wording.counts(found, _ASKED)
            self._say(f"{synthetic.video.name}: {wording.proposals(len(found), counts)}.")
            compared = quality.compare(truth, synthetic.frames, found, _ASKED)
            measured = quality.measure_masks(compared, _ASKED)
            for sentence in wording.masks(measured, self._mask_cell(synthetic.video)):
                self._say(sentence)
            real_counts = wording.counts(found_in_real, clips.REAL_PROMPTS)
            told = wording.proposals(len(found_in_real), real_counts)
            self._say(f"{real.video.name}: {told}. {self._choice.caveat}".rstrip())
        self._facts["proposals"] = {"synthetic": counts, "real": real_counts}
        self._facts["quality"]["masks"] = measured.as_json()
        return compared, measured, found_in_real

    def _review(self, api: ApiClient, compared: Sequence[ComparedFrame], n_real: int) -> None:
        with self._step("review", "Review with the truth in hand: accept what fits, reject the rest"):
            fitting = [found.id for one in compared for found in one.fitting]
            others = [found.id for one in compared for found in one.found if found.id not in set(fitting)]
            for ids, status in (
                (fitting, AnnotationStatus.ACCEPTED),
                (others, AnnotationStatus.REJECTED),
            ):
                if ids:
                    api.decide(ids, status)
            left = f"; {n_real} in {self._real.name} left open: its truth is not known" if n_real else ""
            self._say(f"{len(fitting)} accepted, {len(others)} rejected{left}.")
        self._facts["review"] = {"accepted": len(fitting), "rejected": len(others), "open": n_real}

    def _export(self, api: ApiClient) -> None:
        facts = {"n_images": 0, "n_annotations": 0}
        with self._step("export", "Export what was accepted as COCO"):
            if self._facts["review"]["accepted"]:
                target = self._folder / "coco"
                job = api.export(target, format_name="coco", status="accepted", project=DEFAULT_PROJECT)
                result = self._follow(api, job)[0].result
                facts = {key: result[key] for key in facts}
                self._say(
                    f"{output.count(facts['n_annotations'], 'annotation')} with masks "
                    f"on {output.count(facts['n_images'], 'image')}."
                )
            else:
                self._say("Nothing was accepted, so there is nothing to export.")
        self._facts["export"] = facts

    def _verify(self, api: ApiClient, *videos: _Added) -> None:
        with self._step("verify", "Verify: take every frame from its video again, compare"):
            jobs = [self._follow(api, api.verify(added.video.id))[0] for added in videos]
            n_frames, n_agree = sum(job.total for job in jobs), sum(job.done for job in jobs)
            self._say(f"{n_agree} of {output.count(n_frames, 'frame')} agree with the ledger.")
        issues = [issue.as_json() for job in jobs for issue in api.issues(job.id)]
        self._facts["verification"] = {"frames": n_frames, "agree": n_agree, "issues": issues}

    def _draw(
        self,
        api: ApiClient,
        title: str,
        compared: Sequence[ComparedFrame],
        real: _Added,
        real_proposals: Sequence[Annotation],
    ) -> None:
        folder = self._folder / "overlays"
        folder.mkdir()
        chosen = [compared[i] for i in _spread(len(compared), _COMPARED)]
        sheet = self._folder / "masks.png"
        gallery.write_compared(api, folder, "synthetic", chosen, _ASKED, sheet, title)
        shown = [real.frames[i] for i in _spread(len(real.frames), _OVERLAYS)]
        proposals = {frame: [a for a in real_proposals if a.frame_id == frame.id] for frame in shown}
        caption = f"{self._real.name}, a real video. {self._choice.caveat}".rstrip()
        gallery.write_overlays(api, folder, "real", proposals, clips.REAL_PROMPTS, caption)

    def _search(
        self, api: ApiClient, added: _Added, *, text: str | None = None, like_frame_id: str | None = None
    ) -> SearchAnswer:
        return api.search(
            text=text,
            like_frame_id=like_frame_id,
            k=quality.FIRST_HITS,
            video_id=added.video.id,
            project=DEFAULT_PROJECT,
        )

    def _mask_cell(self, video: Video) -> tuple[float, float] | None:
        """Width and height in pixels of a cell of the segmenter's masks."""
        if self._choice.mask_grid_hw is None:
            return None
        rows, columns = self._choice.mask_grid_hw
        return video.width / columns, video.height / rows

    def _follow(self, api: ApiClient, job: Job) -> list[Job]:
        ended = following.follow(api, [job], is_transient=True)
        following.check(ended)
        return ended

    def _point_out(self, took_s: float) -> None:
        output.line()
        output.line(f"Done in {output.span(took_s)}. Where to look, in {self._folder}:")
        for name, what in (
            ("masks.png", "found masks against the truth, with the measured numbers"),
            ("search-hits.png", "the search hits, right ones framed in green"),
            ("overlays/", "the same frames in full size, and some of the real video"),
            ("coco/", "the dataset: annotations, images, frame ledger, manifest"),
            ("synthetic.mp4", "the generated video; its truth is in synthetic.truth.json"),
            ("summary.json", "these facts, measures and times for programs"),
        ):
            if (self._folder / name).exists():
                output.line(f"  {name:<16} {what}")
        output.line()
        output.line("Next, with a video of your own: komadori up, then komadori add VIDEO --wait")


def _check_ui(api: ApiClient) -> None:
    if not api.session().has_ui:
        raise DependencyError(
            "This installation has no web UI to show the demo with.",
            hint="In a checkout, `make ui` builds it; without --open the demo needs none.",
            code="no-ui",
        )


def _show(running: DemoSystem) -> None:
    page = browser.address(running.api.url, None)
    output.line()
    output.line(f"In a browser: {page} (Ctrl+C stops it)")
    output.line()
    browser.open_page(page)
    running.wait()


def _measured(searches: Sequence[ShownSearch]) -> SearchQuality:
    return quality.measure_search([(one.answer.hits, one.right or ()) for one in searches])


def _spread(n_items: int, n: int) -> list[int]:
    """The positions of at most ``n`` of the items, evenly spread."""
    if n_items <= n:
        return list(range(n_items))
    return [round(i * (n_items - 1) / (n - 1)) for i in range(n)]

"""A typed client of the HTTP API, with errors that say what to do."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from komadori.cli.answers import (
    Annotation,
    Answer,
    Chunk,
    ExportPreview,
    Frame,
    Issue,
    Job,
    LatestRevision,
    Page,
    Project,
    Revision,
    SearchAnswer,
    Session,
    Upload,
    Video,
    Worker,
)
from komadori.cli.configuration import http_address
from komadori.core.errors import DependencyError, InputError, KomadoriError
from komadori.core.types import AnnotationStatus, JsonDict

API = "/api/v1"

_PAGE = 200
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_SEARCH_TIMEOUT_S = 150.0
"""The API itself gives up earlier, and then says why."""

_UPLOAD_TIMEOUT = httpx.Timeout(30.0, connect=5.0, read=600.0)
"""With the last bytes of a large file the API may have to read all of it again."""

_TUS = {"Tus-Resumable": "1.0.0"}

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}

_T = TypeVar("_T")
_Item = TypeVar("_Item", bound=Answer)


class ApiError(KomadoriError):
    """The API said no; code, message and hint are its own."""

    default_code = "request-failed"


class ApiClient:
    """Talks to one Komadori; a context manager.

    Args:
        url: Where the API listens, such as ``http://127.0.0.1:8000``.
        token: Sent as a bearer token when given.
        actor: Who asks, for the history of what is changed.

    Raises:
        SettingError: ``url`` is no HTTP address.
    """

    def __init__(self, url: str, token: str | None = None, actor: str | None = None) -> None:
        address = http_address(url)
        self.url = url.rstrip("/")
        self.is_here = address.hostname in _LOOPBACK
        """Whether the API runs on this machine, as far as its address tells."""
        self._http = httpx.Client(
            base_url=self.url,
            headers=_headers(token, actor),
            timeout=_TIMEOUT,
            trust_env=not self.is_here,  # a proxy never leads back to this machine
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the API answers and can take on work."""
        try:
            return self._http.get("/readyz", timeout=2.0).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def session(self) -> Session:
        """How the API is entered, and whether it has a web UI."""
        return self._get(Session, "/session")

    def projects(self) -> list[Project]:
        """All projects."""
        return list(self._items(Project, "/projects", {}))

    def add_video(
        self,
        source: Path | str,
        *,
        project: str,
        sampler: str,
        sampler_parameters: JsonDict,
        skip_near_duplicates: bool,
    ) -> Job:
        """Queue the ingest of a file that the API's machine sees under an absolute path, or of an upload."""
        body = {
            "path" if isinstance(source, Path) else "upload_id": str(source),
            "project": project,
            "sampler": sampler,
            "sampler_parameters": sampler_parameters,
            "skip_near_duplicates": skip_near_duplicates,
        }
        return self._post(Job, "/videos", body, timeout=_UPLOAD_TIMEOUT)

    def delete_video(self, video_id: str) -> Job:
        """Queue the deletion of a video, which nobody sees any more from now on."""
        return self._read(Job, self._request("DELETE", f"{API}/videos/{_segment(video_id)}"))

    def uploads(self, sha256: str) -> list[Upload]:
        """The uploads of a file with these bytes."""
        page = self._get(Page, "/uploads", {"sha256": sha256})
        return self._valid(TypeAdapter(list[Upload]), page.items)

    def upload(self, upload_id: str) -> Upload:
        """One upload."""
        return self._get(Upload, f"/uploads/{_segment(upload_id)}")

    def create_upload(self, name: str, size_bytes: int, sha256: str) -> Upload:
        """Begin an upload; it may be whole at once, when the API has these bytes."""
        pairs = {"filename": name, "sha256": sha256}
        encoded = [f"{k} {b64encode(v.encode(errors='replace')).decode()}" for k, v in pairs.items()]
        headers = {"Upload-Length": str(size_bytes), "Upload-Metadata": ",".join(encoded)}
        answer = self._request("POST", f"{API}/uploads", headers={**_TUS, **headers})
        return self.upload(answer.headers.get("location", "").rpartition("/")[2])

    def send_piece(self, upload_id: str, offset: int, blocks: Iterator[bytes], n_bytes: int) -> int:
        """Add bytes to an upload: how many it has then."""
        headers = {
            **_TUS,
            "Upload-Offset": str(offset),
            "Content-Length": str(n_bytes),
            "Content-Type": "application/offset+octet-stream",
        }
        path = f"{API}/uploads/{_segment(upload_id)}"
        answer = self._request("PATCH", path, content=blocks, headers=headers, timeout=_UPLOAD_TIMEOUT)
        reached = answer.headers.get("upload-offset", "")
        if not reached.isdecimal():
            raise self._foreign("no Upload-Offset")
        return int(reached)

    def videos(self, project: str | None = None) -> list[Video]:
        """The videos of a project, or all."""
        return list(self._items(Video, "/videos", {"project": project}))

    def video(self, video_id: str) -> Video:
        """One video."""
        return self._get(Video, f"/videos/{_segment(video_id)}")

    def frames(self, video_id: str, limit: int | None = None) -> list[Frame]:
        """The first frames of a video in presentation order, or all."""
        return list(islice(self._items(Frame, f"/videos/{_segment(video_id)}/frames", {}), limit))

    def count_frames(self, video_id: str) -> int:
        """How many frames of a video are stored."""
        return self._get(Page, f"/videos/{_segment(video_id)}/frames", {"limit": 1}).total

    def frame(self, frame_id: str) -> Frame:
        """One frame."""
        return self._get(Frame, f"/frames/{_segment(frame_id)}")

    def image(self, frame_id: str) -> bytes:
        """The JPEG of a frame."""
        return self._request("GET", f"{API}/frames/{_segment(frame_id)}/image").content

    def search(
        self,
        *,
        text: str | None = None,
        like_frame_id: str | None = None,
        k: int,
        video_id: str | None,
        project: str,
    ) -> SearchAnswer:
        """The frames that answer words, or that look like a stored frame."""
        query = {"text": text} if text is not None else {"like_frame_id": like_frame_id}
        body = {**query, "k": k, "video_id": video_id, "project": project}
        return self._post(SearchAnswer, "/searches", body, timeout=_SEARCH_TIMEOUT_S)

    def search_image(
        self, name: str, picture: bytes, *, k: int, video_id: str | None, project: str
    ) -> SearchAnswer:
        """The frames that look like a picture."""
        fields = {"k": str(k), "project": project} | ({"video_id": video_id} if video_id else {})
        response = self._request(
            "POST",
            f"{API}/searches/image",
            files={"file": (name, picture)},
            data=fields,
            timeout=_SEARCH_TIMEOUT_S,
        )
        return self._read(SearchAnswer, response)

    def annotate(self, prompts: Sequence[str], targets: JsonDict, options: JsonDict) -> Job:
        """Queue a run; ``targets`` and ``options`` are fields of the request."""
        body = {"prompts": list(prompts), **targets, **options}
        return self._post(Job, "/annotation-runs", body, timeout=_SEARCH_TIMEOUT_S)

    def annotations(self, filters: Mapping[str, str | None], limit: int | None = None) -> list[Annotation]:
        """The first annotations that pass the filters, or all of them."""
        return list(islice(self._items(Annotation, "/annotations", filters), limit))

    def count_annotations(self, filters: Mapping[str, str | None]) -> int:
        """How many annotations pass the filters."""
        return self._get(Page, "/annotations", {**filters, "limit": 1}).total

    def latest_revision(self, annotation_id: str) -> LatestRevision:
        """What an annotation is now."""
        return self._get(LatestRevision, f"/annotations/{_segment(annotation_id)}")

    def history(self, annotation_id: str) -> list[Revision]:
        """What an annotation was, oldest first; each says when it was ended and by whom."""
        answer = self._json(self._request("GET", f"{API}/annotations/{_segment(annotation_id)}/history"))
        return self._valid(TypeAdapter(list[Revision]), answer["items"])

    def decide(self, annotation_ids: Sequence[str], status: AnnotationStatus) -> list[Annotation]:
        """Give annotations a status, all of them or none."""
        body = {"ids": list(annotation_ids), "status": status.value}
        answer = self._request("POST", f"{API}/annotations/decisions", json=body)
        return [Annotation.model_validate(item) for item in self._json(answer)["items"]]

    def embed(self, project: str, video_id: str | None) -> Job:
        """Queue the embedding of the frames that have no vector yet."""
        return self._post(Job, "/embeddings", {"project": project, "video_id": video_id})

    def pull_model(self, source: str, *, update: bool) -> Job:
        """Queue the download of a model; its items are MiB."""
        return self._post(Job, "/models/pulls", {"source": source, "update": update})

    def verify(self, video_id: str) -> Job:
        """Queue the comparison of a video's ledger with its source."""
        return self._post(Job, "/verifications", {"video_id": video_id})

    def proxy(self, video_id: str) -> Job:
        """Queue the making of a copy that browsers play."""
        return self._post(Job, f"/videos/{_segment(video_id)}/proxies", {})

    def export(self, directory: Path | None, *, format_name: str, status: str, project: str) -> Job:
        """Queue an export into a folder of the API's machine, or into the project's own one there."""
        body = {"format": format_name, "status": status, "project": project}
        if directory is not None:
            body["directory"] = str(directory)
        return self._post(Job, "/exports", body)

    def preview_export(self, *, format_name: str, status: str, project: str) -> ExportPreview:
        """What an export would hold."""
        body = {"format": format_name, "status": status, "project": project}
        return self._post(ExportPreview, "/exports/preview", body)

    def jobs(self, project: str | None = None, limit: int | None = None) -> list[Job]:
        """The newest jobs, without their chunks."""
        return list(islice(self._items(Job, "/jobs", {"project": project}), limit))

    def job(self, job_id: str) -> Job:
        """One job with the first of its chunks."""
        return self._get(Job, f"/jobs/{_segment(job_id)}")

    def whole_job(self, job_id: str) -> Job:
        """One job with all of its chunks."""
        job = self.job(job_id)
        if job.n_chunks <= len(job.chunks):
            return job
        chunks = list(self._items(Chunk, f"/jobs/{_segment(job_id)}/chunks", {}))
        return job.model_copy(update={"chunks": chunks})

    def issues(self, job_id: str, limit: int | None = None) -> list[Issue]:
        """What did not go through in a job."""
        return list(islice(self._items(Issue, f"/jobs/{_segment(job_id)}/issues", {}), limit))

    def cancel_job(self, job_id: str) -> Job:
        """Stop a job; what is finished is kept."""
        return self._post(Job, f"/jobs/{_segment(job_id)}/cancel", {})

    def pause_job(self, job_id: str) -> Job:
        """Let a job rest."""
        return self._post(Job, f"/jobs/{_segment(job_id)}/pause", {})

    def resume_job(self, job_id: str) -> Job:
        """Let a paused job go on."""
        return self._post(Job, f"/jobs/{_segment(job_id)}/resume", {})

    def retry_job(self, job_id: str) -> Job:
        """Queue again what failed or was cancelled."""
        return self._post(Job, f"/jobs/{_segment(job_id)}/retry", {})

    def workers(self) -> list[Worker]:
        """The workers that reported in the last seconds."""
        listed = self._json(self._request("GET", f"{API}/workers"))
        return self._valid(TypeAdapter(list[Worker]), listed["items"] if isinstance(listed, dict) else listed)

    def _items(
        self, kind: type[_Item], path: str, filters: Mapping[str, str | int | None]
    ) -> Iterator[_Item]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self._get(Page, path, {**filters, "limit": _PAGE, "cursor": cursor})
            yield from self._valid(TypeAdapter(list[kind]), page.items)  # type: ignore[valid-type]
            cursor = page.next_cursor
            if cursor is None:
                return

    def _get(
        self, kind: type[_Item], path: str, query: Mapping[str, str | int | None] | None = None
    ) -> _Item:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._read(kind, self._request("GET", f"{API}{path}", params=given))

    def _post(self, kind: type[_Item], path: str, body: JsonDict, **options: Any) -> _Item:
        given = {name: value for name, value in body.items() if value is not None}
        return self._read(kind, self._request("POST", f"{API}{path}", json=given, **options))

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TimeoutException as exc:
            raise DependencyError(
                f"{self.url} did not answer in time ({type(exc).__name__}).",
                hint="See whether the machine is busy (`komadori doctor`), then try again.",
                code="api-timeout",
            ) from exc
        except httpx.HTTPError as exc:
            raise DependencyError(
                f"Nothing answers at {self.url} ({exc}).",
                hint="Start it with `komadori up`, or set KOMADORI_URL to where it runs.",
                code="api-unreachable",
            ) from exc
        except ValueError as exc:  # a name with bytes that are no UTF-8, or nan as a number
            raise InputError(
                f"What was given cannot be sent: {exc}.",
                hint="Give words and names of files in UTF-8, and numbers that are finite.",
                code="bad-request",
            ) from exc
        if not response.is_success:
            raise self._problem(response)
        return response

    def _problem(self, response: httpx.Response) -> KomadoriError:
        """The error that an answer with problem+json describes."""
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or "code" not in body:
            return self._foreign(f"HTTP status {response.status_code}")
        message = str(body.get("detail") or body.get("title") or "The request failed.")
        return ApiError(message, hint=str(body.get("hint") or ""), code=str(body["code"]))

    def _read(self, kind: type[_Item], response: httpx.Response) -> _Item:
        return self._valid(TypeAdapter(kind), self._json(response))

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as exc:
            raise self._foreign("something that is no JSON") from exc

    def _valid(self, expected: TypeAdapter[_T], body: object) -> _T:
        try:
            return expected.validate_python(body)
        except ValidationError as exc:
            raise self._foreign(f"an answer in another shape ({exc.errors()[0]['msg']})") from exc

    def _foreign(self, got: str) -> DependencyError:
        return DependencyError(
            f"Expected Komadori's API at {self.url}, got {got}.",
            hint="Check KOMADORI_URL, and that the command line and the API have the same version.",
            code="unexpected-answer",
        )


def _headers(token: str | None, actor: str | None) -> dict[str, str]:
    return {
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **({"X-Komadori-Actor": quote(actor, safe="", errors="replace")} if actor else {}),
    }


def _segment(identifier: str) -> str:
    """An id as one part of a path."""
    return quote(identifier, safe="")

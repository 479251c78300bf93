"""Videos and their frames."""

from fastapi import APIRouter, Response

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page_of, position
from komadori.api.routes.jobs import accepted
from komadori.api.schemas import AddVideo, Id, ProjectFilter
from komadori.core import types
from komadori.db.repositories import projects, videos
from komadori.services import delete, ingest, uploads

router = APIRouter(prefix="/videos", tags=["videos"])


@router.post("", status_code=202, responses=documented(404, 409, 423, 460))
def add_video(ctx: Ctx, body: AddVideo, response: Response) -> answers.Job:
    """Take frames from a file on the machine that runs Komadori, or from a whole upload."""
    sampling = {
        "sampler": body.sampler,
        "parameters": body.sampler_parameters,
        "skip_near_duplicates": body.skip_near_duplicates,
    }
    if body.upload_id is not None:
        ingest.sampler_of(sampling)
        uri, name = uploads.source_of(ctx, body.upload_id)
        return accepted(ingest.request_from(ctx, uri, name, body.project, sampling), response)
    return accepted(ingest.request(ctx, body.path or "", body.project, sampling), response)


@router.get("", responses=documented(404))
def list_videos(
    ctx: Ctx, project: ProjectFilter = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[answers.Video]:
    """Videos by id, of one project or of all."""
    after_id = position(cursor) or 0
    with ctx.sessions.read() as session:
        project_id = None if project is None else projects.by_name(session, project).id
        found = videos.page(session, project_id=project_id, after_id=after_id, limit=limit + 1)
        total = videos.count(session, project_id)
        posters = videos.poster_frames(session, [video.id for video in found])
        names = {each.id: each.name for each in projects.list_all(session)}

    def show(video: types.Video) -> answers.Video:
        return answers.Video.of(video, names[video.project_id], posters.get(video.id))

    return page_of(found, limit, total, show, lambda video: video.id)


@router.get("/{video_id}", responses=documented(404))
def get_video(ctx: Ctx, video_id: Id) -> answers.VideoDetail:
    """One video."""
    with ctx.sessions.read() as session:
        video = videos.get(session, video_id)
        project = projects.by_id(session, video.project_id)
        posters = videos.poster_frames(session, [video.id])
    return answers.VideoDetail.of(video, project.name, posters.get(video.id))


@router.delete("/{video_id}", status_code=202, responses=documented(404))
def delete_video(ctx: Ctx, video_id: Id, response: Response) -> answers.Job:
    """Remove a video with its frames, annotations and vectors, and its file if it was uploaded."""
    return accepted(delete.request(ctx, video_id), response)


@router.get("/{video_id}/frames", responses=documented(404))
def list_frames(
    ctx: Ctx,
    video_id: Id,
    sampling_id: Id | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[answers.Frame]:
    """Frames in the order of presentation: of one sampling of the video, or of all."""
    after = position(cursor)
    with ctx.sessions.read() as session:
        videos.get(session, video_id)
        found = videos.frames_page(
            session,
            video_id,
            sampling_id=sampling_id,
            after_index=-1 if after is None else after,
            limit=limit + 1,
        )
        total = videos.count_frames(session, video_id, sampling_id)
    return page_of(found, limit, total, answers.Frame.of, lambda frame: frame.decode_index)

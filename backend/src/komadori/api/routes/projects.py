"""Projects and their classes."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter

from komadori.api import answers
from komadori.api.deps import Ctx
from komadori.api.errors import documented
from komadori.api.paging import Page
from komadori.api.schemas import Name
from komadori.db.repositories import projects, summaries

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("")
def list_projects(ctx: Ctx) -> Page[answers.Project]:
    """All projects, by name."""
    with ctx.sessions.read() as session:
        found = projects.list_all(session)
    items = [answers.Project(id=str(project.id), name=project.name) for project in found]
    return Page(items=items, total=len(items), next_cursor=None)


ProjectName = Annotated[Name, PathParameter(examples=["default"])]


@router.get("/{name:path}/classes", responses=documented(404))
def list_classes(ctx: Ctx, name: ProjectName) -> Page[answers.ClassName]:
    """The classes of a project, by name."""
    with ctx.sessions.read() as session:
        found = projects.class_names(session, projects.by_name(session, name).id)
    items = [answers.ClassName(name=class_name) for class_name in found]
    return Page(items=items, total=len(items), next_cursor=None)


@router.get("/{name:path}/summary", responses=documented(404))
def get_summary(ctx: Ctx, name: ProjectName) -> answers.Summary:
    """How much of a project is there, and how much of it is reviewed."""
    with ctx.sessions.read() as session:
        found = summaries.summary(session, projects.by_name(session, name).id)
    return answers.Summary.of(found)

"""Projects and the classes of their annotations."""

import hashlib
import time
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from komadori.core.errors import NotFoundError
from komadori.core.types import Project
from komadori.db.repositories.statements import insert_missing
from komadori.db.tables import ClassRow, ProjectRow

DEFAULT = "default"
"""The project that exists from the start."""


def get_or_create(session: Session, name: str) -> Project:
    """The project of that name."""
    insert_missing(session, ProjectRow, [{"name": name, "created_s": time.time()}])
    return by_name(session, name)


def by_name(session: Session, name: str) -> Project:
    """The project of that name.

    Raises:
        NotFoundError: There is no such project.
    """
    row = session.scalar(select(ProjectRow).where(ProjectRow.name == name))
    if row is None:
        raise NotFoundError(
            f"There is no project {name!r}.", hint="Add a video with `komadori add --project` to make one."
        )
    return Project(row.id, row.name)


def identity_of_database(session: Session) -> str:
    """A name that this database alone has: ids of two databases mean different things."""
    created_s = session.scalar(select(ProjectRow.created_s).where(ProjectRow.name == DEFAULT))
    return hashlib.sha256(repr(created_s).encode()).hexdigest()[:12]


def by_id(session: Session, project_id: int) -> Project:
    """The project with that id."""
    row = session.get(ProjectRow, project_id)
    if row is None:
        raise NotFoundError(f"There is no project {project_id}.")
    return Project(row.id, row.name)


def list_all(session: Session) -> list[Project]:
    """All projects, by name."""
    found = [Project(row.id, row.name) for row in session.scalars(select(ProjectRow))]
    return sorted(found, key=lambda project: project.name)


def class_ids(session: Session, project_id: int, names: Iterable[str]) -> dict[str, int]:
    """The ids of the named classes, which are made where they do not exist."""
    wanted = sorted(set(names))
    insert_missing(session, ClassRow, [{"project_id": project_id, "name": name} for name in wanted])
    rows = session.scalars(
        select(ClassRow).where(ClassRow.project_id == project_id, ClassRow.name.in_(wanted))
    )
    return {row.name: row.id for row in rows}


def class_names(session: Session, project_id: int) -> list[str]:
    """The names of all classes of a project, sorted by code point: databases sort by language."""
    return sorted(session.scalars(select(ClassRow.name).where(ClassRow.project_id == project_id)))


def class_names_by_id(session: Session, class_ids: Iterable[int]) -> dict[int, str]:
    """The names of some classes."""
    rows = session.scalars(select(ClassRow).where(ClassRow.id.in_(list(class_ids))))
    return {row.id: row.name for row in rows}

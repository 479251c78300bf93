"""Pages of long lists: a cursor says where the last page ended."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

T = TypeVar("T")
Row = TypeVar("Row")

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The most items to give.")]
Cursor = Annotated[
    str | None,
    Query(pattern="^[0-9a-f]{1,15}$", description="The `next_cursor` of the page before."),
]


class Page(BaseModel, Generic[T]):
    """Some items of a list, how many there are in all, and where the next page begins."""

    items: list[T]
    total: int = Field(ge=0)
    next_cursor: str | None


def position(cursor: str | None) -> int | None:
    """Where the last page ended, or None for the first page; every well-formed cursor fits in 63 bits."""
    return None if cursor is None else int(cursor, 16)


def page_of(
    rows: Sequence[Row], limit: int, total: int, show: Callable[[Row], T], place: Callable[[Row], int]
) -> Page[T]:
    """A page from up to ``limit + 1`` rows; the one too many says that there is another page."""
    shown = rows[:limit]
    next_cursor = f"{place(shown[-1]):x}" if len(rows) > limit else None
    return Page(items=[show(row) for row in shown], total=total, next_cursor=next_cursor)

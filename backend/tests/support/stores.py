"""A store with everything in it, and the means to spoil it."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import text

from komadori.bootstrap import open_store
from komadori.core.types import AnnotationStatus
from komadori.db.repositories import audits
from komadori.services import annotate, check, export, review, search
from komadori.services.audit.findings import Kind
from komadori.services.audit.look import Store
from komadori.services.check import Report
from komadori.settings import Settings
from tests.support.app import inline_context, jpeg_of, picture, seed_video

N_FRAMES = 6


@dataclass(frozen=True, slots=True)
class Filled:
    """A store on a home of its own; ``waiting_hints`` says nothing, as without a broker."""

    settings: Settings
    store: Store

    @property
    def home(self) -> Path:
        return self.store.home

    def check(self, *, is_deep: bool = False, age_s: float = 0.0) -> Report:
        """A look at a store that nobody uses."""
        return check.check(self.store, is_deep=is_deep, age_s=age_s, pause_s=0.0)

    def found(self, *, is_deep: bool = False) -> set[tuple[Kind, str]]:
        return {finding.key for finding in self.check(is_deep=is_deep).findings}

    def run(self, *statements: str) -> None:
        """Change rows as no code of ours does; SQLite does not look at references meanwhile."""
        engine = self.store.sessions.engine
        with engine.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            if engine.dialect.name == "sqlite":
                raw.cursor().execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                for statement in statements:
                    connection.execute(text(statement))
            if engine.dialect.name == "sqlite":
                raw.cursor().execute("PRAGMA foreign_keys=ON")

    def value(self, statement: str) -> str:
        with self.store.sessions.read() as session:
            return str(session.scalar(text(statement)))

    def image(self, frame_id: int) -> Path:
        return self.store.blobs / self.value(f"SELECT image_key FROM frames WHERE id = {frame_id}")

    def thumbnail(self, frame_id: int) -> Path:
        return self.store.blobs / self.value(f"SELECT thumbnail_key FROM frames WHERE id = {frame_id}")

    @property
    def export_target(self) -> Path:
        with self.store.sessions.read() as session:
            ((_, directory, _),) = audits.export_targets(session, export.KIND)
        return Path(directory)

    @property
    def index(self) -> Path:
        """The folder of the only index."""
        (folder,) = self.store.vectors.iterdir()
        return folder


def fill(home: Path) -> Settings:
    """Frames, vectors, proposals, decisions, a picture that was searched with; an export beside it."""
    settings, ctx, _ = inline_context(home)
    with closing(ctx.sessions):
        _, frame_ids = seed_video(ctx, n_frames=N_FRAMES)
        annotate.request(ctx, ["red", "blue"], annotate.Targets(), score_threshold=0.1)
        review.decide(ctx, [1], AnnotationStatus.ACCEPTED)
        review.edit(ctx, 1, bbox_xyxy=(1.0, 2.0, 30.0, 40.0))
        review.draw(ctx, frame_ids[0], "cup", (5.0, 5.0, 9.0, 9.0), None)
        search.by_picture(ctx, jpeg_of(picture(["red"])), 3, search.Scope())
        export.request(ctx, str(home.with_name("dataset")), "coco", "all", "default")
    return settings


@contextmanager
def opened(settings: Settings) -> Iterator[Filled]:
    store = replace(open_store(settings), waiting_hints=lambda: None)
    with closing(store.sessions):
        yield Filled(settings, store)


@contextmanager
def copied(template: Settings, folder: Path) -> Iterator[Filled]:
    """A store of its own, made of one that lies on SQLite."""
    shutil.copytree(template.home.parent, folder, dirs_exist_ok=True)
    with opened(template.model_copy(update={"home": folder / "home"})) as made:
        made.run(f"UPDATE jobs SET parameters = replace(parameters, '{template.home.parent}', '{folder}')")
        yield made

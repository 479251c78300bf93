"""Komadori on a real PostgreSQL server: its schema, address, failures, and what SQLite does otherwise."""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import text

from komadori.core.errors import DependencyError, InputError, PermanentStorageError, StorageError
from komadori.core.progress import Progress
from komadori.core.types import Chunk, JobState, Queue
from komadori.db import migrate
from komadori.db.repositories import chunks, projects, queues
from komadori.db.session import Sessions, parse_url
from komadori.doctor.machine import check_database
from komadori.services import jobs
from komadori.services.jobs import ChunkResult
from komadori.settings import Settings
from tests.support.app import inline_system
from tests.support.jobs import JobSystem, job_system, succeed
from tests.support.postgres import Server


@pytest.fixture
def sessions(postgres_url: str) -> Iterator[Sessions]:
    opened = Sessions(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def system(tmp_path: Path, postgres_url: str) -> Iterator[JobSystem]:
    made = job_system(tmp_path, database_url=postgres_url)
    yield made
    made.ctx.sessions.close()


@pytest.fixture
def empty(postgres_server: Server) -> Iterator[str]:
    """The name of a database without tables."""
    name = postgres_server.new_database(is_empty=True)
    yield name
    postgres_server.drop(name)


def test_the_migrations_make_what_the_code_expects_and_undo_it(postgres_server: Server, empty: str) -> None:
    sessions = Sessions(postgres_server.url(empty))
    assert not migrate.is_newest(sessions)

    migrate.upgrade(sessions.engine)
    assert migrate.is_newest(sessions)
    assert migrate.differences(sessions.engine) == []

    migrate.downgrade(sessions.engine, "base")
    with sessions.read() as session:
        left = session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    assert left == ["alembic_version"]
    migrate.upgrade(sessions.engine)
    assert migrate.is_newest(sessions)
    sessions.close()


def test_processes_that_migrate_at_once_take_turns(postgres_server: Server, empty: str) -> None:
    opened = [Sessions(postgres_server.url(empty)) for _ in range(4)]
    failed: list[Exception] = []

    def migrate_at_once(sessions: Sessions) -> None:
        try:
            migrate.upgrade(sessions.engine)
        except Exception as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=migrate_at_once, args=(each,)) for each in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert migrate.differences(opened[0].engine) == []
    for each in opened:
        each.close()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_each_common_form_of_the_address_leads_to_our_driver(postgres_url: str, scheme: str) -> None:
    sessions = Sessions(postgres_url.replace("postgresql", scheme, 1))

    with sessions.read() as session:
        assert session.scalar(text("SELECT current_setting('application_name')")) == "komadori"
    sessions.close()


def test_options_in_the_address_go_ahead_of_ours(postgres_url: str) -> None:
    sessions = Sessions(f"{postgres_url}?application_name=mine&options=-c%20lock_timeout%3D7s")

    with sessions.read() as session:
        assert session.scalar(text("SELECT current_setting('application_name')")) == "mine"
        assert session.scalar(text("SELECT current_setting('lock_timeout')")) == "7s"
    sessions.close()


def test_a_missing_driver_is_named_with_the_command_that_installs_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(DependencyError, match=r"pip install 'komadori\[postgres\]'") as refused:
        parse_url(postgres_url)

    assert refused.value.code == "missing-database-driver"


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:se:cret@host:abc/db", "postgresql+psycopg2://me:secret@h/d", "mysql://me:secret@h"],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_url(url)

    assert refused.value.code == "bad-database-url"
    assert "cret" not in str(refused.value)


def test_the_password_is_shown_nowhere(
    postgres_server: Server, postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    with inline_system(tmp_path, database_url=postgres_url) as system:
        told += [system.client.get(path).text for path in ("/api/v1/system", "/readyz", "/metrics")]
    settings = Settings(_env_file=None, home=tmp_path, database_url=postgres_url)
    told.append(check_database(settings).detail)
    with pytest.raises(PermanentStorageError) as refused:
        _use(postgres_server.url("postgres", password="wrong-secret"))
    told.append(str(refused.value))

    assert "komadori:***@" in told[-2]
    for secret in (postgres_server.password, parse_url(postgres_url).password, "wrong-secret"):
        assert all(str(secret) not in each for each in (*told, caplog.text))
    assert postgres_url not in caplog.text


def test_a_wrong_password_or_database_is_for_a_person_to_mend(postgres_server: Server) -> None:
    for url, code in (
        (postgres_server.url("postgres", password="wrong"), "database-refused"),
        (postgres_server.url("nosuchdatabase"), "database-missing"),
    ):
        with pytest.raises(PermanentStorageError) as refused:
            _use(url)
        assert refused.value.code == code
        assert not refused.value.is_retryable
        assert "KOMADORI_DATABASE_URL" in refused.value.hint


def test_a_user_who_may_not_make_tables_is_told_so(postgres_server: Server, empty: str) -> None:
    with guest_of(postgres_server) as guest:
        sessions = Sessions(_as(guest, postgres_server.url(empty)))
        with pytest.raises(PermanentStorageError) as refused:
            migrate.upgrade(sessions.engine)
        sessions.close()

    assert refused.value.code == "database-forbidden"


def test_too_many_connections_are_waited_for(postgres_server: Server) -> None:
    with guest_of(postgres_server, connections=1) as guest:
        url = _as(guest, postgres_server.url("postgres"))
        first, second = Sessions(url), Sessions(url)
        with first.read() as held:
            held.execute(text("SELECT 1"))
            with pytest.raises(StorageError) as refused, second.read() as session:
                session.execute(text("SELECT 1"))
        first.close()
        with second.read() as session:
            assert session.scalar(text("SELECT 1")) == 1
        second.close()

    assert refused.value.code == "database-busy"
    assert refused.value.is_retryable


def test_a_process_ahead_of_the_migration_is_told_what_is_missing(
    postgres_server: Server, empty: str
) -> None:
    sessions = Sessions(postgres_server.url(empty))

    with pytest.raises(StorageError) as refused, sessions.read() as session:
        projects.list_all(session)

    sessions.close()
    assert refused.value.code == "database-not-migrated"


@pytest.mark.parametrize(
    ("condition", "code", "is_retryable"),
    [
        ("disk_full", "disk-full", True),
        ("deadlock_detected", "database-locked", True),
        ("serialization_failure", "database-locked", True),
        ("lock_not_available", "database-locked", True),
        ("read_only_sql_transaction", "database-read-only", True),
        ("out_of_memory", "database-failed", True),
        ("data_corrupted", "database-damaged", False),
    ],
)
def test_what_the_server_reports_says_what_to_do(
    sessions: Sessions, condition: str, code: str, is_retryable: bool
) -> None:
    with pytest.raises(StorageError) as refused, sessions.write() as session:
        session.execute(text(f"DO $$ BEGIN RAISE {condition}; END $$"))

    assert (refused.value.code, refused.value.is_retryable) == (code, is_retryable)
    assert refused.value.hint


def test_a_lock_that_is_never_given_back_is_not_waited_for_without_end(postgres_url: str) -> None:
    sessions = Sessions(f"{postgres_url}?options=-c%20lock_timeout%3D50ms")
    with sessions.write() as holder:
        projects_id = holder.scalar(text("SELECT id FROM projects FOR UPDATE"))
        with pytest.raises(StorageError) as refused, sessions.write() as waiter:
            waiter.execute(text("UPDATE projects SET created_s = 0 WHERE id = :id"), {"id": projects_id})
    sessions.close()

    assert refused.value.code == "database-locked"


def test_a_cut_connection_ends_the_transaction_and_the_next_one_works(
    postgres_server: Server, sessions: Sessions
) -> None:
    def work_on_a_cut_connection() -> None:
        with sessions.write() as session:
            projects.get_or_create(session, "lost")
            pid = session.scalar(text("SELECT pg_backend_pid()"))
            with postgres_server.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
            session.execute(text("SELECT 1"))

    with pytest.raises(StorageError) as refused:
        work_on_a_cut_connection()

    assert refused.value.code == "database-unreachable"
    assert refused.value.is_retryable
    with sessions.read() as again:
        assert [project.name for project in projects.list_all(again)] == ["default"]


def test_a_server_that_is_down_is_named_and_its_return_is_noticed(
    postgres_server: Server, sessions: Sessions
) -> None:
    with sessions.read() as session:
        assert projects.list_all(session)
    postgres_server.stop()
    try:
        with pytest.raises(StorageError) as refused, sessions.read() as session:
            projects.list_all(session)
    finally:
        postgres_server.start()

    assert refused.value.code == "database-unreachable"
    assert refused.value.is_retryable
    with sessions.read() as session:
        assert projects.list_all(session)


def test_a_restart_of_the_server_amid_a_chunk_costs_nothing(
    postgres_server: Server, system: JobSystem
) -> None:
    job_id = system.submit(1)

    def interrupted(chunk: Chunk, progress: Progress) -> ChunkResult:
        postgres_server.stop()
        postgres_server.start()
        return succeed(chunk, progress)

    assert system.run(1, interrupted) is JobState.DONE
    assert system.job(job_id).done == 10
    assert system.chunks(job_id)[0].attempts == 1


def test_a_server_that_dies_while_results_are_written_leaves_none_of_them(
    postgres_server: Server, system: JobSystem
) -> None:
    job_id = system.submit(1)

    def cut(chunk: Chunk, progress: Progress) -> ChunkResult:
        def write(session: object) -> None:
            projects.get_or_create(session, "half")  # type: ignore[arg-type]
            postgres_server.stop()
            postgres_server.start()

        return ChunkResult(succeed(chunk, progress).counts, write=write)

    assert system.run(1, cut) is JobState.QUEUED
    with system.ctx.sessions.read() as session:
        assert [project.name for project in projects.list_all(session)] == ["default"]
    assert system.run(1, succeed) is JobState.DONE
    assert system.job(job_id).done == 10


def test_a_reading_session_sees_one_moment(sessions: Sessions) -> None:
    with sessions.read() as reader:
        before = projects.list_all(reader)
        with sessions.write() as writer:
            projects.get_or_create(writer, "later")
        assert projects.list_all(reader) == before
    with sessions.read() as reader:
        assert len(projects.list_all(reader)) == len(before) + 1


def test_a_reading_session_cannot_write(sessions: Sessions) -> None:
    with pytest.raises(StorageError) as refused, sessions.read() as session:
        projects.get_or_create(session, "no")

    assert refused.value.code == "database-read-only"


def test_a_worker_whose_clock_is_wrong_keeps_its_lease(
    system: JobSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = system.submit(1)
    now_s = time.time
    with monkeypatch.context() as on_its_machine:
        on_its_machine.setattr(time, "time", lambda: now_s() - 3600)
        with system.ctx.sessions.write() as session:
            assert chunks.claim(session, 1, "another-machine/1/1", 30.0, 3) is not None

    jobs.reap(system.ctx)

    assert system.chunks(job_id)[0].state is JobState.RUNNING


def test_names_are_sorted_alike_on_every_database(sessions: Sessions) -> None:
    """The order of classes gives them their numbers in an export; this server's own order ignores case."""
    names = ["apple", "Zebra", "äpfel", "apple tree", "apple-tree", "Apple", "犬"]
    with sessions.write() as session:
        project = projects.by_name(session, projects.DEFAULT)
        projects.class_ids(session, project.id, names)
    with sessions.read() as session:
        by_server = list(session.scalars(text("SELECT name FROM classes ORDER BY name")))
        assert projects.class_names(session, project.id) == sorted(names) != by_server


def test_a_value_that_only_sqlite_can_hold_is_refused_as_bad_input(system: JobSystem) -> None:
    for parameters in ({"prompt": "a\0b"}, {"path": "/videos/\udcff.mp4"}):
        with pytest.raises(InputError) as refused:
            jobs.submit(system.ctx, "work", system.project_id, dict(parameters), [])
        assert refused.value.code == "unstorable-value"


def test_the_load_of_the_queues_is_counted(system: JobSystem) -> None:
    system.submit(3)
    with system.ctx.sessions.read() as session:
        load = next(load for load in queues.loads(session) if load.queue is Queue.DEFAULT)

    assert load.chunks == {JobState.QUEUED: 3}
    assert load.oldest_queued_s is not None


@contextmanager
def guest_of(server: Server, connections: int = -1) -> Iterator[str]:
    """A user without any right but to connect: the name, which is the password too."""
    with server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE guest LOGIN PASSWORD 'guest' CONNECTION LIMIT {}").format(connections)
        )
    yield "guest"
    server.command("DROP ROLE {}", "guest")


def _as(user: str, url: str) -> str:
    """The address for a user whose password is the name."""
    return parse_url(url).set(username=user, password=user).render_as_string(hide_password=False)


def _use(url: str) -> None:
    sessions = Sessions(url)
    try:
        with sessions.read() as session:
            session.execute(text("SELECT 1"))
    finally:
        sessions.close()

"""A private PostgreSQL server for tests: in a folder of its own, on a loopback port, with a password.

The server comes from the machine (``apt-get install postgresql``); without one the tests that need it
are skipped. PostgreSQL refuses to run as root, so root starts it as ``nobody``.
"""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from komadori.bootstrap import prepare_home
from komadori.settings import Settings

USER = "komadori"
_OLDEST_VERSION = 15
_MAINTENANCE = "postgres"


class Server:
    """A running server with fast, careless settings; it is gone with its folder after :meth:`close`."""

    def __init__(self, binaries: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.password = f"p@ss:{secrets.token_hex(8)}/%"
        self.port = _free_port()
        self._binaries = binaries
        self._options = options
        self._environment = {**os.environ, **(environment or {})}
        self._as_user = _other_user() if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="komadori-postgres-"))
        if self._as_user:
            shutil.chown(self.folder, self._as_user["user"], self._as_user["group"])
        self._initialise()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, again where it was stopped, and wait until it answers."""
        options = (
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=32MB",
            "deadlock_timeout=200ms",
            *self._options,
        )
        arguments = [part for option in options for part in ("-c", option)]
        log = (self.folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [self._binaries / "postgres", "-D", self.folder / "data", *arguments],
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env=self._environment,
            **self._as_user,
        )
        log.close()
        deadline = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f"the server did not start: {self.log()}") from error
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Cut all connections and stop, as a restart of the machine would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str = _MAINTENANCE) -> psycopg.Connection:
        """A connection of the owner that commits every statement."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            autocommit=True,
        )

    def url(self, database: str, *, password: str | None = None) -> str:
        """The address of a database, as a user writes it."""
        quoted = re.sub(r"[^0-9a-z]", lambda found: f"%{ord(found[0]):02X}", password or self.password)
        return f"postgresql://{USER}:{quoted}@127.0.0.1:{self.port}/{database}"

    def new_database(self, *, is_empty: bool = False) -> str:
        """The name of a new database: of the newest schema, or an empty one."""
        name = f"test_{secrets.token_hex(6)}"
        template = "template0" if is_empty else self._template
        self.command("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def drop(self, name: str) -> None:
        self.command("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def command(self, statement: str, *names: str) -> None:
        """Run a statement; the names take the places of its ``{}``."""
        with self.connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-3000:]

    @cached_property
    def _template(self) -> str:
        """What :func:`prepare_home` makes of an empty database."""
        name = self.new_database(is_empty=True)
        with tempfile.TemporaryDirectory() as home:
            prepare_home(Settings(_env_file=None, home=Path(home), database_url=self.url(name)))
        return name

    def _initialise(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if self._as_user:
            shutil.chown(password_file, self._as_user["user"])
        command: Sequence[str | Path] = (
            self._binaries / "initdb",
            f"--pgdata={self.folder / 'data'}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en",
            "--no-sync",
        )
        made = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self._as_user)
        password_file.unlink()
        assert made.returncode == 0, made.stderr


def find_binaries() -> Path | None:
    """The folder of the newest server on this machine that is new enough, if any."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    versions = {_version(folder): folder for folder in folders if (folder / "initdb").is_file()}
    newest = max(versions, default=0)
    return versions[newest] if newest >= _OLDEST_VERSION else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A server for all tests of a process."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL server from {_OLDEST_VERSION} is installed (apt-get install postgresql)")
    server = Server(binaries)
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The address of a database of the newest schema."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def both_databases(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test on both: settings that name no database get this one. Its name."""
    if request.param == "postgresql":
        monkeypatch.setenv("KOMADORI_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return str(request.param)


def _version(binaries: Path) -> int:
    said = subprocess.run([binaries / "initdb", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+)", said.stdout)
    return int(found[1]) if found else 0


def _other_user() -> dict[str, Any]:
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

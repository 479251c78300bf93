"""The images of the scenes: a base as the real one is named, Komadori's three, and a broker."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.containers import npm_access, pip_access
from tests.containers.compose import Service
from tests.containers.engine import Engine

BASE = "docker.io/library/python:3.11-slim-bookworm"
_SUITE = "bookworm"
_BASE_PACKAGES = ("ca-certificates", "python3", "python3-venv", "python3-pip")
_LIKE_THE_REAL_BASE = (
    "ln -sf /usr/bin/python3 /usr/local/bin/python && ln -sf /usr/bin/python3 /usr/local/bin/python3 "
    "&& ln -sf /usr/bin/pip3 /usr/local/bin/pip && rm -f /usr/lib/python3.*/EXTERNALLY-MANAGED"
)
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"


_RECIPE = "komadori.recipe"
"""A label: what an image that is kept between runs was made of."""

_SERVER_USER = 999
_POSTGRES_DATA = "/var/lib/postgresql/data"
_POSTGRES_ENTRY = f"""#!/bin/sh
set -eu
programs=$(echo /usr/lib/postgresql/*/bin)
if [ ! -s {_POSTGRES_DATA}/PG_VERSION ]; then
    printf %s "$POSTGRES_PASSWORD" >/tmp/password
    "$programs/initdb" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 \\
        --auth-local=trust --encoding=UTF8 --locale=C.UTF-8 --pgdata={_POSTGRES_DATA}
    rm /tmp/password
    echo "host all all all scram-sha-256" >>{_POSTGRES_DATA}/pg_hba.conf
    echo "CREATE DATABASE $POSTGRES_DB" | "$programs/postgres" --single -D {_POSTGRES_DATA} postgres
fi
exec "$programs/postgres" -D {_POSTGRES_DATA} -c "listen_addresses=*"
"""
"""What the real image does at its first start, in short."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds images; ``folder`` takes what a build needs beside its context."""

    engine: Engine
    folder: Path

    def base(self) -> str:
        """A Debian with Python under the name of the base that the Dockerfiles start from."""
        if not self.engine.has_image(BASE):
            archive = self.folder / "base.tar"
            packages = ",".join(_BASE_PACKAGES)
            command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", _SUITE]
            subprocess.run([*command, str(archive)], check=True, timeout=600)
            container = self.engine.buildah("from", "scratch").strip()
            self.engine.buildah("add", "--quiet", container, str(archive), "/")
            archive.unlink()
            self._run_in(container, _LIKE_THE_REAL_BASE)
            self.engine.buildah("config", "--env", f"PATH={_PATH}", "--cmd", "python3", container)
            self.engine.buildah("commit", "--quiet", "--format", "docker", "--rm", container, BASE)
        return BASE

    def with_packages(self, name: str, packages: tuple[str, ...], script: str, entrypoint: str = "[]") -> str:
        """The base with Debian packages, tagged ``name``; the script runs after they are there."""
        recipe = hashlib.sha256(repr((packages, script, entrypoint)).encode()).hexdigest()
        if not self.engine.has_image(name) or self.engine.label(name, _RECIPE) != recipe:
            container = self.engine.buildah("from", "--pull-never", self.base()).strip()
            install = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
            self._run_in(container, f"apt-get update --quiet=2 && {install} && {script}")
            command = ("--entrypoint", entrypoint, "--cmd", "", "--label", f"{_RECIPE}={recipe}")
            self.engine.buildah("config", *command, container)
            self.engine.buildah("commit", "--quiet", "--format", "docker", "--rm", container, name)
        return name

    def build(self, service: Service, tag: str | None = None) -> str:
        """The image of a service as the compose files build it, with cached layers: what buildah printed.

        Args:
            service: What to build.
            tag: The image's name; that of the service when not given.
        """
        self.base()
        context = Path(service.build["context"])
        arguments = {"BASE": BASE, **(service.build.get("args") or {})}
        named = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
        for name, folder in (service.build.get("additional_contexts") or {}).items():
            named += ["--build-context", f"{name}={folder}"]
        return self.engine.buildah(
            *("build", "--isolation", "chroot", "--network", "host", "--layers", "--format", "docker"),
            *(
                "--pull-never",
                "--tag",
                tag or service.image,
                "--file",
                str(context / service.build["dockerfile"]),
            ),
            *(*pip_access.mounts(self.folder), *npm_access.mounts(self.folder), *named, str(context)),
        )

    def _run_in(self, container: str, script: str) -> None:
        self.engine.buildah(
            "run", "--isolation", "chroot", "--network", "host", container, "--", "sh", "-ec", script
        )


def broker(builder: Builder, name: str) -> str:
    """Debian's Redis under the name of the broker's image, with the user and the folder of the real one."""
    script = f"install -d -o {_SERVER_USER} -g {_SERVER_USER} /data"
    return builder.with_packages(name, ("redis-server",), script)


def postgres(builder: Builder, name: str) -> str:
    """Debian's PostgreSQL under the name of the real image, started with the same variables."""
    script = (
        f"cat >/usr/local/bin/postgres-entry <<'ENTRY'\n{_POSTGRES_ENTRY}ENTRY\n"
        f"chmod 755 /usr/local/bin/postgres-entry\n"
        f"useradd --uid {_SERVER_USER} --no-create-home server\n"
        f"install -d -o {_SERVER_USER} -g {_SERVER_USER} {_POSTGRES_DATA}\n"
        "chmod 1777 /run/postgresql"
    )
    return builder.with_packages(name, ("postgresql",), script, '["postgres-entry"]')

"""Builds with buildah and runs with podman, on a storage of their own.

Nothing of the user's is seen or touched: images, containers and volumes lie in one folder, which is
kept as the cache of the next run. Networks are the machine's, so that subnets are given out once.
Everything that a run makes carries its prefix, and :meth:`Engine.sweep` removes exactly that.
"""

import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap", "iptables")
_NETWORKING = (Path("/usr/lib/podman/netavark"), Path("/usr/libexec/podman/netavark"))
_PROBES = (
    ("unshare", "--mount", "--net", "--pid", "--fork", "true"),
    ("iptables", "--table", "nat", "--list"),
)
"""What containers ask of the kernel."""

_MAX_PROCESSES = 32_768
_FOLDER_VARIABLE = "KOMADORI_TEST_CONTAINERS"
_PREFIX = "komadori-test"
_MADE_BY = re.compile(rf"{_PREFIX}-(?P<pid>\d+)-")


class ProgramError(AssertionError):
    """A program of the engine failed; the message has what it wrote."""


def why_missing() -> str | None:
    """Why containers cannot be run on this machine, or None."""
    if os.geteuid() != 0:
        return "containers need root here: their memory limits and networks are the kernel's"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if not any(path.exists() for path in _NETWORKING):
        missing.append("netavark")
    return (
        f"not installed: {', '.join(missing)}; run scripts/install_container_tools.sh as root"
        if missing
        else None
    )


def cache_folder() -> Path:
    """Where images and layers are kept between runs; overlay file systems need a real disk below them."""
    return Path(os.environ.get(_FOLDER_VARIABLE, "/var/tmp/komadori-test-containers"))


@dataclass(frozen=True, slots=True)
class Engine:
    """buildah and podman, with the files that tell them where to keep things.

    Attributes:
        folder: Holds the storage and the two configuration files.
        prefix: Begins the name of every container, volume and network of this run.
    """

    folder: Path
    prefix: str

    def name(self, what: str) -> str:
        """The name of a thing of this run."""
        return f"{self.prefix}-{what}"

    def buildah(self, *args: str, timeout_s: float = 1500) -> str:
        """Run buildah: what it printed.

        Raises:
            ProgramError: It failed.
        """
        return self._run(["buildah", *args], timeout_s).stdout

    def podman(self, *args: str, timeout_s: float = 180) -> str:
        """Run podman: what it printed, without the last line's end.

        Raises:
            ProgramError: It failed.
        """
        return self._run(["podman", *args], timeout_s).stdout.rstrip("\n")

    def try_podman(self, *args: str, timeout_s: float = 180) -> "subprocess.CompletedProcess[str]":
        """Run podman, which may fail."""
        return self._run(["podman", *args], timeout_s, check=False)

    def has_image(self, name: str) -> bool:
        """Whether the image is there."""
        return self.try_podman("image", "exists", name).returncode == 0

    def layers(self, image: str) -> list[str]:
        """The digests of an image's layers, lowest first."""
        layers: list[str] = json.loads(
            self.podman("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
        )
        return layers

    def image_id(self, image: str) -> str:
        """The digest of an image's configuration, which names its layers."""
        return self.podman("image", "inspect", "--format", "{{.Id}}", image)

    def label(self, image: str, key: str) -> str:
        """The value of an image's label, empty when it has none."""
        return self.podman("image", "inspect", "--format", f'{{{{index .Labels "{key}"}}}}', image)

    def size_mb(self, image: str) -> int:
        """What an image takes on disk with the layers that it shares."""
        return int(self.podman("image", "inspect", "--format", "{{.Size}}", image)) // 1_000_000

    def sweep(self) -> None:
        """Remove the containers, volumes and networks of this run and of those that were cut off."""
        removals = (
            (
                ["ps", "--all", "--format", "{{.Names}}"],
                ["rm", "--force", "--depend", "--ignore", "--time", "0"],
            ),
            (["volume", "ls", "--format", "{{.Name}}"], ["volume", "rm", "--force"]),
            (["network", "ls", "--format", "{{.Name}}"], ["network", "rm", "--force"]),
        )
        for listing, removal in removals:
            names = [name for name in self.podman(*listing).split() if self._is_over(name)]
            if names:
                self.podman(*removal, *names)

    def _is_over(self, name: str) -> bool:
        """Whether a thing was made by this run, or by one whose process is gone."""
        match = _MADE_BY.match(name)
        return match is not None and (name.startswith(f"{self.prefix}-") or not _is_alive(match["pid"]))

    def _run(
        self, command: Sequence[str], timeout_s: float, *, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.folder / "tmp",  # podman's monitor leaves a file `oom` where it was started
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if check and done.returncode != 0:
            written = f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
            raise ProgramError(f"{' '.join(command)} ended with {done.returncode}:\n{written}")
        return done


@contextmanager
def open_engine(folder: Path) -> Iterator[Engine]:
    """An engine on the folder; what it started is gone in the end, its images stay."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    _write_configuration(folder)
    engine = Engine(folder, f"{_PREFIX}-{os.getpid()}")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the names of the images are the same in every run
        engine.sweep()
        try:
            yield engine
        finally:
            engine.sweep()
            engine.buildah("rm", "--all")  # what builds that failed have left still uses their images
            engine.podman("image", "prune", "--force")


def _is_alive(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()


def _write_configuration(folder: Path) -> None:
    """runc, as crun refuses machines with both versions of cgroups; limits that root may set without more."""
    n_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    (folder / "containers.conf").write_text(
        "[containers]\n"
        f'default_ulimits = ["nofile={n_files}:{n_files}", "nproc={_MAX_PROCESSES}:{_MAX_PROCESSES}"]\n'
        "[engine]\n"
        'runtime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nlock_type = "file"\n'
        f'static_dir = "{folder}/graph/libpod"\ntmp_dir = "{folder}/run/libpod"\n'
        f'volume_path = "{folder}/graph/volumes"\n'
        '[network]\nnetwork_backend = "netavark"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n'
    )

"""The wheel, installed beside nothing of the checkout and with no Node in reach."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

BACKEND = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment that holds our wheel, and borrows the packages that it needs from the developer's."""

    folder: Path

    @property
    def komadori(self) -> list[str]:
        """How its command line is called."""
        return [str(self.folder / "bin" / "python"), "-m", "komadori.cli.main"]

    @property
    def path(self) -> str:
        """A PATH without Node."""
        return os.pathsep.join(
            place
            for place in os.get_exec_path()
            if not any((Path(place) / name).exists() for name in ("node", "npm"))
        )


def install_wheel(folder: Path) -> Installation:
    """Build the wheel with the UI that was built last, and install it."""
    wheels = folder / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(wheels), str(BACKEND)], check=True, timeout=300)
    (wheel,) = wheels.glob("komadori-*.whl")
    environment = folder / "environment"
    venv.create(environment, symlinks=True)
    packages = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    # A path in a .pth file brings its packages, but not its own .pth files: the checkout stays out of reach.
    (packages / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(environment / "bin" / "python"),
        "install",
        "--quiet",
    ]
    subprocess.run(
        [*install, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True, timeout=300
    )
    shutil.rmtree(wheels)
    return Installation(environment)

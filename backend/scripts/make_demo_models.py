"""Makes the demo models: trains both from scratch, measures them, and replaces the packaged ones.

    cd backend && python -m scripts.make_demo_models [--device cuda] [--out FOLDER]

SigLIP 2 and SAM 3 are trained side by side, one CPU core each, in about an hour and a half; on one
machine the same seed gives the same bytes. The report in FOLDER shows curves, measures and pictures,
good and bad. The packaged models are replaced only if the new ones reach the floors of
``demo_training/floors.py``.
"""

import argparse
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.demo_training.side_by_side import python, run_side_by_side, terminated_as_interrupted

from komadori import demo_models
from komadori.cli import output
from komadori.core.errors import DependencyError, InputError, KomadoriError, StorageError

BACKEND = Path(__file__).parents[1]
OUT = BACKEND.parent / "demo-models-report"
RUNS = {"siglip": "siglip2-demo", "sam3": "sam3-demo"}
"""The folder of a run, and the name of the packaged model that it becomes."""

PACKAGES = ("torch", "torchvision", "transformers", "tokenizers", "safetensors", "scipy", "resvg_py")
NEEDED_BYTES = 300_000_000
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Make the models.

    Returns:
        0 when the packaged models were replaced, 1 when not, 130 after an interrupt.
    """
    arguments = _parser().parse_args(argv)
    try:
        with terminated_as_interrupted():
            _check(arguments)
            return make(arguments)
    except KomadoriError as problem:
        output.error(problem)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the packaged models are as they were.", file=sys.stderr)
        return INTERRUPTED


def make(arguments: argparse.Namespace) -> int:
    """Train unless the runs are given, then measure, report, and install what is good enough."""
    from scripts.demo_training.packaging import install, shortfalls, write_cards
    from scripts.demo_training.report import write_report

    folder: Path = arguments.from_runs or arguments.out / "runs"
    runs = {name: folder / run for run, name in RUNS.items()}
    if arguments.from_runs is None:
        for run in runs.values():
            shutil.rmtree(run, ignore_errors=True)
        _train(arguments, folder)
    print("writing the report", flush=True)
    page = write_report(
        arguments.out, folder / "siglip", folder / "sam3", arguments.shown_frames, 5 * arguments.shown_frames
    )
    write_cards(runs, arguments.out)
    reasons = shortfalls(runs)
    print(f"report: {page}")
    if reasons:
        print("The packaged models stay as they were, because these are not good enough:", file=sys.stderr)
        print("\n".join(f"  {reason}" for reason in reasons), file=sys.stderr)
        print(f"The runs are in {folder}.", file=sys.stderr)
        return 1
    install(runs, arguments.packaged)
    print(f"installed in {arguments.packaged}: {', '.join(runs)}")
    if arguments.from_runs is None and not arguments.keep_runs:
        for run in runs.values():
            shutil.rmtree(run)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the report")
    parser.add_argument("--seed", type=int, default=20261123, help="decides everything")
    parser.add_argument("--steps-siglip", type=int, help="fewer for a try; the recipe's own when left out")
    parser.add_argument("--steps-sam3", type=int)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where they are trained")
    parser.add_argument("--frames", type=int, default=400, help="unseen frames to measure with")
    parser.add_argument("--shown-frames", type=int, default=60, help="of which the report takes its pictures")
    parser.add_argument("--keep-runs", action="store_true", help="keep the run folders also after a success")
    parser.add_argument("--from-runs", type=Path, help="train nothing; take the measured runs of this folder")
    parser.add_argument(
        "--packaged", type=Path, default=demo_models.FOLDER, help="the folder of the models to replace"
    )
    return parser


def _train(arguments: argparse.Namespace, folder: Path) -> None:
    """Train and measure both models, each in a process of its own."""
    commands = {}
    for name, steps in (("siglip", arguments.steps_siglip), ("sam3", arguments.steps_sam3)):
        options = ["--out", str(folder.absolute() / name), "--device", arguments.device]
        options += ["--seed", str(arguments.seed), "--frames", str(arguments.frames)]
        options += ["--steps", str(steps)] if steps else []
        commands[name] = python("-m", "scripts.demo_training.one_model", name, *options)
    run_side_by_side(commands, folder, BACKEND)


def _check(arguments: argparse.Namespace) -> None:
    """Say what is missing before hours are spent."""
    numbers = {
        "--steps-siglip": arguments.steps_siglip,
        "--steps-sam3": arguments.steps_sam3,
        "--frames": arguments.frames,
        "--shown-frames": arguments.shown_frames,
    }
    for option, number in numbers.items():
        if number is not None and number < 1:
            raise InputError(
                f"Expected {option} of 1 or more, got {number}.", hint="Leave it out for the usual number."
            )
    _check_packages()
    _check_folders(arguments)
    if arguments.device == "cuda":
        from komadori.ml.torch_runtime import choose_runtime

        choose_runtime("cuda")


def _check_packages() -> None:
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise DependencyError(
            f"Training needs packages that are not installed: {', '.join(missing)}.",
            hint="Run it as make demo-models, or install backend/requirements/local.txt.",
            code="missing-package",
        )


def _check_folders(arguments: argparse.Namespace) -> None:
    packaged: Path = arguments.packaged
    if not packaged.is_dir() or not os.access(packaged, os.W_OK):
        raise StorageError(
            f"Expected a folder of models that can be written, got {packaged}.",
            hint="Run it in a checkout that is yours.",
        )
    if arguments.from_runs is not None:
        for run in RUNS:
            if not (arguments.from_runs / run / "measures.json").is_file():
                raise InputError(
                    f"Expected a measured run in {arguments.from_runs / run}, found no measures.json.",
                    hint="Run python -m scripts.demo_training.one_model NAME --out FOLDER --only-measure.",
                )
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(arguments.out).free
    except OSError as exc:
        raise StorageError(
            f"The folder {arguments.out} cannot be made: {exc.strerror}.", hint="Name another one with --out."
        ) from exc
    if free < NEEDED_BYTES:
        raise StorageError(
            f"Expected {NEEDED_BYTES / 1e6:.0f} MB free at {arguments.out}, found {free / 1e6:.0f}.",
            hint="Make room, or name a folder elsewhere with --out.",
            code="disk-full",
        )


if __name__ == "__main__":
    sys.exit(main())

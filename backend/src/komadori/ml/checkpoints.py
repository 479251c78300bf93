"""Where checkpoints are on this machine, how they get there, and whether they are whole.

Layout of the store, which may be shared by several machines' containers and copied as it is::

    <root>/<org>--<name>/<commit>/        the files and komadori-model.json
                        /.<commit>.partial/   a download that is not finished
                        /refs.json            which commit "main" was at the first pull
                        /.lock                held while something is fetched
    <root>/.content-hashes/               SHA-256 of local folders, by size and time of change

Models are loaded from these folders with the network shut; this module never imports
torch or transformers.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from komadori.core.disk import storage_errors
from komadori.core.errors import ModelError
from komadori.ml.catalogue import COMMIT, KNOWN_MODELS, HubSource, ModelSpec, parse_source, spec_of
from komadori.ml.download import (
    NoTransferProgress,
    TransferProgress,
    fetch_checkpoint,
    is_locked,
    locked,
    staging_folder,
)
from komadori.ml.hub import DEFAULT_ENDPOINT, Hub
from komadori.ml.local_folder import LocalModel, open_folder, open_pulled
from komadori.ml.manifest import MANIFEST_NAME, Manifest, read_manifest, size_of, write_json

__all__ = [
    "DEFAULT_ENDPOINT",
    "KNOWN_MODELS",
    "LocalModel",
    "ModelSpec",
    "ModelState",
    "ModelStatus",
    "ModelStore",
    "TransferProgress",
]

_LOCK = ".lock"
_REFS = "refs.json"
_HASHES = ".content-hashes"


class ModelState(StrEnum):
    """How much of a model is on this machine."""

    READY = "ready"
    PARTIAL = "partial"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A line of the list of models.

    ``size_bytes`` is what is on the disk, for a missing model what the download takes
    roughly; ``licence`` is None where it is not known.
    """

    name: str | None
    model_id: str
    revision: str | None
    state: ModelState
    size_bytes: int
    licence: str | None
    is_gated: bool
    path: Path | None


class ModelStore:
    """The checkpoints of this machine, shared by all of its processes.

    Args:
        root: The folder of the store; made at the first pull.
        endpoint: The address of the hub.
        token: An access token for gated and private models.
        is_offline: Never use the network.
        stall_timeout_s: A transfer that brings nothing for so long is begun again.
        free_bytes: Tells the free space of the disk that holds a folder.
    """

    def __init__(
        self,
        root: Path,
        *,
        endpoint: str = DEFAULT_ENDPOINT,
        token: str | None = None,
        is_offline: bool = False,
        stall_timeout_s: float = 30.0,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._root = root
        self._endpoint = endpoint
        self._token = token
        self._is_offline = is_offline
        self._stall_timeout_s = stall_timeout_s
        self._free_bytes = free_bytes

    @property
    def root(self) -> Path:
        """The folder of the store."""
        return self._root

    def resolve(self, source: str) -> LocalModel:
        """The checkpoint of a name, an id or a folder, if it is here; never uses the network.

        Takes milliseconds, except for a local folder seen for the first time, which is read
        once to name its contents.

        Args:
            source: A registered name, "org/name", either with "@revision", or a folder.

        Raises:
            ModelError: It is not here, not whole, or nothing runs it; the hint says what to do.
        """
        parsed = parse_source(source)
        if isinstance(parsed, Path):
            return open_folder(parsed, self._root / _HASHES)
        found = self._find(parsed)
        if found is None:
            raise self._missing(parsed)
        return found

    def pull(
        self, source: str, *, progress: TransferProgress | None = None, update: bool = False
    ) -> LocalModel:
        """Fetch a checkpoint from the hub unless it is here, and return it.

        Several processes may pull the same model; one fetches and the others wait for it.
        A branch stays at the commit that it was at the first pull.

        Args:
            source: As for :meth:`resolve`; a folder is only looked at.
            progress: Told about every block; may cancel.
            update: Ask the hub again which commit the branch or tag names, and read what is
                here again to repair it.

        Raises:
            ModelError: No such model, no access, no safetensors, a wrong checksum.
            HubError: The hub does not answer.
            StorageError: The disk is full or cannot be written.
            Cancelled: ``progress`` said so; what was fetched is kept.
        """
        parsed = parse_source(source)
        if isinstance(parsed, Path):
            return open_folder(parsed, self._root / _HASHES)
        found = None if update else self._find_whole(parsed)
        if found is not None:
            return found
        if self._is_offline:
            raise self._missing(parsed)
        return self._pull(parsed, progress or NoTransferProgress(), update=update)

    def is_being_fetched(self, source: str) -> bool:
        """Whether a process has a download of this model in hand.

        Raises:
            ModelError: It names no model.
        """
        parsed = parse_source(source)
        return isinstance(parsed, HubSource) and is_locked(self._repository(parsed.model_id) / _LOCK)

    def list(self) -> list[ModelStatus]:
        """The registered models and all others in the store, each revision for itself."""
        stored = self._stored_ids()
        known = [spec.model_id for spec in KNOWN_MODELS]
        return [
            status for model_id in known + sorted(stored - set(known)) for status in self._statuses(model_id)
        ]

    def verify(self, source: str, *, progress: TransferProgress | None = None) -> Sequence[str]:
        """The files of a pulled checkpoint whose contents are not those of its manifest.

        None of them means that all is well. Reads every byte: about a second for each GB.

        Raises:
            ModelError: It is not here, or it is a folder without a manifest.
        """
        check_cancelled = (progress or NoTransferProgress()).check_cancelled
        directory, manifest = self._stored(parse_source(source))
        return manifest.damaged(directory, check_cancelled)

    def _stored(self, source: HubSource | Path) -> tuple[Path, Manifest]:
        directory = source if isinstance(source, Path) else self._directory(source)
        manifest = None if directory is None else read_manifest(directory)
        if directory is not None and manifest is not None:
            return directory, manifest
        if isinstance(source, HubSource):
            raise self._missing(source)
        raise ModelError(
            f"Expected a {MANIFEST_NAME} in {source}, got a folder without one.",
            hint="Only a checkpoint that `komadori models pull` has fetched can be verified.",
            code="model-not-pulled",
        )

    def _pull(self, source: HubSource, progress: TransferProgress, *, update: bool) -> LocalModel:
        repository = self._repository(source.model_id)
        with storage_errors(f"put {source} into {repository}"):
            repository.mkdir(parents=True, exist_ok=True)
            with locked(repository / _LOCK, progress.check_cancelled):
                found = None if update else self._find_whole(source)
                return found or self._pull_locked(source, repository, progress, update=update)

    def _pull_locked(
        self, source: HubSource, repository: Path, progress: TransferProgress, *, update: bool
    ) -> LocalModel:
        refs = _read_refs(repository)
        commit = source.revision if source.is_pinned else refs.get(source.revision)
        with Hub(self._endpoint, self._token, self._stall_timeout_s, progress.check_cancelled) as hub:
            if commit is None or (update and not source.is_pinned):
                commit = hub.commit_of(source.model_id, source.revision)
            directory = repository / commit
            if not _is_intact(directory, progress.check_cancelled):
                _reopen(directory)
                fetch_checkpoint(hub, source.model_id, directory, progress, self._free_bytes)
        if not source.is_pinned:
            write_json(repository / _REFS, refs | {source.revision: commit})
        return self.resolve(f"{source.model_id}@{commit}")

    def _find_whole(self, source: HubSource) -> LocalModel | None:
        """As :meth:`_find`, but a damaged checkpoint counts as missing."""
        try:
            return self._find(source)
        except ModelError:
            return None

    def _find(self, source: HubSource) -> LocalModel | None:
        directory = self._directory(source)
        return None if directory is None else open_pulled(directory)

    def _directory(self, source: HubSource) -> Path | None:
        """The folder of a revision; of a model that was copied here, the only one there is."""
        repository = self._repository(source.model_id)
        commit = source.revision if source.is_pinned else _read_refs(repository).get(source.revision)
        if commit is None and source.revision == "main":
            here = _revisions(repository)
            commit = here[0].name if len(here) == 1 else None
        return repository / commit if commit and (repository / commit).is_dir() else None

    def _missing(self, source: HubSource) -> ModelError:
        spec, repository = spec_of(source.model_id), self._repository(source.model_id)
        name = spec.name if spec and source.revision == "main" else str(source)
        return ModelError(
            f"Expected the model {source} in {self._root}, got "
            f"{'a download that is not finished' if _partials(repository) else 'nothing'}"
            f"{', and the network is shut' if self._is_offline else ''}.",
            hint=f"{self._ways(name, spec)}copy the folder {repository} from a machine that has it; "
            "or give the path of a local checkpoint instead.",
            code="model-not-pulled",
        )

    def _ways(self, name: str, spec: ModelSpec | None) -> str:
        """What else than copying brings a model here."""
        pull = f"un `komadori models pull {name}`{_download_note(spec)}; or "
        return f"Unset KOMADORI_OFFLINE and r{pull}" if self._is_offline else f"R{pull}"

    def _statuses(self, model_id: str) -> Iterator[ModelStatus]:
        repository, spec = self._repository(model_id), spec_of(model_id)

        def status(revision: str | None, state: ModelState, size: int, path: Path | None) -> ModelStatus:
            return ModelStatus(
                name=spec.name if spec else None,
                model_id=model_id,
                revision=revision,
                state=state,
                size_bytes=size,
                licence=spec.licence if spec else None,
                is_gated=spec.is_gated if spec else False,
                path=path,
            )

        revisions, partials = _revisions(repository), _partials(repository)
        for folder in revisions:
            state = ModelState.READY if _is_whole(folder) else ModelState.PARTIAL
            yield status(folder.name, state, _folder_bytes(folder), folder)
        for folder in partials:
            yield status(_commit_of(folder), ModelState.PARTIAL, _folder_bytes(folder), folder)
        if not revisions and not partials:
            yield status(None, ModelState.MISSING, spec.approx_bytes if spec else 0, None)

    def _stored_ids(self) -> set[str]:
        folders = [folder for folder in self._root.glob("*--*") if _revisions(folder) or _partials(folder)]
        return {folder.name.replace("--", "/", 1) for folder in folders}

    def _repository(self, model_id: str) -> Path:
        return self._root / model_id.replace("/", "--")


def _is_whole(directory: Path) -> bool:
    """Whether a folder has a manifest and files of the right sizes."""
    try:
        return open_pulled(directory) is not None
    except ModelError:
        return False


def _is_intact(directory: Path, check_cancelled: Callable[[], None]) -> bool:
    """Whether a folder has a manifest and files of the right contents; reads everything."""
    if not _is_whole(directory):
        return False
    manifest = read_manifest(directory)
    return manifest is not None and not manifest.damaged(directory, check_cancelled)


def _reopen(directory: Path) -> None:
    """Make a damaged checkpoint an unfinished download, whose good files are kept."""
    staging = staging_folder(directory)
    if directory.is_dir() and not staging.exists():
        (directory / MANIFEST_NAME).unlink(missing_ok=True)
        directory.rename(staging)
    elif directory.is_dir():
        shutil.rmtree(directory)


def _revisions(repository: Path) -> list[Path]:
    return sorted(f for f in repository.glob("*") if COMMIT.fullmatch(f.name) and f.is_dir())


def _partials(repository: Path) -> list[Path]:
    return sorted(f for f in repository.glob(".*.partial") if COMMIT.fullmatch(_commit_of(f)))


def _commit_of(staging: Path) -> str:
    return staging.name.removeprefix(".").removesuffix(".partial")


def _folder_bytes(folder: Path) -> int:
    return sum(size_of(file) or 0 for file in folder.iterdir())


def _read_refs(repository: Path) -> dict[str, str]:
    """The commit of each branch and tag that was pulled."""
    try:
        refs = json.loads((repository / _REFS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    named = refs.items() if isinstance(refs, dict) else ()
    return {str(name): str(commit) for name, commit in named if COMMIT.fullmatch(str(commit))}


def _download_note(spec: ModelSpec | None) -> str:
    if spec is None:
        return ""
    gate = ", gated: with HF_TOKEN set and the licence accepted" if spec.is_gated else ""
    return f" (about {spec.approx_bytes / 1e9:.1f} GB{gate})"

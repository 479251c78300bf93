"""The models that Komadori knows by a short name, and how a model is named at all."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from komadori.core.errors import ModelError

ModelKind = Literal["embedder", "segmenter"]
Adapter = Literal["siglip2", "sam3"]

ADAPTERS: dict[str, Adapter] = {
    "siglip": "siglip2",
    "siglip2": "siglip2",
    "sam3": "sam3",
    "sam3_video": "sam3",
}
"""The ``model_type`` of a checkpoint's config.json, and the adapter that runs it.

The fixed-resolution SigLIP 2 checkpoints say ``siglip``, NaFlex ones ``siglip2``;
``facebook/sam3`` says ``sam3_video``, because it holds the tracker as well.
"""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model with a registered name.

    Attributes:
        name: What users type.
        model_id: The model's id on the hub, "org/name".
        revision: A commit (40 hex digits), or None for the newest at the first pull.
        kind: What the model is for.
        adapter: The part of Komadori that runs it.
        licence: The name of the licence of the weights.
        is_gated: Whether the hub asks for a token and an accepted licence.
        approx_bytes: The size of the download, roughly.
    """

    name: str
    model_id: str
    revision: str | None
    kind: ModelKind
    adapter: Adapter
    licence: str
    is_gated: bool
    approx_bytes: int


KNOWN_MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="siglip2-base",
        model_id="google/siglip2-base-patch16-224",
        revision=None,
        kind="embedder",
        adapter="siglip2",
        licence="Apache-2.0",
        is_gated=False,
        approx_bytes=1_540_000_000,
    ),
    ModelSpec(
        name="siglip2-so400m",
        model_id="google/siglip2-so400m-patch14-384",
        revision=None,
        kind="embedder",
        adapter="siglip2",
        licence="Apache-2.0",
        is_gated=False,
        approx_bytes=4_580_000_000,
    ),
    ModelSpec(
        name="siglip2-base-naflex",
        model_id="google/siglip2-base-patch16-naflex",
        revision=None,
        kind="embedder",
        adapter="siglip2",
        licence="Apache-2.0",
        is_gated=False,
        approx_bytes=1_540_000_000,
    ),
    ModelSpec(
        name="sam3",
        model_id="facebook/sam3",
        revision=None,
        kind="segmenter",
        adapter="sam3",
        licence="SAM License",
        is_gated=True,
        approx_bytes=3_450_000_000,
    ),
)
"""The first embedder and the first segmenter are the defaults."""

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A pinned revision."""

_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A model on the hub: its id, and the commit, branch or tag that was asked for."""

    model_id: str
    revision: str

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        return self.model_id if self.revision == "main" else f"{self.model_id}@{self.revision}"


def spec_of(model_id: str) -> ModelSpec | None:
    """The registered model with that id on the hub, if there is one."""
    return next((spec for spec in KNOWN_MODELS if spec.model_id == model_id), None)


def parse_source(source: str) -> HubSource | Path:
    """Tell a model on the hub from a local folder.

    A registered name or "org/name", each with "@revision" or without, is a model on the
    hub. What starts with ``/``, ``~`` or ``.`` is a folder, and so is any other existing
    one; a folder whose relative path looks like "org/name" is written "./org/name".

    Raises:
        ModelError: It is none of these.
    """
    if source.startswith(("/", "~", ".")):
        return Path(source).expanduser()
    name, at, revision = source.partition("@")
    known = next((spec for spec in KNOWN_MODELS if spec.name == name), None)
    if known is not None:
        return _hub_source(source, known.model_id, revision if at else known.revision or "main")
    if _MODEL_ID.fullmatch(name) and "--" not in name and ".." not in name:
        return _hub_source(source, name, revision if at else "main")
    if source and Path(source).is_dir():
        return Path(source)
    raise ModelError(
        f"Expected the name of a model, an id such as google/siglip2-base-patch16-224 "
        f"or a folder, got {source!r}.",
        hint=f"Use one of {', '.join(spec.name for spec in KNOWN_MODELS)}, org/name, "
        "org/name@commit, or the path of an existing folder.",
        code="unknown-model",
    )


def adapter_for(model_type: object, where: str) -> Adapter:
    """The adapter that runs checkpoints of that ``model_type``.

    Raises:
        ModelError: No adapter does.
    """
    if isinstance(model_type, str) and model_type in ADAPTERS:
        return ADAPTERS[model_type]
    raise ModelError(
        f"Expected a checkpoint of type {', '.join(sorted(ADAPTERS))}, got {model_type!r} in {where}.",
        hint="Use a SigLIP, SigLIP 2 or SAM 3 checkpoint in the layout of Hugging Face transformers.",
        code="unsupported-model",
    )


def _hub_source(source: str, model_id: str, revision: str) -> HubSource:
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise ModelError(
            f"Expected a commit, a branch or a tag after the @, got {source!r}.",
            hint="Write org/name@ and the 40 hex digits of a commit.",
            code="unknown-model",
        )
    return HubSource(model_id, revision)

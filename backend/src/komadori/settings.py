"""Everything that can be set, read from the environment (prefix ``KOMADORI_``) or a ``.env`` file."""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LONGEST_SOCKET_PATH = 100
"""Linux allows 107 bytes for the path of a unix socket; some are left for a suffix."""


def _default_home() -> Path:
    data_home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data_home).expanduser() / "komadori"


class Settings(BaseSettings):
    """The settings of one installation; every process of it must see the same ones."""

    model_config = SettingsConfigDict(
        env_prefix="KOMADORI_", env_file=".env", env_ignore_empty=True, extra="ignore", allow_inf_nan=False
    )

    home: Path = Field(default_factory=_default_home, description="The folder of all data.")
    models: Path | None = Field(
        None, description="The folder of downloaded models; `models` in the home when not set."
    )
    exports: Path | None = Field(
        None,
        description="The folder of exports whose request names none; `~/komadori-exports` when not set. "
        "The API and the CPU worker must see it under the same path.",
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; an SQLite file in the home when not set."
    )
    broker_url: str | None = Field(
        None, description="URL of the Redis server; the embedded one on a unix socket when not set."
    )
    url: str = Field(
        "http://127.0.0.1:8000",
        description="Where the command line, and a worker with KOMADORI_VECTORS=api, find the API.",
    )
    token: SecretStr | None = Field(
        None, description="When set, every request to the API must carry it as a bearer token."
    )
    allowed_hosts: str = Field(
        "",
        description="Names, separated by commas, under which the API may be asked besides the loopback ones, "
        "such as that of a reverse proxy.",
    )
    allow_open: bool = Field(
        False, description="Serve other machines without a token: the network itself must keep others out."
    )
    published_on: str | None = Field(
        None,
        description="For an API in a container that listens on all of its addresses: the address of the host "
        "on which its port is published, which decides who can reach it.",
    )
    vectors: Literal["local", "api"] = Field(
        "local",
        description="Where a SigLIP 2 worker keeps vectors: `local`, in the home, or `api`, on the machine "
        "of the API at KOMADORI_URL, for a worker elsewhere. The API itself always has them in its home.",
    )
    embedder: str = Field(
        "google/siglip2-base-patch16-224",
        description="The embedding model: `org/name`, `org/name@revision`, a folder, or a registered part.",
    )
    segmenter: str = Field(
        "facebook/sam3",
        description="The segmentation model: an id as for the embedder, a folder, or a registered part.",
    )
    device: str = Field("auto", description="`auto`, `cpu`, `cuda` or `cuda:N` for both GPU workers.")
    gpu_lock: str = Field(
        "auto",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Workers on the same card take turns: `auto` (by card), `off`, or a name that those "
        "share which take turns.",
    )
    threads: int | None = Field(None, ge=1, description="CPU threads of a model; all cores when not set.")
    embed_batch: int | None = Field(
        None, ge=1, le=4096, description="Pictures in one pass of the embedder; by device when not set."
    )
    hub_url: str = Field("https://huggingface.co", description="The model hub to pull from.")
    hub_token: SecretStr | None = Field(
        None, description="Token for gated models; `HF_TOKEN` is read when this is not set."
    )
    offline: bool = Field(False, description="Never ask the model hub for anything.")
    pull_models: bool = Field(True, description="Fetch a model when a worker starts and does not find it.")
    jpeg_quality: int = Field(90, ge=1, le=100, description="Quality of the stored frames.")
    thumbnail_size: int = Field(384, ge=32, le=2048, description="Longer side of the thumbnails in pixels.")
    decode_workers: int | None = Field(
        None, ge=1, le=256, description="Processes that decode side by side; one for each core when not set."
    )
    decode_chunk_s: float = Field(
        8.0, gt=0, description="Rough processor seconds of decoding in one chunk; it ends at a keyframe."
    )
    embed_chunk_frames: int = Field(64, ge=1, description="Frames in one chunk of embedding.")
    annotate_chunk_frames: int = Field(8, ge=1, description="Frames in one chunk of annotation.")
    score_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Proposals below this confidence are left out, unless a request says otherwise.",
    )
    mask_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Pixels above this probability belong to a mask, unless a request says otherwise.",
    )
    lease_s: float = Field(30.0, gt=0, description="Seconds after which a silent worker loses its chunk.")
    max_attempts: int = Field(3, ge=1, description="How often a chunk is started before it counts as failed.")
    chunk_time_limit_s: float = Field(
        3600.0, gt=0, description="Seconds after which a chunk that still runs is killed and tried again."
    )
    query_timeout_s: float = Field(60.0, gt=0, description="How long a search waits for its vector.")
    upload_max_gb: float = Field(
        1000.0, gt=0, le=1e6, description="The largest file that may be uploaded, in GB of 10^9 bytes."
    )
    upload_expires_h: float = Field(
        48.0,
        gt=0,
        le=8760,
        description="Hours after which an upload is removed that nobody goes on with, or makes a video of.",
    )
    heartbeat: Path | None = Field(
        None, description="A file that a living worker touches every few seconds, for health checks."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")

    @field_validator("home", "models", "exports")
    @classmethod
    def _expand(cls, folder: Path | None) -> Path | None:
        """A file ``.env`` is read by no shell, so nobody else replaces the ``~``."""
        try:
            return folder.expanduser() if folder is not None else None
        except RuntimeError as error:
            raise ValueError(str(error)) from error

    @field_validator("token", "hub_token")
    @classmethod
    def _check_token(cls, token: SecretStr | None) -> SecretStr | None:
        """A token travels in an HTTP header."""
        if token is not None and not re.fullmatch(r"[!-~]+", token.get_secret_value()):
            raise ValueError("it may only have ASCII characters without spaces")
        return token

    @property
    def models_dir(self) -> Path:
        """The folder of downloaded models."""
        return self.models or self.home / "models"

    @property
    def exports_dir(self) -> Path:
        """The folder of exports whose request names none."""
        if self.exports is not None:
            return self.exports
        try:
            return Path("~/komadori-exports").expanduser()
        except RuntimeError:  # a user without a home folder
            return self.home.absolute().with_name("komadori-exports")

    @property
    def effective_database_url(self) -> str:
        """The database in use."""
        return self.database_url or f"sqlite:///{self.home / 'komadori.db'}"

    @property
    def broker_socket(self) -> Path:
        """The unix socket of the embedded broker; elsewhere when the home's path is too long for one."""
        inside = self.home / "run" / "broker.sock"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
            return inside
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        return runtime / f"komadori-{os.getuid()}-{name}" / "broker.sock"

    @property
    def effective_broker_url(self) -> str:
        """The broker in use."""
        return self.broker_url or f"redis+socket://{self.broker_socket}"

    @property
    def effective_hub_token(self) -> str | None:
        """The token for the model hub, if any."""
        if self.hub_token:
            return self.hub_token.get_secret_value()
        return os.environ.get("HF_TOKEN", "").strip() or None

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a child process that must see the same."""
        values = {}
        for name, value in self:
            if value is not None:
                plain = value.get_secret_value() if isinstance(value, SecretStr) else value
                values[f"KOMADORI_{name.upper()}"] = str(plain)
        return values

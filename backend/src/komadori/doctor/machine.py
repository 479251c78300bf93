"""The checks of an installation: interpreter, packages, decoder, home, database, API and token."""

import importlib.metadata
import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx

from komadori.core.errors import DependencyError
from komadori.db import migrate
from komadori.db.session import Sessions, parse_url
from komadori.doctor import child, folders
from komadori.doctor.report import Result, fail, ok, skip, warn
from komadori.ml.catalogue import KNOWN_MODELS
from komadori.settings import Settings

_LITTLE_SPACE_BYTES = 5e9
_NO_SPACE_BYTES = 200e6
_API_TIMEOUT_S = 5.0
_DECODER_S = 30.0
_START = "Start everything with `komadori up`."

_DECODER_PROBE = """
import json, av
print(json.dumps({"av": av.__version__, "avcodec": av.library_versions["libavcodec"]}))
"""


def check_python(_settings: Settings) -> Result:
    """The interpreter and the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ok(f"{platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores")


def check_packages(_settings: Settings) -> Result:
    """The packages of the extras, which each kind of worker needs."""
    wanted = {"av": "cpu-worker", "simplejpeg": "cpu-worker", "torch": "siglip", "transformers": "siglip"}
    missing = {name: extra for name, extra in wanted.items() if find_spec(name) is None}
    there = [f"{name} {importlib.metadata.version(name)}" for name in wanted if name not in missing]
    detail = ", ".join([f"komadori {importlib.metadata.version('komadori')}", *there])
    if not missing:
        return ok(detail)
    extras = ",".join(sorted(set(missing.values())))
    return warn(
        f"{detail}; without {', '.join(missing)}",
        f"Where those workers are to run: `pip install komadori[{extras}]`.",
    )


def check_home(settings: Settings) -> Result:
    """Whether the folder of all data can be written, and how much room its disk has."""
    folder = settings.home.expanduser().absolute()
    existing = folders.nearest(folder)
    if trouble := folders.why_not_writable(existing):
        return fail(
            f"{existing} cannot be written: {trouble}",
            "Make it writable for this user, or set KOMADORI_HOME to another folder.",
        )
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1e9:.3g} GB free"
    if free >= _LITTLE_SPACE_BYTES:
        return ok(detail)
    remedy = "Free some space: an hour of video takes about 1 GB at a frame a second."
    return fail(detail, remedy) if free < _NO_SPACE_BYTES else warn(detail, remedy)


def check_database(settings: Settings) -> Result:
    """Whether the database answers and has the schema of this version."""
    url = parse_url(settings.effective_database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return skip(f"{url.database} does not exist yet; `komadori up` makes it")
    sessions = Sessions(settings.effective_database_url)
    try:
        current, newest = migrate.current_revision(sessions.engine), migrate.newest_revision()
    finally:
        sessions.close()
    detail = f"{url.render_as_string(hide_password=True)}, schema {current}"
    if current == newest:
        return ok(detail)
    return warn(
        f"{detail}, this version has {newest}",
        "`komadori up` brings an older schema up to date; for a newer one, install the newer Komadori.",
    )


def check_api(settings: Settings) -> Result:
    """Whether the API answers and is ready."""
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}
    url = settings.url.rstrip("/")
    try:
        answer = httpx.get(f"{url}/readyz", headers=headers, timeout=_API_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        return warn(f"no answer from {url}: {exc}", f"{_START} Or correct KOMADORI_URL.")
    if answer.is_success:
        lacks = answer.json().get("lacks", [])
        if not lacks:
            return ok(f"ready at {url}")
        told = " ".join(lack["detail"] for lack in lacks)
        return warn(f"{url} accepts work, and some of it waits: {told}", lacks[0]["hint"])
    return fail(f"{url} answers {answer.status_code}: {answer.text.strip()[:200]}", "See the log of the API.")


def check_hub_token(settings: Settings) -> Result:
    """Whether gated models could be fetched."""
    if settings.effective_hub_token:
        return ok("set; gated models also need their licence accepted on the hub")
    gated = ", ".join(spec.name for spec in KNOWN_MODELS if spec.is_gated)
    return skip(f"not set; only needed to pull {gated}")


def check_decoder(_settings: Settings) -> Result:
    """Whether the video decoder loads, in a process of its own."""
    if find_spec("av") is None:
        return skip("PyAV is not installed; the worker of the queue default needs it")
    try:
        facts = child.read_json([sys.executable, "-P", "-c", _DECODER_PROBE], _DECODER_S)
    except DependencyError as exc:
        return fail(
            f"PyAV is installed but does not load: {exc.message}",
            "Install it again: `pip install --force-reinstall av`.",
        )
    version = ".".join(str(part) for part in facts["avcodec"])
    return ok(f"PyAV {facts['av']}, libavcodec {version}")

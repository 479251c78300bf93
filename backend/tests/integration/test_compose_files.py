"""The compose files, judged by the real Docker Compose: what would run, who reaches it, with which card."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts.write_docs import compose_variables

from komadori.api.app import access_of
from komadori.api.guard import Access
from komadori.api.server import is_loopback, reached_at
from komadori.settings import Settings
from tests.support.compose_files import BASE, CPU, DOCKER, GPU, JOIN, REMOTE, config, refusal, services

OURS = ("api", "worker", "siglip-worker", "sam3-worker")
GPU_WORKERS = ("siglip-worker", "sam3-worker")
PASSWORDS = {"KOMADORI_REDIS_PASSWORD": "red-1", "KOMADORI_POSTGRES_PASSWORD": "post-1"}
JOINED = {
    "KOMADORI_BROKER_URL": "redis://:red-1@10.8.0.1:6379/0",
    "KOMADORI_DATABASE_URL": "postgresql+psycopg://komadori:post-1@10.8.0.1:5432/komadori",
    "KOMADORI_URL": "http://10.8.0.1:8000",
    "KOMADORI_TOKEN": "t0ken",
    "KOMADORI_DATA_FOLDER": "/mnt/komadori",
}
LETTING_IN = {"KOMADORI_REMOTE_BIND": "10.8.0.1", "KOMADORI_TOKEN": "t0ken", **PASSWORDS}


def settings_of(environment: Mapping[str, str]) -> Settings:
    """What a process with these variables, and the defaults, sees."""
    values = {name.lower().removeprefix("komadori_"): value for name, value in environment.items() if value}
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def devices(service: Mapping[str, Any]) -> Any:
    return service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ((BASE,), {"api", "worker", "redis"}),
        ((BASE, GPU), {"api", "worker", "redis", "siglip-worker", "sam3-worker"}),
        ((BASE, CPU), {"api", "worker", "redis", "siglip-worker", "sam3-worker"}),
        ((GPU,), {"siglip-worker", "sam3-worker"}),
    ],
)
def test_the_files_name_their_services(files: tuple[str, ...], names: set[str]) -> None:
    definition = config(*files)
    assert set(definition["services"]) == names
    assert definition["name"] == "komadori"


def test_each_worker_has_its_queue_and_its_image() -> None:
    found = services(BASE, GPU)
    assert {name: (found[name]["image"], found[name]["command"]) for name in OURS} == {
        "api": ("komadori", ["api", "--host", "0.0.0.0"]),
        "worker": ("komadori", ["worker", "default"]),
        "siglip-worker": ("komadori-siglip:cu12", ["worker", "siglip"]),
        "sam3-worker": ("komadori-sam3:cu12", ["worker", "sam3"]),
    }


def test_the_images_are_built_from_the_three_dockerfiles() -> None:
    found = services(BASE, GPU, KOMADORI_TORCH="cu13", KOMADORI_SAM3_TRANSFORMERS="5.24.0")
    builds = {name: found[name]["build"] for name in OURS}
    backend = DOCKER.parent / "backend"
    assert {build["context"] for build in builds.values()} == {str(backend)}
    assert all((backend / build["dockerfile"]).is_file() for build in builds.values())
    for name in ("api", "worker"):
        assert builds[name]["additional_contexts"] == {"frontend": str(DOCKER.parent / "frontend")}
        assert builds[name]["args"] == {"PIP_EXTRA_INDEX_URL": "", "NPM_CONFIG_REGISTRY": ""}
    assert builds["siglip-worker"]["args"] == {"TORCH": "cu13", "PIP_EXTRA_INDEX_URL": ""}
    assert builds["sam3-worker"]["args"] == {
        "TORCH": "cu13",
        "PIP_EXTRA_INDEX_URL": "",
        "TRANSFORMERS": "5.24.0",
    }


@pytest.mark.parametrize("files", [(BASE, GPU), (BASE, CPU)])
def test_only_the_api_is_published_and_only_on_this_machine(files: tuple[str, ...]) -> None:
    found = services(*files, COMPOSE_PROFILES="postgres", **PASSWORDS)
    published = {name: service["ports"] for name, service in found.items() if "ports" in service}
    assert [(name, port["host_ip"], port["published"]) for name, (port,) in published.items()] == [
        ("api", "127.0.0.1", "8000")
    ]


def test_the_api_knows_where_it_is_published() -> None:
    for chosen, expected in (("", "127.0.0.1"), ("192.168.1.5", "192.168.1.5"), ("[::1]", "::1")):
        api = services(BASE, KOMADORI_BIND=chosen)["api"]
        assert api["ports"][0]["host_ip"] == expected
        assert api["environment"]["KOMADORI_PUBLISHED_ON"].strip("[]") == expected


def test_the_broker_and_the_database_are_reached_from_the_backplane_only() -> None:
    definition = config(BASE, GPU, COMPOSE_PROFILES="postgres", **PASSWORDS)
    assert definition["networks"]["backplane"]["internal"] is True
    assert not definition["networks"]["default"].get("internal")
    found = definition["services"]
    assert set(found["redis"]["networks"]) == set(found["postgres"]["networks"]) == {"backplane"}
    for name in OURS:
        assert set(found[name]["networks"]) == {"backplane", "default"}
        assert found[name]["networks"]["default"]["priority"] == 1


def test_every_container_can_do_as_little_as_possible() -> None:
    found = services(BASE, GPU, COMPOSE_PROFILES="postgres", **PASSWORDS)
    for name, service in found.items():
        assert service["read_only"] is True, name
        assert service["init"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["mem_limit"] == service["memswap_limit"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
        assert service["healthcheck"]["test"], name
        assert "privileged" not in service, name
        assert any(place.startswith("/tmp:") for place in service["tmpfs"]), name
    assert found["redis"]["user"] == found["postgres"]["user"] == "999:999"


def test_data_and_models_are_shared_and_footage_cannot_be_written() -> None:
    found = services(BASE, GPU)
    for name in OURS:
        places = {volume["target"]: volume for volume in found[name]["volumes"]}
        assert (places["/data"]["source"], places["/models"]["source"]) == ("data", "models")
        assert not places["/data"].get("read_only")
        assert not places["/models"].get("read_only")
        assert ("/media" in places) == (name in ("api", "worker"))
    media = found["worker"]["volumes"][-1]
    assert (media["source"], media["read_only"]) == (str(DOCKER.parent / "media"), True)


def test_an_export_finds_one_place_that_the_api_looks_at_and_the_worker_writes_to() -> None:
    found = services(BASE, GPU)
    for name in OURS:
        places = {volume["target"]: volume for volume in found[name]["volumes"]}
        assert ("/exports" in places) == (name in ("api", "worker"))
        if "/exports" in places:
            assert (places["/exports"]["source"], places["/exports"].get("read_only")) == ("exports", None)
    chosen = services(BASE, KOMADORI_EXPORTS_FOLDER="/mnt/exports")["worker"]
    assert ("bind", "/mnt/exports", "/exports") in [
        (volume["type"], volume["source"], volume["target"]) for volume in chosen["volumes"]
    ]


def test_the_folders_of_this_machine_can_take_the_place_of_the_volumes() -> None:
    chosen = services(BASE, KOMADORI_DATA_FOLDER="/mnt/data", KOMADORI_MODELS_FOLDER="/mnt/models")["api"]
    assert [(volume["type"], volume["source"], volume["target"]) for volume in chosen["volumes"][:2]] == [
        ("bind", "/mnt/data", "/data"),
        ("bind", "/mnt/models", "/models"),
    ]


@pytest.mark.parametrize(
    ("chosen", "siglip", "sam3"),
    [
        ({}, ["0"], ["0"]),
        ({"KOMADORI_SIGLIP_GPU": "1"}, ["1"], ["0"]),
        ({"KOMADORI_SIGLIP_GPU": "0,1", "KOMADORI_SAM3_GPU": "2,3"}, ["0,1"], ["2,3"]),
        ({"KOMADORI_SAM3_GPU": "GPU-8f3c"}, ["0"], ["GPU-8f3c"]),
    ],
)
def test_each_gpu_worker_reserves_the_cards_that_are_chosen(
    chosen: dict[str, str], siglip: list[str], sam3: list[str]
) -> None:
    found = services(BASE, GPU, **chosen)
    for name, ids in zip(GPU_WORKERS, (siglip, sam3), strict=True):
        assert devices(found[name]) == [{"capabilities": ["gpu"], "driver": "nvidia", "device_ids": ids}]
        assert found[name]["environment"]["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert devices(found["api"]) == devices(found["worker"]) == []


def test_without_a_card_nothing_is_reserved_and_the_models_are_told() -> None:
    found = services(BASE, CPU)
    for name in GPU_WORKERS:
        assert devices(found[name]) == []
        assert found[name]["environment"]["KOMADORI_DEVICE"] == "cpu"


def test_a_worker_may_be_started_several_times() -> None:
    for name in ("worker", *GPU_WORKERS):
        service = services(BASE, GPU)[name]
        assert "container_name" not in service
        assert "ports" not in service


def test_a_chunk_may_end_before_its_worker_is_killed() -> None:
    found = services(BASE, GPU)
    assert {found[name]["stop_grace_period"] for name in ("worker", *GPU_WORKERS)} == {"1m0s"}
    assert {found[name]["shm_size"] for name in GPU_WORKERS} == {str(2**30)}


def test_the_broker_goes_first_and_the_database_where_there_is_one() -> None:
    for name in ("api", "worker"):
        assert services(BASE)[name]["depends_on"] == {
            "redis": {"condition": "service_healthy", "required": True},
            "postgres": {"condition": "service_healthy", "required": False},
        }


def test_all_processes_agree_on_broker_and_database() -> None:
    def urls(**environment: str) -> set[tuple[str, str]]:
        found = services(BASE, GPU, **environment)
        return {
            (environment["KOMADORI_BROKER_URL"], environment["KOMADORI_DATABASE_URL"])
            for environment in (found[name]["environment"] for name in OURS)
        }

    assert urls() == {("redis://redis:6379/0", "")}
    assert urls(COMPOSE_PROFILES="postgres", **PASSWORDS) == {
        ("redis://:red-1@redis:6379/0", "postgresql+psycopg://komadori:post-1@postgres:5432/komadori")
    }
    assert urls(KOMADORI_BROKER_URL="redis://far/0", KOMADORI_DATABASE_URL="sqlite:////data/a.db") == {
        ("redis://far/0", "sqlite:////data/a.db")
    }


def test_the_database_is_there_with_its_profile_only() -> None:
    assert "postgres" not in services(BASE, **PASSWORDS)
    postgres = services(BASE, COMPOSE_PROFILES="postgres", **PASSWORDS)["postgres"]
    assert postgres["environment"]["POSTGRES_PASSWORD"] == "post-1"


def test_the_file_env_of_the_root_is_read_but_paths_of_this_machine_are_not_taken_from_it(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "docker"
    copy.mkdir()
    for file in DOCKER.glob("*.yml"):
        (copy / file.name).write_bytes(file.read_bytes())
    (tmp_path / ".env").write_text(
        "HF_TOKEN=hf_secret\nKOMADORI_HOME=/home/me\nKOMADORI_MODELS=/home/me/models\n"
        "KOMADORI_EXPORTS=/home/me/exports\nKOMADORI_URL=http://127.0.0.1:9\n"
        "KOMADORI_EMBEDDER=siglip2-demo\nKOMADORI_TOKEN=t0ken\n"
    )
    for name, service in services(str(copy / BASE), str(copy / GPU)).items():
        environment = service["environment"]
        if name == "redis":
            assert "HF_TOKEN" not in environment
            continue
        assert environment["HF_TOKEN"] == "hf_secret"
        assert environment["KOMADORI_EMBEDDER"] == "siglip2-demo"
        assert environment["KOMADORI_TOKEN"] == "t0ken"
        assert (environment["KOMADORI_HOME"], environment["KOMADORI_MODELS"]) == ("/data", "/models")
        assert environment["KOMADORI_EXPORTS"] == "/exports"
        assert environment["KOMADORI_URL"] == "http://api:8000"


class TestOnSeveralMachines:
    """One machine lets others in; another one lends its card."""

    def test_the_first_publishes_broker_and_database_on_the_address_that_is_named(self) -> None:
        definition = config(BASE, REMOTE, COMPOSE_PROFILES="postgres", **LETTING_IN)
        found = definition["services"]
        for name, port in (("redis", 6379), ("postgres", 5432)):
            (published,) = found[name]["ports"]
            assert (published["host_ip"], published["target"]) == ("10.8.0.1", port)
            assert set(found[name]["networks"]) == {"backplane", "remote"}
        assert not definition["networks"]["remote"].get("internal")

    @pytest.mark.parametrize(
        ("bind", "remote_bind", "expected"),
        [
            ("", "10.8.0.1", ["127.0.0.1", "10.8.0.1"]),
            ("192.168.1.5", "127.0.0.1", ["192.168.1.5", "127.0.0.1"]),
            ("10.8.0.1", "10.8.0.1", ["10.8.0.1"]),
        ],
        ids=["private network", "tunnel", "the same address"],
    )
    def test_its_api_is_published_there_too_under_any_name_and_asks_for_the_token(
        self, bind: str, remote_bind: str, expected: list[str]
    ) -> None:
        environment = {**LETTING_IN, "KOMADORI_BIND": bind, "KOMADORI_REMOTE_BIND": remote_bind}
        api = services(BASE, REMOTE, KOMADORI_PORT="9000", **environment)["api"]
        assert [port["host_ip"] for port in api["ports"]] == expected
        assert {(port["published"], port["target"]) for port in api["ports"]} == {("9000", 8000)}
        assert api["environment"]["KOMADORI_TOKEN"] == "t0ken"
        inside = settings_of(api["environment"])
        assert access_of(inside, is_local=is_loopback(reached_at(inside, "0.0.0.0"))) == Access(
            token="t0ken", hosts=None, trusted_hosts=frozenset({"api"})
        )

    @pytest.mark.parametrize("missing", LETTING_IN)
    def test_it_publishes_nothing_without_an_address_a_token_and_passwords(self, missing: str) -> None:
        assert missing in refusal(BASE, REMOTE, **{**LETTING_IN, missing: ""})

    def test_the_other_runs_the_two_workers_with_a_model_alone(self) -> None:
        found = services(JOIN, KOMADORI_SIGLIP_GPU="0", KOMADORI_SAM3_GPU="1", **JOINED)
        assert set(found) == set(GPU_WORKERS)
        for name, card in zip(GPU_WORKERS, ("0", "1"), strict=True):
            worker = found[name]
            for variable in set(JOINED) - {"KOMADORI_DATA_FOLDER"}:
                assert worker["environment"][variable] == JOINED[variable]
            assert worker["environment"]["KOMADORI_VECTORS"] == "api"
            places = {volume["target"]: volume["source"] for volume in worker["volumes"]}
            assert places == {"/data": "/mnt/komadori", "/models": "models"}
            assert devices(worker)[0]["device_ids"] == [card]
            assert worker["build"]["dockerfile"] == f"Dockerfile.{name.removesuffix('-worker')}"

    def test_on_one_machine_vectors_are_local(self) -> None:
        for service in services(BASE, GPU).values():
            assert "KOMADORI_VECTORS" not in service["environment"]

    @pytest.mark.parametrize("missing", JOINED)
    def test_it_must_know_what_it_joins(self, missing: str) -> None:
        assert missing in refusal(JOIN, **{**JOINED, missing: ""})


@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        ({"healtcheck": {"test": ["CMD", "true"]}}, "healtcheck"),
        (
            {"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia", "count": 1}]}}}},
            "capabilities",
        ),
        ({"networks": ["backplan"]}, "backplan"),
        ({"depends_on": ["rediss"]}, "rediss"),
    ],
)
def test_a_mistake_in_a_file_is_found(tmp_path: Path, mistake: dict[str, Any], named: str) -> None:
    (tmp_path / "mistake.yml").write_text(json.dumps({"services": {"worker": mistake}}))
    assert named in refusal(BASE, str(tmp_path / "mistake.yml"))


def test_every_variable_is_a_setting_or_documented_with_the_default_that_it_has() -> None:
    text = "\n".join(file.read_text() for file in DOCKER.glob("*.yml"))
    used = set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text))
    settings = {f"KOMADORI_{name.upper()}" for name in Settings.model_fields}
    documented = {variable.name: variable.default for variable in compose_variables()}
    assert used - settings == set(documented) - {"COMPOSE_PROFILES"}
    assert not settings & set(documented)
    for name, default in documented.items():
        if default:
            assert set(re.findall(rf"\${{{name}:-([^}}]*)}}", text)) - {""} == {default}


def test_no_file_names_a_package_index() -> None:
    for file in DOCKER.iterdir():
        assert not re.search(r"pypi|index-url|find-links|pytorch\.org", file.read_text()), file.name

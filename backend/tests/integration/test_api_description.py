"""The description of the API, and what importing it costs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripts import write_docs

from komadori.api.app import create_app
from komadori.settings import Settings

HEAVY = ("torch", "torchvision", "transformers", "openvino", "av")


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return create_app(Settings(_env_file=None, home=Path("/nowhere"))).openapi()


def operations(description: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_generated_documents_are_fresh() -> None:
    assert write_docs.stale(write_docs.DOCUMENTS, write_docs.ROOT) == []


def test_a_stale_document_is_named(tmp_path: Path) -> None:
    documents = [
        write_docs.Document("docs/a.md", lambda: "new\n"),
        write_docs.Document("b.md", lambda: "b\n"),
    ]
    write_docs.write(documents, tmp_path)
    assert write_docs.stale(documents, tmp_path) == []
    (tmp_path / "docs" / "a.md").write_text("old\n")
    (tmp_path / "b.md").unlink()
    assert write_docs.stale(documents, tmp_path) == ["docs/a.md", "b.md"]


def test_the_settings_are_described_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_docs.settings(), write_docs.openapi()
    monkeypatch.setenv("KOMADORI_EMBEDDER", "another")
    monkeypatch.setenv("KOMADORI_TOKEN", "secret")
    assert (write_docs.settings(), write_docs.openapi()) == before
    assert all(f"KOMADORI_{name.upper()}" in before[0] for name in Settings.model_fields)


def test_it_is_openapi_3_1_with_the_problem_and_the_token(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1.")
    assert set(description["components"]["schemas"]["Problem"]["properties"]) >= {"code", "detail", "hint"}
    schemes = description["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "komadori_session")


def test_every_operation_says_what_it_does_under_a_name_of_its_own(description: dict[str, Any]) -> None:
    found = dict(operations(description))
    names = [operation["operationId"] for operation in found.values()]
    assert len(set(names)) == len(names)
    assert [name for name, operation in found.items() if not operation.get("description")] == []


def test_every_operation_under_an_id_documents_that_it_may_not_exist(description: dict[str, Any]) -> None:
    missing = [n for n, o in operations(description) if "{" in n and "404" not in o["responses"]]
    assert missing == []


def test_every_error_is_a_problem(description: dict[str, Any]) -> None:
    for name, operation in operations(description):
        for status, response in operation["responses"].items():
            if re.match("[45]", status):
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_importing_the_api_loads_no_model_library_and_no_decoder() -> None:
    code = f"import sys, komadori.api.app; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"

"""Each error says what was expected, what came and what to do, also in another process."""

import pickle
import re

import pytest

from komadori.core import errors
from komadori.core.errors import (
    DecoderKilledError,
    DeviceMemoryError,
    HubError,
    InputError,
    KomadoriError,
    MediaError,
    ModelError,
    StorageError,
)

TREE = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, KomadoriError)]


def test_text_is_the_message_and_the_hint() -> None:
    error = InputError("Expected a number, got 'x'.", hint="Write 3.")

    assert str(error) == "Expected a number, got 'x'. Write 3."
    assert (error.message, error.hint) == ("Expected a number, got 'x'.", "Write 3.")


def test_without_a_hint_the_text_ends_after_the_message() -> None:
    assert str(InputError("Expected a number, got 'x'.")) == "Expected a number, got 'x'."


def test_code_of_the_case_replaces_that_of_the_class() -> None:
    assert InputError("m").code == "invalid-input"
    assert InputError("m", code="too-long").code == "too-long"
    assert InputError("m").code == "invalid-input"


@pytest.mark.parametrize("cls", TREE)
def test_every_error_survives_the_way_between_processes(cls: type[KomadoriError]) -> None:
    sent = cls("expected, got", hint="do this", code="some-case")

    received = pickle.loads(pickle.dumps(sent))

    assert type(received) is cls
    assert (received.message, received.hint, received.code) == ("expected, got", "do this", "some-case")


@pytest.mark.parametrize("cls", TREE)
def test_default_codes_are_kebab_case(cls: type[KomadoriError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cls.default_code)


def test_default_codes_are_distinct() -> None:
    codes = [cls.default_code for cls in TREE]

    assert len(set(codes)) == len(codes)


def test_only_failures_of_the_surroundings_are_tried_again() -> None:
    assert {cls for cls in TREE if cls.is_retryable} == {
        StorageError,
        HubError,
        DecoderKilledError,
        DeviceMemoryError,
    }


def test_families_are_caught_by_their_parent() -> None:
    assert issubclass(MediaError, InputError)
    assert issubclass(HubError, ModelError)


def test_tree_in_the_documentation_is_the_tree() -> None:
    drawn = re.findall(r"^\s*[│├└─ ]*(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)

    assert sorted(drawn) == sorted(cls.__name__ for cls in TREE)

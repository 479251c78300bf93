"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.support.truth_checks")  # so that its failures show their figures

from tests.support.postgres import both_databases, postgres_server, postgres_url  # noqa: E402

__all__ = ["both_databases", "postgres_server", "postgres_url"]

# A busy machine is slow; no test fails for that.
settings.register_profile("komadori", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("komadori")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name tests of operations after them: schemathesis leaves their ids alike, and xdist runs each once."""
    for item in items:
        operation = getattr(item, "operation_label", None)
        if operation is not None:
            item._id = item.id.with_params(operation)

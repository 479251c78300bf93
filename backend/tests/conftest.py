"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.support.truth_checks")  # so that its failures show their figures

from tests.support.postgres import both_databases, postgres_server, postgres_url  # noqa: E402

__all__ = ["both_databases", "postgres_server", "postgres_url"]

# A busy machine is slow; no test fails for that.
settings.register_profile("komadori", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("komadori")

"""What holds for every test."""

from hypothesis import HealthCheck, settings

from tests.support.postgres import both_databases, postgres_server, postgres_url

__all__ = ["both_databases", "postgres_server", "postgres_url"]

# A busy machine is slow; no test fails for that.
settings.register_profile("komadori", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("komadori")

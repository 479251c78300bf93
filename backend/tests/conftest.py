"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine is slow; no test fails for that.
settings.register_profile("komadori", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("komadori")

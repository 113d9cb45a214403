"""The Hypothesis profile of the domain's tests: as many examples as half a minute pays for, on any machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "domain",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("domain")

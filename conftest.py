"""Settings of the property tests, for all of them."""

import os

from hypothesis import HealthCheck, settings

# The first example on a new machine also builds hypothesis' character tables, which takes seconds on a slow one. In CI
# the same examples are tried each time: a run must not fail for what another run would not have tried.
settings.register_profile(
    "penstock", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("penstock")

"""CI draws the same random examples every time; on your machine each run draws new ones.

No test fails because the machine is busy, so nothing here has a deadline.
"""

import os

from hypothesis import HealthCheck, settings

patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("here", **patient)
settings.register_profile("ci", derandomize=True, **patient)
settings.load_profile("ci" if os.environ.get("CI") else "here")

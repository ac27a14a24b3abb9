"""CI draws the same random examples every time; on your machine each run draws new ones.

No test fails because the machine is busy, so nothing here has a deadline. Workers share the cores,
so each computes on one thread, also outside a replay. All share a cache that is empty at the start:
what an earlier run of the tests has finished would be taken, and not tested.
"""

import os
import tempfile

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # before NumPy is imported

if "BACKTRAIN_CACHE_DIR" not in os.environ:  # else this is a worker, which has it from the first
    CACHE = tempfile.TemporaryDirectory(prefix="backtrain-tests-")
    os.environ["BACKTRAIN_CACHE_DIR"] = CACHE.name

from hypothesis import HealthCheck, settings  # noqa: E402 - it may import NumPy

patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("here", **patient)
settings.register_profile("ci", derandomize=True, **patient)
settings.load_profile("ci" if os.environ.get("CI") else "here")

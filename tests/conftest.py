"""CI draws the same random examples every time; on your machine each run draws new ones.

No test fails because the machine is busy, so nothing here has a deadline. Workers share the cores,
so each computes on one thread, also outside a replay. All share a cache that is empty at the start:
what an earlier run of the tests has finished would be taken, and not tested.

The package and the tests are compiled once, and kept, whatever PYTHONDONTWRITEBYTECODE says: many
tests start a process. Modules that a test writes are not: what it writes next, of equal size and
within a second, would be taken for the same.
"""

import gc
import os
import sys
import tempfile

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")  # before NumPy is imported

if "BACKTRAIN_CACHE_DIR" not in os.environ:  # else this is a worker, which has it from the first
    CACHE = tempfile.TemporaryDirectory(prefix="backtrain-tests-")
    os.environ["BACKTRAIN_CACHE_DIR"] = CACHE.name

sys.dont_write_bytecode = False  # until all is collected

from hypothesis import HealthCheck, settings  # noqa: E402 - it may import NumPy

patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("here", **patient)
settings.register_profile("ci", derandomize=True, **patient)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_finish() -> None:
    sys.dont_write_bytecode = True
    # Thousands of tests stay until the end; garbage is not looked for among them again and again.
    gc.collect()
    gc.freeze()

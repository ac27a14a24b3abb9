"""Random numbers that a whole process shares: a fit draws the same, whatever ran before it."""

# ruff: noqa: NPY002 - models of other libraries draw from NumPy's shared generator
from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

#: Threads share these generators, so only one of them may fit, or ask, what draws from them.
LOCK = threading.RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed `random`, `numpy.random` and, where it is imported, torch; put them back afterwards."""
    torch = sys.modules.get("torch")
    with LOCK:
        before = random.getstate(), np.random.get_state()
        tensors = None if torch is None else torch.random.get_rng_state()
        random.seed(seed)
        np.random.seed(seed)
        if torch is not None:
            torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])
            if torch is not None:
                torch.random.set_rng_state(tensors)

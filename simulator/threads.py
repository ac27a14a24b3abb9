"""Computing on one thread, so that no number depends on how many cores there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@lru_cache
def _threadpools(module: str) -> ThreadpoolController:
    # Looking the libraries up takes 10 ms, so once for every package that models come from.
    return ThreadpoolController()


@contextmanager
def one_thread(model: object) -> Iterator[None]:
    """Hold the numeric libraries that are loaded, those of the model included, to one thread."""
    with _threadpools(type(model).__module__).limit(limits=1):
        yield

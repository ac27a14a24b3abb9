"""What a process shares: threads and random numbers, held so that no result depends on them."""

# ruff: noqa: NPY002 - models of other libraries draw from NumPy's shared generator
import inspect
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import joblib
import numpy as np
from joblib._parallel_backends import LokyBackend

#: What estimators call the number of threads that they start themselves.
_THREADS = ("n_jobs", "thread_count", "nthread", "num_threads")


@lru_cache
def _threadpools(module: str) -> Any:
    # Looking the libraries up takes 10 ms, so once for every package that models come from.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_thread(model: object) -> Iterator[None]:
    """Hold the numeric libraries that are loaded, those of the model included, to one thread.

    Threads of ours beside each other are to be inside of one that holds all of them: BLAS has one
    number for the process, which the first to leave would give back.
    """
    torch = sys.modules.get("torch")
    with _threadpools(type(model).__module__).limit(limits=1):
        if torch is None:
            yield
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def one_process(model: object) -> Iterator[None]:
    """Hold a model's work to one thread of the numeric libraries, and to this process.

    Estimators that use joblib themselves would else give pieces of a fit to a cluster's workers,
    who may all be waiting for that very fit.
    """
    backend = joblib.parallel.get_active_backend()[0]
    shared = getattr(backend, "supports_sharedmem", False)
    cluster = not (shared or isinstance(backend, LokyBackend))
    here = joblib.parallel_config("threading", n_jobs=1) if cluster else nullcontext()
    with one_thread(model), here:
        yield


def cpu_seconds() -> float:
    """A clock of CPU time: of the process, or of a thread beside its main one, which others join.

    The numeric libraries of such a thread do not start any more, see `one_thread`.
    """
    alone = threading.current_thread() is threading.main_thread()
    return time.process_time() if alone else time.thread_time()


@contextmanager
def deaf_workers() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, sent to all: who starts them, ends them.

    Without it one that is still importing shows a stack trace of its own.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def threads_to_hold(model: Any) -> dict[str, int]:
    """Parameters of a model, and of those inside it, with which they use one thread, not all.

    Those whose number of threads nobody has set: LightGBM takes the physical cores then, whatever
    the libraries are held to. CatBoost tells only the parameters that were set, so its constructor
    is asked too. Scikit-learn's own estimators use one thread as they come, and what it makes of
    more does not depend on their number, but for forests: they add their trees up in the order in
    which threads come by.
    """

    from sklearn.ensemble._forest import BaseForest

    inside = {"": model, **{f"{k}__": v for k, v in model.get_params(deep=True).items()}}
    held = {}
    for prefix, part in inside.items():
        if not has_params(part):
            continue
        if isinstance(part, BaseForest):
            held[f"{prefix}n_jobs"] = 1
        if type(part).__module__.startswith("sklearn."):
            continue
        values = part.get_params(deep=False)
        if any(values.get(name) is not None for name in _THREADS):
            continue
        taken = {*values, *inspect.signature(type(part).__init__).parameters}
        held.update({f"{prefix}{name}": 1 for name in _THREADS if name in taken})
    return held


def files_to_spare(model: Any) -> dict[str, bool]:
    """Parameters of a model, and of those inside it, with which they write no files as they learn.

    CatBoost's: it makes a folder where the program was called, unless told where, or not to.
    """
    inside = {"": model, **{f"{k}__": v for k, v in model.get_params(deep=True).items()}}
    found = {}
    for prefix, part in inside.items():
        kinds = type(part).__mro__
        if any(kind.__module__.startswith("catboost.") for kind in kinds) and has_params(part):
            set_already = part.get_params(deep=False)
            if not {"allow_writing_files", "train_dir"} & {*set_already}:
                found[f"{prefix}allow_writing_files"] = False
    return found


def has_params(value: Any) -> bool:
    """Whether a model has ``get_params(deep)`` and ``set_params``, as those of scikit-learn do."""
    if isinstance(value, type) or not all(hasattr(value, f"{do}_params") for do in ("get", "set")):
        return False
    parameters = inspect.signature(value.get_params).parameters.values()
    return any(p.name == "deep" or p.kind is p.VAR_KEYWORD for p in parameters)  # CatBoost's: any


#: Threads share these generators, so only one of them may fit, or ask, what draws from them.
LOCK = threading.RLock()
_OURS = threading.local()
_begun = _inside = 0  # of `seeded`


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed `random`, `numpy.random` and, where it is imported, torch; put them back afterwards."""
    global _begun, _inside
    torch = sys.modules.get("torch")
    with LOCK:
        _begun, _inside = _begun + 1, _inside + 1
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
            _inside -= 1


def seedings() -> tuple[int, int]:
    """How often `seeded` has begun, and how many are inside now."""
    return _begun, _inside


@contextmanager
def among_threads() -> Iterator[None]:
    """Do a piece of work in a thread beside others that do the same, and nothing else."""
    _OURS.thread = True
    try:
        yield
    finally:
        _OURS.thread = False


def works_alone() -> bool:
    """Whether this thread is the main one, or one of those that only do work of ours."""
    alone = threading.current_thread() is threading.main_thread()
    return alone or getattr(_OURS, "thread", False)

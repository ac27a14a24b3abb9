"""Where pieces of work are done: the values of ``engine=``, each a backend of joblib."""

import atexit
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from multiprocessing import resource_tracker
from typing import Any, Protocol

import joblib

from backtrain.config.build import ConfigError
from backtrain.simulator.process import deaf_workers


class Engine(Protocol):
    """What an engine is."""

    def running(self, n_jobs: int) -> AbstractContextManager[Any]:
        """Inside, joblib gives work to this engine; raises `ConfigError` where it cannot start."""


@dataclass(frozen=True)
class Processes:
    """Processes of this host, by loky: joblib's own choice, which inside of workers is threads."""

    folder: str | None = None

    def running(self, n_jobs: int) -> AbstractContextManager[Any]:
        """Work as joblib does by itself."""
        return nullcontext() if self.folder is None else _config(temp_folder=self.folder)


@dataclass(frozen=True)
class Threads:
    """Threads of this process, for models that compute outside of Python's lock."""

    def running(self, n_jobs: int) -> AbstractContextManager[Any]:
        """Work in threads."""
        return _config(backend="threading")


@dataclass(frozen=True)
class Dask:
    """A cluster of Dask: the one at ``address``, else processes of this host.

    Parameters
    ----------
    address : str, optional
        Of the scheduler, such as ``tcp://10.0.0.1:8786``.
    folder : str, optional
        A directory that all hosts see, for what workers share; by default below ``cache``.
    """

    address: str | None = None
    folder: str | None = None

    @contextmanager
    def running(self, n_jobs: int) -> Iterator[None]:
        """Connect, or start a cluster, which lives as long as this process."""
        client = _dask(self.address, n_jobs)
        with client.as_current(), _config(backend="dask", temp_folder=self.folder):
            yield


@dataclass(frozen=True)
class Ray:
    """A cluster of Ray: the one at ``address``, else processes of this host.

    Parameters
    ----------
    address : str, optional
        Such as ``ray://10.0.0.1:10001`` or ``auto``.
    folder : str, optional
        A directory that all hosts see, for what workers share; by default below ``cache``.
    """

    address: str | None = None
    folder: str | None = None

    @contextmanager
    def running(self, n_jobs: int) -> Iterator[None]:
        """Connect, or start a cluster, which lives as long as this process."""
        _ray(self.address, n_jobs)
        with _config(backend="ray", temp_folder=self.folder):
            yield


def _config(**settings: Any) -> AbstractContextManager[Any]:
    found: AbstractContextManager[Any] = joblib.parallel_config(**settings)
    return found


def _imported(module: str, engine: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"engine={engine}: {error}; install it: pip install 'backtrain[{engine}]'"
        ) from error


def _started(engine: str, address: str | None, start: Callable[[], Any]) -> Any:
    try:
        return start()
    except Exception as error:
        what = "cannot be started" if address is None else f"address={address} cannot be reached"
        raise ConfigError(
            f"engine.{what}: {type(error).__name__}: {error}; engine={engine} "
            "without an address starts its own on this host"
        ) from error


@lru_cache
def _dask(address: str | None, n_jobs: int) -> Any:
    distributed = _imported("distributed", "dask")
    logging.getLogger("distributed").setLevel(logging.WARNING)  # Hydra shows what is less, too

    def start() -> Any:
        if address is not None:
            return distributed.Client(address)
        workers = joblib.cpu_count() if n_jobs < 0 else n_jobs
        options = {"threads_per_worker": 1, "dashboard_address": None}
        resource_tracker.ensure_running()  # it lets its starter hear Ctrl-C again, if later
        with deaf_workers():
            return distributed.Client(distributed.LocalCluster(n_workers=workers, **options))

    client = _started("dask", address, start)
    atexit.register(client.close)
    return client


@lru_cache
def _ray(address: str | None, n_jobs: int) -> None:
    ray = _imported("ray", "ray")
    _imported("ray.util.joblib", "ray").register_ray()
    if not ray.is_initialized():
        local = {"include_dashboard": False, "num_cpus": None if n_jobs < 0 else n_jobs}
        where = local if address is None else {"address": address}
        _started("ray", address, lambda: ray.init(logging_level="error", **where))

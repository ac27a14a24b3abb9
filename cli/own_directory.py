"""The directory of one job, that no other command writes to at the same time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from backtrain.config.build import ConfigError
from backtrain.store.locks import alone_in


@contextmanager
def own_directory(config: DictConfig) -> Iterator[None]:
    """Hold ``hydra.run.dir`` while a job writes there; leaves no empty directory behind.

    Where it is named by the time, and another command was given the same, this one gets the next
    free name, such as ``12-00-00-2``; the config is changed to say so. Where the user chose it,
    a command that is at work there raises `ConfigError`.
    """
    written = OmegaConf.to_container(config.hydra.run, resolve=False)
    timed = "${now:" in str(written)
    asked = Path(str(config.hydra.run.dir)).absolute()
    missing = [path for path in asked.parents if not path.exists()]
    names = (asked if n == 1 else asked.with_name(f"{asked.name}-{n}") for n in count(1))
    for place in names:
        new = not place.exists()
        try:
            place.mkdir(parents=True, exist_ok=not timed)
        except FileExistsError:
            if not timed:
                raise
            continue
        break
    try:
        with alone_in(place) as alone:
            if not alone:
                raise ConfigError(
                    f"hydra.run.dir={config.hydra.run.dir}: another command is at work there; "
                    "wait for it, or choose another"
                )
            if place != asked:
                with open_dict(config):
                    config.hydra.run.dir = str(place)
            yield
    finally:
        for path in (*([place] if new else ()), *missing):
            with suppress(OSError):
                path.rmdir()

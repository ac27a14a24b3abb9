"""The data of a job, with latency and faults: read once a process for jobs that agree in it."""

import glob
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from backtrain.config.build import ConfigError, build, targets
from backtrain.datasets.faults import inject, refuse_lags
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.lags import Lags
from backtrain.datasets.latency import apply
from backtrain.datasets.stream import Stream

#: The keys that it is made from.
_KEYS = ("dataset", "latency", "faults", "lags", "horizon")
#: Bytes of histories that are kept for later jobs, beside the newest one.
_ROOM = 2**29


@dataclass(frozen=True, eq=False)
class History:
    """The data of a job, before and after its faults.

    Attributes
    ----------
    whole : Stream
        With its label latency.
    stream : Stream
        And with its faults, lags and horizon.
    """

    whole: Stream
    stream: Stream

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> "History":
        """Read what a checked config names, or take what an earlier job has read.

        Files are held to be the same while size and time of change are. What a class or function
        of the user's makes is made anew for each job: what it depends on is not known.
        """
        asked = {key: plain.get(key) for key in _KEYS}
        if not all(name.startswith("backtrain.") for name in targets(asked)):
            return cls._made(asked)
        key = json.dumps([list(asked.items()), list(_files(asked))], default=str)
        if key not in _KEPT:
            _KEPT[key] = cls._made(asked)
        _KEPT.move_to_end(key)
        while len(_KEPT) > 1 and sum(map(_bytes, list(_KEPT.values())[:-1])) > _ROOM:
            _KEPT.popitem(last=False)
        return _KEPT[key]

    @classmethod
    def _made(cls, asked: Mapping[str, Any]) -> "History":
        lags = lags_of(asked)
        whole = apply(build(asked["dataset"]), build(asked["latency"]))
        faults = [build(fault) for fault in (asked["faults"] or {}).values()]
        if lags is not None:
            refuse_lags(faults, lags.names(whole.target))
        stream = inject(whole, faults)
        if lags is not None:
            stream = stream.of_series(lambda series: replace(series, lags=lags))
        horizon = horizon_of(asked)
        return cls(whole, stream if horizon is None else stream.forecasts(horizon))


def horizon_of(plain: Mapping[str, Any]) -> Horizon | None:
    """What a config asks to forecast; None where it names no steps."""
    given = dict(plain.get("horizon") or {})
    if given.get("steps") not in (None, []):
        return build(given)  # type: ignore[no-any-return]
    usual = {field.name: field.default for field in fields(Horizon)}
    for key in given.keys() & usual.keys() - {"steps"}:
        if (given[key] or None) != (usual[key] or None):
            raise ConfigError(
                f"horizon.{key}={given[key]}: nothing is forecast without steps; add "
                "horizon.steps=24"
            )
    return None


def lags_of(plain: Mapping[str, Any]) -> Lags | None:
    """The lags that a config asks for; None where all of its keys say what they say by default."""
    given = dict(plain.get("lags") or {})
    usual = {field.name: field.default for field in fields(Lags)}
    asked = [key for key in usual if key in given and (given[key] or None) != (usual[key] or None)]
    return build(given) if asked else None


_KEPT: OrderedDict[str, History] = OrderedDict()


def forget() -> None:
    """Read anew from now on: a job that failed may have written into what it was given."""
    _KEPT.clear()


def _files(value: Any, key: str = "") -> Iterator[tuple[str, int, int]]:
    """Path, size and time of change of the files that a config names, and of those in a folder."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _files(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _files(inner, key)
    elif isinstance(value, str) and value:
        try:
            path = Path(value).absolute()
            found = [path, *sorted(path.rglob("*"))] if key == "path" else [path]
            if key == "path" and glob.has_magic(value):
                found = sorted(map(Path, glob.glob(str(path), recursive=True)))
            stats = [(str(one), one.stat()) for one in found]
        except (OSError, ValueError):  # no name of a file
            return
        for name, status in stats:
            yield name, status.st_size, status.st_mtime_ns


def _bytes(history: History) -> int:
    def size(value: Any) -> int:
        if isinstance(value, pd.DataFrame):
            return int(value.memory_usage().sum())
        return value.nbytes if isinstance(value, np.ndarray) else 0

    both = (history.whole, history.stream)
    every = (*both, *(stream.series for stream in both if stream.series is not None))
    streams = {id(stream): stream for stream in every}
    return sum(size(value) for stream in streams.values() for value in vars(stream).values())

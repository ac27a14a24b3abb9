"""What a sweep in Python is over: axes with their values, and the jobs that these make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property, partial
from itertools import product
from os import PathLike, fspath
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from backtrain.datasets.columns import nearest
from backtrain.datasets.stream import Stream
from backtrain.models import ByTask
from backtrain.reports.model_name import model_name
from backtrain.simulator.ledger import Delays, Prices, built
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.texts import code
from backtrain.store.named import Named

#: Parameters that are objects with parameters of their own, each of which may be an axis.
_COMPOSED = {"prices": Prices, "delays": Delays}
#: Parameters of a backtest that a sweep has by other names, or does not have.
_ELSEWHERE = {
    "stream": "give datasets=",
    "dataset": "give datasets=",
    "model": "give models=",
    "strategy": "give strategies=",
    "seed": "give seeds=[0, 1, 2]",
    "engine": "say it around the call: with joblib.parallel_config('threading'): ...",
    "report": "Sweep.save(directory) draws the report",
}

Job = Mapping[str, int]


@dataclass(frozen=True)
class Value:
    """One value of an axis: what tables call it, plain data, and what it is."""

    label: Any
    value: Any


@dataclass(frozen=True, eq=False)
class Axes:
    """Values by axis, each under the key that it has on the command line.

    Attributes
    ----------
    values : mapping of str to tuple of Value
        Of "dataset", "model" and "seed", and then of all that was given, in the order of a
        backtest's parameters, whatever order they were given in.
    """

    values: Mapping[str, tuple[Value, ...]]

    @classmethod
    def of(
        cls,
        datasets: Any,
        models: Any,
        seeds: Any,
        setup: Mapping[str, Any],
        others: Sequence[str] = (),
    ) -> Axes:
        """Read what `sweep` was given; raises `SetupError` that names parameter and value.

        ``others`` are parameters that somebody may have meant by one that does not exist.
        """
        known = [
            spec.name for spec in fields(Setup) if spec.name not in ("stream", "model", "seed")
        ]
        for key in setup:
            if key not in known:
                raise SetupError(f"sweep({key}=...): {_remedy(key, [*others, *known])}")
        found = {
            "dataset": _checked("datasets", _values("datasets", datasets, _data_set), _data),
            "model": _checked("models", _values("models", models, _model), _estimator),
            "seed": _checked("seeds", _seeds(seeds), _seed),
        }
        for key in known:
            if key in setup and key in _COMPOSED:
                found |= _composed(key, setup[key], _COMPOSED[key])
            elif key in setup:
                found[key] = _values(key, setup[key])
        return cls(found)

    @cached_property
    def named(self) -> Mapping[tuple[str, int], Named]:
        """What names each value but the data, which their rows name."""
        return {
            (key, at): Named.of([one.value])
            for key, axis in self.values.items()
            if key != "dataset"
            for at, one in enumerate(axis)
        }

    def jobs(self, where: Any = None) -> list[Job]:
        """Positions by axis of all combinations, or of those that ``where`` keeps."""
        sizes = [range(len(axis)) for axis in self.values.values()]
        jobs: list[Job] = [dict(zip(self.values, at, strict=True)) for at in product(*sizes)]
        wanted = self._wanted(where)
        kept = [job for job in jobs if wanted(self.labels(job))]
        if not kept:
            raise SetupError(f"where={where!r}: none of {len(jobs)} combinations is left")
        return kept

    def labels(self, job: Job) -> dict[str, Any]:
        """What tables call its values, by axis."""
        return {key: self.values[key][at].label for key, at in job.items()}

    def name(self, job: Job) -> str:
        """A job in a few words: data and model, and what else differs among jobs."""
        told = self.labels(job)
        more = [f"{key}={told[key]}" for key, axis in self.values.items() if len(axis) > 1]
        known = ("dataset=", "model=")
        rest = [text for text in more if not text.startswith(known)]
        return ", ".join([str(told["dataset"]), str(told["model"]), *rest])

    def setup(self, job: Job) -> dict[str, Any]:
        """The parameters of its backtest; without the stream and the model."""
        given: dict[str, Any] = {}
        for key, at in job.items():
            first, _, inner = key.partition(".")
            value = self.values[key][at].value
            if inner:
                given.setdefault(first, {})[inner] = value
            elif key not in ("dataset", "model"):
                given[key] = value
        return given

    def takes_seed(self, job: Job) -> bool:
        """Whether its data are made by a function that takes the seed."""
        return _takes_seed(self.values["dataset"][job["dataset"]].value)

    def source(self, job: Job) -> tuple[int, int]:
        """What tells its data apart: which data set, and the position of the seed they take."""
        return job["dataset"], job["seed"] if self.takes_seed(job) else -1

    def stream(self, job: Job) -> Stream:
        """Its data, made or opened."""
        source = self.values["dataset"][job["dataset"]]
        if isinstance(source.value, Stream):
            return source.value
        if isinstance(source.value, (str, PathLike)):
            return Stream.open(source.value)
        more = {"seed": self.values["seed"][job["seed"]].value} if self.takes_seed(job) else {}
        made = source.value(**more)
        if not isinstance(made, Stream):
            raise SetupError(
                f"datasets[{source.label!r}]: it returned {type(made).__name__}, not a Stream, "
                "such as Stream.from_frame(df, target='y', time='when')"
            )
        return made

    def _wanted(self, where: Any) -> Callable[[Mapping[str, Any]], bool]:
        """Whether the values of a job, by axis, are among those that are asked for."""
        if where is None:
            return lambda told: True
        if callable(where):
            return lambda told: bool(where(dict(told)))
        listed = [where] if isinstance(where, Mapping) else where
        if not _is_list(listed) or not all(isinstance(one, Mapping) for one in listed):
            raise SetupError(
                f"where={where!r}: give a function of a job's values, such as lambda job: "
                "job['seed'] < 3, or a list of them, such as [{'dataset': 'bike', 'model': 'a'}]"
            )
        for one in listed:
            self._refuse_unknown(one)
        return lambda told: any(all(told[k] == v for k, v in one.items()) for one in listed)

    def _refuse_unknown(self, one: Mapping[str, Any]) -> None:
        for key, value in one.items():
            if key not in self.values:
                raise SetupError(
                    f"where: {key!r} is no axis; did you mean {nearest(str(key), self.values)}?"
                )
            labels = [known.label for known in self.values[key]]
            if value not in labels:
                raise SetupError(f"where: {key}={value!r} is not swept; {key} is {_few(labels)}")


# --- one axis -------------------------------------------------------------------------------------


def _values(key: str, given: Any, name_of: Callable[[Any], Any] | None = None) -> tuple[Value, ...]:
    """One value, several in a list, or several with names; a list that is one value stays one."""
    takes = _taken(key)
    if isinstance(given, Mapping) and Mapping not in takes:
        for name in given:
            if not isinstance(name, str) or not name.strip():
                raise SetupError(f"{key}: {name!r} is no name; give a text for each value")
        found = [Value(name, _own(value)) for name, value in given.items()]
    elif _is_list(given) and Sequence not in takes:
        values = [_own(value) for value in given]
        labels = [(name_of or _label)(value) for value in values]
        if key == "models" and len({*map(repr, labels)}) < len(labels):
            labels = [_label(value) for value in values]  # the steps before the last one, too
        found = [Value(label, value) for label, value in zip(labels, values, strict=True)]
    elif isinstance(given, (Set, Iterator)):
        raise SetupError(f"{key}: a {type(given).__name__} has no order to go by; give a list")
    else:
        found = [Value((name_of or _label)(_own(given)), _own(given))]
    if not found:
        raise SetupError(f"{key}: empty; give one value, a list of values, or a dict by names")
    seen: set[str] = set()
    for one in found:
        if repr(one.label) in seen:
            if _is_plain(one.value):
                raise SetupError(f"{key}: {one.label!r} is given twice")
            raise SetupError(
                f"{key}: two are called {one.label!r}; give them names: {{'first': ..., "
                "'second': ...}"
            )
        seen.add(repr(one.label))
    return tuple(found)


def _composed(key: str, given: Any, kind: type[Any]) -> dict[str, tuple[Value, ...]]:
    """Prices or delays: parameters, each of which may be a list, or several of them as a whole."""
    if isinstance(given, kind):
        usual = kind()
        own = {spec.name: getattr(given, spec.name) for spec in fields(kind)}
        given = {name: value for name, value in own.items() if value != getattr(usual, name)}
    inside = given.values() if isinstance(given, Mapping) else given if _is_list(given) else ()
    whole = [isinstance(value, (kind, Mapping)) for value in inside]
    if any(whole):
        values = _values(key, given)
        return {
            key: tuple(
                Value(one.label, built(f"{key}[{one.label!r}]", one.value, kind)) for one in values
            )
        }
    if not isinstance(given, Mapping):
        first = fields(kind)[0].name
        several = f"; several of one: {key}={{{first!r}: {given!r}}}" if whole else ""
        raise SetupError(
            f"{key}={given!r}: give {kind.__name__}({first}=...), or a dict of its parameters, "
            f"each a value or a list{several}"
        )
    found = {name: _values(f"{key}.{name}", value) for name, value in given.items()}
    for name, values in found.items():
        for one in values:
            built(key, {name: one.value}, kind)
    order = [spec.name for spec in fields(kind)]
    return {f"{key}.{name}": found[name] for name in order if name in found}


def _taken(key: str) -> set[Any]:
    """Which of lists and mappings a parameter of a backtest takes as one value."""
    hint = get_type_hints(Setup, localns={}).get(key)
    kinds = {get_origin(one) or one for one in (*get_args(hint), hint)}
    lists = {list, tuple, Sequence}
    return {Sequence for _ in lists & kinds} | {Mapping for _ in {dict, Mapping} & kinds}


def _is_list(given: Any) -> bool:
    if isinstance(given, np.ndarray):
        return given.ndim == 1
    return isinstance(given, (list, tuple, range, pd.Series, pd.Index))


def _own(value: Any) -> Any:
    """A number of NumPy as one of Python, so that equal jobs have equal names."""
    return value.item() if isinstance(value, np.generic) else value


def _label(value: Any) -> Any:
    """What stands for a value in a table: itself where it is plain, else its code."""
    if _is_plain(value):
        return value
    if isinstance(value, Mapping):
        return {str(name): _label(inner) for name, inner in value.items()}
    if _is_list(value):
        return [_label(_own(inner)) for inner in value]
    if isinstance(value, (date, PathLike)):
        return str(value)
    return " ".join(code(value).split())


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _few(labels: Sequence[Any]) -> str:
    return ", ".join([*map(repr, labels[:5]), *(["..."] if len(labels) > 5 else [])])


def _remedy(key: str, known: Sequence[str]) -> str:
    if key in _ELSEWHERE:
        return f"no parameter of a sweep; {_ELSEWHERE[key]}"
    return f"no such parameter; did you mean {nearest(key, known)}?"


# --- what values may be ---------------------------------------------------------------------------


def _checked(
    what: str, values: tuple[Value, ...], problem: Callable[[Any], str]
) -> tuple[Value, ...]:
    for one in values:
        if why := problem(one.value):
            raise SetupError(f"{what if one.label is None else f'{what}[{one.label!r}]'}: {why}")
    return values


def _data_set(source: Any) -> Any:
    """A data set by its own name, that of its file, or of what makes it."""
    if isinstance(source, Stream):
        return source.name
    if isinstance(source, (str, PathLike)):
        return Path(fspath(source)).stem
    return getattr(source.func if isinstance(source, partial) else source, "__name__", None)


def _data(source: Any) -> str:
    if isinstance(source, (str, PathLike)):
        if Path(source).is_dir():
            return ""
        return (
            f"{fspath(source)!r} is no directory where a stream was saved; give a Stream, as "
            "Stream.from_frame(pd.read_csv(path), target='y', time='when')"
        )
    if isinstance(source, Stream) or (callable(source) and not isinstance(source, type)):
        return ""
    return (
        f"a {type(source).__name__}; give a Stream, the directory where one was saved, or a "
        "function that returns one"
    )


def _takes_seed(source: Any) -> bool:
    """Whether it is a function with a ``seed`` that nobody has set yet."""
    if isinstance(source, (Stream, str, PathLike)):
        return False
    bound = isinstance(source, partial) and "seed" in source.keywords
    try:
        return not bound and "seed" in inspect.signature(source).parameters
    except (TypeError, ValueError):
        return False


def _model(model: Any) -> Any:
    return model_name(_label(model))


def _estimator(model: Any) -> str:
    if isinstance(model, ByTask):
        return ""
    if isinstance(model, type) or not hasattr(model, "fit"):
        return f"{model!r} is not an estimator; give an object such as Ridge()"
    return ""


def _seeds(given: Any) -> tuple[Value, ...]:
    if isinstance(given, (int, np.integer)):
        raise SetupError(
            f"seeds={given!r}: give a list: range({given}) for as many, [{given}] for this one"
        )
    return _values("seeds", given)


def _seed(seed: Any) -> str:
    good = isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0
    return "" if good else f"{seed!r} is no seed; give whole numbers from 0 on"

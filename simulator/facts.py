"""What a replay is asked: data, strategy, setup and code, as plain data."""

import platform
from dataclasses import fields, is_dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from backtrain.simulator.costs import CostMatrix
from backtrain.simulator.outcomes import is_said
from backtrain.simulator.record import identity
from backtrain.simulator.setup import Setup
from backtrain.simulator.texts import code, without_addresses
from backtrain.store.code_version import sources_of

_LIBRARIES = ("backtrain", "numpy", "pandas", "scikit-learn", "scipy", "river")


def facts_of(setup: Setup, strategy: Any, wall_seconds: float) -> dict[str, Any]:
    """What a record says of its replay beside its totals."""
    facts = asked(setup, strategy)
    until = facts["tuned_until"]
    return {
        "status": "complete",
        "id": identity(facts),
        "in_sample": until is not None and setup.stream.calendar.instant(until) > setup.start_at,
        **facts,
        "currency": setup.currency,
        "unit": setup.unit,
        "implied_threshold": _implied(setup),
        "wall_seconds": wall_seconds,
    }


def asked(setup: Setup, strategy: Any) -> dict[str, Any]:
    """What a replay is asked: data, strategy, setup, and the code behind them."""
    stream = setup.stream
    lags = stream.lags if stream.series is None else stream.series.lags
    first, last = stream.span
    return {
        "strategy": code(strategy),
        "parts": describe(strategy),
        "tuned_until": getattr(strategy, "tuned_until", None),
        "stream": {
            "name": stream.name,
            "fingerprint": stream.fingerprint,
            "rows": len(stream),
            "target": stream.target,
            "first": first.isoformat(),
            "last": last.isoformat(),
            **({} if stream.timezone is None else {"timezone": stream.timezone}),
            **({} if lags is None else {"lags": describe(lags, named=False)}),
            **({} if stream.horizon is None else {"horizon": stream.horizon.plain()}),
        },
        "start": setup.start_at.isoformat(),
        "end": setup.end_at.isoformat(),
        "tick": describe(setup.tick),
        "ticks": len(setup.ticks),
        "model": " ".join(code(setup.model).split()),
        "task": setup.task,
        "features": setup.features,
        "prices": describe(setup.prices.charged()),
        "delays": describe(setup.delays, named=False),
        "loss": setup.row_loss.name,
        "costs": describe(getattr(setup.row_loss, "costs", None)),
        "threshold": describe(setup.threshold),
        "greater_is_better": {m.name: m.greater_is_better for m in setup.row_metrics},
        "label_delay_seconds": _label_delay(setup),
        "drift": [when.isoformat() for when in stream.drift],
        "faults": [
            {"name": name, "start": start.isoformat(), "stop": stop.isoformat()}
            for name, start, stop in stream.faults
        ],
        **({} if setup.quantiles is None else {"quantiles": list(setup.quantiles)}),
        "seed": setup.seed,
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "code": sources_of(_own_code, strategy, setup.model, setup.loss, *_own_judges(setup)),
    }


def _own_judges(setup: Setup) -> list[Any]:
    """Metrics that are no names, and what dotted names of them and of the loss mean."""
    loss = [setup.row_loss] if isinstance(setup.loss, str) and "." in setup.loss else []
    given = [] if setup.metrics is None else list(setup.metrics)
    named = [setup.metric(one) for one in given if isinstance(one, str) and "." in one]
    return [*loss, *named, *(one for one in given if not isinstance(one, str))]


def _own_code() -> None:
    """Nothing: it stands for this package among the code of a replay."""


def _implied(setup: Setup) -> dict[str, float]:
    """The class, and its least probability, that a cost matrix implies; empty without any."""
    if setup.classes is None or not isinstance(setup.row_loss, CostMatrix):
        return {}
    return {str(name): least for name, least in setup.row_loss.threshold(setup.classes).items()}


def _label_delay(setup: Setup) -> dict[str, float]:
    gap = setup.stream.label_time[setup.served] - setup.stream.event_time[setup.served]
    seconds = gap[~np.isnat(gap)].astype(np.int64) / 1e9
    if len(seconds) == 0:
        return {"median": 0.0, "p95": 0.0, "max": 0.0}
    median, p95 = np.quantile(seconds, [0.5, 0.95])
    return {"median": float(median), "p95": float(p95), "max": float(seconds.max())}


def describe(value: Any, named: bool = True) -> Any:
    """A part as plain data: its class under ``type``, then its fields.

    The module of a class that is not of this package stands under ``from``.
    """
    if is_dataclass(value) and not isinstance(value, type):
        said = [spec.name for spec in fields(value) if is_said(value, spec)]
        inside = {name: describe(getattr(value, name)) for name in said}
        kind = type(value)
        own = {} if kind.__module__.startswith("backtrain.") else {"from": kind.__module__}
        return {"type": kind.__name__, **own, **inside} if named else inside
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [describe(item) for item in sorted(value, key=code)]
    if isinstance(value, dict):
        return {without_addresses(str(key)): describe(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    own_text = "__str__" in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}
    return without_addresses(str(value)) if own_text else code(value)


@lru_cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

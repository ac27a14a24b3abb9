"""The keys of a config; those that every command takes stand here once."""

# No `from __future__ import annotations`: the types of inherited keys are read where no name of
# this file is known.

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal


class Built:
    """In a schema: what a preset builds, a mapping that names a ``_target_``."""


#: Keys that hold others and are no preset, and how one of these is set.
HOLDERS = {"lags": "lags.known=[1,24]", "horizon": "horizon.steps=24"}


def set_below(key: str) -> str:
    """What to say to whoever gives a holder of keys a value of its own."""
    return f"holds keys: set them, such as {HOLDERS[key]}; see `backtrain list {key}`"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Data, model, prices, and how the work is done."""

    dataset: Built
    latency: Built
    lags: Built | None
    horizon: Built | None
    model: Built
    window: Built
    update: Built
    prices: Built
    delays: Built
    engine: Built
    task: Literal["auto", "regression", "classification"]
    tick: str | int
    start: str | float
    end: str | None
    loss: Any
    threshold: float | str | Mapping[Any, float] | None
    quantiles: Sequence[float] | None
    metrics: Sequence[str | Mapping[str, Any]] | None
    features: Literal["auto", "array", "frame"]
    currency: str
    unit: str
    careful: float
    seed: int
    n_jobs: int
    progress: bool | Literal["auto"]
    cache: bool | str


@dataclass(frozen=True, kw_only=True)
class RunKeys(Keys):
    """And the strategies, which come last: what they share is reported where it is set."""

    trigger: Built
    gate: Built
    hindsight: bool | str
    baseline: str | None
    budget: float | None
    running: str | None
    fail_if: str | None
    baselines: bool
    report: Literal["auto", "all", "page", "none"]
    records: Literal["all", "totals"]
    objective: str | Sequence[str] | None
    resume: bool
    run: Mapping[str, bool]
    comparison: Mapping[str, Built]
    strategy: Built | None = None
    callbacks: Mapping[str, Built] | None = None
    faults: Mapping[str, Built] | None = None
    grid: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class TuneKeys(Keys):
    """And which intervals are compared."""

    every: int | None
    intervals: Sequence[int] | None
    report: Literal["all", "page", "none"]


@dataclass(frozen=True, kw_only=True)
class SearchKeys(Keys):
    """And what is searched, and how."""

    trigger: Built
    gate: Built
    objective: str | Sequence[str]
    trials: int
    until: str | float
    folds: int
    sampler: Literal["auto", "grid", "tpe", "nsga2", "random"]
    baseline: str | None
    report: Literal["all", "page", "none"]
    comparison: Mapping[str, Built]
    strategy: Built
    search: Mapping[str, Any]
    faults: Mapping[str, Built] | None = None


#: What a config is held against: a class above, or any callable whose parameters are the keys.
Schema = Callable[..., Any]


def names(schema: type[Keys]) -> list[str]:
    """The keys of a schema, those that all commands share first."""
    return [field.name for field in fields(schema)]

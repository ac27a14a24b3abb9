"""What triggers read: the name of a statistic, and the columns that drifted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from backtrain.reports.numbers import listing
from backtrain.reports.units import described, loss_axis, money_axis, of_metric
from backtrain.simulator.record import Run

#: Tests of drift whose readings are p-values; those of all columns at once.
_TESTED, _AT_ONCE = ("auto", "KS", "chi2"), ("MMD", "domain classifier", "PCA")
#: What tests measure, as an axis has it.
_DISTANCES = {
    "PSI": "PSI",
    "JS": "JS distance",
    "Wasserstein": "Wasserstein distance",
    "MMD": "squared MMD",
    "domain classifier": "AUC of a domain classifier",
    "PCA": "reconstruction (PCA)",
}
#: What triggers of no metric and no test read.
_OF_TRIGGERS = {"MissingDrift": "p-value", "Martingale": "wealth of the martingale"}
_OF_LOSSES = {"ErrorDrift": "mean of the newest losses", "StalenessCost": "excess loss a row"}
_OF_MONEY = ("CumulativeStaleness", "BreakEven")
#: What an axis says where nothing tells the unit.
OTHER = "reading, in its own unit"
#: How triggers of drift say which columns it was, the first five of them.
_DRIFTED = re.compile(r"(?:^|; )(?:\d+ of \d+ features drifted: (.+?)|([^;]+?) drifted)(?=; |$)")
#: What they say where columns are compared at once.
_ALL = "all features together"
#: So many columns are named.
_NAMED = 3


def statistic(run: Run, trigger: str, readings: pd.DataFrame) -> str:
    """What one trigger of a run reads, for an axis.

    ``trigger`` is its code, as the readings have it; combinations hold it among others.
    """
    kind = trigger.partition("(")[0]
    held = list(_parts(run.info["parts"].get("trigger")))
    found = [keys for keys in held if keys.get("type") == kind] or held
    keys = found[0] if len(found) == 1 else {}
    test, info = keys.get("test"), run.info
    if test in _TESTED or (_level(test) and (readings["threshold"] == test).all()):
        return "p-value" if kind == "PerformanceDrop" or not _columns(kind) else _LEAST
    if isinstance(test, str):
        per_column = _columns(kind) and test not in _AT_ONCE
        return f"{_DISTANCES.get(test, test)}{_WORST if per_column else ''}"
    if keys.get("metric"):
        return of_metric(described(keys["metric"]), info)
    if kind in _OF_TRIGGERS:
        return _LEAST if kind == "MissingDrift" else _OF_TRIGGERS[kind]
    if kind in _OF_LOSSES:
        return loss_axis(_OF_LOSSES[kind], info)
    if kind in _OF_MONEY:
        return money_axis("cost of staleness", info)
    if keys.get("alpha") is not None and (readings["threshold"] == keys["alpha"]).all():
        return "p-value"
    return OTHER


def drifted(run: Run, trigger: str) -> str:
    """The columns that drifted most often when it trained; nothing where the trigger tells none."""
    if not _columns(trigger.partition("(")[0]):
        return ""
    events = run.events
    reasons = events.loc[events["kind"] == "trained", "reason"].dropna().astype(str)
    each = [set(_named(reason)) - {_ALL} for reason in reasons]
    times = Counter(name for names in each for name in names)
    if not times:
        return ""
    ranked = sorted(times, key=lambda name: (-times[name], name))
    shown = [f"{name} (at {times[name]} of {len(each)} trainings)" for name in ranked[:_NAMED]]
    return f"Drifted most often: {listing(shown)}."


_LEAST, _WORST = "p-value, least column", ", furthest column"


def _columns(kind: str) -> bool:
    """Whether a trigger looks at columns one by one."""
    return kind in ("FeatureDrift", "MissingDrift")


def _level(test: Any) -> bool:
    return isinstance(test, float)


def _named(reason: str) -> list[str]:
    """The columns that a reason names."""
    return [name for many, one in _DRIFTED.findall(reason) for name in (many or one).split(", ")]


def _parts(trigger: Any) -> Iterator[Mapping[str, Any]]:
    """The parameters of a trigger and of those that it holds."""
    if isinstance(trigger, Mapping):
        yield trigger
        for key in ("trigger", "triggers", "inner"):
            yield from _parts(trigger.get(key))
    elif isinstance(trigger, (list, tuple)):
        for inner in trigger:
            yield from _parts(inner)

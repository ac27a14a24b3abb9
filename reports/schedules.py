"""Fixed intervals against each other, on the path that was replayed."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.offsets import parse_offset
from backtrain.datasets.shown import Shown
from backtrain.reports import alike
from backtrain.reports.units import currency
from backtrain.reports.verdict import may_win, trigger_type
from backtrain.simulator.record import Run

NEVER = "never"


@dataclass(frozen=True, eq=False, repr=False)
class FixedIntervals(Shown):
    """Strategies that differ in their interval only, shortest first; one that never retrains last.

    Attributes
    ----------
    names, labels : tuple of str
        Strategy names, and their intervals as configured ("7D") or "never".
    days : array (S,)
        Length of the interval; ``inf`` for never.
    retrains, total : array (S,)
        Trainings charged, and all cost.
    currency : str
        What money is called.
    every_tick : bool
        Whether the shortest trains at every tick: a shorter one would do the same.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    days: np.ndarray
    retrains: np.ndarray
    total: np.ndarray
    currency: str = ""
    every_tick: bool = False

    @classmethod
    def among(cls, runs: Mapping[str, Run]) -> FixedIntervals | None:
        """The largest group of `Every` strategies with the same other parts; None below two.

        Never retraining joins them: preferably with the same window, which then only decides about
        the first model.
        """
        group = _largest_group(runs)
        # Of those that no tick tells apart the longest stands for all.
        group.sort(key=lambda name: -_days(runs[name]))
        group = alike.once(runs, group)[::-1]
        if len({_interval(runs[name]) for name in group}) < 2:
            return None
        never = [name for name, run in runs.items() if trigger_type(run) == "Never"]
        window = _key(runs[group[0]], ("window",))
        never.sort(key=lambda name: _key(runs[name], ("window",)) != window)
        members = [runs[name] for name in (*group, *never[:1])]
        return cls(
            names=(*group, *never[:1]),
            labels=tuple(_interval(run) for run in members),
            days=np.array([_days(run) for run in members]),
            retrains=np.array([run.totals["retrains"] for run in members], dtype=np.float64),
            total=np.array([run.totals["total"] for run in members], dtype=np.float64),
            currency=currency(members[0].info),
            every_tick=alike.at_every_tick(members[0]),
        )

    @property
    def cheapest(self) -> int:
        """Position of the one that cost least; the rarer one of equals."""
        return int(len(self.total) - 1 - np.argmin(self.total[::-1]))

    @property
    def intervals(self) -> int:
        """How many are intervals, never left out."""
        return int(np.isfinite(self.days).sum())

    @property
    def inside(self) -> bool:
        """Whether the cheapest has a shorter and a longer interval beside it."""
        return 0 < self.cheapest < self.intervals - 1

    def sentence(self) -> str:
        """Whether shorter or longer ones are worth a try."""
        first, last = self.labels[0], self.labels[self.intervals - 1]
        grid, best = f"the grid {first} to {last}", self.labels[self.cheapest]
        if best == NEVER:
            return f"On this path none of {grid} cost less than never retraining."
        lead = f"Of the intervals {best} cost least on this path"
        if self.inside:
            return f"{lead}, inside {grid}."
        if self.cheapest == 0 and self.every_tick:
            return f"{lead}, which is every tick: shorter ones take a shorter tick."
        side = "shorter" if self.cheapest == 0 else "longer"
        return f"{lead}, at the edge of {grid}: try {side} ones."


def _largest_group(runs: Mapping[str, Run]) -> list[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, run in runs.items():
        if trigger_type(run) == "Every" and may_win(run):
            groups[_key(run, None)].append(name)
    return max(groups.values(), key=lambda names: len(names), default=[])


def _key(run: Run, parts: tuple[str, ...] | None) -> str:
    """What must be equal within a group, as text; all parts but the interval when None."""
    strategy: dict[str, Any] = dict(run.info["parts"])
    trigger = strategy.get("trigger") or {}
    if isinstance(trigger, Mapping):  # a function is described by its name
        trigger = {key: value for key, value in trigger.items() if key != "every"}
    compared = {**strategy, "trigger": trigger, "prices": run.info["prices"]}
    chosen = compared if parts is None else {part: strategy.get(part) for part in parts}
    return json.dumps(chosen, sort_keys=True, default=str)


def _interval(run: Run) -> str:
    return NEVER if trigger_type(run) == "Never" else str(run.info["parts"]["trigger"]["every"])


def _days(run: Run) -> float:
    """Length of the interval in days; months are measured at the start of the history."""
    interval = _interval(run)
    if interval == NEVER:
        return math.inf
    start = pd.Timestamp(run.info["start"])
    try:
        calendar = Calendar.of(run.info)
        length = calendar.later(start, parse_offset(interval)) - start
    except ValueError:  # a pandas object has no text that it can be read from
        span = pd.Timestamp(run.info["end"]) - start
        length = span / max(1, run.totals["retrains"])
    return float(length / pd.Timedelta(days=1))

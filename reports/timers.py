"""Alarms that are timers by another name, and alarms that never fired."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.reports.kept import rows_before
from backtrain.reports.numbers import count, duration, listing, significant
from backtrain.reports.periods import trainings
from backtrain.simulator.record import Run

#: Triggers that ask no data, and those that hold others.
_CLOCKS = frozenset((
    *("Never", "Every", "EveryRows", "EveryLabels", "MaxAge", "OnDates", "Random", "Recorded"),
    *("AnyOf", "AllOf", "AtLeast", "Not", "Cooldown", "WarmUp", "Budget"),
))  # fmt: skip
_SCHEDULES = ("Every", "EveryRows")
#: Events of a trigger that fired and could not train.
_FIRED = ("busy", "cooldown", "budget", "blackout", "refused")
#: A timer: at least so many gaps, of which such a share lies so near to their median.
FEWEST_GAPS, SHARE, NEAR = 8, 0.9, 0.1
#: Gaps of two strategies that are called the same: the longer is at most as many times the other.
SAME_GAP = 1.5


@dataclass(frozen=True)
class Timer:
    """How evenly an alarm trained.

    Attributes
    ----------
    gap : str
        Its usual gap: "9 days", "1,000 rows".
    equal, gaps : int
        So many of so many gaps lie within a tenth of that.
    always : bool
        Whether it fires whenever it may: no gap between trainings is shorter, and hardly a reading
        lay on the other side of its threshold.
    """

    gap: str
    equal: int
    gaps: int
    always: bool


def is_alarm(run: Run) -> bool:
    """Whether data, and not the clock alone, decide when it trains."""
    trigger = run.info["parts"].get("trigger")
    if not isinstance(trigger, Mapping):  # a function, an object of somebody's own
        return True
    return bool(set(_types(trigger)) - _CLOCKS)


def timer(run: Run) -> Timer | None:
    """How evenly an alarm trained; None where it did not, or too rarely to tell."""
    if not is_alarm(run) or len(trainings(run)) < FEWEST_GAPS:
        return None
    decided = trainings(run)["decided_at"].sort_values()
    times = np.array([pd.Timestamp(run.info["start"]), *decided], "datetime64[ns]").view(np.int64)
    for clock in (times, rows_before(run, times)):
        gaps = np.diff(clock)
        usual = float(np.median(gaps))
        equal = int((np.abs(gaps - usual) <= NEAR * usual).sum())
        if usual > 0 and equal >= SHARE * len(gaps):
            written = duration(pd.Timedelta(int(usual), "ns")) if clock is times else ""
            # The first one ends when there is enough to compare, at whatever time.
            always = bool(gaps[1:].min() >= (1 - NEAR) * usual) and _always_beyond(run)
            return Timer(written or count(round(usual), "row"), equal, len(gaps), always)
    return None


def never_fired(run: Run) -> bool:
    """Whether an alarm was never raised, not even where it could not train."""
    fired = len(trainings(run)) or run.events["kind"].isin(_FIRED).any()
    return is_alarm(run) and not fired


def instead(runs: Mapping[str, Run], names: Iterable[str]) -> dict[str, str]:
    """For each timer among ``names`` the schedule of the same gap, window, update and gate."""
    names = list(names)
    plain = {n: gap for n in names if _type(runs[n]) in _SCHEDULES and (gap := _gap(runs[n]))}
    found = {}
    for name in names:
        if not plain or timer(runs[name]) is None:
            continue
        own, rest = _gap(runs[name]), _rest(runs[name])
        apart = {n: abs(math.log(g / own)) for n, g in plain.items() if _rest(runs[n]) == rest}
        near = min(apart, key=lambda n: apart[n], default=None)
        if near is not None and apart[near] <= math.log(SAME_GAP):
            found[name] = near
    return found


def sentences(runs: Mapping[str, Run]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Kind, names and sentence of what must be said of alarms that are none."""
    schedules, told = instead(runs, runs), {}
    for name, run in runs.items():
        if (found := timer(run)) is not None:
            often = f"every {found.gap}, in {found.equal} of {count(found.gaps, 'gap')}"
            lead = f"whenever it may, {often}" if found.always else often
            plain = schedules.get(name)
            does = (
                f" {plain} does the same without a monitor and stands in its place."
                if plain
                else ""
            )
            told[name] = f"{name} fires {lead}: a timer by another name.{does}"
    names = tuple(told)
    if names:
        more = f" So do {listing(names[2:])}." if names[2:] else ""
        yield "timer", names, " ".join(told[name] for name in names[:2]) + more
    silent = tuple(name for name, run in runs.items() if never_fired(run))
    if len(silent) == 1:
        yield "never fired", silent, f"{silent[0]} never fired{_nearest(runs[silent[0]])}."
    elif silent:
        yield "never fired", silent, f"{listing(silent)} never fired."


def _types(value: Any) -> Iterator[str]:
    """The classes of a trigger and of those that it holds."""
    if isinstance(value, Mapping):
        yield str(value.get("type", ""))
        held = (value.get(key) for key in ("trigger", "triggers", "inner"))
        for inner in held:
            yield from _types(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _types(inner)
    elif isinstance(value, str):
        yield value


def _type(run: Run) -> str:
    trigger = run.info["parts"].get("trigger")
    return str(trigger.get("type")) if isinstance(trigger, Mapping) else ""


def _rest(run: Run) -> list[Any]:
    """How it trains, but for when."""
    return [run.info["parts"].get(key) for key in ("window", "update", "gate")]


def _gap(run: Run) -> float:
    """The median gap between trainings in nanoseconds; 0 where there are none."""
    decided = trainings(run)["decided_at"].sort_values().to_numpy("datetime64[ns]").view(np.int64)
    gaps = np.diff(np.append(pd.Timestamp(run.info["start"]).as_unit("ns").value, decided))
    return float(np.median(gaps)) if len(gaps) else 0.0


def _always_beyond(run: Run) -> bool:
    """Whether nearly all readings lay where those of its trainings did; true without readings."""
    trained = run.events[run.events["kind"] == "trained"].dropna(subset=["statistic", "threshold"])
    readings = run.readings.dropna()
    if trained.empty or readings.empty:
        return True
    side = np.sign((trained["statistic"] - trained["threshold"]).median())
    beyond = side * (readings["statistic"] - readings["threshold"]) >= 0
    return bool(beyond.mean() >= SHARE)


def _nearest(run: Run) -> str:
    """How near it came to firing."""
    readings = run.readings.dropna()
    if readings.empty:
        return " and had nothing to compare"
    above = int((readings["statistic"] > readings["threshold"]).sum())
    if 0 < above < len(readings):  # so a reading beyond its threshold is not all that it asks for
        return (
            f": {above} of {count(len(readings), 'reading')} lay above their thresholds, and more "
            "is asked for than that; its other parameters decide"
        )
    row = readings.iloc[int((readings["statistic"] - readings["threshold"]).abs().argmin())]
    return (
        f": the nearest of {count(len(readings), 'reading')} was "
        f"{significant(row['statistic'], 3)} beside a threshold of "
        f"{significant(row['threshold'], 3)}, on {Calendar.of(run.info).day(row['at'])}"
    )

"""When a strategy trains next, after the end of the history."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from backtrain import strategies
from backtrain.datasets.calendar import Calendar
from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import parse_offset
from backtrain.simulator.record import Run
from backtrain.strategies.blackouts import Blackout, read_blackout

_NEVER = np.iinfo(np.int64).max
#: Instants in a row that lie in blackouts before nothing is expected of a schedule any more.
_TRIED = 1000


@dataclass(frozen=True)
class Due:
    """When the next training is wanted, as far as the clock and the counts of a record tell.

    Attributes
    ----------
    at : str or None
        The instant of a schedule, in ISO format; a training begins at the first tick from then on.
    rows, labels : int or None
        After how many more served rows, or labels of served rows.
    why : str
        What that follows from; for alarms that nobody can know it.
    readings : list of dict
        For alarms the newest reading of each trigger: ``trigger``, ``at``, ``statistic`` and
        ``threshold``.
    """

    at: str | None = None
    rows: int | None = None
    labels: int | None = None
    why: str = ""
    readings: list[dict[str, Any]] = field(default_factory=list)


def next_due(run: Run) -> Due:
    """When the strategy of a record trains next after its end."""
    parts = run.info["parts"]
    budget, trained = parts.get("budget"), int(run.totals["retrains"])
    if budget is not None and trained >= budget:
        return Due(why=f"never trains: its budget of {budget} trainings is used up")
    return _of_trigger(run, parts.get("trigger"))


def _of_trigger(run: Run, trigger: Any) -> Due:
    kind = trigger.get("type") if isinstance(trigger, Mapping) and "from" not in trigger else None
    known = _KINDS.get(str(kind))
    try:
        return known(run, trigger) if known else _alarm(run)
    except ValueError:  # a pandas object has no text that it can be read from
        limits = f", with blackout={run.info['parts']['blackout']}" if _has_own(run) else ""
        return Due(why=f"its schedule cannot be read from a record: {trigger}{limits}")


def _has_own(run: Run) -> bool:
    """Whether it has blackouts of another package."""
    blackouts = run.info["parts"].get("blackout") or ()
    return any(isinstance(entry, Mapping) and "from" in entry for entry in blackouts)


# --- by the clock ---------------------------------------------------------------------------------


def _never(run: Run, trigger: Mapping[str, Any]) -> Due:
    return Due(why="never trains")


def _every(run: Run, trigger: Mapping[str, Any]) -> Due:
    calendar = Calendar.of(run.info)
    every, phase = (calendar.offset(trigger.get(key, "0D")) for key in ("every", "phase"))
    if trigger.get("since") == "training":
        at = calendar.due_at(_trained(run), every)
        return _first(run, iter([at]), f"{trigger['every']} since the last training", again=True)
    start = pd.Timestamp(run.info["start"])
    scheduled = calendar.schedule(start, every, phase, _last_tick(run).value)
    shown = f" and {trigger['phase']}" if trigger.get("phase", "0D") != "0D" else ""
    began = calendar.shown(start)
    return _first(run, scheduled, f"every {trigger['every']} from {began}{shown}")


def _dates(run: Run, trigger: Mapping[str, Any]) -> Due:
    calendar = Calendar.of(run.info)
    dates = sorted({calendar.instant(date, "dates").value for date in trigger["dates"]})
    return _first(run, iter(dates), "the next of its dates")


def _age(run: Run, trigger: Mapping[str, Any]) -> Due:
    # Beside the version in force a newer one may be on trial.
    in_force = run.deployments["version"][run.deployments["to"].isna()].min()
    of = run.versions.set_index("version")["decided_at"][in_force]
    calendar, age = Calendar.of(run.info), parse_offset(trigger["offset"])
    made = calendar.shown(pd.Timestamp(of))
    why = f"the model in force is of {made}, and is replaced at an age of {trigger['offset']}"
    return _first(run, iter([calendar.due_at(of, age)]), why, again=True)


def _first(run: Run, schedule: Iterator[int], why: str, again: bool = False) -> Due:
    """The first instant of a schedule that no tick has seen, and at which training is allowed.

    One that is blocked at its tick is lost, but for alarms that stay on (``again``): they wait.
    """
    seen, blocked = _last_tick(run).value, 0
    for at in schedule:
        if again:
            return _at(_allowed(run, at), why)
        if at <= seen:
            continue
        if _closed_until(run, _tick_from(run, at)) is None:
            return _at(at, why)
        blocked += 1
        if blocked == _TRIED:
            return Due(why=f"never trains: {why}, and the next {blocked} fall into its blackouts")
    return Due(why="never trains: no date of its list lies after the end of the history")


def _at(at: int, why: str) -> Due:
    return Due(at=pd.Timestamp(at).isoformat(), why=why) if at < _NEVER else Due(why="never trains")


def _last_tick(run: Run) -> pd.Timestamp:
    """The last instant at which the trigger was asked; for ticks by rows, the end."""
    start, end = (pd.Timestamp(run.info[key]) for key in ("start", "end"))
    end = min(end, pd.Timestamp(run.info["stream"]["last"]))
    if not isinstance(run.info["tick"], str):
        return end
    calendar = Calendar.of(run.info)
    ticks = calendar.instants(start, calendar.offset(run.info["tick"]), end)
    return pd.Timestamp(ticks[-1]) if len(ticks) else start


def _trained(run: Run) -> pd.Timestamp:
    """The last decision to train, or the start."""
    decided = run.versions["decided_at"][run.versions["version"] > 0]
    return pd.Timestamp(decided.max() if len(decided) else run.info["start"])


def _allowed(run: Run, at: int) -> int:
    """The instant itself, or the end of what forbids a training at its tick."""
    for _ in range(_TRIED):
        stop = _closed_until(run, _tick_from(run, at))
        if stop is None:
            return at
        at = stop
    return _NEVER


def _tick_from(run: Run, at: int) -> int:
    """The first tick at or after an instant; for ticks by rows, the instant."""
    start, tick = pd.Timestamp(run.info["start"]), run.info["tick"]
    if not isinstance(tick, str) or at >= _NEVER:
        return at
    calendar = Calendar.of(run.info)
    ticks = calendar.schedule(start, calendar.offset(tick), after=at - 1)
    return next((found for found in ticks if found >= at and found > start.value), _NEVER)


def _closed_until(run: Run, at: int) -> int | None:
    """The end of a cooldown or blackout that an instant lies in, or None."""
    parts, calendar = run.info["parts"], Calendar.of(run.info)
    if parts.get("cooldown") is not None and run.totals["retrains"]:
        last = _trained(run)
        cool = calendar.due_at(last, parse_offset(parts["cooldown"]))
        if last.value <= at < cool:
            return cool
    when = pd.Timestamp(at)
    found = (one.until(when, calendar) for one in _blackouts(run) if at < _NEVER)
    return next((stop.value for stop in found if stop is not None), None)


def _blackouts(run: Run) -> list[Blackout]:
    """Raises `ValueError` for one that is not of this package."""
    return [
        read_blackout(_part(entry) if isinstance(entry, Mapping) else _pair(entry))
        for entry in run.info["parts"].get("blackout") or ()
    ]


def _pair(entry: Any) -> Any:
    return tuple(entry) if isinstance(entry, list) else entry


def _part(described: Mapping[str, Any]) -> Any:
    kind = None if "from" in described else getattr(strategies, described["type"], None)
    if kind is None:
        raise ValueError(f"{described['type']}: not of this package")
    return kind(**{key: value for key, value in described.items() if key != "type"})


# --- by counts ------------------------------------------------------------------------------------


def _rows(run: Run, trigger: Mapping[str, Any]) -> Due:
    served, tick = int(run.totals["rows"]), run.info["tick"]
    if isinstance(tick, int):
        at_tick = served // tick * tick
    else:
        steps = run.steps  # which begin at ticks
        at_tick = int(steps["rows"][steps["start"] < _last_tick(run)].sum())
    more = _missing(trigger["rows"], at_tick, served)
    return Due(rows=more, why=f"every {trigger['rows']} rows; {served} were served")


def _labels(run: Run, trigger: Mapping[str, Any]) -> Due:
    at_tick, now = labels_known(run)
    more = _missing(trigger["labels"], at_tick, now)
    return Due(labels=more, why=f"every {trigger['labels']} labels; {now} have arrived")


def labels_known(run: Run) -> tuple[int, int]:
    """How many labels of served rows were known at the last tick, and at the end."""
    if not run.has_predictions:
        at_tick, now = run.info["kept"]["labels"]
        return int(at_tick), int(now)
    times, tick = run.predictions["label_time"], _last_tick(run)
    served = run.predictions["event_time"] < tick
    now = (times <= pd.Timestamp(run.info["end"])).sum()
    return int((served & (times <= tick)).sum()), int(now)


def _missing(step: int, at_tick: int, now: int) -> int:
    """How many are missing to the next multiple after the count that a tick has seen."""
    return max(0, (at_tick // step + 1) * step - now)


# --- by alarm, and by several ---------------------------------------------------------------------


def _random(run: Run, trigger: Mapping[str, Any]) -> Due:
    return Due(why=f"by chance, {digits(trigger['rate'], 6)} at every tick")


def _any_of(run: Run, trigger: Mapping[str, Any]) -> Due:
    """The earliest that the clock knows; another trigger may be earlier."""
    inner = [_of_trigger(run, one) for one in trigger["triggers"]]
    timed = sorted((pd.Timestamp(due.at), due.why) for due in inner if due.at is not None)
    if not timed:
        return _alarm(run)
    at, why = timed[0]
    readings = _newest(run)
    return Due(at.isoformat(), why=f"{why}; earlier if another trigger fires", readings=readings)


def _alarm(run: Run) -> Due:
    return Due(why="when its alarm is raised", readings=_newest(run))


def _newest(run: Run) -> list[dict[str, Any]]:
    """The last reading of each trigger."""
    last = run.readings.groupby("trigger", sort=True).tail(1)
    columns = (last[column].tolist() for column in ("trigger", "at", "statistic", "threshold"))
    return [
        {
            "trigger": str(trigger),
            "at": at.isoformat(),
            "statistic": statistic if math.isfinite(statistic) else None,
            "threshold": threshold if math.isfinite(threshold) else None,
        }
        for trigger, at, statistic, threshold in zip(*columns, strict=True)
    ]


_KINDS: Mapping[str, Callable[[Run, Mapping[str, Any]], Due]] = {
    "Never": _never,
    "Every": _every,
    "OnDates": _dates,
    "MaxAge": _age,
    "EveryRows": _rows,
    "EveryLabels": _labels,
    "Random": _random,
    "AnyOf": _any_of,
}

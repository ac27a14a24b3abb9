"""Schedules that are one by several names: intervals that no tick tells from each other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from backtrain.datasets.offsets import parse_offset
from backtrain.reports.numbers import count, listing
from backtrain.reports.periods import fixed_length, trainings
from backtrain.simulator.record import Run

_SCHEDULES = ("Every", "EveryRows")


def groups(runs: Mapping[str, Run]) -> list[list[str]]:
    """Schedules that decided on the same trainings and are alike in all else, the longest first.

    Those without a training are left out: nothing is known of what they would do.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for name, run in runs.items():
        if _type(run) in _SCHEDULES and len(trainings(run)):
            found[_key(run)].append(name)
    return [
        sorted(names, key=lambda name: -_length(runs[name]))
        for names in found.values()
        if len({json.dumps(runs[name].info["parts"]["trigger"]) for name in names}) > 1
    ]


def once(runs: Mapping[str, Run], names: Iterable[str]) -> list[str]:
    """The names in their order, of each group the first alone."""
    names = list(names)
    place = {name: k for k, group in enumerate(groups(runs)) for name in group}
    first = {place[name]: name for name in reversed(names) if name in place}
    return [name for name in names if name not in place or first[place[name]] == name]


def below_tick(run: Run) -> bool:
    """Whether the interval is shorter than a tick, so that it trains at every one."""
    return 0 < _length(run) < _tick(run)


def at_every_tick(run: Run) -> bool:
    """Likewise, or whether it is as long as a tick."""
    return 0 < _length(run) <= _tick(run)


def roles(runs: Mapping[str, Run]) -> dict[str, str]:
    """What the table says of each, such as "= every tick" or "= weekly"."""
    found = {name: "= every tick" for name, run in runs.items() if below_tick(run)}
    for first, *others in groups(runs):
        for name in others:
            found.setdefault(name, f"= {first}")
    return found


def sentences(runs: Mapping[str, Run]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Kind, names and sentence of what must be said of them."""
    told: set[str] = set()
    for group in groups(runs):
        told.update(group)
        short = [name for name in group if below_tick(runs[name])]
        why = "they trained at the same instants, on the same rows"
        if short:
            why = f"none is longer than a tick ({_tick_in_words(runs[short[0]])}), so each trains "
            why += "at every tick"
        yield (
            "same",
            tuple(group),
            f"{listing(group)} are one schedule: {why}. They count once.",
        )
    for name, run in runs.items():
        if name not in told and below_tick(run):
            tick = _tick_in_words(run)
            yield (
                "same",
                (name,),
                f"{name} trains at every tick: its interval is shorter than one ({tick}).",
            )


def _type(run: Run) -> str:
    trigger = (run.info.get("parts") or {}).get("trigger")
    return str(trigger.get("type")) if isinstance(trigger, Mapping) else ""


def _key(run: Run) -> str:
    """When it trained, and all that it is but its interval."""
    parts = {key: value for key, value in run.info["parts"].items() if key != "trigger"}
    decided = trainings(run)["decided_at"].sort_values().astype(str).tolist()
    total = round(float(run.totals["total"]), 6)
    return json.dumps([parts, run.info["prices"], decided, total], sort_keys=True, default=str)


def _length(run: Run) -> float:
    """Of the interval: seconds, or rows; 0 where it has no fixed length."""
    trigger, kind = (run.info.get("parts") or {}).get("trigger"), _type(run)
    if not isinstance(trigger, Mapping) or kind not in _SCHEDULES:
        return 0.0
    if kind == "EveryRows":
        return float(trigger.get("rows", 0)) if isinstance(run.info["tick"], int) else 0.0
    if isinstance(run.info["tick"], int):
        return 0.0
    try:
        offset = parse_offset(str(trigger.get("every", "")))
    except ValueError:  # a pandas object that has no text to be read from
        return 0.0
    return offset.total_seconds() if isinstance(offset, pd.Timedelta) else 0.0


def _tick(run: Run) -> float:
    """Of a tick: seconds, or rows; 0 where it has no fixed length."""
    tick = run.info.get("tick")
    if isinstance(tick, int):
        return float(tick)
    length = fixed_length(str(tick))
    return length.total_seconds() if length is not None else 0.0


def _tick_in_words(run: Run) -> str:
    tick = run.info["tick"]
    return count(tick, "row") if isinstance(tick, int) else str(tick)

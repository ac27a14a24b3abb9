"""Histories that can be worked by hand, and parts that watch others.

One row an hour, row i at hour i with the feature i and the label i; labels arrive at once unless
told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Reason, Selection, Stream, Verdict
from backtrain.simulator.asking import monitor_of

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def hour_of(at: pd.Timestamp) -> float:
    return (at - MIDNIGHT) / pd.Timedelta("1h")


def history(n: int = 13, late: dict[int, float | None] | None = None, **changes: Any) -> Stream:
    """``late``: the hours at which labels of some rows arrive; None is never."""
    row = np.arange(n, dtype=float)
    event = np.array([hour(i) for i in range(n)], dtype="datetime64[ns]")
    label = event.copy()
    for i, at in (late or {}).items():
        label[i] = np.datetime64("NaT", "ns") if at is None else hour(at).to_datetime64()
    columns = {"X": row[:, None], "y": row, "event_time": event, "label_time": label}
    return Stream(**columns | changes)


def hourly(stream: Stream | None = None, model: Any = None, start: float = 4, **more: Any) -> Any:
    """Served from hour 4 on, with a tick an hour."""
    stream = history() if stream is None else stream
    model = DummyRegressor() if model is None else model
    return Backtest(stream, model, start=hour(start), **{"tick": "1h", **more})


@dataclass(frozen=True)
class At:
    """Fires at the given hours; ``since`` is the hour at which it thinks that the change began."""

    hours: tuple[float, ...]
    since: float | None = None

    def monitor(self) -> At:
        return self

    def fires(self, view: Any) -> Reason | None:
        if hour_of(view.now) not in self.hours:
            return None
        return Reason("it is time", since=None if self.since is None else hour(self.since))


@dataclass(frozen=True, eq=False)
class Spy:
    """The window itself; keeps what it selected, by hour."""

    window: Any
    seen: dict[float, Selection] = field(default_factory=dict)

    def check_setup(self, setup: Any) -> None:
        if hasattr(self.window, "check_setup"):
            self.window.check_setup(setup)

    def select(self, view: Any) -> Selection:
        found = self.seen[hour_of(view.now)] = self.window.select(view)
        return found

    @property
    def rows(self) -> dict[float, list[int]]:
        return {at: found.indices().tolist() for at, found in self.seen.items()}


@dataclass(frozen=True, eq=False)
class Look:
    """The trigger itself; keeps what ``see(view)`` says at every tick, by hour."""

    see: Callable[[Any], Any]
    trigger: Any
    seen: dict[float, Any] = field(default_factory=dict)

    def monitor(self) -> Any:
        inner, outer = monitor_of(self.trigger), self

        class Watch:
            def fires(self, view: Any) -> Reason | None:
                outer.seen[hour_of(view.now)] = outer.see(view)
                found: Reason | None = inner.fires(view)
                return found

        return Watch()


@dataclass(frozen=True)
class Judge:
    """Deploys the trainings with these numbers, from 1 on, and rejects the others."""

    deployed: tuple[int, ...]

    def open(self) -> Judge:
        return self

    def check(self, selection: Selection, view: Any) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, None]:
        return selection, None

    def review(self, view: Any) -> Verdict:
        good = view.challenger.version in self.deployed
        return Verdict.deploy() if good else Verdict.reject("no")


def spent(run: Any, kind: str) -> dict[float, float]:
    """What was charged of a kind, by hour."""
    found = run.charges[run.charges["kind"] == kind]
    return {hour_of(at): float(sum(g["amount"])) for at, g in found.groupby("when")}


def parents(run: Any) -> list[int | None]:
    return [None if pd.isna(p) else int(p) for p in run.versions["parent"]]


# Parts that worker processes are handed: these import this file, and no file of tests.


@dataclass(frozen=True)
class Anew:
    """A look at the view that a matrix refuses, at whatever instant."""

    look: Callable[[Any], Any]
    late: int = 0

    def select(self, view: Any) -> Selection:
        if (view.now - view.start).days >= self.late:
            self.look(view)
        return Selection(view.labelled.all())


@dataclass(frozen=True)
class Stops:
    """A trigger that ends the run, one way or another."""

    error: type[BaseException] = RuntimeError

    def monitor(self) -> Stops:
        return self

    def fires(self, view: object) -> None:
        raise self.error("my own bug")

"""Alarms about performance and errors: what they refuse, and losses that do not vary."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hourly import history, hour, hour_of, hourly
from river import drift
from scipy.stats import ttest_ind_from_stats

from backtrain import Strategy
from backtrain.strategies import ErrorDrift, Expanding, PerformanceDrop
from backtrain.strategies.triggers.performance import _ErrorMonitor

NONSENSE = [
    (lambda: PerformanceDrop("MAE", below=float("nan")), r"below=nan\): give a finite number"),
    (lambda: PerformanceDrop("MAE", below=float("inf")), "give a finite number"),
    (lambda: PerformanceDrop("MAE", drop=float("nan")), "give a number that is not negative"),
    (lambda: PerformanceDrop("MAE", drop="nan%"), "such as '20%'"),
    (lambda: PerformanceDrop("MAE", drop="inf%"), "such as '20%'"),
    (lambda: PerformanceDrop("MAE", below=1, window=100.5), "1 or more"),  # type: ignore
    (lambda: PerformanceDrop("MAE", below=1, min_labels=1.5), "1 or more"),  # type: ignore
    (lambda: ErrorDrift("KSWIN", {"window_size": 10}), "KSWIN.*window_size"),
    (lambda: ErrorDrift("PageHinkley", {"threshold": None}), "PageHinkley.*threshold"),
]


def fired(run: Any) -> list[float]:
    trained = run.events[run.events["kind"] == "trained"]
    return [hour_of(at) for at in trained["at"]]


def test_losses_that_do_not_vary_are_compared_without_a_warning() -> None:
    # Labels are 0 (row 0 aside) up to row 24, then 1. The window at 20 holds rows 0 to 19; a model
    # of rows 0 to 15 says 1/16, to 16 to 19, whose loss is always the same; so are those of 25 on.
    y = np.array([1.0] + [0.0] * 24 + [1.0] * 15)
    setup = hourly(history(40, y=y), start=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trigger = PerformanceDrop("MAE", test=0.05, window=3, min_labels=3)
        run = setup.replay(Strategy(trigger, Expanding(), budget=1))
    # At 23 rows 20 to 22 lose 1/20, less than 1/16. At 26 one of three loses 19/20: not significant
    # by itself (t = 0.79 with 2 degrees of freedom: p = .26), nor are two at 27 (p = .10); at 28
    # all three do, and nothing varies.
    part = [1 / 20, 19 / 20, 19 / 20]
    found = ttest_ind_from_stats(
        np.mean(part), np.std(part, ddof=1), 3, 1 / 16, 0, 4, equal_var=False, alternative="greater"
    )
    assert found.pvalue > 0.05
    assert fired(run) == [28]


def test_when_a_rise_began_is_looked_for_once_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    # Looking goes through all losses of the version: at every tick that would be quadratic.
    looks = []

    def began(self: Any, view: Any) -> Any:
        looks.append(hour_of(view.now))
        return hour(0)

    class Alarmed(drift.PageHinkley):
        drift_detected = property(lambda self: True, lambda self, value: None)

    monkeypatch.setattr(_ErrorMonitor, "_began", began)
    monkeypatch.setattr(ErrorDrift, "build", lambda self: Alarmed())
    # The model says 1.5 to rows whose label is their number: losses rise at every row.
    strategy = Strategy(ErrorDrift(), Expanding(), budget=0)
    run = hourly(history(60)).replay(strategy)
    assert run.totals["retrains"] == 0
    assert looks == [35]  # row 34 is the 31st that is served: 30 against one before them

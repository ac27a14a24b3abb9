"""Every trigger, window, update and gate that is shipped, set for histories of some days.

A file ``test_part_*.py`` adds its own by dictionaries of the same names.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from contract import gathered

from backtrain import Strategy, Verdict
from backtrain.strategies import (
    AllOf,
    AnyOf,
    BeatsChampion,
    Budget,
    Cooldown,
    Decay,
    ErrorDrift,
    Every,
    EveryRows,
    Expanding,
    FeatureDrift,
    Hours,
    LastDays,
    Never,
    OnDates,
    PartialFit,
    PerformanceDrop,
    PublicHolidays,
    Random,
    Sliding,
    WarmStart,
    Weekdays,
)

DROP = PerformanceDrop("MAE", window=12, min_labels=5, drop="20%")
DRIFT = ErrorDrift("PageHinkley", {"min_instances": 10, "threshold": 0.5, "delta": 0.01})
FEATURES = FeatureDrift(window=20, min_rows=8, alpha=0.1)


@dataclass(frozen=True)
class Steps:
    """Waits with growing shares, and judges by what both have answered meanwhile."""

    shares: tuple[float, ...] = (0.0, 0.25, 1.0)
    length: str = "5h"
    last: str = "deploy"

    def open(self):
        return StepsTrial(self)


class StepsTrial:
    def __init__(self, gate):
        self.gate, self.left = gate, list(gate.shares)

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        if self.left:
            return Verdict.wait(view.now + pd.Timedelta(self.gate.length), self.left.pop(0))
        return getattr(Verdict, self.gate.last)()


@dataclass(frozen=True)
class NextTicks:
    """Waits for two more ticks, in the shadow, then keeps the better one on the rows since."""

    def open(self):
        return NextTicksTrial()


class NextTicksTrial:
    def __init__(self):
        self.asked = 0

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        self.asked += 1
        if self.asked <= 2:
            return Verdict.wait()
        rows = view.trial_rows
        if rows.start == rows.stop:
            return Verdict.reject()
        gap = np.abs(view.challenger.predict(rows) - view.model.predict(rows))
        return Verdict.deploy() if gap.sum() > 0.5 else Verdict.reject()


REGRESSION = gathered("REGRESSION") | {
    "never": Strategy(Never(), Expanding()),
    "every": Strategy(Every("7h"), Expanding()),
    "every with a phase": Strategy(Every("1D", phase="5h"), Sliding("2D")),
    "since the last training": Strategy(Every("9h", since="training"), Sliding(20)),
    "rows": Strategy(EveryRows(7), Sliding(15)),
    "dates": Strategy(
        OnDates(["2024-01-02 05:30", "2024-01-03", "2024-01-03 01:00"]), Sliding("30h")
    ),
    "decay": Strategy(Every("8h"), Decay("12h")),
    "decay in a window": Strategy(
        DROP, Decay("1D", Sliding(20)), gate=BeatsChampion(4, min_rows=1)
    ),
    "random": Strategy(Random(0.2, seed=1), Sliding(25)),
    "floor": Strategy(PerformanceDrop("MAE", window=9, min_labels=4, below=1.0), Sliding(20)),
    "drop": Strategy(DROP, Sliding(20)),
    "drop, all versions": Strategy(
        PerformanceDrop("RMSE", window=10, min_labels=5, drop=0.2, versions="all"), Expanding()
    ),
    "test": Strategy(
        PerformanceDrop("MAE", window=12, min_labels=5, test=0.1), Sliding(20), cooldown="6h"
    ),
    "feature drift": Strategy(FEATURES, Sliding("1D")),
    "any": Strategy(AnyOf(Every("11h"), DROP, FEATURES), Sliding(30)),
    "all": Strategy(AllOf(EveryRows(3), DROP), Sliding(30)),
    "cooldown": Strategy(Cooldown(AnyOf(Random(0.4), DRIFT), "8h"), Sliding(30)),
    "budget": Strategy(Budget(EveryRows(4), retrains=3), Expanding()),
    "money": Strategy(Budget(Every("4h"), money=60), Expanding()),
    "held back": Strategy(
        EveryRows(5),
        Expanding(),
        cooldown="6h",
        budget=5,
        blackout=["2024-01-02", ("2024-01-03 06:00", "2024-01-03 18:00")],
    ),
    "never at night": Strategy(Every("7h"), Expanding(), blackout=[Hours("20:00", "04:00")]),
    "on working days": Strategy(
        EveryRows(5),
        Expanding(),
        blackout=[Weekdays(["Wed"]), LastDays(27), PublicHolidays(["2024-01-02"])],
    ),
    "held back alarm": Strategy(DROP, Expanding(), cooldown="12h", budget=2),
    "champion": Strategy(EveryRows(8), Sliding(30), gate=BeatsChampion(0.3, min_rows=3)),
    "champion, refit": Strategy(
        Every("8h"), Expanding(), gate=BeatsChampion(8, min_rows=2, refit=True)
    ),
    "champion on alarm": Strategy(
        AnyOf(DROP, Every("20h")),
        Sliding(25),
        gate=BeatsChampion(0.2, margin=0.05, metric="RMSE", refit=True, min_rows=1),
    ),
    "canary": Strategy(Every("15h"), Sliding(20), gate=Steps()),
    "rollback": Strategy(AnyOf(DROP, EveryRows(9)), Sliding(20), gate=Steps((0.5,), last="reject")),
    "shadow": Strategy(EveryRows(6), Sliding(20), gate=NextTicks()),
}
INCREMENTAL = gathered("INCREMENTAL") | {
    "partial fit": Strategy(Every("6h"), Expanding(), PartialFit()),
    "partial fit in a window": Strategy(
        EveryRows(6), Sliding("20h"), PartialFit(epochs=2, batch_rows=3)
    ),
    "partial fit, champion": Strategy(
        EveryRows(7), Expanding(), PartialFit(), BeatsChampion(0.4, min_rows=1)
    ),
    "warm start": Strategy(EveryRows(9), Sliding(30), WarmStart()),
    "warm start on alarm": Strategy(DROP, Sliding(20), WarmStart(), BeatsChampion(0.3, min_rows=2)),
}
PIPELINES = gathered("PIPELINES")
ACCURACY = PerformanceDrop("accuracy", window=12, min_labels=4, drop="10%")
CLASSIFICATION = gathered("CLASSIFICATION") | {
    "every": Strategy(Every("9h"), Sliding(20)),
    "drop": Strategy(ACCURACY, Sliding(20)),
    "balanced floor": Strategy(
        PerformanceDrop("balanced accuracy", window=10, min_labels=5, below=0.7),
        Sliding(15),
        gate=BeatsChampion(0.3, metric="accuracy", min_rows=2),
    ),
    "any": Strategy(AnyOf(ACCURACY, Every("21h")), Expanding(), gate=BeatsChampion(5, min_rows=1)),
}
LONG = gathered("LONG") | {
    "PageHinkley": Strategy(DRIFT, Sliding(20)),
    "ADWIN": Strategy(
        ErrorDrift("ADWIN", {"delta": 0.5, "clock": 1}),
        Sliding(20),
        gate=BeatsChampion(0.3, min_rows=1),
    ),
    "KSWIN": Strategy(
        AnyOf(ErrorDrift("KSWIN", {"window_size": 40, "stat_size": 15}), Every("5D")), Sliding("1D")
    ),
    "cooling drift": Strategy(Cooldown(AnyOf(DRIFT, FEATURES), "1D"), Sliding(20)),
}
ZERO_ONE = {
    name: Strategy(ErrorDrift(name), Sliding(20))
    for name in ("DDM", "EDDM", "FHDDM", "HDDMA", "HDDMW")
}


def everything() -> list[Strategy]:
    """All of them."""
    return [
        strategy
        for table in (REGRESSION, INCREMENTAL, PIPELINES, CLASSIFICATION, LONG, ZERO_ONE)
        for strategy in table.values()
    ]

"""What holds for every part of a strategy, whatever it does."""

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shipped
from contract import gathered, parts_of
from sklearn.linear_model import SGDRegressor
from sklearn.naive_bayes import GaussianNB
from test_leaks import PRICES

import backtrain.strategies as parts
from backtrain import Backtest, Delays, PartError
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
    Immediate,
    LastDays,
    Never,
    OnDates,
    PartialFit,
    PerformanceDrop,
    PublicHolidays,
    Random,
    Recorded,
    Refit,
    Sliding,
    Strategy,
    WarmStart,
    Weekdays,
)
from backtrain.testing import check_part, history

ALL = [
    *gathered("PARTS", []),
    Never(),
    Every("7D"),
    Every("MS", phase="2D"),
    Every("7D", since="training"),
    EveryRows(500),
    OnDates(["2012-01-02", "2012-07-02"]),
    Random(0.1, seed=3),
    PerformanceDrop("MAE", drop="20%"),
    PerformanceDrop("accuracy", window=300, below=0.8, versions="all"),
    PerformanceDrop("MAE", test=0.01),
    ErrorDrift("KSWIN", {"alpha": 0.01}),
    FeatureDrift(exclude=["hour"], min_share=0.5),
    AnyOf(Every("30D"), Cooldown(FeatureDrift(), "3D")),
    AllOf(Every("7D"), Random(0.5)),
    Cooldown(Random(0.5), "3D"),
    Budget(Every("1D"), retrains=3),
    Budget(Every("1D"), money=100.0),
    Expanding(),
    Sliding("90D"),
    Sliding(2_000),
    Decay("90D"),
    Decay("30D", window=Sliding("365D")),
    Refit(),
    WarmStart(rounds=5),
    PartialFit(epochs=2, batch_rows=32),
    Immediate(),
    BeatsChampion(holdout=100, margin=0.1, metric="MAE", refit=True),
    Strategy(Never(), Expanding()),
    Strategy(
        Every("7D"),
        Sliding("90D"),
        gate=BeatsChampion(),
        cooldown="2D",
        budget=5,
        blackout=["2012-12-24", ["2011-11-24", "2011-11-28"], Weekdays(["Sun"])],
    ),
    Weekdays(),
    Weekdays(["Friday", "sat"]),
    Hours("22:00", "06:00"),
    LastDays(2),
    PublicHolidays(["2012-12-24"]),
]


#: These need a library of an extra, and have the same tests in `test_part_boosters.py`.
ELSEWHERE = {"Detector", "Continue", "RefreshLeaves"}


def test_every_shipped_part_is_here() -> None:
    exported = {name for name in parts.__all__ if name not in ELSEWHERE}
    assert {type(part).__name__ for part in ALL} == exported


def test_every_part_is_replayed_row_by_row_and_with_the_future_spoilt() -> None:
    replayed = {name for strategy in shipped.everything() for name in parts_of(strategy)}
    assert replayed >= {name for name in parts.__all__ if name not in ELSEWHERE}


@pytest.mark.parametrize("part", ALL, ids=repr)
def test_every_part_keeps_the_contract(
    part: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dataclasses.is_dataclass(part)
    assert part.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert type(part).__doc__
    check_part(part, setup_of(part, tmp_path, monkeypatch))


def setup_of(part: object, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Backtest | None:
    """A history that has what a part names; None for those that `check_part` brings along."""
    stream = replace(history(np.random.default_rng(3), 90), columns=("hour", "month", "x2"))
    if getattr(part, "exclude", ()):
        return Backtest(stream, SGDRegressor(max_iter=5, tol=None), tick="5h", start=0.4)
    if isinstance(part, Recorded):
        monkeypatch.chdir(directory)
        answers = pd.DataFrame({"row": np.arange(90), "prediction": np.arange(90.0)})
        answers.to_csv(part.predictions, index=False)
        return Backtest(stream, SGDRegressor(max_iter=5, tol=None), tick="5h", start=0.4)
    return None


def one_for_each_part() -> dict[str, tuple[str, Strategy]]:
    """For every part a strategy that holds it, as few as it takes, and the history to replay."""
    chosen, missing = {}, {name for name in parts.__all__ if name != "Detector"}
    for task, table in TABLES.items():
        for name, strategy in table.items():
            if new := parts_of(strategy) & missing:
                chosen[f"{name} ({', '.join(sorted(new))})"] = (task, strategy)
                missing -= new
    return chosen


TABLES = {
    "regression": shipped.REGRESSION,
    "incremental": shipped.INCREMENTAL,
    "classification": shipped.CLASSIFICATION,
    "long": shipped.LONG,
    "zero one": shipped.ZERO_ONE,
}
ONE_EACH = one_for_each_part()


@pytest.mark.parametrize("name", ONE_EACH)
def test_every_part_keeps_the_contract_in_a_strategy_in_which_it_acts(name: str) -> None:
    task, strategy = ONE_EACH[name]
    classify = task in ("classification", "zero one")
    stream = history(np.random.default_rng(3), 90, "classification" if classify else "regression")
    model = GaussianNB() if classify else SGDRegressor(max_iter=5, tol=None)
    start = pd.Timestamp(stream.event_time[20])
    delays = Delays(train="2h", deploy="1h")
    setup = Backtest(stream, model, tick="5h", start=start, prices=PRICES, delays=delays)
    check_part(strategy, setup)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        *gathered("NONSENSE", []),
        (lambda: Every("7X"), r"'7X'\): not a time offset; did you mean '7D'"),
        (lambda: Every("0D"), "no time at all"),
        (lambda: Every("7D", phase="8D"), "less than every='7D'"),
        (lambda: Every("7D", since="end"), "'start', 'training'"),
        (lambda: EveryRows(0), "1 or more"),
        (lambda: OnDates("2012-01-02"), "give a list"),
        (lambda: OnDates(["soon"]), "not a date"),
        (lambda: Random(1.5), "a chance from 0 to 1"),
        (lambda: PerformanceDrop("MAE"), "exactly one of"),
        (lambda: PerformanceDrop("MAE", below=1, drop=2), "exactly one of"),
        (lambda: PerformanceDrop("MAE", drop="lots"), "such as '20%'"),
        (lambda: PerformanceDrop("MAE", below=1, window=10, min_labels=20), "at least min_labels"),
        (lambda: ErrorDrift("ADWINN"), "did you mean 'ADWIN'"),
        (lambda: ErrorDrift("ADWIN", {"detla": 1}), "detla"),
        (lambda: FeatureDrift(alpha=0), "between 0 and 1"),
        (lambda: FeatureDrift(exclude="hour"), "give a list"),
        (lambda: AnyOf(), "at least one"),
        (lambda: AnyOf(Never), r"did you mean Never\(\)"),
        (lambda: Cooldown(Never(), "3X"), "not a time offset"),
        (lambda: Budget(Never()), "retrains= or money="),
        (lambda: Sliding(0), "a number of rows, 1 or more"),
        (lambda: Sliding("0D"), "no time at all"),
        (lambda: Decay("0D"), "no time at all"),
        (lambda: Decay("MS"), "not of fixed length"),
        (lambda: Decay("90D", window=Expanding), r"did you mean Expanding\(\)"),
        (lambda: WarmStart(rounds=0), "1 or more"),
        (lambda: PartialFit(epochs=0), "1 or more"),
        (lambda: BeatsChampion(holdout=1.5), "share between 0 and 1"),
        (lambda: BeatsChampion(margin=-1), "not negative"),
        (lambda: Strategy(Every, Expanding()), r"did you mean Every\(\)"),
        (lambda: Strategy(Expanding(), Expanding()), "not a trigger"),
        (lambda: Strategy(Never(), Expanding(), cooldown="3X"), "not a time offset"),
        (lambda: Strategy(Never(), Expanding(), budget=-1), "0 or more"),
        (lambda: Strategy(Never(), Expanding(), blackout="2012-01-01"), "give a list"),
    ],
)
def test_nonsense_is_refused_with_a_remedy(build: object, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        build()  # type: ignore[operator]
    assert isinstance(caught.value, PartError) or "offset" in says or "date" in says

"""Money, worked by hand: every charge is a row, rows add up, and no shortcut changes a record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.tree import DecisionTreeRegressor

from backtrain import Backtest, Delays, Prices, Reason, Run, Selection, Strategy, Stream, Verdict
from backtrain.simulator.record import TABLES, VOLATILE_COLUMNS, VOLATILE_KEYS
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Budget,
    ErrorDrift,
    Every,
    EveryRows,
    Expanding,
    FeatureDrift,
    Immediate,
    Never,
    PartialFit,
    PerformanceDrop,
    Random,
    Sliding,
    WarmStart,
)

MIDNIGHT = pd.Timestamp("2024-01-01")
FREE = {"retrain": 0, "error": 0}


def hour(h):
    return MIDNIGHT + pd.Timedelta(hours=h)


def history(n=13, label=None, y=None, weight=None):
    """One row an hour; row i has the feature and the label i, known at once."""
    rows = np.arange(n, dtype=float)
    event = np.array([hour(i).to_datetime64() for i in range(n)])
    known = None if label is None else np.array([hour(h).to_datetime64() for h in label])
    return Stream(rows[:, None], rows if y is None else y, event, known, weight=weight)


def backtest(stream=None, model=None, **more):
    """Four rows before start, nine served ones: hours 4 to 12."""
    return Backtest(
        history() if stream is None else stream,
        DummyRegressor() if model is None else model,
        tick="1h",
        start=hour(4),
        **more,
    )


def charged(run, *kinds):
    """Charges as (hour, kind, version, quantity)."""
    rows = run.charges if not kinds else run.charges[run.charges["kind"].isin(kinds)]
    at = [(when - MIDNIGHT) / pd.Timedelta("1h") for when in rows["when"]]
    return list(zip(at, rows["kind"], rows["version"], rows["quantity"].round(9), strict=True))


@dataclass(frozen=True)
class At:
    """Fires at ticks at the given hours, and looks at the view before."""

    hours: tuple[float, ...]
    look: Callable = lambda view: None

    def monitor(self):
        return self

    def fires(self, view):
        self.look(view)
        return Reason("it is time") if view.now.hour in self.hours else None


@dataclass(frozen=True)
class Gate:
    """Gives its verdicts one after the other: callables of the view."""

    verdicts: tuple[Callable, ...]

    def open(self):
        return Trial(list(self.verdicts))


class Trial:
    def __init__(self, verdicts):
        self.verdicts = verdicts

    def check(self, selection, view):
        return None

    def reserve(self, selection):
        return selection, None

    def review(self, view):
        return self.verdicts.pop(0)(view)


def deploy(view):
    return Verdict.deploy()


def wait(until, share=0.0):
    return lambda view: Verdict.wait(hour(until), share)


# --- kinds --------------------------------------------------------------------------------------


def test_a_training_costs_a_fixed_price_and_one_for_its_rows():
    setup = backtest(prices=Prices(retrain=5, per_1k_rows=100, error=0))
    run = setup.replay(Strategy(At((6, 9)), Expanding()))
    assert charged(run) == [
        (4, "initial", 0, 1),
        (4, "initial", 0, 0.004),
        (6, "train", 1, 1),
        (6, "train", 1, 0.006),
        (9, "train", 2, 1),
        (9, "train", 2, 0.009),
    ]
    assert run.totals["initial"] == pytest.approx(5.4)
    assert run.totals["train"] == pytest.approx(11.5)
    assert run.totals["total"] == pytest.approx(11.5)


def test_the_rows_of_every_fit_of_a_training_are_charged():
    class Searching(Sliding):
        def select(self, view):
            found = super().select(view)
            if view.now > view.start:
                view.fit(Strategy(Never(), Expanding()).update, found.take(slice(0, 2)))
            return found

    setup = backtest(prices=Prices(**FREE, per_1k_rows=1), delays=Delays(train_per_1k_rows="250h"))
    run = setup.replay(Strategy(At((6,)), Searching(4)))
    # Two rows of the search and four of the window, at a quarter of an hour each.
    assert charged(run, "train") == [(6, "train", 1, 0.006)]
    assert run.versions["ready_at"].iloc[1] == hour(7.5)


def test_a_refit_is_charged_when_it_is_made():
    gate = BeatsChampion(holdout=2, min_rows=1, refit=True)
    prices = Prices(retrain=5, per_1k_rows=1, error=0)
    setup = backtest(prices=prices, delays=Delays(train="1h"))
    run = setup.replay(Strategy(At((7,)), Sliding(4), gate=gate))
    assert charged(run, "train") == [
        (7, "train", 1, 1),
        (7, "train", 1, 0.002),
        (8, "train", 1, 0.004),
    ]


def test_a_label_is_bought_once_and_those_before_start_belong_to_the_first_model():
    label = [0, 1, 8, *range(3, 13)]
    setup = backtest(history(label=label), prices=Prices(**FREE, label=1))
    run = setup.replay(Strategy(At((6, 7, 9)), Expanding()))
    assert charged(run) == [
        (4, "initial", 0, 3),  # rows 0, 1 and 3
        (6, "label", 1, 2),  # rows 4 and 5
        (7, "label", 2, 1),  # row 6
        (9, "initial", 3, 1),  # row 2, from before start
        (9, "label", 3, 2),  # rows 7 and 8
    ]


def test_held_out_labels_are_bought_too():
    gate = BeatsChampion(holdout=2, min_rows=1)
    run = backtest(prices=Prices(**FREE, label=1)).replay(Strategy(At((6,)), Sliding(4), gate=gate))
    assert run.totals["label"] == 2  # rows 4 and 5, both held out


class Stubborn(DummyRegressor):
    """Refuses to learn from three labels."""

    def fit(self, X, y, sample_weight=None):
        if len(y) == 3:
            raise ValueError("three")
        return super().fit(X, y, sample_weight)


def test_a_failed_training_is_paid_for_with_all_its_labels():
    gate = BeatsChampion(holdout=2, min_rows=1)
    setup = backtest(model=Stubborn(), prices=Prices(retrain=5, per_1k_rows=1, label=1, error=0))
    run = setup.replay(Strategy(At((7,)), Sliding(5), gate=gate))
    assert run.totals["failed"] == 1
    assert charged(run, "train", "label") == [
        (7, "train", 1, 1),
        (7, "train", 1, 0.003),
        (7, "label", 1, 3),  # rows 4, 5 and 6; 5 and 6 held out
    ]


def test_labels_of_a_refit_are_bought():
    def again(view):
        return Verdict.refit(Selection(view.labelled.all()))

    setup = backtest(prices=Prices(**FREE, label=1))
    gate = Gate((wait(8), again, deploy))
    run = setup.replay(Strategy(At((6,)), Expanding(), gate=gate))
    assert charged(run, "label") == [(6, "label", 1, 2), (8, "label", 1, 2)]


def test_labels_handed_to_a_monitor_are_bought_by_the_version_in_force():
    def look(view):
        if view.now.hour in (7, 8):
            _ = view.arrived().loss

    run = backtest(prices=Prices(**FREE, label=1)).replay(Strategy(At((6, 9), look), Expanding()))
    assert charged(run, "label") == [
        (6, "label", 1, 2),
        (7, "label", 1, 1),
        (8, "label", 1, 1),
        (9, "label", 2, 1),
    ]


def test_asking_how_many_labels_have_arrived_and_by_whom_costs_nothing():
    def look(view):
        _ = (view.arrivals, len(view.arrived()), view.arrived().by(0).prediction)

    run = backtest(prices=Prices(**FREE, label=1)).replay(Strategy(At((), look), Expanding()))
    assert run.totals["label"] == 0


def test_checks_are_charged_to_the_version_in_force():
    run = backtest(prices=Prices(**FREE, check=0.5)).replay(
        Strategy(At((6,), lambda view: view.checked(2)), Expanding())
    )
    assert charged(run)[:4] == [
        (5, "check", 0, 2),
        (6, "check", 0, 2),
        (7, "check", 1, 2),
        (8, "check", 1, 2),
    ]
    assert run.totals["check"] == 8.0


def test_a_review_is_charged_once_for_each_challenger_and_a_release_when_it_is_deployed():
    prices = Prices(**FREE, review=2, release=3)
    setup = backtest(prices=prices, delays=Delays(deploy="30min"))
    run = setup.replay(Strategy(At((6,)), Expanding(), gate=Gate((wait(7), wait(8), deploy))))
    rows = run.charges
    assert charged(run) == [(6, "deploy", 1, 1), (8.5, "deploy", 1, 1)]
    assert rows["amount"].tolist() == [2, 3]
    rejected = setup.replay(
        Strategy(At((6,)), Expanding(), gate=Gate((lambda view: Verdict.reject(),)))
    )
    assert rejected.charges["amount"].tolist() == [2]
    immediate = setup.replay(Strategy(At((6,)), Expanding(), gate=Immediate()))
    assert immediate.charges["amount"].tolist() == [3]


def test_a_shadowed_row_is_scored_twice_and_a_canary_row_once():
    setup = backtest(prices=Prices(**FREE, per_1k_predictions=1000))
    shadow = setup.replay(Strategy(At((6,)), Expanding(), gate=Gate((wait(9), deploy))))
    by_version = shadow.charges.groupby("version")["amount"].sum()
    assert by_version.round(9).to_dict() == {0: 5, 1: 3 + 4}  # rows 6 to 8 by both
    canary = setup.replay(Strategy(At((6,)), Expanding(), gate=Gate((wait(9, 0.5), deploy))))
    by_version = canary.charges.groupby("version")["amount"].sum()
    assert by_version.round(9).to_dict() == {0: 4, 1: 1 + 4}


def test_an_error_costs_its_loss_times_weight_and_stands_in_the_ledger_by_step():
    weight = np.where(np.arange(13) == 5, 10.0, 1.0)
    setup = backtest(history(weight=weight), prices=Prices(retrain=0, error=2))
    run = setup.replay(Strategy(Never(), Expanding()))
    assert charged(run)[:3] == [(4, "error", 0, 2.5), (5, "error", 0, 35), (6, "error", 0, 4.5)]
    assert run.charges["amount"].iloc[1] == 70
    assert run.totals["loss"] == pytest.approx(run.totals["error"] / 2)


def test_labels_that_never_arrive_cost_no_error():
    y = np.arange(13.0)
    y[5] = np.nan
    run = backtest(history(y=y)).replay(Strategy(Never(), Expanding()))
    assert [at for at, *_ in charged(run, "error")] == [4, 6, 7, 8, 9, 10, 11, 12]


def test_a_reference_is_charged_once_to_its_version():
    setup = backtest(history(20), prices=Prices(**FREE, per_1k_rows=1000))
    run = setup.replay(Strategy(At((9,), lambda view: view.model.reference), Sliding(5)))
    # The first model has four rows, and no fifth of them; version 1 has five.
    assert charged(run) == [
        (4, "initial", 0, 0.004),
        (9, "train", 1, 0.005),
        (10, "train", 1, 0.004),
    ]


def test_what_a_gate_has_fitted_belongs_to_the_training_under_review():
    def calibrate(view):
        view.fit(Strategy(Never(), Expanding()).update, Selection(slice(0, 3)))
        return Verdict.deploy()

    setup = backtest(prices=Prices(**FREE, per_1k_rows=1000))
    run = setup.replay(Strategy(At((6,)), Expanding(), gate=Gate((calibrate,))))
    assert charged(run, "train") == [(6, "train", 1, 0.006), (6, "train", 1, 0.003)]


def test_what_a_monitor_has_fitted_after_start_is_part_of_the_total():
    def look(view):
        if view.now.hour == 6:
            view.fit(Strategy(Never(), Expanding()).update, Selection(slice(0, 3)))

    setup = backtest(prices=Prices(**FREE, per_1k_rows=1000))
    run = setup.replay(Strategy(At((), look), Expanding()))
    assert run.totals["total"] == pytest.approx(3)


@pytest.mark.parametrize(("money", "retrains"), [(17, 2), (18, 3)])
def test_the_budget_in_money_counts_what_was_spent_but_no_errors(money, retrains):
    prices = Prices(retrain=5, release=1, error=100)
    run = backtest(prices=prices).replay(Strategy(Budget(Every("1h"), money=money), Expanding()))
    # After two trainings 12 are spent; a third costs 5, and 1 more when it is released.
    assert run.totals["retrains"] == retrains


def test_cpu_time_is_charged_as_it_was_when_the_fit_was_made(monkeypatch):
    longer_each_time = (float(k * k) for k in count())
    monkeypatch.setattr(time, "process_time", lambda: next(longer_each_time))
    prices = Prices(**FREE, cpu_hour=3600)
    setup = backtest(history(400), RandomForestRegressor(5, random_state=0), prices=prices)
    strategy = Strategy(At((6,)), Expanding(), budget=1)
    first, second = setup.replay(strategy), setup.replay(strategy)
    assert not first.versions["shared"].any()
    assert second.versions["shared"].all()
    assert first.versions["fit_seconds"].min() > 0
    for run in (first, second):
        assert charged(run, "train")[0][3] > 0
        assert run.totals["train"] == pytest.approx(first.versions["fit_seconds"].iloc[1])
    assert first.charges.equals(second.charges)


# --- what always holds --------------------------------------------------------------------------

ALL = Prices(
    retrain=5,
    per_1k_rows=10,
    label=0.01,
    check=0.1,
    review=1,
    release=2,
    per_1k_predictions=3,
    error=0.5,
)
STRATEGIES = {
    "never": Strategy(Never(), Expanding()),
    "often": Strategy(Every("5h"), Sliding("1D")),
    "rows": Strategy(EveryRows(20), Sliding(40), gate=BeatsChampion(0.2, refit=True)),
    "alarms": Strategy(
        AnyOf(
            PerformanceDrop("MAE", window=30, min_labels=10, drop="20%"),
            ErrorDrift("PageHinkley", {"threshold": 5.0}),
            FeatureDrift(window=40, min_rows=20),
        ),
        Sliding(60),
        gate=BeatsChampion(0.3, min_rows=3),
        cooldown="10h",
    ),
    "luck": Strategy(Random(0.2), Expanding(), WarmStart()),
    "partial": Strategy(Every("20h"), Sliding(50), PartialFit()),
}


def drifting(n=200):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3)) + (np.arange(n) > n / 2)[:, None]
    y = X[:, 0] + np.sin(np.arange(n) / 20) * 3 + rng.normal(scale=0.1, size=n)
    event = MIDNIGHT.to_datetime64() + (np.arange(n) * 30).astype("timedelta64[m]")
    late = event + rng.integers(0, 600, size=n).astype("timedelta64[m]")
    late[50:60] = np.datetime64("NaT", "ns")
    y[50:60] = np.nan
    return Stream(X, y, event, late, weight=rng.uniform(0.5, 2, size=n))


def full(model=None, **more):
    return Backtest(
        drifting(),
        SGDRegressor() if model is None else model,
        tick="2h",
        start="2024-01-02",
        prices=ALL,
        delays=Delays(train="90min", deploy="2h"),
        **more,
    )


@pytest.mark.parametrize("name", STRATEGIES)
def test_charges_add_up_to_the_totals(name):
    run = full().replay(STRATEGIES[name])
    charges = run.charges
    pd.testing.assert_series_equal(
        charges["amount"], charges["quantity"] * charges["unit_price"], check_names=False
    )
    by_kind = charges.groupby("kind")["amount"].sum()
    for kind in ("initial", "train", "label", "check", "deploy", "flip", "predict", "error"):
        assert run.totals[kind] == pytest.approx(by_kind.get(kind, 0.0))
    assert run.totals["total"] == pytest.approx(by_kind.drop("initial").sum())
    assert charges["when"].is_monotonic_increasing
    rows = run.predictions
    assert run.totals["error"] == pytest.approx(0.5 * (rows["loss"] * rows["weight"]).sum())


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_row_is_served_exactly_once(name):
    setup = full()
    run = setup.replay(STRATEGIES[name])
    assert run.predictions["row"].tolist() == list(range(48, 200))
    assert run.steps["rows"].sum() == run.totals["rows"] == 152
    assert run.totals["scored"] + run.totals["never_labelled"] == 152
    assert run.predictions["prediction"].notna().all()


def saved(run, directory):
    """The bytes of a saved run, without the columns and keys that tell how it was computed."""
    run.save(directory / "whole")
    again = Run.load(directory / "whole")
    tables = dict(again.tables)
    for table, columns in VOLATILE_COLUMNS.items():
        tables[table] = tables[table].drop(columns=list(columns))
    info = {key: value for key, value in again.info.items() if key not in VOLATILE_KEYS}
    left = Run(again.name, info, again.totals, tables).save(directory / "left")
    return {path.name: path.read_bytes() for path in sorted(left.iterdir())}


@pytest.mark.parametrize("name", STRATEGIES)
def test_two_replays_are_equal_to_the_byte(name, tmp_path):
    forest = RandomForestRegressor(3, max_depth=3)
    model = None if name in ("luck", "partial") else forest
    first = saved(full(model).replay(STRATEGIES[name], name), tmp_path / "first")
    second = saved(full(model).replay(STRATEGIES[name], name), tmp_path / "second")
    assert sorted(first) == sorted([*(f"{table}.parquet" for table in TABLES), "run.json"])
    assert first == second


def test_a_shared_store_changes_nothing(tmp_path):
    setup = full()
    for name, strategy in STRATEGIES.items():
        shared = saved(setup.replay(strategy, name), tmp_path / f"shared {name}")
        alone = saved(full().replay(strategy, name), tmp_path / f"alone {name}")
        assert shared == alone


def test_processes_change_nothing(tmp_path):
    alone, apart = (full().compare(STRATEGIES, n_jobs=jobs).runs for jobs in (1, 2))
    for name in STRATEGIES:
        one = saved(alone[name], tmp_path / f"{name} 1")
        other = saved(apart[name], tmp_path / f"{name} 2")
        assert [file for file in one if one[file] != other[file]] == []


@pytest.mark.parametrize("model", [Ridge(), DecisionTreeRegressor(max_depth=2), SGDRegressor()])
def test_two_schedules_that_meet_share_their_fit(model):
    setup = full(model)
    often = setup.replay(Strategy(Every("6h"), Sliding("1D")))
    seldom = setup.replay(Strategy(Every("12h"), Sliding("1D")))
    met = often.versions.merge(seldom.versions, on="decided_at")
    assert len(met) >= 5
    assert (met["fit_x"] == met["fit_y"]).all()
    assert seldom.versions["shared"].all()


def test_delays_and_prices_do_not_make_another_fit():
    setup = full(Ridge())
    first = setup.replay(Strategy(Every("12h"), Sliding("1D")))
    later = Backtest(
        setup.stream, Ridge(), tick="1h", start="2024-01-02", prices=Prices(), delays=Delays()
    ).replay(Strategy(Every("12h"), Sliding("1D")))
    assert first.versions["fit"].tolist() == later.versions["fit"].tolist()

"""How much answers change at a deployment, and what that costs; by hand.

Unless a test says otherwise there is one row an hour, row i at hour i with the label i, and a model
that answers the mean of the labels it was trained on: at first 1.5, the mean of the rows 0 to 3.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier
from test_part_flips import FREE, REGRESSION, Above, classified, noted, played
from test_replay import REGRESSION as EVERYWHERE
from test_replay import assert_same, backtests, slowly
from test_time import At, Gate, backtest, deploy, events_of, history, hour, reject, wait

from backtrain import Backtest, Comparison, Delays, Prices, Run, Strategy
from backtrain.reports import sections, tables
from backtrain.reports import stability as frontier
from backtrain.reports.svg import NARROW, WIDE
from backtrain.reports.sweep import objective
from backtrain.simulator import stability
from backtrain.simulator.replay import replay
from backtrain.simulator.stability import smqc
from backtrain.store.fits import FitStore
from backtrain.strategies import (
    ABTest,
    BeatsChampion,
    Canary,
    Every,
    EveryRows,
    Expanding,
    Never,
    Recorded,
    Sliding,
)


class Least(RegressorMixin, BaseEstimator):
    """Answers the least label it was trained on, and raises for a row beyond the 9th."""

    def fit(self, X, y):
        self.least_ = y.min()
        return self

    def predict(self, X):
        if (np.asarray(X)[:, 0] > 8).any():
            raise ValueError("too large")
        return np.full(len(X), self.least_)


# --- what is noted ------------------------------------------------------------------------------


def test_answers_change_by_the_difference_of_both_versions():
    run = played()
    # The means are 1.5, 2.5 of the rows 0 to 5, and 3.5 of the rows 0 to 7.
    assert noted(run) == [None, 1.0, 1.0]
    assert (run.totals["changed"], run.totals["changed_total"]) == (1.0, 2.0)
    assert noted(run, "flipped") == [None, None, None]
    assert not {"flipped", "flipped_total"} & set(run.totals)


def test_decisions_flip_and_probabilities_move():
    run = played((8,), setup=classified())
    # The first version calls the rows 4 to 7 ones, the second, which has seen them, none of 0 to 7.
    assert noted(run, "flipped") == [None, 0.5]
    assert noted(run) == [None, pytest.approx(0.5 * (0.9 - 0.25))]


def test_decisions_are_those_of_the_threshold():
    run = played((8,), setup=classified(threshold=0.2))
    assert noted(run, "flipped") == [None, 0.0]  # from 0.2 on all are ones
    assert noted(run) == [None, pytest.approx(0.5 * (0.9 - 0.25))]


def test_rows_count_by_their_weight():
    stream = history(range(13), y=np.arange(13) % 2, weight=[2.0] * 6 + [1.0] * 2 + [0.0] * 5)
    run = played((8, 12), setup=backtest(stream, model=Above()))
    assert noted(run, "flipped")[1] == pytest.approx((2 + 2 + 1 + 1) / 14)


def test_only_the_newest_rows_are_compared(monkeypatch):
    monkeypatch.setattr(stability, "COMPARED", 5)
    assert noted(played((8,), setup=classified()), "flipped") == [None, 4 / 5]
    monkeypatch.setattr(stability, "COMPARED", 4)
    assert noted(played((8,), setup=classified()), "flipped") == [None, 1.0]


def test_a_version_is_compared_with_the_one_whose_place_it_takes():
    # Decided at 6, in force at 9; decided at 9, in force at 12.
    run = played((6, 9), setup=backtest(delays=Delays(train="3h")))
    assert events_of(run, "deployed") == [(9, "deployed"), (12, "deployed")]
    assert noted(run) == [None, 1.0, 1.5]


def test_what_is_turned_down_changes_nothing():
    run = played((6,), Gate((wait(8, share=1.0), reject)))
    assert run.versions["outcome"].tolist() == ["initial", "rolled back"]
    assert noted(run) == [None, None]
    assert "changed" not in run.totals
    assert run.totals["changed_total"] == 0


@pytest.mark.parametrize("trial", [wait(9, share=0.5), wait(9, share=1.0), wait(9)])
def test_it_does_not_matter_who_answered_the_rows_that_are_compared(trial):
    run = played((6,), Gate((trial, deploy)))
    assert noted(run) == [None, 1.0]


def test_after_a_refit_the_new_fit_is_compared():
    run = played((8,), BeatsChampion(holdout=2, min_rows=1, refit=True))
    # Held out are the rows 6 and 7; without them the mean is 2.5, fitted again 3.5.
    assert events_of(run, "refit") == [(8, "refit")]
    assert noted(run) == [None, 2.0]


def test_rows_that_cannot_be_scored_count_with_what_is_answered():
    run = played((10, 12), setup=backtest(model=Least()))
    # All rows get 0, the least label, but for the newest, 9, 10 and 11, which get the mean: of the
    # rows 0 to 3, then 0 to 9, then 0 to 11.
    assert noted(run) == [None, pytest.approx(3 / 10), pytest.approx(3 / 12)]


def test_what_was_recorded_cannot_be_asked():
    answers = pd.DataFrame({"row": range(4, 13), "prediction": 2.0})
    run = backtest().replay(Strategy(Recorded(answers, ["2024-01-01 06:00"]), Expanding()))
    assert run.totals["deployed"] == 1
    assert noted(run) == [None, None]
    assert not set(stability.TOTALS) & set(run.totals)


def test_a_model_without_probabilities_flips_decisions_alone():
    class Silent(Above):
        predict_proba = property()

    run = played((8,), setup=backtest(history(range(13), y=np.arange(13) % 2), model=Silent()))
    assert noted(run, "flipped") == [None, 0.5]
    assert noted(run) == [None, None]


def test_several_classes_move_by_half_of_all_changes():
    stream = history(range(60), y=np.arange(60) // 7 % 3)
    model = DecisionTreeClassifier(max_depth=2, random_state=0)
    setup = Backtest(stream, model, tick="1h", start=hour(30))
    run = setup.replay(Strategy(At((45,)), Sliding(25)))
    old, new = (
        DecisionTreeClassifier(max_depth=2, random_state=0).fit(stream.X[rows], stream.y[rows])
        for rows in (slice(5, 30), slice(20, 45))
    )
    X = stream.X[:45]
    gaps = np.abs(old.predict_proba(X) - new.predict_proba(X)).sum(axis=1) / 2
    assert noted(run) == [None, pytest.approx(gaps.mean())]
    assert noted(run, "flipped") == [None, pytest.approx((old.predict(X) != new.predict(X)).mean())]


TRIALS = {
    name: (EVERYWHERE | REGRESSION)[name]
    for name in ("champion, refit", "canary", "rollback", "few flips, not for ever")
}


@pytest.mark.parametrize("name", TRIALS)
@slowly
@given(backtest=backtests([Ridge()]))
def test_both_models_asked_row_by_row_give_the_same(name, backtest):
    before, stability.COMPARED = stability.COMPARED, 7
    try:
        assert_same(backtest, TRIALS[name], exact=False)
    finally:
        stability.COMPARED = before


def test_nothing_depends_on_the_store_or_on_workers(tmp_path):
    stream = history(range(400), y=np.arange(400) // 9 % 2)
    setup = Backtest(stream, LogisticRegression(), tick="1h", start=hour(100))
    compared = {
        "often": Strategy(EveryRows(20), Sliding(60)),
        "shared": Strategy(EveryRows(20), Sliding(60), gate=Canary([0.5], each=10, min_labels=1)),
        "tested": Strategy(EveryRows(40), Sliding(60), gate=ABTest(min_labels=2)),
    }
    alone = {name: replay(setup, one, FitStore()) for name, one in compared.items()}
    store = FitStore(tmp_path / "fits")
    for others in (compared, dict(reversed(compared.items()))):
        for name, one in others.items():
            again = replay(setup, one, store)
            assert again.versions["changed"].equals(alone[name].versions["changed"])
            assert again.versions["flipped"].equals(alone[name].versions["flipped"])
    side_by_side = setup.compare(compared, n_jobs=2, hindsight=False)
    for name, run in side_by_side.runs.items():
        assert run.versions["flipped"].equals(alone[name].versions["flipped"])
        assert alone[name].totals["deployed"] > 1 or name == "tested"


# --- what it costs ------------------------------------------------------------------------------


def test_a_flip_costs_its_share_of_the_price():
    run = played((8,), setup=classified(prices=Prices(**FREE, flip=40)))
    charge = run.charges.iloc[0]
    assert (charge["kind"], charge["version"], charge["quantity"]) == ("flip", 1, 0.5)
    assert charge["when"] == hour(8)
    assert (run.totals["flip"], run.totals["total"]) == (20.0, 20.0)


def test_a_number_costs_its_mean_absolute_change():
    run = played(setup=backtest(prices=Prices(**FREE, flip=3)))
    assert run.totals["flip"] == 3 * (1.0 + 1.0)


def test_free_flips_leave_no_row_and_answers_are_not_charged():
    prices = {**FREE, "per_1k_predictions": 1000}
    run = played(setup=backtest(prices=Prices(**prices)))
    assert set(run.charges["kind"]) == {"predict"}
    assert run.charges["amount"].sum() == 9
    assert "flip" not in run.info["prices"]
    assert "flip" in played(setup=backtest(prices=Prices(flip=2))).info["prices"]


def test_what_was_recorded_is_charged_no_flips():
    answers = pd.DataFrame({"row": range(4, 13), "prediction": 2.0})
    setup = backtest(prices=Prices(flip=2))
    run = setup.replay(Strategy(Recorded(answers, ["2024-01-01 06:00"]), Expanding()))
    assert run.totals["flip"] == 0


def test_prices_without_flips_are_named_as_before():
    state = Prices(flip=0.0).__getstate__()
    assert "flip" not in state
    assert Prices(flip=1.5).__getstate__()["flip"] == 1.5


# --- quantiles, records, tables -----------------------------------------------------------------


def test_quantiles_change_by_the_pinball_loss_of_new_against_old():
    old, new = np.array([[1.0, 4.0], [2.0, 2.0]]), np.array([[2.0, 3.0], [2.0, 2.0]])
    levels = np.array([0.1, 0.9])
    # Up by 1 at 0.1 costs 0.9, down by 1 at 0.9 costs 0.9; the second row costs nothing.
    assert smqc(old, new, levels) == pytest.approx((0.9 + 0.9) / 4)
    assert smqc(old, new, levels, np.array([2.0, 5.0])) == pytest.approx((0.9 + 0.9) / 8)
    assert smqc(old, old, levels) == 0
    assert smqc(10 * old, 10 * new, levels, 10.0) == pytest.approx(smqc(old, new, levels))


def test_a_record_keeps_them_and_older_ones_are_still_read(tmp_path):
    run = played(setup=classified())
    run.save(tmp_path / "run")
    again = Run.load(tmp_path / "run")
    assert again.versions["flipped"].equals(run.versions["flipped"])
    assert again.totals["flipped_total"] == run.totals["flipped_total"]
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    for key in stability.TOTALS:
        facts["totals"].pop(key, None)
    (tmp_path / "run" / "run.json").write_text(json.dumps(facts))
    older = Run.load(tmp_path / "run")
    assert "flipped" not in Comparison({"older": older}).table()


def test_the_table_shows_what_has_a_meaning():
    static = Strategy(Never(), Expanding())
    often = Strategy(Every("2h"), Expanding())
    table = backtest().compare({"static": static, "often": often}, hindsight=False).table()
    assert table["changed_total"]["static"] == 0
    assert math.isnan(table["changed"]["static"])
    assert table["changed_total"]["often"] == pytest.approx(4 * table["changed"]["often"])
    assert "flipped" not in table
    assert "changed" not in backtest().compare({"static": static}, hindsight=False).table()


def compared(**strategies):
    every = {name: Strategy(Every(often), Sliding(6)) for name, often in strategies.items()}
    static = {"static": Strategy(Never(), Expanding())}
    setup = backtest(history(range(60), y=np.sin(np.arange(60) / 5)))
    return setup.compare(static | every, hindsight=False)


def test_the_report_draws_error_against_stability():
    comparison = compared(often="2h", seldom="9h")
    section = frontier.section(comparison, "static")
    points = section.exhibits[0].frame()
    table = comparison.table()
    assert points["in all"].to_dict() == table["changed_total"].to_dict()
    front = points[points["front"]].sort_values("loss")
    for name in front.index:
        beaten = (points["in all"] < points["in all"][name]) & (
            points["loss"] < points["loss"][name]
        )
        assert not beaten.any()
    assert section.finding.startswith(f"{front.index[0]} errs the least")
    assert "static" in section.finding
    assert "no change at all" in section.finding
    for paper in (WIDE, NARROW):
        drawing = section.exhibits[0].shows(paper)
        assert set(drawing.names.values()) == {"static", "often", "seldom"}
    assert "changed in all" in [
        column.label for column in tables.ranked(comparison, "static").columns
    ]


def test_one_strategy_that_retrains_has_no_frontier():
    assert frontier.section(compared(often="2h"), "static") is None


def test_a_sweep_may_choose_by_it():
    comparison = compared(often="2h", seldom="9h")
    assert objective.numbers(comparison, strategy="seldom")["changed_total"] == pytest.approx(
        comparison.runs["seldom"].totals["changed_total"]
    )
    assert objective.numbers(comparison, strategy="static")["changed"] is None
    assert objective.numbers(comparison, strategy="often")["flipped"] is None
    assert {"changed", "flipped_total"} <= set(objective.names())


def test_a_decision_adds_what_flips_cost():
    free, priced = (
        backtest(history(range(60)), prices=Prices(flip=flip)).compare(
            {
                "static": Strategy(Never(), Sliding(6)),
                "often": Strategy(Every("2h"), Sliding(6)),
                "seldom": Strategy(Every("9h"), Sliding(6)),
            },
            hindsight=True,
        )
        for flip in (0, 2)
    )
    for name in ("static", "often", "seldom"):
        paid = priced.runs[name].totals["flip"]
        assert paid == pytest.approx(2 * free.runs[name].totals["changed_total"])
        assert priced.verdict().expected[name] == pytest.approx(
            free.verdict().expected[name] + paid
        )
        regret = [one.runs[name].info["hindsight"]["regret"] for one in (free, priced)]
        assert regret[0] == regret[1]  # flips are left out of both sides
    assert "What flips cost is left out" in sections.luck_note(priced)
    assert "What flips cost" not in sections.luck_note(free)


def test_tuning_says_that_it_leaves_them_out():
    tuning = backtest(history(range(60)), prices=Prices(flip=2)).tune(Sliding(6))
    assert "What flips cost (prices.flip) is left out" in tuning.findings()["interval"]


# --- quantiles ----------------------------------------------------------------------------------


class Around(RegressorMixin, BaseEstimator):
    """Answers two quantiles: the mean of the labels it was trained on, less 1 and plus 3."""

    def fit(self, X, y):
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        return np.repeat([[self.mean_ - 1, self.mean_ + 3]], len(X), axis=0)


def test_quantiles_change_by_their_pinball_loss_in_units_of_the_history():
    # Labels rise by 1 a row, so that a naive forecast errs by 1; the mean of rows 0 to 3 is 1.5,
    # that of rows 0 to 5 is 2.5: both quantiles rise by 1, at 1 - 0.1 and 1 - 0.8.
    asked = {"quantiles": (0.1, 0.8), "start": hour(4), "tick": "2h", "prices": FREE}
    run = Backtest(history(), Around(), **asked).replay(Strategy(Every("2h"), Expanding()))
    assert run.versions["smqc"].iloc[1] == pytest.approx((0.9 + 0.2) / 2)
    assert run.totals["smqc_total"] == pytest.approx(run.versions["smqc"].sum())

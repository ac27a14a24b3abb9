"""Triggers that weigh staleness against the price of a retrain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import SlowReplay
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, QuantileRegressor
from sklearn.metrics import mean_pinball_loss
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from backtrain import (
    Backtest,
    Delays,
    FutureLeak,
    PartError,
    Prices,
    Reason,
    Strategy,
    Stream,
    Verdict,
)
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.strategies import (
    BeatsChampion,
    BreakEven,
    CumulativeStaleness,
    Decay,
    Every,
    Expanding,
    Forecast,
    Learned,
    Never,
    Sliding,
    StalenessCost,
)
from backtrain.strategies.triggers.forecasts import _classifier, _quantile_line
from backtrain.strategies.triggers.tuning_history import Rehearsal, rehearse

PARTS = [
    StalenessCost(),
    StalenessCost(0.5, window=168, min_labels=24),
    CumulativeStaleness(),
    CumulativeStaleness(250.0, points=5),
    BreakEven(),
    BreakEven(0.5),
    Forecast("14D", quantile=0.75),
    Forecast(line=[1.5, 0.5, 0.25]),
    Learned(),
    Learned(window=168, points=20, weights=[-1, 0.5, 0, 0.25]),
]

NONSENSE = [
    (lambda: StalenessCost(-1), "an amount of money"),
    (lambda: StalenessCost(float("nan")), "an amount of money"),
    (lambda: StalenessCost(window=10, min_labels=20), "at least min_labels"),
    (lambda: StalenessCost(points=1), "a whole number, 2 or more"),
    (lambda: StalenessCost(points=2.5), "a whole number, 2 or more"),  # type: ignore[arg-type]
    (lambda: StalenessCost(window=60.5), "1 or more"),  # type: ignore[arg-type]
    (lambda: CumulativeStaleness(-0.5), "an amount of money"),
    (lambda: CumulativeStaleness(points=0), "a whole number, 2 or more"),
    (lambda: BreakEven(0), "a number above 0"),
    (lambda: Forecast("7X"), r"'7X'\): not a time offset"),
    (lambda: Forecast("0D"), "no time at all"),
    (lambda: Forecast(quantile=1), "between 0 and 1"),
    (lambda: Forecast(line=[1, 2]), "a list of 3 numbers"),
    (lambda: Learned(weights=[1, 2, 3, float("inf")]), "a finite number"),
    (lambda: Learned(min_labels=0), "1 or more"),
]

FEW: dict[str, Any] = {"window": 10, "min_labels": 1, "points": 8}
TRIGGERS = {
    "staleness": StalenessCost(0.4, window=8, min_labels=3),
    "tuned staleness": StalenessCost(**FEW),
    "cumulative": CumulativeStaleness(5.0),
    "tuned cumulative": CumulativeStaleness(points=4),
    "break-even": BreakEven(),
    "forecast": Forecast("2D", line=(0.1, 0.8, 0.3), window=10, min_labels=2),
    "fitted forecast": Forecast("1D", **FEW),
    "learned": Learned(weights=(-1.0, 0.5, 0.1, 0.3), window=10, min_labels=2),
    "taught": Learned(**FEW),
}
REGRESSION = {name: Strategy(trigger, Sliding(20)) for name, trigger in TRIGGERS.items()} | {
    "tuned staleness, expanding": Strategy(StalenessCost(**FEW), Expanding()),
    "tuned cumulative, weighted": Strategy(
        CumulativeStaleness(points=5), Decay("12h", Sliding(15))
    ),
    "break-even, often": Strategy(BreakEven(0.2), Sliding("1D"), gate=BeatsChampion(5, min_rows=1)),
}
CLASSIFICATION = {
    "staleness of a classifier": Strategy(StalenessCost(0.2, window=8, min_labels=3), Sliding(20)),
    "tuned staleness of a classifier": Strategy(StalenessCost(**FEW), Expanding()),
    "tuned cumulative of a classifier": Strategy(CumulativeStaleness(points=4), Expanding()),
    "taught about a classifier": Strategy(Learned(**FEW), Expanding()),
    "fitted forecast of a classifier": Strategy(Forecast("1D", **FEW), Expanding()),
}
LONG = {
    "break-even in the long run": Strategy(BreakEven(), Sliding(20)),
    "taught for long": Strategy(Learned(**FEW), Sliding(20), gate=BeatsChampion(0.3, min_rows=1)),
    "tuned for long": Strategy(CumulativeStaleness(points=4), Sliding("1D")),
}


# --- by hand ------------------------------------------------------------------------------------

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def history(y: Any, late: float = 0, weight: Any = None) -> Stream:
    """One row an hour; labels are known ``late`` hours later."""
    event = np.array([hour(h).to_datetime64() for h in range(len(y))])
    known = event + np.timedelta64(int(late * 60), "m")
    X = np.arange(len(y), dtype=float)[:, None]
    return Stream(X, np.asarray(y, dtype=float), event, known, weight=weight)


def backtest(stream: Stream, start: float, **more: Any) -> Backtest:
    """The model answers the mean of the labels that it has learnt."""
    more.setdefault("prices", Prices(retrain=4))
    return Backtest(stream, DummyRegressor(), tick="1h", start=hour(start), **more)


def fired(run: Any, kind: str = "trained") -> list[tuple[float, float, float]]:
    """When, and what was compared with what."""
    events = run.events[run.events["kind"] == kind]
    at = (events["at"] - MIDNIGHT) / pd.Timedelta("1h")
    return list(zip(at, events["statistic"].round(9), events["threshold"].round(9), strict=True))


def tuned(run: Any) -> list[str]:
    return run.events.loc[run.events["kind"] == "tuned", "reason"].tolist()


#: The first model learns rows 0 to 9 and says 0.2. Its reference: a model of rows 0 to 7 says 0 to
#: rows 8 and 9, whose labels are 1; so it usually loses 1. Rows 10, 11, ... lose 1, 3, 3, 3, ...:
#: what is lost to staleness is 0, 2, 2, 2, ...
JUMP = [0.0] * 8 + [1.0, 1.0] + [1.2] + [3.2] * 9
ONCE = {"cooldown": "30D"}


def test_staleness_is_the_newest_loss_over_that_at_training() -> None:
    # Known at 12 are rows 10 and 11: 0 and 2, on average 1. At 13 rows 11 and 12: 2.
    strategy = Strategy(StalenessCost(1.0, window=2, min_labels=2), Expanding(), **ONCE)
    assert fired(backtest(history(JUMP), 10).replay(strategy)) == [(13, 2, 1)]
    # At 11 one label is known, and it is not above 0.
    strategy = Strategy(StalenessCost(0.0, window=2, min_labels=1), Expanding(), **ONCE)
    assert fired(backtest(history(JUMP), 10).replay(strategy)) == [(12, 1, 0)]


def test_staleness_is_money_and_rows_count_by_weight() -> None:
    weight = [1.0] * 11 + [3.0] + [1.0] * 8
    strategy = Strategy(StalenessCost(1.0, window=2, min_labels=2), Expanding(), **ONCE)
    # At 12: (1 * 0 + 3 * 2) / 4 = 1.5 a row, at a price of 2.
    run = backtest(history(JUMP, weight=weight), 10, prices=Prices(error=2)).replay(strategy)
    assert fired(run) == [(12, 3, 1)]
    # In all: 2 * 3 * 2 at 12, and 2 * 2 more at 13.
    strategy = Strategy(CumulativeStaleness(12), Expanding(), **ONCE)
    run = backtest(history(JUMP, weight=weight), 10, prices=Prices(error=2)).replay(strategy)
    assert fired(run) == [(13, 16, 12)]


def test_staleness_adds_up() -> None:
    strategy = Strategy(CumulativeStaleness(3), Expanding(), **ONCE)
    assert fired(backtest(history(JUMP), 10).replay(strategy)) == [(13, 4, 3)]


def test_only_labels_that_have_arrived_count() -> None:
    # Labels come three hours late, so that the first model learns rows 0 to 9 at 12. Rows 12, 13
    # and 14 lose 0, 2 and 2 more than usual, which is known at 15, 16 and 17.
    y = [*JUMP[:10], 50, 50, *JUMP[10:]]
    strategy = Strategy(CumulativeStaleness(3), Expanding(), **ONCE)
    assert fired(backtest(history(y, late=3), 12).replay(strategy)) == [(17, 4, 3)]


@pytest.mark.parametrize(
    ("prices", "at"),
    [
        (Prices(retrain=4), (13, 4, 4)),
        (Prices(retrain=4.5), (14, 6, 4.5)),
        (Prices(retrain=1, per_1k_rows=200, release=3), (14, 6, 1 + 200 * 10 / 1000 + 3)),
        (Prices(retrain=4, label=100, review=100, error=2), (12, 4, 4)),
    ],
)
def test_break_even_comes_when_staleness_has_cost_a_retrain(prices: Prices, at: Any) -> None:
    strategy = Strategy(BreakEven(), Expanding(), **ONCE)
    assert fired(backtest(history(JUMP), 10, prices=prices).replay(strategy)) == [at]
    half = replace(strategy, trigger=BreakEven(0.5))
    first = fired(backtest(history(JUMP), 10, prices=prices).replay(half))[0]
    assert first[1] >= at[2] / 2 > first[1] - prices.error * 2


@pytest.mark.parametrize("retrain", [3, 10, 40, 150])
def test_break_even_spends_at_most_twice_the_best(retrain: float) -> None:
    # Every label is one above the one before, so a model of the last five that is A hours old loses
    # A + 0.5 more than usual (3 + A against 2.5): an older one is never better.
    setup = backtest(history(np.arange(300.0)), 20, prices=Prices(retrain=retrain))
    run = setup.replay(Strategy(BreakEven(), Sliding(5)))
    usual = 2.5 * run.totals["rows"]
    spent, best = run.totals["total"] - usual, setup.loss_matrix(Sliding(5)).oracle().cost - usual
    over = sum(max(lost - price, 0) for _, lost, price in fired(run))
    assert len(fired(run)) > 0
    assert best <= spent <= 2 * best + over


@dataclass(frozen=True)
class Rejects:
    """Lets nothing pass."""

    def open(self) -> Rejects:
        return self

    def check(self, selection: Any, view: Any) -> None:
        return None

    def reserve(self, selection: Any) -> Any:
        return selection, None

    def review(self, view: Any) -> Any:
        return Verdict.reject()


def test_a_rejected_challenger_settles_the_account() -> None:
    # 2 an hour from row 11 on: 4 at 13, then 4 again every two hours.
    strategy = Strategy(BreakEven(), Expanding(), gate=Rejects())
    run = backtest(history(JUMP), 10).replay(strategy)
    assert fired(run) == [(13, 4, 4), (15, 4, 4), (17, 4, 4), (19, 4, 4)]


def test_a_new_version_opens_a_new_account() -> None:
    # In force from 15 on, the second model has learnt rows 3 to 12: 0.0 five times, 1, 1, 1.2, 3.2,
    # 3.2, on average 0.96. Its reference: 0.4 (of rows 3 to 10) against 3.2, twice: 2.8. So rows
    # 15, ... lose 3.2 - 0.96 - 2.8 = -0.56. Rows 13 and 14 are the first model's.
    strategy = Strategy(CumulativeStaleness(3), Sliding(10))
    run = backtest(history(JUMP), 10, delays=Delays(train="2h")).replay(strategy)
    assert fired(run) == [(13, 4, 3)]
    assert fired(run, "busy") == []  # from 13 on it counts from 0 again: 2 at 14
    # In force from 14 on, a model of rows 2 to 11 says 0.64. Its reference: 0.25 against 1.2 and
    # 3.2, on average 1.95. Row 14 loses 2.56 - 1.95 = 0.61.
    strategy = Strategy(CumulativeStaleness(0.5), Sliding(10), budget=2)
    run = backtest(history(JUMP), 10, delays=Delays(train="2h")).replay(strategy)
    assert fired(run) == [(12, 2, 0.5), (15, 0.61, 0.5)]
    assert fired(run, "busy")[0] == (13, 2, 0.5)


# --- tuning, by hand ----------------------------------------------------------------------------

#: Labels jump from 0 to 10 at row 11. Models learn the newest five rows. Of the 18 rows before
#: start, the second half begins at 9; four instants cut it: 9, 11, 13, 15. Models of
#:    9 and 11 say 0 and usually lose 0;
#:    13 says 4 (0, 0, 0, 10, 10) and usually loses 7.5: 10 against 2.5, the mean of the first four;
#:    15 says 8 and usually loses 2.5.
TURN = [0.0] * 11 + [10.0] * 13


@dataclass(frozen=True)
class Peeks:
    """Keeps the rehearsal that it is shown, and what was asked beyond it."""

    points: int
    seen: list[Rehearsal]

    def prepare(self, history: Any) -> Never:
        self.seen.append(rehearse(history, self.points, Never()))
        return Never()

    def monitor(self) -> Any:
        raise AssertionError("the tuned trigger is asked")


def rehearsal_of(stream: Stream, start: float, points: int = 4, **more: Any) -> Rehearsal:
    seen: list[Rehearsal] = []
    backtest(stream, start, **more).replay(Strategy(Peeks(points, seen), Sliding(5)))
    return seen[0]


NAN = float("nan")


def test_a_rehearsal_by_hand() -> None:
    past = rehearsal_of(history(TURN), 18)
    assert [(pd.Timestamp(at) - MIDNIGHT) / pd.Timedelta("1h") for at in past.at] == [
        9, 11, 13, 15, 18,
    ]  # fmt: skip
    # Stretches of 2, 2, 2 and 3 rows.
    assert past.loss.tolist() == [[0, 20, 20, 30], [0, 20, 20, 30], [0, 0, 12, 18], [0, 0, 0, 6]]
    assert past.price.tolist() == [4, 4, 4, 4]
    np.testing.assert_array_equal(
        past.totals(),
        [[NAN, 0, 20, 40], [NAN, NAN, 20, 40], [NAN, NAN, NAN, 2 * (6 - 7.5)], [NAN] * 4],
    )
    np.testing.assert_array_equal(
        past.levels(window=3, min_labels=3),
        [[NAN, NAN, 20 / 3, 10], [NAN, NAN, NAN, 10], [NAN] * 4, [NAN] * 4],
    )
    np.testing.assert_array_equal(
        past.ahead("2h"),
        [[0, 10, 10, 10], [NAN, 10, 10, 10], [NAN, NAN, -1.5, -1.5], [NAN, NAN, NAN, -0.5]],
    )
    assert past.ages()[1].tolist() == pytest.approx([-2 / 24, 0, 2 / 24, 4 / 24])


def test_labels_arrive_in_a_rehearsal_as_they_did() -> None:
    # Two hours late: at 18 the labels of rows 0 to 16 are known, the last half begins at 9 again.
    past = rehearsal_of(history(TURN, late=2), 18)
    assert ((past.at - MIDNIGHT.value) / 3.6e12).tolist() == [9, 11, 13, 15, 18]
    # The model of 9 has learnt rows 3 to 7, and says 0. Known at 11: row 9; at 13: also 10 and 11;
    # at 15: also 12 and 13. The label of row 17 is not there at start, and counts nowhere.
    assert past.totals()[0].tolist()[1:] == [0, 10, 30]
    assert past.loss[0].tolist() == [0, 20, 20, 20]
    # The model of 15 has learnt rows 9 to 13, and says 6.
    assert past.loss[3].tolist() == [0, 0, 0, 8]
    # Where only row 9 is late, by six hours, its label is the newest at 15, after that of row 14.
    stream = history(TURN)
    label = stream.label_time.copy()
    label[9] += np.timedelta64(6, "h")
    past = rehearsal_of(replace(stream, label_time=label), 18)
    assert past.levels(window=1, min_labels=1)[0, 3] == 0
    assert past.levels(window=2, min_labels=1)[0, 3] == 5


@pytest.mark.parametrize(
    ("retrain", "threshold"),
    # At 0 the walk trains at 13:    20 + 12 + 18 + price = 50 + price
    # at 20 it trains at 15:         20 + 20 + 6 + price = 46 + price
    # at 40 it never trains:         20 + 20 + 30 = 70
    [(0, 20), (5, 20), (23, 20), (24, 40), (99, 40)],
)
def test_the_threshold_is_the_one_that_would_have_cost_least(
    retrain: float, threshold: float
) -> None:
    trigger = CumulativeStaleness(points=4)
    run = backtest(history(TURN), 18, prices=Prices(retrain=retrain)).replay(
        Strategy(trigger, Sliding(5))
    )
    assert tuned(run) == [f"CumulativeStaleness(threshold={threshold:.1f}, points=4)"]
    assert run.info["strategy"] == "Strategy(CumulativeStaleness(points=4), Sliding(5))"
    assert run.info["in_sample"] is False
    again = Strategy(eval(tuned(run)[0]), Sliding(5))
    other = backtest(history(TURN), 18, prices=Prices(retrain=retrain)).replay(again)
    assert tuned(other) == []
    assert fired(other) == fired(run)


def test_staleness_now_is_tuned_likewise() -> None:
    # Levels are 10 at 13 and 15: 0 trains at 13 for 50 + price, 10 never, for 70.
    trigger = StalenessCost(window=2, min_labels=1, points=4)
    for retrain, threshold in ((19, 0.0), (20, 10.0)):
        setup = backtest(history(TURN), 18, prices=Prices(retrain=retrain))
        found = replace(trigger, threshold=threshold)
        assert tuned(setup.replay(Strategy(trigger, Sliding(5)))) == [repr(found)]


def test_tuning_is_paid_for_before_start() -> None:
    prices = Prices(retrain=1, per_1k_rows=1000, label=0.01, error=0)
    setup = backtest(history(TURN), 18, prices=prices)
    run = setup.replay(Strategy(CumulativeStaleness(points=4), Sliding(5)))
    initial = run.charges[run.charges["kind"] == "initial"]
    assert set(initial["when"]) == {hour(18)}
    amounts = initial.groupby("unit_price")["quantity"].sum()
    # Four models of five rows, four references of four, and the first model.
    assert amounts.loc[1000] * 1000 == pytest.approx(4 * 5 + 4 * 4 + 5)
    assert amounts.loc[1] == 1
    assert (
        amounts.loc[0.01] == 14
    )  # rows 4 to 17: all that models were trained on, and all answered
    tuned_before = setup.replay(Strategy(CumulativeStaleness(0.0), Sliding(5)))
    assert run.totals["total"] == tuned_before.totals["total"]


def test_the_gains_of_the_oracle_by_hand() -> None:
    past = rehearsal_of(history(TURN), 18, prices=Prices(retrain=5))
    # At 15: keep 30 (or 18), or train for 5 and lose 6. At 13 then: keep for 20 + 11, or train for
    # 5 + 12 + 11. At 11: keep for 20 + 28, or train for 5 + 20 + 28.
    k, j = np.triu_indices(4, 1)
    assert past.gains()[k, j].tolist() == [-5, 3, 19, 3, 19, 7]


def test_a_classifier_learns_what_the_oracle_does() -> None:
    # Every label is one above the one before, so a model loses 3, 4, 5, ... and it is best to train
    # every 9 hours. The classifier finds about that age again; the oracle of its lessons does not
    # train shortly before start, since there is nothing to gain after it.
    setup = backtest(history(np.arange(200.0)), 120, prices=Prices(retrain=40))
    best = setup.loss_matrix(Sliding(5)).oracle()
    assert set(np.diff(best.ticks)) == {9}
    run = setup.replay(Strategy(Learned(window=1, min_labels=1, points=60), Sliding(5)))
    at = [h for h, _, _ in fired(run)]
    assert set(np.diff(at)) <= {9, 10, 11, 12}
    assert run.totals["error"] + 40 * len(at) < 1.05 * best.cost


def test_a_classifier_with_one_answer_only() -> None:
    free = backtest(history(np.arange(40.0)), 30, prices=Prices(retrain=0))
    trigger = Learned(window=1, min_labels=1, points=4)
    run = free.replay(Strategy(trigger, Sliding(5)))
    assert tuned(run) == [repr(replace(trigger, weights=(1, 0, 0, 0)))]
    assert len(fired(run)) == 9  # at every tick
    dear = backtest(history(np.arange(40.0)), 30, prices=Prices(retrain=1e6))
    run = dear.replay(Strategy(trigger, Sliding(5)))
    assert tuned(run) == [repr(replace(trigger, weights=(-1, 0, 0, 0)))]
    assert fired(run) == []


def test_a_classifier_is_asked_about_level_sum_and_age() -> None:
    # JUMP: at 13 the level of the newest two is 2, the sum 4, the age 3 hours.
    def first(*weights: float) -> float:
        trigger = Learned(window=2, min_labels=1, weights=weights)
        return fired(backtest(history(JUMP), 10).replay(Strategy(trigger, Expanding(), **ONCE)))[0][
            0
        ]

    assert first(-1.9, 1, 0, 0) == 13
    assert first(-3.9, 0, 1, 0) == 13
    assert first(-2.9 / 24, 0, 0, 1) == 13


def test_a_forecast_by_hand() -> None:
    # Every label is one above the one before. A model of the last five loses 3 on the next row,
    # then 4, ...; usually 2.5. So A hours old, it loses A + 0.5 more than usual on the next row:
    # 0.5 when it is new, and 24 a day.
    trigger = Forecast("1h", window=1, min_labels=1, points=6)
    setup = backtest(history(np.arange(40.0)), 30, prices=Prices(retrain=3.5))
    run = setup.replay(Strategy(trigger, Sliding(5)))
    line = eval(tuned(run)[0]).line
    assert line == pytest.approx((0.5, 0, 24), abs=1e-3)
    # One row an hour: to keep for an hour costs 0.5 + A, to train 3.5 + 0.5.
    assert [h for h, _, _ in fired(run)] == [34, 38]
    assert fired(run)[0][1:] == pytest.approx((4.5, 4), abs=1e-2)


def test_a_forecast_compares_quantiles_over_the_rows_of_its_horizon() -> None:
    # JUMP: the level is 1 at 12 and 2 from 13 on. Five rows in five hours: 5 * 0.5 * 2 > 4.
    def run(line: Any, horizon: str = "5h") -> Any:
        trigger = Forecast(horizon, window=2, min_labels=1, line=line)
        return fired(backtest(history(JUMP), 10).replay(Strategy(trigger, Expanding(), **ONCE)))

    assert run((7, 0.5, 0)) == [(13, 5 * (7 + 1), 4 + 5 * 7)]
    assert run((7, 0.4, 0)) == []  # 5 * 0.4 * 2 is 4, no more
    assert run((7, 0.4, 0), "6h") == [(13, 6 * (7 + 0.8), 4 + 6 * 7)]
    assert run((0, 0, 24 * 0.2))[0][0] == 15  # 5 * 0.2 * 4 hours is 4, no more


# --- who pays -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoresAnew:
    """Has the model in force, and the first one, score the newest two rows at every tick."""

    def monitor(self) -> Any:
        first: list[Any] = []

        class Monitor:
            def fires(self, view: Any) -> Any:
                first.append(view.model)
                newest = slice(view.past - 2, view.past)
                first[0].predict(newest)
                view.model.loss(newest)
                _ = view.model.reference
                return Reason("always")

        return Monitor()


def test_a_monitor_that_has_rows_scored_anew_pays_for_them() -> None:
    # Served hours 10 to 13; ticks 11, 12, 13, at the first of which the second model comes.
    prices = Prices(retrain=0, error=0, per_1k_predictions=1000)
    setup = backtest(history(JUMP[:14]), 10, prices=prices)
    strategy = Strategy(ScoresAnew(), Expanding(), budget=1)
    run = setup.replay(strategy)
    charges = run.charges[run.charges["kind"] == "predict"]
    # Version 0 serves row 10, and scores 2 + 2 rows at 11, then 2 and 2; version 1 serves rows 11,
    # 12 and 13, and scores 2 at 12 and at 13. References are part of training.
    assert charges.groupby("version")["amount"].sum().to_dict() == {0: 1 + 8, 1: 3 + 4}
    truth = SlowReplay(setup, strategy).run()
    slow = dict.fromkeys((0, 1), 0.0)
    for (_, kind, version), amount in truth.charges.items():
        slow[version] += amount if kind == "predict" else 0
    assert slow == pytest.approx({0: 9, 1: 7})
    # A gate's questions are part of training, as is what a trigger asks to be tuned.
    gated = Strategy(
        CumulativeStaleness(0, points=4), Expanding(), gate=BeatsChampion(2, min_rows=1)
    )
    assert setup.replay(gated).totals["predict"] == pytest.approx(4)
    tuned_ = Strategy(CumulativeStaleness(points=4), Expanding(), budget=0)
    assert setup.replay(tuned_).totals["predict"] == pytest.approx(4)


# --- what cannot be tuned -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "trigger", [StalenessCost(), Forecast(points=2), Learned(), CumulativeStaleness()], ids=repr
)
def test_too_little_history_is_refused(trigger: Any) -> None:
    few = backtest(history(JUMP), 3)  # three rows are not enough for a reference
    if isinstance(trigger, Forecast):
        trigger = replace(trigger, horizon="1h")
    with pytest.raises(PartError, match="cannot be tuned, too few labels are known before"):
        few.replay(Strategy(trigger, Expanding()))


def test_a_model_that_cannot_be_trained_earlier_is_refused() -> None:
    # The second class is first seen in the last row before start.
    stream = replace(history(TURN[:16]), y=np.array([0] * 9 + [1] + [0, 1] * 3))
    setup = Backtest(stream, DummyClassifier(), tick="1h", start=hour(10))
    with pytest.raises(PartError, match="nothing can be trained before"):
        setup.replay(Strategy(CumulativeStaleness(), Expanding()))


@dataclass(frozen=True)
class Holds:
    """Holds a trigger and forgets to have it tuned."""

    trigger: Any

    def monitor(self) -> Any:
        return self.trigger.monitor()


@pytest.mark.parametrize(
    "trigger", [StalenessCost(), CumulativeStaleness(), Forecast("1h"), Learned()], ids=repr
)
def test_a_trigger_that_nobody_tuned_says_so(trigger: Any) -> None:
    with pytest.raises(PartError, match="must pass `prepare` on"):
        backtest(history(JUMP), 10).replay(Strategy(Holds(trigger), Expanding()))


def test_a_candidate_knows_what_was_known_then() -> None:
    found = []

    @dataclass(frozen=True)
    class Asks:
        def prepare(self, view: Any) -> Never:
            with pytest.raises(FutureLeak, match="a candidate of 2024-01-01 10:00:01"):
                view.candidate(view.now + pd.Timedelta("1s"))
            with pytest.raises(FutureLeak, match="label of row 9"):  # known at 11
                view.label_time(slice(0, 10))
            with pytest.raises(FutureLeak, match="weights of row 10"):
                view.weight(slice(0, 11))
            assert len(view.label_time(slice(0, 9))) == len(view.weight(np.arange(9))) == 9
            for h in (1, 2, 3, 10):
                model = view.candidate(hour(h))
                found.append(None if model is None else model.selection.indices().tolist())
            return Never()

        def monitor(self) -> Any:
            return Never()

    backtest(history(JUMP, late=2), 10).replay(Strategy(Asks(), Sliding(3)))
    assert found == [None, [0], [0, 1], [6, 7, 8]]


# --- always -------------------------------------------------------------------------------------

quickly = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def matrices(draw: Any) -> Rehearsal:
    """Candidates whose losses are whole numbers, so that sums are exact."""
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    loss = np.triu(rng.integers(0, 20, size=(n, n))).astype(float)
    price = np.full(n, float(draw(st.integers(0, 25))))
    return Rehearsal(np.arange(n + 1) * 10, [None] * n, loss, price)  # type: ignore[list-item]


def as_loss_matrix(past: Rehearsal) -> LossMatrix:
    n = len(past)
    zeros = np.zeros(n, dtype=np.int64)
    return LossMatrix(
        past.at[:-1], past.at[:-1], past.at, past.loss, np.ones(n), zeros, zeros.astype(float),
        zeros.astype(bool), prices=Prices(retrain=float(past.price[0])),
    )  # fmt: skip


@quickly
@given(past=matrices())
def test_the_oracle_is_the_oracle_of_the_loss_matrix(past: Rehearsal) -> None:
    gains, k, ticks = past.gains(), 0, []
    for j in range(1, len(past)):
        if gains[k, j] > 0:
            k = j
            ticks.append(j)
    matrix = as_loss_matrix(past)
    assert matrix.schedule(ticks).cost(matrix.prices)[0] == matrix.oracle().cost


@quickly
@given(seed=st.integers(0, 10_000), quantile=st.sampled_from((0.25, 0.5, 0.9)))
def test_what_is_learnt_is_what_scikit_learn_says_with_slopes_of_0_or_more(
    seed: int, quantile: float
) -> None:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(40, 3)) * [1, 100, 0.01]
    score = inputs @ [1, 0.01, 100] + rng.normal(size=40)
    line = np.array(_quantile_line(inputs, score, quantile))
    model = QuantileRegressor(quantile=quantile, alpha=0).fit(inputs, score)
    assert (line[1:] >= 0).all()
    if (model.coef_ >= 0).all():
        ours, theirs = (
            mean_pinball_loss(score, a + inputs @ b, alpha=quantile)
            for a, b in ((line[0], line[1:]), (model.intercept_, model.coef_))
        )
        assert ours == pytest.approx(theirs, rel=1e-3)
    weights = np.array(_classifier(inputs, score))
    assert (weights[1:] >= 0).all()
    scaled, stakes = StandardScaler().fit(inputs), np.abs(score)
    logistic = LogisticRegression(tol=1e-10).fit(
        scaled.transform(inputs), score > 0, sample_weight=stakes / stakes.mean()
    )
    if (logistic.coef_ >= 0).all():
        assert weights[1:] * scaled.scale_ == pytest.approx(logistic.coef_[0], rel=1e-2, abs=1e-3)
    # Where all goes the other way, only the intercept is left.
    one = inputs[:, :1]
    assert _quantile_line(one, -one[:, 0], quantile)[1] == 0
    assert _classifier(one, -one[:, 0])[1] == 0


@quickly
@given(past=matrices(), seed=st.integers(0, 10_000))
def test_the_cheapest_threshold_is_that_of_brute_force(past: Rehearsal, seed: int) -> None:
    n = len(past)
    later = np.triu(np.ones((n, n), dtype=bool), 1)
    statistic = np.where(later, np.random.default_rng(seed).integers(-5, 10, size=(n, n)), np.nan)
    found = past.cheapest(statistic)
    if n == 1:
        assert found is None
        return
    matrix = as_loss_matrix(past)

    def cost(threshold: float) -> float:
        k, ticks = 0, []
        for j in range(1, n):
            if statistic[k, j] > threshold:
                k = j
                ticks.append(j)
        return float(matrix.schedule(ticks).cost(matrix.prices)[0])

    assert past.cost(statistic, found) == cost(found)
    assert cost(found) == min(cost(t) for t in np.arange(0, 11, 0.25))
    assert all(cost(t) > cost(found) for t in np.unique(statistic[statistic > found]))


def noisy(seed: int, n: int = 60) -> Stream:
    """Late labels and a drift."""
    rng = np.random.default_rng(seed)
    stream = history(rng.normal(size=n).round(2) + 3 * (np.arange(n) > n / 2))
    late = rng.choice([0, 1, 2, 9, 40], size=n) * (np.arange(n) > 10)
    label = stream.event_time + late * np.timedelta64(1, "h")
    return replace(stream, label_time=label, weight=rng.choice([0.5, 1.0, 2.0], size=n))


def first_alarm(setup: Backtest, trigger: Any) -> float:
    """When the trigger first fires, if nothing is ever trained."""
    run = setup.replay(Strategy(trigger, Sliding(15), budget=0))
    found = fired(run, "budget")
    return found[0][0] if found else float("inf")


@quickly
@given(seed=st.integers(0, 10_000), thresholds=st.lists(st.floats(0, 8), min_size=2, max_size=2))
@pytest.mark.parametrize("kind", [StalenessCost, CumulativeStaleness])
def test_a_higher_threshold_never_fires_earlier(
    kind: Any, seed: int, thresholds: list[float]
) -> None:
    more = {"window": 6, "min_labels": 2} if kind is StalenessCost else {}
    setup = backtest(noisy(seed), 20)
    low, high = sorted(thresholds)
    assert first_alarm(setup, kind(low, **more)) <= first_alarm(setup, kind(high, **more))


@quickly
@given(seed=st.integers(0, 10_000), retrain=st.integers(0, 30), error=st.sampled_from((0.5, 2.0)))
def test_break_even_fires_exactly_when_the_sum_reaches_the_price(
    seed: int, retrain: int, error: float
) -> None:
    stream = noisy(seed)
    prices = Prices(retrain=retrain + 0.123, error=error)
    setup = backtest(stream, 20, prices=prices)
    run = setup.replay(Strategy(BreakEven(), Sliding(15), budget=0))
    learnt = [i for i in range(20) if stream.label_time[i] <= hour(20).to_datetime64()][-15:]
    older, newest = learnt[: -len(learnt) // 5 or None], learnt[-(len(learnt) // 5) :]
    older = learnt[: len(learnt) - len(newest)]
    mean = np.average(stream.y[older], weights=stream.weight[older])
    usual = np.average(np.abs(stream.y[newest] - mean), weights=stream.weight[newest])
    rows = run.predictions
    due = float("inf")
    for h in range(21, len(stream)):
        now = hour(h)
        known = rows[(rows["event_time"] < now) & (rows["label_time"] <= now)]
        if (
            len(known)
            and error * (known["weight"] * (known["loss"] - usual)).sum() >= prices.retrain
        ):
            due = h
            break
    found = fired(run, "budget")
    assert (found[0][0] if found else float("inf")) == due


def test_a_schedule_is_left_as_it_is() -> None:
    run = backtest(history(JUMP), 10).replay(Strategy(Every("5h"), Expanding()))
    assert tuned(run) == []


def test_trees_too() -> None:
    setup = Backtest(noisy(3, 120), DecisionTreeRegressor(max_depth=2), tick="2h", start=hour(50))
    for trigger in (StalenessCost(window=10, min_labels=2), CumulativeStaleness()):
        first, second = (setup.replay(Strategy(trigger, Sliding(20))) for _ in range(2))
        assert tuned(first) == tuned(second) != []

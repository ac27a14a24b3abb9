"""An alarm about estimated performance, by hand, and against every estimate made anew."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, Perceptron

from backtrain import Backtest, FutureLeak, PartError, Prices, Reason, Strategy, Stream
from backtrain.reports.estimates import estimated_and_realised
from backtrain.simulator.metrics import find_metric
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    EstimatedDrop,
    Every,
    Expanding,
    OnDates,
    Sliding,
)
from backtrain.strategies.triggers.performance_estimates import Calibrated, ErrorModel

PARTS = [
    EstimatedDrop("accuracy", drop="5%"),
    EstimatedDrop("MAE", window=300, min_rows=50, below=2.5, min_labels=100),
]
NONSENSE = [
    (lambda: EstimatedDrop("MAE"), "exactly one of below= and drop="),
    (lambda: EstimatedDrop("MAE", below=1, drop=2), "exactly one of below= and drop="),
    (lambda: EstimatedDrop("MAE", below=1, window=5), "at least min_rows"),
    (lambda: EstimatedDrop("MAE", drop="lots"), r"EstimatedDrop\(drop='lots'\): .* such as '20%'"),
    (lambda: EstimatedDrop("MAE", drop=-1), "EstimatedDrop.*not negative"),
    (lambda: EstimatedDrop("MAE", drop=1, min_labels=1), "2 or more"),
    (lambda: EstimatedDrop("MAE", drop=1, min_labels=2.5), "a whole number"),
    (lambda: EstimatedDrop("MAE", drop=1, window=500.5), "1 or more"),
    (lambda: EstimatedDrop("MAE", below=float("nan")), r"below=nan\): give a finite number"),
    (
        lambda: EstimatedDrop("MAE", drop=float("nan")),
        r"drop=nan\): give a number that is not negative",
    ),
]
SMALL = {"window": 12, "min_rows": 5, "min_labels": 9}
REGRESSION = {
    "estimated error": Strategy(EstimatedDrop("MAE", drop="10%", **SMALL), Sliding(30)),
    "estimated floor": Strategy(
        AnyOf(EstimatedDrop("RMSE", below=1.5, **SMALL), Every("25h")),
        Expanding(),
        gate=BeatsChampion(0.3, min_rows=1),
    ),
}
CLASSIFICATION = {
    "estimated accuracy": Strategy(EstimatedDrop("accuracy", drop=0.02, **SMALL), Sliding(25)),
    "estimated ROC AUC": Strategy(
        EstimatedDrop("ROC AUC", below=0.6, **SMALL),
        Expanding(),
        gate=BeatsChampion(0.3, min_rows=1),
    ),
}

MIDNIGHT = pd.Timestamp("2024-01-01")
PRICES = Prices(retrain=0, per_1k_rows=1000, label=1, check=1)


def hour(h):
    return MIDNIGHT + pd.Timedelta(hours=h)


class Said(ClassifierMixin, BaseEstimator):
    """Learns nothing: its feature is the probability of class 1."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        return (X[:, 0] >= 0.5).astype(int)

    def predict_proba(self, X):
        return np.column_stack((1 - X[:, 0], X[:, 0]))


class Zero(RegressorMixin, BaseEstimator):
    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        return np.zeros(len(X))


#: The rows before hour 20. The newest fifth is the reference: labels 0 1 0 1 at .2 .4 .6 .8, so
#: that isotonic regression gives the chances 0 1/2 1/2 1; two of the four are answered rightly.
BEFORE = [0.2, 0.8] * 8 + [0.2, 0.4, 0.6, 0.8]
LABELS = [0, 1] * 8 + [0, 1, 0, 1]


def backtest(scores, labels=None, known_at=None, model=None, **more):
    """One row an hour, served from hour 20 on; by default no label of these ever arrives."""
    n = 20 + len(scores)
    times = np.array([hour(h).to_datetime64() for h in range(n)])
    known = times.copy()
    known[20:] = np.datetime64("NaT", "ns")
    if known_at is not None:
        known[20:] = [np.datetime64("NaT", "ns") if h is None else hour(h) for h in known_at]
    y = np.array(LABELS + [0] * len(scores) if labels is None else [*LABELS, *labels])
    X = np.array([*BEFORE, *scores])[:, None]
    model = Said() if model is None else model
    stream = Stream(X, y, times, known)
    return Backtest(
        stream, model, tick="1h", start=hour(20), prices=PRICES, features="array", **more
    )


def alarm(run):
    """Hour, statistic and threshold of the first training."""
    fired = run.events[run.events["kind"] == "trained"]
    if fired.empty:
        return None
    first = fired.iloc[0]
    return (first["at"] - MIDNIGHT) / pd.Timedelta("1h"), first["statistic"], first["threshold"]


# --- by hand ------------------------------------------------------------------------------------


def test_it_fires_when_the_accuracy_to_expect_falls_below_a_floor() -> None:
    # A row at .8 is right for sure, one at .6 by 1/2. The newest four of these, hour by hour:
    # at 24 1, at 25 7/8, at 26 6/8, at 27 5/8.
    trigger = EstimatedDrop("accuracy", window=4, min_rows=4, below=0.7)
    run = backtest([0.8] * 4 + [0.6] * 5).replay(Strategy(trigger, Expanding(), budget=1))
    assert alarm(run) == (27, 0.625, 0.7)
    said = run.events.loc[run.events["kind"] == "trained", "reason"].item()
    assert said == "estimated accuracy 0.625 is worse than the floor 0.7"


def test_each_calibration_is_a_fit_and_each_estimate_a_check() -> None:
    trigger = EstimatedDrop("accuracy", window=4, min_rows=4, below=0.0)
    run = backtest([0.8] * 7).replay(Strategy(trigger, Expanding()))
    charges = run.charges.set_index("kind")["amount"]
    # The reference is a fit of 16 of the 20 training rows, its calibration one of the other 4.
    assert charges["train"].tolist() == [16, 4]
    assert charges["check"].tolist() == [1, 1, 1]  # at 24, 25 and 26, the last row
    assert charges["initial"].sum() == 20 + 20  # rows and labels of the first training
    assert "label" not in charges


@pytest.mark.parametrize("kind", [Calibrated, ErrorModel])
def test_a_row_is_asked_about_once_a_calibration(kind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, each = [], kind.each
    monkeypatch.setattr(
        kind, "each", lambda self, told, X: asked.append(len(told)) or each(self, told, X)
    )
    metric, model = ("accuracy", Said()) if kind is Calibrated else ("MAE", Zero())
    floor = 0.0 if kind is Calibrated else 9.0
    trigger = EstimatedDrop(metric, window=4, min_rows=2, below=floor, min_labels=6)
    setup = backtest([0.2, 0.8] * 5, [0, 1] * 5, known_at=range(21, 31), model=model)
    setup.replay(Strategy(trigger, Expanding()))
    # Rows 20 and 21 at 22, then one an hour; with six labels, at 26, anew about the newest four.
    assert asked == [2, 1, 1, 1, 4, 1, 1, 1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("metric", ["accuracy", "ROC AUC", "F1", "MAE", "RMSE"])
def test_rows_without_weight_let_nothing_be_expected(metric: str) -> None:
    model = Zero() if metric in ("MAE", "RMSE") else Said()
    setup = backtest([0.6] * 9, model=model)
    stream = replace(setup.stream, weight=np.repeat([1.0, 0.0], [20, 9]))
    trigger = EstimatedDrop(metric, window=4, min_rows=4, drop=0.0)
    run = replace(setup, stream=stream).replay(Strategy(trigger, Expanding()))
    assert alarm(run) is None


def test_fewer_rows_than_min_rows_say_nothing() -> None:
    trigger = EstimatedDrop("accuracy", window=9, min_rows=6, below=1.0)
    run = backtest([0.6] * 9).replay(Strategy(trigger, Expanding(), budget=1))
    assert alarm(run) == (26, 0.5, 1.0)


@pytest.mark.parametrize(("drop", "floor"), [(0.1, 0.4), ("10%", 0.45)])
def test_a_margin_counts_from_what_the_reference_realised(drop: object, floor: float) -> None:
    trigger = EstimatedDrop("accuracy", window=4, min_rows=4, drop=drop)
    run = backtest([0.8, 0.6, 0.6, 0.6, 0.6]).replay(Strategy(trigger, Expanding()))
    noted = run.events[run.events["kind"] == "estimate"].iloc[0]
    assert noted["threshold"] == pytest.approx(floor)
    assert noted["statistic"] == 0.625
    assert alarm(run) is None


def test_an_estimate_is_put_on_record_once_a_window() -> None:
    trigger = EstimatedDrop("accuracy", window=4, min_rows=2, below=0.0)
    scores = [0.8] * 4 + [0.6] * 4 + [0.8]
    run = backtest(scores, known_at=[100] * 9, labels=[1, 1, 1, 0, 1, 1, 0, 0, 1]).replay(
        Strategy(trigger, Expanding())
    )
    found = estimated_and_realised(run.events, run.predictions, find_metric("accuracy"), 4)
    assert found["at"].tolist() == [hour(24), hour(28)]
    assert found["estimated"].tolist() == [1.0, 0.5]
    assert found["realised"].tolist() == [0.75, 0.5]


def test_from_min_labels_on_it_trusts_the_labels_of_served_rows() -> None:
    # Rows 20 to 23 at .2 .4 .6 .8 turn out to be 1 1 1 0: the chance is 3/4 everywhere. At 25 the
    # reference still holds, and expects (1 + .5 + .5 + 1 + 1) / 5; at 26 all four labels are known,
    # and of six rows those said to be 0 are right by 1/4: (.25 x 3 + .75 x 3) / 6.
    trigger = EstimatedDrop("accuracy", window=6, min_rows=4, below=0.6, min_labels=4)
    scores, labels = [0.2, 0.4, 0.6, 0.8, 0.2, 0.8, 0.2], [1, 1, 1, 0, 0, 0, 0]
    setup = backtest(scores, labels, known_at=[21, 23, 24, 26, None, None, None])
    run = setup.replay(Strategy(trigger, Expanding(), budget=1))
    assert alarm(run) == (26, 0.5, 0.6)
    paid = run.charges[run.charges["kind"] == "label"]
    assert paid["quantity"].tolist() == [4.0]
    assert paid["when"].tolist() == [hour(26)]


def test_it_calibrates_again_when_labels_have_doubled() -> None:
    trigger = EstimatedDrop("accuracy", window=6, min_rows=2, below=0.0, min_labels=3)
    scores, labels = [0.2, 0.8] * 10, [0, 1] * 10
    setup = backtest(scores, labels, known_at=range(21, 41))
    run = setup.replay(Strategy(trigger, Expanding()))
    # At 22 the reference; then 3 labels at 23, 6 at 26 and 12 at 32.
    fits = run.charges[run.charges["kind"] == "train"]
    assert fits["amount"].tolist() == [16, 4, 3, 6, 12]
    assert fits["when"].tolist() == [hour(h) for h in (22, 22, 23, 26, 32)]


def test_labels_of_one_class_teach_nothing() -> None:
    trigger = EstimatedDrop("accuracy", window=4, min_rows=4, below=0.7, min_labels=2)
    setup = backtest([0.8] * 4 + [0.6] * 5, [1] * 9, known_at=range(21, 30))
    run = setup.replay(Strategy(trigger, Expanding(), budget=1))
    assert alarm(run) == (27, 0.625, 0.7)  # the reference holds


def test_a_new_version_has_its_own_reference_labels_and_rows() -> None:
    # Version 1 is trained at 30 on rows 10 to 29; the newest four, .2 .4 .6 .8, were 0 0 1 1: all
    # are answered rightly, and so is any row at .6, for sure. Six rows later three of its own six
    # labels at .6 are 1.
    scores = [0.8, 0.2] * 3 + [0.2, 0.4, 0.6, 0.8] + [0.6] * 8
    labels = [1, 0] * 3 + [0, 0, 1, 1] + [1, 0] * 4
    setup = backtest(scores, labels, known_at=range(20, 38))
    watch = EstimatedDrop("accuracy", window=4, min_rows=4, drop=0.1, min_labels=6)
    trigger = AnyOf(OnDates([str(hour(30))]), watch)
    run = setup.replay(Strategy(trigger, Sliding(20), budget=1))
    noted = run.events[run.events["kind"] == "estimate"].set_index("at")
    assert noted.loc[hour(34), ["version", "statistic"]].tolist() == [1, 1.0]
    assert noted["threshold"].tolist() == pytest.approx([0.4, 0.4, 0.9])
    held = run.events[run.events["kind"] == "budget"]
    assert held[["at", "statistic"]].values.tolist() == [[hour(36), 0.5]]
    # Reference and calibration at 24, six labels at 26, the training at 30, and all that again.
    fits = run.charges[run.charges["kind"] == "train"]
    assert fits["amount"].tolist() == [16, 4, 6, 20, 16, 4, 6]


def test_rows_of_a_former_version_are_not_estimated() -> None:
    dates = OnDates([str(hour(26))])
    watch = EstimatedDrop("accuracy", window=4, min_rows=4, below=0.7)
    setup = backtest([0.8] * 4 + [0.6] * 2 + [0.8] * 2 + [0.6] * 4)
    run = setup.replay(Strategy(AnyOf(dates, watch), Expanding(), budget=1))
    held = run.events[run.events["kind"] == "budget"]
    # Version 1 serves from 26 on: .8 .8 .6 .6 .6, the newest four of which expect 5/8 at 31.
    assert held["at"].tolist() == [hour(31)]
    assert held["statistic"].tolist() == [0.625]


def test_errors_of_a_regression_follow_the_features() -> None:
    # A model that says 0, and labels of 1 where x = 0, of 3 where x = 1: known from 200 rows.
    n = 1_000
    x = np.tile([0.0, 1.0], n // 2)
    x[800:] = 1.0
    y = 1.0 + 2.0 * x
    times = hour(0).to_datetime64() + np.arange(n) * np.timedelta64(3_600_000_000_000, "ns")
    known = times.copy()
    known[600:] = np.datetime64("NaT", "ns")
    setup = Backtest(Stream(x[:, None], y, times, known), Zero(), tick=1, start=times[600])
    trigger = EstimatedDrop("MAE", window=50, min_rows=50, drop="30%")
    run = setup.replay(Strategy(trigger, Expanding(), budget=1))
    at, value, floor = alarm(run)
    assert floor == pytest.approx(2.6)
    # 25 of 50 rows have x = 1; with 16 more the mean is 1 + 2 x 41 / 50 = 2.64. After an even
    # number of rows the window gains one of them with every other row.
    assert value == pytest.approx(2.64, abs=0.02)
    assert at == pytest.approx(800 + 32, abs=1)


# --- what it asks the view ------------------------------------------------------------------------


@dataclass(frozen=True)
class Asks:
    """Keeps what ``ask(view)`` gives at hour 24, and never fires."""

    ask: Callable
    given: list

    def monitor(self):
        return self

    def fires(self, view):
        if view.now == hour(24):
            self.given.append(self.ask(view))


def asked(ask):
    given = []
    setup = backtest([0.8, 0.2, 0.6, 0.4, 0.6, 0.6], [1] * 6, known_at=range(20, 26))
    return setup.replay(Strategy(Asks(ask, given), Expanding())), given[0]


def test_answers_hold_what_was_served_and_no_label() -> None:
    _, told = asked(lambda view: view.answers(slice(20, 24)))
    assert told.score.tolist() == [0.8, 0.2, 0.6, 0.4]
    assert told.prediction.tolist() == [1, 0, 1, 0]
    assert told.label.tolist() == [-1] * 4
    for values in (told.score, told.prediction):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0


@pytest.mark.parametrize(
    ("rows", "says", "error"),
    [
        (slice(20, 25), "prediction of row 24", FutureLeak),
        (slice(19, 24), "row 19: before start", PartError),
        (np.array([21, 19]), "row 19: before start", PartError),
    ],
)
def test_answers_to_other_rows_are_refused(rows: object, says: str, error: type) -> None:
    with pytest.raises(error, match=says):
        asked(lambda view: view.answers(rows))


def test_a_note_is_an_event_of_the_version_in_force() -> None:
    run, _ = asked(lambda view: view.note("remark", Reason("so it is", 1.0, 2.0)))
    noted = run.events[run.events["kind"] == "remark"]
    assert noted[["at", "version", "reason", "statistic", "threshold"]].values.tolist() == [
        [hour(24), 0, "so it is", 1.0, 2.0]
    ]


# --- what it cannot estimate ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "model", "says"),
    [
        ("R2", LinearRegression(), r"'R2'.*cannot be estimated.*MAE, RMSE"),
        ("MAPE", LinearRegression(), r"'MAPE'.*cannot be estimated.*MAE, RMSE"),
        ("accuracy", Perceptron(), r"Perceptron has no predict_proba.*accuracy, .*ROC AUC"),
    ],
)
def test_what_cannot_be_estimated_is_refused(metric: str, model: object, says: str) -> None:
    strategy = Strategy(AnyOf(EstimatedDrop(metric, below=1.0)), Expanding())
    with pytest.raises(PartError, match=says):
        backtest([0.5] * 5, model=model).replay(strategy)


# --- against every estimate made anew -------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """Estimated accuracy from the whole past at every tick; never fires, and keeps what it saw."""

    trigger: EstimatedDrop
    stream: Stream
    reference: slice
    seen: dict

    def monitor(self):
        return PlainMonitor(self)


class PlainMonitor:
    def __init__(self, spec):
        self.spec, self.due, self.known = spec, spec.trigger.min_labels, None

    def fires(self, view):
        spec, stream, now = self.spec, self.spec.stream, view.now.to_datetime64()
        served = [i for i in range(20, len(stream)) if stream.event_time[i] < now]
        if len(served) < spec.trigger.min_rows:
            return None
        known = [i for i in served if stream.label_time[i] <= now]
        if len(known) >= self.due:
            self.due = 2 * len(known)
            if len(set(stream.y[known])) > 1:
                self.known = known
        rows = self.known or list(range(spec.reference.start, spec.reference.stop))
        curve = IsotonicRegression(out_of_bounds="clip").fit(stream.X[rows, 0], stream.y[rows])
        score = stream.X[served[-spec.trigger.window :], 0]
        c = curve.predict(score)
        spec.seen[view.now] = np.where(score >= 0.5, c, 1 - c).mean()
        return None


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    window=st.integers(4, 30),
    min_labels=st.integers(2, 30),
    tick=st.sampled_from(["1h", "2h", "5h", 1, 3]),
)
def test_every_estimate_equals_one_made_anew(seed, window, min_labels, tick) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    scores = rng.random(n).round(1)
    labels = (rng.random(n) < scores).astype(int)
    known = [None if rng.random() < 0.2 else 20 + i + rng.integers(0, 20) for i in range(n)]
    setup = backtest(scores, labels, known)
    trigger = EstimatedDrop("accuracy", window, 4, below=2.0, min_labels=min_labels)
    seen, found = {}, {}
    plain = Plain(trigger, setup.stream, slice(16, 20), seen)
    setup = Backtest(setup.stream, Said(), tick=tick, start=hour(20), features="array")
    setup.replay(Strategy(plain, Expanding()))
    setup.replay(Strategy(Kept(trigger, found), Expanding()))
    assert found == pytest.approx(seen)


@dataclass(frozen=True)
class Kept:
    """Keeps what a trigger finds at every tick (a floor that all fall below), and never fires."""

    trigger: EstimatedDrop
    found: dict

    def monitor(self):
        inner = self.trigger.monitor()
        return KeptMonitor(inner, self.found)


class KeptMonitor:
    def __init__(self, inner, found):
        self.inner, self.found = inner, found

    def fires(self, view):
        reason = self.inner.fires(view)
        if reason is not None:
            self.found[view.now] = reason.statistic

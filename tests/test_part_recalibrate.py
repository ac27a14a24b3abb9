"""`Recalibrate`: what is made of answers, against scikit-learn and by hand; the model stays."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.svm import LinearSVC

from backtrain import Backtest, PartError, Prices, Strategy, Stream
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import Every, Never, Recalibrate, Refit, Sliding
from backtrain.strategies.updates.recalibrate import Recalibrated

PARTS = [Recalibrate(), Recalibrate("linear", refit_every=3)]
INCREMENTAL = {
    "recalibrate": Strategy(Every("9h"), Sliding(20), Recalibrate("linear")),
}

X = np.arange(8.0)[:, None]
WEIGHTS = np.array([1.0, 2, 0, 1, 3, 1, 1, 2])
methods = pytest.mark.parametrize("method", ["intercept", "linear", "isotonic"])


def fitted() -> Ridge:
    return Ridge(1e-9).fit(X, X[:, 0])  # answers what it is given


def test_an_intercept_adds_the_mean_error() -> None:
    y = X[:, 0] + np.array([1.0, 3, 1, 3, 1, 3, 1, 3])
    model = Recalibrate().fit(Ridge(), X, y, None, fitted(), 0)
    assert model.predict(X) == pytest.approx(X[:, 0] + 2)
    model = Recalibrate().fit(Ridge(), X, y, WEIGHTS, fitted(), 0)
    assert model.predict(X) == pytest.approx(X[:, 0] + np.average(y - X[:, 0], weights=WEIGHTS))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("method", "reference"),
    [("linear", LinearRegression()), ("isotonic", IsotonicRegression(out_of_bounds="clip"))],
)
def test_of_a_quantity_it_is_scikit_learns(method: Any, reference: Any, weights: Any) -> None:
    y = np.array([3.0, 1, 4, 1, 5, 9, 2, 6])
    parent = fitted()
    model = Recalibrate(method).fit(Ridge(), X, y, weights, parent, 0)
    answers = parent.predict(X)
    reference.fit(answers[:, None] if method == "linear" else answers, y, sample_weight=weights)
    later = parent.predict(X + 3.5)
    wanted = reference.predict(later[:, None] if method == "linear" else later)
    assert model.predict(X + 3.5) == pytest.approx(wanted)


def streams(classes: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2))
    y = np.digitize(rows[:, 0] + rng.normal(size=400), np.linspace(-0.5, 0.5, classes - 1))
    names = np.array(["a", "b", "c", "d"])[y]
    return LogisticRegression().fit(rows, names), rows, names


@methods
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_mean_probabilities_are_the_shares_of_the_classes(method: Any, classes: int) -> None:
    parent, rows, names = streams(classes)
    kept = (names != "a") | (np.arange(400) % 3 == 0)  # the base rates have changed
    model = Recalibrate(method).fit(LogisticRegression(), rows[kept], names[kept], None, parent, 0)
    chance = model.predict_proba(rows[kept])
    assert chance.sum(axis=1) == pytest.approx(1)
    shares = [(names[kept] == label).mean() for label in parent.classes_]
    assert chance.mean(axis=0) == pytest.approx(shares, abs=0.01 if classes == 2 else 0.04)
    before = parent.predict_proba(rows[kept]).mean(axis=0)
    assert np.abs(before - shares).max() > 0.06
    assert (
        model.predict(rows).tolist()
        == model.classes_[model.predict_proba(rows).argmax(axis=1)].tolist()
    )


def test_the_line_of_a_class_is_platts() -> None:
    parent, rows, names = streams(2)
    model = Recalibrate("linear").fit(LogisticRegression(), rows, names, None, parent, 0)
    odds = parent.decision_function(rows)[:, None]
    platt = LogisticRegression(C=np.inf).fit(odds, names)
    assert model.predict_proba(rows) == pytest.approx(platt.predict_proba(odds), abs=1e-4)


def test_a_class_that_does_not_occur_keeps_a_chance() -> None:
    parent, rows, names = streams(2)
    only = names == "a"
    for method in ("intercept", "isotonic"):
        model = Recalibrate(method).fit(Ridge(), rows[only], names[only], None, parent, 0)
        assert np.isfinite(model.predict_proba(rows)).all()
    model = Recalibrate().fit(Ridge(), rows[only], names[only], None, parent, 0)
    chance = model.predict_proba(rows[only])[:, 1]
    assert chance.mean() == pytest.approx(0.5 / (only.sum() + 1))  # half a row of it


@methods
def test_a_model_that_answers_one_thing_only_can_be_moved(method: Any) -> None:
    parent = DummyClassifier().fit(X, [0, 0, 0, 0, 0, 0, 0, 1])
    model = Recalibrate(method).fit(DummyClassifier(), X, np.array([0, 1] * 4), None, parent, 0)
    assert model.predict_proba(X)[:, 1] == pytest.approx(0.5)


def test_the_model_is_fitted_again_at_every_so_many_th_training() -> None:
    fits: list[tuple[str, int]] = []

    class Watched(Recalibrate):
        def fit(self, model, X, y, weights, parent, seed):
            made = super().fit(model, X, y, weights, parent, seed)
            fits.append((type(made).__name__, getattr(made, "times", 0)))
            return made

    backtest = Backtest(abrupt(n=1_500, task="regression"), Ridge(), start=0.3)
    backtest.replay(Strategy(Every("5D"), Sliding("10D"), Watched("linear", refit_every=3)))
    assert fits[:7] == [
        *(("Ridge", 0), ("Recalibrated", 1), ("Recalibrated", 2)),
        *(("Ridge", 0), ("Recalibrated", 1), ("Recalibrated", 2)),
        ("Ridge", 0),
    ]


def test_it_goes_on_from_the_model_and_not_from_its_own_curve() -> None:
    first = Recalibrate().fit(Ridge(), X, X[:, 0] + 2, None, fitted(), 0)
    second = Recalibrate().fit(Ridge(), X, X[:, 0] + 5, None, first, 0)
    assert isinstance(second, Recalibrated)
    assert (second.times, second.model) == (2, first.model)
    assert second.predict(X) == pytest.approx(X[:, 0] + 5)
    assert first.predict(X) == pytest.approx(X[:, 0] + 2)
    assert pickle.loads(pickle.dumps(second)).predict(X) == pytest.approx(second.predict(X))


def test_a_shift_of_the_target_is_followed_for_the_price_of_an_update() -> None:
    """From the middle on the target is higher by 10; nothing else changes."""
    n = 1_000
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, 2))
    y = rows[:, 0] + 10.0 * (np.arange(n) >= n // 2) + rng.normal(size=n) / 10
    times = np.datetime64("2024-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    backtest = Backtest(Stream(rows, y, times), Ridge(), prices=Prices(retrain=10, update=1))
    updates = {"refit": Refit(), "recalibrate": Recalibrate()}
    runs = {
        name: backtest.replay(Strategy(Every("1D"), Sliding("5D"), update))
        for name, update in updates.items()
    }
    static = backtest.replay(Strategy(Never(), Sliding("5D")))
    assert runs["recalibrate"].totals["loss"] < 0.3 * static.totals["loss"]
    assert runs["recalibrate"].totals["train"] == 0.1 * runs["refit"].totals["train"]
    whole = backtest.compare(
        {"refit": Strategy(Every("1D"), Sliding("5D")), "never": Strategy(Never(), Sliding("5D"))}
        | {"recalibrate": Strategy(Every("1D"), Sliding("5D"), Recalibrate())},
        hindsight=False,
    )
    saved = [static.totals["loss"] - runs[name].totals["loss"] for name in runs]
    wanted = f"brings {100 * saved[1] / saved[0]:.0f} % of what refit saves in errors against never"
    remarks = " ".join(whole.verdict().remarks)
    assert f"recalibrate: recalibration {wanted} at 10 % of its price." in remarks


@pytest.mark.parametrize("model", [RidgeClassifier(), LinearSVC()], ids=repr)
def test_a_classifier_without_probabilities_is_refused(model: Any) -> None:
    backtest = Backtest(abrupt(n=300), model)
    with pytest.raises(PartError, match="gives no probabilities; use a model that does, or Refit"):
        backtest.replay(Strategy(Every("1D"), Sliding("3D"), Recalibrate()))

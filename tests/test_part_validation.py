"""`Refit(validation=, fit_params=)`: the newest rows are handed over for early stopping.

Boosters are tried where they are installed: ``pip install -e '.[models]'``.
"""

from __future__ import annotations

import inspect
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backtrain import Backtest, PartError, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.store.content import content, content_for_seed
from backtrain.strategies import Every, Expanding, Refit, Sliding

RNG = np.random.default_rng(0)
X = RNG.normal(size=(500, 4))
Y = X[:, 0] + RNG.normal(size=500)
WEIGHTS = RNG.random(500)


class Watched(SGDRegressor):
    """Notes what it is given."""

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        self.given_ = {"X": X, "y": y, "sample_weight": sample_weight, "X_val": X_val}
        self.given_ |= {"y_val": y_val, "sample_weight_val": sample_weight_val}
        return super().fit(X, y, sample_weight=sample_weight)


@pytest.mark.parametrize("validation", ["20%", 0.2, 100])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_the_newest_rows_are_handed_over_and_not_learnt(validation: Any, weights: Any) -> None:
    given = Refit(validation=validation).fit(Watched(), X, Y, weights, None, 0).given_
    assert np.array_equal(given["X"], X[:400])
    assert np.array_equal(given["y_val"], Y[400:])
    assert np.array_equal(given["X_val"], X[400:])
    own, others = (None, None) if weights is None else (WEIGHTS[:400], WEIGHTS[400:])
    assert np.array_equal(given["sample_weight"], own) or own is None is given["sample_weight"]
    assert np.array_equal(given["sample_weight_val"], others) or others is None


def test_a_pipelines_transformers_learn_from_the_other_rows() -> None:
    model = make_pipeline(StandardScaler(), "passthrough", Watched())
    fitted = Refit(validation=100).fit(model, X, Y, None, None, 0)
    scaler = StandardScaler().fit(X[:400])
    assert np.array_equal(fitted[0].mean_, scaler.mean_)
    assert np.array_equal(fitted[-1].given_["X_val"], scaler.transform(X[400:]))
    assert np.array_equal(fitted.predict(X), fitted[-1].predict(scaler.transform(X)))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
def test_scikit_learns_own_stops_early_by_them(weights: Any) -> None:
    model = HistGradientBoostingRegressor(
        max_iter=300, early_stopping=True, n_iter_no_change=3, random_state=0
    )
    fitted = Refit(validation="30%").fit(model, X, Y, weights, None, 0)
    assert fitted.n_iter_ < 100
    assert len(fitted.validation_score_) == fitted.n_iter_ + 1


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_boosters_stop_early_by_them(library: str, weights: Any, task: str) -> None:
    package = pytest.importorskip(library)
    name = "Regressor" if task == "regression" else "Classifier"
    if library == "lightgbm":
        settings = {"early_stopping_round": 5, "verbose": -1, "n_jobs": 1}
        model = getattr(package, f"LGBM{name}")(n_estimators=500, **settings)
    elif library == "xgboost":
        from backtrain import models_xgboost

        made = getattr(models_xgboost, f"XGB{name}")
        model = made(n_estimators=500, early_stopping_rounds=5, n_jobs=1)
    else:
        from backtrain import models_catboost

        made = getattr(models_catboost, f"CatBoost{name}")
        settings = {"early_stopping_rounds": 5, "thread_count": 1, "allow_writing_files": False}
        model = made(iterations=500, verbose=0, **settings)
    y = Y if task == "regression" else np.where(Y > 0, "yes", "no")
    fitted = Refit(validation="30%").fit(model, X, y, weights, None, 0)
    stopped = {
        "lightgbm": lambda: fitted.best_iteration_,
        "xgboost": lambda: fitted.best_iteration,
        "catboost": lambda: fitted.tree_count_,
    }[library]()
    assert 0 < stopped < 200
    assert len(fitted.predict(X)) == 500


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_no_deprecation_of_ours_reaches_the_user(task: str) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    kind, y = lightgbm.LGBMRegressor, Y
    if task == "classification":
        kind, y = lightgbm.LGBMClassifier, np.where(Y > 0, "yes", "no")
    model = kind(n_estimators=5, early_stopping_round=2, verbose=-1, n_jobs=1)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Refit(validation="30%").fit(model, X, y, None, None, 0)
        model.fit(X, y, eval_set=[(X, y)])  # what it would be, from LightGBM 4.7 on
    said = [str(one.message) for one in told if "eval_set" in str(one.message)]
    assert len(said) == ("eval_X" in inspect.signature(kind.fit).parameters)


def test_a_table_goes_through_in_a_replay() -> None:
    stream = abrupt(n=1_000, task="regression")
    model = HistGradientBoostingRegressor(max_iter=100, early_stopping=True)
    backtest = Backtest(stream, model, features="frame")
    run = backtest.replay(Strategy(Every("5D"), Sliding("9D"), Refit(validation="25%")))
    assert run.totals["failed"] == 0
    assert run.versions["rows"].iloc[-1] == pytest.approx(9 * 24, abs=24)  # all are charged


def test_what_fit_takes_is_given_and_what_it_does_not_is_refused() -> None:
    class Likes(Ridge):
        def fit(self, X, y, sample_weight=None, likes=0):
            self.likes_ = likes
            return super().fit(X, y, sample_weight)

    fitted = Refit({"likes": 3}).fit(
        make_pipeline(StandardScaler(), Likes()), X, Y, WEIGHTS, None, 0
    )
    assert fitted[-1].likes_ == 3
    backtest = Backtest(abrupt(n=300, task="regression"), Likes())
    with pytest.raises(PartError, match=r"fit\(\) has no 'liks'; did you mean 'likes'"):
        backtest.replay(Strategy(Every("1D"), Expanding(), Refit({"liks": 1})))
    with pytest.raises(PartError, match="takes neither eval_set nor X_val; leave validation out"):
        backtest.replay(Strategy(Every("1D"), Expanding(), Refit(validation=0.1)))


@pytest.mark.parametrize("wrong", [1.0, 0, "20", "much", True, -3, "100%", "120%", "0%"])
def test_a_share_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(PartError, match="validation"):
        Refit(validation=wrong)
    assert Refit(validation="5%").validation == "5%"


def test_rows_that_leave_none_fail_the_training() -> None:
    with pytest.raises(ValueError, match="validation=600 of 500 rows leaves none on one side"):
        Refit(validation=600).fit(Watched(), X, Y, None, None, 0)


def test_a_plain_refit_has_the_names_and_seeds_that_it_had() -> None:
    """Those of a class without fields: else every fit, and with it every total, would move."""

    assert content_for_seed(Refit()) == "Refit:5ce132516e0364e143d047d01d5ba7cc"
    assert content(Refit()) != content(Refit(validation="5%"))
    for update in (Refit(), Refit({"a": 1}), Refit(validation="5%")):
        assert pickle.loads(pickle.dumps(update)) == update

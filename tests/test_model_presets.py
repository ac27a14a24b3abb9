"""The default model takes columns of any kind, and is scikit-learn's own on ordinary ones."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.ensemble

from backtrain import Backtest, Strategy, Stream, models
from backtrain.cli import main
from backtrain.simulator.record import Run
from backtrain.strategies import Every, Expanding

KINDS = ("HistGradientBoostingRegressor", "HistGradientBoostingClassifier")
kinds = pytest.mark.parametrize("kind", KINDS)
N = 600


def own(kind: str) -> Any:
    return getattr(models, kind)(max_iter=10, random_state=0)


def table(rng: np.random.Generator, names: int = 5) -> tuple[pd.DataFrame, Any]:
    level = rng.integers(names, size=N)
    frame = pd.DataFrame({"x": rng.normal(size=N)})
    frame.loc[::7, "x"] = np.nan
    frame["level"] = pd.Categorical([f"k{k}" for k in level])
    return frame, (level % 3 + frame["x"].fillna(0) > 1).to_numpy().astype(int)


def answers(model: Any, X: Any) -> Any:
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@kinds
def test_on_ordinary_columns_it_is_scikit_learns(kind: str) -> None:
    X, y = table(np.random.default_rng(0))
    reference = getattr(sklearn.ensemble, kind)(max_iter=10, random_state=0)
    for features in (X, X[["x"]].to_numpy()):
        for weights in (None, np.arange(1.0, N + 1)):
            model = own(kind).fit(features, y, weights)
            reference.fit(features, y, weights)
            assert np.array_equal(answers(model, features), answers(reference, features))
    assert model.get_params() == reference.get_params()


@kinds
def test_a_column_without_a_number_counts_for_nothing(kind: str) -> None:
    X, y = table(np.random.default_rng(0))
    empty = X.assign(later=np.nan)
    come = X.assign(later=np.arange(float(N)))
    model, reference = own(kind).fit(empty, y), own(kind).fit(X, y)
    assert np.array_equal(answers(model, come), answers(reference, X))
    array = np.column_stack((X["x"], np.full(N, np.nan)))
    model, reference = own(kind).fit(array, y), own(kind).fit(array[:, :1], y)
    kept = array.copy()
    assert np.array_equal(answers(model, array), answers(reference, array[:, :1]))
    assert np.array_equal(array, kept, equal_nan=True)  # nothing is written into what is given
    model = own(kind).fit(np.column_stack((X["x"], np.arange(float(N)))), y)
    assert not np.array_equal(answers(model, array), answers(reference, array[:, :1]))


@kinds
def test_of_many_categories_the_rarest_are_missing(kind: str) -> None:
    """300 names: 60 come four times, 240 once or twice; those that came last make way."""
    names = [f"k{k}" for k in range(300)]
    values = names + names[:60] * 3 + names[60:180]
    X = pd.DataFrame({"name": pd.Categorical(values, categories=names)})
    y = np.arange(len(values)) % 2
    model = own(kind).fit(X, y)
    assert list(model._kept["name"]) == names[:254]
    unseen = pd.DataFrame({"name": pd.Categorical(["k299", "new", None])})
    assert len(np.unique(answers(model, unseen), axis=0)) == 1  # all of them are missing
    assert np.array_equal(answers(pickle.loads(pickle.dumps(model)), X), answers(model, X))


def test_a_replay_learns_from_the_column_once_it_has_numbers() -> None:
    rng = np.random.default_rng(0)
    later, y = rng.normal(size=N), np.empty(N)
    y[:] = 5 * later
    later[: N // 2] = np.nan
    frame = pd.DataFrame({"x": rng.normal(size=N), "later": later, "y": y})
    frame["t"] = pd.date_range("2024-01-01", periods=N, freq="h")
    backtest = Backtest(Stream.from_frame(frame, target="y", time="t"), own(KINDS[0]))
    run = backtest.replay(Strategy(Every("1D"), Expanding()))
    loss = run.predictions["loss"].to_numpy()
    assert (run.totals["failed"], run.totals["fallback"]) == (0, 0)
    assert loss[-100:].mean() < 0.5 * loss[:100].mean()


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("labels", ["text", "truth", "0 and 5", "three", "quantity"])
@pytest.mark.parametrize("columns", ["table", "array"])
def test_boosters_of_others_take_any_label_and_column(name, labels, columns, tmp_path) -> None:
    """With gaps, with a column that is empty at first, with a category that comes later."""
    pytest.importorskip(name)
    rng = np.random.default_rng(0)
    frame, y = table(rng)
    named = {"text": ["no", "yes"], "truth": [False, True], "0 and 5": [0.0, 5.0]}
    frame["y"] = {
        "three": (y + rng.integers(2, size=N)).astype(int),
        "quantity": y + rng.normal(size=N),
    }.get(labels, np.array(named.get(labels, [0, 1]))[y])
    frame["later"] = np.where(np.arange(N) < 400, np.nan, 1.0)
    frame["level"] = frame["level"].astype(object)
    frame.loc[::11, "level"] = None
    frame.loc[300::9, "level"] = "new"
    if columns == "array":
        frame = frame.drop(columns="level")
    frame["t"] = pd.date_range("2024-01-01", periods=N, freq="h")
    frame.to_parquet(tmp_path / "table.parquet")
    task = "regression" if labels == "quantity" else "classification"
    code = main([
        *("run", "dataset=table", f"dataset.path={tmp_path / 'table.parquet'}", "dataset.time=t"),
        *("dataset.target=y", f"model={name}", f"task={task}", "comparison=one", "cache=false"),
        *("strategy=every_3d", "n_jobs=1", "progress=false", "hindsight=false", "report=none"),
        f"hydra.run.dir={tmp_path / 'out'}",
    ])  # fmt: skip
    assert code == 0
    run = Run.load(tmp_path / "out" / "every_3d")
    assert (run.totals["failed"], run.totals["fallback"]) == (0, 0)
    assert not list(tmp_path.glob("catboost_info"))


def test_a_preset_whose_library_is_missing_says_what_installs_it(monkeypatch, capsys) -> None:
    for name in ("lightgbm", "xgboost", "catboost"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"backtrain.models_{name}", raising=False)
        assert main(["run", f"model={name}"]) == 2
        assert "pip install 'backtrain[models]'" in capsys.readouterr().err

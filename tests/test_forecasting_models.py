"""Models of many steps: fed with their own answers, or one for each value of columns."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from backtrain import Backtest, Strategy
from backtrain.datasets.horizon import Horizon
from backtrain.datasets.lags import Lags
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.stream import Stream
from backtrain.models import OnePer, Quantiles, Recursive, scaled
from backtrain.strategies import Every, Expanding


@parametrize_with_checks(
    [
        Recursive(LinearRegression(), lags=0),
        OnePer(LinearRegression(), by=()),
        OnePer(LogisticRegression(), by=()),
    ]
)
def test_they_are_estimators(estimator: Any, check: Any) -> None:
    check(estimator)


def forecasts(
    n: int = 24 * 12, lags: Lags | None = None, words: bool = False, **given: Any
) -> Stream:
    rng = np.random.default_rng(1)
    at = pd.date_range("2024-01-01", periods=n, freq="h")
    table = pd.DataFrame({"t": at, "hour": at.hour * 1.0, "seen": rng.normal(size=n)})
    if words:
        table["day"] = at.day_name()
    table["y"] = 5 + np.sin(at.hour / 4) + rng.normal(size=n)
    lags = Lags(known=[1, 2, 3, 4]) if lags is None else lags
    ahead = ["hour", "day"] if words else ["hour"]
    given = {"steps": 4, "ahead": ahead, "path": True} | given
    return Stream.from_frame(
        table, target="y", time="t", lags=lags, horizon=Horizon(**given), name="made"
    )


def frame(stream: Stream) -> pd.DataFrame:
    return pd.DataFrame(stream.X, columns=list(stream.columns))


def test_a_chain_by_hand() -> None:
    """y = 2 a - b + hour of what comes before, followed by hand for three steps."""
    rows = pd.DataFrame(
        {
            "hour": [3.0, 4.0, 5.0],
            "hour +1": [3.0] * 3,
            "hour +2": [4.0] * 3,
            "hour +3": [5.0] * 3,
            "y_known_1": [10.0] * 3,
            "y_known_2": [7.0] * 3,
            "step": [1.0, 2.0, 3.0],
        }
    )
    rng = np.random.default_rng(0)
    learnt = pd.DataFrame(rng.normal(size=(40, 7)), columns=rows.columns).assign(step=1)
    learnt["hour +1"] = learnt["hour"]
    y = 2 * learnt["y_known_1"] - learnt["y_known_2"] + learnt["hour"]
    model = Recursive(LinearRegression()).fit(learnt, y)
    first = 2 * 10 - 7 + 3
    second = 2 * first - 10 + 4
    np.testing.assert_allclose(model.predict(rows), [first, second, 2 * second - first + 5])


def test_rolling_statistics_are_made_of_answers_too() -> None:
    names = ["y_known_1", "y_known_2", "y_mean_2", "y_max_2"]
    rng = np.random.default_rng(0)
    learnt = pd.DataFrame(rng.normal(size=(40, 2)), columns=names[:2])
    learnt["y_mean_2"] = learnt[names[:2]].mean(axis=1)
    learnt["y_max_2"] = learnt[names[:2]].max(axis=1)
    y = learnt["y_mean_2"] + 3 * learnt["y_max_2"]
    model = Recursive(LinearRegression()).fit(learnt.assign(step=1), y)
    row = pd.DataFrame([[2.0, 4.0, 3.0, 4.0, 2]], columns=[*names, "step"])
    first = 3 + 3 * 4.0
    np.testing.assert_allclose(model.predict(row), [(first + 2) / 2 + 3 * first])


@pytest.mark.parametrize("words", [False, True])
def test_an_answer_does_not_depend_on_the_rows_beside_it(words: bool) -> None:
    stream = forecasts(words=words)
    table, y = frame(stream), stream.y
    estimator = scaled(LinearRegression()) if words else DecisionTreeRegressor(max_depth=4)
    model = Recursive(estimator).fit(table, y)
    whole = model.predict(table)
    some = np.random.default_rng(0).permutation(len(table))[:50]
    np.testing.assert_allclose(model.predict(table.take(some)), whole[some], rtol=1e-12)
    np.testing.assert_allclose(model.predict(table.iloc[[7]]), whole[[7]], rtol=1e-12)


def test_it_learns_from_the_first_step_alone() -> None:
    stream = forecasts()
    table, y = frame(stream), stream.y
    spoilt = np.where(table["step"] == 1, y, 1e6)
    one, other = (Recursive(LinearRegression()).fit(table, given) for given in (y, spoilt))
    assert (one.predict(table[40:99]) == other.predict(table[40:99])).all()


@pytest.mark.parametrize(
    ("lags", "given", "parameters", "says"),
    [
        (
            Lags(known=[1, 4]),
            {},
            {},
            r"4 steps ahead need the labels 2, 3 before, too, .*\[1,\.\.\.,4\]",
        ),
        (Lags(known=[1], at=["24h"]), {}, {}, "'y_at_24h': a lag that cannot be made of answers"),
        (Lags(known=[1], rolling=[("mean", "1D")]), {}, {}, "'y_mean_1D': a lag that cannot"),
        (Lags(known=[1], expanding=["mean"]), {}, {}, "'y_mean_all': a lag that cannot"),
        (Lags(known=[1], rolling=[("mean", 3)]), {}, {}, "the labels 2, 3 before"),
        (None, {"path": False}, {}, r"'hour' differs from step to step.*horizon\.path=true"),
        (None, {}, {"lags": [1, 9]}, r"lags=\[1, 9\]: no column is the label 9 before"),
        (Lags(at=["24h"]), {}, {}, "nothing to feed answers back into"),
    ],
)
def test_what_a_chain_would_need_is_named(
    lags: Lags | None, given: dict[str, Any], parameters: dict[str, Any], says: str
) -> None:
    stream = forecasts(lags=lags, **given)
    with pytest.raises(ValueError, match=says):
        Recursive(LinearRegression(), **parameters).fit(frame(stream), stream.y)


def test_one_for_each_value() -> None:
    table = pd.DataFrame({"x": [0.0, 1, 0, 1, 0, 1], "shop": pd.Categorical(list("aabbcc"))})
    y = np.array([0.0, 1, 5, 9, 2, 2])
    model = OnePer(LinearRegression(), by="shop").fit(table, y, sample_weight=[1, 1, 1, 1, 2, 2])
    asked = pd.DataFrame({"x": [2.0] * 4, "shop": ["c", "b", "a", "z"]})
    usual = np.average(y, weights=[1, 1, 1, 1, 2, 2])
    np.testing.assert_allclose(model.predict(asked.astype({"shop": "category"})), [2, 13, 2, usual])
    pooled = OnePer(LinearRegression(), by="shop", others="pooled").fit(table, y)
    all_of_them = LinearRegression().fit(table[["x"]], y)
    np.testing.assert_allclose(
        pooled.predict(asked.astype({"shop": "category"}))[-1], all_of_them.predict([[2.0]])[0]
    )
    with pytest.raises(ValueError, match=r"by='store': no such column; there are \['x', 'shop'\]"):
        OnePer(LinearRegression(), by="store").fit(table, y)


def test_one_for_each_value_of_classes() -> None:
    X = np.column_stack((np.tile([0.0, 1, 2, 3], 3), np.repeat([1, 2, 3], 4)))
    y = np.array(list("aabbbbaacccc"))
    model = OnePer(LogisticRegression(C=1e6), by=[1]).fit(X, y)
    assert model.predict([[0, 1], [0, 2], [0, 3], [3, 1]]).tolist() == ["a", "b", "c", "b"]
    assert model.predict([[0, 9]]).tolist() == ["a"]
    shares = model.predict_proba([[0, 1], [0, 3], [0, 9]])
    np.testing.assert_allclose(shares[1:], [[0, 0, 1], [1 / 3] * 3])
    assert shares[0].argmax() == 0
    assert model.score(X, y) == 1


@pytest.mark.parametrize(
    "model", [Recursive(LinearRegression()), OnePer(LinearRegression(), dropna=True)]
)
def test_a_replay_is_the_same_by_any_way(model: Any) -> None:
    stream = forecasts(24 * 10, origins="24h", path=isinstance(model, Recursive))
    backtest = Backtest(stream, model, start=0.6, tick="24h")
    strategies = {
        "daily": Strategy(Every("1D"), Expanding()),
        "weekly": Strategy(Every("7D"), Expanding()),
    }
    found = backtest.compare(strategies, hindsight=False)
    again = Backtest(
        pickle.loads(pickle.dumps(stream)), clone(model), start=0.6, tick="24h"
    ).replay(strategies["daily"], "daily")
    assert again.totals["total"] == found.runs["daily"].totals["total"]
    audit = backtest.audit(strategies["daily"])
    assert not len(audit.findings), audit


def test_a_feature_that_is_called_like_a_lag_is_a_feature() -> None:
    rows = pd.DataFrame(
        {
            "price_known_1": [9.0, 9.0, 9.0, 9.0],
            "y_known_1": [1.0, 2.0, 4.0, 8.0],
            "y_mean_1": [1.0, 2.0, 4.0, 8.0],
            "step": [1, 1, 1, 1],
        }
    )
    model = Recursive(LinearRegression()).fit(rows, [2.0, 4.0, 8.0, 16.0])
    assert model.columns_.known == {1: "y_known_1"}
    assert model.columns_.rolling == {"y_mean_1": ("mean", 1)}
    assert model.columns_.others == ("price_known_1",)
    third = rows.tail(1).assign(step=3)
    assert model.predict(third).round(6).tolist() == [64.0]


@pytest.mark.parametrize("wrapper", [Recursive, OnePer])
def test_quantiles_belong_outside(wrapper: Any) -> None:
    stream = forecasts(96)
    levels = [0.1, 0.5, 0.9]
    model = wrapper(Quantiles(QuantileRegressor(), levels))
    with pytest.raises(ValueError, match=rf"Quantiles\({wrapper.__name__}\(model\), levels"):
        model.fit(frame(stream).fillna(0), stream.y).predict(frame(stream).fillna(0))
    right = Quantiles(wrapper(QuantileRegressor()), levels, parameter="estimator__quantile")
    answers = right.fit(frame(stream).fillna(0), stream.y).predict(frame(stream).fillna(0))
    assert answers.shape == (len(stream), 3)


def test_a_model_that_is_fed_with_answers_needs_labels_at_once() -> None:
    stream = forecasts(24 * 12, between="first", origins="24h")
    Backtest(stream, Recursive(LinearRegression()), start="2024-01-08")
    late = apply(stream, Fixed("6h"))
    with pytest.raises(ValueError, match="here they are known 0 days 06:00:00 later"):
        Backtest(late, Recursive(LinearRegression()), start="2024-01-08")
    Backtest(late, OnePer(LinearRegression()), start="2024-01-08")

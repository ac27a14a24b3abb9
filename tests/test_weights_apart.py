"""Weights in training and weights in scores; groups of several columns."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.datasets.columns import read_combinations
from backtrain.datasets.faults import DuplicatedRows
from backtrain.strategies import Every, Expanding, NoGroupWorse, PerformanceDrop

WEEKLY = Strategy(PerformanceDrop("MAE", window=30, min_labels=5, drop="1%"), Expanding())
RANDOM = np.random.default_rng(3)
N = 300
FRAME = pd.DataFrame(
    {
        "t": pd.date_range("2024-01-01", periods=N, freq="h"),
        "x": RANDOM.normal(size=N),
        "y": RANDOM.normal(size=N),
        "fit": RANDOM.uniform(0, 2, N),
        "score": RANDOM.uniform(0, 2, N),
        "store": RANDOM.choice(["north", "south"], N),
        "product": RANDOM.integers(0, 3, N),
    }
)


def stream(**roles: object) -> Stream:
    return Stream.from_frame(FRAME, target="y", time="t", features=["x"], **roles)


def run(history: Stream, strategy: Strategy = WEEKLY, model: object = None):
    return Backtest(history, model or LinearRegression(), prices=Prices(retrain=1)).replay(strategy)


def test_a_weight_is_both_of_them() -> None:
    both = run(stream(weight="fit"))
    apart = run(replace(stream(), fit_weight=FRAME["fit"], score_weight=FRAME["fit"]))
    assert both.totals == apart.totals
    assert both.predictions.equals(apart.predictions)


def test_weights_in_training_change_models_and_no_score() -> None:
    plain, fitted = run(stream()), run(stream(fit_weight="fit"))
    assert (plain.predictions["prediction"] != fitted.predictions["prediction"]).all()
    assert (fitted.predictions["weight"] == 1).all()
    loss = fitted.predictions["loss"].sum()
    assert fitted.totals["loss"] == pytest.approx(loss)
    served = fitted.predictions[fitted.predictions["version"] == 0]
    first = FRAME.iloc[: int(served["row"].iloc[0])]
    model = LinearRegression().fit(first[["x"]], first["y"], sample_weight=first["fit"])
    told = model.predict(FRAME[["x"]].iloc[served["row"]])
    assert served["prediction"].to_numpy() == pytest.approx(told)


def test_weights_in_scores_change_no_model_and_need_none_that_takes_weights() -> None:
    strategy = Strategy(Every("3D"), Expanding())
    plain, scored = (run(stream(**by), strategy) for by in ({}, {"score_weight": "score"}))
    assert plain.predictions["prediction"].equals(scored.predictions["prediction"])
    rows = scored.predictions
    assert rows["weight"].to_numpy() == pytest.approx(FRAME["score"].iloc[rows["row"]].to_numpy())
    assert scored.totals["loss"] == pytest.approx((rows["loss"] * rows["weight"]).sum())
    expected = np.average(rows["loss"], weights=rows["weight"])
    assert scored.metrics["MAE"] == pytest.approx(expected)
    neighbours = KNeighborsRegressor(3)  # takes no sample_weight
    assert run(stream(score_weight="score"), strategy, neighbours).totals["retrains"] > 0
    with pytest.raises(ValueError, match="the stream has weights, but KNeighborsRegressor"):
        run(stream(fit_weight="fit"), strategy, neighbours)


def test_streams_keep_their_names_and_new_weights_count() -> None:
    plain = stream()
    assert plain.fingerprint == replace(plain, fit_weight=None).fingerprint
    prints = {
        stream(**{role: "fit"}).fingerprint
        for role in ("weight", "amount", "fit_weight", "score_weight")
    }
    assert len(prints | {plain.fingerprint}) == 5


def test_they_are_saved_sent_and_reordered(tmp_path) -> None:
    kept = stream(fit_weight="fit", score_weight="score").save(tmp_path / "history")
    assert np.array_equal(kept.fit_weight, FRAME["fit"])
    assert np.array_equal(kept.score_weight, FRAME["score"])
    backwards = Stream.from_frame(
        FRAME[::-1], target="y", time="t", features=["x"], fit_weight="fit", score_weight="score"
    )
    assert backwards.fingerprint == kept.fingerprint
    twice = DuplicatedRows(share=1.0, start=0.0, stop=1.0).strike(kept, slice(0, N))
    assert np.array_equal(twice.score_weight, np.repeat(FRAME["score"], 2))
    with pytest.raises(ValueError, match=r"fit: -1.0 in row \d+"):
        Stream.from_frame(FRAME.assign(fit=-1.0), target="y", time="t", fit_weight="fit")


def test_several_columns_make_a_group() -> None:
    history = stream(group=["store", "product"])
    expected = FRAME["store"] + " / " + FRAME["product"].astype(str)
    assert history.group.tolist() == expected.tolist()
    one = replace(history, group=expected.to_numpy())
    strategy = Strategy(
        PerformanceDrop("MAE", window=20, min_labels=3, drop="5%", group="worst"),
        Expanding(),
        gate=NoGroupWorse(min_rows=2),
    )
    several, joined = run(history, strategy), run(one, strategy)
    assert several.totals == joined.totals
    assert {g["group"] for g in several.totals["groups"]} == set(expected)
    assert several.events["reason"].str.contains("group 'north / ").any() or (
        several.events["reason"].str.contains("group 'south / ").any()
    )


def test_combinations_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two combinations are called 'a / b / c'"):
        read_combinations({"one": ["a / b", "a"], "two": ["c", "b / c"]})
    with pytest.raises(ValueError, match="product: missing in row 0"):
        read_combinations({"store": ["a"], "product": [None]})
    with pytest.raises(ValueError, match=r"group\[1\]='prodct': no such column.*'product'"):
        stream(group=["store", "prodct"])
    with pytest.raises(ValueError, match=r"group\[1\]='y': already used as target"):
        stream(group=["store", "y"])

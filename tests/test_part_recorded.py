"""What production did, replayed: its answers, its dates, and what they would have been charged.

One row an hour, row i at hour i with the label i. Served from hour 4 on.
"""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeRegressor

from backtrain import Backtest, Delays, PartError, Prices, Strategy, Stream
from backtrain.config.study import load
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.stability import TOTALS
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Budget,
    Cooldown,
    Every,
    Expanding,
    Never,
    Recorded,
    Sliding,
    WarmStart,
)

#: Answers to more rows than any of the small histories has, and when they were made.
MADE_UP = pd.DataFrame({"row": np.arange(300), "prediction": np.sin(np.arange(300.0)).round(3)})
DATES = [
    "2024-01-01 12:00",
    "2024-01-02 05:17",
    "2024-01-02 05:17",
    "2024-01-03",
    "2024-01-03 01:00",
]

PARTS = [Recorded("production.csv", ["2012-01-02", "2012-07-02 06:00"])]
NONSENSE = [
    (lambda: Recorded("log.csv", "2012-01-02"), "give a list"),
    (lambda: Recorded("log.csv", ["soon"]), "not a date"),
    (lambda: Recorded(3, []), "a path, a DataFrame or an array"),
    (lambda: AnyOf(Recorded("log.csv", [])), "AnyOf: Recorded answers rows itself"),
    (lambda: Cooldown(Recorded("log.csv", []), "3D"), "stands alone"),
    (
        lambda: Strategy(Recorded("log.csv", []), Expanding(), gate=BeatsChampion()),
        r"Strategy\(gate=BeatsChampion\(\)\): Recorded says what really happened",
    ),
    (lambda: Strategy(Recorded("log.csv", []), Expanding(), WarmStart()), "leave update= at"),
    (lambda: Strategy(Recorded("log.csv", []), Expanding(), budget=3), "leave budget= at None"),
    (lambda: Strategy(Recorded("log.csv", []), Expanding(), cooldown="1D"), "cooldown="),
]
GIVEN = {
    ("trigger", "recorded"): ["trigger.predictions=log.csv", "trigger.dates=[2012-01-02]"],
    ("strategy", "recorded"): [
        "strategy.trigger.predictions=log.csv",
        "strategy.trigger.dates=[2012-01-02]",
    ],
}
REGRESSION = {
    "recorded": Strategy(Recorded(MADE_UP, DATES), Sliding(12)),
    "recorded, empty windows": Strategy(Recorded(MADE_UP, DATES), Sliding("3h")),
}
CLASSIFICATION = {
    "recorded": Strategy(
        Recorded(MADE_UP.assign(prediction=MADE_UP["row"] % 2), DATES), Expanding()
    )
}

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def hours(times: Any) -> list[float]:
    return [(pd.Timestamp(at) - MIDNIGHT) / pd.Timedelta("1h") for at in times]


def history(n: int = 13, y: Any = None, event: Any = None, **more: Any) -> Stream:
    y = np.arange(n, dtype=float) if y is None else np.asarray(y)
    times = [hour(h).to_datetime64() for h in (range(n) if event is None else event)]
    return Stream(np.arange(n, dtype=float)[:, None], y, np.array(times), **more)


def backtest(stream: Stream | None = None, **more: Any) -> Backtest:
    model = more.pop("model", DummyRegressor())
    tick = more.pop("tick", "1h")
    stream = history() if stream is None else stream
    return Backtest(stream, model, tick=tick, start=hour(4), **more)


def replay(predictions: Any, dates: Any = (), window: Any = None, **more: Any) -> Any:
    strategy = Strategy(Recorded(predictions, dates), window or Expanding())
    return backtest(**more).replay(strategy)


SERVED = np.array([4.0, 5.5, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 10.0])


# --- by hand ------------------------------------------------------------------------------------


def test_rows_are_answered_as_they_were_and_dates_are_charged() -> None:
    prices = Prices(retrain=10, per_1k_rows=1000, release=3, error=2)
    run = replay(SERVED, [str(hour(h)) for h in (7, 9.5)], Sliding(3), prices=prices)
    assert run.predictions["prediction"].tolist() == SERVED.tolist()
    # Row 5 was half off, row 12 by two.
    assert run.predictions["loss"].tolist() == [0, 0.5, 0, 0, 0, 0, 0, 0, 2]
    assert run.totals["error"] == 2 * 2.5
    # Rows 4 to 6 by the first model, 7 to 9 by that of hour 7, and from 9:30 on the third.
    assert run.predictions["version"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert hours(run.versions["decided_at"]) == [4, 7, 9.5]
    assert run.versions["outcome"].tolist() == ["initial", "deployed", "deployed"]
    # Each training: 10, and 3 rows at 1; each release: 3.
    assert run.totals["train"] == 2 * (10 + 3)
    assert run.totals["deploy"] == 2 * 3
    assert run.totals["initial"] == 13
    assert run.totals["retrains"] == 2
    # At 7 the newest three labelled rows are 4, 5, 6.
    assert hours(run.versions["window_start"])[1] == 4
    assert hours(run.versions["window_end"])[1] == 6


def test_no_model_is_fitted() -> None:
    setup = backtest()
    setup.replay(Strategy(Recorded(SERVED, [str(hour(7))]), Expanding()))
    assert setup.store.asked == setup.store.computed == setup.store.predicted == 0


def test_every_date_is_charged_whatever_the_ticks_and_delays() -> None:
    dates = [str(hour(h)) for h in (5, 5.25, 5.5, 6)]
    slow = Delays(train="5h", deploy="5h")
    run = replay(SERVED, dates, tick="4h", delays=slow, prices=Prices(retrain=1, release=1))
    assert run.totals["retrains"] == run.totals["deployed"] == 4
    assert run.totals["busy"] == 0
    assert hours(run.deployments["from"]) == [4, 5, 5.25, 5.5, 6]


def test_dates_up_to_start_belong_to_the_first_model_and_those_after_the_end_to_none() -> None:
    dates = [str(hour(h)) for h in (1, 4, 8, 12, 13)]
    assert hours(replay(SERVED, dates).versions["decided_at"]) == [4, 8, 12]
    ended = backtest(end=hour(8.5)).replay(Strategy(Recorded(SERVED[:5], dates), Expanding()))
    assert hours(ended.versions["decided_at"]) == [4, 8]


def test_a_date_at_which_the_window_is_empty_is_charged_all_the_same() -> None:
    label = [hour(h).to_datetime64() for h in [0, 1, 2, 3, *[20] * 9]]
    late = history(label_time=np.array(label))
    prices = Prices(retrain=5, error=0)
    run = replay(SERVED, [str(hour(9))], Sliding("2h"), stream=late, prices=prices)
    assert run.versions["rows"].tolist() == [2, 0]
    assert run.totals["train"] == 5


# --- which row ----------------------------------------------------------------------------------

WHOLE = np.append([np.nan] * 4, SERVED)


def by_row(**more: Any) -> pd.DataFrame:
    table = pd.DataFrame({"row": np.arange(13), "prediction": WHOLE, **more})
    return table.sample(frac=1, random_state=0)


def by_time() -> pd.DataFrame:
    return by_row(event_time=history().event_time).drop(columns="row")


@pytest.mark.parametrize(
    "predictions",
    [
        SERVED,
        SERVED.tolist(),
        WHOLE,
        pd.Series(SERVED, index=range(50, 59)),
        by_row(),
        by_row()[lambda table: table["row"] >= 4],
        by_time(),
        by_time().astype({"event_time": str}),
    ],
    ids=["served", "list", "whole", "series", "row", "served rows", "time", "time as text"],
)
def test_predictions_find_their_rows(predictions: Any) -> None:
    assert replay(predictions).predictions["prediction"].tolist() == SERVED.tolist()


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_predictions_are_read_from_a_file(suffix: str, tmp_path: Path) -> None:
    path, table = tmp_path / f"log.{suffix}", by_time()
    table.to_parquet(path) if suffix == "parquet" else table.to_csv(path, index=False)
    for given_as in (path, str(path)):
        assert replay(given_as).predictions["prediction"].tolist() == SERVED.tolist()


def test_rows_of_one_instant_keep_their_order() -> None:
    stream = history(8, event=[0, 1, 2, 3, 4, 4, 4, 5])
    table = pd.DataFrame(
        {
            "event_time": [hour(h) for h in (5, 4, 4, 4, 9)],
            "prediction": [50.0, 41.0, 42.0, 43.0, 90.0],
        }
    )
    run = replay(table, stream=stream)
    assert run.predictions["prediction"].tolist() == [41, 42, 43, 50]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (SERVED[:7], r"7 predictions without a column 'row' or 'event_time'; there are 13 rows, 9"),
        (
            by_row().query("row not in (6, 9)"),
            r"no prediction for 2 of 9 served rows; the first is row 6 \(2024-01-01 06",
        ),
        (by_row().replace({"prediction": {7.0: np.nan}}), "no prediction for 1 of 9 .* row 7"),
        (by_row().replace({"prediction": {7.0: np.inf}}), "no prediction for 1 of 9 .* row 7"),
        (by_time().iloc[:0], "no rows"),
        (by_row().assign(row=3), "row 3 stands there twice"),
        (by_row().astype({"row": float}), "give positions in the stream"),
        (by_row().rename(columns={"prediction": "p"}), "no column 'prediction' among"),
        (by_row(other=1).drop(columns="row"), "without a column 'row'"),
        (
            pd.concat((by_time(), by_time())),
            "2 predictions at 2024-01-01 04.*, where the stream has 1 row",
        ),
        (by_row().assign(prediction="much"), "much"),
        ("nowhere.csv", r"Recorded\('nowhere.csv', \(\)\): nowhere.csv: no such file"),
    ],
)
def test_what_does_not_cover_the_served_rows_is_refused(table: Any, says: str) -> None:
    strategy = Strategy(Recorded(table, []), Expanding())
    with pytest.raises(PartError, match=says):
        backtest().replay(strategy)
    with pytest.raises(PartError, match="strategy 'production': "):
        backtest().compare({"production": strategy})


# --- classes ------------------------------------------------------------------------------------

WEATHER = np.array(["dry", "wet"] * 6 + ["dry"], dtype=object)


def classify(table: pd.DataFrame, **more: Any) -> Any:
    model = more.pop("model", DummyClassifier(strategy="prior"))
    y = more.pop("y", WEATHER)
    return replay(table, stream=history(y=y), model=model, **more)


def labels(**more: Any) -> pd.DataFrame:
    """Always dry: wrong in rows 5, 7, 9, 11."""
    return pd.DataFrame({"row": np.arange(4, 13), "prediction": "dry", **more})


def test_class_labels_are_judged() -> None:
    run = classify(labels(), metrics=["accuracy", "ROC AUC", "average precision"])
    assert run.predictions["prediction"].tolist() == ["dry"] * 9
    assert run.totals["loss"] == 4
    assert run.metrics["accuracy"] == pytest.approx(5 / 9)
    assert np.isnan(run.metrics["ROC AUC"])  # no scores were recorded
    assert np.isnan(run.metrics["average precision"])
    assert run.predictions["score"].isna().all()


def test_scores_are_judged() -> None:
    score = np.where(WEATHER[4:] == "wet", 0.6, 0.2)
    score[1] = 0.1  # row 5 is wet, and stands below the five dry ones
    run = classify(labels(score=score), metrics=["ROC AUC"], loss="log")
    # Three of the four wet rows stand above all five dry ones.
    assert run.metrics["ROC AUC"] == 0.75
    expected = -(5 * np.log(0.8) + 3 * np.log(0.6) + np.log(0.1))
    assert run.totals["loss"] == pytest.approx(expected)


def test_probabilities_of_several_classes_are_judged() -> None:
    y = np.array(["a", "b", "c"] * 4 + ["a"], dtype=object)
    table = labels(**{"probability a": 0.5, "probability b": 0.3, "probability c": 0.2})
    table["prediction"] = "a"
    run = classify(table, y=y, loss="log", metrics=["accuracy"])
    # Rows 4 to 12 hold three of each.
    assert run.totals["loss"] == pytest.approx(-3 * np.log([0.5, 0.3, 0.2]).sum())
    assert run.predictions["score"].tolist() == [0.5] * 9


def test_a_loss_that_needs_what_was_not_recorded_is_refused() -> None:
    with pytest.raises(PartError, match="loss='log' needs probabilities; add 'score'"):
        classify(labels(), loss="log")
    y = np.array(["a", "b", "c"] * 4 + ["a"], dtype=object)
    with pytest.raises(PartError, match="add 'probability a', 'probability b', 'probability c'"):
        classify(labels(score=0.5).assign(prediction="a"), y=y, loss="log")


def test_a_class_that_the_target_does_not_have_is_refused() -> None:
    with pytest.raises(PartError, match=r"'fog' is not a class of the target: \['dry', 'wet'\]"):
        classify(labels().replace("dry", "fog"))


# --- what it is compared with -------------------------------------------------------------------


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_record_of_a_run_gives_that_run_again(task: str, tmp_path: Path) -> None:
    stream = abrupt(n=900, task=task)  # type: ignore[arg-type]
    model = Ridge() if task == "regression" else LogisticRegression()
    metrics = ["MAE"] if task == "regression" else ["ROC AUC", "log loss"]
    prices = Prices(retrain=5, per_1k_rows=1, label=0.01, release=2, per_1k_predictions=1)
    setup = Backtest(stream, model, tick="1D", prices=prices, metrics=metrics)
    run = setup.replay(Strategy(Every("5D"), Sliding("10D")))
    run.save(tmp_path / "run")
    dates = run.versions["decided_at"][1:]
    again = setup.replay(
        Strategy(Recorded(tmp_path / "run" / "predictions.parquet", dates), Sliding("10D"))
    )
    # How answers changed nobody can tell of answers that are only recorded.
    told = {name: value for name, value in run.totals.items() if name not in TOTALS}
    assert again.totals == told
    pd.testing.assert_frame_equal(again.predictions, run.predictions)
    pd.testing.assert_frame_equal(again.charges, run.charges)
    pd.testing.assert_frame_equal(again.steps, run.steps)


@settings(max_examples=25, deadline=None)
@given(
    at=st.lists(st.integers(-5, 40 * 4), max_size=12),
    tick=st.sampled_from(["1h", "5h", "1D", 3]),
    delay=st.sampled_from(["0h", "3h"]),
)
def test_a_training_and_a_release_for_each_date_that_is_served(
    at: list[int], tick: Any, delay: str
) -> None:
    stream = history(40)
    dates = [str(MIDNIGHT + pd.Timedelta(minutes=15 * quarter)) for quarter in at]
    run = replay(
        np.zeros(36),
        dates,
        stream=stream,
        tick=tick,
        delays=Delays(train=delay),
        prices=Prices(retrain=1, release=1, error=0),
    )
    served = sorted({quarter / 4 for quarter in at if 4 < quarter / 4 <= 39})
    assert hours(run.versions["decided_at"][1:]) == served
    assert run.totals["total"] == 2 * len(served)


@settings(max_examples=15, deadline=None)
@given(row=st.integers(5, 38), seed=st.integers(0, 99))
def test_a_recorded_answer_is_not_known_before_its_row_is_served(row: int, seed: int) -> None:
    answers = np.random.default_rng(seed).normal(size=36)
    other = answers.copy()
    other[row - 4 :] += 100.0
    dates = [str(hour(h)) for h in (7, 15, 22.5, 31)]
    one, two = (replay(said, dates, stream=history(40)) for said in (answers, other))
    before = slice(0, row - 4)
    pd.testing.assert_frame_equal(one.predictions[before], two.predictions[before])
    pd.testing.assert_frame_equal(one.events, two.events)
    costs = [run.charges[run.charges["when"] < hour(row)] for run in (one, two)]
    pd.testing.assert_frame_equal(*costs)


def test_it_stands_in_a_comparison_and_is_blank_where_nothing_is_known(tmp_path: Path) -> None:
    stream = abrupt(n=600, task="regression")
    setup = Backtest(stream, DecisionTreeRegressor(max_depth=3), tick="1D", prices=Prices(5))
    dates = pd.DatetimeIndex(["2024-01-10", "2024-01-15 07:30"])
    truth = np.nan_to_num(stream.y)
    strategies = {
        "static": Strategy(Never(), Expanding()),
        "production": Strategy(Recorded(truth, dates), Expanding()),
        "every 3D": Strategy(Every("3D"), Expanding()),
    }
    comparison = setup.compare(strategies, n_jobs=2, hindsight=True)
    run = comparison.runs["production"]
    assert run.totals["error"] == 0
    assert "hindsight" not in run.info
    assert "hindsight" in comparison.runs["every 3D"].info
    table = comparison.table("production")
    assert table.loc[["production"], ["regret", "gap", "placebo_even"]].isna().all(axis=None)
    page = comparison.to_html(tmp_path / "report.html", "production").read_text()
    assert "Predictions of production were recorded, not made here" in page
    assert comparison.save(tmp_path / "all", "production").exists()
    alone = setup.compare(strategies, n_jobs=1)
    for name in strategies:
        assert alone.runs[name].totals == comparison.runs[name].totals


def test_it_runs_from_a_config(tmp_path: Path) -> None:
    stream = abrupt(n=600, task="regression")
    log = pd.DataFrame({"event_time": stream.event_time, "prediction": 1.0})
    log.to_csv(tmp_path / "log.csv", index=False)
    overrides = [
        "dataset=abrupt",
        "dataset.n=600",
        "dataset.task=regression",
        "comparison=one",
        "strategy=recorded",
        f"strategy.trigger.predictions={tmp_path}/log.csv",
        "strategy.trigger.dates=[2024-01-10]",
        "gate=beats_champion",  # that of the others
        "n_jobs=1",
        "progress=false",
        "hindsight=false",
    ]
    with initialize_config_module("backtrain.conf", version_base="1.3"):
        study = load(compose("run", overrides), "recorded")
    run = study.compare().runs["recorded"]
    assert (run.predictions["prediction"] == 1).all()
    assert run.totals["retrains"] == 1


# --- the part itself ----------------------------------------------------------------------------


def test_predictions_in_memory_are_compared_by_content_and_pickled_whole() -> None:
    spec = Recorded(SERVED, [str(hour(7))])
    assert repr(spec) == "Recorded(<9 predictions in memory>, ('2024-01-01 07:00:00',))"
    again = pickle.loads(pickle.dumps(spec))
    assert again == spec
    assert hash(again) == hash(spec)
    assert replace(spec, dates=[]).predictions == spec.predictions
    assert Recorded(SERVED + 1, [str(hour(7))]) != spec
    own = SERVED.copy()
    spec = Recorded(own, [])
    own[:] = 0
    assert spec == Recorded(SERVED, [])


def test_dates_come_in_any_form_and_order() -> None:
    expected = Recorded("log.csv", ["2012-01-02", "2012-07-02 06:00"])
    times = pd.DatetimeIndex(["2012-07-02 06:00", "2012-01-02", "2012-01-02"])
    for dates in (times, list(times), times.to_numpy(), pd.Series(times), tuple(map(str, times))):
        assert Recorded("log.csv", dates) == expected


def test_a_window_that_wants_to_ask_a_model_is_told_that_there_is_none() -> None:
    class Asks:
        def select(self, view: Any) -> Any:
            selection = Expanding().select(view)
            if view.answered_so_far:
                view.model.predict(slice(0, 2))
            return selection

    with pytest.raises(PartError, match="there is no model to ask"):
        replay(SERVED, [str(hour(7))], Asks())


def test_it_is_refused_inside_other_triggers() -> None:
    with pytest.raises(PartError, match="Budget: Recorded answers rows itself"):
        Budget(Recorded("log.csv", []), retrains=3)

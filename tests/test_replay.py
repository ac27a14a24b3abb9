"""The replay gives what a plain row-by-row replay gives, for every strategy and any history."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from reference import NothingThereError, SlowReplay
from shipped import CLASSIFICATION, DROP, INCREMENTAL, LONG, PIPELINES, REGRESSION, ZERO_ONE
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge, SGDClassifier, SGDRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from backtrain import Backtest, Delays, PartError, Prices, SetupError, Strategy, Stream
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Every,
    EveryRows,
    Expanding,
    PartialFit,
    Sliding,
)

PRICES = Prices(
    retrain=5,
    per_1k_rows=100,
    label=0.25,
    check=0.5,
    review=2,
    release=3,
    flip=7,
    per_1k_predictions=10,
    error=1.5,
    update=4,
)

# --- histories ----------------------------------------------------------------------------------

DELAYS = (
    Delays(),
    Delays(train="2h30min"),
    Delays(deploy="5h"),
    Delays(train="90min", deploy="1h"),
    Delays(train="2h30min", deploy="1h", update="45min"),
    Delays(train_per_1k_rows="100h"),
    Delays(train="3h", train_per_1k_rows="33h20min", deploy="6h"),
)


@st.composite
def backtests(draw, models, task="regression", most=80):
    """A history of up to ``most`` rows, with ties and with late, lost and unsorted labels."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000), label="seed"))
    n = draw(st.integers(most // 2, most), label="rows")
    stream = _stream(rng, n, task, draw(st.booleans(), label="weights"), draw(LATENCIES))
    first = draw(st.sampled_from((14, 18, 25)), label="first served row")
    shift = pd.Timedelta(draw(st.sampled_from(("0h", "30min")), label="start before the row"))
    end = draw(st.sampled_from((None, None, stream.event_time[-5], "2024-01-04 12:15")))
    return Backtest(
        stream,
        draw(st.sampled_from(models), label="model"),
        tick=draw(st.sampled_from(("1h", "3h", "5h", "1D", 1, 4, 7)), label="tick"),
        start=pd.Timestamp(stream.event_time[first]) - shift,
        end=end,
        prices=PRICES,
        delays=draw(st.sampled_from(DELAYS), label="delays"),
    )


LATENCIES = st.sampled_from(("none", "constant", "random", "mostly late"))


def _stream(rng, n, task, weighted, latency):
    gaps = rng.choice([0, 0, 1, 1, 2, 3], size=n)
    event = np.datetime64("2024-01-01T00", "ns") + np.cumsum(gaps) * np.timedelta64(1, "h")
    X = rng.normal(size=(n, 2)).round(2) + (np.arange(n) > 0.6 * n)[:, None]
    y = 2 * X[:, 0] + (np.arange(n) // (n / 4)) + rng.normal(scale=0.3, size=n).round(2)
    if task == "classification":
        y = ((2 * X[:, 0] > 0) ^ (np.arange(n) > 0.5 * n)).astype(int)
        y[:2] = 0, 1
    label = _label_times(rng, event, latency)
    if task == "regression" and rng.random() < 0.5:
        y[np.isnat(label)] = np.nan
    weight = rng.choice([0.5, 1, 1.3, 2, 9], size=n) if weighted else None
    if weight is not None:
        weight[26:][rng.random(n - 26) < 0.1] = 0  # served rows: what is tuned needs those before
    group = rng.choice(["a", "a", "b", "c"], size=n)
    return Stream(X, y, event, label, weight=weight, group=group)


def _label_times(rng, event, latency):
    hours = {
        "none": [0],
        "constant": [5],
        "random": [0, 1, 1, 2, 7, 30],
        "mostly late": [0, 3, 20, 20, 60],
    }[latency]
    late = rng.choice(hours, size=len(event))
    late[:10] = 0
    label = event + late * np.timedelta64(1, "h")
    if latency in ("random", "mostly late"):
        label[10:][rng.random(len(event) - 10) < 0.1] = np.datetime64("NaT", "ns")
    return label


# --- the comparison -----------------------------------------------------------------------------


def ns(times):
    """Instants in nanoseconds; None where there is none."""
    return [None if pd.isna(at) else pd.Timestamp(at).value for at in times]


def assert_same(backtest, strategy, exact):
    try:
        truth = SlowReplay(backtest, strategy).run()
    except NothingThereError:  # for a first model; later ones leave an event
        with pytest.raises(SetupError, match="the first model cannot be trained"):
            backtest.replay(strategy)
        return
    run = backtest.replay(strategy)
    assert_same_events(truth, run)
    assert_same_versions(truth, run, backtest)
    assert_same_rows(truth, run, exact)
    assert_same_charges(truth, run)


def assert_same_events(truth, run):
    kept = run.events[~run.events["kind"].isin(["accepted", "fallback"])]
    version = [None if pd.isna(v) else int(v) for v in kept["version"]]
    assert list(zip(ns(kept["at"]), kept["kind"], version, strict=True)) == truth.events


def assert_same_versions(truth, run, backtest):
    versions = run.versions
    assert versions["version"].tolist() == [v["version"] for v in truth.versions]
    parents = [None if pd.isna(p) else int(p) for p in versions["parent"]]
    assert parents == [v["parent"] for v in truth.versions]
    assert ns(versions["decided_at"]) == [v["decided_at"] for v in truth.versions]
    assert ns(versions["ready_at"]) == [v["ready_at"] for v in truth.versions]
    assert versions["outcome"].tolist() == [v["outcome"] for v in truth.versions]
    assert versions["rows"].tolist() == [len(v["rows"]) for v in truth.versions]
    for column, place in (("changed", 0), ("flipped", 1)):
        expected = [v.get("change", (np.nan, np.nan))[place] for v in truth.versions]
        np.testing.assert_allclose(versions[column], expected, rtol=1e-9, atol=1e-9)
    event = backtest.stream.event_time
    for name, pick in (("window_start", min), ("window_end", max)):
        edges = [event[pick(v["rows"])] if v["rows"] else None for v in truth.versions]
        assert ns(versions[name]) == ns(edges)
    deployed = run.events[run.events["kind"].isin(["initial", "deployed"])]
    at = list(zip(deployed["version"].astype(int), ns(deployed["at"]), strict=True))
    assert at == truth.deployments


def assert_same_rows(truth, run, exact):
    rows = run.predictions
    assert rows["row"].tolist() == sorted(truth.served_by)
    assert rows["version"].tolist() == [truth.served_by[i] for i in rows["row"]]
    expected = np.array([truth.prediction[i] for i in rows["row"]])
    assert rows["loss"].notna().tolist() == [i in truth.loss for i in rows["row"]]
    loss = np.array([truth.loss[i] for i in rows["row"] if i in truth.loss])
    if exact:
        assert rows["prediction"].tolist() == expected.tolist()
        assert rows["loss"].dropna().tolist() == loss.tolist()
    else:
        np.testing.assert_allclose(rows["prediction"], expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(rows["loss"].dropna(), loss, rtol=1e-9, atol=1e-9)


def assert_same_charges(truth, run):
    expected, found = defaultdict(float), defaultdict(float)
    for (at, kind, version), amount in truth.charges.items():
        expected[charged_as(at, kind, version)] += amount
    charges = run.charges
    for at, kind, version, amount in zip(
        ns(charges["when"]), charges["kind"], charges["version"], charges["amount"], strict=True
    ):
        found[charged_as(at, kind, int(version))] += amount
    assert dict(found) == pytest.approx(dict(expected), rel=1e-9, abs=1e-9)


def charged_as(at, kind, version):
    """What is charged by row stands in the record by step."""
    return (None, kind, version) if kind in ("error", "predict") else (at, kind, version)


# Histories come from a drawn seed, so there is nothing to shrink.
slowly = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TREE = DecisionTreeRegressor(max_depth=3, random_state=0)


@pytest.mark.parametrize("name", REGRESSION)
@slowly
@given(backtest=backtests([DummyRegressor(), Ridge(), TREE]))
def test_regression(name, backtest):
    assert_same(backtest, REGRESSION[name], exact=isinstance(backtest.model, type(TREE)))


@pytest.mark.parametrize("name", LONG)
@slowly
@given(backtest=backtests([DummyRegressor(), TREE], most=240))
def test_drift_of_errors(name, backtest):
    assert_same(backtest, LONG[name], exact=isinstance(backtest.model, type(TREE)))


@pytest.mark.parametrize("name", ZERO_ONE)
@slowly
@given(
    backtest=backtests(
        [DecisionTreeClassifier(max_depth=2, random_state=0)], "classification", most=240
    )
)
def test_drift_of_mistakes(name, backtest):
    assert_same(backtest, ZERO_ONE[name], exact=True)


@pytest.mark.parametrize("name", INCREMENTAL)
@slowly
@given(backtest=backtests([SGDRegressor(random_state=0, max_iter=20, tol=None)]))
def test_going_on_from_the_model_in_force(name, backtest):
    assert_same(backtest, INCREMENTAL[name], exact=False)


@pytest.mark.parametrize("name", PIPELINES)
@slowly
@given(backtest=backtests([make_pipeline(StandardScaler(), Ridge())]))
def test_pipelines(name, backtest):
    assert_same(backtest, PIPELINES[name], exact=False)


@pytest.mark.parametrize("name", CLASSIFICATION)
@slowly
@given(
    backtest=backtests(
        [DecisionTreeClassifier(max_depth=3, random_state=0), GaussianNB()], "classification"
    )
)
def test_classification(name, backtest):
    exact = isinstance(backtest.model, DecisionTreeClassifier)
    assert_same(backtest, CLASSIFICATION[name], exact=exact)


class Fussy(RegressorMixin, BaseEstimator):
    """Predicts the mean, and refuses to learn from a number of rows that three divides."""

    def fit(self, X, y, sample_weight=None):
        if len(y) % 3 == 0:
            raise ValueError(f"{len(y)} rows")
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


FAILING = {
    "empty windows": Strategy(Every("5h"), Sliding("3h")),
    "refused rows": Strategy(AnyOf(EveryRows(5), DROP), Expanding(), cooldown="3h", budget=6),
    "refused and held out": Strategy(EveryRows(4), Expanding(), gate=BeatsChampion(6, min_rows=1)),
}


@pytest.mark.parametrize("name", FAILING)
@slowly
@given(backtest=backtests([Fussy()]))
def test_trainings_that_fail(name, backtest):
    try:
        backtest.replay(FAILING[name])
    except SetupError:
        reject()  # the first model cannot be trained
    assert_same(backtest, FAILING[name], exact=False)


@slowly
@given(backtest=backtests([SGDClassifier(random_state=0, max_iter=20, tol=None)], "classification"))
def test_partial_fit_of_a_classifier(backtest):
    assert_same(backtest, Strategy(EveryRows(5), Expanding(), PartialFit()), exact=False)


@slowly
@given(backtest=backtests([TREE]), name=st.sampled_from(sorted(REGRESSION)))
def test_steps_cut_the_served_rows_into_stretches_of_one_version(backtest, name):
    run = backtest.replay(REGRESSION[name])
    steps = run.steps
    spans = steps[["start", "end"]].drop_duplicates()
    assert spans["start"].iloc[0] == pd.Timestamp(backtest.start)
    assert spans["start"].tolist()[1:] == spans["end"].tolist()[:-1]
    assert spans["end"].iloc[-1] == run.predictions["event_time"].max() or backtest.end is not None
    last = spans["start"].iloc[-1]
    where = np.searchsorted(spans["start"], run.predictions["event_time"], side="right") - 1
    starts = spans["start"].to_numpy()[where]
    counted = Counter(zip(starts.tolist(), run.predictions["version"], strict=True))
    found = {
        (at.value, version): rows
        for at, version, rows in zip(steps["start"], steps["version"], steps["rows"], strict=True)
        if rows
    }
    assert found == dict(counted)
    assert last <= pd.Timestamp(spans["end"].iloc[-1])
    assert steps["loss"].sum() == pytest.approx(
        (run.predictions["loss"] * run.predictions["weight"]).sum()
    )
    assert steps["scored"].sum() == run.totals["scored"] == run.predictions["loss"].notna().sum()


class Counting:
    """Gives a number where a reason is asked for."""

    def monitor(self):
        return self

    def fires(self, view):
        return 3

    def __repr__(self):
        return "Counting()"


@pytest.mark.parametrize("trigger", [Counting(), AnyOf(Counting())], ids=["alone", "in another"])
def test_a_trigger_that_gives_no_reason_is_told_what_to_give(trigger):
    stream = Stream(np.ones((9, 1)), np.arange(9.0), pd.date_range("2024-01-01", periods=9))
    with pytest.raises(PartError, match=r"Counting\(\): fires\(\) gave 3; return Reason"):
        Backtest(stream, DummyRegressor(), start="2024-01-04").replay(
            Strategy(trigger, Expanding())
        )


@pytest.mark.parametrize("method", ["replay", "audit"])
def test_what_is_no_strategy_is_refused_in_a_sentence(method):
    stream = Stream(np.ones((9, 1)), np.arange(9.0), pd.date_range("2024-01-01", periods=9))
    backtest = Backtest(stream, DummyRegressor(), start="2024-01-04")
    with pytest.raises(SetupError, match=r"7 is not a Strategy\(trigger, window\)"):
        getattr(backtest, method)(7)

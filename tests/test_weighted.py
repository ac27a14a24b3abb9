"""Losses that weigh: means, tests, and every part that compares models by them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_ind
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, TimeSeriesSplit
from test_time import At, hour

from backtrain import Backtest, PartError, Prices, Selection, Strategy, Stream
from backtrain.simulator.metrics import weighted_mean
from backtrain.strategies import (
    ABTest,
    BeatsChampion,
    BreakEven,
    Canary,
    CumulativeStaleness,
    Dynamic,
    ErrorDrift,
    EstimatedDrop,
    Every,
    Expanding,
    NoGroupWorse,
    PerformanceDrop,
    Retune,
    Shadow,
    Sliding,
    StalenessCost,
)
from backtrain.strategies.gates.holdout import split_newest
from backtrain.strategies.weighted import chance_above, chance_larger, estimate

losses = st.lists(st.floats(0, 9, allow_subnormal=False), min_size=2, max_size=12).map(np.array)

# --- the statistics -------------------------------------------------------------------------------


@settings(deadline=None)
@given(losses, losses, st.sampled_from([None, 1.0, 0.3, 7.0]))
def test_equal_weights_give_the_plain_tests(new, old, size):
    """A paired t-test, and Welch's."""
    mine, other = (None if size is None else np.full(len(x), size) for x in (new, old))
    assert estimate(new, mine) == estimate(new)
    if np.ptp(new) < 1e-6 or np.ptp(old) < 1e-6:
        return
    expected = ttest_1samp(new, 1.0, alternative="greater").pvalue
    assert chance_above(estimate(new, mine), 1.0) == pytest.approx(expected)
    expected = ttest_ind(new, old, equal_var=False, alternative="greater").pvalue
    assert chance_larger(estimate(new, mine), estimate(old, other)) == pytest.approx(expected)


@settings(deadline=None)
@given(losses, st.lists(st.sampled_from([0.0, 0.5, 1.0, 4.0]), min_size=12, max_size=12))
def test_rows_of_weight_0_are_not_there_and_only_ratios_count(values, weights):
    weight = np.array(weights)[: len(values)]
    kept = weight > 0
    found, same = estimate(values, weight), estimate(values[kept], weight[kept])
    assert found == same or (np.isnan([*found]) == np.isnan([*same])).all()
    assert estimate(values, 2 * weight) == pytest.approx(found, nan_ok=True)


def test_a_weighted_mean_worked_by_hand():
    # h = 1/4, 1/4, 1/2: the mean is 2.5, the squares are 2.25 / 16 + .25 / 16 + 1 / 4 = 13 / 32 and
    # less; what they are worth is h2 - 2 h3 + h2^2 with h2 = 3/8 and h3 = 5/32: 13/64 of h2 = 3/8.
    found = estimate(np.array([1.0, 2.0, 3.5]), np.array([1.0, 1.0, 2.0]))
    squares = (1.5**2 + 0.5**2) / 16 + 1.0**2 / 4
    assert found.mean == 2.5
    assert found.variance == pytest.approx(squares * (3 / 8) / (13 / 64))
    assert 1 < found.freedom < 2


def test_the_degrees_of_freedom_are_those_of_the_quadratic_form():
    weight = np.array([1.0, 2.0, 3.0, 10.0, 0.5])
    share = weight / weight.sum()
    center = np.eye(5) - np.outer(np.ones(5), share)
    form = center.T @ np.diag(share**2) @ center
    found = estimate(np.arange(5.0), weight)
    assert found.freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))
    scale = (share**2).sum() / np.trace(form)
    assert found.variance == pytest.approx(np.arange(5) @ form @ np.arange(5) * scale)


@pytest.mark.parametrize("heavy", [2, 10**4, 10**5, 10**6, 10**10])
@pytest.mark.parametrize("others", [[1, 1], [1, 2, 3], [1] * 30, [10**4, 1, 1]])
def test_a_row_that_outweighs_all_others_is_not_lost_to_rounding(heavy, others):
    weight = [1, heavy, *others]
    values = [Fraction(row % 5 + row % 3) for row in range(len(weight))]
    share = [Fraction(w, sum(weight)) for w in weight]
    mean = sum(h * x for h, x in zip(share, values, strict=True))
    h2, h3, h4, h5 = (sum(h**power for h in share) for power in (2, 3, 4, 5))
    trace = h2 - 2 * h3 + h2**2
    of_square = h4 - 4 * h5 + 4 * h2 * h4 + 2 * h3**2 - 4 * h2**2 * h3 + h2**4
    squares = sum(h**2 * (x - mean) ** 2 for h, x in zip(share, values, strict=True))
    found = estimate(np.array(values, dtype=float), np.array(weight, dtype=float))
    assert found.mean == pytest.approx(float(mean))
    assert found.variance == pytest.approx(float(squares * h2 / trace))
    assert found.freedom == pytest.approx(float(trace**2 / of_square))


def test_beside_a_row_without_measure_nothing_can_be_tested():
    found = estimate(np.array([0.0, 1.0, 2.0]), np.array([1e-200, 1.0, 1e-200]))
    assert found.mean == 1
    assert np.isnan(chance_above(found, 0.0))


@pytest.mark.parametrize("heavy", [1.0, 20.0, 300.0])
def test_the_tests_keep_their_level_where_a_few_rows_weigh_much(heavy):
    """2,000 samples without a difference, some rows of which weigh up to 300 times as much."""
    rng, hits = np.random.default_rng(0), np.zeros(2)
    for _ in range(2_000):
        x, y = rng.normal(size=(2, 40))
        wx, wy = np.where(rng.random((2, 40)) < 0.1, heavy, 1.0)
        one, other = estimate(x, wx), estimate(y, wy)
        hits += chance_above(one, 0.0) < 0.05, chance_larger(one, other) < 0.05
    assert (hits / 2_000 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)).all()
    assert (hits / 2_000 > 0.02).all()


def test_a_test_finds_what_only_the_weights_show():
    rng = np.random.default_rng(0)
    heavy = np.arange(200) % 4 == 0
    gap = rng.normal(np.where(heavy, 1.0, -1.0), 1.0)
    weight = np.where(heavy, 30.0, 1.0)
    assert chance_above(estimate(gap), 0.0) > 0.99
    assert chance_above(estimate(gap, weight), 0.0) < 1e-3


def test_what_does_not_vary_is_told_apart_exactly():
    weight = np.array([1.0, 3.0, 0.7])
    same, more = estimate(np.full(3, 0.1), weight), estimate(np.full(3, 0.2), weight)
    assert (same.mean, same.variance) == (0.1, 0.0)
    assert chance_larger(more, same) == 0.0
    assert chance_larger(same, more) == 1.0
    assert np.isnan(chance_larger(same, same))
    assert np.isnan(chance_larger(more, estimate(np.array([1.0]))))


def test_a_weighted_mean_of_nothing_is_not_a_number():
    assert np.isnan(weighted_mean(np.empty(0), None))
    assert np.isnan(weighted_mean(np.ones(2), np.zeros(2)))


# --- parts ----------------------------------------------------------------------------------------


def weighted_drift(n=700, seed=0, noise=0.3, every=90):
    """A feature that means one thing to heavy rows and another to light ones, and then turns."""
    rng = np.random.default_rng(seed)
    x, heavy = rng.normal(size=n), rng.random(n) < 0.3
    turned = (np.arange(n) // every) % 2 == 1
    y = np.where(heavy ^ turned, 2 * x, -x) + rng.normal(scale=noise, size=n)
    weight = np.where(heavy, rng.choice([5.0, 20.0], n), rng.choice([0.0, 0.5, 1.0], n))
    time = np.datetime64("2024-01-01", "h") + np.arange(n)
    group = np.where(rng.random(n) < 0.5, "a", "b")
    return Stream(np.c_[x, x**2], y, time, weight=weight, group=group)


def replayed(trigger, gate=None, stream=None, window=None, **more):
    stream = weighted_drift() if stream is None else stream
    setup = Backtest(stream, Ridge(), tick="12h", start=hour(140), prices=Prices(), **more)
    kept = {} if gate is None else {"gate": gate}
    return setup.replay(Strategy(trigger, window or Sliding("5D"), **kept))


def story(run):
    """What happened, without the words."""
    return run.events[["at", "kind", "version"]].astype(str).to_numpy().tolist()


PAIRS = {
    "champion": lambda metric: BeatsChampion(0.3, metric=metric, min_rows=5),
    "no group worse": lambda metric: NoGroupWorse(metric=metric, min_rows=5),
    "shadow": lambda metric: Shadow("1D", min_labels=5, metric=metric),
    "canary": lambda metric: Canary((0.5, 1.0), "12h", min_labels=5, metric=metric),
}


@pytest.mark.parametrize("gate", PAIRS.values(), ids=PAIRS)
def test_the_loss_of_the_backtest_and_the_metric_of_it_decide_alike(gate):
    by_loss, by_metric = (replayed(Every("1D"), gate(name)) for name in (None, "MAE"))
    assert story(by_loss) == story(by_metric)
    assert by_loss.totals["total"] == by_metric.totals["total"]
    assert {"deployed", "rejected"} & set(by_loss.versions["outcome"])
    plain = Stream(**{**parts_of(weighted_drift()), "weight": None})
    assert story(replayed(Every("1D"), gate(None), stream=plain)) != story(by_loss)


def parts_of(stream):
    return {
        "X": stream.X,
        "y": stream.y,
        "event_time": stream.event_time,
        "label_time": stream.label_time,
        "weight": stream.weight,
        "group": stream.group,
    }


def test_a_window_that_tries_others_takes_the_loss_as_the_metric():
    candidates = [Sliding("2D"), Sliding("6D"), Expanding()]
    runs = [
        replayed(Every("1D"), window=Dynamic(candidates, "1D", metric)) for metric in (None, "MAE")
    ]
    assert runs[0].versions["rows"].tolist() == runs[1].versions["rows"].tolist()
    assert runs[0].versions["rows"].nunique() > 3


JUDGES = {
    "champion": (Every("1D"), BeatsChampion(0.3, min_rows=5)),
    "no group worse": (Every("1D"), NoGroupWorse(min_rows=5)),
    "shadow": (Every("1D"), Shadow("1D", min_labels=5)),
    "canary": (Every("1D"), Canary((1.0,), "12h", min_labels=5, alpha=0.2)),
    "test": (PerformanceDrop("MAE", window=20, min_labels=9, test=0.45), None),
    "drop": (PerformanceDrop("MAE", window=40, min_labels=20, drop="20%"), None),
    "group": (PerformanceDrop("MAE", 40, 9, drop="20%", group="worst"), None),
    "errors": (ErrorDrift("PageHinkley", {"min_instances": 10, "threshold": 5.0}), None),
    "staleness": (StalenessCost(window=40, min_labels=20), None),
    "sum of staleness": (CumulativeStaleness(), None),
    "break-even": (BreakEven(50), None),
    "estimated": (EstimatedDrop("MAE", window=60, min_rows=20, below=0.9, min_labels=40), None),
}


class ByWeight(Ridge):
    """Learns nothing of rows of weight 0, whose features may be anything."""

    def fit(self, X, y, sample_weight=None):
        kept = sample_weight > 0
        return super().fit(X[kept], y[kept], sample_weight[kept])


@pytest.mark.parametrize("name", JUDGES)
def test_rows_of_weight_0_do_not_judge(name):
    """Their labels may be anything: no decision, and no money, follows from them."""
    trigger, gate = JUDGES[name]
    clean = weighted_drift(every=250)
    spoilt = parts_of(clean)
    spoilt["y"] = np.where(clean.weight == 0, 1e6, clean.y)
    runs = []
    for stream in (clean, Stream(**spoilt)):
        setup = Backtest(stream, ByWeight(), tick="12h", start=0.2, prices=Prices(retrain=5))
        kept = {} if gate is None else {"gate": gate}
        runs.append(setup.replay(Strategy(trigger, Sliding("5D"), **kept)))
    assert story(runs[0]) == story(runs[1])
    assert runs[0].totals["total"] == pytest.approx(runs[1].totals["total"], rel=1e-9)
    assert runs[0].totals["retrains"] > 0


def test_a_rise_that_only_heavy_rows_feel_is_found():
    rng = np.random.default_rng(0)
    heavy = np.arange(400) % 5 == 0
    x = rng.normal(size=400)
    y = x + rng.normal(scale=0.1, size=400) + np.where(heavy & (np.arange(400) > 250), 3.0, 0.0)
    time = np.datetime64("2024-01-01", "h") + np.arange(400)
    alarm = PerformanceDrop("MAE", window=60, min_labels=30, test=1e-4)
    counts = []
    for weight in (np.where(heavy, 1.0, 200.0), np.where(heavy, 50.0, 1.0)):
        stream = Stream(x[:, None], y, time, weight=weight)
        setup = Backtest(stream, LinearRegression(), tick="6h", start=hour(150))
        counts.append(setup.replay(Strategy(alarm, Expanding())).totals["retrains"])
    assert counts[0] == 0
    assert counts[1] > 0


@pytest.mark.parametrize(
    ("sticky", "most"), [(False, 23), (True, 23), (True, 700)], ids=["rows", "groups", "single"]
)
def test_an_ab_test_takes_losses_by_weight(sticky, most):
    """Groups of a single row are rows."""
    stream = weighted_drift(noise=1.0)
    groups = Stream(**{**parts_of(stream), "group": np.arange(len(stream)) % most})
    gate = ABTest(0.5, "4D", min_labels=5, deploy="not worse", sticky=sticky)
    run = replayed(At((308,)), gate, stream=groups)
    told = run.events[run.events["kind"].isin(["accepted", "rolled back"])].iloc[0]
    rows = run.predictions
    rows = rows[rows["event_time"].between(hour(308), hour(403))]
    rows = rows.assign(weight=groups.weight[rows["row"]], group=groups.group[rows["row"]])
    rows = rows[rows["weight"] > 0]
    if sticky and most == 23:
        rows["paid"] = rows["weight"] * rows["loss"]
        parts = rows.groupby(["group", "version"])[["paid", "weight"]]
        total, count = parts.sum(), rows.groupby(["group", "version"]).size()
        rows = pd.DataFrame(
            {"loss": total["paid"] / total["weight"], "weight": total["weight"] / count}
        ).reset_index()
    new, old = (rows[rows["version"] == v] for v in (1, 0))
    sides = [estimate(side["loss"].to_numpy(), side["weight"].to_numpy()) for side in (new, old)]
    assert told["statistic"] in [
        pytest.approx(chance_larger(*pair)) for pair in (sides, sides[::-1])
    ]


def test_a_search_scores_by_weight():
    """Half the rows say 0 and weigh little, half say 10 and weigh much, in every stretch."""
    y = np.tile([0.0, 10.0, 0.0], 40)
    weight = np.where(y > 0, 9.0, 1.0)
    X = np.zeros((120, 1))
    grid = {"constant": [0.0, 10.0], "strategy": ["constant"]}
    for scoring in (None, "neg_mean_absolute_error"):
        update = Retune(grid, scoring=scoring)
        plain = update.fit(DummyRegressor(), X, y, None, None, 0)
        assert plain.constant == 0.0
        weighed = update.fit(DummyRegressor(), X, y, weight, None, 0)
        assert weighed.constant == 10.0
        only = np.where(np.arange(120) < 60, 1.0, 0.0)  # of three stretches the first weighs
        assert update.fit(DummyRegressor(), X, y, only, None, 0).constant == 0.0


@pytest.mark.parametrize("search", ["grid", "random"])
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error", "r2"])
def test_without_weights_a_search_is_that_of_scikit_learn(search, scoring):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 6))
    y = X[:, 0] + rng.normal(scale=2, size=90)
    grid = {"alpha": [0.01, 1.0, 30.0, 100.0], "fit_intercept": [True, False]}
    found = Retune(grid, search, 5, 4, scoring, seed=2).fit(Ridge(), X, y, None, None, 0)
    more = {"cv": TimeSeriesSplit(4), "scoring": scoring}
    if search == "grid":
        told = GridSearchCV(Ridge(), grid, **more)
    else:
        told = RandomizedSearchCV(Ridge(), grid, n_iter=5, random_state=2, **more)
    told.fit(X, y)
    assert found.get_params() == told.best_estimator_.get_params()
    assert found.coef_.tolist() == told.best_estimator_.coef_.tolist()


def test_a_score_that_takes_no_weights_is_refused_with_them():
    setup = Backtest(weighted_drift(), Ridge(), start=0.3)
    update = Retune({"alpha": [1.0]}, scoring="neg_max_error")
    with pytest.raises(PartError, match="takes no weights, and the stream has some; use another"):
        setup.replay(Strategy(Every("1D"), Expanding(), update))


# --- shares ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 5_000), st.integers(1, 99))
def test_a_share_of_rows_is_a_fraction(n, percent):
    _, held = split_newest(Selection(slice(0, n)), percent / 100)
    assert len(held) == n * percent // 100


def test_ninety_rows_at_seven_tenths_hold_out_sixty_three():
    train, held = split_newest(Selection(slice(0, 90)), 0.7)
    assert (len(train), len(held)) == (27, 63)
    rows = Selection(np.arange(90)[::-1].copy())
    assert len(split_newest(rows, 0.7)[1]) == 63

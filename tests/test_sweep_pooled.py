"""Means over replicates, their intervals, and what explains the rest."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from swept import grid, job, sweep

from backtrain.reports.sweep.importance import Importance
from backtrain.reports.sweep.pooled import Pooled


def cells(ratios: dict[tuple[str, int], float], strategy: str = "b") -> pd.DataFrame:
    """Settings by data set and seed, each with a baseline at 1 and one strategy."""
    rows = [
        (n, data, seed, name, value)
        for n, ((data, seed), ratio) in enumerate(ratios.items())
        for name, value in (("static", 1.0), (strategy, ratio))
    ]
    frame = pd.DataFrame(rows, columns=["setting", "data", "seed", "strategy", "relative"])
    frame["total"], frame["reference"] = frame["relative"], 1.0
    least = frame.groupby("setting")["total"].transform("min")
    return frame.assign(
        wins=frame["total"] <= least, advised=False, retrains=1, held=frame["strategy"] == "static"
    )


def test_the_mean_is_that_of_data_sets_and_not_of_jobs() -> None:
    """By hand: 1/4 and 1 over one, 2 over the other; 1/2 and 2 make 1."""
    table = Pooled.of(cells({("a", 0): 0.25, ("a", 1): 1.0, ("b", 0): 2.0})).table
    assert table["relative"]["b"] == pytest.approx(1)
    assert table["units"]["b"] == 2
    assert table.loc["b", ["settings", "wins", "beats"]].tolist() == [3, 2, 1]  # a tie wins, too
    assert table.loc["static", ["wins", "beats"]].tolist() == [2, 0]
    assert table["seeds"]["b"] == pytest.approx(np.std(np.log([0.25, 1]), ddof=1))
    assert table["sets"]["b"] == pytest.approx(np.std(np.log([0.5, 2]), ddof=1))
    assert np.isnan(table["low"]["b"])  # two data sets say too little


def test_one_strategy_has_students_interval_of_the_log_ratios() -> None:
    ratios = {("a", 0): 0.5, ("b", 0): 0.7, ("c", 0): 0.9, ("d", 0): 0.65}
    pooled = Pooled.of(cells(ratios))
    expected = ttest_1samp(np.log([*ratios.values()]), 0).confidence_interval(0.95)
    ends = pooled.table.loc["b", ["low", "high"]].astype(float)
    assert np.log(ends).tolist() == pytest.approx([*expected])
    assert (pooled.unit, pooled.units) == ("data", 4)


def test_more_jobs_on_the_same_data_are_no_more_replicates() -> None:
    ratios = {("a", 0): 0.5, ("b", 0): 0.7, ("c", 0): 0.9}
    more = {(data, seed): ratio for (data, _), ratio in ratios.items() for seed in range(20)}
    few, many = (Pooled.of(cells(r)).table.loc["b", ["low", "high"]] for r in (ratios, more))
    assert many.astype(float).tolist() == pytest.approx(few.astype(float).tolist())


def test_over_one_data_set_seeds_are_the_replicates() -> None:
    ratios = {("a", seed): ratio for seed, ratio in enumerate((0.5, 0.7, 0.9))}
    pooled = Pooled.of(cells(ratios))
    assert (pooled.unit, pooled.units) == ("seed", 3)
    assert 0 < pooled.table["low"]["b"] < 0.7 < pooled.table["high"]["b"]
    same = Pooled.of(cells(dict.fromkeys(ratios, 0.5))).table  # seeds that change nothing
    assert np.isnan(same["low"]["b"])


def drawn(seed: int, strategies: int, sets: int, jobs: int = 4) -> pd.DataFrame:
    """Cells of as many strategies: data sets differ by 0.2, jobs on the same by 0.1, in logs."""
    rng = np.random.default_rng(seed)
    between = 0.2 * rng.standard_normal((strategies, sets, 1))
    logs = between + 0.1 * rng.standard_normal((strategies, sets, jobs))
    at = np.indices(logs.shape).reshape(3, -1)
    frame = pd.DataFrame({"strategy": at[0], "data": at[1], "seed": at[2]})
    frame["setting"] = frame["data"] * jobs + frame["seed"]
    frame["relative"] = 0.8 * np.exp(logs.ravel())
    return frame.assign(total=1.0, reference=1.0, wins=False, advised=False, retrains=1, held=False)


def covered(table: pd.DataFrame) -> pd.Series:
    return (table["low"] < 0.8) & (table["high"] > 0.8)


@pytest.mark.parametrize("sets", [3, 8])
def test_intervals_hold_as_often_as_they_say(sets: int) -> None:
    """Of one strategy in 95 % of sweeps; of five at once in at least as many."""
    frames = [drawn(n, 5, sets) for n in range(400)]
    alone = [covered(Pooled.of(f[f["strategy"] == 0]).table).all() for f in frames]
    assert 0.92 <= np.mean(alone) <= 0.98
    at_once = [covered(Pooled.of(frame).table).all() for frame in frames]
    assert np.mean(at_once) >= 0.93


def test_intervals_over_jobs_would_hold_far_less_often() -> None:
    """The negative control: taken for replicates, jobs on the same data promise too much."""
    frames = [drawn(n, 1, 5) for n in range(200)]
    naive = [f.assign(data=np.arange(len(f))) for f in frames]
    assert np.mean([covered(Pooled.of(frame).table).all() for frame in naive]) < 0.85


def test_the_cheapest_on_average_is_in_half_of_the_settings_at_least() -> None:
    jobs = [job(n, {"seed": n}, {"static": 10, "weekly": 9}) for n in range(3)]
    rare = job(3, {"seed": 3}, {"static": 10, "weekly": 9, "lucky": 1})
    assert sweep(*jobs, rare).pooled.least() == "weekly"
    assert sweep(rare).pooled.least() == "lucky"


# --- importance -----------------------------------------------------------------------------------


def full(*sizes: int) -> pd.DataFrame:
    at = np.indices(sizes).reshape(len(sizes), -1)
    return pd.DataFrame(dict(zip("abc", at, strict=False)))


def test_a_full_grid_is_decomposed_exactly() -> None:
    """By hand: a gives variance 1 and b 9; the product of two signs 25 more, to the pair."""
    grid = full(2, 2, 3)
    a, b = 2 * grid["a"] - 1, 2 * grid["b"] - 1
    told = Importance.of(grid.assign(y=a + 3 * b + 5 * a * b + 7), "y", ["a", "b", "c"])
    assert told.forest is None
    assert told.shares[("a", "b")] == pytest.approx(25 / 35)
    assert told.shares[("b",)] == pytest.approx(9 / 35)
    assert told.shares[("a",)] == pytest.approx(1 / 35)
    assert sum(told.shares.values()) == pytest.approx(1)
    assert next(iter(told.shares)) == ("a", "b")
    assert told.of_axis("a") == pytest.approx(1 / 35 + 25 / 70)


def test_a_forest_fills_what_is_missing() -> None:
    grid = full(6, 5, 4)
    y = 3.0 * grid["a"] + 0.3 * grid["b"]
    whole = Importance.of(grid.assign(y=y), "y", ["a", "b", "c"])
    some = Importance.of(grid.assign(y=y).sample(90, random_state=1), "y", ["a", "b", "c"])
    assert whole.forest is None
    assert some.forest > 0.9
    assert some.shares[("a",)] == pytest.approx(whole.shares[("a",)], abs=0.05)
    assert some.shares[("c",)] < 0.02


def test_where_nothing_explains_nothing_is_said() -> None:
    grid = full(4, 5, 3)
    assert Importance.of(grid.assign(y=2.0), "y", ["a", "b"]) is None
    assert Importance.of(grid.assign(y=1.0 * grid["a"]), "y", []) is None
    noise = np.random.default_rng(0).standard_normal(len(grid))
    holes = grid.assign(y=noise).iloc[:-7]
    assert Importance.of(holes, "y", ["a", "b", "c"]) is None


def test_of_a_sweep_it_is_the_price_and_what_it_does_to_strategies() -> None:
    from backtrain.reports.sweep.found import Found

    shares = Found(sweep(*grid())).importance.shares
    assert next(iter(shares)) == ("prices.retrain",)
    assert shares[("dataset",)] == pytest.approx(0, abs=1e-9)

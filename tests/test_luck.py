"""What luck comes to: a coin beats half of it, whatever a training takes and costs."""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.linear_model import Ridge
from test_lossmatrix import matrices, slowly

from backtrain import Backtest, Delays, Prices, Selection, Strategy
from backtrain.datasets.latency import LogNormal, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.curves import Placebo, Schedules
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.regret import judge, without_each
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.simulator.record import Run
from backtrain.strategies import Every, Random, Refit

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "coins.py"
PRICES = Prices(retrain=3, per_1k_rows=2, release=1)


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def found(script: dict[str, Any]) -> dict[str, np.ndarray]:
    return {
        each.name: script["looked_up"](each, 250, seed, draws=200)
        for seed, each in enumerate(script["TEN"])
    }


# --- a coin is half -------------------------------------------------------------------------------


def test_the_share_of_luck_that_a_coin_beats_is_uniform(script: dict, found: dict) -> None:
    table = script["table"](found)
    assert len(table) == 10
    assert table["mean"].between(0.45, 0.55).all(), table
    assert (table["p (Holm)"] > 0.01).all(), table


def test_it_is_not_where_draws_are_lost_while_a_training_is_under_way(script: dict) -> None:
    setting = next(each for each in script["TEN"] if each.name == "5D, dear")
    backtest, rng = setting.backtest(), np.random.default_rng(1)
    matrix = loss_matrix(backtest, setting.window, Refit(), backtest.store)
    own = matrix.schedules(rng.random((100, len(matrix))) < setting.rate)
    shares = []
    for cost, made in zip(own.cost(setting.prices), own.retrains, strict=True):
        ticks = rng.random((200, len(matrix) - 1)).argsort(axis=1)[:, :made] + 1
        wanted = np.zeros((200, len(matrix)), dtype=bool)
        np.put_along_axis(wanted, ticks, True, axis=1)
        luck = Placebo(matrix.schedules(wanted), matrix.schedules(wanted))
        shares.append(luck.percentile(cost, setting.prices)[1])
    assert not 0.45 < np.mean(shares) < 0.55


@pytest.mark.parametrize("name", ["none, dear", "2h + 1D, dear", "5D, cheap"])
def test_replays_of_coins_are_held_against_luck_as_look_ups_are(script: dict, name: str) -> None:
    setting = next(each for each in script["TEN"] if each.name == name)
    backtest = setting.backtest()
    matrix = loss_matrix(backtest, setting.window, Refit(), backtest.store)
    for seed in range(4):
        run = backtest.replay(Strategy(Random(setting.rate, seed=seed), setting.window))
        facts = judge(matrix, run, backtest, 1)
        fires = np.random.default_rng(seed).random(len(matrix) - 1) < setting.rate
        own = matrix.schedules(np.append(False, fires)[None, :])
        assert own.retrains[0] == run.totals["retrains"]
        assert own.cost(setting.prices)[0] == pytest.approx(facts["cost"], rel=1e-12)
        luck = matrix.placebo(int(own.retrains[0]), int(own.free[0]))
        shares = luck.percentile(float(own.cost(setting.prices)[0]), setting.prices)
        assert shares == (facts["placebo_even"], facts["placebo_random"])


def test_thinned_candidates_take_the_trainings_of_the_ticks_before(script: dict) -> None:
    setting = next(each for each in script["TEN"] if each.name == "none, dear")
    backtest = setting.backtest()
    matrix = loss_matrix(backtest, setting.window, Refit(), backtest.store, every=3)
    day = 86_400 * 10**9
    start = matrix.decided_at[0]
    decided = start + day * np.array([1, 2, 3, 4, 120 * 3])
    assert matrix.thinned(decided).tolist() == [1, 2]
    shares = []
    for seed in range(60):
        run = backtest.replay(Strategy(Random(0.1, seed=seed), setting.window))
        shares.append(judge(matrix, run, backtest, 3)["placebo_random"])
    assert 0.4 < np.mean(shares) < 0.6


# --- by hand --------------------------------------------------------------------------------------


def made(matrix: LossMatrix, wanted: tuple[bool, ...]) -> tuple[tuple[int, ...], int]:
    """The ticks at which a coin that falls so trains, and how many were free."""
    free, trained, count = 1, [], 0
    for k in range(1, len(matrix)):
        if k < free:
            continue
        count += 1
        if wanted[k - 1]:
            trained.append(k)
            free = k + 1
            if not matrix.failed[k]:
                later = [j for j in range(k + 1, len(matrix)) if
                         matrix.decided_at[j] >= matrix.in_force_at[k]]  # fmt: skip
                in_time = matrix.in_force_at[k] < matrix.borders[-1]
                free = later[0] if later and in_time else len(matrix)
    return tuple(trained), count


@settings(max_examples=40, deadline=None)
@given(matrix=matrices(), data=st.data())
def test_all_luck_makes_as_many_trainings_at_free_ticks(
    matrix: LossMatrix, data: st.DataObject
) -> None:
    tosses = product([False, True], repeat=len(matrix) - 1)
    possible = {made(matrix, toss) for toss in tosses}
    trained, free = data.draw(st.sampled_from(sorted(possible)))
    luck = matrix.placebo(len(trained), free, draws=30)
    assert (luck.random.retrains == len(trained)).all()
    assert (luck.random.free == free).all()
    assert (luck.even.retrains == len(trained)).all()
    own = matrix.schedule(list(trained))
    assert (own.retrains[0], own.free[0]) == (len(trained), free)
    most = max(len(ticks) for ticks, _ in possible)
    with pytest.raises(ValueError, match="no schedule comes to so many"):
        matrix.placebo(most + 1)


def test_schedules_with_both_numbers_are_equally_likely() -> None:
    # Seven ticks 10 ns apart; a training is in force 25 ns later, and the third one fails.
    at = 10 * np.arange(8)
    in_force = at + np.append(0, np.full(7, 25))
    inner = np.unique(np.concatenate((at, in_force[in_force <= 73])))
    rng = np.random.default_rng(0)
    matrix = LossMatrix(
        at, in_force, np.append(inner, 74), rng.random((8, len(inner))), np.ones(len(inner)),
        500 + 7 * np.arange(8), np.zeros(8), np.arange(8) == 3,
    )  # fmt: skip
    tosses = product([False, True], repeat=7)
    schedules = {made(matrix, toss) for toss in tosses}
    groups = Counter((len(ticks), free) for ticks, free in schedules)
    for count, free in [group for group, size in groups.items() if size >= 4]:
        luck = matrix.placebo(count, free, draws=4_000, seed=3)
        _, times = np.unique(luck.random.cost(PRICES), return_counts=True)
        assert len(times) == groups[count, free]
        assert chisquare(times).pvalue > 1e-3


def schedules(costs: list[float]) -> Schedules:
    nothing = np.zeros(len(costs), dtype=np.int64)
    loss = np.array(costs, dtype=float)
    return Schedules(loss, nothing, nothing, nothing, nothing, nothing, np.zeros(len(costs)))


def test_shares_by_hand() -> None:
    luck = Placebo(schedules([1, 2, 3, 4]), schedules([1, 2, 2, 3]))
    # Even: 3 and 4 cost more, 2 as much. At random: 3 costs more, two as much, and its own place.
    assert luck.percentile(2.0, Prices()) == (2.5 / 4, (1 + 1 + 0.5) / 5)
    assert luck.percentile(0.0, Prices()) == (1.0, 4.5 / 5)
    assert np.isnan(Placebo(schedules([]), schedules([1])).percentile(1.0, Prices())[0])


def run_of(matrix: LossMatrix, ticks: Sequence[int]) -> Run:
    """As much of a run as is looked at: when its trainings were decided."""
    at = matrix.decided_at[[0, *ticks]].astype("datetime64[ns]")
    versions = pd.DataFrame({"version": np.arange(len(at)), "decided_at": at})
    return cast(Run, SimpleNamespace(versions=versions))


@settings(max_examples=60, deadline=None)
@given(matrix=matrices(), retrain=st.integers(0, 30), data=st.data())
def test_trainings_that_did_not_pay_equal_brute_force(
    matrix: LossMatrix, retrain: int, data: st.DataObject
) -> None:
    prices = Prices(retrain=retrain, per_1k_rows=2, release=1)
    tosses = product([False, True], repeat=len(matrix) - 1)
    ticks, _ = data.draw(st.sampled_from(sorted({made(matrix, toss) for toss in tosses})))
    found = without_each(matrix, run_of(matrix, ticks), prices)
    counts = {"judged": len(ticks), "no_better": 0, "unpaid": 0}
    for key, paid in (("no_better", Prices(retrain=0)), ("unpaid", prices)):
        whole, _ = slowly(matrix, set(ticks), paid)
        less = [slowly(matrix, set(ticks) - {tick}, paid)[0] for tick in ticks]
        counts[key] = sum(cost <= whole for cost in less)
    assert found == counts
    assert counts["no_better"] <= counts["unpaid"] <= counts["judged"]


def test_trainings_that_did_not_pay_by_hand() -> None:
    """The first model errs 5 a tick, that of tick 1 also 5, of tick 2 only 1, of tick 3 then 0."""
    loss = np.array([[5, 5, 5, 5], [0, 5, 5, 5], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=float)
    at = 10 * np.arange(4)
    matrix = LossMatrix(
        decided_at=at, in_force_at=at, borders=np.append(at, 40), loss=loss,
        segment_rows=np.ones(4), rows=np.ones(4, dtype=np.int64), cpu_seconds=np.zeros(4),
        failed=np.zeros(4, dtype=bool),
    )  # fmt: skip
    run = run_of(matrix, [1, 2, 3])
    # Beside the model before, until the next: they save 0, 4 and 1 of errors.
    for price, unpaid in ((0, 1), (0.5, 1), (1, 2), (3, 2), (4, 3)):
        found = without_each(matrix, run, Prices(retrain=price))
        assert found == {"judged": 3, "no_better": 1, "unpaid": unpaid}
    assert without_each(matrix, run_of(matrix, []), Prices()) == {
        "judged": 0, "no_better": 0, "unpaid": 0,
    }  # fmt: skip


# --- trainings that fail --------------------------------------------------------------------------


class Moody(Ridge):
    """Fails on a part of the rows that it is given, always the same."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        if len(X) % 7 in (1, 4):
            raise ValueError("not on so many rows")
        return super().fit(X, y, sample_weight)


@dataclass(frozen=True)
class Patchy:
    """So many rows that some trainings fail, and sometimes none at all."""

    def select(self, view: Any) -> Selection:
        if view.now > view.start and view.past % 5 == 2:
            return Selection(slice(0, 0))
        return Selection(view.labelled.newest(105 + (view.now - view.start).days))


@pytest.mark.parametrize("delays", [Delays(), Delays("3h", deploy="1D")], ids=str)
def test_failed_trainings_cost_in_a_matrix_what_they_cost_in_a_replay(delays: Delays) -> None:
    stream = apply(abrupt(n=900, task="regression"), LogNormal("1h"))
    backtest = Backtest(stream, Moody(), tick="12h", prices=PRICES, delays=delays)
    window = Patchy()
    matrix = loss_matrix(backtest, window, Refit(), backtest.store)
    assert (matrix.failed & (matrix.rows > 0)).any()
    assert (matrix.failed & (matrix.rows == 0)).any()
    for n in (1, 2, 5):
        run = backtest.replay(Strategy(Every(f"{12 * n}h"), window))
        found = matrix.every(n)
        assert run.totals["failed"] > 0
        assert found.retrains[0] == run.totals["retrains"]
        assert found.cost(PRICES)[0] == pytest.approx(run.totals["total"], rel=1e-12)

"""Look-ups in a loss matrix equal replays; the oracle equals brute force."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from backtrain import Backtest, Delays, Prices, Strategy
from backtrain.datasets.latency import LogNormal, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.strategies import Every, Never, Random, Refit, Sliding

PRICES = Prices(retrain=3, per_1k_rows=2, release=1)


def setting(delays: Delays) -> Backtest:
    stream = apply(abrupt(n=1_500, task="regression"), LogNormal("5h"))
    return Backtest(stream, Ridge(), tick="12h", prices=PRICES, delays=delays)


@pytest.mark.parametrize(
    "delays",
    [
        Delays(),
        Delays(train="3h", deploy="1D"),
        Delays(train="12h"),
        Delays(train="30h", train_per_1k_rows="20h"),
    ],
    ids=str,
)
def test_a_schedule_by_look_up_costs_what_its_replay_costs(delays: Delays) -> None:
    backtest = setting(delays)
    window = Sliding("10D")
    matrix = loss_matrix(backtest, window, Refit(), backtest.store)
    for n in (1, 2, 3, 7, 1_000):
        totals = backtest.replay(Strategy(Every(f"{12 * n}h"), window)).totals
        found = matrix.every(n)
        assert found.cost(PRICES)[0] == pytest.approx(totals["total"], rel=1e-12)
        assert found.retrains[0] == totals["retrains"]
        assert found.deployed[0] == totals["deployed"]
    run = backtest.replay(Strategy(Random(0.1, seed=4), window))
    decided = run.versions["decided_at"].to_numpy().view(np.int64)[1:]
    ticks = np.searchsorted(matrix.decided_at, decided)
    assert matrix.schedule(ticks).cost(PRICES)[0] == pytest.approx(run.totals["total"], rel=1e-12)


def test_processes_do_not_change_the_matrix() -> None:
    backtest = setting(Delays(train="3h"))
    one = loss_matrix(backtest, Sliding("10D"), Refit(), every=4)
    two = loss_matrix(backtest, Sliding("10D"), Refit(), every=4, n_jobs=2)
    assert (one.loss == two.loss).all()
    assert (one.rows == two.rows).all()


@st.composite
def matrices(draw: st.DrawFn) -> LossMatrix:
    """Small random matrices, with delays that are no multiple of the tick."""
    ticks = draw(st.integers(1, 8))
    at = 10 * np.arange(ticks + 1)
    delay = np.array(
        draw(st.lists(st.sampled_from([0, 5, 10, 25]), min_size=ticks, max_size=ticks))
    )
    in_force = at + np.append([0], delay)
    end = 10 * ticks + 3
    inner = np.unique(np.concatenate((at, in_force[in_force <= end])))
    size = (ticks + 1) * len(inner)
    values = draw(st.lists(st.integers(0, 20), min_size=size, max_size=size))
    failed = np.array([False, *draw(st.lists(st.booleans(), min_size=ticks, max_size=ticks))])
    return LossMatrix(
        decided_at=at,
        in_force_at=in_force,
        borders=np.append(inner, end + 1),
        loss=np.array(values, dtype=float).reshape(ticks + 1, len(inner)),
        segment_rows=np.ones(len(inner)),
        rows=np.full(ticks + 1, 500),
        cpu_seconds=np.zeros(ticks + 1),
        failed=failed,
    )


def slowly(matrix: LossMatrix, wanted: set[int], prices: Prices) -> tuple[float, int]:
    """Cost and trainings of one schedule, segment by segment."""
    cost, trained, serving, coming = 0.0, 0, 0, None
    for j, start in enumerate(matrix.borders[:-1]):
        if coming is not None and matrix.in_force_at[coming] <= start:
            serving, coming = coming, None
            cost += prices.release
        for k in range(1, len(matrix)):
            if matrix.decided_at[k] == start and k in wanted and coming is None:
                trained += 1
                cost += prices.retrain + prices.per_1k_rows * matrix.rows[k] / 1000
                if not matrix.failed[k]:
                    coming = k
                    if matrix.in_force_at[k] <= start:
                        serving, coming = k, None
                        cost += prices.release
        cost += prices.error * matrix.loss[serving, j]
    return cost, trained


@settings(max_examples=150, deadline=None)
@given(matrix=matrices(), retrain=st.integers(0, 30), data=st.data())
def test_schedules_and_oracle_equal_brute_force(
    matrix: LossMatrix, retrain: int, data: st.DataObject
) -> None:
    prices = Prices(retrain=retrain, per_1k_rows=2, release=1, error=1)
    ticks = range(1, len(matrix))
    every = [set(c) for size in range(len(matrix)) for c in combinations(ticks, size)]
    wanted = np.array([[k in chosen for k in range(len(matrix))] for chosen in every])
    expected = [slowly(matrix, chosen, prices) for chosen in every]
    found = matrix.schedules(wanted)
    assert found.cost(prices) == pytest.approx([cost for cost, _ in expected])
    assert found.retrains.tolist() == [trained for _, trained in expected]
    oracle = matrix.oracle(prices)
    assert oracle.cost == pytest.approx(min(cost for cost, _ in expected))
    again = matrix.schedule(oracle.ticks)
    assert again.cost(prices)[0] == pytest.approx(oracle.cost)
    assert again.retrains[0] == oracle.retrains


@settings(max_examples=60, deadline=None)
@given(matrix=matrices())
def test_as_the_price_rises_the_oracle_pays_more_and_trains_less(matrix: LossMatrix) -> None:
    found = [matrix.oracle(Prices(retrain=price)) for price in (0, 0.5, 1, 2, 5, 10, 30, 1_000)]
    costs, retrains = [o.cost for o in found], [o.retrains for o in found]
    assert all(b >= a - 1e-9 for a, b in pairwise(costs))
    assert all(b <= a for a, b in pairwise(retrains))
    assert retrains[-1] == 0


def test_free_retrains_and_loss_that_never_falls_with_age_mean_always() -> None:
    n = 12
    at = 10 * np.arange(n + 1)
    age = np.arange(n + 1)[None, :] - np.arange(n + 1)[:, None]
    matrix = LossMatrix(
        at, at, np.append(at, at[-1] + 1), np.maximum(age, 0).astype(float), np.ones(n + 1),
        np.zeros(n + 1, dtype=int), np.zeros(n + 1), np.zeros(n + 1, dtype=bool),
    )  # fmt: skip
    assert matrix.oracle(Prices(retrain=0)).ticks.tolist() == list(range(1, n + 1))
    assert matrix.oracle(Prices(retrain=1_000)).retrains == 0
    curve = matrix.staleness_curve(bins=n)
    assert curve.excess == pytest.approx(np.arange(n), abs=1.0)


def test_even_placebos_have_the_same_number_of_retrains() -> None:
    backtest = setting(Delays())
    matrix = loss_matrix(backtest, Sliding("10D"), Refit(), backtest.store)
    for count in (0, 1, 7, 30):
        luck = matrix.placebo(count, draws=50)
        assert (luck.even.retrains == count).all()
        assert (luck.random.retrains == count).all()
    static = backtest.replay(Strategy(Never(), Sliding("10D"))).totals["total"]
    assert matrix.placebo(0).even.cost(PRICES)[0] == pytest.approx(static)


@given(matrices(), st.data())
def test_a_part_of_a_matrix_is_the_rest_of_a_schedule(matrix: LossMatrix, data: st.DataObject):
    """From when a trial model serves, all goes on as if it had been the first one."""
    first = int(data.draw(st.sampled_from(np.flatnonzero(matrix.serves).tolist())))
    part = matrix.between(first)
    later = [k for k in range(1, len(part)) if data.draw(st.booleans())]
    same = np.searchsorted(matrix.decided_at, part.decided_at[later])
    whole = matrix.schedule([*([first] if first else []), *same])
    before = matrix.loss[0, : matrix._first_segment[first]].sum() if first else 0.0
    rest = part.schedule(later)
    assert rest.loss[0] == pytest.approx(whole.loss[0] - before)
    assert rest.retrains[0] == whole.retrains[0] - bool(first)

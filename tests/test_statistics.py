import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.simulator.statistics import (
    block_length,
    bootstrap_totals,
    enough_blocks,
    era_costs,
    follow_the_leader,
    one_era_left_out,
    pairwise_intervals,
    pareto_front,
    price_range,
    simultaneous_intervals,
    wins_by_era,
)


def autocorrelated(rng: np.random.Generator, periods: int, columns: int, rho: float) -> np.ndarray:
    """Differences without any effect: columns share half of their noise, periods carry over."""
    shocks = rng.normal(size=(periods + 50, columns)) + rng.normal(size=(periods + 50, 1))
    path = np.zeros_like(shocks)
    for t in range(1, len(path)):
        path[t] = rho * path[t - 1] + shocks[t]
    return path[50:]


@pytest.mark.parametrize(("block", "rho"), [(40, 0.5), (20, 0.3), (12, 0.0)])
def test_intervals_hold_for_all_columns_at_once_as_often_as_they_say(block, rho):
    rng = np.random.default_rng(7)
    held = 0
    for seed in range(400):
        intervals = simultaneous_intervals(
            autocorrelated(rng, 400, 5, rho), block, draws=400, seed=seed
        )
        held += bool(((intervals.low <= 0) & (intervals.high >= 0)).all())
    assert 0.91 <= held / 400 <= 0.98


def test_a_real_difference_is_found():
    rng = np.random.default_rng(0)
    differences = autocorrelated(rng, 400, 3, 0.3) + np.array([0.0, 0.0, -2.0])
    intervals = simultaneous_intervals(differences, block=20)
    assert intervals.high[2] < 0
    assert intervals.low[0] < 0 < intervals.high[0]
    np.testing.assert_allclose(intervals.estimate, differences.sum(axis=0))


def test_more_columns_make_wider_intervals():
    differences = autocorrelated(np.random.default_rng(1), 300, 8, 0.2)
    alone = simultaneous_intervals(differences[:, :1], block=10)
    among = simultaneous_intervals(differences, block=10)
    assert among.high[0] - among.low[0] > alone.high[0] - alone.low[0]


def test_a_column_of_zeros_has_no_width_and_widens_nothing():
    differences = autocorrelated(np.random.default_rng(2), 300, 2, 0.2)
    with_zeros = np.column_stack([np.zeros(300), differences])
    plain, more = (simultaneous_intervals(d, block=10) for d in (differences, with_zeros))
    assert (more.low[0], more.high[0]) == (0.0, 0.0)
    np.testing.assert_allclose(more.low[1:], plain.low)


def test_columns_of_zeros_alone():
    intervals = simultaneous_intervals(np.zeros((100, 2)), block=5)
    assert intervals.low.tolist() == intervals.high.tolist() == [0.0, 0.0]


def test_fewer_than_seven_blocks_give_no_interval():
    differences = np.ones((70, 1))
    assert simultaneous_intervals(differences, block=10) is not None
    assert simultaneous_intervals(differences, block=11) is None
    assert enough_blocks(70, 10)
    assert not enough_blocks(69, 10)


def test_the_same_seed_gives_the_same_interval():
    differences = autocorrelated(np.random.default_rng(3), 200, 2, 0.2)
    first, again = (simultaneous_intervals(differences, block=10, seed=4) for _ in range(2))
    assert first.low.tolist() == again.low.tolist()


@given(periods=st.integers(2, 40), block=st.integers(1, 40), seed=st.integers(0, 5))
def test_block_sums_are_what_drawing_rows_one_by_one_gives(periods, block, seed):
    block = min(block, periods)
    values = np.random.default_rng(seed).normal(size=(periods, 3))
    totals, expected = bootstrap_totals(values, block, draws=30, seed=seed)
    blocks = math.ceil(periods / block)
    starts = np.random.default_rng(seed).integers(0, periods - block + 1, size=(blocks, 30))
    for draw in range(30):
        rows = [start + k for start in starts[:, draw] for k in range(block)][:periods]
        assert len(rows) == periods
        np.testing.assert_allclose(totals[draw], values[rows].sum(axis=0), atol=1e-9)
    if block == periods:
        np.testing.assert_allclose(expected, values.sum(axis=0))


def test_the_expected_total_is_the_mean_over_all_possible_draws():
    values = np.arange(10.0).reshape(5, 2) ** 2
    drawn = [  # blocks of two from five periods: 0-1, 1-2, 2-3, 3-4, the last one cut to one
        values[[a, a + 1, b, b + 1, c]].sum(axis=0)
        for a, b, c in itertools.product(range(4), repeat=3)
    ]
    _, expected = bootstrap_totals(values, block=2, draws=1)
    np.testing.assert_allclose(expected, np.mean(drawn, axis=0))


def test_a_block_longer_than_the_history_is_refused():
    with pytest.raises(ValueError, match="block=6: must be between 1 and the number of periods, 5"):
        bootstrap_totals(np.ones((5, 1)), block=6)


def test_a_block_holds_the_longest_of_delay_season_and_gap():
    assert block_length(label_delay=3.2, season=7, gap=5) == 7
    assert block_length(label_delay=7.1) == 8
    assert block_length() == 1


def test_a_long_delay_leaves_enough_blocks_and_a_long_gap_does_not():
    assert block_length(label_delay=50, season=7, periods=100) == 14
    assert block_length(label_delay=50, season=7, gap=30, periods=100) == 30
    assert enough_blocks(100, 14)


def test_eras():
    costs = np.array([[1, 2], [1, 2], [5, 2], [5, 2], [1, 2], [2, 2]], dtype=float)
    eras = era_costs(costs, eras=3)
    assert eras.tolist() == [[2, 4], [10, 4], [3, 4]]
    assert wins_by_era(eras).tolist() == [2, 1]
    low, high = one_era_left_out(eras)
    assert low.tolist() == [5, 8]
    assert high.tolist() == [13, 8]


def test_a_tie_is_a_win_for_both():
    assert wins_by_era([[1.0, 1.0], [1.0, 2.0]]).tolist() == [2, 1]


def test_more_eras_than_periods_are_not_invented():
    assert era_costs(np.ones((4, 1)), eras=10).shape == (4, 1)


def test_following_the_leader_pays_for_not_having_known():
    eras = [[2.0, 4.0], [10.0, 4.0], [3.0, 4.0]]
    # first era: column 1 as told; then column 0 leads with 2; after two eras column 1, 8 to 12
    assert follow_the_leader(eras, first=1) == 4 + 10 + 4


def test_pareto_front():
    cost, loss = [1, 2, 3, 2, 1], [5, 3, 3, 4, 5]
    assert pareto_front(cost, loss).tolist() == [True, True, False, False, True]


def test_price_ranges_by_hand():
    # never: 10; rarely: 6 + 1 p; often: 5 + 3 p; bad: 9 + 2 p
    ranges = price_range([10, 6, 5, 9], [0, 1, 3, 2])
    assert ranges[:3].tolist() == [[4, math.inf], [0.5, 4], [0, 0.5]]
    assert np.isnan(ranges[3]).all()


lines = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 12)), min_size=1, max_size=8, unique=True
)


@given(lines, st.lists(st.floats(0, 60), min_size=1, max_size=20))
def test_price_ranges_agree_with_trying_the_prices(given_lines, prices):
    rest, quantity = np.array(given_lines, dtype=float).T
    ranges = price_range(rest, quantity)
    for price in prices:
        cost = rest + quantity * price
        for i, (low, high) in enumerate(ranges):
            cheapest = cost[i] <= cost.min() + 1e-9
            if low + 1e-9 < price < high - 1e-9:
                assert cheapest
            elif np.isnan(low) or price < low - 1e-6 or price > high + 1e-6:
                assert not cheapest or np.isclose(np.sort(cost)[:2], cost[i]).all()


@given(lines)
def test_price_ranges_cover_every_price(given_lines):
    rest, quantity = np.array(given_lines, dtype=float).T
    ranges = price_range(rest, quantity)
    ranges = ranges[~np.isnan(ranges[:, 0])]
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    assert ranges[0, 0] == 0
    assert ranges[:, 1].max() == math.inf
    reached = np.maximum.accumulate(ranges[:, 1])
    assert (ranges[1:, 0] <= reached[:-1] + 1e-9).all()


def test_intervals_of_all_pairs_are_those_of_all_differences_at_once():
    costs = np.random.default_rng(3).normal(5, [1, 2, 0.1, 1], size=(60, 4))
    costs[:, 3] = costs[:, 0]
    pairs = list(itertools.combinations(range(4), 2))
    differences = np.column_stack([costs[:, j] - costs[:, i] for i, j in pairs])
    every, plain = pairwise_intervals(costs, 5), simultaneous_intervals(differences, 5)
    for (i, j), low, high in zip(pairs, plain.low, plain.high, strict=True):
        assert every.low[i, j] == pytest.approx(low)
        assert every.high[i, j] == pytest.approx(high)
        assert (every.low[j, i], every.high[j, i]) == (-every.high[i, j], -every.low[i, j])
    assert (every.low[0, 3], every.high[0, 3]) == (0, 0)


def test_fewer_than_seven_blocks_give_no_intervals_of_pairs():
    assert pairwise_intervals(np.ones((34, 2)), 5) is None

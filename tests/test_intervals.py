"""Intervals hold as often as they say where periods resemble their neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from backtrain.simulator import intervals
from backtrain.simulator.intervals import pairwise_intervals, simultaneous_intervals

REPEATS, PERIODS, COLUMNS = 200, 380, 10


def persistent(rng: np.random.Generator, r: float = 0.9) -> np.ndarray:
    """Ten stationary columns that share half of their shocks; their expected totals are 0."""
    shocks = rng.normal(size=(PERIODS, COLUMNS)) + rng.normal(size=(PERIODS, 1))
    shocks[0] /= np.sqrt(1 - r**2)
    return lfilter([1], [1, -r], shocks, axis=0)


def held(block: int) -> tuple[float, float]:
    """How often ten intervals hold 0, and their median width over that of the true spread."""
    rng, hits, widths = np.random.default_rng(5), 0, []
    for seed in range(REPEATS):
        found = simultaneous_intervals(persistent(rng), block, draws=500, seed=seed)
        hits += bool(((found.low <= 0) & (found.high >= 0)).all())
        widths.append(found.high - found.low)
    known = 2 * 2.65 * np.sqrt(2 * PERIODS) / (1 - 0.9)  # 2.65: ten that share half, at 95 %
    return hits / REPEATS, float(np.median(widths)) / known


@pytest.mark.parametrize("block", [1, 7])
def test_twenty_independent_observations_are_enough(block: int) -> None:
    share, width = held(block)
    assert share >= 0.91
    assert width <= 1.3


def test_without_a_memory_the_same_intervals_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "INDEPENDENT", 1e300)
    share, width = held(1)
    assert share < 0.1
    assert width < 0.5


@given(st.lists(st.integers(-50, 50), min_size=8, max_size=40, unique=True), st.floats(0.5, 0.999))
def test_without_a_memory_one_column_has_the_interval_of_the_textbook(
    values: list[int], level: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "INDEPENDENT", 1e300)
        found = simultaneous_intervals(np.array(values)[:, None], 1, level)
    count, deviation = len(values), np.std(values, ddof=1)
    margin = stats.t.isf((1 - level) / 2, count - 1) * deviation * np.sqrt(count)
    assert found.high[0] - found.estimate[0] == pytest.approx(margin, rel=0.01)
    assert found.estimate[0] - found.low[0] == pytest.approx(margin, rel=0.01)


def test_spectra_are_those_of_autoregressions() -> None:
    spectra, prior = intervals._spectra(5, 384)
    assert prior.sum() == pytest.approx(1)
    assert spectra[0].tolist() == [1] * 5
    r = (384 - 192) / (384 + 192)  # the second halving: half of the periods are independent
    lags = np.arange(-400, 401)[:, None]
    covariance = r ** np.abs(lags)
    wanted = (covariance * np.cos(np.pi * np.arange(1, 6) / 384 * lags)).sum(axis=0)
    np.testing.assert_allclose(spectra[2], wanted / covariance.sum())
    assert (np.diff(spectra[1:], axis=1) < 0).all()  # the slower, the more of it


@given(st.floats(0.01, 100), st.integers(0, 20))
def test_another_currency_changes_nothing_but_the_unit(factor: float, seed: int) -> None:
    differences = persistent(np.random.default_rng(seed))[:60, :3]
    plain = simultaneous_intervals(differences, [1, 2, 5], draws=100)
    other = simultaneous_intervals(-factor * differences, [1, 2, 5], draws=100)
    np.testing.assert_allclose(other.low, -factor * plain.high, rtol=1e-6)
    np.testing.assert_allclose(other.se, factor * plain.se, rtol=1e-6)


def test_a_column_that_cannot_be_judged_takes_nothing_from_others() -> None:
    differences = persistent(np.random.default_rng(0))
    blocks = np.array([100, *[7] * (COLUMNS - 1)])
    found = simultaneous_intervals(differences, blocks)
    assert np.isnan([found.low[0], found.high[0], found.se[0]]).all()
    without = simultaneous_intervals(differences[:, 1:], 7)
    np.testing.assert_allclose(found.low[1:], without.low)
    pairs = pairwise_intervals(differences, blocks)
    assert np.isnan(pairs.low[0]).all()
    assert np.isnan(pairs.high[:, 0]).all()
    assert np.isfinite(pairs.low[1:, 1:]).all()


def test_a_pair_is_judged_in_the_longer_of_its_blocks() -> None:
    costs = np.random.default_rng(2).normal(size=(80, 2))
    pair = pairwise_intervals(costs, [10, 1])
    plain = simultaneous_intervals(costs[:, [1]] - costs[:, [0]], 10)
    assert pair.low[0, 1] == pytest.approx(plain.low[0])


def test_a_year_is_not_taken_for_chance_where_there_are_two() -> None:
    rng, days = np.random.default_rng(1), np.arange(1096)
    wave = 2 * np.sin(2 * np.pi * days / 365.25 + 1)[:, None]
    calm = rng.normal(size=(1096, 3))
    width = {}
    for name, values, cycle in (("calm", calm, 0), ("year", calm + wave, 365.25)):
        found = simultaneous_intervals(values, 7, cycle=cycle)
        width[name] = np.median(found.high - found.low)
    blind = simultaneous_intervals(calm + wave, 7)
    assert width["year"] == pytest.approx(width["calm"], rel=0.1)
    assert np.median(blind.high - blind.low) > 4 * width["calm"]
    short = simultaneous_intervals((calm + wave)[:700], 7, cycle=365.25)
    assert short.low.tolist() == simultaneous_intervals((calm + wave)[:700], 7).low.tolist()


def test_the_level_is_that_of_all_columns_together() -> None:
    one = np.random.default_rng(3).normal(size=(200, 1))
    found, twice = (simultaneous_intervals(x, 1) for x in (one, np.hstack([one, one])))
    assert twice.high[0] - twice.low[0] == pytest.approx(found.high[0] - found.low[0], rel=0.05)

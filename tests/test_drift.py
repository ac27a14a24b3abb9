"""Drift statistics say what SciPy says."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from backtrain.strategies.drift import (
    Reference,
    benjamini_hochberg,
    chi_squared,
    ks_p_value,
    ks_statistic,
)

samples = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60)


@settings(max_examples=200, deadline=None)
@given(first=samples, second=samples)
def test_kolmogorov_smirnov_equals_scipy_also_with_ties(first: list, second: list) -> None:
    a, b = np.sort(first), np.sort(second)
    expected = stats.ks_2samp(a, b, method="asymp")
    assert ks_statistic(a, b) == pytest.approx(expected.statistic, abs=1e-12)
    effective = np.round(len(a) * len(b) / (len(a) + len(b)))
    if effective > 0:  # SciPy gives NaN for one value against one
        p_value = ks_p_value(expected.statistic, effective)
        assert p_value == pytest.approx(expected.pvalue, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=6))
def test_chi_squared_equals_scipy(cells: list) -> None:
    table = np.array(cells, dtype=float).T
    kept = table[:, table.sum(0) > 0]
    if kept.shape[1] < 2 or (table.sum(1) == 0).any():
        assert chi_squared(*table) == 1.0
    else:
        expected = stats.chi2_contingency(kept, correction=False).pvalue
        assert chi_squared(*table) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.3))
def test_benjamini_hochberg_equals_scipy(p_values: list, rate: float) -> None:
    p = np.array(p_values)
    expected = stats.false_discovery_control(p, method="bh") <= rate
    near = np.abs(stats.false_discovery_control(p, method="bh") - rate) < 1e-12
    assert ((benjamini_hochberg(p, rate) == expected) | near).all()


def test_a_category_that_is_new_or_missing_counts_as_drift() -> None:
    usual = pd.Series(["a", "b"] * 50, dtype="category")
    assert Reference(usual).p_value(usual) == pytest.approx(1.0)
    assert Reference(usual).p_value(pd.Series(["c"] * 50, dtype="category")) < 1e-6
    gone = pd.Series([None] * 50, dtype=pd.CategoricalDtype(["a", "b"]))
    assert Reference(usual).p_value(gone) < 1e-6


def test_missing_numbers_are_left_out() -> None:
    reference = Reference(np.array([1.0, 2.0, np.nan, 3.0]))
    expected = stats.ks_2samp([1.0, 2.0, 3.0], [2.0, 9.0], method="asymp").pvalue
    assert reference.p_value(np.array([np.nan, 2.0, 9.0])) == pytest.approx(expected)
    assert reference.p_value(np.array([np.nan])) == 1.0

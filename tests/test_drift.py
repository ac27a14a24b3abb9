"""Drift statistics say what SciPy and scikit-learn say, and a naive line of our own elsewhere."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist, jensenshannon
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from backtrain import Backtest, Strategy, Stream
from backtrain.models import HistGradientBoostingRegressor
from backtrain.strategies import Expanding, FeatureDrift
from backtrain.strategies.drift.distances import (
    Distances,
    DomainClassifier,
    Encoding,
    MeanDiscrepancy,
    Sample,
    Wasserstein,
    calibrated,
    jensen_shannon,
    population_stability,
    wasserstein,
)
from backtrain.strategies.drift.two_sample import (
    Cells,
    ReferenceSample,
    benjamini_hochberg,
    bonferroni,
    chi_squared,
    first_numbers,
    ks_p_value,
    ks_statistic,
    matched,
    p_values,
    thinned,
    two_proportions,
    uncorrected,
)

samples = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60)
seeds = st.integers(0, 10_000)
often = settings(max_examples=100, deadline=None)
seldom = settings(max_examples=10, deadline=None)


def p_value_of(reference, values):
    return float(p_values([reference], [values])[0])


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield


def column(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    """Numbers without ties, with ties, few of them, or with gaps."""
    values = rng.normal(rng.normal(), rng.uniform(0.5, 2), size=n)
    if kind == "gaps":
        return np.where(rng.random(n) < 0.2, np.nan, values)
    return {"plain": values, "ties": values.round(1), "few": values.round(0)}[kind]


kinds = st.sampled_from(["plain", "ties", "few", "gaps"])


def known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def categories(rng: np.random.Generator, n: int, names: str, more: str = "") -> pd.Series:
    """Letters and, for a dot, missing values; ``more`` are categories that do not occur."""
    drawn = rng.choice(list(names), size=n)
    dtype = pd.CategoricalDtype(sorted({*names, *more} - {"."}))
    return pd.Series(np.where(drawn == ".", None, drawn).astype(object)).astype(dtype)


# --- p-values -----------------------------------------------------------------------------------


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


@often
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=6))
def test_chi_squared_equals_scipy(cells: list) -> None:
    table = np.array(cells, dtype=float).T
    kept = table[:, table.sum(0) > 0]
    if kept.shape[1] < 2 or (table.sum(1) == 0).any():
        assert chi_squared(*table) == 1.0
    else:
        expected = stats.chi2_contingency(kept, correction=False).pvalue
        assert chi_squared(*table) == pytest.approx(expected, abs=1e-12)


@often
@given(st.integers(0, 40), st.integers(40, 60), st.integers(0, 40), st.integers(40, 60))
def test_two_proportions_equal_the_square_root_of_chi_squared(a: int, n: int, b: int, m: int):
    found = two_proportions(np.array([float(a)]), n, np.array([float(b)]), m)[0]
    if a + b in (0, n + m):
        assert found == 1.0
    else:
        table = [[a, n - a], [b, m - b]]
        expected = stats.chi2_contingency(table, correction=False).pvalue
        assert found == pytest.approx(expected, rel=1e-9)


@often
@given(seed=seeds)
def test_categories_equal_scipy_unseen_and_missing_ones_included(seed: int) -> None:
    rng = np.random.default_rng(seed)
    old, new = categories(rng, 80, "aab.", more="cdx"), categories(rng, 60, "abbcd.", more="y")
    table = [[(old == name).sum() for name in "ab"] + [0, old.isna().sum()]]
    table += [[(new == name).sum() for name in "ab"] + [new.isin([*"cd"]).sum(), new.isna().sum()]]
    kept = np.array(table)[:, np.array(table).sum(0) > 0]
    expected = stats.chi2_contingency(kept, correction=False).pvalue
    assert p_value_of(ReferenceSample(old), new) == pytest.approx(expected, rel=1e-9)


def test_a_category_that_is_new_or_missing_counts_as_drift() -> None:
    usual = pd.Series(["a", "b"] * 50, dtype="category")
    assert p_value_of(ReferenceSample(usual), usual) == pytest.approx(1.0)
    assert p_value_of(ReferenceSample(usual), pd.Series(["c"] * 50, dtype="category")) < 1e-6
    gone = pd.Series([None] * 50, dtype=pd.CategoricalDtype(["a", "b"]))
    assert p_value_of(ReferenceSample(usual), gone) < 1e-6


def test_categories_that_do_not_occur_change_nothing() -> None:
    rng = np.random.default_rng(0)
    old, new = categories(rng, 80, "ab"), categories(rng, 60, "abc")
    wide_old = old.cat.add_categories(["y", "z"])
    wide_new = new.cat.add_categories(["y", "z"])
    assert p_value_of(ReferenceSample(wide_old), wide_new) == p_value_of(ReferenceSample(old), new)
    for test in ("PSI", "JS"):
        wide = Distances(test, [wide_old]).to([wide_new])
        assert wide == Distances(test, [old]).to([new])
    assert (Encoding([wide_old])([wide_new]) == Encoding([old])([new])).all()


def test_missing_numbers_are_left_out() -> None:
    reference = ReferenceSample(np.array([1.0, 2.0, np.nan, 3.0]))
    expected = stats.ks_2samp([1.0, 2.0, 3.0], [2.0, 9.0], method="asymp").pvalue
    assert p_value_of(reference, np.array([np.nan, 2.0, 9.0])) == pytest.approx(expected)
    assert p_value_of(reference, np.array([np.nan])) == 1.0


@often
@given(seed=seeds, kind=kinds)
def test_numbers_are_counted_between_the_deciles_of_the_reference(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    old, new = column(rng, 120, kind), column(rng, 50, kind)
    cells = Cells(old)
    if len(np.unique(known(old))) > 10:
        deciles = np.unique(np.quantile(known(old), np.arange(1, 10) / 10))
        borders = [-np.inf, *deciles, np.inf]
        for values in (old, new):
            assert cells.count(values).tolist() == np.histogram(known(values), borders)[0].tolist()
    else:
        values, counts = np.unique(known(old), return_counts=True)
        assert cells.count(old)[1::2].tolist() == counts.tolist()
        assert cells.count(new)[1::2].tolist() == [(new == value).sum() for value in values]
        assert cells.count(new)[::2].sum() == (~np.isin(new, values)).sum()


def test_few_values_are_counted_one_by_one_with_the_gaps_between() -> None:
    cells = Cells(np.array([0.0, 0.0, 1.0, np.nan]))
    assert cells.count(np.array([0.0, 0.5, 1.0, 1.0, 7.0])).tolist() == [0, 1, 1, 2, 1]


# --- corrections --------------------------------------------------------------------------------


@often
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.3))
def test_benjamini_hochberg_equals_scipy(p_values: list, rate: float) -> None:
    p = np.array(p_values)
    expected = stats.false_discovery_control(p, method="bh") <= rate
    near = np.abs(stats.false_discovery_control(p, method="bh") - rate) < 1e-12
    assert ((benjamini_hochberg(p, rate) == expected) | near).all()


@often
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.01, 0.3))
def test_corrections_reject_ever_more(p_values: list, rate: float) -> None:
    p = np.array(p_values)
    assert (bonferroni(p, rate) <= benjamini_hochberg(p, rate)).all()
    assert (benjamini_hochberg(p, rate) <= uncorrected(p, rate)).all()
    assert (bonferroni(p, rate) == (p <= rate / len(p))).all()


# --- distances of one column --------------------------------------------------------------------


@often
@given(seed=seeds, kind=kinds, n=st.integers(5, 200), m=st.integers(1, 200))
def test_wasserstein_equals_scipy_over_sigma(seed: int, kind: str, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    old, new = column(rng, n, kind), column(rng, m, kind)
    if len(known(new)) == 0 or known(old).std() == 0:
        return
    expected = stats.wasserstein_distance(known(old), known(new))
    assert wasserstein(np.sort(known(old)), np.sort(known(new))) == pytest.approx(expected)
    assert Wasserstein(old).to(new) == pytest.approx(expected / known(old).std())


def test_a_constant_column_is_infinitely_far_from_anything_else() -> None:
    assert Wasserstein(np.ones(9)).to(np.ones(4)) == 0
    assert Wasserstein(np.ones(9)).to(np.array([1.0, 2.0])) == np.inf
    assert Wasserstein(np.ones(9)).to(np.array([np.nan])) == 0


def naive_psi(old: np.ndarray, new: np.ndarray) -> float:
    p, q = (max(n / old.sum(), 1e-4) for n in old), (max(n / new.sum(), 1e-4) for n in new)
    return sum((a - b) * np.log(a / b) for a, b, o in zip(p, q, old + new, strict=True) if o)


@often
@given(seed=seeds, kind=kinds)
def test_psi_and_jensen_shannon_of_numbers(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    old, new = column(rng, 150, kind), column(rng, 70, kind)
    p, q = Cells(old).count(old), Cells(old).count(new)
    assert Distances("PSI", [old]).to([new])[0] == pytest.approx(naive_psi(p, q))
    expected = jensenshannon(p, q, base=2)
    assert Distances("JS", [old]).to([new])[0] == pytest.approx(expected, abs=1e-7)


@often
@given(seed=seeds)
def test_psi_and_jensen_shannon_of_categories(seed: int) -> None:
    rng = np.random.default_rng(seed)
    old, new = categories(rng, 60, "aab.", more="cd"), categories(rng, 50, "abcd.")
    p, q = (
        np.array(
            [(s == "a").sum(), (s == "b").sum(), s.isin(["c", "d"]).sum(), s.isna().sum()], float
        )
        for s in (old, new)
    )
    assert Distances("PSI", [old]).to([new])[0] == pytest.approx(naive_psi(p, q))
    assert Distances("JS", [old]).to([new])[0] == pytest.approx(jensenshannon(p, q, base=2))


def test_shares_worked_by_hand() -> None:
    # Shares 1/2, 1/2 against 3/4, 1/4: (1/4) ln(3/2) + (1/4) ln 2 = (ln 3) / 4.
    assert population_stability(np.array([2.0, 2]), np.array([3.0, 1])) == pytest.approx(
        np.log(3) / 4
    )
    assert jensen_shannon(np.array([4.0, 0]), np.array([0.0, 9])) == 1
    assert jensen_shannon(np.array([4.0, 2]), np.array([2.0, 1])) == 0


def test_nothing_to_compare_is_no_distance() -> None:
    gone = np.full(5, np.nan)
    for test in ("Wasserstein", "PSI", "JS"):
        assert Distances(test, [np.arange(50.0)]).to([gone]) == [0]
        assert Distances(test, [gone]).to([gone]) == [0]
        assert Distances(test, [gone]).to([np.append(gone, 1.0)]) == [0]  # chance can bring one
        assert Distances(test, [gone]).to([np.arange(50.0)]) == [np.inf]


# --- all columns at once ------------------------------------------------------------------------


def tables(seed: int, n: int, m: int) -> tuple[list, list]:
    """Two tables of two numeric columns and a categorical one."""
    rng = np.random.default_rng(seed)
    return tuple(
        [column(rng, k, "plain"), column(rng, k, "gaps"), categories(rng, k, names)]
        for k, names in ((n, "aab."), (m, "abc."))
    )


@often
@given(seed=seeds)
def test_columns_are_encoded_as_the_reference_says(seed: int) -> None:
    old, new = tables(seed, 40, 30)
    found = Encoding(old)(new)
    numbers = np.column_stack(old[:2]), np.column_stack(new[:2])
    scaled = StandardScaler().fit(numbers[0]).transform(numbers[1])
    np.testing.assert_allclose(found[:, :2], np.nan_to_num(scaled), atol=1e-12)
    letters = new[2].astype(object)
    expected = [[x == "a", x == "b", x == "c", x not in ("a", "b", "c")] for x in letters]
    assert found[:, 2:].tolist() == np.array(expected, dtype=float).tolist()


@seldom
@given(seed=seeds)
def test_mean_discrepancy_equals_a_naive_one(seed: int) -> None:
    old, new = tables(seed, 50, 35)
    a, b = Encoding(old)(old), Encoding(old)(new)
    median = np.median(cdist(a, a)[np.triu_indices(50, 1)])
    aa, bb, ab = (rbf_kernel(x, y, 1 / (2 * median**2)) for x, y in ((a, a), (b, b), (a, b)))
    pairs = [k[~np.eye(len(k), dtype=bool)].mean() for k in (aa, bb)]
    assert MeanDiscrepancy(old).to(new) == pytest.approx(sum(pairs) - 2 * ab.mean(), abs=1e-12)


def test_mean_discrepancy_pairs_at_most_a_thousand_rows() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=1_999), rng.normal(0.3, 1, size=500)
    whole = MeanDiscrepancy([old])
    few = Encoding([old])([old])[thinned(1_999, 1_000)]
    assert len(whole._rows) == len(few) == 1_000
    assert whole._rows[[0, -1]].tolist() == few[[0, -1]].tolist()
    assert whole.to([new]) > 10 * abs(whole.to([rng.normal(size=500)]))


@seldom
@given(seed=seeds)
def test_domain_classifier_equals_a_pipeline_of_scikit_learn(seed: int) -> None:
    old, new = tables(seed, 60, 40)
    rows = np.vstack((Encoding(old)(old), Encoding(old)(new)))
    inputs, side = np.hstack((rows, rows**2)), np.repeat([0, 1], [60, 40])
    inputs = (inputs - inputs.mean(0)) / np.where(inputs.std(0) > 0, inputs.std(0), 1)
    scores = cross_val_predict(
        make_pipeline(LogisticRegression(max_iter=1_000)),
        inputs,
        side,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        method="predict_proba",
    )
    assert DomainClassifier(old).to(new) == pytest.approx(roc_auc_score(side, scores[:, 1]))


@seldom
@given(seed=seeds)
def test_reconstruction_equals_that_of_scikit_learn(seed: int) -> None:
    old, new = tables(seed, 60, 40)
    a, b = Encoding(old)(old), Encoding(old)(new)
    pca = PCA(0.65, svd_solver="full").fit(a)
    error = [
        np.linalg.norm(x - pca.inverse_transform(pca.transform(x)), axis=1).mean() for x in (a, b)
    ]
    assert Distances("PCA", old).to(new)[0] == pytest.approx(abs(error[1] / error[0] - 1))


def test_pca_sees_that_columns_part_which_no_column_shows() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2_000))
    together = [x, x + 0.1 * y]
    pair = Distances("PCA", together), Distances("Wasserstein", together)
    apart = [x[:500], rng.permutation(together[1][:500])]
    assert pair[0].to(apart)[0] > 5
    assert pair[1].to(apart).max() < 0.1


@pytest.mark.parametrize("test", ["MMD", "domain classifier", "PCA"])
def test_columns_without_spread_or_values_do_no_harm(test: str) -> None:
    flat = [np.ones(20), np.full(20, np.nan), np.ones(20)]
    same = Distances(test, flat).to(flat)[0]
    assert same <= (0.5 if test == "domain classifier" else 1e-12)
    moved = [np.full(20, 3.0), np.full(20, np.nan), np.ones(20)]
    assert Distances(test, flat).to(moved)[0] > same
    assert Distances(test, flat).to([c[:1] for c in flat])[0] <= 0.5


# --- thresholds ---------------------------------------------------------------------------------


def test_a_threshold_is_calibrated_on_stretches_of_the_reference() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 2)).cumsum(axis=0)
    sample = Sample(lambda places: [values[places, 0], values[places, 1]], 600, 600)
    naive = []
    for first in range(0, 501, 50):  # eleven stretches of 100 that overlap by half
        chunk, rest = values[first : first + 100], np.delete(values, range(first, first + 100), 0)
        pairs = zip(rest.T, chunk.T, strict=True)
        naive.append([stats.wasserstein_distance(a, b) / a.std() for a, b in pairs])
    # The bound of a prediction from eleven normal values: for two columns, at half of the chance.
    factor = stats.t.isf(stats.norm.sf(3) / 2, 10) * np.sqrt(12 / 11)
    expected = np.mean(naive, axis=0) + factor * np.std(naive, axis=0, ddof=1)
    np.testing.assert_allclose(calibrated("Wasserstein", sample, 100), expected)


def test_stretches_are_neighbouring_rows_also_where_the_reference_is_thinned() -> None:
    sample = Sample(lambda places: [places.astype(float)], count=1_000, most=100)
    for rest, chunk in sample.chunks(50):
        assert np.diff(chunk[0]).tolist() == [1] * 49
        inside = (rest[0] >= chunk[0][0]) & (rest[0] <= chunk[0][-1])
        assert not inside.any()
        assert 94 <= len(rest[0]) <= 96


def test_stretches_overlap_by_half_at_most_and_are_at_most_twenty() -> None:
    def cut(count: int, size: int) -> list[list[float]]:
        sample = Sample(lambda places: [places.astype(float)], count, count)
        return [[*chunk[0][[0, -1]]] for _, chunk in sample.chunks(size)]

    assert cut(20, 4) == [[first, first + 3] for first in range(0, 17, 2)]
    assert cut(20, 19) == cut(20, 4)  # five side by side, at least
    assert len(cut(1_000, 10)) == 20
    assert cut(9, 5) == []
    short = Sample(lambda places: [places.astype(float)], 9, 9)
    assert calibrated("PSI", short, 5) == np.inf


# --- rows of the same group ---------------------------------------------------------------------


@often
@given(seed=seeds, most=st.integers(1, 300))
def test_matched_samples_hold_groups_in_equal_shares(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 5, size=rng.integers(1, 200))
    current = rng.integers(0, 6, size=rng.integers(1, 40))
    rows, kept = matched(reference, current, most)
    assert (np.diff(rows) > 0).all()
    shares = [pd.Series(side).value_counts() for side in (reference[rows], current[kept])]
    times = set((shares[0] / shares[1]).tolist())
    assert len(times) <= 1
    assert len(rows) <= max(most, len(kept))
    rare = [g for g in set(current.tolist()) if (reference == g).sum() < (current == g).sum()]
    assert not np.isin(current[kept], rare).any()
    assert len(kept) == (~np.isin(current, rare)).sum()


# --- alarm rates --------------------------------------------------------------------------------


def test_p_values_of_many_columns_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    old, new = tables(0, 60, 40)
    references = [ReferenceSample(c) for c in old]
    assert p_values(references, new).tolist() == [
        p_value_of(r, c) for r, c in zip(references, new, strict=True)
    ]
    counted = ReferenceSample(rng.normal(size=50), counted=True)
    assert p_value_of(counted, np.full(20, 9.0)) < 1e-6


def alarms(rounds: int, decide) -> float:
    """Share of windows of 200 rows, drawn like the reference of 2,000, that raise an alarm."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(rounds):
        old = rng.normal(size=(10, 2_000))
        references = [ReferenceSample(c) for c in old]
        found += sum(
            decide(p_values(references, list(rng.normal(size=(10, 200))))).any() for _ in range(5)
        )
    return found / (5 * rounds)


def test_corrected_tests_raise_no_more_false_alarms_than_they_say() -> None:
    n, error = 400, 3 * np.sqrt(0.05 * 0.95 / 400)
    assert alarms(n // 5, lambda p: benjamini_hochberg(p, 0.05)) <= 0.05 + error
    assert alarms(n // 5, lambda p: bonferroni(p, 0.05)) <= 0.05 + error
    # Ten tests at 0.05 each: one of them fires with 1 - 0.95 ** 10 = 0.40.
    assert alarms(n // 5, lambda p: uncorrected(p, 0.05)) == pytest.approx(
        0.40, abs=3 * np.sqrt(0.24 / n)
    )


@pytest.mark.parametrize("test", ["Wasserstein", "PSI", "JS", "MMD", "domain classifier", "PCA"])
def test_a_calibrated_threshold_is_seldom_passed_without_drift(test: str) -> None:
    rng = np.random.default_rng(0)
    false, true = [], []
    for _ in range(5):
        old = list(rng.normal(size=(3, 2_000)))
        sample = Sample(lambda places, old=old: [c[places] for c in old], 2_000, 2_000)
        limit, distances = calibrated(test, sample, 200), Distances(test, old)
        for _ in range(8):
            new = rng.normal(size=(3, 200))
            false.append((distances.to(list(new)) > limit).any())
            true.append((distances.to(list(new * 1.6 + 0.3)) > limit).any())
    assert np.mean(false) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)
    assert np.mean(true) >= 0.9


# --- a column without a number in the reference ---------------------------------------------------


def test_the_first_numbers_of_a_column_have_an_exact_p_value() -> None:
    """By counting every order of 3 reference rows and 4 current ones of which 2 have a number."""
    orders = list(itertools.permutations([1, 1, 0, 0, 0, 0, 0]))
    as_far = sum(order[:3] == (0, 0, 0) for order in orders) / len(orders)
    current = np.array([np.nan, 1.0, 2.0, np.nan])
    assert first_numbers(3, current) == pytest.approx(as_far)
    assert p_values([ReferenceSample(np.full(3, np.nan))], [current])[0] == pytest.approx(as_far)
    assert p_values([ReferenceSample(np.full(3, np.nan), True)], [current]) == pytest.approx(as_far)
    assert first_numbers(3, np.full(4, np.nan)) == 1.0


@pytest.mark.parametrize("test", ["auto", "KS", "chi2", "PSI", "JS", "Wasserstein"])
def test_a_column_that_comes_alive_is_drift(test: str) -> None:
    n, alive = 1_000, 600
    rng = np.random.default_rng(0)
    later = np.where(np.arange(n) < alive, np.nan, rng.normal(size=n))
    times = np.datetime64("2024-01-01", "ns") + np.arange(n) * np.timedelta64(1, "h")
    stream = Stream(np.column_stack((np.zeros(n), later)), rng.normal(size=n), times)
    trigger = FeatureDrift(test, window=100, min_rows=50)
    run = Backtest(stream, HistGradientBoostingRegressor(max_iter=2)).replay(
        Strategy(trigger, Expanding())
    )
    first = run.versions["decided_at"].iloc[1]
    assert times[alive] < first <= times[alive] + np.timedelta64(3, "D")
    assert run.versions["reason"].iloc[1] == "1 of 2 features drifted: x1"

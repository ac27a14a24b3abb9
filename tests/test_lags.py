"""Lags: what each means, by its definition row by row; and nothing of what is not known then."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain.datasets.lags import Lags, Observed, as_of

HOUR = 3_600_000_000_000
EVERY = Lags(
    known=[1, 2, 5],
    at=["2h", "5h"],
    rolling=[
        *((name, "3h") for name in ("mean", "sum", "std", "min", "max", "median", "count")),
        *((name, 5) for name in ("mean", "sum", "std", "min", "max", "median", "count")),
    ],
    expanding=["mean", "sum", "std", "min", "max", "median", "count"],
    encode=["shop"],
    smoothing=2.5,
    age=True,
)


# --- the definition, a row at a time --------------------------------------------------------------


def halves(values):
    if len(values) == 1:
        return values[0]
    return halves(values[: len(values) // 2]) + halves(values[len(values) // 2 :])


def blocks(values):
    """Stretches as long as the powers of two in a number, the shortest at the end and first."""
    end, size = len(values), 1
    while size <= len(values):
        if len(values) & size:
            yield values[end - size : end]
            end -= size
        size *= 2


def total(values):
    found = 0.0
    for block in blocks(values):
        found += halves(block)
    return found


def apart(values):
    """The sum of squared distances from the mean, two stretches at a time."""

    def joined(one, other):
        (n, s, q), (m, t, r) = one, other
        gap = t / m - (s / n if n else s)
        return n + m, s + t, q + (r + gap * gap * (n * m / (n + m)))

    def within(part):
        if len(part) == 1:
            return 1, part[0], 0.0
        (n, s, q), (m, t, r) = within(part[: len(part) // 2]), within(part[len(part) // 2 :])
        gap = (t - s) / n
        return n + m, s + t, q + r + gap * gap * (n / 2)

    found = 0, 0.0, 0.0
    for block in blocks(values):
        found = joined(found, within(block))
    return 0.0 if len(set(values)) == 1 else found[2]


def of(name, values):
    if name == "count":
        return float(len(values))
    if not values or (name == "std" and len(values) == 1):
        return np.nan
    return {
        "mean": lambda: total(values) / len(values),
        "sum": lambda: total(values),
        "std": lambda: np.sqrt(apart(values) / (len(values) - 1)),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "median": lambda: np.median(values),
    }[name]()


def by_definition(lags, observed, series, at, codes):
    """One row's lags."""
    arrived = [i for i in range(len(observed.time)) if observed.known_at[i] <= at]
    own = [i for i in arrived if observed.series[i] == series and series >= 0]
    newest = sorted(own, key=lambda i: (observed.time[i], i), reverse=True)
    y = observed.value.tolist()

    def in_order(rows):
        return [
            y[i] for i in sorted(rows, key=lambda i: (observed.known_at[i], observed.time[i], i))
        ]

    found = [y[newest[k - 1]] if len(newest) >= k else np.nan for k in lags.known]
    for length in lags.at:
        then = [i for i in newest if observed.time[i] == at - int(length[:-1]) * HOUR]
        found.append(y[then[0]] if then else np.nan)
    for name, length in lags.rolling:
        if isinstance(length, int):
            within = newest[:length]
        else:
            reach = int(length[:-1]) * HOUR
            within = [i for i in newest if observed.time[i] > observed.time[newest[0]] - reach]
        found.append(of(name, [y[i] for i in reversed(within)]))
    found += [of(name, in_order(own)) for name in lags.expanding]
    for e in range(len(lags.encode)):
        same = in_order([i for i in arrived if observed.codes[i, e] == codes[e]])
        prior = total(in_order(arrived)) / len(arrived) if arrived else np.nan
        found.append(
            (total(same) + lags.smoothing * prior) / (len(same) + lags.smoothing)
            if len(same) + lags.smoothing
            else np.nan
        )
    if lags.age:
        found.append((at - observed.time[newest[0]]) / HOUR if newest else np.nan)
    return found


@st.composite
def histories(draw):
    """Labels of up to three series: ties, any order of arrival, values of any size."""
    m = draw(st.integers(0, 40))
    ordered = draw(st.booleans())
    time = np.sort(draw(st.lists(st.integers(0, 12), min_size=m, max_size=m)))
    late = draw(st.lists(st.integers(0, 1 if ordered else 9), min_size=m, max_size=m))
    numbers = st.sampled_from([0.1, 0.3, -7.7, 1e15, 3.0, 3.0, -1e-9])
    series = draw(st.lists(st.integers(-1, 2), min_size=m, max_size=m))
    shop = draw(st.lists(st.integers(0, 2), min_size=m, max_size=m))
    return Observed(
        series=np.array(series, dtype=np.int64),
        time=np.array(time, dtype=np.int64) * HOUR,
        known_at=np.array(time + (1 if ordered else np.array(late, dtype=int))) * HOUR,
        value=np.array(draw(st.lists(numbers, min_size=m, max_size=m))),
        codes=np.array(shop, dtype=np.int64).reshape(-1, 1),
    )


@settings(max_examples=150, deadline=None)
@given(histories(), st.data())
def test_every_lag_is_what_it_is_defined_to_be_to_the_last_bit(observed, data):
    rows = data.draw(st.lists(st.tuples(*[st.integers(*b) for b in ((-1, 3), (0, 22), (0, 3))])))
    series, hour, code = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    found = as_of(EVERY, observed, series, hour * HOUR, code[:, None])
    assert found.shape == (len(rows), len(EVERY.names("y")))
    for row, (s, h, c) in zip(found, rows, strict=True):
        asked = by_definition(EVERY, observed, s, h * HOUR, [c])
        np.testing.assert_array_equal(row, asked)


def test_lags_by_hand():
    hours = np.arange(5) * HOUR
    observed = Observed(np.zeros(5, int), hours, hours + 2 * HOUR, np.array([1.0, 2, 4, 8, 16]))
    lags = Lags(known=[1, 2], at=["3h"], rolling=[("mean", "2h"), ("sum", 2)], expanding=["max"])
    assert lags.names("y") == (
        *("y_known_1", "y_known_2", "y_at_3h", "y_mean_2h", "y_sum_2", "y_max_all"),
    )
    nan = np.nan
    np.testing.assert_array_equal(
        as_of(lags, observed, np.zeros(5, int), hours),
        [
            [nan, nan, nan, nan, nan, nan],
            [nan, nan, nan, nan, nan, nan],
            [1.0, nan, nan, 1.0, 1.0, 1.0],
            [2.0, 1.0, 1.0, 1.5, 3.0, 2.0],
            [4.0, 2.0, 2.0, 3.0, 6.0, 4.0],
        ],
    )


def test_a_late_label_takes_its_place_when_it_comes():
    """The label of hour 1 comes after that of hour 2: it is the second newest then."""
    observed = Observed(
        np.zeros(3, int), np.arange(3) * HOUR, np.array([1, 9, 3]) * HOUR, np.array([1.0, 2, 4])
    )
    found = as_of(Lags(known=[1, 2, 3]), observed, np.zeros(3, int), np.array([2, 8, 9]) * HOUR)
    np.testing.assert_array_equal(found, [[1, np.nan, np.nan], [4, 1, np.nan], [4, 2, 1]])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({}, "lags: none is asked for; name some, such as lags.known=[1,24]"),
        ({"known": 1}, "lags.known=1: a list is wanted; write lags.known=[1,24]"),
        ({"known": [0]}, "lags.known: 0 is no whole number from 1 on; write lags.known=[1,24]"),
        ({"known": [True]}, "lags.known: True is no whole number"),
        ({"known": [2, 2]}, "lags.known: 2 stands there twice"),
        ({"at": [7]}, "lags.at: 7 is no length of time; write lags.at=[7D]"),
        ({"at": ["0h"]}, "lags.at: '0h' is no time at all"),
        ({"at": ["MS"]}, "lags.at='MS': not of fixed length"),
        ({"rolling": ["mean", "7D"]}, "write lags.rolling=[[mean,7D],[std,24]]"),
        ({"rolling": [("mode", 7)]}, "lags.rolling: no statistic 'mode'; there are mean, sum,"),
        ({"rolling": [("mean", 0)]}, "lags.rolling: 0 is no whole number from 1 on"),
        ({"expanding": ["avg"]}, "lags.expanding: no statistic 'avg'; there are mean"),
        ({"encode": [1]}, "lags.encode: 1 is no name of a feature; write lags.encode=[shop]"),
        ({"known": [1], "smoothing": -1}, "lags.smoothing=-1: a number >= 0"),
    ],
)
def test_what_is_wrong_is_named_with_what_helps(wrong, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Lags(**wrong)

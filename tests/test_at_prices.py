"""What would be decided at other prices."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtrain.lossmatrix.at_prices import PriceMap
from backtrain.lossmatrix.decide import Evidence, Option, decide


def evidence(*lines, price=1.0, error=1.0, floor=0.0, **more):
    """Options of (loss, retrains), the first of which is the baseline, at these prices."""
    options = [
        Option(f"s{k}", error * loss + price * n, n, errors=error * loss, **more)
        for k, (loss, n) in enumerate(lines)
    ]
    return Evidence(options, "s0", price, floor, error=error)


def test_a_choice_holds_between_two_prices_of_a_retrain_by_hand():
    """Never 10, s1 6 + p, s2 5 + 3 p; twice the price of an error moves all borders to twice."""
    found = PriceMap.of(evidence((10, 0), (6, 1), (5, 3)))
    low, high = found.here
    assert np.stack([low, high], axis=1).tolist() == [[4, math.inf], [0.5, 4], [0, 0.5]]
    dear = found.error.tolist().index(pytest.approx(10.0))
    assert found.low[dear] == pytest.approx([40.0, 5.0, 0.0])
    assert [found.names[i] for i in found.chosen] == ["s0", "s1", "s2"]


def test_what_is_chosen_nowhere_has_no_prices():
    found = PriceMap.of(evidence((10, 0), (9, 30), (1, 2)))
    assert np.isnan(found.low[:, 1]).all()
    assert found.chosen == [0, 2]


def test_equal_options_have_one_place():
    found = PriceMap.of(evidence((10, 0), (10, 0), (5, 3)))
    assert np.isnan(found.low[:, 1]).all()
    assert not np.isnan(found.low[:, 0]).any()


def test_free_errors_and_unknown_ones_leave_one_row():
    assert len(PriceMap.of(evidence((10, 0), (6, 1), error=0.0)).error) == 1
    unknown = evidence((10, 0), (6, 1))
    options = [unknown.options[0], replace(unknown.options[1], errors=math.nan)]
    found = PriceMap.of(replace(unknown, options=options))
    assert found.error.tolist() == [1.0]
    assert found.here[1][1] == pytest.approx(4.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1, 1000), st.integers(0, 50)), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.5, 5.0]),
    st.sampled_from([0.1, 1.0, 7.0]),
    st.sampled_from([0.0, 0.01, 0.1]),
    st.booleans(),
)
def test_each_cell_is_what_is_decided_at_its_prices(lines, price, error, floor, plain):
    now = evidence(*lines, price=price, error=error, floor=floor, plain=plain)
    found = PriceMap.of(now)
    names = np.array(found.names)[found.cheapest]
    for e in range(0, len(found.error), 8):
        for r in range(0, len(found.retrain), 8):
            other = evidence(
                *lines, price=found.retrain[r], error=found.error[e], floor=floor, plain=plain
            )
            wanted = decide(other).name
            weighed = dict(zip(found.names, _weighed(other), strict=True))
            # Borders may fall on a cell: then both cost the same.
            assert names[e, r] == wanted or weighed[names[e, r]] == pytest.approx(weighed[wanted])
    middle = len(found.error) // 2
    if price:
        place = found.names.index(decide(now).name)
        factors = decide(now).factors
        assert found.low[middle, place] == pytest.approx(price * factors[0], abs=1e-6)
        assert found.high[middle, place] == pytest.approx(price * factors[1])


def _weighed(known):
    return known.weights() * [option.cost for option in known.options]

"""A window thinned out: which rows are kept."""

import numpy as np
import pytest
from hourly import history
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Strategy
from backtrain.strategies import (
    BeatsChampion,
    Decay,
    Every,
    EveryRows,
    Expanding,
    Never,
    PartialFit,
    Sliding,
    Thinned,
)

PARTS = [Thinned(Expanding(), 5_000), Thinned(Decay("30D", window=Sliding(500)), 100)]
NONSENSE = [
    (lambda: Thinned(Expanding(), 1), "2 or more"),
    (lambda: Thinned(Expanding, 10), "Expanding"),
]
REGRESSION = {
    "thinned": Strategy(Every("7h"), Thinned(Expanding(), 9)),
    "thinned and decayed": Strategy(
        EveryRows(6), Thinned(Decay("1D"), 12), gate=BeatsChampion(0.3, min_rows=1)
    ),
}
INCREMENTAL = {"thinned": Strategy(Every("6h"), Thinned(Expanding(), 11), PartialFit())}


def learnt(window: object, known: int) -> list[int]:
    """Rows of the first model; labels are known at once."""
    past = history(known + 1)
    backtest = Backtest(past, DummyRegressor(), start=str(past.event_time[known]))
    chosen: list[int] = []

    class Spy:
        def select(self, view):
            found = window.select(view)
            chosen.extend(found.indices().tolist())
            return found

    backtest.replay(Strategy(Never(), Spy()))
    return chosen


def test_rows_are_evenly_spaced_and_the_ends_are_kept() -> None:
    # 10 rows, 4 of them: 0, 3, 6 and 9.
    assert learnt(Thinned(Expanding(), 4), 10) == [0, 3, 6, 9]
    # 9 of the newest 10: places 0, 1.125, 2.25, ... 9, rounded.
    assert learnt(Thinned(Sliding(10), 9), 12) == [2, 3, 4, 5, 6, 8, 9, 10, 11]


def test_fewer_rows_are_all_kept() -> None:
    assert learnt(Thinned(Expanding(), 10), 10) == list(range(10))


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 40), st.integers(2, 45))
def test_no_row_twice_never_too_many_and_no_gap_much_wider(known: int, rows: int) -> None:
    kept = learnt(Thinned(Expanding(), rows), known)
    assert len(set(kept)) == len(kept) == min(rows, known)
    assert (kept[0], kept[-1]) == (0, known - 1)
    assert np.ptp(np.diff(kept)) <= 1


@pytest.mark.parametrize("rows", [2, 7])
def test_weights_go_with_their_rows(rows: int) -> None:
    weights = np.zeros(0)

    class Spy:
        def select(self, view):
            nonlocal weights
            found = Thinned(Decay("10h"), rows).select(view)
            weights = found.weights
            return found

    past = history(21)
    start = str(past.event_time[20])
    Backtest(past, DummyRegressor(), start=start).replay(Strategy(Never(), Spy()))
    places = np.linspace(0, 19, rows).round()
    np.testing.assert_allclose(weights, 0.5 ** ((20 - places) / 10))

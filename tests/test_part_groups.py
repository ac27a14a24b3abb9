"""Groups of rows: who may see them when, and the worst of them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, FutureLeak, PartError, Strategy, Stream
from backtrain.strategies import Expanding

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def stream(groups: str = "aabbaabbaabb", label: list[int] | None = None) -> Stream:
    """One row an hour with the label 0, row i at hour i; labels known at once."""
    n = len(groups)
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    y = np.zeros(n)
    y[0] = 1.0  # a stream needs two different labels
    at = None if label is None else np.array([hour(h).to_datetime64() for h in label])
    return Stream(np.zeros((n, 1)), y, times, at, group=np.array(list(groups)))


class Look:
    """Never fires; keeps what `see` says at one tick."""

    def __init__(self, see, tick):
        self.see, self.tick, self.said = see, tick, None

    def monitor(self):
        return self

    def fires(self, view):
        if view.now == hour(self.tick):
            self.said = self.see(view)


def seen(see, tick=8, history=None):
    """What ``see(view)`` says at the tick of an hour."""
    look = Look(see, tick)
    history = stream() if history is None else history
    backtest = Backtest(history, DummyRegressor(), tick="1h", start=hour(4))
    backtest.replay(Strategy(look, Expanding()))
    return look.said


# --- who may see them ---------------------------------------------------------------------------


def test_groups_of_past_rows_are_known_with_their_features() -> None:
    assert seen(lambda view: list(view.group(slice(2, 8)))) == list("bbaabb")
    assert seen(lambda view: list(view.group(np.array([0, 7])))) == ["a", "b"]


def test_the_group_of_a_row_that_has_not_happened_is_a_leak() -> None:
    with pytest.raises(FutureLeak, match="groups of row 8 asked at 2024-01-01 08:00"):
        seen(lambda view: view.group(slice(2, 9)))


def test_groups_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        seen(lambda view: view.group(slice(2, 8)).__setitem__(0, "z"))


def test_arrived_labels_bring_their_groups_in_the_order_of_arrival() -> None:
    late = stream(label=[0, 1, 2, 3, 7, 5, 6, 9, 8, 9, 10, 11])
    assert seen(lambda view: list(view.arrived().group), history=late) == ["a", "b", "a"]


def test_a_stream_without_groups_says_how_to_name_them() -> None:
    bare = Stream(np.zeros((12, 1)), stream().y, stream().event_time)
    with pytest.raises(PartError, match=r"has no groups; name its column: group='...'"):
        seen(lambda view: view.group(slice(0, 2)), history=bare)

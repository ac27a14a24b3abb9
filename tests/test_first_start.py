"""A start before labels are known is refused, and the first that works is named."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.setup import SetupError
from backtrain.strategies import Expanding, Never, Sliding

DAYS = pd.date_range("2024-01-01", periods=366)


def daily(y: np.ndarray, late: str, **kwargs: object) -> Backtest:
    X, model = np.arange(366.0)[:, None], Ridge() if y.dtype.kind == "f" else LogisticRegression()
    known = (DAYS + pd.Timedelta(late)).to_numpy()
    return Backtest(Stream(X, y, DAYS.to_numpy(), known), model, **kwargs)  # type: ignore[arg-type]


def refused(backtest: Backtest, strategy: Strategy) -> str:
    with pytest.raises(SetupError) as told:
        backtest.replay(strategy)
    return str(told.value)


NUMBERS = np.arange(366.0) % 7
#: The second class is seen first in row 20.
CLASSES = (np.arange(366) >= 20).astype(int)


@pytest.mark.parametrize(
    ("y", "late", "first"),
    [(NUMBERS, "90D", "2024-03-31"), (CLASSES, "90D", "2024-04-20"), (CLASSES, "0D", "2024-01-22")],
)
def test_the_first_that_works_is_named_and_works(y: np.ndarray, late: str, first: str) -> None:
    never = Strategy(Never(), Expanding())
    day_before = str(pd.Timestamp(first) - pd.Timedelta("1D"))[:10]
    said = refused(daily(y, late, start=day_before), never)
    assert said.endswith(f"; start={first} is the first that works")
    daily(y, late, start=first).replay(never)


def test_a_share_is_answered_by_a_share() -> None:
    never = Strategy(Never(), Expanding())
    said = refused(daily(NUMBERS, "90D", start=0.2), never)
    share = re.search(r"is 2024-03-31, start=([0-9.]+)$", said)
    assert share is not None
    daily(NUMBERS, "90D", start=float(share[1])).replay(never)
    refused(daily(NUMBERS, "90D", start=float(share[1]) - 0.002), never)
    # A window as long as the delay holds a label at midnight only, which no share meets.
    said = refused(daily(NUMBERS, "90D", start=0.2), Strategy(Never(), Sliding("90D")))
    assert said.endswith("; the first that works is 2024-03-31")


def test_a_window_that_never_holds_a_label_is_said_to_be_too_short() -> None:
    said = refused(daily(NUMBERS, "90D", start=0.5), Strategy(Never(), Sliding("60D")))
    assert said.endswith(
        "at no start does Sliding('60D') hold labels: it is too short for them; "
        "a longer one does, such as window=expanding"
    )
    daily(NUMBERS, "90D", start=0.5).replay(Strategy(Never(), Expanding()))
    said = refused(daily(NUMBERS, "90D", start="2024-02-01"), Strategy(Never(), Sliding("60D")))
    assert said.endswith("a longer one does from 2024-03-31 on, such as window=expanding")


def test_a_window_of_one_class_may_be_longer() -> None:
    classes = (np.arange(366) % 100 < 50).astype(int)
    never = Strategy(Never(), Sliding("30D"))
    said = refused(daily(classes, "0D", start="2024-04-05"), never)
    assert "the window holds one class only: 0" in said
    assert said.endswith("is the first that works; or a longer window, such as window=expanding")
    daily(classes, "0D", start="2024-04-05").replay(Strategy(Never(), Expanding()))


def test_labels_that_are_there_are_not_blamed() -> None:
    gaps = np.where(np.arange(366) % 2, np.nan, 1.0)[:, None]
    backtest = daily(NUMBERS, "1D")
    backtest = Backtest(Stream(gaps, NUMBERS, DAYS.to_numpy()), Ridge())
    said = refused(backtest, Strategy(Never(), Expanding()))
    assert "NaN" in said
    assert "first that works" not in said


def test_tuning_says_the_same() -> None:
    with pytest.raises(SetupError, match="; start=2024-03-31 is the first that works"):
        daily(NUMBERS, "90D", start="2024-03-01").tune(Sliding("90D"), every=10)

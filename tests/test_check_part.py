"""What `check_part` refuses of a part of yours, and what it says."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from gallery import parts as gallery
from sklearn.linear_model import Ridge

from backtrain import Backtest, PartError, Reason, Selection, Strategy
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import AnyOf, Every, FeatureDrift, Sliding
from backtrain.testing import check_part


@dataclass(frozen=True)
class MonthEnd:
    """As the README has it."""

    day: int = 28

    def monitor(self) -> MonthEnd:
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason(f"it is the {self.day}th") if view.now.day == self.day else None


@dataclass(frozen=True)
class Checked(MonthEnd):
    """Looks at its parameter, and not closely."""

    day: int = 28

    def __post_init__(self) -> None:
        if self.day is None:
            raise PartError("give a day")


@dataclass(frozen=True)
class Strict(MonthEnd):
    def __post_init__(self) -> None:
        if not isinstance(self.day, int):
            raise PartError(f"Strict(day={self.day!r}): give a whole number")


@dataclass(frozen=True)
class Locked(MonthEnd):
    lock: Any = field(default_factory=threading.Lock)


class Dumb(MonthEnd):
    def __repr__(self) -> str:
        return "Dumb(day=)"


class Forgets(MonthEnd):
    def __repr__(self) -> str:
        return "Forgets()"


class OneMonitor:
    def __init__(self) -> None:
        self.kept = gallery.Count(3)

    def monitor(self) -> Any:
        return self.kept


@dataclass(frozen=True)
class Raises(MonthEnd):
    def fires(self, view: Any) -> Reason | None:
        raise KeyError("oops")


class Slotted:
    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 3

    def fires(self, view: Any) -> bool:
        return view.past % self.count == 0


class CountsInASlot(Slotted):
    __slots__ = ()

    def fires(self, view: Any) -> bool:
        self.count += 1
        return self.count % 5 == 0


class NoMonitor(MonthEnd):
    def monitor(self) -> MonthEnd:
        raise OSError("no such file")


def on_mondays(view: Any) -> bool:
    return view.now.dayofweek == 0


def on_day(view: Any, day: int) -> bool:
    return view.now.day == day


def test_plain_functions() -> None:
    check_part(on_mondays)
    check_part(lambda view: view.labelled.newest(25), kind="window")
    with pytest.raises(AssertionError, match=r"PeeksAtLabels|select|trigger|fires"):
        check_part(lambda view: view.labelled.newest(25))


@pytest.mark.parametrize(
    "part",
    [
        MonthEnd(),
        Strict(3),
        gallery.Counts(),
        gallery.Seeded(),
        AnyOf(on_mondays, partial(on_day, day=3), Every("9h")),
        Slotted(),
        AnyOf(lambda view: view.now.day == 2, MonthEnd(3)),
    ],
)
def test_a_part_of_ones_own_passes(part: Any) -> None:
    check_part(part)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (MonthEnd, r"a class; give an object of it, MonthEnd\(...\)"),
        (3, "neither a trigger"),
        (Checked(), r"day='nonsense' is taken for a number; refuse it in __post_init__"),
        (Locked(), "cannot be sent to another process.*open files, locks"),
        (Dumb(), r"its repr is no code that builds it \(SyntaxError"),
        (Forgets(3), "its repr builds another one"),
        (OneMonitor(), r"monitor\(\) gives the same object twice"),
        (NoMonitor(), r"monitor\(\) raises OSError: no such file"),
        (Raises(), "raises on 'four days of regression'.*KeyError: 'oops'"),
        (gallery.CountsInItself(), "seen changed during the replay"),
        (CountsInASlot(), "count changed during the replay"),
        (gallery.CountsInADefault(), "is not repeatable.*changed during a replay"),
        (gallery.Tosses(), "draws from .*global generator"),
        (
            gallery.PeeksAtLabels(),
            "sees the future on .*where what is not known yet is spoilt .*labels",
        ),
        (gallery.JudgesItsTraining(), "judges its own training.*hold rows out in reserve"),
        (gallery.FitsItsParent(), "is not one model a version.*changed its parent"),
        (FeatureDrift(exclude=["none"]), "no column .none.*give setup=Backtest"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_what_breaks_the_contract_is_named_with_a_remedy(part: Any, says: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_part(part)
    assert re.search(says, str(caught.value)), str(caught.value)


def test_a_history_of_ones_own() -> None:
    setup = Backtest(abrupt(n=400, task="regression"), Ridge(), tick="12h")
    check_part(MonthEnd(), setup)
    check_part(Strategy(Every("3D"), Sliding("5D")), setup)
    with pytest.raises(AssertionError, match="on 'abrupt', regression, with Ridge"):
        check_part(gallery.Reaches("rows"), setup)


class Grows:
    """A window whose copy is another one."""

    copies = 0

    def __init__(self) -> None:
        self.size = 20

    def __deepcopy__(self, memo: Any) -> Grows:
        other = Grows()
        other.size = self.size + 10
        return other

    def select(self, view: Any) -> Selection:
        return Selection(view.labelled.newest(self.size))


def test_a_copy_that_is_another_one() -> None:
    with pytest.raises(AssertionError, match="Grows"):
        check_part(Grows())
    assert np.isfinite(Grows.copies)


def newest(view):
    """Rows as the view hands them out: a slice, or an array where a label is late."""
    return view.labelled.newest(40)


@dataclass(frozen=True)
class Newest:
    rows: int = 40

    def select(self, view):
        return view.labelled.newest(self.rows)


@pytest.mark.parametrize("window", [newest, Newest()])
def test_rows_are_the_same_as_a_slice_or_an_array(window) -> None:
    """The future decides whether labels are in order, and so in which form rows are handed out."""
    check_part(window, kind="window")
    stream = apply(abrupt(n=1_000, task="regression"), Fixed("30h"))
    audit = Backtest(stream, Ridge(), tick="12h").audit(Strategy(Every("3D"), window), data=False)
    assert audit.passed, audit


def test_of_a_window_function_it_is_said_how_to_check_it() -> None:
    with pytest.raises(AssertionError) as raised:
        check_part(newest)
    assert "kind='window'" in raised.value.__notes__[-1]


class Twice:
    """A model without classes."""

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        return self.model.predict(X)


@dataclass(frozen=True)
class RegressionOnly:
    needs_parent = False

    def fit(self, model, X, y, weights, parent, seed):
        return Twice(model.fit(X, y))


def test_a_task_that_a_part_does_not_fit_is_named() -> None:
    with pytest.warns(UserWarning, match=r"RegressionOnly.*not tried on classification.*classes_"):
        check_part(RegressionOnly())


def test_an_error_inside_a_part_names_the_part() -> None:
    def divides(view):
        return 1 / 0

    backtest = Backtest(abrupt(n=400, task="regression"), Ridge())
    with pytest.raises(ZeroDivisionError) as raised:
        backtest.replay(Strategy(divides, Newest()))
    assert any("in fires() of" in note for note in raised.value.__notes__)


def test_a_part_that_cannot_be_sent_is_named() -> None:
    backtest = Backtest(abrupt(n=400, task="regression"), Ridge())
    lock = threading.Lock()
    held = Strategy(lambda view: bool(lock) and view.now.day == 1, Newest())
    with pytest.raises(PartError, match=r"strategy 'held': its trigger .* n_jobs=1"):
        backtest.compare({"static": Strategy(Every("9D"), Newest()), "held": held}, n_jobs=2)

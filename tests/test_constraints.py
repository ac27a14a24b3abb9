"""Constraints are data beside type hints; whatever derives from `Part` is checked by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pytest
from local_hints import Distant
from sklearn.linear_model import LogisticRegression

from backtrain import Delays, Prices
from backtrain.datasets.synthetic import stationary
from backtrain.simulator.answers import PartError
from backtrain.simulator.constraints import (
    Amount,
    Count,
    FixedInterval,
    Holdout,
    Length,
    Level,
    Margin,
    Names,
    Offset,
    RowsWindow,
    Share,
    Whole,
)
from backtrain.simulator.parts import Part
from backtrain.simulator.setup import Setup, SetupError
from backtrain.strategies import (
    AnyOf,
    Approval,
    Canary,
    Dynamic,
    ErrorDrift,
    Expanding,
    FeatureDrift,
    Forecast,
    Never,
    OnDates,
    Recorded,
    Strategy,
    Thinned,
)

if TYPE_CHECKING:
    from nowhere import Unknown


@dataclass(frozen=True, repr=False)
class Own(Part):
    """What a user may write: hints, and no check."""

    rows: Count = 10
    share: Share = 0.5
    level: Level = 0.05
    money: Amount | None = None
    every: Offset = "1D"
    wait: FixedInterval = "1D"
    length: Length = "90D"
    holdout: Holdout = 0.2
    drop: Margin = "20%"
    since: Literal["start", "training"] = "start"
    names: Names = ()
    sticky: bool = False
    window: RowsWindow = 100
    min_rows: Count = 20
    weeks: Annotated[int, Whole("a number of weeks", least=2)] = 2
    other: "Unknown | None" = None


REFUSED = {
    "rows": (0, -1, 1.5, 2.0, True, np.True_, "3", None, float("nan"), np.float64(3), [3]),
    "share": (-0.1, 1.1, True, "0.5", None, float("nan"), np.nan, np.float32("nan")),
    "level": (0, 1, float("nan")),
    "money": (-1, float("inf"), float("nan"), True, "5", np.timedelta64(3, "D")),
    "every": ("7X", 7, None, "-1D", True),
    "wait": ("MS", "0D", "7X"),
    "length": (0, "0D", 2.5, True, None, []),
    "holdout": (0, 1.0, 0.0, 1.5, True, "20%"),
    "drop": (-1, "20", "lots", "-5%", "nan%", float("nan"), None, True),
    "since": ("end", "", None, 3, ["start"]),
    "names": ("hour", 3, None),
    "sticky": (1, "yes", None),
    "window": (0, 19, "100"),
    "weeks": (1,),
}
ACCEPTED = {
    "rows": (1, np.int64(3), np.uint8(3)),
    "share": (0, 1, np.float32(0.5), np.int64(1)),
    "money": (None, 0, np.float64(2.5), np.int32(2)),
    "every": ("0D", "MS", np.timedelta64(3, "D")),
    "length": (np.int64(5), "MS"),
    "holdout": (np.int64(5), np.float64(0.1)),
    "drop": ("5%", 0, np.float64(0.1)),
    "names": (["hour"], ("hour",), np.array(["hour"])),
    "sticky": (np.True_, False),
    "window": (20, np.int64(20)),
    "other": ("what cannot be read checks nothing",),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in REFUSED for v in REFUSED[n]], ids=str)
def test_what_is_not_meant_is_refused_with_class_parameter_and_value(name, value) -> None:
    with pytest.raises(PartError) as error:
        Own(**{name: value})
    shown = value.item() if isinstance(value, (np.float64, np.bool_, np.float32)) else value
    assert str(error.value).startswith(f"Own({name}={shown!r}): ")


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n in ACCEPTED for v in ACCEPTED[n]], ids=str
)
def test_what_is_meant_is_taken_and_numpy_numbers_become_pythons(name, value) -> None:
    taken = getattr(Own(**{name: value}), name)
    numpy = (np.number, np.bool_, np.ndarray)
    is_numpy = isinstance(value, numpy) and not isinstance(value, np.timedelta64)
    assert type(taken) is (type(value.tolist()) if is_numpy else type(value))


def test_a_part_made_with_numpy_numbers_is_the_same_part() -> None:
    assert repr(Own(rows=np.int64(3), share=np.float64(0.25))) == "Own(rows=3, share=0.25)"


def test_the_message_says_what_to_give() -> None:
    said = {
        "rows": (0, "give a whole number, 1 or more"),
        "since": ("trainin", "not one of 'start', 'training'; did you mean 'training'?"),
        "every": ("7X", "not a time offset; did you mean '7D'?"),
        "length": ([], "not a time offset; did you mean '1D'?, or a number of rows, 1 or more"),
        "weeks": (1, "give a number of weeks, 2 or more"),
        "names": ("hour", "give a list, such as ['hour']"),
        "window": (10, "the window must hold at least min_rows=20 rows"),
        "drop": ("20", "give a share such as '20%'"),
    }
    for name, (value, remedy) in said.items():
        with pytest.raises(PartError) as error:
            Own(**{name: value})
        assert str(error.value) == f"Own({name}={value!r}): {remedy}"


def test_hints_that_are_text_of_another_module_are_read_there() -> None:
    with pytest.raises(PartError, match=r"Distant\(rows=0\): give a whole number"):
        Distant(0)
    with pytest.raises(PartError, match="no more than 5"):
        Distant(9)


def test_a_subclass_inherits_the_checks() -> None:
    @dataclass(frozen=True, repr=False)
    class More(Own):
        steps: Annotated[Sequence[Share], "an annotation of somebody else's"] = ()

    with pytest.raises(PartError, match=r"More\(rows=0\)"):
        More(rows=0)
    with pytest.raises(PartError, match=r"More\(steps=\[0.5, 2\]\): give a share"):
        More(steps=[0.5, 2])


def test_prices_and_delays_say_it_in_the_same_way() -> None:
    with pytest.raises(ValueError, match=r"Prices\(error=nan\): give an amount of money"):
        Prices(error=float("nan"))
    with pytest.raises(ValueError, match=r"Delays\(deploy='MS'\): not of fixed length"):
        Delays(deploy="MS")


def test_a_training_is_priced_alike_one_by_one_and_as_an_array() -> None:
    prices = Prices(0.1, 0.7, 0.3, 1, 1, 1, 0.9, 1, 0.11)
    rows, runs, releases = np.array([10, 300, 0]), np.array([1, 2, 0]), np.array([1, 0, 3])
    cpu, plus = np.array([0.1, 5.0, 0.0]), np.array([0.3, 0.0, 1e9])
    one = [prices.training(*given) for given in zip(rows, runs, releases, cpu, plus, strict=True)]
    assert prices.training(rows, runs, releases, cpu, plus).tolist() == one
    assert prices.training(2_000) == 0.1 + 0.7 * 2_000 / 1000 + 0.9


#: What a user may write by mistake, and what the one message must hold: the value and the remedy.
MISTAKES = {
    "options": (lambda: ErrorDrift(options=3), r"options=3\): give a mapping"),
    "no options": (lambda: ErrorDrift(options=None), r"options=None\): give a mapping"),
    "scalar dates": (lambda: OnDates(np.array("2012-01-02")), "give a list, such as"),
    "number as date": (lambda: OnDates([3]), "dates=3: not a date or time"),
    "scalar columns": (lambda: FeatureDrift(exclude=np.array("hour")), "give a list"),
    "scalar shares": (lambda: Canary(steps=np.array(0.5)), r"give a list, such as \[0.05"),
    "scalar line": (lambda: Forecast(line=np.array(3.0)), "give a list of 3 numbers"),
    "scalar windows": (lambda: Dynamic(np.array(3)), "give a list of windows"),
    "scalar hours": (lambda: Approval("4h", np.array("09:00")), "when work begins and ends"),
    "scalar answers": (lambda: Recorded(np.array(3), []), r"array\(3\)\): give a path"),
    "ragged answers": (lambda: Recorded([[1], [2, 3]], []), "give a path"),
    "blackout": (
        lambda: Strategy(Never(), Expanding(), blackout=[0.5]),
        "blackout=0.5: not a date",
    ),
    "no argument": (
        lambda: Strategy(lambda: True, Expanding()),
        "trigger=.*take one argument, the",
    ),
    "two arguments": (lambda: Strategy(Never(), lambda view, n: n), "window=.*take one argument"),
    "a keyword": (lambda: AnyOf(lambda *, view: True), "AnyOf: .*take one argument"),
    "inner window": (lambda: Thinned(lambda: [0], 5), "Thinned.*take one argument"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_error_that_names_value_place_and_remedy(mistake) -> None:
    make, says = MISTAKES[mistake]
    with pytest.raises(PartError, match=says):
        make()


def test_functions_that_take_the_view_are_parts_whatever_else_they_could_take() -> None:
    for function in (lambda view: True, lambda view, n=3: True, lambda *views: True, len):
        Strategy(function, function)


def test_an_array_of_names_or_numbers_is_a_list() -> None:
    assert FeatureDrift(exclude=np.array(["hour"])) == FeatureDrift(exclude=["hour"])
    assert repr(OnDates(np.array(["2012-01-02"]))) == "OnDates(['2012-01-02'])"
    assert Canary(steps=np.array([0.5, 1.0])).steps == (0.5, 1.0)


def test_an_own_check_may_raise_any_value_error() -> None:
    class TooSmallError(ValueError):
        pass

    @dataclass(frozen=True, repr=False)
    class Picky(Part):
        error: type[ValueError]

        def check_parameters(self) -> None:
            raise self.error("size=1: too small")

    with pytest.raises(PartError, match=r"^Picky: size=1: too small$"):
        Picky(ValueError)
    with pytest.raises(TooSmallError, match=r"^size=1: too small$"):
        Picky(TooSmallError)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"tick": 0}, r"Setup\(tick=0\): give a number of rows, 1 or more"),
        ({"tick": True}, r"Setup\(tick=True\): give a number of rows, 1 or more"),
        ({"tick": "7X"}, r"Setup\(tick='7X'\): not a time offset; did you mean '7D'"),
        ({"seed": -1}, r"Setup\(seed=-1\): give a whole number, 0 or more"),
        ({"features": "arrays"}, r"not one of 'auto', 'array', 'frame'; did you mean 'array'"),
    ],
)
def test_a_setup_is_checked_by_its_hints(given, problem):
    with pytest.raises(SetupError, match=problem):
        Setup(stationary(200), LogisticRegression(), **given)


def test_a_setup_takes_numbers_of_numpy():
    setup = Setup(stationary(200), LogisticRegression(), tick=np.int64(5), seed=np.int32(3))
    assert (type(setup.tick), type(setup.seed)) == (int, int)

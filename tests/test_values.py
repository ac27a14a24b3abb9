"""What is no number where one is asked for is refused by name, and before anything starts."""

import math

import pytest

from backtrain import Strategy
from backtrain.datasets import faults
from backtrain.strategies import (
    ABTest,
    Approval,
    BeatsChampion,
    Canary,
    CompleteCohorts,
    DataCheck,
    Every,
    Expanding,
    NoGroupWorse,
    PartialFit,
    Representative,
    Retune,
    Shadow,
    Sliding,
    WarmStart,
)

DAY = {"start": 0.3, "stop": 0.5}
NUMBERS = [
    (BeatsChampion, {}, ("holdout", "margin", "min_rows")),
    (NoGroupWorse, {}, ("holdout", "margin", "min_rows")),
    (Shadow, {"duration": "1D"}, ("margin", "min_labels")),
    (Canary, {}, ("steps", "each", "margin", "alpha", "min_labels")),
    (ABTest, {}, ("share", "alpha", "looks", "min_labels")),
    (Approval, {"delay": "1h", "business_hours": ("09:00", "17:00")}, ("business_hours",)),
    (DataCheck, {}, ("missing", "unseen", "outside", "widen", "min_rows", "min_classes")),
    (DataCheck, {}, ("max_reference",)),
    (CompleteCohorts, {"window": Expanding(), "freq": "1D"}, ("coverage",)),
    (Representative, {"size": 5}, ("size", "max_weight")),
    (Sliding, {}, ("length",)),
    (WarmStart, {}, ("rounds",)),
    (PartialFit, {}, ("epochs", "batch_rows", "replay", "seed")),
    (Strategy, {"trigger": Every("1D"), "window": Expanding()}, ("budget",)),
    (faults.UnitChange, {"column": "x0", "factor": 2, **DAY}, ("factor", "offset")),
    (faults.MissingSpike, DAY, ("share", "seed", "start", "stop")),
    (faults.DuplicatedRows, DAY, ("share", "seed")),
    (faults.ReorderedLabels, DAY, ("seed",)),
]
CASES = [(part, given, name) for part, given, names in NUMBERS for name in names]


@pytest.mark.parametrize("value", [math.nan, "a lot", [], -1.5, True], ids=repr)
@pytest.mark.parametrize(("part", "given", "name"), CASES)
def test_what_is_no_number_is_refused_by_name(part, given, name, value):
    if name == "offset" and value == -1.5:
        return  # a unit may begin below zero
    if name == "factor" and value == -1.5:
        return  # or count the other way
    with pytest.raises(ValueError, match=name) as refused:
        part(**{**given, name: value})
    assert part.__name__ in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_name_of_a_parameter_is_refused():
    with pytest.raises(ValueError, match=r"Retune\(grid\): 5 is no name"):
        Retune({5: [1]})


@pytest.mark.parametrize("value", [None, 5, "2024-01-01", math.nan], ids=repr)
def test_what_is_no_list_of_days_is_refused_by_name(value):
    with pytest.raises(ValueError, match=r"Approval\(holidays"):
        Approval("1h", ("09:00", "17:00"), holidays=value)
    with pytest.raises(ValueError, match=r"Strategy\(blackout"):
        Strategy(Every("1D"), Expanding(), blackout=value)

"""Where a metric moves and the loss cannot see it, the verdict says so."""

import runpy
from pathlib import Path

import pytest

from backtrain import Comparison
from backtrain.reports.unseen import unseen

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]


def run_with(name, loss, kind="zero_one", **metrics):
    """A run of 40 scored rows."""
    daily = [(day, "error", loss) for day in range(40)]
    run = plain_run(name, parts_of("Never"), daily, loss=kind, task="classification")
    run.totals.update(loss=40 * loss, metrics=metrics)
    return run


def pair(a, b):
    return {"a": run_with("a", **a), "b": run_with("b", **b)}


def test_it_is_said_with_both_numbers_and_the_key():
    runs = pair({"loss": 0.2, "ROC AUC": 0.65}, {"loss": 0.199, "ROC AUC": 0.71})
    said = unseen(runs)
    assert said.startswith("ROC AUC moves from 0.650 (a) to 0.710 (b), while the loss")
    assert "zero_one, hardly does (0.1990 to 0.2000 a row)" in said
    assert "set loss=log" in said
    assert said in Comparison(runs).verdict().remarks


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"loss": 0.2, "ROC AUC": 0.65}, {"loss": 0.15, "ROC AUC": 0.71}),  # the loss moves, too
        ({"loss": 0.2, "ROC AUC": 0.65}, {"loss": 0.199, "ROC AUC": 0.66}),  # nothing does
        ({"loss": 0.2, "accuracy": 0.65}, {"loss": 0.199, "accuracy": 0.75}),  # of the answers
        ({"loss": 0.2, "Brier": 0.15}, {"loss": 0.199, "Brier": 0.145}),
        (
            {"loss": 0.2, "kind": "log", "ROC AUC": 0.6},
            {"loss": 0.2, "kind": "log", "ROC AUC": 0.7},
        ),
        ({"loss": 0.0, "ROC AUC": 0.6}, {"loss": 0.0, "ROC AUC": 0.7}),
        ({"loss": 0.2, "ROC AUC": float("nan")}, {"loss": 0.2, "ROC AUC": float("nan")}),
    ],
)
def test_it_is_not_said_otherwise(a, b):
    assert unseen(pair(a, b)) == ""


def test_of_several_the_one_that_moves_most_is_named():
    a = {"loss": 0.2, "ROC AUC": 0.65, "Brier": 0.20}
    b = {"loss": 0.2, "ROC AUC": 0.70, "Brier": 0.10}
    assert unseen(pair(a, b)).startswith("Brier moves from 0.100 (b) to 0.200 (a)")

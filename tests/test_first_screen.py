"""What a newcomer reads first in a report: what amounts count, in words that are explained."""

import re
import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

from backtrain import Comparison
from backtrain.reports import glossary, guessed
from backtrain.reports.timeline import calendar

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = (fabricated[name] for name in ("parts_of", "plain_run"))
USUAL, OWN = {"retrain": 10.0, "error": 1.0}, {"retrain": 3.0, "error": 1.0}


def two(every: str = "7D", name: str = "weekly", **info) -> Comparison:
    days = [(day, "error", 1.0) for day in range(40)]
    dear = [(day, "error", 3.0) for day in range(40)]
    return Comparison({
        "static": plain_run("static", parts_of("Never"), dear, **info),
        name: plain_run(name, parts_of("Every", every=every), days, **info),
    })  # fmt: skip


def head(comparison: Comparison) -> str:
    """What stands above the first section."""
    return comparison.page().partition("<section>")[0]


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ({"loss": "zero_one"}, "amounts count wrong answers, a retrain as 10 of them."),
        ({"loss": "absolute"}, "amounts are sums of absolute errors, and a retrain counts as 10."),
        (
            {"loss": "absolute", "unit": "bikes"},
            "amounts are sums of absolute errors in bikes, and a retrain counts as 10.",
        ),
        (
            {"loss": "zero_one", "currency": "EUR"},
            "a wrong answer costs 1 EUR, a retrain 10 EUR.",
        ),
    ],
)
def test_prices_that_nobody_set_are_called_guesses_and_what_amounts_count(info, says):
    assert (
        guessed.sentence({"prices": USUAL, **info})
        == f"Prices are guesses until you set them: {says}"
    )
    assert guessed.sentence({"prices": OWN, **info}) == ""


def test_they_are_on_the_first_screen_and_how_costs_were_found_is_not():
    comparison = two(prices=USUAL, loss="zero_one")
    evidence = comparison.verdict().evidence
    assert "Prices are guesses" in head(comparison)
    assert "Prices are guesses" not in head(two(prices=OWN, loss="zero_one"))
    assert evidence
    assert evidence not in head(comparison)
    assert evidence in comparison.page().partition("What to keep in mind")[2]


def test_words_are_explained_in_few_and_only_those_that_may_stand_there():
    words = dict(glossary.words(two("MS", "monthly")))
    assert words["static"] == "never retrained after the start"
    assert words["MS"] == "the first of each month"
    assert "phases" not in words  # no loss matrix
    assert "7D" not in dict(glossary.words(two()))
    assert all(len(text.split()) <= 6 for text in words.values())
    assert re.search(r"<details><summary>Words on this page", head(two()))


@pytest.mark.parametrize(
    ("every", "name", "says"),
    [
        ("7D", "weekly", "Run weekly (every 7D, on the newest 90D):"),
        ("MS", "monthly", "Run monthly (the first of each month, on the newest 90D):"),
        ("30D", "every=30D", "Run every=30D (on the newest 90D):"),
        ("7D", "every_7d", "Run every_7d (on the newest 90D):"),
        ("7D", "every_70d", "Run every_70d (every 7D, on the newest 90D):"),
    ],
)
def test_an_interval_is_said_once_and_in_words(every, name, says):
    assert two(every, name).verdict().advice.startswith(says)


@pytest.mark.parametrize("days", [0.01, 0.05, 0.1, 1, 2.9, 30, 80, 700, 760, 800, 900, 1060, 4000])
@pytest.mark.parametrize("wide", [True, False])
def test_no_length_of_history_makes_the_dates_of_an_axis_warn(days, wide):
    class Paper(SimpleNamespace):
        def __getitem__(self, role: str) -> str:
            return "black"

    figure = Figure()
    axes = figure.subplots()
    axes.set_xlim(15_000.3, 15_000.3 + days)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calendar(axes, Paper(wide=wide, size=float))
        assert 2 <= len(axes.get_xticks()) <= 9

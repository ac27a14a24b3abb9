"""Money and losses have the units that the user gave, in texts, axes and tables."""

import runpy
from pathlib import Path

import pytest
from sklearn.linear_model import Ridge

from backtrain import Backtest, Comparison, SetupError
from backtrain.datasets.synthetic import abrupt
from backtrain.reports import html, page, tuning_figures
from backtrain.reports.comparison import ComparisonError
from backtrain.reports.plain import terminal_table
from backtrain.reports.svg import WIDE
from backtrain.reports.tables import ranked
from backtrain.reports.units import loss_unit
from backtrain.strategies import Every, Expanding, Never, Sliding, Strategy

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run, every = (fabricated[name] for name in ("parts_of", "plain_run", "every"))
PLANS = {
    "static": Strategy(Never(), Expanding()),
    **{f"{n}D": Strategy(Every(f"{n}D"), Sliding("30D")) for n in (7, 14)},
}


def backtest(**more):
    stream = abrupt(n=1_200, task="regression")
    return Backtest(stream, Ridge(), prices={"retrain": 5}, metrics=["MAE", "R2"], **more)


@pytest.fixture(scope="module")
def euros():
    return backtest(currency="EUR", unit="bikes").compare(PLANS)


@pytest.fixture(scope="module")
def bare():
    return backtest().compare(PLANS)


def labels(comparison):
    shown = [e.shows for e in html.exhibits(page.outline(comparison, "static"))]
    axes = [one for draw in shown if callable(draw) for one in draw(WIDE).figure.axes]
    return {text for one in axes for text in (one.get_xlabel(), one.get_ylabel())}


def test_sentences_say_the_currency(euros):
    verdict = euros.verdict()
    assert f"save {verdict.saves:,.2f} EUR against static" in verdict.sentence
    assert " EUR more" in verdict.sentence
    assert "EUR" in euros.page()


def test_axes_and_columns_have_units(euros):
    assert {"total cost (EUR)", "price of one retrain (EUR)", "mean loss a row (bikes)"} <= labels(
        euros
    )
    assert "rolling mean loss (bikes)" in labels(euros)
    columns = [column.label for column in ranked(euros, "static").columns]
    assert {"total (EUR)", "MAE (bikes)", "R2"} <= set(columns)
    assert "money in EUR, losses in bikes" in terminal_table(euros)


def test_without_units_none_are_shown_and_nothing_else_changes(euros, bare):
    assert not any("(" in label for label in labels(bare))
    assert "money in" not in terminal_table(bare)
    assert bare.verdict().sentence == euros.verdict().sentence.replace(" EUR", "")
    for name, run in bare.runs.items():
        assert run.info["id"] == euros.runs[name].info["id"]
        assert run.totals == euros.runs[name].totals


def test_a_tuning_has_them_too():
    tuning = backtest(currency="EUR", unit="bikes").tune(every=4, intervals=[4, 8, 16])
    assert " EUR against never" in tuning.sentence()
    made = tuning_figures.exhibits(tuning)
    axes = {name: made[name].shows(WIDE).figure.axes[0] for name in ("prices", "rows")}
    assert axes["prices"].get_xlabel() == "price of one retrain (EUR)"
    assert axes["rows"].get_ylabel() == "mean loss a row (bikes)"


def test_the_page_says_what_prices_are_in(euros, bare):
    assert "error 1.0, in EUR" in euros_of(euros)
    assert ", in " not in euros_of(bare)


def euros_of(comparison) -> str:
    """The line of the prices, as the page shows how it was set up."""
    return dict(page.setup(comparison))["prices"]


def test_they_come_back_from_the_disk(euros, tmp_path):
    for name, run in euros.runs.items():
        run.save(tmp_path / name)
    again = Comparison.load(*(tmp_path / name for name in euros.runs))
    assert again.verdict().sentence == euros.verdict().sentence


def test_amounts_in_two_currencies_are_not_compared(euros, bare):
    with pytest.raises(ComparisonError, match="the currency is '' and 'EUR'"):
        Comparison({"a": euros.runs["static"], "b": bare.runs["static"]})


@pytest.mark.parametrize(
    ("loss", "unit"), [("absolute", "m"), ("pinball 0.9", "m"), ("squared", "m²"), ("log", "")]
)
def test_the_unit_is_that_of_the_loss(loss, unit):
    assert loss_unit({"unit": "m", "loss": loss}) == unit


def test_a_unit_is_a_text():
    with pytest.raises(SetupError, match="currency=5: give a text, such as 'EUR'"):
        backtest(currency=5)

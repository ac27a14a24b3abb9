"""Prices of updates, prices by the hour, and what is said of prices."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import SGDRegressor

from backtrain import Backtest, Comparison, Delays, Prices, Strategy, Stream
from backtrain.cli.jobs import unset_prices
from backtrain.lossmatrix.decide import decide
from backtrain.reports.evidence import evidence
from backtrain.simulator.ledger import PriceError
from backtrain.strategies import Budget, Every, Expanding, PartialFit, Refit, WarmStart

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]
MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h):
    return MIDNIGHT + pd.Timedelta(hours=h)


def replayed(part, trigger=None, prices=None, /, **delays):
    """Four rows before the start, then nine hours; a training every third one."""
    event = np.array([hour(i).to_datetime64() for i in range(13)])
    rows = np.arange(13, dtype=float)
    backtest = Backtest(
        Stream(rows[:, None] / 13, rows, event),
        SGDRegressor(random_state=0),
        tick="1h",
        start=hour(4),
        prices=prices or Prices(retrain=10, error=0, update=3),
        delays=Delays(**delays),
    )
    return backtest.replay(Strategy(trigger or Every("3h"), Expanding(), part))


# --- updates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", [WarmStart(), PartialFit()])
def test_what_goes_on_from_the_model_in_force_has_a_price_of_its_own(update):
    run = replayed(update)
    assert run.totals["initial"] == 10  # the first model goes on from nothing
    assert (run.totals["retrains"], run.totals["train"]) == (2, 2 * 3)


def test_a_refit_has_the_price_of_a_retrain_and_so_has_an_update_without_its_own():
    assert replayed(Refit()).totals["train"] == 20
    assert replayed(WarmStart(), None, Prices(retrain=10, error=0)).totals["train"] == 20
    assert replayed(WarmStart(), None, Prices(retrain=10, error=0, update=0)).totals["train"] == 0


def test_an_update_that_starts_afresh_is_a_retrain():
    class Afresh(PartialFit):
        def starts_afresh(self, view, selection):
            return True

    assert replayed(Afresh()).totals["train"] == 20


def test_an_update_takes_its_own_time():
    def ready(part, /, **delays):
        versions = replayed(part, **delays).versions[1:]
        return [took / pd.Timedelta("1h") for took in versions["ready_at"] - versions["decided_at"]]

    assert ready(WarmStart(), train="2h", update="1h") == [1, 1]
    assert ready(WarmStart(), train="2h") == [2, 2]
    assert ready(Refit(), train="2h", update="1h") == [2, 2]


def test_a_budget_counts_updates_at_their_price():
    wanted = Budget(Every("3h"), money=6)
    assert replayed(WarmStart(), wanted).totals["retrains"] == 2
    assert replayed(Refit(), wanted).totals["retrains"] == 0


def test_the_price_of_a_retrain_does_not_change_what_is_paid_for_updates():
    warm = {**parts_of("Every", every="2D"), "update": {"type": "WarmStart"}}
    prices = {**fabricated["PRICES"], "update": 1.0}
    costs = {"static": (parts_of("Never"), 3.0), "warm": (warm, 2.0)}
    runs = {
        name: plain_run(
            name,
            parts,
            [(day, "error", level) for day in range(40)]
            + [(day, "train", 1.0) for day in range(2, 40, 2) if name == "warm"],
            prices=prices,
        )
        for name, (parts, level) in costs.items()
    }
    comparison = Comparison(runs)
    known = evidence(runs, comparison.costs, list(runs), "static", 0.01)
    assert {option.name: option.retrains for option in known.options} == {"static": 0, "warm": 0}
    assert decide(known).factors == (0, np.inf)
    assert "a retrain cost" not in comparison.verdict().sentence


# --- by the hour ----------------------------------------------------------------------------------


def test_hours_are_turned_into_money():
    prices = Prices.compute(hour=20, hours=6, per_1k_rows=0.25, error=0.1, update=7)
    assert prices == Prices(retrain=120, per_1k_rows=5, error=0.1, update=7)
    assert Prices.compute(hour=20, hours=6, retrain=30).retrain == 150
    assert Prices.compute(20, 6).training(4_000) == 120


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hour": -1}, r"Prices\.compute: hour=-1: give a number, not negative"),
        ({"hour": 1, "hours": "6h"}, r"hours='6h': give a number"),
        ({"hour": 1, "eror": 2}, r"eror=2: no such price; did you mean 'error'"),
        ({"hour": 1, "cpu_hour": 2}, r"cpu_hour=2: these hours are its price already"),
    ],
)
def test_mistaken_hours_are_refused(given, message):
    with pytest.raises(PriceError, match=message):
        Prices.compute(**given)


# --- what is said ---------------------------------------------------------------------------------


def test_prices_that_nobody_set_are_announced_with_their_keys():
    prices = Prices(retrain=20, error=0.05)
    said = "prices  retrain 20, error 0.05: of prices=bike, not yours; set "
    said += "prices.retrain= prices.error="
    assert unset_prices(prices, "bike", ["dataset=bike", "tick=1D"]) == said
    one = "prices  error 0.05: of prices=bike, not yours; set prices.error="
    assert unset_prices(prices, "bike", ["+prices.retrain=20"]) == one
    assert unset_prices(prices, "bike", ["prices.error=1", "prices.retrain=20"]) == ""
    assert unset_prices(prices, "mine", ["prices=mine"]) == ""
    assert "retrain 20 EUR, error 0.05 EUR: of" in unset_prices(prices, "bike", [], currency="EUR")


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        (Prices(), "A retrain at 1 and a unit of loss at 1 are what stands"),
        (Prices(retrain=10), "A retrain at 10 and a unit of loss at 1 are what stands"),
        (Prices(retrain=5), ""),
        (Prices(release=1), ""),
    ],
)
def test_the_page_says_that_prices_are_those_that_nobody_sets(prices, told):
    daily = [(day, "error", 1.0) for day in range(40)]
    run = plain_run("a", parts_of("Never"), daily, prices=dataclasses.asdict(prices))
    page = Comparison({"a": run}).page()
    assert ("what stands where nobody sets prices" in page) == bool(told)
    assert told in page


def test_prices_that_differ_are_remarked_on():
    daily = [(day, "error", 1.0) for day in range(40)]
    prices = fabricated["PRICES"]
    runs = {
        name: plain_run(name, parts_of("Never"), daily, prices={**prices, **own})
        for name, own in {"a": {}, "b": {"retrain": 9.0}, "c": {"update": None}}.items()
    }
    said = "Prices differ, and each strategy is charged by its own: retrain 5 (a and c), 9 (b)."
    assert said in Comparison(runs).verdict().remarks
    del runs["b"]
    assert not Comparison(runs).verdict().remarks
    runs["d"] = dataclasses.replace(
        runs["a"], info={**runs["a"].info, "prices": {**prices, "update": 1.0}}
    )
    (line,) = Comparison(runs).verdict().remarks
    assert line.endswith("update as a retrain (a and c), 1 (d).")

"""Prices that nobody may have set: what amounts count where these are in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtrain.reports.numbers import price
from backtrain.reports.units import currency, loss_unit


def usual(prices: Mapping[str, Any]) -> bool:
    """Whether these are the prices of `Prices` or of the command line where nobody sets any."""
    set_ones = {key: value for key, value in prices.items() if value}
    return set_ones in ({"retrain": 1.0, "error": 1.0}, {"retrain": 10.0, "error": 1.0})


def sentence(info: Mapping[str, Any]) -> str:
    """What amounts count at such prices, and that these are guesses; empty for other prices.

    >>> sentence({"prices": {"retrain": 10.0, "error": 1.0}, "loss": "zero_one"})
    'Prices are guesses until you set them: amounts count wrong answers, a retrain as 10 of them.'
    """
    prices, loss = info.get("prices") or {}, str(info.get("loss"))
    if not usual(prices) or loss == "cost matrix":
        return ""
    lead, retrain = "Prices are guesses until you set them", price(prices["retrain"])
    if called := currency(info):
        one = "a wrong answer" if loss == "zero_one" else "a unit of loss"
        return f"{lead}: {one} costs 1 {called}, a retrain {retrain} {called}."
    if loss == "zero_one":
        return f"{lead}: amounts count wrong answers, a retrain as {retrain} of them."
    unit = loss_unit(info)
    what = f"{loss.replace('_', '-')} errors{f' in {unit}' if unit else ''}"
    return f"{lead}: amounts are sums of {what}, and a retrain counts as {retrain}."

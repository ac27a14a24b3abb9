"""What money and losses are counted in, as a setup says it: "EUR", "bikes"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Losses that are in no unit of the target.
_WITHOUT = ("zero_one", "log", "cost matrix")


def currency(info: Mapping[str, Any]) -> str:
    """What money is called; empty where nobody said."""
    return str(info.get("currency") or "")


def loss_unit(info: Mapping[str, Any]) -> str:
    """What a loss of the target's is counted in: its unit, or that squared; empty for others."""
    unit, loss = str(info.get("unit") or ""), info.get("loss")
    if not unit or loss in _WITHOUT:
        return ""
    return f"{unit}\N{SUPERSCRIPT TWO}" if loss == "squared" else unit


def in_money(label: str, info: Mapping[str, Any]) -> str:
    """A label of an axis or a column that shows money.

    >>> in_money("total cost", {"currency": "EUR"}), in_money("total cost", {})
    ('total cost (EUR)', 'total cost')
    """
    return _with(label, currency(info))


def in_loss(label: str, info: Mapping[str, Any]) -> str:
    """A label of an axis or a column that shows losses.

    >>> in_loss("mean loss a row", {"unit": "bikes", "loss": "absolute"})
    'mean loss a row (bikes)'
    """
    return _with(label, loss_unit(info))


def money_axis(label: str, info: Mapping[str, Any]) -> str:
    """A label of an axis, which always has a unit: without a currency that of the prices.

    >>> money_axis("total cost", {"currency": "EUR"}), money_axis("total cost", {})
    ('total cost (EUR)', 'total cost, in units of the prices')
    """
    return in_money(label, info) if currency(info) else f"{label}, in units of the prices"


def loss_axis(label: str, info: Mapping[str, Any]) -> str:
    """Likewise of one that shows losses: without a unit of the target which loss it is.

    >>> loss_axis("mean loss a row", {"unit": "bikes", "loss": "absolute"})
    'mean loss a row (bikes)'
    >>> loss_axis("mean loss a row", {"loss": "zero_one"})
    'mean loss a row, zero-one'
    """
    unit, loss = loss_unit(info), str(info.get("loss") or "").replace("_", "-")
    return in_loss(label, info) if unit or not loss else f"{label}, {loss}"


def of_metric(name: str, info: Mapping[str, Any]) -> str:
    """A metric's name, with the unit of the target where it is in that."""
    return _with(name, str(info.get("unit") or "") if name in ("MAE", "RMSE") else "")


def _with(label: str, unit: str) -> str:
    return f"{label} ({unit})" if unit else label

"""What money and losses are counted in, as a setup says it: "EUR", "bikes"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Losses that are in no unit of the target.
_WITHOUT = ("zero_one", "log")


def currency(info: Mapping[str, Any]) -> str:
    """What money is called; empty where nobody said."""
    return str(info.get("currency") or "")


def loss_unit(info: Mapping[str, Any]) -> str:
    """What a loss is counted in: the target's unit, or that squared, or money; empty for others."""
    unit, loss = str(info.get("unit") or ""), str(info.get("loss"))
    if loss == "cost matrix":
        return currency(info) if info["prices"].get("error") == 1 else ""
    scaled = loss.startswith("scaled_")
    if not unit or scaled or loss in _WITHOUT or loss.endswith(" x amount"):
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


def measure_of_change(info: Mapping[str, Any]) -> str:
    """The column that says how stable answers are: decisions that flip, or numbers that move."""
    return "flipped" if info.get("task") == "classification" else "changed"


def of_metric(name: str, info: Mapping[str, Any]) -> str:
    """A metric's name, with the unit of the target where it is in that.

    >>> of_metric("MAE by group", {"unit": "bikes"}), of_metric("MASE 24", {"unit": "bikes"})
    ('MAE by group (bikes)', 'MASE 24')
    """
    plain = name.removesuffix(" by group")
    of_target = plain in ("MAE", "RMSE") or plain.startswith("pinball ")
    return _with(name, str(info.get("unit") or "") if of_target else "")


def described(metric: Any) -> str:
    """What a metric of a part is called, as a record has it: its name, a function, or a class.

    >>> described("MAE"), described("mine.bias"), described({"type": "MASE", "season": 24})
    ('MAE', 'bias', 'MASE 24')
    """
    if isinstance(metric, Mapping):
        inner = [described(value) for key, value in metric.items() if key not in ("type", "from")]
        return str(metric.get("name") or " ".join([str(metric.get("type")), *inner]))
    dotted = all(step.isidentifier() for step in str(metric).split("."))
    return str(metric).rpartition(".")[2] if dotted else str(metric)


def _with(label: str, unit: str) -> str:
    return f"{label} ({unit})" if unit else label

"""Where mistakes are charged by a cost matrix, but answers are not made by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backtrain.reports.numbers import Money, significant
from backtrain.reports.units import currency
from backtrain.simulator.record import Run


def loss_in_words(info: Mapping[str, Any]) -> str:
    """A loss with the costs of its mistakes, and what makes the answers that it charges.

    >>> loss_in_words({"loss": "cost matrix", "costs": {"a": {"b": 5}}, "threshold": {"b": 0.2}})
    'cost matrix (label a: answer b 5), answers by threshold b 0.2'
    """
    rows = {
        label: ", ".join(f"answer {answer} {cost}" for answer, cost in row.items())
        for label, row in (info.get("costs") or {}).items()
    }
    costs = "; ".join(f"label {label}: {row}" for label, row in rows.items())
    how = info.get("threshold")
    if isinstance(how, Mapping):
        how = ", ".join(f"{label} {least}" for label, least in how.items())
    by = "" if how is None else f", answers by threshold {how}"
    return f"{info.get('loss')}{f' ({costs})' if costs else ''}{by}"


def charged(runs: Mapping[str, Run]) -> str:
    """Says which answers are charged, and what deciding by the costs would have cost.

    Empty where that is done, where models give no probabilities, and without a cost matrix.
    """
    undecided = [name for name, run in runs.items() if "error_by_cost" in run.info]
    if not undecided:
        return ""
    name = min(undecided, key=lambda one: float(runs[one].totals["total"]))
    info, error = runs[name].info, float(runs[name].totals["error"])
    other = float(info["error_by_cost"])
    cheaper = "the cheaper answer depends on the row"
    for label, least in (info.get("implied_threshold") or {}).items():
        cheaper = f"{label!r} is the cheaper answer from a probability of {significant(least)} on"
    money = Money.fit((other, error), currency(info))
    then = "set threshold=cost to decide so" if other < error else (
        "these probabilities are off: calibrate them before you decide so (threshold=cost)"
    )  # fmt: skip
    return (
        "The answers that are charged are those of predict(), for most models the likelier class. "
        f"By the costs of mistakes {cheaper}: so decided, errors of {name} would have cost "
        f"{money(other)} in place of {money(error)}; {then}."
    )

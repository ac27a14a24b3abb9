"""What answers that need no model cost, as a comparison's records hold it, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from backtrain.reports.numbers import Money, significant
from backtrain.reports.units import currency, loss_unit
from backtrain.simulator.record import Run


def frame(runs: Mapping[str, Run]) -> pd.DataFrame:
    """Total, error, loss a row, metrics and rows that fell back, by name."""
    rows = {
        str(known["name"]): {
            "total": float(known["error"]),
            "error": float(known["error"]),
            "fallback": int(known["fallback"]),
            "loss": _mean(known["loss"], known["weight"]),
            **known["metrics"],
        }
        for known in _known(runs)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("strategy")


def unbeaten(runs: Mapping[str, Run]) -> str:
    """Says that no strategy's errors cost less than the best of them; empty where one's do."""
    known = _known(runs)
    if not known:
        return ""
    best = min(known, key=lambda one: float(one["loss"]))
    least = min(runs, key=lambda name: float(runs[name].totals["loss"]))
    totals = runs[least].totals
    if totals["loss"] < best["loss"]:
        return ""
    money = Money.fit([float(totals["error"]), float(best["error"])], currency(runs[least].info))
    unit = f" {loss_unit(runs[least].info)}".rstrip()
    means = [f"{significant(_mean(o['loss'], best['weight']))}{unit}" for o in (best, totals)]
    return (
        f"No model here beats the {best['name']}, which needs none: its errors cost "
        f"{money(best['error'])} ({means[0]} a row), those of {least}, the least of all "
        f"strategies, {money(float(totals['error']))} ({means[1]} a row)."
    )


def _known(runs: Mapping[str, Run]) -> list[dict[str, Any]]:
    """Those of the first record that holds them: all are of the same rows, loss and price."""
    return next(
        (list(run.info["baselines"]) for run in runs.values() if "baselines" in run.info),
        [],
    )


def _mean(loss: float, weight: float) -> float:
    return float(loss) / float(weight) if weight else float("nan")

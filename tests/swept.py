"""Results of jobs made up for the tests of sweeps: no replay, what a job leaves all the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backtrain.reports.sweep import Sweep
from backtrain.reports.sweep.result import Result

COUNTS = ("retrains", "deployed", "rejected", "failed", "fallback")
NOTHING = dict.fromkeys(("label", "check", "deploy", "predict", "initial"), 0.0)


def row_of(strategy: str, total: float, base: float, retrains: int = 0) -> dict[str, Any]:
    """A row of the table: all that a strategy cost was errors."""
    counts = dict.fromkeys(COUNTS, 0) | {"retrains": retrains, "deployed": retrains}
    none = dict.fromkeys(("low", "high", "to_winner_low", "to_winner_high"))
    money = {"total": total, "error": total, "train": 0.0, **NOTHING}
    numbers = {"loss": total / 100, "MAE": total / 100, "difference": total - base}
    return {"strategy": strategy, "kind": "strategy", **money, **counts, **numbers, **none}


def job(
    number: int, overrides: Mapping[str, Any], costs: Mapping[str, float], **changes: Any
) -> Result:
    """A job that is done; its baseline is the first strategy, its advice the cheapest.

    Its data set is what ``dataset`` overrides, its model and prices are always the same.
    """
    baseline = next(iter(costs))
    best = min(costs, key=lambda name: costs[name])
    data = str(overrides.get("dataset", "bike"))
    facts: dict[str, Any] = {
        "job": f"j{number}",
        "number": number,
        "overrides": dict(overrides),
        "config": {"dataset": {"_target_": data}},
        "baseline": baseline,
        "strategy": overrides.get("strategy") if baseline != overrides.get("strategy") else None,
        "stream": {"name": data, "fingerprint": f"f-{data}", "rows": 100, "target": "y"},
        "start": "2020-01-01T00:00:00",
        "end": "2021-01-01T00:00:00",
        "model": "Ridge()",
        "seed": overrides.get("seed", 0),
        "loss": "absolute",
        "prices": {"retrain": 10.0, "error": 1.0},
        "rows": [
            row_of(n, total, costs[baseline], 3 * i) for i, (n, total) in enumerate(costs.items())
        ],
        "verdict": {
            "decision": "keep" if best == baseline else "retrain",
            "strategy": best,
            "baseline": baseline,
            "saves": costs[baseline] - costs[best],
            "expected": dict(costs),
        },
        "wall_seconds": 1.5,
        "versions": {"backtrain": "0.2.0", "python": "3.11.7"},
    }
    return Result(**(facts | changes))


def failed(number: int, overrides: Mapping[str, Any], error: str = "ValueError: no") -> Result:
    return Result(number=number, status="failed", error=error, overrides=dict(overrides))


def saved(directory: Path, *results: Result) -> Path:
    """Results as a sweep's directory holds them."""
    for result in results:
        result.save(directory / str(result.number))
    return directory


def grid() -> list[Result]:
    """Two data sets, three seeds, two prices: monthly wins where a retrain is cheap."""
    jobs = []
    for data, scale in (("bike", 100.0), ("sea", 7.0)):
        for seed in range(3):
            for price, share in ((1, 0.5), (100, 1.25)):
                costs = {"static": scale, "monthly": scale * share * (1 + 0.01 * seed)}
                costs["weekly"] = scale * (share + 0.3)
                given = {"dataset": data, "seed": seed, "prices.retrain": price}
                jobs.append(job(len(jobs), given, costs, prices={"retrain": float(price)}))
    return jobs


def sweep(*results: Result, baseline: str | None = None) -> Sweep:
    return Sweep(results, baseline)

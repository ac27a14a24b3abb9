"""What a comparison knows about costs, as a decision takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from backtrain.lossmatrix.decide import Evidence, Option
from backtrain.reports.budget import months, running
from backtrain.reports.periods import Costs
from backtrain.reports.remarks import GOES_ON, part_type
from backtrain.simulator import statistics
from backtrain.simulator.record import Run

#: Charges that no loss matrix holds: they are those of the strategy's own path.
_BESIDE = ("label", "check", "flip", "predict")
#: Triggers that ask the clock alone.
FIXED = ("Never", "Every", "EveryRows")


def evidence(
    runs: Mapping[str, Run],
    costs: Costs,
    names: list[str],
    baseline: str,
    floor: float,
    budget: float | None = None,
) -> Evidence:
    """Options for those strategies: by loss matrices where there are any, else by their own paths.

    Where only some strategies have a matrix, the others are expected to cost as much more or less
    than the one of those that was nearest in cost as their own path was.
    """
    paths = {name: _path(name, runs[name], costs) for name in names}
    found = {name: option for name in names if (option := _by_matrix(name, runs[name]))}
    if found:  # a matrix of few models has few eras
        eras = min(len(option.eras) for option in found.values())
        paths = {name: _path(name, runs[name], costs, eras) for name in names}
    options = []
    for name, path in paths.items():
        if name in found:
            options.append(found[name])
        elif found:
            near = min(found, key=lambda other: abs(paths[other].cost - path.cost))
            moved = found[near].cost - paths[near].cost
            plain = path.plain and "no_hindsight" not in runs[name].info
            cost, errors = path.cost + moved, path.errors + moved
            options.append(replace(path, cost=cost, errors=errors, plain=plain))
        else:
            options.append(path)
    # Trainings are counted at one price: where some are dearer, all prices change in proportion.
    prices = {name: float(runs[name].info["prices"].get("retrain", 0.0)) for name in names}
    price = max(prices.values())
    options = [
        replace(one, retrains=one.retrains * (prices[one.name] / price if price else 0.0))
        for one in options
    ]
    limit = math.inf if budget is None else budget * months(runs[baseline])
    error = float(runs[baseline].info["prices"].get("error", 0.0))
    return Evidence(options, baseline, price, floor, budget=limit, error=error, stop=to_stop(runs))


def to_stop(runs: Mapping[str, Run]) -> str:
    """The strategy that is to stop: the first that never trains, if any.

    Another that never trains, on other rows, has no model yet where something else runs.
    """
    return next((name for name, run in runs.items() if part_type(run, "trigger") == "Never"), "")


def grounds(runs: Mapping[str, Run], names: list[str]) -> tuple[int, str]:
    """At every how many ticks a model was trained to know expected costs, and that in words.

    0 where they are those of one path of each strategy.
    """
    known = [runs[name].info.get("hindsight") or {} for name in names]
    facts = next((facts for facts in known if facts.get("expected")), None)
    if facts is None:
        told = (runs[name].info.get("no_hindsight") or "" for name in names)
        why = next((text for text in told if text.startswith("Loss matrices of")), "")
        one_path = "Expected costs are those of one path of each strategy"
        return 0, f"{one_path}. {why}." if why else f"{one_path}: no loss matrix covers them."
    every = int(facts["every"])
    if "thinned" in facts:
        return every, f"{facts['thinned']['says']}."
    models = f"{facts['candidates']:,} models a window, one at every"
    return every, f"Expected costs rest on {models} {'tick' if every == 1 else f'{every} ticks'}."


def _path(name: str, run: Run, costs: Costs, eras: int = 10) -> Option:
    """What one replay cost."""
    own = costs.values[:, costs.names.index(name)]
    return Option(
        name=name,
        cost=float(run.totals["total"]),
        retrains=_at_that_price(run),
        eras=statistics.era_costs(own[:, None], eras)[:, 0].tolist(),
        plain=part_type(run, "trigger") in FIXED,
        running=running(run),
        errors=float(run.totals["error"]),
    )


def _at_that_price(run: Run) -> float:
    """Trainings that cost the price of a retrain; those with a price of their own do not."""
    own = run.info["prices"].get("update") is not None and part_type(run, "update") in GOES_ON
    return 0.0 if own else float(run.totals["retrains"])


def _by_matrix(name: str, run: Run) -> Option | None:
    """What a loss matrix expects of it; None where there is none."""
    facts = (run.info.get("hindsight") or {}).get("expected")
    if facts is None:
        return None
    beside = sum(float(run.totals.get(kind, 0.0)) for kind in _BESIDE)
    return Option(
        name=name,
        cost=facts["cost"] + beside,
        retrains=float(run.totals["retrains"]),
        eras=[era + beside / len(facts["eras"]) for era in facts["eras"]],
        starts=facts["starts"],
        plain=bool(facts["starts"]),
        running=running(run),
        errors=facts["cost"] - float(run.totals["train"] + run.totals["deploy"]),
    )

"""What could have been had: each strategy against the clairvoyant, the best interval, and luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from backtrain.simulator.candidates import loss_matrix
from backtrain.simulator.fits import FitStore
from backtrain.simulator.lossmatrix import LossMatrix
from backtrain.simulator.protocols import Recording, needs_parent, path_dependent
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.strategies.gates import Immediate
from backtrain.strategies.strategy import Strategy

#: More candidates than this are thinned out: each must be trained and scored on all that follows.
MOST_CANDIDATES = 350


def with_hindsight(
    setup: Setup,
    strategies: Mapping[str, Strategy],
    runs: Mapping[str, Run],
    store: FitStore,
    n_jobs: int = 1,
) -> dict[str, Run]:
    """The runs, with ``info["hindsight"]`` where a matrix covers window, update and gate."""
    every = max(1, -(-len(setup.ticks) // MOST_CANDIDATES))
    matrices: dict[str, LossMatrix] = {}
    found: dict[str, Run] = {}
    for name, run in runs.items():
        strategy = strategies[name]
        tied = needs_parent(strategy.update) or path_dependent(strategy.window)
        # What was recorded comes from models that no matrix holds.
        tied = tied or isinstance(strategy.trigger, Recording)
        if tied or not isinstance(strategy.gate, Immediate):
            found[name] = run
            continue
        key = repr((strategy.window, strategy.update))
        if key not in matrices:
            matrices[key] = loss_matrix(
                setup, strategy.window, strategy.update, store, every, n_jobs
            )
        facts = judge(matrices[key], run, setup, every)
        found[name] = replace(run, info={**run.info, "hindsight": facts})
    return found


def judge(matrix: LossMatrix, run: Run, setup: Setup, every: int) -> dict[str, Any]:
    """Regret, the gap to the best fixed interval, and the share of placebos that do no better.

    The cost is that of errors, trainings and releases: what else a strategy is charged (labels,
    checks, predictions) does not enter a matrix, so both sides leave it out.
    """
    prices, totals = setup.prices, run.totals
    cost = float(totals["error"] + totals["train"] + totals["deploy"])
    oracle = matrix.oracle(prices)
    curve = matrix.interval_curve()
    mean, best = curve.cost(prices)[0], curve.best(prices)
    even, random = matrix.placebo(int(totals["retrains"])).percentile(cost, prices)
    return {
        "cost": cost,
        "oracle": oracle.cost,
        "oracle_retrains": oracle.retrains,
        "regret": cost - oracle.cost,
        "best_interval_ticks": int(curve.intervals[best]) * every,
        "best_interval": float(mean[best]),
        "gap": cost - float(mean[best]),
        "placebo_even": even,
        "placebo_random": random,
        "candidates": len(matrix),
        "every": every,
    }

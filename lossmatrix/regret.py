"""What could have been had: each strategy against the oracle, the best interval, and luck."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backtrain.lossmatrix.intervals import usual_thinning
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.outlook import Outlook, decided
from backtrain.lossmatrix.trial_models import PathError, loss_matrix
from backtrain.simulator.asking import instants_of, needs_parent
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.store.content import content
from backtrain.store.fits import FitStore
from backtrain.strategies.gates.holdout import Immediate
from backtrain.strategies.strategy import Strategy


def with_hindsight(
    setup: Setup,
    strategies: Mapping[str, Strategy],
    runs: Mapping[str, Run],
    store: FitStore,
    n_jobs: int = 1,
) -> dict[str, Run]:
    """The runs, with ``info["hindsight"]`` where a matrix covers window, update and gate.

    Else with ``info["no_hindsight"]``, a sentence that says why there is none.
    """
    every = usual_thinning(len(setup.ticks))
    matrices: dict[tuple[str, str], LossMatrix] = {}
    keys: dict[str, tuple[str, str]] = {}
    none: dict[str, str] = {}
    for name, strategy in strategies.items():
        key = content(strategy.window), content(strategy.update)
        why = _without_matrix(strategy)
        if why is None and key not in matrices:
            try:
                matrices[key] = loss_matrix(
                    setup, strategy.window, strategy.update, store, every, n_jobs
                )
            except PathError as error:
                why = str(error)
        if why is None:
            keys[name] = key
        else:
            none[name] = why
    # Sorted: the last digit of a mean over windows may not depend on the order of strategies.
    outlook = Outlook.of(setup, dict(sorted(matrices.items())), every)
    with_facts: dict[str, Run] = {}
    for name, run in runs.items():
        if name in none:
            info = {**run.info, "no_hindsight": none[name]}
        else:
            matrix = matrices[keys[name]]
            facts = judge(matrix, run, setup, every)
            saved = facts.pop("saved")
            facts["over_even"] = None if np.isnan(saved) else saved
            facts["expected"] = outlook.of_run(keys[name], strategies[name], run, saved)
            info = {**run.info, "hindsight": facts}
        with_facts[name] = replace(run, info=info)
    return with_facts


def _without_matrix(strategy: Strategy) -> str | None:
    """Why no matrix covers a strategy, as far as its parts say so."""
    if instants_of(strategy.trigger) is not None:
        return "its answers were recorded, and come from models that no matrix holds"
    if needs_parent(strategy.update):
        return "its update learns on from the model before"
    if type(strategy.gate) is not Immediate:  # what derives from it may do anything
        return "it has a gate"
    return None


def judge(matrix: LossMatrix, run: Run, setup: Setup, every: int) -> dict[str, Any]:
    """Regret, the gap to the best fixed interval, and the shares of luck that cost more.

    The cost is that of errors, trainings and releases: what else a strategy is charged (labels,
    checks, predictions) does not enter a matrix, so both sides leave it out. Luck is held against
    what the strategy's own trainings cost in the matrix: the same, but for what its monitor had
    fitted. Where trial models are thinned out, its trainings are moved to the next one, as luck
    has no others.
    """
    prices, totals = setup.prices, run.totals
    cost = float(totals["error"] + totals["train"] + totals["deploy"])
    oracle = matrix.oracle(prices)
    curve = matrix.interval_curve()
    mean, best = curve.cost(prices)[0], curve.best(prices)
    own = matrix.schedule(matrix.thinned(decided(run)))
    luck = matrix.placebo(int(own.retrains[0]), int(own.free[0]))
    own_cost, evenly = float(own.cost(prices)[0]), luck.even.cost(prices)
    even, random = luck.percentile(own_cost, prices)
    saved = float(evenly.mean()) - own_cost if own.retrains[0] and len(evenly) else float("nan")
    return {
        "cost": cost,
        "oracle": oracle.cost,
        "oracle_retrains": oracle.retrains,
        "regret": cost - oracle.cost,
        "best_interval_ticks": int(curve.intervals[best]) * every,
        "best_interval": float(mean[best]),
        "gap": cost - float(mean[best]),
        "placebo_even": None if np.isnan(even) else even,
        "placebo_random": random,
        "candidates": len(matrix),
        "every": every,
        "saved": saved,
    }

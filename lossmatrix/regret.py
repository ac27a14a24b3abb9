"""What could have been had: each strategy against the oracle, the best interval, and luck."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.trial_models import PathError, loss_matrix
from backtrain.simulator.asking import instants_of, needs_parent
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.store.content import content
from backtrain.store.fits import FitStore
from backtrain.strategies.gates.holdout import Immediate
from backtrain.strategies.strategy import Strategy

#: More trial models than this are thinned out: each must be trained and scored on all that follows.
MOST_MODELS = 350


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
    every = max(1, -(-len(setup.ticks) // MOST_MODELS))
    made: dict[tuple[str, str], LossMatrix | str] = {}
    with_facts: dict[str, Run] = {}
    for name, run in runs.items():
        strategy = strategies[name]
        matrix: LossMatrix | str | None = _without_matrix(strategy)
        if matrix is None:
            key = content(strategy.window), content(strategy.update)
            if key not in made:
                made[key] = _matrix(setup, strategy, store, every, n_jobs)
            matrix = made[key]
        if isinstance(matrix, str):
            with_facts[name] = replace(run, info={**run.info, "no_hindsight": matrix})
            continue
        facts = judge(matrix, run, setup, every)
        with_facts[name] = replace(run, info={**run.info, "hindsight": facts})
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


def _matrix(
    setup: Setup, strategy: Strategy, store: FitStore, every: int, n_jobs: int
) -> LossMatrix | str:
    """The loss matrix, or why there is none."""
    try:
        return loss_matrix(setup, strategy.window, strategy.update, store, every, n_jobs)
    except PathError as error:
        return str(error)


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
    own = matrix.schedule(matrix.thinned(_decided(run)))
    luck = matrix.placebo(int(own.retrains[0]), int(own.free[0]))
    even, random = luck.percentile(float(own.cost(prices)[0]), prices)
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
    }


def _decided(run: Run) -> NDArray[np.int64]:
    """When its trainings were decided, in nanoseconds, the first model left out."""
    later = run.versions[run.versions["version"] > 0]
    return later["decided_at"].to_numpy("datetime64[ns]").view(np.int64)

"""What could have been had: each strategy against the oracle, the best interval, and luck."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from backtrain.lossmatrix.bill import Bill
from backtrain.lossmatrix.curves import Floats
from backtrain.lossmatrix.earlier import Earlier
from backtrain.lossmatrix.intervals import usual_thinning
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.outlook import Key, Outlook, decided, is_fixed
from backtrain.lossmatrix.trial_models import Effort, PathError, effort, loss_matrix
from backtrain.simulator.asking import instants_of, needs_parent
from backtrain.simulator.ledger import Prices
from backtrain.simulator.progress import Shown, stage
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup
from backtrain.simulator.workers import WorkerError
from backtrain.store.content import content
from backtrain.store.fits import FitStore
from backtrain.strategies.gates.holdout import Immediate
from backtrain.strategies.strategy import Strategy

#: A share of a sum that is an error of rounding.
_ROUNDING = 1e-12


def with_hindsight(
    setup: Setup,
    strategies: Mapping[str, Strategy],
    runs: Mapping[str, Run],
    store: FitStore,
    n_jobs: int = 1,
    hindsight: bool | str = True,
    before: Bill | None = None,
    progress: Shown = False,
) -> dict[str, Run]:
    """The runs, with ``info["hindsight"]`` where a matrix covers window, update and gate.

    Else with ``info["no_hindsight"]``, a sentence that says why there is none.

    Parameters
    ----------
    hindsight : True, "auto" or a time
        What matrices may take, see `bill.seconds_of`.
    before : Bill, optional
        What an earlier result of the same question could afford, so that this is the same.
    progress : bool or "auto"
        Show how many trial models are done.
    """
    none = {name: why for name, s in strategies.items() if (why := _without_matrix(s))}
    keys = {name: _key(s) for name, s in strategies.items() if name not in none}
    trained = {keys[name]: strategies[name] for name in keys}
    made, refused, bill = _made(setup, trained, runs, store, n_jobs, hindsight, before, progress)
    none |= {name: refused[key] for name, key in keys.items() if key in refused}
    # Sorted: the last digit of a mean over windows may not depend on the order of strategies.
    matrices = dict(sorted(made.items()))
    outlook = Outlook.of(setup, matrices, bill.every, store)
    earlier = Earlier.of(setup, matrices, bill.every, store)
    with_facts: dict[str, Run] = {}
    for name, run in runs.items():
        if name in none:
            info = {**run.info, "no_hindsight": none[name]}
        else:
            key, strategy = keys[name], strategies[name]
            facts = judge(made[key], run, setup, bill.every) | bill.facts
            saved = facts.pop("saved")
            facts["over_even"] = None if np.isnan(saved) else saved
            if not is_fixed(strategy):
                facts |= without_each(made[key], run, setup.prices)
            facts["expected"] = outlook.of_run(key, strategy, run, saved)
            if earlier and facts["expected"] and is_fixed(strategy):
                facts["walk"] = earlier.of_run(key, run)
            info = {**run.info, "hindsight": facts}
        with_facts[name] = replace(run, info=info)
    return with_facts


def _key(strategy: Strategy) -> Key:
    return content(strategy.window), content(strategy.update)


def _made(
    setup: Setup,
    trained: Mapping[Key, Strategy],
    runs: Mapping[str, Run],
    store: FitStore,
    n_jobs: int,
    hindsight: bool | str,
    before: Bill | None,
    progress: Shown,
) -> tuple[dict[Key, LossMatrix], dict[Key, str], Bill]:
    """A matrix for each window and update; why there is none, where it is so; what was afforded."""
    made: dict[Key, LossMatrix] = {}
    refused: dict[Key, str] = {}
    efforts: dict[Key, Effort] = {}
    if hindsight is not True and before is None:
        for key, strategy in trained.items():
            try:
                parts = strategy.window, strategy.update
                efforts[key] = effort(setup, *parts, store, usual_thinning(len(setup.ticks)))
            except PathError as error:
                refused[key] = str(error)
    bill = before or Bill.of(setup, list(efforts.values()), runs, hindsight)
    if not bill.every:
        refused |= {key: str(bill) for key in trained if key not in refused}
    left = [key for key in trained if key not in refused]
    models = len(setup.ticks) // bill.every + 1 if left else 0
    with stage(progress if left else False, "models of hindsight", models * len(left)) as told:
        for number, key in enumerate(left, 1):
            parts = trained[key].window, trained[key].update
            try:
                made[key] = loss_matrix(setup, *parts, store, bill.every, n_jobs, told.more)
            except (PathError, WorkerError) as error:
                refused[key] = str(error)
                told.reached(number * models)
    return made, refused, bill


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
        "schedules_even": len(evenly),
        "schedules_random": len(luck.random.loss),
        "candidates": len(matrix),
        "every": every,
        "saved": saved,
    }


def without_each(matrix: LossMatrix, run: Run, prices: Prices) -> dict[str, int]:
    """How many trainings did not pay: without one of them, all else equal, nothing is dearer.

    The model before would have served on until the next training. Nothing is said of schedules
    that the matrix cannot make as they were, as its trial models are too few.

    Returns
    -------
    dict
        ``judged``, the trainings that were looked at, those of the run but for such as fall on one
        trial model; ``no_better``, of these, how many saved no errors; ``unpaid``, how many saved
        less than they cost, the former included.
    """
    ticks = matrix.thinned(decided(run))
    wanted = np.repeat(matrix.training_at(ticks), len(ticks) + 1, axis=0)
    wanted[np.arange(len(ticks)), ticks] = False
    found = matrix.schedules(wanted)
    if found.retrains[-1] != len(ticks):
        return {}

    def without(values: Floats) -> int:
        """Of how many the sum without them is not higher, but for rounding."""
        return int((values[:-1] - values[-1] <= _ROUNDING * abs(values[-1])).sum())

    no_better, unpaid = without(found.loss), without(found.cost(prices))
    return {"judged": len(ticks), "no_better": no_better, "unpaid": unpaid}

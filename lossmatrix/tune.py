"""What a tuning measures: a model at every tick, and fresh ones on more and on older rows."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from backtrain.lossmatrix.intervals import label, ladder, rounded, usual_thinning
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.trial_models import FreshLosses, fresh_losses, loss_matrix
from backtrain.lossmatrix.tuning import Ages, Fresh, PriceMap, Tuning
from backtrain.simulator.answers import AnyUpdate, PartError
from backtrain.simulator.asking import needs_parent
from backtrain.simulator.facts import describe
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.replay import check_strategy
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.texts import code
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.triggers.schedules import Never
from backtrain.strategies.updates.refit import takes_weights
from backtrain.strategies.windows.sliding import Decay, Expanding, Sliding

#: Points in time at which fresh models are trained on every window.
POINTS = 12
#: The smallest number of rows that is tried: the first of which there are sixteen times as many.
_FEWEST_ROWS = (50, 20, 10, 5, 2)
_SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
#: The price map reaches so many decades to both sides, with so many steps a decade.
_DECADES, _STEPS = 2, 2
_LIBRARIES = ("backtrain", "scikit-learn", "numpy", "pandas")


@dataclass(frozen=True)
class Question:
    """What is to be tuned; checked before anything is trained. Raises `PartError`, `SetupError`."""

    setup: Setup
    window: AnyWindow
    update: AnyUpdate
    every: int
    intervals: tuple[int, ...]

    @classmethod
    def of(
        cls,
        setup: Setup,
        window: AnyWindow,
        update: AnyUpdate,
        every: int | None,
        intervals: Sequence[int] | None,
    ) -> Question:
        """Fill in what is not given: how far ticks are thinned out, and the intervals."""
        check_strategy(setup, Strategy(Never(), window, update))
        if needs_parent(update):
            raise PartError(f"tune: {update!r} needs a parent, whose fits cannot be looked up; "
                            "use Refit()")  # fmt: skip
        ticks = len(setup.ticks)
        every = usual_thinning(ticks) if every is None else every
        if isinstance(every, bool) or not 1 <= every <= max(1, ticks // 2):
            raise SetupError(f"every={every!r}: at least 1, and two of the {ticks} ticks must stay")
        if ticks < 2:
            raise SetupError(f"tick={setup.tick!r}: there are {ticks} ticks, too few to compare")
        if intervals is None:
            chosen = ladder(setup.tick, every, ticks // every // 2)
            return cls(setup, window, update, every, chosen)
        for n in intervals:
            if isinstance(n, bool) or n < every or n % every or n > ticks:
                raise SetupError(
                    f"intervals={list(intervals)}: {n!r} is not a multiple of every={every} ticks "
                    f"up to {ticks}"
                )
        return cls(setup, window, update, every, tuple(sorted({n // every for n in intervals})))


def tune(question: Question, store: FitStore, n_jobs: int = 1, progress: bool = False) -> Tuning:
    """Measure, and put it together."""
    setup = question.setup
    sizes, old = _sizes(setup), _old(setup)
    windows = list(dict.fromkeys(window for _, _, window in (*sizes, *old)))
    candidates = len(setup.ticks) // question.every + 1
    with _bar(candidates + POINTS * len(windows), progress) as tell:
        matrix = loss_matrix(
            setup, question.window, question.update, store, question.every, n_jobs, tell
        )
        fresh = fresh_losses(setup, windows, question.update, store, POINTS, n_jobs, tell)
    if matrix.failed[0]:
        raise SetupError(
            f"the first model cannot be trained on what is known at start={setup.start_at}"
        )
    return _assembled(question, matrix, *(_fresh(part, windows, fresh) for part in (sizes, old)))


# --- windows to try -------------------------------------------------------------------------------

_Tried = tuple[str, str, AnyWindow]


def _sizes(setup: Setup) -> list[_Tried]:
    """The newest rows, twice as many each time, up to all."""
    known = int((setup.label_at[: setup.served.stop] <= setup.end_at.value).sum())
    fewest = next((rows for rows in _FEWEST_ROWS if 16 * rows <= known), 1)
    doubled = (fewest * 2**power for power in range(64))
    tried: list[_Tried] = []
    for rows in doubled:
        if rows >= known:
            break
        tried.append(("newest", f"{rows:,}", Sliding(rows)))
    return [*tried, ("all", "all", Expanding())]


def _old(setup: Setup) -> list[_Tried]:
    """Windows of time, half-lives where the model takes weights, and all."""
    history = setup.end_at - setup.stream.span[0]
    lengths = list(dict.fromkeys(rounded(history * share) for share in _SHARES))
    tried: list[_Tried] = [("newest", length, Sliding(length)) for length in lengths]
    if takes_weights(setup.model):
        tried += [("half-life", length, Decay(length)) for length in lengths]
    return [*tried, ("all", "all", Expanding())]


def _fresh(tried: list[_Tried], windows: list[AnyWindow], found: FreshLosses) -> Fresh:
    places = [windows.index(window) for _, _, window in tried]
    kinds, labels, _ = zip(*tried, strict=True)
    return Fresh(kinds, labels, found.loss[places], found.rows[places])


# --- putting it together --------------------------------------------------------------------------


def _assembled(question: Question, matrix: LossMatrix, sizes: Fresh, old: Fresh) -> Tuning:
    setup, prices = question.setup, question.setup.prices
    intervals = [*question.intervals, len(matrix)]  # the last one is never
    curve = matrix.interval_curve(intervals)
    _, low, high = curve.cost(prices)
    oracle = matrix.oracle(prices)
    grids = [_around(price) for price in (prices.retrain, prices.error)]
    loss, retrains = curve.mean(curve.schedules.loss), curve.mean(curve.schedules.run)
    costs = matrix.interval_costs(intervals, prices)
    known = prices.training(0, retrains, 0, plus=prices.error * loss)
    return Tuning(
        info=_info(question, matrix),
        intervals=np.asarray(intervals, dtype=np.int64),
        labels=(*(label(setup.tick, n * question.every) for n in question.intervals), "never"),
        costs=costs,
        phases=np.stack([low, high], axis=1),
        loss=loss,
        retrains=retrains,
        other=curve.cost(prices)[0] - known,
        oracle=oracle.cost,
        oracle_at=matrix.decided_at[oracle.ticks].view("datetime64[ns]"),
        candidates_at=matrix.decided_at.view("datetime64[ns]"),
        sizes=sizes,
        old=old,
        ages=_ages(matrix, setup.tick, question.every),
        prices=PriceMap(grids[0], grids[1], curve.cheapest(grids[0], grids[1], prices)),
    )


def _ages(matrix: LossMatrix, tick: str | int, every: int) -> Ages:
    """By age: one, two, three, ... periods, and further apart as models get older."""
    period = float(np.median(np.diff(matrix.decided_at)))
    oldest = float(matrix.borders[-1] - matrix.borders[0])
    steps = ladder(tick, every, int(oldest / period))
    inner = [n * period for n in steps if n * period < oldest]
    curve = matrix.staleness_curve([0.0, *inner, oldest])
    return Ages(curve.age, curve.excess, curve.beside, curve.rows)


def _around(price: float) -> Any:
    """Prices evenly spaced by ratio round the current one; round 1 where it is free."""
    steps = np.arange(-_DECADES * _STEPS, _DECADES * _STEPS + 1)
    return (price or 1.0) * 10.0 ** (steps / _STEPS)


def _info(question: Question, matrix: LossMatrix) -> dict[str, Any]:
    setup = question.setup
    stream = setup.stream
    waits = (setup.label_at - setup.event_at)[setup.served]
    waits = np.append(0, waits[setup.label_at[setup.served] < np.iinfo(np.int64).max])
    return {
        "stream": {
            "name": stream.name, "fingerprint": stream.fingerprint, "rows": len(stream),
            "target": stream.target,
            "first": stream.span[0].isoformat(), "last": stream.span[1].isoformat(),
        },
        "start": setup.start_at.isoformat(),
        "end": setup.end_at.isoformat(),
        "tick": describe(setup.tick),
        "ticks": len(setup.ticks),
        "every": question.every,
        "candidates": len(matrix),
        "failed": int(matrix.failed.sum()),
        "model": " ".join(code(setup.model).split()),
        "window": matrix.window,
        "update": matrix.update,
        "weights": takes_weights(setup.model),
        "prices": describe(setup.prices, named=False),
        "delays": describe(setup.delays, named=False),
        "loss": setup.row_loss.name,
        "costs": describe(getattr(setup.row_loss, "costs", None)),
        "threshold": describe(setup.threshold),
        "currency": setup.currency,
        "unit": setup.unit,
        "seed": setup.seed,
        "label_delay_seconds": {"p95": float(np.quantile(waits, 0.95)) / 1e9},
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }  # fmt: skip


@contextmanager
def _bar(total: int, shown: bool) -> Iterator[Callable[[int], None]]:
    layout = "{l_bar}{bar}| {n}/{total} models [{elapsed}<{remaining}]"
    with tqdm(total=total, disable=not shown, bar_format=layout, smoothing=0) as bar:

        def tell(done: int) -> None:
            bar.update(done)

        yield tell

"""What a tuning measures: a model at every tick, and fresh ones on more and on older rows."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from backtrain.lossmatrix.curves import Floats
from backtrain.lossmatrix.decide import FLOOR
from backtrain.lossmatrix.intervals import label, ladder, rounded, usual_thinning
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.outlook import Key, Outlook
from backtrain.lossmatrix.trial_models import FreshLosses, fresh_losses, loss_matrix
from backtrain.lossmatrix.tuning import Ages, Fresh, Tuning
from backtrain.simulator.answers import AnyUpdate, PartError
from backtrain.simulator.asking import needs_parent
from backtrain.simulator.facts import describe
from backtrain.simulator.first_start import too_early
from backtrain.simulator.ledger import Prices
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.progress import Shown, stage
from backtrain.simulator.replay import check_strategy
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.texts import code
from backtrain.store.content import content
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
#: What it is called to train once, on all rows, where the tuned window holds less.
NEVER_ON_ALL = "never (all rows)"
_LIBRARIES = ("backtrain", "scikit-learn", "numpy", "pandas")


@dataclass(frozen=True)
class Question:
    """What is to be tuned; checked before anything is trained. Raises `PartError`, `SetupError`."""

    setup: Setup
    window: AnyWindow
    update: AnyUpdate
    every: int
    intervals: tuple[int, ...]
    careful: float = FLOOR

    @classmethod
    def of(
        cls,
        setup: Setup,
        window: AnyWindow,
        update: AnyUpdate,
        every: int | None,
        intervals: Sequence[int] | None,
        careful: float = FLOOR,
    ) -> Question:
        """Fill in what is not given: how far ticks are thinned out, and the intervals."""
        if isinstance(careful, bool) or not 0 <= careful < 1:
            raise SetupError(f"careful={careful!r}: give a share from 0 to below 1, as 0.05")
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
            return cls(setup, window, update, every, chosen, careful)
        for n in intervals:
            if isinstance(n, bool) or n < every or n % every or n > ticks:
                raise SetupError(
                    f"intervals={list(intervals)}: {n!r} is not a multiple of every={every} ticks "
                    f"up to {ticks}"
                )
        chosen = tuple(sorted({n // every for n in intervals}))
        return cls(setup, window, update, every, chosen, careful)

    @property
    def windows(self) -> list[AnyWindow]:
        """Its own window, and all rows, where that is another one: never retrained on either."""
        return list({content(window): window for window in (self.window, Expanding())}.values())


def tune(question: Question, store: FitStore, n_jobs: int = 1, progress: Shown = False) -> Tuning:
    """Measure, and put it together."""
    setup, update, every = question.setup, question.update, question.every
    sizes, old = _sizes(setup), _old(setup)
    windows = list(dict.fromkeys((question.window, *(window for _, _, window in (*sizes, *old)))))
    models = len(question.windows) * (len(setup.ticks) // every + 1)
    matrices: dict[Key, LossMatrix] = {}
    with stage(progress, "models", models + POINTS * len(windows)) as told:
        for window in question.windows:
            matrix = loss_matrix(setup, window, update, store, every, n_jobs, told.more)
            if matrix.failed[0]:
                hint = too_early(setup, Strategy(Never(), window, update))
                raise SetupError(
                    f"the first model cannot be trained on what is known at start={setup.start_at}"
                    f"{hint}"
                )
            matrices[content(window), content(update)] = matrix
        fresh = fresh_losses(setup, windows, update, store, POINTS, n_jobs, told.more)
    return _assembled(question, matrices, *(_fresh(part, windows, fresh) for part in (sizes, old)))


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
    """What was found for some of the windows, beside the first of all, which is the tuned one."""
    places = [windows.index(window) for _, _, window in tried]
    kinds, labels, _ = zip(*tried, strict=True)
    return Fresh(
        kinds, labels, found.loss[places], found.rows[places], found.loss[0], found.rows[0]
    )


# --- putting it together --------------------------------------------------------------------------


def _assembled(
    question: Question, matrices: Mapping[Key, LossMatrix], sizes: Fresh, old: Fresh
) -> Tuning:
    setup, (matrix, *others) = question.setup, matrices.values()
    # Sorted as in a comparison, whose expected costs are to be the same to the last digit.
    outlook = Outlook.of(setup, dict(sorted(matrices.items())), question.every)
    never = len(matrix)
    keys = list(matrices)
    tried = [(keys[0], n) for n in (*question.intervals, never)] + [(k, never) for k in keys[1:]]
    calendar = setup.stream.calendar
    labels = [label(setup.tick, n * question.every, calendar) for n in question.intervals]
    labels += ["never", *(NEVER_ON_ALL for _ in others)]
    parts = [_costs(matrix, [*question.intervals, never], setup.prices)]
    parts += [_costs(other, [never], setup.prices) for other in others]
    costs, phases, loss, retrains = (np.concatenate(part) for part in zip(*parts, strict=True))
    oracle = matrix.oracle(setup.prices)
    return Tuning(
        info=_info(question, matrix),
        intervals=np.array([n for _, n in tried], dtype=np.int64),
        labels=tuple(labels),
        options=tuple(
            outlook.of_interval(key, name, n) for (key, n), name in zip(tried, labels, strict=True)
        ),
        costs=costs.T,
        phases=phases,
        loss=loss,
        retrains=retrains,
        oracle=oracle.cost,
        oracle_at=matrix.decided_at[oracle.ticks].view("datetime64[ns]"),
        candidates_at=matrix.decided_at.view("datetime64[ns]"),
        sizes=sizes,
        old=old,
        ages=_ages(matrix, setup.tick, question.every),
        scored=float(matrix.segment_rows.sum()),
        careful=question.careful,
    )


def _costs(
    matrix: LossMatrix, intervals: Sequence[int], prices: Prices
) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each interval: costs by period (I, T), cheapest and dearest phase, loss, retrains."""
    curve = matrix.interval_curve(intervals)
    _, low, high = curve.cost(prices)
    by_period = matrix.interval_costs(intervals, prices).T
    loss, trained = curve.mean(curve.schedules.loss), curve.mean(curve.schedules.run)
    return by_period, np.stack([low, high], axis=1), loss, trained


def _ages(matrix: LossMatrix, tick: str | int, every: int) -> Ages:
    """By age: one, two, three, ... periods, and further apart as models get older."""
    period = float(np.median(np.diff(matrix.decided_at)))
    oldest = float(matrix.borders[-1] - matrix.borders[0])
    steps = ladder(tick, every, int(oldest / period))
    inner = [n * period for n in steps if n * period < oldest]
    curve = matrix.staleness_curve([0.0, *inner, oldest])
    return Ages(curve.age, curve.excess, curve.beside, curve.rows)


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
            **({} if stream.timezone is None else {"timezone": stream.timezone}),
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
        "parts": {"window": describe(question.window), "update": describe(question.update)},
        "weights": takes_weights(setup.model),
        "prices": describe(setup.prices.charged()),
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

"""Which fits a strategy will ask for, as far as that is known before any is made."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backtrain.simulator.asking import instants_of, needs_parent
from backtrain.simulator.replay import replay
from backtrain.simulator.setup import Setup
from backtrain.store.code_version import kinds_in
from backtrain.store.fits import Answers, FitStore, StoredFit
from backtrain.strategies.gates.holdout import Immediate
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.triggers import combinations, limits, schedules
from backtrain.strategies.triggers.schedules import Never
from backtrain.strategies.updates.refit import Refit
from backtrain.strategies.windows.samples import Dynamic

#: Files of triggers that follow the clock, rows, or trainings: never what a model has answered.
_CLOCKS = {module.__name__ for module in (schedules, combinations, limits)}


@dataclass(frozen=True)
class Rehearsed:
    """The fits that a strategy will ask for.

    Attributes
    ----------
    names : frozenset of str
        Those that are sure to be asked for.
    most : int
        How many there may be in all; as many as there are names where it follows a schedule.
    covered : bool
        Whether a loss matrix may cover it.
    """

    names: frozenset[str]
    most: int
    covered: bool

    @classmethod
    def of(cls, setup: Setup, strategy: Strategy) -> "Rehearsed":
        """By a replay in which every fit is noted down and none is made.

        That is exact where a schedule trains anew on a window that tries no others, and nothing is
        turned down. Else it is what holds in any case: the first model, and one more at each tick,
        where windows are tried one more for each of them. A window that looks at what a model
        answers ends the rehearsal: there is none.
        """
        if instants_of(strategy.trigger) is not None:  # its answers were recorded
            return cls(frozenset(), 0, False)
        exact = _follows_a_schedule(setup, strategy)
        asked = _Noted(setup)
        if exact:
            replay(setup, strategy, asked)
        else:
            with suppress(Exception):
                replay(setup, replace(strategy, trigger=Never()), asked)
        names = frozenset(asked.names)
        covered = type(strategy.gate) is Immediate and not needs_parent(strategy.update)
        window = strategy.window
        each = 1 + len(window.candidates) if isinstance(window, Dynamic) else 1
        more = 0 if exact else each * (1 + len(setup.ticks)) - 1
        return cls(names, len(names) + more, covered)


def _follows_a_schedule(setup: Setup, strategy: Strategy) -> bool:
    plain = type(strategy.update) is Refit and type(strategy.gate) is Immediate
    if not plain or isinstance(strategy.window, Dynamic) or setup.prices.cpu_hour:
        return False
    try:
        kinds = kinds_in(strategy.trigger) | kinds_in(strategy.window)
    except Exception:
        return False
    parts = {kind.__module__ for kind in kinds_in(strategy.trigger)}
    own = {name for name in parts if "." in name and not name.startswith("backtrain.simulator")}
    known = all(str(kind.__module__).partition(".")[0] in _KNOWN for kind in kinds)
    return known and own <= _CLOCKS


_KNOWN = {"backtrain", "builtins", "numpy", "pandas", "datetime"}


class _Noted(FitStore):
    """Notes down what it is asked for, and makes nothing."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.names: dict[str, bool] = {}
        self._setup = setup

    def fit(
        self, name: str, make: Callable[[], StoredFit], lasting: bool = False
    ) -> tuple[StoredFit, bool]:
        known = name in self.names
        self.names[name] = lasting
        self.computed += not known
        return StoredFit(name, None, 0.0, 0), known

    def answers(
        self, key: tuple[str, int, int], make: Callable[[], Answers], lasting: bool = False
    ) -> Answers:
        rows, setup = key[2] - key[1], self._setup
        if setup.classes is None:
            levels = setup.quantiles
            none = None if levels is None else np.zeros((rows, len(levels)))
            return Answers(np.zeros(rows), None, None, None, none)
        codes, k = np.zeros(rows, dtype=np.int64), len(setup.classes)
        if not setup.gives_probabilities:
            return Answers(codes, None, None, None)
        if k == 2:
            return Answers(codes, np.full(rows, 0.5), None, None)
        return Answers(codes, None, np.full((rows, k), 1 / k), None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Noted, (self._setup,)

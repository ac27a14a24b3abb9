"""What jobs will take: their distinct fits, as far as these are known, and an estimate of time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import joblib
import pandas as pd

from backtrain.config.study import Study
from backtrain.lossmatrix.bill import FLOOR, Bill, seconds_of
from backtrain.lossmatrix.intervals import usual_thinning
from backtrain.lossmatrix.trial_models import Effort, PathError, effort
from backtrain.rehearsal import Rehearsed
from backtrain.reports.numbers import duration, number
from backtrain.store.content import content
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.windows.sliding import Expanding

#: What fits of equal effort have in common: data, model, window, update.
Key = tuple[str, ...]


@dataclass
class Plan:
    """What the jobs that are to be done will take.

    Attributes
    ----------
    done, to_do : int
        Jobs that were finished before, and others.
    fits : dict of str to Key
        The distinct fits that are known beforehand, by name.
    kept : int
        Those of them that the store has.
    more : dict of Key to int
        How many there may be beside these: alarms and reviews decide by what was answered.
    models : dict
        Trial models of loss matrices, by key and span.
    asked : Counter of Key
        Strategies, each of which has every row answered.
    efforts : dict of Key to Effort
        What one fit and one look at all rows took.
    """

    done: int = 0
    to_do: int = 0
    fits: dict[str, Key] = field(default_factory=dict)
    kept: int = 0
    more: dict[Key, int] = field(default_factory=dict)
    models: dict[tuple[Key, str], int] = field(default_factory=dict)
    asked: Counter[Key] = field(default_factory=Counter)
    efforts: dict[Key, Effort] = field(default_factory=dict)
    processes: int = 1
    _seconds: float = 0.0

    def add(self, study: Study) -> None:
        """A job that is to be done."""
        self.to_do += 1
        self.processes = max(self.processes, joblib.effective_n_jobs(study.n_jobs))
        setup, covered = study.backtest, {}
        replays = 0.0
        for strategy in study.strategies.values():
            rehearsed, key = Rehearsed.of(setup, strategy), _key(study, strategy)
            took = self._effort(study, strategy, key)
            new = rehearsed.names - self.fits.keys()
            self.fits |= dict.fromkeys(new, key)
            missing = [name for name in new if not setup.store.holds(name)]
            self.kept += len(new) - len(missing)
            self._seconds += len(missing) * took.train + took.ask
            replays += len(rehearsed.names) * took.train + took.ask
            unsure = rehearsed.most - len(rehearsed.names)
            self.more[key] = max(self.more.get(key, 0), unsure)
            if rehearsed.covered:
                covered[key] = took
        self._add_models(study, covered, replays)

    def _add_models(self, study: Study, covered: Mapping[Key, Effort], replays: float) -> None:
        """Trial models, as many as `Bill` affords where replays take this many seconds."""
        if not covered or seconds_of(study.hindsight) == 0:
            return
        setup, budget = study.backtest, study.hindsight
        if seconds_of(budget) is None:
            budget = f"{max(FLOOR, replays)}s"
        bill = Bill.of(setup, [*covered.values()], {}, budget)
        each = bill.kept // len(covered)
        span = f"{setup.start_at} {setup.end_at} {setup.tick}"
        for key, took in covered.items():
            before = self.models.get((key, span), 0)
            self.models[key, span] = max(before, each)
            self._seconds += max(0, each - before) * took.model

    def _effort(self, study: Study, strategy: Strategy, key: Key) -> Effort:
        """What a fit takes, by the first one and the last; measured once, and kept nowhere."""
        if key not in self.efforts:
            setup, every = study.backtest, usual_thinning(len(study.backtest.ticks))
            try:
                took = effort(setup, strategy.window, strategy.update, FitStore(), every)
            except PathError:
                took = effort(setup, Expanding(), strategy.update, FitStore(), every)
            self.efforts[key] = took
        return self.efforts[key]

    def __str__(self) -> str:
        more, models = sum(self.more.values()), sum(self.models.values())
        longest = self._seconds + sum(n * self.efforts[key].train for key, n in self.more.items())
        fits = f"{number(len(self.fits))} distinct, {number(self.kept)} of them kept"
        time = f"about {_time(self._seconds)} of CPU time"
        if more:
            fits += f"; alarms, reviews and searches may ask for up to {number(more)} more"
            time += f", up to {_time(longest)} with what these may ask for"
        if self.processes > 1:
            time += f"; at best 1/{self.processes} of it on {self.processes} processes"
        lines = [f"jobs    {self.done} done, {self.to_do} to do", f"fits    {fits}"]
        if models:
            lines += [f"models  up to {number(models)} trial models, for loss matrices"]
        return "\n".join([*lines, f"time    {time}"])


def _key(study: Study, strategy: Strategy) -> Key:
    setup = study.backtest
    held = (setup.model, strategy.window, strategy.update)
    return (setup.stream.fingerprint, *map(content, held))


def _time(seconds: float) -> str:
    return duration(pd.Timedelta(seconds=max(1, round(seconds))))

"""A search: chosen on the first part of the history, judged on the next, and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from backtrain.search.proposals import SAMPLERS, Proposals, front, optuna
from backtrain.search.result import Fold, Search
from backtrain.search.space import Space
from backtrain.search.trials import CHANGES, OBJECTIVES, Failed, Stretch, Values
from backtrain.simulator.facts import asked
from backtrain.simulator.progress import Shown, Stage, stage
from backtrain.simulator.replay import check_strategy
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.stability import measures
from backtrain.simulator.texts import code
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Instant, Strategy
from backtrain.strategies.triggers.schedules import Never
from backtrain.strategies.windows.sliding import Expanding

#: Of one objective, so many of the best are judged on later rows beside the chosen one.
BEST = 10
#: Known labels that a choice rests on, at least.
_FEWEST = 30
_INSTANT = pd.Timedelta(1, "ns")

Maker = Callable[[dict[str, Any]], Strategy]


@dataclass(frozen=True)
class Question:
    """What is searched; checked before anything is trained. Raises `SetupError`, `SpaceError`.

    ``make`` makes a strategy of the values of all keys; ``borders`` are the instants at which one
    is chosen, and the end; one of ``against`` is the baseline.
    """

    setup: Setup
    make: Maker
    space: Space
    objectives: tuple[str, ...]
    trials: int
    borders: tuple[pd.Timestamp, ...]
    sampler: str
    against: Mapping[str, Strategy]
    baseline: str

    @classmethod
    def of(
        cls,
        setup: Setup,
        make: Maker,
        space: Space | Mapping[str, Any],
        objective: str | Sequence[str] = "total",
        trials: int = 100,
        until: Instant | float = 0.5,
        folds: int = 1,
        sampler: str = "auto",
        against: Mapping[str, Strategy] | None = None,
        baseline: str | None = None,
    ) -> Question:
        """Read what was given."""
        optuna()
        objectives = (objective,) if isinstance(objective, str) else tuple(objective)
        for one in objectives:
            if one not in OBJECTIVES:
                raise SetupError(f"objective={one!r}: give {', '.join(OBJECTIVES)}")
            if one in CHANGES and one.removesuffix("_total") not in measures(setup):
                other = next(key for key in CHANGES if key != one)
                raise SetupError(
                    f"objective={one!r}: not known of {type(setup.model).__name__}, whose answers "
                    f"have no such change; give {other}"
                )
        if not objectives or len(set(objectives)) < len(objectives):
            raise SetupError(f"objective={list(objectives)!r}: give one or several, all distinct")
        _whole("trials", trials, 1)
        _whole("folds", folds, 1)
        if sampler not in SAMPLERS:
            raise SetupError(f"sampler={sampler!r}: give {', '.join(SAMPLERS)}")
        others = dict(against or {"static": Strategy(Never(), Expanding())})
        kept = next(iter(others)) if baseline is None else baseline
        if kept not in others:
            raise SetupError(f"baseline={kept!r}: not among {', '.join(others)}")
        for strategy in others.values():
            check_strategy(setup, strategy)
        space = space if isinstance(space, Space) else Space.of(space)
        borders = _borders(setup, until, folds)
        before = (setup.event_at >= setup.start_at.value) & (setup.event_at < borders[0].value)
        known = int((before & (setup.label_at <= borders[0].value)).sum())
        if known < _FEWEST:
            raise SetupError(
                f"until={until!r}: {known or 'no'} label{'' if known == 1 else 's'} of the rows "
                f"before {borders[0]} known by then, too few to choose by ({_FEWEST} at least); "
                "give a later one"
            )
        return cls(setup, make, space, objectives, trials, borders, sampler, others, kept)


def search(question: Question, store: FitStore, n_jobs: int = 1, progress: Shown = False) -> Search:
    """Choose on the rows before each border, and judge on those after it."""
    walk = _Walk(question, store, n_jobs, progress)
    walked = [walk.fold(until, end) for until, end in pairwise(question.borders)]
    folds = tuple(fold for fold, *_ in walked)
    _, proposals, strategies, params = walked[-1]
    chosen = [strategies[fold.chosen] for fold, _, strategies, _ in walked]
    until, calendar = folds[-1].until, question.setup.stream.calendar
    return Search(
        info=_info(question, proposals),
        space={key: str(axis) for key, axis in question.space.axes.items()},
        folds=folds,
        paid=_paid(question, store, folds, chosen),
        over=_over(question, store, n_jobs),
        importances=proposals.importances(),
        baseline=question.baseline,
        strategy=replace(strategies[folds[-1].chosen], tuned_until=calendar.iso(until)),
        params=params[folds[-1].chosen],
    )


@dataclass
class _Walk:
    """One step: a choice, and what came of it."""

    question: Question
    store: FitStore
    n_jobs: int
    progress: Shown

    def fold(
        self, until: pd.Timestamp, end: pd.Timestamp
    ) -> tuple[Fold, Proposals, dict[str, Strategy], dict[str, dict[str, Any]]]:
        """Choose on the rows before ``until``; judge on those up to ``end``."""
        asked, others = self.question, self.question.against
        setup = asked.setup
        seen = Stretch(setup, self.store, setup.start_at, until - _INSTANT, known=until)
        proposals = Proposals(
            asked.space, asked.objectives, asked.trials, asked.sampler, setup.seed
        )
        strategies: dict[str, Strategy] = {}
        with stage(self.progress, "trials", proposals.trials) as told:

            def judge(batch: list[dict[str, Any]]) -> list[Values | Failed]:
                return self._judge(seen, batch, strategies, told)

            def reached(count: int) -> None:
                """Proposals that were tried before are done with their batch."""
                if count > round(told.done):
                    told.more(count - round(told.done))

            found = proposals.run(judge, reached)
        params = {asked.space.name(values): values for values, _ in found}
        trials = self._trials(found)
        against = _frame(others, seen.values(list(others.values()), self.n_jobs))
        if why := against["why"][asked.baseline]:
            raise SetupError(f"search: the baseline {asked.baseline!r} failed: {why}")
        shown = trials.index[trials["shown"]]
        judged = {name: strategies[name] for name in shown} | dict(others)
        last = end if end == asked.borders[-1] else end - _INSTANT
        unseen = Stretch(setup, self.store, until, last)
        with stage(self.progress, "strategies on later rows", len(judged)) as told:
            after = _frame(judged, unseen.values(list(judged.values()), self.n_jobs, told))
        fold = Fold(setup.start_at, until, end, trials.drop(columns="shown"), against, after)
        return fold, proposals, strategies, params

    def _judge(
        self,
        seen: Stretch,
        batch: list[dict[str, Any]],
        strategies: dict[str, Strategy],
        told: Stage,
    ) -> list[Values | Failed]:
        """What each costs; ``strategies`` takes in those that can be made."""
        made: list[Strategy | Failed] = []
        for values in batch:
            try:
                strategy = self.question.make(values)
                check_strategy(seen.setup, strategy)
            except ValueError as error:
                made.append(Failed(" ".join(str(error).split())))
            else:
                strategies[self.question.space.name(values)] = strategy
                made.append(strategy)
        good = [one for one in made if not isinstance(one, Failed)]
        came = iter(seen.values(good, self.n_jobs, told))
        return [one if isinstance(one, Failed) else next(came) for one in made]

    def _trials(self, found: list[tuple[dict[str, Any], Values | Failed]]) -> pd.DataFrame:
        """All trials: values of their keys, costs, which are the front, shown, and chosen."""
        asked = self.question
        names = [asked.space.name(values) for values, _ in found]
        costs = _frame(names, [came for _, came in found])
        good = costs["why"] == ""
        if not good.any():
            raise SetupError(f"search: every trial failed, the first: {costs['why'].iloc[0]}")
        goals = costs.loc[good, list(asked.objectives)]
        on_front = pd.Series(front(goals.to_numpy().tolist()), index=goals.index)
        costs["front"] = on_front.reindex(costs.index, fill_value=False)
        best = costs[costs["front"]]["total"].idxmin()
        costs["chosen"] = costs.index == best
        costs["shown"] = costs["front"]
        if len(asked.objectives) == 1:
            least = goals[asked.objectives[0]].nsmallest(BEST)
            costs["shown"] = costs.index.isin(least.index) | costs["chosen"]
            costs["front"] = costs["chosen"]  # of equals the first
        keys = {key: [values[key] for values, _ in found] for key in asked.space.axes}
        return pd.concat([pd.DataFrame(keys, index=costs.index), costs], axis=1)


def _frame(names: Iterable[str], found: Sequence[Values | Failed]) -> pd.DataFrame:
    """A row a strategy: its costs, and why it has none."""
    rows = [{"why": one.why} if isinstance(one, Failed) else {**one, "why": ""} for one in found]
    return pd.DataFrame(rows, index=pd.Index(list(names), name="strategy"))


def _paid(
    question: Question, store: FitStore, folds: Sequence[Fold], chosen: Sequence[Strategy]
) -> pd.DataFrame:
    """What following the search would have paid, a row a stretch of one strategy."""
    rows: list[dict[str, Any]] = []
    place = 0
    while place < len(folds):
        name, after = folds[place].chosen, place + 1
        while after < len(folds) and folds[after].chosen == name:
            after += 1  # what is chosen again goes on
        first, end = folds[place].until, folds[after - 1].end
        last = end if after == len(folds) else end - _INSTANT
        (came,) = Stretch(question.setup, store, first, last).values([chosen[place]])
        if isinstance(came, Failed):
            raise SetupError(f"search: {name!r}, chosen at {first}: {came.why}")
        switched = came["initial"] if place else 0.0
        costs = {**came, "total": came["total"] + switched}
        rows.append({"strategy": name, "first": first, "last": last, **costs})
        place = after
    return pd.DataFrame(rows)


def _over(question: Question, store: FitStore, n_jobs: int) -> pd.DataFrame:
    """What the others paid from the first choice to the end."""
    stretch = Stretch(question.setup, store, question.borders[0], question.borders[-1])
    others = question.against
    return _frame(others, stretch.values(list(others.values()), n_jobs))


def _borders(setup: Setup, until: Instant | float, folds: int) -> tuple[pd.Timestamp, ...]:
    """Where choices are made, and the end; shares are moved to the next tick."""
    start, end = setup.start_at, min(setup.end_at, setup.stream.span[1])
    if isinstance(until, (int, float)) and not isinstance(until, bool):
        if not 0 < until < 1:
            raise SetupError(f"until={until!r}: a share of the served span lies between 0 and 1")
        first = _tick(setup, start + (end - start) * until)
    else:
        first = setup.stream.calendar.instant(until, "until")
    if not start < first < end:
        raise SetupError(f"until={until!r}: must lie in the served span, {start} to {end}")
    inner = [_tick(setup, first + (end - first) * k / folds) for k in range(1, folds)]
    borders = (first, *inner, end)
    rows = np.searchsorted(setup.event_at, [setup.start_at.value, *(b.value for b in borders)])
    if (np.diff(rows) <= 0).any() or len(set(borders)) < len(borders):
        raise SetupError(f"folds={folds}: too many for the {len(setup.ticks)} ticks; give fewer")
    return borders


def _tick(setup: Setup, when: pd.Timestamp) -> pd.Timestamp:
    """The first tick from then on, so that trainings before and after it fall on the same ones."""
    place = int(np.searchsorted(setup.ticks, when.value))
    return pd.Timestamp(int(setup.ticks[place])) if place < len(setup.ticks) else when


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SetupError(f"{name}={value!r}: give a whole number from {least} on")


def _info(question: Question, proposals: Proposals) -> dict[str, Any]:
    setup = question.setup
    facts = asked(setup, next(iter(question.against.values())))
    own = ("strategy", "parts", "tuned_until", "code", "greater_is_better")
    return {key: value for key, value in facts.items() if key not in own} | {
        "end": min(setup.end_at, setup.stream.span[1]).isoformat(),
        "currency": setup.currency,
        "unit": setup.unit,
        "objectives": list(question.objectives),
        "sampler": proposals.sampler,
        "trials": proposals.trials,
        "combinations": question.space.size,
        "model": " ".join(code(setup.model).split()),
    }

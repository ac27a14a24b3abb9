"""Which strategies are tried: all of a small space, else what Optuna proposes, in batches."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from backtrain.search.space import Choices, Space
from backtrain.search.trials import Failed, Values
from backtrain.simulator.setup import SetupError

SAMPLERS = ("auto", "grid", "tpe", "nsga2", "random")
#: Trials that are proposed before any of them is judged: the same for any number of processes, so
#: that the proposals are the same, too.
BATCH = 8

Found = list[tuple[dict[str, Any], Values | Failed]]


def optuna() -> Any:
    """The library; raises `SetupError` with what to install."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise SetupError(
            "search: Optuna is not installed; pip install 'backtrain[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class Proposals:
    """A study of Optuna over a space.

    Parameters
    ----------
    objectives : sequence of str
        What is made small.
    trials : int
        At most so many; a space with no more combinations is tried as a whole.
    sampler : {"auto", "grid", "tpe", "nsga2", "random"}
        "auto" is "grid" where the whole space can be tried, else "tpe".
    seed : int
        Equal seeds make equal proposals.
    """

    def __init__(
        self, space: Space, objectives: Sequence[str], trials: int, sampler: str, seed: int
    ) -> None:
        library = optuna()
        self.space, self.objectives = space, tuple(objectives)
        size = space.size
        whole = size is not None and size <= trials
        if sampler == "grid" and not whole:
            many = "any number of" if size is None else f"{size:,}"
            raise SetupError(
                f"sampler='grid': there are {many} combinations and trials={trials}; give ranges "
                "a step, or more trials"
            )
        self.sampler = ("grid" if whole else "tpe") if sampler == "auto" else sampler
        self.trials = size if self.sampler == "grid" and size is not None else trials
        with _quiet():
            makers = {
                "tpe": lambda: library.samplers.TPESampler(seed=seed),
                "nsga2": lambda: library.samplers.NSGAIISampler(seed=seed, population_size=20),
            }
            made = makers.get(self.sampler, lambda: library.samplers.RandomSampler(seed=seed))()
            directions = ["minimize"] * len(self.objectives)
            self.study = library.create_study(sampler=made, directions=directions)
            self._axes = {key: _distribution(library, axis) for key, axis in space.axes.items()}
            if self.sampler == "grid":
                for one in space.grid():
                    self.study.enqueue_trial(one)

    def run(
        self,
        judge: Callable[[list[dict[str, Any]]], list[Values | Failed]],
        tell: Callable[[int], object] = lambda done: None,
    ) -> Found:
        """Every distinct trial with its values; ``judge`` is given those of a batch that are new.

        ``tell`` is told after each batch how many trials are done.
        """
        found: dict[str, tuple[dict[str, Any], Values | Failed]] = {}
        states = optuna().trial.TrialState
        for first in range(0, self.trials, BATCH):
            with _quiet():
                count = min(BATCH, self.trials - first)
                asked = [self.study.ask(self._axes) for _ in range(count)]
            values = [self.space.values(trial.params) for trial in asked]
            keys = [_key(one) for one in values]
            new = {k: one for k, one in zip(keys, values, strict=True) if k not in found}
            judged = judge(list(new.values())) if new else []
            found |= dict(zip(new, zip(new.values(), judged, strict=True), strict=True))
            for trial, key in zip(asked, keys, strict=True):
                came = found[key][1]
                numbers = None if isinstance(came, Failed) else [came[o] for o in self.objectives]
                state = states.FAIL if numbers is None else states.COMPLETE
                with _quiet():
                    self.study.tell(trial, numbers, state=state)
            tell(first + count)
        return list(found.values())

    def importances(self) -> dict[str, dict[str, float]]:
        """How much of each objective every key decides, from 0 to 1, by PED-ANOVA.

        Without an objective that did not move, or where there were too few trials to tell.
        """
        library, told = optuna(), {}
        done = [t for t in self.study.trials if t.values is not None]
        for place, objective in enumerate(self.objectives):
            if len({trial.values[place] for trial in done}) < 2:
                continue
            try:
                with _quiet():
                    found = library.importance.get_param_importances(
                        self.study,
                        evaluator=library.importance.PedAnovaImportanceEvaluator(),
                        target=lambda trial, place=place: trial.values[place],
                    )
            except (ValueError, RuntimeError):
                continue
            told[objective] = {key: float(found.get(key, 0.0)) for key in self.space.axes}
        return told


def front(values: Sequence[Sequence[float]]) -> list[bool]:
    """Which points no other one beats: as small in every number, and smaller in one.

    >>> front([(1, 3), (2, 2), (2, 3), (3, 1), (3, 1)])
    [True, True, False, True, True]
    """
    return [
        not any(
            all(a <= b for a, b in zip(other, own, strict=True)) and tuple(other) != tuple(own)
            for other in values
        )
        for own in values
    ]


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=repr)


def _distribution(library: Any, axis: Any) -> Any:
    kinds = library.distributions
    if isinstance(axis, Choices):
        return kinds.CategoricalDistribution(axis.numbers())
    if axis.whole:
        return kinds.IntDistribution(axis.low, axis.high, log=axis.log, step=axis.step or 1)
    return kinds.FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


@contextmanager
def _quiet() -> Iterator[None]:
    """What Optuna warns of is known here: experimental parts, and steps that do not fit the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

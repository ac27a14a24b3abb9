"""How many trial models a comparison can afford: as many as its replays cost, unless it is told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from backtrain.datasets.digits import seconds
from backtrain.datasets.offsets import parse_fixed
from backtrain.lossmatrix.intervals import usual_thinning
from backtrain.lossmatrix.trial_models import Effort
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup, SetupError

#: Fewer say nothing of ten eras and twelve starts: there is no matrix then.
FEWEST_MODELS = 20
#: CPU seconds that matrices may take in any case.
FLOOR = 120.0


def seconds_of(hindsight: bool | str) -> float | None:
    """The budget in CPU seconds that ``hindsight`` names: without bound, none, or a time.

    None is what "auto" means: as much as the replays took. Raises `SetupError` for all else.

    >>> seconds_of("2h"), seconds_of(True), seconds_of(False), seconds_of("auto")
    (7200.0, inf, 0.0, None)
    """
    if isinstance(hindsight, bool):
        return math.inf if hindsight else 0.0
    if hindsight == "auto":
        return None
    wrong = SetupError(
        f"hindsight={hindsight!r}: give 'auto', true, false, or the CPU time that matrices may "
        "take, such as '2h'"
    )
    try:
        length = parse_fixed(hindsight)
    except ValueError:
        raise wrong from None
    if not isinstance(hindsight, str) or length <= pd.Timedelta(0):
        raise wrong
    return length.total_seconds()


@dataclass(frozen=True)
class Bill:
    """What trial models would take, and what is afforded.

    Attributes
    ----------
    every : int
        A model is trained at every so many ticks; 0 where too few can be.
    models, kept : int
        Trial models that would be trained without a budget, and those that are; of all matrices.
    seconds : float
        CPU seconds of one, on average, on all that is asked of it.
    asked : str
        The budget as the user gave it.
    """

    every: int
    models: int
    kept: int
    seconds: float
    asked: str

    @classmethod
    def of(
        cls, setup: Setup, efforts: Sequence[Effort], runs: Mapping[str, Run], hindsight: bool | str
    ) -> Bill:
        """Thin the ticks out, for all matrices alike, where the budget asks for it."""
        ticks, budget = len(setup.ticks), seconds_of(hindsight)
        every = usual_thinning(ticks)
        at_a_tick = sum(effort.model for effort in efforts)
        models = ticks // every + 1
        if budget is None:
            budget = FLOOR
            if models * at_a_tick > FLOOR:
                budget = max(FLOOR, replayed(runs, efforts))
        if models * at_a_tick > budget:
            most = int(budget / at_a_tick) - 1
            every = usual_thinning(ticks, most) if most >= FEWEST_MODELS else 0
        kept = ticks // every + 1 if every else 0
        n = len(efforts)
        return cls(every, n * models, n * kept, at_a_tick / max(1, n), str(hindsight))

    @classmethod
    def among(cls, found: Iterable[Mapping[str, Any]], hindsight: bool | str) -> Bill | None:
        """What an earlier result of the same question and budget could afford, if it was thinned.

        ``found`` are the facts of its runs. Seconds are measured, and a second measurement might
        thin out otherwise.
        """
        told = (facts.get("hindsight", {}).get("thinned") for facts in found)
        bills = (cls(**{f.name: facts[f.name] for f in fields(cls)}) for facts in told if facts)
        return next((bill for bill in bills if bill.asked == str(hindsight)), None)

    @property
    def facts(self) -> dict[str, Any]:
        """What a record keeps where models were left out; nothing else, as seconds vary."""
        return {} if self.kept == self.models else {"thinned": {**asdict(self), "says": f"{self}"}}

    def __str__(self) -> str:
        """What matrices would have taken, what was trained, and how to have all of it."""
        lead = (
            f"Loss matrices of {self.models:,} models of about {seconds(self.seconds)} each are "
            f"{seconds(self.models * self.seconds)} of CPU time"
        )
        if not self.every:
            return (
                f"{lead}, too much beside the replays: there are none. hindsight=true trains all, "
                "hindsight='2h' as many as that takes"
            )
        return (
            f"{lead}; one was trained at every {_ordinal(self.every)} tick: {self.kept:,} models, "
            f"about {seconds(self.kept * self.seconds)}. hindsight=true trains all"
        )


def replayed(runs: Mapping[str, Run], efforts: Sequence[Effort]) -> float:
    """CPU seconds of the replays: each fit once, and each strategy's answers to all rows."""
    fits: dict[Any, float] = {}
    for run in runs.values():
        made = run.versions[["fit", "fit_seconds"]].dropna()
        for name, took in made.itertuples(index=False):
            fits.setdefault(name, float(took))
    asked = sum(effort.ask for effort in efforts) / max(1, len(efforts))
    return sum(fits.values()) + len(runs) * asked


def _ordinal(number: int) -> str:
    teens = 10 <= number % 100 < 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"

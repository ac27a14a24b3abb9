"""Whether the decision would have held on this very history: decide early, pay what came after.

The same rule as at the end of the history, at a few earlier instants: what was known there decides,
and what came after is paid. `earlier` takes both from loss matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backtrain.lossmatrix.curves import Floats
from backtrain.lossmatrix.decide import FLOOR, Evidence, Option, decide, review


class Course(NamedTuple):
    """What runs on a stretch, since which decision, and whether a switch trains a model for it."""

    name: str
    since: int
    trains: bool


def courses(evidence: Sequence[Evidence], left: Sequence[float]) -> Iterator[Course]:
    """What runs after each of several decisions, all by `review` but the first.

    Parameters
    ----------
    evidence : sequence of Evidence
        What is known at each; the options are the same ones, and so is the baseline.
    left : sequence of float
        What is still to come then, in spans like the one that the costs are of.

    To stop goes back to the model of the first decision; what else is chosen trains one anew. The
    model in force is never kept for good: it was trained to be replaced.
    """
    running, since = evidence[0].baseline, 0
    for place, (known, rest) in enumerate(zip(evidence, left, strict=True)):
        found = review(known, running, rest) if place else decide(known)
        switched = found.name != running
        if switched:
            running, since = found.name, 0 if found.name == known.stop else place
        yield Course(running, since, switched and since == place > 0)


class Known(NamedTuple):
    """Of one schedule, at each of C instants.

    ``options`` are what a decision there knows of it; ``paid`` (C, C) is what it costs on the
    stretch that follows instant j where its first model is trained at instant i.
    """

    options: Sequence[Option]
    paid: Floats


@dataclass(frozen=True, eq=False)
class Walk:
    """What decisions at C earlier instants would have cost on the rest, by the instant.

    Attributes
    ----------
    chosen, best : list of str
        What was decided, and what turned out to be the cheapest.
    paid, kept, least : ndarray of shape (C,)
        What these and the baseline cost from each instant to the end.
    reviewed : float
        What the first decision cost, decided again at each later instant.
    courses : list of Course
        What ran then, stretch by stretch.
    """

    chosen: list[str]
    best: list[str]
    paid: Floats
    kept: Floats
    least: Floats
    reviewed: float
    courses: list[Course]

    @property
    def share(self) -> float:
        """Saved of what there was to save, over all instants; NaN where there was nothing."""
        there = float((self.kept - self.least).sum())
        return float((self.kept - self.paid).sum()) / there if there > 0 else float("nan")


def walk(
    known: Mapping[str, Known],
    baseline: str,
    left: Sequence[float],
    price: float = 0.0,
    floor: float = FLOOR,
    stop: str = "",
) -> Walk:
    """Decide at each instant, and pay.

    Parameters
    ----------
    known : mapping of str to Known
        The schedules, the baseline among them.
    baseline : str
        What is kept unless another one is expected to save enough.
    left : sequence of float
        What is still to come at each instant, in spans like that which was known.
    price, floor, stop
        As in `Evidence`.
    """
    n = len(left)
    evidence = [
        Evidence([one.options[i] for one in known.values()], baseline, price, floor, stop=stop)
        for i in range(n)
    ]
    rest = {name: one.paid.sum(axis=1) for name, one in known.items()}
    chosen = [decide(one).name for one in evidence]
    best = [min(rest, key=lambda name: rest[name][place]) for place in range(n)]
    ran = list(courses(evidence, left))
    reviewed = sum(
        float(known[one.name].paid[one.since, place]) + price * one.trains
        for place, one in enumerate(ran)
    )
    places = range(n)
    return Walk(
        chosen,
        best,
        paid=np.array([rest[name][k] for k, name in enumerate(chosen)]),
        kept=rest[baseline],
        least=np.array([rest[best[k]][k] for k in places]),
        reviewed=reviewed,
        courses=ran,
    )

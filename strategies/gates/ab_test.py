"""A gate at which each model answers its own part of the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.digits import digits, p_value
from backtrain.datasets.offsets import nanoseconds, parse_fixed
from backtrain.simulator.answers import Verdict
from backtrain.simulator.constraints import Count, FixedInterval, Level, Number, TwoOrMore
from backtrain.simulator.parts import Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import Arrived, View
from backtrain.strategies.weighted import Estimate, chance_larger, estimate, weighing

__all__ = ["ABTest"]


@dataclass(frozen=True, repr=False)
class ABTest(Part):
    """Let the challenger answer a share of the rows, and test whose losses are lower.

    Welch's t-test (Welch 1947), one-sided, on the losses, by weight, of the rows that each has
    answered and whose label has arrived. It takes them as independent; with ``sticky`` the mean
    loss of a group is one observation, and weighs what its rows weigh on average. With several
    ``looks``, evenly spaced up to ``max_duration``, each tests at ``alpha / looks`` (Bonferroni),
    so that looking early does not make a win by chance likelier. A challenger that is significantly
    better at a look is deployed, one that is significantly worse rejected; at ``max_duration``
    ``deploy`` decides. No row is scored twice.

    Parameters
    ----------
    share : float
        Of the rows that the challenger answers, between 0 and 1: its row p, counted from 0, iff
        ``floor((p + 1) * share) > floor(p * share)``.
    max_duration : str
        How long, as a time offset of fixed length.
    alpha : float
        Chance that a challenger that is no better is deployed or, with ``deploy="not worse"``, that
        one that is no worse is rejected.
    looks : int
        How often it is tested; 1 looks at ``max_duration`` only.
    deploy : {"better", "not worse"}
        At the end: only what is significantly better, or whatever is not significantly worse.
    min_labels : int
        A look with fewer labels for either does not decide; at the end the champion then stays.
        Labels of rows of weight 0 do not count.
    sticky : bool
        Share out whole groups of the stream, by a hash of the group, in place of rows.
    supersede : bool
        Whether a new training may take the place of a challenger on trial.

    >>> ABTest(share=0.2, max_duration="28D", looks=4)
    ABTest(share=0.2, max_duration='28D', looks=4)
    """

    share: Annotated[float, Number("between 0 and 1, or one has no rows", 0, 1, "neither")] = 0.5
    max_duration: FixedInterval = "14D"
    alpha: Level = 0.05
    looks: Count = 1
    deploy: Literal["better", "not worse"] = "better"
    min_labels: TwoOrMore = 30
    sticky: bool = False
    supersede: bool = False

    @cached_property
    def _nanoseconds(self) -> int:
        return nanoseconds(parse_fixed(self.max_duration))

    def check_setup(self, setup: Setup) -> None:
        """Refuse a sticky share without groups."""
        if self.sticky:
            _ = setup.groups

    def open(self) -> _Test:
        """The test of one challenger."""
        return _Test(self)


class _Test:
    def __init__(self, gate: ABTest) -> None:
        self._gate = gate
        self._began: int | None = None
        self._row = 0
        self._look = 0

    def review(self, view: View) -> Verdict:
        gate = self._gate
        if self._began is None:
            self._began, self._row = view.at, view.past
            return self._wait(self._began, f"{digits(gate.share)} of the rows")
        last = self._look == gate.looks
        rows = weighing(view, view.labelled.among(slice(self._row, view.past)))
        arrived = view.answered(rows)
        mine = arrived.version == view.challenger.version
        labels = int(min(mine.sum(), len(mine) - mine.sum()))
        if labels >= gate.min_labels:
            view.checked()
            verdict = self._judge(*self._observed(view, arrived, mine), last)
        else:
            too_few = f"only {labels} labels for one of the two; {gate.min_labels} are needed"
            verdict = Verdict.reject(too_few) if last else None
        return self._wait(self._began) if verdict is None else verdict

    def _wait(self, began: int, sentence: str = "") -> Verdict:
        """Until the next look."""
        gate = self._gate
        self._look += 1
        until = pd.Timestamp(began + gate._nanoseconds * self._look // gate.looks)
        return Verdict.wait(until, gate.share, sentence, gate.sticky, supersede=gate.supersede)

    def _judge(self, new: Estimate, old: Estimate, last: bool) -> Verdict | None:
        """The verdict of one look; None where there is none yet."""
        level = self._gate.alpha / self._gate.looks
        better, worse = chance_larger(old, new), chance_larger(new, old)
        losses = f"mean loss {digits(new.mean)} against the champion's {digits(old.mean)}"
        if worse < level:
            return Verdict.reject(f"{losses}, {p_value(worse)}", p=worse, level=level)
        if better < level or (last and self._gate.deploy == "not worse"):
            return Verdict.deploy(f"{losses}, {p_value(better)}", p=better, level=level)
        if last:
            return Verdict.reject(f"{losses}, {p_value(better)}", p=better, level=level)
        return None

    def _observed(
        self, view: View, arrived: Arrived, mine: NDArray[np.bool_]
    ) -> tuple[Estimate, Estimate]:
        """Mean losses of the rows that each has answered; of groups, where these are shared out."""
        loss, weight = arrived.loss, view.weight(arrived.rows)
        if self._gate.sticky:
            _, group = np.unique(view.group(arrived.rows), return_inverse=True)
            pair, cell, rows = np.unique(2 * group + mine, return_inverse=True, return_counts=True)
            total = np.bincount(cell, weights=weight)
            loss = np.bincount(cell, weights=weight * loss) / total
            weight, mine = total / rows, pair % 2 == 1
        return estimate(loss[mine], weight[mine]), estimate(loss[~mine], weight[~mine])

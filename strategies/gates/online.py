"""Gates at which both models score the rows that come after the training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import parse_offset
from backtrain.simulator.answers import PartError, Rows, Selection, Verdict
from backtrain.simulator.constraints import (
    Count,
    Interval,
    Length,
    Level,
    Listed,
    NotNegative,
    Offset,
    ShareAboveZero,
    exactly_one,
)
from backtrain.simulator.metrics import AnyMetric
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.gates.holdout import HeldOutScores, Scored, compare
from backtrain.strategies.weighted import chance_above, estimate, weighing

__all__ = ["Canary", "Shadow"]

Otherwise = Literal["deploy", "reject"]
_STEPS = Listed(least=1, such_as="[0.05, 0.25, 1]")


@dataclass(frozen=True, repr=False)
class Shadow(Scored):
    """Let the challenger score the rows to come beside the model in force, which answers them.

    After ``duration``, or ``rows``, both are compared on those rows whose label has arrived, and
    the challenger is deployed if it is better by more than ``margin``. With fewer than
    ``min_labels`` of them it waits on, and looks again at every tick until ``max_duration``. Each
    row is scored twice meanwhile, and charged so.

    Parameters
    ----------
    duration : str, optional
        How long, as a time offset.
    rows : int, optional
        Or until so many rows have come, seen at a tick.
    min_labels : int
        Fewer labels do not decide; those of rows of weight 0 do not count.
    max_duration : str, optional
        From the first look on; None waits for labels as long as it takes.
    otherwise : {"deploy", "reject"}
        What becomes of a challenger that could not be judged until then.
    metric : str, function or object, optional
        What to compare; default the backtest's own loss, averaged by weight.
    margin : float
        By how much the challenger must be better, in units of the metric or loss.
    supersede : bool
        Whether a new training may take the place of a challenger in the shadow; else a trigger that
        fires meanwhile is noted as busy.

    >>> Shadow("7D", max_duration="30D")
    Shadow(duration='7D', max_duration='30D')
    """

    duration: Interval | None = None
    rows: Count | None = None
    min_labels: Count = 30
    max_duration: Offset | None = None
    otherwise: Otherwise = "reject"
    metric: AnyMetric | None = None
    margin: NotNegative = 0.0
    supersede: bool = False

    def check_parameters(self) -> None:
        """Refuse what is not one length, and an end before it."""
        exactly_one(self, "duration", "rows")
        _refuse_early_end(self, self._length, 1)

    @property
    def _length(self) -> Any:
        return self.rows if self.duration is None else self.duration

    def open(self) -> _ShadowTrial:
        """The shadow of one challenger."""
        return _ShadowTrial(self, self._length)


@dataclass(frozen=True, repr=False)
class Canary(Scored):
    """Let the challenger answer a growing share of the rows; take it back when it is worse.

    At the end of each step both models are compared on all rows since the trial began whose label
    has arrived. Unless the challenger is worse by more than ``margin``, the next step begins;
    after the last it is in force. Otherwise it is rolled back: the model before answers every row
    again. A step with fewer than ``min_labels`` goes on, with a look at every tick. The model that
    does not answer a row scores it too, so that both are judged by the same rows: each row is
    charged twice.

    With share s the trial's row p, counted from 0, is the challenger's iff
    ``floor((p + 1) * s) > floor(p * s)``. A single step of share 1 is a deployment on probation.

    Parameters
    ----------
    steps : sequence of float
        Shares of the rows, growing.
    each : str or int
        Length of a step: a time offset, or a number of rows, seen at a tick.
    margin : float
        How much worse the challenger may be, in units of the metric or loss.
    alpha : float, optional
        Roll back only if its mean loss is significantly worse: a one-sided paired t-test, by
        weight, that takes rows as independent, at ``alpha / len(steps)`` in each step (Bonferroni).
    min_labels : int
        Fewer labels, counted from the start of the trial, do not end a step; those of rows of
        weight 0 do not count.
    max_duration : str, optional
        Of the whole trial; None waits for labels as long as it takes.
    otherwise : {"deploy", "reject"}
        What becomes of a challenger that has not passed all steps until then.
    metric : str, function or object, optional
        What to compare; default the backtest's own loss, averaged by weight.
    sticky : bool
        Share out whole groups of the stream, by a hash of the group, in place of rows.
    supersede : bool
        Whether a new training may take the place of a challenger on trial.

    >>> Canary(steps=[0.1, 1.0], each="12h")
    Canary(steps=(0.1, 1.0), each='12h')
    """

    steps: Annotated[Sequence[ShareAboveZero], _STEPS] = (0.05, 0.25, 1.0)
    each: Length = "1D"
    margin: NotNegative = 0.0
    alpha: Level | None = None
    min_labels: Count = 30
    max_duration: Offset | None = None
    otherwise: Otherwise = "reject"
    metric: AnyMetric | None = None
    sticky: bool = False
    supersede: bool = False

    def check_parameters(self) -> None:
        """Refuse steps that do not grow, a test of a metric, and an end before the last step."""
        steps = tuple(float(share) for share in self.steps)
        object.__setattr__(self, "steps", steps)
        if not (np.diff(steps) > 0).all():
            raise PartError(f"Canary(steps={steps}): give shares that grow, up to 1")
        if self.alpha is not None and self.metric is not None:
            raise PartError(
                f"Canary(metric={self.metric!r}, alpha={self.alpha!r}): the test is of losses, "
                "which add up; leave one of the two out"
            )
        _refuse_early_end(self, self.each, len(steps))

    def check_setup(self, setup: Setup) -> None:
        """Refuse a metric that this model cannot give, and a sticky share without groups."""
        super().check_setup(setup)
        if self.sticky:
            _ = setup.groups

    def open(self) -> _CanaryTrial:
        """The steps of one challenger."""
        return _CanaryTrial(self)


# --- trials -------------------------------------------------------------------------------------


class _Period:
    """So much time, or so many rows, from now on.

    Stretches that follow each other without a gap end at the first one's beginning + k * length.
    """

    def __init__(self, length: str | int, view: View, before: _Period | None) -> None:
        self._row, self.until = 0, None
        if isinstance(length, int):
            self._row = view.past + length
            return
        self._since, self._count = view.now, 1
        if before is not None and before.until == view.now:
            self._since, self._count = before._since, before._count + 1
        self.until = view.calendar.later(self._since, parse_offset(length), self._count)

    def over(self, view: View) -> bool:
        return view.past >= self._row and (self.until is None or view.now >= self.until)


class _WatchedTrial(ABC):
    """Both models score every row; what is not judged when time is up ``otherwise`` decides."""

    def __init__(self, gate: Shadow | Canary, length: str | int) -> None:
        self._gate = gate
        self._length = length
        self._share, self._sticky = 0.0, False
        self._stretch: _Period | None = None
        self._row = 0
        self._last: pd.Timestamp | None = None

    def review(self, view: View) -> Verdict:
        if self._stretch is None:
            self._row = view.past
            if self._gate.max_duration is not None:
                longest = parse_offset(self._gate.max_duration)
                self._last = view.calendar.later(view.now, longest)
            return self._begin(view)
        rows = weighing(view, view.labelled.among(slice(self._row, view.past)))
        scores = self._compare(view, rows, self._stretch)
        verdict = None if scores is None else self._decide(view, rows, scores)
        if verdict is not None:
            return verdict
        if self._last is not None and view.now >= self._last:
            decide = Verdict.deploy if self._gate.otherwise == "deploy" else Verdict.reject
            return decide(f"not over in {self._gate.max_duration}, {len(Selection(rows))} labels")
        if scores is None:
            return self._wait(view, self._stretch)
        return self._begin(view, scores.sentence)

    def _compare(self, view: View, rows: Rows, stretch: _Period) -> HeldOutScores | None:
        """Both scores at the end of a stretch; None where it is too early, or there are none."""
        if len(Selection(rows)) < self._gate.min_labels or not stretch.over(view):
            return None
        scores = compare(view, rows, self._gate.metric)
        return None if np.isnan(scores.gain) else scores  # a metric may need what they do not hold

    def _begin(self, view: View, sentence: str = "") -> Verdict:
        """Begin a stretch."""
        self._stretch = _Period(self._length, view, self._stretch)
        return self._wait(view, self._stretch, sentence)

    def _wait(self, view: View, stretch: _Period, sentence: str = "") -> Verdict:
        """Ask at the end of the stretch; after it, or where rows count, at every tick."""
        end = None if stretch.over(view) else stretch.until
        due = [when for when in (end, self._last) if when is not None]
        return Verdict.wait(
            min(due, default=None),
            self._share,
            sentence,
            self._sticky,
            watch=True,
            ticks=end is None,
            supersede=self._gate.supersede,
        )

    @abstractmethod
    def _decide(self, view: View, rows: Rows, scores: HeldOutScores) -> Verdict | None:
        """What follows from a comparison at the end of a stretch; None is another stretch."""


class _ShadowTrial(_WatchedTrial):
    def _decide(self, view: View, rows: Rows, scores: HeldOutScores) -> Verdict:
        return scores.verdict(scores.gain > self._gate.margin)


class _CanaryTrial(_WatchedTrial):
    _gate: Canary

    def __init__(self, gate: Canary) -> None:
        super().__init__(gate, gate.each)
        self._sticky, self._step = gate.sticky, 0

    def _begin(self, view: View, sentence: str = "") -> Verdict:
        steps = self._gate.steps
        self._share = steps[self._step]
        self._step += 1
        step = f"step {self._step} of {len(steps)}: {digits(self._share)} of the rows"
        return super()._begin(view, f"{step}; {sentence}" if sentence else step)

    def _decide(self, view: View, rows: Rows, scores: HeldOutScores) -> Verdict | None:
        worse = self._is_worse(view, rows, scores)
        if not worse and self._step < len(self._gate.steps):
            return None
        return scores.verdict(not worse)

    def _is_worse(self, view: View, rows: Rows, scores: HeldOutScores) -> bool:
        gate = self._gate
        if scores.gain >= -gate.margin:
            return False
        if gate.alpha is None:
            return True
        view.checked()
        gap = view.challenger.loss(rows) - view.model.loss(rows)
        level = gate.alpha / len(gate.steps)
        return chance_above(estimate(gap, view.weight(rows)), gate.margin) < level


# --- what is refused ----------------------------------------------------------------------------


def _refuse_early_end(gate: Shadow | Canary, length: str | int, steps: int) -> None:
    """Raise `PartError` where ``max_duration`` is over before so many steps of a length are."""
    one = None if isinstance(length, int) else parse_offset(length)
    if gate.max_duration is None or not isinstance(one, pd.Timedelta):
        return
    most = parse_offset(gate.max_duration)
    if isinstance(most, pd.Timedelta) and one * steps > most:
        raise PartError(
            f"{type(gate).__name__}(max_duration={gate.max_duration!r}): over before {one * steps} "
            "have passed; give more"
        )

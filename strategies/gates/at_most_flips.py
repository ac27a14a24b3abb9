"""Whether to deploy, by how many answers that would change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import parse_fixed
from backtrain.simulator.answers import PartError, Selection, Verdict
from backtrain.simulator.constraints import Count, FixedInterval, NotNegative, Share
from backtrain.simulator.parts import Gate, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

__all__ = ["AtMostFlips"]


@dataclass(frozen=True, repr=False)
class AtMostFlips(Part):
    """Refuse a challenger that would answer too many of the newest rows otherwise.

    Both models are asked about the newest rows, whether their labels are known or not, and rows
    count by their weight. It does not ask which of the two is right: behind `BeatsChampion` in a
    `Chain` it deploys what is better and not too different. While it refuses, the model in force
    stays, and after a lasting change each new one differs from it: ``max_age`` ends that.

    Parameters
    ----------
    share : float
        Share of the decisions that may change. In a regression, where answers are numbers, the
        mean absolute change as a share of the standard deviation of the labels in the window that
        the challenger is trained on.
    rows : int
        How many of the newest rows are looked at; all where there are fewer.
    amount : float, optional
        In place of ``share``, the mean absolute change in units of the target; for regressions.
    max_age : str, optional
        A challenger is deployed all the same where the model in force was decided on as long ago.

    >>> AtMostFlips(0.1, max_age="90D")
    AtMostFlips(0.1, max_age='90D')
    """

    share: Share = 0.05
    rows: Count = 1_000
    amount: NotNegative | None = None
    max_age: FixedInterval | None = None

    def check_setup(self, setup: Setup) -> None:
        """Refuse an amount where decisions are classes."""
        if self.amount is not None and setup.task == "classification":
            raise PartError(
                f"AtMostFlips(amount={self.amount!r}): the answers of "
                f"{type(setup.model).__name__} are classes, which have no amount; give share="
            )

    def open(self) -> _Comparison:
        """What compares one challenger with the model in force."""
        return _Comparison(self)


class _Comparison(Gate):
    def __init__(self, gate: AtMostFlips) -> None:
        self._gate = gate
        self._spread = 0.0

    def check(self, selection: Selection, view: View) -> None:
        gate = self._gate
        if view.task == "regression" and gate.amount is None and len(selection):
            self._spread = float(np.std(view.y(selection.rows).astype(np.float64)))

    def review(self, view: View) -> Verdict:
        gate = self._gate
        rows = slice(max(0, view.past - gate.rows), view.past)
        old, new = view.model.predict(rows), view.challenger.predict(rows)
        weight, classes = view.weight(rows), view.task == "classification"
        if not weight.any():
            return Verdict.deploy("none of the newest rows has a weight to compare answers by")
        found = float(np.average(old != new if classes else np.abs(new - old), weights=weight))
        if classes:
            limit = gate.share
            what = f"{found:.2%} of the newest {len(old)} decisions would change"
        else:
            limit = gate.share * self._spread if gate.amount is None else gate.amount
            what = f"the newest {len(old)} answers would change by {digits(found)} on average"
        most = f"{limit:.2%}" if classes else f"{digits(limit)}"
        if found <= limit:
            return Verdict.deploy(f"{what}, at most {most} may", changed=found, limit=limit)
        age = gate.max_age
        if age is not None and view.now - view.model.decided_at >= parse_fixed(age):
            old_enough = f"the model in force is at least {age} old"
            sentence = f"{what}, more than {most}, but {old_enough}"
            return Verdict.deploy(sentence, changed=found, limit=limit)
        return Verdict.reject(f"{what}, at most {most} may", changed=found, limit=limit)

"""Whether to deploy, by how many answers that would change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtrain.datasets.offsets import parse_fixed
from backtrain.simulator.answers import PartError, Verdict
from backtrain.simulator.constraints import Count, FixedInterval, NotNegative, Share
from backtrain.simulator.parts import Gate, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

__all__ = ["AtMostFlips"]


@dataclass(frozen=True, repr=False)
class AtMostFlips(Part, Gate):
    """Refuse a challenger that would answer too many of the newest rows otherwise.

    Both models are asked about the newest rows, whether their labels are known or not, and rows
    count by their weight. It does not ask which of the two is right: behind `BeatsChampion` in a
    `Chain` it deploys what is better and not too different. While it refuses, the model in force
    stays, and after a lasting change each new one differs from it: ``max_age`` ends that.

    Parameters
    ----------
    share : float
        Share of the decisions that may change. In a regression, where answers are numbers, the
        mean absolute change as a share of the standard deviation of the labels that the model in
        force has learnt.
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

    def review(self, view: View) -> Verdict:
        """Compare both models' answers; deploy where few enough change."""
        rows = slice(max(0, view.past - self.rows), view.past)
        old, new = view.model.predict(rows), view.challenger.predict(rows)
        weight = view.weight(rows)
        if not weight.any():
            return Verdict.deploy("none of the newest rows has a weight to compare answers by")
        if view.task == "classification":
            found = float(np.average(old != new, weights=weight))
            what = f"{found:.2%} of the newest {len(old)} decisions would change"
            return self._judged(view, found, what)
        found = float(np.average(np.abs(new - old), weights=weight))
        what = f"the newest {len(old)} answers would change by {found:.4g} on average"
        if self.amount is not None:
            return self._judged(view, found, what, self.amount)
        spread = float(np.std(view.y(view.model.selection.rows).astype(np.float64)))
        return self._judged(view, found, what, self.share * spread)

    def _judged(self, view: View, found: float, what: str, limit: float | None = None) -> Verdict:
        """Deploy up to the limit, which is the share of the decisions where none is given."""
        most = f"{self.share:.2%}" if limit is None else f"{limit:.4g}"
        limit = self.share if limit is None else limit
        numbers = {"changed": found, "limit": limit}
        if found <= limit:
            return Verdict.deploy(f"{what}, at most {most} may", **numbers)
        if self.max_age is not None and self._is_old(view):
            age = f"the model in force is at least {self.max_age} old"
            return Verdict.deploy(f"{what}, more than {most}, but {age}", **numbers)
        return Verdict.reject(f"{what}, at most {most} may", **numbers)

    def _is_old(self, view: View) -> bool:
        return view.now - view.model.decided_at >= parse_fixed(self.max_age or "0D")

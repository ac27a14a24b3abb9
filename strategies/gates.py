"""Whether to deploy what was trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backtrain.simulator.protocols import Part, PartError, Reason, Selection, Verdict
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

__all__ = ["BeatsChampion", "Immediate"]

_AT_ONCE = Verdict.deploy(reviewed=False)


@dataclass(frozen=True, repr=False)
class Immediate(Part):
    """Deploy whatever was trained.

    >>> Immediate()
    Immediate()
    """

    def open(self) -> Immediate:
        """Itself: it has nothing to remember."""
        return self

    def check(self, selection: Selection, view: View) -> Reason | None:
        """Refuse nothing."""
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        """Train on everything."""
        return selection, None

    def review(self, view: View) -> Verdict:
        """Deploy without a look."""
        return _AT_ONCE


@dataclass(frozen=True, repr=False)
class BeatsChampion(Part):
    """Deploy only a challenger that beats the model in force on the newest labelled rows.

    Those rows are held out of the training. Rows that the champion itself was trained on are left
    out of the comparison, because it would win on them by memory.

    Parameters
    ----------
    holdout : float or int
        Share, or number, of the window's newest rows to compare on.
    margin : float
        By how much the challenger must be better, in units of the metric or loss.
    metric : str, optional
        What to compare; default the backtest's own loss, averaged.
    refit : bool
        Fit a winner once more with the held-out rows, the newest ones; both fits are charged.
        Without it `PartialFit` never learns them: they had arrived before the decision.
    min_rows : int
        With fewer rows to compare on, the champion stays.

    >>> BeatsChampion(holdout=0.2, refit=True)
    BeatsChampion(refit=True)
    """

    holdout: float | int = 0.2
    margin: float = 0.0
    metric: str | None = None
    refit: bool = False
    min_rows: int = 10

    def __post_init__(self) -> None:
        share = isinstance(self.holdout, float)
        if (share and not 0 < self.holdout < 1) or (not share and self.holdout < 1):
            raise PartError(
                f"BeatsChampion(holdout={self.holdout!r}): a share between 0 and 1, or a number "
                "of rows"
            )
        if self.margin < 0:
            raise PartError(
                f"BeatsChampion(margin={self.margin!r}): not negative; by how much to win"
            )
        if self.min_rows < 1:
            raise PartError(f"BeatsChampion(min_rows={self.min_rows!r}): give 1 or more")

    def check_setup(self, setup: Setup) -> None:
        """Refuse a metric that this model and target cannot give."""
        if self.metric is not None:
            setup.metric(self.metric)

    def open(self) -> _Match:
        """A match between one challenger and the champion."""
        return _Match(self)


class _Match:
    def __init__(self, gate: BeatsChampion) -> None:
        self._gate = gate
        self._all: Selection | None = None
        self._held: Selection | None = None
        self._won: Verdict | None = None

    def check(self, selection: Selection, view: View) -> Reason | None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        size, holdout = len(selection), self._gate.holdout
        held = int(size * holdout) if isinstance(holdout, float) else min(holdout, size - 1)
        newest = np.argsort(selection.indices(), kind="stable")[max(0, size - held) :]
        if isinstance(selection.rows, slice):
            split = (
                selection.take(slice(0, size - held)),
                selection.take(slice(size - held, None)),
            )
        else:
            kept = np.ones(size, dtype=bool)
            kept[newest] = False
            split = (selection.take(np.flatnonzero(kept)), selection.take(np.sort(newest)))
        self._all, self._held = selection, split[1]
        return split

    def review(self, view: View) -> Verdict:
        if self._won is not None:
            return self._won
        assert self._held is not None
        assert self._all is not None
        fair = np.setdiff1d(self._held.indices(), view.model.learnt, assume_unique=True)
        if len(fair) < self._gate.min_rows:
            return Verdict.reject(
                f"only {len(fair)} held-out rows are new to the champion; "
                f"{self._gate.min_rows} are needed"
            )
        verdict = self._compare(view, fair)
        if verdict.action == "deploy" and self._gate.refit:
            self._won = verdict
            return Verdict.refit(self._all, verdict.reason, **verdict.numbers)
        return verdict

    def _compare(self, view: View, rows: np.ndarray) -> Verdict:
        name = self._gate.metric
        if name is None:
            what, sign = "loss", -1.0
            new, old = (float(np.mean(model.loss(rows))) for model in (view.challenger, view.model))
        else:
            metric = view.metric(name)
            what, sign = metric.name, 1.0 if metric.greater_is_better else -1.0
            new, old = (metric(model.outcomes(rows)) for model in (view.challenger, view.model))
        told = f"{what} {new:.4g} against the champion's {old:.4g} on {len(rows)} rows"
        better = sign * (new - old) > self._gate.margin
        judge = Verdict.deploy if better else Verdict.reject
        return judge(told, challenger=new, champion=old)

"""Whether to deploy what was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.datasets.values import exact_share
from backtrain.simulator.answers import Rows, Selection, Verdict
from backtrain.simulator.constraints import Count, Holdout, NotNegative
from backtrain.simulator.metrics import AnyMetric
from backtrain.simulator.parts import Gate, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.weighted import mean_loss, weighing

__all__ = ["BeatsChampion", "Immediate", "NoGroupWorse"]


class HeldOutScores(NamedTuple):
    """Challenger against champion on the same rows; ``gain`` is positive where it is better."""

    challenger: float
    champion: float
    gain: float
    sentence: str

    def verdict(self, deploy: bool, about: str = "") -> Verdict:
        """Deploy or reject, with both scores; ``about`` stands before the sentence."""
        judge = Verdict.deploy if deploy else Verdict.reject
        sentence = f"{about}{self.sentence}"
        return judge(sentence, challenger=self.challenger, champion=self.champion)


class Scored(Part):
    """A gate that compares both models by a metric, or by the backtest's own loss."""

    metric: AnyMetric | None

    def check_setup(self, setup: Setup) -> None:
        """Refuse a metric that this model and target cannot give."""
        if self.metric is not None:
            setup.metric(self.metric)


_AT_ONCE = Verdict.deploy(reviewed=False)


@dataclass(frozen=True, repr=False)
class Immediate(Part, Gate):
    """Deploy whatever was trained.

    >>> Immediate()
    Immediate()
    """

    def review(self, view: View) -> Verdict:
        """Deploy without a look."""
        return _AT_ONCE


@dataclass(frozen=True, repr=False)
class BeatsChampion(Scored):
    """Deploy only a challenger that beats the model in force on the newest labelled rows.

    Those rows are held out of the training. Rows that the champion itself was trained on are left
    out of the comparison, because it would win on them by memory.

    Parameters
    ----------
    holdout : float or int
        Share, or number, of the window's newest rows to compare on.
    margin : float
        By how much the challenger must be better, in units of the metric or loss.
    metric : str, function or object, optional
        What to compare; default the backtest's own loss, averaged by weight.
    refit : bool
        Fit a winner once more with the held-out rows, the newest ones; both fits are charged.
        Without it `PartialFit` never learns them: they had arrived before the decision.
    min_rows : int
        With fewer rows to compare on, the champion stays; rows of weight 0 do not count.

    >>> BeatsChampion(holdout=0.2, refit=True)
    BeatsChampion(refit=True)
    """

    holdout: Holdout = 0.2
    margin: NotNegative = 0.0
    metric: AnyMetric | None = None
    refit: bool = False
    min_rows: Count = 10

    def open(self) -> _Match:
        """A match between one challenger and the champion."""
        return _Match(self)


class _Match:
    def __init__(self, gate: BeatsChampion) -> None:
        self._gate = gate
        self._all: Selection | None = None
        self._held: Selection | None = None
        self._won: Verdict | None = None

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        self._all = selection
        train, self._held = split_newest(selection, self._gate.holdout)
        return train, self._held

    def review(self, view: View) -> Verdict:
        if self._won is not None:
            return self._won
        assert self._held is not None
        assert self._all is not None
        new = np.setdiff1d(self._held.indices(), view.model.learnt, assume_unique=True)
        fair = weighing(view, new)
        if len(fair) < self._gate.min_rows:
            return Verdict.reject(
                f"only {len(fair)} held-out rows are new to the champion; "
                f"{self._gate.min_rows} are needed"
            )
        scores = compare(view, fair, self._gate.metric)
        verdict = scores.verdict(scores.gain > self._gate.margin)
        if verdict.action == "deploy" and self._gate.refit:
            self._won = verdict
            return Verdict.refit(self._all, verdict.reason, **verdict.numbers)
        return verdict


@dataclass(frozen=True, repr=False)
class NoGroupWorse(Scored):
    """Refuse a challenger that is worse than the model in force in any group with enough rows.

    A mean over all rows hides a loss in a small group. Groups are those of the stream; they are
    compared on the labelled rows, from the oldest of the window on, that neither model has learnt:
    those held out, and those whose labels came since. Where no group has enough, nothing is
    refused. With many groups one is worse by chance: give a ``margin``, or more ``min_rows``.

    Parameters
    ----------
    margin : float
        How much worse a group may become, in units of the metric or loss.
    min_rows : int
        Groups with fewer rows to compare on are not judged; rows of weight 0 do not count.
    holdout : float, int or None
        Share, or number, of the window's newest rows that are held out of the training; None where
        another gate of a `Chain` holds rows out or waits.
    metric : str, function or object, optional
        What to compare; default the backtest's own loss, averaged by weight.

    >>> NoGroupWorse(margin=0.05)
    NoGroupWorse(margin=0.05)
    """

    margin: NotNegative = 0.0
    min_rows: Count = 30
    holdout: Holdout | None = 0.2
    metric: AnyMetric | None = None

    def check_setup(self, setup: Setup) -> None:
        """Refuse a stream without groups, and a metric that this model and target cannot give."""
        _ = setup.groups
        super().check_setup(setup)

    def open(self) -> _Guard:
        """A guard for one challenger."""
        return _Guard(self)


class _Guard:
    def __init__(self, gate: NoGroupWorse) -> None:
        self._gate = gate
        self._oldest = 0

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        span, holdout = selection.span(), self._gate.holdout
        self._oldest = 0 if span is None else span[0]
        return (selection, None) if holdout is None else split_newest(selection, holdout)

    def review(self, view: View) -> Verdict:
        rows = self._unlearnt(view)
        group = view.group(rows)
        names, counts = np.unique(group, return_counts=True)
        judged = names[counts >= self._gate.min_rows]
        if len(judged) == 0:
            return Verdict.deploy(f"no group has {self._gate.min_rows} rows to compare on")
        scores = {
            name: compare(view, rows[group == name], self._gate.metric) for name in judged.tolist()
        }
        # A metric that a group cannot give (NaN) says nothing about it.
        name = min(scores, key=lambda name: np.nan_to_num(scores[name].gain, nan=np.inf))
        worst = scores[name]
        worse = worst.gain < -self._gate.margin
        return worst.verdict(not worse, f"group {name!r} of {len(judged)}: ")

    def _unlearnt(self, view: View) -> NDArray[np.int64]:
        """Labelled rows, from the oldest of the window on, that neither model was trained on."""
        labelled = Selection(view.labelled.among(slice(self._oldest, view.past))).indices()
        learnt = np.union1d(view.model.learnt, view.challenger.learnt)
        return weighing(view, np.setdiff1d(labelled, learnt, assume_unique=True))


# --- what gates share ---------------------------------------------------------------------------


def compare(view: View, rows: Rows, name: AnyMetric | None) -> HeldOutScores:
    """Both models on the same labelled rows: by a metric, or by the mean of the backtest's loss.

    Both take a row by its weight.
    """
    if name is None:
        what, sign = "loss", -1.0
        new, old = (mean_loss(view, model, rows) for model in (view.challenger, view.model))
    else:
        metric = view.metric(name)
        what, sign = metric.name, 1.0 if metric.greater_is_better else -1.0
        new, old = (metric(model.outcomes(rows)) for model in (view.challenger, view.model))
    sentence = (
        f"{what} {digits(new)} against the champion's {digits(old)} on {len(Selection(rows))} rows"
    )
    return HeldOutScores(new, old, sign * (new - old), sentence)


def split_newest(selection: Selection, holdout: float | int) -> tuple[Selection, Selection]:
    """The selection without its newest rows, and these: a share, or a number that leaves one."""
    size = len(selection)
    held = min(holdout, size - 1)
    if isinstance(holdout, float):
        held = int(size * exact_share(holdout))
    if isinstance(selection.rows, slice):
        return selection.take(slice(0, size - held)), selection.take(slice(size - held, None))
    newest = np.argsort(selection.indices(), kind="stable")[max(0, size - held) :]
    kept = np.ones(size, dtype=bool)
    kept[newest] = False
    return selection.take(np.flatnonzero(kept)), selection.take(np.sort(newest))

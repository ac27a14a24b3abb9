"""When to retrain: once staleness has cost enough money."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from backtrain.datasets.digits import digits
from backtrain.simulator.answers import PartError, Reason
from backtrain.simulator.constraints import Amount, Count, LabelsWindow, Positive, TwoOrMore
from backtrain.simulator.parts import Monitor, Part
from backtrain.simulator.view import View
from backtrain.strategies.triggers.performance import Detector
from backtrain.strategies.triggers.tuning_history import (
    Rehearsal,
    level,
    price_of_training,
    rehearse,
    usual_loss,
)
from backtrain.strategies.weighted import weighing

__all__ = ["BreakEven", "CumulativeStaleness", "StalenessCost"]


class Account(Detector):
    """What the version in force has lost over its reference, in money, as labels arrive.

    A row loses ``prices.error * weight * (loss - mean loss of the reference)``, less than nothing
    where the model does better than at its training. `judge` is asked whenever labels have come.
    """

    def __init__(self, judge: Callable[[Account, View], Reason | None], window: int = 1) -> None:
        super().__init__()
        self._judge = judge
        self._window = window
        self._decided = 0

    def restart(self, view: View) -> None:
        """Open a new account for a new version."""
        self.total = 0.0
        self._usual: float | None = None
        self._lost, self._weight = np.empty(0), np.empty(0)

    def alarm(self, view: View) -> Reason | None:
        """Book the labels that have arrived, and judge."""
        if (new := self._new_labels(view)) is None:
            return None
        new = new.by(view.model.version)
        if len(view.trainings) != self._decided:
            # Else a rejected challenger would bring the next one at once.
            self._decided, self.total = len(view.trainings), 0.0
        rows = weighing(view, new.rows)
        if len(rows) == 0:
            return None
        if self._usual is None:
            self._usual = usual_loss(view.model)
        weight = view.weight(rows)
        lost = view.prices.error * weight * (view.answered(rows).loss - self._usual)
        self.total += float(lost.sum())
        self._lost = np.append(self._lost, lost)[-self._window :]
        self._weight = np.append(self._weight, weight)[-self._window :]
        return self._judge(self, view)

    def level(self, min_labels: int) -> float:
        """Money a row lost on the newest rows; NaN with fewer than ``min_labels``."""
        return level(self._lost, self._weight, self._window, min_labels)


class Tuned(Part):
    """A trigger with one parameter that is tuned on the history before ``start`` where it is None.

    Subclasses name it (`tunes`) and say how it is learnt (`learn`).
    """

    tunes: ClassVar[str] = "threshold"
    points: int

    def check_parameters(self) -> None:
        """Keep a list of numbers in one form, whether it came from code or from YAML."""
        if isinstance(values := getattr(self, self.tunes), Collection):
            object.__setattr__(self, self.tunes, tuple(map(float, values)))

    def prepare(self, history: View) -> Any:
        """With the parameter tuned; itself where it is given."""
        trigger: Any = self
        if getattr(self, self.tunes) is not None:
            return trigger
        value = self.learn(rehearse(history, self.points, trigger))
        if value is None:
            raise untunable(self, self.tunes, history)
        return replace(trigger, **{self.tunes: value})

    def learn(self, past: Rehearsal) -> Any:
        """The parameter that would have cost least; None where too few labels are known."""
        raise NotImplementedError

    def tuned(self) -> Any:
        """The parameter; raises `PartError` where it was not tuned."""
        if (value := getattr(self, self.tunes)) is None:
            raise untuned(self)
        return value


@dataclass(frozen=True, repr=False)
class StalenessCost(Tuned):
    """When the version in force now loses more than at its training: money a row.

    ``prices.error * (mean loss of the newest labels - mean loss of the reference)``, means by
    weight, over rows that this version served and whose label has arrived. Without a threshold it
    is tuned on the history before ``start``: the one with which that would have cost least. After
    CARA's threshold strategy (Mahadevan & Mathioudakis, "Cost-aware retraining for machine
    learning", Knowledge-Based Systems 293, 2024, arXiv 2310.04216), simplified to served losses.

    Parameters
    ----------
    threshold : float, optional
        Fires above this, in money a row of weight 1; None is tuned at ``start``.
    window : int
        Newest arrived labels to take the mean of.
    min_labels : int
        Stay silent with fewer.
    points : int
        Trainings in the history before ``start`` on which a threshold is tuned.

    >>> StalenessCost(0.5, window=168), StalenessCost()
    (StalenessCost(threshold=0.5, window=168), StalenessCost())
    """

    threshold: Amount | None = None
    window: LabelsWindow = 200
    min_labels: Count = 50
    points: TwoOrMore = 12

    def learn(self, past: Rehearsal) -> float | None:
        """The threshold that would have cost least before ``start``."""
        return past.cheapest(past.levels(self.window, self.min_labels))

    def monitor(self) -> Monitor:
        """An account of the newest losses."""
        return Account(self._judge, self.window)

    def _judge(self, account: Account, view: View) -> Reason | None:
        lost, threshold = account.level(self.min_labels), self.tuned()
        view.reading(lost, threshold)
        if not lost > threshold:
            return None
        sentence = f"staleness costs {digits(lost)} a row, above {digits(threshold)}"
        return Reason(sentence, lost, threshold)


@dataclass(frozen=True, repr=False)
class CumulativeStaleness(Tuned):
    """When the money that the version in force has lost to staleness adds up to enough.

    The sum of ``prices.error * weight * (loss - mean loss of the reference)`` over the rows that it
    served and whose label has arrived; rows on which it does better count against it. The sum
    starts anew with each version, and with each decision to train. Without a threshold it is tuned
    as for `StalenessCost`. After CARA's cumulative threshold, arXiv 2310.04216.

    Parameters
    ----------
    threshold : float, optional
        Fires above this, in money; None is tuned at ``start``.
    points : int
        Trainings in the history before ``start`` on which a threshold is tuned.

    >>> CumulativeStaleness(250.0), CumulativeStaleness()
    (CumulativeStaleness(threshold=250.0), CumulativeStaleness())
    """

    threshold: Amount | None = None
    points: TwoOrMore = 12

    def learn(self, past: Rehearsal) -> float | None:
        """The threshold that would have cost least before ``start``."""
        return past.cheapest(past.totals())

    def monitor(self) -> Monitor:
        """An account of all losses."""
        return Account(self._judge)

    def _judge(self, account: Account, view: View) -> Reason | None:
        threshold = self.tuned()
        view.reading(account.total, threshold)
        if not account.total > threshold:
            return None
        sentence = f"staleness has cost {digits(account.total)}, above {digits(threshold)}"
        return Reason(sentence, account.total, threshold)


@dataclass(frozen=True, repr=False)
class BreakEven(Part):
    """When staleness has cost as much as a retrain: rent until it comes to the price, then buy.

    Fires once the sum of `CumulativeStaleness` reaches ``factor`` times the price of a retrain:
    ``retrain + per_1k_rows * rows / 1000 + release``, for the rows that the version in force was
    trained on. Nothing is tuned. At factor 1, as in ski rental, trainings and excess losses come to
    at most twice those of the schedule of the oracle, up to what is lost between two looks, if
    an older model never answers a row better than a newer one and labels come at once. Of the kind
    of Continuum's cost-aware policy (Tian et al., SoCC 2018), whose cost is the wait of new data.

    Parameters
    ----------
    factor : float
        Share of the price to reach; below 1 retrains earlier.

    >>> BreakEven(), BreakEven(0.5)
    (BreakEven(), BreakEven(factor=0.5))
    """

    factor: Positive = 1.0

    def monitor(self) -> Monitor:
        """An account of all losses."""
        return Account(self._judge)

    def _judge(self, account: Account, view: View) -> Reason | None:
        price = self.factor * price_of_training(view, len(view.model.selection))
        view.reading(account.total, price)
        if not account.total >= price:
            return None
        sentence = f"staleness has cost {digits(account.total)}, a retrain is worth {digits(price)}"
        return Reason(sentence, account.total, price)


# --- what tuned triggers have in common ---------------------------------------------------------


def untunable(part: Part, parameter: str, history: View) -> PartError:
    """The error of a trigger that has nothing to be tuned on."""
    return PartError(
        f"{part!r}: cannot be tuned, too few labels are known before {history.start}; "
        f"let start be later, need fewer labels, or give {parameter}="
    )


def untuned(part: Part) -> PartError:
    """The error of a trigger that nobody has tuned."""
    return PartError(f"{part!r}: was not tuned; the part that holds it must pass `prepare` on")

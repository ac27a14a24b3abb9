"""When to retrain: triggers made of triggers."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from backtrain.datasets.offsets import parse_offset, shift
from backtrain.simulator.protocols import Checked, Monitor, Part, PartError, Reason, Trigger
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

__all__ = ["AllOf", "AnyOf", "Budget", "Cooldown"]


@dataclass(frozen=True, repr=False)
class _Combined(Part):
    triggers: tuple[Trigger, ...] = field(default=())

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", tuple(triggers))
        if not triggers:
            raise PartError(f"{type(self).__name__}(): give at least one trigger")
        for trigger in triggers:
            refuse_other(type(self).__name__, trigger)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.triggers))})"

    def check_setup(self, setup: Setup) -> None:
        """Hold every part against the setup."""
        for trigger in self.triggers:
            check(trigger, setup)


class AnyOf(_Combined):
    """When any of its triggers fires. All of them see every tick.

    Parameters
    ----------
    *triggers : Trigger
        One or more.

    >>> AnyOf(Every("30D"), EveryRows(5_000))
    AnyOf(Every('30D'), EveryRows(5000))
    """

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several([trigger.monitor() for trigger in self.triggers], need=1)


class AllOf(_Combined):
    """When all of its triggers fire at the same tick. All of them see every tick.

    An alarm of a detector stays on until a training starts, a schedule fires at one tick only.

    Parameters
    ----------
    *triggers : Trigger
        One or more.

    >>> AllOf(Every("7D"), Random(0.5))
    AllOf(Every('7D'), Random(0.5))
    """

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several([trigger.monitor() for trigger in self.triggers], need=len(self.triggers))


class _Several:
    def __init__(self, monitors: list[Monitor], need: int) -> None:
        self._monitors = monitors
        self._need = need
        self._parts: list[Reason] = []
        self._whole: Reason | None = None

    def fires(self, view: View) -> Reason | None:
        fired = [reason for m in self._monitors if (reason := m.fires(view)) is not None]
        if len(fired) < self._need:
            return None
        if self._whole is None or fired != self._parts:  # alarms that stay on are one reason
            said = "; ".join(reason.sentence for reason in fired)
            self._whole = Reason(said, fired[0].statistic, fired[0].threshold)
            self._parts = fired
        return fired[0] if len(fired) == 1 else self._whole


@dataclass(frozen=True, repr=False)
class Cooldown(Part):
    """Silence a trigger for a while after each decision to train, whoever caused it.

    Parameters
    ----------
    trigger : Trigger
        What to silence.
    offset : str
        For how long, such as ``"3D"``.

    >>> Cooldown(Random(0.2), "3D")
    Cooldown(Random(0.2), '3D')
    """

    trigger: Trigger
    offset: str

    def __post_init__(self) -> None:
        refuse_other("Cooldown", self.trigger)
        parse_offset(self.offset, "Cooldown(offset)")

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner trigger against the setup."""
        check(self.trigger, setup)

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Cooling(self)


class _Cooling:
    def __init__(self, spec: Cooldown) -> None:
        self._inner = spec.trigger.monitor()
        self._offset = parse_offset(spec.offset)

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        if reason is None or not view.trainings:
            return reason
        until = shift(pd.Timestamp(view.trainings[-1]), self._offset)
        return reason if view.now >= until else None


@dataclass(frozen=True, repr=False)
class Budget(Part):
    """Silence a trigger when so many trainings were decided, or so much money was spent.

    Parameters
    ----------
    trigger : Trigger
        What to silence.
    retrains : int, optional
        Trainings of the whole strategy, rejected and failed ones included, the first model not.
    money : float, optional
        Silent once a training at the fixed price would bring the money spent (training, labels,
        checks, releases; not errors) above this.

    >>> Budget(Every("1D"), retrains=10)
    Budget(Every('1D'), retrains=10)
    """

    trigger: Trigger
    retrains: int | None = None
    money: float | None = None

    def __post_init__(self) -> None:
        refuse_other("Budget", self.trigger)
        if self.retrains is None and self.money is None:
            raise PartError("Budget: give retrains= or money=")
        if (self.retrains or 0) < 0 or (self.money or 0) < 0:
            raise PartError(f"{self!r}: a budget is not negative")

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner trigger against the setup."""
        check(self.trigger, setup)

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Budgeted(self)


class _Budgeted:
    def __init__(self, spec: Budget) -> None:
        self._spec = spec
        self._inner = spec.trigger.monitor()

    def fires(self, view: View) -> Reason | None:
        reason = self._inner.fires(view)
        retrains, money = self._spec.retrains, self._spec.money
        if retrains is not None and len(view.trainings) >= retrains:
            return None
        if money is not None and view.spent + view.prices.retrain > money:
            return None
        return reason


def check(trigger: Trigger, setup: Setup) -> None:
    """Hold a trigger against the setup, if it wants to be."""
    if isinstance(trigger, Checked):
        trigger.check_setup(setup)


def refuse_other(where: str, trigger: object) -> None:
    """Raise `PartError` for what is not a trigger."""
    if isinstance(trigger, type):
        raise PartError(
            f"{where}: {trigger.__name__} is a class; did you mean {trigger.__name__}()?"
        )
    if not hasattr(trigger, "monitor"):
        raise PartError(f"{where}: {trigger!r} is not a trigger, it has no method 'monitor'")

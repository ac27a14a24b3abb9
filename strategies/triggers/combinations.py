"""When to retrain: triggers made of triggers."""

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from backtrain.simulator.answers import PartError, Reason
from backtrain.simulator.asking import check_setup, instants_of, monitor_of, refuse_other, tuned
from backtrain.simulator.parts import AnyTrigger, Monitor, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.texts import code
from backtrain.simulator.view import View

__all__ = ["AllOf", "AnyOf", "AtLeast", "Not"]


# --- several ------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Combined(Part):
    triggers: tuple[AnyTrigger, ...] = field(default=())

    def __init__(self, *triggers: AnyTrigger) -> None:
        object.__setattr__(self, "triggers", tuple(triggers))
        if not triggers:
            raise PartError(f"{type(self).__name__}(): give at least one trigger")
        for trigger in triggers:
            refuse_inside(type(self).__name__, trigger)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(code, (*self._first(), *self.triggers)))})"

    def check_setup(self, setup: Setup) -> None:
        """Hold every part against the setup."""
        for trigger in self.triggers:
            check_setup(trigger, setup)

    def prepare(self, history: View) -> Any:
        """The same of tuned triggers; itself where nothing is to be tuned."""
        inner = [tuned(trigger, history) for trigger in self.triggers]
        same = all(new is old for new, old in zip(inner, self.triggers, strict=True))
        return self if same else type(self)(*self._first(), *inner)

    def _first(self) -> tuple[Any, ...]:
        """Arguments before the triggers."""
        return ()

    def _need(self) -> int:
        """How many of its triggers must fire."""
        return 1

    def monitor(self) -> Monitor:
        """A watch over all of them."""
        return _Several(self.triggers, self._need())


class AnyOf(_Combined):
    """When any of its triggers fires. All of them see every tick.

    Parameters
    ----------
    *triggers : Trigger
        One or more.

    >>> AnyOf(Every("30D"), EveryRows(5_000))
    AnyOf(Every('30D'), EveryRows(5000))
    """


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

    def _need(self) -> int:
        return len(self.triggers)


@dataclass(frozen=True, repr=False)
class AtLeast(_Combined):
    """When at least k of its triggers fire at the same tick. All of them see every tick.

    Parameters
    ----------
    k : int
        How many; 1 is `AnyOf`, the number of triggers is `AllOf`.
    *triggers : Trigger
        Of which.

    >>> AtLeast(2, FeatureDrift(), ErrorDrift(), PerformanceDrop("MAE", drop="20%"))
    AtLeast(2, FeatureDrift(), ErrorDrift(), PerformanceDrop('MAE', drop='20%'))
    """

    k: int = 1

    def __init__(self, k: int, *triggers: AnyTrigger) -> None:
        super().__init__(*triggers)
        object.__setattr__(self, "k", k)
        if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= len(triggers):
            raise PartError(
                f"AtLeast(k={k!r}): give 1 or more, and no more than its {len(triggers)} triggers"
            )

    def _first(self) -> tuple[Any, ...]:
        return (self.k,)

    def _need(self) -> int:
        return self.k


class _Several:
    def __init__(self, triggers: tuple[AnyTrigger, ...], need: int) -> None:
        self._monitors = [monitor_of(trigger) for trigger in triggers]
        self._need = need

    def fires(self, view: View) -> Reason | None:
        answers = [monitor.fires(view) for monitor in self._monitors]
        fired = [reason for reason in answers if reason is not None]
        if len(fired) < self._need:
            return None
        if len(fired) == 1:
            return fired[0]
        sentences = "; ".join(reason.sentence for reason in fired)
        since = next((reason.since for reason in fired if reason.since is not None), None)
        raised_at = max(reason.raised_at for reason in fired if reason.raised_at is not None)
        return Reason(sentences, fired[0].statistic, fired[0].threshold, since, raised_at)


# --- one ----------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Wrapped(Part):
    """A trigger round a trigger: checks and tuning are handed on."""

    trigger: AnyTrigger

    def check_parameters(self) -> None:
        """Refuse what is not a trigger."""
        refuse_inside(type(self).__name__, self.trigger)

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner trigger against the setup."""
        check_setup(self.trigger, setup)

    def prepare(self, history: View) -> Any:
        """The same of the tuned trigger; itself where nothing is to be tuned."""
        inner = tuned(self.trigger, history)
        return self if inner is self.trigger else replace(self, trigger=inner)


@dataclass(frozen=True, repr=False)
class Not(Wrapped):
    """When a trigger does not fire: made for `AllOf`, alone it fires at most ticks.

    Parameters
    ----------
    trigger : Trigger
        Whose silence is the reason.

    >>> AllOf(Every("7D"), Not(FeatureDrift()))
    AllOf(Every('7D'), Not(FeatureDrift()))
    """

    def monitor(self) -> Monitor:
        """A watch over the inner trigger."""
        return _Inverted(self)


class _Inverted:
    def __init__(self, spec: Not) -> None:
        self._inner = monitor_of(spec.trigger)
        self._sentence = f"{code(spec.trigger)} does not fire"
        self._since: pd.Timestamp | None = None
        self._trainings = 0

    def fires(self, view: View) -> Reason | None:
        fired = self._inner.fires(view) is not None
        if fired or len(view.trainings) != self._trainings:
            self._trainings, self._since = len(view.trainings), None
        if fired:
            return None
        self._since = self._since or view.now  # when the silence began
        return Reason(self._sentence, raised_at=self._since)


# --- what they have in common -------------------------------------------------------------------


def refuse_inside(where: str, trigger: object) -> None:
    """Raise `PartError` for what is not a trigger, or cannot stand in another one."""
    refuse_other("trigger", where, trigger)
    if instants_of(trigger) is not None:
        raise PartError(
            f"{where}: {type(trigger).__name__} answers rows itself, so it stands alone: "
            "Strategy(Recorded(...), window)"
        )

"""A strategy: when to retrain, on what, how, and whether to deploy the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import pandas as pd

from backtrain.datasets.offsets import to_timestamp
from backtrain.datasets.shown import Shown
from backtrain.simulator.answers import AnyUpdate, PartError, SetupError
from backtrain.simulator.asking import instants_of
from backtrain.simulator.constraints import KINDS, CountOrZero, Listed, Offset
from backtrain.simulator.parts import AnyGate, AnyTrigger, AnyWindow, Part
from backtrain.simulator.texts import code
from backtrain.simulator.view import View
from backtrain.strategies.blackouts import AnyBlackout, Blackout, forbidden, read_blackout
from backtrain.strategies.gates.holdout import Immediate
from backtrain.strategies.triggers.limits import cool_from, is_used_up
from backtrain.strategies.updates.refit import Refit

__all__ = ["Strategy"]

Instant = str | pd.Timestamp


@dataclass(frozen=True, repr=False)
class Strategy(Part, Shown):
    """Trigger, window, update and gate, with what holds them back.

    Parameters
    ----------
    trigger : Trigger, or a function
        When.
    window : Window, or a function
        On what.
    update : Update
        How; a full refit by default.
    gate : Gate
        Whether to deploy; at once by default.
    cooldown : str, optional
        No training is decided within this offset of the last decision.
    budget : int, optional
        At most so many trainings; rejected and failed ones count, the first model does not.
    blackout : sequence of str, of (from, to) pairs or of blackouts
        Days on which, or stretches ``[from, to)`` in which, no training is decided, in local time;
        or what comes again: `Weekdays`, `Hours`, `LastDays`, `PublicHolidays`.
    tuned_until : str or Timestamp, optional
        The end of the history on which its parts were chosen: by `Backtest.tune`, a sweep, Optuna,
        or by looking at reports; without a time zone local. Where rows before it are served, the
        strategy has seen what it is judged on: it is shown as in-sample and cannot win. It changes
        nothing else.

    Examples
    --------
    >>> from backtrain.strategies import Every, Sliding, Weekdays
    >>> Strategy(Every("7D"), Sliding("90D"), cooldown="2D", blackout=["2024-12-24", Weekdays()])
    Strategy(Every('7D'), Sliding('90D'), cooldown='2D', blackout=('2024-12-24', Weekdays()))
    """

    trigger: AnyTrigger
    window: AnyWindow
    update: Annotated[AnyUpdate, KINDS["update"]] = field(default_factory=Refit)
    gate: AnyGate = field(default_factory=Immediate)
    cooldown: Offset | None = None
    budget: CountOrZero | None = None
    blackout: Annotated[Sequence[str | Sequence[str] | AnyBlackout], Listed()] = ()
    tuned_until: Instant | None = None

    def check_parameters(self) -> None:
        """Read the times, and refuse limits of what has already happened."""
        # One form, whether it came from code or from YAML: equal strategies look equal.
        stretches = tuple(tuple(e) if isinstance(e, (list, tuple)) else e for e in self.blackout)
        object.__setattr__(self, "blackout", stretches)
        _ = self._blackouts
        if self.tuned_until is not None:
            until = to_timestamp(self.tuned_until, "tuned_until")
            zone = "" if pd.Timestamp(self.tuned_until).tzinfo is None else "+00:00"
            object.__setattr__(self, "tuned_until", until.isoformat() + zone)
        if instants_of(self.trigger) is not None:
            self._refuse_second_thoughts()

    def _refuse_second_thoughts(self) -> None:
        """What was recorded is not fitted, judged or held back again."""
        for name, usual in (
            ("update", Refit()),
            ("gate", Immediate()),
            ("cooldown", None),
            ("budget", None),
            ("blackout", ()),
        ):
            if (value := getattr(self, name)) != usual:
                raise PartError(
                    f"Strategy({name}={value!r}): {type(self.trigger).__name__} says what really "
                    f"happened, and there is no model to fit or judge; leave {name}= at {usual!r}"
                )

    def to_frame(self) -> pd.DataFrame:
        """A row a parameter, with its ``part``, the ``class`` of that, its name and its ``value``.

        Values are code. There is nothing to draw: when it trains depends on the history, so a run
        shows it.
        """
        rows = []
        for spec in fields(self):
            part, is_part = getattr(self, spec.name), spec.name in KINDS
            kind = type(part).__name__ if is_part else ""
            names = [one.name for one in fields(part)] if is_part and is_dataclass(part) else []
            rows += [(spec.name, kind, name, code(getattr(part, name))) for name in names]
            if not names:
                rows.append((spec.name, kind, "", code(part)))
        return pd.DataFrame(rows, columns=["part", "class", "parameter", "value"])

    def obstacle(self, view: View) -> tuple[str, str] | None:
        """Kind and sentence of what forbids a training now, or None."""
        if is_used_up(view, self.budget):
            return "budget", f"the budget of {self.budget} trainings is used up"
        if view.at < (until := cool_from(view, self.cooldown)):
            return "cooldown", f"cooling down until {view.calendar.shown(pd.Timestamp(until))}"
        if (sentence := forbidden(self._blackouts, view.now, view.calendar)) is not None:
            return "blackout", sentence
        return None

    @cached_property
    def _blackouts(self) -> list[Blackout]:
        return [read_blackout(entry) for entry in self.blackout]


def check_names(strategies: Any, what: str) -> None:
    """Raise `SetupError` for what is no mapping of names to strategies; ``what`` it was given as.

    >>> check_names({"weekly": 7}, "compare")
    Traceback (most recent call last):
        ...
    backtrain.simulator.answers.SetupError: strategy 'weekly': 7 is not a Strategy(trigger, window)
    """
    if not isinstance(strategies, Mapping) or not strategies:
        given = f"{type(strategies).__name__}; " if strategies else ""
        raise SetupError(
            f"{what}: {given}give strategies by the names that reports show, such as "
            "{'static': Strategy(...)}"
        )
    for name, strategy in strategies.items():
        if not isinstance(name, str) or not name.strip():
            raise SetupError(f"{what}: {name!r} is no name; give a text, such as 'weekly'")
        if not hasattr(strategy, "trigger"):
            raise SetupError(f"strategy {name!r}: {strategy!r} is not a Strategy(trigger, window)")


def chosen_until(
    strategies: Mapping[str, Strategy], tuned_until: Instant | Mapping[str, Instant] | None
) -> Mapping[str, Strategy]:
    """The strategies, all or some by name, marked as chosen on the history up to an instant."""
    if tuned_until is None:
        return strategies
    if not isinstance(tuned_until, Mapping):
        tuned_until = dict.fromkeys(strategies, tuned_until)
    for name in tuned_until:
        if name not in strategies:
            raise PartError(
                f"tuned_until[{name!r}]: no such strategy; there are {', '.join(strategies)}"
            )
    marked = {name: replace(strategies[name], tuned_until=at) for name, at in tuned_until.items()}
    return {**strategies, **marked}

"""Asks parts, and turns what they answer into what the simulator works with, or refuses it.

Answers are written by users: a trigger that returns True, a window that returns positions, a plain
function. What has one meaning only is accepted; the rest is a `PartError` that names the part, its
answer and what to return instead. This is the one place that knows the defaults of optional
methods and which answers are accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import PartError, Reason, Selection, Verdict
from backtrain.simulator.answers import needs_parent as needs_parent
from backtrain.simulator.constraints import FUNCTIONS, KINDS
from backtrain.simulator.parts import Gate, RecordedAnswers, Trigger, Update
from backtrain.simulator.texts import code
from backtrain.simulator.view import View, being_asked

if TYPE_CHECKING:
    from backtrain.simulator.setup import Setup

_LONGEST = 80  # characters of a part or an answer that a message shows


# --- any part -------------------------------------------------------------------------------------


def is_function(part: object) -> bool:
    """Whether a part is a plain function: also a lambda, a partial or a bound method."""
    return isinstance(part, FUNCTIONS)


def method(kind: type, name: str, part: object) -> Callable[..., Any]:
    """An optional method of a part: its own, or else that of the base class, bound to the part."""
    own = getattr(part, name, None)
    return own if callable(own) else MethodType(getattr(kind, name), part)


def refuse_other(kind: str, where: str, part: object) -> None:
    """Raise `PartError` for what is not a part of a kind, such as ``"trigger"``."""
    if (wrong := KINDS[kind].problem(part)) is not None:
        shown = part.__name__ if isinstance(part, type) else _shown(part)
        raise PartError(f"{where}: {shown} {wrong}")


def check_setup(part: object, setup: Setup) -> None:
    """Have a part compare itself with the setup; it raises `PartError` where it does not fit."""
    method(Trigger, "check_setup", part)(setup)


# --- triggers -------------------------------------------------------------------------------------


class Watch:
    """Asks a trigger at every tick of a replay; keeps an alarm on where the trigger latches it."""

    def __init__(self, trigger: object) -> None:
        monitor = trigger if is_function(trigger) else method(Trigger, "monitor", trigger)()
        fires = monitor if is_function(monitor) else getattr(monitor, "fires", None)
        if isinstance(monitor, type) or not callable(fires):
            raise PartError(
                f"{_shown(trigger)}: monitor() gave {_shown(monitor)}, which has no method "
                "'fires'; return self, or an object with fires(view)"
            )
        self._trigger = trigger
        self._ask = fires
        latching = (getattr(one, "latching", Trigger.latching) for one in (trigger, monitor))
        self._latching = any(latching)
        self._since: tuple[int, int] | None = None
        self._alarm: Reason | None = None

    def fires(self, view: View) -> Reason | None:
        """Return why to retrain now, or None."""
        outer = being_asked(view, self._trigger)
        try:
            answer: object = self._ask(view)
        except Exception as error:
            _name_part(error, self._trigger, "fires")
            raise
        finally:
            being_asked(view, outer)
        if not self._latching:
            return None if answer is None else self._reason(answer, view)
        now = view.model.version, len(view.trainings)
        if now != self._since:
            self._since, self._alarm = now, None
        if self._alarm is None and answer is not None:
            self._alarm = self._reason(answer, view)
        return self._alarm

    def _reason(self, answer: object, view: View) -> Reason | None:
        if isinstance(answer, (bool, np.bool_)):
            if not answer:
                return None
            answer = f"{_shown(self._trigger)} fired"
        if isinstance(answer, str) and answer.strip():
            return Reason(answer, raised_at=view.now)
        if not isinstance(answer, Reason):
            _refuse(
                self._trigger, "fires", answer, "Reason('why') or True to retrain, None to wait"
            )
        if answer.raised_at is None:
            return replace(answer, raised_at=view.now)
        return answer


def monitor_of(trigger: object) -> Watch:
    """Open a trigger, or a function, for one replay."""
    return Watch(trigger)


def tuned(trigger: Any, history: View) -> Any:
    """The trigger tuned on what was known at ``start``; itself where it is not to be tuned."""
    found = method(Trigger, "prepare", trigger)(history)
    if isinstance(found, type) or not (is_function(found) or _has_any(found, "trigger")):
        _refuse(trigger, "prepare", found, "the tuned trigger, or self")
    return found


def instants_of(trigger: object) -> NDArray[np.int64] | None:
    """When production retrained, in nanoseconds, where the trigger is a recording; else None."""
    found = method(Trigger, "instants", trigger)()
    return None if found is None else np.unique(np.asarray(found, dtype=np.int64))


def answers_of(trigger: object, setup: Setup) -> RecordedAnswers:
    """What production answered to the served rows, from a recording."""
    found = method(Trigger, "answers", trigger)(setup)
    if not isinstance(found, RecordedAnswers):
        _refuse(trigger, "answers", found, "RecordedAnswers(prediction)")
    return found


# --- windows and updates --------------------------------------------------------------------------


def select(window: Any, view: View) -> Selection:
    """The rows that a window selects.

    Beside a `Selection`: a slice of the past rows, positions, or a mask over the past rows.
    """
    try:
        answer: object = window(view) if is_function(window) else window.select(view)
    except Exception as error:
        _name_part(error, window, "select")
        raise
    return selection_of(window, answer, view.past)


def selection_of(window: object, answer: object, past: int) -> Selection:
    """What a window's answer selects of so many past rows; `PartError` for what selects none."""
    if isinstance(answer, Selection):
        return answer
    try:
        rows = _positions(answer, past)
        return Selection(rows)
    except (PartError, TypeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, PartError) else ""
        raise PartError(
            f"{_shown(window)}: select() gave {_shown(answer)}{why}; return Selection(rows) with "
            "positions or a slice, such as Selection(view.labelled.newest(500))"
        ) from None


def _positions(answer: object, past: int) -> Any:
    """Rows as `Selection` takes them; raises TypeError for what is none."""
    if isinstance(answer, slice):
        start, stop, step = answer.indices(past)
        if answer.stop is not None and answer.stop > past:  # the view says that this is the future
            stop = answer.stop
        if step != 1:
            return np.arange(start, stop, step)
        return slice(start, max(start, stop))
    if isinstance(answer, range):
        return np.asarray(answer, dtype=np.int64)
    if not isinstance(answer, (list, tuple, np.ndarray, pd.Series, pd.Index)):
        raise TypeError
    rows = np.asarray(answer)
    if rows.dtype == bool:
        if rows.shape != (past,):
            raise PartError(f"a mask of {rows.size}, where {past} rows are past")
        return np.flatnonzero(rows)
    return rows.astype(np.int64) if rows.size == 0 else rows


def rows_fitted(update: object, rows: int) -> int:
    """Rows passed to all fits of a training on ``rows`` rows, as they are charged."""
    count = method(Update, "rows_fitted", update)(rows)
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
        _refuse(update, f"rows_fitted({rows})", count, "a number of rows")
    return int(count)


def to_learn(update: object, view: View, selection: Selection) -> tuple[Selection, bool]:
    """The rows of a selection that an update would learn from, and whether it starts afresh."""
    afresh = bool(method(Update, "starts_afresh", update)(view, selection))
    answer: object = method(Update, "unlearnt", update)(view, selection)
    if not isinstance(answer, Selection):
        instead = "a Selection, such as selection.take(positions)"
        _refuse(update, "unlearnt", answer, instead)
    return answer, afresh


# --- gates ----------------------------------------------------------------------------------------


class Judge:
    """Asks a gate about one challenger."""

    def __init__(self, gate: object) -> None:
        trial = method(Gate, "open", gate)()
        if trial is gate and not _has(trial, "review"):
            raise PartError(
                f"{_shown(gate)}: a gate has no method 'review'; write review(self, view), which "
                "returns a Verdict, or True to deploy and False to reject"
            )
        if not _has(trial, "review"):
            says = f"open() gave {_shown(trial)}, which has no method 'review'; return self, or an"
            if trial is gate:
                says = "a gate has no method 'review'; write review(self, view), or open() for an"
            raise PartError(f"{_shown(gate)}: {says} object with review(view)")
        self._gate, self._trial = gate, trial

    def check(self, selection: Selection, view: View) -> Reason | None:
        """Return why the training is refused, or None."""
        answer: object = method(Gate, "check", self._trial)(selection, view)
        if answer is None or isinstance(answer, Reason):
            return answer
        if isinstance(answer, str) and answer.strip():
            return Reason(answer)
        instead = "Reason('why') to refuse the training, None to go on"
        _refuse(self._gate, "check", answer, instead)

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        """Split into the rows to train on and those held out, or None."""
        answer: Any = method(Gate, "reserve", self._trial)(selection)
        if isinstance(answer, Selection):
            return answer, None
        if isinstance(answer, tuple) and len(answer) == 2:
            train, held = answer
            if isinstance(train, Selection) and (held is None or isinstance(held, Selection)):
                return train, held
        instead = "two selections: the rows to train on, and those held out or None"
        _refuse(self._gate, "reserve", answer, instead)

    def review(self, view: View) -> Verdict:
        """Judge the challenger."""
        try:
            answer: object = self._trial.review(view)
        except Exception as error:
            _name_part(error, self._gate, "review")
            raise
        if isinstance(answer, Verdict):
            return answer
        if isinstance(answer, (bool, np.bool_)):
            return Verdict.deploy() if answer else Verdict.reject()
        instead = "Verdict.deploy(), Verdict.reject('why') or Verdict.wait(...)"
        _refuse(self._gate, "review", answer, instead)


def trial_of(gate: object) -> Judge:
    """Open a gate for one challenger."""
    return Judge(gate)


# --- what they share ------------------------------------------------------------------------------


def _name_part(error: Exception, part: object, called: str) -> None:
    """Say of an error inside which part it was raised."""
    error.add_note(f"in {called}() of {_shown(part)}")


def _refuse(part: object, called: str, answer: object, instead: str) -> NoReturn:
    call = called if called.endswith(")") else f"{called}()"
    raise PartError(f"{_shown(part)}: {call} gave {_shown(answer)}; return {instead}")


def _has(part: object, name: str) -> bool:
    return callable(getattr(part, name, None)) and not isinstance(part, type)


def _has_any(part: object, kind: str) -> bool:
    return any(_has(part, name) for name in KINDS[kind].methods)


def _shown(thing: object) -> str:
    """A part or an answer on one line, not too long."""
    text = " ".join(code(thing).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

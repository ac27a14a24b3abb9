"""Asks parts their questions; takes an answer for what it unmistakably means, or refuses it.

What a part gives back is written by users: a trigger that says True, a window that gives positions.
What has one meaning only is accepted; the rest is a `PartError` that names the part, its answer and
what to return instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtrain.simulator.protocols import (
    Gate,
    Incremental,
    Monitor,
    PartError,
    Reason,
    Selection,
    Trial,
    Trigger,
    Tuned,
    Verdict,
    Window,
)
from backtrain.simulator.texts import code

if TYPE_CHECKING:
    from backtrain.simulator.view import View

_LONGEST = 80  # characters of a part or an answer that a message shows


# --- triggers -------------------------------------------------------------------------------------


def monitor_of(trigger: Trigger) -> Monitor:
    """Open a trigger's watch, whose answers are held against what they may be."""
    monitor = trigger.monitor()
    if not _has(monitor, "fires"):
        raise PartError(
            f"{_shown(trigger)}: monitor() gave {_shown(monitor)}, which has no method 'fires'; "
            "return self, or an object with fires(view)"
        )
    return _Watch(trigger, monitor)


class _Watch:
    """A monitor whose answers are taken for what they unmistakably mean."""

    def __init__(self, trigger: Trigger, monitor: Monitor) -> None:
        self._trigger = trigger
        self._fires = monitor.fires

    def fires(self, view: View) -> Reason | None:
        answer: object = self._fires(view)
        if answer is None or isinstance(answer, Reason):
            return answer
        return _reason_of(self._trigger, answer)


def tuned(trigger: Any, history: View) -> Trigger:
    """The trigger tuned on what was known at ``start``, if it wants to be; else as it is."""
    if not isinstance(trigger, Tuned):
        return trigger  # type: ignore[no-any-return]
    found = trigger.prepare(history)
    if not _has(found, "monitor"):
        raise PartError(
            f"{_shown(trigger)}: prepare() gave {_shown(found)}; return the tuned trigger, or self"
        )
    return found


def _reason_of(trigger: Trigger, answer: object) -> Reason | None:
    """A sentence, or True, is a reason to retrain; False is to wait."""
    if isinstance(answer, (bool, np.bool_)):
        return Reason(f"{_shown(trigger)} fired") if answer else None
    if isinstance(answer, str) and answer.strip():
        return Reason(answer)
    raise PartError(
        f"{_shown(trigger)}: fires() gave {_shown(answer)}; return Reason('why') to retrain, None "
        "to wait"
    )


# --- windows and updates --------------------------------------------------------------------------


def select(window: Window, view: View) -> Selection:
    """The rows that a window selects.

    Beside a `Selection`: a slice of the past rows, positions, or a mask over the past rows.
    """
    answer: object = window.select(view)
    if isinstance(answer, Selection):
        return answer
    try:
        rows = _positions(answer, view.past)
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


def unlearnt(update: Incremental, view: View, selection: Selection) -> Selection:
    """The rows of a selection that an update would learn."""
    answer: object = update.unlearnt(view, selection)
    if not isinstance(answer, Selection):
        raise PartError(
            f"{_shown(update)}: unlearnt() gave {_shown(answer)}; return a Selection, such as "
            "selection.take(positions)"
        )
    return answer


# --- gates ----------------------------------------------------------------------------------------


def trial_of(gate: Gate) -> Trial:
    """Open a gate's trial, whose answers are held against what they may be."""
    trial = gate.open()
    lacking = [name for name in ("check", "reserve", "review") if not _has(trial, name)]
    if lacking:
        raise PartError(
            f"{_shown(gate)}: open() gave {_shown(trial)}, which lacks {', '.join(lacking)}; "
            "return self, or an object with check, reserve and review"
        )
    return _Asked(gate, trial)


class _Asked:
    """A trial whose answers are taken for what they unmistakably mean."""

    def __init__(self, gate: Gate, trial: Trial) -> None:
        self._gate = gate
        self._trial = trial

    def check(self, selection: Selection, view: View) -> Reason | None:
        answer: object = self._trial.check(selection, view)
        if answer is None or isinstance(answer, Reason):
            return answer
        if isinstance(answer, str) and answer.strip():
            return Reason(answer)
        raise self._wrong("check", answer, "Reason('why') to refuse the training, None to go on")

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        answer: Any = self._trial.reserve(selection)
        if isinstance(answer, Selection):
            return answer, None
        if isinstance(answer, tuple) and len(answer) == 2:
            train, held = answer
            if isinstance(train, Selection) and (held is None or isinstance(held, Selection)):
                return train, held
        what = "two selections: the rows to train on, and those held out or None"
        raise self._wrong("reserve", answer, what)

    def review(self, view: View) -> Verdict:
        answer: object = self._trial.review(view)
        if isinstance(answer, Verdict):
            return answer
        if isinstance(answer, (bool, np.bool_)):
            return Verdict.deploy() if answer else Verdict.reject()
        what = "Verdict.deploy(), Verdict.reject('why') or Verdict.wait(...)"
        raise self._wrong("review", answer, what)

    def _wrong(self, method: str, answer: object, instead: str) -> PartError:
        return PartError(
            f"{_shown(self._gate)}: {method}() gave {_shown(answer)}; return {instead}"
        )


# --- what they share ------------------------------------------------------------------------------


def _has(part: object, method: str) -> bool:
    return callable(getattr(part, method, None)) and not isinstance(part, type)


def _shown(thing: object) -> str:
    """A part or an answer on one line, not too long."""
    text = " ".join(code(thing).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."

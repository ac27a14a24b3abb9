"""Writes down what each part of a strategy answers, so that a difference has a name."""

from __future__ import annotations

import copy
import functools
import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import PartError, Reason, Selection, Verdict
from backtrain.simulator.asking import selection_of
from backtrain.simulator.texts import code, without_addresses
from backtrain.simulator.view import Model, View
from backtrain.strategies.strategy import Strategy

_LONGEST = 60
#: What is asked of a part, by what it is.
_ASKED = {"trigger": ("fires",), "window": ("select",), "gate": ("check", "reserve", "review")}
#: What a part opens for one replay or one challenger, which is then asked instead of it.
_OPENED = ("monitor", "open", "prepare")


@dataclass(frozen=True)
class Answer:
    """What a part answered at an instant, in nanoseconds."""

    kind: str
    part: str
    at: int
    shown: str


@dataclass
class Log:
    """Answers in the order in which they were given; and rows that a gate should not judge on."""

    answers: list[Answer] = field(default_factory=list)
    judged: list[tuple[str, int, int]] = field(default_factory=list)  # gate, instant, row
    now: int = 0
    judging: bool = True  # whether rows that gates judge on are written down
    casts: dict[tuple[type, str, str], type] = field(default_factory=dict)

    def __deepcopy__(self, memo: object) -> Log:
        return self

    def take(self) -> Log:
        """What was written down since this was last called."""
        taken = Log(self.answers, self.judged)
        self.answers, self.judged = [], []
        return taken


def first_difference(one: Log, other: Log, before: int | None = None) -> Answer | None:
    """The first answer of two logs that is not the same, among those before an instant."""
    a, b = ([x for x in log.answers if before is None or x.at < before] for log in (one, other))
    for x, y in zip(a, b, strict=False):
        if x != y:
            return x if x.at <= y.at else y
    longer = a if len(a) > len(b) else b
    return longer[min(len(a), len(b))] if len(a) != len(b) else None


def watched(strategy: Strategy, log: Log) -> Strategy:
    """A strategy that answers as the given one does, and has what its parts answer written down.

    The update stays as it is: seeds and names of fits depend on it.
    """
    kinds = ("trigger", "window", "gate")
    parts = {kind: _watched(getattr(strategy, kind), kind, log) for kind in kinds}
    return replace(strategy, **parts)


def name_of(part: object) -> str:
    """A part on one line, not too long."""
    text = " ".join(code(part).split())
    if text.startswith("<") and text.endswith(" object>"):
        text = type(part).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _watched(part: Any, kind: str, log: Log) -> Any:
    if isinstance(part, type):
        return part
    name = name_of(part)
    if callable(part) and not _has_methods(part, kind):
        return _watched_function(part, kind, name, log)
    twin = copy.copy(part)
    _recast(twin, kind, name, log)
    return twin


def _has_methods(part: Any, kind: str) -> bool:
    return any(hasattr(part, name) for name in (*_ASKED[kind], *_OPENED))


def _watched_function(function: Any, kind: str, name: str, log: Log) -> Any:
    # A class, since what a function closes over may not change during a replay.
    held: Any = type("Held", (), {"log": log})

    @functools.wraps(function)
    def asked(view: View) -> Any:
        answer = function(view)
        held.log.answers.append(Answer(kind, name, view.at, _meaning(function, answer, view)))
        return answer

    return asked


def _recast(part: Any, kind: str, name: str, log: Log) -> None:
    """Make an object one of a class that writes its answers down, where Python allows it."""
    of = type(part)
    if of in log.casts.values():
        return
    if (of, kind, name) not in log.casts:
        log.casts[of, kind, name] = _cast(of, kind, name, log)
    try:
        object.__setattr__(part, "__class__", log.casts[of, kind, name])
    except TypeError:  # its layout cannot be that of a subclass
        return


def _cast(of: type, kind: str, name: str, log: Log) -> type:
    methods = {}
    for method in _ASKED[kind]:
        if callable(getattr(of, method, None)):
            methods[method] = _recording(getattr(of, method), method, kind, name, log)
    for method in _OPENED:
        if callable(getattr(of, method, None)):
            methods[method] = _opening(getattr(of, method), kind, name, log)
    names = {"__module__": of.__module__, "__doc__": of.__doc__, "__slots__": ()}
    return type(of.__name__, (of,), names | methods)


def _opening(method: Callable[..., Any], kind: str, name: str, log: Log) -> Callable[..., Any]:
    @functools.wraps(method)
    def opened(self: Any, *given: Any) -> Any:
        found = method(self, *given)
        if found is not self and not isinstance(found, type):
            _recast(found, kind, name, log)
        return found

    return opened


def _recording(
    method: Callable[..., Any], asked: str, kind: str, name: str, log: Log
) -> Callable[..., Any]:
    @functools.wraps(method)
    def recorded(self: Any, *given: Any) -> Any:
        view = next((value for value in given if isinstance(value, View)), None)
        if view is not None:
            log.now = view.at
        if asked == "review" and view is not None and log.judging:
            answer = _reviewed(method, self, view, name, log)
        else:
            answer = method(self, *given)
        shown = _meaning(self, answer, view) if asked == "select" else _shown(answer)
        log.answers.append(Answer(kind, name, log.now, shown))
        return answer

    return recorded


def _meaning(window: Any, answer: Any, view: Any) -> str:
    """An answer, and rows by which they are: a slice and an array may select the same."""
    if isinstance(answer, slice | np.ndarray | pd.Series | list) and view is not None:
        with suppress(PartError):
            answer = selection_of(window, answer, view.past)
    return _shown(answer)


def _shown(answer: Any) -> str:
    """An answer as a text that differs where it does."""
    if isinstance(answer, Selection):
        return str(answer.digest().hex())
    if isinstance(answer, tuple):
        return " ".join(map(_shown, answer))
    if isinstance(answer, Reason):
        return without_addresses(answer.sentence)
    if isinstance(answer, Verdict):
        return f"{answer.action} {without_addresses(answer.reason)}"
    if isinstance(answer, np.ndarray | pd.Series | list):
        return hashlib.blake2b(pickle.dumps(np.asarray(answer)), digest_size=8).hexdigest()
    return without_addresses(repr(answer))


# --- gates ----------------------------------------------------------------------------------------


def _reviewed(method: Callable[..., Any], trial: Any, view: View, name: str, log: Log) -> Any:
    """Ask a trial, and note a row on which its challenger is judged and that it has learnt from.

    Judged means by its label: an answer alone may be looked at for any row.
    """
    challenger = view.challenger
    judged: list[Any] = []
    answered: list[Any] = []
    labelled: list[Any] = []

    class Asked(Model):
        __slots__ = ()

        def predict(self, rows: Any) -> Any:
            answered.append(rows)
            return super().predict(rows)

        def outcomes(self, rows: Any) -> Any:
            judged.append(rows)
            return super().outcomes(rows)

        @property
        def estimator(self) -> Any:
            own.append(True)
            return super().estimator

    class Read(View):
        __slots__ = ()

        def X(self, rows: Any) -> Any:  # noqa: N802 - as the view writes it
            read.append(rows)
            return super().X(rows)

        def y(self, rows: Any) -> Any:
            labelled.append(rows)
            return super().y(rows)

    own: list[bool] = []
    read: list[Any] = []
    kinds = type(challenger), type(view)
    challenger.__class__, view.__class__ = Asked, Read
    try:
        answer = method(trial, view)
    finally:
        challenger.__class__, view.__class__ = kinds
    by_hand = np.intersect1d(_all([*answered, *(read if own else ())]), _all(labelled))
    rows = np.union1d(_all(judged), by_hand)
    if len(rows) and len(common := np.intersect1d(rows, challenger.learnt)):
        log.judged.append((name, view.at, int(common[-1])))
    return answer


def _all(asked: list[Any]) -> NDArray[np.int64]:
    """All rows of several asks."""
    rows = [Selection(one).indices() for one in asked]
    return np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)

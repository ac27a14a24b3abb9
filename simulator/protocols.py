"""What the simulator expects of the parts of a strategy. It knows these shapes and no class.

Specs (`Trigger`, `Window`, `Update`, `Gate`) are frozen and reusable; what changes during a replay
lives in the `Monitor` or `Trial` that a spec opens for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import to_timestamp
from backtrain.simulator.constraints import check
from backtrain.simulator.errors import PartError as PartError
from backtrain.simulator.texts import code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtrain.simulator.setup import Setup
    from backtrain.simulator.view import View

Rows = slice | NDArray[np.int64]
_ACTIONS = ("deploy", "reject", "wait", "refit")
_NUMBERS = (int, float, np.integer, np.floating, np.bool_)


@dataclass(frozen=True, eq=False)
class Reason:
    """Why a trigger fired, or a gate refused: one sentence and, where there are, two numbers.

    ``since`` is when the change is thought to have begun, from a detector that can tell.
    """

    sentence: str
    statistic: float = float("nan")
    threshold: float = float("nan")
    since: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        numbers = all(isinstance(n, _NUMBERS) for n in (self.statistic, self.threshold))
        if not isinstance(self.sentence, str) or not numbers:
            raise PartError(
                f"Reason({self.sentence!r}, {self.statistic!r}, {self.threshold!r}): give one "
                "sentence and, where there are any, a statistic and a threshold"
            )


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows that a training learns from, in the order in which it learns them.

    Arrays are copied, unless they are read-only: what was learnt does not change afterwards.

    Attributes
    ----------
    rows : slice or ndarray of shape (n,)
        Positions in the stream; a slice where they are neighbours (nothing is copied then).
    weights : ndarray of shape (n,) or None
        Sample weights, multiplied with the stream's own where it has them.
    """

    rows: Rows
    weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.rows, slice):
            _refuse_half_open(self.rows)
        else:
            rows = np.asarray(self.rows)
            if rows.ndim != 1 or (len(rows) and rows.dtype.kind not in "iu"):
                kind = f"shape {rows.shape}" if rows.ndim != 1 else f"dtype {rows.dtype}"
                raise PartError(
                    f"Selection: rows of {kind}; give positions, as np.flatnonzero does"
                )
            rows = rows.astype(np.int64, copy=False)
            if len(rows) and rows.min() < 0:
                raise PartError(f"Selection: row {rows.min()}; positions are counted from 0")
            if len(rows) and len(rows) == rows[-1] - rows[0] + 1 and (np.diff(rows) == 1).all():
                rows = slice(int(rows[0]), int(rows[-1]) + 1)  # type: ignore[assignment]
            else:
                rows = _kept(rows)
            object.__setattr__(self, "rows", rows)
        weights: Any = self.weights
        if weights is not None:
            weights = _as_weights(weights)
            if len(weights) != len(self):
                raise PartError(f"Selection: {len(self)} rows, but {len(weights)} weights")
            object.__setattr__(self, "weights", _kept(weights))

    def __len__(self) -> int:
        if isinstance(self.rows, slice):
            return int(self.rows.stop - self.rows.start)
        return len(self.rows)

    def indices(self) -> NDArray[np.int64]:
        """Positions as an array, shape (n,)."""
        if isinstance(self.rows, slice):
            return np.arange(self.rows.start, self.rows.stop)
        return self.rows

    def span(self) -> tuple[int, int] | None:
        """The smallest and the largest position, or None where there are no rows."""
        if len(self) == 0:
            return None
        if isinstance(self.rows, slice):
            return self.rows.start, self.rows.stop - 1
        return int(self.rows.min()), int(self.rows.max())

    def take(self, where: slice | NDArray[Any]) -> Selection:
        """The part of this selection at the given places of it."""
        weights = None if self.weights is None else self.weights[where]
        if isinstance(self.rows, slice) and isinstance(where, slice):
            start, stop, _ = where.indices(len(self))
            return Selection(slice(self.rows.start + start, self.rows.start + stop), weights)
        return Selection(self.indices()[where], weights)

    def digest(self) -> bytes:
        """Names the content in 16 bytes: the borders of its runs of neighbours, and the weights."""
        if isinstance(self.rows, slice):
            borders = b"".join(int(e).to_bytes(8, "big") for e in (self.rows.start, self.rows.stop))
            if self.weights is None:
                return borders
        else:
            breaks = np.flatnonzero(np.diff(self.rows) != 1) + 1
            first = self.rows[np.concatenate(([0], breaks))] if len(self.rows) else self.rows
            borders = np.concatenate((first, breaks, [len(self.rows)])).tobytes()
        sha = hashlib.blake2b(borders, digest_size=16)
        if self.weights is not None:
            sha.update(np.ascontiguousarray(self.weights, dtype=np.float64).tobytes())
        return sha.digest()


def _kept(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers, read-only: a copy where somebody else could write to them."""
    if values.flags.writeable:
        values = values.copy()
        values.flags.writeable = False
    return values


def _as_weights(weights: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(weights, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise PartError(f"Selection: weights={weights!r}; give a number for each row") from None


def _refuse_half_open(rows: slice) -> None:
    """Raise `PartError` for a slice that names no stretch of rows."""
    whole = isinstance(rows.start, (int, np.integer)) and isinstance(rows.stop, (int, np.integer))
    if not whole or rows.start < 0 or rows.step not in (None, 1):
        raise PartError(
            f"Selection: {rows}; give a slice from a row to a row, such as slice(0, view.past)"
        )


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a trial says about its challenger. Build it with one of the four class methods."""

    action: Literal["deploy", "reject", "wait", "refit"]
    reason: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    until: pd.Timestamp | None = None
    share: float = 0.0
    sticky: bool = False
    selection: Selection | None = None
    reviewed: bool = True
    watch: bool = False
    ticks: bool = False
    supersede: bool = False

    def __post_init__(self) -> None:
        if self.action not in _ACTIONS:
            raise PartError(
                f"Verdict({self.action!r}): build it with Verdict.deploy(), Verdict.reject(), "
                "Verdict.wait() or Verdict.refit(selection)"
            )
        if self.action == "refit" and not isinstance(self.selection, Selection):
            raise PartError(
                f"Verdict.refit({self.selection!r}): give the Selection to fit again on"
            )
        for name, number in self.numbers.items():
            if not isinstance(number, _NUMBERS):
                raise PartError(f"Verdict({name}={number!r}): a number, to stand on record")

    @classmethod
    def deploy(cls, reason: str = "", reviewed: bool = True, **numbers: float) -> Verdict:
        """Put the challenger in force. ``reviewed=False``: nobody looked, no review is charged."""
        return cls("deploy", reason, numbers, reviewed=reviewed)

    @classmethod
    def reject(cls, reason: str = "", **numbers: float) -> Verdict:
        """Drop the challenger; where it already answered rows, this is the rollback."""
        return cls("reject", reason, numbers)

    @classmethod
    def wait(
        cls,
        until: pd.Timestamp | str | None = None,
        share: float = 0.0,
        reason: str = "",
        sticky: bool = False,
        watch: bool | None = None,
        ticks: bool = False,
        supersede: bool = False,
        **numbers: float,
    ) -> Verdict:
        """Ask again at ``until``; the challenger answers ``share`` of the rows until then.

        ``until=None`` is the next tick, a share of 0 a shadow. With share s the trial's row p,
        counted from 0, is the challenger's iff ``floor((p + 1) * s) > floor(p * s)``; with
        ``sticky``, iff the hash of its group is below s.

        Parameters
        ----------
        watch : bool, optional
            Whether the one that does not answer a row scores it too, which is charged; by default
            with a share of 0 only. With neither a share nor a watch the challenger lies idle.
        ticks : bool
            Ask at every tick before ``until``, too.
        supersede : bool
            A trigger that fires while it waits may start a training that takes its place.
        """
        if not isinstance(share, _NUMBERS) or not 0 <= share <= 1:
            raise PartError(f"Verdict.wait(share={share!r}): a share lies between 0 and 1")
        when = None if until is None else _instant(until)
        return cls(
            "wait",
            reason,
            numbers,
            until=when,
            share=float(share),
            sticky=sticky,
            watch=share == 0 if watch is None else watch,
            ticks=ticks or when is None,
            supersede=supersede,
        )

    @classmethod
    def refit(cls, selection: Selection, reason: str = "", **numbers: float) -> Verdict:
        """Fit the challenger again on ``selection`` and ask once more when that is ready."""
        return cls("refit", reason, numbers, selection=selection)


def _instant(until: object) -> pd.Timestamp:
    try:
        return to_timestamp(until, "Verdict.wait(until)")
    except ValueError as error:
        raise PartError(f"{error}, or view.now + pd.Timedelta('1D')") from None


class Monitor(Protocol):
    """Watches one replay for a trigger. It is asked at every tick, also while a training runs."""

    def fires(self, view: View) -> Reason | None:
        """Return the reason to retrain now, or None."""


class Trigger(Protocol):
    """When to retrain."""

    def monitor(self) -> Monitor:
        """Open a watch for one replay, with no memory of any other."""


class Window(Protocol):
    """What to train on."""

    def select(self, view: View) -> Selection:
        """Choose among the rows known now: sorted positions or a slice, optional weights.

        ``view.reason`` says why; it is None for the first model. A window that looks at it, at what
        was trained before or at what was served has no loss matrix, and so no regret.
        """


class Update(Protocol):
    """How to train."""

    def fit(
        self,
        model: Any,
        X: Any,
        y: NDArray[Any],
        weights: NDArray[np.float64] | None,
        parent: Any,
        seed: int,
    ) -> Any:
        """Return a fitted model.

        ``model`` is an unfitted copy that may be fitted in place; ``parent`` the fitted model in
        force, or None for the first one, and must not be changed. See also `needs_parent`,
        `needs_labels` and `rows_fitted`.
        """


class Trial(Protocol):
    """One challenger's way into force."""

    def check(self, selection: Selection, view: View) -> Reason | None:
        """Refuse before anything is trained, or return None."""

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        """Split into the rows to train on and the rows held out for the review."""

    def review(self, view: View) -> Verdict:
        """Judge ``view.challenger``: when it is ready, and again when it asked to wait."""


class Gate(Protocol):
    """Whether to deploy."""

    def open(self) -> Trial:
        """Open a trial for one challenger."""


class Policy(Protocol):
    """A whole strategy, as the simulator sees it.

    One that was chosen by looking at a history says so by an attribute ``tuned_until``, an instant.
    """

    @property
    def trigger(self) -> Trigger:
        """When."""

    @property
    def window(self) -> Window:
        """On what."""

    @property
    def update(self) -> Update:
        """How."""

    @property
    def gate(self) -> Gate:
        """Whether to deploy."""

    def obstacle(self, view: View) -> tuple[str, str] | None:
        """Kind and sentence of what forbids a training now (cooldown, budget, blackout)."""


@runtime_checkable
class Checked(Protocol):
    """A part that can tell, before anything starts, that it does not fit the setup."""

    def check_setup(self, setup: Setup) -> None:
        """Raise `PartError` with the reason and the remedy."""


@runtime_checkable
class Tuned(Protocol):
    """A trigger that must be tuned before it is used."""

    def prepare(self, history: View) -> Trigger:
        """Return the tuned trigger, from what was known at ``start`` only.

        Nothing is in force yet: ``history.candidate`` gives what would have been trained earlier.
        All that this takes is charged as ``initial``; the tuned trigger is noted as an event.
        """


@dataclass(frozen=True, eq=False)
class RecordedAnswers:
    """What was really answered to the n served rows.

    Attributes
    ----------
    prediction : ndarray of shape (n,)
        Floats for regression, positions in ``setup.classes`` for classification.
    score : ndarray of shape (n,) or None
        Probability of the positive class, or with several classes of the predicted one.
    probability : ndarray of shape (n, k) or None
        Probability of every class.
    """

    prediction: NDArray[Any]
    score: NDArray[np.float64] | None = None
    probability: NDArray[np.float64] | None = None


@runtime_checkable
class Recording(Protocol):
    """A trigger that brings along what was really answered, and when it was really retrained.

    Rows are answered by it and no model is fitted. At each of its instants after ``start``, on a
    tick or not, it is asked; a training and a release are charged, and no delay applies.
    """

    @property
    def instants(self) -> NDArray[np.int64]:
        """When it was retrained, in nanoseconds."""

    def answers(self, setup: Setup) -> RecordedAnswers:
        """What was answered; raises `PartError` where a served row has no answer."""


@runtime_checkable
class Incremental(Protocol):
    """An update that learns only what its parent has not yet learnt."""

    def unlearnt(self, view: View, selection: Selection) -> Selection:
        """The rows of ``selection`` that the model in force was not offered, as they arrived.

        With a method ``starts_afresh(view, selection)``, too, a training for which that is true has
        no parent, whatever a gate holds out of it.
        """


def starts_afresh(update: Update, view: View, selection: Selection) -> bool:
    """Whether an `Incremental` update does not go on from the model in force this time."""
    asked = getattr(update, "starts_afresh", None)
    return asked is not None and bool(asked(view, selection))


def needs_parent(update: Update) -> bool:
    """Whether a fit depends on more than its rows; true unless the update denies it.

    An update that always starts afresh says so with a class attribute ``needs_parent = False``.
    """
    return bool(getattr(update, "needs_parent", True))


def keeps_parameters(update: Update) -> bool:
    """Whether every fit has the very parameters of the model; false unless the update says so.

    Scikit-learn then checks them once in a replay, not at each fit. An update that sets none says
    so with a class attribute ``keeps_parameters = True``, beside its ``fit``.
    """
    return _says_of_fit(update, "keeps_parameters")


def keeps_rows(update: Update) -> bool:
    """Whether the model is given the very rows of a fit; false unless the update says so.

    Scikit-learn then need not look for missing numbers where the stream has none. An update that
    makes nothing else of features and labels says so with a class attribute ``keeps_rows = True``,
    beside its ``fit``.
    """
    return _says_of_fit(update, "keeps_rows")


def _says_of_fit(update: Update, name: str) -> bool:
    """What a class says of its own ``fit``; it is not handed on to one that has another ``fit``."""
    owner = next((kind for kind in type(update).__mro__ if "fit" in vars(kind)), None)
    said = owner is not None and name in vars(owner)
    return said and bool(getattr(update, name))


def needs_labels(update: Update) -> bool:
    """Whether a fit looks at labels; true unless the update denies it.

    An update that learns from features alone says so with a class attribute
    ``needs_labels = False``: it may be given any past rows, and gets None for ``y``.
    """
    return bool(getattr(update, "needs_labels", True))


def rows_fitted(update: Update, rows: int) -> int:
    """Rows passed to all fits of a training on ``rows`` rows, as they are charged.

    An update that fits more than once, such as a search, says how many by a method
    ``rows_fitted(rows)``.
    """
    count = getattr(update, "rows_fitted", None)
    if count is None:
        return rows
    fitted = count(rows)
    if not isinstance(fitted, (int, np.integer)):
        raise PartError(f"{update!r}: rows_fitted({rows}) gave {fitted!r}; return a number of rows")
    return int(fitted)


class Part:
    """Gives a frozen dataclass checked parameters, and a ``repr`` that builds it again.

    What a parameter may be stands beside its type: ``rows: Count`` of `simulator.constraints`, or
    ``since: Literal["start", "training"]``. The ``repr`` is the shortest code that builds the part.
    """

    def __post_init__(self) -> None:
        check(self)
        self.check_parameters()

    def check_parameters(self) -> None:
        """Raise `PartError` where values do not go together; each for itself is checked already."""

    def __repr__(self) -> str:
        shown: list[str] = []
        for spec in fields(self):  # type: ignore[arg-type]
            value = getattr(self, spec.name)
            if spec.default is MISSING and spec.default_factory is MISSING:
                shown.append(code(value))
                continue
            default = spec.default if spec.default_factory is MISSING else spec.default_factory()
            if value != default:
                shown.append(f"{spec.name}={code(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

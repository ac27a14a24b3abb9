"""What parts answer: rows to learn from, a fit, a reason, a verdict; and the errors that refuse."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import to_timestamp


class PartError(ValueError):
    """A part was given a parameter that makes no sense, or does not fit the rest of the setup."""


class SetupError(ValueError):
    """The pieces of a backtest do not fit together."""


Rows = slice | NDArray[np.int64]


def count(rows: Rows) -> int:
    """How many there are."""
    return int(rows.stop - rows.start) if isinstance(rows, slice) else len(rows)


def positions(rows: Rows) -> NDArray[np.int64]:
    """The same as an array, shape (n,)."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows


def span(rows: Rows) -> tuple[int, int] | None:
    """The smallest and the largest position, or None where there are no rows."""
    if count(rows) <= 0:
        return None
    if isinstance(rows, slice):
        return rows.start, rows.stop - 1
    return int(rows.min()), int(rows.max())


def last(rows: Rows, n: int) -> Rows:
    """The last n of them; all where there are fewer."""
    if isinstance(rows, slice):
        return slice(max(rows.start, rows.stop - n), rows.stop)
    return rows[-n:]


def newest(rows: Rows) -> int:
    """The largest position, -1 where there are no rows.

    Raises `PartError` for positions that count from the end, and for what is no position.
    """
    if isinstance(rows, slice):
        if rows.step not in (None, 1) or rows.start is None or rows.stop is None:
            raise PartError(f"rows={rows}: give a slice with a start, a stop and no step")
        least, largest = rows.start, rows.stop - 1
    else:
        if rows.dtype.kind not in "iu":
            raise PartError(f"rows of dtype {rows.dtype}: give positions, as np.flatnonzero does")
        least, largest = span(rows) or (0, -1)
    if least < 0 or largest < -1:
        raise PartError(f"rows={rows}: positions count from the start of the stream, not its end")
    return int(largest)


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
        return count(self.rows)

    def indices(self) -> NDArray[np.int64]:
        """Positions as an array, shape (n,)."""
        return positions(self.rows)

    def span(self) -> tuple[int, int] | None:
        """The smallest and the largest position, or None where there are no rows."""
        return span(self.rows)

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


NUMBERS = (int, float, np.integer, np.floating, np.bool_)


@dataclass(frozen=True, eq=False)
class Reason:
    """Why a trigger fired, or a gate refused: one sentence and, where there are, two numbers.

    Attributes
    ----------
    sentence : str
        What is said of it in reports.
    statistic, threshold : float
        What was compared; NaN where nothing was.
    since : Timestamp, optional
        When the change is thought to have begun, from a detector that can tell.
    raised_at : Timestamp, optional
        The tick at which the trigger fired, or at which an alarm that is still on was raised. The
        simulator sets it.
    """

    sentence: str
    statistic: float = float("nan")
    threshold: float = float("nan")
    since: pd.Timestamp | None = None
    raised_at: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        numbers = all(isinstance(n, NUMBERS) for n in (self.statistic, self.threshold))
        if not isinstance(self.sentence, str) or not numbers:
            raise PartError(
                f"Reason({self.sentence!r}, {self.statistic!r}, {self.threshold!r}): give one "
                "sentence and, where there are any, a statistic and a threshold"
            )


_ACTIONS = ("deploy", "reject", "wait", "refit")


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
            if not isinstance(number, NUMBERS):
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
        if not isinstance(share, NUMBERS) or not 0 <= share <= 1:
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


class AnyUpdate(Protocol):
    """Has ``fit``: what makes a fitted model of rows."""

    def fit(
        self,
        model: Any,
        X: Any,
        y: NDArray[Any],
        weights: NDArray[Any] | None,
        parent: Any,
        seed: int,
        /,
    ) -> Any:
        """Return a fitted model."""


def needs_parent(update: object) -> bool:
    """Whether a fit depends on more than its rows; true unless the update denies it."""
    return bool(getattr(update, "needs_parent", True))


class FitError(RuntimeError):
    """A training did not yield a model: the estimator raised, or its update.

    Attributes
    ----------
    event : str
        The kind of the event that a failed training leaves in the record.
    """

    event: ClassVar[str] = "failed"


class NothingToLearnError(FitError):
    """There was nothing to learn from: no labelled row, or rows of one class only.

    Production would meet that too, so it says nothing against the model or the update.
    """

    event: ClassVar[str] = "nothing to learn"


@dataclass(slots=True, eq=False)
class Fit:
    """A fitted model and what it was made of.

    ``lasting`` says that its name holds in other processes and at other times, because all the
    code behind it has a version.
    """

    name: str
    model: Any
    selection: Selection
    cpu_seconds: float
    seed: int
    lasting: bool = False

"""What is known at ``now``. Asking for more raises `FutureLeak`."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import Offset, parse_offset, subtract
from backtrain.simulator.errors import PartError
from backtrain.simulator.fits import AnyUpdate, Fit
from backtrain.simulator.fits import FitError as FitError  # what `fit` raises
from backtrain.simulator.metrics import Metric, Outcomes
from backtrain.simulator.reason import Reason
from backtrain.simulator.selection import Rows, Selection
from backtrain.simulator.setup import Setup, private
from backtrain.simulator.texts import code
from backtrain.store.fits import Answers

if TYPE_CHECKING:
    from backtrain.simulator.ledger import Prices
    from backtrain.simulator.predictions import Serving

_NEVER = np.iinfo(np.int64).max
_REFERENCE_SHARE = 0.2


class FutureLeak(RuntimeError):  # noqa: N818 - the name that the design agrees on
    """A part asked for something that is not known yet."""


class Services(Protocol):
    """What the replay does for a view: fits and charges."""

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        version: int | None,
        labels: bool = True,
    ) -> Fit:
        """Fit, store and charge."""

    def reading(self, trigger: object, statistic: float, threshold: float) -> None:
        """Record how near a trigger is to firing."""

    def selected(self, view: View) -> Selection:
        """The rows that the strategy's own window selects."""

    @property
    def window(self) -> object:
        """That window."""

    def charge_check(self, count: int) -> None:
        """Charge statistical checks."""

    def buy(self, rows: Rows) -> None:
        """Charge labels that are used for the first time."""

    def note(self, kind: str, reason: Reason) -> None:
        """Write an event down."""

    def predicted(self, count: int, version: int) -> None:
        """Charge rows that a monitor has a model score anew."""

    @property
    def update(self) -> AnyUpdate:
        """The strategy's own update."""

    @property
    def needs_parent(self) -> bool:
        """Whether the strategy's own update goes on from the model that serves."""


class View:
    """The past as a strategy may see it at ``now``; it moves with the clock and never back.

    Nothing of it can be set: it has properties and slots, and what it hands out is read-only.
    """

    __slots__ = (
        "_arrivals",
        "_asked",
        "_at",
        "_challenger",
        "_first",
        "_known",
        "_labelled",
        "_model",
        "_past",
        "_reason",
        "_services",
        "_serving",
        "_setup",
        "_spent",
        "_trainings",
        "_trial_row",
    )

    def __init__(self, setup: Setup, serving: Serving, services: Services) -> None:
        self._setup = setup
        self._serving = serving
        self._services = services
        self._model: Model | None = None
        self._challenger: Model | None = None
        self._reason: Reason | None = None
        self._asked: object = None  # the trigger that is being asked
        self._trial_row = 0
        self._spent = 0.0
        self._trainings: tuple[int, ...] = ()
        self._at = 0
        self._first = int(setup.served.start)
        self._past: int | None = None
        self._arrivals: int | None = None
        self._known: int | None = None
        self._labelled = Labelled(self)

    def __deepcopy__(self, memo: object) -> View:
        """Itself: a part that keeps a view is copied without the whole history."""
        return self

    def _move(self, at: int, past: int | None = None) -> None:
        self._at, self._past, self._arrivals, self._known = at, past, None, None

    # --- the present --------------------------------------------------------------------------

    @property
    def at(self) -> int:
        """The instant in nanoseconds."""
        return self._at

    @property
    def now(self) -> pd.Timestamp:
        """The instant; ``at`` is the same in nanoseconds."""
        return pd.Timestamp(self._at)

    @property
    def trainings(self) -> tuple[int, ...]:
        """When trainings were decided so far, in nanoseconds; the first model does not count."""
        return self._trainings

    @property
    def spent(self) -> float:
        """Money charged so far, errors left out."""
        return self._spent

    @property
    def start(self) -> pd.Timestamp:
        """The first instant that is served."""
        return self._setup.start_at

    @property
    def prices(self) -> Prices:
        """What is charged."""
        return self._setup.prices

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features."""
        return self._setup.stream.columns

    @property
    def target(self) -> str:
        """Name of the labels."""
        return self._setup.stream.target

    @property
    def task(self) -> Literal["regression", "classification"]:
        """What the model does."""
        return self._setup.task

    @property
    def past(self) -> int:
        """How many rows have an event time before now."""
        if self._past is None:
            self._past = int(self._setup.event_at.searchsorted(self._at))
        return self._past

    @property
    def model(self) -> Model:
        """The version in force."""
        assert self._model is not None
        return self._model

    @property
    def reason(self) -> Reason | None:
        """Why the training is wanted that is being prepared; None for the first one."""
        return self._reason

    @property
    def update(self) -> AnyUpdate:
        """The strategy's own update."""
        return self._services.update

    @property
    def challenger(self) -> Model:
        """The version under review; only a trial has one."""
        if self._challenger is None:
            raise FutureLeak("view.challenger: no training has finished that awaits a review")
        return self._challenger

    @property
    def trial_rows(self) -> slice:
        """Past rows since the challenger began to answer or watch."""
        return slice(min(self._trial_row, self.past), self.past)

    @property
    def answered_so_far(self) -> int:
        """How many rows have been served."""
        return max(0, self.past - self._first)

    # --- rows ---------------------------------------------------------------------------------

    @property
    def served(self) -> Served:
        """Rows that have been answered."""
        return Served(
            self, slice(self._setup.served.start, max(self.past, self._setup.served.start))
        )

    @property
    def labelled(self) -> Labelled:
        """Past rows whose label has arrived."""
        return self._labelled

    @property
    def arrivals(self) -> int:
        """How many labels of served rows have arrived."""
        if self._arrivals is None:
            order, at = self._setup.arrival_order
            lower = int(at.searchsorted(self._at, side="left"))
            upper = int(at.searchsorted(self._at, side="right"))
            if upper > lower:
                # A label that is known at the instant of its own row is not past yet.
                ties = (
                    np.arange(lower, upper) + order
                    if isinstance(order, int)
                    else order[lower:upper]
                )
                upper = lower + int(ties.searchsorted(self.past))
            self._arrivals = upper
        return self._arrivals

    def arrived(self, since: int = 0) -> Arrived:
        """Labels of served rows in the order of their arrival, from the ``since``-th on."""
        order, _ = self._setup.arrival_order
        upper = max(self.arrivals, since)
        rows: Rows = (
            slice(order + since, order + upper)
            if isinstance(order, int)
            else _sealed(order[since:upper])
        )
        return Arrived(self, rows, upper)

    def answered(self, rows: NDArray[np.int64]) -> Arrived:
        """Served rows whose labels have arrived, beside what was served."""
        self._fence_labels(rows)
        self._refuse_unserved(rows)
        return Arrived(self, rows, self.arrivals)

    def answers(self, rows: Rows) -> Outcomes:
        """What was served to past rows, as metrics take it; their labels are blank: -1, or NaN."""
        self._fence(rows, "prediction")
        self._refuse_unserved(rows)
        self._serving.ensure(self.past)
        told = self._serving.outcomes(rows)
        blank = np.full(len(told), np.nan if told.classes is None else -1)
        return _sealed_outcomes(replace(told, label=blank))

    def X(self, rows: Rows) -> Any:  # noqa: N802 - as every scikit-learn user writes it
        """Features of past rows, shape (n, p); a DataFrame where the stream has one."""
        self._fence(rows, "features")
        taken = self._setup.stream.take(rows)
        return _sealed(taken) if isinstance(taken, np.ndarray) else taken.copy()

    def y(self, rows: Rows) -> NDArray[Any]:
        """Labels of past rows that have arrived, shape (n,)."""
        self._fence_labels(rows)
        self._services.buy(rows)
        return _sealed(self._setup.stream.y[rows])

    def event_time(self, rows: Rows) -> NDArray[np.datetime64]:
        """Event times of past rows, shape (n,)."""
        self._fence(rows, "event times")
        return _sealed(self._setup.stream.event_time[rows])

    def group(self, rows: Rows) -> NDArray[Any]:
        """Groups of past rows, shape (n,); known with their features. `PartError` without any."""
        groups = self._setup.groups
        self._fence(rows, "groups")
        return _sealed(groups[rows])

    def label_time(self, rows: Rows) -> NDArray[np.datetime64]:
        """When the labels of rows arrived, shape (n,); labels that have not arrived are refused."""
        self._fence_labels(rows)
        return _sealed(self._setup.stream.label_time[rows])

    def weight(self, rows: Rows) -> NDArray[np.float64]:
        """Weights of past rows, 1 where the stream has none, shape (n,)."""
        self._fence(rows, "weights")
        weight = self._setup.stream.weight
        if weight is not None:
            return _sealed(weight[rows])
        return np.ones(rows.stop - rows.start if isinstance(rows, slice) else len(rows))

    # --- work ---------------------------------------------------------------------------------

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Model | None = None,
        labels: bool = True,
    ) -> Model:
        """Fit on rows that are known now; named, stored and charged. Raises `FitError`.

        With ``labels`` they are bought. Without, past rows may lack theirs, and the update is given
        None for ``y``.
        """
        if labels:
            self._fence_labels(selection.rows)
            self._services.buy(selection.rows)
        else:
            self._fence(selection.rows, "features")
        before = None if parent is None else parent._fit
        fit = self._services.fit(update, selection, before, None, labels)
        return Model(self, fit, version=-1, decided_at=self._at, parent=parent)

    def candidate(self, when: pd.Timestamp) -> Model | None:
        """What the strategy would have trained as its first model at an instant up to ``start``.

        Its own window, which sees what was known then, and its own update, without a parent; named,
        stored and charged. None where there was nothing to learn from, or the fit raises.
        """
        if when > min(self.now, self.start):
            raise FutureLeak(f"a candidate of {when} asked at {self.now}, with start {self.start}")
        earlier = type(self)(self._setup, self._serving, self._services)
        earlier._move(when.value)
        try:
            selection = self._services.selected(earlier)
            earlier._fence_labels(selection.rows)
            self._services.buy(selection.rows)
            fit = self._services.fit(self._services.update, selection, None, None)
        except FitError:
            return None
        except RecursionError:
            raise PartError(
                f"{code(self._services.window)}: select() asks for view.candidate, which asks this "
                "window again; a window chooses rows, only triggers and gates ask for candidates"
            ) from None
        return Model(self, fit, version=-1, decided_at=when.value)

    def checked(self, count: int = 1) -> None:
        """Tell the ledger that a statistical check was made."""
        self._services.charge_check(count)

    def note(self, kind: str, reason: Reason) -> None:
        """Put on record, as an event of that kind, what is not a reason to act."""
        self._services.note(kind, reason)

    def reading(self, statistic: float, threshold: float = float("nan")) -> None:
        """Put on record how near the trigger that is being asked is to firing.

        At every tick at which it has something to show, also when it does not fire; the readings
        are a table of the run. Only triggers have readings: `PartError` for others.
        """
        if self._asked is None:
            raise PartError(
                "view.reading(): only a trigger shows readings, while it is asked at a tick; a "
                "window or gate can use view.note(kind, reason)"
            )
        self._services.reading(self._asked, statistic, threshold)

    def metric(self, name: str) -> Metric:
        """Look a metric up by name."""
        return self._setup.metric(name)

    # --- the fence ----------------------------------------------------------------------------

    def _fence(self, rows: Rows, what: str) -> None:
        newest = _newest(rows)
        if newest >= self.past:
            when = self._known_at(self._setup.event_at, newest)
            raise FutureLeak(f"{what} of row {newest} asked at {self.now}; known after: {when}")

    def _refuse_unserved(self, rows: Rows) -> None:
        if isinstance(rows, slice):
            oldest = rows.start
        else:
            oldest = int(rows.min()) if len(rows) else self.past
        if oldest < self._setup.served.start:
            raise PartError(f"row {oldest}: before start, so it was never answered")

    def _fence_labels(self, rows: Rows) -> None:
        newest, known_at = _newest(rows), self._setup.label_at
        if newest >= self.past:
            when = self._known_at(known_at, newest)
            raise FutureLeak(f"label of row {newest} asked at {self.now}; known at: {when}")
        if self._setup.labels_in_order and newest < self._prefix():
            return
        arrival = known_at[rows]
        if len(arrival) and arrival.max() > self._at:
            place = int(np.argmax(arrival > self._at))
            row = rows.start + place if isinstance(rows, slice) else int(rows[place])
            when = self._known_at(known_at, row)
            raise FutureLeak(f"label of row {row} asked at {self.now}; known at: {when}")

    def _prefix(self) -> int:
        """How many labels are known, where they become known in event order."""
        if self._known is None:
            known = int(self._setup.label_at.searchsorted(self._at, side="right"))
            self._known = min(known, self.past)
        return self._known

    @staticmethod
    def _known_at(times: NDArray[np.int64], row: int) -> str:
        if row >= len(times):
            return "never, the stream ends before"
        return "never" if times[row] == _NEVER else str(pd.Timestamp(times[row]))


def _newest(rows: Rows) -> int:
    """The largest position; refuses what counts from the end, or not in positions at all."""
    if isinstance(rows, slice):
        if rows.step not in (None, 1) or rows.start is None or rows.stop is None:
            raise PartError(f"rows={rows}: give a slice with a start, a stop and no step")
        least, newest = rows.start, rows.stop - 1
    else:
        if rows.dtype.kind not in "iu":
            raise PartError(f"rows of dtype {rows.dtype}: give positions, as np.flatnonzero does")
        least, newest = (int(rows.min()), int(rows.max())) if len(rows) else (0, -1)
    if least < 0 or newest < -1:
        raise PartError(f"rows={rows}: positions count from the start of the stream, not its end")
    return int(newest)


def _sealed(values: NDArray[Any]) -> NDArray[Any]:
    """The same values, read-only, in memory from which nothing else can be reached."""
    values = private(values)
    values.flags.writeable = False
    return values


def _sealed_outcomes(outcomes: Outcomes) -> Outcomes:
    """The same, each array sealed."""
    names = ("label", "prediction", "score", "probability", "weight")
    arrays = {name: getattr(outcomes, name) for name in names}
    sealed: dict[str, Any] = {k: _sealed(v) for k, v in arrays.items() if v is not None}
    return replace(outcomes, **sealed)


@dataclass(frozen=True, eq=False)
class Served:
    """Answered rows; arrays of shape (n,), a prediction being what was served at the time."""

    view: View
    rows: slice

    def __len__(self) -> int:
        return int(self.rows.stop - self.rows.start)

    def within(self, rows: slice) -> Served:
        """A stretch of them, given by positions in the stream."""
        return Served(self.view, slice(max(rows.start, self.rows.start), rows.stop))

    def by(self, version: int) -> Rows:
        """The rows that one version answered."""
        return np.asarray(self.rows.start + np.flatnonzero(self.version == version))

    @property
    def version(self) -> NDArray[np.int32]:
        """Version that answered."""
        self._ready()
        return _sealed(self.view._serving.version[self.rows])

    @property
    def prediction(self) -> NDArray[Any]:
        """Prediction as served: floats, or class labels."""
        self._ready()
        values = self.view._serving.prediction[self.rows]
        classes = self.view._setup.classes
        return _sealed(values if classes is None else classes[values])

    @property
    def score(self) -> NDArray[np.float64]:
        """Probability as served; the prediction itself where there is none."""
        self._ready()
        score = self.view._serving.score
        if score is None:
            return _sealed(np.asarray(self.prediction, dtype=np.float64))
        return _sealed(score[self.rows])

    @property
    def X(self) -> Any:  # noqa: N802 - likewise
        """Features, shape (n, p)."""
        return self.view.X(self.rows)

    def _ready(self) -> None:
        self.view._fence(self.rows, "prediction")
        self.view._serving.ensure(self.rows.stop)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Past rows whose label has arrived, as a slice where they are neighbours."""

    view: View

    def all(self) -> Rows:
        """Every one of them."""
        return self._from(0)

    def since(self, when: pd.Timestamp | np.datetime64) -> Rows:
        """Those with ``event_time >= when``."""
        return self._from(int(self.view._setup.stream.event_time.searchsorted(np.datetime64(when))))

    def within(self, length: Offset | str) -> Rows:
        """Those with ``event_time`` in ``[now - length, now)``."""
        if isinstance(length, pd.Timedelta):
            lower = self.view._at - length.as_unit("ns").value
            return self._from(int(self.view._setup.event_at.searchsorted(lower)))
        return self.since(subtract(self.view.now, parse_offset(length)))

    def newest(self, n: int) -> Rows:
        """The newest n in event order; all where there are fewer."""
        if self.view._setup.labels_in_order:
            upper = self._in_order()
            return slice(max(0, upper - n), upper)
        reach = n
        while True:
            lower = max(0, self.view.past - reach)
            rows = self._from(lower)
            count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
            if count >= n or lower == 0:
                return (
                    slice(rows.stop - min(n, count), rows.stop)
                    if isinstance(rows, slice)
                    else rows[-n:]
                )
            reach *= 2

    def among(self, rows: slice) -> Rows:
        """Those among past rows that are neighbours."""
        self.view._fence(rows, "label times")
        known = self.view._setup.label_at[rows] <= self.view._at
        return rows if known.all() else rows.start + np.flatnonzero(known)

    def arrived_after(self, when: pd.Timestamp, rows: Rows) -> NDArray[np.int64]:
        """Places in ``rows`` of those that were not known at ``when``, in the order of arrival."""
        at, setup = when.value, self.view._setup
        label_at = setup.label_at[rows]
        fresh = np.flatnonzero((label_at > at) | (setup.event_at[rows] >= at))
        return fresh[np.argsort(label_at[fresh], kind="stable")]

    def _from(self, lower: int) -> Rows:
        if self.view._setup.labels_in_order:
            upper = self._in_order()
            return slice(min(lower, upper), upper)
        upper = self.view.past
        lower = min(lower, upper)
        known = self.view._setup.label_at[lower:upper] <= self.view._at
        return slice(lower, upper) if known.all() else lower + np.flatnonzero(known)

    def _in_order(self) -> int:
        return self.view._prefix()


@dataclass(frozen=True, eq=False)
class Arrived:
    """Labels in the order of their arrival, beside what was served; arrays of shape (n,).

    ``cursor`` is where the next call should go on. Taking labels or losses buys the labels.
    """

    view: View
    rows: Rows
    cursor: int

    def __len__(self) -> int:
        return self.rows.stop - self.rows.start if isinstance(self.rows, slice) else len(self.rows)

    def by(self, version: int) -> Arrived:
        """Only those answered by one version; by the one in force, since it is: not on trial."""
        mine, model = self.version == version, self.view.model
        rows = (
            np.arange(self.rows.start, self.rows.stop)
            if isinstance(self.rows, slice)
            else self.rows
        )
        if version == model.version:
            mine &= rows >= model.first_row
        return self if mine.all() else Arrived(self.view, _sealed(rows[mine]), self.cursor)

    @property
    def version(self) -> NDArray[np.int32]:
        """Version that answered."""
        return _sealed(self._serving().version[self.rows])

    @property
    def outcomes(self) -> Outcomes:
        """Labels, predictions, scores and weights, as metrics take them."""
        self.view._services.buy(self.rows)
        return _sealed_outcomes(self._serving().outcomes(self.rows))

    @property
    def label(self) -> NDArray[Any]:
        """Labels."""
        self.view._services.buy(self.rows)
        return _sealed(self.view._setup.stream.y[self.rows])

    @property
    def prediction(self) -> NDArray[Any]:
        """Predictions as served."""
        values = self._serving().prediction[self.rows]
        classes = self.view._setup.classes
        return _sealed(values if classes is None else classes[values])

    @property
    def loss(self) -> NDArray[np.float64]:
        """Loss of the served predictions."""
        self.view._services.buy(self.rows)
        serving = self.view._serving
        serving.judge(self.view.past)
        return _sealed(serving.loss[self.rows])

    @property
    def label_time(self) -> NDArray[np.datetime64]:
        """When each label arrived."""
        return _sealed(self.view._setup.stream.label_time[self.rows])

    @property
    def group(self) -> NDArray[Any]:
        """Groups of the rows."""
        return self.view.group(self.rows)

    def _serving(self) -> Serving:
        self.view._serving.ensure(self.view.past)
        return self.view._serving


@dataclass(frozen=True, eq=False)
class Reference:
    """How a version did out of sample, on the newest rows of its training selection."""

    rows: Rows
    outcomes: Outcomes
    loss: NDArray[np.float64]


class Model:
    """A fitted model, as parts see it: a version, or a fit that a part has ordered."""

    __slots__ = (
        "_decided_at",
        "_first_row",
        "_fit",
        "_in_force_at",
        "_learnt_before",
        "_parent",
        "_reference",
        "_selection",
        "_version",
        "_view",
    )

    def __init__(
        self,
        view: View,
        fit: Fit,
        version: int,
        decided_at: int,
        parent: Model | None = None,
        selection: Selection | None = None,
    ) -> None:
        self._view = view
        self._fit = fit
        self._parent = parent._fit if parent is not None else None
        self._learnt_before = parent if view._services.needs_parent else None
        self._version = version
        self._decided_at = decided_at
        self._in_force_at: int | None = None
        self._first_row = 0
        self._selection = fit.selection if selection is None else selection
        self._reference: Reference | Literal["not asked for"] | None = "not asked for"

    def __deepcopy__(self, memo: object) -> Model:
        """Itself, as a view."""
        return self

    def _enter(self, at: int, first_row: int) -> None:
        """Come into force."""
        self._in_force_at, self._first_row = at, first_row

    @property
    def version(self) -> int:
        """Its number; -1 for a fit that a part has ordered."""
        return self._version

    @property
    def selection(self) -> Selection:
        """The rows that it was trained on."""
        return self._selection

    @property
    def first_row(self) -> int:
        """The first row that it answers, once it is in force; else 0."""
        return self._first_row

    @property
    def decided_at(self) -> pd.Timestamp:
        """When its training was decided on."""
        return pd.Timestamp(self._decided_at)

    @property
    def in_force_at(self) -> int | None:
        """Since when it is in force, in nanoseconds; None where it never was."""
        return self._in_force_at

    @property
    def in_force_since(self) -> pd.Timestamp | None:
        """Since when it is in force; None where it never was."""
        return None if self._in_force_at is None else pd.Timestamp(self._in_force_at)

    @property
    def estimator(self) -> Any:
        """What the update made: a copy of the fitted estimator, since versions share the model."""
        return copy.deepcopy(self._fit.model)

    @property
    def learnt(self) -> NDArray[np.int64]:
        """Rows that this model was trained on, those of its parents included, shape (n,)."""
        parts = []
        model: Model | None = self
        while model is not None:
            parts.append(model.selection.indices())
            model = model._learnt_before
        return _sealed(np.unique(np.concatenate(parts)))

    def predict(self, rows: Rows) -> NDArray[Any]:
        """What this model says to past rows, shape (n,): floats, or class labels."""
        self._charge(rows)
        values = self._answers(rows).prediction
        classes = self._view._setup.classes
        return values if classes is None else classes[values]

    def outcomes(self, rows: Rows) -> Outcomes:
        """Known labels of rows beside what this model says to them."""
        self._charge(rows)
        return self._outcomes(rows)

    def _outcomes(self, rows: Rows) -> Outcomes:
        self._view._fence_labels(rows)
        self._view._services.buy(rows)
        answers, setup = self._answers(rows), self._view._setup
        return _sealed_outcomes(
            Outcomes(
                setup.truth[rows],
                answers.prediction,
                answers.score,
                answers.probability,
                setup.classes,
                None if setup.stream.weight is None else setup.stream.weight[rows],
                -1 if setup.positive is None else setup.positive,
            )
        )

    def loss(self, rows: Rows) -> NDArray[np.float64]:
        """Loss of what this model says to rows whose labels are known, shape (n,)."""
        return self._view._setup.losses(self.outcomes(rows))

    @property
    def reference(self) -> Reference | None:
        """Loss and answers on the newest 20 % of its rows, by a fit on the older 80 %.

        An in-sample loss is near 0 for trees and would always raise the alarm. Computed and charged
        once, when first asked for; None where the rows do not allow it.
        """
        if self._reference == "not asked for":
            self._reference = self._fit_reference()
        return self._reference

    def _fit_reference(self) -> Reference | None:
        services, size = self._view._services, len(self._selection)
        held = int(size * _REFERENCE_SHARE)
        older = self._selection.take(slice(0, size - held))
        newest = self._selection.take(slice(size - held, None))
        try:
            if held == 0:
                raise FitError(f"its {size} rows are too few to hold a fifth out")
            fit = services.fit(services.update, older, self._parent, self._version)
        except FitError as error:
            who = f"version {self._version}" if self._version >= 0 else "a model"
            services.note(
                "no reference",
                Reason(f"{who} has no reference, so what compares with it is silent: {error}"),
            )
            return None
        twin = Model(self._view, fit, self._version, self._decided_at)
        outcomes = twin._outcomes(newest.rows)
        return Reference(newest.rows, outcomes, _sealed(self._view._setup.losses(outcomes)))

    def _charge(self, rows: Rows) -> None:
        count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        self._view._services.predicted(count, self._version)

    def _answers(self, rows: Rows) -> Answers:
        self._view._fence(rows, "features")
        return self._view._serving._learner.answers(self._fit, rows)

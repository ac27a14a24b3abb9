"""Rows of the past: what is known of them, what was served, and labels as they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.offsets import Offset, parse_offset
from backtrain.simulator.answers import Rows, count, last, positions
from backtrain.simulator.fence import Fence
from backtrain.simulator.ledger import Prices
from backtrain.simulator.metrics import AnyMetric, Metric, Outcomes
from backtrain.simulator.model import State
from backtrain.simulator.predictions import Predictions
from backtrain.simulator.sealing import sealed, sealed_outcomes


def features(fence: Fence, rows: Rows) -> Any:
    """Features of past rows, a copy."""
    fence.check(rows, "features")
    taken = fence.setup.stream.take(rows)
    return sealed(taken) if isinstance(taken, np.ndarray) else taken.copy()


@dataclass(frozen=True, eq=False)
class Served:
    """Answered rows; arrays of shape (n,), a prediction being what was served at the time."""

    _fence: Fence
    rows: slice

    def __len__(self) -> int:
        return count(self.rows)

    def within(self, rows: slice) -> Served:
        """A stretch of them, given by positions in the stream."""
        return Served(self._fence, slice(max(rows.start, self.rows.start), rows.stop))

    def by(self, version: int) -> Rows:
        """The rows that one version answered."""
        return np.asarray(self.rows.start + np.flatnonzero(self.version == version))

    @property
    def version(self) -> NDArray[np.int32]:
        """Version that answered."""
        self._ready()
        return sealed(self._fence.predictions.version[self.rows])

    @property
    def prediction(self) -> NDArray[Any]:
        """Prediction as served: floats, or class labels."""
        self._ready()
        fence = self._fence
        values, classes = fence.predictions.prediction[self.rows], fence.setup.classes
        return sealed(values if classes is None else classes[values])

    @property
    def score(self) -> NDArray[np.float64]:
        """Probability as served; the prediction itself where there is none."""
        self._ready()
        score = self._fence.predictions.score
        if score is None:
            return sealed(np.asarray(self.prediction, dtype=np.float64))
        return sealed(score[self.rows])

    @property
    def X(self) -> Any:  # noqa: N802 - likewise
        """Features, shape (n, p)."""
        return features(self._fence, self.rows)

    def _ready(self) -> None:
        self._fence.check(self.rows, "prediction")
        self._fence.predictions.ensure(self.rows.stop)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Past rows whose label has arrived, as a slice where they are neighbours."""

    _fence: Fence

    def all(self) -> Rows:
        """Every one of them."""
        return self._from(0)

    def since(self, when: pd.Timestamp | np.datetime64) -> Rows:
        """Those with ``event_time >= when``."""
        return self._from(
            int(self._fence.setup.stream.event_time.searchsorted(np.datetime64(when)))
        )

    def within(self, length: Offset | str) -> Rows:
        """Those with ``event_time`` in ``[now - length, now)``; "1D" are 24 hours."""
        if isinstance(length, pd.Timedelta):
            lower = self._fence.at - length.as_unit("ns").value
            return self._from(int(self._fence.setup.event_at.searchsorted(lower)))
        calendar = self._fence.setup.stream.calendar
        return self.since(calendar.subtract(self._fence.now, parse_offset(length)))

    def newest(self, n: int) -> Rows:
        """The newest n in event order; all where there are fewer."""
        if self._fence.setup.labels_in_order:
            upper = self._in_order()
            return slice(max(0, upper - n), upper)
        reach = n
        while True:
            lower = max(0, self._fence.rows - reach)
            rows = self._from(lower)
            if count(rows) >= n or lower == 0:
                return last(rows, n)
            reach *= 2

    def among(self, rows: slice) -> Rows:
        """Those among past rows that are neighbours."""
        self._fence.check(rows, "label times")
        known = self._fence.setup.label_at[rows] <= self._fence.at
        return rows if known.all() else rows.start + np.flatnonzero(known)

    def arrived_after(self, when: pd.Timestamp, rows: Rows) -> NDArray[np.int64]:
        """Places in ``rows`` of those that were not known at ``when``, in the order of arrival."""
        at, setup = when.value, self._fence.setup
        label_at = setup.label_at[rows]
        fresh = np.flatnonzero((label_at > at) | (setup.event_at[rows] >= at))
        return fresh[np.argsort(label_at[fresh], kind="stable")]

    def _from(self, lower: int) -> Rows:
        if self._fence.setup.labels_in_order:
            upper = self._in_order()
            return slice(min(lower, upper), upper)
        upper = self._fence.rows
        lower = min(lower, upper)
        known = self._fence.setup.label_at[lower:upper] <= self._fence.at
        return slice(lower, upper) if known.all() else lower + np.flatnonzero(known)

    def _in_order(self) -> int:
        return self._fence.labelled_prefix()


@dataclass(frozen=True, eq=False)
class Arrived:
    """Labels in the order of their arrival, beside what was served; arrays of shape (n,).

    ``cursor`` is where the next call should go on. Taking labels or losses buys the labels.
    """

    _fence: Fence
    rows: Rows
    cursor: int
    _state: State

    def __len__(self) -> int:
        return count(self.rows)

    def by(self, version: int) -> Arrived:
        """Only those answered by one version; by the one in force, since it is: not on trial."""
        mine, rows, champion = self.version == version, positions(self.rows), self._state.model
        assert champion is not None
        if version == champion.version:
            mine &= rows >= champion.first_row
        return (
            self
            if mine.all()
            else Arrived(self._fence, sealed(rows[mine]), self.cursor, self._state)
        )

    @property
    def version(self) -> NDArray[np.int32]:
        """Version that answered."""
        return sealed(self._serving().version[self.rows])

    @property
    def outcomes(self) -> Outcomes:
        """Labels, predictions, scores and weights, as metrics take them."""
        self._fence.services.buy(self.rows)
        return sealed_outcomes(self._serving().outcomes(self.rows))

    @property
    def label(self) -> NDArray[Any]:
        """Labels."""
        self._fence.services.buy(self.rows)
        return sealed(self._fence.setup.stream.y[self.rows])

    @property
    def prediction(self) -> NDArray[Any]:
        """Predictions as served."""
        values = self._serving().prediction[self.rows]
        classes = self._fence.setup.classes
        return sealed(values if classes is None else classes[values])

    @property
    def loss(self) -> NDArray[np.float64]:
        """Loss of the served predictions."""
        self._fence.services.buy(self.rows)
        serving = self._fence.predictions
        serving.judge(self._fence.rows)
        return sealed(serving.loss[self.rows])

    @property
    def label_time(self) -> NDArray[np.datetime64]:
        """When each label arrived."""
        return sealed(self._fence.setup.stream.label_time[self.rows])

    @property
    def group(self) -> NDArray[Any]:
        """Groups of the rows."""
        self._fence.check(self.rows, "groups")
        return sealed(self._fence.setup.groups[self.rows])

    def _serving(self) -> Predictions:
        self._fence.predictions.ensure(self._fence.rows)
        return self._fence.predictions


class Past:
    """The rows of a history that lie before ``now``, whatever was made of them.

    Nothing of it can be set: it has properties and slots, and what it hands out is read-only.
    """

    __slots__ = ("_fence", "_labelled")

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._labelled = Labelled(fence)

    @property
    def at(self) -> int:
        """The instant in nanoseconds."""
        return self._fence.at

    @property
    def now(self) -> pd.Timestamp:
        """The instant; ``at`` is the same in nanoseconds."""
        return pd.Timestamp(self._fence.at)

    @property
    def past(self) -> int:
        """How many rows have an event time before now."""
        return self._fence.rows

    @property
    def start(self) -> pd.Timestamp:
        """The first instant that is served."""
        return self._fence.setup.start_at

    @property
    def calendar(self) -> Calendar:
        """The stream's calendar: local times, days and months of its time zone."""
        return self._fence.setup.stream.calendar

    @property
    def prices(self) -> Prices:
        """What is charged."""
        return self._fence.setup.prices

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features."""
        return self._fence.setup.stream.columns

    @property
    def target(self) -> str:
        """Name of the labels."""
        return self._fence.setup.stream.target

    @property
    def task(self) -> Literal["regression", "classification"]:
        """What the model does."""
        return self._fence.setup.task

    @property
    def labelled(self) -> Labelled:
        """Past rows whose label has arrived."""
        return self._labelled

    def X(self, rows: Rows) -> Any:  # noqa: N802 - as every scikit-learn user writes it
        """Features of past rows, shape (n, p); a DataFrame where the stream has one."""
        return features(self._fence, rows)

    def y(self, rows: Rows) -> NDArray[Any]:
        """Labels of past rows that have arrived, shape (n,)."""
        self._fence.check_labels(rows)
        self._fence.services.buy(rows)
        return sealed(self._fence.setup.stream.y[rows])

    def event_time(self, rows: Rows) -> NDArray[np.datetime64]:
        """Event times of past rows, shape (n,)."""
        self._fence.check(rows, "event times")
        return sealed(self._fence.setup.stream.event_time[rows])

    def group(self, rows: Rows) -> NDArray[Any]:
        """Groups of past rows, shape (n,); known with their features. `PartError` without any."""
        groups = self._fence.setup.groups
        self._fence.check(rows, "groups")
        return sealed(groups[rows])

    def label_time(self, rows: Rows) -> NDArray[np.datetime64]:
        """When the labels of rows arrived, shape (n,); labels that have not arrived are refused."""
        self._fence.check_labels(rows)
        return sealed(self._fence.setup.stream.label_time[rows])

    def weight(self, rows: Rows) -> NDArray[np.float64]:
        """Weights of past rows, 1 where the stream has none, shape (n,).

        What is forecast has a weight of its own once its label is there, and 1 before.
        """
        self._fence.check(rows, "weights")
        setup = self._fence.setup
        weight, aside = setup.weight, setup.stream.aside
        if weight is not None and setup.stream.series is not None:
            served = 1.0 if aside is None else ~aside[rows]
            return sealed(np.where(setup.label_at[rows] <= self._fence.at, weight[rows], served))
        if weight is not None:
            return sealed(weight[rows])
        return np.ones(count(rows))

    def metric(self, name: AnyMetric) -> Metric:
        """Look a metric up by name, or take one as it is; see `Setup.metrics`."""
        return self._fence.setup.metric(name)

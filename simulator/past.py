"""Rows of the past, and what of them is known at ``now``."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import Rows, count
from backtrain.simulator.fence import Fence
from backtrain.simulator.labels import Labelled, features
from backtrain.simulator.ledger import Prices
from backtrain.simulator.metrics import Metric
from backtrain.simulator.sealing import sealed


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
        """Weights of past rows, 1 where the stream has none, shape (n,)."""
        self._fence.check(rows, "weights")
        weight = self._fence.setup.stream.weight
        if weight is not None:
            return sealed(weight[rows])
        return np.ones(count(rows))

    def metric(self, name: str) -> Metric:
        """Look a metric up by name."""
        return self._fence.setup.metric(name)

"""The labels of a history, each once: of forecasts those of the series that they are made of."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.stream import Stream
from backtrain.simulator.outcomes import Known
from backtrain.simulator.sealing import read_only

_NEVER = np.iinfo(np.int64).max


class History(NamedTuple):
    """The n rows of a plain stream, or of the series behind forecasts, in the order of time.

    Attributes
    ----------
    event_at, label_at : ndarray of shape (n,)
        In nanoseconds; a label that never arrives does so at the largest number.
    label : ndarray of shape (n,)
        Floats, or positions in the classes; NaN or -1 where it never arrives.
    group, weight : ndarray of shape (n,) or None
        As a stream has them, the weight being that in scores.
    """

    event_at: NDArray[np.int64]
    label_at: NDArray[np.int64]
    label: NDArray[Any]
    group: NDArray[Any] | None
    weight: NDArray[np.float64] | None

    @classmethod
    def of(
        cls,
        stream: Stream,
        label: NDArray[Any],
        weight: NDArray[np.float64] | None,
        classes: NDArray[Any] | None,
    ) -> "History":
        """Of a stream, whose labels and weights in scores are these."""
        if stream.series is not None:
            stream = stream.series
            label = _labels(stream, classes)
            weight = stream.weight if stream.score_weight is None else stream.score_weight
        at, never = stream.label_time.view(np.int64), np.isnat(stream.label_time)
        at = np.where(never, _NEVER, at) if never.any() else at
        return cls(stream.event_time.view(np.int64), at, label, stream.group, weight)

    def known(self, at: int) -> Known:
        """The labels that are known at an instant, of rows before it."""
        rows = slice(0, int(self.event_at.searchsorted(at)))
        missing = np.nan if self.label.dtype.kind == "f" else -1
        return Known(
            read_only(np.where(self.label_at[rows] <= at, self.label[rows], missing)),
            None if self.group is None else read_only(self.group[rows]),
            None if self.weight is None else read_only(self.weight[rows]),
        )


def _labels(series: Stream, classes: NDArray[Any] | None) -> NDArray[Any]:
    arrives = ~np.isnat(series.label_time)
    if classes is None:
        return np.where(arrives, series.y.astype(np.float64, copy=False), np.nan)
    codes = np.full(len(series), -1, dtype=np.int64)
    found = np.minimum(np.searchsorted(classes, series.y[arrives]), len(classes) - 1)
    codes[arrives] = np.where(classes[found] == series.y[arrives], found, -1)
    return codes

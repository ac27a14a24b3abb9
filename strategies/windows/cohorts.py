"""On what to train: periods whose labels have nearly all arrived."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import instants, nanoseconds, parse_offset, shift, subtract
from backtrain.simulator.asking import check_setup, select
from backtrain.simulator.constraints import Interval, Offset, ShareAboveZero
from backtrain.simulator.parts import AnyWindow, Part
from backtrain.simulator.selection import Selection
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View

__all__ = ["CompleteCohorts"]


@dataclass(frozen=True, repr=False)
class CompleteCohorts(Part):
    """Of another window, the rows of those periods whose labels have nearly all arrived.

    Labels that arrive early are not a fair sample: a default comes before a repayment. The rows
    of one period are a cohort; it is complete when the labels of at least ``coverage`` of its past
    rows have arrived, or when it is older than ``max_age``. That a label will never come is
    knowledge of the future, so without ``max_age`` a cohort with too many of these is left out for
    good.

    Parameters
    ----------
    window : Window
        Which rows; weights that it gives are kept.
    freq : str
        Length of a period. Calendar periods such as ``"MS"`` begin where they do in pandas, those
        of fixed length are counted from 1970-01-01, so that ``"1D"`` are days.
    coverage : float
        Share of the rows.
    max_age : str, optional
        A time offset: a cohort that ended so long ago is complete whatever has arrived.

    >>> CompleteCohorts(Sliding("365D"), "MS", coverage=0.9, max_age="120D")
    CompleteCohorts(Sliding('365D'), 'MS', coverage=0.9, max_age='120D')
    """

    window: AnyWindow
    freq: Interval
    coverage: ShareAboveZero = 0.95
    max_age: Offset | None = None

    def check_setup(self, setup: Setup) -> None:
        """Hold the inner window against the setup."""
        check_setup(self.window, setup)

    def select(self, view: View) -> Selection:
        """The rows of ``window`` that lie in complete cohorts."""
        inner = select(self.window, view)
        if len(inner) == 0:
            return inner
        cohort, ends = self._cohorts(view.event_time(slice(0, view.past)))
        arrived = np.bincount(cohort[view.labelled.all()], minlength=len(ends))
        complete = arrived / np.maximum(1, np.bincount(cohort, minlength=len(ends)))
        kept = complete >= self.coverage
        if self.max_age is not None:
            kept |= ends <= subtract(view.now, parse_offset(self.max_age)).to_datetime64()
        return inner.take(np.flatnonzero(kept[cohort[inner.rows]]))

    def _cohorts(
        self, event: NDArray[np.datetime64]
    ) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
        """Cohort of each row, and the end of each cohort."""
        period, first = parse_offset(self.freq), pd.Timestamp(event[0])
        if isinstance(period, pd.Timedelta):
            step = nanoseconds(period)
            number = event.view(np.int64) // step
            ends = np.arange(number[0] + 1, number[-1] + 2) * step
            return number - number[0], ends.view("datetime64[ns]")
        begin = pd.Timestamp(period.rollback(first.normalize())).as_unit("ns")
        # One period after the last row its cohort has ended, unless a short month has moved it.
        ends = instants(begin, period, shift(pd.Timestamp(event[-1]), period, 2))
        number = ends.searchsorted(event, side="right")
        return number, ends[: number[-1] + 1]

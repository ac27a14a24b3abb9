"""On what to train, by time: all that is known, the newest rows, complete periods, less weight."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets import offsets
from backtrain.datasets.calendar import Calendar
from backtrain.datasets.offsets import nanoseconds, parse_fixed, parse_offset, shift
from backtrain.simulator.answers import PartError, Selection
from backtrain.simulator.asking import check_setup, select
from backtrain.simulator.constraints import (
    Count,
    FixedInterval,
    Interval,
    Length,
    Offset,
    ShareAboveZero,
)
from backtrain.simulator.parts import AnyWindow, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.updates.refit import last_step, takes_weights

__all__ = ["CompleteCohorts", "Decay", "Expanding", "SinceDrift", "SinceLastTraining", "Sliding"]


@dataclass(frozen=True, repr=False)
class Expanding(Part):
    """Everything that is known: all past rows whose label has arrived.

    >>> Expanding()
    Expanding()
    """

    def select(self, view: View) -> Selection:
        """All labelled rows, in event order."""
        return Selection(view.labelled.all())


@dataclass(frozen=True, repr=False)
class Sliding(Part):
    """The newest stretch: labelled rows of ``[now - length, now)``, or the newest n labelled rows.

    Parameters
    ----------
    length : str or int
        A time offset, or a number of labelled rows in event order.

    >>> Sliding("90D"), Sliding(2_000)
    (Sliding('90D'), Sliding(2000))
    """

    length: Length

    @cached_property
    def _offset(self) -> offsets.Offset | None:
        return None if isinstance(self.length, int) else parse_offset(self.length)

    def select(self, view: View) -> Selection:
        """The newest labelled rows, in event order."""
        if self._offset is None:
            return Selection(view.labelled.newest(int(self.length)))
        return Selection(view.labelled.within(self._offset))


@dataclass(frozen=True, repr=False)
class Decay(Part):
    """Older rows count less: each weighs ``0.5 ** (age / half_life)``, its age counted from now.

    Parameters
    ----------
    half_life : str
        A time offset of fixed length: a row of this age counts half as much as one of now.
    window : Window
        Which rows; all that are known by default. Weights that it gives are multiplied.

    >>> Decay("90D"), Decay("90D", window=Sliding("365D"))
    (Decay('90D'), Decay('90D', window=Sliding('365D')))
    """

    half_life: FixedInterval
    window: AnyWindow = field(default_factory=Expanding)

    @cached_property
    def _nanoseconds(self) -> int:
        return nanoseconds(parse_fixed(self.half_life))

    def check_setup(self, setup: Setup) -> None:
        """Refuse models that take no weights."""
        need_weights(self, setup)
        check_setup(self.window, setup)

    def select(self, view: View) -> Selection:
        """The rows of ``window``, weighted by age."""
        inner = select(self.window, view)
        age = view.at - view.event_time(inner.rows).view(np.int64)
        weights = 0.5 ** (age / self._nanoseconds)
        return Selection(inner.rows, weights if inner.weights is None else inner.weights * weights)


# --- since something happened --------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class _Since(Part):
    min_rows: Count = 100
    otherwise: AnyWindow = field(default_factory=Expanding)

    def check_setup(self, setup: Setup) -> None:
        """Hold the other window against the setup."""
        check_setup(self.otherwise, setup)


@dataclass(frozen=True, repr=False)
class SinceDrift(_Since):
    """Rows since the change that raised the alarm, as the detector that fired dates it.

    `ErrorDrift` dates a rise by the lowest point of the cumulated losses less their mean, other
    detectors by the first row of the stretch that they tested. The labelled rows with an event time
    from there on are trained on.

    Parameters
    ----------
    min_rows : int
        With fewer labelled rows since the change, ``otherwise`` is asked.
    otherwise : Window
        Asked for the first model, too, and where what fired dates no change: a schedule.

    >>> SinceDrift(min_rows=500, otherwise=Sliding("90D"))
    SinceDrift(min_rows=500, otherwise=Sliding('90D'))
    """

    def select(self, view: View) -> Selection:
        """Labelled rows since the change, in event order."""
        if view.reason is not None and view.reason.since is not None:
            rows = Selection(view.labelled.since(view.reason.since))
            if len(rows) >= self.min_rows:
                return rows
        return select(self.otherwise, view)


@dataclass(frozen=True, repr=False)
class SinceLastTraining(_Since):
    """Rows whose label arrived since the model in force was decided on: what it could not know.

    Counted by the arrival of labels, not by event time, which would lose late labels for ever.
    Rows of a training that failed or was rejected are offered again. The first model gets
    everything.

    Parameters
    ----------
    min_rows : int
        With fewer new rows, ``otherwise`` is asked.
    otherwise : Window
        What to train on then.

    >>> SinceLastTraining(min_rows=500, otherwise=Sliding(5_000))
    SinceLastTraining(min_rows=500, otherwise=Sliding(5000))
    """

    def select(self, view: View) -> Selection:
        """Newly labelled rows, in event order."""
        labelled = Selection(view.labelled.all())
        if view.reason is None:
            return labelled
        fresh = view.labelled.arrived_after(view.model.decided_at, labelled.rows)
        if len(fresh) < self.min_rows:
            return select(self.otherwise, view)
        return labelled.take(np.sort(fresh))


# --- complete periods ---------------------------------------------------------------------------


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
        of fixed length are counted from 1970-01-01, so that ``"1D"`` are days: local ones, as all
        periods are.
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
        cohort, ends = self._cohorts(view.event_time(slice(0, view.past)), view.calendar)
        arrived = np.bincount(cohort[view.labelled.all()], minlength=len(ends))
        complete = arrived / np.maximum(1, np.bincount(cohort, minlength=len(ends)))
        kept = complete >= self.coverage
        if self.max_age is not None:
            oldest = view.calendar.subtract(view.now, parse_offset(self.max_age))
            kept |= ends <= oldest.to_datetime64()
        return inner.take(np.flatnonzero(kept[cohort[inner.rows]]))

    def _cohorts(
        self, event: NDArray[np.datetime64], calendar: Calendar
    ) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
        """Cohort of each row, and the end of each cohort."""
        period = parse_offset(self.freq)
        if isinstance(calendar.offset(self.freq), pd.Timedelta):
            step = nanoseconds(parse_fixed(self.freq))
            number = event.view(np.int64) // step
            ends = np.arange(number[0] + 1, number[-1] + 2) * step
            return number - number[0], ends.view("datetime64[ns]")
        first, last = (calendar.to_local(pd.Timestamp(event[row])) for row in (0, -1))
        if isinstance(period, pd.Timedelta):
            begin = pd.Timestamp(first.value // nanoseconds(period) * nanoseconds(period))
        else:
            begin = pd.Timestamp(period.rollback(first.normalize())).as_unit("ns")
        # One period after the last row its cohort has ended, unless a short month has moved it.
        ends = calendar.utc(offsets.instants(begin, period, shift(last, period, 2)))
        number = ends.searchsorted(event, side="right")
        return number, ends[: number[-1] + 1]


# --- weights -------------------------------------------------------------------------------------


def need_weights(window: AnyWindow, setup: Setup) -> None:
    """Raise `PartError` where a window gives weights and the model takes none."""
    if not takes_weights(setup.model):
        raise PartError(
            f"{window!r}: {type(last_step(setup.model)).__name__} takes no sample_weight; "
            "use Sliding, or a model that takes weights"
        )

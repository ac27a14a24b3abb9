"""A gate at which a person decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import pandas as pd

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.datasets.offsets import parse_fixed
from backtrain.simulator.answers import PartError, Verdict
from backtrain.simulator.constraints import Dates, FixedOffset, Listed
from backtrain.simulator.parts import Gate, Part
from backtrain.simulator.view import View
from backtrain.strategies.holidays import dates_of, is_holiday

__all__ = ["Approval"]

_HOURS = Listed("when work begins and ends on a day", exact=2, such_as="('09:00', '17:00')")
_DAY = pd.Timedelta(days=1)
_MOST_DAYS = 10_000  # nobody waits for 38 years of work, and the calendar ends at some time


@dataclass(frozen=True, repr=False)
class Approval(Part):
    """Wait for a person, who takes ``delay`` and then agrees; deploy at that instant.

    With ``business_hours`` only time within them counts, from Monday to Friday and not on
    ``holidays``: "8h" from Friday 16:00 on, with hours from 9 to 17, is Monday 16:00. The
    challenger scores nothing meanwhile. A review is charged.

    Parameters
    ----------
    delay : str
        A time offset of fixed length; with business hours "1D" is 24 hours of work.
    business_hours : (str, str), optional
        When work begins and ends, on the local clock of the stream.
    holidays : str or sequence of str
        Dates without work, or those of a country, a part of one or an exchange: ``"US"``,
        ``"DE-BY"``, ``"NYSE"`` (``pip install 'backtrain[holidays]'``).
    supersede : bool
        Whether a new training may take the place of a challenger that waits; else a trigger that
        fires meanwhile is noted as busy.

    >>> Approval("4h", business_hours=("09:00", "17:00"), holidays=["2024-12-25"])
    Approval('4h', business_hours=('09:00', '17:00'), holidays=('2024-12-25',))
    """

    delay: FixedOffset
    business_hours: Annotated[Sequence[str], _HOURS] | None = None
    holidays: Dates | str = ()
    supersede: bool = False

    def check_parameters(self) -> None:
        """Read the hours and days of work."""
        object.__setattr__(self, "holidays", dates_of(self.holidays))
        if self.business_hours is not None:
            object.__setattr__(self, "business_hours", tuple(self.business_hours))
        elif self.holidays:
            raise PartError("Approval: holidays= count with business_hours= only; give both")
        _ = (self._hours, self._closed)

    def open(self) -> _Desk:
        """The desk on which one challenger lies."""
        return _Desk(self)

    def due(self, when: pd.Timestamp, calendar: Calendar = UTC) -> pd.Timestamp:
        """The instant of the approval of what is handed in at ``when``.

        Hours and days of work are those of the calendar, the delay is elapsed time.

        >>> Approval("8h", ("09:00", "17:00")).due(pd.Timestamp("2024-03-01 16:00"))
        Timestamp('2024-03-04 16:00:00')
        """
        left = parse_fixed(self.delay)
        if self._hours is None:
            return (when + left).as_unit("ns")
        day = calendar.to_local(when).normalize()
        while True:
            opens, closes = (calendar.to_utc(day + clock) for clock in self._hours)
            begin, end = max(when, opens), closes
            if begin <= end and day.day_of_week < 5 and not self._closed(day):
                if left <= end - begin:
                    return (begin + left).as_unit("ns")
                left -= end - begin
            day += _DAY

    @cached_property
    def _hours(self) -> tuple[pd.Timedelta, pd.Timedelta] | None:
        if self.business_hours is None:
            return None
        try:
            opens, closes = (pd.Timedelta(f"{clock}:00") for clock in self.business_hours)
        except (TypeError, ValueError):
            opens = closes = pd.Timedelta(0)
        if not pd.Timedelta(0) <= opens < closes <= _DAY:
            raise PartError(
                f"Approval(business_hours={self.business_hours!r}): give when work begins and ends "
                "on a day, such as ('09:00', '17:00')"
            )
        if parse_fixed(self.delay) / (closes - opens) > _MOST_DAYS:
            raise PartError(
                f"Approval(delay={self.delay!r}): more than {_MOST_DAYS:,} days of "
                f"{self.business_hours}; give less"
            )
        return opens, closes

    @cached_property
    def _closed(self) -> Callable[[pd.Timestamp], bool]:
        return is_holiday(self.holidays, "Approval")


class _Desk(Gate):
    def __init__(self, gate: Approval) -> None:
        self._gate = gate
        self._due: pd.Timestamp | None = None

    def review(self, view: View) -> Verdict:
        if self._due is None:
            self._due = self._gate.due(view.now, view.calendar)
        if view.now >= self._due:
            return Verdict.deploy("approved")
        reason = f"for an approval at {view.calendar.shown(self._due)}"
        return Verdict.wait(self._due, reason=reason, watch=False, supersede=self._gate.supersede)

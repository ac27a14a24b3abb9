"""Instants of a stream that are known: of true drift, and from when to when a fault was there."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from backtrain.datasets.calendar import Calendar


class FaultPeriod(NamedTuple):
    """A fault that was injected into a stream: rows with start <= event_time < stop have it."""

    name: str
    start: pd.Timestamp
    stop: pd.Timestamp


#: What `LateLabels` and `ReorderedLabels` call themselves.
_DELAYS = re.compile(r"labels .+ late|labels out of order")


def is_delay(name: str) -> bool:
    """Whether a fault of this name moves when labels are known and leaves all values right.

    >>> is_delay("labels 30D late"), is_delay("x0 gone")
    (True, False)
    """
    return _DELAYS.fullmatch(name) is not None


def instants(drift: Iterable[Any], calendar: Calendar) -> tuple[pd.Timestamp, ...]:
    """Instants of true drift; text without a zone is a local time."""
    return tuple(calendar.instant(when, "drift") for when in drift)


def periods(faults: Iterable[Any], calendar: Calendar) -> tuple[FaultPeriod, ...]:
    """Faults by name, start and stop, likewise."""
    return tuple(
        FaultPeriod(name, calendar.instant(start, "faults"), calendar.instant(stop, "faults"))
        for name, start, stop in faults
    )

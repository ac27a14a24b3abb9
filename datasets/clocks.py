"""Times as text, without a zone: one order of day, month and year for a column, or a question."""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from backtrain.datasets.date_formats import ORDERS, formats

Bools = npt.NDArray[np.bool_]
Instants = npt.NDArray[np.datetime64]

_SAMPLE = 200  # values by which the order is guessed that is tried first
_TRIED = 60  # values of which formats are learnt, each from among those that no other reads
_NO_DATE = re.compile(r"\s*(\d+ days? )?\d\d?:\d\d(:\d\d([.,]\d+)?)?(\s?[ap]m)?\s*", re.IGNORECASE)
_NOW = ["now", "today"]  # pandas takes them for the time of reading
_TO_COME = pd.DateOffset(years=10)  # how far ahead a table may look, as with dates that are due
_CENTURY = pd.DateOffset(years=100)


class UnclearError(ValueError):
    """Times that can be read in several ways, or in none."""


@dataclass(frozen=True)
class Place:
    """A column in messages: its name, where a row stands, and whether remedies are keys."""

    name: str
    at: Callable[[int], str]
    keyed: bool

    def remedy(self, keys: str, python: str) -> str:
        """What helps from where the user stands."""
        return keys if self.keyed else python


class Clock(NamedTuple):
    """A column of n times as clocks show them, NaT where there is none, and what was guessed."""

    times: Instants
    said: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Way:
    """Texts as one order of day, month and year reads them, by which formats."""

    order: str
    times: Instants
    failed: Bools
    formats: tuple[str, ...]
    is_numeric: bool  # without the name of a month: the order matters

    @classmethod
    def of(cls, texts: pa.Array, order: str) -> "_Way":
        left = ~missing(texts)
        times = np.full(len(texts), np.datetime64("NaT", "ns"))
        used: list[str] = []
        numeric = False
        while left.any():
            rows = np.flatnonzero(left)
            some = texts.take(pa.array(rows[:: -(-len(rows) // _TRIED)])).to_pylist()
            found = next((f for f in map(formats, some) if f.get(order) not in (None, *used)), None)
            if found is None:
                break
            numeric |= len(set(found.values())) > 1
            used.append(found[order])
            parsed = nanoseconds(parse(texts.take(pa.array(rows)), found[order]))
            times[rows] = of_its_century(parsed, found[order])
            left[rows] = np.isnat(times[rows])
        return cls(order, times, left, tuple(used), numeric)

    @property
    def telling(self) -> int | None:
        """A row of a day above 12, where this order reads all: no other can, with years in full."""
        if self.failed.any() or not all("%Y" in used for used in self.formats):
            return None
        days = pd.DatetimeIndex(self.times).day > 12
        return int(days.argmax()) if days.any() else None

    @property
    def first(self) -> str:
        """What comes first, in words."""
        return ORDERS[self.order]


def read_clock(
    texts: pa.Array,
    place: Place,
    dayfirst: bool | None,
    suggested: Callable[[], str] = lambda: "",
) -> Clock:
    """Read text, (n,), in the one way that the column leaves; raises `UnclearError` otherwise."""
    strict = parse(texts, "ISO8601", errors="raise")
    if strict is not None and strict.tz is None:
        return Clock(nanoseconds(strict))
    ways = _ways(texts)
    if not ways:
        row = int(np.argmin(missing(texts)))
        if _NO_DATE.fullmatch(texts[row].as_py()):
            both = place.remedy("dataset.time=[DAY,HOUR]", "pd.to_datetime(day + ' ' + hour)")
            raise UnclearError(
                f"{place.name}: {place.at(row)} is {_shown(texts, row)}, a time without a day; "
                f"take it with the column that has the day: {both}"
            )
        remedy = place.remedy(
            suggested() or "dataset.time_format=", "pd.to_datetime(column, format=...)"
        )
        raise UnclearError(
            f"{place.name}: {place.at(row)} is {_shown(texts, row)}, not a time; where it is one, "
            f"say how it is written: {remedy}"
        )
    if dayfirst is not None and ways[0].is_numeric:
        way = _Way.of(texts, "D" if dayfirst else "M")
        _refuse_two(texts, place, way, ways)
        used = ", ".join(way.formats)
        said = f"{place.name}: {way.first} (dayfirst={str(dayfirst).lower()}), {used}"
        return Clock(way.times, (said, *_of_century(place, way)))
    least = min(int(way.failed.sum()) for way in ways)
    best = [way for way in ways if way.failed.sum() == least]
    _refuse_two(texts, place, best[0], ways)
    for other in best[1:]:
        if not np.array_equal(best[0].times, other.times, equal_nan=True):
            raise UnclearError(_question(texts, place, best[0], other))
    if all(used.startswith("%Y") for used in best[0].formats):
        return Clock(best[0].times)  # the year, then the month: nothing was guessed
    said = _said(texts, place, best[0], ways)
    return Clock(best[0].times, (said, *_of_century(place, best[0])))


def parse(
    texts: pa.Array, written: str, errors: Any = "coerce", utc: bool = False
) -> pd.DatetimeIndex | None:
    """Texts by one format, None where they are not; `now` and `today` are no times."""
    values = pd.Series(texts.to_numpy(zero_copy_only=False), dtype=object)
    now = pa.array(_NOW, texts.type)
    is_now = pc.is_in(pc.utf8_lower(texts), value_set=now).to_numpy(zero_copy_only=False)
    if is_now.any():
        if errors == "raise":
            return None
        values = values.mask(is_now)
    try:
        with warnings.catch_warnings(action="error", category=FutureWarning):
            index = pd.to_datetime(values, format=written, errors=errors, utc=utc)
        return pd.DatetimeIndex(index)
    except (ValueError, OverflowError, FutureWarning):  # pandas 2 warns of offsets that differ
        if errors == "raise":
            return None
        raise


def of_its_century(times: Instants, written: str) -> Instants:
    """Times, (n,), a hundred years earlier where years of two digits are far ahead of today.

    `strptime` takes 69 for 1969 and 68 for 2068.
    """
    if "%y" not in written:
        return times
    late = times > (pd.Timestamp.now() + _TO_COME).to_datetime64()
    earlier = times.copy()
    earlier[late] = nanoseconds(pd.DatetimeIndex(times[late]) - _CENTURY)
    return earlier


def said_of_century(name: str, times: Instants, written: str) -> tuple[str, ...]:
    """What is said of years of two digits, where some are before those of `strptime`."""
    early = times < np.datetime64("1969-01-01")
    if "%y" not in written or not early.any():
        return ()
    first = pd.Timestamp(times[early].min())
    return (
        f"{name}: years of two digits that are to come are of the past: {first:%y} is {first.year}",
    )


def nanoseconds(index: pd.DatetimeIndex | None) -> Instants:
    """As datetime64[ns] in UTC; NaT outside of the years 1678 to 2261."""
    assert index is not None
    naive = index if index.tz is None else index.tz_convert(None)
    if naive.unit != "ns":
        bounds = pd.Timestamp.min, pd.Timestamp.max
        years = naive.year
        inside = (years > bounds[0].year) & (years < bounds[1].year)
        naive = pd.DatetimeIndex(naive.where(inside)).as_unit("ns")
    return naive.to_numpy().astype("datetime64[ns]", copy=False)


def missing(texts: pa.Array) -> Bools:
    """Which texts say that there is no time."""
    empty = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(["", "NaT"], texts.type))
    return pc.or_(empty, pc.is_null(texts)).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _ways(texts: pa.Array) -> list[_Way]:
    """The orders that read something; one alone where its values leave no other."""
    rows = np.flatnonzero(~missing(texts))
    some = texts.take(pa.array(rows[:: -(-len(rows) // _SAMPLE) or 1]))
    first = [_Way.of(some, order) for order in ORDERS]
    first.sort(key=lambda way: (not way.formats, way.failed.sum()))
    ways = []
    for order in [way.order for way in first]:
        ways.append(_Way.of(texts, order))
        if ways[-1].formats and (not ways[-1].is_numeric or ways[-1].telling is not None):
            return ways[-1:]
    ways.sort(key=lambda way: list(ORDERS).index(way.order))
    return [way for way in ways if way.formats]


def _of_century(place: Place, way: _Way) -> tuple[str, ...]:
    return said_of_century(place.name, way.times, " ".join(way.formats))


def _shown(texts: pa.Array, row: int) -> str:
    return repr(texts[int(row)].as_py())


def _refuse_two(texts: pa.Array, place: Place, chosen: _Way, ways: Sequence[_Way]) -> None:
    """Refuse a column of which no order reads all that some order does."""
    for other in ways:
        lost = np.flatnonzero(chosen.failed & ~other.failed)
        if len(lost):
            mine = np.flatnonzero(~chosen.failed & other.failed)
            of = [(mine[:1], chosen), (lost[:1], other)]
            said = " and ".join(
                f"{_shown(texts, rows[0])} ({place.at(int(rows[0]))}) is {way.first}"
                for rows, way in of
                if len(rows)
            )
            why = "all of a column must be written in one way" if len(mine) else "not as was said"
            raise UnclearError(f"{place.name}: {said}; {why}")


def _said(texts: pa.Array, place: Place, way: _Way, ways: Sequence[_Way]) -> str:
    used = " and ".join(way.formats)
    if not way.is_numeric:
        return f"{place.name}: {used}"
    lost = [np.flatnonzero(other.failed & ~way.failed) for other in ways if other is not way]
    row = next((int(rows[0]) for rows in lost if len(rows)), way.telling)
    if row is None:
        return f"{place.name}: {way.first}, {used}"
    return f"{place.name}: {way.first}, {used}: {_shown(texts, row)} has no other reading"


def _question(texts: pa.Array, place: Place, one: _Way, two: _Way) -> str:
    row = int(np.argmax((one.times != two.times) & ~one.failed & ~two.failed))
    value = texts[row].as_py()
    readings = " or ".join(_dates(one.times[row], two.times[row]))
    if not place.keyed:
        return (
            f"{place.name}: {value!r} may be day or month first, {readings}; "
            f"use pd.to_datetime(column, format={one.formats[0]!r}) or the like"
        )
    key = "dataset.dayfirst=true|false"
    if "Y" in (one.order, two.order):
        key = "dataset.time_format=" + "|".join(repr(way.formats[0]) for way in (one, two))
    return f"{place.name}: {value}: {readings}? {key}{_hint(one, two)}"


def _hint(one: _Way, two: _Way) -> str:
    """Which reading the order of the rows speaks for."""
    steps = [np.diff(way.times[~way.failed]) for way in (one, two)]
    rising = [bool((step >= np.timedelta64(0)).all()) for step in steps]
    if rising[0] == rising[1]:
        return ""
    return f" (only {(one, two)[rising.index(True)].first} the rows are in order of time)"


def _dates(*times: np.datetime64) -> list[str]:
    """Days as one speaks of them, with their years where these differ."""
    days = [pd.Timestamp(time) for time in times]
    years = [f" {day.year}" if len({one.year for one in days}) > 1 else "" for day in days]
    return [f"{day.day} {day.month_name()}{year}" for day, year in zip(days, years, strict=True)]

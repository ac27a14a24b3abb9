"""Columns of times as they are written, read into instants, in one way a column.

What leaves no doubt is read and said; what can be read in two ways is asked, with both readings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api.types import infer_dtype

from backtrain.datasets import epochs
from backtrain.datasets.calendar import zone_name
from backtrain.datasets.clocks import (
    Bools,
    Instants,
    Place,
    UnclearError,
    missing,
    nanoseconds,
    parse,
    read_clock,
    said_of_century,
)
from backtrain.datasets.epochs import TimeUnit
from backtrain.datasets.local import to_utc
from backtrain.datasets.suggestions import format_of, in_weeks

_NEVER = np.datetime64("NaT", "ns")
_TEXT = pa.large_string()
#: A time of day, and what may follow it: an offset from UTC, or the name of a zone.
_ZONED = (
    r"^(?P<clock>.*(?:\d[:.h]\d\d|T\d\d\d\d)(?:[:.]?\d\d(?:[.,]\d+)?)?(?:\s?[AaPp][Mm])?)"
    r"\s?(?P<zone>Z|z|[A-Z]{3,5}|(?:UTC|GMT)?[+-]\d\d(?::?\d\d)?)$"
)
_UTC = ("Z", "z", "UTC", "GMT")
_MINUTE = np.timedelta64(1, "m")


class Read(NamedTuple):
    """A column of n times, NaT where there is none: in UTC if it has a zone, else as clocks show.

    `bad` says which values are no time; `zone` is None where the column says nothing of it.
    """

    times: Instants
    bad: Bools
    zone: str | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dates:
    """How times are written, as far as the user has said so; None is to be found out.

    `at` says where the row of a number stands. Remedies are keys of a data set where `keyed`, else
    Python. `read` raises `UnclearError` for what it would have to guess.
    """

    time_format: str | Mapping[str, str] | None = None
    dayfirst: bool | None = None
    time_unit: TimeUnit | None = None
    timezone: str | None = None
    at: Callable[[int], str] = field(default="row {}".format)
    keyed: bool = True

    def __post_init__(self) -> None:
        if self.timezone is not None:
            object.__setattr__(self, "timezone", zone_name(self.timezone) or "UTC")

    def read(self, column: pd.Series, name: str, title: str | None = None) -> Read:
        """Read a column of text, numbers or instants; messages call it by its title."""
        place = Place(title or name, self.at, self.keyed)
        written = self.time_format
        given = written.get(name) if isinstance(written, Mapping) else written
        kind = _kind(column, place)
        if kind == "empty":
            return Read(np.full(len(column), _NEVER), np.zeros(len(column), dtype=bool))
        if kind == "instants":
            times = pd.DatetimeIndex(column, copy=False)  # Arrow types tell their zone here only
            found = nanoseconds(times)
            lost = np.isnat(found) & column.notna().to_numpy(dtype=bool)
            return Read(found, lost, None if times.tz is None else str(times.tz))
        if kind == "objects":
            return _objects(column, place)
        if kind == "numbers" and given is None:
            return self._numbers(column, place)
        if kind == "numbers":  # such as 20240131
            whole = pd.Series(epochs.exact(column)[0]).astype(str).to_numpy(dtype=object)
            column = pd.Series(whole).where(column.notna().to_numpy(dtype=bool))
        texts = pa.array(column.astype(object), _TEXT, from_pandas=True)
        if given is not None:
            return _by_format(texts, place, given)
        if self.keyed and _are_digits(texts):
            return self._numbers(column.where(~missing(texts)), place)
        return self._text(texts, place)

    def _numbers(self, column: pd.Series, place: Place) -> Read:
        """Numbers that count something, or are dates without anything between."""
        absent = column.isna().to_numpy(dtype=bool)
        numbers, bad = epochs.exact(column)
        good = numbers[~bad]
        unit = self.time_unit
        said: tuple[str, ...] = ()
        if unit is None and self.keyed and (written := epochs.compact_format(good)):
            texts = pa.array(pd.Series(numbers).astype(str).astype(object), _TEXT)
            times = np.where(bad, _NEVER, nanoseconds(parse(texts, written)))
            return Read(times, np.isnat(times) & ~absent, said=(f"{place.name}: {written}",))
        if unit is None:
            unit = epochs.unit_of(good) if self.keyed else None  # in Python nothing would say it
            if unit is None:
                keys = f"dataset.time_unit={'|'.join(epochs.UNITS)}, or dataset.time_format="
                if self.keyed:
                    texts = pa.array(pd.Series(good).astype(str).astype(object), _TEXT)
                    only = format_of(texts, np.zeros(len(good), dtype=bool), numbers=True)
                    keys = f"{only} reads them; else {keys}" if only else keys
                remedy = place.remedy(keys, "pd.to_datetime(column, unit='s')")
                one = column[~absent].iloc[0]
                raise UnclearError(
                    f"{place.name}: numbers such as {one}; say what they count: {remedy}"
                )
            bad |= epochs.outside(numbers, unit)
            row = int(np.argmin(bad))
            first = pd.Timestamp(epochs.instants(numbers[row : row + 1], unit)[0])
            said = (f"{place.name}: {epochs.spoken(unit)}: {numbers[row]} is {first}",)
        times = np.where(bad, _NEVER, epochs.instants(numbers, unit))
        zone = None if unit in ("D", "excel") else "UTC"
        return Read(times, np.isnat(times) & ~absent, zone, said)

    def _text(self, texts: pa.Array, place: Place) -> Read:
        texts = _quarters(texts)
        absent = missing(texts)
        strict = parse(texts, "ISO8601", errors="raise")
        if strict is not None and strict.tz is None:
            times = nanoseconds(strict)
            return Read(times, np.isnat(times) & ~absent)
        parts = pc.extract_regex(pc.utf8_trim_whitespace(texts), _ZONED)
        has_zone = ~absent & parts.is_valid().to_numpy(zero_copy_only=False)
        if not has_zone.any():
            proposed = partial(format_of, texts, absent, numbers=False)
            times, said = read_clock(texts, place, self.dayfirst, proposed)
            return Read(times, np.isnat(times) & ~absent, said=said)
        clocks = pc.if_else(parts.is_valid(), pc.struct_field(parts, "clock"), texts)
        times, said = read_clock(clocks, place, self.dayfirst)
        bad = np.isnat(times) & ~absent
        coded = pc.struct_field(parts, "zone").dictionary_encode()
        words = coded.dictionary.to_pylist()
        unknown = [word for word in words if word and word not in _UTC and word.isalpha()]
        if self.timezone is None:
            self._refuse_unclear(unknown, texts, ~has_zone & ~bad & ~absent, has_zone, place)
        if unknown:
            return Read(times, bad, said=said)
        ahead = np.array([*(_ahead(word) for word in words), np.timedelta64(0, "m")])
        codes = pc.fill_null(coded.indices, len(words)).to_numpy(zero_copy_only=False)
        utc = times - ahead[codes].astype("timedelta64[ns]")
        naive = ~has_zone & ~np.isnat(times)
        if naive.any() and self.timezone is not None:
            local = to_utc(times[naive], self.timezone, place.name)
            utc[naive], said = local.times, (*said, *local.said)
        minutes = np.unique(ahead[np.unique(codes[has_zone])] // _MINUTE)
        zone = _fixed(int(minutes[0])) if len(minutes) == 1 else "UTC"
        if len(minutes) > 1 and self.timezone is None:
            spoken = " and ".join(_fixed(int(m)).removeprefix("UTC") or "+00:00" for m in minutes)
            kept = place.remedy(
                "; dataset.timezone=Europe/Berlin, or where it is, keeps the local calendar", ""
            )
            said = (*said, f"{place.name}: offsets {spoken}, read as UTC{kept}")
        return Read(utc, bad, zone, said)

    def _refuse_unclear(
        self, unknown: list[str], texts: pa.Array, naive: Bools, zoned: Bools, place: Place
    ) -> None:
        """Refuse names of zones that several have, and times of which only some have an offset."""
        if unknown:
            remedy = place.remedy(
                "dataset.timezone=Europe/Berlin, or where it is, reads all times in that zone",
                "use .dt.tz_localize('Europe/Berlin') or the like",
            )
            raise UnclearError(
                f"{place.name}: {unknown[0]!r} names no single offset from UTC; {remedy}"
            )
        if naive.any():
            remedy = place.remedy(
                "dataset.timezone=UTC, or where it is, says whose the others are",
                "use pd.to_datetime(column, utc=True)",
            )
            rare = naive if naive.sum() <= zoned.sum() else zoned
            row = int(rare.argmax())
            which = f"{rare.sum()} of {len(rare)} {'without' if rare is naive else 'with'} one"
            raise UnclearError(
                f"{place.name}: times with and without one of several time zones, {which}: "
                f"{texts[row].as_py()!r} in {place.at(row)}; {remedy}"
            )


def _kind(column: pd.Series, place: Place) -> str:
    """What a column holds: instants, numbers, text, objects, or nothing (empty)."""
    dtype = column.dtype
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "instants"
    if column.isna().all():
        return "empty"
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    kind = infer_dtype(column, skipna=True)
    kind = infer_dtype(column.astype(object), skipna=True) if kind == "categorical" else kind
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return "numbers"
    if kind == "boolean":
        raise UnclearError(
            f"{place.name}: truth values such as {column.dropna().iloc[0]}; no times"
        )
    if kind == "string":
        return "text"
    if kind in ("datetime", "datetime64", "date", "mixed"):
        return "objects"
    raise UnclearError(
        f"{place.name}: {kind} values such as {column.dropna().iloc[0]!r}; use pd.to_datetime"
    )


def _objects(column: pd.Series, place: Place) -> Read:
    """Dates and times as objects, of one time zone, of several, or of none."""
    objects = column.astype(object)
    zones = {getattr(value, "tzinfo", None) is not None for value in objects[column.notna()]}
    if len(zones) > 1:
        raise UnclearError(
            f"{place.name}: times with and without one of several time zones; "
            "use pd.to_datetime(column, utc=True)"
        )
    present = column.notna().to_numpy(dtype=bool)
    try:
        index = pd.DatetimeIndex(pd.to_datetime(objects, errors="coerce", utc=zones == {True}))
    except (ValueError, OverflowError) as error:
        raise UnclearError(
            f"{place.name}: {str(error).splitlines()[0]}; use pd.to_datetime"
        ) from None
    times = nanoseconds(index)
    return Read(times, np.isnat(times) & present, "UTC" if zones == {True} else None)


def _by_format(texts: pa.Array, place: Place, given: str) -> Read:
    """Read text in the way that the user has said."""
    if given == "mixed":
        raise UnclearError(
            f"{place.name}: time_format=mixed reads each value by itself, so that 13/02 is in "
            "February and 03/02 in March; give one format, or dayfirst"
        )
    absent = missing(texts)
    aware = "%z" in given or "%Z" in given
    try:
        times = in_weeks(texts, given, utc=aware)
    except (ValueError, TypeError) as error:
        raise UnclearError(
            f"{place.name}: time_format={given!r}: {str(error).splitlines()[0]}"
        ) from None
    if np.isnat(times).all() and not absent.all():
        row = int(np.argmin(absent))
        raise UnclearError(
            f"{place.name}: time_format={given!r} reads no value, such as "
            f"{texts[row].as_py()!r} ({place.at(row)})"
        )
    said = said_of_century(place.name, times, given)
    return Read(times, np.isnat(times) & ~absent, "UTC" if aware else None, said)


def _quarters(texts: pa.Array) -> pa.Array:
    """Texts with the first month in place of a quarter, such as 2023-Q2 or Q2 2023."""
    if not pc.any(pc.match_substring_regex(texts.slice(0, 1_000), "[Qq][1-4]")).as_py():
        return texts
    for quarter in "1234":
        month = rf"\1-{3 * int(quarter) - 2:02}"
        for written in (rf"^(\d{{4}})[- ]?[Qq]{quarter}$", rf"^[Qq]{quarter}[- /]?(\d{{4}})$"):
            texts = pc.replace_substring_regex(texts, written, month)
    return texts


def _are_digits(texts: pa.Array) -> bool:
    """Whether most values are plain numbers: times of text have something between."""
    few = texts.slice(0, 1_000)
    found = pc.match_substring_regex(few.drop_null(), r"^\s*[+-]?\d+(\.\d*)?([eE]\+?\d+)?\s*$")
    return bool((pc.mean(found.cast(pa.int8())).as_py() or 0) > 0.5)


def _ahead(word: str | None) -> np.timedelta64:
    """What a zone is ahead of UTC, from how it is written: +02:00, -0330, UTC+1, Z."""
    digits = (word or "").removeprefix("UTC").removeprefix("GMT").replace(":", "")
    if word is None or word in _UTC or not digits:
        return np.timedelta64(0, "m")
    minutes = int(digits[1:3]) * 60 + int(digits[3:5] or 0)
    return np.timedelta64(-minutes if digits[0] == "-" else minutes, "m")


def _fixed(minutes: int) -> str:
    """The name of a fixed offset, as pandas writes it: UTC, UTC+02:00.

    >>> _fixed(-210)
    'UTC-03:30'
    """
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"

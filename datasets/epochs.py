"""Times as numbers: what they count since when, told by their size."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.date_formats import OF_DIGITS

Bools = npt.NDArray[np.bool_]
Instants = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[Any]
TimeUnit = Literal["s", "ms", "us", "ns", "D", "excel", "ordinal"]

UNITS: tuple[TimeUnit, ...] = ("s", "ms", "us", "ns", "D", "excel")
_OF_SECOND = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # nanoseconds in each
_YEARS = (631_152_000, 4_102_444_800)  # 1990 and 2100, in seconds since 1970
#: Numbers that are times from 1990 to 2099, by what they count; no two of these overlap. Days since
#: 1970 end in 2059 here: spreadsheets counted as many days in 1990.
_RANGES: dict[TimeUnit, tuple[float, float]] = {
    "s": _YEARS,
    "ms": (_YEARS[0] * 10**3, _YEARS[1] * 10**3),
    "us": (_YEARS[0] * 10**6, _YEARS[1] * 10**6),
    "ns": (_YEARS[0] * 10**9, _YEARS[1] * 10**9),
    "D": (7_305, 32_874),
    "excel": (32_874, 73_416),
    "ordinal": (726_468, 766_645),  # never guessed: 730401 is a date as well
}
_COUNTED = {
    "D": "days since 1970",
    "excel": "days, as spreadsheets count them",
    "ordinal": "days, the first of year 1 being 1",
}
#: The day 0 of spreadsheets, which have a 29th of February 1900, for days after that.
_EXCEL = np.datetime64("1899-12-30", "ns")
_ORDINAL = 719_163  # of the first of 1970, as `datetime.date.toordinal` counts
_NEVER = np.datetime64("NaT", "ns")
_LARGEST = float(np.iinfo(np.int64).max)


def exact(values: pd.Series) -> tuple[Numbers, Bools]:
    """Numbers and which of them are none, (n,): whole numbers as int64 where all are whole."""
    found = pd.to_numeric(values, errors="coerce")
    wrong = np.array(found.isna(), dtype=bool)
    if pd.api.types.is_float_dtype(found.dtype):  # beside what is none, whole numbers lost digits
        found = pd.to_numeric(values[~wrong])
    else:
        found = found[~wrong]
    numbers = found.to_numpy(dtype=np.int64 if pd.api.types.is_integer_dtype(found) else np.float64)
    if numbers.dtype.kind == "f" and len(numbers) and (numbers == np.floor(numbers)).all():
        numbers = numbers.astype(np.int64)
    full = np.zeros(len(values), dtype=numbers.dtype)
    full[~wrong] = numbers
    return full, wrong


def compact_format(numbers: Numbers) -> str | None:
    """The format of whole numbers that are dates without anything between, such as 20240131."""
    if numbers.dtype.kind != "i" or not len(numbers) or numbers.min() <= 0:
        return None
    written = OF_DIGITS.get(len(str(numbers.max())))
    digits = 10 ** (len(str(numbers.max())) - 4)
    year = numbers // digits
    if written is None or year.min() < 1800 or year.max() > 2261:
        return None
    parsed = pd.to_datetime(pd.Series(numbers).astype(str), format=written, errors="coerce")
    return written if parsed.notna().mean() > 0.5 else None


def unit_of(numbers: Numbers) -> TimeUnit | None:
    """What numbers count, where most are times from 1990 to 2099; None where they are not."""
    middle = float(np.median(numbers))
    return next((unit for unit in UNITS if _RANGES[unit][0] <= middle < _RANGES[unit][1]), None)


def outside(numbers: Numbers, unit: TimeUnit) -> Bools:
    """Which numbers are no times from 1990 to 2099."""
    low, high = _RANGES[unit]
    return (numbers < low) | (numbers >= high)


def instants(numbers: Numbers, unit: TimeUnit) -> Instants:
    """Numbers as instants; NaT for those outside of the years 1678 to 2261."""
    if unit == "ordinal":
        numbers, unit = numbers - _ORDINAL, "D"
    factor = {**_OF_SECOND, "D": 86_400 * 10**9, "excel": 86_400 * 10**9}[unit]
    inside = np.abs(numbers.astype(np.float64)) * factor < _LARGEST
    kept = np.where(inside, numbers, 0)
    if kept.dtype.kind == "f":  # a day's fraction is exact to a microsecond, shown to a millisecond
        whole = np.floor(kept).astype(np.int64)
        exactness = 10**6 if unit in _COUNTED else 1
        rest = np.rint((kept - whole) * (factor / exactness)).astype(np.int64) * exactness
        since = whole * factor + rest
    else:
        since = kept * factor
    start = _EXCEL if unit == "excel" else np.datetime64(0, "ns")
    return np.where(inside, start + since.astype("timedelta64[ns]"), _NEVER)


def spoken(unit: TimeUnit) -> str:
    """What a unit counts, in words.

    >>> spoken("ms")
    'ms since 1970'
    """
    return _COUNTED.get(unit, f"{unit} since 1970")

"""Ways of writing times that are never guessed, but may be proposed: by trying them."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa

from backtrain.datasets import epochs
from backtrain.datasets.clocks import Bools, Instants, nanoseconds, of_its_century, parse

#: Formats of numbers of so many digits.
_OF_NUMBERS = {
    8: ("%m%d%Y", "%d%m%Y", "%Y%d%m"),
    7: ("%Y%j",),
    6: ("%G%V", "%y%m%d", "%d%m%y", "%m%d%y"),
}
_OF_TEXT = ("%G-W%V", "%GW%V", "%G W%V", "%G-%V")
_TRIED = 1_000
_YEARS = np.array(["1900-01-01", "2100-01-01"], "M8[ns]")
_WEEK = {"%V": "%u", "%W": "%w", "%U": "%w"}


def format_of(texts: pa.Array, absent: Bools, numbers: bool) -> str:
    """The key that reads all values, such as dataset.time_format=%m%d%Y, if exactly one does."""
    kept = texts.filter(pa.array(~absent))
    if not len(kept):
        return ""
    some = kept.take(pa.array(np.arange(0, len(kept), -(-len(kept) // _TRIED))))
    found = []
    digits = max(map(len, some.to_pylist()))
    for written in _OF_NUMBERS.get(digits, ()) if numbers else _OF_TEXT:
        times = in_weeks(some, written)
        if ((times >= _YEARS[0]) & (times < _YEARS[1])).all():
            quote = "'" if " " in written else ""
            found.append(f"{quote}dataset.time_format={written}{quote}")
    if numbers:
        counted, bad = epochs.exact(some.to_pandas())
        if not bad.any() and not epochs.outside(counted, "ordinal").any():
            found.append("dataset.time_unit=ordinal")
    return found[0] if len(found) == 1 else ""


def in_weeks(texts: pa.Array, written: str, utc: bool = False) -> Instants:
    """Texts by a format; of weeks without a day, their Monday."""
    day = next((day for week, day in _WEEK.items() if week in written), None)
    if day is not None and not re.search("%[uwaA]", written):
        values = pd.Series(texts.to_numpy(zero_copy_only=False), dtype=object) + " 1"
        texts, written = pa.array(values, texts.type, from_pandas=True), f"{written} {day}"
    return of_its_century(nanoseconds(parse(texts, written, utc=utc)), written)

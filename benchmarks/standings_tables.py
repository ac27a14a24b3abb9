"""Tables of the standings: 125 k rows each, checked to the bit; no label times yet."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from backtrain import Lags

Delay: TypeAlias = Literal["short", "long"]

#: Ticks until a label arrives.
DELAYS: dict[Delay, int] = {"short": 1, "long": 10}
#: Served ticks, and those of the initial history: a fifth of all.
TICKS, FIRST = 100, 25
MOST_ROWS = 6_000
#: Where the clock of all streams begins; a tick is a day.
START = pd.Timestamp("2020-01-01")
_MOST_CLASSES = 50
#: Names the folder where fetched tables lie.
FOLDER = "BACKTRAIN_STREAMS"


class UnavailableError(Exception):
    """A source that is not here; says which command fetches it."""


@dataclass(frozen=True)
class Table:
    """The rows of a stream before anything is said of when labels arrive.

    Attributes
    ----------
    frame : DataFrame
        n = 125 k rows in order of time: ``time`` (no two alike), ``y`` (float64, or
        0, 1, ... where it is a class), and features (float64, gaps filled with the median of the
        initial history).
    kind : str
        "classification" or "regression".
    tick : int
        Rows of a tick, k.
    seasons : tuple of str
        Lengths of time, such as "1D": lags are made at the least multiple that is known. Of
        forecasting streams alone.
    by : str, optional
        The feature that tells series apart, where there are several.
    """

    frame: pd.DataFrame
    kind: str
    tick: int
    seasons: tuple[str, ...] = ()
    by: str | None = None
    name: str = "stream"

    @property
    def features(self) -> list[str]:
        """The names of the features, without lags."""
        return [str(c) for c in self.frame.columns if c not in ("time", "y")]

    def known(self, delay: Delay) -> pd.Series:
        """When each label arrives, (n,): with the row that stands so many ticks later."""
        time = self.frame["time"]
        after = time.iloc[-1] + pd.Timedelta("1h")
        return time.shift(-DELAYS[delay] * self.tick).fillna(after)

    def lags(self, delay: Delay) -> Lags | None:
        """The newest known label, the mean of 25, and those of the same season, nine in ten known.

        Of each season the least multiple by which nine labels in ten have arrived.
        """
        if not self.seasons:
            return None
        served = slice(0, -DELAYS[delay] * self.tick)
        waited = (self.known(delay) - self.frame["time"])[served].quantile(0.9)
        at = [-(-waited // pd.Timedelta(season)) * pd.Timedelta(season) for season in self.seasons]
        lengths = [f"{int(one / pd.Timedelta('1min'))}min" for one in dict.fromkeys(at)]
        return Lags(known=[1], at=lengths, rolling=[("mean", FIRST)], by=self.by)


def tabled(
    frame: pd.DataFrame,
    cut: Literal["thinned", "first", "last"] = "thinned",
    most: int = MOST_ROWS,
    **more: Any,
) -> Table:
    """A table of columns ``time``, ``y`` and features, in any order, cut to 125 k rows.

    ``thinned`` takes rows evenly from all, ``first`` and ``last`` one piece. Rows without a time or
    label are left out, text and classes become codes in their order (whole
    numbers of at most 50 values are classes), and rows of one instant follow each other by a
    second.
    """
    frame = frame.dropna(subset=["time", "y"]).sort_values("time", kind="stable", ignore_index=True)
    tick = min(len(frame), most) // (TICKS + FIRST)
    rows = tick * (TICKS + FIRST)
    if cut == "thinned":
        frame = frame.iloc[np.linspace(0, len(frame) - 1, rows).astype(int)]
    else:
        frame = frame.iloc[:rows] if cut == "first" else frame.iloc[-rows:]
    frame = frame.reset_index(drop=True)
    time, y = pd.to_datetime(frame.pop("time"), utc=True), frame.pop("y")
    time = time.dt.tz_localize(None).astype("M8[ns]")
    seconds = pd.Series(pd.to_timedelta(np.arange(len(time)), "s"))
    time = (time - seconds).cummax() + seconds  # at least a second apart
    for column in frame:
        if frame[column].dtype.kind not in "biuf":
            frame[column] = _codes(frame[column])
    frame = frame.astype("float32").astype("float64")
    frame = frame.replace([np.inf, -np.inf], np.nan)
    frame = frame.fillna(frame.iloc[: FIRST * tick].median()).fillna(0.0)
    is_number = y.dtype.kind == "f" or (y.dtype.kind in "iu" and y.nunique() > _MOST_CLASSES)
    labels = y.astype("float32").astype("float64") if is_number else _codes(y)
    frame.columns = frame.columns.map(str)
    frame.insert(0, "time", time)
    frame.insert(1, "y", labels)
    kind = "regression" if is_number else "classification"
    return Table(frame, kind, tick, **more)


def _codes(column: pd.Series) -> Any:
    """Places of the values in their order: 0, 1, ..."""
    is_text = column.dtype.kind not in "biuf"
    return pd.factorize(column.astype(str) if is_text else column, sort=True)[0]


def fingerprint(table: Table) -> str:
    """The sha256 of a table's content, to the bit.

    Of each column in order: its name, a zero byte, and its values, times as int64 ns, classes as
    int64, numbers as float32, all little-endian.
    """
    digest = hashlib.sha256()
    for name, column in table.frame.items():
        digest.update(f"{name}\0".encode())
        if column.dtype.kind == "M":
            digest.update(column.to_numpy().astype("<M8[ns]").astype("<i8").tobytes())
        elif column.dtype.kind == "i":
            digest.update(column.to_numpy().astype("<i8").tobytes())
        else:
            digest.update((column.to_numpy() + 0.0).astype("<f4").tobytes())
    return digest.hexdigest()


def folder() -> Path | None:
    """Where fetched tables lie, or None where nobody said."""
    return Path(os.environ[FOLDER]) if os.environ.get(FOLDER) else None


def fetched(name: str) -> pd.DataFrame | None:
    """A table of the folder, ``time``, ``y`` and features; None where it is not there."""
    place = folder()
    path = place / f"{name}.parquet" if place else None
    return pd.read_parquet(path) if path is not None and path.exists() else None

"""A table made ready for a stream: its times, its numbers, and rows that cannot stay."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets.bad_rows import BadRows, OnBad
from backtrain.datasets.clocks import Instants
from backtrain.datasets.columns import is_number
from backtrain.datasets.csv import Csv
from backtrain.datasets.dates import Dates, Read
from backtrain.datasets.local import to_utc
from backtrain.datasets.names import nearest
from backtrain.datasets.numerals import Numerals
from backtrain.datasets.sentinels import said_of_sentinels
from backtrain.datasets.source import Source

Bools = npt.NDArray[np.bool_]
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_WEIGHTS = ("weight", "amount", "fit_weight", "score_weight")
_NEVER = np.datetime64("NaT", "ns")


class Preparation:
    """Works on a table, column by column; `made` returns it.

    Parameters are the table, the columns that have a role (target, time, ...), how times and
    numbers are written, and what becomes of bad rows.
    """

    def __init__(
        self,
        source: Source,
        roles: Mapping[str, str | None],
        dates: Dates,
        numerals: Numerals,
        on_bad: OnBad,
    ) -> None:
        self._source = source
        self._roles = {role: name for role, name in roles.items() if name is not None}
        self._dates = dates
        self._numerals = numerals
        self._on_bad = on_bad

    def made(self, features: Sequence[str] | None, categories: Sequence[str]) -> Source:
        """The table with instants for times, numbers for text that is numbers, and no bad row."""
        source, time, label_time = self._source, self._roles["time"], self._roles.get("label_time")
        event = self._read(time)
        label = None if label_time is None else self._read(label_time)
        if isinstance(source, Csv):
            blank = _without_values(source, np.isnat(event.times))
            if blank.any():
                source.reading.append(_left_out(source, blank))
                source.keep(~blank)
                event = _taken(event, ~blank)
                label = None if label is None else _taken(label, ~blank)
        rows = BadRows(len(event.times), self._source.at)
        others = [name for name in source.head.columns if name not in self._roles.values()]
        checked = others if features is None else [name for name in features if name in others]
        more = [self._roles[role] for role in ("target", *_WEIGHTS) if role in self._roles]
        numeric = [name for name in [*checked, *more] if name not in categories]
        self._refuse_unclear_point(numeric)
        for name in numeric:
            self._numbers(name, rows)
        self._weights(rows)
        said, times = self._times(event, label, rows)
        if rows.problems:
            if self._on_bad == "refuse":
                rows.refuse()
            gone = rows.left_out(self._on_bad)
            self._source = self._source.loaded()
            said = [*rows.said(self._on_bad), *said]
        self._source.reading[:0] = said
        del event, label
        for name in list(times):
            self._source.replace(name, times.pop(name))
        if rows.problems and gone.any():
            self._source.keep(~gone)
            self._as_whole(self._roles["target"])
        if isinstance(self._source, Csv):
            self._source.reading += said_of_sentinels(self._source, numeric)
        self._source.reading += _without_label(self._source, self._roles["target"])
        return self._source

    def _as_whole(self, name: str) -> None:
        """Whole numbers as such again, where what is left out had made fractions of them."""
        column = self._source.look(name)
        if column.dtype == np.float64 and column.notna().all() and (column % 1 == 0).all():
            self._source.replace(name, column.astype(np.int64))

    # --- times -----------------------------------------------------------------------------------

    def _read(self, name: str) -> Read:
        role = "time" if name == self._roles["time"] else "label_time"
        return self._dates.read(self._source.look(name), name, f"{role} {name!r}")

    def _times(
        self, event: Read, label: Read | None, rows: BadRows
    ) -> tuple[list[str], dict[str, pd.Series]]:
        """Times in one zone, with what was guessed; rows of bad ones are noted."""
        name, label_name = self._roles["time"], self._roles.get("label_time", "")
        zone = self._dates.timezone
        said = [*event.said, *(() if label is None else label.said)]
        if label is not None and zone is None and not np.isnat(label.times).all():
            _refuse_one_zone(event, label, name, label_name)
        at = self._in_utc(event, name, False, said)
        known = None if label is None else self._in_utc(label, label_name, True, said)
        rows.note(
            np.isnat(at) & ~event.bad, lambda row, place: f"time {name!r}: missing in {place}"
        )
        rows.note(event.bad, lambda row, place: f"time {name!r}: {self._none(name, row, place)}")
        zone = zone or event.zone
        times = {name: _zoned(at, zone)}
        if label is not None and known is not None:
            labelled = ~self._source.look(self._roles["target"]).isna().to_numpy(dtype=bool)
            title = f"label_time {label_name!r}"
            never = [str(self._source.look(label_name).iloc[int(label.bad.argmax())])]
            rows.note(
                label.bad & labelled,
                lambda row, place: f"{title}: {self._none(label_name, row, place)}",
                "a label that never arrives",
                _key("na_values", never) + ", where that says never",
            )
            early, late = labelled & (known < at), known
            rows.note(
                early,
                lambda row, place: (
                    f"{title}: {_spoken(late[row])} in {place} is before its row, "
                    f"{_spoken(at[row])}"
                ),
                "the time of its row",
            )
            known = np.where(early, at, known)
            lost = int((np.isnat(known) & labelled & ~np.isnat(at)).sum())
            if lost:
                said.append(f"{lost} of {len(at)} labels have no time: they never arrive")
            times[label_name] = _zoned(known, zone)
        return said, times

    def _none(self, name: str, row: int, place: str) -> str:
        return f"{str(self._source.look(name).iloc[row])!r} in {place}, not a time"

    def _in_utc(self, read: Read, name: str, late: bool, said: list[str]) -> Instants:
        zone = self._dates.timezone
        if read.zone is not None or zone is None:
            return read.times
        local = to_utc(read.times, zone, name, late)
        said.extend(local.said)
        return local.times

    # --- numbers ---------------------------------------------------------------------------------

    def _numbers(self, name: str, rows: BadRows) -> None:
        """Make numbers of text that is meant as such; note what is none, or infinite."""
        source = self._source
        counts = source.counts(name)
        is_target = name == self._roles["target"]
        missing = "a missing label" if is_target else "missing"
        title = f"target {name!r}" if is_target else f"column {name!r}"
        if counts is None:
            if not isinstance(source, Csv) and self._on_bad == "refuse":
                return  # the stream refuses it, in its batches
            column = source.loaded().head[name]
            if is_number(column) and pd.api.types.is_float_dtype(column.dtype):
                floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
                infinite = np.isinf(floats)
                if rows.note(infinite, lambda row, place: f"{title}: infinite in {place}", missing):
                    self._replace(name, np.where(infinite, np.nan, floats))
            return
        found = self._numerals.read(name, counts, self._has_fractions)
        if found is None or not (isinstance(source, Csv) or found.said or found.wrong):
            return
        if found.said:
            source.reading.append(found.said)
        column = source.look(name)
        wrong = column.isin(list(found.wrong)).to_numpy(dtype=bool)
        rows.note(
            wrong,
            lambda row, place: f"{title}: {column.iloc[row]!r} in {place}, not a number",
            missing,
            f"{_key('na_values', found.wrong)} takes that as missing",
            f"{_key('categories', [name])} all of them as names",
        )
        numbers = column.map(found.values).astype(np.float64)
        whole = numbers.notna().all() and (numbers == np.floor(numbers)).all()
        self._replace(name, numbers.astype(np.int64) if whole else numbers)

    def _refuse_unclear_point(self, names: Sequence[str]) -> None:
        """Ask where every point in the text may be of thousands, and nobody has said."""
        given = self._numerals
        if not isinstance(self._source, Csv) or given.is_said or given.thousands is not None:
            return
        if given.decimal == "." and (found := self._source.unclear_point(names)):
            name, text = found
            raise ValueError(
                f"column {name!r}: {text!r} is {float(text):g} or {text.replace('.', '')}? "
                "dataset.decimal=point or dataset.thousands=point"
            )

    def _has_fractions(self) -> bool:
        """Whether a number elsewhere in the text has a fraction: then its sign is known."""
        if not isinstance(self._source, Csv):
            return False
        floats = self._source.head.select_dtypes("float").to_numpy()
        return bool((np.isfinite(floats) & (floats != np.floor(floats))).any())

    def _replace(self, name: str, values: Any) -> None:
        self._source = self._source.loaded()
        self._source.replace(name, values)

    def _weights(self, rows: BadRows) -> None:
        """Note weights and amounts that are no numbers >= 0, and groups that are missing."""
        for role in _WEIGHTS:
            kind = "an amount" if role == "amount" else "a weight"
            if (name := self._roles.get(role)) is not None and is_number(self._source.look(name)):
                values = self._source.look(name).to_numpy(dtype=np.float64, na_value=np.nan)
                bad = ~(np.isfinite(values) & (values >= 0))
                rows.note(bad, partial(_no_weight, name, kind, values))
        for name in (name for role, name in self._roles.items() if role.startswith("group")):
            absent = self._source.look(name).isna().to_numpy(dtype=bool)
            rows.note(absent, partial(_no_group, name))


def leave_out(
    source: Source,
    roles: Mapping[str, str | None],
    features: Sequence[str] | None,
    drop: Sequence[str],
    index_columns: Sequence[str] | None,
) -> None:
    """Leave out what is dropped, row numbers, and columns without name and value."""
    columns = source.head.columns
    for key, names in (("drop", drop), ("index_columns", index_columns or ())):
        for column in names:
            if column not in columns:
                hint = f"did you mean {nearest(column, columns)}?"
                raise ValueError(f"{key}={column!r}: no such column; {hint}")
            if column in roles.values():
                raise ValueError(f"{key}={column!r}: is needed; leave it out of `{key}`")
    if index_columns:
        source.reading.append(f"left out as names of rows: {', '.join(index_columns)}")
    gone = [*drop, *(name for name in index_columns or () if name not in drop)]
    needed = {*roles.values(), *(features or ()), *gone}
    for role, name in roles.items():
        twice = isinstance(source, Csv) and source.dialect.names.count(str(name)) > 1
        if twice and f"{name}.1" not in gone:
            raise ValueError(
                f"{role}={name!r}: stands there twice; dataset.drop=[{name}.1] takes the first, "
                f"dataset.{role}={name}.1 dataset.drop=[{name}] the second"
            )
    unnamed = [n for n in columns if re.fullmatch(r"Unnamed: \d+", str(n)) and n not in needed]
    if isinstance(source, Csv):
        blank = [name for name in unnamed if source.head[name].isna().all()]
        if blank:
            source.reading.append(f"{len(blank)} columns without a name or a value left out")
        gone += blank
        first = "Unnamed: 0" in set(unnamed) - set(blank) and index_columns is None
        if first and source.has_names("Unnamed: 0"):
            gone.append("Unnamed: 0")
            source.reading.append(
                "the first column, without a name, numbers the rows: left out "
                "(dataset.index_columns=[] keeps it)"
            )
    source.drop(gone)


def _without_values(source: Csv, no_time: Bools) -> Bools:
    """Lines that are no rows: blank, a comment, a footer; one text at most is in them."""
    found = np.zeros(len(no_time), dtype=bool)
    rows = np.flatnonzero(no_time)
    if len(rows):
        few = source.head.iloc[rows]
        texts = few.map(lambda value: isinstance(value, str))
        alone = few.notna().sum(axis="columns") == texts.sum(axis="columns")
        found[rows] = (alone & (texts.sum(axis="columns") <= 1)).to_numpy(dtype=bool)
    return found


def _without_label(source: Source, target: str) -> list[str]:
    """How many labels are missing, and the words that were taken for that."""
    column = source.look(target)
    missing = int(column.isna().sum())
    if not isinstance(source, Csv) or not missing:
        return []
    words = None if is_number(column) else source.missing_words(target)
    if words is None or words.empty:
        return []
    return [
        f"{missing:,} of {len(column):,} labels are missing, {words.iloc[0]:,} written "
        f"{words.index[0]!r}: 'dataset.na_values={{{target}: []}}' makes that a class"
    ]


def _left_out(source: Csv, rows: Bools) -> str:
    row = int(rows.argmax())
    values = [value for value in source.head.iloc[row] if isinstance(value, str)]
    what = repr(values[0]) if values else "no value"
    return f"{rows.sum()} lines that are no rows left out, such as {source.at(row)}: {what}"


def _taken(read: Read, rows: Bools) -> Read:
    return read._replace(times=read.times[rows], bad=read.bad[rows])


def _refuse_one_zone(event: Read, label: Read, name: str, label_name: str) -> None:
    if (event.zone is None) != (label.zone is None):
        zoned, naive = (name, label_name) if label.zone is None else (label_name, name)
        raise ValueError(
            f"{zoned!r} has a time zone and {naive!r} has none; dataset.timezone=UTC, or where it "
            "is, says whose it is"
        )


def _zoned(times: Instants, zone: str | None) -> pd.Series:
    index = pd.DatetimeIndex(times)
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    return pd.Series(index)


def _no_weight(name: str, kind: str, values: npt.NDArray[np.float64], row: int, place: str) -> str:
    return f"{name}: {values[row]} in {place}; {kind} is a number >= 0"


def _no_group(name: str, _: int, place: str) -> str:
    return f"{name}: missing in {place}"


def _spoken(time: np.datetime64) -> str:
    return str(pd.Timestamp(time)).removesuffix(" 00:00:00")


def _key(key: str, values: Sequence[str]) -> str:
    """A key of a data set with a list, as a shell takes it."""
    shown = [value if _PLAIN.fullmatch(value) else json.dumps(value) for value in values[:3]]
    text = f"dataset.{key}=[{','.join([*shown, *(['...'] if len(values) > 3 else [])])}]"
    return text if all(map(_PLAIN.fullmatch, values)) else f"'{text}'"

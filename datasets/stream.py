"""`Stream`: a time-stamped history, with the instant at which each label becomes known."""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from backtrain.datasets import frames
from backtrain.datasets.calendar import UTC, Calendar, zone_name, zone_of
from backtrain.datasets.columns import (
    Array,
    Features,
    Floats,
    content,
    is_missing,
    read_both_times,
    read_features,
    read_groups,
    read_labels,
    read_times,
    read_weights,
)
from backtrain.datasets.horizon import Horizon, OfSeries
from backtrain.datasets.instants import FaultPeriod as FaultPeriod
from backtrain.datasets.instants import instants, periods
from backtrain.datasets.labels import refuse_numbers_in_text
from backtrain.datasets.lagged import Rows, with_lags, without
from backtrain.datasets.lags import Lags
from backtrain.datasets.mapped import InFile, files_of, is_mapped, opened, referred, resolved
from backtrain.datasets.offsets import Times
from backtrain.datasets.roles import fields, one_each
from backtrain.datasets.saved import read, write
from backtrain.datasets.shown import ShownStream

#: The fields that hold rows; the others say what of.
_ROWS = (
    *("X", "y", "event_time", "label_time", "weight", "group", "truth", "amount"),
    *("fit_weight", "score_weight", "target_time"),
)
#: Those of them that streams did not always have: without them a stream is named as it was.
_LATER = ("truth", "amount", "fit_weight", "score_weight", "target_time")


@dataclass(frozen=True, eq=False, repr=False)
class Stream(OfSeries, ShownStream):
    """n rows in event-time order: features known at `event_time`, labels at `label_time`.

    Attributes:
        X: (n, k). One float64 array when every column is a number or a truth value, else a
            DataFrame (index 0..n-1) of float64 and category columns; categories stand in order of
            first appearance. Missing values are allowed and stay missing (NaN).
        y: (n,). Numbers, truth values, or text (object). A label may be missing only where it
            never arrives; numbers are then float64 with NaN, text has None.
        event_time: (n,) datetime64[ns], ascending; ties keep their order.
        label_time: (n,) datetime64[ns], >= event_time; NaT = the label never arrives. None =
            known at once, and never where y is missing.
        columns: the k names of the features; by default those of the frame, or x0, x1, ...
        weight: (n,) sample weights >= 0, or None.
        group: (n,) keys of what belongs together (a user, a machine), or None.
        name: what reports call the stream.
        target: what they call y.
        drift: the instants of true drift, where they are known (synthetic data).
        faults: what was injected by `backtrain.datasets.faults`, and from when to when.
        truth: (n,) what labels really were, where a fault has spoilt y; None = they are y. Rows are
            scored against it; no strategy and no model ever sees it.
        amount: (n,) what each row is about, such as the value of an order, >= 0, or None. Known
            with the features; no feature, only losses that ask for it and decisions by cost see it.
        reading: what was guessed or chosen where the table was read, a sentence each; no content.
        timezone: whose days and months schedules follow, as an IANA name or "UTC+02:00"; by default
            that of the event times, and None is UTC.
        fit_weight: (n,) weights >= 0 in training alone, or None = `weight`.
        score_weight: (n,) weights >= 0 in scoring alone (losses, metrics, gates, triggers), or
            None = `weight`.
        group_columns: where several columns make a group, of each of them the key of each group,
            {"store": {"north / 7": "north"}}, or None; no content.
        lags: which earlier labels are features, too, each as it was known at the row's time. They
            are the last columns of X, and made anew whenever a stream is made of this one: with
            other label times, faults, or by `dataclasses.replace`.
        lag_columns: the names of these columns; set by the stream.
        grouped_by: the columns that `group` was made of, where that is known.
        target_time: (n,) of forecasts, when what is forecast happens; None = at `event_time`.
        series: what forecasts were made of, by `forecasts`; None = it is a series itself.
        horizon: the steps of these forecasts, likewise.

    Times with a time zone are converted to UTC and kept without it; those without one are UTC.
    Arrays are read-only and are copied only when their type must change, so leave the originals
    alone. Those that are mapped, by `open` or ``np.load(file, mmap_mode="r")``, stay in their
    files, and other processes are sent the path. Raises `ValueError` naming what is wrong, where,
    and the remedy; see `from_frame` for data that is not sorted.

    >>> import numpy as np
    >>> hours = np.arange("2024-01-01T00", "2024-01-01T04", dtype="datetime64[h]")
    >>> stream = Stream(np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 0]), hours)
    >>> stream
    Stream('stream': 4 rows x 2 features, 2024-01-01 00:00:00 to 2024-01-01 03:00:00, target 'y')
    >>> stream.rows("2024-01-01 01:00", "2024-01-01 03:00")
    slice(1, 3, None)
    """

    X: Features
    y: Array
    event_time: Times
    label_time: Times = None  # type: ignore[assignment]  # None only on its way in
    columns: tuple[str, ...] = ()
    weight: Floats | None = None
    group: Array | None = None
    name: str = "stream"
    target: str = "y"
    drift: tuple[pd.Timestamp, ...] = ()
    faults: tuple[FaultPeriod, ...] = ()
    truth: Array | None = None
    amount: Floats | None = None
    reading: tuple[str, ...] = ()
    timezone: str | None = None
    fit_weight: Floats | None = None
    score_weight: Floats | None = None
    group_columns: Mapping[str, Mapping[Any, Any]] | None = None
    lags: Lags | None = None
    lag_columns: tuple[str, ...] = ()
    grouped_by: tuple[str, ...] = ()
    target_time: Times | None = None
    series: "Stream | None" = None
    horizon: Horizon | None = None

    def __post_init__(self) -> None:
        for field in _ROWS:
            opened(getattr(self, field))
        event_time, label_time, zone = read_both_times(self.event_time, self.label_time)
        self._set(timezone=zone_name(self.timezone) if self.timezone else zone_of(zone))
        X = frames.features(self.X, self.columns) if frames.is_table(self.X) else self.X
        X, columns = without(*read_features(X, self.columns), self.lag_columns)
        y = read_labels(self.y, self.target)
        missing = is_missing(y)
        if label_time is None and len(missing) == len(event_time):
            label_time = event_time
            if missing.any():
                label_time = np.where(missing, np.datetime64("NaT", "ns"), event_time)
        weight = None if self.weight is None else read_weights(self.weight)
        group = None if self.group is None else read_groups(self.group)
        self._set(X=X, y=y, event_time=event_time, label_time=label_time, columns=columns)
        truth = None if self.truth is None else read_labels(self.truth, self.target)
        amount = None if self.amount is None else read_weights(self.amount, "amount", "an amount")
        self._set(weight=weight, group=group, truth=truth, amount=amount)
        for name in ("fit_weight", "score_weight"):
            if (values := getattr(self, name)) is not None:
                self._set(**{name: read_weights(values, name)})
        if self.target_time is not None:
            self._set(target_time=read_times(self.target_time, "target_time")[0])
        self._set(drift=instants(self.drift, self.calendar))
        self._set(faults=periods(self.faults, self.calendar))
        self._set(reading=tuple(self.reading))
        self._check(missing)
        self._set(lag_columns=(), grouped_by=tuple(self.grouped_by))
        if self.lags is not None:
            X, columns = with_lags(self.lags, Rows.of(self))
            self._set(X=X, columns=columns, lag_columns=self.lags.names(self.target))

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        target: str,
        time: str,
        label_time: str | None = None,
        weight: str | None = None,
        group: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        name: str = "stream",
        amount: str | None = None,
        timezone: str | None = None,
        categories: Sequence[str] = (),
        fit_weight: str | None = None,
        score_weight: str | None = None,
        lags: Lags | None = None,
        horizon: Horizon | None = None,
    ) -> "Stream":
        """Make a stream of a table in any order: it is sorted by time, ties keep their order.

        The table is a DataFrame of pandas or polars, an Arrow table, a DuckDB relation or what else
        offers itself as Arrow data; a lazy one is computed. Equal values give equal streams,
        whatever holds them. Features are a pandas frame or an array afterwards, in models, too.
        `target`, `time`, `label_time`, `weight`, `group`, `amount`, `fit_weight` and `score_weight`
        are names of columns; the features are all others, or those named, where amount and group
        may be among them. Of several columns for `group` each combination is a group, called
        "a / b". `categories` are features, or the target, that are names though they are numbers:
        of shops, say. A row without a label has none at any time. Rows in later error messages are
        counted in time order. The time zone of the stream is `timezone`, or else that of the time
        column; times without one are local times of `timezone`, where it is given (docs/time.md).
        `lags` are features made of earlier labels, also the only ones; with a `horizon` it is the
        stream of `forecasts` of what else is said (docs/forecasting.md).

        >>> frame = pd.DataFrame({"t": ["2024-01-02", "2024-01-01"], "a": [2, 1], "y": [1, 0]})
        >>> Stream.from_frame(frame, target="y", time="t").X
        array([[1.],
               [2.]])
        """
        roles = {"target": target, "time": time, "label_time": label_time, "weight": weight}
        roles |= {"amount": amount, "fit_weight": fit_weight, "score_weight": score_weight}
        table, given = frames.source(df), one_each(roles | {"group": group})
        # A file may be given lags later; where a model is to learn, none is refused (`Setup`).
        bare = lags is not None or table is df
        rows = fields(table, given, features, categories, timezone, bare)
        named = isinstance(table.head[target].dtype, pd.CategoricalDtype) or target in categories
        if table is not df and not named:
            refuse_numbers_in_text(rows["y"], target)  # of a file: once the task is known
        grouped_by = [] if group is None else [group] if isinstance(group, str) else list(group)
        rows |= {"name": name, "target": str(target), "grouped_by": tuple(grouped_by)}
        stream = cls(**rows, lags=lags)
        return stream if horizon is None else stream.forecasts(horizon)

    @classmethod
    def open(cls, path: str | PathLike[str]) -> "Stream":
        """Open a stream that was saved: its arrays are read from its files when they are needed.

        Raises `FileNotFoundError` where none was saved, and `ValueError` naming the file for what
        cannot be read, or has another content than was saved.
        """
        facts, rows, changed = read(path)
        stream = object.__new__(cls)
        stream._set(**dict.fromkeys(_ROWS) | rows, columns=tuple(facts["columns"]))
        stream._set(name=facts["name"], target=facts["target"], timezone=facts.get("timezone"))
        stream._set(drift=instants(facts["drift"], UTC), faults=periods(facts["faults"], UTC))
        stream._set(reading=tuple(facts.get("reading", ())))  # streams saved earlier have none
        stream._set(group_columns=facts.get("group_columns"))
        lags = facts.get("lags")
        stream._set(lags=None if lags is None else Lags(**lags))
        stream._set(lag_columns=tuple(stream.lags.names(stream.target)) if stream.lags else ())
        stream._set(grouped_by=tuple(facts.get("grouped_by", ())))
        if "series" in facts:
            stream._set(series=cls.open(Path(path).expanduser() / facts["series"]))
            stream._set(horizon=Horizon(**facts["horizon"]))
        stream._open(facts["fingerprint"], changed)
        return stream

    def save(self, path: str | PathLike[str]) -> "Stream":
        """Write it into a directory, and return it opened from there.

        The directory may hold a stream already, which is replaced at once. Raises `ValueError`
        where something else is there, and for groups and categories of which a file can keep no
        copy: neither text, truth values nor numbers.

        >>> import tempfile
        >>> from backtrain.datasets.synthetic import stationary
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     len(stationary(100).save(f"{folder}/history"))
        100
        """
        facts = {
            "name": self.name,
            "target": self.target,
            "rows": len(self),
            "columns": list(self.columns),
            "fingerprint": self.fingerprint,
            **({} if self.timezone is None else {"timezone": self.timezone}),
            **({"group_columns": self.group_columns} if self.group_columns else {}),
            "drift": [str(when) for when in self.drift],
            "faults": [(name, str(start), str(stop)) for name, start, stop in self.faults],
            "reading": list(self.reading),
            **({} if self.lags is None else {"lags": asdict(self.lags)}),
            **({"grouped_by": list(self.grouped_by)} if self.grouped_by else {}),
        }
        rows = {field: getattr(self, field) for field in _ROWS if getattr(self, field) is not None}
        if self.series is None or self.horizon is None:
            return Stream.open(write(path, rows, facts))
        facts |= {"series": f"series-{uuid.uuid4().hex[:8]}", "horizon": self.horizon.plain()}
        return Stream.open(write(path, rows, facts, self.series.save))

    def __len__(self) -> int:
        return len(self.event_time)

    def __repr__(self) -> str:
        first, last = self.span
        lost = np.isnat(self.label_time).sum()
        never = f", {lost} never labelled" if lost else ""
        return (
            f"Stream({self.name!r}: {len(self)} rows x {len(self.columns)} features, "
            f"{first} to {last}, target {self.target!r}{never})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """What lies in files is sent by reference, with the digest of the content."""
        sent = {field: referred(getattr(self, field)) for field in _ROWS}
        if self._files:
            _ = self.fingerprint
        state = {**vars(self), **sent}
        state.pop("_files", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        sent = [piece for field in _ROWS for piece in files_of(state[field])]
        changed = [piece.path for piece in sent if not piece.is_unchanged]
        rows = {field: resolved(state[field]) for field in _ROWS}
        self._set(**{**state, **rows})  # pickle forgets that arrays are read-only
        if sent:
            self._open(state["fingerprint"], changed)

    def _open(self, fingerprint: str, changed: Sequence[Path]) -> None:
        """Take the content to be what it was; look at it where files have changed."""
        if changed and self._digest() != fingerprint:
            files = ", ".join(dict.fromkeys(map(str, changed)))
            raise ValueError(f"{files}: not what was saved or opened; save the stream again")
        self._set(fingerprint=fingerprint)
        _ = self._held

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """The first and the last event time."""
        return pd.Timestamp(self.event_time[0]), pd.Timestamp(self.event_time[-1])

    @cached_property
    def fingerprint(self) -> str:
        """64 hex digits that name the content: features, labels, times, weights, groups, amounts.

        So does a time zone, if there is one: schedules follow it. Equal content gives equal digits
        in every process; `name`, `target`, `drift`, `faults` and `reading` are not content.
        """
        return self._digest() if self._files else self._held

    @cached_property
    def calendar(self) -> Calendar:
        """The calendar that schedules follow."""
        return Calendar(self.timezone)

    @property
    def is_intact(self) -> bool:
        """Whether the content is what it was when `fingerprint` was taken.

        Reads all that is in memory; for what lies in files, their sizes and times of change stand.
        """
        return not self.changed_files and self._held == self._digest(in_files=False)

    @property
    def changed_files(self) -> tuple[Path, ...]:
        """Files of the content that are no longer what they were when they were opened."""
        return tuple({piece.path: 0 for piece in self._files if not piece.is_unchanged})

    @cached_property
    def _files(self) -> tuple[InFile, ...]:
        return tuple(piece for field in _ROWS for piece in files_of(getattr(self, field)))

    @cached_property
    def _held(self) -> str:
        """The digest of what is in memory."""
        return self._digest(in_files=False)

    def _digest(self, in_files: bool = True) -> str:
        digest = hashlib.sha256(repr(self.columns).encode())
        for field in _ROWS:
            rows = getattr(self, field)
            if (not in_files and is_mapped(rows)) or (rows is None and field in _LATER):
                continue
            parts = [rows]
            if isinstance(rows, pd.DataFrame):
                parts = [rows[column] for column in self.columns]
            elif field in ("amount", "fit_weight", "score_weight"):
                parts = [np.array([field]), rows]
            for part in parts:
                for piece in (b"none",) if part is None else content(part):
                    digest.update(piece)
        if self.timezone is not None:  # streams did not always have one
            digest.update(f"timezone{self.timezone}".encode())
        if self.series is not None:
            digest.update(f"series{self.series.fingerprint}{self.horizon}".encode())
        return digest.hexdigest()

    def rows(self, start: Any = None, stop: Any = None) -> slice:
        """Return the positions of rows with start <= event_time < stop; None = no bound.

        `start` and `stop` are instants; text without a zone is a local time of the stream's.
        """
        bounds = [0, len(self)]
        for i, (when, name) in enumerate(((start, "start"), (stop, "stop"))):
            if when is not None:
                instant = self.calendar.instant(when, name).to_datetime64()
                bounds[i] = int(np.searchsorted(self.event_time, instant))
        return slice(bounds[0], max(bounds))

    def take(self, rows: slice | npt.NDArray[np.intp]) -> Features:
        """Return the features of some rows; a slice of an array is a view, not a copy."""
        return self.X.iloc[rows] if isinstance(self.X, pd.DataFrame) else self.X[rows]

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first n rows as a table: both times, the features and the target."""
        n = min(max(n, 0), len(self))
        times = {"event_time": self.event_time[:n], "label_time": self.label_time[:n]}
        features = pd.DataFrame(self.take(slice(0, n)), columns=list(self.columns))
        label = pd.Series(self.y[:n], name=self.target)
        return pd.concat([pd.DataFrame(times), features, label], axis="columns")

    def with_label_time(self, label_time: Times | None) -> "Stream":
        """Return the same rows with labels known at other times (None = known at once).

        Raises `ValueError` for forecasts, which are made again of a series with other times.
        """
        if self.series is not None:
            raise ValueError(
                "with_label_time: forecasts are made of a series, and lags with them; give the "
                "series other times: stream.of_series(lambda series: series.with_label_time(...))"
            )
        return replace(self, label_time=cast(Times, label_time))

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value = value.view()  # the caller's own array keeps its flags
                value.setflags(write=False)
            object.__setattr__(self, name, value)

    def _check(self, missing: npt.NDArray[np.bool_]) -> None:
        for field in _ROWS:
            value = getattr(self, field)
            if value is not None and len(value) != len(self):
                raise ValueError(f"{field}: {len(value)} rows, but event_time has {len(self)}")
        arrives = ~np.isnat(self.label_time)
        self._refuse(
            arrives & (self.label_time < self.event_time),
            "label_time is before event_time; no label is known before its row",
        )
        self._refuse(
            arrives & missing,
            f"target {self.target!r} is missing, but label_time is given; make that NaT",
        )
        if not arrives.any():
            raise ValueError(f"target {self.target!r}: no label ever arrives; nothing to learn")
        first = self.y[arrives.argmax()]
        if ((self.y == first) | ~arrives).all():
            raise ValueError(
                f"target {self.target!r}: every label that arrives is "
                f"{np.asarray(first).tolist()!r}; there is nothing to learn"
            )

    def _refuse(self, bad: npt.NDArray[np.bool_], problem: str) -> None:
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"row {row} (event_time {pd.Timestamp(self.event_time[row])}): {problem}"
            )

"""Columns that tell the label, count the rows or name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.audit.findings import Finding
from backtrain.audit.lags import Relation, Source
from backtrain.audit.orders import Floats, Series, series_of
from backtrain.datasets.horizon import STEP
from backtrain.datasets.stream import Stream

#: Rows that are looked at: the newest.
MOST_ROWS = 20_000
_FEWEST = 50
#: So large a share of rows may take a label that is not known, by ties and gaps.
_TOLERATED = 0.01
#: A column of categories that is used to tell groups apart has at most so many.
_MOST_GROUPS, _MOST_GROUPINGS = 500, 3


def data_findings(stream: Stream, thorough: bool = True, by_amount: bool = False) -> list[Finding]:
    """What is wrong with the columns of a history, one finding a column at most.

    Lags that the stream itself makes are left out, whatever they look like (`lag_findings`). Looked
    at are the newest 20,000 rows. ``thorough``: also by category, and whether columns are smooth
    functions of later rows of other columns. ``by_amount``: also at amounts, which decide.
    """
    one = _one_step(stream)
    if one is None or len(one) < _FEWEST:
        return []
    stream = one
    table = _Table.of(stream)
    found = {}
    if by_amount and stream.amount is not None and _tells_by_zero(table, stream.amount):
        found["amount"] = Finding("data", "amount", _ZEROS, table="stream")
    for name, column in table.columns.items():
        says = _of_labels_as_a_whole(table, name, column) or _names_rows(table, name, column)
        if says is not None:
            found[name] = Finding("data", f"column {name!r}", says, table="stream")
    for name, values in table.categories.items():
        if len(np.unique(values)) > 0.5 * len(values):
            says = "it has a category for almost every row: an identifier; leave it out"
            found[name] = Finding("data", f"column {name!r}", says, table="stream")
    for name, finding in _related(table, thorough):
        found.setdefault(name, finding)
    return list(found.values())


def _one_step(stream: Stream) -> Stream | None:
    """Of forecasts those of the first step: a row an origin, in the order of time.

    With the features of the series alone, without lags; None where there are none.
    """
    if stream.steps is None or stream.horizon is None or stream.series is None:
        return stream
    made = {*stream.horizon.names(), *stream.series.lag_columns, STEP}
    kept = [place for place, name in enumerate(stream.columns) if name not in made]
    if not kept:
        return None
    rows = np.flatnonzero(stream.steps == stream.steps.min())
    names = ("weight", "group", "truth", "amount", "fit_weight", "score_weight")
    given = {name: getattr(stream, name) for name in names}
    parts: dict[str, Any] = {n: part[rows] for n, part in given.items() if part is not None}
    X = pd.DataFrame(stream.take(rows)).iloc[:, kept].reset_index(drop=True)
    return replace(
        stream,
        X=X if isinstance(stream.X, pd.DataFrame) else X.to_numpy(),
        columns=tuple(stream.columns[place] for place in kept),
        y=stream.y[rows],
        event_time=stream.event_time[rows],
        label_time=stream.label_time[rows],
        target_time=None,
        series=None,
        horizon=None,
        **parts,
    )


def warning(stream: Stream, by_amount: bool = False) -> str | None:
    """One line about columns that should not be learnt from, or None."""
    return in_a_line(data_findings(stream, thorough=False, by_amount=by_amount))


def in_a_line(found: Sequence[Finding]) -> str | None:
    """The first finding, and how many there are; None where there is none."""
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].part}{more}: {found[0].says}; `backtrain audit` says more"


@dataclass(frozen=True)
class _Table:
    """A history's newest rows as numbers."""

    stream: Stream
    first: int
    y: Floats
    columns: dict[str, Floats]
    categories: dict[str, NDArray[np.int64]]
    groupings: dict[str, NDArray[np.int64]]

    @classmethod
    def of(cls, stream: Stream) -> _Table:
        first = max(0, len(stream) - MOST_ROWS)
        columns, categories = {}, {}
        for place, name in enumerate(stream.columns):
            if name in stream.lag_columns:
                continue
            values: Any = (
                stream.X[name] if isinstance(stream.X, pd.DataFrame) else stream.X[:, place]
            )
            if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
                categories[name] = values.cat.codes.to_numpy().astype(np.int64)
            else:
                columns[name] = np.asarray(values, dtype=np.float64)
        groupings = {}
        if stream.group is not None:
            groupings["group"] = pd.factorize(stream.group)[0].astype(np.int64)
        return cls(stream, first, _as_numbers(stream.y), columns, categories, groupings)

    def newest(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[self.first :]


def _as_numbers(y: NDArray[Any]) -> Floats:
    if y.dtype.kind in "iufb":
        return y.astype(np.float64)
    codes = pd.factorize(y, sort=True)[0].astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


# --- a column by itself ---------------------------------------------------------------------------


def _of_labels_as_a_whole(table: _Table, name: str, column: Floats) -> str | None:
    """Means of all labels by value, and columns that are standardised over the whole history."""
    known = np.isfinite(column)
    if known.sum() < _FEWEST:
        return None
    values = column[known]
    spreads = values.std(), values.std(ddof=1)
    if abs(values.mean()) < 1e-9 and any(abs(spread - 1) < 1e-9 for spread in spreads):
        return (
            "its mean is 0 and its standard deviation 1 over the whole history: it was scaled with "
            "rows that came later; put the scaler into the model's pipeline"
        )
    if _is_mean_of_labels(values, table.y[known]):
        return (
            "each of its values is the mean label of the rows that have it, later ones included: "
            "a target encoding over the whole history; put the encoder into the model's pipeline"
        )
    for other, codes in table.categories.items():
        if _leaves_one_out(column, codes, table.y):
            return (
                f"it is the mean label of the other rows of the same {other!r}, later ones "
                "included; put the encoder into the model's pipeline"
            )
    return None


def _is_mean_of_labels(x: Floats, y: Floats) -> bool:
    if len(np.unique(x[:2_000])) > 200:
        return False
    values, where = np.unique(x, return_inverse=True)
    if not 2 <= len(values) <= len(x) / 20:
        return False
    labelled = np.isfinite(y)
    count = np.bincount(where[labelled], minlength=len(values))
    total = np.bincount(where[labelled], weights=y[labelled], minlength=len(values))
    several = count > 1
    if np.count_nonzero(several) < 2:
        return False
    means = total[several] / count[several]
    spread = np.std(means)
    # A column that is a class itself has its label's mean by chance of the coding, exactly 0 or 1.
    whole = (means == np.round(means)).all()
    near = np.isclose(means, values[several], rtol=1e-6, atol=1e-9)
    return bool(not whole and spread > 0 and count[several][near].sum() > 0.9 * count.sum())


def _leaves_one_out(column: Floats, codes: NDArray[np.int64], y: Floats) -> bool:
    real = (codes >= 0) & np.isfinite(y) & np.isfinite(column)
    if real.sum() < _FEWEST:
        return False
    labelled = (codes >= 0) & np.isfinite(y)
    several = codes.max() + 1  # a category may have no label at all
    count = np.bincount(codes[labelled], minlength=several)
    total = np.bincount(codes[labelled], weights=y[labelled], minlength=several)
    real &= count[np.maximum(codes, 0)] > 1
    others = (total[codes[real]] - y[real]) / (count[codes[real]] - 1)
    return len(others) >= _FEWEST and bool(
        np.isclose(column[real], others, rtol=1e-6, atol=1e-9).mean() > 0.9
    )


def _names_rows(table: _Table, name: str, column: Floats) -> str | None:
    """A counter of rows, or a number of its own for each."""
    values = table.newest(column)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        return None
    steps = np.diff(values)
    at = table.newest(table.stream.event_time).view(np.int64)
    times = np.diff(at)
    counts = (steps == steps[0]).all() and steps[0] != 0
    from_the_first = abs(values[0] - table.first) <= 1 and steps[0] == 1
    is_clock = _is_clock(values, at)
    if counts and (from_the_first or ((times != times[0]).any() and not is_clock)):
        return "it counts the rows; a model learns from it when something was; leave it out"
    if counts or is_clock or len(values) < 10 * _FEWEST:
        return None
    distinct, span = len(np.unique(values)), values.max() - values.min() + 1
    # So many different numbers in so short a span do not come about by chance.
    if distinct == len(values) and span <= 10 * len(values):
        return "it has another whole number for every row: an identifier; leave it out"
    return None


def _is_clock(values: Floats, at: NDArray[np.int64]) -> bool:
    """Whether whole numbers are the time, rounded; that is known."""
    passed = (at - at[0]).astype(np.float64)
    speed = (values[-1] - values[0]) / max(passed[-1], 1.0)
    return bool(speed != 0 and np.abs(values - values[0] - speed * passed).max() <= 2)


# --- columns and labels, or other columns ---------------------------------------------------------


def _related(table: _Table, thorough: bool) -> Iterator[tuple[str, Finding]]:
    groupings = dict(table.groupings)
    if thorough:
        groupings |= {
            name: codes
            for name, codes in list(table.categories.items())
            if 2 <= len(np.unique(codes)) <= _MOST_GROUPS
        }
    groupings = dict(list(groupings.items())[:_MOST_GROUPINGS])
    y = table.newest(table.y)
    told = {name: _tells_class(table, codes) for name, codes in table.categories.items()}
    for name in (name for name, tells in told.items() if tells):
        yield name, Finding("data", f"column {name!r}", _EQUALS, table="stream")
    found: set[str] = set()
    for series in series_of(table.stream, table.first, groupings):
        source = Source(y, series)
        for name, column in table.columns.items():
            if name in found:
                continue
            relation = source.relation(table.newest(column))
            if relation is not None and (finding := _early(table, name, relation, series)):
                found.add(name)
                yield name, finding
    if thorough:
        yield from _smoothed_ahead(table, found)


_EQUALS = "it tells the label of its own row; leave it out, or say when it becomes known"


def _tells_class(table: _Table, codes: NDArray[np.int64]) -> bool:
    y, codes = table.newest(table.y), table.newest(codes)
    labelled = np.isfinite(y)
    pairs = {*zip(codes[labelled].tolist(), y[labelled].tolist(), strict=True)}
    ones, others = {one for one, _ in pairs}, {other for _, other in pairs}
    return len(pairs) == len(ones) == len(others) > 1


_ZEROS = (
    "it is 0 for some labels and never for the others, so it tells the label of its own row, and "
    "answers are decided by it: give an amount that is known with the features, or a number as "
    "threshold"
)


def _tells_by_zero(table: _Table, amount: Floats) -> bool:
    y, zero = table.newest(table.y), table.newest(amount) == 0
    labelled = np.isfinite(y)
    pairs = {*zip(y[labelled].tolist(), zero[labelled].tolist(), strict=True)}
    labels, kinds = (set(part) for part in zip(*pairs, strict=True))
    return len(pairs) == len(labels) and len(kinds) == 2


def _early(table: _Table, name: str, relation: Relation, series: Series) -> Finding | None:
    """A finding where labels are used that are not known at the time of the row."""
    stream, first = table.stream, table.first
    at = stream.event_time[first + relation.row]
    known = stream.label_time[first + relation.source]
    early = np.isnat(known) | (known > at) | (relation.row <= relation.source)
    if early.mean() <= _TOLERATED:
        return None
    row = int(first + relation.row[early][0])
    if relation.lag == 0 and relation.kind in ("copy", "order"):
        return Finding("data", f"column {name!r}", _EQUALS, None, "stream", row)
    what = {
        "copy": "the label",
        "order": "a function of the label",
        "smooth": "a rolling mean or sum of labels, the newest of them",
        "mean of the past": "a mean of past labels, the newest of them",
    }[relation.kind]
    source = int(first + relation.source[early][0])
    when = stream.label_time[source]
    late = "never" if np.isnat(when) else f"only at {pd.Timestamp(when)}"
    says = (
        f"it is {what} of the row {_distance(relation.lag, series)}: row {row} "
        f"({pd.Timestamp(stream.event_time[row])}) takes that of row {source}, known {late}; "
        "leave out what has not arrived: lag by the latency of labels"
    )
    return Finding("data", f"column {name!r}", says, None, "stream", row)


def _distance(lag: int, series: Series) -> str:
    side, count = ("later", -lag) if lag < 0 else ("earlier", lag)
    if count == 0:
        return "itself"
    within = f" of the same {series.by!r}" if series.by else ""
    if series.step is not None:
        return f"{pd.Timedelta(series.step * count)} {side}"
    return f"{count} {side}{within}"


def _smoothed_ahead(table: _Table, found: set[str]) -> Iterator[tuple[str, Finding]]:
    """Columns that are another one's rolling mean, or copy, from later rows on."""
    if not 1 < len(table.columns) <= 30:
        return
    series = next(series_of(table.stream, table.first, {}))
    for other, values in table.columns.items():
        newest = table.newest(values)
        if len(np.unique(newest)) < 20:  # a calendar's columns follow each other
            continue
        source = Source(newest, series)
        for name, column in table.columns.items():
            if name in found or name == other:
                continue
            relation = source.relation(table.newest(column))
            if relation is None or relation.lag >= 0:
                continue
            found.add(name)
            row = int(table.first + relation.row[0])
            says = (
                f"it is made of column {other!r} of rows up to {-relation.lag} later, such as a "
                "centred rolling mean; use a trailing one"
            )
            yield name, Finding("data", f"column {name!r}", says, None, "stream", row)

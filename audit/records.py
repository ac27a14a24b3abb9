"""What the records of two replays say about the time before an instant, and where they differ."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.record import Run

#: Columns that say how something was computed, not what came out.
_HOW = ("fit_seconds", "fit", "shared")
#: When the rows of each table became known, and by what they are named.
_TIMES = {
    "rows": ("event_time", "row"),
    "losses": ("event_time", "row"),
    "events": ("at", "version"),
    "versions": ("decided_at", "version"),
    "closed": ("ready_at", "version"),
    "deployments": ("from", "version"),
    "steps": ("start", "version"),
    "charges": ("when", "version"),
    "readings": ("at", "trigger"),
}
#: Events at which it is settled what becomes of a version.
_ENDS = ["deployed", "rejected", "rolled back", "superseded", "failed"]
#: Rows of these lie between two instants.
_STRETCHES = ("deployments", "steps")


@dataclass(frozen=True)
class Difference:
    """The first row in which two tables differ; ``values`` are those of both."""

    table: str
    row: int | None
    at: pd.Timestamp | None
    column: str
    values: tuple[Any, Any]


def before(run: Run, at: np.datetime64 | pd.Timestamp) -> dict[str, pd.DataFrame]:
    """What a record says about the time before an instant, by table."""
    rows, events, versions, charges = run.predictions, run.events, run.versions, run.charges
    seen = _true(rows["event_time"] < at)
    known = seen & _true(rows["label_time"] < at)
    happened = _true(events["at"] < at) & _true(events["kind"] != "fallback")
    over = events["version"][happened & _true(events["kind"].isin(_ENDS))]
    decided = _true(versions["decided_at"] < at)
    closed = decided & _true(versions["version"].isin(over.tolist()))
    deployments = _rows(run.deployments, _true(run.deployments["from"] < at))
    deployments = deployments.assign(to=deployments["to"].where(deployments["to"] < at))
    # Errors are known when labels are, and answers of a shadow are added up at its end.
    paid = _true(charges["when"] < at) & ~_true(charges["kind"].isin(["error", "predict"]))
    return {
        "rows": _rows(
            rows, seen, "row", "event_time", "version", "prediction", "score", "fallback"
        ),
        "losses": _rows(rows, known, "row", "event_time", "label", "loss"),
        "events": _rows(events, happened),
        "versions": _rows(versions, decided, "version", "parent", "reason", "decided_at"),
        "closed": _rows(
            versions,
            closed,
            *("version", "outcome", "ready_at", "rows", "window_start", "window_end"),
            *("changed", "flipped", "smqc"),
        ),
        "deployments": deployments,
        "steps": _rows(run.steps, _true(run.steps["end"] < at), "start", "end", "rows", "version"),
        "charges": _rows(charges, paid),
        "readings": _rows(run.readings, _true(run.readings["at"] < at)),
    }


def _true(values: pd.Series) -> NDArray[np.bool_]:
    return values.to_numpy(dtype=bool)


def _rows(table: pd.DataFrame, kept: NDArray[np.bool_], *columns: str) -> pd.DataFrame:
    """Some rows and columns of a table, all columns where none are named, counted from 0."""
    part, n = table[list(columns)] if columns else table, np.count_nonzero(kept)
    if not np.all(kept[:n]):
        return part.take(np.flatnonzero(kept)).reset_index(drop=True)
    return part.iloc[:n].reset_index(drop=True)  # a table in order of time is not copied


def whole(run: Run) -> dict[str, pd.DataFrame]:
    """All tables of a record, without what says how it was computed."""
    tables = {
        "versions": run.versions.drop(columns=list(_HOW)),
        "events": run.events,
        "deployments": run.deployments,
        "rows": run.predictions,
        "readings": run.readings,
        "charges": run.charges[run.charges["kind"] != "error"],
    }
    if run.info["prices"].get("cpu_hour"):  # seconds of the processor are never the same twice
        del tables["charges"]
    return tables


def differences(
    one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame], rounding: float = 0.0
) -> list[Difference]:
    """The first difference of each table, the earliest first; those of whole stretches last.

    ``rounding`` is how far numbers may lie apart, as a share: answers to batches of another size
    may differ in their last bit.
    """
    found = (_first(name, one[name], other[name], rounding) for name in one)
    earliest = [difference for difference in found if difference is not None]
    never = pd.Timestamp.max
    return sorted(earliest, key=lambda d: (d.table in _STRETCHES, never if d.at is None else d.at))


def _first(name: str, one: pd.DataFrame, other: pd.DataFrame, rounding: float) -> Difference | None:
    if one.equals(other):  # column by column takes ten times as long
        return None
    n = min(len(one), len(other))
    moved = {
        column: _moved(one[column].iloc[:n], other[column].iloc[:n], rounding)
        for column in one.columns
    }
    where = np.flatnonzero(np.any(list(moved.values()), axis=0)) if n else np.empty(0, int)
    if len(where):
        place = int(where[0])
        column = next(c for c in one.columns if moved[c][place])
        values = one[column].iloc[place], other[column].iloc[place]
        return _described(name, one, place, str(column), *values)
    if len(one) == len(other):
        return None
    longer = one if len(one) > len(other) else other
    values = ("a row", "none") if longer is one else ("none", "a row")
    return _described(name, longer, n, "", *values)


def _described(
    name: str, table: pd.DataFrame, place: int, column: str, one: Any, other: Any
) -> Difference:
    when, key = _TIMES[name]
    number = table[key].iloc[place]
    at = pd.Timestamp(table[when].iloc[place])
    row = None if key != "row" or pd.isna(number) else int(number)
    return Difference(name, row, None if pd.isna(at) else at, column, (one, other))


def _moved(one: pd.Series, other: pd.Series, rounding: float) -> np.ndarray:
    a, b = _plain(one), _plain(other)
    same = np.asarray((a == b) | (one.isna().to_numpy() & other.isna().to_numpy()), dtype=bool)
    if rounding and a.dtype.kind == "f" and b.dtype.kind == "f":
        finite = np.abs(a[np.isfinite(a)])
        same |= np.abs(a - b) <= rounding * (finite.max() if len(finite) else 0.0)
    return ~same


def _plain(column: pd.Series) -> np.ndarray:
    """Values that `==` compares one by one: missing whole numbers are NaN."""
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind == "M":
        return column.to_numpy()
    return column.astype(object).where(column.notna(), None).to_numpy()

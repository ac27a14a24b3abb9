"""What production really did, as the baseline to beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.columns import read_both_times
from backtrain.datasets.offsets import to_timestamp
from backtrain.datasets.tabular import read_file
from backtrain.simulator.answers import PartError
from backtrain.simulator.constraints import Dates
from backtrain.simulator.metrics import column_of
from backtrain.simulator.parts import Monitor, Part, RecordedAnswers
from backtrain.simulator.setup import Setup
from backtrain.simulator.texts import code
from backtrain.strategies.triggers.schedules import OnDates

__all__ = ["Recorded"]

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


class Table:
    """Predictions in memory: compared by content, pickled whole, named by their number."""

    def __init__(self, values: Any) -> None:
        if not isinstance(values, pd.DataFrame):
            try:
                array = np.array(values)
            except ValueError:  # lists of several lengths
                array = np.empty((0, 0))
            if array.ndim != 1:
                raise PartError(
                    f"Recorded(predictions={code(values)}): give a path, a DataFrame or an array "
                    "of shape (n,)"
                )
            values = pd.DataFrame({"prediction": array})
        self.frame: pd.DataFrame = values.copy()

    def __repr__(self) -> str:
        return f"<{len(self.frame)} predictions in memory>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.frame.equals(other.frame)

    def __hash__(self) -> int:
        return hash((len(self.frame), tuple(self.frame.columns)))


@dataclass(frozen=True, repr=False)
class Recorded(Part):
    """What was really predicted, and when it was really retrained: the baseline to beat.

    Rows are answered by the recorded predictions, and no model is fitted. At each date, whether it
    is a tick or not, a training of the strategy's window and a release are charged as any other;
    delays do not apply, a date is when the new model went into service. Dates up to ``start``
    belong to the first model, those after the end are left out. Whether the predictions knew more
    than they could at the time, no backtest can tell.

    Parameters
    ----------
    predictions : path, DataFrame or array
        A CSV or Parquet file, or a DataFrame, with a column ``prediction`` (a number, or a class
        label) and one that says to which row it belongs: ``row``, its position in the stream, or
        ``event_time`` (rows of one instant in the order of the stream). Rows that are not served
        are left out. Where probabilities are judged, also ``score`` (that of the positive class)
        or, with more than two classes, one column ``probability <class>`` each, and of several
        quantiles ``q0.1``, ...: as ``predictions.parquet`` of a run has them. An array holds a
        prediction for each served row, or for each row of the stream. A table in memory is named,
        not shown, by ``repr``.
    dates : sequence of str
        When it was retrained; without a time zone in UTC, as the times of the predictions.

    >>> Recorded("production.csv", ["2012-01-02", "2012-07-02 06:00"])
    Recorded('production.csv', ('2012-01-02', '2012-07-02 06:00:00'))
    """

    predictions: Any
    dates: Dates

    def check_parameters(self) -> None:
        """Keep predictions and dates in one form, whether they came from code or from YAML."""
        if isinstance(self.predictions, (str, Path)):
            object.__setattr__(self, "predictions", str(self.predictions))
        elif not isinstance(self.predictions, Table):
            object.__setattr__(self, "predictions", Table(self.predictions))
        times = sorted({to_timestamp(date, "dates") for date in self.dates})
        object.__setattr__(self, "dates", tuple(str(t).removesuffix(" 00:00:00") for t in times))

    def instants(self) -> NDArray[np.int64]:
        """When it was retrained, in nanoseconds."""
        return np.array([pd.Timestamp(date).as_unit("ns").value for date in self.dates], np.int64)

    def monitor(self) -> Monitor:
        """A watch over the dates."""
        return OnDates(self.dates).monitor()

    def check_setup(self, setup: Setup) -> None:
        """Refuse predictions that do not cover every served row, or lack what the loss needs."""
        answers = self.answers(setup)
        if not setup.row_loss.needs_probability:
            return
        several = _is_several(setup)
        if (answers.probability if several else answers.score) is None:
            needed = ", ".join(map(repr, _probabilities(setup))) if several else "'score'"
            raise PartError(
                f"{self!r}: loss={setup.row_loss.name!r} needs probabilities; add {needed}"
            )

    def answers(self, setup: Setup) -> RecordedAnswers:
        """What was answered to each served row."""
        try:
            table = self._table()
            if "prediction" not in table:
                raise PartError(f"no column 'prediction' among {list(map(str, table.columns))}")
            positions = _positions(table, setup)
            if setup.classes is not None:
                return _labels(table, positions, setup)
            return _numbers(table, positions, setup)
        except (ValueError, OSError) as error:
            raise PartError(f"{self!r}: {error}") from None

    def _table(self) -> pd.DataFrame:
        if isinstance(self.predictions, Table):
            return self.predictions.frame
        return read_file(Path(self.predictions))


# --- which row ----------------------------------------------------------------------------------


def _positions(table: pd.DataFrame, setup: Setup) -> Positions:
    """Where in the table each served row stands, -1 where it does not; shape (served,)."""
    if "row" in table:
        return _by_row(table["row"], setup)
    if "event_time" in table:
        times, _, _ = read_both_times(table["event_time"], None, ordered=False)
        return _by_time(times.astype("datetime64[ns]").view(np.int64), setup)
    served, n = setup.served, len(setup.stream)
    if set(table.columns) == {"prediction"} and len(table) == n:
        return np.arange(served.start, served.stop)
    if set(table.columns) == {"prediction"} and len(table) == served.stop - served.start:
        return np.arange(len(table))
    raise PartError(
        f"{len(table)} predictions without a column 'row' or 'event_time'; there are {n} rows, "
        f"{served.stop - served.start} of them served"
    )


def _by_row(column: pd.Series, setup: Setup) -> Positions:
    rows = pd.Index(column)
    if not pd.api.types.is_integer_dtype(rows.dtype):
        raise PartError(f"column 'row' holds {rows.dtype}; give positions in the stream")
    if rows.has_duplicates:
        raise PartError(f"row {rows[rows.duplicated()][0]} stands there twice")
    return np.asarray(rows.get_indexer(np.arange(setup.served.start, setup.served.stop)))


def _by_time(times: NDArray[np.int64], setup: Setup) -> Positions:
    """The k-th of an instant's rows is the k-th that the table has of that instant."""
    order = np.argsort(times, kind="stable")
    ranked, wanted = times[order], setup.event_at[setup.served]
    lower, upper = (ranked.searchsorted(wanted, side) for side in ("left", "right"))
    first, last = (wanted.searchsorted(wanted, side) for side in ("left", "right"))
    many = upper - lower > last - first
    if many.any():
        i = int(many.argmax())
        raise PartError(
            f"{upper[i] - lower[i]} predictions at {pd.Timestamp(wanted[i])}, where the stream has "
            f"{count(int(last[i] - first[i]))}; add a column 'row'"
        )
    at = lower + np.arange(len(wanted)) - first
    return np.where(at < upper, order[np.minimum(at, len(order) - 1)], -1)


def count(n: int) -> str:
    """A number of rows in words."""
    return f"{n} row" if n == 1 else f"{n} rows"


# --- what was answered --------------------------------------------------------------------------


def _taken(values: Any, positions: Positions, setup: Setup, what: str) -> Any:
    """The values at their places; raises where a served row has none."""
    column = pd.Series(values).reset_index(drop=True)
    taken = column.reindex(positions)
    missing = (positions < 0) | taken.isna().to_numpy()
    if missing.any():
        first = setup.served.start + int(missing.argmax())
        when = pd.Timestamp(setup.stream.event_time[first])
        raise PartError(
            f"no {what} for {int(missing.sum())} of {len(positions)} served rows; the first is row "
            f"{first} ({when})"
        )
    return taken.to_numpy()


def _floats(table: pd.DataFrame, name: str, positions: Positions, setup: Setup) -> Floats:
    values = pd.to_numeric(table[name])
    finite = values.where(np.isfinite(values.astype(np.float64)))
    return np.asarray(_taken(finite, positions, setup, name), dtype=np.float64)


def _numbers(table: pd.DataFrame, positions: Positions, setup: Setup) -> RecordedAnswers:
    """Answers of a regression: of several quantiles each in a column of its own."""
    answers = _floats(table, "prediction", positions, setup)
    if setup.quantiles is None:
        return RecordedAnswers(answers)
    names = list(map(column_of, setup.quantiles))
    if missing := [name for name in names if name not in table]:
        raise PartError(
            f"quantiles={list(setup.quantiles)} need columns {names}; there is no {missing[0]!r}"
        )
    columns = np.column_stack([_floats(table, name, positions, setup) for name in names])
    return RecordedAnswers(answers, quantiles=np.sort(columns, axis=1))


def _is_several(setup: Setup) -> bool:
    """Whether one score does not tell the probability of each class."""
    return setup.positive is None or (setup.classes is not None and len(setup.classes) > 2)


def _probabilities(setup: Setup) -> list[str]:
    """Names of the columns with the probability of each class."""
    return [f"probability {label}" for label in ([] if setup.classes is None else setup.classes)]


def _labels(table: pd.DataFrame, positions: Positions, setup: Setup) -> RecordedAnswers:
    classes = setup.classes
    assert classes is not None
    labels = _taken(table["prediction"], positions, setup, "prediction")
    codes = np.asarray(pd.Index(classes).get_indexer(pd.Index(labels)), dtype=np.int64)
    if (codes < 0).any():
        strange = labels[int((codes < 0).argmax())]
        raise PartError(f"prediction {strange!r} is not a class of the target: {classes.tolist()}")
    names, probability = _probabilities(setup), None
    if set(names) <= set(table.columns):
        columns = [_floats(table, name, positions, setup) for name in names]
        probability = np.stack(columns, axis=1)
    if "score" in table and table["score"].notna().any():
        return RecordedAnswers(codes, _floats(table, "score", positions, setup), probability)
    if probability is None:
        return RecordedAnswers(codes)
    answered = codes if setup.positive is None else np.full(len(codes), setup.positive)
    return RecordedAnswers(codes, probability[np.arange(len(codes)), answered], probability)

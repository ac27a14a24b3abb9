"""Whether to train at all: a look at the rows before anything is learnt from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.simulator.answers import PartError, Reason, Rows, Selection, Verdict
from backtrain.simulator.constraints import Count, Names, NotNegative, ShareBelowOne, TwoOrMore
from backtrain.simulator.parts import Gate, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.drift.rules import columns_left, columns_of
from backtrain.strategies.drift.two_sample import thinned

__all__ = ["DataCheck"]

_TAIL = 0.01
_NAMED = 3  # columns that a reason names


@dataclass(frozen=True, repr=False)
class DataCheck(Part, Gate):
    """Refuse to train on rows that do not look like those which the model in force learnt from.

    Compared are the rows that it has not learnt from, column by column, labels included: whether
    a column is gone, whether more values are missing, whether whole numbers have become fractions,
    how many values lie in categories (or classes) never seen, and how many outside the range
    ``[q01 - widen * w, q99 + widen * w]``, where q01 and q99 are quantiles of the rows learnt from
    and ``w = q99 - q01`` (of a column that is nearly constant: minimum and maximum; a constant one
    has no range). What passes is trained and deployed at once.

    A look is charged as one check, and the labels that it sees are bought, even if nothing is
    trained then; a refused training is not charged and counts for no budget. While it refuses, the
    reference stays the same: a change that is here to stay is refused for good, and faulty rows
    stop the training until they have left the window.

    Parameters
    ----------
    missing : float
        By how much the share of missing values may rise.
    unseen : float
        Share of values that may lie in categories or classes never seen.
    outside : float
        Share of values that may lie outside the range, or be fractions where none were.
    widen : float
        How far the range reaches beyond the quantiles, in units of the distance between them. 1
        tells Fahrenheit from Celsius. Hours and months leave any range of a shorter window: exclude
        them.
    min_rows : int
        With fewer rows to train on, refuse.
    min_classes : int
        With fewer classes to train on, refuse; for classifiers.
    labels : bool
        Look at the labels too.
    exclude : sequence of str
        Columns not to look at.
    max_reference : int
        Rows learnt from that are compared with; evenly thinned above.
    schema : object, optional
        Asked as well: its ``validate(frame, lazy=True)``, as pandera has it, is given all rows to
        train on, the target among the columns, and raises what is wrong.

    Notes
    -----
    Columns and their types are the same all along a `Stream`: a column that was dropped or renamed
    is one that is missing altogether.

    References
    ----------
    E. Breck, N. Polyzotis, S. Roy, S. E. Whang and M. Zinkevich (2019), Data validation for machine
    learning, Proceedings of Machine Learning and Systems 1, 334-347.

    >>> DataCheck(missing=0.05, exclude=["month"])
    DataCheck(missing=0.05, exclude=['month'])
    """

    missing: ShareBelowOne = 0.1
    unseen: ShareBelowOne = 0.05
    outside: ShareBelowOne = 0.05
    widen: NotNegative = 1.0
    min_rows: Count = 1
    min_classes: Count = 2
    labels: bool = True
    exclude: Names = ()
    max_reference: TwoOrMore = 10_000
    schema: Any = None

    def check_parameters(self) -> None:
        """Refuse a schema that cannot validate."""
        if self.schema is not None and not hasattr(self.schema, "validate"):
            raise PartError(
                f"DataCheck(schema={self.schema!r}): has no validate(frame, lazy=True); "
                "give a pandera schema, or an object like one"
            )

    def check_setup(self, setup: Setup) -> None:
        """Refuse columns that the stream does not have."""
        columns_left("DataCheck", setup.stream.columns, self.exclude)

    def check(self, selection: Selection, view: View) -> Reason | None:
        """Name the columns that do not look as they should."""
        if len(selection) < self.min_rows:
            sentence = f"{len(selection)} rows to train on; {self.min_rows} are needed"
            return Reason(sentence, len(selection), self.min_rows)
        view.checked()
        problems = [*self._too_few_classes(selection, view), *self._strange(selection, view)]
        problems += [] if self.schema is None else _refused_by(self.schema, selection, view)
        if not problems:
            return None
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        sentence = "; ".join(problem.says for problem in problems[:_NAMED])
        return Reason(sentence + more, problems[0].statistic, problems[0].threshold)

    def review(self, view: View) -> Verdict:
        """Deploy without a look at the model."""
        return Verdict.deploy(reviewed=False)

    def _too_few_classes(self, selection: Selection, view: View) -> Iterator[_Flaw]:
        if self.labels and view.task == "classification":
            count = len(np.unique(view.y(selection.rows)))
            if count < self.min_classes:
                few = f"{count} class(es) to learn; {self.min_classes} are needed"
                yield _Flaw(f"{view.target!r}: {few}", count, self.min_classes)

    def _strange(self, selection: Selection, view: View) -> Iterator[_Flaw]:
        """What is wrong with the rows that the model in force has not learnt from."""
        learnt = view.model.learnt
        fresh = np.setdiff1d(selection.indices(), learnt)
        if not len(fresh):
            return
        learnt = learnt[thinned(len(learnt), self.max_reference)]
        positions = columns_left("DataCheck", view.columns, self.exclude)
        before, now = (columns_of(view.X(rows), positions) for rows in (learnt, fresh))
        for position, old, new in zip(positions, before, now, strict=True):
            yield from self._compare(view.columns[position], old, new)
        if self.labels:
            yield from self._compare(view.target, _labels(view, learnt), _labels(view, fresh))

    def _compare(self, name: str, old: Any, new: Any) -> Iterator[_Flaw]:
        """Compare one column's values before and now: floats, or a categorical series."""
        lost, usual = (float(np.mean(pd.isna(values))) for values in (new, old))
        old, new = old[~pd.isna(old)], new[~pd.isna(new)]
        if lost > usual + self.missing:
            gone = f"{name!r} is gone" if lost == 1 else f"{name!r}: {lost:.0%} missing"
            yield _Flaw(f"{gone}, {usual:.0%} was usual", lost, usual + self.missing)
        if not len(old) or not len(new):
            return
        if isinstance(old, pd.Series):
            strange = ~new.isin(old.unique())
            yield from _above(strange, self.unseen, name, "in categories never seen", new)
            return
        if (old == np.round(old)).all():
            broken = new != np.round(new)
            yield from _above(broken, self.outside, name, "fractions, where all were whole", new)
        low, high = _usual_range(old, self.widen)
        what = f"outside {digits(low)} to {digits(high)}"
        yield from _above((new < low) | (new > high), self.outside, name, what, new)


class _Flaw(NamedTuple):
    says: str
    statistic: float
    threshold: float


def _above(
    strange: NDArray[np.bool_] | pd.Series, limit: float, name: str, what: str, values: Any
) -> Iterator[_Flaw]:
    share = float(np.mean(strange))
    if share > limit:
        example = values[strange].tolist()[0]
        sentence = f"{share:.0%} of {len(values)} new values {what}, such as {_short(example)}"
        yield _Flaw(f"{name!r}: {sentence}", share, limit)


def _short(value: Any) -> str:
    return f"{digits(value)}" if isinstance(value, float) else repr(value)


def _usual_range(values: NDArray[np.float64], widen: float) -> tuple[float, float]:
    """Quantiles, or where these are one the extremes, widened; no bounds for a constant column."""
    low, high = (float(q) for q in np.quantile(values, (_TAIL, 1 - _TAIL)))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        return -np.inf, np.inf
    reach = widen * (high - low)
    return low - reach, high + reach


def _labels(view: View, rows: Rows) -> Any:
    """Labels as a column: floats for a regressor, categories for a classifier."""
    y = view.y(rows)
    if view.task == "regression":
        return y.astype(np.float64)
    return pd.Series(pd.Categorical(y))


def _refused_by(schema: Any, selection: Selection, view: View) -> list[_Flaw]:
    """What a schema has against all rows to train on; other errors than its own are raised."""
    frame = pd.DataFrame(view.X(selection.rows), columns=list(view.columns))
    for name in frame.columns[frame.dtypes == "category"]:
        frame[name] = frame[name].cat.remove_unused_categories()  # others are yet to come
    frame[view.target] = view.y(selection.rows)
    try:
        schema.validate(frame, lazy=True)
    except Exception as error:
        cases = getattr(error, "failure_cases", None)
        if cases is None and not isinstance(error, ValueError):
            raise
        return [_Flaw(_in_short(error, cases), float("nan"), float("nan"))]
    return []


def _in_short(error: Exception, cases: Any) -> str:
    """The first failure in one line: column, check, an example."""
    if isinstance(cases, pd.DataFrame) and {"column", "check"} <= set(cases.columns) and len(cases):
        first = cases.iloc[0]
        example = f", such as {first['failure_case']}" if "failure_case" in cases.columns else ""
        return f"{first['column']!r} fails {first['check']}{example} ({len(cases)} failures)"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"schema: {lines[0]}"

"""A model of the next step that forecasts further ones by taking its own answers for labels."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.utils import get_tags
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

Floats = NDArray[np.float64]

#: How lags are called that are made of labels: those that a chain can make of its own answers, ...
_KNOWN = re.compile(r"(.+)_known_(\d+)$")
_ROLLING = r"{}_(mean|sum|std|min|max|median)_(\d+)$"
#: ... and the others.
_LATER = (
    r"{}_(at_.+|(mean|sum|std|min|max|median|count)_(\d+\D.*|all)|count_\d+|mean_by_.+|known_age)$"
)
_STATISTICS: dict[str, Any] = {
    "mean": lambda values: values.mean(axis=1),
    "sum": lambda values: values.sum(axis=1),
    "std": lambda values: values.std(axis=1, ddof=1),
    "min": lambda values: values.min(axis=1),
    "max": lambda values: values.max(axis=1),
    "median": lambda values: np.median(values, axis=1),
}


class _Columns(NamedTuple):
    """What the columns of a table are for.

    Attributes
    ----------
    known : dict
        The columns of the newest known labels, by their place, 1 for the newest.
    fed : tuple of int
        Which of them the estimator learns from.
    rolling : dict
        Statistics of the n newest labels: (name, n) by column.
    path : dict
        Of a feature that is known in advance, its columns at steps 1, 2, ..., in their order.
    others : tuple of str
        The features that the estimator learns from beside lags, in the order of the table.
    """

    known: Mapping[int, str]
    fed: tuple[int, ...]
    rolling: Mapping[str, tuple[str, int]]
    path: Mapping[str, Sequence[str]]
    others: tuple[str, ...]

    @property
    def learnt(self) -> list[str]:
        """The columns that the estimator is given, in their order: lags first."""
        return [*(self.known[k] for k in self.fed), *self.rolling, *self.others]


class Recursive(RegressorMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Forecasts many steps with a model of one: its own answers become lags of later steps.

    It learns from rows of step 1 alone. To answer a row of step h it asks the estimator h times,
    each time with the answers so far in the place of the labels that are not known yet; so any row
    holds all that its answer depends on. It takes tables as streams of forecasts have them
    (``horizon=``): the column ``step``, the newest known labels ``y_known_1``, ``y_known_2``, ...
    (``lags.known=[1,2,...]``), and, of features that are known in advance, those of the steps on
    its way (``horizon.path=true``). All other features stay what they were at the origin. Rolling
    statistics of a number of labels are made of answers, too; lags by time, expanding ones and
    encodings cannot be, and are refused.

    Parameters
    ----------
    estimator : estimator
        A regressor, fitted on a clone.
    lags : int, list of int, or None
        Which of the known labels it learns from: 24 is 1 to 24, None all that there are, 0 none.
    dropna : bool
        Leave rows out of the training of which a lag is missing, as those at the beginning.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.

    >>> from sklearn.linear_model import LinearRegression
    >>> rows = pd.DataFrame({"y_known_1": [1.0, 2.0, 4.0, 4.0], "step": [1, 1, 1, 2]})
    >>> model = Recursive(LinearRegression()).fit(rows, [2.0, 4.0, 8.0, 99.0])
    >>> model.predict(pd.DataFrame({"y_known_1": [8.0] * 3, "step": [1, 2, 3]})).round(6)
    array([16., 32., 64.])
    """

    #: Where labels come late, some are missing between the newest known one and the answers.
    fed_with_answers = True

    def __init__(
        self, estimator: Any, lags: int | Sequence[int] | None = None, dropna: bool = True
    ) -> None:
        self.estimator = estimator
        self.lags = lags
        self.dropna = dropna

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Recursive":
        """Fit on the rows of step 1 among n, a table of shape (n, p)."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        table, y = self._table(X, y)
        step = _steps(table)
        self.columns_ = self._columns(table)
        self._check_way(int(step.max()))
        self._check_fixed(table, step)
        rows = step == 1
        if self.dropna:
            lags = [*(self.columns_.known[k] for k in self.columns_.fed), *self.columns_.rolling]
            rows &= table[lags].notna().all(axis=1).to_numpy()
        if not rows.any():
            raise ValueError(
                "no row of step 1 whose lags are known; learn from more rows "
                "(horizon.between=first) or give fewer lags"
            )
        weight = {}
        if sample_weight is not None:
            weight["sample_weight"] = _check_sample_weight(sample_weight, table)[rows]
        learnt = table.loc[rows, self.columns_.learnt]
        self.names_ = any(learnt.dtypes == "category") or (
            hasattr(self, "feature_names_in_") and _wants_names(self.estimator)
        )
        given = learnt if self.names_ else learnt.to_numpy(dtype=np.float64)
        self.estimator_ = clone(self.estimator).fit(given, y[rows], **weight)
        return self

    def predict(self, X: Any) -> Floats:
        """Answers to n rows, shape (n,)."""
        check_is_fitted(self)
        table, _ = self._table(X)
        step, columns = _steps(table), self.columns_
        self._check_way(int(step.max(initial=1)))
        values = _numbers(table)
        alike = [*columns.known.values(), *columns.rolling, *_way(columns)]
        chain, first = _chains(values[:, _places(table, alike)])
        last = np.zeros(len(first), dtype=np.int64)
        np.maximum.at(last, chain, step)
        answers = np.full((len(first), int(step.max(initial=1))), np.nan)
        for k in range(1, answers.shape[1] + 1):
            going = np.flatnonzero(last >= k)
            rows: Any = values[first[going]]
            if self.names_:
                rows = table.take(first[going])
            given = self._at(rows, table.columns, k, answers[going, : k - 1])
            answers[going, k - 1] = one_each(self.estimator_.predict(given), "Recursive")
        return np.asarray(answers[chain, step - 1])

    def _at(self, rows: Any, names: pd.Index, k: int, answers: Floats) -> Any:
        """What the estimator is given for step k of chains, of which k - 1 are answered.

        Rows are an array with columns of these names, or a table.
        """
        columns, place = self.columns_, {str(name): i for i, name in enumerate(names)}

        def column(name: str) -> Any:
            return rows[name] if isinstance(rows, pd.DataFrame) else rows[:, place[name]]

        def label(lag: int) -> Any:  # so many steps back, or what was answered there
            made = answers.shape[1]
            return answers[:, made - lag] if lag <= made else column(columns.known[lag - made])

        made: dict[str, Any] = {name: column(path[k - 1]) for name, path in columns.path.items()}
        if k > 1:
            made |= {columns.known[lag]: label(lag) for lag in columns.fed}
            for name, (statistic, n) in columns.rolling.items():
                labels = [label(lag) for lag in range(1, n + 1)]
                made[name] = _STATISTICS[statistic](np.column_stack(labels))
        taken = {name: made[name] if name in made else column(name) for name in columns.learnt}
        if isinstance(rows, pd.DataFrame):
            return pd.DataFrame(taken, index=rows.index)
        return np.column_stack(list(taken.values()))

    def _table(self, X: Any, y: Any = None) -> tuple[pd.DataFrame, Any]:
        """The rows as a table, and labels; columns of an array are x0, x1, ..., without a role."""
        finite = "allow-nan" if get_tags(self).input_tags.allow_nan else True
        if isinstance(X, pd.DataFrame) and any(X.dtypes == "category"):
            validate_data(self, X, reset=y is not None, skip_check_array=True)
            return X, y if y is None else np.asarray(y)
        if isinstance(X, pd.DataFrame) and "step" in X:
            finite = "allow-nan"  # the first rows lack lags
        more = {"reset": False} if y is None else {"y": y, "y_numeric": True}
        found = validate_data(self, X, ensure_all_finite=finite, dtype=np.float64, **more)
        rows, y = (found, None) if y is None else found
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(rows.shape[1])])
        return pd.DataFrame(rows, columns=list(names)), y

    def _given(self, rows: pd.DataFrame) -> Any:
        """Rows as the estimator takes them: a table only where the model was given one."""
        return rows if hasattr(self, "feature_names_in_") else rows.to_numpy()

    def _columns(self, table: pd.DataFrame) -> _Columns:
        """What the columns are for. Raises `ValueError` where lags are missing or cannot be fed."""
        names = [str(name) for name in table.columns]
        found = [(match, name) for name in names if (match := _KNOWN.match(name))]
        of = found[-1][0][1] if found else ""  # lags stand behind other features of such a name
        known = {int(match[2]): name for match, name in found if match[1] == of}
        target = re.escape(of)
        wanted = self._wanted(known)
        rolling, path = {}, {}
        for name in names:
            if target and name not in known.values() and re.match(_LATER.format(target), name):
                raise ValueError(
                    f"column {name!r}: a lag that cannot be made of answers; leave it out for a "
                    "recursive model (lags.known=[..] and statistics of a number of labels can "
                    "be), or take a model for each step: model=one_per"
                )
            if target and (match := re.match(_ROLLING.format(target), name)):
                rolling[name] = (match[1], int(match[2]))
            ways = [f"{name} +{k}" for k in range(1, len(names))]
            if ways and ways[0] in names:
                path[name] = ways[: next(i for i, way in enumerate(ways) if way not in names)]
        taken = {
            "step",
            *known.values(),
            *rolling,
            *(way for ways in path.values() for way in ways),
        }
        others = tuple(name for name in names if name not in taken)
        return _Columns(known, wanted, rolling, path, others)

    def _wanted(self, known: Mapping[int, str]) -> tuple[int, ...]:
        """The lags that the estimator learns from."""
        if self.lags is None:
            if not known:
                raise ValueError(
                    "no column is a lag such as y_known_1, so there is nothing to feed answers "
                    "back into; add some (lags.known=[1,2,3]), or give lags=0; an array has no "
                    "names of columns (features=frame)"
                )
            return tuple(sorted(known))
        several = isinstance(self.lags, Sequence)
        wanted = sorted(self.lags) if several else range(1, self.lags + 1)  # type: ignore[operator, arg-type]
        if absent := [lag for lag in wanted if lag not in known]:
            raise ValueError(
                f"lags={self.lags!r}: no column is the label {absent[0]} before "
                f"(y_known_{absent[0]}); add it to lags.known"
            )
        return tuple(wanted)

    def _check_way(self, last: int) -> None:
        """Refuse so many steps where rows do not hold what these need."""
        columns = self.columns_
        needed = {k - back for k in columns.fed for back in range(min(last, k))}
        needed |= {k for _, n in columns.rolling.values() for k in range(1, n + 1)}
        if absent := sorted(needed - set(columns.known)):
            raise ValueError(
                f"{last} steps ahead need the labels {_listed(absent)} before, too, which are no "
                f"columns; give all of lags.known=[1,...,{max(needed)}], and the model's own "
                "lags=[..] to learn from some alone"
            )
        if short := [name for name, way in columns.path.items() if len(way) < last]:
            raise ValueError(f"{last} steps ahead need {short[0]!r} at each of them")

    def _check_fixed(self, table: pd.DataFrame, step: NDArray[np.int64]) -> None:
        """Refuse features of the target's row without those of the steps on the way."""
        columns = self.columns_
        alike = [*columns.known.values()]
        fixed = [name for name in columns.others if name not in columns.path]
        next_one = np.flatnonzero(np.diff(step) == 1)
        if not alike or not fixed or not len(next_one):
            return
        values = _numbers(table)
        lags, others = values[:, _places(table, alike)], values[:, _places(table, fixed)]
        same = ~_differs(lags[next_one], lags[next_one + 1]).any(axis=1)
        pairs = next_one[same]
        moved = _differs(others[pairs], others[pairs + 1]).any(axis=0)
        if moved.any():
            name = fixed[int(moved.argmax())]
            raise ValueError(
                f"column {name!r} differs from step to step, so the steps on the way are needed, "
                f"too: {name} +1, {name} +2, ... (horizon.path=true)"
            )

    def __sklearn_tags__(self) -> Any:
        tags, inner = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags.allow_nan = inner.input_tags.allow_nan
        tags.input_tags.categorical = inner.input_tags.categorical
        tags.regressor_tags.poor_score = True
        return tags


def one_each(answers: Any, wrapper: str) -> Any:
    """Answers to n rows, (n,); refuses several a row, which belong outside of a wrapper."""
    if np.ndim(answers) > 1:
        raise ValueError(
            f"{wrapper} takes an estimator with one answer a row; for several quantiles wrap the "
            f"other way round: Quantiles({wrapper}(model), levels, "
            "parameter='estimator__quantile')"
        )
    return answers


def _wants_names(estimator: Any) -> bool:
    """Whether an estimator may select columns by their names; those of arrays are quicker."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    known = ("sklearn.", "backtrain.", "lightgbm.", "xgboost.", "catboost.")
    return any(
        isinstance(part, ColumnTransformer)
        or hasattr(part, "_sklearn_output_config")
        or not type(part).__module__.startswith(known)
        for part in parts
        if hasattr(part, "fit")
    )


def _steps(table: pd.DataFrame) -> NDArray[np.int64]:
    """How many steps ahead each row is; 1 where no column says."""
    if "step" not in table:
        return np.ones(len(table), dtype=np.int64)
    return table["step"].to_numpy().astype(np.int64)


def _way(columns: _Columns) -> list[str]:
    """The columns of a row that do not depend on its own step, beside lags."""
    fixed = [name for name in columns.others if name not in columns.path]
    return [*fixed, *(way for ways in columns.path.values() for way in ways)]


def _numbers(table: pd.DataFrame) -> Floats:
    """A table as numbers; categories as their codes."""
    words = [str(name) for name, kind in table.dtypes.items() if kind == "category"]
    return table.assign(**{n: table[n].cat.codes for n in words}).to_numpy(dtype=np.float64)


def _places(table: pd.DataFrame, names: Sequence[str]) -> list[int]:
    """Where columns stand."""
    place = {str(name): i for i, name in enumerate(table.columns)}
    return [place[name] for name in names]


def _differs(one: Floats, other: Floats) -> NDArray[np.bool_]:
    """Where two arrays of the same shape hold other values; missing ones are alike."""
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


def _chains(alike: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neighbouring rows that differ in their step alone: the chain of each, and its first row."""
    begins = np.ones(len(alike), dtype=bool)
    if alike.shape[1]:
        begins[1:] = _differs(alike[1:], alike[:-1]).any(axis=1)
    return np.cumsum(begins) - 1, np.flatnonzero(begins)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:4])) + (", ..." if len(numbers) > 4 else "")

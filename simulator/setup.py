"""The question that is asked of every strategy: which history, which model, which prices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.columns import nearest
from backtrain.datasets.offsets import to_timestamp
from backtrain.datasets.stream import Stream
from backtrain.simulator.answers import PartError, Rows
from backtrain.simulator.clock import Nanoseconds, tick_instants
from backtrain.simulator.ledger import Delays, Prices
from backtrain.simulator.metrics import Loss, Metric, Outcomes, find_loss, find_metric
from backtrain.simulator.sealing import read_only

_DEFAULT_LOSS = {"regression": "absolute", "classification": "zero_one"}
_DEFAULT_METRICS = {"regression": ("MAE",), "classification": ("accuracy",)}


class SetupError(ValueError):
    """The pieces of a backtest do not fit together."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything about a backtest but the strategies.

    Parameters
    ----------
    stream : Stream
        The history to replay.
    model : estimator
        An unfitted scikit-learn estimator or pipeline; it is copied, never fitted itself.
    tick : str or int
        When a strategy may act: every so often after ``start`` (``"1D"``, ``"MS"``), or at the next
        event time whenever another such number of rows has been served.
    start : str, Timestamp or float
        Rows from here on are served; a float is a share of the time span.
    end : str, Timestamp or None
        Totals stop here; None is the last event.
    prices, delays : Prices, Delays, or mappings of their parameters
        What is charged, and how long things take: ``Prices(retrain=5)`` or ``{"retrain": 5}``.
    loss : str, Loss or callable
        Loss of a row; default ``"absolute"`` for regression, ``"zero_one"`` for classification.
        A callable takes labels and predictions of shape (n,) and returns losses of shape (n,).
    metrics : sequence of str
        Reported beside the loss.
    seed : int
        Seed of whatever is random in the models.
    features : {"auto", "array", "frame"}
        What models are given; ``"auto"`` gives arrays unless the model needs column names.
    currency : str
        What money is called in texts, axes and tables, such as ``"EUR"``.
    unit : str
        What the target is counted in, such as ``"bikes"``: so are absolute losses of a row.

    Raises
    ------
    SetupError
        When the pieces do not fit: no rows before ``start``, a classifier on a continuous target,
        a loss that needs probabilities which the model does not give.
    """

    stream: Stream
    model: Any
    tick: str | int = "1D"
    start: str | pd.Timestamp | float = 0.2
    end: str | pd.Timestamp | None = None
    prices: Prices = field(default_factory=Prices)
    delays: Delays = field(default_factory=Delays)
    loss: str | Loss | Callable[..., Any] | None = None
    metrics: Sequence[str] | None = None
    seed: int = 0
    features: Literal["auto", "array", "frame"] = "auto"
    currency: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.stream, Stream):
            raise SetupError(
                f"stream: a {type(self.stream).__name__}; make one with Stream.from_frame(df, "
                "target='y', time='when')"
            )
        for name, kind in (("prices", Prices), ("delays", Delays)):
            object.__setattr__(self, name, _built(name, getattr(self, name), kind))
        tick: Any = self.tick
        if isinstance(tick, np.integer):
            object.__setattr__(self, "tick", int(tick))
        if isinstance(self.tick, bool) or (isinstance(self.tick, int) and self.tick < 1):
            raise SetupError(f"tick={self.tick!r}: a number of rows is at least 1")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise SetupError(f"seed={self.seed!r}: a whole number, 0 or more")
        if self.features not in ("auto", "array", "frame"):
            raise SetupError(f"features={self.features!r}: not one of 'auto', 'array', 'frame'")
        for name, example in (("currency", "EUR"), ("unit", "bikes")):
            if not isinstance(getattr(self, name), str):
                raise SetupError(
                    f"{name}={getattr(self, name)!r}: give a text, such as {example!r}"
                )
        if isinstance(self.model, type) or not hasattr(self.model, "fit"):
            raise SetupError(
                f"model={self.model!r}: not an estimator; give an object such as Ridge()"
            )
        self._check_span()
        self._check_target()
        self._check_probabilities()
        _ = self.ticks

    # --- time ---------------------------------------------------------------------------------

    @cached_property
    def start_at(self) -> pd.Timestamp:
        """The first instant that is served."""
        if isinstance(self.start, (int, float)) and not isinstance(self.start, bool):
            if not 0 < self.start < 1:
                raise SetupError(f"start={self.start!r}: a share of the span lies between 0 and 1")
            first, last = self.stream.span
            return (first + (last - first) * self.start).as_unit("ns")
        return to_timestamp(self.start, "start")

    @cached_property
    def end_at(self) -> pd.Timestamp:
        """The last instant that is served."""
        return self.stream.span[1] if self.end is None else to_timestamp(self.end, "end")

    @cached_property
    def served(self) -> slice:
        """Positions of the rows that are served."""
        after = np.searchsorted(self.stream.event_time, self.end_at.to_datetime64(), side="right")
        return slice(self.stream.rows(self.start_at, None).start, int(after))

    @cached_property
    def ticks(self) -> Nanoseconds:
        """Instants at which a strategy may act."""
        last = min(self.end_at, self.stream.span[1])
        return read_only(tick_instants(self.stream, self.tick, self.start_at, last))

    @cached_property
    def event_at(self) -> Nanoseconds:
        """Event times in nanoseconds, shape (n,)."""
        return self.stream.event_time.view(np.int64)

    @cached_property
    def label_at(self) -> Nanoseconds:
        """Label times in nanoseconds, shape (n,); never is the largest number."""
        at = self.stream.label_time.view(np.int64)
        never = np.isnat(self.stream.label_time)
        return read_only(np.where(never, np.iinfo(np.int64).max, at)) if never.any() else at

    @cached_property
    def labels_in_order(self) -> bool:
        """Whether labels become known in event order, so that the known ones are a prefix."""
        return bool((self.label_at[1:] >= self.label_at[:-1]).all())

    @cached_property
    def arrival_order(self) -> tuple[int | NDArray[np.int64], Nanoseconds]:
        """Served rows by label time (ties in event order), and those times, without the never ones.

        The rows are an array, or the first row where labels arrive in event order.
        """
        at = self.label_at[self.served]
        arriving = int(np.count_nonzero(at < np.iinfo(np.int64).max))
        if self.labels_in_order:
            return self.served.start, at[:arriving]
        order = np.argsort(at, kind="stable")[:arriving]
        return read_only(self.served.start + order), read_only(at[order])

    @property
    def groups(self) -> NDArray[Any]:
        """Group of each row, shape (n,). Raises `PartError` where the stream has none."""
        if self.stream.group is None:
            raise PartError(
                f"stream {self.stream.name!r} has no groups; name its column: group='...'"
            )
        return self.stream.group

    # --- target -------------------------------------------------------------------------------

    @cached_property
    def task(self) -> Literal["regression", "classification"]:
        """What the model does."""

        from sklearn.base import is_classifier

        return "classification" if is_classifier(self.model) else "regression"

    @cached_property
    def classes(self) -> NDArray[Any] | None:
        """Class labels in sorted order, or None for regression."""
        return None if self.task == "regression" else self._classified[0]

    @cached_property
    def truth(self) -> NDArray[Any]:
        """Labels as recorded, shape (n,): floats, or positions in ``classes`` (-1: never)."""
        if self.task == "classification":
            return self._classified[1]
        return self._arriving(self.stream.y)

    @cached_property
    def outcome(self) -> NDArray[Any]:
        """What rows are scored against: ``truth``, but for labels that a fault has spoilt."""
        if self.stream.truth is None:
            return self.truth
        if self.task == "classification":
            return self._classified[2]
        return self._arriving(self.stream.truth)

    def _arriving(self, labels: NDArray[Any]) -> NDArray[np.float64]:
        y = labels.astype(np.float64, copy=False)
        told = np.isnat(self.stream.label_time) & ~np.isnan(y)
        return read_only(np.where(told, np.nan, y) if told.any() else y)

    @cached_property
    def _classified(self) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
        arrives, true = ~np.isnat(self.stream.label_time), self.stream.truth
        labels = [self.stream.y[arrives]] + ([] if true is None else [true[arrives]])
        classes, inverse = np.unique(np.concatenate(labels), return_inverse=True)
        codes = np.full((2, len(self.stream)), -1, dtype=np.int64)
        codes[:, arrives] = inverse.reshape(len(labels), -1)
        codes = read_only(codes)
        return read_only(classes), codes[0], codes[1]

    @cached_property
    def positive(self) -> int | None:
        """Position of the positive class: the larger of the two that are known at ``start``."""
        known = (self.event_at < self.start_at.value) & (self.label_at <= self.start_at.value)
        seen = np.unique(self.truth[known])
        return int(seen[-1]) if self.task == "classification" and len(seen) == 2 else None

    @cached_property
    def gives_probabilities(self) -> bool:
        """Whether the model has ``predict_proba``."""
        return self.task == "classification" and hasattr(self.model, "predict_proba")

    # --- judgement ----------------------------------------------------------------------------

    @cached_property
    def row_loss(self) -> Loss:
        """The loss that is charged."""
        return find_loss(_DEFAULT_LOSS[self.task] if self.loss is None else self.loss, self.task)

    @cached_property
    def row_metrics(self) -> tuple[Metric, ...]:
        """The metrics that are reported."""
        names = _DEFAULT_METRICS[self.task] if self.metrics is None else self.metrics
        if isinstance(names, str) or not isinstance(names, Iterable):
            shown = [names] if isinstance(names, str) else ["MAE"]
            raise SetupError(f"metrics={names!r}: give a list, such as {shown}")
        return tuple(self.metric(name) for name in names)

    def metric(self, name: str) -> Metric:
        """Look a metric up and refuse it where this model and target cannot give it."""
        metric = find_metric(name, self.task)
        if metric.needs_probability and not self.gives_probabilities:
            raise SetupError(
                f"metric {metric.name!r} needs probabilities, but "
                f"{type(self.model).__name__} has no predict_proba"
            )
        if metric.binary and self.positive is None:
            assert self.classes is not None
            raise SetupError(
                f"metric {metric.name!r} is for two classes, but the target has "
                f"{len(self.classes)}: {self.classes.tolist()[:10]}"
            )
        return metric

    def losses(self, outcomes: Outcomes) -> NDArray[np.float64]:
        """Loss of rows whose label may be missing: NaN there, shape (n,)."""
        known = outcomes.label >= 0 if self.classes is not None else ~np.isnan(outcomes.label)
        if known.all():
            return _loss_of_rows(self.row_loss, outcomes)
        loss = np.full(len(outcomes), np.nan)
        loss[known] = _loss_of_rows(self.row_loss, pick(outcomes, known))
        return loss

    # --- checks -------------------------------------------------------------------------------

    def _check_span(self) -> None:
        first, last = self.stream.span
        if self.served.start == 0:
            raise SetupError(
                f"start={self.start!r}: no row lies before it, so there is nothing to train the "
                f"first model on; the stream spans {first} to {last}"
            )
        if self.served.stop <= self.served.start:
            raise SetupError(
                f"start={self.start!r}: no row is served from {self.start_at} to {self.end_at}; "
                f"the stream spans {first} to {last}"
            )

    def _check_target(self) -> None:
        from sklearn.base import is_classifier, is_regressor
        from sklearn.utils.multiclass import type_of_target

        try:
            known = is_classifier(self.model) or is_regressor(self.model)
        except Exception:  # scikit-learn's own, for what does not derive from BaseEstimator
            known = False
        if not known:
            raise SetupError(
                f"model={self.model!r}: neither a classifier nor a regressor to scikit-learn; "
                "derive it from the mixin first: class Model(RegressorMixin, BaseEstimator), or "
                "ClassifierMixin"
            )
        y, target = self.stream.y, self.stream.target
        if self.task == "regression" and y.dtype.kind not in "fiub":
            raise SetupError(
                f"{type(self.model).__name__} is a regressor, but target {target!r} holds "
                f"{y.dtype} such as {y[0]!r}; use a classifier"
            )
        if self.task == "classification" and y.dtype.kind == "f":
            arrived = y[~np.isnat(self.stream.label_time)]
            if type_of_target(arrived).startswith("continuous"):
                raise SetupError(
                    f"{type(self.model).__name__} is a classifier, but target {target!r} is "
                    f"continuous (such as {arrived[0]!r}); use a regressor"
                )

    def _check_probabilities(self) -> None:
        if self.row_loss.needs_probability and not self.gives_probabilities:
            raise SetupError(
                f"loss={self.row_loss.name!r} needs probabilities, but "
                f"{type(self.model).__name__} has no predict_proba"
            )
        _ = self.row_metrics


def _loss_of_rows(loss: Loss, outcomes: Outcomes) -> NDArray[np.float64]:
    rows = loss.rows(outcomes)
    if rows.shape != (len(outcomes),):
        raise SetupError(f"loss {loss.name!r} returned shape {rows.shape} for {len(outcomes)} rows")
    return rows


def _built(name: str, given: Any, kind: type[Any]) -> Any:
    """Prices or delays, also from a mapping of their parameters; raises `SetupError`."""
    known = [spec.name for spec in fields(kind)]
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise SetupError(f"{name}={given!r}: give {kind.__name__}({known[0]}=...), or a mapping")
    for key in given:
        if key not in known:
            raise SetupError(f"{name}[{key!r}]: no such key; did you mean {nearest(key, known)}?")
    return kind(**given)


def pick(outcomes: Outcomes, where: slice | NDArray[Any]) -> Outcomes:
    """The rows of ``outcomes`` at ``where``."""

    def part(values: NDArray[Any] | None) -> NDArray[Any] | None:
        return None if values is None else values[where]

    return Outcomes(
        outcomes.label[where],
        outcomes.prediction[where],
        part(outcomes.score),
        part(outcomes.probability),
        outcomes.classes,
        part(outcomes.weight),
        outcomes.positive,
    )


def outcomes_of(
    setup: Setup,
    rows: Rows,
    label: NDArray[Any],
    prediction: NDArray[Any],
    score: NDArray[np.float64] | None,
    probability: NDArray[np.float64] | None,
) -> Outcomes:
    """Labels of rows, out of those of all rows, beside the answers to these rows."""
    weight = setup.stream.weight
    return Outcomes(
        label=label[rows],
        prediction=prediction,
        score=score,
        probability=probability,
        classes=setup.classes,
        weight=None if weight is None else weight[rows],
        positive=-1 if setup.positive is None else setup.positive,
    )

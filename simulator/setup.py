"""The question that is asked of every strategy: which history, model and prices; checked once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
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
from backtrain.simulator.constraints import Length, Seed, check
from backtrain.simulator.ledger import Delays, Prices
from backtrain.simulator.metrics import Loss, Metric, Outcomes, find_loss, find_metric
from backtrain.simulator.sealing import read_only
from backtrain.simulator.tasks import why_no_task
from backtrain.simulator.thresholds import Rule, Threshold, decided, rule
from backtrain.store.fits import Answers, FitStore

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
    threshold : float, mapping, "cost" or None
        How a classifier's probabilities become answers: the positive class (the larger of two) from
        this probability on, or the one that is named: ``{"fraud": 0.2}``; or, with ``"cost"``, what
        ``loss=CostMatrix(...)`` expects to cost least, for any number of classes and by each row's
        amount. By default the answers of ``predict`` stand.

    Raises
    ------
    SetupError
        When the pieces do not fit: no rows before ``start``, a classifier on a continuous target,
        a loss that needs probabilities which the model does not give.
    """

    stream: Stream
    model: Any
    tick: Length = "1D"
    start: str | pd.Timestamp | float = 0.2
    end: str | pd.Timestamp | None = None
    prices: Prices = field(default_factory=Prices)
    delays: Delays = field(default_factory=Delays)
    loss: str | Loss | Callable[..., Any] | None = None
    metrics: Sequence[str] | None = None
    seed: Seed = 0
    features: Literal["auto", "array", "frame"] = "auto"
    currency: str = ""
    unit: str = ""
    threshold: Threshold = None

    def __post_init__(self) -> None:
        if not isinstance(self.stream, Stream):
            raise SetupError(
                f"stream: a {type(self.stream).__name__}; make one with Stream.from_frame(df, "
                "target='y', time='when')"
            )
        _refuse_changed_files(self.stream)
        for name, kind in (("prices", Prices), ("delays", Delays)):
            object.__setattr__(self, name, _built(name, getattr(self, name), kind))
        check(self, SetupError)
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
        self._check_loss()
        _ = self.row_metrics, self.ticks

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
        hidden = np.isnat(self.stream.label_time) & ~np.isnan(y)
        return read_only(np.where(hidden, np.nan, y) if hidden.any() else y)

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
        labelled = (self.event_at < self.start_at.value) & (self.label_at <= self.start_at.value)
        seen = np.unique(self.truth[labelled])
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
        self._check_probabilities(f"metric {metric.name!r}", metric)
        if metric.binary and self.positive is None:
            assert self.classes is not None
            raise SetupError(
                f"metric {metric.name!r} is for two classes, but the target has "
                f"{len(self.classes)}: {self.classes.tolist()[:10]}"
            )
        return metric

    @cached_property
    def rule(self) -> Rule | None:
        """How probabilities become answers; None where those of ``predict`` stand."""
        return rule(self.threshold, self.row_loss, self.classes, self.positive)

    @property
    def decides_by_amount(self) -> bool:
        """Whether the amount of a row decides on the answer to it."""
        return self.rule is not None and self.rule.takes_amounts

    def decided(self, answers: Answers, rows: Rows) -> Answers:
        """A model's answers to rows, as its probabilities decide where there is a `rule`."""
        if self.rule is None:
            return answers
        amount = self.stream.amount
        return decided(self.rule, answers, self.positive, None if amount is None else amount[rows])

    def losses(self, outcomes: Outcomes) -> NDArray[np.float64]:
        """Loss of rows whose label may be missing: NaN there, shape (n,)."""
        labelled = outcomes.label >= 0 if self.classes is not None else ~np.isnan(outcomes.label)
        if labelled.all():
            return _loss_of_rows(self.row_loss, outcomes)
        loss = np.full(len(outcomes), np.nan)
        loss[labelled] = _loss_of_rows(self.row_loss, pick(outcomes, labelled))
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
        from sklearn.utils.multiclass import type_of_target

        if (why := why_no_task(self.model)) is not None:
            raise SetupError(why)
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

    def _check_loss(self) -> None:
        self._check_probabilities(f"loss={self.row_loss.name!r}", self.row_loss)
        check_loss = getattr(self.row_loss, "check", None)
        if check_loss is not None:
            check_loss(self.classes, self.stream.amount is not None)
        if self.rule is not None and not self.gives_probabilities:
            raise SetupError(
                f"threshold={self.threshold!r} needs probabilities, but "
                f"{type(self.model).__name__} has no predict_proba"
            )

    def _check_probabilities(self, what: str, judge: Loss | Metric) -> None:
        if judge.needs_probability and not self.gives_probabilities:
            raise SetupError(
                f"{what} needs probabilities, but {type(self.model).__name__} has no predict_proba"
            )


def _loss_of_rows(loss: Loss, outcomes: Outcomes) -> NDArray[np.float64]:
    rows = loss.rows(outcomes)
    if rows.shape != (len(outcomes),):
        raise SetupError(f"loss {loss.name!r} returned shape {rows.shape} for {len(outcomes)} rows")
    return rows


def _built(name: str, given: Any, kind: type[Any]) -> Any:
    """Prices or delays, also from a mapping of their parameters; raises `SetupError`."""
    names = [spec.name for spec in fields(kind)]
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise SetupError(f"{name}={given!r}: give {kind.__name__}({names[0]}=...), or a mapping")
    for key in given:
        if key not in names:
            raise SetupError(f"{name}[{key!r}]: no such key; did you mean {nearest(key, names)}?")
    return kind(**given)


def pick(outcomes: Outcomes, where: slice | NDArray[Any]) -> Outcomes:
    """The rows of ``outcomes`` at ``where``."""
    names = ("label", "prediction", "score", "probability", "weight", "amount")
    arrays = {name: getattr(outcomes, name) for name in names}
    chosen = {name: array[where] for name, array in arrays.items() if array is not None}
    return replace(outcomes, **chosen)


def outcomes_of(
    setup: Setup,
    rows: Rows,
    label: NDArray[Any],
    prediction: NDArray[Any],
    score: NDArray[np.float64] | None,
    probability: NDArray[np.float64] | None,
) -> Outcomes:
    """Labels of rows, out of those of all rows, beside the answers to these rows."""
    weight, amount = setup.stream.weight, setup.stream.amount
    return Outcomes(
        label=label[rows],
        prediction=prediction,
        score=score,
        probability=probability,
        classes=setup.classes,
        weight=None if weight is None else weight[rows],
        positive=-1 if setup.positive is None else setup.positive,
        amount=None if amount is None else amount[rows],
    )


#: Streams and stores that are being looked at as a whole, see `unchanged`.
_WATCHED: set[tuple[int, int]] = set()


@contextmanager
def unchanged(stream: Stream, store: FitStore, whole: bool = False) -> Iterator[None]:
    """Raise `SetupError` where the content of a stream changes meanwhile.

    What the store was given meanwhile is then dropped: it would lie under the names of fits on the
    true content. To look takes as long as to read all of it, so ``whole`` does it once for what is
    done inside piece by piece, here and in other threads.
    """
    key = id(stream), id(store)
    if key in _WATCHED:
        yield
        return
    _refuse_changed_files(stream)
    kept = store.mark()
    if whole:
        _WATCHED.add(key)
    try:
        yield
    finally:
        _WATCHED.discard(key)
        if not stream.is_intact:
            store.forget(kept)
            _refuse_changed_files(stream)
            raise SetupError(
                f"stream {stream.name!r}: its content was changed while it was in use, so nothing "
                "that was computed on it counts. A model or part has written into the history, or "
                "the arrays that the stream was made of were changed: copy before you write, and "
                "build the stream anew"
            )


def _refuse_changed_files(stream: Stream) -> None:
    if stream.changed_files:
        files = ", ".join(map(str, stream.changed_files))
        raise SetupError(
            f"stream {stream.name!r}: {files}: changed since it was opened, so nothing that is "
            "computed on it counts; open or build the stream anew, and leave its files alone while "
            "they are used"
        )

"""The question that is asked of every strategy: which history, model and prices; checked once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.roles import no_features
from backtrain.datasets.stream import Stream
from backtrain.simulator.answers import PartError, Rows
from backtrain.simulator.answers import SetupError as SetupError
from backtrain.simulator.clock import Nanoseconds, tick_instants
from backtrain.simulator.constraints import Length, Seed, check
from backtrain.simulator.intact import refuse_changed_files
from backtrain.simulator.intact import unchanged as unchanged
from backtrain.simulator.ledger import Delays, Prices, built
from backtrain.simulator.levels import NEEDS, check_model, read_levels
from backtrain.simulator.losses import rows_of
from backtrain.simulator.metrics import (
    AnyMetric,
    Known,
    Loss,
    Metric,
    Outcomes,
    find_loss,
    find_metric,
    rehearse,
)
from backtrain.simulator.metrics import pick as pick
from backtrain.simulator.of_series import History
from backtrain.simulator.sealing import read_only
from backtrain.simulator.tasks import check_fed, check_target, why_no_task
from backtrain.simulator.thresholds import Rule, Threshold, decided, rule
from backtrain.store.fits import Answers

_DEFAULT_LOSS = {"regression": "absolute", "classification": "zero_one"}
_DEFAULT_METRICS = {"regression": ("MAE",), "classification": ("accuracy",)}


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
        Rows from here on are served; a float is a share of the time span, text without a time zone
        a local time of the stream's.
    end : str, Timestamp or None
        Totals stop here; None is the last event.
    prices : Prices, or mapping of its parameters
        What is charged: ``Prices(retrain=5)`` or ``{"retrain": 5}``.
    delays : Delays, or mapping of its parameters
        How long things take: ``Delays(train="2h")`` or ``{"train": "2h"}``.
    loss : str, Loss or callable
        Loss of a row; default ``"absolute"`` for regression, ``"zero_one"`` for classification.
        A callable takes labels and predictions of shape (n,) and returns losses of shape (n,).
    metrics : sequence of str, function or object
        Reported beside the loss: names, as ``"MASE 24"``, or metrics of one's own, see `Metric`.
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
    quantiles : sequence of float, optional
        Levels, rising, of a model whose ``predict`` gives as many numbers a row, (n, q), or of
        ``Quantiles(model, levels)``. The answer is then that at the level nearest 0.5 (of two as
        near the lower), the default loss the mean pinball loss; quantiles that cross are sorted.

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
    metrics: Sequence[AnyMetric] | None = None
    seed: Seed = 0
    features: Literal["auto", "array", "frame"] = "auto"
    currency: str = ""
    unit: str = ""
    threshold: Threshold = None
    quantiles: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.stream, Stream):
            raise SetupError(
                f"stream: a {type(self.stream).__name__}; make one with Stream.from_frame(df, "
                "target='y', time='when')"
            )
        refuse_changed_files(self.stream)
        if not self.stream.columns:
            raise SetupError(no_features(f"stream {self.stream.name!r} has none"))
        for name, kind in (("prices", Prices), ("delays", Delays)):
            object.__setattr__(self, name, built(name, getattr(self, name), kind))
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
        if self.quantiles is not None:
            object.__setattr__(self, "quantiles", read_levels(self.quantiles))
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
        return self.stream.calendar.instant(self.start, "start")

    @cached_property
    def end_at(self) -> pd.Timestamp:
        """The last instant that is served."""
        last, read = self.stream.span[1], self.stream.calendar.instant
        return last if self.end is None else read(self.end, "end")

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
    def weight(self) -> NDArray[np.float64] | None:
        """Weight of each row in scores, shape (n,), or None."""
        own = self.stream.score_weight
        return self.stream.weight if own is None else own

    @property
    def fit_weight(self) -> NDArray[np.float64] | None:
        """Weight of each row in training, shape (n,), or None."""
        own = self.stream.fit_weight
        return self.stream.weight if own is None else own

    def counted(self, rows: slice) -> NDArray[np.bool_]:
        """Which of some rows are served, and not there to learn from alone, shape (n,)."""
        aside = self.stream.aside
        return np.ones(rows.stop - rows.start, bool) if aside is None else ~aside[rows]

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
        usual = _DEFAULT_LOSS[self.task] if self.quantiles is None else "mean_pinball"
        loss = find_loss(usual if self.loss is None else self.loss, self.task)
        bind = getattr(loss, "at_start", None)
        return loss if bind is None else cast(Loss, bind(self.known))

    @cached_property
    def known(self) -> Known:
        """What is known at ``start``: whatever a loss or metric scales by."""
        history = History.of(self.stream, self.truth, self.weight, self.classes)
        ticks = None if isinstance(self.tick, int) else self.ticks
        return history.known(self.start_at.value, self.stream.calendar, ticks)

    @cached_property
    def row_metrics(self) -> tuple[Metric, ...]:
        """The metrics that are reported."""
        names = _DEFAULT_METRICS[self.task] if self.metrics is None else self.metrics
        if isinstance(names, str) or not isinstance(names, Iterable):
            shown = [names] if isinstance(names, str) else ["MAE"]
            raise SetupError(f"metrics={names!r}: give a list, such as {shown}")
        metrics = tuple(self.metric(name) for name in names)
        for i, metric in enumerate(metrics):
            if any(metric.name == other.name and metric != other for other in metrics[:i]):
                raise SetupError(
                    f"metrics: two are called {metric.name!r}; name one of them: Metric(function, "
                    "greater_is_better=..., name='...')"
                )
        return metrics

    def metric(self, name: AnyMetric) -> Metric:
        """Look a metric up and refuse it where this model and target cannot give it."""
        if (found := self._metrics.get(id(name))) is not None and found[0] is name:
            return found[1]
        self._metrics[id(name)] = name, self._found(name)
        return self._metrics[id(name)][1]

    @cached_property
    def _metrics(self) -> dict[int, tuple[AnyMetric, Metric]]:
        """Those that were asked for, by id: monitors ask at every tick."""
        return {}

    def _found(self, name: AnyMetric) -> Metric:
        metric = find_metric(name, self.task)
        self._check_probabilities(f"metric {metric.name!r}", metric)
        if metric.binary and self.positive is None:
            assert self.classes is not None
            raise SetupError(
                f"metric {metric.name!r} is for two classes, but the target has "
                f"{len(self.classes)}: {self.classes.tolist()[:10]}"
            )
        if hasattr(metric.function, "at_start"):
            metric = metric.at_start(self.known)
        rehearse(metric, self._rehearsal)
        return metric

    def _rehearsal(self) -> Outcomes:
        """Labels known at ``start``, answered by themselves, the other way round."""
        known = self.label_at[: self.served.start] <= self.start_at.value
        rows, label = np.flatnonzero(known), self.truth
        score, full = None, None
        if self.classes is not None and self.gives_probabilities:
            score = np.full(len(rows), 0.5)
            if self.positive is None or len(self.classes) > 2:
                full = np.full((len(rows), len(self.classes)), 1 / len(self.classes))
        given = label[rows][::-1]
        many = None
        if self.quantiles is not None:
            many = np.repeat(given[:, None], len(self.quantiles), axis=1)
        return outcomes_of(self, rows, label, given, score, full, many)

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
            return rows_of(self.row_loss, outcomes)
        loss = np.full(len(outcomes), np.nan)
        loss[labelled] = rows_of(self.row_loss, pick(outcomes, labelled))
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
        if (why := why_no_task(self.model)) is not None:
            raise SetupError(why)
        check_target(self.stream, self.model, self.task)
        check_model(self.model, self.task, self.quantiles)
        check_fed(self.stream, self.model)

    def _check_loss(self) -> None:
        self._check_probabilities(f"loss={self.row_loss.name!r}", self.row_loss)
        check_loss = getattr(self.row_loss, "check", None)
        if check_loss is not None:
            check_loss(self.classes, self.stream.amount is not None)
        if self.decides_by_amount and self.stream.series is not None:
            raise SetupError(
                "threshold='cost': amounts of what is forecast are not known when it is; take a "
                "threshold or costs without amounts"
            )
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
        if getattr(judge, "needs_quantiles", False) and self.quantiles is None:
            raise SetupError(f"{what} {NEEDS}")


def outcomes_of(
    setup: Setup,
    rows: Rows,
    label: NDArray[Any],
    prediction: NDArray[Any],
    score: NDArray[np.float64] | None,
    probability: NDArray[np.float64] | None,
    quantiles: NDArray[np.float64] | None = None,
) -> Outcomes:
    """Labels of rows, out of those of all rows, beside the answers to these rows."""
    stream = setup.stream
    weight, amount, group = setup.weight, stream.amount, stream.group
    return Outcomes(
        label=label[rows],
        prediction=prediction,
        score=score,
        probability=probability,
        classes=setup.classes,
        weight=None if weight is None else weight[rows],
        positive=-1 if setup.positive is None else setup.positive,
        amount=None if amount is None else amount[rows],
        group=None if group is None else group[rows],
        group_columns=stream.group_columns,
        quantiles=quantiles,
        levels=setup.quantiles,
        event_time=stream.event_time[rows],
    )

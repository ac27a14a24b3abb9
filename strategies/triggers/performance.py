"""When to retrain: alarms about performance and errors."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.digits import digits, p_value
from backtrain.simulator.answers import PartError, Reason
from backtrain.simulator.constraints import (
    Count,
    Finite,
    LabelsWindow,
    Level,
    Margin,
    OneOf,
    exactly_one,
)
from backtrain.simulator.metrics import AnyMetric, Metric, Outcomes
from backtrain.simulator.parts import Monitor, Part
from backtrain.simulator.setup import Setup, pick
from backtrain.simulator.texts import code
from backtrain.simulator.view import Arrived, View
from backtrain.strategies.weighted import chance_larger, estimate, weighing

__all__ = ["Detector", "ErrorDrift", "PerformanceDrop"]


class Detector:
    """A monitor of the version in force, whose alarm stays on.

    Subclasses say what to do with a new version (`restart`) and what is wrong now (`alarm`). A
    part that is given is kept as ``_spec``, for its parameters.
    """

    latching: ClassVar[bool] = True

    def __init__(self, spec: Any = None) -> None:
        self._spec = spec
        self._version: int | None = None
        self._cursor = 0

    def fires(self, view: View) -> Reason | None:
        """Return what is wrong now."""
        if view.model.version != self._version:
            self._version = view.model.version
            self.restart(view)
        return self.alarm(view)

    def restart(self, view: View) -> None:
        """Forget what was seen of the former version."""
        raise NotImplementedError

    def alarm(self, view: View) -> Reason | None:
        """Take in what is new, and say what is wrong now. Called at every tick."""
        raise NotImplementedError

    def _new_labels(self, view: View) -> Arrived | None:
        """The labels that have arrived since this was called last; None where there are none."""
        if view.arrivals == self._cursor:
            return None
        new = view.arrived(self._cursor)
        self._cursor = new.cursor
        return new


def when(view: View, row: int) -> pd.Timestamp:
    """Event time of a past row."""
    return pd.Timestamp(view.event_time(slice(row, row + 1))[0])


# --- performance ---------------------------------------------------------------------------------


class Limit(NamedTuple):
    """What a metric may not fall below (or, for errors, rise above), and what that is called."""

    floor: float
    what: str


class Floored:
    """A trigger that holds a metric against a floor, or against the reference and a margin."""

    below: float | None
    drop: float | str | None

    @cached_property
    def margin(self) -> tuple[float, bool]:
        """The margin that ``drop`` stands for, and whether it is relative."""
        if isinstance(self.drop, str):
            return float(self.drop.strip().removesuffix("%")) / 100, True
        return float(self.drop or 0), False

    def limit(self, view: View, metric: Metric) -> Limit | None:
        """The floor for the version in force; None where that has no reference."""
        if self.below is not None:
            return Limit(self.below, "the floor")
        reference = view.model.reference
        return None if reference is None else self.limit_under(metric, reference.outcomes)

    def limit_under(self, metric: Metric, reference: Outcomes) -> Limit:
        """The metric of reference rows, less the margin."""
        usual = metric(reference)
        margin, relative = self.margin
        gap = margin * abs(usual) if relative else margin
        floor = usual - gap if metric.greater_is_better else usual + gap
        return Limit(floor, f"the reference {digits(usual)} by {self.drop}:")


@dataclass(frozen=True, repr=False)
class PerformanceDrop(Floored, Part):
    """When the metric of the newest arrived labels is bad, or worse than it was at deployment.

    Give one of ``below``, ``drop`` and ``test``. Whether smaller or larger is worse follows from
    the metric: for ``"MAE"``, ``below=50`` means that performance is below that of an error of 50.

    Parameters
    ----------
    metric : str, function or object
        A metric of the backtest's task, as in ``metrics=``.
    window : int
        Newest arrived labels to compute it on, without those of rows of weight 0.
    min_labels : int
        Stay silent with fewer.
    below : float, optional
        A fixed floor: fires when the metric is worse than this.
    drop : float or str, optional
        Fires when it is worse than the version's reference by this margin, in units of the metric,
        or relative as in ``"20%"``.
    test : float, optional
        Level of a one-sided Welch test, by weight: fires when the row losses in the window are
        significantly larger than those of the reference.
    versions : {"in force", "all"}
        Whose rows to watch.
    group : {"worst"}, optional
        Watch every group of the stream by itself, with ``window`` and ``min_labels`` for each:
        fires when one of them is worse than the floor, or by ``drop`` than in those rows of the
        version's reference that are of this group, again at least ``min_labels``. Of several, the
        one that is furthest beyond is named.

    >>> PerformanceDrop("MAE", window=168, drop="20%")
    PerformanceDrop('MAE', window=168, drop='20%')
    >>> PerformanceDrop("MAE", below=50, group="worst")
    PerformanceDrop('MAE', below=50, group='worst')
    """

    metric: AnyMetric
    window: LabelsWindow = 200
    min_labels: Count = 50
    below: Finite | None = None
    drop: Margin | None = None
    test: Level | None = None
    versions: Literal["in force", "all"] = "in force"
    group: Literal["worst"] | None = None

    def check_parameters(self) -> None:
        """Refuse what is not one floor, and a test of groups."""
        if self.group and self.test is not None:
            raise PartError("PerformanceDrop(group=..., test=...): give below= or drop= instead")
        exactly_one(self, "below", "drop", "test")

    def check_setup(self, setup: Setup) -> None:
        """Refuse a metric that this model and target cannot give, and groups that are not there."""
        setup.metric(self.metric)
        if self.group:
            _ = setup.groups

    def monitor(self) -> Monitor:
        """A watch over arrived labels."""
        return _PerformanceMonitor(self)


class _PerformanceMonitor(Detector):
    """Keeps a window for each group; without groups there is one, None."""

    _spec: PerformanceDrop

    def __init__(self, spec: PerformanceDrop) -> None:
        super().__init__(spec)
        self._windows: dict[Any, deque[int]] = {}
        self._values: dict[Any, float] = {}

    def restart(self, view: View) -> None:
        self._floors: dict[Any, Limit | None] = {}
        if self._spec.versions == "in force":
            self._windows, self._values = {}, {}

    def alarm(self, view: View) -> Reason | None:
        if (new := self._new_labels(view)) is None:
            return None
        if self._spec.versions == "in force":
            new = new.by(view.model.version)
        rows = weighing(view, new.rows)
        if len(rows) == 0:
            return None
        metric = view.metric(self._spec.metric)
        for group in self._take(view, rows):
            held = self._windows[group]
            if len(held) < self._spec.min_labels:
                continue
            window = view.answered(np.fromiter(held, dtype=np.int64, count=len(held)))
            if self._spec.test is not None:
                reason = self._tested(view, window, self._spec.test)
                return reason and replace(reason, since=when(view, held[0]))
            self._values[group] = metric(window.outcomes)
        return self._worst(view, metric)

    def _take(self, view: View, rows: NDArray[np.int64]) -> list[Any]:
        """Put new rows into their windows; returns the groups that have some."""
        groups = [None] * len(rows) if self._spec.group is None else view.group(rows).tolist()
        for group, row in zip(groups, rows.tolist(), strict=True):
            self._windows.setdefault(group, deque(maxlen=self._spec.window)).append(row)
        return list(dict.fromkeys(groups))

    def _worst(self, view: View, metric: Metric) -> Reason | None:
        """The group that is furthest beyond its floor; of equals the first."""
        worst, furthest = None, -math.inf
        for group, value in self._values.items():
            if group not in self._floors:
                self._floors[group] = self._floor(view, metric, group)
            if (limit := self._floors[group]) is None:
                continue
            beyond = limit.floor - value if metric.greater_is_better else value - limit.floor
            if beyond > furthest:
                worst, furthest = (group, value, limit), beyond
        if worst is None:
            return None
        group, value, (floor, what) = worst
        view.reading(value, floor)
        if not metric.worse(value, floor):
            return None
        whose = "" if self._spec.group is None else f"group {group!r}: "
        sentence = f"{whose}{metric.name} {digits(value)} is worse than {what} {digits(floor)}"
        return Reason(sentence, value, floor, when(view, self._windows[group][0]))

    def _floor(self, view: View, metric: Metric, group: Any) -> Limit | None:
        """What a group must not fall below; None where there is no reference."""
        if group is None or self._spec.below is not None:
            return self._spec.limit(view, metric)
        if (reference := view.model.reference) is None:
            return None
        mine = (view.group(reference.rows) == group) & (view.weight(reference.rows) > 0)
        if mine.sum() < self._spec.min_labels:
            return None
        return self._spec.limit_under(metric, pick(reference.outcomes, mine))

    def _tested(self, view: View, window: Arrived, level: float) -> Reason | None:
        reference = view.model.reference
        if reference is None:
            return None
        now = estimate(window.loss, view.weight(window.rows))
        usual = estimate(reference.loss, reference.outcomes.weight)
        chance = chance_larger(now, usual)
        view.reading(chance, level)
        if not chance < level:
            return None
        sentence = f"mean loss {digits(now.mean)} is above the reference {digits(usual.mean)}"
        return Reason(f"{sentence} ({p_value(chance)})", chance, level)


# --- errors -------------------------------------------------------------------------------------

#: River's detectors by name; those of the second group take errors that are 0 or 1.
_DETECTORS = ("ADWIN", "KSWIN", "PageHinkley")
_BINARY = ("DDM", "EDDM", "FHDDM", "HDDMA", "HDDMW")
#: Newest losses that are compared with all before them, to tell a rise from a fall.
_NEWEST = 30


@dataclass(frozen=True, repr=False)
class ErrorDrift(Part):
    """When a drift detector sees the served losses rise, in the order in which labels arrive.

    The detectors are river's. Some of them also notice a fall; that is no reason to retrain, so an
    alarm counts only when the newest 30 losses are on average above those before them. A detector
    takes every loss for one, whatever its row weighs; those of rows of weight 0 are left out.

    Parameters
    ----------
    detector : {"ADWIN", "KSWIN", "PageHinkley", "DDM", "EDDM", "FHDDM", "HDDMA", "HDDMW"}
        The last five take losses that are 0 or 1.
    options : mapping
        Parameters of the detector, such as ``{"delta": 0.01}``.

    >>> ErrorDrift("KSWIN", {"alpha": 0.01})
    ErrorDrift(detector='KSWIN', options={'alpha': 0.01})
    """

    detector: Annotated[str, OneOf(choices=(*_DETECTORS, *_BINARY))] = "ADWIN"
    options: Mapping[str, Any] = field(default_factory=dict)

    def check_parameters(self) -> None:
        """Refuse options that the detector does not take."""
        if not isinstance(self.options, Mapping):
            raise PartError(
                f"ErrorDrift({self.detector!r}, options={code(self.options)}): give a mapping from "
                "names to values, such as {'delta': 0.01}"
            )
        try:
            detector = self.build()
            for loss in (True, False) * 50:  # some look at their options only then
                detector.update(loss)
        except Exception as error:
            raise PartError(
                f"ErrorDrift({self.detector!r}, options={dict(self.options)}): {error}"
            ) from None

    def build(self) -> Any:
        """A new detector of river's."""
        from river import drift  # slow to import, and rarely needed

        options = dict(self.options)
        if self.detector == "KSWIN":
            options.setdefault("seed", 0)  # it samples, and two replays must be equal
        home = drift.binary if self.detector in _BINARY else drift
        return getattr(home, self.detector)(**options)

    def check_setup(self, setup: Setup) -> None:
        """Refuse detectors of binary errors for losses that are not binary."""
        if self.detector in _BINARY and setup.row_loss.name != "zero_one":
            raise PartError(
                f"ErrorDrift({self.detector!r}) takes losses that are 0 or 1, but the loss is "
                f"{setup.row_loss.name!r}; use one of {', '.join(_DETECTORS)}"
            )

    def monitor(self) -> Monitor:
        """A watch over arrived losses."""
        return _ErrorMonitor(self)


class _ErrorMonitor(Detector):
    _spec: ErrorDrift
    _dated: tuple[int, int] | None = None

    def restart(self, view: View) -> None:
        self._detector = self._spec.build()
        self._newest: deque[float] = deque(maxlen=_NEWEST)
        self._before, self._count = 0.0, 0

    def alarm(self, view: View) -> Reason | None:
        if (new := self._new_labels(view)) is None:
            return None
        reason = None
        rows = weighing(view, new.by(view.model.version).rows)
        for loss in view.answered(rows).loss.tolist():
            if len(self._newest) == _NEWEST:
                self._before += self._newest[0]
                self._count += 1
            self._newest.append(loss)
            self._detector.update(bool(loss) if self._spec.detector in _BINARY else loss)
            if self._detector.drift_detected:
                reason = self._risen() or reason
        if self._count:
            view.reading(*self._means())
        alarm = view.model.version, len(view.trainings)
        if reason is None or alarm == self._dated:  # an alarm that stays on has its date
            return reason
        self._dated = alarm
        return replace(reason, since=self._began(view))

    def _began(self, view: View) -> pd.Timestamp:
        """Where the losses are lowest against their mean so far: the CUSUM estimate of a rise.

        Hinkley (1971), Biometrika 58, 509-523. What ADWIN still keeps at its first alarm reaches
        far back.
        """
        rows = weighing(view, view.arrived().by(view.model.version).rows)
        loss = view.answered(rows).loss
        lowest = int(np.argmin(np.cumsum(loss - loss.mean())))
        return when(view, rows[min(lowest + 1, len(rows) - 1)])

    def _means(self) -> tuple[float, float]:
        """Mean of the newest losses, and of all before them."""
        return sum(self._newest) / len(self._newest), self._before / self._count

    def _risen(self) -> Reason | None:
        now, usual = self._means() if self._count else (0.0, 0.0)
        if now <= usual:
            return None
        return Reason(
            f"{self._spec.detector}: mean loss rose from {digits(usual)} to {digits(now)}",
            now,
            usual,
        )

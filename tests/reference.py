"""A replay as plain as it can be: one loop over all instants, one row at a time, no cleverness.

It is the truth that the fast replay is held against. It shares no code with it but plain data
(streams, selections, outcomes) and, where a part's own arithmetic is not in question, the part:
such a part is given a `SlowView`, which answers by looking through lists.

Instants are nanoseconds; `None` for a label time means that the label never arrives.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ParameterGrid, TimeSeriesSplit

from backtrain import Delays, Reason, Selection
from backtrain.datasets.calendar import UTC
from backtrain.simulator import stability
from backtrain.simulator.asking import needs_parent
from backtrain.simulator.metrics import Outcomes, find_metric
from backtrain.simulator.model import State
from backtrain.simulator.setup import pick
from backtrain.simulator.view import FitError
from backtrain.strategies import (
    AllOf,
    AnyOf,
    BeatsChampion,
    Budget,
    Cooldown,
    Decay,
    Every,
    EveryRows,
    Expanding,
    Never,
    OnDates,
    PartialFit,
    PerformanceDrop,
    Random,
    Recorded,
    Refit,
    Retune,
    Sliding,
)

LOSSES = {
    "absolute": lambda y, p: abs(y - p),
    "squared": lambda y, p: (y - p) ** 2,
    "zero_one": lambda y, p: float(y != p),
}


class CannotFitError(Exception):
    """A training that yields no model."""


class NothingThereError(CannotFitError):
    """Because there is nothing to learn from."""


@dataclass
class SlowVersion:
    """A fitted model and what is known about it."""

    replay: SlowReplay
    version: int
    model: Any
    rows: list[int]
    decided: int
    parent: SlowVersion | None

    @property
    def decided_at(self) -> pd.Timestamp:
        return pd.Timestamp(self.decided)

    @property
    def selection(self) -> Selection:
        return Selection(np.array(self.rows, dtype=np.int64))

    @property
    def in_force_since(self) -> pd.Timestamp:
        deployments = self.replay.truth.deployments
        return pd.Timestamp(max(at for version, at in deployments if version == self.version))

    @property
    def learnt(self) -> np.ndarray:
        """Its rows, and those of its parents where it goes on from them."""
        rows, version = set(self.rows), self.parent
        while version is not None and needs_parent(self.replay.strategy.update):
            rows |= set(version.rows)
            version = version.parent
        return np.array(sorted(rows), dtype=np.int64)

    @property
    def first_row(self) -> int:
        since = self.in_force_since.value
        return min(i for i, at in enumerate([*self.replay.event, since]) if at >= since)

    @property
    def estimator(self) -> Any:
        return self.model

    def answer(self, row: int) -> Any:
        if self.replay.told is not None:
            return self.replay.told[row]
        return self.model.predict(self.replay.features([row]))[0]

    def told(self, row: int) -> tuple[Any, list[float] | None]:
        """What it says of a row: answer and probabilities."""
        chances = getattr(self.model, "predict_proba", None)
        told = None if chances is None else chances(self.replay.features([row]))[0].tolist()
        return self.answer(row), told

    def row_loss(self, row: int) -> float:
        return self.replay.loss_of(row, self.answer(row))

    def score(self, row: int) -> float | None:
        """Probability of the positive class, or of the predicted one where there is none."""
        if not hasattr(self.model, "predict_proba"):
            return None
        probability = self.model.predict_proba(self.replay.features([row]))[0].tolist()
        told = dict(zip(self.model.classes_.tolist(), probability, strict=True))
        positive = self.replay.positive
        return told.get(self.answer(row) if positive is None else positive, 0.0)

    def predict(self, rows: Any) -> np.ndarray:
        self.replay.rescored(self.version, len(listed(rows)))
        return np.array([self.answer(row) for row in listed(rows)])

    def loss(self, rows: Any) -> np.ndarray:
        self.replay.rescored(self.version, len(listed(rows)))
        self.replay.buy(listed(rows))
        return np.array([self.row_loss(row) for row in listed(rows)])

    def outcomes(self, rows: Any) -> Outcomes:
        self.replay.rescored(self.version, len(listed(rows)))
        return self.known_outcomes(rows)

    def known_outcomes(self, rows: Any) -> Outcomes:
        self.replay.buy(listed(rows))
        rows = listed(rows)
        predictions, scores = [self.answer(row) for row in rows], [self.score(row) for row in rows]
        return self.replay.outcomes(rows, predictions, scores)

    @property
    def reference(self) -> Any:
        """The newest fifth of the training rows, answered by a fit on the rest; computed once."""
        if not hasattr(self, "_reference"):
            self._reference = self._held_out_fifth()
        return self._reference

    def _held_out_fifth(self) -> Any:
        held = int(0.2 * len(self.rows))
        if held == 0:
            return self._without_reference()
        older, newest = self.rows[:-held], self.rows[-held:]
        parent = self.parent.model if self.parent else None
        try:
            model = self.replay.fitted(older, parent, self.decided)
        except CannotFitError:
            return self._without_reference()
        kind, owner = ("initial", 0) if self.replay.model is None else ("train", self.version)
        passed = rows_passed(self.replay.strategy.update, len(older))
        self.replay.charge(kind, owner, passed / 1000, "per_1k_rows")
        twin = SlowVersion(self.replay, self.version, model, older, self.decided, self.parent)
        return SimpleNamespace(
            rows=newest,
            outcomes=twin.known_outcomes(newest),
            loss=np.array([twin.row_loss(row) for row in newest]),
        )

    def _without_reference(self) -> None:
        champion = self.replay.model
        self.replay.event_("no reference", None if champion is None else champion.version)


@dataclass
class Training:
    """A challenger on its way into force."""

    challenger: SlowVersion
    trial: Any
    due: int | None
    fitted_rows: int
    stage: str = "training"
    trial_row: int | None = None
    terms: Any = None  # the verdict under which it waits, or has last waited
    on_trial: SlowVersion | None = None  # who has last waited on them
    answered: bool = False
    reviewed: bool = False

    def waits(self) -> bool:
        return self.stage == "waiting"


@dataclass
class Truth:
    """What the plain replay found."""

    served_by: dict[int, int] = field(default_factory=dict)
    prediction: dict[int, Any] = field(default_factory=dict)
    score: dict[int, float | None] = field(default_factory=dict)
    loss: dict[int, float] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[tuple[int, int]] = field(default_factory=list)
    events: list[tuple[int, str, int | None]] = field(default_factory=list)
    charges: dict[tuple[int, str, int], float] = field(default_factory=lambda: defaultdict(float))


class SlowReplay:
    """Replays ``strategy`` as ``backtest`` would, row by row. `run` once."""

    def __init__(self, backtest: Any, strategy: Any) -> None:
        stream = backtest.stream
        self.backtest, self.strategy, self.prices = backtest, strategy, backtest.prices
        self.told, self.delays = None, backtest.delays
        self.X, self.y = stream.X, stream.y
        self.event = stream.event_time.astype("datetime64[ns]").astype(np.int64).tolist()
        self.label = [
            None if np.isnat(at) else int(at.astype("datetime64[ns]").astype(np.int64))
            for at in stream.label_time
        ]
        self.weight = [1.0] * len(stream) if stream.weight is None else stream.weight.tolist()
        self.start = pd.Timestamp(backtest.start).as_unit("ns").value
        end = stream.event_time[-1] if backtest.end is None else backtest.end
        self.end = pd.Timestamp(end).as_unit("ns").value
        self.last_tick = min(self.end, self.event[-1])
        self.served = [i for i, at in enumerate(self.event) if self.start <= at <= self.end]
        self.classify = is_classifier(backtest.model)
        default = "zero_one" if self.classify else "absolute"
        self.row_loss = LOSSES[backtest.loss or default]
        arriving = [label for label, at in zip(self.y, self.label, strict=True) if at is not None]
        self.classes = sorted(set(arriving)) if self.classify else None
        before = [i for i, at in enumerate(self.event) if at < self.start]
        known = [i for i in before if self.label[i] is not None and self.label[i] <= self.start]
        seen = sorted({self.y[i] for i in known})
        self.positive = seen[1] if self.classify and len(seen) == 2 else None
        self.ticks = self._ticks(backtest.tick)
        if isinstance(strategy.trigger, Recorded):
            self._take_down(strategy.trigger)
        self.agenda = {self.start, *self.ticks, *(self.event[i] for i in self.served)}
        self.agenda |= {at for at in self.label if at is not None and self.start <= at <= self.end}
        self.now, self.spent = self.start, 0.0
        self.account: int | None = None  # who pays for labels, where it is not the model in force
        self.known: list[int] = []
        self.bought: set[int] = set()
        self.trainings: list[int] = []
        self.training: Training | None = None
        self.model: SlowVersion | None = None
        self.reason: Reason | None = None
        self.job: int | None = None  # the version that is being prepared
        self.looked_at: list[int] = []
        self.passed = 0  # rows of all fits of one training
        self.given: dict[int, dict[int, float]] = {}  # weights of rows, by instant of the decision
        self.noted: tuple[str, str, pd.Timestamp] | None = None
        self.watching = False
        self.truth = Truth()

    def _ticks(self, tick: Any) -> set[int]:
        if isinstance(tick, int):
            # An instant at which another multiple of the number has been served, and then the next.
            instants = sorted({self.event[i] for i in self.served})
            so_far = [sum(self.event[i] <= at for i in self.served) // tick for at in instants]
            return {
                after
                for k, after in enumerate(instants[1:])
                if so_far[k] > (so_far[k - 1] if k else 0)
            }
        step = pd.tseries.frequencies.to_offset(tick)
        ticks, k = set(), 1
        while (at := (pd.Timestamp(self.start) + k * step).value) <= self.last_tick:
            ticks.add(at)
            k += 1
        return ticks

    def _take_down(self, recorded: Recorded) -> None:
        """Rows are answered as they really were, at once; each date is a tick of its own."""
        table = recorded.predictions.frame
        self.told = dict(zip(table["row"], table["prediction"], strict=True))
        self.delays = Delays()
        dates = [pd.Timestamp(date).value for date in recorded.dates]
        self.ticks |= {at for at in dates if self.start < at <= self.last_tick}

    def run(self) -> Truth:
        self.learn_of_labels()
        trigger = self.tuned()
        self.first_model()
        monitor = monitor_of(trigger)
        while self.agenda:
            self.now = min(self.agenda)
            self.agenda.remove(self.now)
            self.learn_of_labels()
            self.settle(self.now in self.ticks)
            if self.now in self.ticks:
                self.watching = True
                reason = monitor.fires(SlowView(self))
                self.watching = False
                if reason is not None:
                    self.consider(reason)
            self.serve()
        return self.truth

    # --- rows and labels ------------------------------------------------------------------------

    def past(self) -> list[int]:
        return [i for i, at in enumerate(self.event) if at < self.now]

    def learn_of_labels(self) -> None:
        seen = set(self.known)
        new = [
            (self.label[i], i)
            for i in self.past()
            if i not in seen and self.label[i] is not None and self.label[i] <= self.now
        ]
        self.known += [i for _, i in sorted(new)]

    def labelled(self) -> list[int]:
        return sorted(self.known)

    def serve(self) -> None:
        truth = self.truth
        for row in [i for i in self.served if self.event[i] == self.now]:
            by = self.model
            training = self.training
            if training is not None and training.terms is not None:
                pair = [self.model, training.on_trial]
                by = pair.pop(self.is_for_challenger(training, row))
                if training.terms.watch:
                    self.charge("predict", pair[0].version, 1e-3, "per_1k_predictions")
            truth.served_by[row] = by.version
            truth.prediction[row], truth.score[row] = by.answer(row), by.score(row)
            self.charge("predict", by.version, 1e-3, "per_1k_predictions")
            if self.label[row] is not None:
                truth.loss[row] = self.loss_of(row, truth.prediction[row])
                self.charge("error", by.version, truth.loss[row] * self.weight[row], "error")

    def is_for_challenger(self, training: Training, row: int) -> bool:
        share = training.terms.share
        if training.trial_row is None:
            return False
        if training.terms.sticky:
            group = np.array([str(self.backtest.stream.group[row])], dtype=object)
            return bool(pd.util.hash_array(group)[0] / 2.0**64 < share)
        place = row - training.trial_row
        exact = Fraction(str(share))  # 90 * 0.7 is less than 63 in floating point
        return math.floor((place + 1) * exact) > math.floor(place * exact)

    def loss_of(self, row: int, prediction: Any) -> float:
        return float(self.row_loss(self.y[row], prediction))

    def features(self, rows: list[int]) -> Any:
        return self.backtest.stream.take(np.array(rows, dtype=np.int64))

    def outcomes(
        self, rows: list[int], predictions: list[Any], scores: list[float | None]
    ) -> Outcomes:
        weight = None
        if self.backtest.stream.weight is not None:
            weight = np.array([self.weight[i] for i in rows])
        if not self.classify:
            return Outcomes(self.y[rows], np.array(predictions), weight=weight)
        return Outcomes(
            np.array([self.classes.index(self.y[i]) for i in rows]),
            np.array([self.classes.index(p) for p in predictions]),
            None if None in scores else np.array(scores),
            classes=np.array(self.classes),
            weight=weight,
        )

    # --- money ----------------------------------------------------------------------------------

    def charge(self, kind: str, version: int, quantity: float, price: str) -> None:
        amount = quantity * getattr(self.prices, price)
        if amount:
            self.truth.charges[self.now, kind, version] += amount
            if kind not in ("initial", "predict", "error"):
                self.spent += amount

    def buy(self, rows: list[int], version: int | None = None) -> None:
        if version is None:
            in_force = 0 if self.model is None else self.model.version
            version = in_force if self.account is None else self.account
            if self.job is not None:
                version = self.job
                if self.model is not None and self.job == len(self.truth.versions):
                    self.looked_at += [row for row in rows if row not in self.bought]
                    self.bought |= set(rows)
                    return
        for row in rows:
            if row not in self.bought:
                self.bought.add(row)
                before = self.event[row] < self.start
                self.charge("initial" if before else "label", version, 1, "label")

    def pay_for_looks(self, version: int) -> None:
        """Charge the labels that a window or a gate's check has bought."""
        for row in self.looked_at:
            before = self.event[row] < self.start
            self.charge("initial" if before else "label", version, 1, "label")
        self.looked_at = []

    def rescored(self, version: int, count: int) -> None:
        """A monitor pays for rows that it has scored anew."""
        if self.watching:
            owner = self.model.version if version < 0 else version
            self.charge("predict", owner, count / 1000, "per_1k_predictions")
            self.spent += count / 1000 * self.prices.per_1k_predictions

    # --- training -------------------------------------------------------------------------------

    def weights_of(self, rows: list[int], decided: int) -> np.ndarray | None:
        spec, own = self.strategy.window, self.backtest.stream.weight
        if decided in self.given:
            weights = np.array([self.given[decided][i] for i in rows])
            return weights if own is None else own[rows] * weights
        if not isinstance(spec, Decay):
            return None if own is None else own[rows]
        age = np.array([decided - self.event[i] for i in rows])
        weights = 0.5 ** (age / pd.Timedelta(spec.half_life).value)
        return weights if own is None else own[rows] * weights

    def fitted(self, rows: list[int], parent: Any, decided: int) -> Any:
        if self.told is not None:
            self.passed += len(rows)
            return None
        self.passed += rows_passed(self.strategy.update, len(rows))
        return self.fit(self.strategy.update, rows, self.weights_of(rows, decided), parent)

    def fit(self, update: Any, rows: list[int], weights: Any, parent: Any) -> Any:
        if not rows:
            raise NothingThereError("no rows")
        afresh = parent is None or isinstance(update, (Refit, Retune))
        if afresh and is_classifier(self.backtest.model) and len({self.y[i] for i in rows}) == 1:
            raise NothingThereError("one class only")
        blank = clone(self.backtest.model)
        try:
            if isinstance(update, Refit):
                extra = {} if weights is None else {"sample_weight": weights}
                return blank.fit(self.features(rows), self.y[rows], **extra)
            return update.fit(blank, self.features(rows), self.y[rows], weights, parent, 0)
        except Exception as error:
            if is_classifier(self.backtest.model) and len({self.y[i] for i in rows}) == 1:
                raise NothingThereError("one class only") from error
            raise CannotFitError(str(error)) from error

    def tuned(self) -> Any:
        trigger = self.strategy.trigger
        if not hasattr(trigger, "prepare"):
            return trigger
        tuned = trigger.prepare(SlowView(self))
        if repr(tuned) != repr(trigger):
            self.event_("tuned", None)
        return tuned

    def candidate(self, when: int) -> SlowVersion | None:
        known = [
            i
            for i, at in enumerate(self.event)
            if at < when and self.label[i] is not None and self.label[i] <= when
        ]
        rows = self.window(known, when)
        self.buy(rows)
        self.charge("initial", 0, len(rows) / 1000, "per_1k_rows")
        try:
            model = self.fitted(rows, None, when)
        except CannotFitError:
            return None
        return SlowVersion(self, -1, model, rows, when, None)

    def fit_for_part(self, update: Any, rows: list[int], weights: Any, labels: bool) -> SlowVersion:
        """What a window has fitted beside; ``weights`` are its own."""
        own = self.backtest.stream.weight
        if own is not None:
            weights = own[rows] if weights is None else own[rows] * weights
        self.passed += rows_passed(update, len(rows))
        if not labels:
            blank = clone(self.backtest.model)
            model = update.fit(blank, self.X[rows], None, weights, None, 0)
        else:
            self.buy(rows)
            model = self.fit(update, rows, weights, None)
        return SlowVersion(self, -1, model, rows, self.now, None)

    def window(self, known: list[int] | None = None, now: int | None = None) -> list[int]:
        spec, rows = self.strategy.window, self.labelled() if known is None else known
        spec = spec.window if type(spec) is Decay else spec
        if isinstance(spec, Expanding):
            return rows
        if not isinstance(spec, Sliding):  # the part itself, on a slow view
            return self.remembered(self.strategy.window.select(SlowView(self)))
        if isinstance(spec.length, int):
            return rows[-spec.length :]
        now = pd.Timestamp(self.now if now is None else now)
        since = now - pd.tseries.frequencies.to_offset(spec.length)
        return [i for i in rows if self.event[i] >= since.value]

    def remembered(self, selection: Selection) -> list[int]:
        """The rows of a selection, whose weights are kept for the fits of this decision."""
        rows = listed(selection.indices())
        if selection.weights is not None:
            self.given[self.now] = dict(zip(rows, selection.weights.tolist(), strict=True))
        return rows

    def rows_to_learn(self) -> tuple[list[int], SlowVersion | None]:
        """What is learnt from, and the model that learns on."""
        rows, update = self.window(), self.strategy.update
        if not isinstance(update, PartialFit):
            return rows, self.model
        decided = self.model.decided
        unknown = [i for i in rows if self.label[i] > decided or self.event[i] >= decided]
        if self.classify and {self.y[i] for i in unknown} - set(self.model.model.classes_):
            self.buy(unknown)
            return rows, None
        drawn = []
        wanted = round(Fraction(str(update.replay)) * len(unknown))
        if wanted:
            old = [place for place, i in enumerate(rows) if i not in unknown]
            count = min(wanted, len(old))
            random = np.random.default_rng([update.seed, self.now])
            drawn = [rows[place] for place in sorted(random.choice(old, count, replace=False))]
        return drawn + sorted(unknown, key=lambda i: (self.label[i], i)), self.model

    def first_model(self) -> None:
        self.job = self.passed = 0
        rows = self.window()
        self.model = SlowVersion(
            self, 0, self.fitted(rows, None, self.start), rows, self.start, None
        )
        self.charge("initial", 0, 1, "retrain")
        self.charge("initial", 0, self.passed / 1000, "per_1k_rows")
        self.buy(rows)
        self.pay_for_looks(0)
        self.job = None
        self.add_version(0, rows, self.start, "initial")
        self.event_("initial", 0)
        self.truth.deployments.append((0, self.start))

    def consider(self, reason: Reason) -> None:
        training = self.training
        busy = training is not None and not (training.waits() and training.terms.supersede)
        kind = "busy" if busy else self.obstacle()
        if kind is None:
            self.job, self.passed, self.reason = len(self.truth.versions), 0, reason
            self.decide()
            self.job = self.reason = None
            self.settle(False)
        elif (kind, reason.sentence, reason.raised_at) != self.noted:
            self.noted = kind, reason.sentence, reason.raised_at  # once, as long as it stays on
            self.event_(kind, None)

    def obstacle(self) -> str | None:
        strategy, now = self.strategy, pd.Timestamp(self.now)
        if strategy.budget is not None and len(self.trainings) >= strategy.budget:
            return "budget"
        cooldown = pd.Timedelta(strategy.cooldown or 0)
        if self.trainings and now < pd.Timestamp(self.trainings[-1]) + cooldown:
            return "cooldown"
        for entry in strategy.blackout:
            if not isinstance(entry, str | tuple):
                if entry.until(now, UTC) is not None:
                    return "blackout"
                continue
            if isinstance(entry, str):
                entry = (entry, pd.Timestamp(entry) + pd.Timedelta("1D"))
            if pd.Timestamp(entry[0]) <= now < pd.Timestamp(entry[1]):
                return "blackout"
        return None

    def decide(self) -> None:
        number = len(self.truth.versions)
        trial = trial_of(self.strategy.gate)
        rows, parent = self.rows_to_learn()
        if trial.check(Selection(np.array(rows, dtype=np.int64)), SlowView(self)) is not None:
            self.event_("refused", None)
            self.pay_for_looks(self.model.version)
            return
        if self.training is not None:
            old, self.training = self.training.challenger.version, None
            self.truth.versions[old]["outcome"] = "superseded"
            self.event_("superseded", old)
        self.trainings.append(self.now)
        self.event_("trained", number)
        train = listed(trial.reserve(Selection(np.array(rows, dtype=np.int64)))[0].indices())
        self.add_version(number, train, None, "pending")
        self.pay_for_looks(number)
        model, failed = None, ""
        try:
            model = self.fitted(train, parent and parent.model, self.now)
        except NothingThereError:
            failed = "nothing to learn"
        except CannotFitError:
            failed = "failed"
        goes_on = parent is not None and needs_parent(self.strategy.update)
        if self.passed or not failed:
            own = goes_on and self.prices.update is not None
            self.charge("train", number, 1, "update" if own else "retrain")
            self.charge("train", number, self.passed / 1000, "per_1k_rows")
            self.buy(rows, number)
        if failed:
            self.truth.versions[number]["outcome"] = "failed"
            self.event_(failed, number)
            return
        challenger = SlowVersion(self, number, model, train, self.now, parent)
        self.note_nothing_learnt(challenger)
        self.training = Training(challenger, trial, None, len(train))
        own = goes_on and self.delays.update is not None
        self.ready_in("update" if own else "train", self.passed)

    def note_nothing_learnt(self, child: SlowVersion) -> None:
        """A model that goes on from its parent and says the same of the newest hundred rows."""
        if child.parent is None:
            return
        newest = self.past()[-100:]
        alike = (child.told(row) == child.parent.told(row) for row in newest)
        if needs_parent(self.strategy.update) and self.told is None and all(alike):
            self.event_("learnt nothing", child.version)

    def ready_in(self, fixed: str | None, rows: int) -> None:
        delays = self.delays
        took = round(pd.Timedelta(delays.train_per_1k_rows).value * rows / 1000)
        if fixed is not None:
            took += pd.Timedelta(getattr(delays, fixed)).value
        self.training.due = self.now + took
        self.truth.versions[self.training.challenger.version]["ready_at"] = self.training.due
        self.remember(self.training.due)

    def remember(self, at: int) -> None:
        if self.now < at <= self.end:
            self.agenda.add(at)

    # --- from ready to in force -----------------------------------------------------------------

    def settle(self, is_tick: bool) -> None:
        while (training := self.training) is not None:
            is_due = training.due is not None and training.due <= self.now
            if not is_due and not (is_tick and training.waits() and training.terms.ticks):
                return
            is_tick = False
            if training.stage == "deploying":
                self.put_in_force(training)
            else:
                self.review(training)

    def review(self, training: Training) -> None:
        version = self.account = training.challenger.version
        verdict = training.trial.review(SlowView(self, training))
        self.account = None
        if verdict.reviewed and not training.reviewed:
            training.reviewed = True
            self.charge("deploy", version, 1, "review")
        if verdict.action == "deploy":
            training.stage = "deploying"
            training.due = self.now + pd.Timedelta(self.delays.deploy).value
            self.remember(training.due)
        elif verdict.action == "reject":
            outcome = "rolled back" if training.answered else "rejected"
            self.truth.versions[version]["outcome"] = outcome
            self.event_(outcome, version)
            self.training = None
        elif verdict.action == "wait":
            self.wait(training, verdict)
        else:
            self.fit_again(training, listed(verdict.selection.indices()))

    def wait(self, training: Training, verdict: Any) -> None:
        if training.trial_row is None and (verdict.share > 0 or verdict.watch):
            training.trial_row = len(self.past())
        old, new = training.terms, training.on_trial is not training.challenger
        if new or (old.share, old.sticky, old.watch) != (
            verdict.share,
            verdict.sticky,
            verdict.watch,
        ):
            self.event_("waiting", training.challenger.version)
        training.stage, training.terms = "waiting", verdict
        training.on_trial = training.challenger
        training.answered = training.answered or verdict.share > 0
        training.due = None if verdict.until is None else verdict.until.value
        if training.due is not None:
            self.remember(training.due)

    def fit_again(self, training: Training, rows: list[int]) -> None:
        old, number, self.passed = training.challenger, training.challenger.version, 0
        model = self.fitted(rows, old.parent and old.parent.model, old.decided)
        training.challenger = SlowVersion(self, number, model, rows, old.decided, old.parent)
        self.note_nothing_learnt(training.challenger)
        self.truth.versions[number]["rows"] = rows
        self.charge("train", number, self.passed / 1000, "per_1k_rows")
        self.buy(rows, number)
        self.event_("refit", number)
        training.stage = "training"
        self.ready_in(None, self.passed)

    def put_in_force(self, training: Training) -> None:
        version = training.challenger.version
        self.truth.versions[version]["outcome"] = "deployed"
        self.charge("deploy", version, 1, "release")
        self.event_("deployed", version)
        self.truth.deployments.append((version, self.now))
        self.note_changes(self.model, training.challenger)
        self.model, self.training = training.challenger, None

    def note_changes(self, old: SlowVersion, new: SlowVersion) -> None:
        """How far both versions' answers to each of the newest rows lie apart; by weight."""
        rows = self.past()[-stability.COMPARED :]
        weight = [self.weight[i] for i in rows]
        if self.told is not None or not sum(weight):
            return
        moved, flipped = [], []
        for row in rows:
            (was, chances), (now, others) = old.told(row), new.told(row)
            flipped.append(float(was != now))
            if self.classes is None:
                moved.append(abs(now - was))
            elif chances is None:
                moved.append(math.nan)
            else:
                before = dict(zip(old.model.classes_, chances, strict=True))
                after = dict(zip(new.model.classes_, others, strict=True))
                either = before.keys() | after.keys()
                gaps = {c: abs(after.get(c, 0.0) - before.get(c, 0.0)) for c in either}
                positive = self.positive
                moved.append(sum(gaps.values()) / 2 if positive is None else gaps.get(positive, 0))
        changed, share = (
            sum(w * x for w, x in zip(weight, values, strict=True)) / sum(weight)
            for values in (moved, flipped)
        )
        known = (changed, math.nan) if self.classes is None else (changed, share)
        self.truth.versions[new.version]["change"] = known
        self.charge("flip", new.version, known[self.classes is not None], "flip")

    # --- records --------------------------------------------------------------------------------

    def event_(self, kind: str, version: int | None) -> None:
        self.truth.events.append((self.now, kind, version))

    def add_version(self, number: int, rows: list[int], ready: int | None, outcome: str) -> None:
        self.truth.versions.append(
            {
                "version": number,
                "parent": None if number == 0 else self.model.version,
                "decided_at": self.now,
                "ready_at": ready,
                "outcome": outcome,
                "rows": rows,
            }
        )


def rows_passed(update: Any, rows: int) -> int:
    """Rows of all fits of an update that is given so many."""
    if not isinstance(update, Retune) or rows <= update.splits:
        return rows
    folds = TimeSeriesSplit(update.splits).split(range(rows))
    tried = len(ParameterGrid(update.grid))
    tried = tried if update.search == "grid" else min(tried, update.iterations)
    return tried * sum(len(older) for older, _ in folds) + rows


def listed(rows: Any) -> list[int]:
    """Positions as a list."""
    return list(range(rows.start, rows.stop)) if isinstance(rows, slice) else [int(i) for i in rows]


# --- the view of parts that are used as they are ------------------------------------------------


class SlowView:
    """Answers what a part may ask, by looking through lists."""

    def __init__(self, replay: SlowReplay, training: Training | None = None) -> None:
        self._replay = replay
        self._training = training
        self.at, self.now = replay.now, pd.Timestamp(replay.now)
        self.start, self.prices = pd.Timestamp(replay.start), replay.prices
        self.spent, self.trainings = replay.spent, replay.trainings
        self.columns = replay.backtest.stream.columns
        self.calendar = replay.backtest.stream.calendar
        self.model, self.reason, self.update = replay.model, replay.reason, replay.strategy.update
        self.target = replay.backtest.stream.target
        self.task = "classification" if replay.classify else "regression"
        self.past = len(replay.past())
        self.labelled = SlowLabelled(replay)
        self._state = State()

    def reading(self, statistic: float, threshold: float = math.nan) -> None:
        """Readings are no part of the plain replay."""

    @property
    def challenger(self) -> SlowVersion:
        return self._training.challenger

    @property
    def trial_rows(self) -> slice:
        first = self._training.trial_row
        return slice(self.past if first is None else first, self.past)

    @property
    def served(self) -> SlowServed:
        return SlowServed(self._replay, [i for i in self._replay.served if i < self.past])

    @property
    def answered_so_far(self) -> int:
        return len(self.served)

    @property
    def arrivals(self) -> int:
        return len(self._served_arrivals())

    def arrived(self, since: int = 0) -> SlowArrived:
        rows = self._served_arrivals()
        return SlowArrived(self._replay, rows[since:], len(rows))

    def _served_arrivals(self) -> list[int]:
        return [i for i in self._replay.known if self._replay.event[i] >= self._replay.start]

    def answered(self, rows: Any) -> SlowArrived:
        return SlowArrived(self._replay, listed(rows), self.arrivals)

    def answers(self, rows: Any) -> Outcomes:
        truth, rows = self._replay.truth, listed(rows)
        assert all(row < self.past for row in rows)
        served, scores = [truth.prediction[i] for i in rows], [truth.score[i] for i in rows]
        told = self._replay.outcomes(rows, served, scores)
        return replace(told, label=np.full(len(rows), -1 if self._replay.classify else np.nan))

    def fit(self, update: Any, selection: Selection, labels: bool = True) -> SlowVersion:
        replay, rows = self._replay, listed(selection.indices())
        assert not labels or set(rows) <= set(replay.known)
        if replay.job is not None:
            try:
                return replay.fit_for_part(update, rows, selection.weights, labels)
            except CannotFitError as error:
                raise FitError(str(error)) from error
        if labels and replay.classify and len({replay.y[i] for i in rows}) == 1:
            raise FitError("one class only")
        blank, y = clone(replay.backtest.model), replay.y[rows] if labels else None
        if labels:
            replay.buy(rows)
        try:
            model = update.fit(blank, self.X(rows), y, None, None, 0)
        except Exception as error:
            raise FitError(str(error)) from error
        replay.charge("train", self.model.version, len(rows) / 1000, "per_1k_rows")
        self.spent = replay.spent
        return SlowVersion(replay, -1, model, rows, replay.now, None)

    def note(self, kind: str, reason: Reason) -> None:
        self._replay.event_(kind, self.model.version)

    def X(self, rows: Any) -> Any:  # noqa: N802  # as the view calls it
        assert all(row < self.past for row in listed(rows))
        return self._replay.features(listed(rows))

    def event_time(self, rows: Any) -> np.ndarray:
        assert all(row < self.past for row in listed(rows))
        return np.array([self._replay.event[row] for row in listed(rows)], dtype="datetime64[ns]")

    def group(self, rows: Any) -> Any:
        assert all(row < self.past for row in listed(rows))
        return np.array([self._replay.backtest.stream.group[row] for row in listed(rows)])

    def label_time(self, rows: Any) -> np.ndarray:
        assert all(row in self._replay.known for row in listed(rows))
        return self._replay.backtest.stream.label_time[listed(rows)]

    def weight(self, rows: Any) -> np.ndarray:
        assert all(row < self.past for row in listed(rows))
        return np.array([self._replay.weight[row] for row in listed(rows)])

    def candidate(self, when: pd.Timestamp) -> SlowVersion | None:
        return self._replay.candidate(when.value)

    def y(self, rows: Any) -> Any:
        assert set(listed(rows)) <= set(self._replay.known)
        self._replay.buy(listed(rows))
        self.spent = self._replay.spent
        return self._replay.y[listed(rows)]

    def metric(self, name: str) -> Any:
        return find_metric(name)

    def checked(self, count: int = 1) -> None:
        self._replay.charge("check", self.model.version, count, "check")
        self.spent = self._replay.spent


@dataclass
class SlowServed:
    """Rows that have been answered, and what was answered."""

    replay: SlowReplay
    rows: list[int]

    def __len__(self) -> int:
        return len(self.rows)

    def within(self, rows: slice) -> SlowServed:
        return SlowServed(self.replay, [i for i in self.rows if rows.start <= i < rows.stop])

    @property
    def version(self) -> np.ndarray:
        return np.array([self.replay.truth.served_by[i] for i in self.rows])

    @property
    def prediction(self) -> np.ndarray:
        return np.array([self.replay.truth.prediction[i] for i in self.rows])

    @property
    def score(self) -> np.ndarray:
        scores = [self.replay.truth.score[i] for i in self.rows]
        return self.prediction if None in scores else np.array(scores)


class SlowLabelled:
    """Past rows whose label has arrived."""

    def __init__(self, replay: SlowReplay) -> None:
        self._replay = replay

    def all(self) -> np.ndarray:
        return np.array(self._replay.labelled(), dtype=np.int64)

    def since(self, when: Any) -> np.ndarray:
        at = pd.Timestamp(when).value
        return np.array([i for i in self.all() if self._replay.event[i] >= at], dtype=np.int64)

    def within(self, length: Any) -> np.ndarray:
        return self.since(pd.Timestamp(self._replay.now) - length)

    def newest(self, n: int) -> np.ndarray:
        return self.all()[-n:]

    def arrived_after(self, when: pd.Timestamp, rows: Any) -> np.ndarray:
        label, event, rows = self._replay.label, self._replay.event, listed(rows)
        late = [p for p, i in enumerate(rows) if label[i] > when.value or event[i] >= when.value]
        return np.array(sorted(late, key=lambda p: label[rows[p]]), dtype=np.int64)

    def among(self, rows: Any) -> np.ndarray:
        return np.array([i for i in listed(rows) if i in self._replay.known], dtype=np.int64)


class SlowArrived:
    """Labels in the order of their arrival, beside what was served."""

    def __init__(self, replay: SlowReplay, rows: list[int], cursor: int) -> None:
        self._replay, self._rows, self.cursor = replay, rows, cursor

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> np.ndarray:
        return np.array(self._rows, dtype=np.int64)

    def by(self, version: int) -> SlowArrived:
        served_by, model = self._replay.truth.served_by, self._replay.model
        first = model.first_row if version == model.version else 0
        mine = [i for i in self._rows if served_by[i] == version and i >= first]
        return SlowArrived(self._replay, mine, self.cursor)

    @property
    def group(self) -> np.ndarray:
        return np.array([self._replay.backtest.stream.group[i] for i in self._rows])

    @property
    def label_time(self) -> np.ndarray:
        return np.array([self._replay.label[i] for i in self._rows], dtype="datetime64[ns]")

    @property
    def version(self) -> np.ndarray:
        return np.array([self._replay.truth.served_by[i] for i in self._rows], dtype=np.int64)

    @property
    def loss(self) -> np.ndarray:
        self._replay.buy(self._rows)
        return np.array([self._replay.truth.loss[i] for i in self._rows])

    @property
    def outcomes(self) -> Outcomes:
        self._replay.buy(self._rows)
        served = [self._replay.truth.prediction[i] for i in self._rows]
        scores = [self._replay.truth.score[i] for i in self._rows]
        return self._replay.outcomes(self._rows, served, scores)


# --- triggers, once more ------------------------------------------------------------------------


def monitor_of(trigger: Any) -> Any:
    """The plain twin of a trigger, or its own monitor where it has none."""
    for kind, twin in _TWINS.items():
        if type(trigger) is kind and not (kind is PerformanceDrop and trigger.test is not None):
            return (_Latched if twin is _DropTwin else _Dated)(twin(trigger))
    monitor = trigger.monitor()
    kind = _Latched if getattr(monitor, "latching", False) else _Dated
    return kind(monitor)


class _Dated:
    """Says of each reason when it was raised: now, unless a trigger inside has said so."""

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor

    def fires(self, view: SlowView) -> Reason | None:
        reason = self._monitor.fires(view)
        if reason is None or reason.raised_at is not None:
            return reason
        return replace(reason, raised_at=view.now)


class _Latched(_Dated):
    """An alarm stays on until a training is decided or another version comes into force."""

    def __init__(self, monitor: Any) -> None:
        super().__init__(monitor)
        self._alarms: dict[tuple[int, int], Reason] = {}

    def fires(self, view: SlowView) -> Reason | None:
        found, now = super().fires(view), (view.model.version, len(view.trainings))
        if found is not None:
            self._alarms.setdefault(now, found)
        return self._alarms.get(now)


class _NeverTwin:
    def __init__(self, spec: Any) -> None:
        pass

    def fires(self, view: SlowView) -> Reason | None:
        return None


class _Instants:
    """Fires when an instant of the schedule lies after the tick before, and not after now."""

    def __init__(self, spec: Any) -> None:
        self._spec, self._before = spec, None

    def fires(self, view: SlowView) -> Reason | None:
        before = view.start if self._before is None else self._before
        self._before = view.now
        passed = [at for at in self._instants(view) if before < at <= view.now]
        return Reason("scheduled") if passed else None

    def _instants(self, view: SlowView) -> list[pd.Timestamp]:
        if isinstance(self._spec, OnDates):
            return [pd.Timestamp(date) for date in self._spec.dates]
        every = pd.tseries.frequencies.to_offset(self._spec.every)
        phase = pd.Timedelta(self._spec.phase)
        found, k = [view.start + phase], 1
        while view.start + k * every <= view.now:
            found.append(view.start + k * every + phase)
            k += 1
        return found


class _EveryTwin:
    def __init__(self, spec: Every) -> None:
        self._spec, self._fixed = spec, _Instants(spec)

    def fires(self, view: SlowView) -> Reason | None:
        if self._spec.since == "start":
            return self._fixed.fires(view)
        last = pd.Timestamp(view.trainings[-1]) if view.trainings else view.start
        due = last + pd.tseries.frequencies.to_offset(self._spec.every)
        return Reason("long since the last") if view.now >= due else None


class _EveryRowsTwin:
    def __init__(self, spec: EveryRows) -> None:
        self._rows, self._before = spec.rows, 0

    def fires(self, view: SlowView) -> Reason | None:
        before, self._before = self._before, len(view.served)
        return Reason("rows") if self._before // self._rows > before // self._rows else None


class _RandomTwin:
    def __init__(self, spec: Random) -> None:
        self._rate, self._coin = spec.rate, np.random.default_rng(spec.seed)

    def fires(self, view: SlowView) -> Reason | None:
        return Reason("coin") if self._coin.random() < self._rate else None


class _SeveralTwin:
    def __init__(self, spec: AnyOf | AllOf) -> None:
        self._monitors = [monitor_of(trigger) for trigger in spec.triggers]
        self._need = 1 if isinstance(spec, AnyOf) else len(self._monitors)

    def fires(self, view: SlowView) -> Reason | None:
        fired = [reason for m in self._monitors if (reason := m.fires(view)) is not None]
        if len(fired) < self._need:
            return None
        if len(fired) == 1:
            return fired[0]
        dated = [reason.since for reason in fired if reason.since is not None]
        which = "; ".join(reason.sentence for reason in fired)
        raised_at = max(reason.raised_at for reason in fired)
        return Reason(which, since=(dated or [None])[0], raised_at=raised_at)


class _CooldownTwin:
    def __init__(self, spec: Cooldown) -> None:
        self._inner, self._offset = monitor_of(spec.trigger), pd.Timedelta(spec.offset)

    def fires(self, view: SlowView) -> Reason | None:
        reason = self._inner.fires(view)
        cool = not view.trainings or view.now - pd.Timestamp(view.trainings[-1]) >= self._offset
        return reason if cool else None


class _BudgetTwin:
    def __init__(self, spec: Budget) -> None:
        self._inner, self._spec = monitor_of(spec.trigger), spec

    def fires(self, view: SlowView) -> Reason | None:
        reason, spec = self._inner.fires(view), self._spec
        spent = spec.retrains is not None and len(view.trainings) >= spec.retrains
        prices = view.prices
        goes_on = needs_parent(view.update) and prices.update is not None
        fixed = (prices.update if goes_on else prices.retrain) + prices.review + prices.release
        dear = spec.money is not None and view.spent + fixed > spec.money
        return None if spent or dear else reason


class _DropTwin:
    """Goes through every arrival so far at every tick."""

    def __init__(self, spec: PerformanceDrop) -> None:
        self._spec, self._version, self._count = spec, None, 0

    def fires(self, view: SlowView) -> Reason | None:
        found = self._look(view)
        self._version, self._count = view.model.version, len(self._mine(view))
        return found

    def _mine(self, view: SlowView) -> list[int]:
        everything = view.arrived()
        if self._spec.versions == "in force":
            everything = everything.by(view.model.version)
        return [i for i in everything.rows.tolist() if view.weight([i])[0] > 0]

    def _has_news(self, view: SlowView) -> bool:
        before = 0 if self._is_new(view) else self._count
        return len(self._mine(view)) > before

    def _is_new(self, view: SlowView) -> bool:
        return self._spec.versions == "in force" and view.model.version != self._version

    def _look(self, view: SlowView) -> Reason | None:
        if not self._has_news(view):
            return None
        metric = view.metric(self._spec.metric)
        sign = 1 if metric.greater_is_better else -1
        beyond = []
        for group in self._groups(view):
            rows = [i for i in self._mine(view) if group in (None, self._group(view, i))]
            if len(rows) < self._spec.min_labels:
                continue
            value = metric(view.answered(rows[-self._spec.window :]).outcomes)
            floor = self._spec.below
            if floor is None:
                floor = self._margin(view, metric, group)
            if floor is not None and sign * value < sign * floor:
                beyond.append((abs(value - floor), value, floor, rows[-self._spec.window :][0]))
        if not beyond:
            return None
        _, value, floor, row = max(beyond, key=lambda found: found[0])
        return Reason("worse", value, floor, pd.Timestamp(view.event_time([row])[0]))

    def _group(self, view: SlowView, row: int) -> Any:
        return view.group([row])[0] if self._spec.group else None

    def _groups(self, view: SlowView) -> list[Any]:
        return list(dict.fromkeys(self._group(view, i) for i in self._mine(view)))

    def _margin(self, view: SlowView, metric: Any, group: Any) -> float | None:
        reference = view.model.reference
        if reference is None:
            return None
        outcomes = reference.outcomes
        if group is not None:
            mine = [
                k
                for k, i in enumerate(reference.rows)
                if self._group(view, i) == group and view.weight([i])[0] > 0
            ]
            if len(mine) < self._spec.min_labels:
                return None
            outcomes = pick(outcomes, np.array(mine))
        usual, drop = metric(outcomes), self._spec.drop
        gap = abs(usual) * float(drop[:-1]) / 100 if isinstance(drop, str) else drop
        return usual - gap if metric.greater_is_better else usual + gap


class _RecordedTwin(_Instants):
    def __init__(self, spec: Recorded) -> None:
        super().__init__(OnDates(spec.dates))


_TWINS = {
    Never: _NeverTwin,
    Recorded: _RecordedTwin,
    Every: _EveryTwin,
    OnDates: _Instants,
    EveryRows: _EveryRowsTwin,
    Random: _RandomTwin,
    AnyOf: _SeveralTwin,
    AllOf: _SeveralTwin,
    Cooldown: _CooldownTwin,
    Budget: _BudgetTwin,
    PerformanceDrop: _DropTwin,
}


# --- gates, once more ---------------------------------------------------------------------------


def trial_of(gate: Any) -> Any:
    """The plain twin of a gate's trial, or its own where it has none."""
    trial = _MatchTwin(gate) if isinstance(gate, BeatsChampion) else gate.open()
    return _Trial(trial)


class _Trial:
    """Refuses no training and holds nothing out, where a gate says nothing of it."""

    def __init__(self, trial: Any) -> None:
        self.review = trial.review
        self.check = getattr(trial, "check", lambda selection, view: None)
        self.reserve = getattr(trial, "reserve", lambda selection: (selection, None))


class _MatchTwin:
    def __init__(self, gate: BeatsChampion) -> None:
        self._gate, self._won = gate, False

    def check(self, selection: Selection, view: SlowView) -> None:
        return None

    def reserve(self, selection: Selection) -> tuple[Selection, Selection]:
        self._all, holdout = listed(selection.indices()), self._gate.holdout
        n = len(self._all)
        if isinstance(holdout, float):
            count = math.floor(n * Fraction(str(holdout)))
        else:
            count = max(0, min(holdout, n - 1))
        self._held = sorted(self._all)[n - count :]
        rest = [i for i in self._all if i not in self._held]
        return rows_of(rest), rows_of(self._held)

    def review(self, view: SlowView) -> Any:
        if self._won:
            return SimpleNamespace(action="deploy", reviewed=True)
        fair = [i for i in self._held if i not in view.model.rows and view.weight([i])[0] > 0]
        if len(fair) < self._gate.min_rows or not self._better(view, fair):
            return SimpleNamespace(action="reject", reviewed=True)
        if self._gate.refit:
            self._won = True
            return SimpleNamespace(action="refit", reviewed=True, selection=rows_of(self._all))
        return SimpleNamespace(action="deploy", reviewed=True)

    def _better(self, view: SlowView, rows: list[int]) -> bool:
        if self._gate.metric is None:
            weight = view.weight(rows)
            new, old = (
                sum(m.loss(rows) * weight) / sum(weight) for m in (view.challenger, view.model)
            )
            return old - new > self._gate.margin
        metric = view.metric(self._gate.metric)
        new, old = (metric(m.outcomes(rows)) for m in (view.challenger, view.model))
        return (new - old if metric.greater_is_better else old - new) > self._gate.margin


def rows_of(rows: list[int]) -> Selection:
    """Rows as the protocol takes them."""
    return Selection(np.array(rows, dtype=np.int64))

"""The loop: a history, a strategy, and what happens at every instant."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import starmap
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.asking import (
    Judge,
    check_setup,
    instants_of,
    monitor_of,
    needs_parent,
    rows_fitted,
    select,
    to_learn,
    trial_of,
    tuned,
)
from backtrain.simulator.clock import Clock
from backtrain.simulator.errors import PartError
from backtrain.simulator.fits import AnyUpdate, Fit, FitError
from backtrain.simulator.history import unchanged
from backtrain.simulator.ledger import Delays, Ledger
from backtrain.simulator.memory import LOOKS, Memory, without_global_random
from backtrain.simulator.parts import AnyTrigger, AnyWindow, Policy
from backtrain.simulator.predictions import Assignment, Candidate, Serving
from backtrain.simulator.probes import Probe
from backtrain.simulator.readings import Readings
from backtrain.simulator.reason import Reason
from backtrain.simulator.record import Run
from backtrain.simulator.recorded import RecordedLearner, recorded_instants
from backtrain.simulator.selection import Rows, Selection
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.tables import close
from backtrain.simulator.texts import code
from backtrain.simulator.threads import one_thread
from backtrain.simulator.training import Learner
from backtrain.simulator.verdict import Verdict
from backtrain.simulator.view import Model, View
from backtrain.store.content import content
from backtrain.store.fits import FitStore

_NAN = float("nan")
#: So many rows tell whether a training has changed anything.
NEWEST = 100


@dataclass(slots=True, eq=False)
class Job:
    """One decision to train, and what its fits have taken so far."""

    version: int
    kind: Literal["initial", "train"]
    rows: int = 0
    cpu_seconds: float = 0.0
    begun: bool = True  # false while its window and gate may still refuse it
    labels: tuple[int, int] = (0, 0)  # bought before that: of rows before start, and after


@dataclass(slots=True, eq=False)
class Challenger:
    """A training from its decision until it is deployed or rejected."""

    job: Job
    trial: Judge
    parent: Model | None  # None: it was fitted from scratch
    selection: Selection
    model: Model
    candidate: Candidate
    stage: Literal["training", "waiting", "deploying"] = "training"
    due: int | None = None  # None: the next tick
    trial_row: int | None = None
    answered: bool = False  # whether it has been given rows to answer
    reviewed: bool = False
    waits: Verdict | None = None  # on which terms it waits, or has last waited
    waiting: Candidate | None = None  # who has last waited on them

    @property
    def terms(self) -> Verdict | None:
        """The verdict on which it waits now."""
        return self.waits if self.stage == "waiting" else None

    def changes(self, verdict: Verdict) -> bool:
        """Whether another model, or another part of the rows, is on trial under this verdict."""
        old = self.waits
        if old is None or self.waiting is not self.candidate:
            return True
        now, before = ((v.share, v.sticky, v.watch) for v in (verdict, old))
        return now != before


@dataclass(slots=True, eq=False)
class VersionEntry:
    """A row of the table of versions."""

    version: int
    parent: int | None
    reason: str
    decided_at: int
    ready_at: int | None = None
    outcome: str = "pending"
    span: tuple[int, int] | None = None  # its oldest and newest row
    rows: int = 0
    fit_seconds: float = 0.0
    fit: str = ""
    shared: bool = False


@dataclass
class Log:
    """What happened, as rows."""

    events: list[tuple[int, str, int | None, str, float, float]] = field(default_factory=list)
    versions: list[VersionEntry] = field(default_factory=list)
    trainings: tuple[int, ...] = ()  # when each was decided, the first model left out

    def event(self, at: int, kind: str, version: int | None, reason: Reason | str = "") -> None:
        """Write an event down."""
        if isinstance(reason, str):
            self.events.append((at, kind, version, reason, _NAN, _NAN))
        else:
            told = (reason.sentence, reason.statistic, reason.threshold)
            self.events.append((at, kind, version, *told))


def replay(
    setup: Setup,
    strategy: Policy,
    store: FitStore | None = None,
    name: str = "strategy",
    progress: Callable[[float], None] | None = None,
    probe_all: bool = False,
) -> Run:
    """Replay the setup's stream through one strategy.

    Parameters
    ----------
    setup : Setup
        History, model, prices.
    strategy : Policy
        When, on what, how, and whether to deploy.
    store : FitStore, optional
        Where fits are shared; the result does not depend on what it holds.
    name : str
        Name of the run.
    progress : callable, optional
        Told the share of the ticks that has passed, now and then.
    probe_all : bool
        Ask models of known libraries twice, too; it changes no number.
    """
    check_strategy(setup, strategy)
    store = FitStore() if store is None else store
    try:
        with one_thread(setup.model), unchanged(setup.stream, store):
            return Replay(setup, strategy, store, probe_all).run(name, progress)
    except Exception as error:
        error.add_note(f"while replaying strategy {name!r}: {code(strategy)}")
        raise
    finally:
        store.flush()


def check_strategy(setup: Setup, strategy: Policy) -> None:
    """Raise `PartError` where a part of the strategy does not fit the setup."""
    for part in (strategy.trigger, strategy.window, strategy.update, strategy.gate):
        check_setup(part, setup)


class Replay:
    """One strategy on one stream. `run` once."""

    def __init__(
        self, setup: Setup, strategy: Policy, store: FitStore, probe_all: bool = False
    ) -> None:
        self.setup = setup
        self.strategy = strategy
        self.learner, self.delays, ticks = Learner(setup, store), setup.delays, setup.ticks
        recorded = instants_of(strategy.trigger)
        if recorded is not None:
            self.learner = RecordedLearner(setup, store, strategy.trigger)
            self.delays = Delays()
            ticks = np.union1d(ticks, recorded_instants(setup, recorded))
        self.serving = Serving(self.learner)
        self.probe = Probe(self.learner, probe_all)
        self.ledger = Ledger()
        self.log = Log()
        self.readings = Readings()
        self.view = View(setup, self.serving, self)
        self.clock = Clock(ticks, setup.event_at.searchsorted(ticks), setup.end_at.value)
        self.challenger: Challenger | None = None
        self._job: Job | None = None
        self._bought = np.zeros(len(setup.stream) if setup.prices.label else 0, dtype=bool)
        self._noted: tuple[object, ...] | None = None
        self.needs_parent = needs_parent(strategy.update)

    def run(self, name: str, progress: Callable[[float], None] | None = None) -> Run:
        """Play the history from ``start`` to ``end`` and close the books."""
        began = time.perf_counter()
        view = self.view
        view._move(self.setup.start_at.value)
        strategy = self.strategy
        parts = (strategy.trigger, strategy.window, strategy.update, strategy.gate)
        trigger = self._tuned(strategy.trigger)
        memory = Memory(parts, trigger)
        self._train_first()
        fires = monitor_of(trigger).fires
        start, span = view.at, max(1, self.setup.end_at.value - view.at)
        for count, (at, past) in enumerate(self.clock):
            view._move(at, past)
            if self.challenger is not None:
                self._settle(past is not None)
            look = count + 1 in LOOKS
            if past is not None:
                reason = without_global_random(trigger, fires, view) if look else fires(view)
                if reason is not None:
                    self._consider(reason)
            if look:
                memory.check()
            if progress is not None and count % 64 == 0:
                progress((at - start) / span)
        memory.check()
        self.serving.judge(self.setup.served.stop)
        return close(self, name, time.perf_counter() - began)

    # --- training -----------------------------------------------------------------------------

    def _tuned(self, trigger: AnyTrigger) -> AnyTrigger:
        """The trigger as it is tuned at ``start``; what that takes is charged as ``initial``."""
        job = self._job = Job(0, "initial")
        found: AnyTrigger = tuned(trigger, self.view)
        self._job = None
        self._charge_fitting("initial", 0, job.rows, job.cpu_seconds)
        if found is not trigger and content(found) != content(trigger):
            self.log.event(self.view.at, "tuned", None, code(found))
        return found

    def _train_first(self) -> None:
        """Train the first model, in force at ``start`` without gate and delays."""
        at = self.view.at
        job = self._job = Job(0, "initial")
        entry = VersionEntry(0, None, "the first model", at, at, "initial")
        self.log.versions.append(entry)
        try:
            selection, _ = self._select()
            model = self._learn(entry, selection, None)
        except FitError as error:
            raise SetupError(
                f"the first model cannot be trained on what is known at start={self.view.now}: "
                f"{error}"
            ) from error
        self._charge_training(job, selection)
        self.log.event(at, "initial", 0, entry.reason)
        self._job = None
        first = self._candidate(0, model)
        self._put_in_force(model, first)
        self._refuse_mute(first)

    def _refuse_mute(self, first: Candidate) -> None:
        """A first model that can score none of the first rows is a mistake, not a result."""
        row = self.setup.served.start
        _, _, answers = self.learner.block(first.fit, first.origin, row)
        if answers.fallback is not None and answers.fallback.all():
            raise SetupError(
                "the first model cannot score any of the first rows that it serves: "
                f"{self.learner.why(first.fit, row)}; models get an array, or a DataFrame where "
                "they may need column names (features='array' or 'frame' decides it)"
            )

    def _consider(self, reason: Reason) -> None:
        """A trigger has fired: train, or note why not."""
        terms = self.challenger.terms if self.challenger is not None else None
        if self.challenger is not None and not (terms is not None and terms.supersede):
            kind, sentence = "busy", f"version {self.challenger.job.version} is still under way"
        else:
            obstacle = self.strategy.obstacle(self.view)
            if obstacle is None:
                self._start(reason)
                return
            kind, sentence = obstacle
        noted = (kind, reason.sentence, reason.raised_at)
        if noted != self._noted:  # an alarm that is still on is noted once for each obstacle
            told = Reason(f"{reason.sentence}; {sentence}", reason.statistic, reason.threshold)
            self.log.event(self.view.at, kind, None, told)
            self._noted = noted

    def _start(self, reason: Reason) -> None:
        view, at = self.view, self.view.at
        job = self._job = Job(len(self.log.versions), "train", begun=False)
        trial = trial_of(self.strategy.gate)
        view._reason = reason
        entry = VersionEntry(job.version, view.model.version, reason.sentence, at)
        selection = None
        try:
            selection, parent = self._select()
            refusal = trial.check(selection, view)
            if refusal is not None:
                self.log.event(at, "refused", None, refusal)
                self._charge_fitting("train", view.model.version, job.rows, job.cpu_seconds)
                self._charge_labels(view.model.version, *job.labels)
                return
            if self.challenger is not None:
                self._supersede(self.challenger, job)
            self._begin(job, entry, reason)
            train, _ = trial.reserve(selection)
            model = self._learn(entry, train, parent)
            self._charge_training(job, selection)
        except FitError as error:
            self._fail(job, entry, reason, error, selection)
            return
        finally:
            self._job = view._reason = None
        entry.ready_at = at + self.delays.training(job.rows)
        candidate = self._candidate(job.version, model)
        self.challenger = Challenger(
            job, trial, parent, selection, model, candidate, due=entry.ready_at
        )
        self._wake()

    def _select(self) -> tuple[Selection, Model | None]:
        """What is learnt from, and the model that learns on; None where that is a new one."""
        window, view = self.strategy.window, self.view
        if len(self.log.versions) in LOOKS:
            selection = without_global_random(window, select, window, view)
        else:
            selection = select(window, view)
        self.view._fence_labels(selection.rows)
        parent = view._model
        if parent is None:
            return selection, None
        selection, afresh = to_learn(self.strategy.update, view, selection)
        return selection, None if afresh else parent

    def _learn(self, entry: VersionEntry, selection: Selection, parent: Model | None) -> Model:
        """Fit a version; raises `FitError`."""
        entry.span = selection.span()
        entry.rows = len(selection)
        before = self.learner.store.computed
        fit = self.fit(
            self.strategy.update, selection, None if parent is None else parent._fit, None
        )
        entry.shared = self.learner.store.computed == before
        entry.fit, entry.fit_seconds = fit.name, entry.fit_seconds + fit.cpu_seconds
        if parent is not None:
            self._note_nothing_learnt(entry.version, fit, parent)
        return Model(self.view, fit, entry.version, entry.decided_at, parent, selection)

    def _candidate(self, version: int, model: Model) -> Candidate:
        """A version that may serve from now on; raises `ModelError` where it must not."""
        candidate = Candidate(version, model._fit, self.view.past)
        remark = self.probe.first_block(candidate, self.strategy.update)
        if remark is not None:
            self.log.event(self.view.at, "neighbours", version, remark)
        return candidate

    def _note_nothing_learnt(self, version: int, fit: Fit, parent: Model) -> None:
        """Note a model that goes on from its parent and answers the newest rows just as it does.

        That need not be wrong: what it has learnt may show elsewhere. Nobody is charged.
        """
        update, past = self.strategy.update, self.view.past
        if not self.needs_parent or fit.model is None:  # recorded: nothing can be asked
            return
        rows = slice(max(0, past - NEWEST), past)
        old, new = (self.learner.answers(one, rows) for one in (parent._fit, fit))
        if all(starmap(_equal, zip(old.arrays(), new.arrays(), strict=True))):
            self.log.event(
                self.view.at,
                "learnt nothing",
                version,
                f"{update!r}: its answers to the newest {past - rows.start} rows are exactly those "
                f"of version {parent.version}; let it learn more (a longer window, more epochs) or "
                "use Refit()",
            )

    def _begin(self, job: Job, entry: VersionEntry, reason: Reason) -> None:
        """Nothing has refused the training: it counts, and pays for its labels."""
        job.begun = True
        self.log.trainings += (self.view.at,)
        self.view._trainings = self.log.trainings
        self.log.event(self.view.at, "trained", job.version, reason)
        self.log.versions.append(entry)
        self._charge_labels(job.version, *job.labels)

    def _fail(
        self,
        job: Job,
        entry: VersionEntry,
        reason: Reason,
        error: FitError,
        selection: Selection | None,
    ) -> None:
        """Write a failed training down; the old model serves on."""
        at = self.view.at
        if not job.begun:  # it failed while the window was searched
            self._begin(job, entry, reason)
        entry.outcome = "failed"
        if job.rows:
            self._charge_training(job, selection)
        self.log.event(at, error.event, job.version, str(error))

    def _charge_training(self, job: Job, selection: Selection | None) -> None:
        prices, at = self.setup.prices, self.view.at
        self._spend(at, job.kind, job.version, 1, prices.retrain)
        self._charge_fitting(job.kind, job.version, job.rows, job.cpu_seconds)
        if selection is not None:
            self.buy(selection.rows)

    def _charge_fitting(self, kind: str, version: int, rows: int, cpu_seconds: float) -> None:
        prices, at = self.setup.prices, self.view.at
        self._spend(at, kind, version, rows / 1000, prices.per_1k_rows)
        self._spend(at, kind, version, cpu_seconds / 3600, prices.cpu_hour)

    def _spend(self, at: int, kind: str, version: int, quantity: float, price: float) -> None:
        self.ledger.charge(at, kind, version, quantity, price)
        self.view._spent = self.ledger.spent

    # --- services for the view ----------------------------------------------------------------

    def selected(self, view: View) -> Selection:
        """The rows that the strategy's own window selects."""
        return select(self.strategy.window, view)

    @property
    def window(self) -> AnyWindow:
        """The strategy's own window."""
        return self.strategy.window

    @property
    def update(self) -> AnyUpdate:
        """The strategy's own update."""
        return self.strategy.update

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        version: int | None,
        labels: bool = True,
    ) -> Fit:
        """Fit, and charge it to the decision under way, or else to a version on its own."""
        job, rows = self._job, rows_fitted(update, len(selection))
        if job is not None and version is None:
            job.rows += rows
            fit = self._fitted(update, selection, parent, labels)
            job.cpu_seconds += fit.cpu_seconds
            return fit
        fit = self._fitted(update, selection, parent, labels)
        if job is not None and job.kind == "initial":  # a reference, asked for while tuning
            job.rows += rows
            job.cpu_seconds += fit.cpu_seconds
            return fit
        owner = self.view.model.version if version is None else version
        self._charge_fitting("train", owner, rows, fit.cpu_seconds)
        return fit

    def _fitted(
        self, update: AnyUpdate, selection: Selection, parent: Fit | None, labels: bool
    ) -> Fit:
        serving = self.serving
        champion = serving.current.champion if serving.stretches else None
        return self.probe.fit(update, selection, parent, self.view.past, champion, labels)

    def charge_check(self, count: int) -> None:
        """Charge statistical checks to the version in force."""
        price, first = self.setup.prices.check, self.view._model is None
        kind, version = ("initial", 0) if first else ("check", self.view.model.version)
        self._spend(self.view.at, kind, version, count, price)

    def buy(self, rows: Rows) -> None:
        """Charge the labels among ``rows`` that nobody has used yet."""
        price = self.setup.prices.label
        if not price:
            return
        fresh = ~self._bought[rows]
        if not fresh.any():
            return
        places = np.arange(rows.start, rows.stop)[fresh] if isinstance(rows, slice) else rows[fresh]
        self._bought[places] = True
        before = int(np.count_nonzero(places < self.setup.served.start))
        after, job = len(places) - before, self._job
        if job is None:
            self._charge_labels(self.view.model.version, before, after)
        elif job.begun:
            self._charge_labels(job.version, before, after)
        else:  # who pays will turn out: the new version, or the one in force that looked in vain
            job.labels = job.labels[0] + before, job.labels[1] + after

    def _charge_labels(self, version: int, before: int, after: int) -> None:
        """Charge so many labels of rows before ``start``, and of rows since."""
        if not before and not after:
            return
        price = self.setup.prices.label
        self._spend(self.view.at, "initial", version, before, price)
        self._spend(self.view.at, "label", version, after, price)

    def note(self, kind: str, reason: Reason) -> None:
        """Write down what a part wants on record."""
        champion = self.view._model
        self.log.event(self.view.at, kind, None if champion is None else champion.version, reason)

    def reading(self, trigger: object, statistic: float, threshold: float) -> None:
        """Record how near a trigger is to firing."""
        self.readings.add(self.view.at, trigger, statistic, threshold)

    def predicted(self, count: int, version: int) -> None:
        """Charge rows that a monitor has scored anew; else it is part of tuning or training."""
        if self._job is None:
            owner = self.view.model.version if version < 0 else version
            price = self.setup.prices.per_1k_predictions
            self._spend(self.view.at, "predict", owner, count / 1000, price)

    def _close_account(self, job: Job, rows: int, cpu_seconds: float) -> None:
        """Charge what was fitted for a training under way since it had these rows and seconds."""
        self._job = None
        if job.rows != rows:
            more = job.cpu_seconds - cpu_seconds
            self._charge_fitting(job.kind, job.version, job.rows - rows, more)

    # --- from ready to in force ---------------------------------------------------------------

    def _wake(self) -> None:
        """Go on with the challenger now if it is due, else be woken when it is."""
        challenger = self.challenger
        assert challenger is not None
        if challenger.due is None:
            return
        if challenger.due <= self.view.at:
            self._settle(False)
        else:
            self.clock.wake(challenger.due)

    def _settle(self, is_tick: bool) -> None:
        """Review or deploy the challenger if it is due."""
        challenger = self.challenger
        assert challenger is not None
        due = challenger.due
        asked_now = is_tick and challenger.terms is not None and challenger.terms.ticks
        if (due is None or due > self.view.at) and not asked_now:
            return
        if challenger.stage == "deploying":
            self._deploy(challenger)
        else:
            self._review(challenger)

    def _review(self, challenger: Challenger) -> None:
        view = self.view
        view._challenger = challenger.model
        view._trial_row = view.past if challenger.trial_row is None else challenger.trial_row
        job = self._job = challenger.job
        rows, cpu_seconds = job.rows, job.cpu_seconds
        try:
            review = challenger.trial.review
            look = job.version in LOOKS
            verdict = (
                without_global_random(self.strategy.gate, review, view) if look else review(view)
            )
        finally:
            self._close_account(job, rows, cpu_seconds)
        view._challenger = None
        if verdict.reviewed and not challenger.reviewed:
            challenger.reviewed = True
            self._spend(view.at, "deploy", challenger.job.version, 1, self.setup.prices.review)
        if verdict.action == "deploy":
            self._accept(challenger, verdict)
        elif verdict.action == "reject":
            self._reject(challenger, verdict)
        elif verdict.action == "wait":
            self._wait(challenger, verdict)
        else:
            self._refit(challenger, verdict)

    def _accept(self, challenger: Challenger, verdict: Verdict) -> None:
        challenger.stage = "deploying"
        challenger.due = self.view.at + self.delays.deployment()
        if verdict.reason:
            self.log.event(self.view.at, "accepted", challenger.job.version, _told(verdict))
        self._wake()

    def _reject(self, challenger: Challenger, verdict: Verdict) -> None:
        outcome = "rolled back" if challenger.answered else "rejected"
        self.log.versions[challenger.job.version].outcome = outcome
        self.log.event(self.view.at, outcome, challenger.job.version, _told(verdict))
        self._end_trial()

    def _supersede(self, challenger: Challenger, by: Job) -> None:
        self.log.versions[challenger.job.version].outcome = "superseded"
        said = f"version {by.version} takes its place"
        self.log.event(self.view.at, "superseded", challenger.job.version, said)
        self._end_trial()

    def _end_trial(self) -> None:
        """Let the champion answer alone again."""
        if self.serving.current.challenger is not None:
            self._assign(self.serving.current.champion)
        self.challenger = None

    def _wait(self, challenger: Challenger, verdict: Verdict) -> None:
        view = self.view
        if verdict.until is not None and verdict.until.value <= view.at:
            raise PartError(f"Verdict.wait(until={verdict.until}): not after now, {view.now}")
        takes_part = verdict.share > 0 or verdict.watch
        if challenger.trial_row is None and takes_part:
            challenger.trial_row = view.past
        changed = challenger.changes(verdict)
        challenger.stage, challenger.waits = "waiting", verdict
        challenger.waiting = challenger.candidate
        challenger.answered = challenger.answered or verdict.share > 0
        challenger.due = None if verdict.until is None else verdict.until.value
        if changed:
            current = self.serving.current
            if takes_part:
                self._assign(current.champion, challenger, verdict)
            elif current.challenger is not None:
                self._assign(current.champion)
            self.log.event(view.at, "waiting", challenger.job.version, _told(verdict))
        self._wake()

    def _refit(self, challenger: Challenger, verdict: Verdict) -> None:
        """Fit the challenger again; the rows of this fit take their time too."""
        assert verdict.selection is not None
        view, job = self.view, challenger.job
        entry = self.log.versions[job.version]
        view._fence_labels(verdict.selection.rows)
        rows, cpu_seconds = job.rows, job.cpu_seconds
        self._job = job
        try:
            challenger.model = self._learn(entry, verdict.selection, challenger.parent)
            self.buy(verdict.selection.rows)
        except FitError as error:
            entry.outcome = "failed"
            self.log.event(view.at, error.event, job.version, str(error))
            self._end_trial()
            return
        finally:
            self._close_account(job, rows, cpu_seconds)
        challenger.candidate = self._candidate(job.version, challenger.model)
        self.log.event(view.at, "refit", job.version, _told(verdict))
        challenger.stage = "training"
        challenger.due = view.at + self.delays.more_training(job.rows - rows)
        entry.ready_at = challenger.due
        self._wake()

    def _deploy(self, challenger: Challenger) -> None:
        at, version = self.view.at, challenger.job.version
        self.log.versions[version].outcome = "deployed"
        self._spend(at, "deploy", version, 1, self.setup.prices.release)
        self.log.event(at, "deployed", version)
        self.challenger = None
        self._put_in_force(challenger.model, challenger.candidate)

    def _put_in_force(self, model: Model, candidate: Candidate) -> None:
        model._enter(self.view.at, max(self.view.past, self.setup.served.start))
        self.view._model = model
        self._assign(candidate)

    def _assign(
        self,
        champion: Candidate,
        challenger: Challenger | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        row = max(self.view.past, self.setup.served.start)
        if challenger is None or verdict is None:
            self.serving.assign(Assignment(self.view.at, row, champion))
            return
        first = row if challenger.trial_row is None else challenger.trial_row
        self.serving.assign(
            Assignment(
                self.view.at,
                row,
                champion,
                challenger.candidate,
                verdict.share,
                verdict.sticky,
                verdict.watch,
                first,
            )
        )


def _equal(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    """Whether two arrays of answers are the same, or neither is there."""
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def _told(verdict: Verdict) -> Reason:
    numbers = [float(value) for value in verdict.numbers.values()][:2]
    padded: list[Any] = numbers + [float("nan")] * (2 - len(numbers))
    return Reason(verdict.reason, *padded)

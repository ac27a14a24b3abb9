"""The loop: a history, a strategy, and what happens at every instant; recordings, too."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.accounts import Job
from backtrain.simulator.answers import (
    AnyUpdate,
    Fit,
    FitError,
    NothingToLearnError,
    PartError,
    Reason,
    Rows,
    Selection,
)
from backtrain.simulator.asking import (
    answers_of,
    check_setup,
    instants_of,
    monitor_of,
    trial_of,
    tuned,
)
from backtrain.simulator.challenger import Challenger, put_in_force
from backtrain.simulator.clock import Clock, Nanoseconds
from backtrain.simulator.first_start import too_early
from backtrain.simulator.ledger import Delays
from backtrain.simulator.log import VersionEntry
from backtrain.simulator.memory import LOOKS, Memory, without_global_random
from backtrain.simulator.parts import AnyTrigger, Policy, RecordedAnswers
from backtrain.simulator.predictions import Candidate
from backtrain.simulator.process import one_process
from backtrain.simulator.record import Run
from backtrain.simulator.setup import Setup, SetupError, unchanged
from backtrain.simulator.tables import close
from backtrain.simulator.texts import code
from backtrain.simulator.trainer import Trainer
from backtrain.simulator.training import Learner, block_borders
from backtrain.store.content import content
from backtrain.store.fits import Answers, FitStore


class RecordedLearner(Learner):
    """Stands where models are fitted and asked, and reads from a recording."""

    def __init__(self, setup: Setup, store: FitStore, recording: object) -> None:
        super().__init__(setup, store)
        self._said = _spread(setup, answers_of(recording, setup))

    def fit(
        self, update: AnyUpdate, selection: Selection, parent: Fit | None, labels: bool = True
    ) -> tuple[Fit, bool]:
        """Note what was trained on; also on nothing, as it really happened."""
        return Fit("recorded", None, selection, 0.0, 0), True

    def trusts(self, update: AnyUpdate) -> bool:
        """Whether models need no probe: there is none."""
        return True

    def block(self, fit: Fit, origin: int, row: int, keep: bool = True) -> tuple[int, int, Answers]:
        """First row, stop row and answers of a block, whichever version asks."""
        start, stop = block_borders(origin, row)
        stop = min(stop, len(self.setup.stream))
        said = [None if part is None else part[start:stop] for part in self._said.arrays()]
        return start, stop, Answers(*said)  # type: ignore[arg-type]

    def answers(self, fit: Fit, rows: Rows) -> Answers:
        """Refuse: only what was served is known."""
        raise PartError(
            "recorded predictions: there is no model to ask; use a window that needs none"
        )


def recorded_instants(setup: Setup, at: Nanoseconds) -> Nanoseconds:
    """Those of a recording at which something is charged: after ``start``, where ticks lie."""
    last = min(setup.end_at, setup.stream.span[1]).value
    return at[(at > setup.start_at.value) & (at <= last)]


def _spread(setup: Setup, told: RecordedAnswers) -> Answers:
    """Answers to served rows, each at its place in the stream; blank where nothing was told."""
    n, classes = len(setup.stream), setup.classes
    if classes is None:
        answers = Answers(_placed(setup, told.prediction, np.zeros(n)), None, None, None)
        if setup.quantiles is not None:
            if told.quantiles is None:
                raise PartError(f"recorded predictions: no quantiles={list(setup.quantiles)}")
            blank = np.zeros((n, len(setup.quantiles)))
            answers.quantiles = _placed(setup, told.quantiles, blank)
        return answers
    prediction = _placed(setup, told.prediction, np.zeros(n, dtype=np.int64))
    if not setup.gives_probabilities:
        return Answers(prediction, None, None, None)
    score = _placed(setup, told.score, np.full(n, np.nan))
    probability = _placed(setup, told.probability, np.full((n, len(classes)), np.nan))
    return Answers(prediction, score, probability, None)


def _placed(setup: Setup, values: NDArray | None, blank: NDArray) -> NDArray:  # type: ignore[type-arg]
    if values is not None:
        blank[setup.served] = values
    return blank


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
        with one_process(setup.model), unchanged(setup.stream, store):
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
        self._setup, self._strategy = setup, strategy
        learner, self._delays, ticks = Learner(setup, store), setup.delays, setup.ticks
        recorded = instants_of(strategy.trigger)
        if recorded is not None:
            learner = RecordedLearner(setup, store, strategy.trigger)
            self._delays = Delays()
            ticks = np.union1d(ticks, recorded_instants(setup, recorded))
        self._trainer = Trainer(learner, strategy, probe_all)
        self._fence, self._log = self._trainer.fence, self._trainer.log
        self._view, self._accounts = self._trainer.view, self._trainer.accounts
        self._clock = Clock(ticks, setup.event_at.searchsorted(ticks), setup.end_at.value)
        self._challenger: Challenger | None = None
        self._noted: tuple[object, ...] | None = None

    def run(self, name: str, progress: Callable[[float], None] | None = None) -> Run:
        """Play the history from ``start`` to ``end``; return the record."""
        began = time.perf_counter()
        setup, strategy, fence, view = self._setup, self._strategy, self._fence, self._view
        start = setup.start_at.value
        fence.move(start)
        parts = (strategy.trigger, strategy.window, strategy.update, strategy.gate)
        trigger = self._tuned(strategy.trigger)
        memory = Memory(parts, trigger)
        self._train_first()
        fires = monitor_of(trigger).fires
        span = max(1, setup.end_at.value - start)
        for count, (at, past) in enumerate(self._clock):
            fence.move(at, past)
            if self._challenger is not None:
                self._proceed(past is not None)
            if past is not None:
                reason = without_global_random(trigger, count + 1, fires, view)
                if reason is not None:
                    self._consider(reason)
            if count + 1 in LOOKS:
                memory.check()
            if progress is not None and count % 64 == 0:
                progress((at - start) / span)
        memory.check()
        return close(self._trainer, name, time.perf_counter() - began)

    def _proceed(self, is_tick: bool = False) -> None:
        """Let the challenger go through what is due."""
        if self._challenger is not None:
            self._challenger.proceed(self._clock, is_tick)
            if self._challenger.over:
                self._challenger = None

    # --- the first model ----------------------------------------------------------------------

    def _tuned(self, trigger: AnyTrigger) -> AnyTrigger:
        """The trigger as it is tuned at ``start``; what that takes is charged as ``initial``."""
        job = self._accounts.job = Job(0, "initial")
        adjusted: AnyTrigger = tuned(trigger, self._view)
        self._accounts.job = None
        self._accounts.charge_fitting("initial", 0, job.rows, job.cpu_seconds)
        if adjusted is not trigger and content(adjusted) != content(trigger):
            self._log.event(self._fence.at, "tuned", None, code(adjusted))
        return adjusted

    def _train_first(self) -> None:
        """Train the first model, in force at ``start`` without gate and delays."""
        at, trainer = self._fence.at, self._trainer
        job = self._accounts.job = Job(0, "initial")
        entry = VersionEntry(0, None, "the first model", at, at, "initial")
        self._log.versions.append(entry)
        try:
            selection, _ = trainer.select()
            model = trainer.learn(entry, selection, None)
        except FitError as error:
            none = isinstance(error, NothingToLearnError)
            raise SetupError(
                f"the first model cannot be trained on what is known at start={self._view.now}: "
                f"{error}{too_early(self._setup, self._strategy) if none else ''}"
            ) from error
        self._accounts.charge_training(job, selection)
        self._log.event(at, "initial", 0, entry.reason)
        self._accounts.job = None
        first = trainer.candidate(0, model)
        put_in_force(trainer, model, first)
        self._refuse_mute(first)

    def _refuse_mute(self, first: Candidate) -> None:
        """A first model that can score none of the first rows is a mistake, not a result."""
        row = self._setup.served.start
        _, _, answers = self._trainer.learner.block(first.fit, first.origin, row)
        if answers.fallback is not None and answers.fallback.all():
            raise SetupError(
                "the first model cannot score any of the first rows that it serves: "
                f"{self._trainer.learner.why(first.fit, row)}; models get an array, or a DataFrame "
                "where they may need column names (features='array' or 'frame' decides it)"
            )

    # --- trainings ----------------------------------------------------------------------------

    def _consider(self, reason: Reason) -> None:
        """A trigger has fired: train, or note why not."""
        challenger = self._challenger
        terms = None if challenger is None else challenger.terms
        if challenger is not None and not (terms is not None and terms.supersede):
            kind, sentence = "busy", f"version {challenger.job.version} is still under way"
        else:
            obstacle = self._strategy.obstacle(self._view)
            if obstacle is None:
                self._train(reason)
                return
            kind, sentence = obstacle
        noted = (kind, reason.sentence, reason.raised_at)
        if noted != self._noted:  # an alarm that is still on is noted once for each obstacle
            full = Reason(f"{reason.sentence}; {sentence}", reason.statistic, reason.threshold)
            self._log.event(self._fence.at, kind, None, full)
            self._noted = noted

    def _train(self, reason: Reason) -> None:
        """Select, have the gate look at the rows, and fit, unless it refuses."""
        trainer, accounts, view = self._trainer, self._accounts, self._view
        job = accounts.job = Job(len(self._log.versions), "train", begun=False)
        trial = trial_of(self._strategy.gate)
        trainer.state.reason = reason
        entry = VersionEntry(job.version, view.model.version, reason.sentence, view.at)
        selection = None
        try:
            selection, parent = trainer.select()
            job.goes_on = trainer.needs_parent and parent is not None
            refusal = trial.check(selection, view)
            if refusal is not None:
                self._log.event(view.at, "refused", None, refusal)
                accounts.charge_fitting("train", view.model.version, job.rows, job.cpu_seconds)
                accounts.charge_labels(view.model.version, *job.labels)
                return
            if self._challenger is not None:
                self._challenger.supersede(job.version)
                self._challenger = None
            self._begin(job, entry, reason)
            train, _ = trial.reserve(selection)
            model = trainer.learn(entry, train, parent)
            accounts.charge_training(job, selection)
        except FitError as error:
            self._fail(job, entry, reason, error, selection)
            return
        finally:
            accounts.job = trainer.state.reason = None
        ready = entry.ready_at = view.at + self._delays.training(job.rows, job.goes_on)
        self._challenger = Challenger(trainer, self._delays, job, trial, parent, model, ready)
        self._proceed()

    def _begin(self, job: Job, entry: VersionEntry, reason: Reason) -> None:
        """Nothing has refused the training: it counts, and pays for its labels."""
        job.begun = True
        self._log.trainings += (self._fence.at,)
        self._trainer.state.trainings = self._log.trainings
        self._log.event(self._fence.at, "trained", job.version, reason)
        self._log.versions.append(entry)
        self._accounts.charge_labels(job.version, *job.labels)

    def _fail(
        self,
        job: Job,
        entry: VersionEntry,
        reason: Reason,
        error: FitError,
        selection: Selection | None,
    ) -> None:
        """Write a failed training down; the champion serves on."""
        if not job.begun:  # it failed while the window was searched
            self._begin(job, entry, reason)
        entry.outcome = "failed"
        if job.rows:
            self._accounts.charge_training(job, selection)
        self._log.event(self._fence.at, error.event, job.version, str(error))

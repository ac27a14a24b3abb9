"""A challenger: a training from its decision until it is deployed or turned down."""

from typing import Any, Literal

from backtrain.simulator.accounts import Job
from backtrain.simulator.answers import FitError, PartError, Reason, Selection, Verdict
from backtrain.simulator.asking import Judge
from backtrain.simulator.clock import Clock
from backtrain.simulator.ledger import Delays
from backtrain.simulator.memory import without_global_random
from backtrain.simulator.model import Model, deploy
from backtrain.simulator.predictions import Assignment, Candidate
from backtrain.simulator.texts import code
from backtrain.simulator.trainer import Trainer

#: A gate that gives so many verdicts at one instant would never come to an end.
_MOST_STAGES = 100


class Challenger:
    """A version on its way: it trains, waits for verdicts, and is deployed.

    Its stages are ``training`` (until the model is ready), ``waiting`` (on the terms of a verdict)
    and ``deploying`` (until the delay is over); each ends at ``due``, in nanoseconds, or with None
    at the next tick. It is ``over`` once it is deployed, or turned down.
    """

    def __init__(
        self,
        trainer: Trainer,
        delays: Delays,
        job: Job,
        trial: Judge,
        parent: Model | None,
        model: Model,
        due: int,
    ) -> None:
        self.job = job
        self.due: int | None = due
        self.over = False
        self._trainer, self._delays = trainer, delays
        self._trial, self._parent, self._model = trial, parent, model
        self._candidate = trainer.candidate(job.version, model)
        self._stage: Literal["training", "waiting", "deploying"] = "training"
        self._trial_row: int | None = None
        self._answered = False  # whether it has been given rows to answer
        self._reviewed = False
        self._woken: int | None = None
        self._verdict: Verdict | None = None  # on which terms it waits, or has last waited
        self._waiting: Candidate | None = None  # which of its fits has last waited on them

    @property
    def terms(self) -> Verdict | None:
        """The verdict on which it waits now."""
        return self._verdict if self._stage == "waiting" else None

    def proceed(self, clock: Clock, is_tick: bool = False) -> None:
        """Go through the stages that are due, and be woken when the next one is."""
        now, stages = self._trainer.fence.at, 0
        while not self.over and self._is_due(now, is_tick):
            is_tick = False
            if self._stage == "deploying":
                self._deploy()
            else:
                self._review()
            stages += 1
            if stages == _MOST_STAGES:
                raise PartError(
                    f"{code(self._trainer.strategy.gate)}: review() gave {stages} verdicts at one "
                    "instant; let it deploy or reject after it has asked for a fit"
                )
        if not self.over and self.due is not None and self.due != self._woken:
            self._woken = self.due
            clock.wake(self.due)

    def _is_due(self, now: int, is_tick: bool) -> bool:
        if self.due is not None and self.due <= now:
            return True
        return is_tick and self.terms is not None and self.terms.ticks

    # --- verdicts -----------------------------------------------------------------------------

    def _review(self) -> None:
        trainer, accounts, job = self._trainer, self._trainer.accounts, self.job
        state, view = trainer.state, trainer.view
        state.challenger = self._model
        state.trial_row = view.past if self._trial_row is None else self._trial_row
        accounts.job = job
        rows, cpu_seconds = job.rows, job.cpu_seconds
        try:
            gate = trainer.strategy.gate
            verdict = without_global_random(gate, job.version, self._trial.review, view)
        finally:
            accounts.settle(job, rows, cpu_seconds)
        state.challenger = None
        if verdict.reviewed and not self._reviewed:
            self._reviewed = True
            accounts.spend("deploy", job.version, 1, accounts.prices.review)
        match verdict.action:
            case "deploy":
                self._accept(verdict)
            case "reject":
                outcome = "rolled back" if self._answered else "rejected"
                self._turn_down(outcome, _reason(verdict))
            case "wait":
                self._wait(verdict)
            case "refit":
                self._refit(verdict)

    def _accept(self, verdict: Verdict) -> None:
        self._stage = "deploying"
        self.due = self._trainer.fence.at + self._delays.deployment()
        if verdict.reason:
            self._event("accepted", _reason(verdict))

    def supersede(self, by: int) -> None:
        """Make way for another version."""
        self._turn_down("superseded", f"version {by} takes its place")

    def _turn_down(self, outcome: str, reason: Reason | str) -> None:
        self._trainer.log.versions[self.job.version].outcome = outcome
        self._event(outcome, reason)
        self._end_trial()

    def _end_trial(self) -> None:
        """Let the champion answer alone again."""
        current = self._trainer.predictions.current
        if current.challenger is not None:
            _assign(self._trainer, current.champion)
        self.over = True

    def _wait(self, verdict: Verdict) -> None:
        view = self._trainer.view
        if verdict.until is not None and verdict.until.value <= view.at:
            raise PartError(f"Verdict.wait(until={verdict.until}): not after now, {view.now}")
        takes_part = verdict.share > 0 or verdict.watch
        if self._trial_row is None and takes_part:
            self._trial_row = view.past
        changed = self._changes(verdict)
        self._stage, self._verdict, self._waiting = "waiting", verdict, self._candidate
        self._answered = self._answered or verdict.share > 0
        self.due = None if verdict.until is None else verdict.until.value
        if not changed:
            return
        current = self._trainer.predictions.current
        if takes_part:
            self._share_rows(current.champion, verdict)
        elif current.challenger is not None:
            _assign(self._trainer, current.champion)
        self._event("waiting", _reason(verdict))

    def _changes(self, verdict: Verdict) -> bool:
        """Whether another model, or another part of the rows, is on trial under this verdict."""
        old = self._verdict
        if old is None or self._waiting is not self._candidate:
            return True
        now, before = ((v.share, v.sticky, v.watch) for v in (verdict, old))
        return now != before

    def _share_rows(self, champion: Candidate, verdict: Verdict) -> None:
        row, at = _first_row(self._trainer), self._trainer.fence.at
        since = row if self._trial_row is None else self._trial_row
        terms = verdict.share, verdict.sticky, verdict.watch, since
        self._trainer.predictions.assign(Assignment(at, row, champion, self._candidate, *terms))

    def _refit(self, verdict: Verdict) -> None:
        """Fit again; the rows of this fit take their time too."""
        assert verdict.selection is not None
        trainer, accounts, job = self._trainer, self._trainer.accounts, self.job
        entry = trainer.log.versions[job.version]
        selection: Selection = verdict.selection
        trainer.fence.check_labels(selection.rows)
        rows, cpu_seconds = job.rows, job.cpu_seconds
        accounts.job = job
        try:
            self._model = trainer.learn(entry, selection, self._parent)
            accounts.buy(selection.rows)
        except FitError as error:
            self._turn_down_failed(error)
            return
        finally:
            accounts.settle(job, rows, cpu_seconds)
        self._candidate = trainer.candidate(job.version, self._model)
        self._event("refit", _reason(verdict))
        self._stage = "training"
        self.due = entry.ready_at = trainer.fence.at + self._delays.more_training(job.rows - rows)

    def _turn_down_failed(self, error: FitError) -> None:
        self._trainer.log.versions[self.job.version].outcome = "failed"
        self._event(error.event, str(error))
        self._end_trial()

    def _deploy(self) -> None:
        trainer, version = self._trainer, self.job.version
        trainer.log.versions[version].outcome = "deployed"
        trainer.accounts.spend("deploy", version, 1, trainer.accounts.prices.release)
        self._event("deployed")
        trainer.replaced(self._candidate)
        self.over = True
        put_in_force(trainer, self._model, self._candidate)

    def _event(self, kind: str, reason: Reason | str = "") -> None:
        self._trainer.log.event(self._trainer.fence.at, kind, self.job.version, reason)


def put_in_force(trainer: Trainer, model: Model, candidate: Candidate) -> None:
    """Make a version the champion."""
    deploy(model, trainer.fence.at, _first_row(trainer))
    trainer.state.model = model
    _assign(trainer, candidate)


def _assign(trainer: Trainer, champion: Candidate) -> None:
    trainer.predictions.assign(Assignment(trainer.fence.at, _first_row(trainer), champion))


def _first_row(trainer: Trainer) -> int:
    """The next row that is served."""
    return int(max(trainer.fence.rows, trainer.setup.served.start))


def _reason(verdict: Verdict) -> Reason:
    numbers = [float(value) for value in verdict.numbers.values()][:2]
    padded: list[Any] = numbers + [float("nan")] * (2 - len(numbers))
    return Reason(verdict.reason, *padded)

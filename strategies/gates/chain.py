"""Several gates, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backtrain.simulator.answers import PartError, Reason, Selection, Verdict
from backtrain.simulator.asking import Judge, check_setup, refuse_other, trial_of
from backtrain.simulator.parts import AnyGate, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.gates.ab_test import ABTest

__all__ = ["Chain"]


@dataclass(frozen=True, repr=False)
class Chain(Part):
    """Several gates in order; the next is asked when the one before would deploy.

    Each may refuse before the training. Only one may hold rows out. A share of the rows that the
    challenger has reached at one gate stays with it while a later one waits.

    Parameters
    ----------
    *gates : Gate
        In the order in which they are asked.

    >>> Chain(BeatsChampion(), NoGroupWorse(holdout=None), Approval("1D"))
    Chain(BeatsChampion(), NoGroupWorse(holdout=None), Approval('1D'))
    """

    gates: tuple[AnyGate, ...] = field(default=())

    def __init__(self, *gates: AnyGate) -> None:
        object.__setattr__(self, "gates", tuple(gates))
        if not gates:
            raise PartError("Chain(): give at least one gate")
        for gate in gates:
            refuse_other("gate", "Chain", gate)
        holding = [gate for gate in gates if getattr(gate, "holdout", None) is not None]
        if len(holding) > 1:
            raise PartError(
                f"Chain: {holding[0]!r} and {holding[1]!r} both hold rows out of the training; "
                "one is enough: NoGroupWorse(holdout=None) judges by what another gate holds out"
            )
        _refuse_taken_rows(gates)

    def __repr__(self) -> str:
        return f"Chain({', '.join(map(repr, self.gates))})"

    def check_setup(self, setup: Setup) -> None:
        """Hold every gate against the setup."""
        for gate in self.gates:
            check_setup(gate, setup)

    def open(self) -> _ChainTrial:
        """A trial at every gate."""
        return _ChainTrial([trial_of(gate) for gate in self.gates])


def _refuse_taken_rows(gates: tuple[AnyGate, ...]) -> None:
    """A test of so many rows against the others, where the challenger answers more already."""
    for position, gate in enumerate(gates):
        if not isinstance(gate, ABTest):
            continue
        for before in gates[:position]:
            reached = max(getattr(before, "steps", (0.0,)))
            if reached > gate.share:
                raise PartError(
                    f"Chain: {gate!r} after {before!r}, which leaves {reached:g} of the rows to "
                    "the challenger: too few for the champion; put it first"
                )


class _ChainTrial:
    def __init__(self, trials: list[Judge]) -> None:
        self._trials = trials
        self._passed = 0
        self._said: list[str] = []
        self._numbers: dict[str, float] = {}
        self._reviewed = False
        self._waits: Verdict | None = None
        self._reached: Verdict | None = None  # on which terms the gates before have last waited

    def check(self, selection: Selection, view: View) -> Reason | None:
        refusals = (trial.check(selection, view) for trial in self._trials)
        return next((refusal for refusal in refusals if refusal is not None), None)

    def reserve(self, selection: Selection) -> tuple[Selection, Selection | None]:
        train, held = selection, None
        for trial in self._trials:
            train, out = trial.reserve(train)
            held = held if out is None else out
        return train, held

    def review(self, view: View) -> Verdict:
        while True:
            verdict = self._trials[self._passed].review(view)
            self._reviewed = self._reviewed or verdict.reviewed
            if verdict.action == "wait":
                return self._holding(verdict)
            if verdict.action != "deploy":
                return verdict
            self._said += [verdict.reason] if verdict.reason else []
            self._numbers = self._numbers or dict(verdict.numbers)
            if self._passed == len(self._trials) - 1:
                reason = "; ".join(self._said)
                return Verdict("deploy", reason, self._numbers, reviewed=self._reviewed)
            self._passed += 1
            self._reached = self._waits

    def _holding(self, verdict: Verdict) -> Verdict:
        """The same wait, with no smaller share than the challenger has reached before."""
        reached = self._reached
        if reached is not None and reached.share > verdict.share:
            verdict = replace(verdict, share=reached.share, sticky=reached.sticky)
        self._waits = verdict
        return verdict

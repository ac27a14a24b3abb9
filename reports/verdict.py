"""Which strategy to run, how much that saves, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from backtrain.reports.numbers import Money, duration, listing
from backtrain.reports.periods import Costs
from backtrain.simulator.record import Run
from backtrain.simulator.texts import printable

Decision = Literal["retrain", "keep", "too close"]


@dataclass(frozen=True)
class Verdict:
    """The answer of a comparison.

    Attributes
    ----------
    decision : {"retrain", "keep", "too close"}
        Run `strategy` instead of the baseline; stay with the baseline; or it cannot be told.
    strategy, baseline : str
        The cheapest strategy that may win, and what it is compared with. For "keep" they are one.
    saves : float
        What `strategy` saves against `baseline`; for "keep", against the cheapest of the others.
    low, high : float
        The simultaneous 95 % interval of `saves`; NaN where the history is too short for one.
    rivals : tuple of str
        Strategies whose cost cannot be told apart from that of `strategy`.
    unjudged : tuple of str
        Strategies without an interval against `strategy`: fewer than ten blocks.
    sentence : str
        The same in words.
    """

    decision: Decision
    strategy: str
    baseline: str
    saves: float
    low: float
    high: float
    rivals: tuple[str, ...]
    unjudged: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        if not self.rivals:
            return self.sentence
        alike = printable(listing(self.rivals))  # names may come from somebody else's records
        return f"{self.sentence} Its cost cannot be told apart from that of {alike}."


def trigger_type(run: Run) -> str:
    """The class name of a run's trigger, such as ``"Every"``."""
    parts = run.info.get("parts") or {}
    return str((parts.get("trigger") or {}).get("type", ""))


def default_baseline(runs: Mapping[str, Run]) -> str:
    """The strategy that never retrains, else the first one."""
    never = (name for name, run in runs.items() if trigger_type(run) == "Never")
    return next(never, next(iter(runs)))


def eligible(runs: Mapping[str, Run], baseline: str) -> list[str]:
    """Who may win, cheapest first: whatever was tuned on the replayed span may not."""
    fair = [name for name in runs if name == baseline or not runs[name].info.get("in_sample")]
    return sorted(fair, key=lambda name: float(runs[name].totals["total"]))


def judge(runs: Mapping[str, Run], costs: Costs, baseline: str) -> Verdict:
    """Pick the cheapest and hold its saving against luck."""
    ranked = eligible(runs, baseline)
    winner = ranked[0]
    # "Keep" is held against the runner-up: nothing can be saved against itself.
    other = baseline if winner != baseline else next(iter(ranked[1:]), baseline)
    saves = float(runs[other].totals["total"]) - float(runs[winner].totals["total"])
    # The interval of the table, which stands against the baseline: the report holds one number.
    table = costs.against(baseline)
    low, high = float(table.low[other]), float(table.high[other])
    if winner != baseline:
        low, high = -float(table.high[winner]), -float(table.low[winner])
    contrast = costs.against(winner)
    others = [name for name in runs if name != winner]
    rivals = tuple(name for name in others if contrast.low[name] <= 0 <= contrast.high[name])
    unjudged = tuple(name for name in others if math.isnan(contrast.low[name]))
    decision: Decision = "retrain" if low > 0 else "too close"
    if winner == baseline:
        decision = "keep"
    sentence = _Words(runs, costs, winner, other).say(decision, saves, low, high)
    return Verdict(decision, winner, baseline, saves, low, high, rivals, unjudged, sentence)


@dataclass(frozen=True)
class _Words:
    runs: Mapping[str, Run]
    costs: Costs
    winner: str
    other: str

    def say(self, decision: Decision, saves: float, low: float, high: float) -> str:
        money = Money.fit(run.totals["total"] for run in self.runs.values())
        known = not math.isnan(low)
        interval = f"95 % interval {money(low)} to {money(high)}" if known else self._no_interval()
        if decision == "keep":
            return self._keep(f"{money(saves)} more ({interval})", clear=low > 0)
        if decision == "retrain":
            lead = "Stop retraining: run" if self._never(self.winner) else "Run"
            per_year = self._per_year(saves, money)
            return (
                f"{lead} {self.winner}: it saves {money(saves)} against {self.other} "
                f"({interval}){per_year}."
            )
        reason = f"but its {interval} holds 0" if known else f"but there is {interval}"
        return (
            f"Too close to call: {self.winner} was cheapest and saved {money(saves)} against "
            f"{self.other}, {reason}."
        )

    def _keep(self, more: str, clear: bool) -> str:
        lead = "Do not retrain: keep" if self._never(self.winner) else "Keep"
        if self.winner == self.other:
            return f"{lead} {self.winner}: nothing was compared with it."
        if not clear:
            what = "retraining pays" if self._never(self.winner) else "anything else pays"
            return (
                f"Nothing shows that {what}: {self.winner} was cheapest; the nearest, "
                f"{self.other}, cost {more}."
            )
        return (
            f"{lead} {self.winner}: no strategy was cheaper; the nearest, {self.other}, "
            f"costs {more}."
        )

    def _no_interval(self) -> str:
        names = (self.winner, self.other)
        need = max(self.costs.needs[self.costs.names.index(name)] for name in names)
        return (
            "no interval: the history is too short, fewer than ten blocks of "
            f"{duration(self.costs.grid.length * int(need))}"
        )

    def _never(self, name: str) -> bool:
        return trigger_type(self.runs[name]) == "Never"

    def _per_year(self, saves: float, money: Money) -> str:
        """Money a year, only where a year was served."""
        info = self.runs[self.winner].info
        years = (pd.Timestamp(info["end"]) - pd.Timestamp(info["start"])) / pd.Timedelta(
            days=365.25
        )
        return f", {money(saves / years)} a year" if years >= 1 else ""

"""Which strategy to run, how much that saves, and how sure it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from backtrain.reports import remarks
from backtrain.reports.numbers import Money, duration, listing
from backtrain.reports.periods import Costs
from backtrain.simulator.record import Run
from backtrain.simulator.texts import printable

Decision = Literal["retrain", "keep", "too close"]


@dataclass(frozen=True)
class Recommendation:
    """The answer of a comparison.

    Attributes
    ----------
    decision : {"retrain", "keep", "too close"}
        Run `strategy` instead of the baseline; stay with the baseline; or it cannot be told.
    strategy, baseline : str
        The cheapest strategy that may win, and what it is compared with. For "keep" they are one.
    saves : float
        What `strategy` saves against `baseline`; for "keep", against the cheapest of the others;
        NaN where there is nothing to hold it against: a single strategy, too many failed trainings.
    low, high : float
        The simultaneous 95 % interval of `saves`; NaN where the history is too short for one.
    rivals : tuple of str
        Strategies whose cost cannot be told apart from that of `strategy`. All intervals are those
        of one family, so `rivals` never contradicts `low` and `high`.
    unjudged : tuple of str
        Strategies without an interval against `strategy`: fewer than ten blocks.
    failing : tuple of str
        Strategies of whose trainings a tenth or more raised: neither judged nor able to win.
    sentence : str
        The same in words.
    remarks : tuple of str
        What must be said beside it, a line a cause: failed trainings, rows that no model answered.
    """

    decision: Decision
    strategy: str
    baseline: str
    saves: float
    low: float
    high: float
    rivals: tuple[str, ...]
    unjudged: tuple[str, ...]
    failing: tuple[str, ...]
    sentence: str
    remarks: tuple[str, ...] = ()

    @property
    def beside(self) -> list[str]:
        """The remarks that the sentence does not hold already."""
        return [line for line in self.remarks if line not in self.sentence]

    def __str__(self) -> str:
        if not self.rivals:
            return self.sentence
        alike = printable(listing(self.rivals))  # names may come from somebody else's records
        subject = printable(self.strategy)
        return f"{self.sentence} The cost of {subject} cannot be told apart from that of {alike}."


def trigger_type(run: Run) -> str:
    """The class name of a run's trigger, such as ``"Every"``."""
    return remarks.part_type(run, "trigger")


def hindsight_of(run: Run) -> dict[str, Any]:
    """What a loss matrix says of one run: regret, luck; empty where none covers it."""
    return dict(run.info.get("hindsight") or {})


def is_tested(run: Run) -> bool:
    """Whether luck says anything: it retrained, and not by a fixed interval, its own placebo."""
    return run.totals["retrains"] > 0 and trigger_type(run) not in ("Every", "EveryRows")


def default_baseline(runs: Mapping[str, Run]) -> str:
    """The strategy that never retrains, else the first one."""
    never = (name for name, run in runs.items() if trigger_type(run) == "Never")
    return next(never, next(iter(runs)))


def may_win(run: Run) -> bool:
    """Whether a run was chosen on other rows than it is judged on, and really trained."""
    return not run.info.get("in_sample") and not remarks.failing(run)


def eligible(runs: Mapping[str, Run], baseline: str) -> list[str]:
    """Who may win, cheapest first; a baseline that was tuned on the replayed span may be kept."""
    fair = [
        name
        for name, run in runs.items()
        if may_win(run) or (name == baseline and not remarks.failing(run))
    ]
    return sorted(fair, key=lambda name: float(runs[name].totals["total"]))


def judge(runs: Mapping[str, Run], costs: Costs, baseline: str) -> Recommendation:
    """Pick the cheapest and hold its saving against luck."""
    ranked = eligible(runs, baseline)
    winner = ranked[0] if ranked else baseline
    failing = tuple(name for name, run in runs.items() if remarks.failing(run))
    beside = tuple(remark.sentence for remark in remarks.gather(runs))
    contrast = costs.against(winner)
    others = [name for name in runs if name not in (winner, *failing) and winner not in failing]
    rivals = tuple(name for name in others if contrast.low[name] <= 0 <= contrast.high[name])
    unjudged = tuple(name for name in others if math.isnan(contrast.low[name]))
    if baseline in failing or len(ranked) == 1:
        sentence = _no_verdict(runs, ranked, baseline)
        nan = (math.nan, math.nan, math.nan)
        return Recommendation(
            "too close", winner, baseline, *nan, (), unjudged, failing, sentence, beside
        )
    # "Keep" is held against the runner-up: nothing can be saved against itself.
    other = baseline if winner != baseline else next(iter(ranked[1:]), baseline)
    saves = float(runs[other].totals["total"]) - float(runs[winner].totals["total"])
    low, high = float(contrast.low[other]), float(contrast.high[other])
    decision: Decision = "retrain" if low > 0 else "too close"
    if winner == baseline:
        decision = "keep"
    sentence = _Words(runs, costs, winner, other).say(decision, saves, low, high)
    sentence = " ".join(filter(None, (sentence, remarks.summary(runs), _left_out(failing))))
    return Recommendation(
        decision, winner, baseline, saves, low, high, rivals, unjudged, failing, sentence, beside
    )


def _no_verdict(runs: Mapping[str, Run], ranked: list[str], baseline: str) -> str:
    """What to say where there is nothing that the baseline could be held against."""
    failing = [name for name, run in runs.items() if remarks.failing(run)]
    chosen = [name for name in runs if name not in (*failing, *ranked)]
    if baseline in failing:
        cheapest = f" Of the others {ranked[0]} was cheapest." if ranked else ""
        lead = f"Nothing can be held against {baseline}: its trainings failed.{cheapest}"
    elif len(runs) == 1:
        lead = f"Nothing can be said about {baseline}: nothing was compared with it."
    elif not chosen and all(remarks.raised(runs[n]) == runs[n].totals["retrains"] for n in failing):
        lead = "Nothing can be said about retraining: no strategy trained."
    else:
        why = [f"too many trainings of {listing(failing)} failed"] if failing else []
        why += [f"{listing(chosen)} was chosen on the span that it is judged on"] if chosen else []
        lead = f"Nothing can be said about retraining: {'; '.join(why)}."
    causes = [remark.sentence for remark in remarks.causes(runs, remarks.FAILED)]
    return " ".join((lead, *causes))


def _left_out(failing: tuple[str, ...]) -> str:
    """Says that a strategy is not judged."""
    if not failing:
        return ""
    return f"{listing(failing)} cannot be judged: a tenth or more of the trainings failed."


@dataclass(frozen=True)
class _Words:
    runs: Mapping[str, Run]
    costs: Costs
    winner: str
    other: str

    def say(self, decision: Decision, saves: float, low: float, high: float) -> str:
        money = Money.fit(run.totals["total"] for run in self.runs.values())
        bounded = not math.isnan(low)
        interval = (
            f"95 % interval {money(low)} to {money(high)}" if bounded else self._no_interval()
        )
        if decision == "keep":
            return self._keep(f"{money(saves)} more ({interval})", clear=low > 0)
        if decision == "retrain":
            lead = "Stop retraining: run" if self._never(self.winner) else "Run"
            per_year = self._per_year(saves, money)
            return (
                f"{lead} {self.winner}: it saves {money(saves)} against {self.other} "
                f"({interval}){per_year}."
            )
        reason = f"but its {interval} holds 0" if bounded else f"but there is {interval}"
        return (
            f"Too close to call: {self.winner} was {self._cheapest} and saved {money(saves)} "
            f"against {self.other}, {reason}."
        )

    def _keep(self, more: str, clear: bool) -> str:
        lead = "Do not retrain: keep" if self._never(self.winner) else "Keep"
        if not clear:
            what = "retraining pays" if self._never(self.winner) else "anything else pays"
            return (
                f"Nothing shows that {what}: {self.winner} was {self._cheapest}; the nearest, "
                f"{self.other}, cost {more}."
            )
        nothing = "no strategy" if self._cheapest == "cheapest" else "none that can be judged"
        return (
            f"{lead} {self.winner}: {nothing} was cheaper; the nearest, {self.other}, costs {more}."
        )

    @property
    def _cheapest(self) -> str:
        """Of all, or of those that may win."""
        everyone = all(map(may_win, self.runs.values()))
        return "cheapest" if everyone else "the cheapest that can be judged"

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

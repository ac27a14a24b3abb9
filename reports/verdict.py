"""Which strategy to run, how much that saves, and how sure it is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.shown import Shown
from backtrain.lossmatrix.decide import FLOOR, Confidence, Decision, decide, expected_saving, review
from backtrain.reports import budget, remarks, timers
from backtrain.reports.advice import ALARM, OTHER, Words, interval, on
from backtrain.reports.evidence import FIXED, evidence, grounds, to_stop
from backtrain.reports.numbers import listing
from backtrain.reports.periods import Costs
from backtrain.reports.units import currency
from backtrain.simulator.record import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Recommendation(Shown):
    """The answer of a comparison.

    Attributes
    ----------
    decision : {"retrain", "keep"}
        Run `strategy` instead of the baseline, or stay with the baseline.
    strategy, baseline : str
        What to run, of those that may win the one of the least expected cost; and what it is
        compared with. For "keep" they are one.
    saves : float
        Money to expect from `strategy` against the baseline, over a span like the one replayed; 0
        for "keep"; NaN where there is nothing to hold it against: a single strategy, or a baseline
        too many of whose trainings failed.
    confidence : {"sure", "likely", "unsure", ""}
        How sure the saving is; nothing for "keep".
    expected : mapping of str to float
        What each strategy that may win is expected to cost, by name.
    back_to : str
        Of the model to go back to where this says to stop: that of the start. The model in force
        was trained to be replaced, and is not what was judged.
    every : int
        A model of every so many ticks stands behind `expected`; 0 where there is no loss matrix,
        and costs are those of one path each. ``evidence`` says it in words.
    runner_up : str
        The next cheapest by expected cost; `behind` is the money that it costs more, and `more` how
        many times this history it would take to tell the two apart; NaN where that is not known.
    prices : tuple of float
        Between which prices of a retrain the choice stays; NaN where these differ by strategy.
    low, high : float
        The simultaneous 95 % interval of what `strategy` saved on its own path against the
        baseline, for "keep" against the runner-up; NaN where the history is too short for one.
    rivals : tuple of str
        Strategies whose cost on this path cannot be told apart from that of `strategy`. All
        intervals are those of one family, so `rivals` never contradicts `low` and `high`.
    unjudged : tuple of str
        Strategies without an interval against `strategy`.
    failing : tuple of str
        Strategies of whose trainings a tenth or more raised: neither judged nor able to win.
    budget : float or None
        Money a month that it may cost to run a strategy, errors left out.
    left_out : mapping of str to mapping
        Strategies that cost more and were not chosen for that: ``running``, money a month, and
        ``saves``, what to expect of each against `strategy`.
    sentence : str
        The same in words.
    remarks : tuple of str
        What must be said beside it, a line a cause: failed trainings, rows that no model answered.
    advice : str
        The first sentence alone: what to run.
    changes : tuple of str
        Those that say who comes next and at which prices that changes.
    currency : str
        What money is called; empty where nobody said.
    """

    decision: Literal["retrain", "keep"]
    strategy: str
    baseline: str
    saves: float
    confidence: Confidence = ""
    expected: Mapping[str, float] = field(default_factory=dict)
    back_to: str = ""
    every: int = 0
    evidence: str = ""
    runner_up: str = ""
    behind: float = math.nan
    more: float = math.nan
    prices: tuple[float, float] = (0.0, math.inf)
    low: float = math.nan
    high: float = math.nan
    rivals: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    budget: float | None = None
    left_out: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sentence: str = ""
    remarks: tuple[str, ...] = ()
    advice: str = ""
    changes: tuple[str, ...] = ()
    currency: str = ""

    @property
    def beside(self) -> list[str]:
        """The remarks that the sentence does not hold already."""
        return [line for line in self.remarks if line not in self.sentence]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data: names, numbers and lists; None for what is NaN or infinite."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    def to_frame(self) -> pd.DataFrame:
        """A row a strategy with an expected cost, the cheapest first.

        Columns: ``strategy``; ``role``: "run this", "baseline", "runner-up" or nothing;
        ``expected``, money over a span like the one replayed; ``saves``, that of the baseline less
        it; ``alike``, whether its cost on this path cannot be told from that of `strategy`; and
        ``running``, money a month, of those that the budget left out.
        """
        roles = {self.runner_up: "runner-up", self.baseline: "baseline", self.strategy: "run this"}
        running = {name: facts["running"] for name, facts in self.left_out.items()}
        rows = [
            {
                "strategy": name,
                "role": roles.get(name, ""),
                "expected": cost,
                "saves": self.expected.get(self.baseline, math.nan) - cost,
                "alike": name in self.rivals,
                "running": running.get(name, math.nan),
            }
            for name, cost in sorted(self.expected.items(), key=lambda pair: pair[1])
        ]
        columns = ["strategy", "role", "expected", "saves", "alike", "running"]
        return pd.DataFrame(rows, columns=columns)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what each strategy that may win is expected to cost; returns the axes.

        Raises `ValueError` where nothing is expected of any.
        """
        from backtrain.reports.plots import verdict

        return verdict(self, ax)

    def __str__(self) -> str:
        return self.sentence


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def trigger_type(run: Run) -> str:
    """The class name of a run's trigger, such as ``"Every"``."""
    return remarks.part_type(run, "trigger")


def hindsight_of(run: Run) -> dict[str, Any]:
    """What a loss matrix says of one run: regret, luck; empty where none covers it."""
    return dict(run.info.get("hindsight") or {})


def rests_on_path(run: Run) -> bool:
    """Whether how sure it is rests on its own path: it is more than a schedule by the clock."""
    facts = hindsight_of(run).get("expected")
    if facts is not None:  # of an alarm nobody knows what it does from other starts
        return not facts["starts"]
    gated = remarks.part_type(run, "gate") not in ("", "Immediate")
    return trigger_type(run) not in FIXED or gated


def is_tested(run: Run) -> bool:
    """Whether luck says anything: it retrained, and not by a fixed interval, its own placebo."""
    return run.totals["retrains"] > 0 and trigger_type(run) not in ("Every", "EveryRows")


def default_baseline(runs: Mapping[str, Run]) -> str:
    """The strategy that never retrains, else the first one."""
    return to_stop(runs) or next(iter(runs))


def may_win(run: Run) -> bool:
    """Whether a run was chosen on other rows than it is judged on, and really trained."""
    return not run.info.get("in_sample") and not remarks.failing(run)


def eligible(runs: Mapping[str, Run], baseline: str) -> list[str]:
    """Who may win, cheapest first.

    A baseline that was tuned on the replayed span may be kept. A timer by another name stands back
    behind the schedule that does the same.
    """
    fair = _fair(runs, baseline)
    replaced = timers.instead(runs, fair)
    fair = [name for name in fair if name == baseline or name not in replaced]
    return sorted(fair, key=lambda name: float(runs[name].totals["total"]))


def _fair(runs: Mapping[str, Run], baseline: str) -> list[str]:
    """Who trained, on other rows than those that it is judged on."""
    return [
        name
        for name, run in runs.items()
        if may_win(run) or (name == baseline and not remarks.failing(run))
    ]


def judge(
    runs: Mapping[str, Run],
    costs: Costs,
    baseline: str,
    careful: float = FLOOR,
    limit: float | None = None,
    running: bool = False,
) -> Recommendation:
    """Take the least expected cost.

    ``careful`` is the share of it that a change must save; ``limit`` what the choice may cost to
    run, in money a month. Where the baseline is ``running`` now, a change must win back the
    training that it begins with.
    """
    ranked = eligible(runs, baseline)
    failing = tuple(name for name, run in runs.items() if remarks.failing(run))
    beside = tuple(remark.sentence for remark in remarks.gather(runs))
    held = baseline in ranked
    reference = baseline if held or not ranked else ranked[0]
    known = evidence(runs, costs, ranked, reference, careful, limit) if ranked else None
    every, grounded = grounds(runs, ranked)
    choice = Decision(baseline, math.nan)
    if known:
        choice = review(known, baseline) if running and held else decide(known)
    price_of = known.price if known else 1.0
    winner = choice.name
    contrast = costs.against(winner)
    others = [name for name in runs if name not in (winner, *failing) and winner not in failing]
    alone = not held or len(_fair(runs, baseline)) == 1
    against = baseline if winner != baseline else choice.runner_up
    one_price = len({runs[name].info["prices"].get("retrain", 0.0) for name in ranked}) < 2
    expected = {option.name: option.cost for option in known.options} if known else {}
    left_out = _too_dear(runs, choice, expected)
    words = [_no_verdict(runs, ranked, baseline)]
    advice, *changes = words
    if not alone:
        said = _words(runs, choice, baseline, one_price)
        words = _advice(runs, choice, said, "within the budget" if left_out else "")
        words += [budget.sentence(runs, winner, limit, left_out, said.by_year)]
        advice, *changes = filter(None, words)
        words += [remarks.summary(runs), _left_out(failing)]
    return Recommendation(
        decision="keep" if winner == baseline else "retrain",
        strategy=winner,
        baseline=baseline,
        saves=math.nan if alone else choice.saves,
        confidence="" if alone else choice.confidence,
        expected=expected,
        back_to=_back_to(runs, winner) if winner != baseline and not alone else "",
        every=every,
        evidence=grounded,
        runner_up=choice.runner_up,
        behind=choice.behind,
        more=choice.more,
        prices=_prices(price_of, choice.factors) if one_price else (math.nan, math.nan),
        low=float(contrast.low.get(against, math.nan)),
        high=float(contrast.high.get(against, math.nan)),
        rivals=tuple(name for name in others if contrast.low[name] <= 0 <= contrast.high[name]),
        unjudged=tuple(name for name in others if math.isnan(contrast.low[name])),
        failing=failing,
        budget=limit,
        left_out=left_out,
        sentence=" ".join(filter(None, words)),
        remarks=beside,
        advice=advice,
        changes=tuple(changes),
        currency=currency(runs[winner].info),
    )


def _too_dear(
    runs: Mapping[str, Run], choice: Decision, expected: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """What those above the budget cost to run, and were expected to save more than the choice."""
    return {
        name: {
            "running": budget.running_cost(runs[name]),
            "saves": expected_saving(expected[choice.name] - expected[name]),
        }
        for name in choice.too_dear
    }


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


def _back_to(runs: Mapping[str, Run], name: str) -> str:
    """The instant of the model to go back to, where this strategy is to stop."""
    return str(runs[name].info["start"]) if name == to_stop(runs) else ""


def _left_out(failing: tuple[str, ...]) -> str:
    """Says that a strategy is not judged."""
    if not failing:
        return ""
    return f"{listing(failing)} cannot be judged: a tenth or more of the trainings failed."


def _prices(now: float, factors: tuple[float, float]) -> tuple[float, float]:
    """Multiples of a price as prices; no bounds where it is free."""
    return (now * factors[0], now * factors[1]) if now else (0.0, math.inf)


def _words(runs: Mapping[str, Run], choice: Decision, baseline: str, one_price: bool) -> Words:
    """The decision, ready to be said."""
    run, totals = runs[choice.name], [float(one.totals["total"]) for one in runs.values()]
    return Words(choice, baseline, run.info, totals, one_price, _measured(run))


def _measured(run: Run) -> str:
    """What is said of the word of how sure a choice is, where it is no fixed schedule.

    An alarm of which it is said until when it was chosen is judged on later rows, or cannot win.
    """
    if rests_on_path(run):
        chosen_before = run.info.get("tuned_until") is not None
        return ALARM if timers.is_alarm(run) and not chosen_before else OTHER
    return ""


def _advice(runs: Mapping[str, Run], choice: Decision, words: Words, allowed: str) -> list[str]:
    """What to run, and what to expect of it; ``allowed`` says among which others."""
    run, never = runs[choice.name], trigger_type(runs[choice.name]) == "Never"
    what = f"{choice.name}{_in_words(run)}"
    day = Calendar.of(run.info).day
    all_may = len(eligible(runs, words.baseline)) == len(runs)
    among = "nothing" if all_may else "nothing that may win"
    return words.sentences(
        f"Stop retraining: go back to the model of {day(back_to)}, {what}, and do not keep the one "
        "in force"
        if (back_to := _back_to(runs, choice.name))
        else f"{'Train once more, then never: run' if never else 'Run'} {what}",
        f"{'Do not retrain: keep' if never else 'Keep'} {what}",
        f"{among} {allowed}".strip(),
    )


def _in_words(run: Run) -> str:
    """An interval and a window in words, in brackets; nothing for other parts."""
    parts = run.info["parts"]
    trigger, rows = parts.get("trigger"), on(parts.get("window"))
    if not isinstance(trigger, Mapping):
        return ""
    kind = trigger.get("type")
    every = {
        "Every": interval(trigger.get("every")),
        "EveryRows": f"every {trigger.get('rows')} rows",
    }
    if kind not in every:
        return ""
    named = re.sub(r"[\W_]+", " ", run.name).lower()  # "every=30D" and "every_30d" say it
    words = [text for text in (every[str(kind)], rows) if text and text.lower() not in named]
    return f" ({', '.join(words)})" if words else ""

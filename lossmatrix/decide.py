"""What to run: the least expected cost, how sure that is, and what would change it.

Not a test of significance: to keep what runs is a choice too, and has its price. How the rule and
its words do on public streams is measured by ``benchmarks/advice.py``, see ``docs/advice.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Confidence = Literal["sure", "likely", "unsure", ""]

#: What is saved later, of each unit that is estimated beforehand.
REALISED = 0.8
#: Strategies are changed for a share of the cost, at least: less is not told from luck by anybody.
FLOOR = 0.01
#: So much of its cost is added to what is not a plain schedule: it is more to run and to explain.
SIMPLE = 0.01
#: For each word: standard errors of ten eras, eras won, share of starts won, share saved; at least.
_SURE, _LIKELY = (4.0, 7, 1.0, 0.05), (2.0, 7, 0.9, 0.02)
#: Multiples of a price below which a bound is an error of rounding.
_ROUNDING = 1e-9
#: Standard errors that tell two options from each other.
_TOLD = 3.0
#: The newest quarter of the starts must save so much of what all of them save on average: a drift
#: that is over makes early models dear, and not those that follow.
_STILL = 0.5


@dataclass(frozen=True)
class Option:
    """A strategy, as a decision sees it.

    Attributes
    ----------
    name : str
        The strategy.
    cost : float
        Money that it is expected to cost over a span like the one replayed.
    retrains : float
        Trainings in that span, each of which costs the price of a retrain.
    eras : sequence of float
        What it cost in each of E stretches of equal length.
    starts : sequence of float
        What it cost a period in histories that begin later; empty where only its own path is known.
    plain : bool
        Whether the clock alone decides; another must be cheaper by `SIMPLE` to be preferred.
    running : float
        Of ``cost`` what is no error: trainings, releases, labels, checks and predictions.
    errors : float
        What of the cost is the price of an error times a loss; NaN where that is not known.
    """

    name: str
    cost: float
    retrains: float = 0.0
    eras: Sequence[float] = ()
    starts: Sequence[float] = ()
    plain: bool = True
    running: float = 0.0
    errors: float = math.nan


@dataclass(frozen=True)
class Evidence:
    """All that a decision rests on.

    Attributes
    ----------
    options : sequence of Option
        What may be run; those that may not win are left out.
    baseline : str
        The option that is kept unless another one is expected to save enough.
    price, error : float
        Of a retrain and of a unit of loss, as the costs contain them.
    floor : float
        The least share of the baseline's cost for which it is given up.
    budget : float
        What may be spent on running an option, over the same span. Where all cost more, the one
        that costs the least to run is chosen.
    stop : str
        The option that is to stop, of those that may be run: to go back to the model of the start,
        which is there and costs no training. Empty where none is.
    """

    options: Sequence[Option]
    baseline: str
    price: float = 0.0
    floor: float = FLOOR
    budget: float = math.inf
    error: float = 1.0
    stop: str = ""

    def ranking(self) -> list[int]:
        """Positions of the options, the cheapest first; of equals the baseline, else by trainings.

        Without a floor the baseline has no precedence.
        """

        def rank(place: int) -> tuple[float, bool, float]:
            option = self.options[place]
            other = self.floor > 0 and option.name != self.baseline
            return option.cost, other, option.retrains

        return sorted(range(len(self.options)), key=rank)

    def weights(self) -> np.ndarray:
        """By what costs are multiplied before the least is taken, (O,): the rule but for ties.

        That of the baseline is lowered by the floor, and that of what is not plain raised.
        """
        more = [
            -self.floor if option.name == self.baseline else 0.0 if option.plain else SIMPLE
            for option in self.options
        ]
        return np.asarray(1 + np.array(more) * np.sign([option.cost for option in self.options]))


@dataclass(frozen=True)
class Decision:
    """What to run.

    Attributes
    ----------
    name : str
        The option of the least expected cost; the baseline, where no other saves enough.
    saves : float
        Money to expect from it against the baseline, over a span like the one replayed; 0 for the
        baseline itself, less than 0 where that is too dear to run.
    confidence : {"sure", "likely", "unsure", ""}
        How often such a decision was right; nothing for the baseline.
    runner_up : str
        The next cheapest option, nothing where there is none.
    behind : float
        Money that the runner-up is expected to cost more.
    factors : tuple of float
        The price of a retrain may fall and rise by these factors without changing the decision.
    more : float
        How many times this history would tell the two from each other; NaN where none would.
    too_dear : tuple of str
        Options that cost more to run than the budget, the chosen one left out.
    """

    name: str
    saves: float
    confidence: Confidence = ""
    runner_up: str = ""
    behind: float = math.nan
    factors: tuple[float, float] = field(default=(0.0, math.inf))
    more: float = math.nan
    too_dear: tuple[str, ...] = ()


def decide(evidence: Evidence) -> Decision:
    """Choose the least expected cost; of equals the baseline, else the one that trains less.

    >>> never, weekly = Option("never", 100.0), Option("weekly", 80.0, retrains=10)
    >>> decide(Evidence([never, weekly], "never", price=1.0)).name
    'weekly'
    """
    order = evidence.ranking()
    options = [evidence.options[place] for place in order]
    baseline = next(option for option in options if option.name == evidence.baseline)
    budget = max(evidence.budget, min(option.running for option in options))
    dear = np.array([option.running > budget for option in options])
    # Costs are lines in the price of a retrain.
    costs = np.array([option.cost for option in options])
    weight = evidence.weights()[order]
    at_price = weight * costs
    trainings = np.array([evidence.price * option.retrains for option in options])
    slope = weight * trainings
    place = int(np.argmin(np.where(dear, np.inf, at_price)))
    chosen = options[place]
    rest = [one for one, out in zip(options, dear, strict=True) if one is not chosen and not out]
    # An alarm that never fired may be the chosen one by another name: it is next only if alone.
    rival = next((one for one in rest if not _alike(one, chosen)), rest[0] if rest else None)
    limits = _limits(trainings, np.array([option.running for option in options]), budget)
    saves = expected_saving(baseline.cost - chosen.cost)
    return Decision(
        name=chosen.name,
        saves=saves,
        confidence=_confidence(chosen, baseline) if saves >= 0 else "",
        runner_up=rival.name if rival else "",
        behind=rival.cost - chosen.cost if rival else math.nan,
        factors=_factors(at_price - at_price[place], slope - slope[place], limits, limits[place]),
        more=_more(chosen, rival) if rival else math.nan,
        too_dear=tuple(one.name for one, out in zip(options, dear, strict=True) if out),
    )


def _alike(one: Option, other: Option) -> bool:
    """Whether two did the same, as far as costs tell."""
    same = (one.cost, one.retrains) == (other.cost, other.retrains)
    return same and np.array_equal(one.eras, other.eras)


def expected_saving(difference: float) -> float:
    """What is promised of an estimated difference: less of a saving, all of what is dearer."""
    return REALISED * difference if difference > 0 else difference


def review(evidence: Evidence, running: str, left: float = 1.0) -> Decision:
    """Decide again while an option runs: another must win back the training that it begins with.

    To stop begins with none: it goes back to the model of the start.

    Parameters
    ----------
    evidence : Evidence
        On all history so far; its floor holds against what runs.
    running : str
        The option that runs now.
    left : float
        How much is still to come, in spans like the one that the costs are of.

    Examples
    --------
    >>> weekly, daily = Option("weekly", 80.0, retrains=10), Option("daily", 78.0, retrains=70)
    >>> evidence = Evidence([weekly, daily], "weekly", price=0.5)
    >>> review(evidence, "weekly").name, review(evidence, "weekly", left=0.25).name
    ('daily', 'weekly')
    """
    return decide(reviewed(evidence, running, left))


def reviewed(evidence: Evidence, running: str, left: float = 1.0) -> Evidence:
    """What `review` decides on: the evidence with the training that a change begins with."""
    options = [
        option
        if option.name in (running, evidence.stop)
        else replace(
            option,
            cost=option.cost + evidence.price / left,
            running=option.running + evidence.price / left,
            retrains=option.retrains + 1 / left,
        )
        for option in evidence.options
    ]
    return replace(evidence, options=options, baseline=running)


def _confidence(chosen: Option, baseline: Option) -> Confidence:
    """A word for how steadily the choice was cheaper than the baseline.

    What never trains again is one model: its eras are no independent evidence.
    """
    if chosen is baseline:
        return ""
    if not chosen.retrains or len(baseline.eras) != len(chosen.eras):
        return "unsure"
    saved = from_starts = np.subtract(baseline.eras, chosen.eras)
    if len(baseline.starts) == len(chosen.starts) > 0:
        from_starts = np.subtract(baseline.starts, chosen.starts)
    error = _standard_error(saved)
    if not error or not baseline.cost:
        return "unsure"
    shown = (
        float(saved.sum()) / error,
        int((saved > 0).sum()),
        float((from_starts > 0).mean()),
        (baseline.cost - chosen.cost) / abs(baseline.cost),
    )
    if from_starts[-max(1, len(from_starts) // 4) :].mean() < _STILL * from_starts.mean():
        return "unsure"
    words: tuple[tuple[Confidence, tuple[float, ...]], ...] = (("sure", _SURE), ("likely", _LIKELY))
    return next(
        (word for word, least in words if all(a >= b for a, b in zip(shown, least, strict=True))),
        "unsure",
    )


def _standard_error(differences: np.ndarray) -> float:
    """Of a sum over eras; 0 where there are too few."""
    n = len(differences)
    return float(differences.std(ddof=1) * math.sqrt(n)) if n > 1 else 0.0


def _limits(trainings: np.ndarray, running: np.ndarray, budget: float) -> np.ndarray:
    """Up to which multiple of the price of a retrain each option (n,) is within the budget."""
    free = np.where(running <= budget, np.inf, -np.inf)
    room = np.full(len(running), budget) - running
    return np.where(trainings > 0, 1 + room / np.where(trainings > 0, trainings, 1.0), free)


def _factors(
    dearer: np.ndarray, steeper: np.ndarray, limits: np.ndarray, limit: float
) -> tuple[float, float]:
    """Between which multiples of a price one line stays the lowest of those within a budget.

    ``dearer`` (n,) says by how much the others lie above it at the price, and ``steeper`` by how
    much more they rise when the price doubles; each is within the budget up to its ``limits`` (n,),
    the one itself to ``limit``.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        cross = 1 - dearer / steeper  # lines that are all but parallel cross at infinity
        nearest = np.minimum(limits, 1.0)
        lower = dearer + (nearest - 1) * steeper < 0  # where it comes within the budget
    below = np.where(lower, nearest, np.where(steeper > 0, cross, -np.inf))
    above = np.where((steeper < 0) & (cross <= limits), cross, np.inf)
    lowest = float(below.max())
    return lowest if lowest > _ROUNDING else 0.0, min(float(above.min()), float(limit))


def _more(chosen: Option, rival: Option) -> float:
    """How many times this history makes the difference three standard errors of its eras."""
    if len(chosen.eras) != len(rival.eras):
        return math.nan
    error = _standard_error(np.subtract(rival.eras, chosen.eras))
    difference = abs(rival.cost - chosen.cost)
    return (_TOLD * error / difference) ** 2 if difference else math.nan

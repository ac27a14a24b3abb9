"""When to retrain: a test that rows are exchangeable, and that may be looked at all the time."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backtrain.datasets.digits import digits
from backtrain.datasets.offsets import nanoseconds, parse_fixed
from backtrain.simulator.answers import PartError, Reason, Selection
from backtrain.simulator.constraints import FixedOffset, Level, Seed, ShareAboveZero
from backtrain.simulator.parts import Monitor, Part
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.triggers.performance import Detector

__all__ = ["Martingale"]

Floats = NDArray[np.float64]

#: Rows that are taken at a time: their values are compared pair by pair.
_BLOCK = 256
#: So many of the newest values are kept apart from all before them.
_MANY = 2_048
#: The logarithm of the largest float, about.
_LARGEST = 709.0


@dataclass(frozen=True, repr=False)
class Martingale(Part):
    """When a bet against "nothing has changed" has multiplied its stake by ``1 / alpha``.

    A conformal test martingale: each row's loss is ranked among those of all rows before it that
    the version in force served, p = (larger ones + theta * equal ones) / n with theta uniform, and
    the Simple Jumper bets on p. Its wealth starts at 1, split evenly over the bets e = -1, 0, 1.
    With each row a share ``jump`` of the wealth is dealt out anew to all three, then each share is
    multiplied by 1 + e (p - 1/2). Where rows are exchangeable (their order tells nothing), the
    chance that a version is *ever* called drifted is at most ``alpha``, however often one looks.
    Vovk et al. (2021), Retrain or not retrain, arXiv 2102.10439, algorithm 1.

    Rows are taken in the order of events, those of the version in force only: in the order in which
    labels arrive they would not be exchangeable, since early labels are no fair sample. A row whose
    label is still out holds up all later ones; ``max_wait`` after its event it is left out. Whether
    a row is left out thus depends on its own delay and on nothing else, and the chance is kept
    where rows are exchangeable together with their delays. A new version starts at 1; within one
    there is no reset.

    Losses that fall are no reason to retrain: wealth counts while the bet on large losses holds
    more of it than the bet on small ones, which can only make alarms rarer.

    Parameters
    ----------
    alpha : float
        Chance of a false alarm, for each version, over all its time in force.
    of : {"loss", "score"}
        What is ranked. Scores need no label and no waiting; any change of theirs counts, and none
        that leaves them alone.
    max_wait : str, optional
        Time offset after which a row without its label is left out. None waits for ever, so that
        one label that never comes silences the test.
    jump : float
        Share of the wealth that is dealt out anew with each row.
    seed : int
        Seed of theta. A version's draws depend on nothing but this and its number.

    >>> Martingale(0.05, max_wait="30D")
    Martingale(alpha=0.05, max_wait='30D')
    """

    alpha: Level = 0.01
    of: Literal["loss", "score"] = "loss"
    max_wait: FixedOffset | None = None
    jump: ShareAboveZero = 0.01
    seed: Seed = 0

    def check_parameters(self) -> None:
        """Refuse a wait for what does not wait."""
        if self.of == "score" and self.max_wait is not None:
            raise PartError("Martingale(of='score', max_wait=...): scores do not wait for labels")

    @cached_property
    def wait(self) -> int | None:
        """``max_wait`` in nanoseconds."""
        return None if self.max_wait is None else nanoseconds(parse_fixed(self.max_wait))

    def check_setup(self, setup: Setup) -> None:
        """Refuse scores that the model does not give."""
        if self.of == "score" and setup.task == "classification" and not setup.gives_probabilities:
            raise PartError(
                f"Martingale(of='score'): {type(setup.model).__name__} has no predict_proba; "
                "use of='loss'"
            )

    def monitor(self) -> Monitor:
        """A watch over rows in the order of events."""
        return _MartingaleMonitor(self)


class _MartingaleMonitor(Detector):
    _spec: Martingale

    def restart(self, view: View) -> None:
        self._next = view.model.first_row
        self._ranks = Ranks(np.random.default_rng([self._spec.seed, view.model.version]))
        self._bets = SimpleJumper(self._spec.jump)

    def alarm(self, view: View) -> Reason | None:
        """Bet on the rows that can be taken now; the highest wealth among them counts."""
        if view.past <= self._next:
            return None
        values = self._losses(view) if self._spec.of == "loss" else self._scores(view)
        if len(values) == 0:
            return None
        view.checked()
        wealth, upwards = self._bets.run(self._ranks.p_values(values))
        counted = wealth[upwards] if self._spec.of == "loss" else wealth
        highest = float(counted.max(initial=-math.inf))
        reached = math.exp(min(highest, _LARGEST))
        view.reading(reached, 1 / self._spec.alpha)
        if highest < -math.log(self._spec.alpha):
            return None
        what = "losses have risen" if self._spec.of == "loss" else "scores have changed"
        sentence = f"{what}: the martingale reached {digits(reached)} after {self._ranks.n} rows"
        return Reason(sentence, reached, 1 / self._spec.alpha)

    def _scores(self, view: View) -> Floats:
        served, first = view.served, self._next
        self._next = view.past
        own = served.version[first - view.past :] == view.model.version
        return np.asarray(served.score[first - view.past :][own])

    def _losses(self, view: View) -> Floats:
        """Losses of the rows up to the first one that still waits for its label."""
        rows, waits = [np.empty(0, dtype=np.int64)], False
        while self._next < view.past and not waits:  # in blocks: many may stand behind it
            block = slice(self._next, min(self._next + _BLOCK, view.past))
            taken, out = self._sorted_out(view, block)
            own = view.served.within(block).version == view.model.version
            waiting = np.flatnonzero(own & ~taken & ~out)
            waits = len(waiting) > 0
            stop = int(waiting[0]) if waits else len(own)
            rows.append(block.start + np.flatnonzero((own & taken)[:stop]))
            self._next += stop
        return view.answered(np.concatenate(rows)).loss

    def _sorted_out(self, view: View, block: slice) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows of a block have their label in time, and which are too late for it."""
        labelled = Selection(view.labelled.among(block)).indices()
        taken = np.zeros(block.stop - block.start, dtype=bool)
        wait = self._spec.wait
        if wait is None:
            taken[labelled - block.start] = True
            return taken, np.zeros_like(taken)
        event = view.event_time(block).astype(np.int64)
        took = view.answered(labelled).label_time.astype(np.int64) - event[labelled - block.start]
        taken[labelled - block.start] = took <= wait
        return taken, ~taken & (event + wait <= view.at)


# --- the statistics, without time ---------------------------------------------------------------


class Ranks:
    """Smoothed conformal p-values, one value after the other.

    p_n = (#{i: a_i > a_n} + theta_n #{i: a_i = a_n}) / n over i = 1 ... n, with theta_n uniform on
    [0, 1): on exchangeable values they are independent and uniform.

    >>> Ranks(np.random.default_rng(0)).p_values(np.array([3.0, 1.0, 2.0])).round(2).tolist()
    [0.64, 0.63, 0.35]
    """

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._older: Floats = np.empty(0)  # sorted, as are the newest; apart, since each value
        self._newest: Floats = np.empty(0)  # moves all those behind it

    @property
    def n(self) -> int:
        """How many values were ranked."""
        return len(self._older) + len(self._newest)

    def p_values(self, values: Floats) -> Floats:
        """The p-value of each value among all before it and itself, shape (n,)."""
        blocks = range(0, len(values), _BLOCK)
        return np.concatenate([self._block(values[i : i + _BLOCK]) for i in blocks])

    def _block(self, values: Floats) -> Floats:
        n, position = self.n, np.arange(len(values))
        before = (self._older, self._newest)
        upto = sum(ranked.searchsorted(values, side="right") for ranked in before)
        above, equal = n - upto, upto - sum(ranked.searchsorted(values) for ranked in before)
        earlier = position[:, None] > position
        above += (earlier & (values > values[:, None])).sum(axis=1)
        equal += (earlier & (values == values[:, None])).sum(axis=1) + 1
        self._newest = _merged(self._newest, np.sort(values))
        if len(self._newest) >= _MANY:
            self._older, self._newest = _merged(self._older, self._newest), np.empty(0)
        p: Floats = (above + self._random.random(len(values)) * equal) / (n + position + 1)
        return p


def _merged(values: Floats, more: Floats) -> Floats:
    """Two sorted arrays as one."""
    return np.insert(values, values.searchsorted(more), more)


class SimpleJumper:
    """Wealth of a bet against uniform p-values: algorithm 1 of arXiv 2102.10439, in logarithms.

    >>> wealth, upwards = SimpleJumper(jump=0.3).run(np.array([0.1, 0.2]))
    >>> np.exp(wealth).round(4).tolist(), upwards.tolist()
    ([1.0, 1.056], [True, True])
    """

    def __init__(self, jump: float) -> None:
        self._jump = jump
        self._log = 0.0
        self._down = self._none = self._up = 1 / 3  # shares of e = +1, 0 and -1

    def run(self, p_values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Bet on each p-value in turn.

        Returns the logarithm of the wealth after each, and whether more of it lies on e = -1, which
        gains from small p-values (large losses), than on e = +1.
        """
        keep, deal = 1 - self._jump, self._jump / 3
        log, down, none, up = self._log, self._down, self._none, self._up
        wealth, upwards = [], []
        for surplus in (p_values - 0.5).tolist():
            down = (keep * down + deal) * (1 + surplus)
            none = keep * none + deal
            up = (keep * up + deal) * (1 - surplus)
            whole = down + none + up
            log += math.log(whole)
            down, none, up = down / whole, none / whole, up / whole
            wealth.append(log)
            upwards.append(up > down)
        self._log, self._down, self._none, self._up = log, down, none, up
        return np.array(wealth), np.array(upwards, dtype=bool)

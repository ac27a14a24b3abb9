"""Who answers which row, and what was answered."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import Fit, PartError, Rows
from backtrain.simulator.metrics import Outcomes
from backtrain.simulator.setup import outcomes_of
from backtrain.simulator.training import Learner
from backtrain.store.fits import Answers


@dataclass(slots=True, eq=False)
class Candidate:
    """A fit under its version number, with the first row that its decision did not know.

    ``first`` is what it answered to its first block, where a probe has to remember that.
    """

    version: int
    fit: Fit
    origin: int
    first: Answers | None = None


@dataclass(slots=True, eq=False)
class Assignment:
    """From row ``row`` (instant ``at``) on: who is in force, and who is on trial."""

    at: int
    row: int
    champion: Candidate
    challenger: Candidate | None = None
    share: float = 0.0
    sticky: bool = False
    watch: bool = False
    trial_row: int = 0


class Stretch(NamedTuple):
    """What stays of an assignment when it is over: no model, so that past versions take no room."""

    at: int
    row: int
    champion: int
    challenger: int | None
    share: float
    watch: bool


class Predictions:
    """Predictions of the versions in force, made ahead in blocks and cut where a version ends.

    Arrays are indexed by position in the stream. Rows from ``filled`` on hold nothing yet; what
    lies ahead of now is fenced off by the view.
    """

    def __init__(self, learner: Learner) -> None:
        setup = learner.setup
        n = len(setup.stream)
        self.learner = learner
        self._stop = setup.served.stop
        self.filled = self.judged = setup.served.start
        self.stretches: list[Stretch] = []
        self._current: Assignment | None = None
        self.unable: dict[int, Fit] = {}  # versions that could not score a row
        self.version = np.zeros(n, dtype=np.int32)
        self.prediction = np.empty(n, dtype=np.float64 if setup.classes is None else np.int64)
        self.loss = np.empty(n, dtype=np.float64)
        self.fallback = np.zeros(n, dtype=bool)
        probable = setup.gives_probabilities
        self.score = np.empty(n) if probable else None
        levels = setup.quantiles
        self.quantiles = None if levels is None else np.empty((n, len(levels)))
        many = setup.classes is not None and (len(setup.classes) > 2 or setup.positive is None)
        self.probability = (
            np.empty((n, len(setup.classes)))
            if probable and many and setup.classes is not None
            else None
        )

    def assign(self, assignment: Assignment) -> None:
        """Let ``assignment`` hold from its row on; rows before it keep their answers."""
        if self._current is not None:
            self.ensure(assignment.row)
        self.filled = min(self.filled, assignment.row)
        self.judged = min(self.judged, assignment.row)
        self._current = assignment
        challenger = assignment.challenger
        self.stretches.append(
            Stretch(
                assignment.at,
                assignment.row,
                assignment.champion.version,
                None if challenger is None else challenger.version,
                assignment.share,
                assignment.watch,
            )
        )

    @property
    def current(self) -> Assignment:
        """The assignment in force."""
        assert self._current is not None
        return self._current

    def ensure(self, stop: int) -> None:
        """Have answers for every row before ``stop``."""
        while self.filled < stop:
            self._fill(self.current)

    def judge(self, stop: int) -> None:
        """Have the loss of every row before ``stop``."""
        self.ensure(stop)
        if self.judged < stop:
            rows = slice(self.judged, self.filled)
            self.loss[rows] = self.learner.setup.losses(self.outcomes(rows))
            self.judged = self.filled

    def _fill(self, now: Assignment) -> None:
        """Answer one more block, or what one block of each of two models has in common."""
        lower = self.filled
        start, upper, answers = self._block(now.champion, lower, self._stop)
        if now.challenger is not None and now.share > 0:
            other_start, upper, others = self._block(now.challenger, lower, upper)
        self._write(slice(lower, upper), answers, slice(lower - start, upper - start), now.champion)
        if now.challenger is not None and now.share > 0:
            mine = lower + np.flatnonzero(self._on_trial(now, lower, upper))
            self._write(mine, others, mine - other_start, now.challenger)
        self.filled = upper

    def _block(self, candidate: Candidate, lower: int, stop: int) -> tuple[int, int, Answers]:
        start, upper, answers = self.learner.block(candidate.fit, candidate.origin, lower)
        return start, min(upper, stop), answers

    def _write(self, rows: Rows, answers: Answers, where: Rows, candidate: Candidate) -> None:
        self.version[rows] = candidate.version
        self.prediction[rows] = answers.prediction[where]
        if self.score is not None and answers.score is not None:
            self.score[rows] = answers.score[where]
        if self.probability is not None and answers.probability is not None:
            self.probability[rows] = answers.probability[where]
        if self.quantiles is not None and answers.quantiles is not None:
            self.quantiles[rows] = answers.quantiles[where]
        if answers.fallback is None:
            self.fallback[rows] = False
        else:
            self.fallback[rows] = answers.fallback[where]
            self.unable.setdefault(candidate.version, candidate.fit)

    def _on_trial(self, now: Assignment, lower: int, upper: int) -> NDArray[np.bool_]:
        if now.sticky:
            group = self.learner.setup.stream.group
            if group is None:
                raise PartError("a sticky share needs groups; name the stream's `group` column")
            return hashed_share(group[lower:upper]) < now.share
        # In floating point, 90 rows at a share of 0.7 would come to a little less than 63.
        share = Fraction(now.share).limit_denominator(1_000_000)
        so_far = np.arange(lower, upper + 1) - now.trial_row
        return np.diff(so_far * share.numerator // share.denominator) > 0

    def outcomes(self, rows: Rows) -> Outcomes:
        """Labels (known or not) beside the served answers."""
        return self._outcomes(rows, self.learner.setup.truth)

    def _outcomes(self, rows: Rows, label: NDArray[Any]) -> Outcomes:
        return outcomes_of(
            self.learner.setup,
            rows,
            label,
            self.prediction[rows],
            None if self.score is None else self.score[rows],
            None if self.probability is None else self.probability[rows],
            None if self.quantiles is None else self.quantiles[rows],
        )

    def scored(self, rows: slice) -> Outcomes:
        """What really came out beside the served answers: for the record, never for a view."""
        return self._outcomes(rows, self.learner.setup.outcome)

    def scored_loss(self, rows: slice) -> NDArray[np.float64]:
        """Loss against what really came out; ``loss`` is against the labels as recorded."""
        setup = self.learner.setup
        return self.loss[rows] if setup.stream.truth is None else setup.losses(self.scored(rows))


def hashed_share(group: NDArray[np.generic]) -> NDArray[np.float64]:
    """Place of each group in [0, 1), the same in every process; shape (n,)."""
    return np.asarray(pd.util.hash_array(np.asarray(group).astype(str).astype(object)) / 2.0**64)

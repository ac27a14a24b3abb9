"""Answers rows with what was really answered: no model is fitted, and none can be asked."""

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.answers import AnyUpdate, Fit, PartError, Rows, Selection
from backtrain.simulator.asking import answers_of
from backtrain.simulator.clock import Nanoseconds
from backtrain.simulator.parts import RecordedAnswers
from backtrain.simulator.setup import Setup
from backtrain.simulator.training import Learner, block_borders
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
        return Answers(_placed(setup, told.prediction, np.zeros(n)), None, None, None)
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

"""Asks models twice: versions that share a state, and models that look along the batch, are found.

No copy can separate what lies outside the object: a class attribute, a variable of a module, a
file. Rows are predicted in blocks, so a model that looks at the rows beside one sees its future.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtrain.simulator.answers import AnyUpdate, Fit, Selection
from backtrain.simulator.predictions import Candidate
from backtrain.simulator.setup import SetupError
from backtrain.simulator.training import Learner
from backtrain.store.code_version import is_trusted
from backtrain.store.fits import Answers

#: Answers that differ by less, against the largest, differ by rounding.
_ROUNDING = 1e-6


class ModelError(SetupError):
    """A model does not keep its versions apart, or answers a row by rows that come after it."""


class Probe:
    """Fits, and asks models of classes that are not known to keep their fits apart twice.

    Probes change no number and are not charged. ``everyone``: those of known classes, too.
    """

    def __init__(self, learner: Learner, everyone: bool = False) -> None:
        self._learner = learner
        self._everyone = everyone
        self._latest: Candidate | None = None
        self._repeated = self._looked_back = False

    def fit(
        self,
        update: AnyUpdate,
        selection: Selection,
        parent: Fit | None,
        origin: int,
        champion: Candidate | None = None,
        labels: bool = True,
    ) -> Fit:
        """Fit, as `Learner.fit` does; ``origin`` is the first row that the fit may not know.

        Raises `ModelError` where the fit before this one, or the champion, then answers its first
        block otherwise than before.
        """
        if self._trusts(update):
            return self._learner.fit(update, selection, parent, labels)[0]
        try:
            fit, was_there = self._learner.fit(update, selection, parent, labels)
        finally:
            earlier = {c.fit.name: c for c in (self._latest, champion) if c is not None}
            for candidate in earlier.values():
                self._refuse_change(candidate)
        if was_there:  # what came back from the disk may have left something behind
            self._repeated = False
        if type(fit.model) is type(self._learner.setup.model):
            self._latest = self._asked(Candidate(-1, fit, origin))
        return fit

    def first_block(self, candidate: Candidate, update: AnyUpdate) -> str | None:
        """Have a version answer its first block, and again with other rows beside.

        Returns a sentence where the first version's answers depend on the rows before them in the
        batch. Raises `ModelError` where answers depend on the rows after them, or are not the same
        when asked again: the first version's, and those of fits that were in the store. Others
        are asked again after the next fit.
        """
        if self._trusts(update) or self._asked(candidate).first is None:
            return None
        row = None if self._repeated else self._differs(candidate)
        self._repeated = True
        if row is not None:
            raise ModelError(
                f"{_name(candidate.fit.model)}: asked twice about row {row}, it gives two answers, "
                "so totals would depend on who asks; make predict() a function of its rows alone: "
                "seed what it draws, and keep no state between calls"
            )
        return self._batch(candidate)

    def _trusts(self, update: AnyUpdate) -> bool:
        return not self._everyone and self._learner.trusts(update)

    def _asked(self, candidate: Candidate) -> Candidate:
        """The same candidate, with the answers to its first block, if there are rows to answer."""
        origin = candidate.origin
        if origin < len(self._learner.setup.stream):
            _, _, candidate.first = self._learner.block(candidate.fit, origin, origin)
        return candidate

    def _refuse_change(self, candidate: Candidate) -> None:
        row = None if candidate.first is None else self._differs(candidate)
        if row is not None:
            who = "a model" if candidate.version < 0 else f"version {candidate.version}"
            raise ModelError(
                f"{_name(candidate.fit.model)}: after another fit, {who} gives another answer to "
                f"row {row} than before. Versions share what a fit has learnt: a class attribute, "
                "a variable of a module, a file; or an update changed its parent. Keep what is "
                "learnt in attributes that fit() sets on self, and let an update change a copy of "
                "the parent"
            )

    def _differs(self, candidate: Candidate) -> int | None:
        """The first row of the first block that is answered otherwise than before, if any."""
        before = candidate.first
        assert before is not None
        rows = slice(candidate.origin, candidate.origin + len(before.prediction))
        again = self._learner.answers(candidate.fit, rows)
        moved = [a != b for a, b in _pairs(before, again)]
        both = [np.isnan(a) & np.isnan(b) for a, b in _pairs(before, again)]
        found = np.flatnonzero(np.any([m & ~b for m, b in zip(moved, both, strict=True)], axis=0))
        return int(rows.start + found[0]) if len(found) else None

    def _batch(self, candidate: Candidate) -> str | None:
        fit, answers = candidate.fit, candidate.first
        assert answers is not None
        rows = np.arange(candidate.origin, candidate.origin + len(answers.prediction))
        half = len(rows) // 2
        row = self._moved(fit, rows, answers, slice(0, half), slice(half, None))
        if row is not None:
            raise ModelError(
                f"{_name(fit.model)}: its answer to row {row} depends on rows that come after it "
                "in the batch, which are not known when it is answered. Make such features from "
                "the past of each row (a trailing mean, not a centred one), before predict()"
            )
        if self._looked_back:
            return None
        self._looked_back = True
        row = self._moved(fit, rows, answers, slice(half, None), slice(0, half))
        if row is None:
            return None
        return (
            f"answers depend on neighbours in the batch: {_name(fit.model)} answers row {row} by "
            "the rows before it in its block, and where blocks begin is up to the simulator; make "
            "such features before predict()"
        )

    def _moved(
        self, fit: Fit, rows: NDArray[np.int64], answers: Answers, kept: slice, replaced: slice
    ) -> int | None:
        """The first kept row whose answer moves when others give way to rows learnt from."""
        # Of the rows learnt from the oldest, so that they resemble a block the least.
        learnt = fit.selection.take(slice(0, min(len(fit.selection), 128))).indices()
        if not len(rows[kept]) or not len(learnt):
            return None
        asked = rows.copy()
        asked[replaced] = np.resize(learnt, len(rows[replaced]))
        others = self._learner.answers(fit, asked)
        moved = np.zeros(len(rows[kept]), dtype=bool)
        for a, b in _pairs(answers, others):
            scale = np.nanmax(np.abs(a), initial=0.0)
            moved |= np.abs(a[kept] - b[kept]) > _ROUNDING * scale
        return int(rows[kept][moved][0]) if moved.any() else None


def _pairs(one: Answers, two: Answers) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Numbers of both, as columns of shape (n,) side by side."""
    for a, b in zip(one.arrays(), two.arrays(), strict=True):
        if a is None and b is None:
            continue
        a = np.zeros_like(b) if a is None else a
        b = np.zeros_like(a) if b is None else b
        for x, y in zip(a.reshape(len(a), -1).T, b.reshape(len(b), -1).T, strict=True):
            yield x.astype(np.float64), y.astype(np.float64)


def _name(model: Any) -> str:
    """The class of a model, with those inside it that are not known to keep their fits apart."""

    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline):
        return f"Pipeline({', '.join(_name(step) for _, step in model.steps)})"
    name = type(model).__name__
    if not hasattr(model, "get_params"):
        return name
    inside = model.get_params(deep=True).values()
    others = {type(v).__name__: v for v in inside if hasattr(v, "get_params") and not is_trusted(v)}
    return f"{name}({', '.join(others)})" if others else name

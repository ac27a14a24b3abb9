"""Finished loss matrices in the store: jobs and runs that ask the same again train and ask nothing.

A matrix is named by all that its numbers depend on; prices and metrics are not among it.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from backtrain.lossmatrix.curves import Floats, Integers
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.segments import units_of
from backtrain.simulator.answers import AnyUpdate
from backtrain.simulator.losses import LOSSES
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.setup import Setup
from backtrain.simulator.texts import code
from backtrain.simulator.training import Learner
from backtrain.store.code_version import is_trusted, origin_of
from backtrain.store.content import content, is_unnamed
from backtrain.store.fits import FitStore

#: What is not kept: it follows from the question that is asked.
_ASKED = ("window", "update", "prices", "info")
#: What schedules and their losses follow from; prices are none of it.
_LOOKED_UP = ("decided_at", "in_force_at", "borders", "loss", "segment_rows", "failed")


class Name(NamedTuple):
    """A matrix's name, and whether it holds in other processes and at other times."""

    text: str
    lasting: bool

    @classmethod
    def of(
        cls, learner: Learner, window: AnyWindow, update: AnyUpdate, every: int
    ) -> "Name | None":
        """The name; None where a part can only be told apart while it is in memory."""
        setup = learner.setup
        fits, lasting = learner.identity(update)
        usual = setup.loss is None or (isinstance(setup.loss, str) and setup.loss in LOSSES)
        loss = setup.loss if usual else setup.row_loss
        parts: list[Any] = [window, loss, setup.threshold]
        if not is_trusted(window):  # it may look at all that a view shows
            parts += [setup.prices, setup.metrics]
        named = [content(part) for part in parts]
        if any(map(is_unnamed, named)):
            return None
        origins = [origin_of(part) for part in (*parts, Setup, LossMatrix)]
        span = setup.start_at.value, setup.end_at.value, setup.seed, every
        delays = [getattr(setup.delays, delay.name) for delay in fields(setup.delays)]
        identity = fits, named, [origin.versions for origin in origins], span, delays
        digest = blake2b(repr(identity).encode(), digest_size=16)
        digest.update(setup.ticks.tobytes())
        lasting = lasting and all(origin.lasting for origin in origins)
        return cls(f"matrix.{digest.hexdigest()}", lasting)


def found(
    store: FitStore, name: Name | None, setup: Setup, window: AnyWindow, update: AnyUpdate
) -> LossMatrix | str | None:
    """A matrix that was kept, or why none could be made; None where nothing is known."""
    kept: Any = None if name is None else store.found(name.text, name.lasting)
    if kept is None or isinstance(kept, str):
        return kept
    asked: dict[str, Any] = {"prices": setup.prices, "info": units_of(setup)}
    return LossMatrix(**kept, window=code(window), update=code(update), **asked)


def keep(store: FitStore, name: Name | None, made: LossMatrix | str) -> None:
    """Keep a matrix, or why there is none, for whoever asks the same."""
    if name is None:
        return
    kept: Any = made
    if isinstance(made, LossMatrix):
        names = [field.name for field in fields(made) if field.name not in _ASKED]
        kept = {field: getattr(made, field) for field in names}
    store.put(name.text, kept, name.lasting)


def look_up(
    store: FitStore | None,
    matrix: LossMatrix,
    given: Sequence[Integers],
    make: Callable[[], Floats],
) -> Floats:
    """What ``make`` looks up in a matrix by these arrays; kept by the matrix's own numbers."""
    if store is None:
        return make()
    origin = origin_of(LossMatrix)
    digest = blake2b(repr((make.__qualname__, origin.versions)).encode(), digest_size=16)
    for array in (*(getattr(matrix, name) for name in _LOOKED_UP), *given):
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).data)
    name = f"look-up.{digest.hexdigest()}"
    kept: Floats | None = store.found(name, origin.lasting)
    if kept is None:
        kept = make()
        store.put(name, kept, origin.lasting)
    return kept

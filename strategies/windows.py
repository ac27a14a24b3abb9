"""On what to train: which of the rows whose label has arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from backtrain.datasets.offsets import Offset, nanoseconds, parse_offset
from backtrain.simulator.protocols import Checked, Part, PartError, Selection, Window
from backtrain.simulator.setup import Setup
from backtrain.simulator.view import View
from backtrain.strategies.updates import last_step, takes_weights

__all__ = ["Decay", "Expanding", "Sliding"]


@dataclass(frozen=True, repr=False)
class Expanding(Part):
    """Everything that is known: all past rows whose label has arrived.

    >>> Expanding()
    Expanding()
    """

    def select(self, view: View) -> Selection:
        """All labelled rows, in event order."""
        return Selection(view.labelled.all())


@dataclass(frozen=True, repr=False)
class Sliding(Part):
    """The newest stretch: labelled rows of ``[now - length, now)``, or the newest n labelled rows.

    Parameters
    ----------
    length : str or int
        A time offset, or a number of labelled rows in event order.

    >>> Sliding("90D"), Sliding(2_000)
    (Sliding('90D'), Sliding(2000))
    """

    length: str | int

    def __post_init__(self) -> None:
        if isinstance(self.length, int) and (isinstance(self.length, bool) or self.length < 1):
            raise PartError(f"Sliding(length={self.length!r}): a number of rows is at least 1")
        if self._offset is not None and self._offset == parse_offset("0D"):
            raise PartError(f"Sliding(length={self.length!r}): holds no row; did you mean '90D'?")

    @cached_property
    def _offset(self) -> Offset | None:
        return (
            None if isinstance(self.length, int) else parse_offset(self.length, "Sliding(length)")
        )

    def select(self, view: View) -> Selection:
        """The newest labelled rows, in event order."""
        if self._offset is None:
            return Selection(view.labelled.newest(int(self.length)))
        return Selection(view.labelled.within(self._offset))


@dataclass(frozen=True, repr=False)
class Decay(Part):
    """Older rows count less: each weighs ``0.5 ** (age / half_life)``, its age counted from now.

    Parameters
    ----------
    half_life : str
        A time offset of fixed length: a row of this age counts half as much as one of now.
    window : Window
        Which rows; all that are known by default. Weights that it gives are multiplied.

    >>> Decay("90D"), Decay("90D", window=Sliding("365D"))
    (Decay('90D'), Decay('90D', window=Sliding('365D')))
    """

    half_life: str
    window: Window = field(default_factory=Expanding)

    def __post_init__(self) -> None:
        if self._nanoseconds == 0:
            raise PartError(f"Decay(half_life={self.half_life!r}): no time at all; try '90D'")
        if isinstance(self.window, type) or not hasattr(self.window, "select"):
            raise PartError(f"Decay(window={self.window!r}): not a window, such as Expanding()")

    @cached_property
    def _nanoseconds(self) -> int:
        offset = parse_offset(self.half_life, "Decay(half_life)")
        if not isinstance(offset, pd.Timedelta):
            raise PartError(
                f"Decay(half_life={self.half_life!r}): not of fixed length; give days or hours"
            )
        return nanoseconds(offset)

    def check_setup(self, setup: Setup) -> None:
        """Refuse models that take no weights."""
        if not takes_weights(setup.model):
            raise PartError(
                f"{self!r}: {type(last_step(setup.model)).__name__} takes no sample_weight; "
                "use Sliding, or a model that takes weights"
            )
        if isinstance(self.window, Checked):
            self.window.check_setup(setup)

    def select(self, view: View) -> Selection:
        """The rows of ``window``, weighted by age."""
        inner = self.window.select(view)
        age = view.at - view.event_time(inner.rows).view(np.int64)
        weights = 0.5 ** (age / self._nanoseconds)
        return Selection(inner.rows, weights if inner.weights is None else inner.weights * weights)

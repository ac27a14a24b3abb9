"""On what to train: which of the rows whose label has arrived."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from backtrain.datasets.offsets import Offset, parse_offset
from backtrain.simulator.protocols import Part, PartError, Selection
from backtrain.simulator.view import View


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

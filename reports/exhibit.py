"""What a page is made of: sections, and in them figures and tables with the data that they show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.tables import Sheet


@dataclass(frozen=True, eq=False)
class Exhibit:
    """A figure or a table.

    Attributes
    ----------
    id : str
        Its place in the page and its files: ``figures/ID.svg``, ``figures/ID.csv``.
    title : str
        What it is; a heading where a section has several.
    shows : Sheet or callable
        Cells of a table; or what draws the figure, asked once a width of paper.
    alt : str
        What is to be seen, in a sentence or two, for who cannot see it.
    data : callable, optional
        Makes the frame behind it; a table has its own cells.
    finding : str
        A sentence above it.
    """

    id: str
    title: str
    shows: Sheet | Callable[[Paper], Drawing]
    alt: str = ""
    data: Callable[[], pd.DataFrame] | None = None
    finding: str = ""

    @property
    def folder(self) -> str:
        """Where its files lie."""
        return "tables" if isinstance(self.shows, Sheet) else "figures"

    def frame(self) -> pd.DataFrame | None:
        """The data behind it; None for a figure that gives none."""
        if self.data is not None:
            return self.data()
        return self.shows.frame() if isinstance(self.shows, Sheet) else None


@dataclass(frozen=True, eq=False)
class Section:
    """A heading and what stands below it, in this order: all but the exhibits may be empty."""

    title: str
    exhibits: Sequence[Exhibit] = ()
    finding: str = ""
    intro: str = ""
    note: str = ""
    lines: Sequence[str] = ()

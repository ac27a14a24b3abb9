"""What objects show of themselves: a line or two, and a card below the cell of a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Shown:
    """An object with a card in notebooks, and where it has no other text with that in its `repr`.

    What stands there is said in `reports.cards`: data need no page.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        from backtrain.reports.cards import text

        return text(self)

    def _repr_html_(self) -> str:
        from backtrain.reports.cards import html

        return html(self)


class ShownStream(Shown):
    """How a stream shows itself."""

    __slots__ = ()

    def to_frame(self) -> pd.DataFrame:
        """All rows as a table, in time order.

        Columns: ``event_time`` and ``label_time`` (UTC, NaT: the label never arrives), the
        features and the target by their names; ``weight``, ``fit_weight``, ``score_weight``,
        ``group``, ``amount`` and ``truth`` where the stream has them.
        """
        stream = cast(Any, self)
        frame: pd.DataFrame = stream.head(len(stream))
        names = ("weight", "fit_weight", "score_weight", "group", "amount", "truth")
        more = {name: getattr(stream, name) for name in names if name not in frame}
        return frame.assign(**{name: rows for name, rows in more.items() if rows is not None})

    def plot(self, kind: str = "history", ax: Axes | None = None) -> Axes:
        """Draw what happened, by hours, days, weeks or months; returns the axes.

        Parameters
        ----------
        kind : {"history", "target", "delay"}
            The target (its mean and the middle 80 % of rows, or the share of each class) and below
            it how late labels come; or one of the two. True drift is dashed, faults are shaded.
        ax : Axes, optional
            What to draw on; by default a new figure.
        """
        from backtrain.reports.plots import stream

        return stream(cast(Any, self), kind, ax)

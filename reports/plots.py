"""Which figure of an object is asked for, drawn on the axes of a user."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from backtrain.datasets.names import nearest
from backtrain.datasets.offsets import usual_season
from backtrain.datasets.stream import Stream
from backtrain.lossmatrix.curves import IntervalCurve, Oracle, Placebo, StalenessCurve
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.tuning import Tuning
from backtrain.reports import (
    cumulative,
    figures,
    matrix_figures,
    page,
    price_map,
    search_figures,
    stability,
    stream_figures,
    timeline,
    tuning_figures,
    verdict_figure,
)
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.html import exhibits
from backtrain.reports.own_axes import draw
from backtrain.reports.sweep import page as sweep_page
from backtrain.reports.sweep import rank_figure
from backtrain.reports.sweep.found import Found
from backtrain.reports.sweep.ranked import Ranked
from backtrain.reports.sweep.sweep import Sweep
from backtrain.reports.tables import Sheet
from backtrain.reports.verdict import Recommendation
from backtrain.search.result import Search
from backtrain.simulator.ledger import Prices
from backtrain.simulator.record import Run

Kinds = Mapping[str, Callable[[], Exhibit | None]]


def stream(of: Stream, kind: str, ax: Axes | None) -> Axes:
    """See `Stream.plot`."""
    return _chosen(stream_figures.exhibits(of), kind, ax)


def run(of: Run, kind: str, ax: Axes | None) -> Axes:
    """See `Run.plot`."""
    alone, cast = Comparison({of.name: of}), {of.name: "winner"}
    season = math.ceil(usual_season(alone.span) / alone.costs.grid.length)
    kinds = {
        "timeline": lambda: timeline.over_time(alone, of.name, cast, season),
        "cost": lambda: cumulative.paid(alone, of.name, cast),
    }
    return _chosen(kinds, kind, ax)


def comparison(of: Comparison, kind: str, ax: Axes | None, baseline: str | None) -> Axes:
    """See `Comparison.plot`."""
    held = of.baseline(baseline)
    kinds = _quick(of, held)
    if kind not in kinds:
        kinds = {**kinds, **_drawn(page.outline(of, held))}
    return _chosen(kinds, kind, ax)


def _quick(of: Comparison, held: str) -> dict[str, Callable[[], Exhibit | None]]:
    """The figures with a name of their own."""
    return {
        "cost": lambda: cumulative.paid(of, held, figures.cast(of, held)),
        "timeline": lambda: timeline.over_time(of, held, figures.cast(of, held)),
        "frontier": partial(figures.tradeoff, of, held),
        "intervals": partial(figures.intervals, of, held),
        "prices": lambda: _first(price_map.section(of, held)),
        "stability": lambda: _first(stability.section(of, held)),
    }


def verdict(of: Recommendation, ax: Axes | None) -> Axes:
    """See `Recommendation.plot`."""
    return _only(verdict_figure.exhibit(of), of.sentence, ax)


def tuning(of: Tuning, kind: str, ax: Axes | None) -> Axes:
    """See `Tuning.plot`."""
    names = ("intervals", "prices", "rows", "old-rows", "staleness", "oracle")
    return _chosen(_ready(tuning_figures.exhibits(of), names), kind, ax)


def search(of: Search, kind: str, ax: Axes | None) -> Axes:
    """See `Search.plot`."""
    names = ("front", "promise", "keys", "values")
    kinds = _ready(search_figures.exhibits(of), names)
    return _chosen({**kinds, "trials": partial(search_figures.by_trial, of)}, kind, ax)


def sweep(of: Sweep, kind: str, ax: Axes | None) -> Axes:
    """See `Sweep.plot`."""
    made = _drawn(sweep_page.outline(Found(of)))
    names = {"cost-against-retrains": "retrains"}
    kinds = {names.get(name, name): one for name, one in made.items()}
    return _chosen({"retrains": lambda: None, **kinds}, kind, ax)


def ranked(of: Ranked, ax: Axes | None) -> Axes:
    """See `Ranked.plot`."""
    return draw(rank_figure.exhibit(of), ax)


def matrix(of: LossMatrix, kind: str, ax: Axes | None) -> Axes:
    """See `LossMatrix.plot`."""
    return _chosen(matrix_figures.exhibits(of), kind, ax)


def oracle(of: Oracle, ax: Axes | None) -> Axes:
    """See `Oracle.plot`."""
    return draw(matrix_figures.oracle(of), ax)


def intervals(of: IntervalCurve, ax: Axes | None, prices: Prices) -> Axes:
    """See `IntervalCurve.plot`."""
    return draw(matrix_figures.intervals(of, prices), ax)


def staleness(of: StalenessCurve, ax: Axes | None) -> Axes:
    """See `StalenessCurve.plot`."""
    return _only(matrix_figures.staleness(of), "no age holds rows", ax)


def placebo(of: Placebo, ax: Axes | None, cost: float | None, prices: Prices) -> Axes:
    """See `Placebo.plot`."""
    return _only(matrix_figures.placebo(of, cost, prices), "no random schedule", ax)


# --- choosing -----------------------------------------------------------------------------------


def _chosen(kinds: Kinds, kind: Any, ax: Axes | None) -> Axes:
    """Draw the figure of this name; `ValueError` for another name, and where it shows nothing."""
    if not isinstance(kind, str):
        raise ValueError(f"kind={kind!r}: give the name of a figure; axes are given as plot(ax=ax)")
    if kind not in kinds:
        raise ValueError(
            f"kind={kind!r}: no such figure; there are {', '.join(kinds)}; "
            f"did you mean {nearest(kind, kinds)}?"
        )
    return _only(kinds[kind](), f"kind={kind!r}, which the report leaves out as well", ax)


def _only(exhibit: Exhibit | None, why: str, ax: Axes | None) -> Axes:
    if exhibit is None:
        raise ValueError(f"nothing to draw: {why}")
    return draw(exhibit, ax)


def _ready(made: Mapping[str, Exhibit], names: tuple[str, ...]) -> Kinds:
    """Figures of a report that may lack some."""
    return {name: partial(made.get, name) for name in dict.fromkeys((*names, *made))}


def _drawn(sections: list[Section]) -> Kinds:
    """The figures of a report by their ids."""
    shown = [one for one in exhibits(sections) if not isinstance(one.shows, Sheet)]
    return {one.id: partial(_itself, one) for one in shown}


def _itself(exhibit: Exhibit) -> Exhibit:
    return exhibit


def _first(section: Section | None) -> Exhibit | None:
    return next(iter(section.exhibits), None) if section else None

"""How often, on how much and on how old rows to train: what was measured, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import YEAR, usual_season
from backtrain.datasets.shown import Shown
from backtrain.lossmatrix.at_prices import PriceMap
from backtrain.lossmatrix.decide import FLOOR, Decision, Evidence, Option, decide
from backtrain.simulator import statistics
from backtrain.simulator.manifest import put

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class Fresh(Shown):
    """How fresh models did, by the W windows they were trained on and the P points in time.

    Attributes
    ----------
    kinds, labels : tuple of str
        What a window is ("newest", "half-life" or "all") and its size ("800", "90D"); by size.
    loss, rows : array (W, P)
        Mean loss on the rows up to the next point, NaN where there is none; rows trained on.
    own, own_rows : array (P,)
        The same of the window that is tuned.
    """

    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    loss: Floats
    rows: Integers
    own: Floats
    own_rows: Integers

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Windows that yielded a model at most points, ``(W,)``."""
        return np.asarray(np.isfinite(self.loss).mean(axis=1) > 0.5)

    @cached_property
    def _common(self) -> Floats:
        """Losses at the points where every usable window has one; NaN for the others."""
        points = np.isfinite(self.loss[self.usable]).all(axis=0)
        return np.where(self.usable[:, None], self.loss[:, points], np.nan)

    @property
    def points(self) -> int:
        """At how many points windows are compared."""
        return int(self._common.shape[1])

    @cached_property
    def mean(self) -> Floats:
        """Mean loss over the points that all usable windows share, ``(W,)``."""
        if not self.points:
            return np.full(len(self.labels), np.nan)
        return np.asarray(self._common.mean(axis=1))

    @cached_property
    def best(self) -> int | None:
        """The window with the least loss; None where nothing could be compared."""
        return None if np.isnan(self.mean).all() else int(np.nanargmin(self.mean))

    @cached_property
    def above_best(self) -> tuple[Floats, Floats]:
        """Simultaneous 95 % interval of each mean loss less the best one; NaN below 7 points."""
        low = np.full(len(self.labels), np.nan)
        high = low.copy()
        if self.best is not None:
            differences = (self._common - self._common[self.best])[self.usable].T / self.points
            found = statistics.simultaneous_intervals(differences, block=1)
            if found is not None:
                low[self.usable], high[self.usable] = found.low, found.high
        return low, high

    @property
    def above_own(self) -> tuple[Floats, Floats]:
        """Mean loss and mean rows of each window less those of the tuned one, (W,) each.

        At the points where both have a model.
        """
        both = np.isfinite(self.loss) & np.isfinite(self.own)
        with np.errstate(invalid="ignore"):
            loss, rows = (
                np.where(both, of - own, 0).sum(axis=1) / both.sum(axis=1)
                for of, own in ((self.loss, self.own), (self.rows, self.own_rows))
            )
        return loss, rows


@dataclass(frozen=True, eq=False, repr=False)
class Ages(Shown):
    """Loss a row above that of the freshest model on the very same rows, by B bins of age.

    ``edges`` (B + 1,) in nanoseconds; ``excess``, ``fresh`` and ``rows`` (B,), the last two the
    freshest model's loss on these rows, and how many they are.
    """

    edges: Floats
    excess: Floats
    fresh: Floats
    rows: Floats


@dataclass(frozen=True, eq=False, repr=False)
class Judgement(Shown):
    """Every option against the advised one, on the history as it was.

    Attributes
    ----------
    judged : array (O,)
        Which leave seven blocks of the label delay, the season, themselves and the advised one.
    block : int or None
        Periods of the longest block of these; None where nothing could be judged.
    low, high : array (O,)
        Simultaneous 95 % interval of the difference to the advised; NaN where not judged.
    """

    judged: NDArray[np.bool_]
    block: int | None
    low: Floats
    high: Floats

    @property
    def alike(self) -> Integers:
        """Options whose cost cannot be told from that of the advised, which is among them."""
        return np.flatnonzero((self.low <= 0) & (self.high >= 0))


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """What one model, window and update cost at every interval, and on how many rows it learns.

    Attributes
    ----------
    info : mapping
        Data, span, tick, model, window, update, prices, delays, label delay.
    intervals : array (O,)
        Periods between trainings, ascending; as many as there are candidates is never. A period
        lies between two candidates.
    labels : tuple of str
        The same in words: "7D", "500 rows", "never"; and "never (all rows)", the last one, where
        the window does not hold all rows.
    options : tuple of Option
        The same, with what each is expected to cost, as in a comparison of these schedules.
    costs : array (T, O)
        Money by period, its mean over the phases of the interval.
    phases : array (O, 2)
        Total of the cheapest and of the dearest phase.
    loss, retrains : array (O,)
        Means over phases.
    oracle : float
        What the cheapest schedule costs that is known only afterwards.
    oracle_at, candidates_at : array
        When it trains, and when it could have.
    sizes, old : Fresh
        By number of rows; by age, cut off or weighted.
    ages : Ages
        What a model loses as it ages.
    scored : float
        Weight of the rows that were scored.
    careful : float
        The share of the cost of never retraining that a change must save.
    """

    info: Mapping[str, Any]
    intervals: Integers
    labels: tuple[str, ...]
    options: tuple[Option, ...]
    costs: Floats
    phases: Floats
    loss: Floats
    retrains: Floats
    oracle: float
    oracle_at: NDArray[np.datetime64]
    candidates_at: NDArray[np.datetime64]
    sizes: Fresh
    old: Fresh
    ages: Ages
    scored: float
    careful: float = FLOOR

    @cached_property
    def mean(self) -> Floats:
        """Total of each interval, its mean over phases, ``(I,)``."""
        return np.asarray(self.costs.sum(axis=0))

    @property
    def evidence(self) -> Evidence:
        """What the decision rests on."""
        prices = self.info["prices"]
        price, error = prices["retrain"], prices["error"]
        return Evidence(self.options, self.baseline, price, self.careful, error=error)

    @property
    def baseline(self) -> str:
        """Never retraining on the tuned window: what options are held against."""
        return "never"

    @cached_property
    def decision(self) -> Decision:
        """What to do, by the rule of every comparison."""
        return decide(self.evidence)

    @property
    def advised(self) -> int:
        """The position of what is advised, among the options."""
        return self.labels.index(self.decision.name)

    @property
    def never(self) -> NDArray[np.bool_]:
        """Which options never train, (O,)."""
        return np.asarray(self.intervals == len(self.candidates_at))

    @cached_property
    def prices(self) -> PriceMap:
        """What would be decided at other prices."""
        return PriceMap.of(self.evidence)

    def above_tuned(self, fresh: Fresh) -> Floats:
        """Money that each of these windows is expected to cost more than the tuned one, (W,).

        Over a span like the one replayed: errors, by fresh models; and rows, as often as is
        advised. CPU time is left out.
        """
        loss, rows = fresh.above_own
        prices = self.info["prices"]
        trained = self.options[self.advised].retrains * prices["per_1k_rows"] / 1000
        return np.asarray(prices["error"] * self.scored * loss + trained * rows)

    @property
    def about(self) -> float:
        """Money that the decision is about: what the next best option costs more.

        At most the share of the cost that nobody changes anything for.
        """
        choice = self.decision
        return float(np.nanmin([abs(choice.behind), FLOOR * abs(self.options[self.advised].cost)]))

    def enough(self, fresh: Fresh) -> int | None:
        """The smallest of these windows that costs no more above the best than `about`."""
        more = np.where(fresh.usable, self.above_tuned(fresh), np.nan)
        if np.isnan(more).all():
            return None
        return int(np.flatnonzero(more - np.nanmin(more) <= self.about)[0])

    @property
    def span(self) -> pd.Timedelta:
        """How long was served."""
        return pd.Timestamp(self.info["end"]) - pd.Timestamp(self.info["start"])

    @cached_property
    def judgement(self) -> Judgement:
        """Which options cannot be told from the advised one."""
        period = self.span / len(self.costs)
        delay = pd.Timedelta(seconds=self.info["label_delay_seconds"]["p95"]) / period
        season = usual_season(self.span) / period
        gaps = np.where(self.never, 0, self.intervals)  # what never trains has no lumps
        span = len(self.costs)
        needs = [statistics.block_length(delay, season, gap, span) for gap in gaps]
        return judge(self.costs, needs, self.advised, YEAR / period)

    def summary(self) -> pd.DataFrame:
        """A row an option: expected cost; mean and phases, retrains, difference to the advised.

        ``low`` and ``high`` are its simultaneous 95 % interval; NaN where ``judged`` is false.
        """
        judgement = self.judgement
        difference = self.mean - self.mean[self.advised]
        alike = np.isin(np.arange(len(self.labels)), judgement.alike)
        columns = {
            "ticks": self.intervals * int(self.info["every"]),
            "expected": [option.cost for option in self.options],
            "mean": self.mean,
            "low_phase": self.phases[:, 0],
            "high_phase": self.phases[:, 1],
            "retrains": self.retrains,
            "error": self.info["prices"]["error"] * self.loss,
            "difference": difference,
            "low": judgement.low,
            "high": judgement.high,
            "judged": judgement.judged,
            "alike": alike,
        }
        table = pd.DataFrame(columns, index=pd.Index(self.labels, name="interval"))
        table["ticks"] = table["ticks"].astype("Int64")
        table.loc[self.never, "ticks"] = pd.NA
        return table

    def to_frame(self) -> pd.DataFrame:
        """What `summary` says, with the ``interval`` as a column."""
        return self.summary().reset_index()

    def plot(self, kind: str = "intervals", ax: Axes | None = None) -> Axes:
        """Draw one of the report's figures; returns the axes.

        Parameters
        ----------
        kind : str
            "intervals", what each is expected to cost; "prices", what to run at which; "rows" and
            "old-rows", on what fresh models did best; "staleness", loss by age; "oracle", its
            schedule beside the advised one.
        ax : Axes, optional
            What to draw on; by default a new figure. It decides about fonts and colours.

        Raises
        ------
        ValueError
            For another kind, and where there is nothing to draw; it says why.
        """
        from backtrain.reports.plots import tuning

        return tuning(self, kind, ax)

    def findings(self) -> dict[str, str]:
        """What was found, a sentence or two a question: rows, age, staleness, interval, ..."""
        from backtrain.reports.tuning_found import findings

        return findings(self)

    def sentence(self) -> str:
        """What to do, and how sure that is."""
        return self.findings()["interval"]

    def to_html(self, path: str | Path) -> Path:
        """Write the report: one self-contained file."""
        from backtrain.reports.tuning_page import page

        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return put(Path(path), page(self).encode())

    def figures(self, directory: str | Path) -> list[Path]:
        """Write every figure as a PNG file; one that cannot be drawn is left out."""
        from backtrain.reports import html, tuning_page

        return html.write_figures(html.exhibits(tuning_page.outline(self)), Path(directory))

    def save(
        self,
        directory: str | Path,
        beside: Mapping[str, bytes] | None = None,
        report: str = "all",
    ) -> Path:
        """Write ``tune.csv``, the report, and other files ``beside``.

        ``report`` is "all": ``tune.html``, and beside it each figure as PNG, SVG and CSV in
        ``figures`` and each table as CSV in ``tables``; "page": ``tune.html``; or "none".
        ``tune.json`` names them and is replaced at last; other files are left alone.
        """
        from backtrain.reports import archive, html, tuning_page

        contents = {archive.TUNE: archive.csv_text(self.summary()), **(beside or {})}
        make = partial(tuning_page.report, self)
        return html.save(archive.of_tuning(Path(directory)), contents, make, archive.TUNING, report)

    def __str__(self) -> str:
        from backtrain.reports.tuning_page import terminal

        return terminal(self)

    def __repr__(self) -> str:
        return f"Tuning({len(self.labels)} options, advised {self.decision.name!r})"

    def _repr_html_(self) -> str:
        from backtrain.reports.tuning_page import notebook

        return notebook(self)


def judge(costs: Floats, needs: list[int], best: int, year: float = 0.0) -> Judgement:
    """Hold every column of costs ``(T, O)`` against the best one, in blocks as long as needed.

    A column's own block, or that of the best where it is longer; a ``year`` in periods.
    """
    blocks = np.maximum(needs, needs[best])
    judged = np.array([statistics.enough_blocks(len(costs), block) for block in blocks])
    low = np.full(len(blocks), np.nan)
    high = low.copy()
    if not judged.any():
        return Judgement(judged, None, low, high)
    differences = costs[:, judged] - costs[:, [best]]
    found = statistics.simultaneous_intervals(differences, blocks[judged], cycle=year)
    assert found is not None  # each of these leaves seven blocks
    low[judged], high[judged] = found.low, found.high
    return Judgement(judged, int(blocks[judged].max()), low, high)

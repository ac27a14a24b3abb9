"""How often, on how much and on how old rows to train: what was measured, and what it says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.offsets import YEAR, usual_season
from backtrain.simulator import statistics
from backtrain.simulator.manifest import put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fresh:
    """How fresh models did, by the W windows they were trained on and the P points in time.

    Attributes
    ----------
    kinds, labels : tuple of str
        What a window is ("newest", "half-life" or "all") and its size ("800", "90D"); by size.
    loss, rows : array (W, P)
        Mean loss on the rows up to the next point, NaN where there is none; rows trained on.
    """

    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    loss: Floats
    rows: Integers

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

    @cached_property
    def enough(self) -> int | None:
        """The smallest window whose loss cannot be told from the best; None below seven points."""
        alike = np.flatnonzero(self.above_best[0] <= 0)
        return int(alike[0]) if len(alike) else None


@dataclass(frozen=True, eq=False)
class Ages:
    """Loss a row above that of the freshest model on the very same rows, by B bins of age.

    ``edges`` (B + 1,) in nanoseconds; ``excess``, ``fresh`` and ``rows`` (B,), the last two the
    freshest model's loss on these rows, and how many they are.
    """

    edges: Floats
    excess: Floats
    fresh: Floats
    rows: Floats


@dataclass(frozen=True, eq=False)
class PriceMap:
    """The cheapest interval, as a position, over retrain prices (R,) and error prices (E,)."""

    retrain: Floats
    error: Floats
    cheapest: Integers


@dataclass(frozen=True, eq=False)
class Judgement:
    """Every interval against the best one.

    Attributes
    ----------
    best : int
        The cheapest of those that leave seven blocks; of all, where none does.
    judged : array (I,)
        Which leave seven blocks of the label delay, the season and themselves.
    block : int or None
        Periods of the longest block of these; None where nothing could be judged.
    low, high : array (I,)
        Simultaneous 95 % interval of the difference to the best; NaN where not judged.
    """

    best: int
    judged: NDArray[np.bool_]
    block: int | None
    low: Floats
    high: Floats

    @property
    def alike(self) -> Integers:
        """Intervals whose cost cannot be told from that of the best, which is among them."""
        return np.flatnonzero((self.low <= 0) & (self.high >= 0))


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """What one model, window and update cost at every interval, and on how many rows it learns.

    Attributes
    ----------
    info : mapping
        Data, span, tick, model, window, update, prices, delays, label delay.
    intervals : array (I,)
        Periods between trainings, ascending; the last one is never. A period lies between two
        candidates.
    labels : tuple of str
        The same in words: "7D", "500 rows", "never".
    costs : array (T, I)
        Money by period, its mean over the phases of the interval.
    phases : array (I, 2)
        Total of the cheapest and of the dearest phase.
    loss, retrains, other : array (I,)
        Means over phases: a total is ``other + retrain price * retrains + error price * loss``.
    oracle : float
        What the cheapest schedule costs that is known only afterwards.
    oracle_at, candidates_at : array
        When it trains, and when it could have.
    sizes, old : Fresh
        By number of rows; by age, cut off or weighted.
    ages : Ages
        What a model loses as it ages.
    prices : PriceMap
        The cheapest interval where prices are others.
    """

    info: Mapping[str, Any]
    intervals: Integers
    labels: tuple[str, ...]
    costs: Floats
    phases: Floats
    loss: Floats
    retrains: Floats
    other: Floats
    oracle: float
    oracle_at: NDArray[np.datetime64]
    candidates_at: NDArray[np.datetime64]
    sizes: Fresh
    old: Fresh
    ages: Ages
    prices: PriceMap

    @cached_property
    def mean(self) -> Floats:
        """Total of each interval, its mean over phases, ``(I,)``."""
        return np.asarray(self.costs.sum(axis=0))

    @property
    def cheapest(self) -> int:
        """The interval that cost least, judged or not; of equals the longer."""
        return int(len(self.mean) - 1 - np.argmin(self.mean[::-1]))

    @property
    def span(self) -> pd.Timedelta:
        """How long was served."""
        return pd.Timestamp(self.info["end"]) - pd.Timestamp(self.info["start"])

    @cached_property
    def judgement(self) -> Judgement:
        """Which intervals cannot be told from the best."""
        period = self.span / len(self.costs)
        delay = pd.Timedelta(seconds=self.info["label_delay_seconds"]["p95"]) / period
        season = usual_season(self.span) / period
        never = np.arange(len(self.intervals)) == len(self.intervals) - 1
        gaps = np.where(never, 0, self.intervals)  # what never trains has no lumps
        span = len(self.costs)
        needs = [statistics.block_length(delay, season, gap, span) for gap in gaps]
        return judge(self.costs, needs, YEAR / period)

    @cached_property
    def ranges(self) -> Floats:
        """Retrain prices from and to which each interval is the cheapest, ``(I, 2)``."""
        rest = self.other + self.info["prices"]["error"] * self.loss
        return statistics.price_range(rest, self.retrains)

    def summary(self) -> pd.DataFrame:
        """A row an interval: mean and phases, retrains, and the difference to the best one.

        ``low`` and ``high`` are its simultaneous 95 % interval; NaN where ``judged`` is false.
        """
        judgement = self.judgement
        difference = self.mean - self.mean[judgement.best]
        alike = np.isin(np.arange(len(self.labels)), judgement.alike)
        columns = {
            "ticks": self.intervals * int(self.info["every"]),
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
        table.loc[self.labels[-1], "ticks"] = pd.NA
        return table

    def findings(self) -> dict[str, str]:
        """What was found, a sentence or two a question: rows, age, staleness, interval, ..."""
        from backtrain.reports.tuning_page import findings

        return findings(self)

    def sentence(self) -> str:
        """How often to retrain, and how sure that is."""
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

        wanted = archive.check_report(report)
        place = archive.of_tuning(Path(directory))
        contents = {archive.TUNE: archive.csv_text(self.summary()), **(beside or {})}
        try:
            make = partial(tuning_page.report, self)
            contents |= html.files(make, archive.TUNING, wanted, place.names)
        finally:
            archive.save_files(place, contents)  # without a report, where that failed
        return place.folder

    def __str__(self) -> str:
        from backtrain.reports.tuning_page import terminal

        return terminal(self)

    def __repr__(self) -> str:
        return f"Tuning({len(self.labels)} intervals, best {self.labels[self.judgement.best]!r})"

    def _repr_html_(self) -> str:
        from backtrain.reports.tuning_page import notebook

        return notebook(self)


def judge(costs: Floats, needs: list[int], year: float = 0.0) -> Judgement:
    """Hold every column of costs ``(T, I)`` against the cheapest, in blocks as long as needed.

    A column's own block, or that of the cheapest where it is longer; a ``year`` in periods.
    """
    total = costs.sum(axis=0)
    judged = np.array([statistics.enough_blocks(len(costs), need) for need in needs])
    order = np.argsort(np.where(judged, total, math.inf) if judged.any() else total, kind="stable")
    best = int(order[0])
    low = np.full(len(total), np.nan)
    high = low.copy()
    block = max((need for need, fits in zip(needs, judged, strict=True) if fits), default=None)
    if block is not None:
        blocks = np.maximum(needs, needs[best])[judged]
        differences = costs[:, judged] - costs[:, [best]]
        found = statistics.simultaneous_intervals(differences, blocks, cycle=year)
        assert found is not None  # each of these leaves seven blocks
        low[judged], high[judged] = found.low, found.high
    return Judgement(best, judged, block, low, high)

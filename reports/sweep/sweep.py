"""The jobs of a sweep side by side, as data: the table, the settings, the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from backtrain.datasets.columns import nearest
from backtrain.reports.numbers import listing
from backtrain.reports.sweep.advised import Advised
from backtrain.reports.sweep.frame import text, tidy
from backtrain.reports.sweep.pooled import Pooled
from backtrain.reports.sweep.ranked import Ranked
from backtrain.reports.sweep.settings import Settings
from backtrain.simulator.manifest import RecordError

if TYPE_CHECKING:  # it takes Hydra, which whoever only names a `Sweep` does without
    from matplotlib.axes import Axes

    from backtrain.reports.sweep.result import Result


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """What the jobs of one or several sweeps have left, whatever history each is of.

    Attributes
    ----------
    results : sequence of Result
        A job each, also those that failed, were stopped, or left nothing.
    baseline : str or None
        What strategies are held against in every setting; by default the baseline of each job.

    Raises
    ------
    RecordError
        When no job that is done holds the baseline that is asked for.

    Examples
    --------
    >>> sweep = Sweep.load("multirun/2026-11-26")  # doctest: +SKIP
    >>> sweep.frame().groupby("strategy")["relative"].median()  # doctest: +SKIP
    """

    results: Sequence[Result]
    baseline: str | None = None

    def __post_init__(self) -> None:
        known = dict.fromkeys(row["strategy"] for one in self.results for row in one.rows)
        if self.baseline is not None and known and not self.settings.baselines:
            hint = nearest(self.baseline, known)
            raise RecordError(
                f"baseline={self.baseline!r}: in no job of the sweep; did you mean {hint}?"
            )

    @classmethod
    def load(cls, *directories: str | Path, baseline: str | None = None) -> Sweep:
        """Read the results of one or several sweeps' directories, or of single jobs.

        Raises `RecordError` for a directory in which no job was ever started.
        """
        from backtrain.reports.sweep.result import results_in

        found = []
        for directory in directories:
            results = results_in(directory)
            if not results:
                what = "no job of a sweep" if Path(directory).is_dir() else "no such directory"
                raise RecordError(f"{directory}: {what}: no result.json and no .hydra found")
            found += results
        return cls(found, baseline)

    def frame(self, baselines: bool | None = None) -> pd.DataFrame:
        """One row a job and strategy; a job that is not done has one row, without a strategy.

        An override has a column of its type; the others stand in ``docs/sweeps.md``.

        Parameters
        ----------
        baselines : bool, optional
            Whether what needs no model has rows, of ``kind`` "no model"; by default those of jobs
            that were run with ``baselines=true``.
        """
        settings = self.settings
        return tidy(self.results, settings.of_job, settings.baselines, baselines)

    def to_frame(self) -> pd.DataFrame:
        """What `frame` says."""
        return self.frame()

    def plot(self, kind: str = "retrains", ax: Axes | None = None) -> Axes:
        """Draw one of the report's figures; returns the axes.

        Parameters
        ----------
        kind : str
            "retrains", relative cost against retrains; "importance", what matters; "all-axes"; or
            a map of two axes, "map-" and their keys.
        ax : Axes, optional
            What to draw on; by default a new figure. It decides about fonts and colours.

        Raises
        ------
        ValueError
            For another kind, and where there is nothing to draw; it says why.
        """
        from backtrain.reports.plots import sweep

        return sweep(self, kind, ax)

    @cached_property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """Keys that were swept, with their values: numbers by size, others as they occur.

        A job that does not set a key has None there.
        """
        keys = dict.fromkeys(key for one in self.results for key in one.overrides)
        values = {key: _values([one.overrides.get(key) for one in self.results]) for key in keys}
        return {key: own for key, own in values.items() if len(own) > 1}

    @cached_property
    def settings(self) -> Settings:
        """Jobs that are done, by everything but their strategies."""
        return Settings.of(self.results, self.axes, self.baseline)

    @cached_property
    def advised(self) -> Advised:
        """What the jobs' own verdicts advise, by expected costs."""
        return Advised.of(self.results, self.settings)

    @cached_property
    def pooled(self) -> Pooled:
        """What each strategy costs relative to the baseline, over all settings."""
        return self.pool(self.settings.cells)

    def pool(self, cells: pd.DataFrame) -> Pooled:
        """Likewise over some rows of the settings' cells."""
        return Pooled.of(cells, tuple(key for key in self.settings.axes if key not in REPLICATES))

    def ranked(
        self,
        against: str | None = None,
        *,
        rope: float = 0.01,
        block: str = "dataset",
        within: str | None = None,
    ) -> Ranked:
        """Rank the strategies over data sets: which can be told apart, and which cannot.

        Parameters
        ----------
        against : str, optional
            The strategy that others are held against; by default the baseline. To name the one
            that won makes it look better than it is.
        rope : float
            What share of a cost is practically nothing: 0.01 is 1 %.
        block : str
            What is independent: "dataset", or another axis, as "seed" where there is one data set.
        within : str, optional
            The axis that is nested in it, "" for none; by default "model" where that is an axis.

        Raises
        ------
        ValueError
            For another axis or strategy, and for fewer than two blocks or strategies.
        """
        settings = self.settings
        for key in filter(None, (block, within)):
            if key not in ("dataset", "seed", *settings.axes):
                axes = ("dataset", "seed", *settings.axes)
                raise ValueError(
                    f"{key!r}: no axis of the sweep; there are {', '.join(axes)}; "
                    f"did you mean {nearest(key, axes)}?"
                )
        if within is None:
            within = "model" if "model" in settings.axes and block != "model" else ""
        cells = settings.cells.assign(dataset=_data_names(settings))
        held = against if against is not None else next(iter(settings.held), "")
        return Ranked.of(cells, held, rope=rope, block=block, within=within, cell="setting")

    @property
    def ended(self) -> Counter[str]:
        """How many jobs are "done", "failed", "stopped", "missing"."""
        return Counter(one.status for one in self.results)

    def save(self, directory: str | Path, report: str = "all") -> Path:
        """Write ``summary.parquet`` and ``sweep.html``; returns the page, or without it the table.

        ``report`` is "all": with every figure and table as a file beside the page; "page"; or
        "none". ``sweep.json`` names the files and is replaced at last: the directory holds the old
        ones or these.
        """
        from backtrain.reports.sweep import page

        return page.save(self, Path(directory), report)

    def page(self) -> str:
        """The report as HTML, with nothing beside it."""
        from backtrain.reports.sweep import page

        return page.report(self).page()

    def __str__(self) -> str:
        from backtrain.reports.sweep import page

        return page.terminal(self)

    def __repr__(self) -> str:
        done, names = self.ended["done"], len(self.settings.names)
        told = [f"{one.strategy} in {one.jobs}" for one in self.advised.groups]
        advised = f", advised: {listing(told, most=3)}" if told else ""
        return f"Sweep({len(self.results)} jobs, {done} done, {names} strategies{advised})"

    def _repr_html_(self) -> str:
        from backtrain.reports.sweep import page

        return page.notebook(self)


#: Axes whose values are replicates of one another rather than choices or circumstances.
REPLICATES = ("seed", "dataset", "dataset.path", "dataset.seed")


def _values(values: Sequence[Any]) -> tuple[Any, ...]:
    """Distinct values in their order; what was not given comes first."""
    distinct = list({text(value): value for value in values}.values())
    numbers = [v for v in distinct if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(distinct) - distinct.count(None):
        return (*([None] if None in distinct else []), *sorted(numbers))
    return tuple(sorted(distinct, key=lambda value: value is not None))


def _data_names(settings: Settings) -> pd.Series:
    """What each cell's data set is called: by the axis, with the seed where one makes the data."""
    cells = settings.cells
    if "dataset" not in settings.axes:
        return cells["data"]
    names = cells["dataset"].map([text(v) for v in settings.axes["dataset"]].__getitem__)
    seeded = names + ", seed " + cells["seed"].astype(str)
    for called in (names, seeded):
        if len({*zip(called, cells["data"], strict=True)}) == called.nunique():
            return called
    return cells["data"]

"""Strategies replayed over one history, side by side: the table, the verdict, the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtrain.datasets.offsets import usual_season
from backtrain.datasets.values import is_number
from backtrain.lossmatrix.decide import FLOOR
from backtrain.reports import answer, archive, baselines, remarks, verdict
from backtrain.reports.followed import Followed
from backtrain.reports.keeper import Keeper
from backtrain.reports.kept import scored_weight
from backtrain.reports.periods import Contrast, Costs
from backtrain.reports.schedules import FixedIntervals
from backtrain.reports.verdict import Recommendation
from backtrain.simulator.manifest import put
from backtrain.simulator.record import Run, identity_of
from backtrain.simulator.stability import TOTALS
from backtrain.simulator.texts import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MONEY = ("total", "error", "train", "label", "check", "deploy", "flip", "predict", "initial")
COUNTS = ("retrains", "deployed", "rejected", "failed", "fallback")
REFUSED = "refused"
STABILITY = TOTALS
LUCK = ("regret", "gap", "placebo_even", "placebo_random")


class ComparisonError(ValueError):
    """Runs cannot be compared, or a strategy that was asked for is not among them."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Runs of several strategies over the same history under the same loss and error price.

    Attributes
    ----------
    runs : Mapping[str, Run]
        By strategy name.
    season : str or None
        A rhythm that bootstrap blocks must not cut, such as "1D"; by default a week where the
        history holds twenty of them, else a day where it holds twenty.
    careful : float
        The share of the baseline's cost that a change must save at least, where `verdict` is not
        told another one: what tables, pages and files rest on.
    budget : float or None
        Money a month that a strategy may cost to run, errors left out, to be advised; likewise.
    running : str or None
        The strategy that runs now. It is the baseline then, where no other is named, and `verdict`
        is a review: a change must win back the training that it begins with.

    Raises
    ------
    ComparisonError
        When there is no run, or the runs differ in what must be equal; it names what differs.
    """

    runs: Mapping[str, Run]
    season: str | None = None
    careful: float = FLOOR
    budget: float | None = None
    running: str | None = None

    def __post_init__(self) -> None:
        _share(self.careful)
        _money(self.budget)
        if not self.runs:
            raise ComparisonError("no runs: a comparison needs at least one strategy")
        if self.running is not None:
            self._named("running", self.running)
        first, *others = self.runs
        for name in others:
            for what, value in _must_agree(self.runs[name]).items():
                expected = _must_agree(self.runs[first])[what]
                if value != expected:
                    raise ComparisonError(
                        f"{name!r} and {first!r} cannot be compared: {what} is {value!r} and "
                        f"{expected!r}"
                    )

    @classmethod
    def load(cls, *directories: str | Path) -> Comparison:
        """Read comparison directories or run directories back, as one comparison.

        It is as careful as those that were saved, has their budget, and the same runs now, as far
        as they agree.
        """
        judged = [archive.judged_in(directory) for directory in directories]
        agreed = {
            key: value
            for key, value in (judged[0] if judged else {}).items()
            if all(one.get(key, value) == value for one in judged)
        }
        return cls(archive.load(*directories), **agreed)

    @property
    def info(self) -> dict[str, Any]:
        """What all runs share: stream, start, end, loss; taken from the first."""
        return next(iter(self.runs.values())).info

    @property
    def span(self) -> pd.Timedelta:
        """How long the strategies served."""
        return pd.Timestamp(self.info["end"]) - pd.Timestamp(self.info["start"])

    @cached_property
    def costs(self) -> Costs:
        """Cost by period and strategy."""
        season = usual_season(self.span) if self.season is None else pd.Timedelta(self.season)
        return Costs.of(self.runs, season)

    @cached_property
    def schedules(self) -> FixedIntervals | None:
        """The fixed intervals among the strategies; None where there are fewer than two."""
        return FixedIntervals.among(self.runs)

    @cached_property
    def without_model(self) -> pd.DataFrame:
        """What answers that need no model cost, by name; the columns are those of `table`.

        The last known label, that of the season before, and the running mean or the majority class.
        They are no strategies: nobody can choose them, and no interval counts them. Empty where no
        record holds them.
        """
        return baselines.frame(self.runs)

    def baseline(self, name: str | None = None) -> str:
        """What others are held against; without a name what runs, `Never`, or else the first."""
        if name is None:
            return self.running or verdict.default_baseline(self.runs)
        return self._named("baseline", name)

    def _named(self, key: str, name: str) -> str:
        if name not in self.runs:
            raise ComparisonError(f"{key}={name!r}: not among {', '.join(map(repr, self.runs))}")
        return name

    def contrast(self, baseline: str | None = None) -> Contrast:
        """Simultaneous 95 % intervals of every difference to the baseline."""
        return self.costs.against(self.baseline(baseline))

    def table(self, baseline: str | None = None) -> pd.DataFrame:
        """One row a strategy, the cheapest first.

        Columns: money by kind (``total`` leaves ``initial`` out), counts (of trainings,
        ``rejected`` ones of which were made and not deployed, and of rows answered by a
        ``fallback``; where a gate refused any before it began, and so trained nothing, how many it
        ``refused``), mean row ``loss``, where something was deployed by how
        much answers ``changed`` and decisions ``flipped`` at a deployment on average, and in all
        (``changed_total``), see ``docs/stability.md``, each metric, ``difference`` of the
        total to the baseline with its simultaneous 95 % interval ``low`` to ``high``, which holds
        for all pairs of strategies at once, NaN where the history is too short for one; the same
        against the strategy to run, ``to_winner``, ``to_winner_low`` and ``to_winner_high``; and
        ``expected``: what a strategy that may win is expected to cost, on which the verdict rests.
        Where loss matrices were made: ``regret`` to the oracle, the cheapest schedule that is known
        only afterwards, ``gap`` to the best fixed interval, and the shares of as many trainings
        that cost more, evenly spaced and at random.

        ``placebo_even`` and ``placebo_random`` are these two shares, ``smqc`` is ``changed`` for
        models of quantiles, and ``initial`` is money for the first model.

        It is wide: ``print(comparison.table().to_string())`` shows all of it, and the few columns
        to begin with are ``table()[["total", "error", "retrains", "expected", "difference"]]``.
        """
        reference = self.baseline(baseline)
        contrast = self.costs.against(reference)
        table = pd.DataFrame.from_dict(self._rows, orient="index").rename_axis("strategy")
        table["difference"] = table["total"] - float(self.runs[reference].totals["total"])
        table["low"], table["high"] = contrast.low, contrast.high
        judged = self.verdict(reference)
        winner = self.costs.against(judged.strategy)
        table["to_winner"] = table["total"] - table["total"][judged.strategy]
        table["to_winner_low"], table["to_winner_high"] = winner.low, winner.high
        table["expected"] = pd.Series(judged.expected, dtype=float)
        return table.sort_values("total", kind="stable")

    def verdict(
        self,
        baseline: str | None = None,
        careful: float | None = None,
        budget: float | None = None,
    ) -> Recommendation:
        """Which strategy to run, what to expect of it, how sure that is, and what would change it.

        Parameters
        ----------
        baseline : str, optional
            What the others are held against, by name; by default ``running``, or what never
            retrains, else the first.
        careful : float, optional
            The share of the baseline's cost that a change must save at least: 0.05 retrains only
            for 5 %. By default that of the comparison.
        budget : float, optional
            Money a month. Strategies whose trainings, releases, labels, checks and predictions
            cost more are left out, and it is said what they were expected to save.

        Returns
        -------
        Recommendation
            The strategy of the least expected cost, or the baseline, and why; `print` it.
        """
        share = _share(self.careful if careful is None else careful)
        key = self.baseline(baseline), share, _money(self.budget if budget is None else budget)
        if key not in self._verdicts:
            judged = verdict.judge(self.runs, self.costs, *key, running=key[0] == self.running)
            self._verdicts[key] = replace(
                judged,
                sentence=printable(judged.sentence),
                advice=printable(judged.advice),
                changes=tuple(map(printable, judged.changes)),
            )
        return self._verdicts[key]

    def to_frame(self, baseline: str | None = None) -> pd.DataFrame:
        """What `table` says, with the name of each ``strategy`` as a column."""
        return self.table(baseline).reset_index()

    def plot(self, kind: str = "cost", ax: Axes | None = None, baseline: str | None = None) -> Axes:
        """Draw one of the figures; returns the axes.

        Parameters
        ----------
        kind : str
            "cost", all that was paid until then; "timeline", rolling loss and trainings;
            "frontier", loss against money spent; "intervals", cost by interval; "prices", what to
            run at which; "stability", error against how much answers change; or another figure of
            the report by its id, as "alarm-1".
        ax : Axes, optional
            What to draw on; by default a new figure. It decides about fonts and colours.
        baseline : str, optional
            What strategies are held against.

        Raises
        ------
        ValueError
            For another kind, and where there is nothing to draw; it says why.
        """
        from backtrain.reports.plots import comparison

        return comparison(self, kind, ax, baseline)

    def followed(self, baseline: str | None = None) -> Followed:
        """What following this advice from the middle of the history on would have paid."""
        kept = self.baseline(baseline)
        verdict = self.verdict(kept)
        runs = {n: run for n, run in self.runs.items() if n == kept or n not in verdict.left_out}
        return Followed.of(runs, kept, self.careful, verdict.strategy)

    @cached_property
    def _rows(self) -> dict[str, dict[str, float]]:
        """What a table says of each run by itself."""
        moved = [key for key in STABILITY if self._moved(key)]
        counts = [*COUNTS, REFUSED] if self._refused else [*COUNTS]
        return {name: _row(run, counts, moved) for name, run in self.runs.items()}

    @property
    def _refused(self) -> bool:
        """Whether a gate of any strategy has refused a training before it began."""
        return any(run.totals.get(REFUSED) for run in self.runs.values())

    def _moved(self, key: str) -> bool:
        """Whether answers of any strategy are known to have changed, by one of these measures."""
        mean = key.removesuffix("_total")
        return any(np.isfinite(run.totals.get(mean, np.nan)) for run in self.runs.values())

    @cached_property
    def _verdicts(self) -> dict[tuple[str, float, float | None], Recommendation]:
        """By baseline, care and budget: every table of a report asks."""
        return {}

    def to_html(self, path: str | Path, baseline: str | None = None) -> Path:
        """Write the report: one self-contained file."""
        page = self.page(baseline).encode()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return put(Path(path), page)

    def page(self, baseline: str | None = None) -> str:
        """The report as HTML."""
        from backtrain.reports import page

        return page.render(self, self.baseline(baseline))

    def figures(self, directory: str | Path, baseline: str | None = None) -> list[Path]:
        """Write every figure of the report as a PNG file; one that cannot be drawn is left out."""
        from backtrain.reports import html, page

        shown = page.outline(self, self.baseline(baseline))
        return html.write_figures(html.exhibits(shown), Path(directory))

    def save(
        self,
        directory: str | Path,
        baseline: str | None = None,
        baselines: bool = False,
        report: str = "all",
        records: str = "all",
    ) -> Path:
        """Write one folder a strategy, ``summary.csv`` and the report.

        And ``verdict.json``, the verdict as data, with ``strategy/advised.yaml``, the advised
        strategy for ``backtrain run --config-dir``: see ``docs/machines.md``.

        Parameters
        ----------
        directory : path
            Where; made if it is not there.
        baseline : str, optional
            What the others are held against, by name.
        baselines : bool
            Put what needs no model into ``summary.csv``, too: rows without a folder.
        report : {"all", "page", "none"}
            "all": ``report.html``, and beside it each figure as PNG, SVG and CSV in ``figures`` and
            each table as CSV in ``tables``; "page": ``report.html``.
        records : {"all", "totals"}
            "totals" leaves out predictions, most of what a run takes on disk. What is read back has
            the same table and verdict; its report leaves out what needs them.

        Returns
        -------
        Path
            The directory.

        ``comparison.json`` names them and is replaced at last: the directory holds the old result
        or this one. What it listed before is removed then. Other files are left alone: where one
        stands in the way, another name is taken, with a warning.
        """
        from backtrain.reports import html, page

        wanted = archive.check_report(report)
        target, baseline = Path(directory), self.baseline(baseline)
        runs = {name: replace(run, name=name) for name, run in self.runs.items()}
        ids = {name: identity_of(run) for name, run in runs.items()}
        keeper = Keeper(target, ids, records)
        for run in runs.values():
            keeper.add(run)
        folders = {name: keeper.folder_of(name) for name in runs}
        contents = {archive.SUMMARY: self.summary(baseline, folders, baselines)}
        told = self.verdict(baseline)
        try:
            contents |= answer.files(
                told, runs[told.strategy], self.careful, self.running, self.followed(baseline)
            )
            make = partial(page.report, self, baseline)
            contents |= html.files(make, archive.REPORT, wanted, keeper.names)
        finally:
            keeper.finish(contents)  # without a report, where that failed
        return target

    def summary(
        self, baseline: str | None, folders: Mapping[str, str], baselines: bool = False
    ) -> bytes:
        """``summary.csv``: the table, with the folder of each run and what befell it."""
        # In the order of the runs, not by cost: reading it back must give the same comparison.
        table = self.table(baseline).loc[list(self.runs)]
        table.insert(0, "folder", [folders[name] for name in self.runs])
        table["remarks"] = pd.Series(remarks.by_strategy(self.runs))
        if baselines:
            more = self.without_model.assign(folder="", remarks="needs no model")
            table = pd.concat([table, more]).reindex(columns=table.columns)
        return archive.csv_text(table)

    def __repr__(self) -> str:
        cheapest = min(self.runs, key=lambda name: float(self.runs[name].totals["total"]))
        total = self.runs[cheapest].totals["total"]
        return f"Comparison({len(self.runs)} strategies, cheapest {cheapest!r} at {total:,.2f})"

    def _repr_html_(self) -> str:
        from backtrain.reports import page

        return page.notebook(self, self.baseline())


def judged_by(careful: float, budget: float | None) -> None:
    """Raise `ComparisonError` where no verdict can be held to these."""
    _share(careful), _money(budget)


def _share(careful: float) -> float:
    if not isinstance(careful, (int, float)) or not 0 <= careful < 1:
        raise ComparisonError(f"careful={careful!r}: give a share from 0 to below 1, as 0.05")
    return float(careful)


def _money(budget: float | None) -> float | None:
    if budget is not None and not (is_number(budget) and budget > 0):
        raise ComparisonError(f"budget={budget!r}: give money a month, above 0, or None")
    return None if budget is None else float(budget)


def _must_agree(run: Run) -> dict[str, Any]:
    """What makes two totals comparable: the same rows, scored and priced alike."""
    info = run.info
    return {
        "the stream's fingerprint": info["stream"]["fingerprint"],
        "start": pd.Timestamp(info["start"]).isoformat(),
        "end": pd.Timestamp(info["end"]).isoformat(),
        "loss": info["loss"],
        "the cost of mistakes": info.get("costs"),
        "the price of an error": info["prices"].get("error"),
        "the currency": info.get("currency", ""),
    }


def _row(run: Run, counted: list[str], moved: list[str]) -> dict[str, float]:
    totals = run.totals
    weight = scored_weight(run)
    money = {kind: float(totals.get(kind, 0.0)) for kind in MONEY}
    counts = {kind: int(totals.get(kind, 0)) for kind in counted}
    loss = float(totals["loss"]) / weight if weight else np.nan
    facts = verdict.hindsight_of(run)
    luck = {k: np.nan if facts.get(k) is None else float(facts[k]) for k in LUCK if facts}
    stable = {key: float(totals.get(key, np.nan)) for key in moved}
    return {**money, **counts, "loss": loss, **stable, **run.metrics, **luck}

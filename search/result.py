"""What a search found: its trials, what was chosen, and what that paid on rows it had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from backtrain.datasets.shown import Shown
from backtrain.simulator.manifest import put
from backtrain.strategies.strategy import Strategy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Fold(Shown):
    """A choice, and the stretch that it is judged on: from ``until`` to ``end``.

    Attributes
    ----------
    trials : DataFrame
        A row a distinct strategy, by name: the values of its keys, what it cost on the rows before
        ``until`` (see `Search`), ``front``, ``chosen``, and ``why`` it has no costs, else "".
    against : DataFrame
        The same costs of what it is held against.
    judged : DataFrame
        Costs on the rows from ``until`` on: of the front, or the best, and what they are held
        against.
    """

    start: pd.Timestamp
    until: pd.Timestamp
    end: pd.Timestamp
    trials: pd.DataFrame
    against: pd.DataFrame
    judged: pd.DataFrame

    @property
    def chosen(self) -> str:
        """The strategy that was chosen."""
        return str(self.trials.index[self.trials["chosen"]][0])

    @property
    def front(self) -> pd.DataFrame:
        """The trials that no other one beats in all objectives, the cheapest first."""
        return self.trials[self.trials["front"]].sort_values("total", kind="stable")

    def promised(self, name: str, baseline: str) -> float:
        """The share of the baseline's cost that a trial saved on the rows it was chosen on."""
        return _share(self.trials["total"][name], self.against["total"][baseline])

    def kept(self, name: str, baseline: str) -> float:
        """The share that it saved on the rows that had not been seen."""
        return _share(self.judged["total"][name], self.judged["total"][baseline])


@dataclass(frozen=True, eq=False, repr=False)
class Search:
    """A search over one strategy's parameters, chosen on one stretch and judged on the next.

    Costs are ``total`` (without ``initial``), ``error``, ``train``, ``label``, ``check``,
    ``deploy``, ``predict``, the counts ``retrains``, ``deployed``, ``rejected``, ``failed``, and
    ``loss``, the mean of a row. Where a choice rests on them, only labels that were known by then
    count.

    Attributes
    ----------
    info : mapping
        Data, span, model, prices, seed, sampler; how many were proposed, by which objectives.
    space : mapping of str to str
        What was searched, in words, by key.
    folds : tuple of Fold
        One, or as many as the search was walked forward.
    paid : DataFrame
        What following the search would have paid from the first ``until`` to the end, a row a
        stretch of one strategy: ``strategy``, ``first``, ``last`` and its costs. Whoever changes
        the strategy pays for its first model: that is in ``total``.
    over : DataFrame
        What the others paid over all of that.
    importances : mapping
        By objective and key, of the last fold: the share that the key decides.
    baseline : str
        What is held against.
    strategy : Strategy
        What was chosen last, marked as chosen.
    params : mapping
        Its values by key.
    """

    info: Mapping[str, Any]
    space: Mapping[str, str]
    folds: tuple[Fold, ...]
    paid: pd.DataFrame
    over: pd.DataFrame
    importances: Mapping[str, Mapping[str, float]]
    baseline: str
    strategy: Strategy
    params: Mapping[str, Any]

    @property
    def objectives(self) -> tuple[str, ...]:
        """What was made small."""
        return tuple(self.info["objectives"])

    @property
    def chosen(self) -> str:
        """The name of what was chosen last."""
        return self.folds[-1].chosen

    @property
    def cost(self) -> float:
        """What following the search would have paid, on rows it had not seen."""
        return float(self.paid["total"].sum())

    @property
    def saved(self) -> float:
        """Money that this is less than what the baseline paid there."""
        return float(self.over["total"][self.baseline]) - self.cost

    @property
    def promised(self) -> float:
        """Money that would have been saved there in proportion to the rows it was chosen on."""
        return sum(
            fold.promised(fold.chosen, self.baseline) * float(fold.judged["total"][self.baseline])
            for fold in self.folds
        )

    def table(self) -> pd.DataFrame:
        """All trials of all folds: ``fold``, values, costs, and beside them ``unseen_`` costs."""
        return pd.concat([
            fold.trials.assign(fold=number).join(fold.judged.add_prefix("unseen_"))
            for number, fold in enumerate(self.folds, 1)
        ])  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """What `table` says, with the name of each ``strategy`` as a column."""
        return self.table().rename_axis("strategy").reset_index()

    def plot(self, kind: str = "front", ax: Axes | None = None) -> Axes:
        """Draw one of the report's figures; returns the axes.

        Parameters
        ----------
        kind : str
            "front", trials by objective where they were chosen and after; "promise", what was
            promised and kept; "keys", which key decides; "values", trials by the value of each;
            "trials", one after the other.
        ax : Axes, optional
            What to draw on; by default a new figure. It decides about fonts and colours.

        Raises
        ------
        ValueError
            For another kind, and where there is nothing to draw; it says why.
        """
        from backtrain.reports.plots import search

        return search(self, kind, ax)

    def findings(self) -> dict[str, str]:
        """What was found, in sentences: what it saves, the promise, the front, what matters."""
        from backtrain.reports.search_found import findings

        return findings(self)

    def to_html(self, path: str | Path) -> Path:
        """Write the report: one self-contained file."""
        from backtrain.reports.search_page import page

        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return put(Path(path), page(self).encode())

    def save(
        self,
        directory: str | Path,
        beside: Mapping[str, bytes] | None = None,
        report: str = "all",
    ) -> Path:
        """Write ``trials.csv``, the report, and other files ``beside``; see `Tuning.save`.

        ``report`` is "all", "page" or "none"; the page is ``search.html``. ``search.json`` names
        the files and is replaced at last.
        """
        from backtrain.reports import archive, html, search_page

        contents = {archive.TRIALS: archive.csv_text(self.table()), **(beside or {})}
        make = partial(search_page.report, self)
        return html.save(archive.of_search(Path(directory)), contents, make, archive.SEARCH, report)

    def __str__(self) -> str:
        from backtrain.reports.search_page import terminal

        return terminal(self)

    def __repr__(self) -> str:
        return f"Search({len(self.folds[-1].trials)} strategies, chosen {self.chosen!r})"

    def _repr_html_(self) -> str:
        from backtrain.reports.search_page import notebook

        return notebook(self)


def _share(cost: float, of: float) -> float:
    return float((of - cost) / of) if of else 0.0

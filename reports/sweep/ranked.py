"""Strategies ranked over data sets: who can be told apart from whom, and from the one in use."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from backtrain.datasets.names import nearest
from backtrain.datasets.shown import Shown
from backtrain.reports.sweep import ranks
from backtrain.reports.sweep.pooled import interval
from backtrain.reports.sweep.signed_rank import SignedRank, signed_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: From which probability on something is found.
SURE = 0.95
#: With fewer blocks nothing is found: three that agree by chance have a probability of 0.99.
FEWEST = 5
#: What may be found of a strategy beside another.
KINDS = ("cheaper", "equivalent", "dearer")
#: A strategy that is missing in a greater share of cells is not ranked.
MISSING = 0.25


@dataclass(frozen=True, eq=False, repr=False)
class Ranked(Shown):
    """Costs of strategies on the same cells, ranked over blocks: made by `Sweep.ranked`, or `of`.

    Blocks, as a rule data sets, are the unit: cells of one block differ in model, seed or price
    and share its luck. Costs are compared by their ratios, so it does not matter what each cell's
    costs are relative to. How the numbers are made: ``docs/sweeps.md``.

    Attributes
    ----------
    costs : DataFrame
        Logarithms of relative costs: a row a block and what is nested in it (the mean over further
        cells), a column a strategy, complete.
    against : str
        The strategy that others are held against.
    rope : float
        Ratios of costs up to ``1 + rope``, either way, are practically equivalent.
    block, within : str
        What a block is called, and what is nested in it ("" if nothing is).
    left_out : mapping of str to str
        Strategies that are not ranked, and why.
    incomplete : int
        How many cells were left out because a ranked strategy is missing there.

    Examples
    --------
    >>> costs = {"static": [1, 1, 1, 1], "weekly": [0.7, 0.8, 0.9, 0.8], "daily": [0.9, 1, 1, 0.9]}
    >>> table = pd.DataFrame(costs, index=list("abcd")).rename_axis("data").stack()
    >>> table = table.rename_axis(["data", "strategy"]).rename("relative").reset_index()
    >>> found = Ranked.of(table, "static", block="data")
    >>> found.to_frame()["strategy"].tolist()
    ['weekly', 'daily', 'static']
    >>> found.odds("weekly").less > 0.95
    True
    """

    costs: pd.DataFrame
    against: str
    rope: float = 0.01
    block: str = "dataset"
    within: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    incomplete: int = 0

    def __post_init__(self) -> None:
        if self.against not in self.costs:
            why = self.left_out.get(self.against)
            hint = f"it is {why}" if why else f"did you mean {nearest(self.against, self.names)}?"
            raise ValueError(f"against={self.against!r}: no ranked strategy; {hint}")
        if len(self.names) < 2 or len(self.means) < 2:
            raise ValueError(
                f"{len(self.names)} strategies on {len(self.means)} values of {self.block!r}: two "
                "of each are needed to rank them"
            )
        if not (math.isfinite(self.rope) and self.rope >= 0):
            raise ValueError(f"rope={self.rope!r}: a share of costs, as 0.01, is needed")

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        against: str,
        *,
        rope: float = 0.01,
        cost: str = "relative",
        strategy: str = "strategy",
        block: str = "dataset",
        within: str = "",
        cell: str | Sequence[str] = (),
    ) -> Ranked:
        """Rank the strategies of any table with a row a cell and strategy.

        Parameters
        ----------
        table : DataFrame
        against : str
            The strategy that others are held against: fixed beforehand, not chosen by its result.
        rope : float
            What share of a cost is practically nothing.
        cost, strategy : str
            Columns of costs (above 0, in the same unit within a cell) and of names.
        block, within : str
            Columns of blocks, and of what is nested in them, as models in data sets.
        cell : str or sequence of str
            Further columns that strategies must agree in to be compared: seed, delay, price.

        Raises
        ------
        ValueError
            Where a column is missing, a cell holds a strategy twice, or fewer than two strategies
            or blocks are left.
        """
        keys = [block, *filter(None, [within]), *([cell] if isinstance(cell, str) else cell)]
        for key in (cost, strategy, *keys):
            if key not in table:
                hint = nearest(key, map(str, table.columns))
                raise ValueError(f"{key!r}: no column of the table; did you mean {hint}?")
        twice = table.duplicated([*keys, strategy])
        if twice.any():
            row = table.loc[twice, [*keys, strategy]].iloc[0].to_dict()
            raise ValueError(f"{row}: twice in the table; name with cell= what tells them apart")
        known = pd.to_numeric(table[cost]).astype(np.float64)
        logs = table[[*keys, strategy]].assign(
            cost=np.log(known.where(known.gt(0) & np.isfinite(known)))
        )
        for key in (*keys, strategy):
            logs[key] = logs[key].astype(object)
        wide = logs.pivot(index=keys, columns=strategy, values="cost").sort_index()
        wide = wide.dropna(how="all")
        rare = wide.isna().mean() > MISSING
        left_out = {
            str(name): f"missing in {wide[name].isna().sum()} of {len(wide)} cells"
            for name in wide.columns[rare]
        }
        whole = wide.loc[:, ~rare].dropna()
        nested = whole.groupby(keys[: 1 + bool(within)], sort=True).mean()
        nested.columns = [str(name) for name in nested.columns]
        return cls(nested, against, rope, block, within, left_out, len(wide) - len(whole))

    # --- what was measured --------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """The ranked strategies."""
        return [str(name) for name in self.costs.columns]

    @cached_property
    def means(self) -> pd.DataFrame:
        """A row a block: the mean of its cells."""
        return self.costs.groupby(level=0, sort=True).mean()

    @cached_property
    def mean_ranks(self) -> pd.Series:
        """Mean over blocks of the rank within, 1 for the cheapest; in their order."""
        own = pd.Series(ranks.ranks(self.means.to_numpy()).mean(axis=0), index=self.names)
        cost = self.means.mean()
        return own.loc[sorted(self.names, key=lambda name: (own[name], cost[name], name))]

    @cached_property
    def friedman(self) -> float:
        """P-value of Friedman's test that all have the same rank; NaN for two strategies."""
        return ranks.friedman(self.means.to_numpy())

    @property
    def critical_difference(self) -> float:
        """How far apart mean ranks must be to be told apart, at 95 % for all pairs (Nemenyi)."""
        return ranks.critical_difference(len(self.names), len(self.means))

    def blocks_needed(self, apart: float = 2.0) -> int:
        """Over how many blocks mean ranks so far ``apart`` would be told apart."""
        return ranks.blocks_needed(len(self.names), apart)

    def odds(self, strategy: str, against: str | None = None) -> SignedRank:
        """How probable it is that a strategy costs less than another, as much, or more.

        By more than ``rope``, on another block; ``against`` is by default that of the ranking.
        """
        held = self.against if against is None else against
        for name in (strategy, held):
            if name not in self.costs:
                raise ValueError(f"{name!r}: not ranked; did you mean {nearest(name, self.names)}?")
        difference = (self.costs[strategy] - self.costs[held]).to_numpy()
        blocks = list(self.costs.index.get_level_values(0))
        return signed_rank(difference, blocks, rope=math.log1p(self.rope))

    # --- tables -------------------------------------------------------------------------------

    @cached_property
    def held_against(self) -> pd.DataFrame:
        """The probabilities of `odds` for each other strategy, by rank."""
        odds = {name: self.odds(name) for name in self.mean_ranks.index if name != self.against}
        return pd.DataFrame.from_dict(odds, "index", np.float64, list(KINDS))

    @cached_property
    def table(self) -> pd.DataFrame:
        """What `to_frame` says, by strategy."""
        order = list(self.mean_ranks.index)
        means = self.means[order]
        ratio = means.sub(means[self.against], axis="index")
        stacked = means.melt(var_name="strategy")["value"]
        stacked.index = pd.Index(np.repeat(order, len(means)), name="strategy")
        low, high = interval(stacked, int((means.max() - means.min() > 1e-9).sum()))
        shares = self.held_against
        raw = [ranks.wilcoxon(ratio[name].to_numpy()) for name in shares.index]
        p = dict(zip(shares.index, ranks.holm(np.array(raw)), strict=True))
        return pd.DataFrame({
            "rank": self.mean_ranks,
            "relative": np.exp(means.mean()),
            "low": low.reindex(order),
            "high": high.reindex(order),
            "worst": np.exp(means.max()),
            "worst_block": means.idxmax().astype(str),
            "versus": np.exp(ratio.mean()),
            **{kind: shares[kind] for kind in KINDS},
            "p": pd.Series(p, dtype=float),
        }, index=pd.Index(order))  # fmt: skip

    def to_frame(self) -> pd.DataFrame:
        """A row a strategy, by its mean rank.

        ``rank``; ``relative``, the geometric mean of its cost over blocks, with ``low`` and
        ``high``, the 95 % interval for all strategies at once; ``worst`` and ``worst_block``;
        ``versus``, the geometric mean of its cost over that of ``against``; the probabilities that
        it is ``cheaper``, ``equivalent`` and ``dearer`` than that; and ``p``, of Wilcoxon's test
        of the same, adjusted by Holm.
        """
        return self.table.rename_axis("strategy").reset_index()

    def pairs(self) -> pd.DataFrame:
        """A row a pair, ``strategy`` before ``other`` in rank.

        ``cheaper``, ``equivalent`` and ``dearer`` are of ``strategy``; ``ranks`` are between them;
        ``p`` is Wilcoxon's, adjusted by Holm over all pairs.
        """
        rows, means = [], self.means
        for one, other in combinations(self.mean_ranks.index, 2):
            p = ranks.wilcoxon((means[one] - means[other]).to_numpy())
            apart = self.mean_ranks[other] - self.mean_ranks[one]
            rows.append((one, other, *self.odds(one, other), apart, p))
        columns = ["strategy", "other", *KINDS, "ranks", "p"]
        found = pd.DataFrame(rows, columns=pd.Index(columns))
        return found.assign(p=ranks.holm(found["p"].to_numpy()))

    @cached_property
    def found(self) -> pd.DataFrame:
        """What is found of each strategy with a probability above 0.95; of five blocks at least.

        A row each, by rank: ``finding`` ("cheaper", "equivalent" or "dearer") and ``probability``.
        """
        odds = self.held_against
        sure = odds[(odds.max(axis=1) > SURE) & (len(self.means) >= FEWEST)]
        return pd.DataFrame({"finding": sure.idxmax(axis=1), "probability": sure.max(axis=1)})

    def leaving_out(self, groups: Mapping[Any, Hashable] | None = None) -> pd.DataFrame:
        """The same with each group of blocks left out: what of the order and the findings holds.

        Parameters
        ----------
        groups : mapping, optional
            The group of each block, as a family of data sets; by default each block is one.

        Returns
        -------
        DataFrame
            A row a group: ``left_out``, ``blocks`` that stay, ``tau`` (Kendall's correlation of
            both orders), ``friedman``, and of the findings of all blocks how many ``hold`` and
            which are ``lost``, ``turned`` into their opposite, or ``new``. Groups without which
            fewer than two blocks stay are left away.
        """
        from scipy.stats import kendalltau

        own = self.costs.index.get_level_values(0)
        of = {one: one for one in self.means.index} if groups is None else dict(groups)
        labels = own.map(lambda one: of.get(one, one))
        rows = []
        for group in dict.fromkeys(labels):
            kept = self.costs[labels != group]
            if kept.index.get_level_values(0).nunique() < 2:
                continue
            less = replace(self, costs=kept)
            before, after = self.found["finding"], less.found["finding"]
            now = after.reindex(before.index)
            turned = before.index[now.notna() & (now != before)]
            tau = kendalltau(self.mean_ranks, less.mean_ranks.reindex(self.mean_ranks.index))
            rows.append({
                "left_out": group, "blocks": len(less.means), "tau": float(tau.statistic),
                "friedman": less.friedman, "hold": int((now == before).sum()),
                "lost": list(before.index[now.isna()]), "turned": list(turned),
                "new": [name for name in after.index if name not in before.index],
            })  # fmt: skip
        return pd.DataFrame(rows)

    # --- shown --------------------------------------------------------------------------------

    def findings(self) -> list[str]:
        """What can be told apart and what cannot, in sentences."""
        from backtrain.reports.sweep.rank_found import sentences

        return sentences(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the critical-difference diagram; returns the axes.

        Mean ranks, each with half a critical difference to both sides: two strategies whose bars
        do not overlap are told apart. ``ax`` is what to draw on, by default a new figure.
        """
        from backtrain.reports.plots import ranked

        return ranked(self, ax)

"""The tables of the report, as cells ready to print; and the one of the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from backtrain.reports import alike, timers
from backtrain.reports.comparison import Comparison
from backtrain.reports.eras import Eras
from backtrain.reports.expected import in_a_sentence
from backtrain.reports.numbers import (
    MISSING,
    Money,
    listing,
    number,
    shorten,
    significant,
)
from backtrain.reports.units import in_loss, in_money, measure_of_change, of_metric

#: Money columns of the ranked table; those that are zero everywhere are not shown.
KINDS = ("error", "train", "label", "check", "deploy", "flip", "predict")

#: Counts that are shown as soon as one of them is not zero.
MISHAPS = {
    "failed": "trainings that yielded no model; the old one served on",
    "fallback": "rows answered by the training mean or prior, not by the model",
}
#: Columns of changes that are shown, and what they mean.
CHANGES = {
    "changed": "mean absolute change of the answers, at a deployment on average",
    "changed_total": "mean absolute change of the answers, summed over all deployments",
    "flipped": "share of the decisions that change at a deployment, on average",
    "flipped_total": "decisions that change, summed over all deployments: 1 is all of them once",
}
REGRET = (
    "over the cheapest schedule of its own window, known only afterwards; on another window "
    "that is another one, so equal totals can have unequal regrets"
)
RIVAL = "on this path it cannot be told apart from {} by cost"


@dataclass(frozen=True)
class Interval:
    """A difference and its interval on a column's common scale, in per cent of its width."""

    zero: float
    point: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Block:
    """One era of one strategy: how strong its colour is, and on which side."""

    side: str
    strength: float
    best: bool
    title: str


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by, what appears on hover, and where it leads."""

    text: str
    sort: float | str = ""
    title: str = ""
    interval: Interval | None = None
    blocks: tuple[Block, ...] = ()
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A heading; numbers stand to the right, words to the left. What ``wraps`` may break lines."""

    label: str
    numeric: bool = True
    title: str = ""
    wraps: bool = False


@dataclass(frozen=True)
class Row:
    """One strategy: its name, its part in the verdict, its cells, and its number in figures."""

    name: str
    role: str
    cells: tuple[Cell, ...]
    number: int | None = None


@dataclass(frozen=True)
class Sheet:
    """Columns (without that of the names) and rows; ``key`` says what the colours mean."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    first: str = "strategy"
    key: tuple[tuple[str, str], ...] = ()

    @property
    def says(self) -> bool:
        """Whether any number is not zero."""
        return any(cell.sort not in ("", 0) for row in self.rows for cell in row.cells)

    def frame(self) -> pd.DataFrame:
        """The same as data: numbers where cells sort by one, else their text."""
        labels = [column.label for column in self.columns]
        rows = [[_plain(cell) for cell in row.cells] for row in self.rows]
        index = pd.Index([row.name for row in self.rows], name=self.first)
        return pd.DataFrame(rows, index=index, columns=labels)


def _plain(cell: Cell) -> object:
    if isinstance(cell.sort, str):
        return None if cell.text == MISSING else cell.text
    return cell.sort


def sheet(
    comparison: Comparison,
    baseline: str,
    columns: Sequence[Column],
    cells: Callable[[str], Iterable[Cell]],
    roles: bool = False,
) -> Sheet:
    """A row a strategy, in the order of the ranking, from what gives the cells of one by name."""
    words = role_names(comparison, baseline) if roles else {}
    names = comparison.table(baseline).index
    return Sheet(
        tuple(columns), tuple(Row(name, words.get(name, ""), tuple(cells(name))) for name in names)
    )


def ranked(comparison: Comparison, baseline: str) -> Sheet:
    """Every strategy, the cheapest first, with its difference to the baseline."""
    table = comparison.table(baseline)
    money, info = Money.fit(table["total"]), comparison.info
    kinds = [kind for kind in KINDS if table[kind].abs().max() > 0]
    mishaps = [mishap for mishap in MISHAPS if table[mishap].any()]
    # The absolute loss and the MAE are one number: it is shown once, under the metric's name.
    metrics = list(comparison.runs[baseline].metrics)
    means = [] if any(np.allclose(table[m], table["loss"]) for m in metrics) else ["loss"]
    expected = () if np.allclose(table["expected"], table["total"]) else ("expected",)
    own = measure_of_change(info)
    moved = [key for key in (own, f"{own}_total") if key in table]
    contrasts, by_name = _contrasts(comparison, baseline, table), dict(table.iterrows())

    def cells(name: str) -> list[Cell]:
        row = by_name[name]
        return [
            Cell(money(row["total"]), row["total"]),
            *(Cell(money(row[key]), _sort(row[key])) for key in expected),
            *(cell for contrast in contrasts for cell in contrast.cells(name, money)),
            *(Cell(money(row[kind]), row[kind]) for kind in kinds),
            Cell(number(row["retrains"]), row["retrains"]),
            *(Cell(number(row[mishap]), row[mishap]) for mishap in mishaps),
            *(Cell(changed_text(key, row[key]), _sort(row[key])) for key in moved),
            *(Cell(significant(row[mean]), row[mean]) for mean in (*means, *metrics)),
        ]

    columns = (
        Column(in_money("total", info), title="all cost but that of the first model"),
        *(Column(key, title=in_a_sentence(comparison)) for key in expected),
        *(column for contrast in contrasts for column in contrast.columns()),
        *(Column(kind) for kind in kinds),
        Column("retrains", title="trainings decided; the first model is not counted"),
        *(Column(mishap, title=MISHAPS[mishap]) for mishap in mishaps),
        *(Column(key.replace("_total", " in all"), title=CHANGES[key]) for key in moved),
        *(Column(in_loss(mean, info), title="mean loss a row") for mean in means),
        *(Column(of_metric(metric, info)) for metric in metrics),
    )
    strategies = sheet(comparison, baseline, columns, cells, roles=True)
    against = [key for contrast in contrasts for key in contrast.keys]
    shown = ("total", *expected, *against, *kinds, "retrains", *mishaps, *moved, *means, *metrics)
    rows = tuple(replace(row, number=i) for i, row in enumerate(strategies.rows, start=1))
    return Sheet(strategies.columns, rows + _without_model(comparison, baseline, shown))


@dataclass(frozen=True)
class _Against:
    """Every total against that of one strategy: difference and, where there are any, intervals."""

    key: str
    name: str
    rows: Mapping[str, pd.Series]  # difference, low and high by strategy
    scale: tuple[float, float] | None

    @classmethod
    def of(cls, key: str, name: str, table: pd.DataFrame, drawn: bool) -> _Against:
        rows = {str(other): row for other, row in table.iterrows()}
        return cls(key, name, rows, common_scale(table) if drawn else None)

    @property
    def judged(self) -> bool:
        return any(math.isfinite(r["low"]) for name, r in self.rows.items() if name != self.name)

    @property
    def keys(self) -> list[str]:
        return [self.key, ""] if self.judged else [self.key]

    def columns(self) -> list[Column]:
        against = f"against {shorten(self.name)}"
        held = f"{against}; holds for all strategies at once"
        interval = Column("95 % interval", title=held, wraps=True)
        difference = Column(against, title=f"difference of totals to {self.name}")
        return [difference, interval] if self.judged else [difference]

    def cells(self, name: str, money: Money) -> list[Cell]:
        row, own = self.rows[name], name == self.name
        reach = MISSING if own else interval_text(row, money)
        difference = difference_cell(row, money, self.scale, own)
        return [difference, Cell(reach, _sort(row["low"]))] if self.judged else [difference]


def changed_text(key: str, value: float) -> str:
    """A change as a number, or of decisions in per cent."""
    if key == "flipped" and math.isfinite(value):
        return f"{value:.1%}"
    return number(value, 2) if key == "flipped_total" else significant(value)


def _sort(value: float) -> float | str:
    """What a cell is sorted by; nothing where there is no number."""
    return value if math.isfinite(value) else ""


def _contrasts(comparison: Comparison, baseline: str, table: pd.DataFrame) -> list[_Against]:
    """Against the baseline, and against the strategy to run where that is another one."""
    found = [_Against.of("difference", baseline, table, drawn=True)]
    winner = comparison.verdict(baseline).strategy
    if winner != baseline:
        keys = {"to_winner": "difference", "to_winner_low": "low", "to_winner_high": "high"}
        found.append(
            _Against.of("to_winner", winner, table[list(keys)].rename(columns=keys), drawn=False)
        )
    return found


def _without_model(comparison: Comparison, baseline: str, shown: Sequence[str]) -> tuple[Row, ...]:
    """Rows of what needs no model, below the strategies."""
    money = Money.fit(comparison.table(baseline)["total"])
    table = comparison.without_model
    if table.empty:
        return ()
    winner = comparison.verdict(baseline).strategy
    for key, name in (("difference", baseline), ("to_winner", winner)):
        table = table.assign(**{key: table["total"] - comparison.runs[name].totals["total"]})
    writers: dict[str, Callable[[float], str]] = {
        "total": money, "error": money, "fallback": number, "difference": money.signed,
        "to_winner": money.signed,
    }  # fmt: skip

    def cell(row: pd.Series, key: str) -> Cell:
        value = row.get(key, math.nan)
        return Cell(writers.get(key, significant)(value), "" if math.isnan(value) else value)

    return tuple(
        Row(str(name), "needs no model", tuple(cell(row, key) for key in shown))
        for name, row in table.iterrows()
    )


def by_era(comparison: Comparison, baseline: str) -> Sheet:
    """How each strategy did against the baseline, era by era."""
    eras = Eras.of(comparison, baseline)
    money = Money.fit(eras.totals)
    strongest = float(np.abs(eras.saved).max()) or 1.0

    def cells(name: str) -> list[Cell]:
        column = eras.names.index(name)
        blocks = (_block(eras, era, column, strongest, money) for era in range(len(eras.costs)))
        least, most = float(eras.least[column]), float(eras.most[column])
        span = f"{money.signed(least)} to {money.signed(most)}"
        return [
            Cell("", float(eras.wins[column]), blocks=tuple(blocks)),
            Cell(number(eras.wins[column]), float(eras.wins[column])),
            Cell(number(eras.beats[column]), float(eras.beats[column])),
            Cell(span if name != baseline else MISSING, least),
        ]

    columns = (
        Column("first era to last", numeric=False),
        Column("cheapest in", title="eras, ties included"),
        Column("beats baseline in", title="eras"),
        Column("saves, one era left out", title="smallest and largest total saving"),
    )
    key = (
        ("winner", f"cheaper than {baseline}"),
        ("baseline", "dearer"),
        ("", "the dot marks the cheapest of an era"),
    )
    return replace(sheet(comparison, baseline, columns, cells, roles=True), key=key)


def era_costs(eras: Eras) -> pd.DataFrame:
    """Cost of every strategy in every era, a row a strategy."""
    columns = [f"{start:%Y-%m-%d}" for start in eras.starts]
    index = pd.Index(eras.names, name="strategy")
    return pd.DataFrame(eras.costs.T, index=index, columns=pd.Index(columns, name="era"))


def role_names(comparison: Comparison, baseline: str) -> dict[str, str]:
    """What a reader must know about a strategy, in one or two words each."""
    verdict, roles = comparison.verdict(baseline), {}
    judged, same = not math.isnan(verdict.saves), alike.roles(comparison.runs)
    for name, run in comparison.runs.items():
        wins = name == verdict.strategy
        words = {
            same.get(name, ""): name in same,
            "run this": wins and judged,
            "baseline": name == baseline,
            "rival": name in verdict.rivals,
            "in-sample": run.info.get("in_sample") and not wins,
            "trainings failed": name in verdict.failing,
            "timer": timers.timer(run) is not None,
            "never fired": timers.never_fired(run),
        }
        roles[name] = ", ".join(word for word, holds in words.items() if holds)
    return roles


def interval_text(row: pd.Series, money: Money) -> str:
    """An interval in words of digits."""
    if math.isnan(row["low"]):
        return MISSING
    return f"{money.signed(row['low'])} to {money.signed(row['high'])}"


def without_interval(comparison: Comparison, baseline: str) -> str:
    """Which strategies have no interval against the baseline, and why; nothing where all have."""
    low = comparison.table(baseline)["low"]
    names = [name for name in low.index[low.isna()] if name != baseline]
    if not names:
        return ""
    rare = [n for n in names if timers.is_alarm(comparison.runs[n])]
    why = "; what trains rarely has long gaps" if rare else ""
    gap = "seven blocks of the usual gap between retrains"
    return f"no interval for {listing(names)}: fewer than {gap}{why}"


def common_scale(table: pd.DataFrame) -> tuple[float, float]:
    """The range that holds every difference, every interval and zero."""
    values = table[["difference", "low", "high"]].to_numpy(np.float64).ravel()
    values = np.append(values[np.isfinite(values)], 0.0)
    low, high = float(values.min()), float(values.max())
    return low, (high if high > low else low + 1.0)


def difference_cell(
    row: pd.Series, money: Money, scale: tuple[float, float] | None, is_baseline: bool
) -> Cell:
    """A difference, and where its column has a scale its interval drawn on that."""
    if is_baseline:
        return Cell(MISSING, 0.0)
    if scale is None:
        return Cell(money.signed(row["difference"]), row["difference"])
    low, high = scale

    def percent_of(value: float) -> float:
        return round(3 + 94 * (value - low) / (high - low), 2)

    bounded = not math.isnan(row["low"])
    interval = Interval(
        percent_of(0.0),
        percent_of(row["difference"]),
        percent_of(row["low"]) if bounded else None,
        percent_of(row["high"]) if bounded else None,
    )
    return Cell(money.signed(row["difference"]), row["difference"], interval=interval)


def _block(eras: Eras, era: int, column: int, strongest: float, money: Money) -> Block:
    saved = float(eras.saved[era, column])
    side = "cheaper" if saved > 0 else "dearer"
    title = f"{eras.label(era)}: cost {money(eras.costs[era, column])}, saved {money.signed(saved)}"
    # The root keeps small differences visible beside one era that dwarfs them.
    strength = round(math.sqrt(abs(saved) / strongest), 3)
    return Block(side, strength, bool(eras.best[era, column]), title)

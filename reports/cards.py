"""What objects say of themselves in a line or two, and below the cell of a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.stream import Stream
from backtrain.lossmatrix.curves import IntervalCurve, Oracle, Placebo, Schedules, StalenessCurve
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.reports.numbers import Money, count, duration, listing, number, significant
from backtrain.reports.sweep import rank_found
from backtrain.reports.sweep.ranked import Ranked
from backtrain.reports.units import currency, in_loss
from backtrain.reports.verdict import Recommendation
from backtrain.simulator.record import Run
from backtrain.simulator.texts import printable
from backtrain.strategies.strategy import Strategy

#: Rows of a table, and columns.
_ROWS, _COLUMNS = 8, 12


@dataclass(frozen=True, eq=False)
class Card:
    """What it is, a line more; and of HTML alone further lines, and the first rows of a table."""

    title: str
    line: str = ""
    more: tuple[str, ...] = ()
    table: pd.DataFrame | None = None


@singledispatch
def card(of: Any) -> Card:
    """The card of an object; of one that is only a step on the way, what its fields hold."""
    held = ", ".join(f"{spec.name}={_held(getattr(of, spec.name))}" for spec in fields(of))
    return Card(f"{type(of).__name__}({held})")


def text(of: Any) -> str:
    """As plain text."""
    shown = card(of)
    return printable("\n".join(filter(None, (shown.title, shown.line))))


def html(of: Any) -> str:
    """As HTML in the colours of the notebook, with every string escaped and no script."""
    shown, line = card(of), Markup('<p style="margin:.2em 0">{}</p>')
    body = [line.format(Markup("<strong>{}</strong>").format(shown.title))]
    body += [line.format(sentence) for sentence in (shown.line, *shown.more) if sentence]
    body += [] if shown.table is None else [_table(shown.table)]
    return printable(Markup('<div style="max-width:60em">{}</div>').format(Markup("").join(body)))


def _table(frame: pd.DataFrame) -> Markup:
    """The first rows, numbers to the right."""
    some = frame.iloc[:_ROWS, :_COLUMNS]
    right = [pd.api.types.is_numeric_dtype(kind) for kind in some.dtypes]
    rows = [_line("th", some.columns, right)]
    rows += [_line("td", map(_cell, values), right) for values in some.itertuples(index=False)]
    more = len(frame) - len(some), frame.shape[1] - some.shape[1]
    told = [count(n, what) for n, what in zip(more, ("row", "column"), strict=True) if n]
    note = Markup('<p style="margin:.2em 0;opacity:.7">and {} more</p>').format(listing(told))
    return Markup("<table>{}</table>{}").format(Markup("").join(rows), note if told else "")


def _line(tag: str, cells: Iterable[Any], right: list[bool]) -> Markup:
    style = 'style="text-align:{};white-space:nowrap;padding:0 .6em"'
    cell = Markup(f"<{tag} {style}>{{}}</{tag}>")
    made = [
        cell.format("right" if figures else "left", one)
        for one, figures in zip(cells, right, strict=True)
    ]
    return Markup("<tr>{}</tr>").format(Markup("").join(made))


def _cell(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        shown = significant(float(value), 5)
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    if isinstance(value, pd.Timedelta) and not pd.isna(value):
        return duration(value)
    return "" if value is None or value is pd.NaT else str(value)


# --- what is replayed -------------------------------------------------------------------------


@card.register
def _(of: Stream) -> Card:
    first, last = (of.calendar.to_local(when) for when in of.span)
    waits = of.label_time - of.event_time
    known = waits[~np.isnat(waits)].astype(np.int64)
    half, most = (duration(pd.Timedelta(int(q))) for q in np.quantile(known, [0.5, 0.95]))
    late = f"half within {half}, 95 % within {most}" if known.any() else "known at once"
    late = f"known after {half}" if known.any() and known.min() == known.max() else late
    lost = len(of) - len(known)
    zone = f", local times of {of.timezone}" if of.timezone else ""
    size = (
        f"{count(len(of), 'row')} of {count(len(of.columns), 'feature')}, "
        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}{zone}"
    )
    lines = [f"target {of.target!r}; labels: {late}" + (f", {number(lost)} never" if lost else "")]
    if of.drift:
        lines.append(f"true drift: {listing(map(of.calendar.day, of.drift))}")
    lines += [f"fault {name}: {start} to {stop}" for name, start, stop in of.faults]
    return Card(f"Stream {of.name!r}", size, (*lines, *of.reading), of.head())


@card.register
def _(of: Strategy) -> Card:
    frame = of.to_frame()
    usual = frame["class"].eq("") & frame["value"].isin(["None", "()"])
    return Card("Strategy", repr(of), (), frame[~usual])


@card.register
def _(of: Run) -> Card:
    money, day = Money.fit([of.totals["total"]], currency(of.info)), Calendar.of(of.info).day
    counts = [("retrains", "training"), ("deployed", "deployment"), ("failed", "failed training")]
    told = [count(int(of.totals.get(k, 0)), noun) for k, noun in counts if of.totals.get(k)]
    if refused := int(of.totals.get("refused", 0)):
        told.append(f"{number(refused)} refused before training")
    kinds = ("error", "train", "label", "check", "deploy", "predict")
    paid = [f"{kind} {money(of.totals[kind])}" for kind in kinds if of.totals.get(kind)]
    where = f"{of.info['stream'].get('name')}, {day(of.info['start'])} to {day(of.info['end'])}"
    lines = (
        f"total {money(of.totals['total'])}: {listing(paid, 6) or 'nothing paid'}; "
        f"{listing(told) or 'never trained again'}",
        *([f"{name} {significant(value)}" for name, value in of.metrics.items()]),
    )
    return Card(f"Run {of.name!r}", where, lines)


@card.register
def _(of: Recommendation) -> Card:
    what = f"run {of.strategy!r} instead of {of.baseline!r}"
    what = what if of.decision == "retrain" else f"keep {of.strategy!r}"
    saves = Money.fit([of.saves], of.currency)(of.saves)
    what += f", expected to save {saves} ({of.confidence})" if of.confidence else ""
    more = (of.sentence, *of.beside, of.evidence)
    return Card(f"Verdict: {what}", "", more, of.to_frame().dropna(axis="columns", how="all"))


@card.register
def _(of: Ranked) -> Card:
    told = rank_found.sentences(of)
    size = f"{len(of.names)} strategies over {len(of.means)} {rank_found.plural(of.block)}"
    frame = of.to_frame().drop(columns=["worst_block"])
    return Card(f"Ranked: {size}, against {of.against!r}", told[0], tuple(told[1:]), frame)


# --- the loss matrix --------------------------------------------------------------------------


@card.register
def _(of: LossMatrix) -> Card:
    first, last = _days(of.info, of.borders[[0, -1]])
    failed = f", {number(of.failed.sum())} of them failed" if of.failed.any() else ""
    parts = ", ".join(filter(None, (of.window, of.update)))
    curve = of.staleness_curve(4)
    told = [
        f"{'+' if excess > 0 else ''}{significant(excess, 3)} up to {duration(old)}"
        for excess, old in zip(curve.excess, pd.to_timedelta(curve.age[1:]), strict=True)
        if np.isfinite(excess)
    ]
    named = str(of.info.get("loss") or "").replace("_", "-")
    loss = in_loss(" ".join(filter(None, ("mean", named, "loss"))), of.info)
    return Card(
        f"LossMatrix of {count(len(of), 'model')}, {first} to {last}"
        + (f", {parts}{failed}" if parts else failed),
        f"{loss} a row: {significant(curve.fresh)} of the freshest model; by age, on the same "
        f"rows: {listing(told)}",
    )


@card.register
def _(of: Oracle) -> Card:
    money, (first, last) = Money.fit([of.cost], currency(of.info)), _days(of.info, of.span)
    trained = count(of.retrains, "training")
    return Card(f"Oracle: {trained}, {money(of.cost)}, {first} to {last}", "", (), of.to_frame())


@card.register
def _(of: Schedules) -> Card:
    return Card(f"Schedules: {number(len(of.loss))} with {_range(of.retrains)} trainings")


@card.register
def _(of: IntervalCurve) -> Card:
    mean = of.cost(of.prices)[0]
    best, money = of.best(of.prices), Money.fit(mean, currency(of.info))
    return Card(
        f"IntervalCurve: {count(len(of.intervals), 'interval')} of {_range(of.intervals)} ticks, "
        f"{count(len(of.place), 'schedule')}",
        f"cheapest on average: every {count(of.intervals[best], 'tick')}, {money(mean[best])}",
    )


@card.register
def _(of: StalenessCurve) -> Card:
    oldest = duration(pd.Timedelta(int(of.age[-1])))
    known = of.excess[np.isfinite(of.excess)]
    worst = f", at most {significant(known.max())} more when older" if len(known) else ""
    return Card(
        f"StalenessCurve: {count(len(of.rows), 'bin')} of ages up to {oldest}",
        f"{in_loss('mean loss', of.info)} of the freshest {significant(of.fresh)}{worst}",
        (),
        of.to_frame(),
    )


@card.register
def _(of: Placebo) -> Card:
    both = {"evenly spaced": of.even.cost(of.prices), "random": of.random.cost(of.prices)}
    money = Money.fit(np.concatenate(list(both.values())), currency(of.info))
    told = [
        f"{number(len(cost))} {name}, {money(cost.min())} to {money(cost.max())}"
        for name, cost in both.items()
        if len(cost)
    ]
    trained = _range(np.concatenate((of.even.retrains, of.random.retrains)))
    return Card(f"Placebo: schedules of {trained} trainings", listing(told))


def _held(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, (np.ndarray, pd.DataFrame)):
        return f"array {value.shape}" if isinstance(value, np.ndarray) else f"table {value.shape}"
    if isinstance(value, (pd.Series, pd.Index, Mapping, tuple, list)) and len(value) > 3:
        return f"{len(value)} values"
    if isinstance(value, (pd.Series, pd.Index)):
        return str(value.tolist())
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def _range(values: np.ndarray) -> str:
    """From the least to the most."""
    if not len(values):
        return "no"
    low, high = number(values.min()), number(values.max())
    return low if low == high else f"{low} to {high}"


def _days(info: Any, ends: Any) -> tuple[str, str]:
    first, last = map(Calendar.of(info).day, pd.DatetimeIndex(ends.astype("datetime64[ns]")))
    return first, last

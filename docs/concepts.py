"""Draws the pictures of ``docs/concepts.md``: ``python docs/concepts.py``."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import Every, Never, Sliding

HERE = Path(__file__).parent / "concepts"
KNOWN, UNKNOWN, NEW = "#1b64da", "#b8bcc4", "#c2410c"


def time() -> Figure:
    """What is known at a tick, and when the model that is trained then serves."""
    figure, (rows, versions) = plt.subplots(
        2, 1, figsize=(8, 3.4), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    decided, ready, late = 6.0, 8.0, np.array([2.0, 2.5, 1.5, 3.0, 2.0, 4.5, 2.0, 2.5, 2.0, 1.5])
    for i, delay in enumerate(late):
        known = i + delay <= decided and i < decided
        colour = KNOWN if known else UNKNOWN
        rows.plot([i, i + delay], [-i, -i], color=colour, linewidth=1.4)
        rows.plot(i, -i, "o", color=colour, ms=6)
        rows.plot(i + delay, -i, "|", color=colour, ms=9, mew=1.8)
    rows.text(-0.3, 1.1, "a row happens (dot), its label arrives (bar)", fontsize=9)
    rows.set_ylim(-10, 2.2)
    versions.plot([0, ready], [1, 1], color=UNKNOWN, linewidth=7, solid_capstyle="butt")
    versions.plot([ready, 13], [1, 1], color=NEW, linewidth=7, solid_capstyle="butt")
    versions.plot([decided, ready], [0.2, 0.2], color=NEW, linewidth=2, linestyle=":")
    versions.text(0.1, 1.35, "version 0 answers", fontsize=9)
    versions.text(ready + 0.1, 1.35, "version 1 answers", fontsize=9, color=NEW)
    versions.text(decided + 0.1, -0.6, "it is trained, on blue rows", fontsize=9, color=NEW)
    versions.set_ylim(-0.8, 2)
    for axes in (rows, versions):
        axes.axvline(decided, color="0.3", linewidth=0.9, linestyle="--")
        axes.axvline(ready, color=NEW, linewidth=0.9, linestyle="--")
        _bare(axes)
    rows.text(decided, 1.1, " a tick: train", fontsize=9, color="0.3")
    rows.text(ready, 1.1, " in force", fontsize=9, color=NEW)
    versions.set_xlabel("time")
    return figure


def _bare(axes: Axes) -> None:
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _backtest() -> Backtest:
    stream = apply(abrupt(n=2_400, task="regression"), Fixed("2D"))
    return Backtest(stream, Ridge(), prices=Prices(retrain=8, release=1), currency="EUR", start=0.3)


def money() -> Figure:
    """What each strategy is charged, by kind."""
    every = {"never": Never(), "monthly": Every("30D"), "weekly": Every("7D"), "daily": Every("1D")}
    strategies = {name: Strategy(trigger, Sliding("10D")) for name, trigger in every.items()}
    table = _backtest().compare(strategies, hindsight=False).table().loc[list(every)]
    figure, axes = plt.subplots(figsize=(8, 2.4), layout="constrained")
    left = np.zeros(len(table))
    kinds = {"error": KNOWN, "train": NEW, "deploy": "#f0a878"}
    for kind, colour in kinds.items():
        axes.barh(table.index, table[kind], left=left, color=colour, label=kind)
        left += table[kind].to_numpy()
    axes.invert_yaxis()
    axes.set_xlabel("EUR")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def honesty() -> Figure:
    """A replay, and one of a history that is spoilt from an instant on: equal until then."""
    backtest, strategy = _backtest(), Strategy(Every("3D"), Sliding("10D"))
    stream = backtest.stream
    at = stream.event_time[int(0.65 * len(stream))]
    later = stream.label_time > at
    spoilt = replace(stream, y=np.where(later, -3 * stream.y + 4, stream.y))
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    for history, colour, width in ((spoilt, NEW, 1.2), (stream, KNOWN, 2.2)):
        served = replace(backtest, stream=history).replay(strategy).predictions
        answers = served["prediction"].rolling(48).mean()
        label = "the history as it was" if history is stream else "its future spoilt"
        axes.plot(served["event_time"], answers, color=colour, linewidth=width, label=label)
    axes.axvline(at, color="0.3", linewidth=0.9, linestyle="--")
    axes.text(at, axes.get_ylim()[1], " spoilt from here on", va="top", fontsize=9)
    axes.set_ylabel("what was answered")
    axes.legend(frameon=False, loc="center left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def statistics() -> Figure:
    """What an interval costs at each of its phases, and on average."""
    backtest = _backtest()
    matrix, cost = backtest.loss_matrix(Sliding("10D")), []
    intervals = (1, 2, 3, 5, 7, 10, 14, 21, 28)
    figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
    for place, n in enumerate(intervals):
        totals = matrix.schedules(matrix.evenly(n, range(n))).cost(backtest.prices)
        axes.plot(np.full(n, place), totals, "o", color=UNKNOWN, ms=4)
        cost.append(totals.mean())
    axes.plot(cost, "o-", color=KNOWN, ms=7)
    axes.set_xticks(range(len(intervals)), [f"{n} d" for n in intervals])
    axes.set_xlabel("retrained every")
    axes.set_ylabel("EUR")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    mpl.use("agg")
    HERE.mkdir(exist_ok=True)
    for draw in (time, money, honesty, statistics):
        draw().savefig(HERE / f"{draw.__name__}.png", dpi=90, metadata={"Software": None})

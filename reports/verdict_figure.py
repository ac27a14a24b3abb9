"""What each strategy is expected to cost, the one to run and the baseline in colour."""

from __future__ import annotations

from functools import partial

from matplotlib.ticker import MaxNLocator

from backtrain.reports.exhibit import Exhibit
from backtrain.reports.figures import THOUSANDS
from backtrain.reports.numbers import Money, listing, told_apart
from backtrain.reports.svg import Drawing, Paper, note
from backtrain.reports.units import money_axis
from backtrain.reports.verdict import Recommendation

#: Strategies that have a row: the cheapest.
_MOST = 16
_ROLES = {"run this": "winner", "baseline": "baseline", "runner-up": "runner"}


def exhibit(verdict: Recommendation) -> Exhibit | None:
    """A row a strategy; None where nothing is expected of any."""
    frame = verdict.to_frame()
    if frame.empty:
        return None
    money = Money.fit(frame["expected"], verdict.currency)
    told = [
        f"{name} {money(cost)}"
        for name, cost in zip(frame["strategy"], frame["expected"], strict=True)
    ]
    alt = f"Expected costs: {listing(told)}."
    return Exhibit(
        "verdict", "What each is expected to cost", partial(_draw, verdict), alt, lambda: frame
    )


def _draw(verdict: Recommendation, paper: Paper) -> Drawing:
    frame = verdict.to_frame()
    kept = (frame.index < _MOST) | (frame["role"] != "")
    frame = frame[kept].iloc[::-1].reset_index(drop=True)
    axis = money_axis("expected cost", {"currency": verdict.currency})
    figure, axes = paper.panel(0.9 + 0.3 * len(frame), axis)
    money, titles = Money.fit(frame["expected"], verdict.currency), {}
    paper.rules(axes, "x")
    axes.grid(axis="y", visible=False)
    for y, (cost, role, running) in enumerate(
        zip(frame["expected"], frame["role"], frame["running"], strict=True)
    ):
        colour = paper[_ROLES.get(role, "soft")]
        fill = colour if running != running else paper["paper"]
        axes.plot(
            cost, y, "o", ms=9 if role == "run this" else 7, mec=colour, mfc=fill, gid=f"at-{y}"
        )
        told = ", ".join(
            filter(None, (money(cost), role, "" if running != running else "too dear"))
        )
        note(
            axes,
            told,
            (cost, y),
            (8, 0),
            va="center",
            fontsize=paper.size(8.5),
            color=paper["soft"],
        )
        titles[f"at-{y}"] = f"{frame['strategy'][y]}: {told}"
    axes.set_yticks(
        range(len(frame)), told_apart(list(frame["strategy"]), 40 if paper.wide else 22)
    )
    axes.set_ylim(-0.6, len(frame) - 0.4)
    axes.margins(x=0.08)
    axes.set_xlim(right=axes.get_xlim()[1] + 0.3 * (axes.get_xlim()[1] - axes.get_xlim()[0]))
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.xaxis.set_major_locator(MaxNLocator(6 if paper.wide else 4))
    return Drawing("Hollow: more than the budget allows.", figure, titles)

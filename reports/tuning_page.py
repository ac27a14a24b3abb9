"""A tuning as a page, below a notebook's cell, and in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from backtrain.reports import html, tables, tuning_figures
from backtrain.reports.cells import Cell, Column, Row, Sheet
from backtrain.reports.numbers import MINUS, MISSING, Money, count, duration, number, price
from backtrain.reports.tuning_words import IN_SAMPLE, findings

if TYPE_CHECKING:
    from backtrain.lossmatrix.tuning import Tuning


def page(tuning: Tuning, pictures: Mapping[str, html.Picture] | None = None) -> str:
    """The whole report as HTML."""
    info, found = tuning.info, findings(tuning)
    return html.page(
        "tune.html",
        info=info,
        made_of=", ".join(info[key] for key in ("window", "update", "model")),
        decision="retrain",
        lead=found["interval"],
        remarks=[found["sample"], IN_SAMPLE],
        found=found,
        headline=_headline(tuning),
        intervals=ranked(tuning),
        block_note=_block_note(tuning),
        caveats=_caveats(tuning),
        setup=_setup(tuning),
        figures=html.draw(tuning_figures.makers(tuning)) if pictures is None else pictures,
    )


def notebook(tuning: Tuning) -> str:
    """The sentences and the table, to stand below a notebook's cell."""
    lead, *lines = [*findings(tuning).values(), IN_SAMPLE]
    return html.page(
        "notebook.html", lead=lead, lines=lines, table=ranked(tuning), first="interval"
    )


def ranked(tuning: Tuning) -> Sheet:
    """Every interval, the shortest first, with its difference to the best."""
    frame, money, best = tuning.summary(), Money.fit(tuning.mean), tuning.judgement.best
    # Never training may cost a multiple of all others, which would leave them no room.
    scale = tables.common_scale(frame.iloc[:-1])
    rows = []
    for place, (name, row) in enumerate(frame.iterrows()):
        cells = (
            Cell(money(row["mean"]), row["mean"]),
            tables.difference_cell(row, money, scale, place == best)
            if row["difference"] <= scale[1]
            else Cell(money.signed(row["difference"]), row["difference"]),
            Cell(tables.interval_text(row, money) if place != best else MISSING),
            Cell(f"{money(row['low_phase'])} to {money(row['high_phase'])}", row["low_phase"]),
            Cell(money(row["error"]), row["error"]),
            Cell(number(row["retrains"], 1), row["retrains"]),
        )
        rows.append(Row(str(name), _role(tuning, place), cells))
    columns = (
        Column("mean", title="total cost, its mean over the phases"),
        Column(f"against {tuning.labels[tuning.judgement.best]}", title="difference of means"),
        Column("95 % interval", title="holds for all intervals at once"),
        Column("phases", title="the cheapest and the dearest"),
        Column("error"),
        Column("retrains", title="mean over the phases"),
    )
    return Sheet(columns, tuple(rows))


def terminal(tuning: Tuning) -> str:
    """Sheet and sentences as plain text, at most 100 columns wide."""
    lines = [*findings(tuning).values(), IN_SAMPLE]
    said = "\n".join(textwrap.fill(line, 100, subsequent_indent="  ") for line in lines)
    # The typographic minus of reports is missing from some terminal fonts.
    return f"{terminal_table(tuning)}\n\n{said}".replace(MINUS, "-")


def terminal_table(tuning: Tuning) -> str:
    """The same as plain text."""
    frame, money, best = tuning.summary(), Money.fit(tuning.mean), tuning.judgement.best
    lines = [("", "mean", "phases", "retrains", "difference", "95 % interval", "")]
    for place, (name, row) in enumerate(frame.iterrows()):
        same = place == best
        lines.append((
            str(name), money(row["mean"]),
            f"{money(row['low_phase'])} to {money(row['high_phase'])}", number(row["retrains"]),
            "" if same else money.signed(row["difference"]),
            "" if same else tables.interval_text(row, money), _role(tuning, place),
        ))  # fmt: skip
    return "\n".join(tables.aligned(lines))


def _role(tuning: Tuning, place: int) -> str:
    judgement = tuning.judgement
    if place == judgement.best:
        return "cheapest" if judgement.block is not None else "cheapest, not judged"
    if not judgement.judged[place]:
        return "not judged"
    return "rival" if place in judgement.alike else ""


def _headline(tuning: Tuning) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the decision."""
    judgement, money, sizes = tuning.judgement, Money.fit(tuning.mean), tuning.sizes
    alike = [tuning.labels[i] for i in judgement.alike]
    reach = f"{alike[0]} to {alike[-1]} cannot be told apart" if len(alike) > 1 else "no rival"
    reach = "not judged" if judgement.block is None else reach
    low, high = tuning.ranges[tuning.cheapest]
    gap = tuning.mean[judgement.best] - tuning.oracle
    enough = MISSING if sizes.enough is None else sizes.labels[sizes.enough]
    now, between = price(tuning.info["prices"]["retrain"]), f"{price(low)} to {price(high)}"
    return [
        ("interval", tuning.labels[judgement.best], reach),
        ("rows that are enough", enough, "the newest that are labelled"),
        ("above the oracle", money(gap), "what better timing could save at most"),
        (
            "retrain price",
            between,
            f"where {tuning.labels[tuning.cheapest]} is cheapest; now {now}",
        ),
    ]


def _block_note(tuning: Tuning) -> str:
    block, period = tuning.judgement.block, tuning.span / len(tuning.costs)
    if block is None:
        return (
            "No intervals: the history holds fewer than seven blocks of any length that is needed."
        )
    return (
        "Intervals hold for all rows at once, at 95 %. They rest on "
        f"{count(len(tuning.costs), 'period')}, on how alike neighbouring ones are, and on blocks "
        f"of at most {duration(period * block)}, as long as the label delay, the season and the "
        "interval itself ask for. Longer ones leave fewer than seven blocks: they are shown, and "
        "not judged."
    )


def _caveats(tuning: Tuning) -> list[str]:
    """What this report cannot know, and what it leaves out."""
    info = tuning.info
    lines = [
        IN_SAMPLE,
        "One history is one sample: all of this holds for its mix of regimes.",
        "Costs are those of errors, trainings and releases. Prices of labels, checks, reviews and "
        "predictions do not enter; the first model is left out of every total.",
        "The gate is Immediate: every model that is trained is deployed, after its delays.",
        "Fresh models are scored without training and deployment delays, on the rows up to the "
        "next point in time.",
    ]
    if info["every"] > 1:
        lines.append(
            f"Models were trained at every {info['every']}th of {number(info['ticks'])} ticks, to "
            "keep their number down: shorter intervals were not tried."
        )
    if not info["weights"]:
        lines.append("The model takes no sample weights, so half-lives were not tried.")
    if info["failed"]:
        lines.append(f"{count(info['failed'], 'training')} failed; the old model served on.")
    return lines


def _setup(tuning: Tuning) -> list[tuple[str, str]]:
    info, stream = tuning.info, tuning.info["stream"]
    libraries = [f"{name} {version}" for name, version in sorted(info["libraries"].items())]
    flat = {
        key: ", ".join(f"{name} {value}" for name, value in info[key].items())
        for key in ("prices", "delays")
    }
    delay = duration(pd.Timedelta(seconds=info["label_delay_seconds"]["p95"]))
    return [
        ("data", f"{stream['name']}, {count(stream['rows'], 'row')}, target {stream['target']}, "
                 f"{stream['first']} to {stream['last']}"),
        ("data hash", stream["fingerprint"]),
        ("served", f"{info['start']} to {info['end']}, tick {info['tick']}, "
                   f"{count(info['candidates'], 'model')} trained"),
        ("labels", f"95 % arrive within {delay}"),
        ("model", info["model"]),
        ("window", info["window"]),
        ("update", info["update"]),
        ("loss", info["loss"]),
        ("seed", str(info["seed"])),
        *flat.items(),
        ("environment", ", ".join([f"Python {info['python']}", *libraries])),
    ]  # fmt: skip

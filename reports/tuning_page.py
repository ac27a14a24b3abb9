"""A tuning as a page, below a notebook's cell, and in the terminal; what it found, in sentences."""

import textwrap

import pandas as pd

from backtrain.lossmatrix.tuning import Tuning
from backtrain.reports import expected, html, price_map, tables, tuning_figures, understood
from backtrain.reports.advice import tile
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.model_name import model_name
from backtrain.reports.numbers import (
    MINUS,
    MISSING,
    Money,
    count,
    duration,
    number,
)
from backtrain.reports.plain import aligned, wrapped
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.reports.tuning_found import findings, words
from backtrain.reports.units import currency, in_money

#: Columns of characters that a terminal is taken to have.
_WIDTH = 100
IN_SAMPLE = (
    "In-sample: interval, rows and window were chosen on the very stretch that they are judged "
    "on, so expect them to do worse than this on what comes next."
)


def page(tuning: Tuning) -> str:
    """The whole report as HTML, with nothing beside it."""
    return report(tuning).page()


def report(tuning: Tuning, files: bool = False) -> html.Report:
    """Page and exhibits; ``files`` asks for the figures as files, too."""
    info, sentences, shown = tuning.info, findings(tuning), outline(tuning)
    content = {
        "info": info,
        "made_of": ", ".join((info["window"], info["update"], model_name(info["model"]))),
        "decision": "keep" if tuning.decision.name == tuning.baseline else "retrain",
        "lead": sentences["interval"],
        "remarks": [sentences["sample"], IN_SAMPLE, *understood.warnings(info)],
        "headline": _headline(tuning),
        "setup": _setup(tuning),
    }
    return html.Report.of("tune.html", content, shown, files)


def outline(tuning: Tuning) -> list[Section]:
    """What the report shows, in its order."""
    found, made = findings(tuning), tuning_figures.exhibits(tuning)
    table = Exhibit("intervals", "Intervals by length", ranked(tuning), data=tuning.summary)
    titles = {
        "prices": price_map.TITLE,
        "rows": "How many rows",
        "old rows": "What old rows are worth",
        "staleness": "What happens without retraining",
        "oracle": "What hindsight would have done",
    }
    drawn = {what: made.get(what.replace(" ", "-")) for what in titles}
    return [
        Section("How often", [made["intervals"], table], note=_rest(tuning)),
        *(Section(titles[what], [e] if e else [], found[what]) for what, e in drawn.items()),
        *filter(None, [understood.of(tuning.info)]),
    ]


def _rest(tuning: Tuning) -> str:
    """What the intervals rest on, in words."""
    block, periods = tuning.judgement.block, len(tuning.costs)
    if block is None:
        return (
            "No intervals: the history holds fewer than seven blocks of any length that is needed."
        )
    return (
        f"Intervals hold for all rows at once, at 95 %. They rest on {count(periods, 'period')}, "
        "on how alike neighbouring ones are, and on blocks of at most "
        f"{duration(tuning.span / periods * block)}, as long as the label delay, the season and "
        "the interval itself ask for. Longer ones leave fewer than seven blocks, and have none."
    )


def notebook(tuning: Tuning) -> str:
    """The sentences and the table, to stand below a notebook's cell."""
    lead, *lines = [*findings(tuning).values(), IN_SAMPLE]
    return html.page("notebook.html", lead=lead, lines=lines, table=ranked(tuning))


def ranked(tuning: Tuning) -> Sheet:
    """Every option, the shortest interval first, with its difference to the advised."""
    frame, money, advised = tuning.summary(), Money.fit(tuning.mean), tuning.advised
    # Never training may cost a multiple of all others, which would leave them no room.
    scale = tables.common_scale(frame[~tuning.never] if not tuning.never[advised] else frame)
    rows = []
    for position, (name, row) in enumerate(frame.iterrows()):
        cells = (
            Cell(money(row["expected"]), row["expected"]),
            Cell(money(row["mean"]), row["mean"]),
            tables.difference_cell(row, money, scale, position == advised)
            if row["difference"] <= scale[1]
            else Cell(money.signed(row["difference"]), row["difference"]),
            Cell(tables.interval_text(row, money) if position != advised else MISSING),
            Cell(f"{money(row['low_phase'])} to {money(row['high_phase'])}", row["low_phase"]),
            Cell(money(row["error"]), row["error"]),
            Cell(number(row["retrains"], 1), row["retrains"]),
        )
        rows.append(Row(str(name), _role(tuning, position), cells))
    columns = (
        Column(in_money("expected", tuning.info), title="by phases, starts and windows"),
        Column("here", title="total cost on this history, its mean over the phases"),
        Column(f"against {tuning.labels[advised]}", title="difference of means on this history"),
        Column("95 % interval", title="holds for all intervals at once"),
        Column("phases", title="the cheapest and the dearest"),
        Column("error"),
        Column("retrains", title="mean over the phases"),
    )
    return Sheet(columns, tuple(rows), "interval")


def terminal(tuning: Tuning) -> str:
    """Sheet and sentences as plain text, at most 100 columns wide."""
    lines = [*findings(tuning).values(), IN_SAMPLE]
    sentences = "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="  ") for line in lines)
    # The typographic minus of reports is missing from some terminal fonts.
    return f"{terminal_table(tuning)}\n\n{sentences}".replace(MINUS, "-")


def terminal_table(tuning: Tuning) -> str:
    """The same as plain text."""
    frame, money, advised = tuning.summary(), Money.fit(tuning.mean), tuning.advised
    lines: list[tuple[str, ...]] = [
        ("", "expected", "here", "phases", "retrains", "difference", "95 % interval")
    ]
    for position, (name, row) in enumerate(frame.iterrows()):
        same = position == advised
        lines.append((
            f"{'> ' if same else '  '}{name}", money(row["expected"]), money(row["mean"]),
            f"{money(row['low_phase'])} to {money(row['high_phase'])}", number(row["retrains"]),
            "" if same else money.signed(row["difference"]),
            "" if same else tables.interval_text(row, money),
        ))  # fmt: skip
    if max(map(len, aligned(lines))) > _WIDTH:  # the report has them
        lines = [(*line[:3], *line[4:]) for line in lines]
    notes = [
        f"expected: {expected.SCHEDULE}",
        f"here: mean over phases on this history; difference: to {tuning.labels[advised]!r}",
    ]
    if not tuning.judgement.judged.all():
        notes.append("no interval: fewer than seven blocks of the interval between retrains")
    return "\n".join([*aligned(lines), "", *wrapped(notes, _WIDTH)])


def _role(tuning: Tuning, position: int) -> str:
    judgement = tuning.judgement
    words = {
        "run this": position == tuning.advised,
        "baseline": tuning.labels[position] == tuning.baseline,
        "rival": position in judgement.alike and position != tuning.advised,
        "no interval": not judgement.judged[position],
    }
    return ", ".join(word for word, holds in words.items() if holds)


def _headline(tuning: Tuning) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the decision."""
    money, advised = Money.fit(tuning.mean, currency(tuning.info)), tuning.advised
    choice, option, sizes = tuning.decision, tuning.options[advised], tuning.sizes
    told = words(tuning)
    against, amount, sure = f"save against {tuning.baseline}", choice.saves, choice.confidence
    if choice.name == tuning.baseline:
        against, amount, sure = f"cost more: {told.choice.runner_up}", choice.behind, ""
    saves = tile(tuning.info, money, f"expected to {against}", amount, sure)
    gap = float(tuning.mean[advised]) - tuning.oracle
    enough = tuning.enough(sizes)
    return [
        saves,
        (
            "expected cost",
            money(option.cost),
            f"{count(round(option.retrains), 'retrain')} in {duration(tuning.span)}",
        ),
        ("above the oracle", money(gap), "what better timing could save at most"),
        (
            "rows that are enough",
            MISSING if enough is None else sizes.labels[enough],
            "fewer cost more than the advice is about",
        ),
    ]


def _setup(tuning: Tuning) -> list[tuple[str, str]]:
    info = tuning.info
    delay = duration(pd.Timedelta(seconds=info["label_delay_seconds"]["p95"]))
    start, end = (html.moment(info, info[key]) for key in ("start", "end"))
    return html.setup(info, {
        "served": f"{start} to {end}, tick {info['tick']}, "
                  f"{count(info['candidates'], 'model')} trained",
        "labels": f"95 % arrive within {delay}",
        **{key: info[key] for key in ("window", "update")},
        "prices": html.prices(info),
        "delays": html.flat(info["delays"]),
    })  # fmt: skip

"""A tuning as a page, below a notebook's cell, and in the terminal; what it found, in sentences."""

import textwrap

import numpy as np
import pandas as pd

from backtrain.lossmatrix.tuning import Fresh, Tuning
from backtrain.reports import html, tables, tuning_figures
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import (
    MINUS,
    MISSING,
    Money,
    count,
    duration,
    listing,
    number,
    price,
    significant,
)
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.reports.units import currency, in_money

IN_SAMPLE = (
    "In-sample: interval, rows and window were chosen on the very stretch that they are judged "
    "on, so expect them to do worse than this on what comes next."
)


def findings(tuning: Tuning) -> dict[str, str]:
    """A sentence or two for each question, the decision first."""
    return {
        "interval": _interval(tuning),
        "sample": _sample(tuning),
        "prices": _prices(tuning),
        "rows": _rows(tuning.sizes),
        "old rows": _old(tuning.old),
        "staleness": _staleness(tuning),
        "oracle": _oracle(tuning),
    }


def page(tuning: Tuning) -> str:
    """The whole report as HTML, with nothing beside it."""
    return report(tuning).page()


def report(tuning: Tuning, files: bool = False) -> html.Report:
    """Page and exhibits; ``files`` asks for the figures as files, too."""
    info, sentences, shown = tuning.info, findings(tuning), outline(tuning)
    content = {
        "info": info,
        "made_of": ", ".join(info[key] for key in ("window", "update", "model")),
        "decision": "retrain",
        "lead": sentences["interval"],
        "remarks": [sentences["sample"], IN_SAMPLE],
        "headline": _headline(tuning),
        "in_sample": IN_SAMPLE,
        "setup": _setup(tuning),
    }
    return html.Report.of("tune.html", content, shown, files)


def outline(tuning: Tuning) -> list[Section]:
    """What the report shows, in its order."""
    found, made = findings(tuning), tuning_figures.exhibits(tuning)
    table = Exhibit("intervals", "Intervals by length", ranked(tuning), data=tuning.summary)
    titles = {
        "prices": "At which price the answer changes",
        "rows": "How many rows",
        "old rows": "What old rows are worth",
        "staleness": "What happens without retraining",
        "oracle": "What hindsight would have done",
    }
    drawn = {what: made.get(what.replace(" ", "-")) for what in titles}
    return [
        Section("How often", [made["intervals"], table], note=_rest(tuning)),
        *(Section(titles[what], [e] if e else [], found[what]) for what, e in drawn.items()),
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
        "the interval itself ask for. Longer ones leave fewer than seven blocks: they are shown, "
        "and not judged."
    )


def notebook(tuning: Tuning) -> str:
    """The sentences and the table, to stand below a notebook's cell."""
    lead, *lines = [*findings(tuning).values(), IN_SAMPLE]
    return html.page("notebook.html", lead=lead, lines=lines, table=ranked(tuning))


def ranked(tuning: Tuning) -> Sheet:
    """Every interval, the shortest first, with its difference to the best."""
    frame, money, best = tuning.summary(), Money.fit(tuning.mean), tuning.judgement.best
    # Never training may cost a multiple of all others, which would leave them no room.
    scale = tables.common_scale(frame.iloc[:-1])
    rows = []
    for position, (name, row) in enumerate(frame.iterrows()):
        cells = (
            Cell(money(row["mean"]), row["mean"]),
            tables.difference_cell(row, money, scale, position == best)
            if row["difference"] <= scale[1]
            else Cell(money.signed(row["difference"]), row["difference"]),
            Cell(tables.interval_text(row, money) if position != best else MISSING),
            Cell(f"{money(row['low_phase'])} to {money(row['high_phase'])}", row["low_phase"]),
            Cell(money(row["error"]), row["error"]),
            Cell(number(row["retrains"], 1), row["retrains"]),
        )
        rows.append(Row(str(name), _role(tuning, position), cells))
    columns = (
        Column(in_money("mean", tuning.info), title="total cost, its mean over the phases"),
        Column(f"against {tuning.labels[tuning.judgement.best]}", title="difference of means"),
        Column("95 % interval", title="holds for all intervals at once"),
        Column("phases", title="the cheapest and the dearest"),
        Column("error"),
        Column("retrains", title="mean over the phases"),
    )
    return Sheet(columns, tuple(rows), "interval")


def terminal(tuning: Tuning) -> str:
    """Sheet and sentences as plain text, at most 100 columns wide."""
    lines = [*findings(tuning).values(), IN_SAMPLE]
    sentences = "\n".join(textwrap.fill(line, 100, subsequent_indent="  ") for line in lines)
    # The typographic minus of reports is missing from some terminal fonts.
    return f"{terminal_table(tuning)}\n\n{sentences}".replace(MINUS, "-")


def terminal_table(tuning: Tuning) -> str:
    """The same as plain text."""
    frame, money, best = tuning.summary(), Money.fit(tuning.mean), tuning.judgement.best
    lines = [("", "mean", "phases", "retrains", "difference", "95 % interval", "")]
    for position, (name, row) in enumerate(frame.iterrows()):
        same = position == best
        lines.append((
            str(name), money(row["mean"]),
            f"{money(row['low_phase'])} to {money(row['high_phase'])}", number(row["retrains"]),
            "" if same else money.signed(row["difference"]),
            "" if same else tables.interval_text(row, money), _role(tuning, position),
        ))  # fmt: skip
    return "\n".join(tables.aligned(lines))


def _money(tuning: Tuning) -> Money:
    """Amounts as sentences have them."""
    return Money.fit(tuning.mean, currency(tuning.info))


def _role(tuning: Tuning, position: int) -> str:
    judgement = tuning.judgement
    if position == judgement.best:
        return "cheapest" if judgement.block is not None else "cheapest, not judged"
    if not judgement.judged[position]:
        return "not judged"
    return "rival" if position in judgement.alike else ""


def _headline(tuning: Tuning) -> list[tuple[str, str, str]]:
    """Label, value and remark of the numbers that stand below the decision."""
    judgement, money, sizes = tuning.judgement, _money(tuning), tuning.sizes
    alike = [tuning.labels[i] for i in judgement.alike]
    reach = f"{alike[0]} to {alike[-1]} cannot be told apart" if len(alike) > 1 else "no rival"
    reach = "not judged" if judgement.block is None else reach
    low, high = tuning.ranges[tuning.cheapest]
    gap = tuning.mean[judgement.best] - tuning.oracle
    enough = MISSING if sizes.enough is None else sizes.labels[sizes.enough]
    called = currency(tuning.info)
    now, between = price(tuning.info["prices"]["retrain"]), f"{price(low)} to {price(high, called)}"
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


def _setup(tuning: Tuning) -> list[tuple[str, str]]:
    info = tuning.info
    delay = duration(pd.Timedelta(seconds=info["label_delay_seconds"]["p95"]))
    return html.setup(info, {
        "served": f"{info['start']} to {info['end']}, tick {info['tick']}, "
                  f"{count(info['candidates'], 'model')} trained",
        "labels": f"95 % arrive within {delay}",
        **{key: info[key] for key in ("window", "update")},
        **{key: html.flat(info[key]) for key in ("prices", "delays")},
    })  # fmt: skip


# --- how often ------------------------------------------------------------------------------------


def _interval(tuning: Tuning) -> str:
    judgement, money = tuning.judgement, _money(tuning)
    best, never = judgement.best, len(tuning.labels) - 1
    cost = money(tuning.mean[best]) + ("" if best == never else " on average over its phases")
    what = "never retraining" if best == never else f"every {_name(tuning)}"
    lead = f"{'Do not retrain' if best == never else f'Retrain {what}'}: it costs {cost}"
    if judgement.block is None:
        return (
            f"{lead}, the least on this history, which is too short to say how sure that is: "
            "fewer than seven blocks."
        )
    longer = _unjudged(tuning)
    if longer:
        lead = f"Too short a history to decide: of what can be judged {what} is cheapest, at {cost}"
    elif never in judgement.alike and best != never:
        lead = f"Too close to call: {what} is the cheapest interval, at {cost}"
    others = [tuning.labels[i] for i in judgement.alike if i != best]
    sure = (
        f"Its cost cannot be told from that of {listing(others)}" if others
        else "All else that can be judged cost more, beyond chance"
    )  # fmt: skip
    return f"{lead}. {sure} (95 %, all intervals at once).{longer}"


def _unjudged(tuning: Tuning) -> str:
    judgement = tuning.judgement
    cheaper = tuning.mean < tuning.mean[judgement.best]
    names = [tuning.labels[i] for i in np.flatnonzero(cheaper & ~judgement.judged)]
    if not names:
        return ""
    return f" Cheaper here, but too long for seven blocks and so not judged: {listing(names)}."


def _sample(tuning: Tuning) -> str:
    """What the halves and fifths of the history would have said."""
    judged = np.flatnonzero(tuning.judgement.judged)
    if len(tuning.costs) < 10 or not len(judged):
        return "One history is one sample."
    money, half = _money(tuning), len(tuning.costs) // 2
    first, second = tuning.costs[:half].sum(axis=0), tuning.costs[half:].sum(axis=0)
    chosen = judged[np.argmin(first[judged])]
    best = judged[np.argmin(second[judged])]
    fifths = np.array_split(tuning.costs, 5)
    names = [tuning.labels[judged[np.argmin(part.sum(axis=0)[judged])]] for part in fifths]
    if chosen == best:
        lead = f"both of its halves choose {tuning.labels[chosen]}"
    else:
        more = money(second[chosen] - second[best])
        lead = (
            f"its first half chooses {tuning.labels[chosen]}, which in the second half costs "
            f"{more} more than {tuning.labels[best]}, the best there"
        )
    return f"One history is one sample: {lead}. Its five fifths choose {listing(names)}."


def _prices(tuning: Tuning) -> str:
    """Up to which retrain prices the cheapest interval stays the cheapest."""
    cheapest, ranges, now = tuning.cheapest, tuning.ranges, tuning.info["prices"]
    low, high = ranges[cheapest]
    ways, called = [], currency(tuning.info)
    for edge, side, word in ((low, 1, "below"), (high, 0, "above")):
        if 0 < edge < np.inf:
            gaps = np.abs(
                np.where(np.arange(len(ranges)) == cheapest, np.nan, ranges[:, side]) - edge
            )
            ways.append(f"{word} {price(edge, called)} it is {tuning.labels[np.nanargmin(gaps)]}")
    name = tuning.labels[cheapest] + ("" if tuning.judgement.judged[cheapest] else " (not judged)")
    what = f"At {price(now['retrain'], called)} a retrain the cheapest is {name}"
    return f"{what}; {' and '.join(ways) or 'no other price of a retrain changes that'}."


def _oracle(tuning: Tuning) -> str:
    money, best = _money(tuning), tuning.mean[tuning.judgement.best]
    gap = best - tuning.oracle
    share = f", {number(100 * gap / best, 1)} % of its cost" if best else ""
    what = f"retraining every {_name(tuning)}" if _name(tuning) != "never" else "never retraining"
    return (
        f"The cheapest schedule that hindsight finds costs {money(tuning.oracle)} with "
        f"{count(len(tuning.oracle_at), 'retrain')}; {what} costs {money(gap)} more{share}. "
        "With this window and update no trigger can gain more than that."
    )


def _name(tuning: Tuning) -> str:
    return tuning.labels[tuning.judgement.best]


# --- on what --------------------------------------------------------------------------------------


def _rows(sizes: Fresh) -> str:
    if sizes.best is None or sizes.enough is None:
        return "Too few points in time yielded a model to say how many rows are enough."
    best, enough = sizes.best, sizes.enough
    named = [f"{name} rows" if name != "all" else "all rows" for name in sizes.labels]
    if enough == best:
        lead = f"It takes {named[best]}: fewer do worse, beyond chance"
    else:
        lead = (
            f"The newest {named[enough]} are enough: mean loss {significant(sizes.mean[enough])}, "
            f"not distinguishable from the best, {significant(sizes.mean[best])} on {named[best]}"
        )
    return f"{lead} (95 %, all sizes at once, {_points(sizes)})."


def _old(old: Fresh) -> str:
    if old.best is None or old.enough is None:
        return "Too few points in time yielded a model to say what old rows are worth."
    best, everything = old.best, len(old.labels) - 1
    least, most = significant(old.mean[best]), significant(old.mean[everything])
    if best == everything:
        return f"Old rows pay: all of history gives a mean loss of {least}, the least of all tried."
    low, high = (bound[everything] for bound in old.above_best)
    reach = f"{significant(low, 3)} to {significant(high, 3)} more, 95 %, {_points(old)}"
    what = f"{_phrase(old, best)} gives a mean loss of {least}, all of history {most}"
    lead = "Old rows cost" if low > 0 else "Old rows can be left out, or kept, for all we know"
    return f"{lead}: {what} ({reach}).{_other_kind(old)}"


def _other_kind(old: Fresh) -> str:
    """The best window of the kind that did not win."""
    assert old.best is not None
    other = "newest" if old.kinds[old.best] == "half-life" else "half-life"
    others = [i for i, kind in enumerate(old.kinds) if kind == other and old.usable[i]]
    if not others:
        return ""
    best = others[int(np.argmin(old.mean[others]))]
    alike = "as good, as far as can be told" if old.above_best[0][best] <= 0 else "worse"
    phrase, mean = _phrase(old, best), significant(old.mean[best])
    return f" {phrase[0].upper()}{phrase[1:]} gives {mean}: {alike}."


def _phrase(old: Fresh, position: int) -> str:
    words = {"newest": "the newest {}", "half-life": "a half-life of {}", "all": "all of history"}
    return words[old.kinds[position]].format(old.labels[position])


def _points(fresh: Fresh) -> str:
    return count(fresh.points, "point") + " in time"


def _staleness(tuning: Tuning) -> str:
    ages = tuning.ages
    worse, measured = tuning_figures.worsening(ages)
    measured = measured[1:]
    if not len(measured):
        return "No model lived long enough to go stale."
    chosen = measured[np.unique(np.linspace(0, len(measured) - 1, 5).astype(int)[1:-1])]
    texts = [
        f"{number(abs(worse[i]), 0)} % {'more' if worse[i] >= 0 else 'less'} at "
        f"{tuning_figures.age(ages, i)}"
        for i in chosen
    ]
    return f"Not retrained, a model loses {listing(texts)}, against the freshest on the same rows."

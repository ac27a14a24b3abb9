"""What a tuning found, in sentences and tables: for the page, the notebook and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from backtrain.reports import tuning_figures
from backtrain.reports.numbers import (
    Money,
    count,
    listing,
    number,
    price,
    significant,
)

if TYPE_CHECKING:
    from backtrain.lossmatrix.tuning import Fresh, Tuning

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


# --- how often ------------------------------------------------------------------------------------


def _interval(tuning: Tuning) -> str:
    judgement, money = tuning.judgement, Money.fit(tuning.mean)
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
    money, half = Money.fit(tuning.mean), len(tuning.costs) // 2
    first, second = tuning.costs[:half].sum(axis=0), tuning.costs[half:].sum(axis=0)
    chosen = judged[np.argmin(first[judged])]
    found = judged[np.argmin(second[judged])]
    fifths = np.array_split(tuning.costs, 5)
    names = [tuning.labels[judged[np.argmin(part.sum(axis=0)[judged])]] for part in fifths]
    if chosen == found:
        lead = f"both of its halves choose {tuning.labels[chosen]}"
    else:
        more = money(second[chosen] - second[found])
        lead = (
            f"its first half chooses {tuning.labels[chosen]}, which in the second half costs "
            f"{more} more than {tuning.labels[found]}, the best there"
        )
    return f"One history is one sample: {lead}. Its five fifths choose {listing(names)}."


def _prices(tuning: Tuning) -> str:
    """Up to which retrain prices the cheapest interval stays the cheapest."""
    place, ranges, now = tuning.cheapest, tuning.ranges, tuning.info["prices"]
    low, high = ranges[place]
    ways = []
    for edge, side, word in ((low, 1, "below"), (high, 0, "above")):
        if 0 < edge < np.inf:
            gaps = np.abs(np.where(np.arange(len(ranges)) == place, np.nan, ranges[:, side]) - edge)
            ways.append(f"{word} {price(edge)} it is {tuning.labels[np.nanargmin(gaps)]}")
    name = tuning.labels[place] + ("" if tuning.judgement.judged[place] else " (not judged)")
    what = f"At {price(now['retrain'])} a retrain the cheapest is {name}"
    return f"{what}; {' and '.join(ways) or 'no other price of a retrain changes that'}."


def _oracle(tuning: Tuning) -> str:
    money, best = Money.fit(tuning.mean), tuning.mean[tuning.judgement.best]
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
    places = [i for i, kind in enumerate(old.kinds) if kind == other and old.usable[i]]
    if not places:
        return ""
    place = places[int(np.argmin(old.mean[places]))]
    alike = "as good, as far as can be told" if old.above_best[0][place] <= 0 else "worse"
    phrase, mean = _phrase(old, place), significant(old.mean[place])
    return f" {phrase[0].upper()}{phrase[1:]} gives {mean}: {alike}."


def _phrase(old: Fresh, place: int) -> str:
    words = {"newest": "the newest {}", "half-life": "a half-life of {}", "all": "all of history"}
    return words[old.kinds[place]].format(old.labels[place])


def _points(fresh: Fresh) -> str:
    return count(fresh.points, "point") + " in time"


def _staleness(tuning: Tuning) -> str:
    ages = tuning.ages
    with np.errstate(invalid="ignore", divide="ignore"):
        worse = 100 * ages.excess / ages.fresh
    known = np.flatnonzero(np.isfinite(worse))[1:]
    if not len(known):
        return "No model lived long enough to go stale."
    chosen = known[np.unique(np.linspace(0, len(known) - 1, 5).astype(int)[1:-1])]
    texts = [
        f"{number(abs(worse[i]), 0)} % {'more' if worse[i] >= 0 else 'less'} at "
        f"{tuning_figures.age(ages, i)}"
        for i in chosen
    ]
    return f"Not retrained, a model loses {listing(texts)}, against the freshest on the same rows."

"""What a tuning found, in sentences: the advice as a comparison says it, and what it rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backtrain.lossmatrix.tuning import Fresh, Tuning
from backtrain.reports import price_map, tuning_figures
from backtrain.reports.advice import Words, on
from backtrain.reports.numbers import Money, count, listing, number
from backtrain.reports.units import currency

_FLIPS = (
    "What flips cost (prices.flip) is left out: it depends on which version takes the place of "
    "which, so compare these schedules with `backtrain run`, which charges it."
)


def findings(tuning: Tuning) -> dict[str, str]:
    """A sentence or two for each question, the decision first."""
    return {
        "interval": " ".join(advice(tuning)),
        "sample": _sample(tuning),
        "prices": price_map.sentence(tuning.prices, named(tuning), currency(tuning.info)),
        "rows": _rows(tuning),
        "old rows": _old(tuning),
        "staleness": _staleness(tuning),
        "oracle": _oracle(tuning),
    }


# --- the advice -----------------------------------------------------------------------------------


def words(tuning: Tuning) -> Words:
    """The decision, with its options as sentences call them."""
    said, choice = dict(zip(tuning.labels, named(tuning), strict=True)), tuning.decision
    choice = replace(choice, runner_up=said.get(choice.runner_up, ""))
    return Words(choice, tuning.baseline, tuning.info, [o.cost for o in tuning.options])


def named(tuning: Tuning) -> list[str]:
    """Options as sentences call them."""
    pairs = zip(tuning.labels, tuning.never, strict=True)
    return [label if never else f"every {label}" for label, never in pairs]


def advice(tuning: Tuning) -> list[str]:
    """What to do, what to expect of it, and what would change it."""
    rows = on(tuning.info["parts"]["window"])
    if tuning.never[tuning.advised]:
        change = "Stop retraining: train once, on all rows"
    else:
        change = f"Retrain {', '.join(filter(None, (named(tuning)[tuning.advised], rows)))}"
    said = words(tuning).sentences(change, "Do not retrain: keep the first model")
    return [*said, _FLIPS] if tuning.info["prices"].get("flip") else said


def tuned(tuning: Tuning) -> str:
    """The window that is tuned, as sentences call it."""
    return on(tuning.info["parts"]["window"]).removeprefix("on ") or "the tuned window"


# --- how sure, and how good -----------------------------------------------------------------------


def _sample(tuning: Tuning) -> str:
    """What the halves and fifths of the history would have said."""
    if len(tuning.costs) < 10:
        return "One history is one sample."
    money, half = Money.fit(tuning.mean, currency(tuning.info)), len(tuning.costs) // 2
    first, second = tuning.costs[:half].sum(axis=0), tuning.costs[half:].sum(axis=0)
    chosen, best = int(np.argmin(first)), int(np.argmin(second))
    names = named(tuning)
    fifths = np.array_split(tuning.costs, 5)
    each = listing(names[int(np.argmin(part.sum(axis=0)))] for part in fifths)
    if chosen == best:
        lead = f"in both of its halves {names[chosen]} cost least"
    else:
        more = money(second[chosen] - second[best])
        lead = (
            f"in its first half {names[chosen]} cost least, which in the second half cost {more} "
            f"more than {names[best]}, the least there"
        )
    return f"One history is one sample: {lead}. In its five fifths it was {each}."


def _oracle(tuning: Tuning) -> str:
    money, advised = Money.fit(tuning.mean, currency(tuning.info)), tuning.advised
    lead = (
        f"The cheapest schedule that hindsight finds on {tuned(tuning)} costs "
        f"{money(tuning.oracle)} with {count(len(tuning.oracle_at), 'retrain')}"
    )
    name, gap = named(tuning)[advised], float(tuning.mean[advised]) - tuning.oracle
    if gap < 0:
        return f"{lead}, more than {name} cost here."
    cost = float(tuning.mean[advised])
    share = f", {number(100 * gap / cost, 1)} % of its cost" if cost > 0 else ""
    return f"{lead}; {name} cost {money(gap)} more here{share}. No trigger can gain more than that."


# --- on what --------------------------------------------------------------------------------------


def _rows(tuning: Tuning) -> str:
    sizes, more = tuning.sizes, tuning.above_tuned(tuning.sizes)
    enough = tuning.enough(sizes)
    if enough is None:
        return "Too few points in time yielded a model to say how many rows are enough."
    money = words(tuning).by_year
    best = int(np.nanargmin(np.where(sizes.usable, more, np.nan)))
    names = [f"the newest {size} rows" if size != "all" else "all rows" for size in sizes.labels]
    lead = f"Of numbers of rows, {_against(tuning, names[best], float(more[best]))}"
    above = more - more[best]
    if enough < best:
        told = f"{names[enough]} are enough: {money(above[enough])} more"
        return f"{lead}; {told}, which is less than the advice is about {_points(sizes)}."
    fewer = [i for i in range(best) if sizes.usable[i]][-3:][::-1]
    if not fewer:
        return f"{lead} {_points(sizes)}."
    each = (f"{money(above[i])} more on {sizes.labels[i]}" for i in fewer)
    dear = f"Fewer are expected to cost more than the advice is about: {listing(each)}"
    return f"{lead}. {dear} {_points(sizes)}."


def _old(tuning: Tuning) -> str:
    old, more = tuning.old, tuning.above_tuned(tuning.old)
    usable = np.where(old.usable, more, np.nan)
    if np.isnan(usable).all():
        return "Too few points in time yielded a model to say what old rows are worth."
    money = words(tuning).by_year
    best, everything = int(np.nanargmin(usable)), len(old.labels) - 1
    told = [f"Of windows by age, {_against(tuning, _phrase(old, best), float(more[best]))}"]
    others = [i for i in (everything, _other_kind(old, usable, best)) if i not in (None, best)]
    told += [
        f"{_phrase(old, i)} {money(more[i] - more[best])} more"
        for i in dict.fromkeys(others)
        if i is not None and np.isfinite(usable[i])
    ]
    return f"{'; '.join(told)} {_points(old)}."


def _against(tuning: Tuning, name: str, more: float) -> str:
    """Who costs least, and how much less than the window that is tuned."""
    window, money = tuned(tuning), words(tuning).by_year
    least = f"{name} {'are' if name.endswith('rows') else 'is'} expected to cost least"
    if name == window:
        return least
    if more >= 0:
        nearest = f"the nearest, {name}, {money(more)} more"
        return f"none is expected to cost less than {window}; {nearest}"
    next_ = ": tune that next" if -more > tuning.about else ""
    return f"{least}, {money(-more)} less than {window}{next_}"


def _other_kind(old: Fresh, more: np.ndarray, best: int) -> int | None:
    """The best window of the kind that did not win."""
    kind = "newest" if old.kinds[best] == "half-life" else "half-life"
    others = [i for i, own in enumerate(old.kinds) if own == kind and np.isfinite(more[i])]
    return min(others, key=lambda i: more[i], default=None)


def _phrase(old: Fresh, position: int) -> str:
    named = {"newest": "the newest {}", "half-life": "a half-life of {}", "all": "all rows"}
    return named[old.kinds[position]].format(old.labels[position])


def _points(fresh: Fresh) -> str:
    return f"(fresh models at {count(fresh.points, 'point')} in time, at these prices)"


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

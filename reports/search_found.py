"""What a search found, in sentences."""

import pandas as pd

from backtrain.datasets.calendar import Calendar
from backtrain.reports.numbers import Money, count, listing, number, percent
from backtrain.reports.units import currency
from backtrain.search.proposals import front
from backtrain.search.result import Search

UNSEEN = (
    "Out of sample: what is said of later rows was not chosen on them. Who chooses among these "
    "strategies by that has seen them, too, and needs rows later still."
)


def findings(search: Search) -> dict[str, str]:
    """By what they answer: "unseen", "promise", "chosen", "given", "front", "keys", "trials"."""
    told = {
        "unseen": _unseen(search),
        "promise": _promise(search),
        "chosen": _chosen(search),
        "given": _given(search),
        "front": _front(search),
        "keys": _keys(search),
        "trials": _trials(search),
    }
    return {key: sentence for key, sentence in told.items() if sentence}


def money_of(search: Search) -> Money:
    """How amounts of a search are written."""
    return Money.fit([search.cost, *search.over["total"]], currency(search.info))


def shares(search: Search) -> tuple[float, float]:
    """The shares of the baseline's cost on later rows that were promised, and kept.

    Where there are several steps both begin anew at each, as what they are promised by did.
    """
    of = sum(float(fold.judged["total"][search.baseline]) for fold in search.folds)
    paid = sum(float(fold.judged["total"][fold.chosen]) for fold in search.folds)
    return (search.promised / of, (of - paid) / of) if of else (0.0, 0.0)


def _unseen(search: Search) -> str:
    money, saved = money_of(search), search.saved
    of = float(search.over["total"][search.baseline])
    share = saved / of if of else 0.0
    rows = count(round(float(search.paid["rows"].sum())), "row")
    first, last = (
        Calendar.of(search.info).day(end) for end in (search.folds[0].until, search.folds[-1].end)
    )
    if len(search.folds) == 1:
        who, it = f"{search.chosen} paid {money(search.cost)}", "it"
    else:
        who = f"following the search paid {money(search.cost)} in {len(search.folds)} steps"
        it = "the search"
    if saved >= 0:
        against = f"{it} saved {money(saved)} against {search.baseline} ({percent(share)})"
    else:
        against = f"{it} cost {money(-saved)} more than {search.baseline} ({percent(-share)})"
    return f"On {rows} that the search has not seen, {first} to {last}, {who}: {against}."


def _promise(search: Search) -> str:
    money = money_of(search)
    promised, kept = shares(search)
    gap = 100 * (promised - kept)
    told = (
        f"{number(abs(gap), 1)} points {'less' if gap > 0 else 'more'} than promised"
        if abs(gap) >= 0.05
        else "as promised"
    )
    if len(search.folds) > 1:
        return (
            f"Step by step, against a {search.baseline} that begins anew at each: what was chosen "
            f"had saved {percent(promised)} on the rows of its choice, and then {percent(kept)}: "
            f"{told}."
        )
    if promised < 0:
        here = f"saved {percent(kept)}" if kept >= 0 else f"cost {percent(-kept)} more, too"
        return (
            f"On the rows it was chosen on it cost {percent(-promised)} more than "
            f"{search.baseline}; on the later ones it {here}."
        )
    return (
        f"On the rows it was chosen on it saved {percent(promised)} of the cost of "
        f"{search.baseline}, which would be {money(search.promised)} here; it "
        f"{f'kept {percent(kept)}' if kept >= 0 else f'lost {percent(-kept)}'}: {told}."
    )


def _chosen(search: Search) -> str:
    of = listing(search.objectives)
    how = "the cheapest of the front of" if len(search.objectives) > 1 else "the least"
    day = Calendar.of(search.info).day
    first, until = day(search.info["start"]), day(search.folds[-1].until)
    again = ""
    if len(search.folds) > 1:
        before = dict.fromkeys(fold.chosen for fold in search.folds[:-1])
        again = f" Before that it was {listing(before, most=3)}."
        again = " It was at every step." if list(before) == [search.chosen] else again
    return f"Chosen: {search.chosen}, {how} {of} on the rows from {first} to {until}.{again}"


def _given(search: Search) -> str:
    """Beside the others it was held against, above all the strategy before it was searched."""
    money = money_of(search)
    others = search.over.drop(index=search.baseline)
    each = [
        f"{name} paid {money(total)}, {money(abs(total - search.cost))} "
        f"{'more' if total >= search.cost else 'less'}"
        for name, total in others["total"].items()
        if pd.notna(total)
    ]
    return f"On the same rows {listing(each)}." if each else ""


def _front(search: Search) -> str:
    if len(search.objectives) < 2:
        return ""
    fold = search.folds[-1]
    names, goals = list(fold.front.index), list(search.objectives)
    still = front(fold.judged.loc[names, goals].to_numpy().tolist())
    return (
        f"The front of {listing(goals)} has {count(len(names), 'strategy').replace('ys', 'ies')}; "
        f"on later rows {sum(still)} of them {'is' if sum(still) == 1 else 'are'} still on it."
    )


def _keys(search: Search) -> str:
    told = []
    for objective, keys in search.importances.items():
        ranked = sorted(keys.items(), key=lambda pair: -pair[1])
        each = [f"{key} {percent(share)}" for key, share in ranked]
        told.append(f"{objective}: {listing(each)}")
    return f"What decides (PED-ANOVA), of {'; of '.join(told)}." if told else ""


def _trials(search: Search) -> str:
    tried = search.folds[-1].trials
    failed = tried[tried["why"] != ""]
    how = {"grid": "all combinations", "random": "at random"}.get(
        search.info["sampler"], f"proposed by {search.info['sampler'].upper()}"
    )
    text = f"{count(len(tried), 'distinct strategy').replace('ys', 'ies')} tried, {how}"
    if search.info["sampler"] != "grid":
        text += f", in {count(int(search.info['trials']), 'trial')}"
    if len(failed):
        text += f"; {len(failed)} failed, the first: {failed['why'].iloc[0]}"
    return f"{text}."

"""What a ranking of strategies found, in sentences: what can be told apart, and what cannot."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from backtrain.reports.numbers import count, listing, number, significant
from backtrain.reports.sweep.ranked import FEWEST, SURE, Ranked

#: Names that a sentence lists.
_NAMES = 8
#: With fewer blocks a probability of 0.95 is too easily reached: see `docs/sweeps.md`.
_FEW = 10


def sentences(of: Ranked) -> list[str]:
    """All of them, the answer first."""
    return [*answer(of), *order(of), *beside(of)]


def answer(of: Ranked) -> list[str]:
    """Who is cheaper than the strategy that others are held against, as dear, dearer, unclear."""
    found, others = of.found, len(of.names) - 1
    share = f"{100 * of.rope:g} %"
    told = []
    for kind, words in (
        ("cheaper", f"cost less than {of.against!r} by more than {share}"),
        ("equivalent", f"cost as much as {of.against!r}, within {share}"),
        ("dearer", f"cost more than {of.against!r} by more than {share}"),
    ):
        own = found.index[found["finding"] == kind]
        if len(own):
            told.append(f"{len(own)} of {others} {words}: {names(own)}.")
        elif kind == "cheaper":
            told.append(f"No strategy is found to {words}.")
    if others > len(found):
        open_ = [one for one in of.mean_ranks.index if one not in found.index and one != of.against]
        told.append(
            f"{len(open_)} of {others} cannot be told from {of.against!r} either way: "
            f"{names(open_)}."
        )
    if len(found):
        wrong = expected_wrong(float((1 - found["probability"]).sum()))
        told.append(
            f"Each finding has a probability above {SURE:g}; of {len(found)}, {wrong} are expected "
            "to be wrong."
        )
    return told


def order(of: Ranked) -> list[str]:
    """Whether ranks differ at all, and by how much they must."""
    blocks, apart = len(of.means), of.critical_difference
    told = []
    if not math.isnan(of.friedman):
        differ = "differ" if of.friedman < 1 - SURE else "do not differ visibly"
        told.append(
            f"Mean ranks of {len(of.names)} strategies "
            f"over {blocks} {plural(of.block)} {differ} (Friedman, p {p_value(of.friedman)})."
        )
    best, last = of.mean_ranks.iloc[0], of.mean_ranks.iloc[-1]
    as_good = of.mean_ranks.index[of.mean_ranks - best < apart]
    told.append(
        f"Ranks must be {number(apart, 1)} apart to be told apart (Nemenyi, 95 %), "
        f"and lie between {number(best, 1)} and {number(last, 1)}: "
        f"{len(as_good)} of {len(of.names)} cannot be told from the first. For a difference of 2 "
        f"ranks {of.blocks_needed()} {plural(of.block)} are needed."
    )
    return told


def beside(of: Ranked) -> list[str]:
    """What was left out, and what makes it less sure."""
    told = []
    if few := too_few(of):
        told.append(few)
    if of.block == "seed":
        told.append("Seeds say nothing of other data.")
    if of.left_out:
        told.append(
            "Not ranked: " + listing((f"{k} ({v})" for k, v in of.left_out.items()), _NAMES) + "."
        )
    if of.incomplete:
        told.append(f"{count(of.incomplete, 'cell')} left out, where a ranked strategy is missing.")
    return told


def too_few(of: Ranked) -> str:
    """That probabilities of few blocks say less than they seem to, or nothing."""
    blocks = f"{len(of.means)} {plural(of.block)}"
    if len(of.means) < FEWEST:
        return f"{blocks} are too few: nothing is found on fewer than {FEWEST}."
    if len(of.means) < _FEW:
        return (
            f"With {blocks} a probability of {SURE:g} is reached without a difference in up to 1 "
            "of 10 cases."
        )
    return ""


def names(of: Iterable[str] | pd.Index) -> str:
    """Strategies in a sentence."""
    return listing(map(str, of), _NAMES)


def expected_wrong(number_of: float) -> str:
    """How many findings are expected to be wrong: the sum of what their probabilities lack to 1."""
    return "fewer than 0.01" if number_of < 0.01 else significant(number_of, 2)


def p_value(p: float) -> str:
    """A p-value with two digits, small ones by a bound."""
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def plural(block: str) -> str:
    """What several blocks are called."""
    return "data sets" if block == "dataset" else f"{block}s"

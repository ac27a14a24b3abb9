"""What ``docs/standings.md`` says: fixed sentences, and the answer, which the numbers choose."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backtrain.reports.numbers import MISSING, listing, number
from backtrain.reports.sweep.rank_found import expected_wrong, too_few
from backtrain.reports.sweep.ranked import FEWEST, KINDS, SURE

if TYPE_CHECKING:
    from standings_page import Standings

HEAD = """\
# Standings

Policies of retraining on common ground: the same streams, models, label delays and prices for
all, with defaults fixed beforehand. This page is made of [a
table](../benchmarks/standings.parquet) by `python benchmarks/standings.py --only-page`; no
sentence about results is written by hand."""

METHOD = """\
**A cell** is a stream, a model, a label delay and a seed. The first rows are the history at the
start; then there are 100 ticks of as many rows each, at each of which a policy may retrain;
numbers in the names of policies are ticks. *Short* delays are one tick, *long* ones ten.
Features that are made of earlier labels are made of those that had arrived. Seeds draw a
synthetic stream anew; on a real one they move the start by three ticks each, since static is one
draw.

**Cost** is what errors cost, and retrains at their price, over the errors of static, a model
that is never retrained. Prices are shares of these errors, so that streams of all units meet.

**Defaults were fixed before anything was run**, also what all are held against: a plain
schedule, *every 10*. Policies marked † were tuned, on the rows before the start alone.

**Streams are the unit.** Cells of one stream share its luck: costs are averaged over delays,
seeds and prices within each model, as logarithms, and models are nested in streams.
Probabilities are those of the Bayesian signed-rank test with a region of practical equivalence
of 1 % either way (Benavoli, Corani, Demšar and Zaffalon, 2017, JMLR 18(77)), over ratios of two
policies' costs, with weights drawn over streams and within them over models. How often it is
wrong where there is no difference, and why cells must not be counted as replicates:
[sweeps.md](sweeps.md#ranking-strategies). Mean ranks: Friedman's test, and Nemenyi's for all
pairs (Demšar, 2006, JMLR 7). Probabilities are about the usual stream: what costs a little less
on most and much more on one counts as cheaper, so the dearest stream stands beside them.

**Many are compared.** The intervals hold for all policies of a table at once (Bonferroni), as do
critical differences. Probabilities are not corrected: of the findings of a row, as many are
expected to be wrong as is said above; over several prices and families more are. Streams of one
family may share luck, which the test does not know: in simulations of as many streams it then
finds up to three times what it should, and those findings that hold whichever family is left out
stay below 5 % ([sweeps.md](sweeps.md#ranking-strategies)). So believe these."""

REPRODUCE = """\
## Do it yourself

```sh
python benchmarks/standings.py                    # everything; goes on where it was stopped
python benchmarks/standings.py --reduced          # a small part, as CI does
python benchmarks/standings.py --only-page        # this page, of the table that is there
python benchmarks/standings.py --policy my.yaml   # a policy of yours, on everything
```

**To submit a policy** write one class ([Write a part](parts.md)) and one YAML of it, and send
both with the output of the last command. Its defaults must be fixed without having seen these
streams, or chosen by it on what lies before the start.

**To cite** this page, cite the software [as it asks](../CITATION.cff), and name the table:
`{digest}`."""

#: What keeps a cell in one line.
SPACE = "\N{NO-BREAK SPACE}"
#: Kinds of policies that decide by what they see.
_ALARMS = ("combination", "trigger")
#: Names that a sentence lists.
_NAMES = 6


def answer(of: Standings) -> str:
    """What can be told apart and what cannot, in a paragraph; and how sure that is, in another."""
    return f"{_findings(of)}\n\n{_how_sure(of)}"


def _findings(of: Standings) -> str:
    own, found = of.overall, of.overall.found
    others, share, moved = len(own.names) - 1, f"{100 * own.rope:g} %", of.moved(own)
    families, models = len(set(of.families.values())), of.table["model"].nunique()
    told = [
        f"On {len(own.means)} streams of {plural(families, 'family', 'families')}, with "
        f"{plural(models, 'model', 'models')}, {others} policies were held against a plain "
        f"schedule, **{escaped(own.against)}**, at {len(of.prices)} prices of a retrain."
    ]
    kinds = {kind: list(found.index[found["finding"] == kind]) for kind in KINDS}
    if cheaper := kinds["cheaper"]:
        told.append(
            f"Over all prices {plural(len(cheaper), 'costs', 'cost')} less by more than {share}: "
            f"{named(cheaper, moved)}. {_kinds(of, cheaper)}"
        )
    else:
        told.append(f"Over all prices none is found to cost less by more than {share}.")
    if dearer := kinds["dearer"]:
        many = plural(len(dearer), "costs", "cost")
        told.append(f"{many} more by more than {share}: {named(dearer, moved)}.")
    if equivalent := kinds["equivalent"]:
        many = plural(len(equivalent), "costs", "cost")
        told.append(f"{many} the same within {share}: {named(equivalent, moved)}.")
    if open_ := others - len(found):
        told.append(f"**{open_} of {others} cannot be told from it either way.**")
    return " ".join([*told, _at_every_price(of)])


def _how_sure(of: Standings) -> str:
    found, told = of.overall.found, []
    if len(found):
        wrong = expected_wrong(float((1 - found["probability"]).sum()))
        told.append(
            f"Each of the {len(found)} findings over all prices has a probability above {SURE:g}; "
            f"{wrong} of them are expected to be wrong{_held(of)}."
        )
    pairs = _pairs(of) if len(of.overall.means) >= FEWEST else ""
    return " ".join(filter(None, [too_few(of.overall), *told, _ranks(of), pairs]))


def _kinds(of: Standings, cheaper: list[str]) -> str:
    """Of which kinds those are, and whether an alarm is among them."""
    kinds = of.policies.drop_duplicates("policy").set_index("policy")["kind"][cheaper]
    counts = kinds.value_counts().sort_index()
    told = listing([plural(n, str(kind), f"{kind}s") for kind, n in counts.items()])
    alarms = counts.index.intersection(_ALARMS)
    return f"By kind: {told}." + ("" if len(alarms) else " No trigger is among them.")


def _at_every_price(of: Standings) -> str:
    """What is found at each price by itself."""
    told = []
    for kind, words in (("cheaper", "less"), ("dearer", "more")):
        each = [own.found.index[own.found["finding"] == kind] for own in of.by_price.values()]
        every = [name for name in each[0] if all(name in names for names in each)]
        told.append(
            f"{named(every)} {'costs' if len(every) == 1 else 'cost'} {words} at every price"
            if every
            else f"none costs {words} at every price"
        )
    sentence = "; ".join(told)
    return f"At each price by itself: {sentence}."


def _held(of: Standings) -> str:
    """How many findings hold whichever family is left out."""
    moved = of.moved(of.overall)
    if moved is None:
        return ""
    told = f"; {len(of.overall.found) - len(moved)} hold whichever family is left out"
    return told + (", and those marked with a ° do not" if moved else "")


def _ranks(of: Standings) -> str:
    own = of.overall
    gaps = own.mean_ranks - own.mean_ranks.iloc[0]
    alike = int((gaps < own.critical_difference).sum())
    return (
        f"By mean ranks {alike} of {len(own.names)} cannot be told from the first, "
        f"{named(own.mean_ranks.index[:1])}; to tell two ranks apart {own.blocks_needed()} "
        "streams would be needed."
    )


def _pairs(of: Standings) -> str:
    """How many of all pairs can be told apart."""
    pairs, sure = of.overall.pairs(), SURE
    apart = int((pairs[["cheaper", "dearer"]].max(axis=1) > sure).sum())
    alike = int((pairs["equivalent"] > sure).sum())
    return (
        f"Of all {number(len(pairs))} pairs one is cheaper with a probability above {sure:g} in "
        f"{number(apart)}, and both are equivalent in {number(alike)}."
    )


def plural(number_of: int, one: str, many: str) -> str:
    """How many do what, with the verb in its form."""
    return f"{number_of} {one if number_of == 1 else many}"


def listed(names: Iterable[object], most: int = _NAMES) -> str:
    """Names in a sentence, or nothing."""
    return listing([escaped(str(name)) for name in names], most)


def named(policies: Iterable[object], moved: Collection[str] | None = None) -> str:
    """Policies in a sentence, marked where the finding needs some family of streams."""
    marks = ((str(name), "°" if str(name) in (moved or ()) else "") for name in policies)
    return listing([f"*{escaped(name)}*{mark}" for name, mark in marks], _NAMES)


def escaped(text: str) -> str:
    """Text as Markdown, also in a cell of a table; addresses stay as they are."""
    if re.fullmatch(r"https?://[^\s|<>]+", text):
        return f"<{text}>"
    text = text.replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return re.sub(r"([\\`*_\[\]>])", r"\\\1", text)


def at_price(price: float) -> str:
    """As part of a sentence."""
    return "where a retrain is free" if price == 0 else f"where a retrain costs {short(price)}"


def short(price: float) -> str:
    """As a cell."""
    return "free" if price == 0 else f"{100 * price:g} % of static's error"


def share(value: float | None) -> str:
    """As a whole percentage."""
    return MISSING if value is None or np.isnan(value) else f"{number(100 * value)}{SPACE}%"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], sides: str) -> str:
    """A table of Markdown: ``<`` and ``l`` columns to the left, ``r`` to the right."""
    rule = ["--:" if side == "r" else "---" for side in sides]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

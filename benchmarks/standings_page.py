"""Makes ``docs/standings.md`` and its pictures from the table of the standings alone.

``page(table, described, docs)`` is called by ``python benchmarks/standings.py --only-page``. Every
sentence about results is chosen and filled by the numbers; the same table makes the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from standings_words import (
    HEAD,
    METHOD,
    REPRODUCE,
    SPACE,
    answer,
    at_price,
    escaped,
    grid,
    listed,
    named,
    plural,
    share,
    short,
)

from backtrain.reports.numbers import MISSING, number
from backtrain.reports.svg import NARROW, WIDE, Drawing, Paper, alone, plain_text
from backtrain.reports.sweep import rank_figure
from backtrain.reports.sweep.rank_found import p_value
from backtrain.reports.sweep.ranked import KINDS, Ranked

#: What all policies are held against, chosen before anything was run: a plain schedule.
PLAIN = "every 10"
#: What share of a cost is practically nothing.
ROPE = 0.01
#: Kinds of rows that are not ranked, and have tables of their own.
UNRANKED = ("no model", "oracle")
#: What strategies must agree in to be compared, beside stream and model.
CELL = ("delay", "seed", "price")


class Standings:
    """The table, and what is looked up in it more than once."""

    def __init__(
        self,
        table: pd.DataFrame,
        described: pd.DataFrame,
        unranked: Mapping[str, str] | None = None,
    ) -> None:
        self.table = table.assign(
            **{
                key: table[key].astype(str)
                for key in ("stream", "family", "drift", "model", "delay", "policy", "kind")
            },
            cost=table["cost"].astype(np.float64),
            price=table["price"].astype(np.float64).round(6),
            error=table["error"].astype("string").fillna(""),
        )
        self.described, self.unranked = described, dict(unranked or {})
        self.policies = self.table[~self.table["kind"].isin(UNRANKED)]
        if PLAIN not in set(self.policies["policy"]):
            raise ValueError(f"{PLAIN!r}, which all are held against, is not in the table")
        tuned = self.policies.groupby("policy")["tuned"].any()
        self.tuned = set(tuned.index[tuned])

    @property
    def prices(self) -> list[float]:
        """Prices of a retrain, as shares of static's error."""
        return sorted(self.table["price"].unique())

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of each stream."""
        pairs = self.table[["stream", "family"]].drop_duplicates().sort_values("stream")
        return dict(zip(pairs["stream"], pairs["family"], strict=True))

    def ranked(self, rows: pd.DataFrame) -> Ranked:
        """Policies on some rows, over streams with models nested in them."""
        return Ranked.of(
            rows, PLAIN, rope=ROPE, cost="cost", strategy="policy", block="stream", within="model",
            cell=CELL,
        )  # fmt: skip

    @cached_property
    def overall(self) -> Ranked:
        """At all prices together."""
        return self.ranked(self.policies)

    @cached_property
    def by_price(self) -> dict[float, Ranked]:
        """At each price."""
        return {p: self.ranked(self.policies[self.policies["price"] == p]) for p in self.prices}

    def moved(self, own: Ranked) -> set[str] | None:
        """Findings that some family is needed for; None where there is one family."""
        frame = self.without_family if own is self.overall else own.leaving_out(self.families)
        if frame.empty:
            return None
        return {name for row in (*frame["lost"], *frame["turned"]) for name in row}

    @cached_property
    def without_family(self) -> pd.DataFrame:
        """The order and the findings over all prices, with each family left out."""
        return self.overall.leaving_out(self.families)

    def alone(self, policy: str) -> Ranked:
        """One that is not ranked beside the plain schedule, on the cells that both have."""
        pair = self.table[self.table["policy"].isin([policy, PLAIN])]
        cells = pair.dropna(subset="cost").groupby(["stream", "model", *CELL])["policy"]
        return self.ranked(
            pair[cells.transform("nunique").eq(2).reindex(pair.index, fill_value=False)]
        )

    def name(self, policy: str) -> str:
        """As the tables show it."""
        bold = f"**{escaped(policy)}**" if policy == PLAIN else escaped(policy)
        return bold + (" †" if policy in self.tuned else "")


def facts(sources: Iterable[object]) -> pd.DataFrame:
    """What the page says of streams: a row a `standings_streams.Source`."""
    keys = ("name", "title", "citation", "licence", "origin")
    return pd.DataFrame([{key: getattr(one, key) for key in keys} for one in sources])


def page(
    table: pd.DataFrame,
    described: pd.DataFrame,
    docs: Path,
    unranked: Mapping[str, str] | None = None,
) -> Path:
    """Write ``standings.md`` and the folder ``standings`` of its pictures; returns the page.

    Parameters
    ----------
    table : DataFrame
        A row a cell, price and policy, as `benchmarks/standings.py` makes it.
    described : DataFrame
        A row a stream, as `facts` gives it.
    docs : Path
        The folder to write into.
    unranked : mapping of str to str, optional
        Parts that are in no policy, and why.
    """
    of = Standings(table, described, unranked)
    pictures = docs / "standings"
    pictures.mkdir(parents=True, exist_ok=True)
    for name, content in drawn(of.overall).items():
        (pictures / name).write_bytes(content)
    file = docs / "standings.md"
    file.write_text(text(of), encoding="utf-8")
    return file


def text(of: Standings) -> str:
    """The whole page."""
    parts = [
        HEAD, answer(of), found_by_price(of), "## Mean ranks", figure(of.overall),
        "## All prices together", explained(of), policies(of, of.overall, None),
        *(part for price, own in of.by_price.items()
          for part in (f"## {at_price(price).capitalize()}", policies(of, own, price))),
        "## Best by family and model", best(of),
        "## Without a model", without_model(of),
        "## One family left out", families_left_out(of),
        "## What was left out", left_out(of),
        "## Streams", streams(of),
        "## How it was made", made(of), METHOD,
        REPRODUCE.format(digest=digest(of.table)),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


# --- the parts ------------------------------------------------------------------------------------


def found_by_price(of: Standings) -> str:
    """Who is cheaper, equivalent and dearer, and how many are neither, a row a price.

    And how many of these findings hold whichever family is left out; those that do not are marked.
    """
    rows = []
    for title, own in [("all", of.overall), *((short(p), r) for p, r in of.by_price.items())]:
        moved, cells = of.moved(own), []
        for kind in KINDS:
            names = own.found.index[own.found["finding"] == kind]
            cells.append(f"{len(names)}: {named(names, moved)}" if len(names) else "0")
        found = len(own.found)
        none = moved is None or not found
        holds = MISSING if none else f"{found - len(moved or ())}{SPACE}of{SPACE}{found}"
        rows.append((title, *cells, str(len(own.names) - 1 - found), holds))
    head = ("retrain", "cheaper", "equivalent", "dearer", "cannot be told", "hold")
    return (
        f"Against **{PLAIN}**, with a probability above 0.95. *Hold*: how many of these findings "
        "hold whichever family of streams is left out; the others are marked with a °.\n\n"
        + grid(head, rows, "<lllrr")
    )


def explained(of: Standings) -> str:
    """What the columns are."""
    tuned = "† Its parameters were chosen on what lies before the start. " if of.tuned else ""
    return (
        "*Rank*: mean over streams, 1 for the cheapest. *Cost*: against static = 1, the geometric "
        "mean over streams and its 95 % interval, for all policies at once. *P*: that it costs "
        f"less than **{PLAIN}** by more than {100 * ROPE:g} %, as much, or more, in per cent. "
        "*Saved*: of what the oracle saves, which sees the future. *Luck*: the share of schedules "
        "with as many retrains at random instants that cost less; 50 % is what a coin gets. "
        f"*Worst*: its dearest stream. {tuned}Policies stand in the order of their rank, which is "
        "not sure: see the picture."
    )


def policies(of: Standings, own: Ranked, price: float | None) -> str:
    """A row a policy."""
    rows_of = of.table if price is None else of.table[of.table["price"] == price]
    saved, luck = savings(rows_of), unlucky(rows_of)
    rows = []
    for name, row in own.table.iterrows():
        ends = "" if row["low"] != row["low"] else f"{SPACE}({row['low']:.2f}–{row['high']:.2f})"
        odds = f"{SPACE}/{SPACE}".join(f"{100 * row[kind]:.0f}" for kind in KINDS)
        rows.append((
            of.name(str(name)), f"{row['rank']:.1f}", f"{row['relative']:.3f}{ends}",
            "" if name == own.against else odds, share(saved.get(name)), share(luck.get(name)),
            _worst(row),
        ))  # fmt: skip
    head = ("policy", "rank", "cost", "P less / same / more", "saved", "luck", "worst")
    test = "" if np.isnan(own.friedman) else f" Friedman: p {p_value(own.friedman)}."
    note = (
        f"{len(own.names)} policies on {len(own.means)} streams.{test} Critical difference of mean "
        f"ranks: {own.critical_difference:.1f}."
    )
    return f"{grid(head, rows, '<rrrrr<')}\n\n{note}"


def _worst(row: pd.Series) -> str:
    """The dearest stream, where they differ."""
    alike = row["worst"] - row["relative"] < 1e-6
    return f"{row['worst']:.2f}" + ("" if alike else f"{SPACE}{escaped(row['worst_block'])}")


def savings(rows: pd.DataFrame) -> pd.Series:
    """Of what the oracle saves, how much each policy does: means over streams, then their ratio."""
    oracle = rows[rows["kind"] == "oracle"]
    keys = ["stream", "model", *CELL]
    saved = rows[~rows["kind"].isin(UNRANKED)].merge(
        oracle[[*keys, "cost"]], on=keys, suffixes=("", "_oracle")
    )
    both = saved.dropna(subset=["cost", "cost_oracle"])[["policy", "stream", "cost", "cost_oracle"]]
    means = 1 - both.groupby(["policy", "stream"]).mean().groupby("policy").mean()
    return means["cost"] / means["cost_oracle"].where(means["cost_oracle"] >= 0.001)


def unlucky(rows: pd.DataFrame) -> pd.Series:
    """Share of random schedules that cost less: means over streams."""
    own = rows[~rows["kind"].isin(UNRANKED) & rows["luck"].notna()]
    own = own.assign(luck=own["luck"].astype(np.float64))
    return own.groupby(["policy", "stream"])["luck"].mean().groupby("policy").mean()


def best(of: Standings) -> str:
    """The cheapest of each family and model, beside the plain schedule."""
    rows = []
    names = set(of.overall.names)
    own = of.policies[of.policies["policy"].isin(names)]
    known = {"unknown": "", "none": ", no drift"}
    own = own.assign(
        log=np.log(own["cost"]),
        family=own["family"] + own["drift"].map(lambda drift: known.get(drift, ", drift")),
    )
    for (family, model), part in own.groupby(["family", "model"], sort=True):
        means = part.groupby(["policy", "stream"])["log"].mean().groupby("policy").mean()
        first = str(means.sort_index().idxmin())
        streams = part["stream"].nunique()
        rows.append((
            f"{family}, {model}", str(streams), of.name(first), f"{np.exp(means[first]):.3f}",
            f"{np.exp(means[PLAIN]):.3f}",
        ))  # fmt: skip
    told = (
        f"The cheapest of {len(names)} on few streams looks better than it is; nothing here says "
        "that it is better than the others."
    )
    return f"{told}\n\n{grid(('', 'streams', 'cheapest', 'cost', PLAIN), rows, '<r<rr')}"


def without_model(of: Standings) -> str:
    """Baselines that need no model, and the oracle, beside static."""
    rows = []
    for name in sorted(of.table.loc[of.table["kind"] == "no model", "policy"].unique()):
        try:
            own = of.alone(name)
        except ValueError:  # it fits one stream alone, or none
            costs = np.log(of.table.loc[of.table["policy"] == name, "cost"].astype(np.float64))
            rows.append((escaped(name), f"{np.exp(costs.mean()):.3f}", *[MISSING] * 3))
            continue
        row = own.table.loc[name]
        less = int((own.means[name] < own.means[PLAIN]).sum())
        odds = f"{SPACE}/{SPACE}".join(f"{100 * row[kind]:.0f}" for kind in KINDS)
        rows.append((
            escaped(name), f"{row['relative']:.3f}", odds, f"{less} of {len(own.means)}",
            _worst(row),
        ))  # fmt: skip
    head = ("answer", "cost", "P less / same / more", "cheaper streams", "worst")
    oracle = of.table[of.table["kind"] == "oracle"].assign(log=lambda t: np.log(t["cost"]))
    ends = oracle.groupby(["price", "stream"])["log"].mean().groupby("price").mean()
    told = ", ".join(f"{np.exp(ends[p]):.3f} {at_price(p)}" for p in of.prices if p in ends)
    last = f"The oracle, which knows every label beforehand, costs {told}." if told else ""
    if not rows:
        return last or "None was run."
    intro = f"Costs against static = 1, probabilities and streams against **{PLAIN}**, all prices."
    return f"{intro}\n\n{grid(head, rows, '<rrr<')}\n\n{last}".rstrip()


def families_left_out(of: Standings) -> str:
    """What of the findings over all prices holds."""
    frame, found = of.without_family, len(of.overall.found)
    if frame.empty:
        return "There is one family."
    rows = [
        (
            str(row["left_out"]), str(row["blocks"]),
            MISSING if np.isnan(row["tau"]) else f"{row['tau']:.2f}",
            f"{row['hold']}{SPACE}of{SPACE}{found}", named(row["lost"]) or MISSING,
            named(row["turned"]) or MISSING, named(row["new"]) or MISSING,
        )
        for row in frame.to_dict("records")
    ]  # fmt: skip
    told = (
        f"Findings are those over all prices: cheaper than **{PLAIN}**, equivalent to it or "
        "dearer, with a probability above 0.95. *Tau* is Kendall's correlation of the order by "
        "mean rank with that of all families."
    )
    head = ("left out", "streams", "tau", "hold", "lost", "turned", "new")
    return f"{told}\n\n{grid(head, rows, '<rrr<<<')}"


def left_out(of: Standings) -> str:
    """Policies that could not be run everywhere, with the reason, and what they cost where."""
    own, lines = of.overall, []
    for name, why in own.left_out.items():
        lines.append(f"- {of.name(name)} is {why}, and is not ranked. {_apart(of, name)}")
    if own.incomplete:
        lines.append(
            f"- {number(own.incomplete)} cells are left out of the ranking over all prices, where "
            "a ranked policy is missing."
        )
    failed = of.table[of.table["error"] != ""]
    reasons = failed.groupby(["policy", "error"], sort=True)
    rows = [
        (of.name(str(policy)), ", ".join(sorted(part["model"].unique())),
         str(part["stream"].nunique()), escaped(str(error)))
        for (policy, error), part in reasons
    ]  # fmt: skip
    table = (
        grid(("policy", "models", "streams", "why it was not run"), rows, "<<r<") if rows else ""
    )
    known = set(of.table["stream"])
    absent = [str(name) for name in of.described["name"] if name not in known]
    if absent:
        lines.append(f"- Streams that were not at hand: {listed(absent, 40)}.")
    parts = ""
    if of.unranked:
        told = (f"`{name}` ({escaped(why)})" for name, why in sorted(of.unranked.items()))
        parts = f"In no policy are {'; '.join(told)}."
    return "\n\n".join(filter(None, ["\n".join(lines), table, parts])) or "Nothing."


def _apart(of: Standings, name: str) -> str:
    """What a policy costs beside the plain schedule where both were run."""
    try:
        own = of.alone(name)
    except ValueError:  # on one stream, or on none
        return "It was run on too few streams to be compared."
    row = own.table.loc[name]
    odds = ", ".join(f"{kind} {100 * row[kind]:.0f} %" for kind in KINDS)
    where = f"Where it was run ({len(own.means)} streams)"
    return f"{where} it costs {row['versus']:.3f} of {PLAIN}: {odds}."


def streams(of: Standings) -> str:
    """Where they come from."""
    known = of.described.set_index(of.described["name"].astype(str))
    rows = []
    for stream, family in sorted(of.families.items(), key=lambda pair: pair[::-1]):
        told = known.loc[stream] if stream in known.index else pd.Series(dtype=object)
        keys = ("title", "citation", "licence", "origin")
        facts = [escaped(str(told.get(key) or "")) for key in keys]
        rows.append((f"`{stream}`", family, *facts))
    return grid(("stream", "family", "what", "source", "licence", "origin"), rows, "<<<<<<")


def made(of: Standings) -> str:
    """The grid, counted."""
    table = of.table
    cells = table.drop_duplicates(["stream", "model", "delay", "seed"])
    families = _counts(of.families.values())
    told = [
        f"{len(of.families)} streams (" + ", ".join(f"{n} {k}" for k, n in families.items()) + ")"
    ]
    for key, noun in (("model", "model"), ("delay", "label delay")):
        values = sorted(table[key].unique())
        told.append(f"{plural(len(values), noun, f'{noun}s')} ({listed(values)})")
    told.append(plural(table["seed"].nunique(), "seed", "seeds"))
    without = table.loc[table["kind"] == "no model", "policy"].nunique()
    return (
        f"{', '.join(told)}: {number(len(cells))} cells. In each, "
        f"{of.policies['policy'].nunique()} policies and {plural(without, 'answer', 'answers')} "
        f"without a model at {plural(len(of.prices), 'price', 'prices')} of a retrain: "
        f"{number(len(table))} rows, also of the oracle.\n\n" + "\n".join(kinds_of(of))
    )


def kinds_of(of: Standings) -> list[str]:
    """The policies by kind, as lines of a list."""
    kinds = of.policies.drop_duplicates("policy").groupby("kind", sort=True)["policy"]
    return [
        f"- {kind}: {'; '.join(of.name(name) for name in sorted(names))}" for kind, names in kinds
    ]


def _counts(names: Iterable[str]) -> Mapping[str, int]:
    return pd.Series(list(names)).value_counts().sort_index().to_dict()


# --- how it is written ----------------------------------------------------------------------------


def drawn(of: Ranked) -> dict[str, bytes]:
    """The critical-difference diagram, by file name: for a page, for a phone, for slides."""
    exhibit = rank_figure.exhibit(of)

    def made(paper: Paper) -> Drawing:
        with plain_text():
            drawing = exhibit.shows(paper)
        return drawing

    wide, narrow = made(WIDE), made(NARROW)
    return {
        "ranks.svg": alone(wide.svg("ranks", exhibit.alt)),
        "ranks-narrow.svg": alone(narrow.svg("ranks-narrow", exhibit.alt)),
        "ranks.png": wide.png(),
    }


def figure(of: Ranked) -> str:
    """The picture, which one depends on the width of the screen, and what it shows."""
    exhibit = rank_figure.exhibit(of)
    with plain_text():
        caption = exhibit.shows(WIDE).caption
    alt = exhibit.alt.replace('"', "'").replace("<", "&lt;")
    return (
        "<picture>\n"
        '<source media="(max-width: 600px)" srcset="standings/ranks-narrow.svg">\n'
        f'<img src="standings/ranks.svg" alt="{alt}">\n'
        f"</picture>\n\n{escaped(caption)} All prices together. As a picture for slides: "
        "[ranks.png](standings/ranks.png)."
    )


def digest(table: pd.DataFrame) -> str:
    """What tells this table from another: of its rows, as text with six digits."""
    rows = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return hashlib.sha256(rows.encode()).hexdigest()[:12]

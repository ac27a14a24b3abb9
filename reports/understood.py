"""What was understood of the data and the question, as a section of the report."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import MISSING, duration, number
from backtrain.reports.tables import Cell, Column, Row, Sheet


def warnings(info: Mapping[str, Any]) -> list[str]:
    """What should be mended first."""
    told = (info.get("understood") or {}).get("warnings", ())
    return [f"{text[:1].upper()}{text[1:]}." for text in told]


def section(comparison: Comparison, baseline: str) -> Section | None:
    """Lines, the columns and the label delays; None for records that hold nothing of it."""
    return of(comparison.info)


def of(info: Mapping[str, Any]) -> Section | None:
    """The same from what a record says of itself."""
    told: Mapping[str, Any] = info.get("understood") or {}
    if not told:
        return None
    lines = [*told["lines"].items(), *(("read", sentence) for sentence in told["reading"])]
    rows = tuple(Row(about, "", (Cell(text),)) for about, text in lines)
    short = Sheet((Column("understood", numeric=False, wraps=True),), rows, "about")
    exhibits = [Exhibit("understood", "In short", short)]
    exhibits.append(Exhibit("columns", "Features", _columns(told["columns"])))
    if len(told["delays"]) > 1:
        exhibits.append(Exhibit("delays", "When labels arrive", _delays(told["delays"])))
    return Section("What was understood", exhibits)


def _columns(columns: list[Mapping[str, Any]]) -> Sheet:
    heads = (
        Column("kind", numeric=False),
        Column("values", title="different ones among the newest 20,000 rows"),
        Column("missing %"),
        Column("remark", numeric=False, wraps=True),
    )
    rows = [
        Row(
            str(column["name"]),
            "",
            (
                Cell(column["kind"]),
                Cell(number(column["values"]), column["values"]),
                Cell(number(100 * column["missing"], 1), 100 * column["missing"]),
                Cell(column["remark"] or MISSING),
            ),
        )
        for column in columns
    ]
    return Sheet(heads, tuple(rows), "column")


_QUANTILES = {"median": "median", "p95": "95th percentile", "max": "longest"}


def _delays(delays: Mapping[str, Mapping[str, float]]) -> Sheet:
    rows = [
        Row(
            "all labels" if name == "all" else name,
            "",
            tuple(
                Cell(duration(pd.Timedelta(seconds=own[key])), own[key] / 86400)
                for key in _QUANTILES
            ),
        )
        for name, own in delays.items()
    ]
    heads = (Column(label, title="in days where sorted") for label in _QUANTILES.values())
    return Sheet(tuple(heads), tuple(rows), "class")

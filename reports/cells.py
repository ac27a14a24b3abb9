"""Tables as cells ready to print: what is shown, what it is sorted by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A difference and its interval on a column's common scale, in per cent of its width."""

    zero: float
    point: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Block:
    """One era of one strategy: how strong its colour is, and on which side."""

    side: str
    strength: float
    best: bool
    title: str


@dataclass(frozen=True)
class Cell:
    """What is shown, what it is sorted by, and what appears on hover."""

    text: str
    sort: float | str = ""
    title: str = ""
    interval: Interval | None = None
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Column:
    """A heading; numbers stand to the right, words to the left."""

    label: str
    numeric: bool = True
    title: str = ""


@dataclass(frozen=True)
class Row:
    """One strategy: its name, its part in the verdict, its cells."""

    name: str
    role: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sheet:
    """Columns (without that of the names) and rows."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

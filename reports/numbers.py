"""How money, counts, durations and names are written, in the report and in the terminal alike."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from backtrain.simulator.texts import printable

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
LONGEST = 26  # characters of a name beside a point


@dataclass(frozen=True)
class Money:
    """Amounts of one report, all with the same number of decimals and a thousands separator.

    In sentences they have a ``currency``; in tables the column says it.
    """

    decimals: int
    currency: str = ""

    @classmethod
    def fit(cls, amounts: Iterable[float], currency: str = "") -> Money:
        """Cents where the amounts are small, none where they only add noise."""
        largest = max((abs(float(amount)) for amount in amounts), default=0.0)
        return cls(0 if largest >= 10_000 else 2, currency)

    def __call__(self, amount: float) -> str:
        """The amount in words of digits; a dash where there is none."""
        text = number(amount, self.decimals)
        return f"{text} {self.currency}" if self.currency and text != MISSING else text

    def signed(self, amount: float) -> str:
        """Likewise, with a plus where it is positive."""
        text = self(amount)
        return f"+{text}" if amount > 0 and float(f"{amount:.{self.decimals}f}") else text


def number(value: float, decimals: int = 0) -> str:
    """A number with thousands separators and a real minus sign."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def significant(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, never in scientific notation above 0.0001."""
    if value is None or math.isnan(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return number(value, min(max(decimals, 0), 8))


def percent(share: float | None) -> str:
    """A share as a whole percentage."""
    return MISSING if share is None else f"{100 * share:.0f} %"


def price(value: float, currency: str = "") -> str:
    """A price to three significant digits, without trailing zeros: "20", "0.05", "1,260 EUR"."""
    text = number(value) if math.isinf(value) else significant(value, 3)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text} {currency}" if currency else text


def duration(length: pd.Timedelta) -> str:
    """A length of time in its largest fitting unit: "14 days", "1.5 hours"."""
    seconds = length.total_seconds()
    for unit, size in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= size:
            return _plural(seconds / size, unit)
    return _plural(seconds, "second")


def about(length: pd.Timedelta) -> str:
    """A length of time in whole units, two of them at least.

    >>> about(pd.Timedelta("300D")), about(pd.Timedelta("1000D")), about(pd.Timedelta("2h"))
    ('10 months', '3 years', '2 hours')
    """
    days = length / pd.Timedelta(days=1)
    units = (("year", 365.25), ("month", 30.4375), ("day", 1.0), ("hour", 1 / 24))
    unit, size = next((pair for pair in units if days >= 2 * pair[1]), ("minute", 1 / 1440))
    return count(max(1, round(days / size)), unit)


def count(quantity: int, noun: str) -> str:
    """A count with its noun: "1 row", "2,000 rows"."""
    return f"{number(quantity)} {noun}" + ("" if quantity == 1 else "s")


def shorten(name: str, width: int = LONGEST) -> str:
    """A name that fits, cut in its middle: long names are mostly told apart by their ends.

    >>> shorten("retrained on the last 30 days", 16), shorten("retrained on the last 90 days", 16)
    ('retraine…30 days', 'retraine…90 days')
    """
    name = printable(name)
    end = (width - 1) // 2
    return name if len(name) <= width else f"{name[: width - 1 - end]}…{name[-end:]}"


def told_apart(names: list[str], width: int) -> list[str]:
    """Names shortened to a width, or as little more as leaves no two of them alike.

    >>> told_apart(["every_30d", "every_90d"], 6), told_apart(["static", "every_90d"], 6)
    (['eve…30d', 'eve…90d'], ['static', 'eve…0d'])
    """
    longest = max(map(len, names))
    while True:
        short = [shorten(name, width) for name in names]
        if width >= longest or len(set(short)) == len(set(names)):
            return short
        width += 1


def listing(names: Iterable[str], most: int = 5) -> str:
    """Names as a sentence lists them: "a, b and c"; of more than one above ``most`` the first.

    >>> listing("abcd", most=2), listing("abc", most=2)
    ('a, b and 2 more', 'a, b and c')
    """
    names = list(names)
    if len(names) > most + 1:
        names = [*names[:most], f"{number(len(names) - most)} more"]
    *head, last = names or [""]
    return f"{', '.join(head)} and {last}" if head else last


def _plural(value: float, unit: str) -> str:
    text = f"{value:,.1f}".removesuffix(".0")
    return f"{text} {unit}" + ("" if text == "1" else "s")

"""How a time is written: a text in, and out the formats of `strptime` that may read it."""

import re

#: What may come first in a date of three numbers: what a format is chosen by.
ORDERS = {"D": "day first", "M": "month first", "Y": "year first"}

_MONTH = (
    "january|february|march|april|may|june|july|august|september|october|november|december|"
    "jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec"
)
_DAY = "monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun"
_WEEKDAY = re.compile(rf"({_DAY})(,?\s+)", re.IGNORECASE)
_GAP = r"([-/. ,]*)"
#: A date, and its format by order, or one format for all; \1, \2, ... stand for its groups.
_DATES: tuple[tuple[str, dict[str, str]], ...] = (
    (r"\d{4}([-/. ])\d{1,2}\1\d{1,2}(?!\d)", {"": r"%Y\1%m\1%d"}),
    (r"\d{1,2}([-/. ])\d{1,2}\1\d{4}(?!\d)", {"D": r"%d\1%m\1%Y", "M": r"%m\1%d\1%Y"}),
    (
        r"\d{1,2}([-/. ])\d{1,2}\1\d{2}(?!\d)",
        {"D": r"%d\1%m\1%y", "M": r"%m\1%d\1%y", "Y": r"%y\1%m\1%d"},
    ),
    (r"\d{8}(?!\d)", {"": "%Y%m%d"}),
    (rf"\d{{1,2}}{_GAP}({_MONTH}){_GAP}\d{{4}}(?!\d)", {"": r"%d\1\2\3%Y"}),
    (rf"\d{{1,2}}{_GAP}({_MONTH}){_GAP}\d{{2}}(?!\d)", {"": r"%d\1\2\3%y"}),
    (rf"\d{{4}}{_GAP}({_MONTH}){_GAP}\d{{1,2}}(?!\d)", {"": r"%Y\1\2\3%d"}),
    (rf"({_MONTH}){_GAP}\d{{1,2}}(,?\s+)\d{{4}}(?!\d)", {"": r"\1\2%d\3%Y"}),
    (rf"({_MONTH}){_GAP}\d{{4}}(?!\d)", {"": r"\1\2%Y"}),
    (rf"({_MONTH}){_GAP}\d{{2}}(?!\d)", {"": r"\1\2%y"}),
    (r"\d{4}([-/. ])\d{1,2}(?!\d)", {"": r"%Y\1%m"}),
    (r"\d{1,2}([-/.])\d{4}(?!\d)", {"": r"%m\1%Y"}),
)
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), formats) for pattern, formats in _DATES]
_CLOCK = re.compile(
    r"(T|:|,?\s+|\s+-\s+)\d{1,2}(?:([:.h])\d{2}(?:\2\d{2}(?:([.,])\d{1,9})?)?)?(\s?[ap]m)?$",
    re.IGNORECASE,
)
_COMPACT_CLOCK = re.compile(r"(T|\s+)(\d{6}|\d{4})$")

#: Formats of whole numbers by how many digits they have: dates without anything between.
OF_DIGITS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def formats(text: str) -> dict[str, str]:
    """The formats that may read a time without a zone, by what comes first; none for no time.

    >>> formats("03/04/2023 1:05 PM")
    {'D': '%d/%m/%Y %I:%M %p', 'M': '%m/%d/%Y %I:%M %p'}
    >>> formats("Mon, 3 Apr 2023")
    {'D': '%a, %d %b %Y', 'M': '%a, %d %b %Y', 'Y': '%a, %d %b %Y'}
    """
    text = text.strip()
    weekday = _WEEKDAY.match(text)
    before = "" if weekday is None else _name(weekday[1], "%a", "%A") + weekday[2]
    text = text[weekday.end() :] if weekday else text
    for pattern, by_order in _PATTERNS:
        date = pattern.match(text)
        clock = None if date is None else _clock(text[date.end() :])
        if date is not None and clock is not None:
            found = {order: before + _filled(f, date) + clock for order, f in by_order.items()}
            return dict.fromkeys(ORDERS, found[""]) if "" in found else found
    return {}


def _filled(written: str, date: re.Match[str]) -> str:
    for place, group in enumerate(date.groups(), 1):
        is_month = re.fullmatch(_MONTH, group, re.IGNORECASE) is not None
        written = written.replace(f"\\{place}", _name(group, "%b", "%B") if is_month else group)
    return written


def _name(word: str, short: str, long: str) -> str:
    return short if len(word) == 3 else long


def _clock(text: str) -> str | None:
    """The format of what stands behind a date; None where that is no time of day."""
    if not text:
        return ""
    if compact := _COMPACT_CLOCK.match(text):
        return compact[1] + "%H%M%S"[: len(compact[2])]
    found = _CLOCK.match(text)
    if found is None:
        return None
    gap, between, fraction, half = found.groups()
    numbers = text[len(gap) : len(text) - len(half or "")]
    parts = ["%I" if half else "%H", "%M", "%S"]
    used = 1 if between is None else 1 + len(re.findall(rf"{re.escape(between)}\d{{2}}", numbers))
    if fraction is not None:
        used = 3
    written = (between or "").join(parts[:used]) + (f"{fraction}%f" if fraction else "")
    return gap + written + ("" if half is None else half[:-2] + "%p")

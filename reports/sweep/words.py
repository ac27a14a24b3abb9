"""Relative costs and values of axes, in words."""

from __future__ import annotations

from backtrain.reports.numbers import number
from backtrain.reports.sweep.frame import text


def change(ratio: float) -> str:
    """What a relative cost is in words.

    >>> change(0.8), change(1.063), change(1.0), change(12.0)
    ('20 % less', '6.3 % more', 'as much', '12 times as much')
    """
    if ratio >= 10:
        return f"{number(ratio)} times as much"
    told = size(ratio)
    return "as much" if told == "0.0 %" else f"{told} {'less' if ratio < 1 else 'more'}"


def reach(low: float, high: float) -> str:
    """An interval of relative costs in words.

    >>> reach(0.7, 0.9), reach(0.9, 1.2), reach(1.02, 1.2)
    ('10 % to 30 % less', '10 % less to 20 % more', '2.0 % to 20 % more')
    """
    if low >= 10 or high >= 10 or (low < 1 < high):
        return f"{change(low)} to {change(high)}"
    ends = (high, low) if high <= 1 else (low, high)
    return f"{size(ends[0])} to {size(ends[1])} {'less' if high <= 1 else 'more'}"


def shown(value: object) -> str:
    """A value of an axis as a page has it; "usual" where a job did not set it.

    >>> shown(1.0), shown("7D"), shown(["a", "b"]), shown(None)
    ('1', '7D', '["a", "b"]', 'usual')
    """
    if isinstance(value, float):
        return f"{value:.12g}"
    return "usual" if value is None else text(value)


def size(ratio: float) -> str:
    """How far a relative cost is from 1, as a percentage."""
    points = 100 * abs(1 - ratio)
    return f"{number(points, 0 if points >= 9.95 else 1)} %"

"""Numbers in sentences: a few digits, and never in scientific notation."""

from __future__ import annotations

from decimal import Decimal

#: Smaller amounts are told by this bound: more decimals are not read.
_LEAST = Decimal("0.00000001")


def digits(value: float, most: int = 4) -> str:
    """A number with so many significant digits, whole above these, without trailing zeros.

    >>> digits(0.30004), digits(1234.5), digits(123456.7), digits(99.6, 2)
    ('0.3', '1,234', '123,457', '100')
    >>> digits(0.000012344), digits(-1e-30), digits(float("inf"))
    ('0.00001234', 'between -0.00000001 and 0', 'inf')
    """
    short = f"{value:,.{most}g}"
    if "e" not in short:
        return short
    if abs(value) >= 1:
        return f"{value:,.0f}"
    if abs(Decimal(short)) < _LEAST:
        return f"below {_LEAST:f}" if value > 0 else f"between -{_LEAST:f} and 0"
    return f"{Decimal(short):f}"


def p_value(chance: float) -> str:
    """A p-value with two digits, a small one by a bound.

    >>> p_value(0.0312), p_value(2e-16), p_value(1.0)
    ('p = 0.031', 'p < 0.0001', 'p = 1')
    """
    return "p < 0.0001" if chance < 1e-4 else f"p = {chance:.2g}"


def seconds(length: float) -> str:
    """Computing time in its unit, two digits of it or whole ones.

    >>> seconds(0.00021), seconds(0.25), seconds(104), seconds(5400), seconds(400_000)
    ('under 0.01 s', '0.25 s', '104 s', '90 min', '111 h')
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if length >= 2 * size:
            return f"{digits(length / size, 2)} {unit}"
    return "under 0.01 s" if 0 < length < 0.01 else f"{digits(length, 2)} s"

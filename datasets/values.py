"""What counts as a number where one is asked for: what YAML or a caller may give is anything."""

import math
import numbers
from fractions import Fraction

import numpy as np


def is_number(value: object) -> bool:
    """Whether it is a finite number.

    >>> is_number(0.5), is_number(float("nan")), is_number("0.5"), is_number(True)
    (True, False, False, False)
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.timedelta64))
    return number and math.isfinite(value)  # type: ignore[arg-type]


def is_count(value: object, least: int = 1) -> bool:
    """Whether it is a whole number, and no smaller than the least.

    >>> is_count(3), is_count(3.0), is_count(0), is_count(0, least=0)
    (True, False, False, True)
    """
    return isinstance(value, numbers.Integral) and is_number(value) and int(value) >= least


def is_share(value: object) -> bool:
    """Whether it is a number from 0 to 1.

    >>> is_share(1), is_share(-0.1), is_share(None)
    (True, False, False)
    """
    return is_number(value) and 0 <= value <= 1  # type: ignore[operator]


def exact_share(share: float) -> Fraction:
    """The fraction that a share of rows is meant to be: 0.7 is 7/10, and not a little less.

    >>> int(90 * 0.7), int(90 * exact_share(0.7))
    (62, 63)
    """
    return Fraction(share).limit_denominator(1_000_000)


def generator(seed: int, *purposes: int) -> np.random.Generator:
    """A random generator from a seed; raises ValueError for what is no seed.

    Equal seeds must not tie together what is drawn for different purposes, so each names its own.

    >>> generator(-1)
    Traceback (most recent call last):
    ValueError: seed=-1: a whole number, 0 or more
    """
    if not is_count(seed, least=0):
        raise ValueError(f"seed={seed!r}: a whole number, 0 or more")
    return np.random.default_rng([seed, *purposes] if purposes else seed)

"""Columns of text that are numbers: thousands in groups, decimal commas, one value that is none."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[Any]

_SPACES = " \u00a0\u202f\u2009"
_MONEY = "[$€£¥]|EUR|USD|GBP|CHF|JPY"
_UNIT = re.compile(
    rf"^\s*(?P<sign>[-+]?)\s*(?P<before>{_MONEY})?\s*"
    rf"(?P<number>[-+]?[\d.,].*?)\s*(?P<after>%|{_MONEY})?\s*$"
)
_MINUS = "\u2212"
#: A number below 0 as accounts have it: in brackets, or with its sign behind.
_BELOW = re.compile(r"\s*(?:\((?P<inside>[^()+-]+)\)|(?P<before>[^()+-]*\d)\s?-)\s*$")
_ZERO = re.compile(r"^0\d+$")
_LIKE = re.compile(
    rf"(?:[\s+-]|{_MONEY})*[\d.,][\d.,'\s]*(?:[eE][+-]?\d+)?(?:[\s%]|{_MONEY})*$|\s*$"
).match
_SAMPLE = 2_000  # different values by which a column of names is told at once
_FEW = 3  # different texts beside numbers that are taken for slips, whatever their share
_SHARE = 0.1  # of the values, however many different ones

#: Signs of a decimal and of thousands, by what is tried first.
_READINGS = ((".", ""), (".", ","), (",", ""), (",", "."), (".", " "), (",", " "), (".", "'"))


class Reading(NamedTuple):
    """A column as numbers: the text and number of each different value, and texts that are none."""

    values: dict[str, float]
    wrong: tuple[str, ...]
    said: str = ""


@dataclass(frozen=True)
class Numerals:
    """How numbers are written, where the user or the rest of the file has said so.

    `decimal` is the file's, and the user's own where `is_said`; `thousands` is the user's.
    """

    decimal: str = "."
    thousands: str | None = None
    is_said: bool = False

    def read(
        self, name: str, counts: "pd.Series[int]", is_seen: Callable[[], bool]
    ) -> Reading | None:
        """Different values of a column, and how often each is there, as numbers; None for names.

        `is_seen` says whether fractions elsewhere show that the decimal sign is that. Raises
        `ValueError` where thousands and decimals cannot be told from each other.
        """
        texts = np.array([str(text) for text in counts.index], dtype=object)
        often = counts.to_numpy(dtype=np.int64)
        if not len(texts):
            return None
        some = slice(None, None, -(-len(texts) // _SAMPLE))
        signed = _signed(texts)
        unlike = np.array([not _LIKE(text) for text in signed[some]])
        if not _is_numeric(signed[some], often[some], unlike):
            return None
        plain, unit = _without_unit(signed, often)
        tried = self._tried()
        first = [_lost(plain[some], often[some], signs) for signs in tried]
        tried = [s for s, lost in zip(tried, first, strict=True) if lost == min(first)]
        found = [(signs, _numbers(plain, *signs)) for signs in tried]
        least = min(often[np.isnan(numbers)].sum() for _, numbers in found)
        best = [one for one in found if often[np.isnan(one[1])].sum() == least]
        signs, numbers = best[0]
        blank = np.array([not text.strip() for text in texts])
        wrong = np.isnan(numbers) & ~blank
        if not _is_numeric(texts, often, wrong):
            return None
        other = next((o for o in best if not np.array_equal(o[1], numbers, equal_nan=True)), None)
        known = self.is_said or self.thousands is not None
        if other is not None and not known and not is_seen():
            one = int(np.argmax((numbers != other[1]) & ~wrong & ~blank))
            raise ValueError(
                f"column {name!r}: {texts[one]!r} is {numbers[one]:.15g} or "
                f"{other[1][one]:.15g}? {_key(signs)} or {_key(other[0])}"
            )
        said = _said(name, texts, signed, numbers, signs, unit, self)
        values = {text: float(v) for text, v in zip(texts[~wrong], numbers[~wrong], strict=True)}
        return Reading(values, tuple(texts[wrong][np.argsort(-often[wrong], kind="stable")]), said)

    def _tried(self) -> list[tuple[str, str]]:
        """Signs of a decimal and of thousands, those of the file first."""
        readings = {*_READINGS, (self.decimal, self.thousands or "")}
        allowed = [r for r in readings if self.thousands is None or r[1] in ("", self.thousands)]
        return sorted(allowed, key=lambda r: (r[0] != self.decimal, r[1], r[0]))


def _lost(texts: Texts, often: Counts, signs: tuple[str, str]) -> int:
    return int(often[np.isnan(_numbers(texts, *signs))].sum())


def _signed(texts: Texts) -> Texts:
    """Texts with a minus in front where they have it as a dash, behind, or as brackets.

    Brackets and a sign behind count beside numbers without: else they may be a way to write names.
    """
    found = np.array([text.replace(_MINUS, "-") for text in texts], dtype=object)
    below = [_BELOW.match(text) for text in found]
    if all(below):
        return found
    for place, match in enumerate(below):
        if match:
            found[place] = f"-{(match['inside'] or match['before']).strip()}"
    return found


def _without_unit(texts: Texts, often: Counts) -> tuple[Texts, str]:
    """Texts without the one sign of a currency or of percent that most of them have."""
    found = [_UNIT.match(text) for text in texts]
    units = [(m["before"] or m["after"] or "") if m else "" for m in found]
    unit = next((one for one in units if one), "")
    if {one for one in units if one} != {unit} or units.count(unit) * 2 < len(units):
        return texts, ""
    bare = [
        m["sign"] + m["number"] if m and one else text
        for m, one, text in zip(found, units, texts, strict=True)
    ]
    return np.array(bare, dtype=object), unit


def _numbers(texts: Texts, decimal: str, thousands: str) -> Floats:
    """Texts as numbers, NaN for those that are none."""
    signs = f"[{_SPACES}]" if thousands == " " else re.escape(thousands)
    groups = rf"\d{{1,3}}({signs}\d{{2,3}})*{signs}\d{{3}}"
    grouped = re.compile(rf"[-+]?{groups}({re.escape(decimal)}\d*)?")
    plain = []
    for text in texts:
        text = text.strip()
        if thousands and grouped.fullmatch(text):
            text = re.sub(signs, "", text)
        if decimal != ".":
            text = "" if "." in text else text.replace(decimal, ".")
        plain.append(text if text[-1:].isdigit() or text[-1:] == "." else None)
    return pd.to_numeric(pd.Series(plain, dtype=object), errors="coerce").to_numpy(np.float64)


def _is_numeric(texts: Texts, often: Counts, wrong: npt.NDArray[np.bool_]) -> bool:
    """Whether a column is one of numbers with a few slips, and not of names."""
    if any(_ZERO.match(text) for text in texts):  # 007 is a name
        return False
    lost = often[wrong].sum() / often.sum()
    return bool(lost <= 0.5 and (wrong.sum() <= _FEW or lost <= _SHARE))


def _key(signs: tuple[str, str]) -> str:
    decimal, thousands = signs
    names = {",": "comma", ".": "point", " ": "space", "'": "apostrophe"}
    if thousands:
        return f"dataset.thousands={names[thousands]}"
    return f"dataset.decimal={names[decimal]}"


def _said(
    name: str,
    texts: Texts,
    signed: Texts,
    numbers: Floats,
    signs: tuple[str, str],
    unit: str,
    given: Numerals,
) -> str:
    """What was guessed, by an example; nothing where nothing was."""
    decimal, thousands = signs
    usual = decimal == given.decimal and (not thousands or thousands == given.thousands)
    moved = (texts != signed) & ~np.isnan(numbers)
    if usual and not unit and not moved.any():
        return ""
    good = moved if moved.any() else ~np.isnan(numbers)
    telling = np.array([bool(thousands) and thousands in text for text in texts])
    good = np.flatnonzero(good & telling if (good & telling).any() else good)
    one = good[0]
    return f"{name}: {texts[one]!r} is {numbers[one]:.15g}"

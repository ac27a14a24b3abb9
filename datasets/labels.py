"""What labels are: classes or a quantity, and numbers that stand as text."""

import re
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from backtrain.datasets.columns import Array
from backtrain.datasets.digits import digits

Task = Literal["regression", "classification"]

#: So many names that are whole numbers may be classes; more are taken to be a quantity.
_MOST_CODES = 20
#: And where so many of the distinct texts are numbers, the others are slips or gaps.
_NEARLY_ALL = 0.9
_MONEY = r"(?:[$€£¥%]|EUR|USD|GBP|CHF|JPY)"
_SPACE = "[ \u00a0\u202f\u2009]"
_GROUPED = rf"\d{{1,3}}(?:(?:[.,'’]|{_SPACE})\d{{3}})+(?:[.,]\d+)?"
_DIGITS = rf"(?:{_GROUPED}|\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?|[.,]\d+)"
_SIGN = "[-+\u2212]"
_NUMBER = re.compile(
    rf"\s*\(?{_SIGN}?{_MONEY}?{_SPACE}?{_SIGN}?{_DIGITS}{_SPACE}?{_MONEY}?-?\)?\s*$"
)
#: With another unit, as "3.5 kg" and "12k": of a quantity where there are more than a few.
_UNIT = rf"{_SPACE}?[A-Za-z°µ][A-Za-zµ/²³]{{0,5}}"
_MEASURE = re.compile(rf"\s*{_SIGN}?{_DIGITS}{_UNIT}\s*$")
_A_UNIT = re.compile(rf"(?<=\d){_UNIT}\s*$")


class Kind(NamedTuple):
    """What labels are taken for unless somebody says otherwise, and what they hold."""

    task: Task
    holds: str


def kind_of(labels: Array) -> Kind:
    """Of labels, (n,), none of them missing: two whole numbers, text and truth values are classes.

    All else is a quantity, also a few whole numbers: counts are far more common in tables than
    classes that are numbered, and a wrong guess shows at once in the loss.

    >>> kind_of(np.array([3, 1, 2, 2]))
    Kind(task='regression', holds='3 whole numbers from 1 to 3')
    """
    if labels.dtype.kind == "b":
        return Kind("classification", "truth values")
    if labels.dtype.kind not in "iuf":
        return Kind("classification", _of_texts(len(pd.unique(labels))))
    distinct = np.unique(labels)
    if (distinct != np.round(distinct)).any():
        low, high = digits(distinct[0], 6), digits(distinct[-1], 6)
        return Kind("regression", f"numbers from {low} to {high}")
    if len(distinct) <= 2:
        return Kind("classification", " and ".join(f"{value:,.0f}" for value in distinct))
    span = f"from {distinct[0]:,.0f} to {distinct[-1]:,.0f}"
    return Kind("regression", f"{len(distinct):,} whole numbers {span}")


def _of_texts(count: int) -> str:
    return "one text" if count == 1 else f"{count:,} texts"


class Numbers(NamedTuple):
    """Numbers that stand as text: such as which, of how many, and the code that reads them.

    `unit` is what stands behind each of them, if it is no sign of money.
    """

    example: str
    texts: int
    code: str
    unit: str = ""


def numbers_in_text(labels: Array) -> Numbers | None:
    """Numbers that text labels, (n,), most likely are; None where they name something.

    That takes three of them at least, nearly all of them numbers, written with separators, signs
    or a currency, or more than 20 plain whole ones.

    >>> numbers_in_text(np.array(["201,234", "1,950", "88,000"], dtype=object))
    Numbers(example='201,234', texts=3, code="pd.to_numeric(column.str.replace(',', ''))", unit='')
    >>> numbers_in_text(np.array(["1", "2", "3"], dtype=object))
    """
    if labels.dtype.kind not in "OU":
        return None
    texts = [value for value in pd.unique(pd.Series(labels)) if isinstance(value, str)]
    numbers = [text for text in texts if _NUMBER.match(text)]
    measures = [text for text in texts if _MEASURE.match(text)]
    units = {_A_UNIT.search(text)[0] for text in measures}  # type: ignore[index]
    unit = ""
    if len(texts) > _MOST_CODES and len(units) == 1 and len(measures) > len(numbers):
        numbers, unit = measures, units.pop().strip()
    codes = len(texts) <= _MOST_CODES and all(text.strip().isdigit() for text in numbers)
    if len(texts) < 3 or codes or len(numbers) < _NEARLY_ALL * len(texts):
        return None
    telling = [text for text in numbers if not text.strip().isdigit()]
    return Numbers((telling or numbers)[0], len(texts), _reader(telling, unit), unit)


def refuse_numbers_in_text(labels: Array, target: str) -> None:
    """Raise `ValueError` where text labels, (n,), are numbers; a category column says otherwise."""
    if (found := numbers_in_text(labels)) is not None:
        raise ValueError(
            f"target {target!r}: {found.texts:,} texts that read as numbers, such as "
            f"{found.example!r}; make them numbers, {found.code}; or, where they name classes, a "
            "category, column.astype('category')"
        )


def _reader(texts: list[str], unit: str) -> str:
    """Code that reads them, a pandas column, as numbers."""
    texts = [text.strip().removesuffix(unit) for text in texts]
    code, stripped = "column", [re.sub(rf"{_MONEY}|[-+()\s]", "", text) for text in texts]
    if unit or any(re.search(rf"{_MONEY}|[()]|{_SPACE}|['’]", text) for text in texts):
        code += r".str.replace(r'[^\d.,+-]', '', regex=True)"
    grouping, point = _separators([text for text in stripped if re.search("[.,]", text)])
    if grouping:
        code += f".str.replace({grouping!r}, '')"
    if point == ",":
        code += ".str.replace(',', '.')"
    return f"pd.to_numeric({code})"


def _separators(texts: list[str]) -> tuple[str, str]:
    """Thousands separator, or nothing, and decimal point."""
    for text in texts:
        marks = re.findall("[.,]", text)
        if len(set(marks)) == 2:
            return marks[0], marks[-1]
        if len(marks) > 1:
            return marks[0], "," if marks[0] == "." else "."
    for text in texts:
        if not re.search(r"[.,]\d{3}$", text):
            point, other = (",", ".") if "," in text else (".", ",")
            return (other if any(other in text for text in texts) else ""), point
    commas = any("," in text for text in texts)
    return (",", ".") if commas else ("", ".")

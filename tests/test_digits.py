"""Numbers that a person reads are written out: never as 1e+02."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtrain.datasets.digits import digits, p_value, seconds
from backtrain.lossmatrix.bill import Bill
from backtrain.reports.html import flat
from backtrain.reports.svg import WIDE, Drawing, plain_text

ROOT = Path(__file__).parent.parent
#: Numbers between 0 and 1, names that are read back as keys, and constants of the code.
SHORT = {
    "config/condition.py": 1,  # the user's own share, as it was given
    "datasets/numerals.py": 3,  # the other way to read a text
    "datasets/preparation.py": 1,
    "datasets/synthetic.py": 1,
    "app/understood.py": 1,  # a share as start= takes it
    "audit/holdings.py": 3,  # keys of a look-up
    "lossmatrix/intervals.py": 1,  # seconds below a minute, as an offset
    "reports/advice.py": 1,  # per cent of a constant
    "reports/quantiles.py": 4,
    "reports/story.py": 2,  # per cent of constants, and of careful=
    "search/space.py": 2,  # a proposal rounded, and a value in a name
    "simulator/first_start.py": 1,
    "simulator/levels.py": 4,
    "simulator/losses.py": 1,
    "simulator/metrics.py": 1,
    "simulator/quantiles.py": 2,
    "simulator/thresholds.py": 2,
    "strategies/gates/chain.py": 1,
}
EXPONENT = re.compile(r"\d\.?e[+-]?\d", re.IGNORECASE)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 12))
def test_no_number_is_written_with_an_exponent(value, most):
    assert not EXPONENT.search(digits(value, most))


@given(st.floats(1e-7, 1e12), st.integers(2, 12))
def test_what_is_written_is_the_number_to_so_many_digits(value, most):
    assert float(digits(value, most).replace(",", "")) == pytest.approx(
        value, rel=10.0 ** (1 - most)
    )


def test_p_values_have_a_bound():
    assert [p_value(p) for p in (1e-300, 1e-4, 0.05)] == ["p < 0.0001", "p = 0.0001", "p = 0.05"]


@pytest.mark.parametrize("took", [0, 1e-7, 0.012, 99.4, 99.6, 100, 119.9, 120, 7_199, 1e6])
def test_what_models_take_is_said_in_plain_numbers(took):
    assert not EXPONENT.search(seconds(took))
    assert not EXPONENT.search(str(Bill(2, 67, 34, took, "auto")))


def test_a_hundred_seconds_are_a_hundred_seconds():
    said = str(Bill(2, 100, 50, 1.04, "auto"))
    assert said.startswith(
        "Loss matrices of 100 models of about 1 s each are 104 s of CPU time; one was trained at "
        "every 2nd tick: 50 models, about 52 s."
    )


def test_small_and_large_prices_are_written_out():
    assert flat({"error": 0.00002, "retrain": 20.0}) == "error 0.00002, retrain 20.0"


def test_axes_have_neither_a_power_nor_a_number_to_be_added():
    with plain_text():
        figure, axes = WIDE.panel(2)
        axes.plot([0, 1], [3e6, 9e6])
        axes.plot(0.5, 2e9)
        axes.set_ylim(2_000_000_000, 2_000_000_010)
        shown = Drawing("", figure).svg("x")
    said = re.findall(r"<text[^>]*>([^<]+)</text>", shown)
    assert "2000000010" in said
    assert not [text for text in said if EXPONENT.search(text) or text.startswith("+")]


def exponents(path: Path) -> int:
    """How many numbers a file writes so that they may have an exponent."""
    specs = [
        "".join(
            str(part.value) for part in value.format_spec.values if isinstance(part, ast.Constant)
        )
        for value in ast.walk(ast.parse(path.read_text()))
        if isinstance(value, ast.FormattedValue) and isinstance(value.format_spec, ast.JoinedStr)
    ]
    return sum(spec[-1:] in ("g", "e", "G", "E") for spec in specs)


def test_nothing_else_writes_numbers_that_may_have_an_exponent():
    """`digits` writes those that may be large or small."""
    rooms = ("app", "audit", "cli", "config", "datasets", "lossmatrix", "models", "reports")
    rooms += ("search", "simulator", "strategies", "tracking")
    found = {
        str(path.relative_to(ROOT)): number
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if "sweep" not in path.parts and path.name != "digits.py" and (number := exponents(path))
    }
    assert found == SHORT


def test_the_scan_finds_what_it_looks_for(tmp_path):
    path = tmp_path / "one.py"
    path.write_text('f"{x:.2g} {y:.2f} {z:>3} {w:,.{n}g}"')
    assert exponents(path) == 2


def test_numpy_numbers_are_written_alike():
    assert digits(np.float32(0.5)) == "0.5"
    assert digits(np.int64(123_456)) == "123,456"

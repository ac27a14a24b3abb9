"""What a record, a page or a terminal shows of values and names that others chose."""

import dataclasses
import functools
import json
import operator
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from backtrain import Backtest, Run, Strategy
from backtrain.cli import main
from backtrain.datasets.synthetic import abrupt
from backtrain.reports import archive, html
from backtrain.reports.comparison import Comparison
from backtrain.reports.plain import terminal_table
from backtrain.simulator.answers import Reason
from backtrain.simulator.facts import describe
from backtrain.simulator.parts import Part
from backtrain.simulator.record import TABLES, VOLATILE_COLUMNS, VOLATILE_KEYS
from backtrain.simulator.texts import code, printable, without_addresses
from backtrain.strategies import DataCheck, Sliding

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
parts_of, plain_run = fabricated["parts_of"], fabricated["plain_run"]
ADDRESS = re.compile("0x[0-9a-fA-F]{4,}")


class Opaque:
    """Shows its address, as every class does that does not say otherwise."""

    def validate(self, frame: Any, lazy: bool = True) -> Any:
        return frame

    def double(self, x: Any) -> Any:
        return 2 * x


class Model(RegressorMixin, BaseEstimator):
    """A model with parameters that show their address."""

    def __init__(self, link: Any = None, helper: Any = None) -> None:
        self.link = link
        self.helper = helper

    def fit(self, X: Any, y: Any) -> "Model":
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.mean_)


def half(x: Any) -> Any:
    return x / 2


@dataclasses.dataclass(frozen=True, repr=False)
class Nosy(Part):
    """A trigger whose parameters and words show addresses."""

    rule: Any
    columns: frozenset[str] = frozenset({"a", "b", "c", "d"})

    def monitor(self) -> "Nosy":
        return self

    def fires(self, view: Any) -> Reason | None:
        return Reason(f"{Opaque()} said so") if view.now.day % 4 == 0 else None


@dataclasses.dataclass(frozen=True)
class Plain:
    """A dataclass with the usual ``repr``."""

    rule: Any


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (half, f"{__name__}.half"),
        (np.log1p, "numpy.log1p"),
        (np.mean, "numpy.mean"),
        (len, "len"),
        (Opaque, f"{__name__}.Opaque"),
        (Opaque(), f"<{__name__}.Opaque object>"),
        (Opaque().double, f"<{__name__}.Opaque object>.double"),
        (functools.partial(half, x=1), f"functools.partial({__name__}.half, x=1)"),
        ({"b": half, "a": (half,)}, f"{{'b': {__name__}.half, 'a': ({__name__}.half,)}}"),
        ({"b", "a", "c"}, "{'a', 'b', 'c'}"),
        (frozenset({2, 1}), "frozenset({1, 2})"),
        (Plain([Opaque()]), f"Plain(rule=[<{__name__}.Opaque object>])"),
        (Ridge(alpha=2.0), "Ridge(alpha=2.0)"),
        (Model(half), f"Model(link={__name__}.half)"),
        (
            make_pipeline(StandardScaler(), FunctionTransformer(half)),
            "Pipeline(steps=[('standardscaler', StandardScaler()), ('functiontransformer', "
            f"FunctionTransformer(func={__name__}.half))])",
        ),
        (Ridge(random_state=np.random.RandomState(0)), "Ridge(random_state=RandomState(MT19937))"),
        (np.random.default_rng(0), "Generator(PCG64)"),
    ],
)
def test_code_has_no_address(value: Any, shown: str) -> None:
    assert code(value) == shown


def test_a_lambda_is_shown_by_its_source() -> None:
    one, two = (lambda x: x + 1), (lambda x: x - 1)
    assert (code(one), code(two)) == ("lambda x: x + 1", "lambda x: x - 1")
    assert code({"f": lambda y, p: abs(y - p)}) == "{'f': lambda y, p: abs(y - p)}"
    assert code(eval("lambda x: x")) == f"{__name__}.<lambda>"
    limit = 3
    assert code(lambda x: x > limit) == "lambda x: x > limit"


def test_what_holds_itself_is_shown() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert code(loop) == "[1, ...]"


def test_parts_as_data_have_no_address() -> None:
    text = json.dumps(describe(Strategy(Nosy(Opaque()), Sliding("5D"))))
    assert not ADDRESS.search(text)
    assert '"columns": ["a", "b", "c", "d"]' in text


MODELS: dict[str, Callable[[], Any]] = {
    "a helper": lambda: Model(half, Opaque()),
    "a bound method": lambda: Model(Opaque().double),
    "a lambda": lambda: Model(lambda x: x),
    "a pipeline": lambda: make_pipeline(FunctionTransformer(Opaque().double), Ridge()),
    "a partial": lambda: Model(functools.partial(operator.add, Opaque())),
    "nested": lambda: Model({"a": [Opaque(), {Opaque()}]}, (half, Plain(Opaque()))),
}


def run_of(model: Any) -> Run:
    stream = abrupt(n=500, task="regression")
    strategy = Strategy(Nosy(Opaque()), Sliding("5D"), gate=DataCheck(schema=Opaque()))
    return Backtest(stream, model, loss=lambda y, p: (y - p) ** 2).replay(strategy, "nosy")


@pytest.mark.parametrize("name", MODELS)
def test_equal_inputs_give_equal_records(name: str, tmp_path: Path) -> None:
    one, two = (Run.load(run_of(MODELS[name]()).save(tmp_path / n)) for n in "ab")
    assert not ADDRESS.search((tmp_path / "a" / "run.json").read_text())
    for table in TABLES:
        left, right = (
            getattr(run, table).drop(columns=list(VOLATILE_COLUMNS.get(table, ())))
            for run in (one, two)
        )
        pd.testing.assert_frame_equal(left, right)
        assert not any(ADDRESS.search(str(cell)) for cell in left.to_numpy().ravel()), table
    assert one.events["reason"].str.contains("Opaque object> said so").any()
    infos = [{k: v for k, v in r.info.items() if k not in VOLATILE_KEYS} for r in (one, two)]
    assert infos[0] == infos[1]
    assert one.totals == two.totals


SCRIPT = """
import json, sys
sys.path[:0] = sys.argv[1:]
import test_texts
run = test_texts.run_of(test_texts.MODELS["nested"]())
print(json.dumps([{k: v for k, v in run.info.items() if k != "wall_seconds"}, run.totals]))
"""


def test_another_process_writes_the_same(tmp_path: Path) -> None:
    line = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)]
    texts = {
        subprocess.run(
            line, stdout=subprocess.PIPE, text=True, check=True, env={"PYTHONHASHSEED": str(seed)}
        ).stdout
        for seed in (1, 2)
    }
    assert len(texts) == 1


# --- names --------------------------------------------------------------------------------------

HARD = [
    *("report.html", "summary.csv", "comparison.json", "run.json", "figures", "tune.html"),
    *("com1", "LPT1", "con.txt", "aux", ".", "..", "", " ", "a/b", "a\\b", "/etc", "C:x"),
    *("ä" * 300, "x" * 1000, "é", "e\u0301", "Static", "static", "STATIC", "\u202eevil", "💡"),
    *(
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\tx",
        "'x",
        '=HYPERLINK("http://x")',
        "a\nb",
        "NA",
        "1",
        "\x1b[31m",
    ),
]


def named(names: list[str]) -> Comparison:
    days = [(day, "error", 1.0) for day in range(40)]
    return Comparison({name: plain_run(name, parts_of("Never"), days) for name in names})


def test_folders_of_hard_names_are_safe() -> None:
    folders = list(archive.folder_names(HARD).values())
    assert len({archive.plain_case(folder) for folder in folders}) == len(HARD)
    assert not {f.casefold() for f in folders} & {name.casefold() for name in archive.RESERVED}
    for folder in folders:
        assert re.fullmatch(r"[\w.-]+", folder), folder
        assert not re.match(r"(?i)(con|prn|aux|nul|(com|lpt)\d)(\.|$)", folder)
        assert len(folder.encode()) < 120
        assert folder.strip(".") == folder


@given(st.lists(st.text(), unique=True))
def test_any_names_have_folders_of_their_own(names: list[str]) -> None:
    folders = archive.folder_names(names)
    assert len({archive.plain_case(folder) for folder in folders.values()}) == len(names)
    assert all(re.fullmatch(r"[\w][\w.-]*|[\w.-]*[\w]", folder) for folder in folders.values())


def test_hard_names_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blank = html.Picture(Markup(""), Markup(""), "nothing")
    monkeypatch.setattr(html, "draw", lambda *_, **__: {"time-line": blank})
    comparison = named(HARD)
    comparison.save(tmp_path)
    assert list(Comparison.load(tmp_path).runs) == HARD
    table = pd.read_csv(tmp_path / "summary.csv", keep_default_na=False, dtype=str)
    cells = [cell for column in table for cell in (column, *table[column])]
    assert not [c for c in cells if c[:1] in "=+@\t\r" and c]
    assert not [c for c in cells if c[:1] == "-" and not re.fullmatch(r"-[\d.e+-]+", c)]
    # One apostrophe less is the true name.
    assert [cell.removeprefix("'") for cell in table["strategy"]] == HARD
    page = (tmp_path / "report.html").read_text()
    assert page == printable(page)


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202ename\x9b31m\r"


def test_escape_codes_of_a_foreign_record_reach_neither_terminal_nor_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [(day, "error", 1.0) for day in range(40)]
    stream = {"name": HOSTILE, "fingerprint": "f00", "rows": 1, "first": HOSTILE, "last": "x"}
    for name in (HOSTILE, f"{HOSTILE}2"):
        parts = parts_of("Never")
        run = plain_run(name, parts, days, model=HOSTILE, stream=stream, python=HOSTILE)
        run.save(tmp_path / archive.folder_names([name])[name])
    assert main(["report", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    for text in (printed.out, printed.err, (tmp_path / "report.html").read_text()):
        assert not [c for c in text if c not in "\n\t" and c in HOSTILE[:1] + "\x07\x9b\r\u202e"]
    assert "\\x1b]0;owned" in printed.out
    comparison = Comparison.load(tmp_path)
    assert str(comparison.verdict()) == printable(str(comparison.verdict()))
    assert "\x1b" not in comparison._repr_html_()
    assert "\x1b" not in repr(comparison)
    assert printable(terminal_table(comparison)) in printed.out
    (tmp_path / "run.json").write_text(json.dumps({"format": HOSTILE}))
    assert main(["report", str(tmp_path)]) == 2
    assert "\x1b" not in capsys.readouterr().err


@given(st.text())
def test_printable_text_cannot_steer(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    shown.encode()
    if text.isprintable():
        assert shown == text


def test_addresses_are_taken_off() -> None:
    assert without_addresses(repr(Opaque())) == f"<{__name__}.Opaque object>"
    assert without_addresses("column 0x10 fails") == "column 0x10 fails"

"""Runs every block of every page of the site, as a reader would: ``python docs/snippets.py``.

Blocks of a page run in their order, in an empty folder and one namespace; `STORIES` go on from one
page to the next, `GIVEN` is what a page presumes. ``python docs/snippets.py search.md`` runs one.
A comment above a block says what a reader does not see:

``<!-- not run: REASON -->``
    It cannot run here. Its `backtrain` commands are composed, so that a key that is gone is found.
``<!-- run with: KEY=VALUE ... -->``
    Its `backtrain` commands take these, too, to end within seconds.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: Languages of blocks that are run; all others are shown.
RUN = ("python", "sh")
#: Languages of blocks that are data or output; a block must have a language.
SHOWN = ("text", "yaml", "sql", "json")

#: Tests that run the blocks of a page, by language. These are not run here again.
_PAGES = "tests/test_examples.py::test_a_page_runs"
_COMMANDS = "tests/test_examples.py::test_its_commands_say_what_there_is_to_say"
COVERED = {
    "drawing.md": {"python": "tests/test_shown.py::test_the_page_about_drawing_runs"},
    "examples_bike.md": {"python": _PAGES, "sh": _COMMANDS},
    "examples_etth1.md": {"python": _PAGES},
    "examples_how_often.md": {"python": _PAGES, "sh": _COMMANDS},
    "examples_panel.md": {"python": _PAGES},
    "metrics.md": {"python": "tests/test_own_metrics.py::test_the_python_in_the_document_runs"},
    "models.md": {"python": "tests/test_bring_your_model.py::test_the_page_runs"},
    "parts.md": {
        "python": "tests/test_own_parts.py::test_the_python_of_the_page_runs",
        "sh": "tests/test_own_parts.py::test_the_commands_of_the_page_run",
    },
    "strategies.md": {"python": "tests/test_docs.py::test_examples_in_docstrings_run"},
    "time.md": {"python": "tests/test_calendar.py::test_the_examples_of_the_page_about_time_run"},
}
#: Pages that go on from the first one, in one folder and namespace.
STORIES = (("index.md", "how_to.md", "five_checks.md"),)
#: What stands on a page, and what is run: fewer rows, to take seconds.
SMALLER = {
    "estimates.md": ("6_000", "3_000"),
    "index.md": ("n = 4_000", "n = 700"),
    "search.md": ("trials=60", "trials=4"),
}

_TABLE = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
ts = pd.date_range("2024-01-01", periods=600, freq="12h")
x = rng.normal(size=600)
table = pd.DataFrame({"ts": ts, "x": x, "y": x * np.linspace(1, 3, 600) + rng.normal(size=600)})
table["known_at"] = table["ts"] + pd.Timedelta("2D")
"""
_SWEEP = "multirun/2026-11-26/12-00-00"
#: What a page presumes that its reader has, made before its first block.
GIVEN: dict[str, str] = {
    "command_line.md": """
import numpy as np, pandas as pd
days, stores = pd.date_range("2024-01-01", periods=120), ["north", "south"]
sales = pd.MultiIndex.from_product([days, stores], names=["day", "store"]).to_frame(index=False)
sold = np.random.default_rng(0).poisson(20, len(sales))
sales.assign(price=3.5, sold=sold.astype(float)).to_csv("sales.csv", index=False)
""",
    "data.md": _TABLE
    + """
table["ts"] = table["ts"].astype("datetime64[s]").astype(int)  # both commands take all columns
more = {"signed at": table["ts"], "Temp (C)": table["y"], "a.b": x, "c=d": x}
table.drop(columns="known_at").assign(**more).to_csv("my.csv", index=False)
""",
    "experiments.md": _TABLE + "table.drop(columns='known_at').to_csv('my.csv', index=False)",
    "machines.md": _TABLE + "table.drop(columns='known_at').to_csv('history.csv', index=False)",
    "metrics.md": f"""
import re, pathlib
text = pathlib.Path({str(HERE / "metrics.md")!r}).read_text()
_, block = re.findall(r"```python\\n(.*?)```", text, re.S)
pathlib.Path("mine.py").write_text(block.partition("backtest = ")[0])
""",
    "money.md": _TABLE
    + """
label = np.where(rng.random(600) < 0.1, "fraud", "ok")
table = table.assign(value=rng.gamma(2, 50, 600), label=label).drop(columns=["known_at", "y"])
table.to_csv("payments.csv", index=False)
""",
    "performance.md": _TABLE + "table.drop(columns='known_at').to_parquet('history.parquet')",
    "search.md": """
from sklearn.linear_model import Ridge
from backtrain import Backtest, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import Every, Sliding
backtest = Backtest(abrupt(n=1500, task="regression"), Ridge(), tick="1D")
""",
    "sweeps.md": f"""
from functools import partial
import backtrain
from sklearn.linear_model import Ridge
from backtrain import Strategy, Sweep
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.strategies import Every, Never, Sliding
window, makers = Sliding("9D"), {{"abrupt": abrupt, "none": stationary}}
makers = {{name: partial(make, n=400, task="regression") for name, make in makers.items()}}
parts = {{"static": Strategy(Never(), window), "monthly": Strategy(Every("4D"), window)}}
for i, folder in enumerate(("{_SWEEP}", "first", "second", "third")):
    backtrain.sweep(makers, Ridge(), parts, seeds=[i], directory=folder)
Sweep.load("{_SWEEP}").save(".")
""",
    "trust.md": _TABLE + "table.to_csv('my.csv', index=False)",
}

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")  # the first line of what a reader saves
_MARKER = re.compile(r"<!-- (not run|run with): (.+?) -->\s*\Z")
#: What later blocks of a page know of a shell's block: what it exports, and its functions.
_KEPT = re.compile(r"^(?:export .*|\w+\(\) \{\n(?:[ \t].*\n)+\})\n", re.MULTILINE)
#: Keys of plugins of Hydra that are not installed.
_PLUGIN = re.compile(r"hydra[/.](sweeper|launcher)")
#: The shell words itself out and writes down what it would start: a line number, the words, an end.
_STUBS = r"""
backtrain() { printf '%s\0' "${BASH_LINENO[${#BASH_LINENO[@]}-2]}" "$@" $'\x1e' >>"$CALLS"; }
pip() { :; }
command_not_found_handle() { test -n "$SHOWS"; }
"""


@dataclass(frozen=True)
class Block:
    """A block of code of a page: where it begins, and the comment above it."""

    page: str
    line: int  # of its first line of code
    language: str
    text: str
    marker: str = ""  # "not run", "run with"
    said: str = ""

    @property
    def covered(self) -> str:
        """The test that runs it."""
        return COVERED.get(self.page, {}).get(self.language, "")

    @property
    def shows(self) -> bool:
        """Whether it is not run."""
        return self.marker == "not run"


class BrokenError(Exception):
    """A block that does not do what stands there; the message begins with its page and line."""


def blocks(page: Path) -> list[Block]:
    """All blocks of a page."""
    text, found = page.read_text(encoding="utf-8"), []
    for fence in _FENCE.finditer(text):
        above = _MARKER.search(text, 0, fence.start())
        line = text.count("\n", 0, fence.start(3)) + 1
        marker = above.groups() if above else ()
        found.append(Block(page.name, line, fence[2], fence[3], *marker))
    return found


def calls(block: Block, before: str = "") -> list[tuple[int, list[str]]]:
    """The line and the words of each `backtrain` command of a block, as bash expands them."""
    with tempfile.TemporaryDirectory() as folder:
        script, stubs, log = (Path(folder, name) for name in ("script", "stubs", "log"))
        script.write_text("\n" * (block.line - 1) + block.text)
        stubs.write_text(before + _STUBS)
        log.touch()
        there = {**os.environ, "BASH_ENV": str(stubs), "CALLS": str(log)}
        if block.shows:
            there |= {"PATH": f"{folder}/nothing", "SHOWS": "yes"}
        done = subprocess.run(
            ["/bin/bash", "-e", str(script)], env=there, capture_output=True, text=True
        )
        if done.returncode:
            raise BrokenError(f"{block.page}:{block.line}: {done.stderr.strip()}")
        found = log.read_text().split("\x1e\0")[:-1]
    return [(int(one[0]), one[1:-1]) for one in (call.split("\0") for call in found)]


def run_python(block: Block, names: dict[str, Any]) -> None:
    """Run a block of Python in a namespace; raises `BrokenError`."""
    text = block.text.replace(*SMALLER.get(block.page, ("", "")))
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile("\n" * (block.line - 1) + text, block.page, "exec"), names)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == block.page), block.line)
        line = error.lineno if isinstance(error, SyntaxError) else line
        raise BrokenError(f"{block.page}:{line}: {type(error).__name__}: {error}") from error


def run_shell(block: Block, before: str = "") -> None:
    """Run the `backtrain` commands of a block, or compose them; raises `BrokenError`."""
    for line, words in calls(block, before):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            good = _composes(words) if block.shows else _ends_well(words, block.said)
        if not good:
            command = shlex.join(["backtrain", *words])
            raise BrokenError(f"{block.page}:{line}: {command}\n{out.getvalue()[-3000:]}")


def _ends_well(words: list[str], more: str) -> bool:
    from backtrain.cli import main

    if words[:1] in (["run"], ["tune"], ["search"]):
        words = [*words, *shlex.split(more), "n_jobs=1", "progress=false"]
    codes = (0, 3) if any(word.startswith("fail_if=") for word in words) else (0,)
    return main(words) in codes


def _composes(words: list[str]) -> bool:
    from backtrain.config import compose, keys
    from backtrain.config.study import checked

    schema = {"run": keys.RunKeys, "tune": keys.TuneKeys, "search": keys.SearchKeys}
    schema["audit"] = schema["run"]
    if words[0] not in schema:
        return True
    name = "run" if words[0] == "audit" else words[0]
    words = [word for word in words if not _PLUGIN.match(word)]
    try:
        for config in compose.composed(compose.in_order(words[1:]), name, schema[words[0]]):
            checked(compose.split(config)[0], schema[words[0]])
    except Exception as error:
        print(error)
        return False
    return True


def run_pages(pages: list[Path], names: dict[str, Any]) -> Iterator[Block]:
    """Run the blocks of pages that go on from each other, in this folder; yields each before."""
    before = ""
    for page in pages:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(GIVEN.get(page.name, ""), names)
        for block in blocks(page):
            if block.language not in RUN or block.covered:
                continue
            yield block
            if block.language == "sh":
                run_shell(block, before)
                if not block.shows:
                    before += "".join(_KEPT.findall(block.text))
            elif not block.shows and (file := _FILE.match(block.text)):
                Path(file[1]).write_text(block.text)
            elif not block.shows:
                run_python(block, names)


def main(wanted: list[str]) -> int:
    """Run every block of all pages, or of those named; 1 if one fails."""
    there = [page.name for page in sorted(HERE.glob("*.md"))]
    told = {page for story in STORIES for page in story}
    stories = [*STORIES, *((page,) for page in there if page not in told)]
    failed = 0
    for story in stories:
        if wanted and not {*wanted} & {*story}:
            continue
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            begun = time.monotonic()
            try:
                for block in run_pages([HERE / page for page in story], {"__name__": "page"}):
                    first = block.text.splitlines()[0][:80]
                    shown = " (composed)" if block.shows else ""
                    spent = time.monotonic() - begun
                    print(f"{spent:5.1f} s  {block.page}:{block.line}{shown}: {first}", flush=True)
            except BrokenError as error:
                failed += 1
                print(error, flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

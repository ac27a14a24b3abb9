"""Parts as a stranger writes them: the page on parts runs, functions and bare classes are parts."""

import re
import sys
from pathlib import Path

import pytest

from backtrain.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "parts.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.DOTALL)


def blocks(language: str, file: str = "") -> list[str]:
    """The page's blocks of a language, those that belong to a file."""
    found = [text for kind, text in BLOCKS if kind == language]
    named = [text for text in found if text.startswith(f"# {file}\n")]
    return named if file else [text for text in found if not re.match(r"# \S+\.\w+\n", text)]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page, in which one works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_parts", raising=False)
    (tmp_path / "my_parts.py").write_text("\n".join(blocks("python", "my_parts.py")))
    (tmp_path / "test_my_parts.py").write_text(blocks("python", "test_my_parts.py")[0])
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy" / "mine.yaml").write_text(blocks("yaml", "strategy/mine.yaml")[0])
    return tmp_path


def test_every_block_of_the_page_is_one_of_those_that_run() -> None:
    assert len(BLOCKS) == 7
    assert {kind for kind, _ in BLOCKS} == {"python", "yaml", "sh"}
    assert len(blocks("python", "my_parts.py")) == 2
    assert len(blocks("python")) == 1


def test_the_python_of_the_page_runs(beside: Path) -> None:
    exec(blocks("python")[0], {"__name__": "page"})


@pytest.mark.parametrize("line", "".join(blocks("sh")).splitlines())
def test_the_commands_of_the_page_run(beside: Path, line: str) -> None:
    words = line.split()
    assert words[0] == "backtrain"
    # One process: workers that other tests have started know nothing of this directory.
    more = ["hydra.run.dir=out", "progress=false", "hindsight=false", "n_jobs=1", "report=page"]
    assert main([*words[1:], *more]) == 0
    assert (beside / "out" / "report.html").exists()


@pytest.mark.usefixtures("beside")
def test_the_tests_of_the_page_pass(capsys: pytest.CaptureFixture[str]) -> None:
    plugins = ["-p", "no:cacheprovider", "-p", "no:xdist"]
    status = pytest.main(["-q", *plugins, "test_my_parts.py"])
    out = capsys.readouterr().out
    assert (status, "5 passed" in out) == (0, True), out


def test_examples_are_short() -> None:
    source = "\n".join(blocks("python", "my_parts.py"))
    for part in re.split(r"\n(?=@dataclass|class Losses|def )", source)[1:]:
        assert len(part.strip().splitlines()) < 30

"""Each block of the site is run by docs/snippets.py or by a test that is named, or says why not.

The blocks themselves are run by ``python docs/snippets.py``.
"""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SNIPPETS = runpy.run_path(str(DOCS / "snippets.py"))
PAGES = sorted(DOCS.glob("*.md"))
COVERED = [
    (page, language, test)
    for page, tests in SNIPPETS["COVERED"].items()
    for language, test in tests.items()
]


def run(folder: Path, page: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The blocks of a page that is made here, which are run in its folder."""
    monkeypatch.chdir(folder)
    (folder / "page.md").write_text(page)
    return list(SNIPPETS["run_pages"]([folder / "page.md"], {"__name__": "page"}))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_read_and_has_a_language(page: Path) -> None:
    found = SNIPPETS["blocks"](page)
    assert 2 * len(found) == len(re.findall(r"^\s*```", page.read_text("utf-8"), re.MULTILINE))
    for block in found:
        assert block.language in SNIPPETS["RUN"] + SNIPPETS["SHOWN"], f"{page.name}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_comment_stands_above_a_block_that_is_not_run_elsewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    marked = [block for block in SNIPPETS["blocks"](page) if block.marker]
    assert len(marked) == len(re.findall("<!-- *(?:not run|run with)", text))
    for block in marked:
        assert block.language in SNIPPETS["RUN"], f"{page.name}:{block.line}"
        assert len(block.said.split()) > 1 or "=" in block.said, f"{page.name}:{block.line}"


@pytest.mark.parametrize(("page", "language", "test"), COVERED)
def test_a_test_that_runs_a_page_is_there(page: str, language: str, test: str) -> None:
    file, _, function = test.partition("::")
    assert f"def {function}(" in (ROOT / file).read_text("utf-8")
    assert any(block.language == language for block in SNIPPETS["blocks"](DOCS / page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_that_are_not_run_have_keys_that_there_are(page: Path) -> None:
    for block in SNIPPETS["blocks"](page):
        if block.shows and block.language == "sh":
            SNIPPETS["run_shell"](block)


def test_the_commands_of_the_readme_have_keys_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "advice").mkdir()
    (tmp_path / "advice" / "strategy").mkdir()
    for name in ("tuned", "advised"):
        preset = "defaults:\n  - _base\n  - /trigger@trigger: never\n"
        (tmp_path / "advice" / "strategy" / f"{name}.yaml").write_text(preset)
    rows = re.findall(
        r"^\| \*\*.*\| `(.+?)`[^|]*\|$", (ROOT / "README.md").read_text("utf-8"), re.M
    )
    assert len(rows) > 8
    lines = "\n".join(f"<!-- not run: the table of claims -->\n```sh\n{row}\n```" for row in rows)
    (tmp_path / "readme.md").write_text(lines + "\n")
    for block in SNIPPETS["blocks"](tmp_path / "readme.md"):
        SNIPPETS["run_shell"](block)


def test_blocks_share_names_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (
        "```python\nx = 2\n```\n```python\n# mine.py\ny = 1 / 0\n```\n```python\nassert x == 2\n```"
    )
    assert len(run(tmp_path, page + "\n", monkeypatch)) == 3
    assert "1 / 0" in (tmp_path / "mine.py").read_text()


BROKEN = {
    "an error": ("A.\n\n```python\nx = 1\nx / 0\n```\n", "page.md:5: ZeroDivisionError"),
    "no Python": ("```python\nx = 1\nx = = 2\n```\n", "page.md:3: SyntaxError"),
    "in a later block": (
        "```python\ndef f():\n    raise KeyError(3)\n```\n```python\nf()\n```\n",
        r"page.md:3: KeyError",
    ),
    "a key that is gone": ("A.\n```sh\nbacktrain run gone=1\n```\n", "(?s)page.md:3: .*gone"),
    "a key of what is not run": (
        "<!-- not run: hours -->\n\n```sh\npip install x && \\\nbacktrain run gone=1\n```\n",
        "(?s)page.md:[45]: .*gone",
    ),
    "a preset of what is not run": (
        "<!-- not run: it takes hours -->\n```sh\nbacktrain tune model=gone\n```\n",
        "(?s)page.md:3: .*gone",
    ),
    "no such command": ("```sh\nbacktrain ran\n```\n", "(?s)page.md:2: backtrain ran"),
    "another program": ("```sh\nno_such_program\n```\n", "page.md:2: "),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_block_is_named_by_page_and_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, said = BROKEN[case]
    with pytest.raises(SNIPPETS["BrokenError"], match=said):
        run(tmp_path, page, monkeypatch)


def test_what_is_not_run_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "<!-- not run: it writes -->\n```sh\ntouch there\nbacktrain run | tee there\n```\n"
    (block,) = run(tmp_path, page, monkeypatch)
    assert block.said == "it writes"
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


def test_words_are_those_that_the_shell_makes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    line = "backtrain run $A 'z=[1, 2]' \\\n  \"n=$(seq -s, 3)\""
    page.write_text(f"```sh\nA='x=1 y=2'\n{line}\n```\n")
    ((_, words),) = SNIPPETS["calls"](*SNIPPETS["blocks"](page))
    assert words == ["run", "x=1", "y=2", "z=[1, 2]", "n=1,2,3"]


def test_a_function_of_the_shell_is_known_to_later_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (
        '```sh\nmine() {\n    backtrain list "$@"\n}\n```\n\n```sh\nmine trigger\n```\n'
        "\n```sh\nmine nothing\n```\n"
    )
    with pytest.raises(SNIPPETS["BrokenError"], match=r"page.md:12: backtrain list nothing"):
        run(tmp_path, page, monkeypatch)

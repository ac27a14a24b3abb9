"""The site has every public name: pip install -e '.[docs,test]' && pytest tests/test_site.py."""

import runpy
import shutil
from pathlib import Path

import pytest

import backtrain
from backtrain import strategies

pytest.importorskip("mkdocs")
DOCS = Path(__file__).parent.parent / "docs"
SITE = runpy.run_path(str(DOCS / "site.py"))


def test_every_public_name_is_in_the_reference() -> None:
    found = {
        name.rpartition(".")[2]
        for modules in SITE["REFERENCE"].values()
        for module in modules.split()
        for name in SITE["public"](f"backtrain.{module}")
    }
    assert {*backtrain.__all__, *strategies.__all__} - found == set()


def test_every_page_is_in_the_navigation() -> None:
    navigation = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert [page.name for page in DOCS.glob("*.md") if f" {page.name}\n" not in navigation] == []


def test_sections_of_docstrings() -> None:
    sections = runpy.run_path(str(DOCS / "docstrings.py"))
    text = sections["in_sections"]("A.\n\nParameters\n----------\nx : int\n    One.\n\n>>> 1\n1")
    assert text.endswith("    One.\n\nExamples\n--------\n>>> 1\n1")
    assert sections["fenced"]("A.\n\n>>> 1\n1") == "A.\n\n```pycon\n>>> 1\n1\n```\n"


def test_items_of_several_names_have_a_default_each() -> None:
    sections = runpy.run_path(str(DOCS / "docstrings.py"))
    text = "Parameters\n----------\na, b : int\n    Both."
    each = "a : int\n    Both.\nb : int\n    Both.\n"
    assert sections["one_each"](text) == f"Parameters\n----------\n{each}"


def test_files_are_called_by_their_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SITE["TITLES"], "time.md", "Time")
    called = SITE["_FILE"].sub(
        SITE["_titled"], "[docs/time.md](time.md#zones), `docs/time.md`, x.md"
    )
    assert called == "[Time](time.md#zones), [Time](time.md), x.md"


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium")
def test_what_is_wider_than_a_telephone_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look = runpy.run_path(str(DOCS / "browser.py"))["main"]
    page = '<meta name="viewport" content="width=device-width"><div class="md-content">{}</div>'
    wide = '<p style="width: 900px">wide</p>'
    scrolled = f'<div style="overflow-x: auto">{wide}</div>'
    (tmp_path / "page.html").write_text(page.format(scrolled))
    assert look(tmp_path) == 0
    (tmp_path / "page.html").write_text(page.format(wide))
    assert look(tmp_path) == 1
    assert "p: wide" in capsys.readouterr().out

"""The site has every public name: pip install -e '.[docs,test]' && pytest tests/test_site.py."""

import runpy
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

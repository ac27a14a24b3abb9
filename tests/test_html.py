import dataclasses
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pytest

from backtrain.reports.comparison import Comparison

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = "<script>alert(1)</script>"


class Outline(HTMLParser):
    """Every tag, id and unclosed element of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.ids, self.open, self.attributes = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def runs():
    return fabricated["drifting_runs"]()


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return Comparison(runs).to_html(path).read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_no_id_occurs_twice(page):
    outline = Outline(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))


def test_the_page_asks_nothing_of_the_network(page):
    for tag, name, value in Outline(page).attributes:
        if name in {"src", "href", "xlink:href", "action", "srcset", "data"}:
            assert value.startswith("#"), (tag, name, value)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in page


def test_the_page_of_ten_strategies_is_small(page):
    assert len(page.encode()) < 1_000_000


def test_the_decision_comes_first(page, runs):
    comparison = Comparison(runs)
    body = page[page.index("<body>") :]
    places = [
        body.index(text) for text in (comparison.verdict().advice, "<h2>Why", "<svg role", "<table")
    ]
    assert places == sorted(places)
    assert comparison.schedules.sentence() in body


def test_every_heading_of_a_table_has_a_cell_in_every_row(page):
    for table in re.findall(r'<table class="sortable.*?</table>', page, flags=re.DOTALL):
        head, *rows = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)
        columns = head.count("<th ")
        assert columns > 1
        assert {row.count("<td ") for row in rows} == {columns - 1}


def test_the_same_runs_give_the_same_bytes(runs, page, tmp_path):
    again = Comparison(runs).to_html(tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == page


def test_no_colour_of_a_drawing_escapes_the_theme(page):
    for svg in re.findall(r"<svg role.*?</svg>", page, flags=re.DOTALL):
        found = set(re.findall(r"(?:fill|stroke): (#[0-9a-fA-F]{3,6})", svg))
        assert found <= {"#000000"}  # what is never painted: the canvas' own defaults


def test_every_string_is_escaped(runs, tmp_path):
    quoted = 'He said "no" & <b>left</b>'
    hostile = fabricated["drifting_run"](
        HOSTILE,
        fabricated["parts_of"]("ErrorDrift"),
        [50, 100, 160],
        ["deployed", "failed", "deployed"],
    )
    events = hostile.events.copy()
    events.loc[events["kind"] == "failed", "reason"] = quoted
    info = {**hostile.info, "strategy": f"Strategy({HOSTILE!r})", "model": HOSTILE}
    info["stream"] = {**info["stream"], "name": HOSTILE}
    hostile = dataclasses.replace(hostile, info=info, tables={**hostile.tables, "events": events})
    comparison = Comparison({HOSTILE: hostile, "static": runs["static"]})
    page = comparison.to_html(tmp_path / "r.html", baseline=HOSTILE).read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "<b>left" not in page
    assert "&#34;no&#34; &amp; &lt;b&gt;left" in page
    assert Outline(page).tags.count("script") == 1
    assert HOSTILE not in comparison._repr_html_()
    assert comparison.save(tmp_path / "saved").joinpath("script-alert-1-script").is_dir()


def test_names_are_not_formulas(runs, tmp_path):
    name = r"$\frac{$ every_3D"
    comparison = Comparison({name: runs["every 3D"], "static": runs["static"]})
    assert "every_3D" in comparison.to_html(tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_notebook_shows_verdict_and_table(runs):
    text = Comparison(runs)._repr_html_()
    assert Comparison(runs).verdict().sentence in text
    assert text.count("<tr>") == 11
    assert Outline(text).open == []


def test_a_page_without_grid_drift_or_interval(tmp_path):
    plain, parts = fabricated["plain_run"], fabricated["parts_of"]
    charges = [(0, "error", 1.0), (20, "train", 5.0)]
    runs = {"a": plain("a", parts("ErrorDrift"), charges), "b": plain("b", parts("Never"), [])}
    page = Comparison(runs).to_html(tmp_path / "r.html").read_text(encoding="utf-8")
    assert Outline(page).open == []
    assert "How often" not in page
    assert "true drift" not in page


def test_figures_are_files(runs, tmp_path):
    paths = Comparison(runs).figures(tmp_path / "figures")
    assert [path.name for path in paths] == [
        "cost-against-interval.png",
        "prices.png",
        "cost-against-loss.png",
        "time-line.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)

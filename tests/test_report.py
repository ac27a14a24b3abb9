"""What a report shows of one strategy and of two hundred, what it links, and what is drawn."""

import dataclasses
import functools
import itertools
import runpy
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text

from backtrain import Run
from backtrain.cli.report import main as report_again
from backtrain.config.build import ConfigError
from backtrain.config.compose import composed, split
from backtrain.config.keys import RunKeys, TuneKeys
from backtrain.config.study import checked
from backtrain.reports import archive, html, page, story, timeline
from backtrain.reports.archive import ReportError
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import listing
from backtrain.reports.svg import NARROW, WIDE, Drawing, Paper, plain_text
from backtrain.reports.tables import Cell, Column, Row, Sheet
from backtrain.simulator.manifest import RecordWarning

fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
plain_run, parts_of = fabricated["plain_run"], fabricated["parts_of"]
SIZES = (1, 3, 12, 40, 200)
PAPERS = {"wide": WIDE, "narrow": NARROW}


def strategy(k: int) -> Run:
    """Number k: it trains the more often the higher, and errs the less; never, where k is 0."""
    name = f"{k:03} retrained on the newest labelled rows of all the stations"
    days = list(range(3, 40, max(1, 40 // (k + 1)))) if k else []
    loss = 1.0 + 8.0 / (k + 1) + 0.2 * (k % 5)
    charges = [(day, "error", loss) for day in range(40)] + [(day, "train", 0.5) for day in days]
    parts = parts_of("Every", every=f"{max(1, 40 // (k + 1))}D") if k else parts_of("Never")
    run = plain_run(name, parts, sorted(charges), drift=["2020-01-15T00:00:00"])
    wave = loss * (1 + 0.1 * np.sin(np.arange(40)))
    rows = run.predictions.assign(loss=wave, label=wave)
    totals = {**run.totals, "loss": float(wave.sum())}
    return dataclasses.replace(run, totals=totals, tables={**run.tables, "predictions": rows})


@functools.cache
def of(n: int) -> Comparison:
    """The first so many; what is read of them is worked out once for all tests."""
    return anew(n)


def anew(n: int) -> Comparison:
    return Comparison({run.name: run for run in map(strategy, range(n))})


class Outline(HTMLParser):
    """Tags with their attributes, and the text of every paragraph and heading."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.within = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag in ("p", "h1", "h2", "li"):
            self.text.append("")
            self.within = True

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        if self.within:
            self.text[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.within = self.within and tag not in ("p", "h1", "h2", "li")

    def all(self, tag: str, attribute: str) -> list[str]:
        return [attrs[attribute] for name, attrs in self.tags if name == tag and attribute in attrs]


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where twelve were saved, to be read only."""
    return of(12).save(tmp_path_factory.mktemp("twelve"))


@pytest.fixture(scope="module", params=SIZES)
def sized(request: pytest.FixtureRequest) -> SimpleNamespace:
    comparison = of(request.param)
    text = comparison.page()
    return SimpleNamespace(n=request.param, comparison=comparison, page=text, outline=Outline(text))


# --- the page -------------------------------------------------------------------------------------


def test_no_id_occurs_twice(sized: SimpleNamespace) -> None:
    ids = [attrs["id"] for _, attrs in sized.outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_every_figure_and_every_table_says_what_it_is(sized: SimpleNamespace) -> None:
    pictures = [attrs for tag, attrs in sized.outline.tags if tag == "svg" and "role" in attrs]
    assert all(len(attrs["aria-label"]) > 10 for attrs in pictures)
    tags = [tag for tag, _ in sized.outline.tags]
    assert tags.count("caption") == tags.count("table") >= 1


def test_the_ranked_table_has_a_row_and_a_number_for_each(sized: SimpleNamespace) -> None:
    table = sized.page[sized.page.index('<figure id="strategies"') :]
    table = table[: table.index("</table>")]
    numbers = [part.split("<")[0] for part in table.split('class="number">')[1:]]
    assert numbers == [str(i) for i in range(1, sized.n + 1)]


def test_lists_of_names_end_with_how_many_more(sized: SimpleNamespace) -> None:
    names = list(sized.comparison.runs)
    longest = max(sized.outline.text, key=lambda text: sum(name in text for name in names))
    assert sum(name in longest for name in names) <= 6, longest
    verdict = dataclasses.replace(sized.comparison.verdict(), rivals=tuple(names))
    told = " ".join(story.rivals(sized.comparison, verdict))
    assert (" more" in told.split(". By")[0]) == (sized.n > 6)


def test_figures_are_no_higher_for_many(sized: SimpleNamespace) -> None:
    boxes = [tuple(map(float, box.split())) for box in sized.outline.all("svg", "viewbox")]
    drawn = [box for box in boxes if box[2] > 300]
    assert drawn
    assert all(box[3] <= 550 for box in drawn)


def test_a_time_line_has_at_most_sixteen_rows_and_says_who_is_missing(
    sized: SimpleNamespace,
) -> None:
    rows = {i for i in sized.outline.all("g", "id") if i.startswith("time-line-row-")}
    assert len(rows) == (min(sized.n, 16) if sized.n > 1 else 0)
    assert ("The 16 cheapest are shown" in sized.page) == (sized.n > 16)


def test_of_many_points_few_are_named_and_the_others_numbered() -> None:
    (exhibit,) = (
        e for e in html.exhibits(page.outline(of(40), of(40).baseline())) if "loss" in e.id
    )
    with plain_text():
        figure = exhibit.shows(WIDE).figure
    texts = [t.get_text() for t in figure.axes[0].texts if str(t.get_gid()).startswith("name-")]
    named = [text for text in texts if " " in text]
    assert 3 <= len(named) <= 9
    assert all(text.split()[0].isdigit() for text in texts)
    assert len(texts) > len(named)


def test_the_same_bytes_twice(twelve: Path, tmp_path: Path) -> None:
    assert content(anew(12).save(tmp_path / "again")) == content(twelve)


def test_twelve_are_below_a_megabyte() -> None:
    runs = dict(itertools.islice(fabricated["drifting_runs"]().items(), 10))
    more = {
        f"{name} again": dataclasses.replace(runs[name], name=f"{name} again")
        for name in ("static", "every 7D")
    }
    assert len(Comparison({**runs, **more}).page().encode()) < 1_000_000


def content(directory: Path) -> dict[str, bytes]:
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


# --- nothing degenerate ---------------------------------------------------------------------------


def titles(comparison: Comparison) -> list[str]:
    return [section.title for section in page.outline(comparison, comparison.baseline())]


def test_one_strategy_is_held_against_nothing() -> None:
    alone = of(1)
    assert titles(alone) == ["What it cost", "Over time"]
    text = alone.page()
    for absent in ("expected to save", "Cost against loss", "Era by era", "95 % interval"):
        assert absent not in text


def costing(**totals: float) -> Comparison:
    """Strategies by interval that cost this much a day and err alike."""
    charges = {name: [(day, "error", cost) for day in range(40)] for name, cost in totals.items()}
    return Comparison({
        name: plain_run(name, parts_of("Every", every=name), each) for name, each in charges.items()
    })  # fmt: skip


def test_where_nothing_differs_nothing_is_compared() -> None:
    same = costing(**{"1D": 2.0, "7D": 2.0})
    assert "Cost against loss" not in titles(same)
    assert "Era by era" not in titles(same)
    assert 'id="cost-against-interval"' not in same.page()


def test_where_all_is_free_the_page_stands() -> None:
    free = costing(**{"1D": 0.0, "7D": 0.0})
    assert Outline(free.page()).tags
    assert 'id="cost-against-interval"' not in free.page()


def test_one_interval_at_every_price_has_no_curve_of_prices() -> None:
    once, often = (parts_of("Every", every=every) for every in ("7D", "1D"))
    days = [(day, "error", 1.0) for day in range(40)]
    worse = [(day, "error", 2.0) for day in range(40)] + [(5, "train", 5.0)]
    comparison = Comparison(
        {"a": plain_run("a", once, days), "b": plain_run("b", often, sorted(worse))}
    )
    (exhibit,) = (e for e in html.exhibits(page.outline(comparison, "a")) if "interval" in e.id)
    assert len(exhibit.shows(WIDE).figure.axes) == 1


# --- files ----------------------------------------------------------------------------------------


def links(directory: Path) -> list[str]:
    text = archive.path_of(directory, archive.REPORT).read_text(encoding="utf-8")
    return [unquote(link) for link in Outline(text).all("a", "href")]


def test_every_exhibit_links_its_data_and_every_figure_its_pictures(twelve: Path) -> None:
    saved = twelve
    shown = list(html.exhibits(page.outline(of(12), of(12).baseline())))
    wanted = {
        f"{e.folder}/{e.id}.{ending}"
        for e in shown
        for ending in (("csv",) if isinstance(e.shows, Sheet) else ("csv", "png", "svg"))
    }
    assert sorted(links(saved)) == sorted(wanted)
    assert all((saved / link).is_file() for link in wanted)
    beside = [*(saved / "figures").iterdir(), *(saved / "tables").iterdir()]
    assert {path.relative_to(saved).as_posix() for path in beside} == wanted


def test_data_and_pictures_are_what_they_are_called(twelve: Path) -> None:
    comparison, saved = of(12), twelve
    ranked = pd.read_csv(saved / "tables" / "strategies.csv")
    assert list(ranked["strategy"]) == list(comparison.table().index)
    assert (saved / "figures" / "time-line.png").read_bytes()[:4] == b"\x89PNG"
    picture = (saved / "figures" / "time-line.svg").read_text(encoding="utf-8")
    assert picture.startswith("<?xml")
    assert "var(--" not in picture
    lines = pd.read_csv(saved / "figures" / "time-line.csv")
    assert set(lines["strategy"]) == set(comparison.runs)
    assert {"mean loss", "deployed"} <= set(lines["what"])


def test_a_page_alone_links_nothing(tmp_path: Path) -> None:
    saved = of(3).save(tmp_path, report="page")
    assert links(saved) == []
    assert not (saved / "figures").exists()
    assert not (saved / "tables").exists()
    assert (saved / "report.html").read_text(encoding="utf-8") == of(3).page()


def test_no_report_takes_the_old_one_away(tmp_path: Path) -> None:
    of(3).save(tmp_path)
    of(3).save(tmp_path, report="none")
    there = {path.name for path in tmp_path.iterdir() if not path.name[0].isdigit()}
    assert there - {"strategy"} == {"summary.csv", "verdict.json", "comparison.json"}
    assert list(Comparison.load(tmp_path).runs) == list(of(3).runs)


def test_links_lead_where_files_really_lie(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("a file")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "strategies.csv").write_text("mine")
    with pytest.warns(RecordWarning, match="was not written by backtrain"):
        of(3).save(tmp_path)
    found = links(tmp_path)
    assert {"figures-2/time-line.png", "tables/strategies-2.csv"} <= set(found)
    assert all((tmp_path / link).is_file() for link in found)
    assert (tmp_path / "tables" / "strategies.csv").read_text() == "mine"


def test_report_writes_again_what_is_asked_for(tmp_path: Path) -> None:
    of(3).save(tmp_path)
    whole = content(tmp_path)
    report_again([str(tmp_path), "--report=page"])
    assert links(tmp_path) == []
    assert not (tmp_path / "figures").exists()
    before = content(tmp_path)
    report_again([str(tmp_path), "--report=none"])
    assert content(tmp_path) == before
    report_again([str(tmp_path)])
    names = {name for name in whole if name.startswith(("figures/", "tables/", "report"))}
    assert {name: content(tmp_path)[name] for name in names} == {
        name: whole[name] for name in names
    }
    with pytest.raises(ConfigError, match=r"--report=all: .* give --report=page"):
        report_again([str(tmp_path), "--report=all", f"--output={tmp_path / 'x.html'}"])


@pytest.mark.parametrize("wrong", ["everything", "", None, True])
def test_other_reports_are_refused_before_anything_is_written(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ReportError, match="give 'all', 'page', 'none'"):
        of(1).save(tmp_path / "new", report=wrong)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("command", "schema"), [("run", RunKeys), ("tune", TuneKeys)])
def test_the_key_is_checked(command: str, schema: type) -> None:
    def config(value: str) -> dict:
        given = ["dataset=abrupt", f"report={value}"]
        return checked(split(composed(given, command, schema)[0])[0], schema)

    assert config("page")["report"] == "page"
    with pytest.raises(ConfigError, match=r"report='pages'.*page"):
        config("pages")


# --- what is drawn --------------------------------------------------------------------------------


def test_a_figure_is_drawn_once_a_paper_and_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    papers, layouts = [], []
    execute = ConstrainedLayoutEngine.execute
    monkeypatch.setattr(
        ConstrainedLayoutEngine, "execute", lambda *a: (layouts.append(1), execute(*a))
    )

    def draw(paper: Paper) -> Drawing:
        papers.append(paper)
        return Drawing("so", paper.panel(2.0)[0])

    pictures = html.draw([Exhibit("one", "One", draw)], files=True)
    assert papers == [WIDE, NARROW]
    assert len(layouts) == 2
    assert set(pictures["one"].files) == {"png", "svg"}


def test_a_section_of_ones_own_needs_an_exhibit_only() -> None:
    sheet = Sheet((Column("n"),), (Row("a", "", (Cell("1", 1),)),), "what")
    section = Section("Mine", [Exhibit("mine", "My table", sheet)], finding="Found.")
    report = html.Report.of("page.html", page._context(of(3), of(3).baseline()), [section], True)
    assert report.files()["tables/mine.csv"] == b"what,n\na,1\n"
    text = report.page({"tables/mine.csv": "tables/mi ne.csv"})
    assert 'href="tables/mi%20ne.csv"' in text
    assert "Found." in text


def shown(n: int) -> list[tuple[str, Callable[[Paper], Drawing]]]:
    comparison = of(n)
    found = html.exhibits(page.outline(comparison, comparison.baseline()))
    return [(e.id, e.shows) for e in found if not isinstance(e.shows, Sheet)]


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("n", [1, 3, 12, 40])
def test_no_text_is_cut_and_none_covers_another(n: int, paper: str) -> None:
    with plain_text():
        for name, draw in shown(n):
            assert faults(draw(PAPERS[paper])) == [], name


def test_cut_and_covered_text_is_found() -> None:
    figure = WIDE.blank(2.0)
    for x, text in ((0.5, "one"), (0.5, "two"), (0.99, "long name")):
        figure.text(x, 0.5, text)
    assert faults(Drawing("", figure)) == ["cut: long name", "one covers two"]


def faults(drawing: Drawing) -> list[str]:
    """Texts that reach out of the figure, and pairs of level ones of which one covers the other."""
    drawn, draw = [], Text.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda text, *a, **k: (drawn.append(text), draw(text, *a, **k)))
        drawing.figure.draw_without_rendering()  # it lays out first, and then draws
    paper, found, boxes = drawing.figure.bbox, [], []
    for text in dict.fromkeys(text for text in drawn if text.get_visible() and text.get_text()):
        box = Text.get_window_extent(text)
        if box.x0 < paper.x0 - 1 or box.x1 > paper.x1 + 1 or box.y0 < -1 or box.y1 > paper.y1 + 1:
            found.append(f"cut: {text.get_text()}")
        if text.get_rotation() in (0, 90):
            boxes.append((text.get_text(), box.padded(-1.5)))
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        if a.overlaps(b):
            found.append(f"{one} covers {two}")
    return found


def test_a_list_is_cut_only_where_that_saves_more_than_one() -> None:
    assert listing("abcdef") == "a, b, c, d, e and f"
    assert listing("abcdefg") == "a, b, c, d, e and 2 more"


@pytest.mark.filterwarnings("error::UserWarning")  # that layout has come to nothing
def test_a_drift_of_before_is_not_drawn_beside_what_was_served() -> None:
    runs = [strategy(k) for k in range(3)]
    early = {"drift": ["2019-01-15T00:00:00", "2020-01-15T00:00:00"]}
    runs = [dataclasses.replace(run, info={**run.info, **early}) for run in runs]
    cast = {runs[0].name: "winner"}
    compared = Comparison({run.name: run for run in runs})
    drawn = timeline.over_time(compared, runs[0].name, cast)
    assert drawn is not None
    assert callable(drawn.shows)
    figure = drawn.shows(WIDE).figure
    figure.draw_without_rendering()
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1

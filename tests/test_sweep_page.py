"""The page of a sweep, the files beside it, and the short answer of the terminal."""

import runpy
from pathlib import Path

import pandas as pd
import pytest
from swept import failed, grid, job, saved, sweep
from test_report import faults

from backtrain.cli import main
from backtrain.reports import html
from backtrain.reports.svg import NARROW, WIDE, plain_text
from backtrain.reports.sweep import page as pages
from backtrain.reports.sweep import sheets
from backtrain.reports.sweep.found import IN_SAMPLE, Found
from backtrain.reports.sweep.result import Result
from backtrain.reports.tables import Sheet

Outline = runpy.run_path(str(Path(__file__).with_name("test_html.py")))["Outline"]


def sections(page: str) -> list[str]:
    return [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]


def test_the_answer_comes_first_with_where_it_does_not_hold(tmp_path) -> None:
    text = pages.write(saved(tmp_path, *grid())).read_text()
    body = text[text.index("<body>") :]
    lead = "Advised with prices.retrain=1: monthly (6 of 12 jobs); with 100: keep static"
    second = "In hindsight, on the paths that were replayed, monthly costs least on average over 12"
    places = [body.index(lead), body.index(second)]
    assert "of 2 data sets and 3 seeds: 20\N{NO-BREAK SPACE}% less than static." in body
    places += [body.index("by prices.retrain, it would be static at 100")]
    places += [body.index(what) for what in (IN_SAMPLE[:60], "Who wins where", "<svg role")]
    assert places == sorted(places)
    assert sections(text)[:4] == ["Who wins where", "Two at a time", "All axes", "What matters"]
    assert sections(text)[-1] == "What to keep in mind"
    assert "No interval: fewer than 3 data sets" in body


def test_what_costs_the_same_as_the_baseline_changes_nothing() -> None:
    """Alarms that never fired stand first in the alphabet, and so in the sums."""
    costs = {"static": 100.0, "alarm": 100.0, "weekly": 120.0}
    jobs = [job(i, {"latency.offset": f"{i}D"}, costs) for i in range(3)]
    found = Found(sweep(*jobs))
    assert found.lead == "Keep static: all 3 jobs advise it, none a change."
    before = "In hindsight, on the paths that were replayed, "
    assert found.hindsight == (
        f"{before}nothing costs less than static on average over 3 settings; alarm costs as much."
    )
    assert found.elsewhere() == []
    near = [job(i, {"seed": i}, {"static": 100.0, "a": 99.999, "b": 120.0}) for i in range(2)]
    told = Found(sweep(*near)).hindsight
    assert (
        told == f"{before}a costs least on average over 2 settings of 2 seeds: as much as static."
    )


def test_totals_stand_beside_each_other_where_they_mean_the_same() -> None:
    costs = {0: {"static": 100.0, "weekly": 50.0}, 7: {"static": 110.0, "weekly": 90.0}}
    jobs = [job(day, {"latency.offset": f"{day}D"}, own) for day, own in costs.items()]
    found = Found(sweep(*jobs))
    sheet = sheets.totals(found, "latency.offset")
    assert [column.label for column in sheet.columns] == ["static", "weekly"]
    told = {row.name: [cell.text for cell in row.cells] for row in sheet.rows}
    assert told == {"0D": ["100.00", "50.00"], "7D": ["110.00", "90.00"]}
    others = [
        job(8, {"latency.offset": "7D", "seed": 1}, costs[7]),  # two settings at 7D, one at 0D
        job(8, {"latency.offset": "9D"}, costs[7], currency="EUR"),
        job(8, {"latency.offset": "9D", "dataset": "abrupt"}, costs[7]),
    ]
    for other in others:
        assert not sheets.totals(Found(sweep(*jobs, other)), "latency.offset").rows


def test_the_page_is_well_formed_asks_nothing_and_links_what_lies_beside_it(tmp_path) -> None:
    saved(tmp_path, *grid())
    (tmp_path / "3" / "report.html").write_text("a report")
    page = pages.write(tmp_path)
    outline = Outline(page.read_text())
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    links = [v for _, name, v in outline.attributes if name == "href" and v[0] != "#"]
    assert {"3", "3/report.html"} <= set(links)
    assert "4/report.html" not in links
    for link in links:
        assert (tmp_path / link).exists(), link
    assert not any(name == "src" for _, name, _ in outline.attributes)


def test_every_exhibit_has_its_files(tmp_path) -> None:
    pages.write(saved(tmp_path, *grid()))
    found = Found(sweep(*grid()))
    shown = list(html.exhibits(pages.outline(found)))
    for one in shown:
        endings = ("csv",) if isinstance(one.shows, Sheet) else ("csv", "png", "svg")
        for ending in endings:
            assert (tmp_path / one.folder / f"{one.id}.{ending}").is_file(), one.id
    assert {one.id for one in shown} >= {"strategies", "jobs", "importance", "all-axes"}
    assert pd.read_csv(tmp_path / "figures/all-axes.csv").shape[0] == 12
    pages.save(sweep(*grid()), tmp_path, "page")  # what is not wanted any more is withdrawn
    assert not (tmp_path / "figures").exists()
    assert (tmp_path / "0" / "result.json").is_file()


def test_a_report_that_is_broken_off_leaves_the_old_one(tmp_path, monkeypatch) -> None:
    pages.write(saved(tmp_path, *grid()[:6]))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    saved(tmp_path, *grid())

    def fails(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(html.Report, "page", fails)
        with pytest.raises(KeyboardInterrupt):
            pages.write(tmp_path)
    for path in (tmp_path / "sweep.html", tmp_path / "summary.parquet"):
        assert path.read_bytes() == before[path]
    pages.write(tmp_path)
    assert len(pd.read_parquet(tmp_path / "summary.parquet")) == 36
    again = (tmp_path / "sweep.html").read_bytes()
    assert again != before[tmp_path / "sweep.html"]
    pages.write(tmp_path)
    assert (tmp_path / "sweep.html").read_bytes() == again
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def test_a_file_of_ones_own_stays(tmp_path) -> None:
    saved(tmp_path, *grid()[:6])
    (tmp_path / "sweep.html").write_text("mine")
    with pytest.warns(RuntimeWarning, match="was not written by backtrain and stays"):
        assert pages.write(tmp_path) == tmp_path / "sweep-2.html"
    assert (tmp_path / "sweep.html").read_text() == "mine"


def test_where_no_job_is_done_the_reasons_are_listed(tmp_path) -> None:
    jobs = [failed(n, {"seed": n}, "ValueError: too hot" if n else "no") for n in range(12)]
    text = pages.write(saved(tmp_path, *jobs)).read_text()
    assert "No job has finished: 12 failed." in text
    assert sections(text) == ["What did not finish", "The jobs", "What to keep in mind"]
    assert "1, 2, 3, 4, 5, 6, 7, 8 and 3 more" in text
    assert "11 failed: ValueError: too hot" in str(sweep(*jobs))
    assert len(pd.read_parquet(tmp_path / "summary.parquet")) == 12
    assert "too hot" in sweep(*jobs)._repr_html_()


def test_of_twelve_jobs_two_fail_and_ten_are_shown() -> None:
    jobs = [*grid()[:10], failed(10, {"seed": 7}, "A"), failed(11, {"seed": 8}, "B")]
    text = sweep(*jobs).page()
    assert "Of 12 jobs: 10 done and 2 failed." in text
    assert "over 10 settings of 2 data sets and 3 seeds" in text
    assert text.count("<tr>") > 12


def test_where_a_strategy_is_missing_it_is_said() -> None:
    jobs = [
        job(n, {"strategy": name, "seed": n // 2}, {"static": 9, name: 8 - n % 2})
        for n, name in enumerate(["weekly", "monthly"] * 3)
    ]
    assert "Not every strategy" not in str(sweep(*jobs))
    text = str(sweep(*jobs[:5], failed(5, {"strategy": "monthly", "seed": 2})))
    assert "Not every strategy is in all 3 settings (monthly in 2)" in text


HOSTILE = "<script>alert(1)</script>"


def test_a_source_that_changed_in_between_is_told() -> None:
    costs = {"static": 2.0, "weekly": 1.0}
    streams = ({"name": "my", "fingerprint": f"f{k // 2}"} for k in range(4))
    jobs = [job(k, {"prices.retrain": k}, costs, stream=one) for k, one in enumerate(streams)]
    told = "one source was read with 2 different contents"
    assert told in pages.terminal(sweep(*jobs)).replace("\n  ", " ")
    assert "different contents" not in pages.terminal(sweep(*jobs[:2]))


@pytest.mark.parametrize("key", ["lags", "horizon"])
def test_other_lags_and_horizons_are_no_change_of_the_source(key: str) -> None:
    costs = {"static": 2.0, "weekly": 1.0}
    jobs = []
    for k in range(4):
        config = {"dataset": {"_target_": "my"}, key: {"steps": k}}
        stream = {"name": "my", "fingerprint": f"f{k}"}
        jobs.append(job(k, {key: k}, costs, stream=stream, config=config))
    assert "different contents" not in pages.terminal(sweep(*jobs))


def test_names_and_reasons_are_escaped() -> None:
    jobs = [
        job(n, {HOSTILE: n, "seed": n, "b": f"{HOSTILE}{n}"}, {"static": 9, HOSTILE: 8 + n})
        for n in range(3)
    ]
    found = sweep(*jobs, failed(3, {"seed": 9}, f"{HOSTILE}\x1b[31m"))
    text = found.page()
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "<script>alert" not in found._repr_html_()


def test_money_of_two_currencies_is_not_added() -> None:
    jobs = [
        job(n, {"dataset": d}, {"static": s, "weekly": s / 2}, currency=c)
        for n, (d, s, c) in enumerate((("a", 1e6, "EUR"), ("b", 3.0, "USD")))
    ]
    text = sweep(*jobs).page()
    least = (
        "weekly costs least on average over 2 settings of 2 data sets: 50\N{NO-BREAK SPACE}% less"
    )
    assert f"{least} than static" in text
    assert "several currencies" in text
    assert "1,000,00" not in text  # no total, nor a sum of any


def test_jobs_taken_from_earlier_ones_are_marked() -> None:
    jobs = [
        *grid()[:3],
        job(3, {"seed": 9}, {"static": 1}, taken_from="/old/3", directory=Path("3")),
    ]
    text = sweep(*jobs).page()
    assert "1 job were taken" not in text
    assert "1 job was taken from an earlier, equal one." in text
    assert 'title="taken from /old/3">done, earlier' in text


SWEEPS = {
    "grid": grid(),
    "two axes": [j for j in grid() if j.seed == 0],
    "one": grid()[:1],
    "strategies": [
        job(n, {"strategy": f"every_{n}", "seed": s}, {"static": 9, f"every_{n}": 8 - n + s})
        for s in range(4)
        for n in range(4)
    ],
    "search": [
        job(n, {"strategy": "fixed", "strategy.every": n * 1.5, "strategy.length": n * n % 31},
            {"static": 90, "fixed": 80 + (n - 15) ** 2 / 9})
        for n in range(30)
    ],
    "mixed": [
        job(n, {"x": x, "y": y}, {"static": 9, "weekly": 8 + n % 3})
        for n, (x, y) in enumerate((x, y) for x in (1, "auto", None) for y in (True, ["a", 2]))
    ],
    "idle": [job(n, {"objective": o}, {"static": 9, "a": 8}) for n, o in enumerate(["x", ["y"]])],
    "comparisons": [
        job(n, {"comparison": f"c{n}", "seed": s}, {"static": 9, "a": 8 + s, f"b{n}": 7})
        for s in range(3)
        for n in range(2)
    ],
    "gains": [job(n, {"x": n, "y": n % 3}, {"static": -9, "weekly": -9 - n}) for n in range(9)],
    "long names": [
        job(n, {"a.very.long.key.of.a.part": f"{'a very long value ' * 5}{n}", "y": n % 2, "z": n},
            {"a baseline with a long name": 9, "a strategy with a name that is long": 8 + n})
        for n in range(6)
    ],
    "many": [
        job(n, {"x": n % 40, "y": n // 40}, {f"s{i}": 50 + (i * 7 + n) % 31 for i in range(40)})
        for n in range(80)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_whatever_was_swept_is_drawn_and_no_text_covers_another(name, recwarn) -> None:
    found = Found(sweep(*SWEEPS[name]))
    shown = pages.outline(found)
    for one in html.exhibits(shown):
        if isinstance(one.shows, Sheet):
            cells = {len(row.cells) for row in one.shows.rows}
            assert cells <= {len(one.shows.columns)}, one.id
            continue
        with plain_text():
            for paper in (WIDE, NARROW):
                drawing = one.shows(paper)
                found_out = faults(drawing)
                if one.id == "all-axes":  # its labels stand on paper, above the lines
                    found_out = [fault for fault in found_out if fault.startswith("cut")]
                assert found_out == [], (one.id, paper.wide)
        assert one.alt
        assert len(one.frame())
    assert max(map(len, str(found.sweep).splitlines())) <= 100
    assert found.sweep._repr_html_()
    assert not [w for w in recwarn if "could not be drawn" in str(w.message)]


def test_what_is_drawn_depends_on_what_there_is() -> None:
    def ids(name: str) -> set[str]:
        return {one.id for one in html.exhibits(pages.outline(Found(sweep(*SWEEPS[name]))))}

    assert "map-prices-retrain-dataset" in ids("two axes")
    assert "all-axes" not in ids("two axes")  # two are a map
    assert "map-strategy-every-strategy-length" in ids("search")
    assert ids("idle") == {"strategies", "cost-against-retrains", "jobs"}
    assert "by-comparison" not in ids("comparisons")
    assert ids("one") == {"strategies", "cost-against-retrains", "jobs"}
    assert not {"importance", "cost-against-retrains"} & ids("gains")


def test_lists_end_with_how_many_more_there_are() -> None:
    text = sweep(*SWEEPS["many"] * 4).page()
    assert "And 120 more jobs in summary.parquet." in text


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_report_knows_a_sweep(here, capsys) -> None:
    saved(here / "swept", *grid())
    assert main(["report", "swept"]) == 0
    printed = capsys.readouterr().out
    first, answer = printed.split("\n\n")[:2]
    assert first.endswith("over dataset (2), seed (3) and prices.retrain (2)")
    assert answer.startswith("Advised with prices.retrain=1: monthly (6 of 12 jobs); with 100: ")
    assert printed.splitlines()[-2:] == [
        "sweep   swept/sweep.html",
        "table   swept/summary.parquet",
    ]
    assert (here / "swept" / "figures" / "importance.png").is_file()
    assert main(["report", "swept", "--report=none", "--baseline=monthly"]) == 0
    assert "against monthly" in capsys.readouterr().out
    assert "static" in (here / "swept" / "sweep.html").read_text()


def test_report_of_several_sweeps(here, capsys) -> None:
    saved(here / "a", *grid())
    saved(here / "b", job(0, {"dataset": "taxi"}, {"static": 4, "monthly": 3}))
    assert main(["report", "a", "b"]) == 0
    assert "13 jobs (13 done)" in capsys.readouterr().out
    assert "a/3" in (here / "sweep.html").read_text()
    assert not (here / "a" / "sweep.html").exists()
    assert main(["report", "a", "b", "--output=both/all.html"]) == 0
    assert len(pd.read_parquet(here / "both/summary.parquet")) == 38
    assert 'href="../a/0"' in (here / "both/all.html").read_text()


REFUSED = {
    "--careful=0.1": "--careful=0.1: each job of a sweep was judged when it ran",
    "--budget=5": "run it again with budget=5",
    "--baseline=montly": "did you mean 'monthly'?",
    "--report=all --output=x.html": "name it alone and leave --output out",
    "--output=swept": "swept: the report cannot be written (a directory)",
}


@pytest.mark.parametrize("options", REFUSED)
def test_what_makes_no_sense_is_refused_in_a_line(here, capsys, options) -> None:
    saved(here / "swept", *grid())
    assert main(["report", "swept", *options.split()]) == 2
    printed = capsys.readouterr()
    assert REFUSED[options] in printed.err
    assert len(printed.err.splitlines()) == 1


def test_runs_of_different_histories_stand_side_by_side(here, capsys) -> None:
    fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))
    from backtrain.reports.comparison import Comparison

    for n, fingerprint in enumerate(("f00", "f01")):
        runs = fabricated["drifting_runs"]()
        for run in runs.values():
            run.info["stream"] = {**run.info["stream"], "fingerprint": fingerprint}
        comparison = Comparison(dict(list(runs.items())[:2]))
        comparison.save(here / f"job{n}", report="none")
        Result.of(comparison, number=n, overrides={"dataset": f"d{n}"}).save(here / f"job{n}")
    assert main(["report", "job0", "job1"]) == 0
    printed = capsys.readouterr()
    assert "cannot be compared" in printed.err
    assert "2 jobs (2 done), over dataset (2)" in printed.out
    (here / "job1" / "result.json").unlink()
    assert main(["report", "job0", "job1"]) == 2

"""Objects show themselves: as a line or two, a card, a tidy table, and a figure on any axes."""

import io
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge
from swept import grid, sweep

from backtrain import Backtest, Comparison, Prices, Run, Strategy, Stream, Sweep
from backtrain.audit.findings import Audit
from backtrain.datasets.stream import FaultPeriod
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.curves import IntervalCurve, Oracle, Placebo, Schedules, StalenessCurve
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.tuning import Tuning
from backtrain.reports import figures, html, page, search_page, tuning_page
from backtrain.reports.own_axes import OnAxes, colours
from backtrain.reports.sweep import page as sweep_page
from backtrain.reports.sweep.found import Found
from backtrain.reports.tables import Sheet
from backtrain.reports.verdict import Recommendation
from backtrain.search.result import Search
from backtrain.strategies import Every, Never, PerformanceDrop, Sliding
from backtrain.understood import Understood

ROOT = Path(__file__).parent.parent
fabricated = runpy.run_path(str(Path(__file__).with_name("fabricated.py")))

#: Results without a figure, or without any of the three; and why.
WITHOUT = {
    "Strategy.plot": "when it trains depends on the history: a run shows it",
    "Audit.plot": "what is wrong is said in sentences",
    "Schedules.plot": "numbers of one schedule, or of many that have nothing in common",
    "Understood": "sentences, which are printed",
    "Contrast": "columns of Comparison.table",
    "Costs": "what Comparison.plot('cost') draws",
    "FixedIntervals": "what Comparison.plot('intervals') draws",
    "Followed": "a sentence of the verdict",
    "Pooled": "what Sweep.plot draws",
    "Settings": "columns of Sweep.frame",
    "Advised": "likewise, and the first sentence of the sweep",
    "Decision": "what the verdict of a tuning rests on; its sentence says it",
    "Evidence": "likewise",
    "Judgement": "columns of Tuning.summary",
    "PriceMap": "what Tuning.plot('prices') draws",
    "Fold": "a part of Search.table",
}
#: What each object draws.
KINDS: Mapping[str, tuple[str | None, ...]] = {
    "stream": ("history", "target", "delay"),
    "classes": ("history",),
    "run": ("timeline", "cost"),
    "comparison": ("cost", "timeline", "frontier", "intervals", "prices", "stability", "alarm-1"),
    "verdict": (None,),
    "matrix": ("matrix", "age", "intervals"),
    "oracle": (None,),
    "curve": (None,),
    "stale": (None,),
    "placebo": (None,),
    "tuning": ("intervals", "prices", "rows", "old-rows", "staleness", "oracle"),
    "search": ("front", "promise", "keys", "values", "trials"),
    "sweep": ("retrains", "importance", "all-axes"),
    "ranked": (None,),
    "schedules": (),
    "strategy": (),
    "audit": (),
}
DRAWN = [(name, kind) for name, kinds in KINDS.items() for kind in kinds]
#: Figures of a report whose ids are not the names by which they are asked for.
IDS = ("time-line", "cost-against-loss", "cost-against-interval", "error-against-stability")
#: Figures whose axes say in their ticks what they show.
TICKS = ("oracle", "importance", "all-axes")


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    pytest.importorskip("optuna")
    stream = abrupt(n=700, task="regression")
    wait = np.random.default_rng(0).integers(1, 99, len(stream)).astype("timedelta64[h]")
    stream = stream.with_label_time(stream.event_time + wait)
    told = {"currency": "EUR", "unit": "bikes", "start": 0.3}
    backtest = Backtest(stream, Ridge(), prices=Prices(retrain=5), **told)
    alarm = PerformanceDrop("MAE", window=12, min_labels=5, drop="20%")
    strategies = {
        "static": Strategy(Never(), Sliding("9D")),
        "weekly": Strategy(Every("7D"), Sliding("9D")),
        "3 days": Strategy(Every("3D"), Sliding("9D")),
        "alarm": Strategy(alarm, Sliding("9D")),
    }
    compared, matrix = backtest.compare(strategies), backtest.loss_matrix(Sliding("9D"))
    space = {"every": ["2D", "8D"], "length": ["4D", "9D"]}
    return {
        "stream": stream,
        "classes": abrupt(n=600),
        "run": compared.runs["weekly"],
        "comparison": compared,
        "verdict": compared.verdict(),
        "matrix": matrix,
        "oracle": matrix.oracle(),
        "curve": matrix.interval_curve(),
        "stale": matrix.staleness_curve(),
        "placebo": matrix.placebo(3),
        "tuning": backtest.tune(Sliding("10D")),
        "search": backtest.search(
            lambda every, length: Strategy(Every(every), Sliding(length)), space
        ),
        "sweep": sweep(*grid()),
        "ranked": sweep(*grid()).ranked(),
        "schedules": matrix.every(3),
        "strategy": strategies["weekly"],
        "audit": backtest.audit(strategies["weekly"], instants=[0.5], data=False),
    }


@pytest.fixture
def axes() -> Iterator[Axes]:
    yield Figure(figsize=(6, 4)).subplots()
    pyplot.close("all")


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), DRAWN)
def test_every_figure_is_drawn_on_axes_of_the_users_and_saved_as_he_likes(
    shown: dict[str, Any], name: str, kind: str | None
) -> None:
    with pyplot.style.context(["dark_background", {"font.size": 7.0, "axes.titlesize": 8.0}]):
        figure = Figure(figsize=(5, 3), dpi=50)
        _, given = figure.subplots(1, 2)
        asked = {} if kind is None else {"kind": kind}
        drawn = shown[name].plot(ax=given, **asked)
        assert drawn is given
        every = [one for one in figure.axes if one is not figure.axes[0]]
        assert any(one.get_title(where) for one in every for where in ("left", "center"))
        assert any(one.get_xlabel() or one.get_ylabel() for one in every) or kind in TICKS
        assert to_hex(given.get_facecolor()) == "#000000"
        for ending, begins in (("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")):
            figure.savefig(file := io.BytesIO(), format=ending)
            assert file.getvalue().startswith(begins)


def test_the_list_above_holds_every_figure_of_the_reports(shown: dict[str, Any]) -> None:
    made = {
        "comparison": page.outline(shown["comparison"], "static"),
        "tuning": tuning_page.outline(shown["tuning"]),
        "search": search_page.outline(shown["search"]),
        "sweep": sweep_page.outline(Found(shown["sweep"])),
    }
    for name, sections in made.items():
        drawn = [one for one in html.exhibits(sections) if not isinstance(one.shows, Sheet)]
        assert drawn
        for figure in drawn:
            if not [kind for kind in KINDS[name] if kind and kind in figure.id]:
                assert figure.id in IDS or figure.id.startswith("map-"), figure.id
                shown[name].plot(figure.id, ax=Figure().subplots())


def test_without_axes_a_new_figure_is_made_in_the_size_of_a_style(shown: dict[str, Any]) -> None:
    assert tuple(shown["oracle"].plot().figure.get_size_inches()) == (9.2, 3.0)
    with pyplot.style.context({"figure.figsize": (4.0, 3.0)}):
        assert tuple(shown["run"].plot().figure.get_size_inches()) == (4.0, 3.0)
    pyplot.close("all")


def test_plots_of_a_figure_share_the_place_of_the_axes(shown: dict[str, Any]) -> None:
    figure = Figure(figsize=(8, 4))
    left, right = figure.subplots(1, 2)
    by_hand = figure.add_axes((0.1, 0.1, 0.2, 0.2))
    before = [one.get_position().extents for one in (left, by_hand)]
    for axes, box in zip((left, by_hand), before, strict=True):
        shown["run"].plot(ax=axes)
        inner = figure.axes[-1].get_position().extents
        assert axes.get_position().extents[3] == pytest.approx(box[3])
        assert inner[1] == pytest.approx(box[1])
        assert inner[3] < axes.get_position().extents[1]
    assert not right.lines


def test_a_style_decides_about_colours_and_letters(shown: dict[str, Any], axes: Axes) -> None:
    own = {"axes.prop_cycle": mpl.cycler(color=["#aa0000", "#00aa00"]), "text.color": "#0000ee"}
    with pyplot.style.context({**own, "font.size": 20.0}):
        shown["comparison"].plot("frontier", ax=axes)
        assert OnAxes(axes).size(10) == 20
    lines = {to_hex(line.get_markeredgecolor()) for line in axes.lines if line.get_marker() == "o"}
    assert {"#aa0000", "#00aa00"} <= lines  # the strategy to run, and the baseline
    assert max(t.get_fontsize() for t in axes.texts) == 18
    assert "#0000ee" in {to_hex(text.get_color()) for text in axes.texts}
    roles = colours(None)
    assert (roles["winner"], roles["ink"], roles["paper"]) == ("#1f77b4", "#000000", "#ffffff")


def test_a_page_looks_alike_whatever_style_is_set(shown: dict[str, Any]) -> None:
    figure = figures.tradeoff(shown["comparison"], "static")
    plain = html.draw([figure], files=True)
    with pyplot.style.context(["dark_background", {"font.size": 20}]):
        assert html.draw([figure], files=True) == plain


def test_a_title_of_the_users_stays_and_names_are_no_formulas(axes: Axes) -> None:
    runs = fabricated["drifting_runs"]()
    renamed = {f"${name}$": run for name, run in list(runs.items())[:3]}
    axes.set_title("mine")
    Comparison(renamed).plot("timeline", ax=axes)
    assert axes.get_title() == "mine"
    axes.figure.savefig(file := io.BytesIO(), format="svg")
    assert axes.get_legend().get_texts()[0].get_text().startswith("$")
    assert file.getvalue()


def test_an_unknown_figure_is_refused_with_those_that_there_are(shown: dict[str, Any]) -> None:
    listed = "cost, timeline, frontier, intervals, prices, .*did you mean 'cost'"
    with pytest.raises(ValueError, match=f"kind='costs': no such figure; there are {listed}"):
        shown["comparison"].plot("costs")
    with pytest.raises(ValueError, match="plot\\(ax=ax\\)"):
        shown["run"].plot(Figure().subplots())
    with pytest.raises(ValueError, match="nothing to draw: kind='delay'"):
        shown["classes"].plot("delay")
    alone = Comparison({"weekly": shown["run"]})
    with pytest.raises(ValueError, match="nothing to draw: kind='intervals'"):
        alone.plot("intervals")
    with pytest.raises(ValueError, match="nothing to draw: nothing was compared"):
        Recommendation("keep", "a", "a", np.nan, sentence="nothing was compared with it").plot()


def test_the_target_is_drawn_by_day(axes: Axes) -> None:
    """Twelve days of an hourly target that is the number of its day, on average."""
    hours = np.arange("2024-01-01T00", "2024-01-13T00", dtype="datetime64[h]")
    y = np.repeat(np.arange(12.0), 24) + np.tile([0.25, -0.25], 144)
    fault = FaultPeriod("holes", pd.Timestamp("2024-01-03"), pd.Timestamp("2024-01-04"))
    late = hours + np.timedelta64(36, "h")
    stream = Stream(y[:, None], y, hours, late, faults=(fault,), drift=(hours[100],))
    stream.plot("target", ax=axes)
    mean = next(line for line in axes.lines if line.get_label() == "mean")
    np.testing.assert_allclose(mean.get_ydata(), np.arange(12.0), atol=1e-12)
    noon = pd.Timestamp("2024-01-01T11:30") - pd.Timestamp(0)
    assert mean.get_xdata()[0] == noon / pd.Timedelta("1D")
    assert len(axes.patches) == 1  # while it had the fault
    assert axes.get_ylabel() == "y, by day"
    stream.plot("delay", ax=(below := Figure().subplots()))
    assert below.get_ylabel() == "label delay (days)"
    assert {*below.lines[0].get_ydata()} == {1.5}


def test_classes_are_shares_of_rows(axes: Axes) -> None:
    """Of four rows a day one is a yes on even days, two on odd ones."""
    hours = np.arange("2024-01-01T00", "2024-01-09T00", 6, dtype="datetime64[h]")
    y = np.array([["yes", "no", "no", "no"], ["yes", "yes", "no", "no"]] * 4).ravel()
    stream = Stream(np.zeros((len(y), 1)), y, hours, target="churned")
    stream.plot("target", ax=axes)
    (line,) = axes.lines
    assert line.get_label() == "churned = yes"
    np.testing.assert_allclose(line.get_ydata(), [0.25, 0.5] * 4)
    assert axes.get_ylabel() == "share of rows, by day"
    assert axes.yaxis.get_major_formatter()(0.125, None) == "12.5 %"


def test_costs_add_up_to_the_total(shown: dict[str, Any], axes: Axes) -> None:
    compared = shown["comparison"]
    compared.plot("cost", ax=axes)
    ends = {line.get_ydata()[-1] for line in axes.lines if len(line.get_ydata()) > 2}
    totals = sorted(float(run.totals["total"]) for run in compared.runs.values())
    np.testing.assert_allclose(sorted(ends), totals)


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_object_has_a_tidy_table(shown: dict[str, Any], name: str) -> None:
    frame = shown[name].to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.is_unique
    assert all(isinstance(one, str) for one in frame.columns)
    assert isinstance(frame.index, pd.RangeIndex) or frame.index.is_unique
    assert frame.index.names == [None]


def test_a_run_as_a_table_adds_up(shown: dict[str, Any]) -> None:
    run, frame = shown["run"], shown["run"].to_frame()
    assert (next(iter(frame)), len(frame)) == ("strategy", len(run.steps))
    assert frame["cost"].sum() == pytest.approx(run.totals["total"])
    assert frame["paid"].iloc[-1] == pytest.approx(run.totals["total"])
    mean = (frame["mean_loss"] * frame["scored"]).sum() / frame["scored"].sum()
    assert mean == pytest.approx(run.totals["loss"] / frame["scored"].sum())


def test_a_matrix_as_a_table() -> None:
    """Two models, at 0 and 20 ns; the second one serves from 25 on."""
    day = 86_400_000_000_000
    at = np.array([0, 20]) * day
    matrix = LossMatrix(
        at, np.array([0, 25]) * day, np.array([0, 20, 25, 30]) * day,
        np.array([[4.0, 0.0, 6.0], [0.0, 0.0, 3.0]]), np.array([2.0, 0.0, 3.0]),
        np.array([5, 9]), np.zeros(2), np.zeros(2, dtype=bool), "Sliding('9D')",
    )  # fmt: skip
    frame = matrix.to_frame()
    assert frame["mean_loss"].tolist() == [2.0, 2.0, 1.0]
    assert (frame["age"] / pd.Timedelta("1D")).tolist() == [0, 25, 5]
    assert frame["rows"].tolist() == [2.0, 3.0, 3.0]
    assert repr(matrix).splitlines()[0] == (
        "LossMatrix of 2 models, 1970-01-01 to 1970-01-31, Sliding('9D')"
    )
    assert "mean loss a row: 1.400 of the freshest model" in repr(matrix)
    found = matrix.oracle(Prices(retrain=0.5))
    assert found.to_frame()["decided_at"].tolist() == [pd.Timestamp("1970-01-21")]
    assert repr(found) == "Oracle: 1 training, 7.50, 1970-01-01 to 1970-01-31"


def test_a_verdict_as_a_table(shown: dict[str, Any]) -> None:
    frame = shown["verdict"].to_frame()
    assert frame["expected"].is_monotonic_increasing
    assert frame.set_index("strategy")["role"]["static"] == "baseline"
    run = frame[frame["role"] == "run this"]
    assert run["saves"].iloc[0] > 0
    assert run["strategy"].tolist() == [shown["verdict"].strategy]


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_object_says_what_it_is_in_a_line_or_two(shown: dict[str, Any], name: str) -> None:
    for one in (shown[name], *_inside(shown[name])):
        text = repr(one)
        assert len(text.splitlines()) <= 2, text
        assert len(text) < 600, text
        assert not [word for word in ("array(", "dtype", "000000000") if word in text], text


def _inside(of: Any) -> Iterator[Any]:
    """Results that are fields of results."""
    for spec in fields(of) if is_dataclass(of) else ():
        value = getattr(of, spec.name)
        for one in value if isinstance(value, tuple) else (value,):
            if is_dataclass(one) and type(one).__module__.startswith("backtrain."):
                yield one


HOSTILE = "<script>alert('x')</script>"


@pytest.mark.parametrize("name", KINDS)
def test_every_card_is_plain_and_escaped(shown: dict[str, Any], name: str) -> None:
    card = shown[name]._repr_html_()
    assert 0 < len(card) < 30_000
    for word in ("<script", "http:", "https:", "color:", "background"):
        assert word not in card


def test_names_of_others_are_escaped_in_cards(shown: dict[str, Any]) -> None:
    hours = np.arange("2024-01-01T00", "2024-01-01T04", dtype="datetime64[h]")
    stream = Stream(
        np.ones((4, 1)), np.array([0, 1, 1, 0]), hours, columns=(HOSTILE,), name=HOSTILE
    )
    run = Run(HOSTILE, shown["run"].info, shown["run"].totals, shown["run"].tables)
    verdict = Recommendation("keep", HOSTILE, HOSTILE, 0.0, expected={HOSTILE: 1.0})
    for one in (stream, run, verdict):
        assert "<script" not in one._repr_html_()
        assert "&lt;script" in one._repr_html_()


# --- all of them ----------------------------------------------------------------------------------


def test_every_public_result_shows_itself_or_says_why_not() -> None:
    asked = (Backtest, Comparison, LossMatrix, Tuning, Search, Sweep)
    known = {
        one.__name__: one for one in (Run, Stream, Strategy, Audit, Oracle, Placebo, Schedules)
    }
    known |= {
        one.__name__: one for one in (IntervalCurve, StalenessCurve, Recommendation, *asked[1:])
    }
    found, names = dict(known), {**known, "Axes": Axes, "Understood": Understood}
    for owner in asked:
        for method in vars(owner).values():
            function = getattr(method, "fget", None) or getattr(method, "func", None) or method
            if not callable(function) or getattr(function, "__name__", "_").startswith("_"):
                continue
            returned = get_type_hints(function, localns=names).get("return")
            for one in (returned, *get_args(returned)):
                if is_dataclass(one) and str(getattr(one, "__module__", "")).startswith(
                    "backtrain"
                ):
                    found[one.__name__] = one
    assert len(found) > len(known)
    for name, one in found.items():
        for method in ("to_frame", "plot", "_repr_html_"):
            has = callable(getattr(one, method, None))
            listed = name in WITHOUT or f"{name}.{method}" in WITHOUT
            assert has or listed, f"{name} has no {method}, and is not on the list"
            assert not (has and f"{name}.{method}" in WITHOUT), f"{name}.{method} is there"


def test_the_page_about_drawing_runs() -> None:
    pytest.importorskip("optuna")
    drawn = runpy.run_path(str(ROOT / "docs/drawing.py"))
    for name, figure in drawn["pictures"](drawn["PAGE"].read_text(encoding="utf-8")).items():
        assert (drawn["PAGE"].parent / name).is_file(), f"{name}: run `{drawn['COMMAND']}`"
        assert figure.axes
    pyplot.close("all")

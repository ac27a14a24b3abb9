"""The price map: drawn where there is something to see, and said in a sentence."""

import dataclasses
from collections.abc import Callable

import pytest
from matplotlib.colors import to_rgb
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.at_prices import PriceMap
from backtrain.lossmatrix.decide import Evidence, Option
from backtrain.reports import price_map
from backtrain.reports.own_axes import OnAxes
from backtrain.reports.svg import COLOURS, NARROW, WIDE, Paper, inline, plain_text
from backtrain.strategies import BeatsChampion, ErrorDrift, Every, Never, Sliding

INFO = {"currency": "EUR"}


def of(*lines, price=1.0, floor=0.0):
    """The map of options of (loss, retrains); the first one is the baseline."""
    options = [
        Option(f"option {k}", loss + price * n, n, errors=loss) for k, (loss, n) in enumerate(lines)
    ]
    prices = PriceMap.of(Evidence(options, "option 0", price, floor))
    return prices, list(prices.names)


THREE = of((10, 0), (6, 1), (5, 3))


def test_the_sentence_walks_up_the_price_by_hand():
    assert price_map.sentence(*THREE, "EUR") == (
        "By the price of a retrain, now 1 EUR, it would be: option 2 up to 0.5, option 1 up to 4 "
        "and option 0 above that."
    )


def test_a_single_winner_is_a_sentence_and_no_figure():
    prices, names = of((10, 0), (11, 3))
    assert price_map.exhibit(prices, names, {}, INFO) is None
    assert price_map.sentence(prices, names).startswith("option 0 is expected to cost least at ev")


def test_of_many_stretches_those_round_the_present_price_are_told():
    many = [(200.0 * 0.7**k, 2**k) for k in range(12)]
    told = price_map.sentence(*of(*many, price=1.0))
    assert told.count("up to") <= 7
    assert "option 5 up to" in told


@pytest.mark.parametrize("paper", [WIDE, NARROW])
@pytest.mark.parametrize("letters", [8, 60])
def test_each_region_has_its_name_or_a_number_that_is_explained(paper: Paper, letters):
    prices, names = of(*((200.0 * 0.7**k, 2**k) for k in range(8)))
    names = [f"s{k} {'x' * (letters - 3)}" for k in range(len(names))]
    exhibit = price_map.exhibit(prices, names, {0: "baseline", 3: "winner"}, INFO)
    assert exhibit is not None
    drawing = exhibit.shows(paper)  # type: ignore[operator]
    axes = drawing.figure.axes[0]
    assert axes.get_xlabel() == "price of one retrain (EUR)"
    drawing.figure.draw_without_rendering()
    room = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(room.x0 <= box.x0 and box.x1 <= room.x1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    shown = [text.get_text() for text in axes.texts]
    for place in prices.chosen:
        name = names[place]
        numbers = [
            text for text in shown if text.isdigit() and f" {text} {name}" in drawing.caption
        ]
        assert numbers or any(text.startswith(name[:3]) for text in shown), name
    assert len(drawing.titles) == len(prices.chosen)


def legend(prices, names, roles, paper: Paper = WIDE) -> list[str]:
    exhibit = price_map.exhibit(prices, names, roles, INFO)
    assert exhibit is not None
    (axes,) = exhibit.shows(paper).figure.axes  # type: ignore[operator]
    shown = axes.get_legend()
    return [] if shown is None else [text.get_text() for text in shown.get_texts()]


@pytest.mark.parametrize("fresh", [lambda: WIDE, lambda: NARROW, OnAxes])
def test_the_next_one_has_a_colour_lines_and_a_line_in_the_legend(fresh: Callable[[], Paper]):
    """Options in the order in which they train the less; greys are for all that have no role."""
    prices, names = of(*((200.0 * 0.7**k, 2**k) for k in range(6)))
    roles = {0: "baseline", 2: "winner", 3: "runner"}
    told = legend(prices, names, roles, fresh())
    assert [text.split(":")[0] for text in told] == ["advised", "next", "baseline"]
    assert [text.endswith(f"option {k}") for text, k in zip(told, (2, 3, 0), strict=True)]
    exhibit = price_map.exhibit(prices, names, roles, INFO)
    assert exhibit is not None
    paper = fresh()
    (axes,) = exhibit.shows(paper).figure.axes  # type: ignore[operator]
    areas = {area.get_gid(): area for area in axes.collections if area.get_gid()}
    colours = {gid: tuple(area.get_facecolor()[0][:3]) for gid, area in areas.items()}
    assert colours["region-3"] == to_rgb(paper["runner"])
    assert colours["region-1"] == to_rgb(paper["ink"])
    (lined,) = [area for area in axes.collections if area.get_hatch()]
    assert tuple(lined.get_edgecolor()[0][:3]) == to_rgb(paper["runner"])
    assert legend(prices, names, {}, fresh()) == []


def test_the_colours_of_lines_follow_the_page():
    """In a page every colour is a variable, in dark another one; a literal one would stay."""
    prices, names = of(*((200.0 * 0.7**k, 2**k) for k in range(6)))
    exhibit = price_map.exhibit(prices, names, {0: "baseline", 2: "winner", 3: "runner"}, INFO)
    assert exhibit is not None
    with plain_text():
        text = inline(exhibit.shows(WIDE).svg("prices"))  # type: ignore[operator]
    assert "var(--runner)" in text
    assert not [value for value in COLOURS.values() if value in text]


def test_the_data_are_the_borders():
    exhibit = price_map.exhibit(*THREE, {}, INFO)
    assert exhibit is not None
    frame = exhibit.frame()
    row = frame[frame["runs"] == "option 1"].loc[1.0]
    assert (row["retrain_from"], row["retrain_to"]) == (0.5, 4.0)


def ends(section, name):
    """Between which prices of a retrain the map names a strategy, an error as now."""
    (frame,) = (exhibit.frame() for exhibit in section.exhibits)
    here = frame.loc[frame.index == 1.0].set_index("runs")
    return tuple(here.loc[name, ["retrain_from", "retrain_to"]])


def test_what_runs_now_and_what_is_too_dear_count_in_the_map():
    stream = abrupt(n=2_000, task="regression", seed=1)
    backtest = Backtest(stream, Ridge(), tick="1D", start=0.2, prices=Prices(retrain=5.0))
    plans = {"static": Never(), **{f"every_{n}D": Every(f"{n}D") for n in (3, 7, 14, 30)}}
    found = backtest.compare({n: Strategy(t, Sliding("20D")) for n, t in plans.items()})
    running = dataclasses.replace(found, running="every_14D")
    verdict = running.verdict()
    section = price_map.section(running, "every_14D")
    assert ends(section, verdict.strategy) == pytest.approx(verdict.prices)
    assert ends(section, verdict.strategy) != pytest.approx(
        ends(price_map.section(found, "every_14D"), verdict.strategy)
    )
    poor = dataclasses.replace(found, budget=25.0)
    left_out = set(poor.verdict().left_out)
    assert left_out
    assert left_out.isdisjoint(poor.followed().walk.chosen)
    shown = price_map.section(poor, "static")
    assert not any(name in shown.finding for name in left_out)


def test_schedules_alarms_and_gates_are_on_one_map():
    stream = abrupt(n=1_500, task="regression", seed=1)
    backtest = Backtest(stream, Ridge(), tick="1D", start=0.2, prices=Prices(retrain=5.0))
    window = Sliding("20D")
    found = backtest.compare(
        {
            "static": Strategy(Never(), window),
            "weekly": Strategy(Every("7D"), window),
            "alarm": Strategy(ErrorDrift(), window),
            "gate": Strategy(Every("3D"), window, gate=BeatsChampion()),
        },
        hindsight=True,
    )
    section = price_map.section(found, "static")
    assert section is not None
    assert section.finding
    verdict = found.verdict("static")
    assert ends(section, verdict.strategy) == pytest.approx(verdict.prices)
    (axes,) = section.exhibits[0].shows(WIDE).figure.axes
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told[0].endswith(verdict.strategy)
    drawn = section.exhibits[0].frame()["runs"].unique()  # the next one may be nowhere the least
    assert any(text.startswith("next") for text in told) == (verdict.runner_up in drawn)
    alone = backtest.compare({"static": Strategy(Never(), window)})
    assert price_map.section(alone, "static") is None


def test_on_own_axes_no_number_stands_that_nothing_explains():
    prices, names = of(*((200.0 * 0.7**k, 2**k) for k in range(8)))
    exhibit = price_map.exhibit(prices, [f"{name}, a long name" for name in names], {}, INFO)
    assert exhibit is not None
    drawn = [text.get_text() for text in exhibit.shows(OnAxes()).figure.axes[0].texts]
    assert not [text for text in drawn if text.isdigit()]
    assert [text for text in drawn if text.endswith("a long name")]

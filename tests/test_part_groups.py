"""Groups of rows: who may see them when, and the worst of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Comparison, FutureLeak, PartError, Run, Strategy, Stream
from backtrain.reports.sections import by_group
from backtrain.strategies import (
    AnyOf,
    BeatsChampion,
    Every,
    Expanding,
    Never,
    PerformanceDrop,
    Recorded,
    Sliding,
)

PARTS = [
    PerformanceDrop("MAE", below=50, group="worst"),
    PerformanceDrop("accuracy", window=500, drop="10%", versions="all", group="worst"),
]
NONSENSE = [
    (lambda: PerformanceDrop("MAE", below=1, group="north"), "group='north'.: give 'worst'"),
    (lambda: PerformanceDrop("MAE", test=0.05, group="worst"), "give below= or drop= instead"),
]
REGRESSION = {
    "worst group, floor": Strategy(
        PerformanceDrop("MAE", window=5, min_labels=3, below=1.5, group="worst"), Sliding(20)
    ),
    "worst group, drop": Strategy(
        PerformanceDrop("MAE", window=6, min_labels=1, drop="50%", group="worst"), Expanding()
    ),
    "worst group, all versions": Strategy(
        AnyOf(
            PerformanceDrop(
                "RMSE", window=6, min_labels=2, drop=0.5, versions="all", group="worst"
            ),
            Every("1D"),
        ),
        Sliding(25),
        gate=BeatsChampion(0.2, min_rows=1),
    ),
}
CLASSIFICATION = {
    "worst group": Strategy(
        PerformanceDrop("accuracy", window=6, min_labels=2, below=0.6, group="worst"), Sliding(20)
    )
}

MIDNIGHT = pd.Timestamp("2024-01-01")


def hour(h: float) -> pd.Timestamp:
    return MIDNIGHT + pd.Timedelta(hours=h)


def stream(groups: str = "aabbaabbaabb", label: list[int] | None = None) -> Stream:
    """One row an hour with the label 0, row i at hour i; labels known at once."""
    n = len(groups)
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    y = np.zeros(n)
    y[0] = 1.0  # a stream needs two different labels
    at = None if label is None else np.array([hour(h).to_datetime64() for h in label])
    return Stream(np.zeros((n, 1)), y, times, at, group=np.array(list(groups)))


@dataclass(frozen=True)
class Look:
    """Never fires; keeps what `see` says at one tick."""

    see: Callable
    tick: int
    said: list = field(default_factory=list)

    def monitor(self):
        return self

    def fires(self, view):
        if view.now == hour(self.tick):
            self.said.append(self.see(view))


def seen(see, tick=8, history=None):
    """What ``see(view)`` says at the tick of an hour."""
    look = Look(see, tick)
    history = stream() if history is None else history
    backtest = Backtest(history, DummyRegressor(), tick="1h", start=hour(4))
    backtest.replay(Strategy(look, Expanding()))
    return look.said[0]


# --- who may see them ---------------------------------------------------------------------------


def test_groups_of_past_rows_are_known_with_their_features() -> None:
    assert seen(lambda view: list(view.group(slice(2, 8)))) == list("bbaabb")
    assert seen(lambda view: list(view.group(np.array([0, 7])))) == ["a", "b"]


def test_the_group_of_a_row_that_has_not_happened_is_a_leak() -> None:
    with pytest.raises(FutureLeak, match="groups of row 8 asked at 2024-01-01 08:00"):
        seen(lambda view: view.group(slice(2, 9)))


def test_groups_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        seen(lambda view: view.group(slice(2, 8)).__setitem__(0, "z"))


def test_arrived_labels_bring_their_groups_in_the_order_of_arrival() -> None:
    late = stream(label=[0, 1, 2, 3, 7, 5, 6, 9, 8, 9, 10, 11])
    assert seen(lambda view: list(view.arrived().group), history=late) == ["a", "b", "a"]


def test_a_stream_without_groups_says_how_to_name_them() -> None:
    bare = Stream(np.zeros((12, 1)), stream().y, stream().event_time)
    with pytest.raises(PartError, match=r"has no groups; name its column: group='...'"):
        seen(lambda view: view.group(slice(0, 2)), history=bare)


# --- the worst of them --------------------------------------------------------------------------


def labelled(groups: str, y: list[float]) -> Stream:
    """One row an hour; labels known at once."""
    times = pd.date_range(MIDNIGHT, periods=len(y), freq="h").to_numpy()
    return Stream(np.zeros((len(y), 1)), np.array(y, float), times, group=np.array(list(groups)))


def alarm(trigger: PerformanceDrop, history: Stream, start: float = 4) -> tuple[float, str] | None:
    """Hour and reason of the first alarm; the model always answers 0, so errors are labels."""
    model = DummyRegressor(strategy="constant", constant=0.0)
    backtest = Backtest(history, model, tick="1h", start=hour(start))
    run = backtest.replay(Strategy(trigger, Expanding(), budget=1))
    fired = run.events[run.events["kind"] == "trained"]
    if fired.empty:
        return None
    at = (fired["at"].iloc[0] - MIDNIGHT) / pd.Timedelta("1h")
    return at, fired["reason"].iloc[0]


def test_the_worst_group_is_held_against_the_floor() -> None:
    history = labelled("aabbaabbaabb", [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 3])
    same: dict[str, Any] = {"window": 4, "min_labels": 2, "below": 1.0}
    # At 8 group b has the errors 0 and 3. Together: (0 + 0 + 0 + 3) / 4 there, and from 11 on
    # (3 + 0 + 0 + 3) / 4.
    worst = PerformanceDrop("MAE", **same, group="worst")
    together = PerformanceDrop("MAE", **same)
    assert alarm(worst, history) == (8, "group 'b': MAE 1.5 is worse than the floor 1")
    assert alarm(together, history) == (11, "MAE 1.5 is worse than the floor 1")


def test_a_group_with_fewer_labels_is_not_heard() -> None:
    history = labelled("aabbaaabaabb", [0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 9, 0])
    # Group b has one label at 8 and the second one, of row 10, at 11.
    worst = PerformanceDrop("MAE", window=4, min_labels=2, below=1, group="worst")
    assert alarm(worst, history) == (11, "group 'b': MAE 9 is worse than the floor 1")


def test_the_window_is_that_of_each_group() -> None:
    history = labelled("aaaa" + "b" + "aaaaaa" + "b" + "a", [0] * 4 + [9] + [0] * 6 + [1] + [0])
    # The newest two of b are rows 4 and 11, however many of a lie between them.
    worst = PerformanceDrop("MAE", window=2, min_labels=2, below=4, group="worst")
    assert alarm(worst, history) == (12, "group 'b': MAE 5 is worse than the floor 4")


def test_of_several_the_one_furthest_beyond_is_named() -> None:
    history = labelled("abababababab", [0, 0, 0, 0, 3, 5, 3, 5, 0, 0, 0, 0])
    worst = PerformanceDrop("MAE", window=2, min_labels=2, below=1, group="worst")
    # At 7 only a has two labels; with window=1 both have one at 6.
    assert alarm(worst, history) == (7, "group 'a': MAE 3 is worse than the floor 1")
    newest = PerformanceDrop("MAE", window=1, min_labels=1, below=4, group="worst")
    assert alarm(newest, history) == (6, "group 'b': MAE 5 is worse than the floor 4")
    late = replace_label_time(history, 8)
    assert alarm(worst, late) == (8, "group 'b': MAE 5 is worse than the floor 1")


def replace_label_time(history: Stream, to: float) -> Stream:
    """Labels of rows 4 to 7 arrive at one instant."""
    at = history.event_time.copy()
    at[4:8] = hour(to).to_datetime64()
    return history.with_label_time(at)


def test_a_drop_is_that_against_the_group_itself() -> None:
    # Twenty rows to learn from; the newest four are the reference: a errs by 1, b by 4.
    # Then a errs by 1 and 2, b by 4 and 4.
    history = labelled("ab" * 10 + "aabba", [0] * 16 + [1, 4, 1, 4] + [1, 2, 4, 4] + [0])
    same: dict[str, Any] = {"window": 4, "min_labels": 2, "drop": "20%"}
    worst = PerformanceDrop("MAE", **same, group="worst")
    together = PerformanceDrop("MAE", **same)
    said = "group 'a': MAE 1.5 is worse than the reference 1 by 20%: 1.2"
    assert alarm(worst, history, start=20) == (22, said)
    # Together: 1.5, 2.33 and 2.75 against 2.5 * 1.2 = 3.
    assert alarm(together, history, start=20) is None


def test_a_group_that_the_reference_hardly_holds_is_not_compared() -> None:
    history = labelled("a" * 19 + "b" + "bbbbb", [0] * 16 + [1, 1, 1, 1] + [9] * 4 + [0])
    same: dict[str, Any] = {"window": 4, "drop": "20%", "group": "worst"}
    assert alarm(PerformanceDrop("MAE", **same, min_labels=2), history, 20) is None
    one = alarm(PerformanceDrop("MAE", **same, min_labels=1), history, 20)
    assert one == (21, "group 'b': MAE 9 is worse than the reference 1 by 20%: 1.2")


def test_a_metric_that_is_better_when_greater() -> None:
    # R2 of b, whose labels are 1 and 3, answered 0: 1 - 5 / 1 = -4; of a: 1 - 0.5 / 0.25 = -1.
    history = labelled("aabbaabbaabb", [0, 1, 0, 1, 0, 1, 1, 3, 0, 0, 0, 0])
    worst = PerformanceDrop("R2", window=2, min_labels=2, below=-2, group="worst")
    assert alarm(worst, history) == (8, "group 'b': R2 -4 is worse than the floor -2")


def test_groups_are_needed() -> None:
    bare = Stream(np.zeros((12, 1)), stream().y, stream().event_time)
    with pytest.raises(PartError, match="has no groups"):
        alarm(PerformanceDrop("MAE", below=1, group="worst"), bare)


# --- in the record and in the report ------------------------------------------------------------


def recorded(groups: list[str], errors: list[float], weight: list[float] | None = None) -> Run:
    """A run that erred by so much in each of the served rows, 4 and on."""
    n = 4 + len(errors)
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    y = np.append([0, 1, 0, 1], errors).astype(float)
    w = None if weight is None else np.append(np.ones(4), weight)
    known = np.where(np.isnan(y), np.datetime64("NaT", "ns"), times)
    history = Stream(
        np.zeros((n, 1)), y, times, known, weight=w, group=np.array(["x"] * 4 + groups)
    )
    backtest = Backtest(history, DummyRegressor(), start=hour(4), metrics=["MAE", "RMSE"])
    return backtest.replay(Strategy(Recorded(np.zeros(len(errors)), []), Expanding()))


def test_totals_tell_groups_apart() -> None:
    run = recorded(["b", "a", "b", "b", "a", "c"], [1, 2, 3, np.nan, 4, np.nan])
    entries = run.totals["groups"]
    # The most rows first; b and a: errors 1, 3 and 2, 4.
    assert [entry["group"] for entry in entries] == ["b", "a", "c"]
    assert [entry["rows"] for entry in entries] == [3, 2, 1]
    assert [entry["scored"] for entry in entries] == [2, 2, 0]
    assert [entry["loss"] for entry in entries] == [4, 6, 0]
    assert entries[0]["metrics"] == {"MAE": 2, "RMSE": pytest.approx(5**0.5)}
    assert entries[1]["metrics"] == {"MAE": 3, "RMSE": pytest.approx(10**0.5)}
    assert np.isnan(entries[2]["metrics"]["MAE"])


def test_totals_of_groups_are_weighted() -> None:
    entries = recorded(["a", "a", "b"], [1, 3, 5], weight=[3, 1, 2]).totals["groups"]
    assert [entry["loss"] for entry in entries] == [6, 10]
    assert [entry["weight"] for entry in entries] == [4, 2]
    assert entries[0]["metrics"]["MAE"] == 1.5


def test_only_the_largest_groups_are_told_apart() -> None:
    groups = [f"g{i % 130}" for i in range(131 + 30)]
    entries = recorded(groups, [1.0] * 161).totals["groups"]
    assert len(entries) == 100
    # g0 to g30 have two rows each, the others one.
    assert [entry["group"] for entry in entries[:32]] == [f"g{i}" for i in range(32)]
    assert [entry["rows"] for entry in entries[30:32]] == [2, 1]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from([0.0, 1.5, 4.0, np.nan])),
        min_size=2,
        max_size=40,
    )
)
def test_groups_add_up_to_the_whole(rows: list[tuple[str, float]]) -> None:
    totals = recorded([group for group, _ in rows], [error for _, error in rows]).totals
    for key in ("rows", "scored", "loss"):
        assert sum(entry[key] for entry in totals["groups"]) == pytest.approx(totals[key])


def test_a_stream_without_groups_has_none_in_its_totals() -> None:
    bare = Stream(np.zeros((12, 1)), stream().y, stream().event_time)
    backtest = Backtest(bare, DummyRegressor(), start=hour(4))
    assert backtest.replay(Strategy(Never(), Expanding())).totals["groups"] == []
    assert by_group(backtest.compare({"a": Strategy(Never(), Expanding())}), "a") is None


def test_the_report_shows_the_worst_and_the_largest_groups(tmp_path: Path) -> None:
    groups = [*"aab" * 60, "tiny"]
    n = len(groups)
    times = pd.date_range(MIDNIGHT, periods=n, freq="h").to_numpy()
    y = np.where(np.array(groups) == "b", 2.0, 1.0)
    y[0] = 0.0
    y[-1] = 100.0
    history = Stream(np.zeros((n, 1)), y, times, group=np.array(groups))
    backtest = Backtest(history, DummyRegressor(strategy="constant", constant=0.0), start=hour(24))
    comparison = backtest.compare({"static": Strategy(Never(), Expanding())})
    table = by_group(comparison, "static")
    assert table is not None
    assert [column.label for column in table.columns] == [
        "worst group",
        "its mean loss",
        "a",
        "b",
        "tiny",
    ]
    # The single row of `tiny` is the worst of all, and no group to speak of.
    assert [cell.text for cell in table.rows[0].cells] == ["b", "2.000", "1.000", "2.000", "100.0"]
    page = comparison.to_html(tmp_path / "report.html").read_text()
    assert "Group by group" in page
    comparison.save(tmp_path / "all")
    assert by_group(Comparison.load(tmp_path / "all"), "static") == table

"""`Backtest.audit` and ``backtrain audit``: what they give, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from gallery import parts as gallery
from gallery.member import backtest, stream
from gallery.parts import Reaches

from backtrain import SetupError, Strategy, Stream
from backtrain.audit.data import data_findings
from backtrain.audit.poison import KINDS, poisoned
from backtrain.cli import main
from backtrain.strategies import Every, Never, Sliding
from backtrain.testing import history

WEEKLY = Strategy(Every("7D"), Sliding("14D"))
LEAKY = Strategy(Reaches("features"), Sliding("10D"))


def test_what_passes_says_what_was_looked_at() -> None:
    audit = backtest().audit(WEEKLY, name="weekly")
    assert audit.passed
    assert audit.findings.empty
    assert repr(audit) == "<audit of 'weekly': passed>"
    assert len(audit.checked) == 7
    assert "what was looked at" in audit._repr_html_()
    with pytest.raises(TypeError, match=r"ask for audit\.passed"):
        bool(audit)


def test_a_finding_names_part_instant_table_and_row() -> None:
    audit = backtest().audit(LEAKY, data=False)
    assert not audit.passed
    [row] = audit.findings.to_dict("records")
    assert row["check"] == "sees the future"
    assert row["part"] == "trigger Reaches('features')" or row["part"].startswith("trigger Reaches")
    assert row["table"] in ("events", "versions", "rows", "deployments", "charges")
    start, end = stream().span
    assert start < row["at"] < end
    assert "(features" in row["says"]
    assert row["says"].endswith("ask the view, which hands out what is known")
    page = audit._repr_html_()
    assert "trigger Reaches" in page
    assert "<script" not in page


def test_names_cannot_bring_markup_along() -> None:
    page = backtest().audit(WEEKLY, name="<script>")._repr_html_()
    assert "<script>" not in page


def test_only_what_is_spoilt_is_blamed() -> None:
    for look in ("features", "rows"):
        says = backtest().audit(Strategy(Reaches(look), Sliding("10D")), data=False).found[0].says
        assert look in says


@pytest.mark.parametrize("instant", [0, 1.0, -0.5, "2023-01-01", "2030-01-01"])
def test_instants_lie_in_the_span(instant: Any) -> None:
    with pytest.raises(SetupError, match="instants: "):
        backtest().audit(WEEKLY, instants=[instant])


def test_instants_may_be_dates() -> None:
    found = backtest().audit(LEAKY, instants=["2024-01-20", pd.Timestamp("2024-01-25")]).found
    assert [finding.check for finding in found] == ["sees the future"]


def test_progress_goes_from_0_to_1() -> None:
    from backtrain.audit.examine import audit

    seen: list[float] = []
    audit(backtest(), WEEKLY, progress=seen.append)
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 0.5 < seen[-1] <= 1


# --- the poison -----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("manner", ["high", "low", "wild"])
@pytest.mark.parametrize("kinds", [KINDS, *((kind,) for kind in KINDS)])
def test_what_is_known_stays_and_the_rest_does_not(task: str, manner: Any, kinds: Any) -> None:
    data, rng = history(np.random.default_rng(1), 120, task), np.random.default_rng(2)
    at = data.event_time[70]
    classes = np.array([0, 1]) if task == "classification" else None
    other = poisoned(data, at, rng, kinds, manner, classes, rows=0.8)
    first = data.rows(at).start
    known = (data.event_time < at) & (data.label_time <= at)
    before = slice(0, first)
    np.testing.assert_array_equal(other.X[before], data.X[before])
    np.testing.assert_array_equal(other.event_time[before], data.event_time[before])
    np.testing.assert_array_equal(other.label_time[before][known[before]], data.label_time[known])
    np.testing.assert_array_equal(other.y[before][known[before]], data.y[known])
    late = other.label_time[before][~known[before]]
    assert (np.isnat(late) | (late > at)).all()
    assert other.fingerprint != data.fingerprint
    assert np.isfinite(other.X).all()
    assert (len(other) == len(data)) == ("rows" not in kinds)


# --- on the command line --------------------------------------------------------------------------

SMALL = [
    "dataset=abrupt",
    "dataset.n=500",
    "dataset.task=regression",
    "model=linear",
    "comparison=one",
    "n_jobs=1",
    "progress=false",
    "cache=false",
]


def test_the_command_writes_nothing_and_says_what_passed(
    capsys: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["audit", *SMALL, "strategy=every_7d"]) == 0
    said = capsys.readouterr().out
    assert "audit of 'every_7d': passed" in said
    assert "nothing found" in said
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_1_where_something_is_found(
    capsys: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    trigger = ["strategy=parts", "trigger=custom", "trigger._target_=gallery.parts.Tosses"]
    assert main(["audit", *SMALL, *trigger]) == 1
    said = capsys.readouterr().out
    assert "is not repeatable: trigger Tosses()" in said
    assert "1 finding;" in said


def test_a_slip_ends_with_2(capsys: Any) -> None:
    assert main(["audit", *SMALL, "strategy=weeky"]) == 2
    assert "strategy=weeky: no such choice" in capsys.readouterr().err
    assert main(["audit", "--help"]) == 0
    assert "exit code" in capsys.readouterr().out


def test_what_only_shows_a_config_audits_nothing(capsys: Any) -> None:
    assert main(["audit", *SMALL, "strategy=monthly", "--cfg", "job"]) == 0
    said = capsys.readouterr().out
    assert "audit of" not in said
    assert "strategy:\n" in said


@dataclass(frozen=True)
class Nothing:
    """Holds what many parts hold."""

    days: tuple[str, ...] = ("2024-01-01",)
    share: float = 0.25

    def monitor(self) -> Any:
        return Never()


def test_plain_parameters_are_no_holdings() -> None:
    assert backtest().audit(Strategy(Nothing(), Sliding("10D"))).passed
    assert gallery.Seeded() == gallery.Seeded()


@dataclass(frozen=True)
class Above:
    """Holds a limit, and never fires."""

    limit: float

    def fires(self, view):
        return self.limit < -1e9


def test_a_limit_that_is_an_extreme_of_all_labels_is_found_where_that_is_yet_to_come() -> None:
    labels, first = stream().y, backtest().served.start
    assert np.argmin(labels) > first > np.argmax(labels)
    found = backtest().audit(Strategy(Above(labels.min()), Sliding("10D")), data=False).findings
    assert list(found["check"]) == ["holds the history"]
    for known in (labels.max(), labels[:first].min()):
        assert backtest().audit(Strategy(Above(known), Sliding("10D")), data=False).passed


def test_a_category_that_no_label_is_known_of_is_no_mistake() -> None:
    rows = 200
    label = np.where(np.arange(rows) < rows - 5, np.arange(rows) % 3, np.nan)
    frame = pd.DataFrame({
        "at": pd.date_range("2024-01-01", periods=rows, freq="h"),
        "size": np.arange(rows) % 7 + 0.5,
        "kind": np.where(np.arange(rows) < rows - 5, "a", "z"),
        "y": label,
    })  # fmt: skip
    seen = Stream.from_frame(frame, time="at", target="y")
    assert not [one for one in data_findings(seen) if "kind" in one.part]

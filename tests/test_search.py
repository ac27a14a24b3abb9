"""`search` finds what is cheapest, by rows before `until` alone, and judges it on later ones."""

import os
import re
import signal
import sys
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.linear_model import Ridge
from test_tuning import HOSTILE, Outline

from backtrain import Backtest, Prices, SetupError, Strategy
from backtrain.cli import main
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.synthetic import recurring
from backtrain.reports.numbers import significant
from backtrain.reports.search_found import _promise
from backtrain.search import trials
from backtrain.search.proposals import BATCH, front
from backtrain.search.result import Search
from backtrain.search.space import Range, Space, SpaceError, read
from backtrain.strategies import Every, Expanding, Never, PerformanceDrop, Sliding

optuna = pytest.importorskip("optuna", reason="pip install 'backtrain[search]'")

#: The threshold at 0.2 retrains at every change; below it noise fires, above it changes pass.
THRESHOLDS = [round(0.1 * k, 1) for k in range(1, 16)]
STATIC = Strategy(Never(), Expanding())
COSTS = (*trials.MONEY, *trials.COUNTS, "initial", "loss")


def setting(**changes: Any) -> Backtest:
    stream = changes.pop("stream", recurring(n=1_500, task="regression"))
    given: dict[str, Any] = {"prices": Prices(retrain=10), "tick": "6h"}
    return Backtest(stream, Ridge(), **given | changes)


def watched(below: float, length: str = "4D") -> Strategy:
    trigger = PerformanceDrop("MAE", below=below, window=50, min_labels=20, drop=None)
    return Strategy(trigger, Sliding(length))


def scheduled(every: str, length: str = "8D") -> Strategy:
    return Strategy(Every(every), Sliding(length))


def total_of(run: Any) -> float:
    return float(run.totals["total"])


# --- what may be searched -------------------------------------------------------------------------

VALUES = {
    "0.5..0.9 step 0.1": [0.5, 0.6, 0.7, 0.8, 0.9],
    "1..5": [1, 2, 3, 4, 5],
    "10..30 step 7": [10, 17, 24],
    "12h..2D step 12h": ["12h", "24h", "36h", "48h"],
    "1MS..3MS": ["1MS", "2MS", "3MS"],
    "20%..40% step 10%": ["20%", "30%", "40%"],
    "7D..21D step 7D": ["7D", "14D", "21D"],
}


@pytest.mark.parametrize("text", VALUES)
def test_a_range_is_its_values(text: str) -> None:
    axis = read("key", text)
    assert [axis.value(one) for one in axis.numbers() or []] == VALUES[text]
    assert axis.ends == (VALUES[text][0], VALUES[text][-1])


def test_a_range_may_be_even_in_the_logarithm_and_floats_are_short() -> None:
    assert read("key", "0.001..1 log") == Range(0.001, 1.0, log=True)
    assert read("key", "7D..365D log") == Range(7, 365, 1, True, "D")
    assert read("key", "0.6..0.9").value(0.612345678) == 0.6123
    assert Space.of({"a.b": [1, 2], "c.b": [1, 2], "d": [1, 2]}).names == {
        "a.b": "a.b", "c.b": "c.b", "d": "d"
    }  # fmt: skip


WRONG_SPACES = {
    "0.9..0.6": "search.key='0.9..0.6': must end above its beginning",
    "0..9 log": "search.key='0..9 log': a range on a log scale begins above 0",
    "1..9 step 2 log": "search.key='1..9 step 2 log': give a step or log, not both",
    "1..2 step 5": "search.key='1..2 step 5': the step must fit between the two ends",
    "7X..9X": "search.key='7X': not a time offset; did you mean '7D'?",
    "7D..2MS": "search.key='7D..2MS': give one unit, or several of s, min, h, D",
    "1.5D..9D": "search.key='1.5D..9D': give whole numbers of D",
    "7D": "search.key='7D': give a range, as 0.6..0.9",
}


@pytest.mark.parametrize("text", WRONG_SPACES)
def test_what_is_no_range_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        read("key", text)
    assert str(caught.value).startswith(WRONG_SPACES[text])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("choices", [[], ["7D"], ["7D", "7D"]])
def test_choices_are_several_and_distinct(choices: list[str]) -> None:
    with pytest.raises(SpaceError, match="give two choices or more, all distinct"):
        read("key", choices)


def test_the_front_is_what_nothing_beats() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 6, (40, 3)).tolist()
    for own, on in zip(points, front(points), strict=True):
        beaten = any(np.all(np.less_equal(p, own)) and p != own for p in points)
        assert on is not beaten


# --- what is chosen -------------------------------------------------------------------------------


def brute_force(backtest: Backtest, until: pd.Timestamp) -> dict[float, float]:
    """The total of every threshold on the rows before an instant, each replayed by itself."""
    early = replace(backtest, end=until - pd.Timedelta(1, "ns"))
    runs = early.compare({str(b): watched(b) for b in THRESHOLDS}, hindsight=False).runs
    return {b: total_of(runs[str(b)]) for b in THRESHOLDS}


def test_the_cheapest_threshold_is_found() -> None:
    backtest = setting()
    found = backtest.search(watched, {"below": THRESHOLDS})
    fold = found.folds[0]
    known = brute_force(backtest, fold.until)
    cheapest = min(known, key=known.__getitem__)
    assert THRESHOLDS[0] < cheapest < THRESHOLDS[-1]  # else any extreme would do
    assert found.params == {"below": cheapest}
    assert fold.trials["total"].to_numpy() == pytest.approx(list(known.values()))
    assert found.info["sampler"] == "grid"
    assert found.strategy == replace(watched(cheapest), tuned_until=fold.until)


def test_a_sampler_finds_what_no_grid_of_fifteen_beats() -> None:
    backtest = setting()
    found = backtest.search(watched, {"below": "0.1..1.5"}, trials=40)
    least = min(brute_force(backtest, found.folds[0].until).values())
    assert found.info["sampler"] == "tpe"
    assert found.folds[0].trials["total"].min() <= least + 1e-9


def late(stream: Any) -> Any:
    return apply(stream, Fixed("30h"))


def spoilt(stream: Any, until: pd.Timestamp) -> Any:
    """The history with all changed that is not known at an instant."""
    X, y = stream.X.copy(), stream.y.copy()
    X[stream.event_time >= until.to_datetime64()] *= -3
    y[stream.label_time > until.to_datetime64()] += 100
    return replace(stream, X=X, y=y)


def test_nothing_is_chosen_by_what_was_not_known_then() -> None:
    stream = late(recurring(n=1_500, task="regression"))
    space = {"every": ["1D", "3D", "9D", "27D"]}
    found = setting(stream=stream).search(scheduled, space)
    fold = found.folds[0]
    other = setting(stream=spoilt(stream, fold.until)).search(scheduled, space, until=fold.until)
    costs = [*COSTS, "scored", "chosen"]
    pd.testing.assert_frame_equal(fold.trials[costs], other.folds[0].trials[costs])
    # What it is judged on has been spoilt indeed, and so have labels of rows before.
    assert (fold.judged["total"] != other.folds[0].judged["total"]).all()
    assert (fold.trials["scored"] < fold.trials["rows"]).all()
    early = replace(setting(stream=stream), end=fold.until - pd.Timedelta(1, "ns"))
    every = early.replay(scheduled("1D"))
    assert total_of(every) > fold.trials["total"]["every 1D"]  # with the labels still on their way


def test_what_is_judged_is_what_a_run_on_the_later_rows_pays() -> None:
    backtest = setting()
    found = backtest.search(scheduled, {"every": ["1D", "3D", "9D"]})
    fold = found.folds[0]
    later = replace(backtest, start=fold.until)
    for name, row in fold.judged.iterrows():
        run = later.replay(STATIC if name == "static" else scheduled(str(name).split()[-1]))
        assert row["total"] == pytest.approx(total_of(run))
        assert row["retrains"] == run.totals["retrains"]
    assert found.cost == pytest.approx(fold.judged["total"][found.chosen])
    assert found.saved == pytest.approx(fold.judged["total"]["static"] - found.cost)
    promised = 1 - fold.trials["total"][found.chosen] / fold.against["total"]["static"]
    assert found.promised == pytest.approx(promised * fold.judged["total"]["static"])


def test_walking_forward_sums_up_what_each_choice_paid() -> None:
    backtest = setting(prices=Prices(retrain=30))
    found = backtest.search(scheduled, {"every": ["1D", "2D", "9D", "27D"]}, until=0.3, folds=4)
    assert len(found.folds) == 4
    assert [fold.end for fold in found.folds[:-1]] == [fold.until for fold in found.folds[1:]]
    total, before = 0.0, ""
    stretches: list[list[Any]] = []
    for fold in found.folds:
        if fold.chosen == before:
            stretches[-1][2] = fold.end
        else:
            stretches.append([fold.chosen, fold.until, fold.end])
        before = fold.chosen
    assert len(stretches) > 1  # the choice changes in this history, and changing costs
    for place, (name, first, end) in enumerate(stretches):
        last = end if end == found.folds[-1].end else end - pd.Timedelta(1, "ns")
        run = replace(backtest, start=first, end=last).replay(scheduled(name.split()[-1]))
        total += total_of(run) + (run.totals["initial"] if place else 0)
    assert found.cost == pytest.approx(total)
    static = replace(backtest, start=found.folds[0].until).replay(STATIC)
    assert found.saved == pytest.approx(total_of(static) - total)


def test_several_objectives_have_a_front_whose_cheapest_is_chosen() -> None:
    found = setting().search(
        scheduled, {"every": "1D..20D", "length": "2D..20D"}, ["error", "retrains"], trials=30
    )
    fold = found.folds[0]
    goals = fold.trials[["error", "retrains"]].to_numpy().tolist()
    assert fold.trials["front"].tolist() == front(goals)
    assert fold.front["total"].idxmin() == fold.chosen
    assert set(fold.front.index) | {"static"} == set(fold.judged.index)
    assert set(found.importances) == {"error", "retrains"}
    for shares in found.importances.values():
        assert sum(shares.values()) == pytest.approx(1)


def test_what_was_made_small_is_shown_with_the_trials() -> None:
    space = {"every": ["2D", "5D"]}
    found = setting().search(scheduled, space, ["error", "changed_total"])
    judged = found.folds[0].judged.sort_values("total", kind="stable")
    shown = [significant(value) for value in judged["changed_total"]]
    header, *rows = str(found).splitlines()[: len(judged) + 1]
    assert " changed total  total before" in header
    assert all(f" {value} " in row for value, row in zip(shown, rows, strict=True))
    assert "changed total" in found._repr_html_()
    assert "changed total" not in str(setting().search(scheduled, space, "error"))


# --- each once, and the same again ----------------------------------------------------------------


class Count:
    """Counts replays, and stops at one as a kill would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop: float = np.inf) -> None:
        self.replays, self.stop, self._replay = 0, stop, trials.replay
        monkeypatch.setattr(trials, "replay", self)

    def __call__(self, *given: Any) -> Any:
        if self.replays == self.stop:
            raise KeyboardInterrupt
        self.replays += 1
        return self._replay(*given)


SPACE = {"every": "1D..12D", "length": ["4D", "9D"]}


def test_equal_parameters_are_replayed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Count(monkeypatch)
    found = setting().search(scheduled, SPACE, trials=23)
    tried = len(found.folds[0].trials)
    assert tried < 23
    # Each trial once, the baseline on both stretches, and the ten that are judged.
    assert count.replays == tried + 2 + 10


def same(one: Search, other: Search) -> None:
    for a, b in zip(one.folds, other.folds, strict=True):
        pd.testing.assert_frame_equal(a.trials, b.trials)
        pd.testing.assert_frame_equal(a.judged, b.judged)
    assert one.importances == other.importances
    assert str(one) == str(other)


def test_a_seed_gives_the_same_search_for_any_number_of_processes() -> None:
    first = setting().search(scheduled, SPACE, trials=20, folds=2)
    same(first, setting().search(scheduled, SPACE, trials=20, folds=2, n_jobs=2))
    other = setting(seed=1).search(scheduled, SPACE, trials=20, folds=2)
    assert list(other.folds[0].trials.index) != list(first.folds[0].trials.index)


def test_a_search_that_was_stopped_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = BATCH + 3
    with monkeypatch.context() as patch:
        Count(patch, stopped)
        with pytest.raises(KeyboardInterrupt):
            setting(cache=tmp_path).search(scheduled, SPACE, trials=20)
    count = Count(monkeypatch)
    found = setting(cache=tmp_path).search(scheduled, SPACE, trials=20)
    rest = count.replays
    count.replays = 0
    same(found, setting().search(scheduled, SPACE, trials=20))
    assert rest == count.replays - stopped
    count.replays = 0
    same(found, setting(cache=tmp_path).search(scheduled, SPACE, trials=20))
    assert count.replays == 0


CHANGES: dict[str, dict[str, Any]] = {
    "a cell": {"stream": recurring(n=1_500, task="regression", seed=1)},
    "a price": {"prices": Prices(retrain=11)},
    "a tick": {"tick": "7h"},
    "a seed": {"seed": 3},
    "a loss": {"loss": "squared"},
    "the metrics": {"metrics": ["RMSE"]},
}


@pytest.mark.parametrize("what", CHANGES)
def test_another_question_has_other_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    given: dict[str, Any] = {"space": {"every": ["1D", "9D"]}, "strategy_of": scheduled}
    setting(cache=tmp_path).search(**given)
    count = Count(monkeypatch)
    setting(cache=tmp_path, **CHANGES[what]).search(**given)
    assert count.replays == 2 + 2 + 2


def unversioned(every: str) -> Strategy:
    return Strategy(lambda view: False, Sliding(every))


def test_code_without_a_version_is_not_kept_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        count = Count(monkeypatch)
        setting(cache=tmp_path).search(unversioned, {"every": ["2D", "9D"]})
        assert count.replays >= 2 + 2


# --- what cannot be -------------------------------------------------------------------------------


def test_a_trial_that_fails_is_told_and_the_others_stand() -> None:
    found = setting().search(scheduled, {"every": ["1D", "soon"]})
    failed = found.folds[0].trials.loc["every soon"]
    assert "Every(every='soon'): not a time offset" in failed["why"]
    assert np.isnan(failed["total"])
    assert found.params == {"every": "1D"}
    assert "1 failed, the first: " in found.findings()["trials"]
    with pytest.raises(SetupError, match="every trial failed, the first: "):
        setting().search(scheduled, {"every": ["soon", "later"]})


REFUSED: dict[str, dict[str, Any]] = {
    "objective='cost': give total, error": {"objective": "cost"},
    "objective=.*: give one or several, all distinct": {"objective": ["total", "total"]},
    "trials=0: give a whole number from 1 on": {"trials": 0},
    "folds=400: too many": {"folds": 400},
    "until=1.5: a share of the served span": {"until": 1.5},
    "until='2010-01-01': must lie in the served span": {"until": "2010-01-01"},
    "sampler='grid': there are 45 combinations and trials=9": {"sampler": "grid", "trials": 9},
    "sampler='best': give auto": {"sampler": "best"},
    "baseline='weekly': not among static": {"baseline": "weekly"},
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_be_searched_is_refused(says: str) -> None:
    with pytest.raises(SetupError, match=says):
        setting().search(scheduled, {"every": "1D..45D"}, **REFUSED[says])


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> Search:
    return setting().search(scheduled, SPACE, ["error", "retrains"], trials=20, folds=2)


def test_the_page_stands_alone_and_says_what_was_found(found: Search, tmp_path: Path) -> None:
    page = found.to_html(tmp_path / "s.html").read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.open == []
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert "default-src 'none'" in page
    for sentence in found.findings().values():
        assert sentence.replace("'", "&#39;") in page
    assert "out of sample: from" in page
    assert "Out of sample" in str(found)
    assert page == found.to_html(tmp_path / "again.html").read_text(encoding="utf-8")


def test_every_string_is_escaped(tmp_path: Path) -> None:
    others = {HOSTILE: Strategy(Never(), Sliding("9D"))}
    page = setting().search(scheduled, {"every": ["1D", "9D"]}, against=others)
    assert HOSTILE not in page.to_html(tmp_path / "s.html").read_text(encoding="utf-8")
    assert HOSTILE not in page._repr_html_()


# --- the command line -----------------------------------------------------------------------------

DATA = ["dataset=recurring", "dataset.n=1500", "dataset.task=regression", "model=linear"]
QUICK = [*DATA, "tick=6h", "prices.retrain=10", "prices.error=1", "cache=cache", "progress=false"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


def test_what_was_chosen_is_a_preset_that_pays_what_was_said(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes = ["search.trigger.every=[1D,3D,9D]", "search.strategy.window.length=4D..8D step 2D"]
    assert main(["search", *QUICK, *axes, "hydra.run.dir=out", "report=page"]) == 0
    printed = capsys.readouterr().out
    assert "9 distinct strategies tried, all combinations." in printed
    assert "parts as given" in printed
    table = pd.read_csv("out/trials.csv", index_col="strategy")
    chosen = table[table["chosen"]].iloc[0]
    preset = yaml.safe_load(Path("out/strategy/searched.yaml").read_text())
    assert preset["trigger"]["every"] == chosen["trigger.every"]
    assert preset["window"]["length"] == chosen["window.length"]
    assert sorted(os.listdir("out")) == [
        *(".hydra", "search.html", "search.json", "strategy", "trials.csv")
    ]
    line = printed.split("was not chosen on:\n")[1].split("report  ")[0].replace("\\\n", "")
    again = line.split()[1:]
    assert main([*again, "comparison=static", "hydra.run.dir=run", "report=none"]) == 0
    ran = pd.read_csv("run/summary.csv", index_col="strategy")
    assert ran["total"]["searched"] == pytest.approx(chosen["unseen_total"])
    assert not ran["remarks"].astype(str).str.contains("in-sample").any()


def test_an_engine_does_the_trials_and_finds_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["search", *QUICK, "search.trigger.every=[1D,3D,9D]", "report=page"]
    assert main([*line, "hydra.run.dir=alone"]) == 0
    replay, where = trials.replay, set()

    def seen(*given: Any) -> Any:
        where.add(threading.current_thread() is threading.main_thread())
        return replay(*given)

    monkeypatch.setattr(trials, "replay", seen)
    other = ["cache=other", "engine=threads", "n_jobs=2"]
    assert main([*line, "hydra.run.dir=many", *other]) == 0
    assert False in where
    assert Path("many/trials.csv").read_bytes() == Path("alone/trials.csv").read_bytes()


WRONG_LINES = {
    "search": "search: nothing to search over; give a range, as 0.6..0.9",
    "search search.trigger.every=7D": "search.trigger.every='7D': give a range",
    "search search.trigger.evry=[1D,2D]": "trigger.evry: Every has no such key; did you mean",
    "search search.window.length=[7D,8X]": "search.window.length=7D, 8X: Sliding(length='8X'): not",
    "search search.trials=9": "search.trials: not a key of the strategy; set trials=",
    "search search.seed=0..9": "search.seed: not a key of the strategy; set seed=",
    "search search.model.alpha=0.1..9": "search.model.alpha: not a key of the strategy; there are",
    "search search.trigger.every=[1D,2D] objective=[error,cost]": "objective='cost': give total",
    "search search.trigger.every=[1D,2D] sampler=best": "sampler='best': must be 'auto' or",
    "search search.trigger.every=[1D,2D] until=2": "until=2: a share of the served span",
    "search search.trigger.every=[1D,2D] until=0.01 latency=fixed latency.offset=30D": (
        "until=0.01: no labels of the rows before"
    ),
    "search search.trigger.every=[1D,2D] until=0.001 dataset=abrupt": "too few to choose by",
    "search strategy=[monthly,champion] search.window.length=[1D,2D]": "searches one strategy",
    "search strategy=every_* search.window.length=[1D,2D]": "searches one strategy",
    "search search.trigger.every=[1D,2D] grid.window.length=[1D,2D]": "searches one strategy",
    "search search.trigger.every=[1D,2D] experiment=how_often": "experiment: a key of `backtrain r",
    "search search.trigger.every=[1D,2D] callbacks=[json_lines]": "callbacks: a key of `backtrain",
    "search search.window=[sliding,expanding]": "search.window: a whole part; give a key of it",
    "search search=5": "search=5: give ranges by key, as in search.trigger.every=1D..60D",
    "search search.trigger.every=1D,2D": "stands in brackets: 'search.trigger.every=[1D,2D]'",
}


@pytest.mark.parametrize("line", WRONG_LINES)
def test_bad_input_says_what_is_wrong_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    assert main([*line.split(), "cache=false"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert WRONG_LINES[line] in printed.err
    assert len(printed.err.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_in_a_log_a_search_says_how_far_it_is_in_lines(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [word for word in QUICK if not word.startswith("progress")]
    axes = ["search.trigger.every=1D..3D", "trials=9"]  # of nine proposals three are distinct
    assert main(["search", *line, *axes, "sampler=random", "report=none", "n_jobs=1"]) == 0
    told = capsys.readouterr().err
    assert "\r" not in told
    assert "%|" not in told
    lines = [" ".join(line.split()[:-2]) for line in told.splitlines()]
    assert lines[0] == "9 of 9 trials"
    assert len(lines) == 2
    assert re.fullmatch(r"(\d) of \1 strategies on later rows", lines[1])


@dataclass(frozen=True)
class Deadly:
    """Ends every process but its first in the middle of a replay."""

    every: str
    home: int = field(default_factory=os.getpid)

    def fires(self, view: Any) -> str | None:
        if self.every == "2D" and os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        return None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_trial_whose_process_dies_has_failed_and_the_others_go_on() -> None:
    found = setting().search(
        lambda every: Strategy(Deadly(every), Sliding("8D")),
        {"every": ["1D", "2D", "3D"]},
        n_jobs=2,
    )
    why = found.folds[0].trials["why"]
    assert ["SIGKILL" in one for one in why] == [False, True, False]


@pytest.mark.parametrize("several", [[], ["-m"]])
def test_a_search_is_not_reported_as_runs_that_failed(
    here: Path, capsys: pytest.CaptureFixture[str], several: list[str]
) -> None:
    where = "hydra.sweep.dir=out" if several else "hydra.run.dir=out"
    axes = ["search.trigger.every=[1D,3D]", "report=none", where]
    assert main(["search", *several, *QUICK, *axes]) == 0
    assert main(["report", "out"]) == 2
    assert "of `backtrain search`, which writes its own page" in capsys.readouterr().err
    assert not Path("out/sweep.html").exists()


@pytest.mark.parametrize(
    ("promised", "paid", "says"),
    [
        (20.0, 70.0, "saved 20 % of the cost of static, which would be 20.00 here; it kept 30 %"),
        (20.0, 110.0, "which would be 20.00 here; it lost 10 %: 30.0 points less than promised"),
        (-3.0, 97.0, "it cost 3 % more than static; on the later ones it saved 3 %."),
        (-3.0, 104.0, "it cost 3 % more than static; on the later ones it cost 4 % more, too."),
    ],
)
def test_nothing_is_saved_by_less_than_nothing(promised: float, paid: float, says: str) -> None:
    over = pd.DataFrame({"total": [100.0, paid]}, index=["static", "best"])
    fold = SimpleNamespace(judged=over, chosen="best")
    found: Any = SimpleNamespace(
        folds=[fold], baseline="static", promised=promised, cost=paid, over=over, info={}
    )
    assert says in _promise(found)

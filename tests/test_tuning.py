"""What `tune` measures and says: interval costs, recommendation, prices, page, command line."""

import dataclasses
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from backtrain import Backtest, Delays, PartError, Prices, SetupError, Strategy, View
from backtrain.cli import main
from backtrain.config.compose import composed, split
from backtrain.config.keys import TuneKeys
from backtrain.config.study import checked
from backtrain.datasets.latency import LogNormal, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.lossmatrix.at_prices import PriceMap
from backtrain.lossmatrix.intervals import label, ladder, usual_thinning
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.tune import NEVER_ON_ALL
from backtrain.lossmatrix.tuning import Fresh, Tuning, judge
from backtrain.reports import tuning_page
from backtrain.simulator.manifest import RecordWarning
from backtrain.strategies import Decay, Every, Expanding, Never, PartialFit, Sliding

PRICES = Prices(retrain=3, per_1k_rows=2, release=1, error=0.5)
HOSTILE = "<script>alert(1)</script>"


def setting(**changes: object) -> Backtest:
    stream = apply(abrupt(n=1_500, task="regression"), LogNormal("5h"))
    model = changes.pop("model", Ridge())
    return Backtest(stream, model, **{"tick": "6h", "prices": PRICES, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tuning() -> Tuning:
    return setting(delays=Delays(train="9h")).tune(Sliding("10D"))


# --- costs by period ------------------------------------------------------------------------------


def by_hand(delay: int = 0) -> LossMatrix:
    """Three ticks of 10 ns; candidate k loses 4 - k a segment; a training costs 3, a release 1."""
    at = np.array([0, 10, 20])
    in_force = at + np.array([0, delay, delay])
    inner = np.unique(np.concatenate((at, in_force[in_force <= 29])))
    serves = inner >= in_force[:, None]
    loss = np.where(serves, 4.0 - np.arange(3)[:, None], 0.0)
    return LossMatrix(
        at, in_force, np.append(inner, 30), loss, np.ones(len(inner)), np.zeros(3, dtype=int),
        np.zeros(3), np.zeros(3, dtype=bool), prices=Prices(retrain=3, release=1, error=1),
    )  # fmt: skip


def test_costs_stand_in_the_period_where_they_fall_due() -> None:
    matrix = by_hand()
    wanted = np.array([[False, True, True], [False, False, True], [False, False, False]])
    assert matrix.period_costs(wanted).tolist() == [[4, 3 + 4, 2 + 4], [4, 4, 2 + 4], [4, 4, 4]]
    # Trained at 10, in force at 25: by then the second tick has come and gone.
    late = by_hand(delay=15).period_costs(wanted[:1])
    assert late.tolist() == [[4, 4 + 3, 4 + 3 + 1]]


def test_an_interval_costs_the_mean_of_its_phases() -> None:
    matrix = by_hand()
    found = matrix.interval_costs([1, 2, 3])
    assert found[:, 0].tolist() == [4, 7, 6]
    # Phase 0 trains at the second tick, phase 1 at the first; as long as the history is never.
    assert found[:, 1].tolist() == [4, (4 + 7) / 2, (6 + 3) / 2]
    assert found[:, 2].tolist() == [4, 4, 4]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), ticks=st.integers(1, 9))
def test_periods_add_up_to_the_schedule(data: st.DataObject, ticks: int) -> None:
    at = 10 * np.arange(ticks + 1)
    waits = data.draw(st.lists(st.sampled_from([0, 5, 10, 25]), min_size=ticks, max_size=ticks))
    in_force, end = at + np.append([0], waits).astype(np.int64), 10 * ticks + 3
    inner = np.unique(np.concatenate((at, in_force[in_force <= end])))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    failed = np.append(False, rng.random(ticks) < 0.2)
    matrix = LossMatrix(
        at, in_force, np.append(inner, end + 1), rng.random((ticks + 1, len(inner))),
        np.ones(len(inner)), np.full(ticks + 1, 500), np.zeros(ticks + 1), failed, prices=PRICES,
    )  # fmt: skip
    wanted = rng.random((7, ticks + 1)) < 0.5
    total = matrix.schedules(wanted).cost(PRICES)
    assert matrix.period_costs(wanted).sum(axis=1) == pytest.approx(total)
    curve = matrix.interval_curve([1, 2, ticks + 1])
    assert matrix.interval_costs([1, 2, ticks + 1]).sum(axis=0) == pytest.approx(
        curve.cost(PRICES)[0]
    )


def test_every_total_is_that_of_replays(tuning: Tuning) -> None:
    backtest = setting(delays=Delays(train="9h"))
    run = backtest.replay(Strategy(Every("6h"), Sliding("10D")))
    assert tuning.labels[0] == "6h"
    assert tuning.mean[0] == pytest.approx(run.totals["total"])
    assert tuning.labels[-2:] == ("never", NEVER_ON_ALL)
    assert tuning.retrains[-2:].tolist() == [0, 0]
    once = backtest.replay(Strategy(Never(), Expanding()))
    assert tuning.mean[-1] == pytest.approx(once.totals["total"])


# --- the recommendation ---------------------------------------------------------------------------


def test_all_that_leave_seven_blocks_are_held_against_the_advised() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 4))
    costs = np.array([5.0, 4.0, 4.0, 1.0]) + 0.1 * noise
    found = judge(costs, [2, 7, 10, 30], 1)
    assert found.judged.tolist() == [True, True, True, False]
    assert found.block == 10
    assert found.alike.tolist() == [1, 2]
    assert np.isnan(found.low[3])
    nobody = judge(costs, [2, 7, 10, 30], 3)  # the advised one leaves too few
    assert (nobody.block, nobody.alike.tolist()) == (None, [])


def test_what_is_advised_is_said_as_a_comparison_says_it(tuning: Tuning) -> None:
    assert tuning.sentence().startswith("Retrain every 7D, on the newest 10D: expect it to save ")
    assert "Next is every 5D, expected to cost " in tuning.sentence()
    never = tuple(
        dataclasses.replace(o, cost=1.0 if o.name == "never" else 9.0) for o in tuning.options
    )
    kept = dataclasses.replace(tuning, options=never)
    assert kept.sentence().startswith("Do not retrain: keep the first model: nothing is expected")
    assert kept.labels[kept.advised] == "never"
    last = tuple(
        dataclasses.replace(o, cost=9.0 - (o.name == NEVER_ON_ALL)) for o in tuning.options
    )
    once = dataclasses.replace(tuning, options=last)
    assert once.sentence().startswith("Stop retraining: train once, on all rows: expect it to save")


def test_a_change_must_save_what_the_careful_ask_for(tuning: Tuning) -> None:
    assert dataclasses.replace(tuning, careful=0.9).decision.name == "never"
    with pytest.raises(SetupError, match=r"careful=1\.0: give a share"):
        setting().tune(careful=1.0)


def fresh(loss: list[float], own: float, rows: list[int] | None = None) -> Fresh:
    """Windows of the newest rows whose models err so much, at every one of twelve points."""
    each = np.tile(np.array(loss)[:, None], 12)
    n = len(loss)
    held = np.tile(np.array(rows or [100] * n)[:, None], 12)
    labels = tuple(str(50 * 2**k) for k in range(n))
    return Fresh(("newest",) * n, labels, each, held, np.full(12, own), np.full(12, 100))


def test_a_smaller_window_costs_money_by_hand(tuning: Tuning) -> None:
    """0.5 a unit of loss on the rows that were scored; 2 a 1,000 rows, at the advised retrains."""
    sizes = fresh([3.0, 2.0, 1.5], own=2.0, rows=[50, 100, 100])
    more = tuning.above_tuned(sizes)
    retrains = tuning.options[tuning.advised].retrains
    errors = 0.5 * tuning.scored * np.array([1.0, 0.0, -0.5])
    assert more == pytest.approx(errors + retrains * 2 / 1000 * np.array([-50, 0, 0]))


def test_what_costs_more_than_the_advice_is_about_is_never_enough(tuning: Tuning) -> None:
    step = tuning.about / (0.5 * tuning.scored)  # loss a row that makes just so much money
    sizes = fresh([2 + 1.1 * step, 2 + 0.9 * step, 2.0], own=2.0)
    assert tuning.enough(sizes) == 1
    assert tuning.about <= abs(tuning.decision.behind)
    told = dataclasses.replace(tuning, sizes=sizes).findings()["rows"]
    assert "the newest 100 rows are enough" in told
    assert "less than the advice is about" in told
    dear = dataclasses.replace(tuning, sizes=fresh([2 + 9 * step, 2 + 8 * step, 2.0], own=2.5))
    assert "enough" not in dear.findings()["rows"]
    assert "more than the advice is about" in dear.findings()["rows"]
    assert "tune that next" in dear.findings()["rows"]
    gone = fresh([np.nan, 2.0], own=2.0)
    assert dataclasses.replace(tuning, sizes=gone).enough(gone) == 1


def test_windows_are_compared_at_the_points_that_all_of_them_have() -> None:
    rng = np.random.default_rng(0)
    season = rng.normal(size=12)  # hard and easy times, shared by all sizes
    loss = np.array([9.0, 5.02, 5.0, 5.01])[:, None] + season + 0.05 * rng.normal(size=(4, 12))
    rows, kinds = np.ones((4, 12), dtype=int), ("newest",) * 3 + ("all",)
    sizes = Fresh(kinds, ("50", "100", "200", "all"), loss, rows, loss[2], rows[2])
    assert (sizes.above_best[0] <= 0).tolist() == [False, True, True, True]
    short = dataclasses.replace(sizes, loss=loss[:, :6])
    assert np.isnan(short.above_best[0]).all()
    loss[0, :7] = np.nan  # too few models: not compared, and no point is lost for the others
    assert dataclasses.replace(sizes, loss=loss).points == 12


def test_the_price_map_holds_the_decision(tuning: Tuning) -> None:
    grid = tuning.prices
    middle = len(grid.retrain) // 2
    assert grid.retrain[middle] == pytest.approx(PRICES.retrain)
    assert grid.cheapest[middle, middle] == tuning.advised
    low, high = (end[tuning.advised] for end in grid.here)
    assert (low, high) == pytest.approx([PRICES.retrain * f for f in tuning.decision.factors])
    assert tuning.oracle <= tuning.phases[~tuning.never, 0].min() + 1e-9


def test_summary_has_a_row_an_interval(tuning: Tuning) -> None:
    table = tuning.summary()
    assert list(table.index) == list(tuning.labels)
    assert table["ticks"].isna().tolist() == [False] * (len(table) - 2) + [True, True]
    assert (table["low_phase"] <= table["mean"] + 1e-9).all()
    assert (table["mean"] <= table["high_phase"] + 1e-9).all()


# --- what is tried --------------------------------------------------------------------------------


def test_intervals_are_round_and_named() -> None:
    assert usual_thinning(700) == 1
    assert usual_thinning(1_000_000) == 1_429
    assert ladder("1D", 1, 12) == (1, 2, 3, 5, 7, 10)
    assert ladder("6h", 1, 30) == (1, 2, 4, 8, 12, 20, 28)
    assert ladder("1h", 24, 7) == (1, 2, 3, 5, 7)
    assert ladder("7D", 1, 8) == (1, 2, 3, 5, 7)  # no days between: counts of weeks
    assert ladder(100, 2, 3) == (1, 2, 3)
    assert [label("7h", 30), label("90s", 1), label("W-MON", 2)] == ["210h", "90s", "2W-MON"]


def test_given_intervals_and_thinning_are_kept() -> None:
    found = setting().tune(Sliding("10D"), every=4, intervals=[8, 40])
    assert found.labels == ("2D", "10D", "never", NEVER_ON_ALL)
    assert setting(tick="2D").tune(intervals=[1]).labels == ("2D", "never")  # on all rows as it is
    assert found.summary()["ticks"].tolist()[:2] == [8, 40]
    assert "every 4th of" in " ".join(found._repr_html_().split()) or found.info["every"] == 4


def test_a_model_without_weights_is_tuned_without_half_lives() -> None:
    backtest = setting(model=KNeighborsRegressor(), tick="2D")
    assert "half-life" not in backtest.tune().old.kinds
    assert "half-life" in setting(tick="2D").tune().old.kinds
    with pytest.raises(PartError, match="KNeighborsRegressor takes no sample_weight"):
        backtest.replay(Strategy(Every("7D"), Decay("30D")))


def test_decay_halves_a_weight_with_every_half_life() -> None:
    seen = []

    class Spy:
        def select(self, view: View) -> object:
            chosen = Decay("2D", window=Sliding("6D")).select(view)
            seen.append((view.at - view.event_time(chosen.rows).view(np.int64), chosen.weights))
            return chosen

    setting(tick="10D").replay(Strategy(Every("10D"), Spy()))  # type: ignore[arg-type]
    for age, weights in seen:
        assert weights == pytest.approx(2.0 ** -(age / (2 * 86_400e9)))
    assert len(seen) > 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"every": 0}, "every=0: at least 1"),
        ({"every": 10_000}, "two of the"),
        ({"intervals": [3], "every": 2}, "3 is not a multiple of every=2 ticks"),
        ({"intervals": [10_000], "every": 1}, "10000 is not a multiple"),
        ({"update": PartialFit()}, "no partial_fit"),
    ],
)
def test_what_cannot_be_tuned_is_refused(wrong: dict, says: str) -> None:
    with pytest.raises((SetupError, PartError), match=says):
        setting().tune(**wrong)


def test_processes_do_not_change_the_answer(tuning: Tuning) -> None:
    again = setting(delays=Delays(train="9h")).tune(Sliding("10D"), n_jobs=2)
    assert (again.costs == tuning.costs).all()
    assert np.array_equal(again.old.loss, tuning.old.loss)
    assert again.findings() == tuning.findings()


# --- the report -----------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Every tag and attribute of a page, and what is left open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.attributes += attrs
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_says_what_it_found(tuning: Tuning, tmp_path: Path) -> None:
    page = tuning.to_html(tmp_path / "t.html").read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.open == []
    ids = [value for name, value in outline.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for name, value in outline.attributes:
        if name in {"src", "href", "xlink:href"}:
            assert value is not None
            assert value.startswith("#")
    assert "default-src 'none'" in page
    assert len(page) < 1_000_000
    for sentence in tuning.findings().values():
        assert sentence.replace("'", "&#39;") in page
    assert "In-sample" in page
    assert page == tuning.to_html(tmp_path / "again.html").read_text(encoding="utf-8")


def test_every_string_is_escaped(tuning: Tuning, tmp_path: Path) -> None:
    info = {**tuning.info, "model": HOSTILE, "window": HOSTILE, "update": HOSTILE}
    info["stream"] = {**info["stream"], "name": HOSTILE, "target": HOSTILE}
    labels = (HOSTILE, *tuning.labels[1:])
    hostile = dataclasses.replace(tuning, info=info, labels=labels)
    page = hostile.to_html(tmp_path / "t.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert Outline(page).scripts == 1
    assert HOSTILE not in hostile._repr_html_()


def test_free_retrains_and_short_histories_have_a_page_too(tmp_path: Path) -> None:
    found = setting(tick="3D", prices=Prices(retrain=0)).tune()
    assert found.judgement.block is None or len(found.costs) >= 7
    assert Outline(found.to_html(tmp_path / "t.html").read_text()).open == []
    assert isinstance(found.prices, PriceMap)
    assert "nan" not in str(found)


# --- the command line -----------------------------------------------------------------------------


def test_tune_prints_the_findings_and_writes_the_report(tmp_path: Path) -> None:
    small = ("dataset=abrupt", "dataset.n=600", "model=linear", "n_jobs=1")
    line = [sys.executable, "-m", "backtrain", "tune", *small]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("abrupt: 600 rows, 2024-01-01 to 2024-01-25; LogisticRegression")
    assert "models [" in done.stderr
    report = tmp_path / done.stdout.splitlines()[-1].removeprefix("report").strip()
    written = {path.name for path in report.parent.iterdir()}
    folders = {"strategy", "figures", "tables", ".hydra"}
    assert written == folders | {"tune.html", "tune.csv", "tune.json"}
    assert len(list((report.parent / "figures").glob("*.png"))) == 6
    assert max(map(len, done.stdout.splitlines())) <= 100


WRONG = {
    "tune window.lenght=3D": "window.lenght: no such key; did you mean 'length'?",
    "tune evry=2": "evry: no such key; did you mean 'every'?",
    "tune trigger=every": "trigger",
    "tune intervals=7D": "intervals='7D': must be a list of int or null, not str",
    "tune every=0": "every=0: at least 1",
    "tune update=partial_fit": "PartialFit: HistGradientBoostingRegressor has no partial_fit",
    "tune dataset=bikes": "dataset=bikes: no such choice; did you mean 'bike'?",
}


@pytest.mark.parametrize("line", WRONG)
def test_bad_input_says_what_is_wrong_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(WRONG[line])
    assert len(printed.err.splitlines()) <= 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "dataset", sorted(p.name[:-5] for p in (files("backtrain.conf") / "dataset").iterdir())
)
def test_every_dataset_can_be_tuned(dataset: str) -> None:
    given = ["dataset.path=a.csv", "dataset.name=a", "dataset.time=t", "dataset.target=y"]
    needs = {"table": [given[0], *given[2:]], "openml": given[1:], "stream": given[:1]}
    config = composed([f"dataset={dataset}", *needs.get(dataset, [])], "tune", TuneKeys)[0]
    assert checked(split(config)[0], TuneKeys)["every"] is None


def test_a_tuning_saved_again_leaves_what_is_not_its_own(
    tuning: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketch = SimpleNamespace(page=lambda names: "page", files=lambda: {"figures/a.png": b"png"})
    monkeypatch.setattr(tuning_page, "report", lambda *_: sketch)
    (tmp_path / "tune.html").write_text("mine")
    for _ in range(2):
        with pytest.warns(RecordWarning, match=r"tune\.html was not written by backtrain"):
            tuning.save(tmp_path)
        assert (tmp_path / "tune.html").read_text() == "mine"
        assert (tmp_path / "tune-2.html").read_text() == "page"
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {"tune.html", "tune.json", "tune.csv", "figures", "figures/a.png"} <= found
    assert not [name for name in found if name.rpartition("/")[2].startswith(".")]


def test_a_span_may_have_a_fraction_of_a_second(tuning: Tuning, tmp_path: Path) -> None:
    info = {**tuning.info, "start": "2024-01-06T00:00:00.250"}
    page = dataclasses.replace(tuning, info=info).to_html(tmp_path / "t.html").read_text()
    assert "could not be drawn" not in page

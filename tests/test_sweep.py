"""Jobs side by side: the tidy table, and which of them are one setting."""

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from swept import failed, grid, job, saved, sweep

import backtrain
from backtrain.reports.sweep import Sweep
from backtrain.reports.sweep import page as pages
from backtrain.simulator.manifest import RecordError


def test_a_row_is_a_job_and_a_strategy() -> None:
    frame = sweep(
        job(0, {"seed": 0}, {"static": 100, "monthly": 80}),
        failed(1, {"seed": 1}, "ValueError: too hot"),
    ).frame()
    assert frame["number"].tolist() == [0, 0, 1]
    assert frame["strategy"].tolist()[:2] == ["static", "monthly"]
    assert frame["relative"].tolist()[:2] == [1, 0.8]
    assert frame["difference"].tolist()[:2] == [0, -20]
    assert frame["saves"].tolist()[:2] == [20, 20]
    assert frame["advised"].tolist()[:2] == [False, True]
    last = frame.iloc[2]
    assert (last["status"], last["error"], last["seed"]) == ("failed", "ValueError: too hot", 1)
    assert pd.isna(last[["strategy", "total", "relative", "setting", "advised", "kind"]]).all()


def test_to_keep_the_baseline_saves_nothing() -> None:
    frame = sweep(job(0, {}, {"static": 80, "monthly": 100})).frame()
    assert frame["saves"].tolist() == [0, 0]


VALUES = {
    "whole": ([1, 2], "int64"),
    "real": ([1, 2.5], "float64"),
    "truth": ([True, False], "bool"),
    "mixed": ([1, "7D"], "string"),
    "dates": (["2012-01-01", "2012-06-30"], "string"),
    "lists": ([["a", "b"], ["a"]], "string"),
    "some": ([1, None], "Int64"),
    "huge": ([1, 2**70], "string"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_an_axis_has_the_type_of_its_values_also_in_parquet(tmp_path, kind) -> None:
    values, dtype = VALUES[kind]
    given = [{} if value is None else {"some.key": value} for value in values]
    frame = sweep(*(job(i, o, {"static": 9}) for i, o in enumerate(given))).frame()
    assert str(frame["some.key"].dtype) == dtype
    frame.to_parquet(tmp_path / "table.parquet")
    read = pd.read_parquet(tmp_path / "table.parquet")
    assert read["some.key"].isna().sum() == (kind == "some")
    types = {"whole": "int64", "some": "int64", "real": "double", "truth": "bool"}
    stored = str(pq.read_schema(tmp_path / "table.parquet").field("some.key").type)
    assert stored.removeprefix("large_") == types.get(kind, "string")


def test_no_column_is_without_a_type_where_nothing_is_done() -> None:
    frame = sweep(failed(0, {"seed": 0})).frame()
    done = sweep(job(0, {"seed": 0}, {"static": 9})).frame()
    own = {"MAE", "to_winner_low", "to_winner_high", "to_winner"}  # a job's metrics are its own
    assert set(done.columns) - own <= set(frame.columns)
    for one in (frame, done):
        assert "object" not in set(map(str, one.dtypes))


def test_an_override_never_hides_a_column() -> None:
    """``loss=`` is no mean loss, ``model=`` names a preset, and ``strategy=`` one of several."""
    given = {"model": "linear", "loss": "squared", "strategy": "monthly", "start": "2012-01-01"}
    frame = sweep(job(0, given, {"static": 9, "monthly": 8})).frame()
    assert frame["model"].tolist() == ["Ridge()"] * 2
    assert frame["override.model"].tolist() == ["linear"] * 2
    assert frame["override.strategy"].tolist() == ["monthly"] * 2
    assert frame["strategy"].tolist() == ["static", "monthly"]
    assert frame["loss"].tolist() == [0.09, 0.08]
    assert frame.columns.is_unique


def test_what_needs_no_model_has_rows_on_request_only() -> None:
    one = job(0, {}, {"static": 10})
    last = {"strategy": "last label", "kind": "no model", "total": 12.0, "error": 12.0}
    with_rows = {"rows": [*one.rows, last]}
    asked = {**with_rows, "config": {"baselines": True}}
    assert sweep(job(0, {}, {"static": 10}, **with_rows)).frame()["kind"].tolist() == ["strategy"]
    frame = sweep(job(0, {}, {"static": 10}, **asked)).frame()
    assert frame["kind"].tolist() == ["strategy", "no model"]
    assert frame["relative"].tolist() == [1, 1.2]
    assert len(sweep(job(0, {}, {"static": 10}, **asked)).frame(baselines=False)) == 1
    assert sweep(job(0, {}, {"static": 10}, **asked)).settings.names == ["static"]


def test_the_query_and_the_table_of_the_documentation(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    sweep(*grid()).frame().to_parquet("summary.parquet", index=False)
    text = (Path(__file__).parent.parent / "docs/sweeps.md").read_text()
    snippet = next(s for s in re.findall(r"```python\n(.*?)```", text, re.S) if "read_parquet" in s)
    exec(snippet, {})
    assert "monthly" in capsys.readouterr().out
    duckdb = pytest.importorskip("duckdb")
    query = re.findall(r"```sql\n(.*?)```", text, re.S)[0]
    found = [(d, p, s, round(cost, 2), n) for d, p, s, cost, n in duckdb.sql(query).fetchall()]
    assert found == [
        *(("bike", 1, "monthly", 0.5, 3), ("bike", 100, "static", 1.0, 3)),
        *(("sea", 1, "monthly", 0.5, 3), ("sea", 100, "static", 1.0, 3)),
    ]


# --- settings -------------------------------------------------------------------------------------


def test_jobs_that_differ_in_the_strategy_alone_stand_side_by_side() -> None:
    jobs = [
        job(i, {"strategy": name, "seed": seed}, {"static": 100 + seed, name: 50 + i})
        for i, (seed, name) in enumerate((s, n) for s in (0, 1) for n in ("weekly", "monthly"))
    ]
    settings = sweep(*jobs).settings
    assert settings.of_job == [0, 0, 1, 1]
    assert list(settings.choices) == ["strategy"]
    assert list(settings.axes) == ["seed"]
    cells = settings.cells.groupby("setting")["strategy"].agg(list)
    assert cells.tolist() == [["static", "weekly", "monthly"]] * 2  # the baseline counts once
    assert settings.cells["wins"].tolist() == [False, True, False] * 2


def test_whatever_else_differs_makes_another_setting() -> None:
    """Also what no override tells, and strategies whose baselines differ: a window of the run."""
    costs = {"static": 100, "weekly": 50}
    others = [
        job(1, {}, costs, stream={"name": "bike", "fingerprint": "other"}),
        job(2, {}, costs, end="2022-01-01T00:00:00"),
        job(3, {}, costs, loss="squared"),
        job(4, {}, costs, prices={"retrain": 11.0}),
        job(5, {}, costs, model="Lasso()"),
        job(6, {"seed": 1}, costs),
        job(7, {}, costs, currency="EUR"),
        job(8, {}, costs, config={"dataset": {"_target_": "bike"}, "delays": {"train": "1D"}}),
        job(9, {"window.length": "9D"}, {"static": 101, "weekly": 49}),
    ]
    assert len(set(sweep(job(0, {}, costs), *others).settings.of_job)) == 10
    same = [job(1, {"n_jobs": 2}, costs), job(2, {"report": "none"}, costs, config={})]
    assert sweep(job(0, {}, costs), same[0]).settings.of_job == [0, 0]


def test_strategies_of_one_name_are_told_apart_by_what_was_swept_for_them() -> None:
    jobs = [
        job(
            i, {"strategy": "fixed", "strategy.trigger.every": every}, {"static": 9, "fixed": 8 - i}
        )
        for i, every in enumerate(("7D", "30D"))
    ]
    found = sweep(*jobs)
    assert found.settings.of_job == [0, 0]
    names = ["static", "fixed (trigger.every=7D)", "fixed (trigger.every=30D)"]
    assert found.settings.names == names
    assert found.frame()["strategy"].tolist() == ["static", "fixed"] * 2


def test_a_strategy_alone_stands_beside_the_others_of_its_setting() -> None:
    alone = [job(i, {"strategy": n}, {n: 10.0 - i}) for i, n in enumerate(("static", "weekly"))]
    found = sweep(*alone, baseline="static")
    assert found.settings.of_job == [0, 0]
    assert found.frame()["relative"].tolist() == [1, 0.9]


def test_another_baseline() -> None:
    found = sweep(*grid(), baseline="monthly")
    assert found.settings.held == ["monthly"]
    frame = found.frame()
    static = frame[(frame["number"] == 0) & (frame["strategy"] == "static")].iloc[0]
    assert (static["relative"], static["difference"]) == (2, 50)
    assert pd.isna(static["saves"])  # the verdicts are not those against it
    with pytest.raises(
        RecordError, match="'montly': in no job of the sweep; did you mean 'monthly'"
    ):
        sweep(*grid(), baseline="montly")
    some = sweep(job(0, {"seed": 0}, {"a": 1, "b": 2}), job(1, {"seed": 1}, {"a": 1}), baseline="b")
    assert some.settings.unheld == [1]
    assert some.frame()["relative"].isna().tolist() == [False, False, True]


def test_to_a_gain_there_is_no_ratio_and_still_a_winner() -> None:
    gains = {"static": -5, "weekly": -8}, {"static": 0, "weekly": -1}
    found = sweep(*(job(i, {"seed": i}, costs) for i, costs in enumerate(gains)))
    assert found.settings.without_ratio == [0, 1]
    assert found.frame()["relative"].isna().all()
    assert found.pooled.least() == "weekly"
    assert "In 2 settings the baseline's total is 0 or negative" in str(found)


def test_axes_are_what_differs_numbers_by_size() -> None:
    given = [(10, "7D", "b"), (2, "1D", "b"), (10, "30D", "b")]
    jobs = [job(i, dict(zip("xyz", v, strict=True)), {"static": 9}) for i, v in enumerate(given)]
    assert sweep(*jobs).axes == {"x": (2, 10), "y": ("7D", "1D", "30D")}
    assert sweep(*jobs, job(3, {}, {"static": 9})).axes["x"] == (None, 2, 10)


# --- directories ----------------------------------------------------------------------------------


def test_several_sweeps_are_one(tmp_path) -> None:
    saved(tmp_path / "a", *grid())
    saved(tmp_path / "b", job(0, {"dataset": "taxi"}, {"static": 4, "monthly": 3}))
    both = Sweep.load(tmp_path / "a", tmp_path / "b")
    assert len(both.results) == 13
    assert both.axes["dataset"] == ("bike", "sea", "taxi")
    assert Sweep.load(tmp_path / "b" / "0").axes == {}  # a single job is a sweep of one
    with pytest.raises(RecordError, match=r"none: no such directory: no result\.json"):
        Sweep.load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert pages.write(tmp_path / "empty") is None


def test_what_cannot_be_read_is_told_and_not_fatal(tmp_path) -> None:
    saved(tmp_path, *grid())
    (tmp_path / "0" / "result.json").write_text('{"format": 1, "jo')
    facts = json.loads((tmp_path / "1" / "result.json").read_text())
    (tmp_path / "1" / "result.json").write_text(json.dumps(facts | {"format": 99}))
    (tmp_path / "12" / ".hydra").mkdir(parents=True)
    found = Sweep.load(tmp_path)
    assert found.ended == {"done": 10, "missing": 3}
    assert pages.write(tmp_path) == tmp_path / "sweep.html"
    text = (tmp_path / "sweep.html").read_text()
    assert "it was started, and ended without a result" in text
    assert "not the result of a job, or of another version" in text


def test_the_name_is_the_packages() -> None:
    assert backtrain.Sweep is Sweep
    assert "2 strategies" in repr(sweep(job(0, {}, {"static": 1, "b": 2})))

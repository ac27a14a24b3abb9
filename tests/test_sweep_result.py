"""What a job of a sweep leaves behind: read back as it was written, whole or not at all."""

import json
import math

import pytest
from fabricated import parts_of, plain_run

from backtrain.reports.comparison import Comparison
from backtrain.reports.sweep import objective
from backtrain.reports.sweep.result import Result, results_in, typed
from backtrain.simulator.manifest import RecordError


def comparison(saved: float = 30.0) -> Comparison:
    """Never costs 40 in errors, a retrain on day 20 costs 5 and halves what comes after."""
    never = [(day, "error", 1.0) for day in range(40)]
    often = [(20, "train", 5.0)]
    often += [(day, "error", 1.0 if day < 20 else 1 - saved / 40) for day in range(40)]
    return Comparison({
        "static": plain_run("static", parts_of("Never"), never),
        "monthly": plain_run("monthly", parts_of("Every", every="30D"), often),
    })  # fmt: skip


def test_it_is_read_back_as_it_was_written(tmp_path) -> None:
    job = {"job": "ab", "number": 3, "overrides": {"seed": 1, "a": ["b", "c"]}}
    written = Result.of(comparison(), strategy="monthly", fits={"asked": 2}, **job)
    written.save(tmp_path)
    assert Result.load(tmp_path) == written
    assert [row["strategy"] for row in written.rows] == ["static", "monthly"]
    assert [row["total"] for row in written.rows] == [40, 30]
    assert {row["kind"] for row in written.rows} == {"strategy"}
    assert written.baseline == "static"
    assert written.verdict["strategy"] in ("static", "monthly")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_what_no_number_is_is_null_and_what_json_lacks_is_text(tmp_path) -> None:
    Result(config={"limit": math.inf}, wall_seconds=math.nan).save(tmp_path)
    facts = json.loads((tmp_path / "result.json").read_text())
    assert (facts["config"], facts["wall_seconds"]) == ({"limit": "inf"}, None)


def test_objectives_are_those_of_the_named_strategy_or_of_the_advised_one() -> None:
    runs = comparison(saved=2)  # 5 are spent to save 1: never is advised
    assert Result.of(runs, strategy="monthly").objective["total"] == 44
    advised = Result.of(runs).objective
    assert (advised["total"], advised["saves"], advised["relative"]) == (40, 0, 1)
    assert advised["regret"] is None  # no loss matrix was made
    assert Result.of(runs, strategy="monthly").objective["saves"] == 0
    names = objective.names(runs.runs["monthly"].metrics)
    assert set(Result.of(runs).objective) == set(names)


def test_the_worst_week_is_known_where_there_are_ten() -> None:
    run = plain_run("static", parts_of("Never"), [(15, "error", 8.0), (30, "error", 5.0)])
    assert Result.of(Comparison({"static": run})).objective["worst_week"] is None
    run.info["end"] = "2020-03-20T00:00:00"
    assert Result.of(Comparison({"static": run})).objective["worst_week"] == 8


@pytest.mark.parametrize(
    "text",
    ["", '{"format": 1', '{"format": 1}', '{"format": 2, "job": "a"}', "[]"],
    ids=["empty", "cut", "not whole", "newer", "a list"],
)
def test_what_is_not_whole_is_refused_and_missing_in_its_sweep(tmp_path, text) -> None:
    for number in (10, 9):
        Result(number=number).save(tmp_path / str(number))
    (tmp_path / "9/result.json").write_text(text)
    with pytest.raises(RecordError, match="9/result"):
        Result.load(tmp_path / "9")
    found = results_in(tmp_path)
    assert [(one.number, one.status) for one in found] == [(9, "missing"), (10, "done")]
    assert "result.json" in found[0].error


def test_a_job_that_was_started_and_left_nothing_is_missing(tmp_path) -> None:
    notes = tmp_path / "seed=1" / ".hydra"
    notes.mkdir(parents=True)
    told = {"hydra": {"job": {"num": 7}, "overrides": {"task": ["seed=1"]}}}
    (notes / "hydra.yaml").write_text(json.dumps(told))  # which is YAML, too
    Result(number=8).save(tmp_path / "seed=2")
    first, second = results_in(tmp_path)
    assert (first.number, first.status, first.overrides) == (7, "missing", {"seed": 1})
    assert second.directory == tmp_path / "seed=2"


def test_overrides_have_the_types_of_hydra() -> None:
    given = ["seed=1", "start=0.5", "model='a b'", "strategy=[a,b]", "+x.y=null", "loss={a:1}"]
    assert typed(given) == {
        **{"seed": 1, "start": 0.5, "model": "a b", "strategy": ["a", "b"]},
        **{"x.y": None, "loss": {"a": 1}},
    }

"""A scheduled run: what makes it fail, with which code, and what it refuses before it starts."""

import json
import sys
from dataclasses import replace

import pytest

from backtrain.cli import main
from backtrain.config.build import ConfigError
from backtrain.config.condition import Condition
from backtrain.reports.comparison import Comparison
from backtrain.reports.verdict import Recommendation


def advice(strategy: str = "weekly", **expected: float) -> Recommendation:
    return Recommendation("retrain", strategy, "static", 0.0, expected=expected)


def test_conditions_by_hand():
    told = advice(weekly=100.0, daily=103.0, static=110.0)
    more = Condition.of("costs_more>2%", "daily")
    assert more.holds(told) == "daily is expected to cost 3 % more than weekly, advised"
    assert Condition.of(" costs_more > 3 % ", "daily").holds(told) == ""
    assert Condition.of("costs_more>2.9%", "daily").holds(told) != ""
    assert Condition.of("costs_more>0%", "weekly").holds(told) == ""
    assert Condition.of("changed", "weekly").holds(told) == ""
    assert Condition.of("changed", "daily").holds(told) == "daily runs, and weekly is advised"
    assert replace(more, running="monthly").holds(told).endswith("is not known")
    free = advice(weekly=0.0, daily=3.0)
    assert more.holds(free) == "daily is expected to cost 3 more than weekly, advised"
    gains = advice(weekly=-100.0, daily=-97.0)
    assert more.holds(gains) == (
        "daily is expected to cost more by 3 % of what is gained with weekly, advised"
    )
    # The floor of `careful` may advise what is expected to cost more.
    assert more.holds(advice("static", daily=99.0, static=100.0)) == ""


@pytest.mark.parametrize(
    "text", ["costs_more", "costs_more>2", "costs_more<2%", "change", "", "2%"]
)
def test_a_condition_that_cannot_be_read_shows_the_two_forms(text):
    with pytest.raises(ConfigError, match=r"'costs_more>2%' .* or changed"):
        Condition.of(text, "static")


SMALL = ("dataset=abrupt", "dataset.n=600", "comparison=one", "n_jobs=1", "model=linear")
QUICK = (*SMALL, "hindsight=false", "progress=false")
WRONG = {
    "careful=1.5": "careful=1.5: give a share from 0 to below 1, as 0.05",
    "careful=much": "careful='much': must be float, not str",
    "running=every_8d": "running='every_8d': not compared; did you mean 'every_7d'? ",
    "fail_if=changed": "fail_if='changed': add running=NAME, the strategy that runs now",
    "running=static fail_if=costs_more>2": "fail_if='costs_more>2': give 'costs_more>2%' (what ",
    "running=static fail_if=chnged": "fail_if='chnged': give 'costs_more>2%' (what running= is ",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path


@pytest.mark.parametrize("keys", WRONG)
def test_bad_keys_are_refused_before_anything_is_computed(here, capsys, keys):
    assert main(["run", *SMALL, *keys.split()]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(WRONG[keys])
    assert len(printed.err.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_a_job_fails_with_a_code_of_its_own_and_writes_everything(here, capsys):
    line = ["run", *QUICK, "hydra.run.dir=out", "prices.retrain=1"]
    page = "report=page"  # one of them writes everything
    assert main([*line, page, "running=static", "fail_if=changed", "careful=0.99"]) == 0
    told = json.loads((here / "out/verdict.json").read_text())
    assert (told["decision"], told["strategy"], told["careful"]) == ("keep", "static", 0.99)
    assert "fail_if" not in capsys.readouterr().err
    other = ["running=static", "careful=0"]
    assert main([*line, *other, "fail_if=changed"]) == 3
    why = "fail_if=changed: static runs, and every_7d is advised"
    assert capsys.readouterr().err.splitlines()[-1] == why
    assert (here / "out/report.html").is_file()
    assert (here / "out/figures").is_dir()
    before = (here / "out/verdict.json").read_bytes()
    assert main([*line, page, *other, "fail_if=costs_more>300%"]) == 0
    assert (here / "out/verdict.json").read_bytes() == before
    for careful in ([], ["--careful=0.01"], []):  # as careful as what was saved
        assert main(["report", "out", f"--{page}", *careful]) == 0
    again = json.loads((here / "out/verdict.json").read_text())
    assert (again["careful"], again["running"]) == (0.01, "static")
    assert main(["report", "out", f"--{page}", "--careful=0"]) == 0
    assert (here / "out/verdict.json").read_bytes() == before
    assert main(["report", "out", "--careful=99"]) == 2
    says = "careful=99.0: give a share from 0 to below 1, as 0.05"
    assert capsys.readouterr().err.splitlines()[-1] == says
    told = json.loads((here / "out/verdict.json").read_text())
    assert (here / "out/strategy/advised.yaml").read_text() == told["preset"]
    again = [
        "run",
        *QUICK,
        "--config-dir=out",
        "strategy=advised",
        "hydra.run.dir=two",
        "report=none",
    ]
    assert main(again) == 0
    one, two = (Comparison.load(here / name).runs for name in ("out", "two"))
    assert two["advised"].info["strategy"] == one["every_7d"].info["strategy"]


def test_a_sweep_fails_where_a_job_does(here):
    line = ["run", *QUICK, "-m", "seed=1,2", "hydra.sweep.dir=swept", "prices.retrain=1"]
    assert main([*line, "running=static", "fail_if=changed"]) == 3
    assert (here / "swept/0/verdict.json").is_file()

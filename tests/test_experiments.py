"""Each experiment answers its question, on any data; here on little."""

import re
import sys
from pathlib import Path

import pytest

from backtrain.cli import main
from backtrain.config import compose, presets
from backtrain.config.study import checked
from backtrain.reports.comparison import Comparison

EXPERIMENTS = presets.names("experiment")
#: What makes them small; the rest is theirs.
SIZE = ("dataset=abrupt", "dataset.n=400", "n_jobs=1", "progress=false", "report=none")
FEWER = {
    "how_often": ("model=linear", "grid.trigger.every=[1D,3D]"),
    "window_length": ("model=linear", "grid.window.length=[2D,6D]", "trigger.every=3D"),
    "label_latency": ("model=linear", "latency.offset=0D,2D"),
    "warm_or_full": (),
    "drift_triggers": ("model=linear",),
    "gates": ("model=linear",),
    "does_it_matter": ("model=linear", "seed=0,1"),
}
DOCUMENT = Path(__file__).parent.parent / "docs" / "experiments.md"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_runs(here: Path, name: str) -> None:
    where = ("hydra.run.dir=out", "hydra.sweep.dir=out")
    assert main(["run", f"experiment={name}", *SIZE, *FEWER[name], *where]) == 0
    sweeps = not (here / "out/comparison.json").exists()
    jobs = [here / "out" / number for number in ("0", "1")] if sweeps else [here / "out"]
    for job in jobs:
        comparison = Comparison.load(job)
        assert len(comparison.runs) >= 4
        assert "static" in comparison.runs
        assert comparison.verdict().strategy in comparison.runs


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_question_is_listed_and_documented_with_how_to_read_the_answer(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "experiment"]) == 0
    question = presets.describe("experiment", name)
    assert question.endswith("?")
    assert f"{name}" in capsys.readouterr().out
    _, _, chapter = DOCUMENT.read_text().partition(f"## {question}\n")
    chapter = chapter.partition("\n## ")[0]
    assert f"experiment={name}" in chapter
    assert "How to read it" in chapter


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_takes_the_data_and_the_keys_of_the_user(name: str) -> None:
    mine = ("dataset=table", "dataset.path=my.csv", "dataset.time=ts", "dataset.target=y")
    keys = ("prices.retrain=3", "tick=2D", "currency=EUR")
    for config in compose.composed([f"experiment={name}", *mine, *keys]):
        plain = checked(compose.split(config)[0])
        assert plain["dataset"]["path"] == "my.csv"
        assert (plain["prices"]["retrain"], plain["tick"], plain["currency"]) == (3, "2D", "EUR")


def test_an_experiment_may_be_a_sweep_and_need_not() -> None:
    assert compose.is_sweep(["experiment=label_latency"])
    assert not compose.is_sweep(["experiment=label_latency", "hydra.mode=RUN"])
    assert not compose.is_sweep(["experiment=how_often"])
    offsets = [
        config.latency.offset
        for config in compose.composed(["experiment=label_latency", "latency.offset=5D,6D"])
    ]
    assert offsets == ["5D", "6D"]  # instead of its own
    one = compose.composed(["experiment=label_latency", "hydra.mode=RUN", "latency.offset=5D"])
    assert [config.latency.offset for config in one] == ["5D"]


def test_several_can_be_swept_over() -> None:
    jobs = compose.composed(["-m", "experiment=gates,how_often"])
    assert ["canary" in job.comparison for job in jobs] == [True, False]
    assert "every=1D" in jobs[1].comparison


def test_one_of_ones_own_is_a_file(here: Path) -> None:
    (here / "conf/experiment").mkdir(parents=True)
    (here / "conf/experiment/mine.yaml").write_text(
        "# @package _global_\n# Mine?\ndefaults: [{override /comparison: one}, _self_]\n"
        "prices: {retrain: 7}\n"
    )
    (config,) = compose.composed(["--config-dir=conf", "experiment=mine"])
    assert config.prices.retrain == 7


def test_every_experiment_of_the_document_is_there() -> None:
    named = set(re.findall(r"experiment=(\w+)", DOCUMENT.read_text()))
    assert named - {"mine", "NAME"} == set(EXPERIMENTS)

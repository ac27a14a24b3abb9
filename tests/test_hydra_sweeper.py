"""Hydra's own Optuna sweeper finds the cheapest threshold; it pins an old Optuna and an old Hydra.

So it has an environment of its own, where this file is run::

    python -m venv sweeper && sweeper/bin/pip install -e '.[test]' hydra-optuna-sweeper 'hydra-core<1.4'
    sweeper/bin/python -m pytest tests/test_hydra_sweeper.py
"""  # noqa: E501

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from backtrain.cli import main

pytest.importorskip(
    "hydra_plugins.hydra_optuna_sweeper", reason="pip install hydra-optuna-sweeper 'hydra-core<1.4'"
)
pytest.importorskip("backtrain.reports.sweep", reason="a job returns no number before it")

DATA = ["dataset=recurring", "dataset.n=1500", "dataset.task=regression", "model=linear"]
PARTS = ["strategy=performance_drop", "strategy.trigger.drop=null", "strategy.trigger.window=50"]
LINE = [
    *("run", "-m", *DATA, *PARTS, "strategy.trigger.min_labels=20", "window.length=4D"),
    *("tick=6h", "prices.retrain=10", "prices.error=1", "comparison=one", "hindsight=false"),
    *("cache=cache", "report=none", "progress=false"),
]
BELOW = "0.1,0.2,0.3,0.4,0.5,0.6,0.8,1.0,1.2,1.4"
KEY = "strategy.trigger.below"


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> "pd.Series[float]":
    """The total of every threshold, each by a job of Hydra's plain sweeper: brute force."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("brute"))
        patch.setattr(sys, "path", sys.path.copy())
        assert main([*LINE, f"{KEY}={BELOW}", "hydra.sweep.dir=out"]) == 0
        table = pd.read_parquet("out/summary.parquet")
    own = table[table["strategy"] == "performance_drop"]
    found = own.set_index(KEY)["total"]
    assert found.index.min() < found.idxmin() < found.index.max()  # else any extreme would do
    return found


def swept(tmp_path: Path, patch: pytest.MonkeyPatch, *more: str) -> dict[str, object]:
    patch.chdir(tmp_path)
    patch.setattr(sys, "path", sys.path.copy())
    sweeper = ["hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1", "hydra.sweep.dir=out"]
    assert main([*LINE, *sweeper, *more]) == 0
    found: dict[str, object] = yaml.safe_load(Path("out/optimization_results.yaml").read_text())
    return found


def test_a_grid_finds_the_cheapest_threshold(
    costs: "pd.Series[float]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["hydra/sweeper/sampler=grid", "objective=total", f"{KEY}=choice({BELOW})"]
    found = swept(tmp_path, monkeypatch, *given)
    assert found["best_params"] == {KEY: costs.idxmin()}
    assert found["best_value"] == pytest.approx(costs.min())


def test_a_sampler_finds_one_that_is_as_cheap(
    costs: "pd.Series[float]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = ["hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.seed=0"]
    given = ["hydra.sweeper.n_trials=30", "objective=total", f"{KEY}=interval(0.1,1.5)"]
    assert swept(tmp_path, monkeypatch, *sampler, *given)["best_value"] <= costs.min() + 1e-9


def test_several_objectives_give_a_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["hydra/sweeper/sampler=nsgaii", "hydra.sweeper.direction=[minimize,minimize]"]
    more = ["hydra.sweeper.n_trials=8", "objective=[error,retrains]", f"{KEY}=interval(0.1,1.5)"]
    found = swept(tmp_path, monkeypatch, *given, *more)
    solutions = [tuple(one["values"]) for one in found["solutions"]]  # type: ignore[attr-defined]
    assert solutions
    for error, retrains in solutions:
        assert not any(e < error and r < retrains for e, r in solutions)

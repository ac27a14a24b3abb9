"""docs/models.md runs, as far as its libraries are installed; models of other kinds are refused.

pip install -e '.[test,any-model]' && pytest tests/test_bring_your_model.py
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.setup import SetupError
from backtrain.strategies import Every, Sliding

PAGE = (Path(__file__).parent.parent / "docs/models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
HEAVY = ("lightgbm", "xgboost", "catboost", "torch", "skorch")
X = np.random.default_rng(0).normal(size=(300, 2))
TIMES = np.datetime64("2024-01-01", "ns") + np.arange(300) * np.timedelta64(1, "h")
WEEKLY = Strategy(Every("3D"), Sliding("5D"))


def test_the_page_runs(tmp_path, monkeypatch) -> None:
    """Blocks share names, as a reader pastes them; those of what is not installed are left out."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for block in BLOCKS:
        needed = [name for name in HEAVY if name in block]
        if all(map(find_spec, needed)):
            exec(compile(block, "docs/models.md", "exec"), names)
    assert list(tmp_path.iterdir()) == []


class Two(LinearRegression):
    """Answers two numbers a row."""

    def predict(self, X: Any) -> Any:
        return np.column_stack([super().predict(X)] * 2)


class Ranker(LinearRegression):
    """A regressor by name of its class above."""


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (IsolationForest(), "a detector of anomalies.*docs/models.md has one"),
        (Ranker(), "ranks the rows of a query.*use the regressor or classifier"),
        (Two(), "predict gave 2 numbers to a row; a target has one"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_models_of_other_kinds_are_refused_in_a_sentence(model: Any, said: str) -> None:
    with pytest.raises(SetupError, match=said) as caught:
        Backtest(Stream(X, X[:, 0], TIMES), model, tick="24h").replay(WEEKLY)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["lightgbm.LGBM", "xgboost.XGB", "catboost.CatBoost"])
def test_rankers_of_boosters_are_refused(name: str) -> None:
    package, _, prefix = name.partition(".")
    ranker = getattr(pytest.importorskip(package), f"{prefix}Ranker")()
    with pytest.raises(SetupError, match="ranks the rows of a query"):
        Backtest(Stream(X, X[:, 0], TIMES), ranker, tick="24h").replay(WEEKLY)


def test_several_targets_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="of several targets, make a stream and a backtest each"):
        Stream(X, X, TIMES)

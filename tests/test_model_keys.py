"""Keys of configured models: a slip is named, also where a constructor hands on what it is given.

Boosters and skorch are tried where they are installed: ``pip install -e '.[models]'``.
"""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge

from backtrain.cli import main
from backtrain.config.build import ConfigError
from backtrain.config.check import check

LIBRARIES = {
    "lightgbm": ("lightgbm.LGBMRegressor", "n_estimators"),
    "xgboost": ("backtrain.models_xgboost.XGBRegressor", "n_estimators"),
    "catboost": ("backtrain.models_catboost.CatBoostRegressor", "iterations"),
}
TAKEN = {
    "lightgbm": {"num_iterations": 5, "eta": 0.1, "lambda_l2": 1, "device_type": "cpu"},
    "xgboost": {"eta": 0.1, "lambda": 2, "alpha": 1, "n_estimators": 5, "seed": 1},
    "catboost": {"eta": 0.1, "num_boost_round": 5, "reg_lambda": 2, "thread_count": 1},
}


def held(target: str, keys: dict[str, Any]) -> None:
    def run(model: Any) -> None: ...

    check({"model": {"_target_": target, **keys}}, run)


def told(target: str, keys: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        held(target, keys)
    return str(caught.value)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["Regressor", "Classifier"])
def test_a_slip_is_named_and_what_the_library_takes_passes(library: str, kind: str) -> None:
    pytest.importorskip(library)
    target, right = LIBRARIES[library]
    target = target.replace("Regressor", kind)
    name = target.rpartition(".")[2]
    said = told(target, {f"{right[:-1]}z": 5})
    assert said.startswith(f"model.{right[:-1]}z: {name} has no such key; did you mean '{right}'?")
    held(target, TAKEN[library])
    for slip in ("objectiv", "lerning_rate", "nothing_like_it"):
        assert f"model.{slip}: {name} has no such key" in told(target, {**TAKEN[library], slip: 1})


def test_what_xgboost_takes_depends_on_the_booster_and_objective() -> None:
    pytest.importorskip("xgboost")
    target, dart = "xgboost.XGBRegressor", {"rate_drop": 0.1}
    held(target, {"booster": "dart", **dart})
    assert "rate_drop" in told(target, dart)
    held(target, {"objective": "reg:tweedie", "tweedie_variance_power": 1.4})
    held(target, {"objective": "no such objective", "anything": 1})  # the fit will say so


def test_nets_take_parameters_of_what_they_hold() -> None:
    pytest.importorskip("skorch")
    target, module = "skorch.NeuralNetRegressor", {"module": "torch.nn.Linear"}
    within = {"optimizer__weight_decay": 0.1, "module__in_features": 4, "iterator_train__x": 1}
    held(target, {**module, **within, "max_epochs": 5})
    assert "did you mean 'max_epochs'?" in told(target, {**module, "max_epoch": 5})


@pytest.mark.parametrize("steps", ["steps", "_args_"])
def test_steps_of_pipelines_are_held_as_well(steps: str) -> None:
    pytest.importorskip("lightgbm")
    last = {"_target_": "lightgbm.LGBMRegressor", "n_estimatorz": 5}
    if steps == "steps":
        said = told("sklearn.pipeline.Pipeline", {"steps": [["last", last]]})
        assert said.startswith("model.steps.0.1.n_estimatorz: LGBMRegressor has no such key")
    else:
        said = told("sklearn.pipeline.make_pipeline", {"_args_": [last]})
        assert said.startswith("model._args_.0.n_estimatorz: LGBMRegressor has no such key")


class HandsOn(Ridge):
    def __init__(self, mine: int = 1, **more: Any) -> None:
        super().__init__(**more)


class TakesAny(BaseEstimator):
    def __init__(self, depth: int = 1, **more: Any) -> None: ...


def test_a_class_that_hands_on_takes_what_is_above_it() -> None:
    held(f"{__name__}.HandsOn", {"mine": 2, "alpha": 3.0})
    said = told(f"{__name__}.HandsOn", {"alhpa": 3.0})
    assert said.startswith("model.alhpa: HandsOn has no such key; did you mean 'alpha'?")


def test_of_a_class_that_takes_any_only_slips_are_refused() -> None:
    held(f"{__name__}.TakesAny", {"depth": 2, "leaves": 3})
    assert "did you mean 'depth'?" in told(f"{__name__}.TakesAny", {"detph": 2})


def test_a_key_of_the_model_of_one_task_is_named_with_it(capsys: Any) -> None:
    assert main(["run", "dataset=abrupt", "comparison=one", "model.max_iter=5"]) == 2
    right = "model.regression.max_iter or model.classification.max_iter"
    assert f"model.max_iter: no such key; did you mean {right}?" in capsys.readouterr().err
    assert main(["run", "dataset=abrupt", "comparison=one", "dataset.seeed=5"]) == 2
    assert "dataset.seeed: no such key; did you mean 'seed'?" in capsys.readouterr().err

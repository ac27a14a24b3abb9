"""The rows of the table that `models.py` prints: models, how they are made and how updated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import handmade
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backtrain.strategies import Refit


def refit(model: Any, X: Any, y: Any, parent: Any) -> Any:
    return model.fit(X, y)


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    ``make`` gives a new model; ``alone`` are the parameters that hold it to one thread, which the
    replay has to find by itself. ``shared`` models cannot be isolated, so an error that says so is
    right; ``drawn`` ones take numbers from generators that no loop can set as the replay does.
    ``precision`` is what a batch of another shape may change; ``mixed`` histories have a category
    beside the numbers, so that they are frames.
    """

    name: str
    make: Callable[..., Any]
    alone: Mapping[str, Any] = field(default_factory=dict)
    update: Any = field(default_factory=Refit)
    learn: Callable[[Any, Any, Any, Any], Any] = refit
    task: str = "regression"
    features: str = "auto"
    mixed: bool = False
    shared: bool = False
    drawn: bool = False
    precision: float = 1e-9


def behind_a_scaler(entry: Entry) -> Entry:
    """The same model as the last step of a pipeline."""

    def piped(**parameters: Any) -> Any:
        return make_pipeline(StandardScaler(), entry.make(**parameters))

    return replace(entry, name=f"scaler, {entry.name}", make=piped)


def updated(name: str, make: Callable[..., Any], update: Any, **more: Any) -> Entry:
    """A model under an update of one's own, in the replay as in the loop."""

    def learn(model: Any, X: Any, y: Any, parent: Any) -> Any:
        return update.fit(model, X, y, None, parent, 0)

    return Entry(name, make, update=update, learn=learn, **more)


def catboost() -> list[Entry]:
    from catboost import CatBoostClassifier, CatBoostRegressor

    given = {"verbose": False, "allow_writing_files": False, "iterations": 15, "depth": 3}
    return boosting((CatBoostRegressor, CatBoostClassifier), given, {"thread_count": 1})


def lightgbm() -> list[Entry]:
    from lightgbm import LGBMClassifier, LGBMRegressor

    given, alone = {"verbose": -1, "n_estimators": 15, "num_leaves": 7}, {"n_jobs": 1}
    found = boosting((LGBMRegressor, LGBMClassifier), given, alone)
    # It writes what is set into a dictionary, which a shallow copy would share.
    coarse = handmade.Coarse("num_leaves", 2)
    return [*found, updated("LightGBM, first one coarse", found[0].make, coarse, alone=alone)]


def xgboost() -> list[Entry]:
    from xgboost import XGBClassifier, XGBRegressor

    given = {"n_estimators": 15, "max_depth": 3}
    return boosting((XGBRegressor, XGBClassifier), given, {"n_jobs": 1})


def boosting(
    kinds: Sequence[type], given: Mapping[str, Any], alone: Mapping[str, Any]
) -> list[Entry]:
    """Each of them as it is, and behind a scaler."""
    found = []
    for kind in kinds:
        task = "classification" if kind.__name__.endswith("Classifier") else "regression"
        entry = Entry(kind.__name__, partial(kind, **given), alone, task=task)
        found += [entry, behind_a_scaler(entry)]
    return found


#: Rows by the distribution that brings their models; CI installs them, users may not.
BOOSTING = {"catboost": catboost, "lightgbm": lightgbm, "xgboost": xgboost}


def handwritten(folder: Path) -> list[Entry]:
    """Wrappers that keep their regression in five places, and each behind a scaler."""
    found = [
        Entry("made in __init__", handmade.InInit),
        Entry("in a list of __init__", handmade.InAList),
        Entry("on the class", handmade.OnTheClass, shared=True),
        Entry("in the module", handmade.InAModule, shared=True),
        Entry("in a file", lambda: handmade.InAFile(str(folder / "model")), shared=True),
    ]
    return found + [behind_a_scaler(entry) for entry in found]


def odd() -> list[Entry]:
    """Models and updates that reach where they should not."""

    def placed() -> Any:
        return make_pipeline(handmade.InPlace(), LinearRegression())

    def centred() -> Any:
        return make_pipeline(handmade.CentredMean(), LinearRegression())

    def remembering() -> Any:
        functions = {"func": handmade.centred, "inverse_func": handmade.restored}
        return TransformedTargetRegressor(Ridge(), **functions, check_inverse=False)

    def transformed() -> Any:
        return TransformedTargetRegressor(handmade.OnTheClass())

    return [
        Entry("writes into its array", placed, features="array"),
        Entry("writes into its frame", placed, features="frame"),
        Entry("writes into a mixed frame", placed, mixed=True),
        Entry("a centred rolling mean", centred, shared=True),
        Entry("a target function with a memory", remembering, shared=True),
        Entry("target of one on the class", transformed, shared=True),
        Entry("shared random generators", handmade.Drawn, drawn=True),
        updated("changes its parent", handmade.steps, handmade.Onwards(), shared=True),
    ]


def honest() -> list[Entry]:
    """Scikit-learn's own, which must come out well."""
    network = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
    return [
        Entry("Ridge", Ridge),
        Entry("LogisticRegression", LogisticRegression, task="classification"),
        Entry("HistGradientBoosting", lambda: HistGradientBoostingRegressor(max_iter=10)),
        Entry("RandomForest", lambda: RandomForestRegressor(5, random_state=0)),
        Entry(
            "RandomForest, two threads", lambda: RandomForestRegressor(5, n_jobs=2, random_state=0)
        ),
        Entry("MLP", lambda: make_pipeline(StandardScaler(), MLPRegressor(**network))),
        Entry("SGD", lambda: make_pipeline(StandardScaler(), SGDRegressor(random_state=0))),
    ]


def entries(folder: Path) -> list[Entry]:
    """All rows but those of torch, as far as installed; one model writes into the folder."""
    installed = [make for name, make in BOOSTING.items() if find_spec(name)]
    boosted = [entry for make in installed for entry in make()]
    return [*boosted, *handwritten(folder), *odd(), *honest()]


def torch_entries() -> list[Entry]:
    """Models of torch and skorch, which have to be installed."""
    import torches

    return [
        Entry(f"torch: {name}", make, precision=1e-5, **more) for name, make, more in torches.ALL
    ]

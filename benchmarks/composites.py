"""Rows of the table that are made of several estimators, or stop early, or know categories."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from entries import Entry
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, StackingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the next import work
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeRegressor

from backtrain.strategies import Refit

TEXTS = ["half"]  # the category of a mixed history
HELD = 0.2


# --- of scikit-learn ------------------------------------------------------------------------------


def searched() -> Any:
    return GridSearchCV(Ridge(), {"alpha": [0.1, 10, 1000]}, cv=TimeSeriesSplit(3))


def halved() -> Any:
    space = {"max_depth": [2, 3, 4, 5], "min_samples_leaf": [1, 5, 20]}
    tree = DecisionTreeRegressor(random_state=0)
    return HalvingRandomSearchCV(tree, space, cv=TimeSeriesSplit(3), random_state=0)


def stacked() -> Any:
    tree = DecisionTreeRegressor(max_depth=3, random_state=0)
    return StackingRegressor([("ridge", Ridge()), ("tree", tree)], LinearRegression(), cv=3)


def transformed() -> Any:
    onto = QuantileTransformer(n_quantiles=50, output_distribution="normal", random_state=0)
    return TransformedTargetRegressor(Ridge(), transformer=onto)


def encoded(encoder: Any) -> Any:
    return make_pipeline(
        make_column_transformer((encoder, TEXTS), remainder="passthrough"), Ridge()
    )


def early() -> Any:
    more = {"early_stopping": True, "n_iter_no_change": 3, "random_state": 0}
    return HistGradientBoostingRegressor(max_iter=60, **more)


def stopped(model: Any, X: Any, y: Any, parent: Any) -> Any:
    """Scikit-learn's boosting, with the newest rows to stop by."""
    learnt = len(y) - int(HELD * len(y))
    return model.fit(X[:learnt], y[:learnt], X_val=X[learnt:], y_val=y[learnt:])


def composed() -> list[Entry]:
    """Those that need nothing but scikit-learn."""
    calibrated = partial(CalibratedClassifierCV, LogisticRegression(), cv=3)
    return [
        Entry("search over a grid", searched),
        Entry("halving search", halved),
        Entry("stacking", stacked),
        Entry("transformed target", transformed),
        Entry("calibrated", calibrated, task="classification"),
        Entry("target encoding", lambda: encoded(TargetEncoder(random_state=0)), mixed=True),
        Entry("stops early by itself", early),
        Entry("stops early by newest rows", early, update=Refit(validation=HELD), learn=stopped),
    ]


# --- of others ------------------------------------------------------------------------------------


def lightgbm() -> list[Entry]:
    from lightgbm import LGBMRegressor

    given = {"verbose": -1, "n_estimators": 15, "num_leaves": 7}

    def by_newest(model: Any, X: Any, y: Any, parent: Any) -> Any:
        learnt = len(y) - int(HELD * len(y))
        return model.fit(X[:learnt], y[:learnt], eval_set=[(X[learnt:], y[learnt:])])

    stops = partial(LGBMRegressor, early_stopping_round=2, **given)
    held = Refit(validation=HELD)
    return [
        Entry("LightGBM, categories", partial(LGBMRegressor, **given), {"n_jobs": 1}, mixed=True),
        Entry("LightGBM, stops early", stops, {"n_jobs": 1}, held, by_newest),
    ]


def xgboost() -> list[Entry]:
    from xgboost import XGBRegressor

    made = partial(XGBRegressor, n_estimators=15, max_depth=3, enable_categorical=True)
    return [Entry("XGBoost, categories", made, {"n_jobs": 1}, mixed=True)]


def catboost() -> list[Entry]:
    from catboost import CatBoostRegressor

    given = {"verbose": False, "allow_writing_files": False, "iterations": 15, "depth": 3}
    made = partial(CatBoostRegressor, cat_features=TEXTS, **given)
    return [Entry("CatBoost, categories", made, {"thread_count": 1}, mixed=True)]


def imblearn() -> list[Entry]:
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline as resampling

    def made() -> Any:
        return resampling(StandardScaler(), SMOTE(random_state=0), LogisticRegression())

    return [Entry("SMOTE", made, task="classification")]


def category_encoders() -> list[Entry]:
    from category_encoders import TargetEncoder as Encoder

    return [Entry("target encoding of others", lambda: encoded(Encoder()), mixed=True)]


def river() -> list[Entry]:
    from river.compat import convert_river_to_sklearn
    from river.linear_model import LinearRegression as Online
    from river.preprocessing import StandardScaler as Scaler
    from river.tree import HoeffdingTreeClassifier

    def further(model: Any, X: Any, y: Any, parent: Any) -> Any:
        return model.fit(X, y)

    def tree() -> Any:
        return convert_river_to_sklearn(HoeffdingTreeClassifier(grace_period=50))

    def line() -> Any:
        return convert_river_to_sklearn(Scaler() | Online())

    return [
        Entry("river, regression", line, learn=further, features="array"),
        Entry("river, a tree", tree, task="classification", features="array"),
    ]


#: Rows by the package that brings their models.
OF_OTHERS: dict[str, Callable[[], list[Entry]]] = {
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "imblearn": imblearn,
    "category_encoders": category_encoders,
    "river": river,
}


def of_others() -> list[Entry]:
    """Rows of the packages that are installed."""
    made = (make for package, make in OF_OTHERS.items() if find_spec(package))
    return [entry for make in made for entry in make()]

"""One cell of the standings: a stream, a model, a delay of labels and a seed; all policies on it.

All costs are shares of what static's errors cost, so that streams can be put beside one another.
Trainings are free in a replay and priced afterwards, but for policies that look at prices.
"""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from standings_policies import STATIC, Policy, policies, window
from standings_streams import SOURCES, stream
from standings_tables import DELAYS, FIRST, START, TICKS, Delay

from backtrain import Backtest, Prices, Run, Stream
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.outlook import decided
from backtrain.simulator.baselines import baselines

#: Of a retrain, as shares of what static's errors cost in all.
PRICES = (0.0, 0.001, 0.005, 0.02)
MODELS = ("linear", "boosted", "tree")
#: Days by which the start of a real stream is later for each seed: static is one draw.
LATER = 3
#: An oracle that saves less has no share worth telling.
LEAST_SAVED = 0.001
DRAWS = 1000
ORACLE = "oracle"


class Cell(NamedTuple):
    """What all policies are measured on; rows of the table agree in these columns."""

    stream: str
    model: str
    delay: Delay
    seed: int

    @property
    def digest(self) -> str:
        """Of all that the cell's rows depend on, but for the code."""
        source = SOURCES[self.stream]
        data = source.fingerprint or repr((source.origin, source.title))
        model = repr(model_of(self.model, True, 0))
        asked = {name: repr(policy) for name, policy in policies("metric", 48).items()}
        whole = [*self, data, model, asked, PRICES, LATER, DRAWS, TICKS, FIRST, DELAYS]
        return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:24]

    def backtest(self) -> tuple[Backtest, int]:
        """The question that all policies are asked, and the rows of a day."""
        source = SOURCES[self.stream]
        table = source.load(self.seed)
        later = LATER * self.seed if source.fingerprint else 0
        return backtest_of(stream(table, self.delay), self.model, self.seed, later), table.tick


def model_of(name: str, regression: bool, seed: int) -> Any:
    """One of three models, small enough to be trained a hundred times in seconds."""
    if name == "linear":
        own = Ridge() if regression else LogisticRegression(max_iter=200)
        return make_pipeline(StandardScaler(), own)
    if name == "tree":
        tree = DecisionTreeRegressor if regression else DecisionTreeClassifier
        return tree(min_samples_leaf=10, random_state=seed)
    from lightgbm import LGBMClassifier, LGBMRegressor

    booster = LGBMRegressor if regression else LGBMClassifier
    return booster(
        n_estimators=30,
        num_leaves=15,
        learning_rate=0.15,
        min_child_samples=10,
        colsample_bytree=0.8,
        n_jobs=1,
        verbose=-1,
        deterministic=True,
        force_row_wise=True,
    )


def backtest_of(stream: Stream, model: str, seed: int, later: int = 0) -> Backtest:
    """The question that all policies are asked; trainings are free, errors cost their loss."""
    regression = stream.y.dtype.kind == "f"
    start = START + pd.Timedelta(days=FIRST + later)
    return Backtest(
        stream,
        model_of(model, regression, seed),
        tick="1D",
        start=start,
        prices=Prices(retrain=0.0, error=1.0),
        metrics=["MAE" if regression else "accuracy"],
        seed=seed,
    )


def measured(cell: Cell) -> pd.DataFrame:
    """All policies, baselines and the oracle: a row a price and name; deterministic."""
    backtest, day = cell.backtest()
    asked = policies(str(backtest.metrics[0]), day)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models on few rows; what raises is noted
        unit = _unit(backtest, asked[STATIC])
        matrix = backtest.loss_matrix(window(day))
        rows = [
            {"policy": name, "kind": policy.kind, "tuned": policy.tuned, **row}
            for name, policy in asked.items()
            for row in _at_prices(backtest, policy, cell.model, unit, matrix)
        ]
        found = baselines(replace(backtest, cache=backtest.store))
    for price in PRICES:
        rows += [
            {"policy": one.name, "kind": "no model", "price": price,
             "errors": one.error / unit, "retrains": 0}
            for one in found if not one.name.startswith("label ")
        ]  # fmt: skip
        oracle = matrix.oracle(Prices(retrain=price * unit, error=1.0))
        count = len(oracle.ticks)
        errors = oracle.cost / unit - price * count
        rows.append({"policy": ORACLE, "kind": "oracle", "price": price,
                     "errors": errors, "retrains": count})  # fmt: skip
    return _finished(pd.DataFrame(rows))


def measured_alone(cell: Cell, policy: Policy, oracle: Mapping[float, float]) -> pd.DataFrame:
    """One policy, beside what the oracle costs at each price; without luck, which costs most."""
    backtest, day = cell.backtest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unit = _unit(backtest, policies(str(backtest.metrics[0]), day)[STATIC])
        rows = _at_prices(backtest, policy, cell.model, unit, None)
    table = pd.DataFrame(
        [{"policy": "", "kind": policy.kind, "tuned": policy.tuned, **row} for row in rows]
    )
    return _finished(table, oracle)


def _unit(backtest: Backtest, static: Policy) -> float:
    """What static's errors cost."""
    unit = float(backtest.replay(static.strategy).totals["error"])
    if not unit > 0:
        raise ValueError("static errs nowhere: there is nothing to save")
    return unit


def _at_prices(
    backtest: Backtest, policy: Policy, model: str, unit: float, matrix: LossMatrix | None
) -> list[dict[str, Any]]:
    """What a policy does at each price: one replay where it does not look at them."""
    if policy.model not in ("", model):
        why = f"needs the model {policy.model}"
        return [{"price": price, "errors": math.nan, "error": why} for price in PRICES]
    rows = []
    for price in PRICES:
        if not rows or policy.priced:
            prices = Prices(retrain=price * unit, error=1.0)
            asked = replace(backtest, prices=prices, cache=backtest.store)
            try:
                row = _counted(asked.replay(policy.strategy), unit, matrix)
            except Exception as error:  # a policy that cannot be run here has no cost
                row = {"errors": math.nan, "error": str(error).splitlines()[0][:200]}
        rows.append({"price": price, **row})
    return rows


def _counted(run: Run, unit: float, matrix: LossMatrix | None) -> dict[str, Any]:
    count = int(run.totals["retrains"])
    return {
        "errors": run.totals["error"] / unit,
        "retrains": count,
        "luck": _luck(run, matrix) if count and matrix else math.nan,
    }


def _luck(run: Run, matrix: LossMatrix) -> float:
    """The share of as many trainings at random that err less; of what errs as much, half."""
    ticks = matrix.thinned(decided(run))
    if not len(ticks):
        return math.nan
    own = matrix.schedule(ticks)
    drawn = matrix.placebo(int(own.retrains[0]), int(own.free[0]), DRAWS).random.loss
    mine = run.totals["error"]
    near = np.isclose(drawn, mine, rtol=1e-9)
    return float(((drawn < mine) & ~near).mean() + near.mean() / 2)


def _finished(table: pd.DataFrame, oracle: Mapping[float, float] | None = None) -> pd.DataFrame:
    """With costs, shares of the oracle's saving, and columns in their order."""
    for column, missing in (("luck", math.nan), ("error", "")):
        table[column] = table[column].fillna(missing) if column in table else missing
    table["tuned"] = table["tuned"].eq(True)
    table["cost"] = table["errors"] + table["price"] * table["retrains"].fillna(0).astype(float)
    if oracle is None:
        oracle = table[table["kind"] == "oracle"].set_index("price")["cost"].to_dict()
    saves = 1 - table["price"].map(oracle)
    table["saved"] = ((1 - table["cost"]) / saves).where(saves >= LEAST_SAVED)
    table["retrains"] = table["retrains"].astype("Int32")
    order = ["price", "policy", "kind", "tuned", "cost", "errors", "retrains", "saved", "luck"]
    return table[[*order, "error"]].sort_values(["price", "policy"], ignore_index=True)

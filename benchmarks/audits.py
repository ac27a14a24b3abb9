"""Every shipped part passes the audit, and what that costs: ``python benchmarks/audits.py``.

Without arguments, all presets of strategies, and those of parts that none of them uses, on bike,
flights and a synthetic stream, by a linear model where one fits; exit code 1 where something is
found. Names of datasets choose among these, ``--parts`` leaves the strategies out. With ``--time``,
CPU seconds of an audit in plain replays, by the default model.
"""

import sys
import time
from importlib.resources import files

from omegaconf import OmegaConf
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from backtrain import Backtest, Prices, Strategy
from backtrain.cli import main
from backtrain.datasets.bundled import bike
from backtrain.simulator.replay import replay
from backtrain.strategies import BeatsChampion, Every, Expanding, PerformanceDrop, Sliding

DATASETS = {"bike": [], "flights": [], "abrupt": ["dataset.n=4000", "dataset.task=classification"]}
MODELS = {
    "bike": ["model=linear"],
    "flights": ["model=gradient_boosting", "model.classification.max_iter=8"],
    "abrupt": ["model=linear"],
}
#: Models for updates that the linear one does not fit.
FITTING = {
    "partial_fit": ["model=sgd"],
    "warm_start": [
        "model=random_forest",
        "model.regression.estimator.n_estimators=8",
        "model.classification.estimator.n_estimators=8",
    ],
    "retune_monthly": ["model=gradient_boosting"],
    "transfer": ["model=linear"],
}
#: What needs a file of the user's, or a choice of parts.
NEEDS_MORE = {"recorded", "parts"}
#: Parts that no preset of a strategy uses, each in place of its kind's default; `NoGroupWorse`
#: needs groups, which none of these datasets has.
PARTS = {
    "trigger": "all_of any_of at_least budget cooldown cumulative_staleness every_labels max_age "
    "missing_drift not warm_up",
    "window": "complete_cohorts decay representative reservoir since_last_training thinned",
    "update": "transfer",
    "gate": "chain",
}


def presets() -> list[str]:
    """Strategies that the catalogue leaves out."""
    conf = files("backtrain.conf")
    names = {entry.name.removesuffix(".yaml") for entry in (conf / "strategy").iterdir()}
    defaults = OmegaConf.create((conf / "comparison/catalogue.yaml").read_text())["defaults"]
    listed = {name for entry in defaults for name in entry.values()}
    return sorted(n for n in names - listed - NEEDS_MORE if n[0] != "_" and "." not in n)


def audit_all(datasets: list[str], strategies: bool = True) -> int:
    codes = []
    for dataset in datasets:
        usual = [f"dataset={dataset}", "progress=false", "cache=false", *DATASETS[dataset]]
        one = ["audit", "comparison=one", *usual, "strategy=parts"]
        if strategies:
            codes.append(main(["audit", "comparison=catalogue", *usual, *MODELS[dataset]]))
            for preset in presets():
                model = FITTING.get(preset, MODELS[dataset])
                codes.append(
                    main(["audit", "comparison=one", *usual, *model, f"strategy={preset}"])
                )
        for kind, names in PARTS.items():
            codes += [
                main([*one, f"{kind}={name}", *FITTING.get(name, MODELS[dataset])])
                for name in names.split()
            ]
    print(f"{len(codes)} audits, {sum(map(bool, codes))} with findings or errors")
    return max(codes)


def cost() -> None:
    """CPU seconds of a plain replay, and of an audit, each with an empty store."""
    strategies = {
        "every 7D, 90D": Strategy(Every("7D"), Sliding("90D")),
        "every 7D, expanding": Strategy(Every("7D"), Expanding()),
        "drop, champion": Strategy(
            PerformanceDrop("MAE", drop="20%"), Sliding("90D"), gate=BeatsChampion()
        ),
    }
    linear = make_pipeline(SimpleImputer(), Ridge())
    for model in (linear, HistGradientBoostingRegressor()):
        backtest = Backtest(bike(latency="1D"), model, start="2011-04-01", prices=Prices(retrain=5))
        for name, strategy in strategies.items():
            began = time.process_time()
            replay(backtest, strategy)
            plain = time.process_time() - began
            found = backtest.audit(strategy, data=False)
            took = time.process_time() - began - plain
            assert found.passed, found
            print(f"{type(model).__name__}, {name}: {plain:.1f} s, audit {took / plain:.2f} of it")


if __name__ == "__main__":
    if "--time" in sys.argv:
        cost()
    else:
        sys.exit(
            audit_all(
                [a for a in sys.argv[1:] if a in DATASETS] or list(DATASETS),
                "--parts" not in sys.argv,
            )
        )

"""Every preset composes, passes the check and builds; every slip is named where it stands."""

import inspect
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import gathered
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from backtrain import strategies
from backtrain.cli import main
from backtrain.config import compose as lane
from backtrain.config import presets
from backtrain.config.build import ConfigError, build, guess, locate
from backtrain.config.check import check
from backtrain.config.study import checked, load, usual_task
from backtrain.datasets.stream import Stream
from backtrain.models import ByTask
from backtrain.simulator.ledger import Prices
from backtrain.strategies import blackouts

CONF = files("backtrain.conf")
GROUPS = sorted(str(entry.name) for entry in CONF.iterdir() if (CONF / entry.name).is_dir())
PRESETS = [(group, name) for group in GROUPS for name in presets.names(group) if name[0] != "_"]
NODES = [preset for preset in PRESETS if preset[0] != "experiment"]  # it sets what others hold
PARTS = ("trigger", "window", "update", "gate")
SEVERAL = ("comparison", "faults", "callbacks")  # groups whose presets hold several by name

#: What presets leave to the user.
GIVEN: dict[tuple[str, str], list[str]] = gathered("GIVEN") | {
    ("loss", "cost_matrix"): ["loss.costs={a: {b: 1}}"],
    ("prices", "compute"): ["prices.hour=20", "prices.hours=6"],
    ("trigger", "on_dates"): ["trigger.dates=[2012-01-02]"],
    ("latency", "by_class"): ["latency.offsets={0:30D}"],
    ("dataset", "table"): ["dataset.path=no.csv", "dataset.time=t", "dataset.target=y"],
    ("dataset", "stream"): ["dataset.path=nowhere"],
    ("dataset", "openml"): ["dataset.name=x", "dataset.time=t", "dataset.target=y"],
    ("model", "estimator"): ["model._target_=sklearn.linear_model.Lasso"],
    ("trigger", "custom"): ["trigger._target_=backtrain.strategies.Never"],
    ("window", "custom"): ["window._target_=backtrain.strategies.Expanding"],
    ("update", "custom"): ["update._target_=backtrain.strategies.Refit"],
    ("gate", "custom"): ["gate._target_=backtrain.strategies.Immediate"],
    **{
        ("faults", name): [f"faults.{name}.column=x0"]
        for name in ("fahrenheit", "dropped_column", "stuck_sensor")
    },
}
#: What needs the network, an optional package, or a file.
NOT_HERE = [("dataset", name) for name in ("openml", "flights_full", "table", "stream")]


def composed(*overrides: str) -> DictConfig:
    with initialize_config_module("backtrain.conf", version_base="1.3"):
        return compose("run", ["progress=false", "n_jobs=1", *overrides])


def plain(*overrides: str) -> dict[str, Any]:
    return checked(composed(*overrides))


@cache
def preset(group: str, choice: str) -> dict[str, Any]:
    few = [] if group == "comparison" else ["comparison=one"]
    return plain(f"{group}={choice}", *few, *GIVEN.get((group, choice), []))


def small(*overrides: str) -> list[str]:
    return ["dataset=abrupt", "dataset.n=600", "comparison=one", *overrides]


# --- presets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "choice"), NODES, ids=str)
def test_every_preset_composes_passes_the_check_and_builds(group: str, choice: str) -> None:
    if choice in ("lightgbm", "xgboost", "catboost"):  # extras, called like their libraries
        pytest.importorskip(choice)
    config = preset(group, choice)
    if (group, choice) in NOT_HERE:
        return
    for node in config[group].values() if group in SEVERAL else [config[group]]:
        if group == "loss" and not isinstance(node, dict):  # a name of `LOSSES`
            assert node == (None if choice == "usual" else choice)
            continue
        built, target = build(node), locate(node["_target_"])
        made = Prices if group == "prices" else Stream  # by a function
        assert isinstance(built, target if inspect.isclass(target) else made)


@pytest.mark.parametrize(("group", "choice"), [p for p in PRESETS if p[0] in PARTS], ids="/".join)
def test_a_part_from_its_preset_is_rebuilt_by_its_repr(group: str, choice: str) -> None:
    part = build(preset(group, choice)[group])
    again = eval(repr(part), vars(strategies))
    assert repr(again) == repr(part)
    assert type(again) is type(part)


def test_every_strategy_part_has_a_preset_with_exactly_its_parameters() -> None:
    keys = {}
    for group, choice in PRESETS:
        if group in PARTS and choice != "custom":
            node = preset(group, choice)[group]
            keys[node["_target_"].rpartition(".")[2]] = set(node) - {"_target_"}
    without = {"Strategy", "Detector", *blackouts.__all__}  # blackouts stand in lists
    parts = set(strategies.__all__) - without
    assert set(keys) == parts
    for name in parts:
        parameters = list(inspect.signature(getattr(strategies, name)).parameters.values())
        known = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
        if len(known) < len(parameters):  # then what stands before is given by position, too
            known = ["_args_"]
        assert keys[name] == set(known), name


def test_a_class_that_is_exported_is_at_once_a_preset_and_in_the_catalogue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @dataclass(frozen=True, repr=False)
    class BrandNew(strategies.MaxAge):
        """When it is new. More about it."""

        share: float = 0.25
        columns: tuple[str, ...] = ("a", "b")
        within: Any = field(default_factory=lambda: strategies.Sliding(3))

    assert "brand_new" not in presets.names("trigger")
    monkeypatch.setattr(strategies, "BrandNew", BrandNew, raising=False)
    monkeypatch.setattr(strategies.triggers, "BrandNew", BrandNew, raising=False)
    exported = [*strategies.triggers.__all__, "BrandNew"]
    monkeypatch.setattr(strategies.triggers, "__all__", exported)
    store = ConfigStore.instance().repo
    monkeypatch.setitem(store, "trigger", dict(store["trigger"]))
    presets.register()
    with pytest.raises(ConfigError, match="offset is not given; add"):
        plain("trigger=brand_new")
    assert plain("trigger=brand_new", "trigger.offset=5D", "trigger.share=0.5")["trigger"] == {
        "_target_": "backtrain.strategies.BrandNew",
        "offset": "5D",
        "share": 0.5,
        "columns": ["a", "b"],
        "within": {"_target_": "backtrain.strategies.Sliding", "length": 3},
    }
    assert main(["list", "trigger"]) == 0
    assert re.search(r"brand_new +When it is new\.\n", capsys.readouterr().out)


def test_a_file_says_something_that_its_class_does_not() -> None:
    for group in presets.PARTS:
        for kind in presets.exported(group):
            name = presets.snake_case(kind.__name__)
            if (CONF / group / f"{name}.yaml").is_file():
                node = ConfigStore.instance().load(f"{group}/_{name}.yaml").node
                assert preset(group, name)[group] != OmegaConf.to_container(node), name


@pytest.mark.parametrize(("group", "choice"), PRESETS, ids=str)
def test_every_preset_says_what_it_is_in_one_short_line(group: str, choice: str) -> None:
    said = presets.describe(group, choice)
    assert said[-1] in ".?"
    assert len(said) <= 100


def test_the_default_comparison_has_eleven_strategies_and_its_own_names() -> None:
    study = load(
        composed(*small("comparison=intervals_and_triggers", "strategy=monthly")), "monthly"
    )
    assert list(study.strategies) == [
        "static",
        "static_all",
        "every_90d",
        "every_30d",
        "every_14d",
        "every_7d",
        "every_3d",
        "performance_drop",
        "error_drift",
        "feature_drift",
        "champion",
        "monthly",
    ]


def test_one_window_serves_all_strategies() -> None:
    study = load(composed(*small("window.length=30D")), "every_7d")
    assert {repr(strategy.window) for strategy in study.strategies.values()} == {"Sliding('30D')"}


def test_a_price_chosen_by_the_user_wins_over_that_of_the_dataset() -> None:
    assert plain("dataset=bike")["prices"]["error"] == 0.05
    assert plain("dataset=bike", "prices=errors_only")["prices"]["error"] == 1.0


def test_faults_are_applied_in_their_order_to_what_latency_left() -> None:
    faults = ["faults=[late_labels,cents]", "faults.cents.column=x1", "faults.late_labels.delay=1h"]
    study = load(composed(*small("latency=fixed", "latency.offset=2h", *faults)), "every_7d")
    stream = study.backtest.stream
    assert [fault.name for fault in stream.faults] == ["labels 1h late", "x1 × 100"]
    waits = stream.label_time - stream.event_time
    assert sorted(set(waits.tolist())) == [2 * 3_600 * 10**9, 3 * 3_600 * 10**9]


def test_the_task_is_that_of_the_data_without_faults() -> None:
    faults = ["dataset.task=regression", "faults=cents"]
    assert load(composed(*small(*faults)), "every_7d").backtest.task == "regression"


def test_a_choice_in_a_list_is_named_too() -> None:
    with pytest.raises(ConfigError, match="faults=cnts: no such choice; did you mean 'cents'"):
        lane.composed(["faults=[cnts]"])


# --- models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("model", ["gradient_boosting", "linear", "random_forest", "sgd"])
def test_model_presets_serve_both_tasks(model: str, task: str) -> None:
    overrides = [f"model={model}", f"dataset.task={task}", "tick=10D", "window=expanding"]
    study = load(composed(*small(*overrides)), "every_7d")
    assert all(run.totals["fallback"] == 0 for run in study.compare().runs.values())


@pytest.mark.parametrize("model", ["gradient_boosting", "linear", "random_forest", "sgd"])
def test_model_presets_take_categories_gaps_and_what_they_have_never_seen(
    tmp_path: Path, model: str
) -> None:
    rows = [
        f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00,{'ab'[i % 2]},{i % 7},{i % 2}"
        for i in range(400)
    ]
    rows[5] = "2024-01-01 05:00,,,1"
    rows[300] = "2024-01-13 12:00,new,3,0"
    (tmp_path / "t.csv").write_text("\n".join(["when,kind,size,y", *rows]))
    table = [f"dataset.path={tmp_path}/t.csv", "dataset.time=when", "dataset.target=y"]
    study = load(composed("dataset=table", *table, f"model={model}", "comparison=one"), "every_7d")
    assert study.backtest.task == "classification"
    assert all(run.totals["fallback"] == 0 for run in study.compare().runs.values())


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        ([1.0, 2.0], "classification"),
        ([0, 1, 2], "regression"),
        ([0.5, 1.0], "regression"),
        (range(50), "regression"),
    ],
)
def test_the_task_follows_from_the_target(labels: Any, task: str) -> None:
    times = [f"2024-01-01 00:00:{i:02d}" for i in range(len(labels))]
    y = np.array(list(labels), dtype=object if isinstance(labels[0], str) else None)
    assert usual_task(Stream(np.zeros((len(y), 1)), y, np.array(times, "datetime64[s]"))) == task


def test_by_task_picks() -> None:
    model = build(plain(*small())["model"])
    assert isinstance(model, ByTask)
    assert isinstance(model.pick("regression"), HistGradientBoostingRegressor)
    assert isinstance(model.pick("classification"), HistGradientBoostingClassifier)
    assert isinstance(build(plain(*small("model=sgd"))["model"]).pick("regression"), Pipeline)


# --- the check ----------------------------------------------------------------------------------

NOT_FOUND = {
    "trigger.every=7": "trigger.every=7: must be str, not int; "
    "if it is a length of time, add the unit: '7D'",
    "+trigger.evry=7D": "trigger.evry: Every has no such key; did you mean 'every'? "
    "There are every, phase, since",
    "window.length=[1]": "window.length=[1]: must be str or int, not a list of 1",
    "window.length=true": "window.length=True: must be str or int, not bool",
    "prices.retrain=abc": "prices.retrain='abc': must be float, not str",
    "trigger=on_dates": "trigger.dates is not given; add trigger.dates=VALUE",
    "trigger=any_of +trigger.x=1": "trigger.x: AnyOf takes nothing; remove it",
    "~trigger.every": "trigger.every is needed by Every; add +trigger.every=VALUE",
    "trigger=custom trigger._target_=backtrain.models.coded": "trigger.estimator is needed by "
    "coded, a function; where it is the part itself, add +trigger._partial_=true; "
    "else add +trigger.estimator=VALUE",
    "task=foo": "task='foo': must be 'auto' or 'regression' or 'classification'",
    "trigger._target_=backtrain.strategies.Evry": "trigger._target_='backtrain.strategies.Evry': "
    "'backtrain.strategies' has no 'Evry'; did you mean 'Every'?",
    "trigger._target_=backtrain.strategis.Every": "trigger._target_='backtrain.strategis.Every': "
    "'backtrain' has no module 'strategis'; did you mean 'strategies'?",
    "trigger._target_=my_modul.Mine": "trigger._target_='my_modul.Mine': "
    "there is no module 'my_modul'; call from its directory, put that on PYTHONPATH, or install it",
    "trigger._target_=Mine": "trigger._target_='Mine': "
    "needs a module and a name, such as 'my_module.MyTrigger'",
    "model=estimator": "model._target_ is not given; add model._target_=VALUE",
    "trigger._target_=string.Template +trigger.template=": "\n".join(
        f"trigger.{key}: Template has no such key; there are template; for a class of your own "
        "choose trigger=custom, which has no keys"
        for key in ("every", "phase", "since")
    ),
    "strategy=champion strategy.gate.holdout=abc": "strategy.gate.holdout='abc': "
    "must be float or int, not str",
}


@pytest.mark.parametrize("overrides", NOT_FOUND)
def test_a_slip_is_named_where_it_stands(overrides: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plain("comparison=one", *overrides.split())
    assert str(caught.value) == NOT_FOUND[overrides]


def test_an_int_is_good_enough_for_a_float() -> None:
    assert plain("prices.retrain=3")["prices"]["retrain"] == 3


def test_a_key_of_no_use_is_named() -> None:
    with pytest.raises(ConfigError, match="tikc: a run has no such key; did you mean 'tick'"):
        plain("+tikc=1D")


def test_many_problems_take_five_lines() -> None:
    wrong = ["seed=a", "n_jobs=b", "progress=3", "task=c", "features=d", "end=[]", "tick=[]"]
    with pytest.raises(ConfigError) as caught:
        plain(*wrong)
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert lines[-1] == "... and 3 more"


def test_the_check_walks_into_lists_mappings_and_partials() -> None:
    every = {"_target_": "backtrain.strategies.Every", "evry": "7D", "every": "7D"}

    def takes(parts: Any) -> None: ...

    with pytest.raises(ConfigError, match=r"^parts\.0\.evry"):
        check({"parts": [every]}, takes)
    with pytest.raises(ConfigError, match=r"^parts\.a\.evry"):
        check({"parts": {"a": every}}, takes)
    check({"parts": {"_target_": "backtrain.strategies.Every", "_partial_": True}}, takes)


def test_own_modules_are_found_and_their_import_errors_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_part.py").write_text("class Mine:\n    def __init__(self, n: int): ...\n")
    (tmp_path / "broken_part.py").write_text("import not_installed\n")
    assert locate("own_part.Mine").__name__ == "Mine"
    with pytest.raises(ConfigError, match="has no 'Mien'; did you mean 'Mine'"):
        locate("own_part.Mien")
    with pytest.raises(ConfigError, match="importing 'broken_part' failed: No module named"):
        locate("broken_part.Mine")


def test_a_part_that_refuses_its_value_says_so_itself() -> None:
    with pytest.raises(ConfigError, match=r"'7X'\): not a time offset; did you mean '7D'\?"):
        load(composed(*small("window.length=7X")))


def test_guess_says_what_there_is_where_nothing_is_near() -> None:
    assert guess("zzz", ["every", "phase"]) == "there are every, phase"


def test_a_study_says_what_it_is() -> None:
    assert str(load(composed(*small()), "every_7d")) == (
        "abrupt: 600 rows, 2024-01-01 to 2024-01-25; 2 strategies from 2024-01-05 on; "
        "HistGradientBoostingClassifier"
    )


def test_the_baseline_takes_the_parts_of_the_run_where_a_preset_has_its_own() -> None:
    own = ["strategy=dynamic_window", "window.length=20D"]
    shown = load(composed(*small(*own)), "dynamic_window").held_against
    assert shown == "baseline static: Strategy(Never(), Sliding('20D'))"
    both = load(composed(*small("strategy=parts", "window.length=20D", "baseline=parts")), "parts")
    assert both.held_against == "baseline parts: Strategy(Every('7D'), Sliding('20D'))"


def test_a_trigger_that_no_strategy_uses_is_not_ignored() -> None:
    with pytest.raises(ConfigError, match="add strategy=parts"):
        load(composed("dataset=sea", "trigger=random"))
    load(composed("dataset=sea", "trigger=random", "strategy=parts"), "parts")


OWN = {  # preset: what it chooses itself
    "champion": ("gate", "BeatsChampion"),
    "checked": ("gate", "DataCheck"),
    "partial_fit": ("update", "PartialFit"),
    "retune_monthly": ("update", "Retune"),
    "shadow": ("gate", "Shadow"),
    "since_drift": ("window", "SinceDrift"),
    "warm_start": ("update", "WarmStart"),
}
FOR_THE_RUN = {"window": "decay", "update": "transfer", "gate": "canary"}


def made_of(config: DictConfig) -> dict[str, str]:
    strategy = checked(config)["strategy"]
    return {part: strategy[part]["_target_"].rpartition(".")[2] for part in FOR_THE_RUN}


@pytest.mark.parametrize("preset", [*OWN, "static", "alarm_or_monthly", "monthly"])
def test_what_a_preset_chooses_replaces_the_run_s_and_the_rest_is_the_run_s(preset: str) -> None:
    overrides = [f"{part}={choice}" for part, choice in FOR_THE_RUN.items()]
    config = composed("comparison=one", f"strategy={preset}", *overrides)
    part, name = OWN.get(preset, ("gate", "Canary"))  # no foreign keys, or `checked` raises
    assert made_of(config) == {"window": "Decay", "update": "Transfer", "gate": "Canary"} | {
        part: name
    }


def test_a_preset_s_own_part_can_be_set_and_the_run_s_is_set_where_it_stands() -> None:
    config = composed("strategy=champion", "gate=shadow", "strategy.gate.holdout=0.3")
    assert checked(config)["strategy"]["gate"]["holdout"] == 0.3
    # The run's gate is Immediate, which has no such key, in a copy of it neither.
    for key in ("strategy.gate.holdout=0.3", "comparison.every_7d.gate.holdout=0.3"):
        with pytest.raises(ConfigError, match=r"gate\.holdout: no such key"):
            lane.composed(["strategy=monthly", key])


def test_a_part_given_whole_over_a_preset_with_other_keys_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="choose the preset of this class and set its keys"):
        lane.composed(["trigger={_args_:[1]}"])

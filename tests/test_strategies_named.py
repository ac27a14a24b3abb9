"""Several strategies in one job, grids, and keys inside of strategies: what the words mean."""

import shlex
import sys
from pathlib import Path

import pytest

from backtrain.cli import main
from backtrain.config import compose
from backtrain.config.build import ConfigError
from backtrain.config.study import _Strategies, checked, load
from backtrain.reports.comparison import Comparison

USUAL = "Sliding('90D')"


def jobs(line: str) -> list[dict[str, str]]:
    """The strategies of each job, by name, as code."""
    configs = compose.composed(compose.in_order(["comparison=one", *shlex.split(line)]))
    out = []
    for config in configs:
        own, chosen = compose.split(config)
        built = _Strategies(chosen).built(checked(own))
        out.append({name: repr(one) for name, one in built.items() if name != "static"})
    return out


def job(line: str) -> dict[str, str]:
    (only,) = jobs(line)
    return only


def refused(line: str) -> str:
    with pytest.raises(ConfigError) as caught:
        job(line)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# --- several --------------------------------------------------------------------------------------


def test_a_list_joins_the_comparison_under_the_names_of_its_presets() -> None:
    assert job("strategy=[monthly,champion,static_all]") == {
        "monthly": f"Strategy(Every('MS'), {USUAL})",
        "champion": f"Strategy(Every('7D'), {USUAL}, gate=BeatsChampion(refit=True))",
        "static_all": "Strategy(Never(), Expanding())",
    }
    usual = load(
        *compose.split(compose.composed(["dataset=sea", "strategy=[monthly,every_7d]"])[0])
    )
    assert list(usual.strategies)[-1] == "monthly"  # every_7d is there already, and once
    assert list(usual.strategies).count("every_7d") == 1


def test_each_has_the_parts_of_the_run_and_none_of_its_keys() -> None:
    found = job("strategy=[monthly,champion,since_drift] gate=shadow window=decay")
    assert found["monthly"] == "Strategy(Every('MS'), Decay('90D'), gate=Shadow(duration='7D'))"
    assert "gate=BeatsChampion(refit=True)" in found["champion"]
    assert "SinceDrift(" in found["since_drift"]


def test_patterns_are_all_that_match_each_once() -> None:
    ninety = f"Strategy(Every('90D'), {USUAL})"
    assert job("strategy='every_9*'") == {"every_90d": ninety}
    two = job("strategy=[every_9*,every_3*]")
    assert list(two) == ["every_90d", "every_30d", "every_3d"]
    assert job("strategy=[glob(every_9*),every_3*]") == two
    assert list(job("strategy=[every_90d,every_90d,every_9*]")) == ["every_90d"]
    (every,) = compose.composed(["strategy=*"])
    assert {"monthly", "recorded"} <= set(every.comparison)
    assert not [name for name in every.comparison if name.startswith("_")]


def test_one_in_a_list_is_what_strategy_names() -> None:
    assert job("strategy=[monthly] strategy.trigger.every=3D") == job(
        "strategy=monthly comparison.monthly.trigger.every=3D"
    )
    (config,) = compose.composed(["strategy=[monthly]"])
    assert compose.split(config)[1] == "monthly"
    (config,) = compose.composed(["strategy=[monthly,champion]"])
    assert compose.split(config)[1] is None


def test_in_a_sweep_lists_make_jobs_and_globs_make_one_each() -> None:
    assert [list(one) for one in jobs("-m strategy=[monthly,champion],[static_all]")] == [
        ["monthly", "champion"],
        ["static_all"],
    ]
    assert [list(one) for one in jobs("-m strategy=glob(every_9*),monthly seed=0,1")] == [
        ["every_90d"], ["every_90d"], ["monthly"], ["monthly"],
    ]  # fmt: skip
    assert [list(one) for one in jobs("-m strategy=[glob(every_9*),monthly]")] == [
        ["every_90d", "monthly"]
    ]
    assert jobs("-m strategy=monthly,champion strategy.trigger.every=3D") == [
        job("strategy=monthly strategy.trigger.every=3D"),
        job("strategy=champion strategy.trigger.every=3D"),
    ]


# --- keys -----------------------------------------------------------------------------------------

SAME = {
    # of the run, of its own, the whole part by name, and by its group
    "strategy=parts strategy.trigger.every=3D": "strategy=parts trigger.every=3D",
    "strategy=monthly strategy.window.length=30D": "strategy=monthly window.length=30D",
    "strategy=monthly strategy.window={length:30D}": "strategy=monthly window.length=30D",
    "strategy=monthly strategy.window=expanding": "strategy=monthly window=expanding",
    "strategy=monthly window@strategy.window=expanding": "strategy=monthly window=expanding",
    "strategy=parts trigger@strategy.trigger=max_age strategy.trigger.offset=3D": (
        "strategy=parts trigger=max_age trigger.offset=3D"
    ),
    "strategy=alarm_or_monthly strategy.trigger._args_.0.every=3D": (
        "strategy=[alarm_or_monthly] comparison.alarm_or_monthly.trigger._args_.0.every=3D"
    ),
    "strategy=parts trigger=cooldown strategy.trigger.offset=3D": (
        "strategy=parts trigger=cooldown trigger.offset=3D"
    ),
    "strategy=parts trigger=cooldown trigger@strategy.trigger.trigger=performance_drop": (
        "strategy=parts trigger=cooldown trigger@trigger.trigger=performance_drop"
    ),
}


@pytest.mark.parametrize("line", SAME)
def test_a_key_may_be_set_where_it_stands_in_a_strategy(line: str) -> None:
    (name,) = job(line)
    assert job(line) == {name: job(SAME[line])[name]}


def test_what_is_set_in_one_strategy_is_not_set_for_the_others() -> None:
    (config,) = compose.composed(
        ["comparison=one", "strategy=monthly", "comparison.static.window.length=12D"]
    )
    study = load(*compose.split(config))
    assert repr(study.strategies["static"]) == "Strategy(Never(), Sliding('12D'))"
    assert repr(study.strategies["monthly"]) == f"Strategy(Every('MS'), {USUAL})"


def test_a_strategy_can_be_added_under_a_name_of_its_own() -> None:
    found = job("+strategy@comparison.mine=champion gate=shadow comparison.mine.trigger.every=3D")
    assert found["mine"] == f"Strategy(Every('3D'), {USUAL}, gate=BeatsChampion(refit=True))"


def test_just_two_are_compared_without_the_usual_ones() -> None:
    """``strategy=`` adds to those of ``comparison=``: to eleven, one of which it is, or to none."""

    def named(*overrides: str) -> list[str]:
        own, chosen = compose.split(compose.composed(list(overrides))[0])
        return list(_Strategies(chosen).built(checked(own)))

    assert named("comparison=none", "strategy=[monthly,champion]") == ["monthly", "champion"]
    assert named("comparison=none", "strategy=monthly") == ["monthly"]
    assert len(named("comparison=none", "grid.trigger.every=[1D,7D]")) == 2
    assert len(named()) == 11
    assert len(named("strategy=[monthly,champion]")) == 12
    with pytest.raises(
        ConfigError, match=r"nothing to compare: add 'strategy=\[a,b\]' to comparis"
    ):
        named("comparison=none")


# --- grids ----------------------------------------------------------------------------------------


def test_a_grid_is_the_product_named_by_what_differs() -> None:
    assert job("grid.trigger.every=[1D,7D] grid.window.length=[30D,100]") == {
        f"every={every} length={length}": f"Strategy(Every('{every}'), Sliding({length!r}))"
        for every in ("1D", "7D")
        for length in ("30D", 100)
    }


def test_a_grid_takes_presets_and_the_keys_that_only_they_have() -> None:
    found = job("strategy=champion grid.gate.holdout=[0.1,0.2] grid.window=[expanding,sliding]")
    assert list(found) == [
        f"holdout={share} window={window}"
        for share in (0.1, 0.2)
        for window in ("expanding", "sliding")
    ]
    gate = "gate=BeatsChampion(holdout=0.1, refit=True)"
    assert found["holdout=0.1 window=expanding"] == f"Strategy(Every('7D'), Expanding(), {gate})"
    deep = job("grid.trigger.offset=[1D,2D] grid.trigger=[max_age]")
    assert deep["offset=2D trigger=max_age"] == f"Strategy(MaxAge('2D'), {USUAL})"


def test_a_grid_over_several_strategies_says_of_which() -> None:
    found = job(
        "strategy=[monthly,every_7d] grid.cooldown=[null,3D] comparison.monthly.budget=null"
    )
    assert list(found) == [
        "monthly cooldown=null",
        "monthly cooldown=3D",
        "every_7d cooldown=null",
        "every_7d cooldown=3D",
    ]


def test_a_grid_uses_the_run_s_trigger_and_counts_as_its_use() -> None:
    found = job("trigger=random grid.trigger.seed=[1,2]")
    assert found["seed=2"] == f"Strategy(Random(0.05, seed=2), {USUAL})"


def test_keys_that_end_alike_are_told_apart() -> None:
    line = "strategy=performance_drop grid.trigger.window=[50,60] grid.window=[expanding]"
    assert list(job(line)) == [f"trigger.window={n} window=expanding" for n in (50, 60)]


@pytest.mark.parametrize(
    ("line", "says"),
    {
        "grid.trigger.evry=[1D]": "grid.trigger.evry: no such key; did you mean 'every'?",
        "grid.triger.every=[1D]": "grid.triger.every: no such key; did you mean 'trigger'?",
        "grid.trigger.every=[]": "grid.trigger.every=[]: give a list of values, as in",
        "grid.trigger.every=3": "grid.trigger.every=3: give a list of values, as in",
        "grid.trigger.every=1D,7D": "grid.trigger.every=1D,7D: give a list, "
        "grid.trigger.every=[1D,7D], or sweep with -m",
        "grid=3": "grid=3: give a list of values",
        "grid.window=[slidin]": "grid.window=slidin: no such choice; did you mean 'sliding'?",
        f"grid.seed={list(range(10))} grid.cooldown={list(range(1000))}".replace(" ", "").replace(
            "grid.cooldown", " grid.cooldown"
        ): "grid: 10,000 strategies; one comparison takes 1,000: leave values out",
        "strategy=evry_*": "strategy=evry_*: no match; did you mean 'every_7d'?",
        "strategy=[]": "strategy=[]: give one preset or several; there are ab_test,",
        "strategy=[monthy,champion]": "strategy=monthy: no such choice; did you mean 'monthly'?",
        "strategy=[monthly,champion] strategy.trigger.every=3D": "strategy.trigger.every: "
        "strategy= names several; set comparison.monthly.trigger.every",
        "comparison.statik.window.length=3D": "comparison.statik.window.length: statik is not "
        "compared; did you mean 'static'?",
        "strategy=monthly strategy.trigger.evry=3": "strategy.trigger.evry: no such key; "
        "did you mean 'every'?",
        "strategy=monthly nope@strategy.window=sliding": "nope: no such group; there are",
        "strategy=monthly window@strategy.window=nope": "window=nope: no such choice; there are",
    }.items(),
)
def test_what_cannot_be_is_one_line(line: str, says: str) -> None:
    assert refused(line).startswith(says)


# --- jobs -----------------------------------------------------------------------------------------

SMALL = ("dataset=abrupt", "dataset.n=300", "comparison=one", "n_jobs=1", "model=linear")
QUICK = (*SMALL, "hindsight=false", "report=none", "cache=false", "progress=false")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


def test_a_run_of_several_and_of_a_grid(here: Path) -> None:
    assert main(["run", *QUICK, "strategy=[monthly,every_9*]", "hydra.run.dir=a"]) == 0
    assert set(Comparison.load(here / "a").runs) == {"static", "monthly", "every_90d"}
    noted = (here / "a/.hydra/overrides.yaml").read_text()
    assert "strategy=[monthly,every_9*]" in noted
    grid = ("grid.trigger.every=[1D,3D]", "grid.window.length=[5D,0.5D]", "hydra.run.dir=b")
    assert main(["run", *QUICK, *grid]) == 0
    assert "every=1D length=0.5D" in Comparison.load(here / "b").runs


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_the_words_reach_jobs_whatever_launches_them(here: Path, launcher: str) -> None:
    if launcher != "basic":
        pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    sweep = ("-m", f"hydra/launcher={launcher}", "strategy=[monthly,champion],[static_all]")
    keys = ("grid.cooldown=[null,2D]", "hydra.sweep.dir=out")
    # Override names as names of directories, a usual pattern of Hydra's.
    named = "hydra.sweep.subdir=${hydra.job.override_dirname}"
    assert main(["run", *QUICK, *sweep, *keys, "hydra.job.config.override_dirname.exclude_keys="
                 "[dataset,dataset.n,comparison,n_jobs,model,hindsight,report,cache,progress]",
                 named]) == 0  # fmt: skip
    found = {path.name: set(Comparison.load(path).runs) for path in (here / "out").iterdir()
             if path.is_dir()}  # fmt: skip
    assert found == {
        "grid.cooldown=[null,2D],strategy=[monthly,champion]": {
            "static",
            *(f"{name} cooldown={value}" for name in ("monthly", "champion")
              for value in ("null", "2D")),
        },
        "grid.cooldown=[null,2D],strategy=[static_all]": {
            "static", "cooldown=null", "cooldown=2D",
        },
    }  # fmt: skip


def test_what_is_shown_is_what_is_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["run", "strategy=[monthly,champion]", "grid.cooldown=[2D]", "--cfg", "job"]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "  champion cooldown=2D:" in shown

"""Every version answers for itself: `benchmarks/models.py` in small, on shorter histories.

Models of other packages are tried where these are installed, all of them by

    pip install -e '.[test,any-model]' && pytest tests/test_models.py
"""

from itertools import count
from pathlib import Path

import models
import pytest
from composites import OF_OTHERS, composed
from entries import BOOSTING, Entry, handwritten, honest, odd, torch_entries
from models import COLUMNS, SETTINGS, History, Question, cells
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from backtrain.simulator.process import threads_to_hold
from backtrain.simulator.prototype import prototype_of
from backtrain.simulator.replay import replay
from backtrain.store.fits import FitStore

OWN = [entry.name for entry in [*handwritten(Path()), *odd(), *honest()]]
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*TargetEncoder.random_state:FutureWarning"),
]

settings = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


def asked(entry: Entry, setting: models.Setting) -> dict[str, models.Cell]:
    history = History.drifting(entry, 1_000, first=300, every=84, window=240)
    return cells(Question(entry, setting, history))


@settings
@pytest.mark.parametrize("name", OWN)
def test_a_replay_is_the_plain_loop_or_refused(name, setting, tmp_path) -> None:
    entries = {entry.name: entry for entry in [*handwritten(tmp_path), *odd(), *honest()]}
    found = asked(entries[name], setting)
    assert {column: cell for column, cell in found.items() if cell.word == "NO"} == {}


@settings
@pytest.mark.parametrize("package", BOOSTING)
def test_boosting_is_the_plain_loop(package, setting) -> None:
    pytest.importorskip(package)
    for entry in BOOSTING[package]():
        found = asked(entry, setting)
        assert {cell.word for cell in found.values()} == {"yes"}, (entry.name, found)


# --- of several estimators, and of other packages -------------------------------------------------

COMPOSED = [entry.name for entry in composed()]
OTHERS = [*OF_OTHERS, "skorch"]
#: What two processes and two threads say is in the tests above, and in the benchmark.
FEW = ("loop", "future", "order", "twice")


def small(entry: Entry, setting: models.Setting = SETTINGS[0]) -> Question:
    return Question(entry, setting, History.drifting(entry, 600, first=200, every=60, window=150))


def of(package: str) -> list[Entry]:
    pytest.importorskip(package)
    return torch_entries() if package == "skorch" else OF_OTHERS[package]()


def is_right(entry: Entry) -> None:
    """The plain loop, without a leak, the same again; fits are shared, and on one thread."""
    question = small(entry)
    found = cells(question, FEW)
    assert {cell.word for cell in found.values()} <= {"yes", "-"}, (entry.name, found)
    often, seldom = question.strategies.values()
    backtest, store = question.backtest(), FitStore()
    replay(backtest, often, store)
    computed = store.computed
    replay(backtest, seldom, store)
    assert store.computed == computed > 3
    assert threads_to_hold(prototype_of(entry.make())) == {}


@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_made_of_several_is_the_plain_loop(name: str) -> None:
    is_right(next(entry for entry in composed() if entry.name == name))


@pytest.mark.parametrize("package", OTHERS)
def test_models_of_other_packages_are_the_plain_loop(package: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for entry in of(package):
        is_right(entry)
    assert list(tmp_path.iterdir()) == []


def test_catboost_writes_no_files_unless_it_is_told_where(tmp_path, monkeypatch) -> None:
    kind = pytest.importorskip("catboost").CatBoostRegressor
    monkeypatch.chdir(tmp_path)
    history = History.drifting(Entry("", kind), 300, first=200, every=60, window=150)
    quiet = {"iterations": 3, "verbose": 0}
    # CatBoost's `get_params` takes no `deep` by name: it is held to one thread all the same.
    assert threads_to_hold(make_pipeline(kind())) == {"catboostregressor__thread_count": 1}
    for more, written in (({}, []), ({"train_dir": "told"}, ["told"])):
        entry = Entry("CatBoost", lambda more=more: make_pipeline(kind(**quiet, **more)))
        Question(entry, SETTINGS[0], history).replayed()
        assert [path.name for path in tmp_path.iterdir()] == written


def test_the_table_has_models_enough() -> None:
    assert len({*COMPOSED, *OTHERS, *(entry.name for entry in honest())}) >= 20


# --- what is no model a version -------------------------------------------------------------------


@settings
@pytest.mark.parametrize("name", ["on the class", "in the module", "in a file"])
def test_what_no_copy_isolates_is_named(name, setting, tmp_path) -> None:
    entry = next(entry for entry in handwritten(tmp_path) if entry.name == name)
    for cell in asked(entry, setting).values():
        assert cell.word == "refused"
        assert type(entry.make()).__name__ in cell.why


@settings
def test_every_column_can_say_no(setting) -> None:
    """Each backtest is given another model."""
    alphas = count(1)
    fickle = Entry("fickle", lambda: Ridge(50.0 * next(alphas)))
    assert {column: cell.word for column, cell in asked(fickle, setting).items()} == dict.fromkeys(
        COLUMNS, "NO"
    )


def test_the_command_prints_a_table_a_setting(capsys) -> None:
    assert models.main(["--only", "Ridge", "--rows", "1200"]) == 0
    printed = capsys.readouterr().out
    for setting in SETTINGS:
        assert f"\n{setting.name} " in f"\n{printed}"
    assert printed.count("\nRidge ") == len(SETTINGS)
    assert "1 models, 0 times NO" in printed

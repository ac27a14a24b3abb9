"""Every version answers for itself: `benchmarks/models.py` in small, on shorter histories."""

from itertools import count
from pathlib import Path

import models
import pytest
from entries import BOOSTING, Entry, handwritten, honest, odd
from models import COLUMNS, SETTINGS, History, Question, cells
from sklearn.linear_model import Ridge

OWN = [entry.name for entry in [*handwritten(Path()), *odd(), *honest()]]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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

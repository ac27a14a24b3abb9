"""What users may have imported from 0.1 still works, and says where it is now."""

import importlib
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from backtrain.moved import MOVED, RENAMED


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_path_gives_the_module_and_says_where_it_is_now(old) -> None:
    new = f"backtrain.{MOVED[old]}"
    sys.modules.pop(f"backtrain.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"is now {new}$"):
        found = importlib.import_module(f"backtrain.{old}")
    assert found is importlib.import_module(new)
    assert found.__name__ == found.__spec__.name == new


@pytest.mark.parametrize("old", [old for old in RENAMED if not old.endswith("*")])
def test_an_old_name_gives_what_it_is_now_and_says_so(old) -> None:
    module, _, name = f"backtrain.{old}".rpartition(".")
    home, _, now = f"backtrain.{RENAMED[old]}".rpartition(".")
    says = f"^{name} is now in {home}$" if now == name else f"^{module}.{name} is now {home}.{now}$"
    with pytest.warns(DeprecationWarning, match=says):
        given = getattr(importlib.import_module(module), name)
    assert given is getattr(importlib.import_module(home), now)


@pytest.mark.parametrize("module", sorted({old.rpartition(".")[0] for old in RENAMED}))
def test_a_name_that_never_was_is_missing(module) -> None:
    with pytest.raises(AttributeError, match=f"'backtrain.{module}' has no attribute 'other'"):
        _ = importlib.import_module(f"backtrain.{module}").other


FORMER = {
    "backtrain.reports.cells": "Table",
    "backtrain.reports.verdict": "Verdict",
    "backtrain.strategies.drift": "Reference, ks_statistic",
    "backtrain.strategies.gates": "Comparison, split_newest",
    "backtrain.strategies.comparisons": "Comparison",
    "backtrain.simulator.protocols": "Checked, Tuned, Recording, Incremental, Monitor, Trial, "
    "Part, Policy, RecordedAnswers, Trigger, Window, Update, Gate, needs_parent, rows_fitted, "
    "PartError, Reason, Verdict, Selection, Rows",
    "backtrain.simulator.answers": "Fit, FitStore",
    "backtrain.simulator.turns": "Turns",
}


@pytest.mark.parametrize("module", FORMER)
def test_lines_of_0_1_run_in_a_fresh_process_with_a_warning_at_that_line(module) -> None:
    line = f"from {module} import {FORMER[module]}"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", line], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "DeprecationWarning" in done.stderr


def test_modules_of_a_zip_file_share_a_loader(tmp_path) -> None:
    """As in a zipapp: the old names of one module are not those of the next."""
    root = Path(__file__).parent.parent
    with ZipFile(tmp_path / "all.zip", "w") as archive:
        for folder in ("app", "datasets", "simulator", "store"):
            for path in (*(root / folder).rglob("*.py"), *(root / folder).glob("*.txt")):
                inside = path.relative_to(root).as_posix().removeprefix("app/")
                archive.write(path, f"backtrain/{inside}")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'all.zip')!r}); sys.meta_path[:] = "
        "[f for f in sys.meta_path if 'ditable' not in str(f)]; import warnings; "
        "warnings.simplefilter('ignore'); import backtrain.simulator.answers as a, "
        "backtrain.simulator.parts as b; print(a.__file__, a.FitStore, "
        "hasattr(a, 'Tuned'), hasattr(b, 'Tuned'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "all.zip" in done.stdout
    assert done.stdout.split()[-2:] == ["False", "True"]


@pytest.mark.parametrize(
    "line",
    [
        "from backtrain.strategies.windows import Sliding, Dynamic",
        "from backtrain.strategies.triggers import Every, PerformanceDrop",
        "from backtrain.strategies.gates import BeatsChampion, Shadow",
        "from backtrain.strategies.updates import Refit, Retune",
        "from backtrain.simulator.answers import Fit, FitError",
        "from backtrain.cli import main",
    ],
)
def test_paths_that_are_folders_now_need_no_warning(line) -> None:
    subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", line], check=True
    )


@pytest.mark.parametrize(
    ("folder", "file", "name"),
    [
        ("drift", "two_sample", "ks_statistic"),
        ("drift", "two_sample", "benjamini_hochberg"),
        ("updates", "refit", "fit_weighted"),
        ("gates", "holdout", "split_newest"),
        ("windows", "sliding", "need_weights"),
    ],
)
def test_helpers_of_a_file_that_is_a_folder_now_are_found(folder, file, name) -> None:
    old = importlib.import_module(f"backtrain.strategies.{folder}")
    new = importlib.import_module(f"{old.__name__}.{file}")
    with pytest.warns(DeprecationWarning, match=f"^{name} is now in {new.__name__}$"):
        assert getattr(old, name) is getattr(new, name)
    with pytest.raises(AttributeError, match=f"{old.__name__!r} has no attribute 'other'"):
        _ = old.other

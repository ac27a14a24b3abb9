"""What users may have imported from 0.1 still works, and says where it is now."""

import importlib
import subprocess
import sys

import pytest

from backtrain.moved import MOVED


@pytest.mark.parametrize("old", sorted(MOVED))
def test_an_old_path_gives_the_module_and_says_where_it_is_now(old) -> None:
    new = f"backtrain.{MOVED[old]}"
    sys.modules.pop(f"backtrain.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"is now {new}$"):
        found = importlib.import_module(f"backtrain.{old}")
    assert found is importlib.import_module(new)
    assert found.__name__ == found.__spec__.name == new


@pytest.mark.parametrize("name", ["Answers", "FitStore"])
def test_the_store_is_found_beside_the_fits(name) -> None:
    import backtrain.store.fits
    from backtrain.simulator import fits

    with pytest.warns(DeprecationWarning, match="is now in backtrain.store.fits"):
        assert getattr(fits, name) is getattr(backtrain.store.fits, name)
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = fits.Other


@pytest.mark.parametrize(
    "line",
    [
        "from backtrain.strategies.windows import Sliding, Dynamic",
        "from backtrain.strategies.triggers import Every, PerformanceDrop",
        "from backtrain.strategies.gates import BeatsChampion, Shadow",
        "from backtrain.strategies.updates import Refit, Retune",
        "from backtrain.simulator.fits import Fit, FitError",
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

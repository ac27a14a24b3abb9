"""Old import paths: each works for one more minor release, and warns with the new one."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: Where a module stood in 0.1, and where it stands now, both without ``backtrain``.
MOVED = {
    "advice": "config.preset",
    "checks": "config.check",
    "composing": "config.compose",
    "configs": "config.build",
    "hindsight": "lossmatrix.regret",
    "reports.audit": "reports.triggers",
    "reports.hindsight": "reports.oracle",
    "reports.tuning": "lossmatrix.tuning",
    "simulator.candidates": "lossmatrix.trial_models",
    "simulator.closing": "simulator.tables",
    "simulator.contents": "store.content",
    "simulator.curves": "lossmatrix.curves",
    "simulator.directory": "store.cache_dir",
    "simulator.disk": "store.disk",
    "simulator.index": "store.sqlite",
    "simulator.learner": "simulator.training",
    "simulator.lossmatrix": "lossmatrix.matrix",
    "simulator.luck": "lossmatrix.luck",
    "simulator.origin": "store.code_version",
    "simulator.recent": "store.lru",
    "simulator.serving": "simulator.predictions",
    "simulator.turns": "store.locks",
    "spacing": "lossmatrix.intervals",
    "strategies.abtest": "strategies.gates.ab_test",
    "strategies.approval": "strategies.gates.approval",
    "strategies.chain": "strategies.gates.chain",
    "strategies.combinations": "strategies.triggers.combinations",
    "strategies.comparisons": "strategies.drift.rules",
    "strategies.costs": "strategies.triggers.staleness",
    "strategies.datacheck": "strategies.gates.data_check",
    "strategies.detectors": "strategies.triggers.performance",
    "strategies.distances": "strategies.drift.distances",
    "strategies.estimated": "strategies.triggers.estimated_drop",
    "strategies.estimates": "strategies.triggers.performance_estimates",
    "strategies.floors": "strategies.triggers.performance",
    "strategies.forecasts": "strategies.triggers.forecasts",
    "strategies.martingale": "strategies.triggers.martingale",
    "strategies.multivariate": "strategies.drift.multivariate",
    "strategies.recorded": "strategies.triggers.recorded",
    "strategies.refusals": "simulator.constraints",
    "strategies.rehearsal": "strategies.triggers.tuning_history",
    "strategies.restraints": "strategies.triggers.limits",
    "strategies.retuning": "strategies.updates.retune",
    "strategies.samples": "strategies.windows.samples",
    "strategies.shifts": "strategies.triggers.data_drift",
    "strategies.trials": "strategies.gates.online",
    "strategies.watches": "strategies.triggers.data_drift",
    "study": "config.study",
    "sweeps": "cli.sweeps",
    "terminal": "cli.terminal",
    "tuning": "lossmatrix.tune",
    "tuning_study": "config.tuning_study",
}


class _Finder(MetaPathFinder, Loader):
    """Finds a module under its old name, after all others."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        known = name.removeprefix("backtrain.") in MOVED and name.startswith("backtrain.")
        return ModuleSpec(name, self) if known else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make one, which gives way to the module itself."""

    def exec_module(self, module: ModuleType) -> None:
        new = f"backtrain.{MOVED[module.__name__.removeprefix('backtrain.')]}"
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


def install() -> None:
    """Make the old paths work."""
    if not any(type(finder).__name__ == _Finder.__name__ for finder in sys.meta_path):
        sys.meta_path.append(_Finder())

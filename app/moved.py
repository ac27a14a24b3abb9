"""Old paths and names: each works for one more minor release, and warns with the new one."""

import importlib
import sys
import warnings
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

#: Where a module stood in 0.1, and where it stands now, both without ``backtrain``.
MOVED = {
    "advice": "config.tuning_study",
    "checks": "config.check",
    "composing": "config.compose",
    "configs": "config.build",
    "datasets.times": "datasets.columns",
    "hindsight": "lossmatrix.regret",
    "reports.audit": "reports.sections",
    "reports.cells": "reports.tables",
    "reports.facts": "reports.page",
    "reports.groups": "reports.sections",
    "reports.happened": "reports.sections",
    "reports.hindsight": "reports.verdict",
    "reports.labels": "reports.figures",
    "reports.tuning": "lossmatrix.tuning",
    "reports.tuning_words": "reports.tuning_page",
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
    "simulator.protocols": "simulator.parts",
    "simulator.recent": "store.lru",
    "simulator.serving": "simulator.predictions",
    "simulator.turns": "store.locks",
    "simulator.vouching": "simulator.training",
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
    "sweeps": "cli.run",
    "terminal": "cli.terminal",
    "tuning": "lossmatrix.tune",
    "tuning_study": "config.tuning_study",
}


#: Names that a module had in 0.1, and what they are now; ``*`` is every other name.
RENAMED = {
    "reports.html.notebook": "reports.page.notebook",
    "reports.html.render": "reports.page.render",
    "reports.figures.LONGEST": "reports.numbers.LONGEST",
    "reports.periods.usual_season": "datasets.offsets.usual_season",
    "reports.schedules.Schedules": "reports.schedules.FixedIntervals",
    "reports.sections.counts_table": "reports.sections.happened",
    "reports.sections.of_run": "reports.sections.groups_of",
    "reports.tables.Table": "reports.tables.Sheet",
    "reports.verdict.Verdict": "reports.verdict.Recommendation",
    "reports.verdict.facts_of": "reports.verdict.hindsight_of",
    "simulator.fits.Answers": "store.fits.Answers",
    "simulator.fits.FitStore": "store.fits.FitStore",
    "simulator.parts.Checked": "simulator.parts.Trigger",
    "simulator.parts.Incremental": "simulator.parts.Update",
    "simulator.parts.Recording": "simulator.parts.Trigger",
    "simulator.parts.Rows": "simulator.answers.Rows",
    "simulator.parts.Tuned": "simulator.parts.Trigger",
    "simulator.parts.needs_parent": "simulator.fits.needs_parent",
    "simulator.parts.rows_fitted": "simulator.asking.rows_fitted",
    "simulator.predictions.Serving": "simulator.predictions.Predictions",
    "store.disk.Shelf": "store.disk.DiskStore",
    "store.locks.Turns": "store.locks.NamedLocks",
    "store.lru.Recent": "store.lru.LRU",
    "store.sqlite.Index": "store.sqlite.SharedDatabase",
    "strategies.drift.Reference": "strategies.drift.two_sample.ReferenceSample",
    "strategies.drift.rules.Comparison": "strategies.drift.rules.DriftTest",
    "strategies.drift.*": "strategies.drift.two_sample.*",
    "strategies.gates.Comparison": "strategies.gates.holdout.HeldOutScores",
    "strategies.gates.*": "strategies.gates.holdout.*",
    "strategies.updates.*": "strategies.updates.refit.*",
    "strategies.windows.*": "strategies.windows.sliding.*",
}
_RENAMING = {old.rpartition(".")[0] for old in RENAMED}


class _OldPaths(MetaPathFinder, Loader):
    """Finds a module under its old name, after all others."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if _own(name) in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make one, which gives way to the module itself."""

    def exec_module(self, module: ModuleType) -> None:
        new = f"backtrain.{MOVED[_own(module.__name__)]}"
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


class _OldNames(MetaPathFinder):
    """Gives modules that others find the `RENAMED` names, before all others."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if _own(name) not in _RENAMING:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path) for finder in others)))
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            if module.__name__ == name:  # one loader reads all modules of a zip file
                vars(module)["__getattr__"] = partial(_renamed, name)
            execute(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _own(name: str) -> str:
    """A module's name without the package's; empty for others."""
    return name.removeprefix("backtrain.") if name.startswith("backtrain.") else ""


def _renamed(module: str, name: str) -> Any:
    """What an old name of a module stands for now."""
    new = RENAMED.get(f"{_own(module)}.{name}")
    if new is None and not name.startswith("_"):
        new = RENAMED.get(f"{_own(module)}.*", "").replace("*", name)
    home, _, now = f"backtrain.{new}".rpartition(".")
    if not new or not hasattr(importlib.import_module(home), now):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    text = f"{name} is now in {home}" if now == name else f"{module}.{name} is now {home}.{now}"
    warnings.warn(text, DeprecationWarning, stacklevel=2)
    return getattr(importlib.import_module(home), now)


def install() -> None:
    """Make the old paths and names work."""
    there = {type(finder).__name__ for finder in sys.meta_path}
    if _OldPaths.__name__ not in there:
        sys.meta_path[:] = [_OldNames(), *sys.meta_path, _OldPaths()]

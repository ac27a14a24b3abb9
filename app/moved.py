"""Old paths and names: each works for one more minor release, and warns with the new one."""

import importlib
import pkgutil
import sys
import warnings
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_TABLE = (pkgutil.get_data("backtrain", "moved.txt") or b"").decode().split("\n\n")
#: Where a module stood in 0.1, and where it stands now, both without ``backtrain``.
MOVED = dict(line.split() for line in _TABLE[1].splitlines())
#: Names that a module had in 0.1, and what they are now; ``*`` is every other name.
RENAMED = dict(line.split() for line in _TABLE[2].splitlines())
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

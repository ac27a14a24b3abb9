"""Configs: what a ``_target_`` names is found, and built."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from difflib import get_close_matches
from typing import Any

import hydra.utils
from hydra.errors import CompactHydraException, InstantiationException

from backtrain.datasets.columns import nearest

_LONGEST = 5  # lines of a message
_SHOWN = 32  # names of what there is


class ConfigError(CompactHydraException, ValueError):
    """A config cannot be built; Hydra shows the message without a stack trace."""

    #: What the command line exits with.
    code = 2

    def __init__(self, message: str) -> None:
        lines = message.strip().splitlines()
        if len(lines) > _LONGEST:
            lines = [*lines[: _LONGEST - 1], f"... and {len(lines) - _LONGEST + 1} more"]
        super().__init__("\n".join(lines))


#: Modules of others that presets name, and the extra that installs them.
_EXTRAS = dict.fromkeys(("lightgbm", "xgboost", "catboost"), "models")


def build(config: Any) -> Any:
    """Build what a checked config says; what names no ``_target_`` stays as it is.

    Raises
    ------
    Exception
        Whatever the class or function itself raised, without Hydra's wrapping.
    """
    if not any(targets(config)):
        return config
    try:
        with _trusted(config):
            return hydra.utils.instantiate(config, _convert_="all")
    except InstantiationException as error:
        if error.__cause__ is None:
            raise
        raise error.__cause__ from None


#: Keys that hold what judges rows, which may be a function itself.
_JUDGES = ("loss", "metric", "metrics", "function")


def functions(config: Any, key: str = "") -> Any:
    """A plain config in which a function that judges rows is handed over, not called.

    >>> functions({"_target_": "sklearn.metrics.max_error"}, "metric")
    {'_target_': 'sklearn.metrics.max_error', '_partial_': True}
    """
    if isinstance(config, list):
        return [functions(value, key) for value in config]
    if not isinstance(config, Mapping):
        return config
    inside = {name: functions(value, str(name)) for name, value in config.items()}
    if key in _JUDGES and "_target_" in config and "_partial_" not in config:
        with suppress(ConfigError):  # it is reported where the config is checked
            if inspect.isfunction(locate(str(config["_target_"]))):
                inside["_partial_"] = True
    return inside


def locate(name: str) -> Callable[..., Any]:
    """Import the class or function that a dotted name means.

    Raises
    ------
    ConfigError
        Naming the nearest module, class or function that exists.
    """
    module_name, _, attribute = name.rpartition(".")
    if not module_name:
        raise ConfigError("needs a module and a name, such as 'my_module.MyTrigger'")
    module = _module(module_name)
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        hint = f"did you mean {nearest(attribute, public)}?" if public else "it is empty"
        raise ConfigError(f"{module_name!r} has no {attribute!r}; {hint}")
    target = getattr(module, attribute)
    if not callable(target):
        raise ConfigError(f"a {type(target).__name__}, which builds nothing; name a class")
    return target  # type: ignore[no-any-return]


def guess(name: str, names: Iterable[str]) -> str:
    """What a reader may have meant by a name that is not among these.

    >>> guess("evry", ["every", "phase"])
    "did you mean 'every'? There are every, phase"
    """
    choices = list(names)
    near = get_close_matches(name, choices, n=1, cutoff=0.5)
    there = f"{', '.join(choices[:_SHOWN])}{', ...' if len(choices) > _SHOWN else ''}"
    return f"did you mean {near[0]!r}? There are {there}" if near else f"there are {there}"


def targets(config: Any) -> Iterator[str]:
    """Every ``_target_`` that a config names."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield str(config["_target_"])
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from targets(value)


def _submodules(package: str) -> set[str]:
    folders = getattr(_module(package), "__path__", [])  # a module that is no package has none
    files = {module.name for module in pkgutil.iter_modules(folders)}
    # An editable install may map packages that do not lie in this folder.
    loaded = (name.removeprefix(f"{package}.") for name in sys.modules if name.startswith(package))
    return files | {name for name in loaded if "." not in name}


def _trusted(config: Any) -> Any:
    """Hydra 1.4 wants to be told what it may build: what the user's own config names."""
    allow = getattr(hydra.utils, "execution_whitelist", None)
    return nullcontext() if allow is None else allow(sorted(set(targets(config))))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name in _EXTRAS:
            install = f"pip install 'backtrain[{_EXTRAS[error.name]}]'"
            raise ConfigError(f"there is no module {error.name!r}; {install}") from None
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ConfigError(f"importing {name!r} failed: {error}") from error
        parent, _, missing = error.name.rpartition(".")
        if not parent:
            where = "call from its directory, put that on PYTHONPATH, or install it"
            raise ConfigError(f"there is no module {missing!r}; {where}") from None
        there = _submodules(parent)
        hint = f"did you mean {nearest(missing, there)}?" if there else "it holds no modules"
        raise ConfigError(f"{parent!r} has no module {missing!r}; {hint}") from None
    except Exception as error:
        raise ConfigError(f"importing {name!r} failed: {type(error).__name__}: {error}") from error

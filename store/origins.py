"""What names the code behind objects at any time: versions, and the sources of what has none."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backtrain.store.code_version import (
    declared_version,
    distributions_of,
    environment,
    file_of,
    is_installed,
    is_standard,
    kinds_in,
    own_version,
)

#: Folders of this package on whose code results depend.
_OWN = (
    *("", ".config", ".datasets", ".lossmatrix", ".models", ".reports", ".simulator", ".store"),
    ".strategies",
)


@dataclass(frozen=True)
class Code:
    """What names code: equal names in any process and at any time, equal code.

    Attributes
    ----------
    names : tuple of str
        Versions of libraries, and digests of source files where there is no version.
    unnamed : tuple of str
        What nothing can name, and why.
    """

    names: tuple[str, ...]
    unnamed: tuple[str, ...] = ()

    @classmethod
    def behind(cls, *values: Any) -> Code:
        """That of objects, of what they are made of, and of the modules that these import.

        A class with a ``cache_version`` is named by it; one of a library by that one's version; one
        of the user's by the source of its module, and of those beside it that this imports, with
        the versions of the libraries that they import.
        """
        names, unnamed = {*environment(), *_own()}, set()
        modules: set[str] = set()
        for value in values:
            try:
                kinds = kinds_in(value)
            except Exception as error:
                unnamed.add(f"{type(value).__name__}: {type(error).__name__}: {error}")
                continue
            for kind in kinds:
                if (declared := declared_version(kind)) is not None:
                    names.add(declared)
                else:
                    modules.add(kind.__module__ or "")
        for module in modules:
            code = _of_module(module)
            names |= {*code.names}
            unnamed |= {*code.unnamed}
        return cls(tuple(sorted(names)), tuple(sorted(unnamed)))


@cache
def _own() -> tuple[str, ...]:
    """This package: its version, in a checkout also its sources."""
    versions = set()
    for name in _OWN:
        spec = find_spec(f"backtrain{name}")
        folder = Path(spec.origin or "").parent if spec else Path()
        versions.add(own_version(folder) or f"backtrain at {folder}")
    return tuple(sorted(versions))


@cache
def _of_module(module: str) -> Code:
    """The code of a module and of all that it imports from beside it."""
    names: set[str] = set()
    unnamed: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name.partition(".")[0]
        if top != "__main__" and is_standard(name):
            continue  # the version of Python stands for it
        if top == "__main__" and not _is_script():
            unnamed.add("__main__ is no module that other processes could import")
            continue
        file = file_of(name)
        own = top == "backtrain"
        if not own and (file is None or is_installed(file)):
            names |= {*distributions_of(top)}
            if name == module and not distributions_of(top):
                unnamed.add(f"module {name}: it has neither a file nor a version")
            continue
        if file is None:
            continue
        try:
            content = file.read_bytes()
            imported = _imported(content, name, file) if file.suffix == ".py" else []
        except (OSError, SyntaxError, ValueError) as error:
            unnamed.add(f"module {name}: its source {file} cannot be read: {error}")
            continue
        if own:  # what it imports of itself is named already
            waiting += [other for other in imported if other.partition(".")[0] != "backtrain"]
        else:
            digest = hashlib.blake2b(content, digest_size=16).hexdigest()
            names.add(f"{name} {digest}")
            waiting += imported
    return Code(tuple(sorted(names)), tuple(sorted(unnamed)))


def _is_script() -> bool:
    """Whether what runs is a file of the user's, whose source says what it does; no notebook."""
    file = file_of("__main__")
    return file is not None and file.suffix == ".py" and not is_installed(file)


def _imported(source: bytes, module: str, file: Path) -> Iterator[str] | list[str]:
    """Every module that a source imports anywhere, and the packages that it lies in."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = set(_above(module))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found |= {alias.name, *_above(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                steps = package.split(".")
                base = ".".join([*steps[: len(steps) - node.level + 1], *filter(None, [base])])
            found |= {base, *_above(base)}
            # A name that is taken from a package may be a module of it.
            found |= {f"{base}.{alias.name}" for alias in node.names if _is_package(base)}
    return sorted(found - {""})


def _above(module: str) -> list[str]:
    steps = module.split(".")
    return [".".join(steps[:k]) for k in range(1, len(steps))]


def _is_package(module: str) -> bool:
    """Whether it is a package of the user's: modules of libraries are named by these."""
    file = file_of(module)
    if file is None:  # one without __init__.py has a search path and no file
        with suppress(ImportError, ValueError, AttributeError):
            spec = find_spec(module)
            return spec is not None and spec.submodule_search_locations is not None
        return False
    return file.name == "__init__.py" and not is_installed(file)

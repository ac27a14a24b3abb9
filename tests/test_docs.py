"""Docstrings exist, and their examples run."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import backtrain


def modules() -> list[str]:
    found = ["backtrain"]
    for package in ("", ".datasets", ".simulator", ".strategies", ".reports"):
        parent = importlib.import_module(f"backtrain{package}")
        found += [
            f"{parent.__name__}.{module.name}" for module in pkgutil.iter_modules(parent.__path__)
        ]
    return [name for name in found if not name.endswith("__main__")]


def public(module: ModuleType) -> list[tuple[str, object]]:
    return [
        (name, value)
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert result.failed == 0


@pytest.mark.parametrize("name", modules())
def test_everything_public_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, name
    for title, value in public(module):
        assert inspect.getdoc(value), f"{name}.{title} has no docstring"


def test_every_public_name_is_there() -> None:
    for name in backtrain.__all__:
        assert getattr(backtrain, name) is not None

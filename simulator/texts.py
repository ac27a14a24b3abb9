"""What a record, a page or a terminal shows of a value: the same text in every process."""

import ast
import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

#: The attribute in which a lambda keeps its source.
SOURCE = "_backtrain_source"
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
#: Control characters but tab and line feed; what turns text round; lone surrogates.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def code(value: Any) -> str:
    """The code that makes a value, or what comes nearest to it: a `repr` without addresses.

    Equal values give equal texts in every process: functions are shown by module and name, a lambda
    by its source, sets in order, estimators by the parameters that are not the usual ones.

    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> code(FunctionTransformer(np.log1p)), code(Ridge(alpha=2)), code({"b", "a"})
    ('FunctionTransformer(func=numpy.log1p)', 'Ridge(alpha=2)', "{'a', 'b'}")
    """
    return _code(value, ())


def without_addresses(text: str) -> str:
    """A text without the addresses in memory that a `repr` has put into it.

    >>> without_addresses("cannot fit <Model object at 0x7fb02a91f0d0>")
    'cannot fit <Model object>'
    """
    return _ADDRESS.sub("", text)


def printable(text: str) -> str:
    """A text that cannot steer a terminal: control characters are written as escapes.

    >>> printable("red: " + chr(27) + "[31m")
    'red: \\\\x1b[31m'
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found.group())[1:-1], text)


def _code(value: Any, above: tuple[int, ...]) -> str:
    if id(value) in above:
        return "..."
    within = (*above, id(value))
    inner = _inner(value, lambda item: _code(item, within))
    return without_addresses(repr(value)) if inner is None else inner


def _inner(value: Any, show: Any) -> str | None:
    """The text of what holds other values, or is a function; None for everything else."""
    kind = type(value)
    if isinstance(value, FunctionType):
        return _lambda(value) if value.__name__ == "<lambda>" else _qualified(value)
    if isinstance(value, MethodType):
        return f"{show(value.__self__)}.{value.__name__}"
    if isinstance(value, (type, BuiltinFunctionType)) or _is_function(value):
        return _qualified(value)
    if isinstance(value, np.ufunc):
        return f"numpy.{value.__name__}"
    if isinstance(value, functools.partial):
        given = [show(value.func), *map(show, value.args), *_keywords(value.keywords, show)]
        return f"functools.partial({', '.join(given)})"
    if kind in (list, tuple):
        inside = ", ".join(map(show, value))
        return f"[{inside}]" if kind is list else f"({inside}{',' * (len(value) == 1)})"
    if kind in (set, frozenset) and value:
        inside = "{" + ", ".join(sorted(map(show, value))) + "}"
        return inside if kind is set else f"frozenset({inside})"
    if kind is dict:
        return "{" + ", ".join(f"{show(k)}: {show(v)}" for k, v in value.items()) + "}"
    # A dataclass's own `repr` is a wrapper; one that was written by hand is left to its author.
    if is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__"):
        shown = {spec.name: getattr(value, spec.name) for spec in fields(value) if spec.repr}
        return f"{kind.__qualname__}({', '.join(_keywords(shown, show))})"
    return _estimator(value, show)


def _keywords(given: Mapping[str, Any], show: Any) -> Iterable[str]:
    return (f"{name}={show(item)}" for name, item in given.items())


def _is_function(value: Any) -> bool:
    """Whether this is a function of a kind of its own, such as those of numpy."""
    names = (getattr(value, "__module__", None), getattr(value, "__qualname__", None))
    return callable(value) and all(isinstance(name, str) for name in names)


def _qualified(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = str(getattr(value, "__qualname__", getattr(value, "__name__", "")))
    return f"{module}.{name}" if module and module != "builtins" else name


def _estimator(value: Any, show: Any) -> str | None:
    """An estimator with the parameters that differ from those of its constructor."""
    kind = type(value)
    own = kind.__repr__.__module__ if hasattr(kind.__repr__, "__module__") else None
    if not hasattr(value, "get_params") or own not in (None, "sklearn.base"):
        return None
    try:
        given = value.get_params(deep=False)
        usual = inspect.signature(kind.__init__).parameters
        changed = {
            name: item
            for name, item in given.items()
            if name not in usual or show(item) != show(usual[name].default)
        }
    except Exception:
        return None
    return f"{kind.__name__}({', '.join(_keywords(changed, show))})"


def _lambda(value: FunctionType) -> str:
    """The source of a lambda where it can be had, else where it was written.

    It is kept with the lambda: copies that are sent to other processes have lost their file.
    """
    if SOURCE not in vars(value):
        vars(value)[SOURCE] = _source(value) or f"{value.__module__}.{value.__qualname__}"
    return str(vars(value)[SOURCE])


def _source(value: FunctionType) -> str | None:
    try:
        lines, _ = inspect.findsource(value)
    except (OSError, TypeError):
        return None
    first = value.__code__.co_firstlineno
    last = max(stop or first for _, stop, _, _ in value.__code__.co_positions())
    for stop in (last, last + 1, last + 2):  # a bracket may close below the last operation
        source = " ".join("".join(lines[first - 1 : stop]).split())
        starts = (found.start() for found in re.finditer(r"\blambda\b", source))
        texts = {text for start in starts if (text := _expression(source[start:])) is not None}
        for text in sorted(texts):
            if _same_code(text, value) or (len(texts) == 1 and not _is_alone(value)):
                return text
    return None


def _is_alone(value: FunctionType) -> bool:
    """Whether its source alone compiles to its code: it uses no variable of a function round it."""
    inner = any(isinstance(constant, CodeType) for constant in value.__code__.co_consts)
    return not inner and not value.__code__.co_freevars


def _expression(source: str) -> str | None:
    """The longest start of the source that is one lambda."""
    for stop in range(len(source), 0, -1):
        try:
            tree = ast.parse(f"({source[:stop]})", mode="eval")
        except (SyntaxError, ValueError):
            continue
        if isinstance(tree.body, ast.Lambda):
            return source[:stop].strip()
    return None


def _same_code(text: str, value: FunctionType) -> bool:
    try:
        constants = compile(text, "<lambda>", "eval").co_consts
    except (SyntaxError, ValueError):
        return False
    made = next(constant for constant in constants if isinstance(constant, CodeType))
    facts = ("co_code", "co_consts", "co_names", "co_varnames")
    return all(getattr(made, fact) == getattr(value.__code__, fact) for fact in facts)

"""Docstrings of classes that add parameters to those of another."""

import inspect
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)
_HEADING = "Parameters\n----------\n"


def parameters_first(cls: _Class) -> _Class:
    """Put the parameters of a class's base before its own, in its docstring.

    Both docstrings are numpydoc's. Without docstrings (``python -OO``) nothing is done.

    >>> class Base:
    ...     '''A base.
    ...
    ...     Parameters
    ...     ----------
    ...     x : int
    ...         One.
    ...     '''
    >>> @parameters_first
    ... class More(Base):
    ...     '''More.
    ...
    ...     Parameters
    ...     ----------
    ...     y : int
    ...         Two.
    ...     '''
    >>> print(More.__doc__)
    More.
    <BLANKLINE>
    Parameters
    ----------
    x : int
        One.
    y : int
        Two.
    """
    own, base = cls.__doc__, cls.__base__.__doc__ if cls.__base__ else None
    if own and base:
        inherited = inspect.cleandoc(base).partition(_HEADING)[2].partition("\n\n")[0]
        cls.__doc__ = inspect.cleandoc(own).replace(_HEADING, f"{_HEADING}{inherited}\n", 1)
    return cls

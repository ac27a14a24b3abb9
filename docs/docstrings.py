"""Docstrings as the reference reads them: what follows on a section's items stands in its own."""

import importlib
import inspect
import re
from typing import Any

from griffe import Extension, Object

_RULE = re.compile(r"^-{3,}$", re.MULTILINE)
_SEVERAL = re.compile(r"^(\w+(?:, \w+)+)((?: : .*)?\n(?:    .*\n)(?:(?:    .*)?\n)*)", re.MULTILINE)
_PAGE = re.compile(r"`*docs/(\w+)\.md`*")
_DOCTEST = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> |\s*$).*\n?)*)+", re.MULTILINE)


class Sections(Extension):
    """Puts prose that follows on parameters under ``Notes``, and doctests under ``Examples``."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of a class or function."""
        if obj.docstring is None:
            return
        text = _at_runtime(obj) or obj.docstring.value
        is_numpydoc = _RULE.search(text) is not None
        text = in_sections(one_each(text)) if is_numpydoc else fenced(text)
        obj.docstring.value = _PAGE.sub(r"[\1](../\1.html)", text)


def _at_runtime(obj: Object) -> str | None:
    """The docstring of a class whose decorator has added to it."""
    if not obj.is_class or not obj.decorators:
        return None
    found = getattr(importlib.import_module(obj.module.path), obj.name, None)
    return None if found is None else inspect.getdoc(found)


def in_sections(text: str) -> str:
    r"""A numpydoc docstring in which every paragraph after the first section has a section.

    >>> text = "Adds.\n\nParameters\n----------\nx : int\n    One.\n\nA note.\n\n>>> 1\n1"
    >>> print(in_sections(text))
    Adds.
    <BLANKLINE>
    Parameters
    ----------
    x : int
        One.
    <BLANKLINE>
    Notes
    -----
    A note.
    <BLANKLINE>
    Examples
    --------
    >>> 1
    1
    """
    kept: list[str] = []
    loose: dict[str, list[str]] = {"Notes": [], "Examples": []}
    section = ""
    for block in re.split(r"\n{2,}", text.strip("\n")):
        lines = block.splitlines()
        if len(lines) > 1 and _RULE.fullmatch(lines[1]):
            section = lines[0]
            kept.append(block)
        elif block.startswith(">>> ") and section != "Examples":
            loose["Examples"].append(block)
        elif section in ("", "Notes", "Examples") or _is_item(lines):
            kept.append(block)
        else:
            loose["Notes"].append(block)
    for title, blocks in loose.items():
        if blocks:
            kept.append("\n\n".join([f"{title}\n{'-' * len(title)}\n{blocks[0]}", *blocks[1:]]))
    return "\n\n".join(kept)


def one_each(text: str) -> str:
    """Items of several names as items of one, since each has a default of its own.

    >>> print(one_each("a, b : int\\n    Both.\\n"), end="")
    a : int
        Both.
    b : int
        Both.
    """
    return _SEVERAL.sub(
        lambda found: "".join(f"{name}{found[2]}" for name in found[1].split(", ")), text + "\n"
    )


def _is_item(lines: list[str]) -> bool:
    """Whether a paragraph is an item of a section: a name, and below it what it means."""
    return lines[0].startswith(" ") or (len(lines) > 1 and lines[1].startswith(" "))


def fenced(text: str) -> str:
    """A docstring without sections whose doctests are set as code."""
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text)

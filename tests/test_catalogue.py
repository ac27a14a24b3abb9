"""The catalogue of parts is what their docstrings say, and these say what a reader needs."""

import dataclasses
import inspect
import runpy
from pathlib import Path
from textwrap import dedent

import pytest

from backtrain import strategies

DOCS = Path(__file__).parent.parent / "docs"
catalogue = runpy.run_path(str(DOCS / "catalogue.py"))
Document, render, presets = (catalogue[name] for name in ("Document", "render", "presets"))
PARTS = [name for name in strategies.__all__ if dataclasses.is_dataclass(getattr(strategies, name))]


def test_the_catalogue_is_current() -> None:
    kept = (DOCS / "strategies.md").read_text(encoding="utf-8")
    assert kept == render(), f"docs/strategies.md is out of date; run `{catalogue['COMMAND']}`"


def test_every_part_stands_in_the_catalogue_under_the_name_of_its_preset() -> None:
    entries = render().split("\n### ")[1:]
    named = {entry.splitlines()[0]: entry for entry in entries}
    assert set(named) == set(strategies.__all__)
    for name, preset in presets().items():
        assert f"`{preset}`" in named[name]


@pytest.mark.parametrize("name", PARTS)
def test_a_docstring_starts_with_a_sentence(name: str) -> None:
    first = inspect.getdoc(getattr(strategies, name)).split("\n\n")[0]
    assert first.strip().endswith((".", ":")), first
    assert len(first) <= 300, "a first paragraph is a sentence or two"


@pytest.mark.parametrize("name", PARTS)
def test_a_docstring_tells_of_the_parameters_exactly(name: str) -> None:
    part = getattr(strategies, name)
    told = {
        one.lstrip("*"): kind
        for names, (kind, text) in Document.of(part).parameters.items()
        for one in names.split(", ")
        if text
    }
    assert set(told) == {spec.name for spec in dataclasses.fields(part) if spec.init}
    assert all(told.values()), "each with its type"


@pytest.mark.parametrize("name", PARTS)
def test_a_docstring_shows_how_the_part_is_built(name: str) -> None:
    examples = Document.of(getattr(strategies, name)).examples
    assert any(f"{name}(" in line for line in examples if line.startswith(">>>"))


def test_a_docstring_is_taken_apart() -> None:
    class Part:
        pass

    Part.__doc__ = dedent(
        """\
        Fire at ``q * w``, not at x<y.

        More.

        Parameters
        ----------
        one : int
            The first,
            in two lines.
        two, three : str, optional
            Both.

        Afterthought.

        Notes
        -----
        A note.

        >>> Part(1)
        Part(1)

        References
        ----------
        A paper.
        """
    )
    found = Document.of(Part)
    assert found.prose[:3] == ["Fire at ``q * w``, not at x<y.", "", "More."]
    assert found.prose[-2:] == ["Afterthought.", ""]
    assert found.parameters == {
        "one": ("int", "The first, in two lines."),
        "two, three": ("str, optional", "Both."),
    }
    assert [line for line in found.sections["Notes"] if line] == ["A note."]
    assert found.sections["References"] == ["A paper."]
    assert found.examples == [">>> Part(1)", "Part(1)"]
    assert catalogue["_markdown"](found.prose[0]) == r"Fire at `q * w`, not at x\<y."

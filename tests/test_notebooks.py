"""Notebooks are what their sources say, with outputs: pip install -e '.[dev]'; CI executes them."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupytext")
pytest.importorskip("nbclient")
ROOT = Path(__file__).parent.parent
EXECUTE = runpy.run_path(str(ROOT / "notebooks/execute.py"))
NAMES = EXECUTE["NOTEBOOKS"]


def committed(name: str) -> Any:
    return json.loads((ROOT / f"notebooks/{name}.ipynb").read_text(encoding="utf-8"))


def sources(notebook: Any) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def test_every_notebook_is_executed_and_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == sorted(NAMES)
    assert [name for name in NAMES if f" notebooks/{name}.md\n" not in navigation] == []


@pytest.mark.parametrize("name", NAMES)
def test_both_files_say_the_same(name: str) -> None:
    again = "run `python notebooks/execute.py --write`"
    assert sources(committed(name)) == sources(EXECUTE["source"](name)), again


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_there_small_and_steady(name: str) -> None:
    notebook = committed(name)
    assert (ROOT / f"notebooks/{name}.ipynb").stat().st_size < 300_000
    kinds = {kind for cell in notebook["cells"] for one in cell.get("outputs", ()) for kind in one}
    assert "data" in kinds
    assert [*EXECUTE["unsteady"](notebook)] == []


def notebook(*outputs: dict[str, Any]) -> dict[str, Any]:
    cell = {"cell_type": "code", "source": "1", "outputs": [*outputs]}
    return {"cells": [cell], "metadata": {"made_with": {}}}


def printed(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def picture(data: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"image/png": data, "text/plain": "<Figure>"}}


def test_another_number_is_found_and_another_picture_is_not() -> None:
    lines = EXECUTE["lines"]
    assert lines(notebook(printed("1.5"))) != lines(notebook(printed("1.6")))
    assert lines(notebook(picture("a"))) == lines(notebook(picture("b")))
    assert lines(notebook(picture("a"))) != lines(notebook())


@pytest.mark.parametrize(
    "output",
    [
        printed("a warning", "stderr"),
        printed("<function f at 0x7f3a12345678>"),
        printed(f"{sys.prefix}/lib/site-packages/x.py"),
    ],
    ids=["warning", "address", "path"],
)
def test_what_changes_from_run_to_run_is_found(output: dict[str, Any]) -> None:
    assert len([*EXECUTE["unsteady"](notebook(output))]) == 1

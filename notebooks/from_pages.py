"""Makes a notebook of each page of worked examples: ``python notebooks/from_pages.py``."""

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGES = sorted((HERE.parent / "docs").glob("examples_*.md"))
COMMAND = "python notebooks/from_pages.py"


def cells(text: str) -> list[dict[str, Any]]:
    """Blocks of Python are cells of code, what stands between them is Markdown."""
    parts = re.split(r"```python\n(.*?)```\n", text, flags=re.S)
    found: list[dict[str, Any]] = []
    for i, part in enumerate(parts):
        source = part.strip("\n")
        if not source:
            continue
        kind = {"cell_type": "code", "execution_count": None, "outputs": []}
        cell = kind if i % 2 else {"cell_type": "markdown"}
        name = {"id": f"cell-{len(found)}", "metadata": {}}
        found.append(cell | name | {"source": source.splitlines(keepends=True)})
    return found


def notebook(page: Path) -> str:
    """The page as a notebook, without outputs; links lead to the documents from there."""
    text = re.sub(r"\]\((?![a-z]+:)([^)]+)\)", r"](../docs/\1)", page.read_text(encoding="utf-8"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells(text), "metadata": {"kernelspec": kernel}}
    whole |= {"nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def place(page: Path) -> Path:
    """Where the notebook of a page stands."""
    return HERE / f"{page.stem.removeprefix('examples_')}.ipynb"


if __name__ == "__main__":
    for page in PAGES:
        place(page).write_text(notebook(page), encoding="utf-8")

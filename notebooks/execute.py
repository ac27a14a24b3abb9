"""Run every notebook from a clean state; fails where its outputs are not those that it shows.

``python notebooks/execute.py`` compares, ``--write`` renews; names, as ``quickstart``, choose some.
A notebook's source is its ``.py`` (jupytext's percent format); the ``.ipynb`` is made of it. Of
pictures only number and places are compared: their bytes are matplotlib's. What differs where a
library has another version than the committed outputs were made with is printed, and no failure.
"""

import argparse
import base64
import difflib
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
#: In the order in which they are read.
NOTEBOOKS = (
    "quickstart",
    "your_own_data",
    "how_often",
    "label_latency",
    "write_a_trigger",
    "when_retraining_does_not_help",
    "many_seeds_many_data_sets",
    "a_sweep_read_with_duckdb",
)
#: On which numbers depend; the versions that made an output are kept with it.
_MADE_WITH = ("numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "duckdb")
#: Begins the last line on a notebook that differs, where that may be due to these.
_OTHERS = "made with other versions,"
#: What no output may hold: warnings stand on stderr; addresses and paths change from run to run.
_CHANGES = re.compile(r"0x[0-9a-f]{6,}|(?:/tmp|/home|/Users|/root|site-packages)/|[A-Z]:\\\\")


def source(name: str) -> Any:
    """The notebook as its ``.py`` says it, without outputs; cells are named by their place."""
    notebook = jupytext.read(HERE / f"{name}.py")
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    of_all = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(of_all)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def executed(name: str) -> Any:
    """The notebook with outputs, of a kernel of its own in an empty directory."""
    notebook = source(name)
    of_all = dict(notebook.metadata)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        client = NotebookClient(notebook, timeout=None, resources=place, record_timing=False)
        client.execute()
    made = {package: version(package) for package in _MADE_WITH}
    notebook.metadata = nbformat.from_dict({**of_all, "made_with": made})
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if "image/png" in (data := output.get("data", {})):
                data["image/png"] = _small(data["image/png"])
    return notebook


def _small(picture: str) -> str:
    """A PNG in base64, in 256 colours: a third of the bytes, and no difference to the eye."""
    file = io.BytesIO()
    opened = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    opened.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode() + "\n"


def lines(notebook: Any) -> list[str]:
    """Sources and outputs as lines of text, for a diff; HTML has a line a tag."""
    found = []
    for number, cell in enumerate(notebook["cells"]):
        found += [f"--- cell {number}, {cell['cell_type']}"]
        found += "".join(cell["source"]).splitlines()
        for output in cell.get("outputs", ()):
            found += [f"--- output of cell {number}: {output['output_type']}"]
            for kind, text in sorted(_texts(output)):
                shown = "" if kind.startswith("image/") else text.replace("><", ">\n<")
                found += [f"--- as {kind}", *shown.splitlines()]
    return found


def unsteady(notebook: Any) -> Iterator[str]:
    """What a notebook shows that it must not: warnings, errors, addresses, paths."""
    for number, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr" or output["output_type"] == "error":
                yield f"cell {number} writes to stderr: {''.join(output.get('text', ''))[:300]}"
            for kind, text in _texts(output):
                if not kind.startswith("image/") and (found := _CHANGES.search(text)):
                    yield f"cell {number} shows {found[0]!r}, which changes from run to run"


def _texts(output: Any) -> Iterator[tuple[str, str]]:
    if "text" in output:
        yield output["name"], "".join(output["text"])
    for kind, text in output.get("data", {}).items():
        yield kind, "".join(text) if isinstance(text, list) else str(text)


def _compared(name: str, notebook: Any) -> list[str]:
    """How the committed notebook differs from this one, as a diff."""
    path = HERE / f"{name}.ipynb"
    if not path.exists():
        return [f"{path.name} is missing: run `python notebooks/execute.py --write {name}`"]
    kept = json.loads(path.read_text(encoding="utf-8"))
    names = (f"{name}.ipynb", "executed again")
    found = [*difflib.unified_diff(lines(kept), lines(notebook), *names, n=2, lineterm="")]
    was, now = kept["metadata"].get("made_with", {}), notebook.metadata["made_with"]
    others = [f"{k} {was.get(k)}, here {now[k]}" for k in now if was.get(k) != now[k]]
    if found and others:
        found.append(f"{_OTHERS} {'; '.join(others)}: `--write` renews it")
    return found


def main() -> int:
    """Execute; 1 where something differs, or shows what it must not."""
    parser = argparse.ArgumentParser(description="Execute the notebooks.")
    parser.add_argument("names", nargs="*", help="some of them; all by default")
    parser.add_argument("--write", action="store_true", help="renew the committed outputs")
    asked = parser.parse_args()
    wrong = False
    for name in asked.names or NOTEBOOKS:
        begun = time.perf_counter()
        notebook = executed(name)
        bad, differs = [*unsteady(notebook)], [] if asked.write else _compared(name, notebook)
        if asked.write:
            nbformat.write(notebook, HERE / f"{name}.ipynb")
        state = f"{len(notebook.cells)} cells, {time.perf_counter() - begun:.0f} s"
        print("\n".join([f"{name}: {state}", *bad, *differs]), file=sys.stderr)
        excused = differs and differs[-1].startswith(_OTHERS)  # by other versions of libraries
        wrong |= bool(bad) or bool(differs and not excused)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())

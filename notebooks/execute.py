"""Run every notebook from a clean state; fails when a cell does."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

for path in sorted(Path(__file__).parent.glob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}}).execute()
    print(f"{path.name}: {len(notebook.cells)} cells", file=sys.stderr)

"""Draws the pictures of ``docs/drawing.md``: each block of code, and the picture named below it."""

import re
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.figure import Figure

COMMAND = "python docs/drawing.py"
PAGE = Path(__file__).with_suffix(".md")
_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n!\[[^]]*\]\((\S+)\))?", re.DOTALL)


def pictures(page: str) -> dict[str, Figure]:
    """Run all blocks of a page in one namespace; the figures by the names of their files."""
    mpl.use("agg")
    names: dict[str, object] = {}
    found = {}
    for code, picture in _BLOCK.findall(page):
        exec(compile(code, str(PAGE), "exec"), names)
        if picture:
            found[picture] = pyplot.gcf()
    return found


if __name__ == "__main__":
    for name, figure in pictures(PAGE.read_text(encoding="utf-8")).items():
        (PAGE.parent / name).parent.mkdir(exist_ok=True)
        figure.savefig(PAGE.parent / name, dpi=72, metadata={"Software": None})

"""The notebooks as pages of the site, with the outputs that are committed; nothing is executed."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
#: How a table of pandas begins, with a style of its own: the site has one.
_PANDAS = re.compile(
    r'<div>\s*<style scoped>.*?</style>\s*<table border="1" class="dataframe">', re.S
)


def on_files(files: Files, config: Any) -> Files:
    """Add a page a notebook, its pictures, and the two files that it is."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text, pictures = as_page(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
        for file in (path, path.with_suffix(".py")):
            place = f"notebooks/{file.name}"
            files.append(File.generated(config, place, abs_src_path=str(file)))
    return files


def as_page(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by their names."""
    text, found = MarkdownExporter().from_filename(path, {"output_files_dir": path.stem})
    title, _, text = text.partition("\n")
    text = (
        _PANDAS.sub('<div class="pandas">\n<table>', text)
        .replace("![png](", "![Figure](")
        .replace("](../docs/", "](../")
    )
    text = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", text)
    links = f"[{path.name}]({path.name}) · [{path.stem}.py]({path.stem}.py)"
    return f"{title}\n\n*To run it yourself:* {links}\n{text}", found["outputs"]

"""What the site has beside the pages that lie here: the API's reference, and pages of the root."""

import atexit
import importlib
import inspect
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
#: Pages of the root, and what the site calls them.
PAGES = {"DESIGN.md": "design.md", "CHANGELOG.md": "changelog.md"}
#: Pages of the reference, and the modules whose public names each has, or classes.
REFERENCE = {
    "Backtests": "backtest simulator.setup simulator.ledger reports.comparison reports.verdict "
    "simulator.record understood",
    "Histories": "datasets.stream datasets.tabular datasets.bundled datasets.synthetic "
    "datasets.lags datasets.horizon datasets.latency datasets.faults datasets.calendar "
    "datasets.synthetic_panel",
    "Strategies": "strategies",
    "Parts of your own": "simulator.view simulator.fence.FutureLeak simulator.past simulator.model "
    "simulator.answers simulator.parts testing",
    "Metrics and losses": "simulator.outcomes simulator.metrics simulator.losses "
    "simulator.quantiles simulator.ranking simulator.scaled simulator.costs simulator.stability",
    "Models": "models models.recursive models.one_per models.quantiles",
    "Loss matrices": "lossmatrix.matrix lossmatrix.curves lossmatrix.tuning lossmatrix.luck "
    "lossmatrix.regret",
    "Searches, sweeps, audits": "search.result sweeping reports.sweep.sweep reports.sweep.ranked "
    "reports.sweep.signed_rank audit.findings",
    "Callbacks": "tracking.callbacks tracking.json_lines tracking.mlflow",
}
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")


@event_priority(100)  # before the plugin that reads docstrings
def on_config(config: Any) -> Any:
    """Lay the package out as it is imported, for the plugin that reads docstrings."""
    package = Path(tempfile.mkdtemp(prefix="backtrain-site-")) / "backtrain"
    atexit.register(shutil.rmtree, package.parent, ignore_errors=True)
    mapped = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = mapped["tool"]["setuptools"]["package-dir"]
    package.mkdir()
    for file in (ROOT / folders["backtrain"]).iterdir():
        (package / file.name).symlink_to(file)
    for name, folder in folders.items():
        if name != "backtrain":
            (package / name.partition(".")[2]).symlink_to(ROOT / folder)
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(package.parent)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    contents = "# Reference\n\nWhat is imported from `backtrain` itself, and from its modules.\n"
    for title, modules in REFERENCE.items():
        page, names = f"reference/{title.lower().replace(' ', '_').replace(',', '')}.md", []
        text = f"# {title}\n"
        for module in modules.split():
            names += (here := list(public(f"backtrain.{module}")))
            text += "".join(f"\n::: {name}\n" for name in here)
        files.append(File.generated(config, page, content=text))
        contents += f"\n## [{title}]({Path(page).name})\n\n"
        contents += ", ".join(f"[`{name.rpartition('.')[2]}`][{name}]" for name in names) + "\n"
    files.append(File.generated(config, "reference/index.md", content=contents))
    return files


def public(module: str) -> Iterator[str]:
    """Full names of the classes and functions that a module defines, or that its list names.

    A class is named by itself.
    """
    if module.rpartition(".")[2][0].isupper():
        yield module
        return
    found = importlib.import_module(module)
    for name in getattr(found, "__all__", None) or vars(found):
        value = getattr(found, name)
        home = getattr(value, "__module__", "")
        mine = home == module or name in getattr(found, "__all__", ())
        if mine and not name.startswith("_") and inspect.getdoc(value) and callable(value):
            yield f"{home}.{value.__name__}"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name files that lie outside of the site, where a page links them."""
    if page.file.src_uri.startswith("notebooks/"):
        return markdown
    return _OUTSIDE.sub(r"\1 (`\2`)", markdown)

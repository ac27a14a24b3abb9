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
from urllib.parse import urlsplit

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).parent.parent
#: Pages of the root, and what the site calls them.
PAGES = {"DESIGN.md": "design.md", "CHANGELOG.md": "changelog.md"}
#: Pages of the reference: modules whose public names each has, or, after a colon, those it has.
REFERENCE = {
    "Backtests": "backtest reports.comparison:Comparison,ComparisonError reports.verdict:"
    "Recommendation simulator.record simulator.ledger:Prices,Delays,PriceError,Ledger "
    "understood:Understood,Column simulator.answers:SetupError",
    "Histories": "datasets.stream datasets.tabular:table,saved,openml "
    "datasets.bundled:bike,flights datasets.synthetic datasets.synthetic_panel "
    "datasets.lags:Lags datasets.horizon:Horizon datasets.latency datasets.calendar:Calendar "
    "datasets.faults:Fault,inject,UnitChange,MissingSpike,DroppedColumn,"
    "StuckSensor,DuplicatedRows,LateLabels,ReorderedLabels",
    "Strategies": "strategies",
    "Parts of your own": "simulator.parts:Trigger,Window,Update,Gate,RecordedAnswers,Monitor,Trial "
    "simulator.view:View simulator.fence:FutureLeak simulator.past:Past,Labelled,Served,Arrived "
    "simulator.model:Model,Reference simulator.answers:Selection,Reason,Verdict,PartError,"
    "FitError,NothingToLearnError testing",
    "Metrics and losses": "simulator.outcomes:Outcomes,Metric,MetricError simulator.metrics:"
    "find_metric,metric_names,ByGroup,CoverageError simulator.losses:find_loss,absolute,squared,"
    "log,Pinball simulator.quantiles simulator.ranking:NDCG,PrecisionAtK,RecallAtK "
    "simulator.scaled:Scaled,MASE,RMSSE simulator.costs:CostMatrix,TimesAmount "
    "simulator.stability:smqc",
    "Models": "models models.recursive:Recursive models.one_per:OnePer models.quantiles:Quantiles",
    "Loss matrices": "lossmatrix.matrix lossmatrix.curves:Schedules,Oracle,IntervalCurve,"
    "StalenessCurve,Placebo lossmatrix.tuning:Tuning,Judgement,Ages,Fresh",
    "Searches, sweeps, audits": "search.result sweeping reports.sweep.sweep "
    "reports.sweep.ranked reports.sweep.signed_rank audit.findings",
    "Callbacks": "tracking.callbacks:Callback,Job tracking.json_lines:JsonLines "
    "tracking.mlflow:MLflow",
}
#: How much pages that answer questions count in a search, and those that hold every word.
BOOSTS = {
    **dict.fromkeys(["how_to.md", "index.md", "five_checks.md", "data.md", "models.md"], 2),
    **dict.fromkeys(["experiments.md", "command_line.md", "sweeps.md", "money.md"], 1.5),
    **dict.fromkeys(["changelog.md", "design.md", "performance.md", "strategies.md"], 0.4),
}
#: Names that the navigation gives to pages.
TITLES: dict[str, str] = {}
#: What the theme takes from elsewhere for the search of pages from disk, and where it lies here.
_WORKER = ("https://unpkg.com/iframe-worker/shim", "offline/iframe-worker.js")
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)")
_NOTEBOOK = re.compile(r"\]\(\.\./notebooks/(\w+)\.ipynb")
_FILE = re.compile(r"\[`?(?:docs/)?\w+\.md`?\]\((\w+\.md)(#[^)]*)?\)|`docs/(\w+\.md)`")
_COMMAND = re.compile(r"(?<=\n\n)```\n(?=(?:backtrain|pip|python) )")
_CELL = re.compile(r"<td[^>]*>[^<]*</td>")
_UNIT = re.compile(r"(?<=\d) (?=[%x]|[a-zA-Z]{1,3}\b)")


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
    TITLES.update(_titles(config.nav))
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(package.parent)]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    contents = "# Reference\n\nEvery public name, and where it is imported from.\n"
    for title, modules in REFERENCE.items():
        page = f"reference/{title.lower().replace(' ', '_').replace(',', '')}.md"
        text = f"# {title}\n"
        contents += (
            f"\n## [{title}]({Path(page).name})\n\n| name | from | what it is |\n|---|---|---|\n"
        )
        for name in (name for module in modules.split() for name in public(f"backtrain.{module}")):
            text += f"\n::: {name}\n"
            if title == "Strategies" and not name.endswith(".Strategy"):
                text += "    options:\n      members: false\n"  # these are the contract of parts
            home, _, short = name.rpartition(".")
            said = (inspect.getdoc(getattr(importlib.import_module(home), short)) or "").partition(
                "\n\n"
            )[0]
            said = said.replace("\n", " ").replace("``", "`").replace("|", "\\|")
            contents += f"| [`{short}`][{name}] | `{imported_from(name)}` | {said} |\n"
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "reference/index.md", content=contents))
    return files


def imported_from(name: str) -> str:
    """The shortest module that lists a name."""
    home, _, short = name.rpartition(".")
    parts = home.split(".")
    for module in (".".join(parts[:n]) for n in range(1, len(parts))):
        if short in getattr(importlib.import_module(module), "__all__", ()):
            return module
    return home


def _titles(nav: Any) -> dict[str, str]:
    """Titles in a navigation, by file."""
    found: dict[str, str] = {}
    for item in nav or []:
        for title, to in item.items() if isinstance(item, dict) else ():
            found.update({to: title} if isinstance(to, str) else _titles(to))
    return found


def public(module: str) -> Iterator[str]:
    """Full names of the classes and functions that a module defines, or that a list names.

    The list is its own, or stands behind a colon.
    """
    module, _, chosen = module.partition(":")
    found = importlib.import_module(module)
    listed = chosen.split(",") if chosen else getattr(found, "__all__", ())
    for name in listed or vars(found):
        value = getattr(found, name)
        home = getattr(value, "__module__", "")
        mine = home == module or name in listed
        if mine and not name.startswith("_") and inspect.getdoc(value) and callable(value):
            yield f"{home}.{value.__name__}"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name files outside of the site where a page links them, and pages by their titles."""
    file = page.file.src_uri
    boost = BOOSTS.get(file, 0.5 if file.startswith("reference/") else 1)
    page.meta.setdefault("search", {"boost": boost})
    if file.startswith("notebooks/"):
        return markdown
    markdown = _NOTEBOOK.sub(r"](notebooks/\1.md", _COMMAND.sub("```sh\n", markdown))
    return _FILE.sub(_titled, _OUTSIDE.sub(r"\1 (`\2`)", markdown))


def _titled(found: re.Match[str]) -> str:
    page = found[1] or found[3]
    if page not in TITLES:
        return found[0]
    return f"[{TITLES[page]}]({page}{found[2] or ''})"


def on_page_content(html: str, **_: Any) -> str:
    """Keep numbers and their units on one line in the cells of tables, and show pipes there."""
    html = html.replace(r"<code>\|</code>", "<code>|</code>")
    return _CELL.sub(lambda cell: _UNIT.sub("&nbsp;", cell[0]), html)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load nothing from elsewhere."""
    return output.replace(_WORKER[0], get_relative_url(_WORKER[1], page.url))


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """Say on the page for missing ones where to go on."""
    if template_name != "404.html":
        return output_content
    root = urlsplit(config.site_url or "").path.rstrip("/")
    said = (
        f'<h1>No such page</h1><p>Search above, or <a href="{root}/index.html">start here</a>.</p>'
    )
    output_content = output_content.replace(_WORKER[0], f"{root}/{_WORKER[1]}")
    return output_content.replace("<h1>404 - Not found</h1>", said)

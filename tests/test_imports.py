"""The house stands as drawn: imports point one way, and every folder is packed."""

import ast
import pickle
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import backtrain

ROOT = Path(__file__).parent.parent
#: Which folders each folder may import from; those beside `Backtest` are the package itself.
MAY_IMPORT = {
    "datasets": {"datasets"},
    "store": {"store"},
    "models": {"models", "simulator"},
    "simulator": {"datasets", "store", "simulator"},
    "strategies": {"datasets", "simulator", "strategies"},
    "lossmatrix": {"datasets", "store", "simulator", "strategies", "lossmatrix"},
    "search": {"datasets", "store", "simulator", "strategies", "search"},
    "reports": {"datasets", "simulator", "strategies", "lossmatrix", "search", "reports"},
    "audit": {"datasets", "store", "simulator", "strategies", "audit"},
    "app": {
        *("datasets", "store", "simulator", "strategies", "lossmatrix", "search", "reports"),
        *("audit", "models", "tracking", "app"),
    },
    "tracking": {"simulator", "reports", "tracking"},
    "conf": {"config"},
    "config": {
        *("app", "datasets", "store", "simulator", "strategies", "lossmatrix", "search", "reports"),
        *("models", "tracking", "config"),
    },
    "cli": {
        *("app", "audit", "config", "simulator", "store", "lossmatrix", "reports", "tracking"),
        "cli",
    },
}
#: Of these folders, the files that others may see: parts see what is known, reports read records.
DOORS = {
    ("strategies", "simulator"): {
        *("parts", "answers", "asking", "texts"),
        *("view", "metrics", "ledger", "setup", "constraints"),
    },
    ("reports", "simulator"): {
        *("record", "manifest", "texts", "stability", "statistics", "metrics", "ledger"),
    },
    ("reports", "lossmatrix"): {"at_prices", "decide", "tuning", "walk", "matrix", "curves"},
    ("reports", "search"): {"proposals", "result"},
    # Names of parts, when none may train, and what they are made of.
    ("reports", "strategies"): {"", "blackouts", "strategy"},
    ("config", "simulator"): {"constraints", "ledger", "process", "progress"},
}
#: From data to the pages that show them: imported inside the call, so that data need no page.
CALLS = {
    ("datasets/shown.py", "reports.cards"),
    ("datasets/shown.py", "reports.plots"),
    ("simulator/record.py", "reports.plots"),
    ("lossmatrix/curves.py", "reports.plots"),
    ("lossmatrix/matrix.py", "reports.plots"),
    ("lossmatrix/tuning.py", "reports.plots"),
    ("search/result.py", "reports.plots"),
    ("reports/comparison.py", "reports.plots"),
    ("reports/verdict.py", "reports.plots"),
    ("reports/sweep/sweep.py", "reports.plots"),
    ("reports/sweep/ranked.py", "reports.plots"),
    ("reports/sweep/ranked.py", "reports.sweep.rank_found"),
    ("lossmatrix/tuning.py", "reports.archive"),
    ("lossmatrix/tuning.py", "reports.html"),
    ("lossmatrix/tuning.py", "reports.tuning_page"),
    ("lossmatrix/tuning.py", "reports.tuning_found"),
    ("search/result.py", "reports.archive"),
    ("search/result.py", "reports.html"),
    ("search/result.py", "reports.search_page"),
    ("search/result.py", "reports.search_found"),
    ("reports/comparison.py", "reports.html"),
    ("reports/comparison.py", "reports.page"),
    ("reports/sweep/sweep.py", "reports.sweep.page"),
}
#: Circles that still stand; the list only gets shorter.
CIRCLES = ({"simulator.replay", "simulator.tables"},)
SOURCES = [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path, inside: bool) -> list[str]:
    """What a file imports when it is imported itself, or ``inside`` its functions."""
    tree = ast.parse(path.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    within = {id(node) for function in functions for node in ast.walk(function)}
    names = []
    for node in ast.walk(tree):
        if (id(node) in within) != inside:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.split(".")[0] == "backtrain"]


def module(name: str) -> str:
    """The file that an imported name stands in or is, as ``folder.file``; "" is the package."""
    steps = name.split(".")[1:]
    while steps and ".".join(steps) not in MODULES:
        steps.pop()
    return ".".join(steps)


def module_of(path: Path) -> str:
    steps = path.relative_to(ROOT).with_suffix("").parts
    steps = steps[:-1] if steps[-1] == "__init__" else steps
    return ".".join(steps[1:] if steps[0] == "app" else steps)


MODULES = {module_of(path): path for path in SOURCES}


def graph(*more: tuple[str, str]) -> dict[str, set[str]]:
    """Which files each file imports: by itself, for its types, and in calls that are no door."""
    edges = set(more)
    for name, path in MODULES.items():
        file = str(path.relative_to(ROOT))
        edges |= {(name, module(other)) for other in imported(path, inside=False)}
        inner = {module(other) for other in imported(path, inside=True)}
        edges |= {(name, other) for other in inner if (file, other) not in CALLS}
    known = {(a, b) for circle in CIRCLES for a in circle for b in circle}
    return {name: {b for a, b in edges - known if a == name != b} for name in MODULES}


def test_no_file_imports_itself_by_way_of_others() -> None:
    TopologicalSorter(graph()).prepare()
    with pytest.raises(CycleError):  # as it would if a door were open
        TopologicalSorter(graph(("reports.comparison", "reports.page"))).prepare()


def test_every_door_is_used() -> None:
    for file, target in CALLS:
        assert target in {module(name) for name in imported(ROOT / file, inside=True)}, file


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    file = str(path.relative_to(ROOT))
    room = file.split("/")[0] if file != "app/__main__.py" else "cli"
    for inside in (False, True):
        for name in imported(path, inside):
            steps = [*name.split("."), ""]
            target = steps[1] if steps[1] in MAY_IMPORT else "app"
            if inside and (file, module(name)) in CALLS:
                continue
            assert target in MAY_IMPORT[room], f"{path}: {room} must not import {name}"
            if (room, target) in DOORS:
                assert steps[2] in DOORS[room, target], f"{path}: {room} must not import {name}"


def test_only_the_clock_turns_ticks_into_time() -> None:
    for path in SOURCES:
        if path.name not in ("clock.py", "setup.py"):
            assert "tick_instants(" not in path.read_text(), path


@pytest.mark.parametrize("path", sorted((ROOT / "tests").glob("*.py")), ids=lambda path: path.name)
def test_no_test_depends_on_how_fast_the_machine_is(path: Path) -> None:
    """Counts and sizes are tested; ratios of times are measured in `benchmarks`."""
    clocks = {"perf_counter", "monotonic", "process_time", "thread_time", "timeit"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            assert called.removesuffix("_ns") not in clocks, f"{path}:{node.lineno}: {called}"
            given = {keyword.arg for keyword in node.keywords}
            assert "timeout" not in given, f"{path}:{node.lineno}: timeout="


def test_the_packages_are_the_folders() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {room for room in MAY_IMPORT if (ROOT / room / "__init__.py").exists()}
    assert folders == set(MAY_IMPORT)
    mapped = tool["package-dir"]
    assert set(mapped.values()) == folders
    nested = {p.parent.relative_to(ROOT) for f in folders for p in (ROOT / f).rglob("__init__.py")}
    named = {".".join(("backtrain", *folder.parts)) for folder in nested if str(folder) != "app"}
    assert set(tool["packages"]) == named | {"backtrain"}


USED = """
import sys
from backtrain import *
from backtrain.strategies import *
print(*sorted({name.split(".")[0] for name in sys.modules}))
stream = Stream([[0.0], [1.0]], [0, 1], ["2024-01-01", "2024-01-02"])
assert "Stream" in stream._repr_html_() and len(stream.to_frame()) == 2
assert "matplotlib" not in sys.modules  # until something is drawn
"""


def test_importing_what_a_user_names_imports_nothing_that_may_never_be_used() -> None:
    done = subprocess.run([sys.executable, "-c", USED], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"backtrain", "pandas"} <= loaded
    unused = {"matplotlib", "hydra", "omegaconf", "jinja2", "river", "sklearn", "scipy"}
    assert not unused & loaded


def test_a_name_of_the_package_is_imported_when_it_is_used() -> None:
    """And each is declared three times alike: for type checkers, for users, for the import."""
    tree = ast.parse((ROOT / "app/__init__.py").read_text())
    typed = {
        alias.name: node.module
        for block in ast.walk(tree) if isinstance(block, ast.If)
        for node in block.body if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }  # fmt: skip
    assert typed == {name: f"backtrain.{home}" for name, home in backtrain._HOMES.items()}
    assert sorted(typed) == backtrain.__all__
    assert set(backtrain.__all__) <= set(dir(backtrain))
    for name in backtrain.__all__:
        assert getattr(backtrain, name).__name__ == name
    assert pickle.loads(pickle.dumps(backtrain.Prices(retrain=3))) == backtrain.Prices(retrain=3)
    with pytest.raises(AttributeError, match="'backtrain' has no attribute 'Backtset'"):
        _ = backtrain.Backtset

"""The house stands as drawn: imports point one way, and every folder is packed."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Which folders each folder may import from; those beside `Backtest` are the package itself.
MAY_IMPORT = {
    "datasets": {"datasets"},
    "store": {"store"},
    "simulator": {"datasets", "store", "simulator"},
    "strategies": {"datasets", "simulator", "strategies"},
    "lossmatrix": {"datasets", "store", "simulator", "strategies", "lossmatrix"},
    "reports": {"datasets", "simulator", "lossmatrix", "reports"},
    "app": {"datasets", "store", "simulator", "strategies", "lossmatrix", "reports", "app"},
    "conf": set(),
    "config": {
        "app",
        "datasets",
        "store",
        "simulator",
        "strategies",
        "lossmatrix",
        "reports",
        "config",
    },
    "cli": {"app", "config", "simulator", "store", "lossmatrix", "reports", "cli"},
}
#: Of these folders, the files that others may see: parts see what is known, reports read records.
DOORS = {
    ("strategies", "simulator"): {
        *("parts", "errors", "reason", "selection", "verdict", "asking", "texts", "fits"),
        *("view", "metrics", "ledger", "setup"),
    },
    ("reports", "simulator"): {"record", "manifest", "texts", "statistics", "metrics"},
    ("reports", "lossmatrix"): {"tuning"},
    ("config", "simulator"): {"parts", "fits"},
}
#: From data to the pages that show them: imported inside the call, so that data need no page.
CALLS = {("lossmatrix/tuning.py", "reports")}
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    file = str(path.relative_to(ROOT))
    room = file.split("/")[0] if file != "app/__main__.py" else "cli"
    for inside in (False, True):
        for name in imported(path, inside):
            steps = [*name.split("."), ""]
            target = steps[1] if steps[1] in MAY_IMPORT else "app"
            if inside and (file, target) in CALLS:
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

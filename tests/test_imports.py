"""The house stands as drawn: imports point one way, and every folder is packed."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Which rooms each room may use.
MAY_IMPORT = {
    "datasets": {"datasets"},
    "simulator": {"datasets", "simulator"},
    "strategies": {"datasets", "simulator", "strategies"},
    "reports": {"datasets", "simulator", "reports"},
    "conf": set(),
    "app": {"datasets", "simulator", "strategies", "reports", "conf", "app"},
}
#: Strategies see the simulator through these doors only; reports read records.
DOORS = {
    "strategies": {"protocols", "asking", "view", "metrics", "ledger", "setup"},
    "reports": {"record", "manifest", "texts", "statistics", "metrics"},
}
SOURCES = [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
    return [name for name in names if name.split(".")[0] == "backtrain"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for name in imported(path):
        steps = name.split(".")
        target = steps[1] if len(steps) > 1 and steps[1] in MAY_IMPORT else "app"
        assert target in MAY_IMPORT[room], f"{path}: {room} must not import {name}"
        if target == "simulator" and room in DOORS and len(steps) > 2:
            assert steps[2] in DOORS[room], f"{path}: {room} must not import {name}"


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
    assert set(tool["packages"]) == set(mapped)
    for room in folders:
        nested = [p.parent for p in (ROOT / room).rglob("__init__.py") if p.parent != ROOT / room]
        assert not nested, f"{nested}: folders stay flat"

"""Ratios are measured side by side in one run, A B A B ..., and printed at the end."""

import os
import statistics
import time
from collections.abc import Callable

import pytest

_FOUND: list[tuple[str, float, float, float, str]] = []


@pytest.fixture
def ratio(benchmark, request):
    """``ratio(ours, theirs)``: the median of time(ours) / time(theirs) over paired rounds."""

    def measure(
        ours: Callable[[], object], theirs: Callable[[], object], target: str = "", rounds: int = 7
    ) -> float:
        if os.environ.get("CI") and not target:  # which shows that they run
            rounds = 1
        ours(), theirs()  # warm up both
        pairs: list[tuple[float, float]] = []
        benchmark.pedantic(lambda: pairs.append((_seconds(ours), _seconds(theirs))), rounds=rounds)
        found = statistics.median(a / b for a, b in pairs)
        mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
        benchmark.extra_info.update(ratio=found, ours=mine, theirs=other, target=target)
        _FOUND.append((request.node.name, found, mine, other, target))
        return found

    return measure


@pytest.fixture
def figure(benchmark, request):
    """``figure(value, target)``: note a number that is no ratio of times, such as a count."""

    def note(value: float, target: str = "") -> None:
        benchmark.extra_info.update(value=value, target=target)
        _FOUND.append((request.node.name, value, float("nan"), float("nan"), target))

    return note


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pytest_terminal_summary(terminalreporter):
    if not _FOUND:
        return
    terminalreporter.section("figures and ratios")
    for name, found, mine, other, target in _FOUND:
        times = "" if mine != mine else f"  ({mine * 1e3:.1f} ms against {other * 1e3:.1f} ms)"
        terminalreporter.write_line(f"{name:58} {found:10.3f}  {target:18}{times}")

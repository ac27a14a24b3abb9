"""The end of a sweep: what its jobs left is read, told and put into one report."""

import math
import sys
from pathlib import Path
from typing import Any

from backtrain.cli.jobs import from_here
from backtrain.cli.terminal import say
from backtrain.config.condition import Condition
from backtrain.reports.sweep import page
from backtrain.reports.sweep.result import Result, results_in
from backtrain.reports.sweep.sweep import Sweep
from backtrain.reports.verdict import Recommendation
from backtrain.simulator.record import RecordError

#: Jobs that are told one by one in the terminal, at most; those that did not end well first.
_TOLD = 12


def finish(directory: Path) -> list[Result]:
    """Tell of every job in a sweep's directory, and write the report, from their results alone."""
    results = results_in(directory)
    if not results:
        return []
    say(f"\n{summary(results)}\n")
    if len(results) > 1:
        say(f"{page.terminal(Sweep(results))}\n")
    try:
        report = page.write(directory)
    except (OSError, RecordError) as error:
        say(f"the report of the sweep could not be written: {error}", sys.stderr)
        return results
    say(f"sweep   {from_here(report or directory)}")
    return results


def condition_of(result: Result) -> str:
    """Why what makes a job fail is true of it; nothing where it is not, or nothing makes it fail.

    It is asked here, and not where the job is done: that may be in any process.
    """
    told, fail_if = result.verdict, result.config.get("fail_if")
    if result.status != "done" or fail_if is None:
        return ""
    advice = Recommendation(
        told["decision"], told["strategy"], told["baseline"], math.nan, expected=told["expected"]
    )
    return Condition.of(fail_if, result.config["running"]).holds(advice)


def summary(results: list[Result]) -> str:
    """Two lines a job, those that did not end well first where jobs are many."""
    keys = list(dict.fromkeys(key for one in results for key in one.overrides))
    varied = [
        key for key in keys if any(_value(one, key) != _value(results[0], key) for one in results)
    ]
    shown = results
    if len(results) > _TOLD:
        shown = sorted(results, key=lambda one: (one.status == "done", one.number))[:_TOLD]
    lines = []
    for one in sorted(shown, key=lambda one: one.number):
        swept = " ".join(f"{key}={_value(one, key)}" for key in varied or keys)
        lines.append(f"job {one.number}{swept and f', {swept}'}:\n  {_outcome(one)}")
    rest = len(results) - len(shown)
    return "\n".join([*lines, *([f"and {rest} jobs more"] if rest else [])])


def _value(result: Result, key: str) -> str:
    return _text(result.overrides.get(key))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return "null" if value is None else str(value)


def _outcome(result: Result) -> str:
    if result.status == "stopped":
        return str(result.error)  # which begins with that word
    if result.status != "done":
        return f"{result.status}: {result.error}"
    taken = f" (taken from {from_here(Path(result.taken_from))})" if result.taken_from else ""
    return f"{result.verdict['sentence']}{taken}"

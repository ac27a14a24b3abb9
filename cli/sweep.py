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
from backtrain.reports.verdict import Recommendation

_IN_SAMPLE = """\
To choose among these jobs is to choose on the span that they are judged on: run the one you choose
on later rows (start=), or mark it: strategy.tuned_until=DATE, the end of that span."""


def finish(directory: Path) -> list[Result]:
    """Tell of every job in a sweep's directory, and write the report, from their results alone."""
    results = results_in(directory)
    if not results:
        return []
    say(f"\n{summary(results)}\n")
    try:
        report = page.write(directory)
    except OSError as error:
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
    """Two lines a job, how many did not end well, and how to mark what is chosen."""
    keys = list(dict.fromkeys(key for one in results for key in one.overrides))
    varied = [
        key for key in keys if any(_value(one, key) != _value(results[0], key) for one in results)
    ]
    lines = []
    for one in results:
        swept = " ".join(f"{key}={_value(one, key)}" for key in varied or keys)
        lines.append(f"job {one.number}{swept and f', {swept}'}:\n  {_outcome(one)}")
    bad = [one for one in results if one.status != "done"]
    if bad:
        told = ", ".join(f"{one.number} {one.status}" for one in bad)
        lines += ["", f"{len(results) - len(bad)} of {len(results)} jobs are done: {told}"]
    return "\n".join([*lines, *(["", _IN_SAMPLE] if len(results) > 1 else [])])


def _value(result: Result, key: str) -> str:
    return _text(result.overrides.get(key))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return "null" if value is None else str(value)


def _outcome(result: Result) -> str:
    if result.status != "done":
        return f"{result.status}: {result.error}"
    taken = f" (taken from {from_here(Path(result.taken_from))})" if result.taken_from else ""
    return f"{result.verdict['sentence']}{taken}"

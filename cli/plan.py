"""``run.plan_only=true``: what a run or a sweep would do, and how long that may take."""

from collections.abc import Sequence
from pathlib import Path

from backtrain.cli.jobs import from_here
from backtrain.cli.outcome import earlier
from backtrain.cli.terminal import say
from backtrain.config.plan import Plan
from backtrain.config.study import Study


def show_plan(jobs: Sequence[tuple[Path, Sequence[str], Study | None]]) -> None:
    """Print the jobs, their distinct fits, and an estimate of the time; nothing is left behind."""
    plan = Plan()
    for position, (directory, overrides, study) in enumerate(jobs):
        if study is None:
            state = "will fail"
        elif (place := earlier(study, directory)) is not None:
            state = f"done, in {from_here(place)}"
            plan.done += 1
        else:
            plan.add(study)
            state = "to do"
        say(f"job {position}, {' '.join(overrides)}: {state}")
    say(f"\n{plan}")

"""What the column `expected` is, for each kind of strategy that a table holds."""

from __future__ import annotations

from collections.abc import Iterable

from backtrain.reports.comparison import Comparison
from backtrain.reports.numbers import listing
from backtrain.reports.timers import is_alarm
from backtrain.reports.verdict import hindsight_of

#: Of a fixed schedule.
SCHEDULE = (
    "mean over phases and starts of its schedule, steadied by the windows compared here; the least "
    "is advised"
)
_OTHERS = (
    "what as many evenly spaced trainings are expected to cost, less half of what its moments "
    "saved beside these, or plus all that they lost"
)
_MOVED = "that of the strategy nearest in cost, moved by the difference of their totals"


def meanings(comparison: Comparison) -> list[str]:
    """The first of what has phases, or of all; then of what has none, by kind."""
    by_matrix = {name: hindsight_of(run).get("expected") for name, run in comparison.runs.items()}
    if not any(by_matrix.values()):
        return ["the total, as no loss matrix tells more; the least is advised"]
    # What the clock alone decides has costs from several starts, and no other has.
    others = [name for name, facts in by_matrix.items() if facts and not facts["starts"]]
    moved = [name for name, facts in by_matrix.items() if not facts]
    found = [SCHEDULE]
    found += [f"of {_called(comparison, others)}: {_OTHERS}"] if others else []
    return found + ([f"of {listing(moved)}, without a loss matrix: {_MOVED}"] if moved else [])


def in_a_sentence(comparison: Comparison) -> str:
    """The same for a title."""
    first, *more = meanings(comparison)
    return ". ".join([first, *(each[0].upper() + each[1:] for each in more)])


def _called(comparison: Comparison, names: Iterable[str]) -> str:
    """Alarms by that word, others by their names."""
    names = list(names)
    plain = [name for name in names if not is_alarm(comparison.runs[name])]
    alarms = len(names) - len(plain)
    return listing([*(["an alarm"] if alarms else []), *plain])

"""The numbers of a job by which sweepers choose."""

from __future__ import annotations

import math
from collections.abc import Iterable

from backtrain.reports.comparison import COUNTS, LUCK, MONEY, STABILITY, Comparison
from backtrain.reports.stretches import Stretches

#: Those of one strategy: columns of the table, and what errors cost in its worst week.
_OF_STRATEGY = (
    *(*MONEY, *COUNTS, "loss", *STABILITY, *LUCK),
    *("difference", "expected", "worst_week"),
)
#: Those that say something about the baseline, too: its share of whose total, and the advice.
_BESIDE = ("relative", "saves")


def names(metrics: Iterable[str] = ()) -> tuple[str, ...]:
    """What may be asked for, where these metrics are measured."""
    return tuple(dict.fromkeys((*_OF_STRATEGY, *_BESIDE, *metrics)))


def numbers(
    comparison: Comparison, baseline: str | None = None, strategy: str | None = None
) -> dict[str, float | None]:
    """Each of them by name; None where it is not known.

    They are those of ``strategy``, or else of the advised one. ``saves`` is the advice against the
    baseline, 0 where that is kept. ``worst_week`` is what its errors cost in the worst of at least
    ten weeks, or ticks where these are longer.
    """
    told = comparison.verdict(baseline)
    name = told.strategy if strategy is None else strategy
    table = comparison.table(told.baseline)
    row = table.loc[name].to_dict()
    reference = float(table["total"][told.baseline])
    stretches = Stretches.of(comparison, [name])
    known = (*_OF_STRATEGY, *comparison.runs[name].metrics)
    own = {key: float(row.get(key, math.nan)) for key in known}
    own["worst_week"] = math.nan if stretches is None else float(stretches.errors[name].max())
    own["relative"] = own["total"] / reference if reference > 0 else math.nan
    own["saves"] = 0.0 if told.strategy == told.baseline else told.saves
    return {key: value if math.isfinite(value) else None for key, value in own.items()}

"""What makes a scheduled run fail: the strategy that runs now costs more, or is not advised."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backtrain.config.build import ConfigError
from backtrain.datasets.digits import digits
from backtrain.reports.verdict import Recommendation

_COSTS_MORE = re.compile(r"costs_more\s*>\s*(\d+(?:\.\d+)?|\.\d+)\s*%")


@dataclass(frozen=True)
class Condition:
    """A condition on the strategy that runs now.

    Attributes
    ----------
    running : str
        The strategy.
    share : float or None
        It holds where that is expected to cost more than this share above what is advised; None:
        where something else is advised.
    """

    running: str
    share: float | None

    @classmethod
    def of(cls, fail_if: str, running: str | None) -> Condition:
        """Read ``costs_more>2%`` or ``changed``; raises `ConfigError` for any other text.

        >>> Condition.of("costs_more>2%", "weekly")
        Condition(running='weekly', share=0.02)
        """
        found = _COSTS_MORE.fullmatch(fail_if.strip())
        if found is None and fail_if.strip() != "changed":
            raise ConfigError(
                f"fail_if={fail_if!r}: give 'costs_more>2%' (what running= is expected to cost "
                "above what is advised) or changed (running= is not what is advised)"
            )
        if running is None:
            raise ConfigError(f"fail_if={fail_if!r}: add running=NAME, the strategy that runs now")
        return cls(running, None if found is None else float(found.group(1)) / 100)

    def __str__(self) -> str:
        return "changed" if self.share is None else f"costs_more>{100 * self.share:g}%"

    def holds(self, advice: Recommendation) -> str:
        """Why it holds, in a line; nothing where it does not."""
        if advice.strategy == self.running:
            return ""
        if self.share is None:
            return f"{self.running} runs, and {advice.strategy} is advised"
        if not {self.running, advice.strategy} <= advice.expected.keys():
            return f"what {self.running} costs above {advice.strategy}, advised, is not known"
        best, cost = advice.expected[advice.strategy], advice.expected[self.running]
        if not cost - best > self.share * abs(best):
            return ""
        if not best:
            above = f"{digits(cost - best, 3)} more than"
        elif best > 0:
            above = f"{digits(100 * (cost / best - 1), 3)} % more than"
        else:
            above = f"more by {digits(100 * (cost - best) / -best, 3)} % of what is gained with"
        return f"{self.running} is expected to cost {above} {advice.strategy}, advised"

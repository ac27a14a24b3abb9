"""Rows that cannot be as they stand: refused with their place, left out, or mended; and counted."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
OnBad = Literal["refuse", "drop", "clip"]
_SHOWN = 3  # problems of which a place is named


class Problem(NamedTuple):
    """Rows with one fault: what is wrong with the first, and how it is mended."""

    rows: npt.NDArray[np.intp]
    says: str
    mended: str  # what on_bad=clip makes of the value; nothing where it can make nothing
    remedies: tuple[str, ...] = ()  # other keys that help


class BadRows:
    """The faulty rows of a table of n."""

    def __init__(self, n: int, at: Callable[[int], str]) -> None:
        self._n = n
        self._at = at
        self.problems: list[Problem] = []

    def note(
        self, bad: Bools, says: Callable[[int, str], str], mended: str = "", *remedies: str
    ) -> bool:
        """Note rows, if there are some; `says` tells what is wrong with one, by row and place."""
        rows = np.flatnonzero(bad)
        if len(rows):
            first = int(rows[0])
            more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
            told = says(first, self._at(first)) + more
            self.problems.append(Problem(rows, told, mended, remedies))
        return bool(len(rows))

    def refuse(self) -> None:
        """Raise `ValueError` naming the first row of each fault, and what helps."""
        if not self.problems:
            return
        lines = [problem.says for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines[-1] += f"; and {len(self.problems) - _SHOWN} more faults"
        keys = dict.fromkeys(key for problem in self.problems for key in problem.remedies)
        clip = next((p.mended for p in self.problems if p.mended), "")
        mend = f", on_bad=clip makes it {clip}" if clip else ""
        lines.append("; ".join([f"dataset.on_bad=drop leaves such rows out{mend}", *keys]))
        raise ValueError("\n".join(lines))

    def left_out(self, on_bad: OnBad) -> Bools:
        """Which rows go: all of them, or with clip those that cannot be mended."""
        gone = np.zeros(self._n, dtype=bool)
        for problem in self.problems:
            if on_bad == "drop" or not problem.mended:
                gone[problem.rows] = True
        return gone

    def said(self, on_bad: OnBad) -> list[str]:
        """What was done, a sentence a fault, and how many rows were left out."""
        gone = int(self.left_out(on_bad).sum())
        kept = [problem for problem in self.problems if problem.mended and on_bad == "clip"]
        rest = [problem for problem in self.problems if not problem.mended or on_bad == "drop"]
        left = "; ".join(problem.says for problem in rest)
        found = [f"{gone} of {self._n} rows left out (on_bad={on_bad}): {left}"] if gone else []
        return [*found, *(f"{problem.says}: made {problem.mended}" for problem in kept)]

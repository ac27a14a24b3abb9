"""How often drift tests fire without drift, and with it: ``python benchmarks/false_alarms.py``.

Ten Gaussian columns, 10,000 reference rows; windows of new rows without drift, and with 0.2
standard deviations added to three of the columns. Prints the share of windows that fire, as tables
in Markdown: for rows that are independent, and for rows that resemble the one before. Takes under
two minutes where nothing else runs.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from scipy.signal import lfilter
from threadpoolctl import threadpool_limits

from backtrain.strategies.drift.distances import Distances, Sample, calibrated
from backtrain.strategies.drift.rules import by_p_value
from backtrain.strategies.drift.two_sample import CORRECTIONS, ReferenceSample, p_values

COLUMNS, DRIFTED, SHIFT = 10, 3, 0.2
REFERENCE, WINDOWS = 10_000, (100, 300, 1_000)
TESTS = {"KS": False, "chi2": True}
DISTANCES = ("Wasserstein", "PSI", "JS", "PCA")
#: They take longer than all others, and look at every fourth window.
SLOW, EVERY = ("MMD", "domain classifier"), 4
FIXED = 0.1
#: Correlation of neighbouring rows in the second table.
CORRELATION = 0.9


def drawn(random: np.random.Generator, rows: int, correlation: float) -> np.ndarray:
    """Columns of mean 0 and variance 1, as first-order autoregressions; shape (columns, rows)."""
    noise = random.normal(size=(COLUMNS, rows))
    noise[:, 1:] *= np.sqrt(1 - correlation**2)
    return lfilter([1], [1, -correlation], noise)


class Alarms:
    """All tests against one reference."""

    def __init__(self, old: np.ndarray, window: int, slow: bool) -> None:
        sample = Sample(lambda places: [column[places] for column in old], REFERENCE, REFERENCE)
        self.names = [f"x{column}" for column in range(COLUMNS)]
        self.tested = {
            test: [ReferenceSample(column, counted) for column in sample.columns]
            for test, counted in TESTS.items()
        }
        both = [*DISTANCES, *SLOW] if slow else DISTANCES
        self.distances = {test: Distances(test, sample.columns) for test in both}
        self.limits = {test: calibrated(test, sample, window) for test in both}

    def of(self, columns: list[np.ndarray], slow: bool) -> Iterator[tuple[str, bool]]:
        """Each rule by name, and whether it fires."""
        for test, references in self.tested.items():
            found = p_values(references, columns)
            for correction in CORRECTIONS:
                decided = by_p_value(self.names, found, correction, 0.05)
                yield f"{test}: any p < 0.05, {correction}", decided.reason() is not None
            yield f"{test}: p < 0.05 in half of them, none", decided.reason(0.5) is not None
        for test in (*DISTANCES, *SLOW) if slow else DISTANCES:
            distance = self.distances[test].to(columns)
            if test in DISTANCES and len(distance) > 1:
                yield f"{test}: any above {FIXED}", bool((distance > FIXED).any())
            yield f"{test}: calibrated", bool((distance > self.limits[test]).any())


def rates(window: int, references: int, windows: int, correlation: float) -> dict[str, np.ndarray]:
    """For each rule the shares of windows that fire, without drift and with it."""
    random = np.random.default_rng([0, window])
    drift = np.where(np.arange(COLUMNS) < DRIFTED, SHIFT, 0.0)[:, None]
    fired: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for _ in range(references):
        alarms = Alarms(drawn(random, REFERENCE, correlation), window, slow=not correlation)
        for number in range(windows):
            new, slow = drawn(random, window, correlation), not (number % EVERY or correlation)
            without, drifted = (list(alarms.of(list(x), slow)) for x in (new, new + drift))
            for (name, before), (_, after) in zip(without, drifted, strict=True):
                fired[name].append((before, after))
    return {name: np.mean(pairs, axis=0) for name, pairs in fired.items()}


def table(references: int, windows: int, correlation: float = 0.0) -> None:
    """Print the rates at all windows."""
    found = [rates(window, references, windows, correlation) for window in WINDOWS]
    of = f", correlation {correlation}" if correlation else ""
    print(f"| fires when{of} | {' | '.join(f'{window:,} rows' for window in WINDOWS)} |")
    print("|---|" + "---|" * len(WINDOWS))
    for name in found[0]:
        cells = [f"{without:.2f} -> {drifted:.2f}" for without, drifted in (f[name] for f in found)]
        print(f"| {name} | {' | '.join(cells)} |")
    each = references * windows
    slow = "" if correlation else f"; {' and '.join(SLOW)}: {each // EVERY}"
    print(f"\n{each} windows a cell{slow}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=int, default=10)
    parser.add_argument("--windows", type=int, default=32, help="for each reference")
    given = parser.parse_args()
    with threadpool_limits(1):
        table(given.references, given.windows)
        table(given.references, given.windows // EVERY, CORRELATION)
    print(f"{time.process_time():.0f} s of CPU")

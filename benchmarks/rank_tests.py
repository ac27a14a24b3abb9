"""How often rankings find a difference that is not there, or one that is: minutes.

``python benchmarks/rank_tests.py [REPEATS]`` prints the tables of ``docs/sweeps.md``: the share of
simulated sweeps in which "cheaper" has a probability above 0.95. Data sets differ by 0.1 in
logarithms, three models on each by 0.03 more; the region of practical equivalence is 1 %.
"""

import math
import sys

import numpy as np

from backtrain.reports.sweep.signed_rank import signed_rank

BLOCKS, MODELS = (5, 10, 20, 40), 3
#: Families of data sets, in whose means they differ also where there is no difference over all.
FAMILIES, BETWEEN_FAMILIES = 4, (0.0, 0.025, 0.05)
#: Standard deviations of log ratios, and half of the region of practical equivalence.
BETWEEN, WITHIN, ROPE = 0.1, 0.03, math.log(1.01)
TRUE = (0.0, -0.05)


def rate(blocks: int, true: float, repeats: int, flat: bool) -> float:
    """How often a strategy whose mean log ratio is ``true`` is found cheaper."""
    random, found = np.random.default_rng(blocks), 0
    labels = None if flat else list(np.repeat(np.arange(blocks), MODELS))
    for repeat in range(repeats):
        own = true + random.normal(0, BETWEEN, (blocks, 1))
        own = own + random.normal(0, WITHIN, (blocks, MODELS))
        odds = signed_rank(own.ravel(), labels, rope=ROPE, draws=1000, seed=repeat)
        found += odds.less > 0.95
    return found / repeats


def with_families(spread: float, repeats: int, blocks: int = 36) -> tuple[float, float]:
    """How often "cheaper" is found where there is none, and whichever family is left out, too."""
    random, family = np.random.default_rng(blocks), np.arange(blocks) % FAMILIES
    found = held = 0
    for repeat in range(repeats):
        own = random.normal(0, spread, FAMILIES)[family] + random.normal(0, BETWEEN, blocks)
        cells = own[:, None] + random.normal(0, WITHIN, (blocks, MODELS))

        def sure(kept: np.ndarray, cells: np.ndarray = cells, seed: int = repeat) -> bool:
            labels = list(np.repeat(np.flatnonzero(kept), MODELS))
            odds = signed_rank(cells[kept].ravel(), labels, rope=ROPE, draws=1000, seed=seed)
            return odds.less > 0.95

        if sure(family >= 0):
            found += 1
            held += all(sure(family != left_out) for left_out in range(FAMILIES))
    return found / repeats, held / repeats


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| data sets | " + " | ".join(map(str, BLOCKS)) + " |")
    print("|---|" + "---|" * len(BLOCKS))
    for true in TRUE:
        for flat in (False, True):
            told = [rate(blocks, true, repeats, flat) for blocks in BLOCKS]
            what = "no difference" if true == 0 else f"{100 * -true:g} % cheaper"
            test = "each model a replicate" if flat else "models nested in data sets"
            print(f"| {what}, {test} | " + " | ".join(f"{100 * t:.1f} %" for t in told) + " |")
    print("\n| families differ by | found | holds whichever is left out |\n|---|---|---|")
    for spread in BETWEEN_FAMILIES:
        found, held = with_families(spread, repeats)
        print(f"| {spread:g} | {100 * found:.1f} % | {100 * held:.1f} % |")


if __name__ == "__main__":
    main()

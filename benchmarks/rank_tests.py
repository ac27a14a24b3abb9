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


if __name__ == "__main__":
    main()

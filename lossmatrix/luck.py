"""Schedules as luck would have them: a coin's, and evenly spaced ones, of trainings really made.

Ticks are numbered from 1; ``following[k]`` is the first tick that is free after a training at k.
"""

import numpy as np
from numpy.typing import NDArray

from backtrain.lossmatrix.curves import Floats, Integers

#: Times that luck is drawn anew until enough of it is as busy as the schedule held against it.
_MOST_TOSSES = 20


def tossed(
    following: Integers, count: int, free: int | None, draws: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Schedules of a coin that comes to ``count`` trainings and ``free`` free ticks, (draws, K).

    Where too few draws come to so many free ticks, the nearest are taken.
    """
    busy = following - np.arange(len(following)) - 1
    ticks = len(following) - 1
    usual = ticks - round(count * busy[1:].mean()) if ticks else 0
    chance = _chances(following, count, usual if free is None else free)
    if free is None:
        return _toss(following, chance, draws, rng)
    tosses, off = [], []
    for _ in range(_MOST_TOSSES):
        tosses.append(_toss(following, chance, draws, rng))
        off.append(abs(ticks - tosses[-1] @ busy - free))
        if (np.concatenate(off) == 0).sum() >= draws:
            break
    nearest = np.argsort(np.concatenate(off), kind="stable")[:draws]
    return np.concatenate(tosses)[nearest]


def _toss(
    following: Integers, chance: Floats, draws: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Walk forward through `_chances`, shape (draws, K)."""
    wanted = np.zeros((draws, len(following)), dtype=bool)
    left = np.full(draws, chance.shape[1] - 1)
    free = np.ones(draws, dtype=np.int64)
    for k in range(1, len(following)):
        here = np.flatnonzero((free <= k) & (left > 0))
        fires = here[rng.random(len(here)) < chance[k, left[here]]]
        wanted[fires, k] = True
        left[fires] -= 1
        free[fires] = following[k]
    return wanted


def _chances(following: Integers, count: int, free: int) -> Floats:
    """The chance that a coin which makes m more trainings makes one at tick k; (K, count + 1).

    ``Z(k, m)``, the chance of m trainings from tick k on, when it is free, is
    ``(1 - p) Z(k + 1, m) + p Z(following(k), m - 1)``. Given m, the coin trains at k with the
    chance ``p Z(following(k), m - 1) / Z(k, m)``. Its rate p cancels out but for trainings that
    keep the slot for another time than most, such as the last one.
    """
    ticks = len(following) - 1
    rate = np.clip(count / max(free, 1), 1 / (ticks + 2), 1 - 1 / (ticks + 2))
    z = np.full((len(following) + 1, count + 1), -np.inf)  # logarithms
    z[-1, 0] = 0.0
    chance = np.zeros((len(following), count + 1))
    for k in range(ticks, 0, -1):
        trained = np.append(-np.inf, np.log(rate) + z[following[k], :-1])
        z[k] = np.logaddexp(np.log1p(-rate) + z[k + 1], trained)
        possible = trained > -np.inf
        chance[k, possible] = np.exp(trained[possible] - z[k, possible])
    if z[1, count] == -np.inf:
        raise ValueError(f"retrains={count}: no schedule comes to so many in {ticks} ticks")
    return chance


def spread(following: Integers, count: int) -> NDArray[np.bool_]:
    """Schedules of ``count`` trainings, evenly spaced, shape (phases, K).

    At every phase at which so many can be made; a training waits for the next free tick.
    """
    ticks = len(following) - 1
    if count == 0:
        return np.zeros((1, len(following)), dtype=bool)
    gap = ticks / count
    phases = np.arange(0, gap, 1.0)
    ticks_wanted = np.floor(phases[:, None] + gap * np.arange(count)).astype(np.int64) + 1
    wanted = np.zeros((len(phases), len(following)), dtype=bool)
    free = np.ones(len(phases), dtype=np.int64)
    for turn in range(count):
        at = np.maximum(ticks_wanted[:, turn], free)
        fits = at <= ticks
        wanted[np.flatnonzero(fits), at[fits]] = True
        free = np.where(fits, following[np.minimum(at, ticks)], len(following))
    return np.asarray(wanted[wanted.sum(axis=1) == count])

"""How often a conformal martingale fires without a reason, and how soon with one.

Run as ``python martingale.py``. Every run replays 1,000 served rows whose labels come late and out
of order, large ones soonest, one in twenty never; nothing waits longer than ``max_wait``.
"""

import sys

import numpy as np
from sklearn.dummy import DummyRegressor

from backtrain import Backtest, Strategy, Stream
from backtrain.simulator.record import Run
from backtrain.strategies import Expanding, Martingale
from backtrain.strategies.triggers.martingale import Ranks, SimpleJumper

HOUR = np.timedelta64(3_600_000_000_000, "ns")
TRAINED, SERVED, TICK = 50, 1_000, 20
CHANGE = TRAINED + SERVED // 2
ALPHAS = (0.05, 0.01)


def history(seed: int, rise: float = 0.0) -> Stream:
    """Noise around 0 whose standard deviation is 1, and from the middle on 1 + ``rise``."""
    random = np.random.default_rng(seed)
    n = TRAINED + SERVED
    y = random.normal(size=n)
    y[CHANGE:] *= 1 + rise
    event = np.datetime64("2024-01-01", "ns") + np.arange(n) * HOUR
    label = event + random.integers(0, np.where(np.abs(y) > 1, 5, 50)) * HOUR
    label[random.random(n) < 0.05] = np.datetime64("NaT", "ns")
    label[:TRAINED] = event[:TRAINED]
    return Stream(np.zeros((n, 1)), y, event, label)


def watched(stream: Stream, alpha: float) -> Run:
    """A replay in which the first model stays: a budget of 0 turns each alarm into an event."""
    backtest = Backtest(stream, DummyRegressor(), tick=TICK, start=stream.event_time[TRAINED])
    trigger = Martingale(alpha, max_wait="48h")
    return backtest.replay(Strategy(trigger, Expanding(), budget=0))


def alarm(run: Run) -> int | None:
    """How many rows had been served at the alarm; None without one."""
    fired = run.events.loc[run.events["kind"] == "budget", "at"]
    return None if fired.empty else int((run.predictions["event_time"] < fired.iloc[0]).sum())


def fires_in_arrival_order(run: Run, alpha: float) -> bool:
    """Whether the same test fires when rows are taken as their labels arrive."""
    rows = run.predictions.dropna(subset="loss").sort_values("label_time", kind="stable")
    p_values = Ranks(np.random.default_rng(0)).p_values(rows["loss"].to_numpy())
    wealth, upwards = SimpleJumper(0.01).run(p_values)
    return bool((wealth[upwards] >= -np.log(alpha)).any())


def false_alarms(alpha: float, runs: int) -> tuple[float, float]:
    """Share of runs without a change that fire: in event order, and as labels arrive."""
    found = [watched(history(seed), alpha) for seed in range(runs)]
    wrong = np.mean([alarm(run) is not None for run in found])
    return float(wrong), float(np.mean([fires_in_arrival_order(run, alpha) for run in found]))


def delays(alpha: float, runs: int, rise: float) -> tuple[float, float]:
    """Share of runs with a change that fire after it, and then how many rows after (median)."""
    late = [alarm(watched(history(seed, rise), alpha)) for seed in range(runs)]
    after = [at - SERVED // 2 for at in late if at is not None and at >= SERVED // 2]
    return len(after) / runs, float(np.median(after)) if after else float("nan")


def main(runs: int) -> None:
    for alpha in ALPHAS:
        event, arrival = false_alarms(alpha, runs)
        error = 2 * np.sqrt(alpha * (1 - alpha) / runs)
        print(
            f"alpha {alpha}: {event:.4f} of {runs} runs of {SERVED} exchangeable rows fire "
            f"(at most {alpha} + {error:.4f}); in the order of arrival {arrival:.4f}"
        )
        for rise in (0.5, 1.0):
            share, rows = delays(alpha, runs // 5, rise)
            print(
                f"  errors x {1 + rise} from row {SERVED // 2} on: {share:.3f} of {runs // 5} runs "
                f"fire after it, {rows:.0f} rows late (median)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)

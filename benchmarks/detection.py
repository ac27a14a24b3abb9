"""What each drift trigger does on histories whose drift is known, over many seeds.

    python benchmarks/detection.py [SEEDS] [FIRST]

prints, for each kind of drift and each trigger: how often and how soon it retrains after the drift,
how often it retrains before it, and how its errors stand against as many retrains evenly spaced (at
every phase) and at random. `docs/detection.md` holds the table and says how to read it.

The drift comes at a random moment, so that no phase of a fixed interval is lucky. The window holds
three days of half-hourly rows, 144: enough for the references and thresholds that triggers take
from it, and few enough for a retrain a day or two after the drift to learn mostly from new rows.
With a long window it would learn mostly from old ones, and the sooner a trigger fired the worse it
would look.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge

from backtrain import Backtest, Prices, Run, Strategy, Stream
from backtrain.datasets import synthetic
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.simulator.parts import Trigger
from backtrain.strategies import (
    BreakEven,
    CumulativeStaleness,
    ErrorDrift,
    EstimatedDrop,
    FeatureDrift,
    Martingale,
    PerformanceDrop,
    PredictionDrift,
    Sliding,
    StalenessCost,
)

ROWS, FREQ, TICK, WINDOW = 3_000, "30min", "12h", "3D"
#: What `BreakEven` weighs. Both sides retrain as often, so only errors are compared.
PRICES, ERRORS = Prices(retrain=10, error=1), Prices(retrain=0, error=1)
#: Rows that a trigger looks at, and with how many it begins.
NEWEST, FEWEST = 72, 36
#: Level of tests that are asked at every tick.
LEVEL = 0.01


def triggers(task: str) -> dict[str, Trigger]:
    """Every drift trigger, as for such a task; all that are not told otherwise as they come."""
    labels = {"window": NEWEST, "min_labels": FEWEST}
    rows = {"window": NEWEST, "min_rows": FEWEST}
    metric, floor, lost = ("accuracy", 0.7, 0.1) if task == "classification" else ("MAE", 1.3, 0.3)
    found: dict[str, Trigger] = {
        f"PerformanceDrop test={LEVEL}": PerformanceDrop(metric, **labels, test=LEVEL),
        'PerformanceDrop drop="20%"': PerformanceDrop(metric, **labels, drop="20%"),
        "PerformanceDrop below=": PerformanceDrop(metric, **labels, below=floor),
        "ErrorDrift ADWIN": ErrorDrift("ADWIN"),
        "ErrorDrift PageHinkley": ErrorDrift("PageHinkley"),
        "ErrorDrift KSWIN": ErrorDrift("KSWIN"),
        "FeatureDrift KS": FeatureDrift("KS", alpha=LEVEL, **rows),
        "FeatureDrift Wasserstein": FeatureDrift("Wasserstein", **rows),
        "FeatureDrift PSI": FeatureDrift("PSI", **rows),
        "FeatureDrift JS": FeatureDrift("JS", **rows),
        "FeatureDrift domain classifier": FeatureDrift("domain classifier", **rows),
        "PredictionDrift": PredictionDrift(alpha=LEVEL, **rows),
        'EstimatedDrop drop="20%"': EstimatedDrop(metric, **rows, drop="20%", min_labels=NEWEST),
        f"Martingale {LEVEL}": Martingale(LEVEL),
        "StalenessCost": StalenessCost(lost, **labels),
        "CumulativeStaleness": CumulativeStaleness(PRICES.retrain * 2),
        "BreakEven": BreakEven(),
    }
    if task == "classification":  # these take errors that are 0 or 1
        for name in ("DDM", "EDDM", "HDDMA", "HDDMW"):
            found[f"ErrorDrift {name}"] = ErrorDrift(name)
    return found


def moment(seed: int) -> float:
    """Where the drift is, as a share of the rows."""
    return float(np.random.default_rng([seed, 7]).uniform(0.45, 0.75))


#: Task and history of each kind of drift. A line fitted to a curve is wrong once features move.
STREAMS: Mapping[str, tuple[str, Callable[[int], Stream]]] = {
    "none": ("classification", lambda seed: synthetic.stationary(ROWS, freq=FREQ, seed=seed)),
    "abrupt concept": (
        "classification",
        lambda seed: synthetic.abrupt(ROWS, freq=FREQ, at=[moment(seed)], seed=seed),
    ),
    "gradual concept": (
        "classification",
        lambda seed: synthetic.gradual(ROWS, freq=FREQ, at=moment(seed), width=0.1, seed=seed),
    ),
    "covariate": (
        "regression",
        lambda seed: synthetic.covariate(
            ROWS, freq=FREQ, at=moment(seed), size=1.5, task="regression", noise=0.5, seed=seed
        ),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """One trigger on one history."""

    drift: str
    trigger: str
    retrains: int
    delay: float  # days from the drift to the first retrain after it; NaN: none came
    before: float  # retrains per 100 ticks before the drift, or at all where there is none
    even: float  # share of evenly spaced schedules that cost more, equals by half
    random: float
    saved: float  # errors saved against the mean of the evenly spaced, as a share of these


@dataclass(frozen=True)
class Stakes:
    """Loss a row of one history: the first model's, and that of one trained after the drift."""

    drift: str
    before: float
    kept: float
    retrained: float


def play(drift: str, seed: int, names: Sequence[str] = ()) -> tuple[list[Outcome], list[Stakes]]:
    """Triggers on one history; all where none are named."""
    task, make = STREAMS[drift]
    model = LogisticRegression() if task == "classification" else Ridge()
    backtest = Backtest(make(seed), model, tick=TICK, start=0.2, prices=PRICES)
    matrix = backtest.loss_matrix(Sliding(WINDOW))
    found = []
    known = triggers(task)
    for name in names or known:
        run = backtest.replay(Strategy(known[name], Sliding(WINDOW)))
        found.append(judge(drift, name, run, backtest, matrix))
    return found, [stakes(drift, matrix, when) for when in backtest.stream.drift]


def judge(drift: str, trigger: str, run: Run, backtest: Backtest, matrix: LossMatrix) -> Outcome:
    """What a run came to, beside as many retrains by luck."""
    when = backtest.stream.drift[0] if backtest.stream.drift else pd.Timestamp.max
    trained = run.events.loc[run.events["kind"] == "trained", "at"]
    before, after = trained[trained <= when], trained[trained > when]
    ticks = np.count_nonzero(backtest.ticks <= when.value)
    delay = (after.iloc[0] - when) / pd.Timedelta("1D") if len(after) else np.nan
    even = random = np.nan
    saved = 0.0  # without a retrain the same as luck, which has none either
    if len(trained):
        decided = trained.to_numpy("datetime64[ns]").view(np.int64)
        own = matrix.schedule(matrix.thinned(decided))
        placebo = matrix.placebo(int(own.retrains[0]), int(own.free[0]))
        cost = float(own.cost(ERRORS)[0])
        even, random = placebo.percentile(cost, ERRORS)
        mean = float(placebo.even.cost(ERRORS).mean())
        saved = (mean - cost) / mean
    alarms = 100 * len(before) / ticks
    return Outcome(drift, trigger, len(trained), delay, alarms, even, random, saved)


def stakes(drift: str, matrix: LossMatrix, when: pd.Timestamp) -> Stakes:
    """What the drift costs a model that stays, and one that is trained half-way to the end."""
    fresh = np.searchsorted(matrix.decided_at, (when.value + matrix.borders[-1]) // 2)
    starts, rows = matrix.borders[:-1], matrix.segment_rows
    old, new = matrix.borders[1:] <= when.value, starts >= matrix.in_force_at[fresh]
    return Stakes(
        drift,
        matrix.loss[0, old].sum() / rows[old].sum(),
        matrix.loss[0, new].sum() / rows[new].sum(),
        matrix.loss[fresh, new].sum() / rows[new].sum(),
    )


def interval(values: pd.Series) -> float:
    """Half of a 95 % interval of the mean."""
    return float(1.96 * values.std() / np.sqrt(len(values)))


def table(outcomes: list[Outcome]) -> pd.DataFrame:
    """A row for each kind of drift and trigger."""
    rows = []
    for (drift, trigger), found in pd.DataFrame(outcomes).groupby(["drift", "trigger"], sort=False):
        rows.append(
            {
                "drift": drift,
                "trigger": trigger,
                "retrains": found["retrains"].mean(),
                "before it, per 100 ticks": found["before"].mean(),
                "never": (found["retrains"] == 0).mean(),
                "noticed": np.nan if drift == "none" else found["delay"].notna().mean(),
                "days late": found["delay"].median(),
                "beats even, %": 100 * found["even"].mean(),
                "beats random, %": 100 * found["random"].mean(),
                "saved, %": 100 * found["saved"].mean(),
                "±": 100 * interval(found["saved"]),
            }
        )
    return pd.DataFrame(rows)


def run(seeds: range) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table over some seeds, and what is at stake in each kind of drift."""
    jobs = [joblib.delayed(play)(drift, seed) for drift in STREAMS for seed in seeds]
    played = joblib.Parallel(n_jobs=-1)(jobs)
    lost = pd.DataFrame([found for _, each in played for found in each])
    return table([found for each, _ in played for found in each]), lost.groupby("drift").mean()


DIGITS = {"beats even, %": 0, "beats random, %": 0, "never": 2, "noticed": 2}


def markdown(frame: pd.DataFrame, digits: Mapping[str, int]) -> str:
    """A table as the documentation holds it."""
    cells = [
        ["" if pd.isna(x) else x if isinstance(x, str) else f"{x:.{digits.get(name, 1)}f}"
         for name, x in zip(frame.columns, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]  # fmt: skip
    rule = ["---"] * len(frame.columns)
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(frame.columns), rule, *cells])


def main(count: int = 50, first: int = 0) -> None:
    """Print the table for so many seeds."""
    began = time.perf_counter()
    found, lost = run(range(first, first + count))
    for drift, lines in found.groupby("drift", sort=False):
        print(f"**{drift}**\n")
        print(markdown(lines.drop(columns="drift"), DIGITS), "\n")
    print(markdown(lost.reset_index(), dict.fromkeys(lost.columns, 2)))
    print(f"\n{count} seeds from {first} on, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

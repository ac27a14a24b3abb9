"""Whether the advice holds on what comes next: choose up to a cut, pay on the rest.

    python benchmarks/advice.py [DIR ...] [--quick] [--jobs N]

Every Parquet file (or CSV with a column ``y`` or ``class``) in DIR is a stream: columns ``time``,
``known`` (when the label arrives), ``y``, and features. The two bundled histories and synthetic
ones, whose drift is known, are always among them. For each stream and kind of model a loss matrix
is made on three windows. A rule sees it from a start to a cut and chooses an interval, never
included, on one of the windows. It pays for the rest of the history, mean over all phases of its
schedule and over the days of its first model, as a share of what the model of the default window
costs that is never trained again. ``docs/advice.md`` says how to read the tables.
"""

import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from backtrain import Backtest, Prices, Stream
from backtrain.datasets import bundled, synthetic
from backtrain.lossmatrix.decide import Evidence, Option, decide
from backtrain.lossmatrix.expected import Expected, expected
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.outlook import alarmed, decided, schedule
from backtrain.lossmatrix.walk import courses
from backtrain.strategies import ErrorDrift, Expanding, FeatureDrift, Sliding, Strategy

CUTS = (0.48, 0.54, 0.60, 0.66, 0.72)
STARTS = (0.22, 0.25, 0.28, 0.31, 0.34)
#: Of a retrain, as shares of what the errors of the default window's first model cost in all.
PRICES = (0.0, 0.001, 0.005, 0.02)
INTERVALS = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80)
TICKS = 160  # over the whole history
FIRST = 0.12  # the share of the history before the first trial model
WINDOWS = {"newest 10 %": 0.10, "newest 25 %": 0.25, "all": 1.0}
DEFAULT = "newest 25 %"
DELAY = 64  # rows until a label arrives, where a file does not say
DAYS = 8  # days, in ticks, on which the first model of the rest is trained
REVIEWS = (0.0, 0.25, 0.5, 0.75)
MOST_ROWS = 8000

Choice = tuple[str, int | str]  # a window, and periods between trainings or an alarm; 0 is never
NEVER = 0
ALARMS = {"error drift": ErrorDrift, "feature drift": FeatureDrift}
FIXED: list[tuple[str, int]] = [(window, n) for window in WINDOWS for n in (*INTERVALS, NEVER)]
CHOICES: list[Choice] = [*FIXED, *((DEFAULT, alarm) for alarm in ALARMS)]
STATIC: Choice = (DEFAULT, NEVER)
#: Prices that count losses, and trainings.
ONLY = (Prices(retrain=0.0, error=1.0), Prices(retrain=1.0, error=0.0))


# --- streams --------------------------------------------------------------------------------------


def files(folder: Path) -> Iterator[tuple[str, Stream]]:
    """Every table of a folder."""
    for path in sorted((*folder.glob("*.parquet"), *folder.glob("*.csv"))):
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        yield "files", as_stream(path.stem, table.rename(columns={"class": "y"}))


def as_stream(name: str, table: pd.DataFrame) -> Stream:
    """At most 8,000 rows, evenly thinned; texts and categories as codes, gaps as medians."""
    table = table[table["y"].notna()]
    rows = np.linspace(0, len(table) - 1, min(len(table), MOST_ROWS)).astype(int)
    table = table.iloc[rows].reset_index(drop=True)
    features = table.drop(columns=[c for c in ("time", "known", "y") if c in table])
    X = features.apply(lambda c: c if c.dtype.kind in "fiub" else pd.factorize(c, sort=True)[0])
    X = X.astype(float).to_numpy()
    X = np.where(np.isfinite(X), X, np.nan_to_num(np.nanmedian(X, axis=0)))
    y = table["y"].to_numpy()
    y = y.astype(float) if y.dtype.kind in "fiu" and len(np.unique(y)) > 50 else y.astype(str)
    return delayed(name, X, y, table["known"].to_numpy() if "known" in table else None)


def delayed(name: str, X: Any, y: Any, known: Any = None) -> Stream:
    """Hourly rows whose label arrives 64 rows later; ``known`` only says that some never do."""
    time = pd.date_range("2020-01-01", periods=len(y), freq="h").to_numpy()
    label_time = np.append(time[DELAY:], np.full(min(DELAY, len(y)), np.datetime64("NaT", "ns")))
    if known is not None:
        label_time[pd.isna(known)] = np.datetime64("NaT", "ns")
    return Stream(name=name, X=X, y=y, event_time=time, label_time=label_time)


def made(n: int = 6000) -> Iterator[tuple[str, Stream]]:
    """Synthetic histories, by when their drift comes; and two tables whose rows are shuffled."""
    real: dict[str, Any] = {"task": "regression", "noise": 0.5}
    kinds = {
        "no drift": [
            synthetic.stationary(n, seed=1),
            synthetic.stationary(n, seed=2, **real),
            synthetic.stationary(n, n_features=10, noise=0.3, seed=3),
        ],
        "drift before the cut": [
            synthetic.abrupt(n, at=(0.3,), seed=4),
            synthetic.abrupt(n, at=(0.35,), seed=5, **real),
            synthetic.gradual(n, at=0.2, width=0.2, seed=6),
        ],
        "drift after the cut": [
            synthetic.abrupt(n, at=(0.75,), seed=7),
            synthetic.abrupt(n, at=(0.8,), seed=8, **real),
            synthetic.gradual(n, at=0.74, width=0.2, seed=9),
        ],
        "drift all along": [
            synthetic.abrupt(n, at=(0.2, 0.35, 0.5, 0.65, 0.8, 0.9), seed=10),
            synthetic.incremental(n, seed=11),
            synthetic.incremental(n, seed=12, **real),
            synthetic.recurring(n, seed=13),
            synthetic.hyperplane(n, seed=14),
            synthetic.sea(n, seed=15),
        ],
    }
    for kind, streams in kinds.items():
        for place, stream in enumerate(streams):
            yield kind, delayed(f"{kind} {place}", stream.X, stream.y)
    for name, stream in (("bike", bundled.bike()), ("flights", bundled.flights())):
        table = pd.DataFrame(stream.X).assign(y=stream.y)
        yield "bundled", as_stream(name, table)
        yield "shuffled", as_stream(f"{name}, shuffled", table.sample(frac=1, random_state=0))


def models(y: Any) -> dict[str, Any]:
    """A linear model, a tree, and one that neither is."""
    if y.dtype.kind == "f":
        return {
            "linear": make_pipeline(StandardScaler(), Ridge()),
            "tree": DecisionTreeRegressor(min_samples_leaf=10, random_state=0),
            "neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor(15)),
        }
    return {
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
        "tree": DecisionTreeClassifier(min_samples_leaf=10, random_state=0),
        "bayes": GaussianNB(),
    }


# --- one stream and model -------------------------------------------------------------------------


class Case:
    """The loss matrices of one stream and model, and what schedules cost on a part of them."""

    def __init__(self, stream: Stream, model: Any) -> None:
        n = len(stream)
        tick = max(1, n // TICKS)
        loss = "absolute" if stream.y.dtype.kind == "f" else "zero_one"
        windows = {
            name: Expanding() if share == 1 else Sliding(int(share * n))
            for name, share in WINDOWS.items()
        }

        def from_(begin: Any) -> Backtest:
            return Backtest(stream, model, start=pd.Timestamp(begin), tick=tick, loss=loss)

        def fired(first: int) -> dict[str, np.ndarray]:
            """Ticks after the first at which each alarm had a model trained, by a replay."""
            instants = self.matrices[DEFAULT].decided_at
            alarms = {name: Strategy(alarm(), windows[DEFAULT]) for name, alarm in ALARMS.items()}
            runs = from_(instants[first].astype("datetime64[ns]")).compare(alarms).runs
            return {k: np.searchsorted(instants, decided(run)) - first for k, run in runs.items()}

        backtest = from_(stream.event_time[int(FIRST * n)])
        self.matrices = {name: backtest.loss_matrix(window) for name, window in windows.items()}
        self.fired = cache(fired)
        self.ticks = len(self.matrices[DEFAULT])
        self.delay = -(-DELAY // tick)
        self.unit = float(self.matrices[DEFAULT].schedule([]).loss[0])
        self.served = cache(self._served)

    def tick(self, share: float) -> int:
        """The tick at a share of the history."""
        return round((share - FIRST) / (1 - FIRST) * self.ticks)

    def _served(self, first: int, choice: Choice) -> np.ndarray:
        """Loss and trainings by period from a tick on, mean over phases, shape (K - first, 2)."""
        window, n = choice
        matrix = self.matrices[window].between(first)
        if isinstance(n, str):
            wanted = matrix.training_at(self.fired(first)[n])
        else:
            n = len(matrix) if n == NEVER or n >= len(matrix) else n
            wanted = matrix.evenly(n, matrix.phases(n))
        return np.stack([matrix.period_costs(wanted, p).mean(axis=0) for p in ONLY], axis=1)

    def paid(self, cut: int, choice: Choice, price: float, until: int | None = None) -> float:
        """Cost of the rest, mean over the days of its first model."""
        costs = [
            self.served(cut + day, choice)[
                DAYS - day : None if until is None else until - cut - day
            ]
            for day in range(0, DAYS, 4 if isinstance(choice[1], str) else 1)
        ]
        loss, trainings = np.mean([cost.sum(axis=0) for cost in costs], axis=0)
        return float(loss + price * trainings)

    def evidence(self, start: int, cut: int, prices: Sequence[float]) -> list[list[Option]]:
        """What a decision at the cut may know, for each price: an option a choice."""
        parts = [matrix.between(start, cut - self.delay) for matrix in self.matrices.values()]
        tried = [n for n in INTERVALS if n < len(parts[0])]  # a longer one never trained so far
        free, one = (
            [
                schedule(str(choice), costs, place, part, choice[1] or len(part), money)
                for place, (window, part) in enumerate(zip(WINDOWS, parts, strict=True))
                for choice in FIXED
                if choice[0] == window and (choice[1] in tried or choice[1] == NEVER)
            ]
            + [self.alarm((DEFAULT, alarm), costs, parts, start, money) for alarm in ALARMS]
            for money in (Prices(retrain=0.0, error=1.0), Prices(retrain=1.0, error=1.0))
            for costs in [expected(parts, tried, money)]
        )
        return [[_at(price, *pair) for pair in zip(free, one, strict=True)] for price in prices]

    def alarm(
        self, choice: Choice, costs: Expected, parts: list[LossMatrix], start: int, money: Prices
    ) -> Option:
        """An alarm as the product sees it: as many even trainings, and half of what it saved."""
        place = list(WINDOWS).index(choice[0])
        part, ticks = parts[place], self.fired(start)[str(choice[1])]
        ticks = ticks[ticks < len(part)]
        own = part.schedule(ticks)
        count = int(own.retrains[0])
        interval = max(1.0, (len(part) - 1) / count) if count else len(part)
        even = part.placebo(count, int(own.free[0]), draws=1).even.cost(money)
        saved = float(even.mean() - own.cost(money)[0]) if count and len(even) else float("nan")
        option = schedule(str(choice), costs, place, part, interval, money)
        return alarmed(option, part, ticks, money, saved)

    def own_paths(self, start: int, cut: int) -> np.ndarray:
        """Loss and trainings of each option at phase 0, as a replay shows them: (2, options, K)."""
        paths = []
        for window, n in CHOICES:
            if isinstance(n, int) and n >= cut - self.delay - start:
                continue
            matrix = self.matrices[window].between(start, cut - self.delay)
            if isinstance(n, str):
                ticks = self.fired(start)[n]
                wanted = matrix.training_at(ticks[ticks < len(matrix)])
            else:
                wanted = matrix.evenly(n or len(matrix), [0])
            paths.append([matrix.period_costs(wanted, money)[0] for money in ONLY])
        return np.array(paths).swapaxes(0, 1)


def _at(price: float, free: Option, one: Option) -> Option:
    """An option at any price of a retrain, from two: all its costs are lines in it."""

    def line(at_0: Any, at_1: Any) -> Any:
        return np.add(at_0, price * np.subtract(at_1, at_0)).tolist()

    lines = (line(getattr(free, k), getattr(one, k)) for k in ("cost", "eras", "starts"))
    return replace(free, **dict(zip(("cost", "eras", "starts"), lines, strict=True)))


# --- rules ----------------------------------------------------------------------------------------

#: Chooses by the options of a decision, and by costs of single paths by period (options, periods).
Rule = Callable[[list[Option], np.ndarray, float], Choice]


def ours(floor: float) -> Rule:
    """What the product advises, with a floor."""

    def rule(options: list[Option], paths: np.ndarray, price: float) -> Choice:
        return named(decide(Evidence(options, str(STATIC), price, floor)).name)

    return rule


def without_matrix(options: list[Option], paths: np.ndarray, price: float) -> Choice:
    """What the product advises where it knows one replay of each choice, and nothing else."""
    eras = np.array_split(paths, 10, axis=1)
    known = [
        replace(option, cost=float(path.sum()), eras=[float(e[i].sum()) for e in eras], starts=())
        for i, (option, path) in enumerate(zip(options, paths, strict=True))
    ]
    return named(decide(Evidence(known, str(STATIC), price)).name)


def named(name: str) -> Choice:
    """The choice of an option."""
    return next(choice for choice in CHOICES if str(choice) == name)


def cheapest(options: list[Option], paths: np.ndarray, price: float) -> Choice:
    """Whatever was cheapest so far, at one phase."""
    return named(options[int(np.argmin(paths.sum(axis=1)))].name)


def cautious(options: list[Option], paths: np.ndarray, price: float) -> Choice:
    """The cheapest after adding a standard error of ten eras' differences to static."""
    differences = paths - paths[[option.name for option in options].index(str(STATIC))]
    eras = np.stack([part.sum(axis=1) for part in np.array_split(differences, 10, axis=1)])
    error = eras.std(axis=0, ddof=1) * np.sqrt(len(eras))
    return named(options[int(np.argmin(eras.sum(axis=0) + error))].name)


def fixed(choice: Choice) -> Rule:
    """Always the same."""
    return lambda options, paths, price: choice


RULES: dict[str, Rule] = {
    "keep the first model": fixed(STATIC),
    "trained once on all": fixed(("all", NEVER)),
    "every 3 periods, newest 25 %": fixed((DEFAULT, 3)),
    "every 10 periods, newest 25 %": fixed((DEFAULT, 10)),
    "cheapest so far": cheapest,
    "+ 1 standard error": cautious,
    "advice": ours(0.01),
    "advice, no floor": ours(0.0),
    "advice, careful (5 %)": ours(0.05),
    "advice, no matrix": without_matrix,
}


@dataclass(frozen=True)
class Outcome:
    """What the rules paid in one case, as shares of static; means over starts."""

    kind: str
    stream: str
    model: str
    price: float
    cut: float
    best: float
    paid: Mapping[str, float]
    words: Sequence[tuple[str, float, float]]  # of the advice: word, expected and realised saving
    advised: Sequence[Choice]


def play(kind: str, stream: Stream, name: str, quick: bool) -> list[Outcome]:
    """All cuts, starts and prices of one stream and model."""
    warnings.filterwarnings("ignore")
    case = Case(stream, models(stream.y)[name])
    prices = [share * case.unit for share in PRICES]
    outcomes = []
    for cut in CUTS[::2] if quick else CUTS:
        at = case.tick(cut)
        chosen: dict[float, dict[str, list[Choice]]] = defaultdict(lambda: defaultdict(list))
        words: dict[float, list[tuple[str, Choice, float]]] = defaultdict(list)
        reviewed: dict[float, list[float]] = defaultdict(list)
        for start in [case.tick(share) for share in (STARTS[::2] if quick else STARTS)]:
            losses, trainings = case.own_paths(start, at)
            for price, options in zip(prices, case.evidence(start, at, prices), strict=True):
                paths = losses + price * trainings
                for rule, choose in RULES.items():
                    chosen[price][rule].append(choose(options, paths, price))
                found = decide(Evidence(options, str(STATIC), price))
                static = next(o for o in options if o.name == str(STATIC))
                choice = chosen[price]["advice"][-1]
                words[price].append((found.confidence, choice, found.saves / static.cost))
            if start == case.tick(STARTS[2]):
                for price in prices:
                    reviewed[price].append(with_reviews(case, start, at, price))
        for share, price in zip(PRICES, prices, strict=True):
            costs = {choice: case.paid(at, choice, price) for choice in CHOICES}
            static_cost = costs[STATIC]
            if static_cost <= 0:
                continue
            paid = {
                rule: float(np.mean([costs[c] for c in picks])) / static_cost
                for rule, picks in chosen[price].items()
            }
            paid["advice, reviewed"] = float(np.mean(reviewed[price])) / static_cost
            outcomes.append(
                Outcome(
                    kind, stream.name, name, share, cut, min(costs.values()) / static_cost, paid,
                    [(w, e, 1 - costs[c] / static_cost) for w, c, e in words[price] if w],
                    chosen[price]["advice"],
                )
            )  # fmt: skip
    return outcomes


def with_reviews(case: Case, start: int, cut: int, price: float) -> float:
    """Cost of the rest where the decision is made again at each quarter of it."""
    rest = case.ticks - cut - DAYS
    borders = [cut + DAYS + round(share * rest) for share in (*REVIEWS, 1.0)]
    seen = [cut, *borders[1:-1]]
    known = [
        Evidence(case.evidence(start, at, [price])[0], str(STATIC), price, stop=str(STATIC))
        for at in seen
    ]
    left = [(case.ticks - at) / (at - case.delay - start) for at in seen]
    total = 0.0
    for one, (begin, end) in zip(courses(known, left), pairwise(borders), strict=True):
        first = seen[one.since]
        costs = case.served(first, named(one.name))[begin - first : end - first].sum(axis=0)
        total += float(costs[0] + price * (costs[1] + one.trains))
    return total


# --- the table ------------------------------------------------------------------------------------


def table(outcomes: list[Outcome]) -> pd.DataFrame:
    """A row a rule: share of the achievable saving with its 90 % interval, mean cost, harm."""
    streams = sorted({o.stream for o in outcomes})
    rng = np.random.default_rng(0)
    draws = rng.integers(len(streams), size=(1000, len(streams)))
    best = by_stream(outcomes, streams, lambda o: 1 - o.best)
    rows = {}
    for rule in outcomes[0].paid:
        saved = by_stream(outcomes, streams, lambda o, rule=rule: 1 - o.paid[rule])
        mine = by_stream(outcomes, streams, lambda o: 1 - o.paid["advice"])
        share = saved[draws].sum(axis=1) / best[draws].sum(axis=1)
        ahead = ((mine - saved)[draws].sum(axis=1)) / best[draws].sum(axis=1)
        less_one = (mine.sum() - mine - saved.sum() + saved) / (best.sum() - best)
        cost = np.array([o.paid[rule] for o in outcomes])
        rows[rule] = {
            "share %": 100 * saved.sum() / best.sum(),
            "90 % interval": "{:.0f} to {:.0f}".format(*np.quantile(100 * share, [0.05, 0.95])),
            "mean cost": cost.mean(),
            **{f"> {p} % worse": 100 * (cost > 1 + p / 100).mean() for p in (1, 5, 10)},
            "worst": cost.max(),
            "advice ahead": "{:.0f} to {:.0f}".format(*np.quantile(100 * ahead, [0.05, 0.95])),
            "least": 100 * less_one.min(),  # where one stream is left out
        }
    return pd.DataFrame.from_dict(rows, orient="index").round(
        {
            "share %": 0,
            "least": 0,
            "mean cost": 3,
            "> 1 % worse": 1,
            "> 5 % worse": 1,
            "> 10 % worse": 1,
            "worst": 2,
        }
    )


def by_stream(
    outcomes: list[Outcome], streams: list[str], value: Callable[[Outcome], float]
) -> np.ndarray:
    """Sums over the cases of each stream."""
    sums = dict.fromkeys(streams, 0.0)
    for outcome in outcomes:
        sums[outcome.stream] += value(outcome)
    return np.array(list(sums.values()))


def words(outcomes: list[Outcome]) -> pd.DataFrame:
    """How often each word of confidence was right, and what was saved of what was expected."""
    rows = [(word, expects, saves, o.stream) for o in outcomes for word, expects, saves in o.words]
    frame = pd.DataFrame(rows, columns=["word", "expected", "saved", "stream"])
    frame["right"] = frame["saved"] > 0
    grouped = frame.groupby("word")
    found = grouped.agg(
        decisions=("right", "size"), streams=("stream", "nunique"), right=("right", "mean"),
        expected=("expected", "mean"), saved=("saved", "mean"),
    )  # fmt: skip
    return found.round(3).reindex([w for w in ("sure", "likely", "unsure") if w in found.index])


def advised(outcomes: list[Outcome]) -> str:
    """How often each kind of choice was advised."""
    found = [_kind(choice) for outcome in outcomes for choice in outcome.advised]
    shares = {kind: found.count(kind) / len(found) for kind in sorted(set(found))}
    return "advised: " + ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())


def _kind(choice: Choice) -> str:
    window, n = choice
    if choice == STATIC:
        return "keep"
    return f"{window} {'alarm' if isinstance(n, str) else 'schedule' if n else 'once'}"


def main(arguments: list[str]) -> None:
    """Print a table for each kind of stream, and for all."""
    quick = "--quick" in arguments
    jobs = int(arguments[arguments.index("--jobs") + 1]) if "--jobs" in arguments else -1
    folders = [Path(a) for a in arguments if not a.startswith("--") and not a.isdigit()]
    streams = [pair for folder in folders for pair in files(folder)]
    streams += list(made(3000 if quick else 6000))
    work = [(kind, s, name, quick) for kind, s in streams for name in models(s.y)]
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator")
    outcomes: list[Outcome] = []
    for done, part in enumerate(parallel(joblib.delayed(play)(*piece) for piece in work), 1):
        outcomes += part
        print(f"\r{done} of {len(work)} streams and models", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        kinds = dict.fromkeys(o.kind for o in outcomes)
        real = [o for o in outcomes if o.kind in ("files", "bundled")]
        groups = {"real streams": real, **{k: [o for o in outcomes if o.kind == k] for k in kinds}}
        for kind, some in {**groups, "all": outcomes}.items():
            streams_in = len({o.stream for o in some})
            print(f"\n{kind}: {streams_in} streams, {len(some)} cases\n{table(some)}")
            print(f"\n{words(some)}\n\n{advised(some)}")


if __name__ == "__main__":
    main(sys.argv[1:])

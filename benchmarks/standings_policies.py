"""What is ranked in the standings: every policy, its parameters fixed before anything was measured.

A tick is called a day: the served part of each stream takes 100 of them (``standings_cells.py``).
So a policy is what ``backtrain`` ships, with the defaults of its class, or the durations of its
preset in ``conf/strategy``. The window is the newest 20 days where a policy is not about windows.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import instantiate

from backtrain import strategies as parts
from backtrain.strategies import (
    ABTest,
    AllOf,
    AnyOf,
    AtLeast,
    AtMostFlips,
    BeatsChampion,
    BreakEven,
    Budget,
    Canary,
    Continue,
    CumulativeStaleness,
    DataCheck,
    Decay,
    Dynamic,
    ErrorDrift,
    EstimatedDrop,
    Every,
    Expanding,
    FeatureDrift,
    Forecast,
    Learned,
    Martingale,
    Never,
    PerformanceDrop,
    PredictionDrift,
    Random,
    Recalibrate,
    Refit,
    Representative,
    Reservoir,
    Shadow,
    SinceDrift,
    Sliding,
    StalenessCost,
    Strategy,
)

#: Days of the window of all policies that are not about windows, and of the loss matrix.
NEWEST = 20
#: What all others are held against: named here, before any result.
PLAIN = "every 10"
STATIC = "static"
#: What the model of a cell is: policies that go on from it name the only one that can.
BOOSTED = "boosted"


@dataclass(frozen=True)
class Policy:
    """A strategy of the standings.

    Attributes
    ----------
    strategy : Strategy
    kind : str
        "schedule", "window", "trigger", "update", "gate" or "combination".
    source : str
        Who published it, if somebody did.
    priced : bool
        Whether it looks at prices: it is then replayed at each of them, and at one otherwise.
    tuned : bool
        Whether it chooses parameters on what lies before ``start``.
    model : str
        The only model that it can train; "" is any.
    """

    strategy: Strategy
    kind: str
    source: str = ""
    priced: bool = False
    tuned: bool = False
    model: str = ""


def window(day: int) -> Sliding:
    """The newest rows of 20 days, of so many rows each, whose labels are known."""
    return Sliding(NEWEST * day)


def policies(metric: str, day: int) -> dict[str, Policy]:
    """All of them by name, for days of so many rows; alarms of performance watch this metric."""
    ten, usual = Every("10D"), window(day)
    windows = {
        "all rows": Expanding(),
        "newest 10": Sliding(10 * day),
        "newest 40": Sliding(40 * day),
        "decayed, half-life 10": Decay("10D"),
        "reservoir of 500": Reservoir(500),
        "representative 500": Representative(500),
        "best of three windows": Dynamic([Sliding(10 * day), usual, Expanding()]),
    }
    alarms: dict[str, tuple[Any, str]] = {
        "performance drop 20 %": (PerformanceDrop(metric, drop="20%"), ""),
        "ADWIN": (ErrorDrift(), "Bifet and Gavalda 2007"),
        "KSWIN": (ErrorDrift("KSWIN", {"seed": 0}), "Raab et al. 2020"),
        "Page-Hinkley": (ErrorDrift("PageHinkley"), "Page 1954"),
        "martingale": (Martingale(), "Vovk et al. 2021"),
        "estimated drop 10 %": (EstimatedDrop(metric, drop="10%"), ""),
        "prediction drift": (PredictionDrift(), ""),
    }
    in_money: dict[str, tuple[Any, str, bool]] = {
        "break even": (BreakEven(), "Tian et al. 2018 (Continuum)", False),
        "staleness cost": (StalenessCost(), "after Mahadevan and Mathioudakis 2023 (CARA)", True),
        "cumulative staleness": (CumulativeStaleness(), "after the same (CARA)", True),
        "forecast": (Forecast("10D"), "after Regol et al. 2025 (UPF)", True),
        "learned": (Learned(), "", True),
    }
    gates: dict[str, tuple[Every, Any]] = {
        "every 7, champion": (Every("7D"), BeatsChampion(refit=True)),
        "every 7, shadow 7": (Every("7D"), Shadow("7D", max_duration="30D")),
        "every 7, canary": (Every("7D"), Canary(max_duration="30D")),
        "every 30, A/B test": (Every("30D"), ABTest()),
        "every 7, data check": (Every("7D"), DataCheck()),
        "every 7, at most 5 % flips": (Every("7D"), AtMostFlips()),
    }
    found = {
        STATIC: Policy(Strategy(Never(), usual), "schedule"),
        "static, all rows": Policy(Strategy(Never(), Expanding()), "window"),
    }
    for n in (1, 2, 5, 10, 20, 50):
        found[f"every {n}"] = Policy(Strategy(Every(f"{n}D"), usual), "schedule")
    found["random 5 %"] = Policy(Strategy(Random(0.05), usual), "schedule")
    for name, chosen in windows.items():
        found[f"every 10, {name}"] = Policy(Strategy(ten, chosen), "window")
    for name, (trigger, source) in alarms.items():
        found[name] = Policy(Strategy(trigger, usual), "trigger", source)
    found |= {
        "feature drift": Policy(Strategy(FeatureDrift(), usual, cooldown="7D"), "trigger"),
        "ADWIN, since the drift": Policy(
            Strategy(ErrorDrift(), SinceDrift(min_rows=200)), "combination"
        ),
        "ADWIN or every 30": Policy(
            Strategy(AnyOf(Every("30D"), ErrorDrift()), usual), "combination"
        ),
        "ADWIN at every 7": Policy(
            Strategy(AllOf(Every("7D"), ErrorDrift()), usual), "combination"
        ),
        "two of three alarms": Policy(
            Strategy(AtLeast(2, Every("7D"), ErrorDrift(), FeatureDrift()), usual), "combination"
        ),
        "performance drop, at most 5": Policy(
            Strategy(Budget(PerformanceDrop(metric, drop="20%"), retrains=5), usual),
            "combination",
        ),
    }
    for name, (trigger, source, tuned) in in_money.items():
        found[name] = Policy(Strategy(trigger, usual), "trigger", source, True, tuned)
    found |= {
        "every 10, recalibrated": Policy(Strategy(ten, usual, Recalibrate()), "update"),
        "every 10, 10 trees more": Policy(
            Strategy(ten, usual, Continue()), "update", model=BOOSTED
        ),
    }
    for name, (every, gate) in gates.items():
        found[name] = Policy(Strategy(every, usual, Refit(), gate), "gate")
    return found


#: Parts that are not ranked, and why; a test holds that every part is here or above.
LEFT_OUT = {
    "Approval": "waits for a person",
    "Recorded": "needs a log of production",
    "OnDates": "needs dates",
    "EveryRows": "a schedule: rows come evenly here",
    "EveryLabels": "a schedule: labels come evenly here",
    "MaxAge": "a schedule: trainings take no time here",
    "Not": "has no meaning of its own",
    "Cooldown": "every strategy has it as a parameter, see feature drift",
    "WarmUp": "only delays another trigger",
    "MissingDrift": "few of the streams have missing values",
    "NoGroupWorse": "needs groups that matter",
    "Chain": "holds other gates",
    "CompleteCohorts": "labels come in order here, so cohorts are complete",
    "Thinned": "a window of every k-th row, for speed",
    "SinceLastTraining": "goes with incremental models",
    "PartialFit": "needs an incremental model; the three here are none",
    "WarmStart": "the linear models converge, so it gives what refitting gives",
    "Transfer": "needs a model of one's own with fit_more",
    "RefreshLeaves": "one booster's own; CatBoost refuses it",
    "Retune": "needs a grid of each model",
    "Detector": "holds a detector of one's own; three of river's are ranked",
    "Hours": "a blackout",
    "LastDays": "a blackout",
    "PublicHolidays": "a blackout",
    "Weekdays": "a blackout",
}


def submitted(path: Path, day: int) -> Policy:
    """A policy from a YAML file: ``trigger``, and if wanted ``window``, ``update``, ``gate``.

    Each is a ``_target_`` with its parameters, as on the command line; classes of one's own lie in
    a Python file beside it. ``priced: false`` says that it does not look at prices, and saves
    three of four replays; ``source`` and ``tuned`` are as in `Policy`.

    Raises
    ------
    ValueError
        Where the file holds no policy.
    """
    asked = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = {"trigger", "window", "update", "gate", "cooldown", "budget"}
    facts = {"source", "priced", "tuned", "model"}
    if not isinstance(asked, Mapping) or "trigger" not in asked:
        raise ValueError(f"{path}: no policy; it needs trigger: {{_target_: module.Class}}")
    if strange := set(asked) - known - facts:
        raise ValueError(f"{path}: {sorted(strange)[0]}: no key; there are {sorted(known | facts)}")
    sys.path.insert(0, str(path.resolve().parent))
    built = {key: instantiate(asked[key]) for key in known & set(asked)}
    more = {key: asked[key] for key in facts & set(asked)}
    return Policy(
        Strategy(**{"window": window(day), **built}), "submitted", **{"priced": True, **more}
    )


def unranked(ranked: Mapping[str, Policy]) -> set[str]:
    """Parts that are shipped and in no policy."""
    used = {name for policy in ranked.values() for name in _parts_of(policy.strategy)}
    return set(parts.__all__) - used


def _parts_of(part: Any) -> set[str]:
    found = {type(part).__name__}
    for value in vars(part).values():
        for inner in value if isinstance(value, (list, tuple)) else [value]:
            if type(inner).__module__.startswith("backtrain.strategies"):
                found |= _parts_of(inner)
    return found

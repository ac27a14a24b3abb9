"""Runs made up for the tests of reports: no replay, yet every table as the simulator writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from backtrain.simulator.log import Readings
from backtrain.simulator.record import Run

KINDS = ("error", "train", "label", "check", "deploy", "predict", "initial")
PRICES = {"retrain": 5.0, "per_1k_rows": 0.1, "cpu_hour": 0.0, "label": 0.0, "check": 0.01}
PRICES |= {"review": 0.0, "release": 1.0, "per_1k_predictions": 0.0, "error": 0.05}


def parts_of(trigger: str, window: str = "90D", gate: str = "Immediate", **keys: Any) -> dict:
    return {
        "type": "Strategy",
        "trigger": {"type": trigger, **keys},
        "window": {"type": "Sliding", "length": window},
        "update": {"type": "Refit"},
        "gate": {"type": gate},
        "cooldown": None,
    }


def info_of(parts: dict, start: Any, end: Any, tick: str = "1D", **changes: Any) -> dict:
    keys = ", ".join(f"{k}={v!r}" for k, v in parts["trigger"].items() if k != "type")
    facts = {
        "status": "complete",
        "strategy": f"Strategy({parts['trigger']['type']}({keys}), Sliding('90D'))",
        "parts": parts,
        "in_sample": False,
        "stream": {"name": "made up", "fingerprint": "f00", "rows": 1000, "target": "count"},
        "start": pd.Timestamp(start).isoformat(),
        "end": pd.Timestamp(end).isoformat(),
        "tick": tick,
        "ticks": 40,
        "model": "HistGradientBoostingRegressor()",
        "task": "regression",
        "prices": dict(PRICES),
        "delays": {"train": "2h", "per_1k_rows": "0D", "deploy": "1D"},
        "loss": "absolute",
        "greater_is_better": {"MAE": False},
        "label_delay_seconds": {"median": 0.0, "p95": 0.0, "max": 0.0},
        "drift": [],
        "seed": 0,
        "libraries": {"backtrain": "0.1.0", "numpy": "2.4.0"},
        "python": "3.11.7",
        "wall_seconds": 1.0,
    }
    facts["stream"] |= {"first": facts["start"], "last": facts["end"]}
    return facts | changes


def plain_run(name: str, parts: dict, charges: Sequence[tuple], **info: Any) -> Run:
    """A run told by its charges ``(day, kind, amount)`` over 40 daily periods, one row a day."""
    facts = info_of(parts, "2020-01-01", "2020-02-10", **info)
    start = pd.Timestamp(facts["start"])
    rows = pd.DataFrame(charges, columns=["day", "kind", "amount"])
    days = pd.to_timedelta(rows.pop("day").astype(float), unit="D")
    rows.insert(0, "when", (start + days).astype("datetime64[ns]"))
    trained = rows["kind"] == "train"
    rows["version"] = trained.cumsum().where(trained).astype("Int64")
    rows["quantity"], rows["unit_price"] = 1.0, rows["amount"]
    return assemble(name, facts, rows, rows.loc[trained, "when"], ["deployed"] * trained.sum())


def assemble(
    name: str,
    info: dict,
    charges: pd.DataFrame,
    decided: Sequence[pd.Timestamp],
    outcomes: Sequence[str],
    predictions: pd.DataFrame | None = None,
    events: Sequence[tuple] = (),
) -> Run:
    start, end = pd.Timestamp(info["start"]), pd.Timestamp(info["end"])
    days = pd.date_range(start, end, freq="1D", inclusive="left").astype("datetime64[ns]")
    if predictions is None:
        predictions = prediction_table(days, np.ones(len(days)), pd.Timedelta(0))
    versions = version_table(start, decided, outcomes)
    live = versions[versions["outcome"].isin(["initial", "deployed"])]
    took = live["ready_at"].tolist()
    deployments = pd.DataFrame(
        {"version": live["version"], "from": took, "to": [*took[1:], pd.NaT], "share": 1.0}
    )
    happened = [(v.decided_at, "trained", v.version, v.reason) for v in versions[1:].itertuples()]
    why = {"failed": 'ValueError: "found" <NaN> in 3 rows'}
    happened += [
        (v.ready_at, v.outcome, v.version, why.get(v.outcome, "")) for v in versions.itertuples()
    ]
    log = pd.DataFrame([*happened, *events], columns=["at", "kind", "version", "reason"])
    log["version"] = log["version"].astype("Int64")
    log["statistic"] = log["threshold"] = np.nan
    step = {"start": days, "end": days + pd.Timedelta("1D"), "rows": 1, "scored": 1, "loss": 1.0}
    totals = total_table(charges, predictions, versions, log)
    return Run(
        name=name,
        info=info,
        totals=totals,
        tables={
            "predictions": predictions,
            "steps": pd.DataFrame({**step, "version": 0}),
            "versions": versions,
            "deployments": deployments,
            "events": log.sort_values("at", kind="stable", ignore_index=True),
            "charges": charges,
            "readings": Readings().frame(),
        },
    )


def prediction_table(
    times: pd.DatetimeIndex, loss: np.ndarray, delay: pd.Timedelta
) -> pd.DataFrame:
    n = len(times)
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "event_time": times,
            "version": np.zeros(n, np.int32),
            "prediction": 0.0,
            "score": 0.0,
            "label": loss,
            "label_time": times + delay,
            "loss": loss,
            "weight": 1.0,
            "fallback": False,
        }
    )


def version_table(
    start: pd.Timestamp, decided: Sequence[pd.Timestamp], outcomes: Sequence[str]
) -> pd.DataFrame:
    when = pd.DatetimeIndex([start, *decided]).astype("datetime64[ns]")
    n = len(when)
    return pd.DataFrame(
        {
            "version": np.arange(n),
            "parent": pd.array([pd.NA, *range(n - 1)], "Int64"),
            "update": "Refit()",
            "reason": ["initial", *["due"] * (n - 1)],
            "decided_at": when,
            "ready_at": when,
            "outcome": ["initial", *outcomes],
            "window_start": when - pd.Timedelta("90D"),
            "window_end": when,
            "rows": 100,
            "fit_seconds": 0.1,
            "fit": "abc",
            "shared": False,
        }
    )


def total_table(
    charges: pd.DataFrame, predictions: pd.DataFrame, versions: pd.DataFrame, events: pd.DataFrame
) -> dict:
    amounts = charges.groupby("kind")["amount"].sum()
    money = {kind: float(amounts.get(kind, 0.0)) for kind in KINDS}
    outcomes, kinds = versions["outcome"].value_counts(), events["kind"].value_counts()
    loss = float((predictions["loss"] * predictions["weight"]).sum())
    scored = int(predictions["loss"].notna().sum())
    return {
        "total": sum(money.values()) - money["initial"],
        **money,
        "retrains": len(versions) - 1,
        **{k: int(outcomes.get(k, 0)) for k in ("deployed", "rejected", "failed")},
        "busy": int(kinds.get("busy", 0)),
        "suppressed": int(sum(kinds.get(k, 0) for k in ("cooldown", "budget", "blackout"))),
        "rows": len(predictions),
        "scored": scored,
        "never_labelled": len(predictions) - scored,
        "unlabelled_at_end": 72,
        "fallback": 0,
        "loss": loss,
        "metrics": {"MAE": loss / max(scored, 1)},
    }


# ---- a whole comparison, 600 days of hourly rows under drift -----------------------------------

START, DAYS = pd.Timestamp("2021-03-01"), 600
JUMPS = {140: 3.0, 330: -2.2, 470: 2.6}


def truth(seed: int = 0) -> np.ndarray:
    """The state of the world by day: it wanders slowly and jumps three times."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0.0, 0.09, DAYS))
    for day, size in JUMPS.items():
        path[day:] += size
    return path


def every(days: int) -> list[int]:
    return list(range(days, DAYS, days))


def when_stale(world: np.ndarray, threshold: float, lag: int = 4, wait: int = 14) -> list[int]:
    """Days on which a detector with a lag finds the world too far from the last training."""
    decided, last = [], 0
    for day in range(lag, DAYS):
        if day - last >= wait and abs(world[day - lag] - world[last]) > threshold:
            decided.append(day)
            last = day
    return decided


def drifting_run(
    name: str, parts: dict, decided: list[int], outcomes: list[str] | None = None, **info: Any
) -> Run:
    world, hours = truth(), pd.date_range(START, periods=DAYS * 24, freq="1h")
    hours = hours.astype("datetime64[ns]")
    outcomes = outcomes or ["deployed"] * len(decided)
    noise = np.abs(np.random.default_rng(1).normal(1.0, 0.35, len(hours)))
    day = np.arange(len(hours)) // 24
    live = [0, *(d for d, outcome in zip(decided, outcomes, strict=True) if outcome == "deployed")]
    model = np.array(live)[np.searchsorted(live, np.arange(DAYS), side="right") - 1]
    rhythm = 1 + 0.3 * np.sin(2 * np.pi * np.arange(DAYS) / 7)
    scale = 20 * (rhythm + 0.45 * np.abs(world - world[model]))
    loss = noise * scale[day]
    facts = info_of(parts, START, hours[-1], drift=_drifts(), **info)
    facts["label_delay_seconds"] = {"median": 259200.0, "p95": 259200.0, "max": 432000.0}
    facts["stream"] |= {"rows": len(hours) + 2000}
    times = [START + pd.Timedelta(days=d) for d in decided]
    charges = _charges(np.bincount(day, loss), times)
    predictions = prediction_table(hours, loss, pd.Timedelta("3D"))
    return assemble(name, facts, charges, times, outcomes, predictions, _busy(name, times))


def _drifts() -> list[str]:
    return [(START + pd.Timedelta(days=day)).isoformat() for day in JUMPS]


def _busy(name: str, times: list[pd.Timestamp]) -> list[tuple]:
    if "drift" not in name:
        return []
    return [(t + pd.Timedelta("1D"), "cooldown", None, "within 14D") for t in times[::2]]


def _charges(daily_loss: np.ndarray, times: list[pd.Timestamp]) -> pd.DataFrame:
    steps = pd.date_range(START, periods=DAYS, freq="1D")
    rows = [(START, "initial", 0, 1.0, 5.0, 5.0)]
    rows += [(t, "error", None, q, 0.05, q * 0.05) for t, q in zip(steps, daily_loss, strict=True)]
    for version, time in enumerate(times, start=1):
        rows.append((time, "train", version, 1.0, 5.0, 5.0))
        rows.append((time, "train", version, 2.16, 0.1, 0.216))
        rows.append((time, "deploy", version, 1.0, 1.0, 1.0))
    columns = ["when", "kind", "version", "quantity", "unit_price", "amount"]
    frame = pd.DataFrame(rows, columns=columns).sort_values("when", kind="stable")
    frame["when"] = frame["when"].astype("datetime64[ns]")
    frame["version"] = frame["version"].astype("Int64")
    return frame.reset_index(drop=True)


def drifting_runs() -> dict[str, Run]:
    """Ten strategies over the same 600 days."""
    world = truth()
    rejected = ["deployed" if d % 21 == 0 else "rejected" for d in every(7)]
    failing = ["deployed", "failed", *["deployed"] * (len(when_stale(world, 1.0, 5)) - 2)]
    plans: list[tuple[str, dict, list[int], list[str] | None]] = [
        ("static", parts_of("Never"), [], None),
        *((f"every {n}D", parts_of("Every", every=f"{n}D"), every(n), None) for n in (90, 30, 14)),
        *((f"every {n}D", parts_of("Every", every=f"{n}D"), every(n), None) for n in (7, 3)),
        ("performance drop", parts_of("PerformanceDrop"), when_stale(world, 0.5, 7), None),
        ("error drift", parts_of("ErrorDrift"), when_stale(world, 1.0, 5), failing),
        ("feature drift", parts_of("FeatureDrift"), when_stale(world, 0.3, 2, 5), None),
        ("challenger", parts_of("Every", gate="Beats", every="7D"), every(7), rejected),
    ]
    return {name: drifting_run(name, p, d, outcomes) for name, p, d, outcomes in plans}

"""Tables and totals of a replay, and the steps between its ticks that they rest on."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.simulator.answers import FitError, NothingToLearnError
from backtrain.simulator.costs import CostMatrix
from backtrain.simulator.facts import facts_of
from backtrain.simulator.ledger import KINDS, Charged, Ledger, words
from backtrain.simulator.metrics import Outcomes
from backtrain.simulator.predictions import Predictions
from backtrain.simulator.record import Run, Tables
from backtrain.simulator.setup import Setup, pick
from backtrain.simulator.stability import Change, summed
from backtrain.simulator.texts import code, without_addresses
from backtrain.simulator.thresholds import LeastCost, decided
from backtrain.simulator.trainer import Trainer
from backtrain.store.fits import Answers


@dataclass(frozen=True, eq=False)
class Steps:
    """Stretches between neighbouring ticks and deployments; arrays of shape (steps,)."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    version: NDArray[np.int64]
    rows: NDArray[np.int64]
    scored: NDArray[np.int64]
    loss: NDArray[np.float64]

    def frame(self) -> pd.DataFrame:
        """The same as a table."""
        columns = {
            "start": self.start.view("datetime64[ns]"),
            "end": self.end.view("datetime64[ns]"),
            "rows": self.rows,
            "scored": self.scored,
            "loss": self.loss,
            "version": self.version,
        }
        return pd.DataFrame(columns)


def steps_of(setup: Setup, predictions: Predictions) -> Steps:
    """Sum up what was served between neighbouring ticks and deployments."""
    start, end = setup.start_at.value, setup.end_at.value
    marks = [stretch.at for stretch in predictions.stretches]
    inner = np.unique(np.concatenate((setup.ticks, np.array(marks, dtype=np.int64), [start])))
    inner = inner[(inner >= start) & (inner <= end)]
    ends = np.append(inner[1:], end)
    borders = np.append(setup.event_at.searchsorted(inner), setup.served.stop)
    place = np.searchsorted(np.array(marks), inner, side="right") - 1
    champion = np.array([stretch.champion for stretch in predictions.stretches])[place]
    return _sum_up(setup, predictions, inner, ends, borders, champion, place)


def _sum_up(
    setup: Setup,
    predictions: Predictions,
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    borders: NDArray[np.int64],
    champion: NDArray[np.int64],
    place: NDArray[np.int64],
) -> Steps:
    """Add up the rows of each step; a step that two versions share becomes one entry for each."""
    stretches = predictions.stretches
    shares = np.array([stretch.share for stretch in stretches])
    shared = np.flatnonzero(shares[place] > 0)
    n = len(start)
    step = np.repeat(np.arange(n), np.diff(borders))
    version = predictions.version[setup.served]
    for extra, where in enumerate(shared):
        rows = slice(borders[where] - borders[0], borders[where + 1] - borders[0])
        step[rows][version[rows] != champion[where]] = n + extra
    challengers = [stretches[place[where]].challenger for where in shared]
    loss = predictions.scored_loss(setup.served)
    known = ~np.isnan(loss)
    weight = 1.0 if setup.weight is None else setup.weight[setup.served]
    counted = setup.counted(setup.served)
    entries = n + len(shared)
    steps = Steps(
        np.append(start, start[shared]),
        np.append(end, end[shared]),
        np.append(champion, np.array(challengers, dtype=np.int64)),
        np.bincount(step, weights=counted, minlength=entries).astype(np.int64),
        np.bincount(step, weights=known & counted, minlength=entries).astype(np.int64),
        np.bincount(step, weights=np.where(known, loss, 0.0) * weight, minlength=entries).astype(
            np.float64
        ),
    )
    order = np.lexsort((steps.version, steps.start))
    return Steps(*(getattr(steps, column.name)[order] for column in fields(steps)))


def charge_served(steps: Steps, setup: Setup, predictions: Predictions, ledger: Ledger) -> None:
    """Charge errors and predictions: of the rows served, and of those scored beside."""
    prices = setup.prices
    ledger.charge_all(steps.start, "error", steps.version, steps.loss, prices.error)
    answered = steps.rows / 1000
    ledger.charge_all(steps.start, "predict", steps.version, answered, prices.per_1k_predictions)
    stretches = predictions.stretches
    stops = [*(stretch.row for stretch in stretches[1:]), setup.served.stop]
    for now, stop in zip(stretches, stops, strict=True):
        if now.challenger is None or not now.watch:
            continue
        answered_by = predictions.version[now.row : stop]
        counted = setup.counted(slice(now.row, stop))
        for number in (now.champion, now.challenger):
            watched = np.count_nonzero((answered_by != number) & counted) / 1000
            ledger.charge(now.at, "predict", number, watched, prices.per_1k_predictions)


#: Groups that a record tells apart: a stream may have one for each of a million users.
_MOST_GROUPS = 100
_SUPPRESSED = ("cooldown", "budget", "blackout")
_NAT = np.iinfo(np.int64).min
_FAILED = (FitError.event, NothingToLearnError.event)
_TURNED_DOWN = ("rejected", "rolled back", "superseded")


def close(trainer: Trainer, name: str, wall_seconds: float) -> Run:
    """The record of a replay that has come to its end."""
    setup = trainer.setup
    rows = setup.served
    predictions, ledger = trainer.predictions, trainer.accounts.ledger
    predictions.judge(rows.stop)
    steps = steps_of(setup, predictions)
    charge_served(steps, setup, predictions, ledger)
    charges = ledger.charged()
    tables = {
        "predictions": lambda: _predictions(trainer),
        "steps": steps.frame,
        "versions": lambda: _versions(trainer),
        "deployments": lambda: _deployments(trainer),
        "events": lambda: _events(trainer),
        "charges": charges.frame,
        "readings": trainer.readings.frame,
    }
    totals = _totals(trainer, rows, charges, steps)
    facts = facts_of(setup, trainer.strategy, wall_seconds) | _by_cost(setup, predictions)
    return Run(name, facts, totals, Tables(tables))


def _by_cost(setup: Setup, predictions: Predictions) -> dict[str, float]:
    """What errors would have cost, had a cost matrix also made the answers that it charges."""
    matrix, outcomes = setup.row_loss, predictions.scored(setup.served)
    if setup.rule is not None or not isinstance(matrix, CostMatrix) or setup.classes is None:
        return {}
    if outcomes.score is None or np.isnan(outcomes.score).any():  # recorded answers may lack it
        return {}
    answers = Answers(outcomes.prediction, outcomes.score, outcomes.probability, None)
    best = decided(LeastCost(matrix, setup.classes), answers, setup.positive, outcomes.amount)
    loss = setup.losses(replace(outcomes, prediction=best.prediction))
    weight = 1.0 if outcomes.weight is None else outcomes.weight
    return {"error_by_cost": setup.prices.error * float(np.nansum(loss * weight))}


# --- rows ---------------------------------------------------------------------------------------


def _predictions(trainer: Trainer) -> pd.DataFrame:
    setup, predictions, rows = trainer.setup, trainer.predictions, trainer.setup.served
    stream = setup.stream
    prediction = predictions.prediction[rows]
    table: dict[str, Any] = {
        "row": np.arange(rows.start, rows.stop),
        "event_time": stream.event_time[rows],
        "version": predictions.version[rows],
        "prediction": prediction if setup.classes is None else setup.classes[prediction],
        "score": _score(trainer),
        "label": _plain(stream.y[rows]),
        "label_time": stream.label_time[rows],
        "loss": predictions.scored_loss(rows),
        "weight": np.ones(rows.stop - rows.start) if setup.weight is None else setup.weight[rows],
        "fallback": predictions.fallback[rows],
    }
    if stream.truth is not None:
        table["truth"] = _plain(stream.truth[rows])
    if stream.amount is not None:
        table["amount"] = stream.amount[rows]
    if predictions.probability is not None and setup.classes is not None:
        for position, label in enumerate(setup.classes):
            table[f"probability {label}"] = predictions.probability[rows, position]
    if stream.target_time is not None and stream.steps is not None:
        table["target_time"], table["step"] = stream.target_time[rows], stream.steps[rows]
    if stream.aside is not None:
        table = {name: values[~stream.aside[rows]] for name, values in table.items()}
    return pd.DataFrame(table, copy=False)


def _score(trainer: Trainer) -> NDArray[np.float64]:
    predictions, rows = trainer.predictions, trainer.setup.served
    if predictions.score is not None:
        return predictions.score[rows]
    if trainer.setup.classes is None:
        return predictions.prediction[rows].astype(np.float64, copy=False)
    return np.full(rows.stop - rows.start, np.nan)


def _plain(y: NDArray[Any]) -> Any:
    """Labels in a dtype that Parquet can keep."""
    return pd.Series(y).convert_dtypes().to_numpy() if y.dtype.kind == "O" else y


# --- versions, deployments, events --------------------------------------------------------------


def _versions(trainer: Trainer) -> pd.DataFrame:
    entries = trainer.log.versions
    names = [entry.name for entry in fields(entries[0])]
    column = dict(zip(names, zip(*map(attrgetter(*names), entries), strict=True), strict=True))
    at = np.append(trainer.setup.event_at, _NAT)  # a training without rows has no span
    spans = [(-1, -1) if span is None else span for span in column["span"]]
    oldest, newest = (at[list(side)].view("datetime64[ns]") for side in zip(*spans, strict=True))
    columns = {
        "version": np.array(column["version"], dtype=np.int64),
        "parent": _numbers(column["parent"]),
        "update": words([code(trainer.strategy.update)]).take([0] * len(entries)),
        "reason": pd.array(_reasons(column["reason"]), dtype="str"),
        "decided_at": _times(column["decided_at"]),
        "ready_at": _times(column["ready_at"]),
        "outcome": words(column["outcome"]),
        "window_start": oldest,
        "window_end": newest,
        "rows": np.array(column["rows"], dtype=np.int64),
        "fit_seconds": np.array(column["fit_seconds"], dtype=np.float64),
        "fit": pd.array(column["fit"], dtype="str"),
        "shared": np.array(column["shared"], dtype=bool),
        **{key: np.array(column[key], dtype=np.float64) for key in Change._fields},
    }
    return pd.DataFrame(columns)


def _deployments(trainer: Trainer) -> pd.DataFrame:
    """Who answered which share from when to when; a stretch with the same share is one row."""
    rows: list[list[Any]] = []
    open_rows: dict[int, list[Any]] = {}
    for now in trainer.predictions.stretches:
        other = {} if now.challenger is None else {now.challenger: now.share}
        shares = {now.champion: 1.0 - now.share, **other}
        for number, entry in list(open_rows.items()):
            if shares.get(number) != entry[3]:
                entry[2] = now.at
                del open_rows[number]
        for number, share in shares.items():
            if number not in open_rows:
                open_rows[number] = [number, now.at, None, share]
                rows.append(open_rows[number])
    columns = {
        "version": np.array([row[0] for row in rows], dtype=np.int64),
        "from": _times(row[1] for row in rows),
        "to": _times(row[2] for row in rows),
        "share": np.array([row[3] for row in rows], dtype=np.float64),
    }
    return pd.DataFrame(columns)


def _events(trainer: Trainer) -> pd.DataFrame:
    at, kind, number, reason, statistic, threshold = (
        zip(*trainer.log.events, strict=True) if trainer.log.events else ((),) * 6
    )
    columns = {
        "at": np.array(at, dtype="datetime64[ns]"),
        "kind": words(kind),
        "version": _numbers(number),
        "reason": pd.Series(_reasons(reason), dtype="str"),
        "statistic": np.array(statistic, dtype=np.float64),
        "threshold": np.array(threshold, dtype=np.float64),
    }
    events = pd.DataFrame(columns)
    if not _unable(trainer).any():
        return events
    events = pd.concat((events, _fallbacks(trainer)))
    return events.sort_values("at", kind="stable", ignore_index=True)


def _unable(trainer: Trainer) -> NDArray[np.bool_]:
    """Which of the served rows could not be scored."""
    rows = trainer.setup.served
    return np.asarray(trainer.predictions.fallback[rows] & trainer.setup.counted(rows))


def _fallbacks(trainer: Trainer) -> pd.DataFrame:
    """One event for each version that could not score rows, at the first of them."""
    setup, predictions = trainer.setup, trainer.predictions
    rows = setup.served.start + np.flatnonzero(_unable(trainer))
    numbers, first, counts = np.unique(
        predictions.version[rows], return_index=True, return_counts=True
    )
    what = "mean" if setup.classes is None else "prior"
    whys = [
        trainer.learner.why(predictions.unable[int(v)], int(rows[at]))
        for v, at in zip(numbers, first, strict=True)
    ]
    sentences = [
        f"{n} rows could not be scored and got the training {what}: {why}"
        for n, why in zip(counts, whys, strict=True)
    ]
    columns = {
        "at": setup.stream.event_time[rows[first]],
        "kind": pd.Series(["fallback"] * len(numbers), dtype="str"),
        "version": pd.array(numbers, dtype="Int64"),
        "reason": pd.Series(_reasons(sentences), dtype="str"),
        "statistic": counts.astype(np.float64),
        "threshold": np.full(len(numbers), np.nan),
    }
    return pd.DataFrame(columns)


def _reasons(texts: Iterable[str]) -> list[str]:
    """Reasons without addresses, which would make two equal runs differ."""
    return [without_addresses(str(text)) for text in texts]


def _numbers(values: Sequence[int | None]) -> Any:
    """A column of whole numbers, some of which may be missing."""
    missing = np.array([value is None for value in values], dtype=bool)
    known = [0 if value is None else value for value in values]
    return pd.arrays.IntegerArray(np.array(known, dtype=np.int64), missing)


def _times(values: Iterable[int | None]) -> NDArray[np.datetime64]:
    at = np.array([_NAT if value is None else value for value in values], dtype=np.int64)
    return at.view("datetime64[ns]")


# --- totals -------------------------------------------------------------------------------------


def _totals(trainer: Trainer, rows: slice, charges: Charged, steps: Steps) -> dict[str, Any]:
    setup, predictions = trainer.setup, trainer.predictions
    by_kind = {kind: float(charges.amount[charges.kind == kind].sum()) for kind in KINDS}
    kinds = Counter(kind for _, kind, *_ in trainer.log.events)
    counted = setup.counted(rows)
    never = np.isnat(setup.stream.label_time[rows]) & counted
    loss, served = predictions.scored_loss(rows), predictions.scored(rows)
    scored = ~np.isnan(loss) & counted
    late = (setup.label_at[rows] > setup.end_at.value) & counted
    judged = served if scored.all() else pick(served, scored)
    return {
        "total": sum(amount for kind, amount in by_kind.items() if kind != "initial"),
        **by_kind,
        "retrains": len(trainer.log.trainings),
        "deployed": int(kinds.get("deployed", 0)),
        "rejected": sum(int(kinds.get(kind, 0)) for kind in _TURNED_DOWN),
        "failed": sum(int(kinds.get(kind, 0)) for kind in _FAILED),
        "refused": int(kinds.get("refused", 0)),
        "busy": int(kinds.get("busy", 0)),
        "suppressed": sum(int(kinds.get(kind, 0)) for kind in _SUPPRESSED),
        "rows": int(counted.sum()),
        "scored": int(scored.sum()),
        "never_labelled": int(never.sum()),
        "unlabelled_at_end": int(late.sum()),
        "fallback": int(_unable(trainer).sum()),
        "loss": float(steps.loss.sum()),
        **summed(setup, _changes(trainer)),
        "metrics": _metrics(setup, judged),
        "groups": _by(setup, setup.stream.group, served, loss, scored),
        **_by_step(setup, served, loss, scored),
    }


def _changes(trainer: Trainer) -> list[tuple[float, ...]]:
    deployed = (entry for entry in trainer.log.versions if entry.outcome == "deployed")
    return [Change(one.changed, one.flipped, one.smqc) for one in deployed]


def _by(
    setup: Setup,
    group: NDArray[Any] | None,
    served: Outcomes,
    loss: NDArray[np.float64],
    scored: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """How the groups with the most served rows were answered; of equals the first that appeared."""
    if group is None:
        return []
    codes, names = pd.factorize(group[setup.served])
    counts = np.bincount(codes)
    rows = np.bincount(codes, weights=setup.counted(setup.served))
    weight = np.ones(len(loss)) if served.weight is None else served.weight
    places = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    table = []
    for place in np.argsort(-counts, kind="stable")[:_MOST_GROUPS].tolist():
        mine = places[place][scored[places[place]]]
        row = {
            "group": str(names[place]),
            "rows": int(rows[place]),
            "scored": len(mine),
            "weight": float(weight[mine].sum()),
            "loss": float((loss[mine] * weight[mine]).sum()),
            "metrics": _metrics(setup, pick(served, mine)),
        }
        table.append(row)
    return table


def _by_step(
    setup: Setup, served: Outcomes, loss: NDArray[np.float64], scored: NDArray[np.bool_]
) -> dict[str, Any]:
    """The same for the steps of forecasts, in their order."""
    steps = setup.stream.steps
    found = _by(setup, steps, served, loss, scored)
    return {"by_step": sorted(found, key=lambda row: int(row["group"]))} if found else {}


def _metrics(setup: Setup, judged: Outcomes) -> dict[str, float]:
    """The metrics by name; NaN where scores are needed that were not recorded."""
    silent = judged.score is not None and bool(np.isnan(judged.score).any())
    return {
        metric.name: float("nan") if silent and metric.needs_probability else metric(judged)
        for metric in setup.row_metrics
    }

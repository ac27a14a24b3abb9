"""What answers without a model would cost: the last label, the season before, mean or majority.

They know what a strategy knows at the same instant: of rows with an earlier event time, the labels
that have arrived. Where the stream has groups, each group has answers of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtrain.datasets.calendar import UTC, Calendar
from backtrain.datasets.offsets import nanoseconds, parse_fixed, usual_season
from backtrain.simulator.of_series import History
from backtrain.simulator.setup import Setup, outcomes_of, pick

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
_DAY = nanoseconds(pd.Timedelta(days=1))


class Baseline(NamedTuple):
    """What one of them costs on the served rows.

    Attributes
    ----------
    name : str
        ``"last known label"``, ``"label 7D before"``, and ``"running mean"`` or
        ``"majority class"``; ``"shares of classes"`` where a threshold decides by them.
    error : float
        Money: loss times weight, at the price of an error.
    loss, weight : float
        Loss times weight of the scored rows, and their weight.
    fallback : int
        Rows for which no such label was known: they get the running mean or the shares of the
        classes over all groups, and 0 or the first class before any label is known.
    metrics : dict of str to float
        Those of the setup, over the scored rows.
    """

    name: str
    error: float
    loss: float
    weight: float
    fallback: int
    metrics: dict[str, float]

    @property
    def mean(self) -> float:
        """Loss a row; NaN where none was scored."""
        return self.loss / self.weight if self.weight else float("nan")


class _Answers(NamedTuple):
    """Of r rows: predictions (r,), the probability of each class (r, k) where it is wanted."""

    prediction: NDArray[Any]
    probability: Floats | None
    fallback: NDArray[np.bool_]


def baselines(setup: Setup, season: str | pd.Timedelta | None = None) -> list[Baseline]:
    """All of them, by the loss, weights, metrics and label times of a setup.

    Parameters
    ----------
    setup : Setup
        The question that strategies are asked.
    season : str or Timedelta, optional
        How long a season is, such as ``"1D"``, a day of the stream's calendar; by default a
        week where twenty of them are served,
        else a day where twenty are, else there is none.

    Returns
    -------
    list of Baseline
        The least loss first; empty where no label ever counts.
    """
    length = usual_season(setup.end_at - setup.start_at) if season is None else parse_fixed(season)
    labels = _Labels(setup)
    if not len(labels.rows):
        return []
    usual = "majority class" if setup.rule is None else "shares of classes"
    usual = usual if setup.classes is not None else "running mean"
    made = {"last known label": labels.last(), usual: labels.usual()}
    if nanoseconds(length):
        made[f"label {_short(length)} before"] = labels.before(nanoseconds(length))
    return sorted((_judged(setup, name, made[name]) for name in made), key=lambda b: b.loss)


class _Clock:
    """Counts seasons backwards; those of whole days in local time, by the clock on the wall."""

    def __init__(self, calendar: Calendar, season: int) -> None:
        self._calendar = UTC if season % _DAY else calendar
        self._season = season

    def before(self, at: Integers, seasons: Integers) -> Integers:
        """The instants so many seasons before others, in nanoseconds."""
        back = self._calendar.local(at.view("datetime64[ns]")).view(np.int64)
        back = back - seasons * self._season
        return self._calendar.utc(back.view("datetime64[ns]")).view(np.int64)

    def between(self, first: Integers, last: Integers) -> Integers:
        """Nanoseconds on the wall at the least, whatever clocks have done meanwhile."""
        return last - first - (0 if self._calendar.zone is None else 2 * _DAY)


class _Labels:
    """The labels that count, in the order in which they become known, for the served rows.

    Ties are in event order. Rows of weight 0 do not count. ``since`` is the first nanosecond at
    which a label is known to a row: one of a plain stream that is known at once comes after its own
    row, while a forecast knows what was measured at its origin. Of forecasts the labels are those
    of the series, each once; a season is counted back from what is forecast, ``due``.
    """

    def __init__(self, setup: Setup) -> None:
        stream = setup.stream
        history = History.of(stream, setup.truth, setup.weight, setup.classes)
        self.event, label, self.truth = history.event_at, history.label_at, history.label
        self.setup = setup
        n = len(self.event)
        self.weight = np.ones(n) if history.weight is None else history.weight
        counts = (label < np.iinfo(np.int64).max) & (self.weight > 0)
        self.counting = np.flatnonzero(counts)
        self.rows = self.counting[np.argsort(label[self.counting], kind="stable")]
        late = (self.event == label) & counts if stream.series is None else False
        self.since = np.where(counts, label + late, label)
        self.at = setup.event_at[setup.served]
        due = stream.event_time if stream.target_time is None else stream.target_time
        self.due = due[setup.served].view(np.int64)
        self.alone, self.asked_alone = np.zeros(n, np.int64), np.zeros(len(self.at), np.int64)
        self.group, self.asked = self.alone, self.asked_alone
        if history.group is not None and stream.group is not None:
            both = np.concatenate((history.group, stream.group[setup.served]))
            code = pd.factorize(both)[0].astype(np.int64)
            self.group, self.asked = code[:n], code[n:]
        self._known = self._newest_known(self.group, self.asked)

    def last(self) -> _Answers:
        """The label that arrived last."""
        return self._of_rows(np.where(self._known < 0, -1, self.rows[self._known]))

    def before(self, season: int) -> _Answers:
        """The label of the newest row that is n seasons old at least, for the fewest n that do.

        A number of seasons does where the label of that row is known.
        """
        event, group, counting = self.event, self.group, self.counting
        clock = _Clock(self.setup.stream.calendar, season)
        known = np.flatnonzero(self._known >= 0)
        newest = pd.Series(self.rows).groupby(group[self.rows]).cummax().to_numpy()
        by_group = pd.Series(event[counting]).groupby(group[counting])
        after = np.zeros(len(event), dtype=np.int64)
        after[counting] = by_group.shift(-1, fill_value=event[-1] + 1).to_numpy()
        # The row after the newest one that is known must be too young: later ones are not known.
        too_young = clock.between(after[newest[self._known[known]]], self.due[known])
        seasons = np.maximum(1, too_young // season + 1)
        found = np.full(len(self.at), -1)
        while len(known):
            at = clock.before(self.due[known], seasons)
            wanted = self.asked[known]
            place = _newest(event[counting], group[counting], at, wanted)
            row = counting[place]
            there = (place >= 0) & (self.since[row] <= self.at[known])
            found[known[there]] = row[there]
            later = (place >= 0) & ~there
            age = clock.between(event[row[later]], self.due[known[later]])
            known, seasons = known[later], np.maximum(seasons[later], age // season) + 1
        return self._of_rows(found)

    def usual(self) -> _Answers:
        """The mean of all labels known, by weight; for classes the most frequent one."""
        found = self._averages(self.group, self._known)
        if self.group is self.alone:
            return found
        return self._where_none(found.prediction, found.probability, self._known < 0)

    def _averages(self, group: Integers, known: Integers) -> _Answers:
        """Running means or shares by group; ``known`` is the place of the last label, or -1."""
        setup, none, rows = self.setup, known < 0, self.rows
        by, weight = group[rows], self.weight[rows]

        def sums(values: NDArray[Any]) -> Floats:
            running = pd.Series(values).groupby(by).cumsum().to_numpy(np.float64)
            return np.where(none, 0.0, running[known])

        total = np.where(none, 1.0, sums(weight))
        truth = self.truth[rows]
        if setup.classes is None:
            return _Answers(sums(truth * weight) / total, None, none)
        wanted = setup.gives_probabilities
        shares = np.zeros((len(known), len(setup.classes))) if wanted else None
        most, prediction = np.zeros(len(known)), np.zeros(len(known), dtype=np.int64)
        for code in range(len(setup.classes)):
            share = sums(weight * (truth == code)) / total
            prediction = np.where(share > most, code, prediction)
            most = np.maximum(share, most)
            if shares is not None:
                shares[:, code] = share
        if shares is not None:
            shares[none] = 1 / shares.shape[1]
        return _Answers(prediction, shares, none)

    def _of_rows(self, rows: Integers) -> _Answers:
        """The labels of rows, as certain as can be; -1 is none."""
        setup, none = self.setup, rows < 0
        prediction = self.truth[rows]
        probability = None
        if setup.classes is not None and setup.gives_probabilities:
            probability = (prediction[:, None] == np.arange(len(setup.classes))).astype(np.float64)
        return self._where_none(prediction, probability, none)

    def _where_none(
        self, prediction: NDArray[Any], probability: Floats | None, none: NDArray[np.bool_]
    ) -> _Answers:
        """The same, with the mean or shares of all groups where there is no answer."""
        if not none.any():
            return _Answers(prediction, probability, none)
        rest = self._averages(self.alone, self._newest_known(self.alone, self.asked_alone))
        if probability is not None and rest.probability is not None:
            probability = np.where(none[:, None], rest.probability, probability)
        return _Answers(np.where(none, rest.prediction, prediction), probability, none)

    def _newest_known(self, group: Integers, asked: Integers) -> Integers:
        """Place in ``rows`` of the label that arrived last in each served row's group, or -1."""
        rows = self.rows
        return _newest(self.since[rows], group[rows], self.at, asked)


def _newest(at: Integers, group: Integers, when: Integers, wanted: Integers) -> Integers:
    """Place of the last of ``at`` (m,), ascending, that is not after ``when`` (r,); -1 for none.

    Only those of the same group count: ``group`` (m,), ``wanted`` (r,).
    """
    order = np.argsort(when, kind="stable")
    asked = pd.DataFrame({"at": when[order], "group": wanted[order]})
    there = pd.DataFrame({"at": at, "group": group, "place": np.arange(len(at))})
    found = np.empty(len(when), dtype=np.int64)
    place = pd.merge_asof(asked, there, on="at", by="group")["place"]
    found[order] = place.fillna(-1).to_numpy(np.int64)
    return found


def _judged(setup: Setup, name: str, answers: _Answers) -> Baseline:
    """Score answers to the served rows against what really came out."""
    rows, classes, full = setup.served, setup.classes, answers.probability
    prediction, score = answers.prediction, None
    if full is not None and classes is not None:
        positive, amount = setup.positive, setup.stream.amount
        if setup.rule is not None:
            prediction = setup.rule.decide(full, None if amount is None else amount[rows])
        code = prediction if positive is None else np.full(len(full), positive)
        score = full[np.arange(len(full)), code]
        full = full if len(classes) > 2 or positive is None else None
    outcomes = outcomes_of(setup, rows, setup.outcome, prediction, score, full)
    loss = setup.losses(outcomes)
    counted = setup.counted(rows)
    scored = ~np.isnan(loss) & counted
    weight = np.ones(len(loss)) if outcomes.weight is None else outcomes.weight
    lost = float((loss[scored] * weight[scored]).sum())
    judged = pick(outcomes, scored)
    return Baseline(
        name,
        error=setup.prices.error * lost,
        loss=lost,
        weight=float(weight[scored].sum()),
        fallback=int((answers.fallback & counted).sum()),
        metrics={metric.name: metric(judged) for metric in setup.row_metrics},
    )


def _short(length: pd.Timedelta) -> str:
    """A length as an offset: "7D", "36h"."""
    day, hour = pd.Timedelta("1D"), pd.Timedelta("1h")
    if length % day == pd.Timedelta(0):
        return f"{length // day}D"
    return f"{length // hour}h" if length % hour == pd.Timedelta(0) else str(length)

"""What alarms saw: readings beside thresholds, when they fired, and whether it helped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from backtrain.datasets.calendar import Calendar
from backtrain.datasets.digits import digits
from backtrain.reports import luck, readings
from backtrain.reports.comparison import Comparison
from backtrain.reports.exhibit import Exhibit, Section
from backtrain.reports.numbers import Money, count, listing, number, shorten, significant
from backtrain.reports.periods import trainings
from backtrain.reports.svg import Drawing, Paper
from backtrain.reports.timeline import calendar, days, instants
from backtrain.reports.timers import is_alarm, timer
from backtrain.reports.units import currency
from backtrain.reports.verdict import hindsight_of
from backtrain.simulator.record import Run

#: Alarms that are drawn; of more, those of the strategy to run and of the cheapest.
MOST = 4
#: What a training saved, by whether it did not pay.
_SAVED = ("more than it cost", "less than it cost")
#: Stretches of a line, of each of which the highest and the lowest reading are drawn.
_STRETCHES = 240
#: A share of silent readings on either side of the threshold that is no exception.
_BOTH_SIDES = 0.05
#: A line is broken where nothing was read for so many times the usual gap.
_PAUSE = 5.0
#: Readings so many times apart have a logarithmic axis, which goes so far beyond thresholds.
_FAR, _BEYOND = 300.0, 1000.0


@dataclass(frozen=True, eq=False)
class Alarm:
    """One trigger of one strategy.

    Attributes
    ----------
    name, trigger : str
        The strategy, and the trigger as code.
    readings : DataFrame
        ``at``, ``statistic`` and ``threshold``, by time.
    trained : DatetimeIndex
        When the strategy's trainings were decided.
    what : str
        What is read.
    """

    name: str
    trigger: str
    readings: pd.DataFrame
    trained: pd.DatetimeIndex
    what: str
    info: Mapping[str, Any]

    def draw(self, paper: Paper) -> Drawing:
        """Readings over time, the threshold, and a mark at each training."""
        figure, axes = paper.panel(2.3, "", self.what)
        log, floor, top = self._axis()
        shown = _thinned(self.readings)
        at = days(pd.DatetimeIndex(shown["at"]), self.info)
        values = shown[["statistic", "threshold"]].clip(floor, top)
        axes.plot(*_broken(at, values["statistic"].to_numpy()), color=paper["soft"], linewidth=1)
        line: dict[str, Any] = {
            "color": paper["baseline"],
            "linewidth": 1.1,
            "linestyle": (0, (4, 3)),
        }
        axes.plot(at, values["threshold"], drawstyle="steps-post", **line)
        titles = {}
        for k, (when, reading) in enumerate(self.fired().items()):
            where = days(pd.DatetimeIndex([when]), self.info)
            height = float(np.clip(reading, floor, top))
            axes.plot(where, height, "o", ms=4, color=paper["winner"], gid=f"fired-{k}")
            local = Calendar.of(self.info).to_local(pd.DatetimeIndex([when])[0])
            titles[f"fired-{k}"] = f"{local:%Y-%m-%d %H:%M}: {significant(reading, 3)}"
        if log:
            axes.set_yscale("log")
            axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: digits(value)))
        axes.margins(y=0.08)
        axes.set_xlim(*days(instants([self.info["start"], self.info["end"]]), self.info))
        calendar(axes, paper)
        cut = ", cut off far beyond it" if self._cut(floor, top) else ""
        caption = (
            f"{shorten(self.trigger, 80)}: the reading{cut} (grey), its threshold (dashed), and a "
            f"dot where a training followed.{self._more()}"
        )
        return Drawing(caption, figure, titles)

    def fired(self) -> pd.Series:
        """The readings at which a training was decided, by time."""
        by_time = self.readings.set_index("at")["statistic"]
        return by_time[by_time.index.isin(self.trained)]

    def data(self) -> pd.DataFrame:
        """Every reading, and whether a training followed."""
        trained = self.readings["at"].isin(self.trained)
        return self.readings.assign(trained=trained).set_index("at")

    def seen(self) -> str:
        """In words, for who cannot see it."""
        low, high = self.readings["statistic"].min(), self.readings["statistic"].max()
        return (
            f"{count(len(self.readings), 'reading')} of {self.trigger} between "
            f"{significant(low, 3)} and {significant(high, 3)}, beside thresholds of "
            f"{significant(self.readings['threshold'].min(), 3)} to "
            f"{significant(self.readings['threshold'].max(), 3)}; {self.name} trained at "
            f"{len(self.fired())} of them."
        )

    def _more(self) -> str:
        """Says where more than one reading beyond the threshold is asked for."""
        quiet = self.readings[~self.readings["at"].isin(self.trained)]
        above = (quiet["statistic"] > quiet["threshold"]).sum()
        below = (quiet["statistic"] < quiet["threshold"]).sum()
        if min(above, below) <= _BOTH_SIDES * len(self.readings):
            return ""
        return " Readings on both sides of it did not fire: it asks for more than one beyond."

    def _axis(self) -> tuple[bool, float, float]:
        """Whether it is logarithmic, and between which values readings are drawn."""
        values = self.readings[["statistic", "threshold"]].to_numpy(np.float64).ravel()
        values = values[np.isfinite(values)]
        limits = self.readings["threshold"].dropna()
        low, high = float(limits.min()), float(limits.max())
        if low <= 0 or values.min() < 0:
            return False, -np.inf, np.inf
        if max(values.max() / low, high / max(values.min(), 1e-300)) < _FAR:
            return False, -np.inf, np.inf
        return True, low / _BEYOND, high * _BEYOND

    def _cut(self, floor: float, top: float) -> bool:
        return bool(((s := self.readings["statistic"]) < floor).any() or (s > top).any())


def section(comparison: Comparison, baseline: str) -> Section | None:
    """The alarms with readings, the most relevant first; None where there are none."""
    winner = comparison.verdict(baseline).strategy
    ranked = sorted(comparison.table(baseline).index, key=lambda name: name != winner)
    names = [name for name in ranked if is_alarm(comparison.runs[name])]
    found = [alarm for name in names for alarm in alarms(name, comparison.runs[name])]
    if not found:
        return None
    exhibits = [
        Exhibit(
            f"alarm-{k}",
            alarm.name,
            alarm.draw,
            alarm.seen(),
            alarm.data,
            " ".join(
                filter(
                    None,
                    (
                        helped(alarm.name, comparison.runs[alarm.name], comparison),
                        readings.drifted(comparison.runs[alarm.name], alarm.trigger),
                    ),
                )
            ),
        )
        for k, alarm in enumerate(found[:MOST], start=1)
    ]
    left = dict.fromkeys(alarm.name for alarm in found[MOST:])
    note = f"Not drawn, but in the records: {listing(left)}." if left else ""
    title = "What the alarms saw" if len(exhibits) > 1 else f"What {found[0].name} saw"
    return Section(title, exhibits, note=note)


def alarms(name: str, run: Run) -> list[Alarm]:
    """Each trigger of a strategy that has shown readings, the one with most of them first."""
    read = run.readings
    read = read[np.isfinite(read["statistic"]) & read["threshold"].notna()]
    trained = pd.DatetimeIndex(trainings(run)["decided_at"])
    shown = sorted(read.groupby("trigger", sort=True), key=lambda pair: -len(pair[1]))
    return [
        Alarm(
            name,
            str(trigger),
            own[["at", "statistic", "threshold"]].reset_index(drop=True),
            trained,
            readings.statistic(run, str(trigger), own),
            run.info,
        )
        for trigger, own in shown
    ]


def helped(name: str, run: Run, comparison: Comparison) -> str:
    """How often it trained, how that did beside luck, and how often for nothing; in words."""
    trained = count(int(run.totals["retrains"]), "training")
    timed = timer(run)
    more = f" It is a timer of {timed.gap}." if timed else ""
    even, random, saved = luck.evenly(run), luck.at_random(run), hindsight_of(run).get("over_even")
    if even is None:
        return f"{name}: {trained}.{more}"
    more += for_nothing(run)
    chance = f", as did {random} at random" if random else ""
    worth = f": {grade}" if (grade := luck.grade(run)) else ""
    if saved is None:
        cost_more = f"of as many evenly spaced ones {even} cost more"
        return f"{name}: {trained}; {cost_more}{chance}{worth}.{more}"
    totals = [float(one.totals["total"]) for one in comparison.runs.values()]
    money = Money.fit(totals, currency(comparison.info))
    return (
        f"{name}: {trained}. That cost {money(abs(saved))} {'less' if saved > 0 else 'more'} than "
        f"as many evenly spaced ones, on average over phases, of which {even} cost more{chance}"
        f"{worth}.{more}"
    )


def for_nothing(run: Run) -> str:
    """How many trainings did not pay, in a sentence; nothing where no loss matrix tells it."""
    facts = hindsight_of(run)
    judged = facts.get("judged")
    if not judged:
        return ""
    unpaid, idle = facts["unpaid"], facts["no_better"]
    beside = "beside the model before, left in force until the next one,"
    if judged == 1:
        did = "did not pay" if unpaid else "paid"
        return f" It {did}: {beside} it saved {_SAVED[bool(unpaid)]}{', no errors' * bool(idle)}."
    if not unpaid:
        return f" Each of {count(judged, 'training')} paid: {beside} it saved {_SAVED[False]}."
    word = "all" if idle == unpaid else number(idle)
    of_these = f"; {word} of these saved no errors" if idle else ""
    return (
        f" {number(unpaid)} of {count(judged, 'training')} did not pay: {beside} they saved less "
        f"than they cost{of_these}."
    )


def _broken(at: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of a line, with a hole where nothing was read for long."""
    gaps = np.diff(at)
    if not len(gaps):
        return at, values
    after = np.flatnonzero(gaps > _PAUSE * np.median(gaps)) + 1
    return np.insert(at, after, at[after]), np.insert(values, after, np.nan)


def _thinned(readings: pd.DataFrame) -> pd.DataFrame:
    """Of every stretch the highest and the lowest reading: no spike is lost."""
    if len(readings) <= 2 * _STRETCHES:
        return readings
    stretch = np.arange(len(readings)) * _STRETCHES // len(readings)
    by_stretch = readings["statistic"].groupby(stretch)
    kept = np.union1d(by_stretch.idxmin().to_numpy(), by_stretch.idxmax().to_numpy())
    return readings.loc[kept]

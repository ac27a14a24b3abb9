# %% [markdown]
# # Write a trigger, and prove that it does not cheat
#
# You know your business: demand changes when it is hotter than anything the model has seen. That
# is a trigger, and a few lines. Whether it is *worth* anything, and whether it secretly looks into
# the future, are two questions that this notebook answers with two commands.
#
# ## A function is enough
#
# A trigger gets a `view` of the past and says why to retrain now, or nothing.

# %%
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from backtrain import Backtest, FutureLeak, Prices, Reason, Strategy
from backtrain.datasets.bundled import bike
from backtrain.strategies import Every, Never, Sliding

stream, window = bike(), Sliding("90D")
backtest = Backtest(
    stream,
    HistGradientBoostingRegressor(max_iter=30),
    tick="1D",
    start="2011-06-01",
    end="2011-12-31",
    prices=Prices(retrain=20, error=0.05),
    currency="EUR",
    unit="bikes",
)


def first_of_the_month(view):
    if view.now.day == 1:
        return f"it is {view.now:%d %B}"


run = backtest.replay(Strategy(first_of_the_month, window), "first of the month")
run

# %% [markdown]
# ## What is not known yet is not to be had
#
# Somebody wants to retrain when *tomorrow's* demand will differ from today's. In a notebook of
# pandas that is a `shift(-24)`, and nobody notices. Here:


# %%
def tomorrow(view):
    now, next_day = slice(view.past - 24, view.past), slice(view.past, view.past + 24)
    if abs(view.y(next_day).mean() - view.y(now).mean()) > 50:
        return "tomorrow will be different"


try:
    backtest.replay(Strategy(tomorrow, window))
except FutureLeak as error:
    print(error)

# %% [markdown]
# Not even today's counts are known: they come a day late.
#
# ## A leak that goes round the view
#
# So somebody takes the numbers from elsewhere: from the table that lies around in every notebook.
# Nothing stops that.

# %%
counts = stream.to_frame().set_index("event_time")["count"]


@dataclass(frozen=True)
class Clairvoyant:
    """Trains before a week whose demand will differ from that of the last."""

    change: float = 0.15

    def fires(self, view):
        last = counts[view.now - WEEK : view.now].mean()
        coming = counts[view.now : view.now + WEEK].mean()
        if abs(coming / last - 1) > self.change:
            return Reason("demand is about to change", coming, last)


WEEK = pd.Timedelta("7D")
strategies = {
    "static": Strategy(Never(), window),
    "every 2 weeks": Strategy(Every("14D"), window),
    "clairvoyant": Strategy(Clairvoyant(), window, cooldown="14D"),
}
comparison = backtest.compare(strategies, hindsight=False)
comparison.table()[["total", "retrains", "MAE"]].round(1)

# %% [markdown]
# It saves a good deal against the static model with few trainings. Who would suspect it? None of
# that saving is to be had in production.
#
# ## The audit
#
# `audit` looks through what trigger, window, model and data hold, spoils everything that is not
# known at an instant, replays, and reports what moved.

# %%
audit = backtest.audit(strategies["clairvoyant"], name="clairvoyant")
audit

# %% [markdown]
# It names the class, the method, the variable, and what to do instead. (What it cannot find is
# said in [what you can trust](../docs/trust.md): a table that was *derived* from the labels
# elsewhere no longer looks like them.)
#
# ## An honest trigger
#
# Back to the idea of the beginning: after a week that was hotter than nearly all hours that the
# model has learnt from. All of it is asked of the view: the newest 168 rows, and the rows on which
# the version in service was trained.


# %%
@dataclass(frozen=True)
class HotDays:
    """After a week whose mean temperature exceeds so high a quantile of the training rows."""

    quantile: float = 0.9

    def fires(self, view):
        column = view.columns.index("temp")
        week = view.X(slice(max(0, view.past - 168), view.past))[:, column].mean()
        learnt = np.quantile(view.X(view.model.selection.rows)[:, column], self.quantile)
        if week > learnt:
            return Reason("hotter than the training rows", week, learnt)


hot_days = Strategy(HotDays(), window, cooldown="14D")
backtest.audit(hot_days, name="hot days")

# %% [markdown]
# The same as a line of your tests, without your data: the contract of a part, on small histories
# that come along. It raises where the part breaks it.

# %%
from backtrain.testing import check_part

check_part(HotDays(), setup=backtest)

# %% [markdown]
# ## Honest, but is it worth anything?

# %%
strategies = {
    "static": Strategy(Never(), window),
    "every 2 weeks": Strategy(Every("14D"), window),
    "monthly": Strategy(Every("MS"), window),
    "hot days": hot_days,
}
comparison = backtest.compare(strategies)
comparison.verdict()

# %%
axes = comparison.plot("timeline")

# %% [markdown]
# It trains in a hot summer, and then hardly ever again, while the model goes stale in autumn.
# Being early is not the same as being useful.
#
# To be sure that it is the trigger and not the number of trainings, hold it against luck: as many
# trainings, spaced evenly or by the throw of a coin.

# %%
luck = ["total", "retrains", "placebo_even", "placebo_random"]
comparison.table().loc[["monthly", "every 2 weeks", "hot days"], luck].round(2)

# %% [markdown]
# `placebo_even` is the share of evenly spaced schedules with as many trainings that would have
# cost *more*. An alarm that knows something comes near one; at one half it is a timer. This one is
# at the bottom: spread evenly, the same number of trainings would have been cheaper.
#
# ## What to do
#
# Keep the calendar. The trigger was written in ten lines, found honest, and found useless, in less
# than a minute and before anybody deployed it. Try the next idea: it begins with `def fires`, and
# [parts](../docs/parts.md) has the whole contract on one page, windows, updates and gates
# included.

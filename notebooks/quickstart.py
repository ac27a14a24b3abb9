# %% [markdown]
# # Quickstart: should this model be retrained, and how often?
#
# A model forecasts the hourly demand for rental bikes. It was trained once and has been serving
# since. Somebody proposes to retrain it every week. Before a pipeline is built for that, we replay
# seven months of history under several strategies and look at what each would have cost.
#
# ## The history
#
# Seven months are enough here; the bundled data have two years. A row is an hour. Its count
# reaches the warehouse a day later, so a model trained on some morning must not have seen the
# counts of the night before.

# %%
from sklearn.ensemble import HistGradientBoostingRegressor

from backtrain import Backtest, Delays, Prices, Strategy
from backtrain.datasets.bundled import bike
from backtrain.strategies import BeatsChampion, Every, Never, PerformanceDrop, Refit, Sliding

stream = bike()
stream

# %% [markdown]
# ## The question
#
# A backtest is the question: which history, which model, what things cost and how long they take.
# An error of one bike costs 5 cents, a retrain 20 euros. Training takes two hours, and what is
# trained goes live a day after that. `tick` is how often a strategy may decide something.

# %%
backtest = Backtest(
    stream,
    HistGradientBoostingRegressor(max_iter=30),
    tick="1D",
    start="2011-06-01",
    end="2011-12-31",
    prices=Prices(retrain=20, error=0.05),
    delays=Delays(train="2h", deploy="1D"),
    currency="EUR",
    unit="bikes",
)

# %% [markdown]
# ## The candidates
#
# A strategy has a trigger (when to train), a window (on which rows), and if you like an update
# (how) and a gate (whether to deploy what was trained).
#
# - **static** is what runs today,
# - **monthly** and **weekly** are calendars,
# - **weekly, if better** trains every week, but deploys only what beats the model in service on
#   held-out rows,
# - **when it hurts** is an alarm: it fires when the error of the newest rows is a fifth above what
#   it was.

# %%
window = Sliding("90D")
strategies = {
    "static": Strategy(Never(), window),
    "monthly": Strategy(Every("MS"), window),
    "weekly": Strategy(Every("7D"), window),
    "weekly, if better": Strategy(Every("7D"), window, Refit(), BeatsChampion(refit=True)),
    "when it hurts": Strategy(PerformanceDrop("MAE", drop="20%"), window, cooldown="3D"),
}
backtest.understood(strategies)

# %% [markdown]
# Read these lines before anything else: they say what was understood of the data and the question.
# A wrong one costs more than any choice below.
#
# ## The answer

# %%
comparison = backtest.compare(strategies)
comparison

# %% [markdown]
# The sentence on top is the advice. The table is why, the cheapest first:
#
# - `total` is what this one path cost, `expected` the mean over all phases and starts of the same
#   schedule. A weekly schedule that begins on a Monday and one that begins on a Thursday are the
#   same policy, and luck of that kind should not win. The advice follows `expected`, so it need
#   not be the first row. The sentence promises four fifths of what `expected` says is saved, as
#   what looks best looks too good ([advice](../docs/advice.md)).
# - `95 % interval` says how sure a difference of totals is, for all strategies at once. One that
#   reaches across zero says that one history of this length cannot tell the two apart.
#
# ## Where the money goes

# %%
axes = comparison.plot("cost")

# %% [markdown]
# The lines part in July: from then on the static model, which has seen nothing but spring, errs
# more than those that have seen summer. The same as a rolling mean of the error, with a mark for
# each training (a small one where the gate turned the new model down):

# %%
axes = comparison.plot("timeline")

# %% [markdown]
# ## How sure am I, and what would change my mind?

# %%
axes = comparison.plot("prices")

# %% [markdown]
# Prices are guesses until somebody measures them. The map says what to run at which prices; the
# circle is where we are. It lies near a border: were a retrain a little dearer, monthly would be
# the answer. Far from any border the prices need no better estimate.
#
# ## What did one strategy really do?
#
# Each run keeps what happened and what was answered, as tables.

# %%
run = comparison.runs["when it hurts"]
trained = run.events[run.events["kind"] == "trained"]
print(trained[["at", "reason"]].to_string(index=False))

# %%
run.predictions[["event_time", "version", "prediction", "label", "label_time", "loss"]].head(3)

# %% [markdown]
# ## What to do
#
# Retrain by the calendar that the first line names. Do not build the alarm, nor the gate: here
# both are expected to cost more than either calendar. Then put your own table in place of this one
# ([your own data](your_own_data.ipynb)) and ask how often in more depth ([how
# often](how_often.ipynb)).
#
# `comparison.to_html("report.html")` writes all of this as one page for those who were not here.

# %% [markdown]
# # How often? A loss matrix, an oracle, a map of prices
#
# Trying weekly, monthly and quarterly gives three numbers, each of one path. Had the monthly
# schedule begun two weeks later, it would have had another. Here we train a model at every tick,
# once, let each answer all that follows, and *look up* what any schedule would have cost.

# %%
from matplotlib import pyplot as plt
from sklearn.ensemble import HistGradientBoostingRegressor

from backtrain import Backtest, Prices
from backtrain.datasets.bundled import bike
from backtrain.strategies import Sliding

backtest = Backtest(
    bike(),
    HistGradientBoostingRegressor(max_iter=30),
    tick="5D",
    start="2011-07-01",
    end="2012-07-01",
    prices=Prices(retrain=20, error=0.05),
    currency="EUR",
    unit="bikes",
)
matrix = backtest.loss_matrix(Sliding("90D"))
matrix

# %% [markdown]
# ## What goes stale, and how fast?
#
# In the map a row is a model, in the order of their training, and a column is how old it is. On
# the right the same rows are pooled by age, each held against what the freshest model of its time
# would have lost.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained")
matrix.plot("matrix", ax=left)
axes = matrix.plot("age", ax=right)

# %% [markdown]
# The curve climbs: an old model is worse than a fresh one. It does not climb evenly, as the year
# has seasons. Were it flat, there would be nothing to win by retraining, whatever a retrain costs
# ([such a case](when_retraining_does_not_help.ipynb)).
#
# ## How often, then?
#
# Training often buys fresh models, and each has its price. The sum has a valley:

# %%
axes = matrix.interval_curve().plot()

# %% [markdown]
# The line is the mean over all phases of an interval, the band reaches from the cheapest phase to
# the dearest. Two things can be read off it. The valley is flat: one to four ticks, of five days
# each, cost about the same. And the band opens to the right: a rare schedule is a gamble on *when*
# it happens to train.
#
# ## How much could any trigger win?
#
# With hindsight the cheapest of all schedules can be computed. No alarm, however clever, gets
# below it.

# %%
oracle = matrix.oracle()
oracle

# %%
axes = oracle.plot()

# %%
curve = matrix.interval_curve()
best = curve.best(matrix.prices)
mean, low, high = (cost[best] for cost in curve.cost(matrix.prices))
never = matrix.every(len(matrix)).cost(matrix.prices)[0]
print(f"never retraining      {never:10,.0f} EUR")
print(f"best interval, mean   {mean:10,.0f} EUR")
print(f"oracle                {oracle.cost:10,.0f} EUR")
share = (never - mean) / (never - oracle.cost)
print(f"A calendar wins {share:.0%} of what can be won at all.")

# %% [markdown]
# The last line bounds all that a drift alarm could add on this history: the rest, less what its
# mistakes cost.
#
# ## Is an alarm better than luck?
#
# An alarm that retrains twelve times is to be held against schedules of twelve retrains: evenly
# spaced, or by the throw of a coin.

# %%
axes = matrix.placebo(retrains=12).plot()

# %% [markdown]
# Even spacing mostly beats the throw of a coin. An alarm whose cost falls into the even ones is a
# timer by another name.
#
# ## The advice, and at which prices it changes
#
# `tune` puts this together, asks how many and how old rows should be learnt from, and says what
# would change its mind.

# %%
tuning = backtest.tune(Sliding("90D"), intervals=[1, 2, 4, 8, 16, 32])
tuning

# %%
axes = tuning.plot("prices")

# %% [markdown]
# ## What to do
#
# Take the interval of the first line. Where neighbours cannot be told apart, take the longer: it
# costs no more and is less work. Look at your own two prices in the map; if they lie far from a
# border, stop estimating them. Read the line that begins with *In-sample* once more, and judge on
# later rows what was chosen here: `Strategy(..., tuned_until=...)` ([how advice is
# made](../docs/advice.md)).

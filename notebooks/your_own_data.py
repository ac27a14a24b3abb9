# %% [markdown]
# # Your own data: will these customers leave?
#
# You have a table: a row for each customer, when they signed, what is known of them, and whether
# they left within 30 days. A model was trained on it once. Does it still hold, and should it be
# retrained?
#
# ## A table
#
# No table at hand? These lines write one. After a bit more than a year something changes: calling
# the hotline used to announce that a customer leaves, now it announces that one stays.

# %%
import numpy as np
import pandas as pd

rng = np.random.default_rng(7)
n = 4_000
signed = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 730, n)), unit="D")
signed = signed.round("min")
price, calls, age = rng.gamma(4, 10, n), rng.poisson(1.5, n), rng.uniform(18, 80, n)
year = (signed - signed[0]) / pd.Timedelta("365D")
leaves = 0.04 * (price - 40) + 0.6 * calls - 1.5 + np.where(year > 1.2, 1.2 - 0.9 * calls, 0)
churned = np.where(rng.random(n) < 1 / (1 + np.exp(-leaves)), "yes", "no")
table = pd.DataFrame(
    {"signed": signed, "price": price.round(2), "calls": calls, "age": age.round()}
)
table["churned"] = churned
table.to_csv("churn.csv", index=False)

# %% [markdown]
# ## From a table to a stream
#
# Two things have to be said: which column is the time, and which is to be predicted. The third
# decides whether a backtest is honest: **when was each label known?** Whoever signed yesterday has
# not left within 30 days yet; nobody can know before the 30 days are over.

# %%
from backtrain import Backtest, Prices, Strategy, Stream

table = pd.read_csv("churn.csv", parse_dates=["signed"])
table["known"] = table["signed"] + pd.Timedelta("30D")
stream = Stream.from_frame(
    table, target="churned", time="signed", label_time="known", name="customers"
)
stream

# %% [markdown]
# What is misspelt is said, with the nearest that there is:

# %%
try:
    Stream.from_frame(table, target="churn", time="signed", label_time="known")
except ValueError as error:
    print(error)

# %% [markdown]
# The share of each class by week. Nobody would see in it that something happened: the target looks
# the same, only what leads to it has changed.

# %%
axes = stream.plot("target")

# %% [markdown]
# ## Prices, a model, strategies
#
# A customer who was not recognised, or was for no reason, costs 25 euros, a retrain 2. Any
# estimator with `fit` and `predict` is a model.

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backtrain.strategies import Every, Expanding, Never, Sliding

model = make_pipeline(StandardScaler(), LogisticRegression())
backtest = Backtest(
    stream,
    model,
    tick="7D",
    prices=Prices(retrain=2, error=25),
    currency="EUR",
    metrics=["accuracy"],
)
strategies = {
    "static": Strategy(Never(), Expanding()),
    "monthly, all rows": Strategy(Every("30D"), Expanding()),
    "monthly, half a year": Strategy(Every("30D"), Sliding("180D")),
    "weekly, half a year": Strategy(Every("7D"), Sliding("180D")),
}
backtest.understood(strategies)

# %% [markdown]
# The line `labels` is the one to check: had the column `known` been forgotten, it would say that
# labels are known at once.

# %%
comparison = backtest.compare(strategies)
comparison

# %%
axes = comparison.plot("cost")

# %% [markdown]
# Until the change all are alike. After it the static model goes wrong, and one that learns from
# *all* rows does so for long, too: the old rows, which are no longer true, outnumber the new ones.
# It is the window that makes the difference, not whether it is every week or every month.
#
# ## What if I had forgotten when labels are known?
#
# The same rows, with every label known the moment its customer signs:

# %%
at_once = Backtest(
    stream.with_label_time(stream.event_time),
    model,
    start=backtest.start_at,
    tick="7D",
    prices=backtest.prices,
    currency="EUR",
    metrics=["accuracy"],
).compare(strategies)
both = {"known after 30 days": comparison.table(), "as if known at once": at_once.table()}
pd.concat({name: one["expected"] for name, one in both.items()}, axis=1).round(0)

# %% [markdown]
# Where a label is known too early, a backtest promises less cost than production will have. Here
# the promise is broken by a little; with labels that come after months, by more ([late
# labels](label_latency.ipynb)).
#
# ## What to do
#
# Retrain on a window that forgets, as the verdict says; monthly is nearly as good as weekly, and
# less work. And write down when labels become known: it is one column, and all else rests on it.
#
# The same without Python, where the delay is said as a latency:
#
# ```sh
# backtrain run dataset=table dataset.path=churn.csv dataset.time=signed dataset.target=churned \
#     latency=fixed latency.offset=30D tick=7D prices.retrain=2 prices.error=25 currency=EUR
# ```
#
# Separators, zones, bad rows and Parquet: [your own table](../docs/data.md).

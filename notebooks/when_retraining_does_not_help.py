# %% [markdown]
# # When retraining does not help
#
# The error is up, the alarm rings, somebody says "drift": let us retrain. Three histories follow
# in which the same alarm rings. Retraining helps in one of them.
#
# ## Three histories
#
# - **nothing happens**: one truth, one noise, from the first row to the last;
# - **noise**: the truth stays, but from some day on labels scatter more (a cheaper sensor, a
#   hurried annotator);
# - **drift**: the truth itself is replaced on that day.

# %%
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.dates import ConciseDateFormatter
from sklearn.linear_model import Ridge

from backtrain import Backtest, Prices, Strategy, Stream
from backtrain.datasets.synthetic import abrupt, stationary
from backtrain.strategies import Every, Never, PerformanceDrop, Sliding

quiet = stationary(n=3_000, task="regression", noise=0.5, seed=3)
day = pd.Timestamp("2024-03-10")
later = quiet.event_time >= day.to_datetime64()
scatter = np.random.default_rng(0).normal(size=len(quiet))
streams = {
    "nothing happens": quiet,
    "noise": Stream(quiet.X, quiet.y + 0.9 * scatter * later, quiet.event_time, name="noise"),
    "drift": abrupt(n=3_000, at=(later.argmax() / 3_000,), task="regression", noise=0.5, seed=3),
}

# %% [markdown]
# ## The same alarm, three times

# %%
window = Sliding("21D")
strategies = {
    "static": Strategy(Never(), window),
    "weekly": Strategy(Every("7D"), window),
    "alarm": Strategy(PerformanceDrop("MAE", window=72, drop="20%"), window, cooldown="7D"),
}
backtests = {
    name: Backtest(
        stream,
        Ridge(),
        tick="1D",
        start="2024-02-01",
        prices=Prices(retrain=2, error=1),
        currency="EUR",
    )
    for name, stream in streams.items()
}
found = {name: backtest.compare(strategies) for name, backtest in backtests.items()}

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
for (name, comparison), ax in zip(found.items(), axes, strict=True):
    for strategy, run in comparison.runs.items():
        loss = run.predictions.set_index("event_time")["loss"].rolling("7D").mean()
        ax.plot(loss.index, loss, label=strategy)
    events = comparison.runs["alarm"].events
    for at in events.loc[events["kind"] == "trained", "at"]:
        ax.axvline(at, color="C2", linewidth=0.8, linestyle=":")
    ax.set_title(name)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
label = axes[0].set_ylabel("mean loss of the last week")
legend = axes[0].legend()

# %%
table = pd.concat({name: one.table()[["total", "retrains"]] for name, one in found.items()}, axis=1)
table.loc[list(strategies)].round(0)

# %% [markdown]
# Dotted lines are the trainings of the alarm. It rings in all three; it even rings where nothing
# happens at all, since the error of three days goes up and down by itself. An alarm on the error
# cannot tell *the world is harder to predict* from *my model is wrong*. Only the second is mended
# by training: in the first two histories every training costs its price and buys nothing. In the
# third even the alarm leaves much on the table: it trained while its window was still full of the
# old truth, and took the error of what came out for normal ([late labels](label_latency.ipynb) has
# more of that).
#
# ## How to tell them apart
#
# Ask not how large the error is, but whether an *old* model errs more than a *fresh* one on the
# same rows. That is what a loss matrix measures.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
for (name, backtest), ax in zip(backtests.items(), axes, strict=True):
    backtest.loss_matrix(window).plot("age", ax=ax).set(title=name, ylabel="")
label = axes[0].set_ylabel("excess over a fresh model")

# %% [markdown]
# Flat: nothing to win, however loud the alarm. Rising: a fresh model would do better, and the
# height says by how much.
#
# ## What the verdicts say

# %%
verdicts = {name: comparison.verdict() for name, comparison in found.items()}
told = {
    name: (v.decision, v.strategy, round(v.saves), v.confidence) for name, v in verdicts.items()
}
pd.DataFrame(told, index=["decision", "run", "saves (EUR)", "how sure"]).T

# %% [markdown]
# ## And then there are broken data
#
# Worse than useless: for ten days labels are recorded in cents, not in euros. The old model is
# right all the time; each training on such rows makes it wrong. A gate that looks at the rows
# before anything is learnt refuses them.

# %%
from backtrain.datasets.faults import UnitChange, inject
from backtrain.strategies import DataCheck

fault = UnitChange(column=None, factor=100, start="2024-03-10", stop="2024-03-20")  # the target
broken = Backtest(
    inject(quiet, [fault]),
    Ridge(),
    tick="1D",
    start="2024-02-01",
    prices=Prices(retrain=2, error=1),
    currency="EUR",
)
comparison = broken.compare(
    {
        "static": Strategy(Never(), window),
        "weekly": Strategy(Every("7D"), window),
        "weekly, checked": Strategy(Every("7D"), window, gate=DataCheck()),
    }
)
axes = comparison.plot("timeline")

# %%
comparison.table()[["total", "retrains", "rejected", "deployed"]].round(0)

# %% [markdown]
# The short marks are refusals. While the broken rows are in the window the checked strategy trains
# on nothing, and its line stays where the static one is.
#
# ## What to do
#
# 1. Before you retrain on an alarm, look at the rows: is the pipeline broken? Then mend that, and
#    put a check before the training.
# 2. Then at the age curve: does an old model err more than a fresh one? If not, retraining is a
#    cost without a return; find better features, or live with the noise.
# 3. Only then at [how often](how_often.ipynb).

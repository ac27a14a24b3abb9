# %% [markdown]
# # Many seeds, many data sets: a paper's table
#
# "Our trigger beats periodic retraining" on one stream with one seed is an anecdote. Here five
# kinds of drift, two models and six seeds are run at once, and the result becomes the table, the
# figure and the LaTeX of a paper.
#
# ## The study

# %%
from functools import partial

import numpy as np
from matplotlib import pyplot as plt
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

import backtrain
from backtrain import Strategy
from backtrain.datasets.synthetic import abrupt, gradual, incremental, recurring, stationary
from backtrain.strategies import Every, Never, PerformanceDrop, Sliding

kinds = (stationary, abrupt, gradual, incremental, recurring)
datasets = {kind.__name__: partial(kind, n=2_400, task="regression", noise=0.3) for kind in kinds}
models = {"ridge": Ridge(), "tree": DecisionTreeRegressor(min_samples_leaf=10)}

window = Sliding("21D")
alarm = PerformanceDrop("MAE", window=72, drop="20%")
strategies = {
    "never": Strategy(Never(), window),
    "monthly": Strategy(Every("30D"), window),
    "weekly": Strategy(Every("7D"), window),
    "every 3 days": Strategy(Every("3D"), window),
    "alarm": Strategy(alarm, window, cooldown="3D"),
}
found = backtrain.sweep(
    datasets,
    models,
    strategies,
    seeds=range(6),
    prices={"retrain": 10},
    tick="1D",
    start=0.3,
    hindsight=False,
)
found

# %% [markdown]
# A data set is a function that takes a seed, so every seed is a history of its own, not just
# another start of the same model. With `directory=` the same call would go on where it stopped,
# and `n_jobs=` uses more cores; neither changes a number.
#
# ## The tidy frame
#
# A row is a job and a strategy. `relative` is its total as a share of that of the baseline in the
# same job, so that easy and hard histories weigh the same.

# %%
frame = found.frame()
frame[["dataset", "override.model", "seed", "strategy", "total", "retrains", "relative"]].head()

# %% [markdown]
# ## Mean and spread

# %%
cells = frame.groupby(["dataset", "strategy"])["relative"].agg(["mean", "std"])
order = list(datasets)
mean, spread = (cells[what].unstack()[list(strategies)].loc[order] for what in cells)
text = mean.map("{:.2f}".format) + " ± " + spread.map("{:.2f}".format)
text

# %% [markdown]
# Where nothing drifts each training is thrown away. Where one truth gives way to another for good,
# calendars save a good deal, and so does the alarm. Where two truths take turns only the rarest
# calendar does. The spread is over seeds *and* models; before one strategy is called better than
# another, the difference has to be set against it:

# %%
figure, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
place = np.arange(len(order))
for offset, name in enumerate(strategies):
    x = place + 0.16 * (offset - 2)
    ax.errorbar(x, mean[name], yerr=spread[name], fmt="o", capsize=2, label=name)
ax.axhline(1, color="0.6", linewidth=0.8)
ax.set_xticks(place, order)
ax.set_ylabel("cost, as a share of never")
legend = ax.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.18), frameon=False)

# %% [markdown]
# ## Retrains against cost
#
# The figure of the sweep's own report: what more trainings buy, pooled over all settings.

# %%
axes = found.plot("retrains")

# %% [markdown]
# ## Which of them can be told apart?
#
# Two models on one history share its luck. `ranked` takes the history as the unit, nests models in
# it, and says with which probability a strategy is cheaper than never, practically as dear (within
# 1 %), or dearer.

# %%
ranked = found.ranked("never")
ranked

# %%
axes = ranked.plot()

# %% [markdown]
# Strategies whose bars overlap cannot be told apart by their ranks. And what is found holds for
# these five kinds of drift in equal parts, of which only one has none. Does it rest on one of them?

# %%
kinds_of = {history: history.partition(",")[0] for history in ranked.means.index}
ranked.leaving_out(kinds_of)[["left_out", "blocks", "hold", "lost", "new"]]

# %% [markdown]
# Without any one of the kinds that drift for good, what was found of the shortest interval is lost.
# The other findings hold whichever kind is left out, so these are for the abstract.
#
# ## For the paper
#
# The cheapest of each row in bold, as LaTeX with `booktabs`:

# %%
tex = text.copy()
for name in order:
    best = mean.loc[name].idxmin()
    tex.loc[name, best] = rf"\textbf{{{text.loc[name, best]}}}"
tex = tex.replace("±", r"$\\pm$", regex=True)
print(tex.to_latex(column_format="lrrrrr", caption="Cost as a share of never retraining."))

# %% [markdown]
# And the figure, in the style of your journal:

# %%
with plt.style.context("seaborn-v0_8-whitegrid"):
    figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
    found.plot("retrains", ax=ax).set_title("")
    figure.savefig("retrains.pdf")

# %% [markdown]
# ## What to do
#
# Report the spread, and over what it is. Say what the seeds stand for. Keep `summary.parquet`
# (`found.save("study")`) beside the paper, so that others can ask their own questions of it ([in
# SQL](a_sweep_read_with_duckdb.ipynb)). And what was *chosen* on these histories must be judged on
# others.

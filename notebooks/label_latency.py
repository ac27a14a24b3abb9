# %% [markdown]
# # Late labels: what do they cost, and what would faster ones be worth?
#
# The drift alarm rings, the pipeline retrains within the hour, and the model stays bad for two
# weeks. Nothing is broken: the labels that show what has changed are not there yet. We take a
# history whose truth is known, change nothing but *when labels arrive*, and look.

# %%
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.linear_model import LogisticRegression, Ridge

import backtrain
from backtrain import Backtest, Prices, Strategy
from backtrain.datasets.latency import ByClass, Fixed, LogNormal, apply
from backtrain.datasets.synthetic import abrupt
from backtrain.strategies import Every, Never, PerformanceDrop, Sliding

truth = abrupt(n=2_400, at=(0.55,), task="regression", noise=0.3)
streams = {
    "at once": truth,
    "after a day": apply(truth, Fixed("1D")),
    "after a week": apply(truth, Fixed("7D")),
    "after 2 weeks": apply(truth, Fixed("14D")),
}
streams["after a week"]

# %% [markdown]
# The rows are the same in all four. At the drift, about halfway, one linear truth is replaced by
# another.

# %%
window = Sliding("28D")
alarm = PerformanceDrop("MAE", window=48, min_labels=24, drop="50%")
strategies = {
    "static": Strategy(Never(), window),
    "every day": Strategy(Every("1D"), window),
    "every week": Strategy(Every("7D"), window),
    "alarm": Strategy(alarm, window),
}
found = backtrain.sweep(
    streams,
    Ridge(),
    strategies,
    tick="1D",
    start="2024-02-10",
    prices=Prices(retrain=1, error=1),
    hindsight=False,
)
order = list(streams)
total = found.frame().pivot(index="strategy", columns="dataset", values="total")
total.loc[list(strategies), order].round(0)

# %% [markdown]
# Along a row nothing differs but the delay. The difference between two cells of a row is what
# faster labels would be worth to that strategy: the price at which a labelling team, or a shorter
# reporting chain, pays. For both calendars later labels cost more and more; for the static model
# next to nothing, as it is trained once. And the alarm? Its row runs the other way. We come back
# to that.
#
# ## Where it hurts

# %%
drift = truth.drift[0]
figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharex=True, sharey=True, layout="constrained")
for (name, stream), ax in zip(streams.items(), axes.flat, strict=True):
    backtest = Backtest(stream, Ridge(), tick="1D", start="2024-02-10")
    run = backtest.replay(strategies["every week"], "every week")
    loss = run.predictions.set_index("event_time")["loss"].resample("1D").mean()
    ax.plot((loss.index - drift) / pd.Timedelta("1D"), loss)
    ax.axvline(0, linestyle="--", color="0.5")
    ax.set_title(f"labels known {name}", fontsize=10)
label = figure.supxlabel("days after the drift")
label = figure.supylabel("mean loss of a day")

# %% [markdown]
# The model is retrained every week. At the dashed line the truth changes, and the loss stays up
# until labels from after it arrive. Only then can a training begin to help, and it helps in steps,
# as the new rows push the old ones out of the window. Retraining more often does not shorten the
# first part: it learns once more what was true before.
#
# ## The alarm is late, too, and not always a good teacher
#
# When does the alarm first fire after the drift, and what does it train on then?

# %%
rows = []
for name, stream in streams.items():
    backtest = Backtest(stream, Ridge(), tick="1D", start="2024-02-10")
    events = backtest.replay(strategies["alarm"], "alarm").events
    trained = events.loc[events["kind"] == "trained", "at"]
    at = trained[trained > drift].iloc[0]
    happened, known = pd.DatetimeIndex(stream.event_time), pd.DatetimeIndex(stream.label_time)
    learnt = happened[(happened >= at - pd.Timedelta("28D")) & (known <= at)]
    days, share = (at - drift) / pd.Timedelta("1D"), (learnt >= drift).mean()
    rows.append((name, f"{days:.0f}", f"{share:.0%}", len(trained)))
columns = ["labels known", "fires after (days)", "new among its rows", "trainings in all"]
pd.DataFrame(rows, columns=columns).set_index("labels known")

# %% [markdown]
# An alarm on the error cannot fire on labels that it has not got, so it is as late as they are.
# But it fires on the first day that it can, when nearly all rows of its window are from before the
# drift. What it trains is a mixture, and the error of that becomes the new normal. The later the
# labels, the fewer old rows are left in the window, and the better the mixture. That is no reason
# to want late labels; it is a reason not to leave the work to one alarm.
#
# ## A trap: a window shorter than the delay
#
# With labels two weeks late, a window of the newest two weeks holds nothing to learn from.
# `understood` says so before anything is trained:

# %%
late = Backtest(streams["after 2 weeks"], Ridge(), tick="1D", start="2024-02-10")
late.understood({"too short": Strategy(Every("1D"), Sliding("14D"))})

# %% [markdown]
# ## Delays that are not fixed
#
# Half of the labels within three days and a few much later, or one class before the other: a
# latency is a part like any other, and the card of the stream says what came of it.

# %%
apply(truth, LogNormal("3D", sigma=1.0))

# %%
axes = apply(truth, LogNormal("3D", sigma=1.0)).plot("delay")

# %% [markdown]
# Where the delay depends on the class, as a default that is known before a repayment, the newest
# rows hold too many of one class. That, too, is warned of:

# %%
payments = apply(abrupt(n=2_400, seed=1), ByClass({1: "3D"}, otherwise="14D"))
backtest = Backtest(payments, LogisticRegression(), tick="1D", start="2024-02-10")
backtest.understood({"newest": Strategy(Every("7D"), Sliding("21D"))})

# %% [markdown]
# ## What to do
#
# Find out when your labels are known, and write it into the table (`label_time=`, [your own
# data](your_own_data.ipynb)). Then compare the rows of the first table at your prices: if faster
# labels are worth more than more retrains, spend there. Where they cannot be had, see [what is
# estimated before labels arrive](../docs/estimates.md).

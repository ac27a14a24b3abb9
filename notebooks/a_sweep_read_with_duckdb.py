# %% [markdown]
# # A sweep read with DuckDB
#
# A colleague sends you what a sweep has left. You do not want to load a framework to know what is
# in it; you want SQL. Each sweep, from Python or the command line, leaves one `summary.parquet`, a
# row a job and strategy, which any tool reads.
#
# ## A sweep on disk
#
# So that this notebook stands alone, it makes one first: three histories, three prices of a
# retrain, three seeds.

# %%
from functools import partial
from pathlib import Path

import duckdb
from matplotlib import pyplot as plt
from sklearn.linear_model import Ridge

import backtrain
from backtrain import Strategy
from backtrain.datasets.synthetic import abrupt, recurring, stationary
from backtrain.strategies import Every, Never, Sliding

kinds = (stationary, abrupt, recurring)
datasets = {kind.__name__: partial(kind, n=2_400, task="regression", noise=0.3) for kind in kinds}
window = Sliding("14D")
strategies = {"never": Strategy(Never(), window)}
strategies |= {f"every {n} days": Strategy(Every(f"{n}D"), window) for n in (2, 7, 28)}
sweep = backtrain.sweep(
    datasets,
    Ridge(),
    strategies,
    seeds=range(3),
    prices={"retrain": [1, 5, 25]},
    tick="1D",
    start=0.3,
    hindsight=False,
)
page = sweep.save("study", report="page")
sorted(path.name for path in Path("study").iterdir() if path.suffix in {".html", ".parquet"})

# %% [markdown]
# From here on only the file is used.
#
# ## What is in it?

# %%
duckdb.sql("""
    SELECT count(*) AS rows, count(DISTINCT job) AS jobs, count(DISTINCT strategy) AS strategies,
           count(*) FILTER (status != 'done') AS failed
    FROM 'study/summary.parquet'
""").df()

# %%
columns = duckdb.sql("DESCRIBE SELECT * FROM 'study/summary.parquet'").df()
columns[["column_name", "column_type"]].head(18)

# %% [markdown]
# Money by kind, counts, losses, and the axes of the sweep (`dataset`, `seed`, `prices.retrain`),
# each a column of its type. All of them are in [sweeps](../docs/sweeps.md).
#
# ## Who is the cheapest, where?
#
# A window over the strategies of one setting: rank them, and count who comes first.

# %%
duckdb.sql("""
    SELECT dataset, "prices.retrain" AS price, strategy, count(*) AS wins
    FROM (
        SELECT *, rank() OVER (PARTITION BY dataset, seed, "prices.retrain" ORDER BY total) AS place
        FROM 'study/summary.parquet'
        WHERE kind = 'strategy'
    )
    WHERE place = 1
    GROUP BY ALL
    ORDER BY dataset, price, wins DESC, strategy
""").df()

# %% [markdown]
# Where a retrain is cheap the shortest interval wins, where it is dear the longest, and without
# drift never, at any price. The price of a retrain decides more than any trigger does.
#
# ## At which price does an interval stop paying?
#
# `errors` is what errors cost, without the trainings. So what a strategy would cost at *any* price
# needs no new run: errors plus price times retrains, in SQL.

# %%
curve = duckdb.sql("""
    SELECT dataset, strategy, price, avg(errors + price * retrains) AS cost
    FROM 'study/summary.parquet', (SELECT unnest(range(0, 41)) AS price)
    WHERE kind = 'strategy' AND "prices.retrain" = 1
    GROUP BY ALL
    ORDER BY dataset, strategy, price
""").df()

figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for name, ax in zip(datasets, axes, strict=True):
    for strategy in strategies:
        own = curve[(curve["dataset"] == name) & (curve["strategy"] == strategy)]
        ax.plot(own["price"], own["cost"], label=strategy)
    ax.set(title=name, xlabel="price of a retrain")
label = axes[0].set_ylabel("mean cost over seeds")
legend = axes[0].legend()

# %% [markdown]
# Each line is a strategy: its height at the left is the cost of its errors, its slope the number
# of its trainings. Where two lines cross, the answer changes. (That holds for schedules, which
# train at the same times whatever it costs. A trigger that looks at prices must be run again.)
#
# ## The crossings, as numbers

# %%
duckdb.sql("""
    WITH mean AS (
        SELECT dataset, strategy, avg(errors) AS errors, avg(retrains) AS retrains
        FROM 'study/summary.parquet'
        WHERE kind = 'strategy' AND "prices.retrain" = 1
        GROUP BY ALL
    )
    SELECT one.dataset, one.strategy,
           round((never.errors - one.errors) / one.retrains, 1) AS pays_up_to
    FROM mean AS one JOIN mean AS never ON one.dataset = never.dataset AND never.strategy = 'never'
    WHERE one.retrains > 0
    ORDER BY one.dataset, one.retrains DESC
""").df()

# %% [markdown]
# What a training of that schedule saves on average, and so the price up to which it pays against
# never. Where nothing drifts that is next to nothing.
#
# ## What to do
#
# Hand on the Parquet file, not a screenshot. Several sweeps are one query, `FROM
# 'studies/*/summary.parquet'`; and polars and R read the same. Who wants the report opens
# `study/sweep.html`, which lies beside it.

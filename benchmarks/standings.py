"""Retraining policies ranked on common ground: 50 streams, 3 models, 2 delays, 4 prices.

    python benchmarks/standings.py [--jobs N] [--seeds N] [--work DIR] [--fresh]
    python benchmarks/standings.py --reduced
    python benchmarks/standings.py --only-page
    python benchmarks/standings.py --policy my_policy.yaml [--write]

The first measures what is not measured yet, writes ``benchmarks/standings.parquet`` and draws
``docs/standings.md`` from it. Each finished cell is a file in ``standings.work``, so the same
command goes on where it was stopped; cells of the table that lies in the repository count as done,
where they depend on the same data, models, policies and prices (``--fresh`` does all anew).
Streams that are not generated or bundled are read from the folder that ``BACKTRAIN_STREAMS`` names
(``python benchmarks/standings_streams.py DIR`` fetches them); those that are not there are left
out, and the table says so. ``--policy`` measures one policy of your own on the cells of the table
and prints where it would stand.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from standings_cells import MODELS, ORACLE, Cell, measured, measured_alone
from standings_page import Standings, facts, page
from standings_policies import LEFT_OUT, PLAIN, submitted
from standings_streams import SOURCES, Unavailable
from standings_tables import DELAYS, Delay
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent
TABLE = HERE / "standings.parquet"
DOCS = HERE.parent / "docs"
SEEDS = 3
#: What CI measures, and where.
REDUCED_WORK = Path("standings.reduced")
REDUCED = ("abrupt", "bike", "stationary_number")
#: Columns that tell rows apart, in the order in which rows stand.
KEYS = ["stream", "family", "drift", "model", "delay", "seed", "price", "policy"]
_TEXTS = [*KEYS[:5], "policy", "kind", "error"]
_META = b"cells"


def cells(streams: Sequence[str], seeds: int) -> list[Cell]:
    """All of them, one seed after the other, so that what is done is whole as early as possible."""
    return [
        Cell(stream, model, delay, seed)
        for seed in range(seeds)
        for stream in streams
        for model in MODELS
        for delay in DELAYS
    ]


def here() -> list[str]:
    """The streams that can be read; says which cannot."""
    found = []
    for name, source in SOURCES.items():
        try:
            source.load()
            found.append(name)
        except Unavailable as missing:
            print(f"left out: {missing}", file=sys.stderr)
    return found


# --- results --------------------------------------------------------------------------------------


def measure(cell: Cell, work: Path) -> str:
    """Measure a cell and keep it in a file, whole or not at all; returns why it could not."""
    try:
        with threadpool_limits(1):
            table = measured(cell)
    except Exception as error:  # the others go on
        return f"{'/'.join(map(str, cell))}: {type(error).__name__}: {error}"
    number, name = tempfile.mkstemp(dir=work, suffix=".part")
    os.close(number)
    table.to_parquet(name)
    os.replace(name, work / f"{cell.digest}.parquet")
    return ""


def finished(cell: Cell, work: Path, earlier: dict[str, pd.DataFrame]) -> pd.DataFrame | None:
    """The rows of a cell where it is done."""
    digest = cell.digest
    path = work / f"{digest}.parquet"
    return pd.read_parquet(path) if path.exists() else earlier.get(digest)


def kept(path: Path) -> dict[str, pd.DataFrame]:
    """The cells of a table by their digests."""
    if not path.exists():
        return {}
    digests = json.loads(pq.read_schema(path).metadata[_META])
    table = pd.read_parquet(path)
    for column in _TEXTS:
        table[column] = table[column].astype(object)
    groups = dict(iter(table.groupby(KEYS[:1] + KEYS[3:6], sort=False)))
    return {
        digest: groups[tuple(cell)].drop(columns=KEYS[:6]).reset_index(drop=True)
        for digest, cell in digests.items()
    }


def written(done: dict[Cell, pd.DataFrame], path: Path) -> pd.DataFrame:
    """The table of all cells, in a file; the same rows give the same bytes."""
    parts = []
    for cell, rows in done.items():
        source = SOURCES[cell.stream]
        facts = {"stream": cell.stream, "family": source.family, "drift": source.drift}
        facts |= {"model": cell.model, "delay": cell.delay, "seed": cell.seed}
        parts.append(rows.assign(**facts))
    table = pd.concat(parts).sort_values(KEYS, ignore_index=True)
    for column in _TEXTS:  # whatever pandas takes for text here, or read
        table[column] = table[column].astype(object)
    table["seed"] = table["seed"].astype("int8")
    for column in ("cost", "errors", "saved", "luck"):
        table[column] = table[column].astype("float32")
    table = table[[*KEYS, *(c for c in table if c not in KEYS)]]
    digests = {cell.digest: list(cell) for cell in sorted(done)}
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    for column in _TEXTS:
        place = arrow.schema.get_field_index(column)
        arrow = arrow.set_column(place, column, arrow[column].dictionary_encode())
    arrow = arrow.replace_schema_metadata(
        {**(arrow.schema.metadata or {}), _META: json.dumps(digests).encode()}
    )
    part = path.with_suffix(".part")
    pq.write_table(arrow, part, compression="zstd")
    os.replace(part, path)
    return table


# --- commands -------------------------------------------------------------------------------------


def run(wanted: Sequence[Cell], work: Path, table: Path, jobs: int, fresh: bool) -> pd.DataFrame:
    """Measure what is missing, and write the table."""
    work.mkdir(parents=True, exist_ok=True)
    earlier = {} if fresh else kept(table)
    missing = [cell for cell in wanted if finished(cell, work, earlier) is None]
    print(f"{len(wanted)} cells, {len(wanted) - len(missing)} of them done", flush=True)
    began = time.monotonic()
    tasks = (joblib.delayed(measure)(cell, work) for cell in missing)
    parallel = joblib.Parallel(jobs, return_as="generator_unordered", batch_size=1)
    for n, failed in enumerate(parallel(tasks), 1):
        if failed:
            print(f"left out: {failed}", file=sys.stderr, flush=True)
        if n % 10 == 0 or n == len(missing):
            passed = time.monotonic() - began
            left = passed / n * (len(missing) - n) / 60
            print(
                f"{n} of {len(missing)} after {passed / 60:.1f} min, {left:.0f} min left",
                flush=True,
            )
    done = {cell: finished(cell, work, earlier) for cell in wanted}
    return written({cell: rows for cell, rows in done.items() if rows is not None}, table)


def stand(path: Path, table: Path, jobs: int, write: bool) -> None:
    """Measure a submitted policy on the cells of the table, and print where it would stand."""
    whole = pd.read_parquet(table)
    for column in _TEXTS:
        whole[column] = whole[column].astype(object)
    whole = whole[whole["policy"] != path.stem]
    oracle = whole[whole["kind"] == ORACLE]
    groups = oracle.groupby(KEYS[:1] + KEYS[3:6])
    costs = {_cell(*key): rows.set_index("price")["cost"].to_dict() for key, rows in groups}
    print(f"{path.stem} on {len(costs)} cells", flush=True)
    parallel = joblib.Parallel(jobs, verbose=1)
    found = parallel(joblib.delayed(_alone)(cell, path, own) for cell, own in costs.items())
    whole = pd.concat([whole, *found], ignore_index=True)
    print(standing(whole, path.stem))
    if write:
        written(_by_cell(whole), table)
        print(f"added to {table}; draw the page: python benchmarks/standings.py --only-page")


def standing(table: pd.DataFrame, policy: str) -> str:
    """Where a policy stands among the others, in words."""
    of = Standings(table, pd.DataFrame())
    rows = table[table["policy"] == policy]
    failed = rows["cost"].isna()
    lines = []
    if failed.any():
        why = rows.loc[failed, "error"].value_counts().index[0]
        lines.append(f"could not be run in {failed.mean():.0%} of its rows, most often: {why}")
    if failed.all():
        return lines[0]
    ranked = policy in of.overall.names
    own = of.overall if ranked else of.alone(policy)
    row = own.table.loc[policy]
    if ranked:
        place = list(own.table.index).index(policy) + 1
        difference = own.critical_difference
        lines.append(
            f"mean rank {row['rank']:.1f}, place {place} of {len(own.names)}; ranks less than "
            f"{difference:.1f} apart cannot be told apart"
        )
    lines.append(
        f"cost of static's: {row['relative']:.3f} (95 % over streams: {row['low']:.3f} to "
        f"{row['high']:.3f}); worst on {row['worst_block']}: {row['worst']:.3f}"
    )
    odds = (
        f"cheaper {row['cheaper']:.0%}, as dear {row['equivalent']:.0%}, dearer {row['dearer']:.0%}"
    )
    lines.append(f"beside {PLAIN!r}: {odds}")
    return "\n".join(lines)


def _alone(cell: Cell, path: Path, oracle: dict[float, float]) -> pd.DataFrame:
    day = SOURCES[cell.stream].load(cell.seed).tick
    source = SOURCES[cell.stream]
    with threadpool_limits(1):
        rows = measured_alone(cell, submitted(path, day), oracle)
    facts = {"stream": cell.stream, "family": source.family, "drift": source.drift}
    facts |= {"model": cell.model, "delay": cell.delay, "seed": cell.seed, "policy": path.stem}
    return rows.assign(**facts)


def _by_cell(table: pd.DataFrame) -> dict[Cell, pd.DataFrame]:
    groups = table.groupby(KEYS[:1] + KEYS[3:6])
    return {_cell(*key): rows.drop(columns=KEYS[:6]) for key, rows in groups}


def _cell(stream: str, model: str, delay: Delay, seed: int) -> Cell:
    return Cell(stream, model, delay, int(seed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=-1, help="processes; no result depends on it")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--work", type=Path, default=Path("standings.work"))
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--docs", type=Path, default=DOCS)
    parser.add_argument("--fresh", action="store_true", help="measure all anew")
    parser.add_argument("--reduced", action="store_true", help="three streams, one seed")
    parser.add_argument("--only-page", action="store_true", help="draw from the table as it is")
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("--policy", type=Path, help="a YAML file: where would this one stand?")
    parser.add_argument("--write", action="store_true", help="add --policy to the table")
    asked = parser.parse_args(arguments)
    if asked.policy:
        stand(asked.policy, asked.table, asked.jobs, asked.write)
        return 0
    work, table, docs = asked.work, asked.table, asked.docs
    if asked.reduced:  # beside the table of the repository, never into it
        work, table, docs = REDUCED_WORK, REDUCED_WORK / "standings.parquet", REDUCED_WORK / "docs"
    if not asked.only_page:
        streams = REDUCED if asked.reduced else here()
        wanted = cells(streams, 1 if asked.reduced else asked.seeds)
        run(wanted, work, table, asked.jobs, asked.fresh)
    if not asked.no_page:
        drawn = page(pd.read_parquet(table), facts(SOURCES.values()), docs, LEFT_OUT)
        print(f"page    {drawn}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Retraining policies ranked on common ground: 53 streams, 3 models, 2 delays, 4 prices.

    python benchmarks/standings.py [--jobs N] [--seeds N] [--work DIR] [--fresh]
    python benchmarks/standings.py --reduced
    python benchmarks/standings.py --only-page
    python benchmarks/standings.py --policy my_policy.yaml [--write | --reduced]

The first measures what is not measured yet, writes ``benchmarks/standings.parquet`` and draws
``docs/standings.md`` from it. Each finished cell is a file in ``standings.work``, so the same
command goes on where it was stopped; cells of the table that lies in the repository count as done,
where they depend on the same data, models, policies and prices, whether or not their streams are
here. ``--fresh`` does all anew; one that was stopped goes on by the same command.
Streams that are not generated or bundled are read from the folder that ``BACKTRAIN_STREAMS`` names
(``python benchmarks/standings_streams.py DIR`` fetches them); what is missing of those that are
not there is left out, and the command says so. ``--policy`` measures one policy of your own on the
cells of the table whose streams are here, with ``--reduced`` on those of CI, and prints where it
would stand; it goes on where it was stopped, too.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

import joblib
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from standings_cells import MODELS, ORACLE, Cell, measured, measured_alone
from standings_page import Standings, facts, page
from standings_policies import LEFT_OUT, PLAIN, SUBMITTED, submitted
from standings_streams import SOURCES, Unavailable
from standings_tables import DELAYS, Delay
from threadpoolctl import threadpool_limits

HERE = Path(__file__).parent
TABLE = HERE / "standings.parquet"
DOCS = HERE.parent / "docs"
SEEDS = 3
#: What CI measures, each stream with one delay, and where.
REDUCED_WORK = Path("standings.reduced")
REDUCED: dict[str, Delay] = {"abrupt": "short", "bike": "long", "stationary_number": "short"}
#: Columns that tell rows apart, in the order in which rows stand.
KEYS = ["stream", "family", "drift", "model", "delay", "seed", "price", "policy"]
_TEXTS = [*KEYS[:5], "policy", "kind", "error"]
_META = b"cells"
_ANEW = "anew"


def cells(streams: Sequence[str], seeds: int) -> list[Cell]:
    """All of them, one seed after the other, so that what is done is whole as early as possible."""
    return [
        Cell(stream, model, delay, seed)
        for seed in range(seeds)
        for stream in streams
        for model in MODELS
        for delay in DELAYS
    ]


def absent(streams: Iterable[str]) -> set[str]:
    """Those of them that cannot be read; says why."""
    found = set()
    for name in dict.fromkeys(streams):
        try:
            SOURCES[name].load()
        except Unavailable as missing:
            print(f"left out: {missing}", file=sys.stderr, flush=True)
            found.add(name)
    return found


# --- results --------------------------------------------------------------------------------------


def measure(cell: Cell, work: Path) -> str:
    """Measure a cell and keep it in a file, whole or not at all; returns why it could not."""
    try:
        with threadpool_limits(1):
            table = measured(cell)
    except Exception as error:  # the others go on
        return f"{'/'.join(map(str, cell))}: {type(error).__name__}: {error}"
    _keep(table, work / f"{cell.digest}.parquet")
    return ""


def _keep(table: pd.DataFrame, file: Path) -> None:
    """In a file, whole or not at all."""
    number, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    os.close(number)
    table.to_parquet(name)
    os.replace(name, file)


def finished(cell: Cell, work: Path, earlier: dict[Cell, pd.DataFrame]) -> pd.DataFrame | None:
    """The rows of a cell where it is done: of the table, which may hold submitted policies."""
    if cell in earlier:
        return earlier[cell]
    path = work / f"{cell.digest}.parquet"
    return pd.read_parquet(path) if path.exists() else None


def kept(path: Path) -> tuple[dict[Cell, pd.DataFrame], int]:
    """The cells of a table that depend on what they would now, and how many do not."""
    if not path.exists():
        return {}, 0
    digests = json.loads(pq.read_schema(path).metadata[_META])
    table = pd.read_parquet(path)
    for column in _TEXTS:
        table[column] = table[column].astype(object)
    groups = dict(iter(table.groupby(KEYS[:1] + KEYS[3:6], sort=False)))
    found = {}
    for digest, key in digests.items():
        cell = Cell(*key)
        if cell.stream in SOURCES and cell.digest == digest:
            found[cell] = groups[tuple(cell)].drop(columns=KEYS[:6]).reset_index(drop=True)
    return found, len(digests) - len(found)


def emptied(cells: Iterable[Cell], work: Path) -> None:
    """Begin anew, but for work that began anew itself and was stopped: a file says that it did."""
    if not (work / _ANEW).exists():
        for cell in cells:
            (work / f"{cell.digest}.parquet").unlink(missing_ok=True)
        (work / _ANEW).touch()


def together(done: dict[Cell, pd.DataFrame]) -> pd.DataFrame:
    """Rows of cells, with what tells the cells apart."""
    parts = []
    for cell, rows in done.items():
        source = SOURCES[cell.stream]
        facts = {"stream": cell.stream, "family": source.family, "drift": source.drift}
        facts |= {"model": cell.model, "delay": cell.delay, "seed": cell.seed}
        parts.append(rows.assign(**facts))
    return pd.concat(parts, ignore_index=True)


def written(done: dict[Cell, pd.DataFrame], path: Path) -> pd.DataFrame:
    """The table of all cells, in a file; the same rows give the same bytes."""
    table = together(done).sort_values(KEYS, ignore_index=True)
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
    if fresh:
        emptied(wanted, work)
    earlier = {} if fresh else kept(table)[0]
    missing = [cell for cell in wanted if finished(cell, work, earlier) is None]
    print(f"{len(wanted)} cells, {len(wanted) - len(missing)} of them done", flush=True)
    unread = absent(cell.stream for cell in missing)
    missing = [cell for cell in missing if cell.stream not in unread]
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
    # Fewer seeds than the table has take nothing out of it.
    done = {cell: finished(cell, work, earlier) for cell in dict.fromkeys([*wanted, *earlier])}
    whole = written({cell: rows for cell, rows in done.items() if rows is not None}, table)
    (work / _ANEW).unlink(missing_ok=True)
    return whole


def stand(
    path: Path,
    table: Path,
    work: Path,
    jobs: int,
    write: bool,
    fresh: bool,
    streams: Iterable[str],
) -> None:
    """Measure a submitted policy on the cells of the table, and print where it would stand.

    Each cell is kept in a file of ``work``, so the same call goes on where it was stopped.

    Raises
    ------
    ValueError
        Where its name is that of another, or cells of the table that can be measured are too few.
    """
    name = path.stem
    done, stale = kept(table)
    if stale:
        said = f"{stale} cells of {table} depend on other data, models, policies or prices"
        if write:
            raise ValueError(f"{said}: measure them first, without --policy")
        print(f"left out: {said}", file=sys.stderr, flush=True)
    mine = {cell: rows for cell, rows in done.items() if cell.stream in set(streams)}
    unread = absent(cell.stream for cell in mine)
    mine = {cell: rows for cell, rows in mine.items() if cell.stream not in unread}
    if len({cell.stream for cell in mine}) < 2:
        raise ValueError(f"{table}: {len(mine)} cells that can be measured; two streams are needed")
    for rows in mine.values():
        if (rows.loc[rows["policy"] == name, "kind"] != SUBMITTED).any():
            raise ValueError(f"{path}: {name!r} is the name of another policy; rename the file")
    work.mkdir(parents=True, exist_ok=True)
    files = {cell: work / f"{cell.digest}-{_written_in(path)}.parquet" for cell in mine}
    if fresh:
        for file in files.values():
            file.unlink(missing_ok=True)
    there = sum(file.exists() for file in files.values())
    print(f"{name} on {len(mine)} cells, {there} of them done", flush=True)
    found = joblib.Parallel(jobs)(
        joblib.delayed(_alone)(cell, path, rows, files[cell]) for cell, rows in mine.items()
    )
    added = dict(zip(mine, found, strict=True))
    print(standing(together(added), name))
    if write:
        written(done | added, table)
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


def _alone(cell: Cell, path: Path, rows: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The rows of a cell, with those of a submitted policy, which a file keeps."""
    if not file.exists():
        oracle = rows[rows["kind"] == ORACLE].set_index("price")["cost"].to_dict()
        with threadpool_limits(1):
            policy = submitted(path, SOURCES[cell.stream].load(cell.seed).tick)
            _keep(measured_alone(cell, policy, oracle), file)
    others = rows[rows["policy"] != path.stem]
    own = pd.read_parquet(file).assign(policy=path.stem)
    return pd.concat([others, own], ignore_index=True)


def _written_in(path: Path) -> str:
    """A digest of a policy's file and of the Python files beside it, which may hold its classes."""
    whole = sha256(path.read_bytes())
    for beside in sorted(path.resolve().parent.glob("*.py")):
        whole.update(beside.read_bytes())
    return whole.hexdigest()[:12]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=-1, help="processes; no result depends on it")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--work", type=Path, default=Path("standings.work"))
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--docs", type=Path, default=DOCS)
    parser.add_argument("--fresh", action="store_true", help="all anew")
    parser.add_argument(
        "--reduced", action="store_true", help="three streams, one delay each, one seed"
    )
    parser.add_argument("--only-page", action="store_true", help="draw from the table as it is")
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("--policy", type=Path, help="a YAML file: where would this one stand?")
    parser.add_argument("--write", action="store_true", help="add --policy to the table")
    asked = parser.parse_args(arguments)
    if asked.write and (asked.reduced or not asked.policy):
        parser.error("--write adds a --policy that was measured on all streams")
    if asked.policy:
        streams = REDUCED if asked.reduced else SOURCES
        work = REDUCED_WORK if asked.reduced else asked.work
        stand(asked.policy, asked.table, work, asked.jobs, asked.write, asked.fresh, streams)
        return 0
    work, table, docs = asked.work, asked.table, asked.docs
    if asked.reduced:  # beside the table of the repository, never into it
        work, table, docs = REDUCED_WORK, REDUCED_WORK / "standings.parquet", REDUCED_WORK / "docs"
    if not asked.only_page:
        wanted = cells(list(SOURCES), asked.seeds)
        if asked.reduced:
            wanted = [
                cell for cell in cells(list(REDUCED), 1) if cell.delay == REDUCED[cell.stream]
            ]
        run(wanted, work, table, asked.jobs, asked.fresh or asked.reduced)
    if not asked.no_page:
        drawn = page(pd.read_parquet(table), facts(SOURCES.values()), docs, LEFT_OUT)
        print(f"page    {drawn}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

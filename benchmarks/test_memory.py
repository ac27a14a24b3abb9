"""Millions of rows: what stays in memory, and how time grows with their number."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
HALF, WHOLE = 1_500_000, 3_000_000


def measured(n: int, script: str = "million.py", *more: str) -> dict[str, float]:
    """A process of its own, since the peak of one that has run other tests tells nothing."""
    command = [sys.executable, FOLDER / script, str(n), *more]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rounds() -> list[tuple[dict[str, float], dict[str, float]]]:
    return [(measured(HALF), measured(WHOLE)) for _ in range(2)]


def test_gibibytes_of_three_million_rows(figure, benchmark, rounds):
    benchmark.pedantic(lambda: None, rounds=1)
    found = max(whole["bytes"] for _, whole in rounds) / 2**30
    figure(found, "under 2 GiB")
    assert found < 2


def test_time_of_twice_the_rows(figure, benchmark, rounds):
    benchmark.pedantic(lambda: None, rounds=1)
    found = statistics.median(whole["seconds"] / half["seconds"] for half, whole in rounds)
    figure(found, "at most 2.2")
    half, whole = rounds[0]
    assert (half["retrains"], whole["retrains"]) == (119, 238)


@pytest.mark.parametrize("more", [(), ("shuffled",)], ids=["in order", "shuffled"])
def test_peak_of_five_million_rows_of_parquet_over_their_array(figure, benchmark, more):
    benchmark.pedantic(lambda: None, rounds=1)
    found = max(measured(5_000_000, "big_table.py", *more)["ratio"] for _ in range(2))
    figure(found, "at most 1.5")
    assert found <= 1.5


def test_mebibytes_of_a_matrix_of_a_million_rows_beside_the_data(figure, benchmark):
    benchmark.pedantic(lambda: None, rounds=1)
    found = measured(1_000_000, "big_matrix.py")["beside"] / 2**20
    figure(found, "at most 100 MB")
    assert found <= 100e6 / 2**20

"""``backtrain cache``: the fits that are kept for later runs."""

import argparse
from pathlib import Path

from backtrain.config.study import explained
from backtrain.store.cache_dir import default_directory
from backtrain.store.finished import Finished
from backtrain.store.fits import FitStore


def main(arguments: list[str]) -> int:
    """Say what is kept, or remove it."""
    parser = argparse.ArgumentParser("backtrain cache", description=__doc__)
    parser.add_argument("action", choices=("info", "clear"))
    parser.add_argument("--directory", type=Path, help="default: the user's cache directory")
    parsed = parser.parse_args(arguments)
    with explained():
        directory = parsed.directory or default_directory()
        store = FitStore(directory)
        if parsed.action == "clear":
            store.clear()
            Finished(directory).clear()
        info = store.info()
    size, limit = (info[key] / 2**20 for key in ("bytes", "max_bytes"))
    print(f"{info['path']}: {info['entries']:,} entries, {size:,.1f} of {limit:,.0f} MiB")
    return 0

"""The store on disk: whole, private, bounded, and shared by processes."""

import json
import multiprocessing
import os
import pickle
import select
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge, SGDRegressor

from backtrain import Backtest, Prices, Run, Strategy
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.answers import FitError
from backtrain.simulator.replay import replay
from backtrain.store import disk
from backtrain.store.cache_dir import StoreError, default_directory
from backtrain.store.fits import Answers, FitStore, StoredFit
from backtrain.store.lru import LRU
from backtrain.strategies import EveryRows, Expanding, Sliding, WarmStart

STRATEGIES = {
    "expanding": Strategy(EveryRows(50), Expanding()),
    "sliding": Strategy(EveryRows(100), Sliding(200)),
    "warm": Strategy(EveryRows(150), Sliding(200), WarmStart()),
}
PRICES = Prices(retrain=5, cpu_hour=3600)


class Loose(Ridge):
    """A model of a loose module."""


class Vouched(Ridge):
    """A model of a loose module whose author changes its version with its code."""

    cache_version = 1


class Unpicklable(Ridge):
    """Fitted, it cannot be written down."""

    cache_version = 1

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Unpicklable":
        super().fit(X, y, sample_weight)
        self.trace_ = lambda: None
        return self


def setup_of(model: Any = None) -> Backtest:
    stream = abrupt(n=1_200, task="regression")
    return Backtest(stream, SGDRegressor() if model is None else model, prices=PRICES, start=0.25)


def run_all(store: FitStore, model: Any = None) -> dict[str, Run]:
    setup = setup_of(model)
    return {name: replay(setup, one, store, name) for name, one in STRATEGIES.items()}


def same(one: dict[str, Run], two: dict[str, Run], money: bool = True) -> None:
    for name, run in one.items():
        assert run.predictions.equals(two[name].predictions)
        assert list(run.versions["fit"]) == list(two[name].versions["fit"])
        if money:
            assert run.charges.equals(two[name].charges)


def made(model: Any = "model", cpu_seconds: float = 1.0, name: str = "a") -> StoredFit:
    return StoredFit(name, model, cpu_seconds, 7)


def refuse() -> Any:
    raise AssertionError("computed again")


def answers(value: float = 1.0, n: int = 4) -> Answers:
    return Answers(np.full(n, value), None, np.ones((n, 3)), np.zeros(n, dtype=bool))


def index_of(directory: Path) -> sqlite3.Connection:
    return sqlite3.connect(directory / "v1" / "index.sqlite", isolation_level=None)


class TestRoundTrip:
    def test_a_fit_comes_back_as_it_was(self, tmp_path: Path) -> None:
        model = Ridge().fit(np.eye(3), np.arange(3.0))
        FitStore(tmp_path).fit("a", lambda: made(model, 1.5), lasting=True)
        store = FitStore(tmp_path)
        fit, was_there = store.fit("a", refuse, lasting=True)
        assert was_there
        assert np.array_equal(fit.model.coef_, model.coef_)
        assert (fit.name, fit.cpu_seconds, fit.seed) == ("a", 1.5, 7)
        assert (store.asked, store.computed, store.read) == (1, 0, 1)
        assert store.fit("a", refuse, lasting=True)[0] is fit

    @pytest.mark.parametrize("size", [4, disk.INLINE_BYTES])
    def test_answers_come_back_as_they_were(self, tmp_path: Path, size: int) -> None:
        given = answers(2.0, size)
        FitStore(tmp_path).answers(("a", 0, size), lambda: given, lasting=True)
        found = FitStore(tmp_path).answers(("a", 0, size), refuse, lasting=True)
        for one, two in zip(given.arrays(), found.arrays(), strict=True):
            assert (one is None and two is None) or np.array_equal(one, two)

    def test_large_models_become_files(self, tmp_path: Path) -> None:
        model = np.arange(disk.INLINE_BYTES, dtype=np.float64)
        FitStore(tmp_path).fit("a", lambda: made(model), lasting=True)
        assert [path.name for path in (tmp_path / "v1" / "files").iterdir()] == ["a"]
        assert np.array_equal(FitStore(tmp_path).fit("a", refuse, lasting=True)[0].model, model)

    def test_a_failed_fit_is_not_kept(self, tmp_path: Path) -> None:
        def fail() -> StoredFit:
            raise FitError("no")

        with pytest.raises(FitError):
            FitStore(tmp_path).fit("a", fail, lasting=True)
        assert FitStore(tmp_path).fit("a", made, lasting=True)[1] is False

    def test_what_does_not_last_stays_in_memory(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path)
        store.fit("a", made)
        store.answers(("a", 0, 4), answers)
        assert store.info()["entries"] == 0
        assert not (tmp_path / "v1").exists()

    def test_a_pickled_store_takes_its_directory_along(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path, max_bytes=10**6)
        store.fit("a", made, lasting=True)
        copy = pickle.loads(pickle.dumps(store))
        assert (copy.directory, copy.max_bytes, copy.asked) == (tmp_path, 10**6, 0)
        assert copy.fit("a", refuse, lasting=True)[1]


class TestReplays:
    def test_a_second_run_computes_nothing_and_pays_the_same(self, tmp_path: Path) -> None:
        cold, warm = FitStore(tmp_path), FitStore(tmp_path)
        first = run_all(cold)
        assert cold.computed > 20
        second = run_all(warm)
        assert (warm.computed, warm.predicted) == (0, 0)
        assert warm.read == cold.computed
        same(first, second)

    def test_the_disk_changes_no_result(self, tmp_path: Path) -> None:
        same(run_all(FitStore()), run_all(FitStore(tmp_path)), money=False)

    def test_little_memory_changes_no_result(self, tmp_path: Path) -> None:
        small = FitStore(max_memory=3_000)
        same(run_all(FitStore()), run_all(small), money=False)

    @pytest.mark.parametrize("kind", [Loose, Unpicklable])
    def test_loose_classes_stay_in_memory(self, tmp_path: Path, kind: type) -> None:
        strategy = Strategy(EveryRows(200), Expanding())
        for _ in range(2):
            store = FitStore(tmp_path)
            replay(setup_of(kind()), strategy, store)
            assert store.computed > 1

    def test_a_cache_version_takes_them_to_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        computed = []
        for version in (1, 1, 2):
            monkeypatch.setattr(Vouched, "cache_version", version)
            store = FitStore(tmp_path)
            replay(setup_of(Vouched()), Strategy(EveryRows(200), Expanding()), store)
            computed.append(store.computed)
        assert computed[0] > 1
        assert computed == [computed[0], 0, computed[0]]

    def test_two_workers_share_a_directory(self, tmp_path: Path) -> None:
        alone = FitStore()
        expected = run_all(alone)
        store, setup = FitStore(tmp_path), setup_of()
        jobs = [joblib.delayed(replay)(setup, one, store, n) for n, one in STRATEGIES.items()]
        runs = joblib.Parallel(n_jobs=2)(jobs)
        same(expected, dict(zip(STRATEGIES, runs, strict=True)), money=False)
        warm = FitStore(tmp_path)
        run_all(warm)
        assert (warm.computed, warm.read) == (0, alone.computed)

    def test_nested_workers_do_not_wait_for_each_other(self, tmp_path: Path) -> None:
        setup = setup_of(RandomForestRegressor(4, n_jobs=2))
        store, one = FitStore(tmp_path), Strategy(EveryRows(400), Sliding(100))
        jobs = [joblib.delayed(replay)(setup, one, store) for _ in range(2)]
        runs = joblib.Parallel(n_jobs=2)(jobs)
        assert runs[0].charges.equals(runs[1].charges)


class TestDamage:
    @pytest.mark.parametrize("size", [10, disk.INLINE_BYTES])
    @pytest.mark.parametrize("how", ["flipped", "truncated", "gone", "not a pickle"])
    def test_a_damaged_entry_is_noticed_and_computed_again(
        self, tmp_path: Path, how: str, size: int
    ) -> None:
        store = FitStore(tmp_path)
        store.fit("a", lambda: made(np.arange(size)), lasting=True)
        store.fit("b", made, lasting=True)
        spoil(store, tmp_path, how)
        store = FitStore(tmp_path)
        with pytest.warns(RuntimeWarning, match="a damaged entry was dropped") as caught:
            fit, was_there = store.fit("a", lambda: made(np.arange(size)), lasting=True)
        assert (was_there, len(caught)) == (False, 1)
        assert np.array_equal(fit.model, np.arange(size))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            after = FitStore(tmp_path)
            assert np.array_equal(after.fit("a", refuse, lasting=True)[0].model, fit.model)
            assert after.fit("b", refuse, lasting=True)[0].model == "model"

    def test_a_missing_file_is_computed_again(self, tmp_path: Path) -> None:
        large = np.zeros(disk.INLINE_BYTES)
        FitStore(tmp_path).fit("a", lambda: made(large), lasting=True)
        (tmp_path / "v1" / "files" / "a").unlink()
        assert FitStore(tmp_path).fit("a", lambda: made(large), lasting=True)[1] is False
        assert FitStore(tmp_path).fit("a", refuse, lasting=True)[1]

    def test_a_garbled_index_starts_anew(self, tmp_path: Path) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        (tmp_path / "v1" / "index.sqlite").write_bytes(b"no index" * 1000)
        store = FitStore(tmp_path)
        with pytest.warns(RuntimeWarning, match="starts anew"):
            assert store.fit("a", made, lasting=True)[1] is False
        store.fit("b", made, lasting=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert FitStore(tmp_path).fit("b", refuse, lasting=True)[1]

    def test_any_garbled_page_is_survived(self, tmp_path: Path) -> None:
        names = [f"n{i}" for i in range(60)]
        store = FitStore(tmp_path)
        for name in names:
            store.fit(name, lambda name=name: made(name * 300, name=name), lasting=True)
        del store
        path = tmp_path / "v1" / "index.sqlite"
        whole = path.read_bytes()
        random = np.random.default_rng(0)
        for page in range(len(whole) // 4096):
            broken = bytearray(whole)
            broken[page * 4096 : page * 4096 + 4096] = random.bytes(4096)
            path.write_bytes(broken)
            store = FitStore(tmp_path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for name in names:
                    fit, _ = store.fit(name, lambda n=name: made(n * 300, name=n), lasting=True)
                    assert fit.model == name * 300
            del store

    def test_a_disk_that_fails_is_left_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(disk.os, "replace", full)
        store = FitStore(tmp_path)
        with pytest.warns(RuntimeWarning, match=r"fits stay in memory .*No space left"):
            store.fit("a", lambda: made(np.zeros(disk.INLINE_BYTES)), lasting=True)
        assert store.fit("a", refuse, lasting=True)[1]
        assert store.fit("b", made, lasting=True)[1] is False


def entered(directory: Path, key: str, content: Any) -> None:
    """Put a pickle under a key, with the digest that belongs to it."""
    payload = pickle.dumps(content)
    row = (key, disk._digest(key, payload), len(payload), 0.0, payload)
    index = index_of(directory)
    index.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?)", row)
    index.close()


N = np.zeros(4)
WRONG_FITS = ["model", ("model", 1.0), ("model", "1", 7), ("model", 1.0, None), None, {}]
WRONG_FITS += [("model", float("nan"), 7), ["model", 1.0, 7], ("model", 1.0, 7, 8)]
WRONG_ANSWERS = [
    (N[:3], None, None, None),
    (N, N[:3], None, None),
    (N, None, np.zeros((3, 2)), None),
    (N, None, N, None),
    (N, None, None, np.zeros(5, dtype=bool)),
    (N, None, None, N),
    (N.astype(str), None, None, None),
    (N.astype(object), None, None, None),
    (list(N), None, None, None),
    (np.zeros((4, 1)), None, None, None),
    (N, None, None),
    N,
    None,
]


class TestShape:
    """Entries whose digest is right and whose content is not what belongs there."""

    @pytest.mark.parametrize("content", WRONG_FITS, ids=repr)
    def test_a_fit_of_a_wrong_shape_is_computed_again(self, tmp_path: Path, content: Any) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        entered(tmp_path, "a", content)
        with pytest.warns(RuntimeWarning, match="a damaged entry was dropped"):
            fit, was_there = FitStore(tmp_path).fit("a", made, lasting=True)
        assert (fit.model, was_there) == ("model", False)
        assert FitStore(tmp_path).fit("a", refuse, lasting=True)[1]

    @pytest.mark.parametrize("content", WRONG_ANSWERS, ids=range(len(WRONG_ANSWERS)))
    def test_answers_of_a_wrong_shape_are_computed_again(
        self, tmp_path: Path, content: Any
    ) -> None:
        FitStore(tmp_path).answers(("a", 0, 4), answers, lasting=True)
        entered(tmp_path, "a-0-4", content)
        with pytest.warns(RuntimeWarning, match="a damaged entry was dropped"):
            found = FitStore(tmp_path).answers(("a", 0, 4), answers, lasting=True)
        assert np.array_equal(found.prediction, answers().prediction)
        FitStore(tmp_path).answers(("a", 0, 4), refuse, lasting=True)

    def test_what_fits_is_read(self, tmp_path: Path) -> None:
        FitStore(tmp_path).answers(("a", 0, 4), answers, lasting=True)
        entered(tmp_path, "a-0-4", (np.ones(4), None, None, None))
        assert FitStore(tmp_path).answers(("a", 0, 4), refuse, lasting=True).score is None


def spoil(store: FitStore, directory: Path, how: str) -> None:
    """Damage the entry "a", in the index or in its file."""
    index = index_of(directory)
    file = directory / "v1" / "files" / "a"
    (payload,) = index.execute("SELECT payload FROM entries WHERE key = 'a'").fetchone()
    content = bytearray(file.read_bytes() if payload is None else payload)
    if how == "flipped":
        content[len(content) // 2] ^= 1
    elif how == "truncated":
        del content[len(content) // 2 :]
    elif how == "gone":
        content.clear()
    else:  # whole as it stands, yet nothing that can be loaded
        content = bytearray(b"x" * len(content))
        digest = disk._digest("a", bytes(content))
        index.execute("UPDATE entries SET digest = ? WHERE key = 'a'", (digest,))
    if payload is None:
        file.write_bytes(content)
    else:
        index.execute("UPDATE entries SET payload = ? WHERE key = 'a'", (bytes(content),))
    index.close()


class TestRoom:
    @pytest.mark.parametrize("length", [1_000, 100_000])
    def test_the_least_recently_used_make_way(self, tmp_path: Path, length: int) -> None:
        limit = 40 * length
        store = FitStore(tmp_path, max_bytes=limit)
        for i in range(100):
            store.fit(f"n{i}", lambda: made(b"x" * length), lasting=True)
        store.flush()
        info = store.info()
        assert 20 <= info["entries"] < 40
        if length > disk.INLINE_BYTES:
            assert info["bytes"] < 1.1 * limit + 100_000
        last = FitStore(tmp_path, max_bytes=limit)
        assert last.fit("n99", refuse, lasting=True)[1]
        assert last.fit("n1", made, lasting=True)[1] is False

    def test_what_was_read_again_stays(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path, max_bytes=100_000)
        for i in range(8):
            store.fit(f"n{i}", lambda: made(b"x" * 10_000), lasting=True)
        reader = FitStore(tmp_path, max_bytes=100_000)
        reader.fit("n0", refuse, lasting=True)
        reader.flush()
        for i in range(8, 12):
            reader.fit(f"n{i}", lambda: made(b"x" * 10_000), lasting=True)
        reader.flush()
        last = FitStore(tmp_path)
        assert last.fit("n0", refuse, lasting=True)[1]
        assert last.fit("n1", made, lasting=True)[1] is False

    def test_an_entry_larger_than_all_room_is_not_written(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path, max_bytes=1_000)
        store.fit("a", lambda: made(b"x" * 2_000), lasting=True)
        assert store.info()["entries"] == 0

    def test_info_and_clear(self, tmp_path: Path) -> None:
        assert FitStore(tmp_path / "none").info()["entries"] == 0
        assert not (tmp_path / "none").exists()
        store = FitStore(tmp_path)
        (tmp_path / "mine.txt").write_text("not the store's")
        store.fit("a", made, lasting=True)
        store.fit("b", lambda: made(b"x" * 10**6), lasting=True)
        info = store.info()
        assert (info["path"], info["entries"]) == (str(tmp_path), 2)
        assert info["bytes"] > 10**6
        other = FitStore(tmp_path)
        other.clear()
        assert other.info()["entries"] == 0
        assert other.info()["bytes"] < 200_000
        assert (tmp_path / "mine.txt").exists()
        assert other.fit("a", made, lasting=True)[1] is False
        assert store.fit("c", made, lasting=True)[1] is False

    def test_leftovers_of_killed_processes_are_swept(self, tmp_path: Path) -> None:
        FitStore(tmp_path).fit("a", lambda: made(b"x" * 10**6), lasting=True)
        files = tmp_path / "v1" / "files"
        old, new = files / "tmp1.part", files / "tmp2.part"
        for path in (old, new):
            path.write_bytes(b"half")
        os.utime(old, (time.time() - 7200,) * 2)
        os.utime(files / "a", (time.time() - 7200,) * 2)
        store = FitStore(tmp_path)
        store.fit("a", refuse, lasting=True)
        store.flush()
        assert {path.name for path in files.iterdir()} == {"a", "tmp2.part"}


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="permissions of POSIX")
class TestTrust:
    def test_only_the_user_may_look_in(self, tmp_path: Path) -> None:
        directory = tmp_path / "deep" / "store"
        FitStore(directory).fit("a", made, lasting=True)
        for folder in (directory, directory / "v1"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_a_given_directory_keeps_its_mode_but_not_what_is_inside(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o755)
        FitStore(tmp_path).fit("a", made, lasting=True)
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
        assert stat.S_IMODE((tmp_path / "v1").stat().st_mode) == 0o700

    @pytest.mark.parametrize("inside", [".", "v1"])
    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
    def test_a_directory_that_others_write_in_is_refused(
        self, tmp_path: Path, inside: str, mode: int
    ) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        (tmp_path / inside).chmod(mode)
        with pytest.raises(StoreError, match=r"others may write in it.*chmod 700"):
            FitStore(tmp_path)

    def test_it_is_looked_at_again_before_anything_is_read(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path)
        tmp_path.chmod(0o777)
        with pytest.raises(StoreError):
            store.fit("a", made, lasting=True)

    def test_another_user_s_directory_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
        with pytest.raises(StoreError, match="belongs to another user"):
            FitStore(tmp_path)

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="not a directory"):
            FitStore(tmp_path / "file")

    @pytest.mark.parametrize("name", ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"])
    @pytest.mark.parametrize("mode", [0o666, 0o660, 0o602])
    def test_an_index_that_others_may_write_is_refused(
        self, tmp_path: Path, name: str, mode: int
    ) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        (tmp_path / "v1" / name).touch()
        (tmp_path / "v1" / name).chmod(mode)
        with pytest.raises(StoreError, match=rf"others may write it.*chmod 600 .*{name}"):
            FitStore(tmp_path)

    @pytest.mark.parametrize("inside", ["files", "locks"])
    def test_inner_folders_that_others_write_in_are_refused(
        self, tmp_path: Path, inside: str
    ) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        (tmp_path / "v1" / inside).chmod(0o777)
        with pytest.raises(StoreError, match="others may write in it"):
            FitStore(tmp_path)

    def test_an_index_that_is_opened_up_meanwhile_is_not_read(self, tmp_path: Path) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        store = FitStore(tmp_path)
        (tmp_path / "v1" / "index.sqlite").chmod(0o666)
        with pytest.raises(StoreError, match="others may write it"):
            store.fit("a", made, lasting=True)

    @pytest.mark.parametrize("how", ["mode", "link", "owner"])
    def test_an_entry_that_others_may_have_written_is_not_loaded(
        self, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        FitStore(tmp_path).fit("a", lambda: made(b"x" * 10**6), lasting=True)
        store, file = FitStore(tmp_path), tmp_path / "v1" / "files" / "a"
        store.answers(("b", 0, 4), answers, lasting=True)  # the index is open
        if how == "mode":
            file.chmod(0o666)
        elif how == "link":
            file.rename(tmp_path / "elsewhere")
            file.symlink_to(tmp_path / "elsewhere")
        else:
            monkeypatch.setattr(os, "getuid", lambda: file.stat().st_uid + 1)
        with pytest.raises(StoreError, match=r"may write it|a link|belongs to another user"):
            store.fit("a", made, lasting=True)

    def test_an_index_that_is_a_link_is_refused(self, tmp_path: Path) -> None:
        FitStore(tmp_path).fit("a", made, lasting=True)
        index = tmp_path / "v1" / "index.sqlite"
        index.rename(tmp_path / "elsewhere")
        index.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match="a link or the like"):
            FitStore(tmp_path)

    def test_a_second_store_of_a_process_gives_up_no_lock_of_the_first(self, tmp_path) -> None:
        """Else a process that leaves takes itself for the last, and removes the log in use."""
        first, second = FitStore(tmp_path), FitStore(tmp_path)
        first.fit("a", made, lasting=True)
        second.fit("b", made, lasting=True)
        leave = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM entries')"
        index = tmp_path / "v1" / "index.sqlite"
        subprocess.run([sys.executable, "-c", leave, str(index)], check=True)
        assert index.with_name("index.sqlite-wal").exists()
        first.fit("c", made, lasting=True)
        assert FitStore(tmp_path).fit("c", refuse, lasting=True)[1]

    def test_files_are_private_whatever_the_umask_says(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            FitStore(tmp_path / "s").fit("a", lambda: made(b"x" * 10**6), lasting=True)
            store = FitStore(tmp_path / "s")
            store.fit("a", refuse, lasting=True)
        finally:
            os.umask(before)
        for path in (tmp_path / "s").rglob("*"):
            assert not stat.S_IMODE(path.stat().st_mode) & 0o022, path

    def test_the_default_directory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BACKTRAIN_CACHE_DIR", "/some/where")
        assert default_directory() == Path("/some/where")
        monkeypatch.delenv("BACKTRAIN_CACHE_DIR")
        assert default_directory().name == "backtrain"


#: Replays all strategies with a Ridge that takes its time and counts its fits in a file.
SCRIPT = """
import json, sys, time
sys.path.insert(0, sys.argv[3])
from sklearn.linear_model import Ridge
learn = Ridge.fit
def fit(self, X, y, sample_weight=None):
    with open(sys.argv[2], "a") as log:
        log.write("fit\\n")
    time.sleep(0.005)
    return learn(self, X, y, sample_weight)
Ridge.fit = fit
from backtrain.store.fits import FitStore
import test_store
test_store.STRATEGIES.pop("warm")
store = FitStore(sys.argv[1])
runs = test_store.run_all(store, Ridge())
totals = {name: run.totals["total"] for name, run in runs.items()}
print(json.dumps(dict(vars(store)["_prices"], **totals)))
print(json.dumps({k: getattr(store, k) for k in ("asked", "computed", "read", "predicted")}))
"""


def start(directory: Path, log: Path) -> "subprocess.Popen[str]":
    script = [sys.executable, "-c", SCRIPT, str(directory), str(log), str(Path(__file__).parent)]
    return subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> tuple[dict[str, float], SimpleNamespace]:
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "Warning" not in err
    money, counts = out.splitlines()
    return json.loads(money), SimpleNamespace(**json.loads(counts))


def lines(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


class TestProcesses:
    def test_two_at_once_compute_nothing_twice_and_pay_the_same(self, tmp_path: Path) -> None:
        store, log = tmp_path / "store", tmp_path / "log"
        processes = [start(store, log) for _ in range(2)]
        (money, one), (other, two) = map(finish, processes)
        assert money == other
        assert one.computed + two.computed == lines(log) == len(set(money)) - 2
        assert one.asked == two.asked
        warm = FitStore(store)
        run = {name: s for name, s in STRATEGIES.items() if name != "warm"}
        setup = setup_of(Ridge())
        for name, strategy in run.items():
            replay(setup, strategy, warm, name)
        assert (warm.computed, warm.predicted) == (0, 0)
        counted = FitStore()
        for name, strategy in run.items():
            replay(setup, strategy, counted, name)
        assert one.predicted + two.predicted == counted.predicted

    def test_a_killed_process_leaves_a_good_store(self, tmp_path: Path) -> None:
        store, log = tmp_path / "store", tmp_path / "log"
        for fits in (3, 6, 9):
            process = start(store, log)
            while lines(log) < fits and process.poll() is None:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        begun = lines(log)
        _, counts = finish(start(store, log))
        assert lines(log) - begun == counts.computed
        # Of each killed process at most the fit under way was lost.
        assert counts.read >= begun - 3 > 3
        _, counts = finish(start(store, log))
        assert (counts.computed, counts.predicted) == (0, 0)

    def test_one_goes_on_when_the_other_is_killed(self, tmp_path: Path) -> None:
        store, log = tmp_path / "store", tmp_path / "log"
        victim, survivor = start(store, log), start(store, log)
        while lines(log) < 4 and victim.poll() is None:
            time.sleep(0.001)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        finish(survivor)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
    def test_a_fork_opens_the_store_for_itself(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path)
        store.fit("a", made, lasting=True)
        context = multiprocessing.get_context("fork")

        def child() -> None:
            store._memory = LRU(10**6)
            assert store.fit("a", refuse, lasting=True)[1]
            store.fit("b", made, lasting=True)

        process = context.Process(target=child)
        process.start()
        process.join()
        assert process.exitcode == 0
        assert store.fit("b", refuse, lasting=True)[1]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
    def test_a_fork_does_not_keep_the_turn_of_a_killed_parent(self, tmp_path: Path) -> None:
        store, orphan = FitStore(tmp_path / "store"), tmp_path / "orphan"
        ours, theirs = os.pipe()  # ends when nobody holds the other end, that is, with the orphan

        def fork_and_die() -> StoredFit:
            child = os.fork()
            if child == 0:
                time.sleep(600)
                os._exit(0)
            orphan.write_text(str(child))
            os.kill(os.getpid(), signal.SIGKILL)
            return made()

        parent = os.fork()
        if parent == 0:
            try:
                store.fit("a", fork_and_die, lasting=True)
            finally:
                os._exit(1)
        os.close(theirs)
        os.waitpid(parent, 0)
        try:
            assert store.fit("a", made, lasting=True)[1] is False
            assert select.select([ours], [], [], 0)[0] == []  # the orphan is still there
        finally:
            os.kill(int(orphan.read_text()), signal.SIGKILL)
            os.close(ours)

    def test_threads_share_a_store(self, tmp_path: Path) -> None:
        store = FitStore(tmp_path)

        def ask(i: int) -> None:
            store.fit(f"n{i % 50}", lambda: made(i % 50), lasting=True)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(ask, range(400)))
        assert (store.asked, store.computed) == (400, 50)
        assert store.info()["entries"] == 50

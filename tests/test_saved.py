"""A stream in a directory: what comes back, what is sent, and what happens when a file changes."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from backtrain import Backtest
from backtrain.cli.main import main
from backtrain.datasets import saved
from backtrain.datasets.bundled import bike, flights
from backtrain.datasets.faults import UnitChange, inject
from backtrain.datasets.latency import Fixed, apply
from backtrain.datasets.mapped import files_of, is_mapped
from backtrain.datasets.stream import Stream
from backtrain.datasets.synthetic import abrupt
from backtrain.simulator.setup import SetupError, unchanged
from backtrain.store.fits import FitStore, StoredFit
from backtrain.strategies import Every, Expanding, Strategy

ROWS = ("X", "y", "event_time", "label_time", "weight", "group", "truth", "amount")


def of_text() -> Stream:
    """Labels and groups as text, categories with and without an order, missing values."""
    n = 200
    frame = pd.DataFrame({
        "a": np.where(np.arange(n) % 7 == 0, np.nan, np.arange(n) / 3),
        "kind": pd.Series(np.array(["u", "v", None], dtype=object)[np.arange(n) % 3]),
        "b": np.arange(n) % 2 == 0,
        "size": pd.Categorical(np.arange(n) % 3, categories=[2, 0, 1], ordered=True),
    })  # fmt: skip
    hours = np.datetime64("2024-01-01T00", "h") + np.arange(n)
    arrives = np.where(
        np.arange(n) % 5 == 0, np.datetime64("NaT", "ns"), hours + np.timedelta64(3, "h")
    )
    labels = np.where(np.arange(n) % 5 == 0, None, np.where(np.arange(n) % 2, "late", "no"))
    group = np.array([f"g{i % 4}" for i in range(n)], dtype=object)
    return Stream(
        frame,
        labels,
        hours,
        arrives,
        weight=np.arange(n) / n,
        group=group,
        amount=hours.astype(int) % 9,
    )


MAKE: dict[str, Callable[[], Stream]] = {
    "numbers, missing values": bike,
    "categories, labels never": flights,
    "text": of_text,
    "drift": lambda: abrupt(300),
    "faults, another truth": lambda: inject(bike(), [UnitChange(None, 2, start=0.5, stop=0.6)]),
    "fixed length": lambda: replace(abrupt(300), y=np.array(["no", "yes"])[abrupt(300).y]),
    "truth values": lambda: replace(abrupt(300), y=abrupt(300).y == 1, group=np.arange(300) % 3),
}  # fmt: skip


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_what_is_opened_is_what_was_saved(tmp_path: Path, make: Callable[[], Stream]) -> None:
    stream = make()
    opened = stream.save(tmp_path / "s")
    for again in (opened, Stream.open(tmp_path / "s"), pickle.loads(pickle.dumps(opened))):
        assert again.fingerprint == stream.fingerprint == again._digest()
        for name in vars(Stream(np.zeros((2, 1)), [0, 1], ["2024", "2025"])):
            if name not in ROWS:
                assert getattr(again, name) == getattr(stream, name), name
        for name in ROWS[1:]:
            old, new = getattr(stream, name), getattr(again, name)
            assert (old is None) == (new is None), name
            if old is not None:
                assert (type(new), new.dtype) == (np.ndarray, old.dtype), name
                assert not new.flags.writeable, name
                np.testing.assert_array_equal(old, new)
        if isinstance(stream.X, pd.DataFrame):
            pd.testing.assert_frame_equal(stream.X, again.X)
        else:
            assert type(again.X) is np.ndarray
            assert not again.X.flags.writeable
        assert is_mapped(again.X)
        assert is_mapped(again.event_time)
        assert again.is_intact


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_other_processes_are_sent_a_path(tmp_path: Path, make: Callable[[], Stream]) -> None:
    opened = make().save(tmp_path / "s")
    assert len(pickle.dumps(opened)) < 6_000


def test_what_is_changed_is_in_memory_and_the_rest_is_mapped(tmp_path: Path) -> None:
    for stream in (bike(), of_text()):
        opened = stream.save(tmp_path / "s")
        later = apply(opened, Fixed("2D"))
        assert later.fingerprint == apply(stream, Fixed("2D")).fingerprint
        assert all(
            files_of(getattr(later, f))
            for f in ROWS
            if f != "label_time" and getattr(later, f) is not None
        )
        assert not files_of(later.label_time)
        sent = pickle.loads(pickle.dumps(later))
        assert sent.fingerprint == later.fingerprint
        assert sent.is_intact
    fault = [UnitChange("hum", 100, start=0.5, stop=0.6)]
    struck = inject(bike().save(tmp_path / "s"), fault)
    assert struck.fingerprint == inject(bike(), fault).fingerprint
    assert not is_mapped(struck.X)
    assert is_mapped(struck.y)
    assert is_mapped(struck.label_time)
    assert struck.is_intact
    assert isinstance(struck.X, np.ndarray)
    struck.X.base[0, 0] += 1
    assert not struck.is_intact


def test_npy_files_are_mapped_likewise(tmp_path: Path) -> None:
    stream = bike()
    np.save(tmp_path / "X.npy", stream.X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    own = replace(stream, X=mapped)
    assert own.fingerprint == stream.fingerprint
    assert [piece.path for piece in own._files] == [tmp_path / "X.npy"]
    assert len(pickle.dumps(own)) < len(pickle.dumps(stream)) - mapped.nbytes / 2
    assert pickle.loads(pickle.dumps(own))._digest() == stream.fingerprint
    touch(tmp_path / "X.npy")
    assert not own.is_intact
    writable = replace(stream, X=np.load(tmp_path / "X.npy", mmap_mode="r+"))
    assert not writable._files  # who can write through it, may: it is read as memory is


def touch(file: Path) -> None:
    """As somebody who writes the same bytes again."""
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1_000))


def spoil(file: Path) -> None:
    """Change the last value of an array."""
    content = bytearray(file.read_bytes())
    content[-8:] = b"\1" * 8
    file.write_bytes(content)
    touch(file)


def file_of(stream: Stream, field: str) -> Path:
    return files_of(getattr(stream, field))[0].path


def test_a_copy_of_the_directory_is_looked_at_once(tmp_path: Path) -> None:
    stream = abrupt(300)
    stream.save(tmp_path / "s")
    shutil.copytree(tmp_path / "s", tmp_path / "t", copy_function=shutil.copy)
    for file in (tmp_path / "t").glob("*.npy"):
        touch(file)
    again = Stream.open(tmp_path / "t")
    assert again.fingerprint == stream.fingerprint
    assert again.is_intact
    assert pickle.loads(pickle.dumps(again)).is_intact


@pytest.mark.parametrize("field", ["X", "y", "event_time", "label_time"])
def test_a_file_that_has_changed_is_named(tmp_path: Path, field: str) -> None:
    opened = apply(abrupt(300), Fixed("1D")).save(tmp_path / "s")
    sent, file = pickle.dumps(opened), file_of(opened, field)
    spoil(file)
    with pytest.raises(ValueError, match=f"{file}: not what was saved or opened"):
        Stream.open(tmp_path / "s")
    with pytest.raises(ValueError, match=f"{file}: not what was saved or opened"):
        pickle.loads(sent)
    with pytest.raises(SetupError, match=f"{file}: changed since it was opened"):
        Backtest(opened, LogisticRegression())
    file.unlink()
    for load in (lambda: Stream.open(tmp_path / "s"), lambda: pickle.loads(sent)):
        with pytest.raises(ValueError, match=f"{file}: cannot be"):
            load()


def test_a_file_that_changes_while_it_is_used_is_named_and_nothing_of_it_is_kept(
    tmp_path: Path,
) -> None:
    opened = abrupt(300).save(tmp_path / "s")
    store = FitStore(tmp_path / "cache")

    def use() -> None:
        with unchanged(opened, store):
            store.fit("some", lambda: _fit("some"), lasting=True)
            touch(file_of(opened, "y"))

    with pytest.raises(SetupError, match=f"{file_of(opened, 'y')}: changed since it was opened"):
        use()
    assert store.fit("some", lambda: _fit("some"), lasting=True)[1] is False


def _fit(name: str) -> Any:
    return StoredFit(name, None, 1.0, 0)


def test_a_file_that_is_cut_off_is_an_error_and_no_crash(tmp_path: Path) -> None:
    opened = abrupt(300).save(tmp_path / "s")
    sent, file = pickle.dumps(opened), file_of(opened, "X")
    for size in (500, 0):
        os.truncate(file, size)
        for load in (lambda: Stream.open(tmp_path / "s"), lambda: pickle.loads(sent)):
            with pytest.raises(ValueError, match=str(file)):
                load()


def test_codes_that_stand_for_nothing_are_an_error_that_names_the_directory(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024", periods=4), "k": list("abab"), "y": range(4)})
    Stream.from_frame(frame, target="y", time="t").save(tmp_path / "s")
    (file,) = (tmp_path / "s").glob("codes-*")
    np.save(file, np.full(4, 9, np.int8))
    with pytest.raises(ValueError, match=f"{tmp_path / 's'}: its columns do not fit"):
        Stream.open(tmp_path / "s")


def test_a_manifest_that_lacks_something_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "s" / "stream.json"
    abrupt(300).save(manifest.parent)
    facts = json.loads(manifest.read_text())
    for key in facts.keys() - {"rows", "reading"}:
        manifest.write_text(json.dumps({name: facts[name] for name in facts if name != key}))
        with pytest.raises(ValueError, match=f"{manifest}: not the manifest"):
            Stream.open(manifest.parent)


def test_who_opens_while_another_saves_finds_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    abrupt(300).save(path)
    facts_of, seen = saved._facts, []

    def reads_and_is_overtaken(folder: Path) -> Any:
        facts = facts_of(folder)
        seen.append(facts)
        if len(seen) == 1:
            bike().save(path)
        return facts

    monkeypatch.setattr(saved, "_facts", reads_and_is_overtaken)
    assert Stream.open(path).fingerprint == bike().fingerprint


def test_a_replay_of_what_was_opened_is_that_of_what_was_saved(tmp_path: Path) -> None:
    strategies = {"weekly": Strategy(Every("7D"), Expanding())}
    first = Backtest(bike(), _imputed()).compare(strategies, hindsight=False).runs["weekly"]
    opened = bike().save(tmp_path / "s")
    two = {**strategies, "monthly": Strategy(Every("30D"), Expanding())}
    for n_jobs in (1, 2):
        run = Backtest(opened, _imputed()).compare(two, n_jobs, hindsight=False).runs["weekly"]
        assert run.totals == first.totals
        assert run.predictions.equals(first.predictions)


def _imputed() -> Any:
    return make_pipeline(SimpleImputer(), Ridge())


def test_a_save_replaces_what_it_saved_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = abrupt(300).save(path)
    second = bike().save(path)
    assert Stream.open(path).fingerprint == second.fingerprint
    assert len(list(path.iterdir())) == 1 + len({piece.path for piece in second._files})
    assert first._digest() == abrupt(300).fingerprint  # who has it open keeps it
    with pytest.raises(ValueError, match="cannot be mapped"):
        pickle.loads(pickle.dumps(first))
    for other, name in ((tmp_path, tmp_path), (tmp_path / "file", tmp_path / "file")):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(ValueError, match=f"{name}: something else is there"):
            abrupt(300).save(other)
    with pytest.raises(FileNotFoundError, match="holds no stream"):
        Stream.open(tmp_path / "nowhere")


def test_a_save_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s"
    stream = abrupt(300)
    stream.save(path)
    before = sorted(path.iterdir())
    full = OSError("no space left on device")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(f"backtrain.datasets.saved.os.{name}", _raiser(full))
            with pytest.raises(OSError, match="no space"):
                bike().save(path)
        assert sorted(path.iterdir()) == before
        assert Stream.open(path).fingerprint == stream.fingerprint


def _raiser(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_words_that_no_file_can_keep_are_refused(tmp_path: Path) -> None:
    stream = abrupt(300)
    days = np.array(
        [pd.Timestamp("2024") + pd.Timedelta(days=i % 3) for i in range(300)], dtype=object
    )
    mixed = np.array([1, "1", 2] * 100, dtype=object)
    for group in (days, mixed):
        with pytest.raises(ValueError, match=r"group: values of type .* cannot be kept in a file"):
            replace(stream, group=group).save(tmp_path / "s")
    cut = pd.DataFrame({"a": pd.cut(np.arange(300), 3)})
    with pytest.raises(ValueError, match=r"column 'a': values of type Interval"):
        replace(stream, X=cut, columns=()).save(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_only_what_a_part_was_checked_as_is_trusted(tmp_path: Path) -> None:
    opened = bike().save(tmp_path / "s")
    low = replace(bike(), y=bike().y - 500.0).save(tmp_path / "t")
    with pytest.raises(ValueError, match="weight: -"):
        replace(opened, weight=low.y)
    with pytest.raises(ValueError, match="one column"):
        replace(opened, y=opened.X)
    with pytest.raises(ValueError, match="is before row"):
        replace(opened, event_time=opened.event_time[::-1])


def test_a_saved_stream_is_a_data_set_of_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    abrupt(300).save("history")
    keys = ["comparison=one", "strategy=monthly", "hindsight=false", "report=none", "cache=false"]
    keys += ["model=linear", "n_jobs=1", "latency=fixed", "latency.offset=1h", "hydra.run.dir=out"]
    assert main(["run", "dataset=stream", "dataset.path=history", *keys]) == 0
    assert "abrupt: 300 rows" in capsys.readouterr().out
    assert main(["run", "dataset=stream", "dataset.path=nothing", *keys]) == 2
    assert "nothing: holds no stream" in capsys.readouterr().err
    method = "dataset._target_=backtrain.datasets.stream.Stream.open"
    assert main(["run", "dataset=stream", "dataset.path=history", method, *keys]) == 2
    assert "'backtrain.datasets.stream' has no module 'Stream'" in capsys.readouterr().err


def test_what_was_said_in_reading_goes_along_and_is_no_content(tmp_path: Path) -> None:
    plain = abrupt(n=100)
    said = replace(plain, reading=("separator ';'", "1 of 101 rows left out"))
    assert said.fingerprint == plain.fingerprint
    late = apply(inject(said, [UnitChange("x1", 100, start=0.5, stop=0.6)]), Fixed("1D"))
    for other in (late, said.save(tmp_path), pickle.loads(pickle.dumps(said))):
        assert other.reading == ("separator ';'", "1 of 101 rows left out")
    manifest = tmp_path / "stream.json"  # as earlier versions wrote it
    facts = json.loads(manifest.read_text())
    del facts["reading"]
    manifest.write_text(json.dumps(facts))
    assert Stream.open(tmp_path).reading == ()

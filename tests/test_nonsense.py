"""Whatever stands where a preset is expected: one line that says what is wrong, and exit code 2."""

import os
import stat
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from backtrain.cli import main
from backtrain.config import compose
from backtrain.config.build import ConfigError
from backtrain.config.keys import HOLDERS, RunKeys, TuneKeys, names
from backtrain.config.study import load
from backtrain.config.tuning_study import load as load_tuning

GROUPS = sorted(
    str(entry.name) for entry in files("backtrain.conf").iterdir() if entry.is_dir()
    and any(inner.name.endswith(".yaml") for inner in entry.iterdir())
)  # fmt: skip
TUNED = ("dataset", "latency", "model", "window", "update", "prices", "delays")
NONSENSE = ("null", "3", "true", "text", "[a,b]", "[]", "{}", "", "{_target_:3}")
LATER = {
    "faults.stuck_sensor=3": "faults.stuck_sensor: not chosen; add faults=[stuck_sensor]",
    "+faults.stuck_sensor=3": "faults.stuck_sensor=3: not a preset",
    "faults=[stuck_sensor] faults.stuck_sensor=3": "faults.stuck_sensor=3: not a preset",
    "comparison.static=null": "comparison.static=None: not a preset",
    "comparison.static=[1]": "Error merging override comparison.static=[1]; Cannot merge",
    "strategy=parts strategy.window=null": "strategy.window=None: must be a window, not null",
    "strategy=parts strategy.update={}": "strategy.update={}: must be an update, not a mapping",
    "strategy=parts strategy.trigger=[1]": "strategy.trigger=[1]: must be a trigger, not a list",
    "trigger@strategy.trigger=3": "trigger@strategy.trigger=3: give one preset; there are",
    "window=[sliding,expanding]": "window=[sliding,expanding]: give one preset; there are",
    "seed=-1": "seed=-1: a whole number, 0 or more",
    "start=2400-01-01": "start='2400-01-01': not a date or time between 1678 and 2261",
    "end=1600-01-01": "end='1600-01-01': not a date or time between 1678 and 2261",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    """The one line that a command says before it ends with exit code 2."""
    assert main(list(line)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
    assert len(printed.err.splitlines()) == 1, printed.err
    return printed.err


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("group", GROUPS)
def test_a_group_takes_presets(
    capsys: pytest.CaptureFixture[str], here: Path, group: str, value: str
) -> None:
    # No faults, nobody who is told, the usual loss.
    if (group, value) in {("faults", "[]"), ("callbacks", "[]"), ("loss", "null")}:
        return
    commands = ("run", "tune") if group in TUNED and value in ("null", "[a,b]") else ("run",)
    for command in commands:
        said = refused(capsys, command, f"{group}={value}")
        assert said.startswith(group), said
        remedies = ("there are", "There are", "choose the preset", "needs a module and a name")
        assert any(remedy in said for remedy in remedies), said
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("line", LATER)
def test_so_does_what_stands_deeper(capsys: pytest.CaptureFixture[str], line: str) -> None:
    small = ("dataset=abrupt", "dataset.n=300", "comparison=one")
    assert refused(capsys, "run", *small, *line.split()).startswith(LATER[line])


def test_a_value_of_a_preset_may_be_given_as_a_mapping() -> None:
    assert main(["run", "dataset=abrupt", "window={length:30D}", "--cfg", "job"]) == 0


# --- keys -----------------------------------------------------------------------------------------

STRANGE = (
    *("null", "3", "-1", "0.5", "true", "nan", "1e400", "''", "wrong"),
    *("[]", "{}", "[wrong,3]", "{wrong:3}"),
)
#: What is right all the same.
RIGHT = {
    "tick": ("3",),
    "start": ("0.5",),
    "end": ("null",),
    "threshold": ("null", "0.5"),
    "lags": ("null", "{}"),
    "horizon": ("null", "{}"),
    "quantiles": ("null",),
    "metrics": ("null", "[]"),
    "currency": ("''", "wrong"),
    "unit": ("''", "wrong"),
    "careful": ("0.5",),
    "seed": ("3",),
    "n_jobs": ("3", "-1"),
    "progress": ("true",),
    "cache": ("true", "wrong"),
    "hindsight": ("true",),
    "baseline": ("null",),
    "budget": ("null", "3", "0.5", "1e400"),
    "running": ("null",),
    "fail_if": ("null",),
    "baselines": ("true",),
    "grid": ("null", "{}"),
    "objective": ("null", "[]"),
    "resume": ("true",),
    "run": ("{}",),
    "every": ("null", "3"),
    "intervals": ("null", "[]", "''"),
}
KEYS = [("run", key) for key in names(RunKeys) if key not in GROUPS] + [
    ("tune", key) for key in names(TuneKeys) if key not in (*GROUPS, *names(RunKeys))
]


@pytest.mark.parametrize(("command", "key"), KEYS, ids="=".join)
def test_a_key_says_what_it_takes(command: str, key: str) -> None:
    small = ["dataset=abrupt", "dataset.n=200", *(["comparison=one"] if command == "run" else [])]
    schema, read = (RunKeys, load) if command == "run" else (TuneKeys, load_tuning)
    right = []
    for value in STRANGE:
        try:
            (config,) = compose.composed([*small, f"{key}={value}"], command, schema)
            read(*compose.split(config))  # all but the work itself
            right.append(value)
        except ConfigError as error:
            (line,) = str(error).splitlines()
            assert key in line
    assert sorted(right) == sorted(RIGHT.get(key, ()))


@pytest.mark.parametrize("key", HOLDERS)
@pytest.mark.parametrize("value", ["[1,24]", "[]"])
def test_what_holds_keys_shows_one(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose.composed(["dataset=abrupt", f"{key}={value}"], "run", RunKeys)
    assert f"holds keys: set them, such as {HOLDERS[key]}" in str(refused.value)


# --- directories ----------------------------------------------------------------------------------

SMALL = ("dataset=abrupt", "dataset.n=300", "comparison=one", "n_jobs=1", "progress=false")


@pytest.mark.parametrize(
    ("command", "key"),
    [("run", "hydra.run.dir"), ("tune", "hydra.run.dir"), ("run -m", "hydra.sweep.dir")],
)
def test_a_directory_that_cannot_be_written_to_is_found_first(
    capsys: pytest.CaptureFixture[str], here: Path, command: str, key: str
) -> None:
    (here / "file").write_text("")
    small = SMALL if command != "tune" else ("dataset=abrupt", "dataset.n=300")
    said = refused(capsys, *command.split(), *small, f"{key}=file/inside")
    assert said.startswith(f"{key}={here}/file/inside: cannot be written to (")
    assert [path.name for path in here.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_store_that_others_can_write_in_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "store").mkdir()
    (here / "store").chmod(0o777)
    said = refused(capsys, "run", *SMALL, "cache=store")
    assert "others may write in it" in said
    assert "chmod 700" in said
    assert stat.S_IMODE((here / "store").stat().st_mode) == 0o777
    assert [path.name for path in here.iterdir()] == ["store"]


def test_a_part_of_ones_own_that_answers_wrongly_is_named_with_its_strategy(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "own_nonsense.py").write_text(
        "class Odd:\n"
        "    def select(self, view):\n"
        "        return None if view.past > 100 else slice(None)\n"
    )
    own = ("window=custom", "window._target_=own_nonsense.Odd", "cache=false", "hindsight=false")
    assert main(["run", *SMALL, *own, "hydra.run.dir=run"]) == 2
    said = capsys.readouterr().err
    assert "select() gave None; return Selection(rows)" in said
    assert "while replaying strategy 'every_7d'" in said
    assert "Traceback" not in said

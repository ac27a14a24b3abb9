"""Two commands never write into one directory."""

import sys
from pathlib import Path

import pytest
from hydra.core.utils import setup_globals
from omegaconf import DictConfig, OmegaConf

from backtrain.cli.main import main
from backtrain.cli.own_directory import own_directory
from backtrain.config.build import ConfigError
from backtrain.store.locks import alone_in

SMALL = ("run", "dataset=abrupt", "dataset.n=300", "comparison=one", "n_jobs=1", "progress=false")


def config(directory: str) -> DictConfig:
    setup_globals()
    return OmegaConf.create({"hydra": {"run": {"dir": directory}}})


def test_commands_of_one_second_get_directories_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second, third = (config("outputs/${now:%Y}") for _ in range(3))
    year = Path(first.hydra.run.dir).name
    with own_directory(first):
        assert first.hydra.run.dir == f"outputs/{year}"
        with own_directory(second):
            assert Path(second.hydra.run.dir) == tmp_path / f"outputs/{year}-2"
            Path(second.hydra.run.dir, "report").write_text("")
    assert not Path(first.hydra.run.dir).exists()  # nothing was written there
    with own_directory(third):
        assert third.hydra.run.dir == f"outputs/{year}"
    assert [path.name for path in Path("outputs").iterdir()] == [f"{year}-2"]


@pytest.mark.skipif(sys.platform == "win32", reason="directories cannot be locked there")
def test_a_directory_of_ones_own_choice_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    with own_directory(config("out")), pytest.raises(ConfigError, match="another command"):
        own_directory(config("out")).__enter__()
    with alone_in(Path("out")):
        assert main([*SMALL, "hydra.run.dir=out"]) == 2
    assert "hydra.run.dir=out: another command is at work there" in capsys.readouterr().err
    assert not list(Path("out").iterdir())

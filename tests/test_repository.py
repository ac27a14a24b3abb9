"""Files of configs: what is shipped is parsed once a process, a user's own whenever it is asked."""

from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from backtrain.config.compose import composed


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are parsed."""
    names: list[str] = []
    load = OmegaConf.load
    monkeypatch.setattr(OmegaConf, "load", lambda file: names.append(file.name) or load(file))
    return names


def job(*keys: str) -> DictConfig:
    return composed(["dataset=abrupt", "strategy=monthly", *keys])[0]


def test_what_is_shipped_is_parsed_once_and_is_the_callers_own(parsed: list[str]) -> None:
    first = OmegaConf.to_container(job())
    parsed.clear()
    job("trigger.every=5D", "dataset.n=77")
    assert OmegaConf.to_container(job()) == first
    assert parsed == []


def test_a_users_file_is_parsed_each_time(tmp_path: Path, parsed: list[str]) -> None:
    own = tmp_path / "dataset/own.yaml"
    own.parent.mkdir()
    for n in (300, 301):
        own.write_text(f"defaults: [abrupt]\nn: {n}\n")
        assert job("dataset=own", f"hydra.searchpath=[file://{tmp_path}]").dataset.n == n
        assert parsed[-1] == str(own)

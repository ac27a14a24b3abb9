"""The pages of worked examples run as they stand.

Blocks of a page share names, as a reader pastes them. Where ETTh1.csv is not beside it, its page
makes a stand-in; its commands are composed, not run.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module

from backtrain.config.study import checked

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("examples_*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        exec(compile(block, page.name, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_commands_say_what_there_is_to_say(page) -> None:
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        for line in block.replace("\\\n", " ").splitlines():
            program, command, *overrides = shlex.split(line)
            assert (program, command) == ("backtrain", "run")
            with initialize_config_module("backtrain.conf", version_base="1.3"):
                checked(compose("run", overrides))

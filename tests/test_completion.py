"""The shell completes commands, groups, presets, keys and values; tried in bash itself.

Bash starts a process for each line, so it is asked those lines that it splits in ways of its own;
what the others are completed to is asked of the command that it would call.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backtrain.cli import main
from backtrain.cli.completion import SCRIPTS
from backtrain.cli.main import COMMANDS

#: Like the installed command, wherever that is.
SHELL = """
backtrain() { "$PYTHON" -m backtrain "$@"; }
eval "$(backtrain completion bash)"
while IFS= read -r line; do
  COMP_LINE="$line" COMP_POINT=${#line} COMPREPLY=()
  _backtrain
  printf '%s\\n' "> $line" "${COMPREPLY[@]}"
done
complete -p backtrain
"""

COMPLETED = {  # a line, and what bash puts in place of what stands after the last = or :
    "backtrain ru": ["run"],
    "backtrain run dataset=sea wind": ["window.", "window="],
    "backtrain run window=s": ["since_drift", "since_last_training", "sliding"],
    "backtrain run -m strategy=[monthly,cham": ["[monthly,champion"],
    "backtrain run experiment=how": ["how_often"],
    "backtrain run trigger=max_age trigger.o": ["trigger.offset="],
    "backtrain run strategy=champion strategy.gate.h": ["strategy.gate.holdout="],
    "backtrain run comparison.error_drift.tr": [
        "comparison.error_drift.trigger.",
        "comparison.error_drift.trigger=",
    ],
    "backtrain run grid.trigger.e": ["grid.trigger.every="],
    "backtrain run grid.window=[sl": ["[sliding"],
    "backtrain run +strategy@comparison.mine=champ": ["champion"],
    "backtrain run progress=": ["auto", "false", "true"],
    "backtrain run --mul": ["--multirun"],
    "backtrain run bogus[ datas": ["dataset.", "dataset="],
    "backtrain tune prices.retr": ["prices.retrain="],
    "backtrain tune experi": [],
    "backtrain search experi": [],
    "backtrain search sampler=n": ["nsga2"],
    "backtrain search search.trigger.e": ["search.trigger.every="],
    "backtrain search 'search.trigger.drop=[1%,2%]' strategy=champion search.gate.h": [
        "search.gate.holdout="
    ],
    "backtrain list exp": ["experiment"],
    "backtrain completion f": ["fish"],
    "backtrain nonsense x": [],
}


#: Lines with one word, `=` once, twice and within brackets, options, none to offer, and an error.
IN_BASH = (
    "backtrain ru",
    "backtrain run dataset=sea wind",
    "backtrain run -m strategy=[monthly,cham",
    "backtrain run +strategy@comparison.mine=champ",
    "backtrain run --mul",
    "backtrain run bogus[ datas",
    "backtrain search 'search.trigger.drop=[1%,2%]' strategy=champion search.gate.h",
    "backtrain nonsense x",
)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes(tmp_path: Path) -> None:
    env = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", "--norc", "-c", SHELL],
        input="\n".join(IN_BASH) + "\n",
        cwd=tmp_path, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, list[str]] = {}
    *lines, registered = done.stdout.splitlines()
    for line in lines:
        if line.startswith("> "):
            found[line[2:]] = []
        else:  # an empty word would keep bash from completing file names
            found[list(found)[-1]].append(line)
    assert found == {line: COMPLETED[line] for line in IN_BASH}
    assert registered == "complete -o default -F _backtrain backtrain"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def candidates(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["completion", "words", *words]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.split()


@pytest.mark.parametrize("line", [line for line in COMPLETED if line not in IN_BASH])
def test_a_line_is_completed(capsys: pytest.CaptureFixture[str], line: str) -> None:
    words = line.split(" ")[1:]
    begun = re.match(r"(.*[=:])?", words[-1])
    assert begun
    whole = [begun[0] + word for word in COMPLETED[line]]
    assert candidates(capsys, *words) == whole


def test_every_command_and_what_is_of_ones_own_is_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert candidates(capsys, "") == [*COMMANDS, "--help", "--version"]
    (tmp_path / "strategy").mkdir()
    (tmp_path / "strategy/mine_own.yaml").write_text("defaults: [_base]\n")
    own = (f"--config-dir={tmp_path}", "strategy=mine")
    assert candidates(capsys, "run", *own) == ["strategy=mine_own"]
    assert candidates(capsys, "run", "strategy=_") == []


@pytest.mark.parametrize("shell", [shell for shell in SCRIPTS if shutil.which(shell)])
def test_a_script_is_right_for_its_shell(shell: str) -> None:
    subprocess.run([shell, "-n"], input=SCRIPTS[shell], text=True, check=True)


def test_it_is_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "backtrain completion bash" in capsys.readouterr().out
    assert main(["completion", "--help"]) == 0
    assert all(shell in capsys.readouterr().out for shell in ["fish"])
    assert main(["completion", "tcsh"]) == 2

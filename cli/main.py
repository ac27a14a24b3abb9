"""``backtrain <command>``: each command is a file here, imported when it is called."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

#: A line each: the command, which is a file here with a `main(arguments)`; how it is called; what
#: it does.
COMMANDS = {
    "run": ("[key=value ...] [-m]", "compare strategies on one dataset; -m sweeps over several"),
    "tune": ("[key=value ...]", "how often to retrain, on how many and how old rows"),
    "search": ("[key=value ...]", "which parameters of a strategy, judged on rows not seen"),
    "audit": ("[key=value ...]", "what strategies, model and data know too early"),
    "report": ("DIR...", "write a report again, or several runs or sweeps into one"),
    "list": ("[group]", "what can be named, with one line each"),
    "cache": ("info|clear", "the fits that are kept for later runs"),
    "completion": ("bash|zsh|fish", "a script: the shell completes commands, keys and presets"),
}
#: What is there after a stop, and how to go on, where a command has not said it.
_STOPPED = {
    "run": "stopped: nothing is half written; to go on, give the same command again",
    "tune": "stopped: no result is written; the same command goes on with the fits that were kept",
    "search": "stopped: no result is written; the same command goes on with the trials it has kept",
    "audit": "stopped: what is printed holds; nothing is written",
    "report": "stopped: what was saved is whole; give the same command again",
}
_HELP = """\
Backtest your retraining strategy before production pays for it.

{commands}

Examples:
  backtrain run                        eleven strategies on two years of bike rentals
  backtrain run dataset=table dataset.path=my.csv dataset.time=ts dataset.target=y
  backtrain run experiment=how_often   a study as one word: backtrain list experiment
  backtrain run comparison=none 'strategy=[monthly,champion]'   just these two
  backtrain run -m comparison=one strategy=monthly,champion seed=0,1

`backtrain run --help`, `tune --help` and `search --help` show every key that can be set;
eval "$(backtrain completion bash)" lets the shell complete them (zsh, fish: completion --help)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 1 for what failed, 2 for bad input, 130 stopped.

    And 3, where what ``fail_if=`` says of a run is true.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _watched(arguments)
    except KeyboardInterrupt as stop:  # also while modules are imported
        return getattr(stop, "code", 130)


def _watched(arguments: list[str]) -> int:
    from backtrain.cli.terminal import end_workers, in_one_line, say, stop_is_told, stoppable

    with in_one_line(), stoppable():
        try:
            return _command(arguments)
        except KeyboardInterrupt:
            if not stop_is_told():
                say(_STOPPED.get(arguments[0] if arguments else "", "stopped"), sys.stderr)
            end_workers()
            raise


def _command(arguments: list[str]) -> int:
    from backtrain.cli.terminal import say

    try:
        return _done(arguments)
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ValueError as error:
        from backtrain.config.build import ConfigError

        if not isinstance(error, ConfigError) or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        say(str(error), sys.stderr)
        return error.code


def _done(arguments: list[str]) -> int:
    from backtrain.cli.terminal import say

    first, *others = arguments or ["--help"]
    if first in ("-h", "--help", "help"):
        calls = {f"backtrain {name} {how}": what for name, (how, what) in COMMANDS.items()}
        lines = [f"  {call:36} {what}" for call, what in calls.items()]
        print(_HELP.format(commands="\n".join(lines)))
        return 0
    if first == "--version":
        from importlib.metadata import version

        print(f"backtrain {version('backtrain')}")
        return 0
    if first not in COMMANDS:
        say(f"{first}: no such command; there are {', '.join(COMMANDS)}", sys.stderr)
        return 2
    return int(import_module(f"backtrain.cli.{first}").main(others))

"""What the command line composes to, known before Hydra starts; and Hydra, which then starts it.

It is set up as `hydra.main` sets it up, but composes a job only once.
"""

import itertools
import re
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from unittest.mock import patch

import hydra
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import (
    create_automatic_config_search_path,
    get_args_parser,  # the parser that hydra.main itself uses
    run_and_report,
)
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Quote, QuotedString
from hydra.errors import (
    CompactHydraException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from backtrain.config.build import ConfigError, guess
from backtrain.config.keys import HOLDERS, Keys, RunKeys, names, set_below
from backtrain.config.loader import Loader
from backtrain.config.presets import PACKAGE
from backtrain.config.presets import names as _presets

Task = Callable[[DictConfig], Any]

_BASE = "1.3"
#: Groups of which several presets may be chosen.
_SEVERAL = ("faults", "strategy", "callbacks")


def in_order(arguments: list[str]) -> list[str]:
    """The arguments as Hydra takes them: overrides together, then options.

    Raises `ConfigError` for an option that there is not.
    """
    # What stood for the usual one before losses were presets; Hydra takes no null for a preset.
    arguments = ["loss=usual" if one == "loss=null" else one for one in arguments]
    options, rest = get_args_parser().parse_known_args(arguments)
    for unknown in rest:
        if unknown.startswith("-"):
            key = unknown.lstrip("-")
            hint = f"keys are written without dashes: {key}" if "=" in key else "see run --help"
            raise ConfigError(f"{unknown}: there is no such option; {hint}")
    if options.config_path is not None or options.experimental_rerun is not None:
        raise ConfigError("use --config-dir DIR to add configs of your own to those of backtrain")
    overrides = [*options.overrides, *rest]
    others = [option for option in arguments if option not in overrides]
    return [*map(_read_as_text, overrides), *others]


def _read_as_text(override: str) -> str:
    """An override whose value Hydra cannot read, such as the name of a column, as that of a text.

    What begins like a list, a mapping or a quotation, or lacks a bracket, is left as it is.

    >>> _read_as_text("dataset.target=Temp (C)")
    "dataset.target='Temp (C)'"
    """
    key, _, value = override.partition("=")
    whole = all(value.count(first) == value.count(last) for first, last in ("()", "[]", "{}"))
    if not value or value[0] in "[{('\"" or not whole:
        return override
    try:
        OverridesParser.create().parse_overrides([override])
    except OverrideParseException:
        return f"{key}={QuotedString(value, Quote.single).with_quotes()}"
    return override


def composed(
    arguments: list[str], name: str = "run", schema: type[Keys] = RunKeys
) -> list[DictConfig]:
    """The config of every job, Hydra's own part included; raises `ConfigError`.

    ``name`` is that of the config, ``schema`` declares its keys.
    """
    options = parsed(arguments)
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ConfigError(f"--config-dir {options.config_dir}: no such directory")
    config, jobs, sweeps = options.config_name or name, [options.overrides], is_sweep(arguments)
    with _started(arguments) as started, _in_few_words(schema):
        if sweeps:
            whole = _whole(started, config, options.overrides)
            jobs = _jobs(whole.hydra.sweeper.get("params") or {}, options.overrides)
        for job in jobs:
            _refuse_no_preset(job)
        return [compose_one(started, config, job) for job in jobs]


def split(config: DictConfig) -> tuple[DictConfig, str | None]:
    """A job's own config, and the strategy preset that it chose."""
    chosen = config.hydra.runtime.choices.get("strategy")
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    return own, chosen


def _jobs(params: Mapping[str, object], overrides: list[str]) -> list[list[str]]:
    """The overrides of each job, as Hydra's own sweeper combines them with those of the config."""
    loader = GlobalHydra.instance().config_loader()
    given = [*(f"{key}={value}" for key, value in params.items()), *overrides]
    axes: dict[str, list[str]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(given):
        key = override.get_key_element()
        if override.is_discrete_sweep():
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        elif override.is_sweep_override():  # other sweepers choose their values as they go
            axes[key] = []
        else:
            axes[key] = [str(override.input_line)]
    return [list(job) for job in itertools.product(*filter(None, axes.values()))]


def _refuse_no_preset(overrides: list[str]) -> None:
    """Raise `ConfigError` where a group is given what names no preset: null, a number, a list."""
    for override in OverridesParser.create().parse_overrides(overrides):
        group = override.key_or_group
        choices = sorted(name for name in _presets(group) if not name.startswith("_"))
        if not choices or override.is_delete() or override.is_sweep_override():
            continue
        value = override.value()
        listed = value if isinstance(value, list) and override.package is None else [None]
        # In a sweep, Hydra hands a glob on as a mapping.
        if group in _SEVERAL and all(isinstance(v, (Glob, dict)) or _is_name(v) for v in listed):
            continue
        if not _is_name(value) and not (isinstance(value, dict) and value):
            given = str(override.input_line).lstrip("+")
            what = "one preset or several" if group in _SEVERAL else "one preset"
            raise ConfigError(f"{given}: give {what}; {guess('', choices)}")


def _is_name(value: object) -> bool:
    return isinstance(value, (str, QuotedString)) and bool(str(value))


def refuse_unwritable(config: DictConfig, key: str) -> None:
    """Raise `ConfigError` where Hydra could not make a job's directory; leaves nothing behind.

    ``key`` is that of the directory: ``"hydra.run.dir"`` or ``"hydra.sweep.dir"``.
    """
    directory = Path(str(OmegaConf.select(config, key))).absolute()
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=directory):
            pass
    except OSError as error:
        why = error.strerror or error
        message = f"{key}={directory}: cannot be written to ({why}); choose another"
        raise ConfigError(message) from error
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def _in_few_words(schema: type[Keys]) -> Iterator[None]:
    try:
        yield
    except ConfigError:
        raise
    except MissingConfigException as error:
        raise ConfigError(_no_such_choice(error)) from error
    except OverrideParseException as error:
        says = next(iter(str(error).splitlines()), "")
        hint = "close brackets and quotes, and quote for the shell: 'key=[a,b]'"
        if re.search(r"=\[.*[()/].*\]$", str(error.override)):
            hint = "texts with signs stand in quotes of their own: \"key=['a (b)','c']\""
        if not str(error.override).isascii():
            hint = "letters such as \u00fc stand in quotation marks of their own: \"key='\u00fc'\""
        raise ConfigError(f"{error.override}: {says}; {hint}") from error
    except YAMLError as error:
        raise ConfigError(_no_yaml(error)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{error}: a file of --config-dir is not UTF-8; save it so") from error
    except (CompactHydraException, OmegaConfBaseException, HydraException, ValueError) as error:
        raise ConfigError(_no_such_key(error, schema)) from error


def _no_yaml(error: YAMLError) -> str:
    """The file and line that cannot be read, and what helps."""
    text = " ".join(str(error).split())
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark) is not None:
        began = error.context_mark
        since = f", {error.context} from line {began.line + 1} on" if began else ""
        text = f"{mark.name}, line {mark.line + 1}: {error.problem}{since}"
    return (
        f"{text}\nnot valid YAML; indent keys of one level alike, with blanks and no tabs, close "
        "brackets and quotes, and quote texts that hold ': ' or ' #'"
    )


def _no_such_choice(error: MissingConfigException) -> str:
    group, _, choice = str(error.missing_cfg_file).rpartition("/")
    # Of a choice in a list, such as faults=[cents], Hydra does not tell the options.
    options = error.options or _presets(group)
    options = [option for option in options if not option.startswith("_")]
    if not options:
        return str(error)
    own = f"for one of your own: --config-dir=DIR, where DIR/{group}/{choice}.yaml is"
    return f"{group}={choice}: no such choice; {guess(choice, sorted(options))}; {own}"


def of_run_alone(schema: type[Keys]) -> set[str]:
    """Keys and groups of `backtrain run` that a command of these keys does not take."""
    if schema is RunKeys:
        return set()
    return {"experiment", *names(RunKeys)} - set(names(schema))


def _first_line(error: BaseException | None) -> str:
    return "" if error is None else next(iter(str(error).splitlines()), "")


def _no_such_key(error: Exception, schema: type[Keys]) -> str:
    message = "; ".join(dict.fromkeys(filter(None, map(_first_line, (error, error.__cause__)))))
    if swept := re.match(r"Ambiguous value for argument '([^=]+)=(.+)'", message):
        key, values = swept.groups()
        return f"{message}; add -m for a job each, or give a list, {key}=[{values}]"
    merged = re.match(r"Error merging override \+*([\w.]+)=", message)
    if merged and merged[1] in HOLDERS:
        return f"{merged[1]}: {set_below(merged[1])}"
    refused = re.search(r"Could not override '([^']+)'", message)
    if refused is None or not re.search("No match|not in struct", f"{message}{error.__cause__}"):
        return message
    path = refused.group(1)
    group, _, preset = path.partition(".")
    if group in _SEVERAL and preset in _presets(group):
        return f"{path}: not chosen; add {group}=[{preset}]"
    if group in of_run_alone(schema):
        return f"{group}: a key of `backtrain run`, not of this command"
    if path in HOLDERS:
        return f"{path}: {set_below(path)}"
    if path in names(schema):
        return (
            f"{path}: what is given merges with the preset chosen, which has other keys; choose "
            "the preset of this class and set its keys, as in trigger=any_of 'trigger._args_=[...]'"
        )
    above, _, key = path.rpartition(".")
    parent = getattr(error.__cause__, "parent_node", None)
    if meant := _one_level_off(path, parent):
        return f"{path}: no such key; did you mean {' or '.join(meant)}?"
    keys = list(parent if above and isinstance(parent, DictConfig) else names(schema))
    keys = [name for name in keys if name != "_target_"]
    if not keys:
        return f"{path}: no such key; add a new one as +{path}=VALUE"
    below = [f"{above}.{name}.{key}" for name in keys if _has(parent, str(name), key)]
    if above and below:
        return f"{path}: no such key; did you mean {' or '.join(below)}?"
    return f"{path}: no such key; {guess(key, map(str, keys))}"


def _one_level_off(path: str, parent: Any) -> list[str]:
    """What was meant by a key of which a step above the last is not there.

    The step in another spelling, as ``price.retrain``, or left out, as ``prices.prices.retrain``.
    """
    if not isinstance(parent, DictConfig):
        return []
    there = str(parent._get_full_key(""))
    step, _, rest = path.removeprefix(there).removeprefix(".").partition(".")
    if not rest:
        return []
    there += "." if there else ""
    if _reaches(parent, rest):
        return [f"{there}{rest}"]
    keys = [str(key) for key in parent if _reaches(parent.get(key), rest)]
    return [f"{there}{key}.{rest}" for key in get_close_matches(step, keys, n=3, cutoff=0.6)]


def _reaches(node: Any, path: str) -> bool:
    """Whether a config has a key at a path."""
    for step in path.split("."):
        if not isinstance(node, DictConfig) or step not in node:
            return False
        node = node._get_node(step)
    return True


def _has(parent: Any, name: str, key: str) -> bool:
    """Whether what a config has by a name is a mapping with this key."""
    below = parent.get(name) if isinstance(parent, DictConfig) else None
    return isinstance(below, DictConfig) and key in below


# --- Hydra ----------------------------------------------------------------------------------------


def parsed(arguments: Sequence[str]) -> Namespace:
    """The arguments as Hydra's own parser reads them."""
    return get_args_parser().parse_args(arguments)


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether these arguments start several jobs: they say so, or the experiment that they name."""
    options = parsed(arguments)
    modes = [one for one in options.overrides if one.lstrip("+").startswith("hydra.mode=")]
    if options.multirun or modes:
        return bool(options.multirun) or modes[-1].endswith("=MULTIRUN")
    if not any(one.lstrip("+").startswith("experiment=") for one in options.overrides):
        return False
    with _started(arguments) as started, suppress(Exception):  # what is wrong is said later
        whole = _whole(started, options.config_name or "run", options.overrides)
        return bool(whole.hydra.mode == RunMode.MULTIRUN)
    return False


def only_shows(arguments: Sequence[str]) -> bool:
    """Whether Hydra is asked to show something, and to run nothing."""
    options = parsed(arguments)
    shows = (options.help, options.hydra_help, options.cfg, options.info, options.shell_completion)
    return any(shows)


def compose_one(started: Hydra, name: str, overrides: list[str]) -> DictConfig:
    """Compose the config of one job; raises whatever Hydra raises."""
    mode = "hydra.mode=RUN"
    return started.compose_config(name, [*overrides, mode], RunMode.RUN, from_shell=False)


def _whole(started: Hydra, name: str, overrides: list[str]) -> DictConfig:
    """The config of a sweep as a whole: what is swept over is left out."""
    return started.compose_config(
        name, overrides, RunMode.MULTIRUN, from_shell=False, validate_sweep_overrides=False
    )


def run(config: DictConfig, arguments: Sequence[str], name: str, task: Task) -> int:
    """Do one job as it was composed, in the directory that Hydra makes; returns the exit code."""
    with _started(arguments) as started:
        for method in ("load_configuration", "_load_configuration"):  # of Hydra 1.3, and of 1.4
            setattr(started.config_loader, method, lambda *_, **__: config)
        return _exit_code(lambda: started.run(name, task, parsed(arguments).overrides))


def sweep(
    arguments: Sequence[str],
    name: str,
    task: Task,
    prepare: Callable[[Hydra], None] = lambda _: None,
) -> int:
    """Let Hydra's sweeper and launcher compose and do the jobs; returns the exit code."""
    overrides = [*parsed(arguments).overrides, "hydra.mode=MULTIRUN"]
    with _started(arguments) as started:
        prepare(started)
        return _exit_code(lambda: started.multirun(name, task, overrides))


def show(arguments: Sequence[str], name: str, schema: type[Keys] = RunKeys) -> int:
    """Let Hydra show what `only_shows` has found; returns the exit code."""

    class Shown(Loader):
        def list_groups(self, parent_name: str) -> list[str]:
            listed = super().list_groups(parent_name)
            return listed if parent_name else [o for o in listed if o not in of_run_alone(schema)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = hydra.main(version_base=_BASE, config_path=f"pkg://{PACKAGE}", config_name=name)
    sys.argv = [f"backtrain {name}", *arguments]
    with warnings.catch_warnings(), patch("hydra._internal.hydra.ConfigLoaderImpl", Shown):
        warnings.simplefilter("ignore")
        return _code_of(start(lambda config: None))


@contextmanager
def started(arguments: Sequence[str]) -> Iterator[Hydra]:
    """Hydra, with our loader, and the configs that these arguments add."""
    with _started(arguments) as hydra:
        yield hydra


@contextmanager
def _started(arguments: Sequence[str]) -> Iterator[Hydra]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Hydra 1.4 wants none, 1.3 does
        version.setbase(_BASE)
    path = create_automatic_config_search_path(None, None, f"pkg://{PACKAGE}")
    if (own := parsed(arguments).config_dir) is not None:
        anchor = SearchPathQuery(provider="schema")
        path.prepend("command-line", f"file://{Path(own).resolve()}", anchor)
    GlobalHydra.instance().clear()
    started = Hydra("backtrain", Loader(path))
    GlobalHydra.instance().initialize(started)
    try:
        yield started
    finally:
        GlobalHydra.instance().clear()


def _exit_code(work: Callable[[], object]) -> int:
    """Show an error of a job as `hydra.main` does: without the stack of Hydra itself."""
    return _code_of(lambda: run_and_report(work))


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0

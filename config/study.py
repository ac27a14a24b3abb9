"""A study: one dataset, one model, the strategies to compare; read from a run's config."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backtrain.backtest import Backtest
from backtrain.config.build import ConfigError, build, functions, guess
from backtrain.config.check import check
from backtrain.config.condition import Condition
from backtrain.config.engine import Engine, Processes
from backtrain.config.history import History
from backtrain.config.job import JobName
from backtrain.config.keys import Keys, RunKeys, names
from backtrain.datasets.columns import nearest
from backtrain.datasets.labels import Task, kind_of, numbers_in_text
from backtrain.datasets.stream import Stream
from backtrain.lossmatrix.bill import seconds_of
from backtrain.models import ByTask
from backtrain.reports.comparison import Comparison
from backtrain.reports.sweep import objective
from backtrain.simulator.progress import Shown
from backtrain.store.cache_dir import default_directory
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Strategy
from backtrain.strategies.triggers.schedules import Never
from backtrain.strategies.updates.refit import last_step
from backtrain.tracking.callbacks import Told

#: What `trigger=` says when nobody sets it.
_USUAL_TRIGGER = {
    "_target_": "backtrain.strategies.Every",
    "every": "7D",
    "phase": "0D",
    "since": "start",
}
#: Keys that are parameters of a backtest as they stand.
_SETUP = ("tick", "start", "end", "seed", "features", "currency", "unit", "threshold", "quantiles")
#: And those of a study.
_AS_GIVEN = (
    *("n_jobs", "progress", "hindsight", "careful", "budget", "running", "baselines", "report"),
    *("records", "resume", "objective"),
)


@dataclass(frozen=True)
class Study:
    """What a run compares, ready to start."""

    backtest: Backtest
    strategies: Mapping[str, Strategy]
    n_jobs: int
    progress: Shown
    baseline: str | None
    hindsight: bool | str
    careful: float
    running: str | None
    condition: Condition | None
    baselines: bool = False
    budget: float | None = None
    report: str = "auto"
    records: str = "all"
    resume: bool = True
    objective: str | Sequence[str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    chosen: str | None = None
    told: Told = field(default_factory=lambda: Told(()))
    engine: Engine = field(default_factory=Processes)

    @cached_property
    def name(self) -> JobName:
        """The job's name, or why it has none."""
        return JobName.of(self.config, self.chosen, self.backtest, self.strategies)

    def compare(self, directory: Path | None = None) -> Comparison:
        """Replay every strategy; each one's record is written there as soon as it is finished."""
        with self.engine.running(self.n_jobs):
            comparison = self.backtest.compare(
                self.strategies,
                self.n_jobs,
                progress=self.progress,
                hindsight=self.hindsight,
                directory=directory,
                callbacks=self.told,
                records=self.records,
            )
        settings = {key: getattr(self, key) for key in ("careful", "budget", "running")}
        return replace(comparison, **settings)

    @property
    def held_against(self) -> str:
        """The baseline and its parts: the run's, also where other strategies choose their own."""
        never = (name for name, s in self.strategies.items() if isinstance(s.trigger, Never))
        baseline = self.baseline or self.running or next(never, next(iter(self.strategies)))
        return f"baseline {baseline}: {self.strategies[baseline]!r}"

    def __str__(self) -> str:
        setup, number = self.backtest, len(self.strategies)
        start = setup.stream.calendar.day(setup.start_at)
        many = "strategy" if number == 1 else "strategies"
        return (
            f"{of_stream(setup.stream)}; {number} {many} from {start} on; "
            f"{type(last_step(setup.model)).__name__}"
        )


def of_stream(stream: Stream) -> str:
    """Which data: name, rows and days."""
    first, last = map(stream.calendar.day, stream.span)
    zone = "" if stream.timezone is None else f" in {stream.timezone}"
    return f"{stream.name}: {len(stream):,} rows, {first} to {last}{zone}"


def checked(config: DictConfig, schema: type[Keys] = RunKeys) -> dict[str, Any]:
    """Resolve a config and hold it against its keys and what it builds; raises `ConfigError`."""
    plain = plain_of(config)
    unknown = {key: value for key, value in plain.items() if key not in names(schema)}
    ordered = unknown | {key: plain[key] for key in names(schema) if key in plain}
    check(ordered, schema)
    return ordered


def load(config: DictConfig, chosen: str | None = None) -> Study:
    """Check a run's config, read its data and build its strategies.

    ``chosen`` is the preset that ``strategy=`` named; it joins the comparison under this name.
    Raises `ConfigError` for all that is wrong with what the user gave.
    """
    plain = checked(config)
    with explained():
        # The strategies first: a slip in one of them should not wait for the data.
        strategies = _Strategies(chosen)
        _condition(plain, strategies.built(plain))
        plain, backtest = prepared(config, plain)
        return _study(plain, backtest, strategies.built(plain), chosen)


def prepared(config: DictConfig, plain: Mapping[str, Any]) -> tuple[dict[str, Any], Backtest]:
    """Read the data of a checked config; its values, the task settled, and what they set up."""
    history = History.read(plain)
    task = plain["task"]
    if task != "classification":
        _refuse_numbers_in_text(history.whole, plain["dataset"])
    task = usual_task(history.whole) if task == "auto" else task
    # What depends on the task is known now; it needs no second check, a metric is all it can be.
    merged = OmegaConf.merge(config, {"task": task})
    plain = plain_of(merged)  # type: ignore[arg-type]
    model, loss = build(plain["model"]), build(plain["loss"])
    if plain["dataset"].get("amount") is not None and not getattr(loss, "takes_amounts", False):
        raise ConfigError(
            f"dataset.amount={plain['dataset']['amount']}: the loss takes no amounts; add "
            "loss=cost_matrix 'loss.costs={fraud: {ok: amount}, ok: {fraud: 5}}' or "
            "loss=times_amount, or leave the column out by dataset.drop"
        )
    backtest = Backtest(
        history.stream,
        model.pick(task) if isinstance(model, ByTask) else model,
        prices=build(plain["prices"]),
        delays=build(plain["delays"]),
        loss=loss,
        metrics=build(plain["metrics"]),
        cache=_store(where(plain["cache"])),
        **{key: plain[key] for key in _SETUP},
    )
    _ = backtest.store  # a directory that cannot be used is found out before anything is trained
    return plain, backtest


def plain_of(config: DictConfig) -> dict[str, Any]:
    """A config as plain containers and scalars, every interpolation resolved."""
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(str(error)) from error
    named = {str(key): value for key, value in plain.items()}  # type: ignore[union-attr]
    return {key: functions(value, key) for key, value in named.items()}


def told_of(plain: Mapping[str, Any]) -> Told:
    """The callbacks of a run's config, built."""
    return Told(
        [build(one) for one in (plain.get("callbacks") or {}).values()],
        **{key: plain[key] for key in ("baseline", "careful", "budget", "running")},
    )


def where(cache: bool | str) -> Path | None:
    """The directory of a ``cache=`` setting: the user's own for true, none for false."""
    if isinstance(cache, str):
        if not cache.strip():
            raise ConfigError(f"cache={cache!r}: give a directory, true (the usual one), or false")
        return Path(cache)
    return default_directory() if cache else None


#: The store of this process by its directory: its jobs share what memory holds.
_STORE: dict[Path | None, FitStore] = {}


def _store(directory: Path | None) -> FitStore:
    """The one of a directory, unless that has been removed since."""
    place = None if directory is None else directory.expanduser().absolute()
    if place not in _STORE or (place is not None and not place.exists()):
        _STORE.clear()
        _STORE[place] = FitStore(place)
    return _STORE[place]


def in_words(error: Exception) -> str:
    """What an error says, and during what it was raised, in one line."""
    return "; ".join([str(error), *getattr(error, "__notes__", ())])


@contextmanager
def explained() -> Iterator[None]:
    """Show what is wrong with the user's input as a message, not as a stack trace."""
    try:
        yield
    except ConfigError:
        raise
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise ConfigError(str(error)) from error


def usual_task(stream: Stream) -> Task:
    """What the labels are taken for: two whole numbers, text and truth values are classes."""
    return kind_of(stream.y[~np.isnat(stream.label_time)]).task


def _refuse_numbers_in_text(stream: Stream, dataset: Mapping[str, Any]) -> None:
    named = stream.target in (dataset.get("categories") or ())
    if named or (found := numbers_in_text(stream.y)) is None:
        return
    keys = [f"dataset.{key}=" for key in ("thousands", "decimal") if key in dataset]
    read = f"{' and '.join(keys)} say how they are written" if keys else f"read {found.code}"
    if found.unit:
        read = f"leave {found.unit!r} out of the file"
    raise ConfigError(
        f"target {stream.target!r}: {found.texts:,} texts that read as numbers, such as "
        f"{found.example!r}; {read}, or, where they name classes, task=classification"
    )


def usual_metric(task: str) -> str:
    """The metric that a task is reported in unless another is asked for."""
    return "accuracy" if task == "classification" else "MAE"


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # OmegaConf 2.4 has another name for it
    OmegaConf.register_new_resolver("usual_metric", usual_metric, replace=True)


def refuse_no_objective(asked: str | Sequence[str] | None, metrics: Iterable[str]) -> None:
    """Raise `ConfigError` where an objective is no number of a job."""
    known = objective.names(metrics)
    for name in asked_for(asked):
        if name not in known:
            raise ConfigError(f"objective={name!r}: no such number; {guess(name, known)}")


def asked_for(asked: str | Sequence[str] | None) -> Sequence[str]:
    """The names of an ``objective=``: none, one or several."""
    return [asked] if isinstance(asked, str) else list(asked or ())


@dataclass
class _Strategies:
    """The strategies of a run, each built once, and anew only where the task changes its config."""

    chosen: str | None
    _known: dict[str, tuple[Any, Strategy]] = field(default_factory=dict)

    def built(self, plain: Mapping[str, Any]) -> dict[str, Strategy]:
        """All of them, by name."""
        configs = dict(plain["comparison"])
        if plain.get("strategy") is not None:
            configs[self.chosen or "strategy"] = plain["strategy"]
        if not configs:
            raise ConfigError(
                "nothing to compare: add 'strategy=[a,b]' to comparison=none, or 'grid.KEY=[..]'"
            )
        _refuse_idle_trigger(plain["trigger"], configs)
        for name, config in configs.items():
            if name not in self._known or self._known[name][0] != config:
                self._known[name] = (config, _strategy(name, config))
        return {name: self._known[name][1] for name in configs}


def _strategy(name: str, config: Any) -> Strategy:
    try:
        strategy = build(config)
    except ValueError as error:
        raise ConfigError(f"strategy {name!r}: {error}") from error
    if not hasattr(strategy, "trigger"):
        raise ConfigError(f"comparison.{name}={config!r}: not a strategy")
    return strategy  # type: ignore[no-any-return]


def _refuse_idle_trigger(trigger: Any, configs: Mapping[str, Any]) -> None:
    """Say so when ``trigger=`` was set and nothing that is compared uses it."""
    used = any(isinstance(c, dict) and c.get("trigger") == trigger for c in configs.values())
    if trigger != _USUAL_TRIGGER and not used:
        raise ConfigError(
            f"trigger={trigger.get('_target_')}: no strategy here uses it; "
            "add strategy=parts, which is made of trigger=, window=, update= and gate="
        )


def _condition(plain: Mapping[str, Any], names: Mapping[str, Strategy]) -> Condition | None:
    """What makes the run fail, if anything; refuses what no verdict could be held against."""
    careful, running, fail_if = (plain[key] for key in ("careful", "running", "fail_if"))
    if not 0 <= careful < 1:
        raise ConfigError(f"careful={careful!r}: give a share from 0 to below 1, as 0.05")
    if plain["budget"] is not None and not plain["budget"] > 0:
        raise ConfigError(f"budget={plain['budget']!r}: give money a month, above 0, or null")
    if running is not None and running not in names:
        raise ConfigError(f"running={running!r}: not compared; {guess(running, names)}")
    return None if fail_if is None else Condition.of(fail_if, running)


def _study(
    plain: Mapping[str, Any],
    backtest: Backtest,
    strategies: dict[str, Strategy],
    chosen: str | None,
) -> Study:
    baseline = plain["baseline"]
    try:
        seconds_of(plain["hindsight"])
        backtest.check(strategies)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if baseline is not None and baseline not in strategies:
        hint = nearest(baseline, strategies)
        raise ConfigError(f"baseline={baseline!r}: not compared; did you mean {hint}?")
    refuse_no_objective(plain["objective"], [metric.name for metric in backtest.row_metrics])
    return Study(
        backtest=backtest,
        strategies=strategies,
        baseline=baseline,
        condition=_condition(plain, strategies),
        config=plain,
        chosen=chosen,
        told=told_of(plain),
        engine=build(plain["engine"]),
        **{key: plain[key] for key in _AS_GIVEN},
    )

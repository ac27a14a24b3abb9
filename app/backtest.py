"""The façade: the one place that joins replay and reports."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import pandas as pd

from backtrain.inherited import parameters_first
from backtrain.lossmatrix.bill import Bill, seconds_of
from backtrain.lossmatrix.decide import FLOOR
from backtrain.lossmatrix.matrix import LossMatrix
from backtrain.lossmatrix.regret import with_hindsight
from backtrain.lossmatrix.trial_models import loss_matrix
from backtrain.lossmatrix.tune import Question, tune
from backtrain.lossmatrix.tuning import Tuning
from backtrain.replays import at_once
from backtrain.reports.comparison import Comparison
from backtrain.reports.keeper import Keeper
from backtrain.simulator.answers import AnyUpdate, PartError
from backtrain.simulator.baselines import baselines
from backtrain.simulator.facts import asked
from backtrain.simulator.manifest import warn
from backtrain.simulator.parts import AnyWindow
from backtrain.simulator.progress import Shown, Stage, stage
from backtrain.simulator.record import Run, identity
from backtrain.simulator.replay import check_strategy, replay
from backtrain.simulator.setup import Setup, SetupError
from backtrain.simulator.texts import code
from backtrain.simulator.workers import WorkerError, check_n_jobs
from backtrain.simulator.workshop import sweep
from backtrain.store.fits import FitStore
from backtrain.strategies.strategy import Instant, Strategy, check_names, chosen_until
from backtrain.strategies.triggers.schedules import Never
from backtrain.strategies.updates.refit import Refit
from backtrain.strategies.windows.sliding import Expanding
from backtrain.tracking.callbacks import Told, told

if TYPE_CHECKING:
    from backtrain.audit.findings import Audit
    from backtrain.search.result import Search
    from backtrain.understood import Understood


@parameters_first
@dataclass(frozen=True, eq=False)
class Backtest(Setup):
    """Replay a history through retraining strategies.

    Parameters
    ----------
    cache : path or FitStore, optional
        A directory where fits are kept for other processes and later runs; None keeps them in
        memory. A store that several backtests of a process are given is shared by them. No result
        depends on it.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from backtrain import Prices
    >>> from backtrain.datasets.synthetic import abrupt
    >>> from backtrain.strategies import Every, Expanding, Never, Sliding
    >>> backtest = Backtest(abrupt(n=2_000, task="regression"), Ridge(), prices=Prices(retrain=5))
    >>> comparison = backtest.compare({
    ...     "static": Strategy(Never(), Expanding()),
    ...     "weekly": Strategy(Every("7D"), Sliding("14D")),
    ... })
    >>> comparison.runs["weekly"].totals["retrains"]
    9
    """

    cache: str | Path | FitStore | None = None

    @cached_property
    def store(self) -> FitStore:
        """Where this backtest keeps its fits, so that strategies, processes and runs share them."""
        if isinstance(self.cache, FitStore):
            return self.cache
        if self.cache is not None and not isinstance(self.cache, (str, os.PathLike)):
            raise SetupError(f"cache={self.cache!r}: give a directory, or None for memory only")
        return FitStore(self.cache)

    def replay(
        self,
        strategy: Strategy,
        name: str = "strategy",
        progress: Callable[[float], None] | None = None,
    ) -> Run:
        """Replay one strategy.

        Parameters
        ----------
        strategy : Strategy
            What to replay.
        name : str
            What tables and reports call it.
        progress : callable, optional
            Told now and then which share of the history is done, from 0 to 1.

        Returns
        -------
        Run
            Totals, tables and what happened.

        Raises
        ------
        SetupError, PartError
            Where the strategy does not fit the history, or a part breaks the contract.
        """
        check_names({name: strategy}, "replay")
        return replay(self, strategy, self.store, name, progress)

    def compare(
        self,
        strategies: Mapping[str, Strategy],
        n_jobs: int = 1,
        progress: Shown = False,
        hindsight: bool | str = "auto",
        directory: str | Path | None = None,
        tuned_until: Instant | Mapping[str, Instant] | None = None,
        callbacks: Sequence[Any] | Told = (),
        records: str = "all",
    ) -> Comparison:
        """Replay several strategies over the same history.

        Parameters
        ----------
        strategies : mapping of str to Strategy
            By the names that reports show.
        n_jobs : int
            Processes, as in joblib; the result does not depend on it.
        progress : bool or "auto"
            Show a progress bar; "auto" writes lines instead where nobody watches, as in logs.
        hindsight : "auto", bool or str
            Also train a model at every tick (at most 700 of them) for each window: the verdict then
            rests on every phase and start of a schedule, not on one path, and each strategy is
            shown beside the oracle and luck. By default models are thinned out where they would
            take more CPU time than the replays did, and two minutes; True trains all, False none,
            and a time, such as "2h", as many as that is expected to take.
        directory : path, optional
            Where each strategy's record is written as soon as it is finished, so that nothing is
            lost when the comparison is stopped: `Comparison.load` reads what was finished.
            `Comparison.save` with the same directory adds table, report and figures.
        tuned_until : str, Timestamp, or mapping of str to these, optional
            The end of the history on which the strategies, or some of them by name, were chosen,
            by `tune`, a sweep or Optuna: sets ``Strategy(tuned_until=)``. Where that is later than
            ``start``, they are shown as in-sample and cannot win.
        callbacks : sequence of Callback
            Told of each run and of the comparison when they are finished; see `docs/tracking.md`.
        records : str
            What ``directory`` keeps of each run: "all", or "totals", which leaves predictions out.
        """
        self.check(strategies)
        listeners = told(callbacks)
        strategies = chosen_until(strategies, tuned_until)
        check_n_jobs(n_jobs)
        if directory is not None and not isinstance(directory, (str, os.PathLike)):
            raise SetupError(f"directory={directory!r}: give a path, or None to keep no records")
        wanted = seconds_of(hindsight) != 0
        questions = {name: asked(self, strategy) for name, strategy in strategies.items()}
        ids = {name: identity(question) for name, question in questions.items()}
        keeper = None if directory is None else Keeper(directory, ids, records)
        before = None if keeper is None else Bill.among(keeper.earlier(), hindsight)
        found_out = {
            "baselines": [baseline._asdict() for baseline in baselines(self)],
            "understood": self.understood(strategies).plain(),
        }
        more = {
            name: {**question, "id": ids[name], **found_out} for name, question in questions.items()
        }
        if keeper is not None:
            sweep(keeper.directory)
        alone = joblib.effective_n_jobs(n_jobs) == 1 or len(strategies) == 1
        finished = (
            self._in_turn(strategies, progress)
            if alone
            # Workers write whole runs: those that are kept without predictions are written anew.
            else self._at_once(
                strategies, n_jobs, progress, more, keeper if records == "all" else None
            )
        )
        runs: dict[str, Run] = {}
        try:
            with closing(finished):
                for found in finished:
                    run = replace(found, info={**found.info, **found_out})
                    runs[run.name] = run
                    _keep(keeper, run)
                    listeners.tell("run_finished", run)
            runs = {name: runs[name] for name in strategies}
            if wanted:
                runs = with_hindsight(
                    self, strategies, runs, self.store, n_jobs, hindsight, before, progress
                )
                for run in runs.values():
                    _keep(keeper, run)
        except BaseException as error:
            if isinstance(error, WorkerError) and runs:
                error.finished = Comparison({name: runs[name] for name in ids if name in runs})
            listeners.tell("comparison_failed", error)
            if keeper is not None and runs:
                error.add_note(f"finished before, and kept in {directory}: {', '.join(runs)}")
            raise
        comparison = Comparison(runs)
        listeners.finished(comparison)
        return comparison

    def understood(self, strategies: Mapping[str, Strategy] | None = None) -> Understood:
        """What was understood of data and question, to print; of strategies, their windows, too."""
        from backtrain.understood import Understood  # with scipy, which may never be used

        windows = [strategy.window for strategy in (strategies or {}).values()]
        return Understood.of(self, windows, self.store.directory is not None)

    def loss_matrix(
        self,
        window: AnyWindow | None = None,
        update: AnyUpdate | None = None,
        every: int = 1,
        n_jobs: int = 1,
    ) -> LossMatrix:
        """Train a model at every tick and score it on all that follows.

        Parameters
        ----------
        window, update : Window, Update, optional
            What models are trained on, and how; by default `Expanding` and `Refit`.
        every : int
            Thin the ticks out.
        n_jobs : int
            Processes, as in joblib; the result does not depend on it.
        """
        window, update = window or Expanding(), update or Refit()
        return loss_matrix(self, window, update, self.store, every, n_jobs)

    def tune(
        self,
        window: AnyWindow | None = None,
        update: AnyUpdate | None = None,
        every: int | None = None,
        intervals: Sequence[int] | None = None,
        n_jobs: int = 1,
        progress: Shown = False,
        careful: float = FLOOR,
    ) -> Tuning:
        """How often to retrain, on how many and how old rows, and at which prices that changes.

        Advised is what a comparison with hindsight of the same schedules would advise.

        Parameters
        ----------
        window, update : Window, Update, optional
            Those of the schedules that are compared; by default `Expanding` and `Refit`.
        every : int, optional
            Thin the ticks out; by default so that at most 700 models are trained at ticks.
        intervals : sequence of int, optional
            In ticks, multiples of ``every``; by default some twenty up to half of the history.
        n_jobs : int
            Processes, as in joblib; the result does not depend on it.
        progress : bool or "auto"
            Show a progress bar; "auto" writes lines instead where nobody watches, as in logs.
        careful : float
            The share of the cost of never retraining that a change must save, as in
            `Comparison.verdict`.
        """
        window, update = window or Expanding(), update or Refit()
        question = Question.of(self, window, update, every, intervals, careful)
        tuning = tune(question, self.store, n_jobs, progress)
        return self.understood({"tuned": Strategy(Never(), window, update)}).told(tuning)

    def search(
        self,
        strategy_of: Callable[..., Strategy],
        space: Mapping[str, Any],
        objective: str | Sequence[str] = "total",
        trials: int = 100,
        until: Instant | float = 0.5,
        folds: int = 1,
        sampler: str = "auto",
        against: Mapping[str, Strategy] | None = None,
        baseline: str | None = None,
        n_jobs: int = 1,
        progress: Shown = False,
    ) -> Search:
        """Search a strategy's parameters on the first part of the history; judge them on the rest.

        Needs Optuna: ``pip install 'backtrain[search]'``; see `docs/search.md`.

        Parameters
        ----------
        strategy_of : callable
            Takes a value for each key of ``space`` by name, and returns the strategy.
        space : mapping of str to str or list
            What each may be: ``"0.6..0.9"``, ``"10..500"``, ``"7D..90D"``, ``"1..1000 log"``,
            ``"7D..91D step 7D"``, or a list of choices.
        objective : str or sequence of str
            What to make small: money by kind (``"total"``, ``"error"``), counts (``"retrains"``),
            or ``"loss"``. Of several a front is found, and of that the cheapest chosen.
        trials : int
            How many are proposed; a space with no more combinations is tried as a whole.
        until : float, str or Timestamp
            The end of the rows that are chosen on: a share of the served span, or a date.
        folds : int
            Parts of the rest. Before each of them it is chosen anew on all rows before.
        sampler : {"auto", "grid", "tpe", "nsga2", "random"}
            What proposes; "auto" is "grid" where all combinations can be tried, else "tpe".
        against : mapping of str to Strategy, optional
            What is judged on the later rows, too; by default never retraining.
        baseline : str, optional
            The one of these that savings are counted against; the first by default.
        n_jobs : int
            Processes, as in joblib; the result does not depend on it.
        progress : bool or "auto"
            Show a progress bar; "auto": on a terminal, else lines.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> from backtrain import Prices
        >>> from backtrain.datasets.synthetic import abrupt
        >>> from backtrain.strategies import Every, Sliding
        >>> backtest = Backtest(abrupt(n=900, task="regression"), Ridge(), prices=Prices(retrain=5))
        >>> found = backtest.search(
        ...     lambda every, length: Strategy(Every(every), Sliding(length)),
        ...     {"every": ["2D", "8D"], "length": ["4D", "9D"]},
        ... )
        >>> found.params
        {'every': '8D', 'length': '4D'}
        """
        from backtrain.search import walk

        asked = (objective, trials, until, folds, sampler, against, baseline)
        question = walk.Question.of(self, lambda values: strategy_of(**values), space, *asked)
        found = walk.search(question, self.store, n_jobs, progress)
        return self.understood(question.against).told(found)

    def audit(
        self,
        strategy: Strategy,
        instants: Sequence[float | str | pd.Timestamp] = (0.25, 0.5, 0.75),
        name: str = "strategy",
        data: bool = True,
        progress: Shown = False,
    ) -> Audit:
        """Look for what a strategy, its model or the data know too early, and what is not pure.

        All that is not known at an instant (features, labels, label times, rows) is spoilt, and the
        strategy replayed up to it: nothing recorded before may move. Then it is replayed again on
        the history as it is. Models are asked twice, gates watched, and parts, model and columns
        searched for rows and labels that they should not hold. `docs/trust.md` says what each
        check finds, and what none does.

        Parameters
        ----------
        strategy : Strategy
            What to audit, with this backtest's model and data.
        instants : sequence of float, str or Timestamp
            When the future is spoilt: shares of the served span, or dates.
        name : str
            What findings call the strategy.
        data : bool
            Look at the columns of the data, too.
        progress : bool or "auto"
            Show a progress bar; "auto" writes lines instead where nobody watches, as in logs.

        Returns
        -------
        Audit
            ``passed``, and ``findings``, a DataFrame that names part, instant, table and row.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> from backtrain.datasets.synthetic import abrupt
        >>> from backtrain.strategies import Every, Sliding
        >>> backtest = Backtest(abrupt(n=500, task="regression"), Ridge())
        >>> backtest.audit(Strategy(Every("5D"), Sliding("9D")), name="every 5 days")
        <audit of 'every 5 days': passed>
        """
        from backtrain.audit.examine import audit

        check_names({name: strategy}, "audit")
        with stage(progress, "audits", 1) as told:
            found = audit(self, strategy, instants, name, data, told.reached)
            told.finished(name)
        return found

    def check(self, strategies: Mapping[str, Strategy]) -> None:
        """Raise the error of the first strategy that does not fit this backtest, with its name."""
        check_names(strategies, "compare")
        for name, strategy in strategies.items():
            try:
                check_strategy(self, strategy)
            except ValueError as error:
                raise type(error)(f"strategy {name!r}: {error}") from None

    def _in_turn(self, strategies: Mapping[str, Strategy], progress: Shown) -> Generator[Run]:
        with stage(progress, "strategies", len(strategies)) as told:
            for done, (name, strategy) in enumerate(strategies.items()):
                yield self.replay(strategy, name, _advance(told, done, name))
                told.finished(name)

    def _at_once(
        self,
        strategies: Mapping[str, Strategy],
        n_jobs: int,
        progress: Shown,
        more: Mapping[str, Mapping[str, Any]],
        keeper: Keeper | None,
    ) -> Generator[Run]:
        with stage(progress, "strategies", len(strategies)) as told:
            try:
                with closing(
                    at_once(self, self.store, strategies, n_jobs, more, keeper)
                ) as finished:
                    for run in finished:
                        yield run
                        told.finished(run.name)
            except pickle.PicklingError:
                _refuse_unsendable(strategies)
                raise


def _refuse_unsendable(strategies: Mapping[str, Strategy]) -> None:
    """Raise `PartError` for a part that cannot be sent to another process."""
    for name, strategy in strategies.items():
        for kind in ("trigger", "window", "update", "gate"):
            part = getattr(strategy, kind)
            try:
                pickle.dumps(joblib.wrap_non_picklable_objects(part))
            except Exception as error:
                raise PartError(
                    f"strategy {name!r}: its {kind} {code(part)} cannot be sent to another process "
                    f"({type(error).__name__}: {error}); make what cannot be copied in monitor(), "
                    "open(), select() or fit(), or use n_jobs=1"
                ) from None


def _keep(keeper: Keeper | None, run: Run) -> None:
    """Write a run's record; a disk that fails costs the record, not the run."""
    if keeper is None:
        return
    try:
        keeper.add(run)
    except OSError as error:
        warn(f"the record of {run.name!r} could not be written to {keeper.directory}: {error}")


def _advance(told: Stage, done: int, name: str) -> Callable[[float], None]:
    return lambda share: told.reached(done + share, name)

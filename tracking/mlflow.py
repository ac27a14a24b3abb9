"""Comparisons in MLflow: a run for each, and one inside of it for every strategy."""

import math
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from backtrain.reports.comparison import Comparison
from backtrain.simulator.manifest import put
from backtrain.simulator.record import Run
from backtrain.tracking.callbacks import Callback, Job

#: What MLflow takes at once, and of one value.
_PARAMS, _METRICS, _LONGEST = 100, 1000, 6000
#: Points of a series; longer ones are thinned out.
_POINTS = 500
#: In a sweep's directory: which run is the parent of its jobs.
_PARENT = ".mlflow_parent"
_MONEY = ("total", "error", "train", "label", "check", "deploy", "flip", "predict", "initial")
_FACTS = ("start", "end", "tick", "model", "loss", "seed", "currency", "unit", "prices", "delays")


@dataclass
class MLflow(Callback):
    """Log comparisons to MLflow; needs ``pip install 'backtrain[mlflow]'``.

    A comparison is a run, with its config as parameters, its verdict as metrics and tags, and its
    report as artefact. In it each strategy is a run: its totals, metrics, and what it has cost so
    far at each instant (``cumulative_cost``, with the time of the history as time). In a sweep, all
    comparisons stand in one run, whichever process does them.

    Parameters
    ----------
    tracking_uri : str, optional
        Of a server, or a database; by default MLFLOW_TRACKING_URI, and without that
        ``sqlite:///mlflow.db``, a file where the command is called.
    experiment : str
        Its name; it is made where there is none.
    report : bool
        Whether the report is logged, too.
    """

    tracking_uri: str | None = None
    experiment: str = "backtrain"
    report: bool = True

    def __post_init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._job: Job | None = None
        self._parent: str | None = None
        self._children: dict[str, str] = {}

    # --- what is told -----------------------------------------------------------------------------

    def job_started(self, job: Job) -> None:
        """Open the run of the comparison, below that of its sweep, and log the config."""
        self._clear()
        self._job = job
        tags = {"backtrain.directory": str(job.directory)}
        if job.sweep is not None:
            tags |= {"mlflow.parentRunId": self._sweep(job.sweep)}
        self._parent = self._open(" ".join(job.overrides) or job.directory.name, tags)
        self._log_params(self._parent, flattened(job.config))

    def run_finished(self, run: Run) -> None:
        """Log a strategy: what it is, what it cost in all, and by and by."""
        parent = self._parent or self._begin(run)
        tags = {"mlflow.parentRunId": parent, "backtrain.code": str(run.info["strategy"])}
        child = self._children[run.name] = self._open(run.name, tags)
        self._log_params(child, flattened(run.info["parts"]))
        self._log_metrics(child, _totals(run))
        self._log_series(child, "cumulative_cost", *cumulative_cost(run))
        self._client.set_terminated(child, "FINISHED")

    def comparison_finished(self, comparison: Comparison, baseline: str | None) -> None:
        """Log the verdict, and of each strategy what is only known beside the others."""
        assert self._parent is not None
        verdict, table = comparison.verdict(baseline), comparison.table(baseline)
        for name, child in self._children.items():
            row: dict[str, Any] = {str(key): value for key, value in table.loc[name].items()}
            self._log_metrics(child, {k: float(v) for k, v in row.items() if k not in _MONEY})
        told = {"advised": verdict.strategy, "baseline": verdict.baseline, "verdict": str(verdict)}
        for key, value in told.items():
            self._client.set_tag(self._parent, f"backtrain.{key}", value)
        totals = {"saves": verdict.saves, "total": float(table["total"][verdict.strategy])}
        totals["baseline_total"] = float(table["total"][verdict.baseline])
        self._log_metrics(self._parent, totals)
        if self._job is None:  # nobody else will draw it
            self._log_report(comparison, verdict.baseline)
            self._close("FINISHED")

    def comparison_failed(self, error: BaseException) -> None:
        """Say why."""
        if self._parent is not None:
            self._say(error)
            if self._job is None:
                self._close(_status(error))

    def job_finished(self, job: Job, error: BaseException | None) -> None:
        """Log the report, which has been drawn, and close the run."""
        if self._parent is None:
            return
        for name in ("report.html", "verdict.json", "summary.csv", "result.json"):
            if self.report and (job.directory / name).is_file():
                self._client.log_artifact(self._parent, str(job.directory / name))
        if error is not None:
            self._say(error)
        sweep = None if job.sweep is None else self._sweep(job.sweep)
        self._close("FINISHED" if error is None else _status(error))
        if sweep is not None:  # each job moves the end of the sweep
            self._client.set_terminated(sweep, "FINISHED")

    # --- MLflow -----------------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        try:
            from mlflow.tracking import MlflowClient
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(f"{error}; pip install 'backtrain[mlflow]'") from None
        # A server that is away is not waited for: left alone, MLflow tries for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        return MlflowClient(tracking_uri=uri)

    def _experiment(self) -> str:
        client = self._client
        for _ in range(2):
            known = client.get_experiment_by_name(self.experiment)
            if known is not None:
                return str(known.experiment_id)
            try:
                return str(client.create_experiment(self.experiment))
            except Exception:  # another process has just made it
                continue
        raise RuntimeError(f"experiment={self.experiment!r}: can be neither found nor made")

    def _open(self, name: str, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(self._experiment(), run_name=name, tags=dict(tags))
        return str(run.info.run_id)

    def _sweep(self, directory: Path) -> str:
        """The run of a sweep, made once by whichever job comes first."""
        place = directory / _PARENT
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f"{_PARENT}.lock"):
            known = place.read_text().strip() if place.is_file() else ""
            if not known:
                tags = {"backtrain.directory": str(directory)}
                known = self._open(f"sweep {directory.name}", tags)
                put(place, known.encode())
        return known

    def _begin(self, run: Run) -> str:
        """The run of a comparison that Python has started: what is asked stands in every record."""
        stream = run.info["stream"]
        self._parent = self._open(str(stream["name"]), {})
        asked = {key: run.info.get(key) for key in _FACTS} | {"stream": stream}
        self._log_params(self._parent, flattened(asked))
        return self._parent

    def _say(self, error: BaseException) -> None:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        self._client.set_tag(self._parent, "backtrain.error", why[:_LONGEST])

    def _close(self, status: str) -> None:
        self._client.set_terminated(self._parent, status)
        self._clear()

    def _log_report(self, comparison: Comparison, baseline: str) -> None:
        if self.report:
            with tempfile.TemporaryDirectory() as folder:
                page = comparison.to_html(Path(folder) / "report.html", baseline)
                self._client.log_artifact(self._parent, str(page))

    def _log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        for some in _pieces([Param(*pair) for pair in params.items()], _PARAMS):
            self._client.log_batch(run_id, params=some)

    def _log_metrics(self, run_id: str, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        known = {name: value for name, value in metrics.items() if math.isfinite(value)}
        self._client.log_batch(
            run_id, metrics=[Metric(_plain(n), v, now, 0) for n, v in known.items()]
        )

    def _log_series(
        self, run_id: str, name: str, at: np.ndarray[Any, Any], values: np.ndarray[Any, Any]
    ) -> None:
        """A value at each instant of the history: the time of the history is that of the metric."""
        from mlflow.entities import Metric

        place = np.unique(np.linspace(0, len(at) - 1, min(len(at), _POINTS)).astype(int))
        when = at.astype("datetime64[ms]").astype(np.int64)
        series = [Metric(name, float(values[i]), int(when[i]), int(i)) for i in place]
        for some in _pieces(series, _METRICS):
            self._client.log_batch(run_id, metrics=some)


def cumulative_cost(run: Run) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Instants, and what a run had cost by then: errors, and all charges but initial ones."""
    charges = run.charges[run.charges["kind"] != "initial"]
    by_time = charges.groupby("when", sort=True)["amount"].sum().cumsum()
    return by_time.index.to_numpy(), by_time.to_numpy()


def flattened(config: Mapping[str, Any]) -> dict[str, str]:
    """Keys joined by dots, values as text, as MLflow takes them.

    >>> flattened({"prices": {"retrain": 5}, "metrics": ["MAE"], "@a": None})
    {'prices.retrain': '5', 'metrics': "['MAE']", '_a': 'None'}
    """
    return {_plain(key): str(value)[:_LONGEST] for key, value in _leaves(config)}


def _plain(name: str) -> str:
    """A name that MLflow takes.

    >>> _plain("metric.recall@10")
    'metric.recall_10'
    """
    return re.sub(r"[^\w\-. /:]", "_", name)[:250]


def _leaves(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _totals(run: Run) -> dict[str, float]:
    numbers = {k: float(v) for k, v in run.totals.items() if isinstance(v, (int, float))}
    return numbers | {f"metric.{name}": float(value) for name, value in run.metrics.items()}


def _pieces(values: list[Any], most: int) -> Iterable[list[Any]]:
    return (values[first : first + most] for first in range(0, len(values), most))


def _status(error: BaseException) -> str:
    return "FAILED" if isinstance(error, Exception) else "KILLED"

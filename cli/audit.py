"""``backtrain audit``: what strategies, model and data of a run know too early."""

import os
import sys
from collections.abc import Iterator
from typing import Any

from backtrain.audit.data import data_findings
from backtrain.audit.examine import audit
from backtrain.audit.findings import Audit, Finding
from backtrain.backtest import Backtest
from backtrain.cli.terminal import say
from backtrain.config.build import ConfigError
from backtrain.config.compose import composed, in_order, is_sweep, only_shows, show, split
from backtrain.config.keys import RunKeys
from backtrain.config.study import Study, load
from backtrain.reports.numbers import count
from backtrain.simulator.progress import stage
from backtrain.simulator.workers import each
from backtrain.store.fits import FitStore

_HELP = """\
backtrain audit [key=value ...]

Looks for what strategies, their model and the data know too early, and for what is not repeatable.
It takes the keys of `backtrain run` (see `backtrain run --help`) and writes no files; the exit code
is 1 where something is found.

Examples:
  backtrain audit                                       what `backtrain run` compares
  backtrain audit comparison=one strategy=parts trigger=custom trigger._target_=my_module.MonthEnd
  backtrain audit dataset=table dataset.path=my.csv dataset.time=ts dataset.target=y"""


def main(arguments: list[str]) -> int:
    """Audit the data, then each strategy of the run that these arguments describe."""
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    # A user's own `_target_: my_module.MyTrigger` lies where the command is called.
    sys.path.insert(0, os.getcwd())
    arguments = in_order(arguments)
    if only_shows(arguments):
        return show(arguments, "run")
    if is_sweep(arguments):
        raise ConfigError("audit takes one configuration at a time; leave -m out")
    study = load(*split(composed(arguments, "run", RunKeys)[0]))
    say(str(study))
    findings = _audit_data(study)
    with study.engine.running(study.n_jobs):
        for report in _audits(study):
            findings += len(report.found)
            say(str(report))
    say(f"\n{_summary(findings)}")
    return 1 if findings else 0


def _audit_data(study: Study) -> int:
    setup = study.backtest
    findings: list[Finding] = data_findings(setup.stream, by_amount=setup.decides_by_amount)
    whole = Audit("data", tuple(findings), ())
    say(f"\n{whole}")
    return len(findings)


def _audits(study: Study) -> Iterator[Audit]:
    """Of each strategy, in the order of the comparison."""
    setup, pieces = study.backtest, {f"audited {n!r}": (s, n) for n, s in study.strategies.items()}
    waiting, made = list(pieces), {}
    with stage(study.progress, "strategies", len(pieces)) as told:
        for name, report in each(_audit, setup, setup.store, pieces, study.n_jobs):
            told.finished(report.strategy)
            made[name] = report
            while waiting and waiting[0] in made:
                yield made.pop(waiting.pop(0))


def _audit(setup: Backtest, _: FitStore, strategy: Any, name: str) -> Audit:
    return audit(setup, strategy, name=name, data=False)


def _summary(findings: int) -> str:
    if findings:
        return f"{count(findings, 'finding')}; docs/trust.md says what each means"
    return "nothing found; docs/trust.md says what was looked for, and what is not found"

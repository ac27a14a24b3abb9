"""``backtrain audit``: what strategies, model and data of a run know too early."""

import os
import sys
from collections.abc import Iterator

import joblib

from backtrain.audit.data import data_findings
from backtrain.audit.examine import audit
from backtrain.audit.findings import Audit, Finding
from backtrain.cli.terminal import say
from backtrain.config.build import ConfigError
from backtrain.config.compose import composed, in_order, is_sweep, only_shows, show, split
from backtrain.config.keys import RunKeys
from backtrain.config.study import Study, load
from backtrain.reports.numbers import count
from backtrain.simulator.process import deaf_workers
from backtrain.simulator.progress import stage

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
    jobs = (
        joblib.delayed(audit)(study.backtest, strategy, name=name, data=False)
        for name, strategy in study.strategies.items()
    )
    parallel = joblib.Parallel(n_jobs=study.n_jobs, return_as="generator")
    with stage(study.progress, "strategies", len(study.strategies)) as told:
        with deaf_workers():
            reports = parallel(jobs)
        for report in reports:
            told.finished(report.strategy)
            yield report


def _summary(findings: int) -> str:
    if findings:
        return f"{count(findings, 'finding')}; docs/trust.md says what each means"
    return "nothing found; docs/trust.md says what was looked for, and what is not found"

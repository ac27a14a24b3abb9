"""Many jobs, one answer: what each job left, and what all of them say."""

from backtrain.reports.sweep.sweep import Sweep as Sweep

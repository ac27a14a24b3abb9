"""The command line."""

from backtrain.cli.commands import main

__all__ = ["main"]

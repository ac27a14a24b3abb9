"""The command line."""

from backtrain.cli.main import main

__all__ = ["main"]

"""Presets as YAML. Those that are made from classes become known to Hydra with this package."""

from backtrain.config.presets import register

register()

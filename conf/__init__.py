"""The Hydra configuration, as package data."""

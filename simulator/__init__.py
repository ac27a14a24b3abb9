"""The time-aware simulator: it knows protocols, never a concrete strategy."""

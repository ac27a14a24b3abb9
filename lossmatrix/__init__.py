"""The loss of a model of every tick at every age, and what follows from it for any schedule."""

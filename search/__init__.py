"""A search over the parameters of a strategy, judged on rows that it has not seen."""

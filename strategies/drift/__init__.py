"""Whether two samples differ, and by how much: statistics without a notion of time."""

from backtrain.strategies.former import helpers_of

__getattr__ = helpers_of(__name__, "two_sample")

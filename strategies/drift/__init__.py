"""Whether two samples differ, and by how much: statistics without a notion of time."""

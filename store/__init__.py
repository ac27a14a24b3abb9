"""Fits that are computed once: in memory and on disk, named by their content."""

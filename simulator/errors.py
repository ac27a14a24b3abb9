"""What a part is refused with."""

from __future__ import annotations


class PartError(ValueError):
    """A part was given a parameter that makes no sense, or does not fit the rest of the setup."""

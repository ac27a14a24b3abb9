"""Names that were not found: the one that was meant."""

import difflib
from collections.abc import Iterable


def nearest(name: object, names: Iterable[object]) -> str:
    """Return the name most like `name`, quoted, for the end of an error message.

    >>> nearest("tmie", ["time", "target"])
    "'time'"
    """
    texts = [str(other) for other in names]
    return repr((difflib.get_close_matches(str(name), texts, n=1, cutoff=0.0) or ["?"])[0])

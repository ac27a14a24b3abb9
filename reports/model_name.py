"""A model in a few words, from how it is written in records."""

import ast
import re


def model_name(written: str) -> str:
    """The last step of a pipeline, and what stands before it; of other models all that is set.

    >>> model_name("Pipeline(steps=[('standardscaler', StandardScaler()), ('ridge', Ridge())])")
    'Ridge after StandardScaler'
    >>> model_name("Ridge(alpha=2.0)")
    'Ridge(alpha=2.0)'
    """
    if not written.startswith("Pipeline("):
        return written
    try:
        tree = ast.parse(re.sub(r"<[^<>]*>", "None", written), mode="eval").body
        *before, last = [_class(step.elts[1]) for step in tree.keywords[0].value.elts]  # type: ignore[attr-defined]
    except (SyntaxError, AttributeError, IndexError, ValueError):
        return written  # a text that is no Python: cut, or of a class with a text of its own
    return f"{last} after {', '.join(before)}" if before else last


def _class(node: ast.expr) -> str:
    """The class of what is written there; 'passthrough' and None stand for themselves."""
    return node.func.id if isinstance(node, ast.Call) else ast.unparse(node).strip("'")  # type: ignore[attr-defined]

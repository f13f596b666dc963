"""Computing several tensors at once."""

from __future__ import annotations

from typing import Any

from . import _core, pytree


def eval(*trees: Any) -> None:
    """Compute every tensor in the given pytrees, in one program: what they have in common is computed once.

    >>> x = pg.ones(3) * 2
    >>> results = {"sum": x.sum(), "max": x.max()}
    >>> pg.eval(results)
    >>> results["sum"].item()
    6.0
    """
    _core.eval_many(trees, pytree.leaves)

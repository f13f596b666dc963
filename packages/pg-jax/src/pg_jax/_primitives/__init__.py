"""The primitives of jax as compositions of public pequegrad functions.

Each function has the name, the order of operands and the parameters of one of jax's primitives, and takes and
returns plain tensors (a list where the primitive has several results). The drop-in frontend is written on top
of them, and the bridge evaluates real jaxprs with them through ``table``.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from . import contractions, control, elementwise, indexing, linalg, random, reductions, shape

_FAMILIES = (elementwise, shape, reductions, contractions, indexing, control, random, linalg)


def canonical(name: str) -> str:
    """The name of a primitive as the table spells it."""
    return name.replace("-", "_")


def _gather() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for family in _FAMILIES:
        for name, value in vars(family).items():
            if (
                isinstance(value, types.FunctionType)
                and value.__module__ == family.__name__
                and name[0] != "_"
            ):
                found[name.removesuffix("_")] = value
    return found


table: dict[str, Callable[..., Any]] = _gather()

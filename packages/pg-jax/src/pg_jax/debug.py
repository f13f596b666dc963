"""``jax.debug``: reading values in the middle of a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import tree
from ._array import Array
from ._missing import missing


def _values(args: Any, what: str) -> Any:
    def value(x: Any) -> Any:
        if isinstance(x, Array) and x._t.is_abstract:
            raise NotImplementedError(
                f"jax.debug.{what} inside jit, grad or vmap is not implemented: a program computes only "
                "what its results need; return the value instead"
            )
        return np.asarray(x) if isinstance(x, Array) else x

    return tree.map(value, args)


def print(fmt: str, *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Print values by a format string.

    >>> import pg_jax as jax
    >>> jax.debug.print("x is {x}", x=jax.numpy.ones(2))
    x is [1. 1.]
    """
    import builtins

    builtins.print(fmt.format(*_values(args, "print"), **_values(kwargs, "print")))


def callback(function: Callable[..., Any], *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Call a function with values, for what it does.

    >>> import pg_jax as jax
    >>> seen = []
    >>> jax.debug.callback(seen.append, jax.numpy.float32(2.0))
    >>> float(seen[0])
    2.0
    """
    function(*_values(args, "callback"), **_values(kwargs, "callback"))


def __getattr__(name: str) -> Any:
    raise missing("debug", name)

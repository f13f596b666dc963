"""``jax.debug``: printing and calling Python from traced code."""

from __future__ import annotations

import builtins
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import extend

from . import _trees
from ._effects import emit
from ._flat import Leaves
from ._lift import Tensor
from ._missing import missing


def callback(callback: Callable[..., Any], *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Call a Python function with the values of arrays, when the program gets there.

    >>> import pg_jax as jax
    >>> seen = []
    >>> jax.debug.callback(lambda x: seen.append(float(x)), 2.0)
    >>> seen
    [2.0]
    """
    leaves = Leaves((args, kwargs), "debug.callback")

    def call(*arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        positional, named = _trees.unflatten(leaves.tree, list(arrays))
        callback(*positional, **named)
        return np.zeros((), np.float32)

    if not extend.inside_trace():
        call(*[t.numpy() for t in leaves.tensors])
        return
    emit([pg.host_call(call, pg.ShapeDtype((), "float32"), *_plain(leaves.tensors))])


def _plain(tensors: list[Tensor]) -> list[Tensor]:
    """NumPy has no bfloat16."""
    return [t.astype(pg.float32) if t.dtype is pg.bfloat16 else t for t in tensors]


def print(fmt: str, *args: Any, ordered: bool = False, partitioned: bool = False, **kwargs: Any) -> None:
    """Print a text with the values of arrays, when the program gets there.

    >>> import pg_jax as jax
    >>> jax.debug.print("x = {x}", x=3)
    x = 3
    """
    names = [name for _, name, _, _ in string.Formatter().parse(fmt) if name is not None]
    if args and not names:
        raise TypeError(f"not all arguments of debug.print are used by {fmt!r}")
    callback(lambda *a, **k: _show(fmt, *a, **k), *args, **kwargs)


def _show(fmt: str, *args: Any, **kwargs: Any) -> None:
    builtins.print(fmt.format(*args, **kwargs), flush=True)


def __getattr__(name: str) -> Any:
    raise missing("debug", name)

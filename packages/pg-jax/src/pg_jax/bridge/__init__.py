"""Functions written for real jax, run by pequegrad.

``bridge.jit(fn)`` stands where ``jax.jit(fn)`` stood: jax traces the function once for each kind of
arguments, with all its transforms inside, and pequegrad compiles and runs the jaxpr. flax, haiku and
everything else that is built on jax works so.

>>> import jax, jax.numpy as jnp
>>> from pg_jax import bridge
>>> step = bridge.jit(lambda w, x: w - 0.1 * jax.grad(lambda w: jnp.sum((x @ w) ** 2))(w))
>>> step(jnp.ones(2), jnp.eye(2))
Array([0.8, 0.8], dtype=float32)
"""

from __future__ import annotations

import sys

try:
    import jax as _jax
except ModuleNotFoundError as error:
    raise ImportError(
        'pg_jax.bridge runs functions of real jax, which is not installed: pip install "pg-jax[bridge]"'
    ) from error
if getattr(_jax, "__pg_jax__", False) or _jax is sys.modules.get("pg_jax"):
    raise ImportError(
        "pg_jax.bridge runs functions of real jax, but pg_jax.install_as_jax() has put the drop-in into its "
        "place in this process; use one of the two"
    )

from ._array import Array, to_jax
from ._jit import JitFunction, jit
from ._rules import UnsupportedPrimitive, register, supported
from ._stats import reset_stats, stats

__all__ = [
    "Array",
    "JitFunction",
    "UnsupportedPrimitive",
    "jit",
    "register",
    "reset_stats",
    "stats",
    "supported",
    "to_jax",
]

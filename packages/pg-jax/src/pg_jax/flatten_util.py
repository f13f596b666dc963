"""``jax.flatten_util``: a pytree as one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from . import _trees, dtypes
from ._array import Array, make
from ._flat import Leaves
from ._lift import cast, lift


def ravel_pytree(pytree: Any) -> tuple[Array, Callable[[Any], Any]]:
    """All leaves as one vector, and the function back.

    >>> from pg_jax.flatten_util import ravel_pytree
    >>> import pg_jax.numpy as jnp
    >>> flat, back = ravel_pytree({"a": jnp.ones(2), "b": 3.0})
    >>> flat, back(flat)["b"]
    (Array([1., 1., 3.], dtype=float32), Array(3., dtype=float32))
    """
    leaves = Leaves(pytree)
    if not leaves.tensors:
        return make(pg.zeros((0,), dtype=dtypes.default_float())), lambda flat: _trees.unflatten(
            leaves.tree, []
        )
    pairs = [(t.dtype, bool(k)) for t, k in zip(leaves.tensors, leaves.kinds, strict=True)]
    kind, weak = dtypes.join(*pairs)
    flat = pg.concatenate([pg.reshape(cast(t, kind), (-1,)) for t in leaves.tensors])
    types = [(t.shape, t.dtype) for t in leaves.tensors]
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape, _ in types)]).tolist()

    def unravel(vector: Any) -> Any:
        x = lift(vector, "unravel")
        if x.shape != (ends[-1],):
            raise ValueError(
                f"The unravel function expected an input of shape {(ends[-1],)} but got shape {x.shape}."
            )
        if x._t.dtype is not kind:
            raise TypeError(
                f"unravel function given array of dtype {x._t.dtype.name}, but expected dtype {kind.name}"
            )
        parts = []
        for (shape, own), a, b in zip(types, ends, ends[1:], strict=False):
            parts.append(make(cast(pg.reshape(x._t[a:b], shape), own)))
        return _trees.unflatten(leaves.tree, parts)

    return make(flat, weak and len(pairs) == 1), unravel

"""Functions of the host inside of traced code: ``pure_callback`` and ``io_callback``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from . import _trees, dtypes
from ._flat import Leaves


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """Call a pure function of NumPy arrays whose results have known types.

    >>> import numpy as np, pg_jax as jax, pg_jax.numpy as jnp
    >>> kind = jax.ShapeDtypeStruct((2,), jnp.float32)
    >>> jax.jit(lambda x: jax.pure_callback(np.sort, kind, x))(jnp.array([2.0, 1.0]))
    Array([1., 2.], dtype=float32)
    """
    leaves = Leaves((args, kwargs), "pure_callback")
    wanted, tree = _trees.flatten(result_shape_dtypes)
    types = [pg.ShapeDtype(tuple(w.shape), dtypes.of(w.dtype)) for w in wanted]

    def call(*arrays: np.ndarray[Any, Any]) -> Any:
        positional, named = _trees.unflatten(leaves.tree, list(arrays))
        found = _trees.flatten_up_to(tree, callback(*positional, **named))
        return [np.asarray(x, dtypes.NUMPY[dtypes.of(w.dtype)]) for x, w in zip(found, wanted, strict=True)]

    made = pg.host_call(
        call, types, *leaves.tensors, vectorized=vmap_method in ("expand_dims", "broadcast_all")
    )
    return Leaves.of(tree, list(made), [False] * len(types)).build(made)


def io_callback(
    callback: Callable[..., Any], result_shape_dtypes: Any, *args: Any, ordered: bool = False, **kwargs: Any
) -> Any:
    """``pure_callback`` for functions with effects; it runs when its result is computed.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> from pg_jax.experimental import io_callback
    >>> io_callback(lambda x: x + 1, jax.ShapeDtypeStruct((), jnp.float32), 1.0)
    Array(2., dtype=float32)
    """
    return pure_callback(callback, result_shape_dtypes, *args, **kwargs)

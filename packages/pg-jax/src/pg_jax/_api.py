"""Placing and describing data: ``device_put``, ``device_get``, ``block_until_ready``, "
"``ShapeDtypeStruct``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg

from . import _trees, dtypes
from ._array import Array, ShapedArray, make
from ._flat import unwrap, wrap
from ._keys import PRNGKeyArray, make_keys


class ShapeDtypeStruct:
    """The shape and dtype of an array without its values.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.ShapeDtypeStruct((2, 3), jnp.float32)
    ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    __slots__ = ("dtype", "shape", "sharding", "weak_type")

    def __init__(
        self, shape: Any, dtype: Any, *, sharding: Any = None, weak_type: bool = False, **ignored: Any
    ) -> None:
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape, self.weak_type, self.sharding = tuple(shape), weak_type, sharding
        self.dtype = dtype if isinstance(dtype, dtypes.KeyType) else dtypes.canonicalize_dtype(dtype)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return int(self.shape[0])

    def update(self, **changes: Any) -> ShapeDtypeStruct:
        """Another one that differs in some fields."""
        own = {
            "shape": self.shape,
            "dtype": self.dtype,
            "weak_type": self.weak_type,
            "sharding": self.sharding,
        }
        return ShapeDtypeStruct(**{**own, **changes})

    def _key(self) -> tuple[Any, ...]:
        return self.shape, self.dtype, self.weak_type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype}{weak})"


def example_of(x: Any) -> Any:
    """An array of a type, whose values do not matter."""
    if isinstance(x.dtype, dtypes.KeyType):
        return make_keys(pg.zeros((*x.shape, 2), dtype="uint32"))
    return make(pg.zeros(x.shape, dtype=dtypes.of(x.dtype)), bool(getattr(x, "weak_type", False)))


def device_put(
    x: Any, device: Any = None, *, src: Any = None, donate: bool = False, may_alias: Any = None
) -> Any:
    """The leaves of a pytree as arrays on a device.

    >>> import numpy as np, pg_jax as jax
    >>> jax.device_put({"a": np.ones(2)})
    {'a': Array([1., 1.], dtype=float32)}
    """
    from .devices import place

    def put(leaf: Any) -> Any:
        t, kind = unwrap(leaf, "device_put")
        return wrap(place(t, device), kind)

    leaves, tree = _trees.flatten(x)
    return _trees.unflatten(tree, [put(leaf) for leaf in leaves])


def device_get(x: Any) -> Any:
    """The leaves of a pytree as NumPy arrays.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.device_get([jnp.arange(2)])
    [array([0, 1], dtype=int32)]
    """

    def get(leaf: Any) -> Any:
        return np.asarray(leaf) if isinstance(leaf, Array) else leaf

    leaves, tree = _trees.flatten(x)
    return _trees.unflatten(tree, [get(leaf) for leaf in leaves])


def block_until_ready(x: Any) -> Any:
    """Compute all arrays of a pytree.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.block_until_ready((jnp.ones(()),))
    (Array(1., dtype=float32),)
    """
    leaves = _trees.flatten(x)[0]
    pg.eval(*[leaf._t for leaf in leaves if type(leaf) in (Array, PRNGKeyArray) and not leaf._t.is_abstract])
    return x


def copy_to_host_async(x: Any) -> Any:
    """Start computing; the same as ``block_until_ready``."""
    return block_until_ready(x)


def typeof(x: Any) -> ShapedArray:
    """The type of an array or number.

    >>> import pg_jax as jax
    >>> jax.typeof(1.0)
    ShapedArray(float32[], weak_type=True)
    """
    if isinstance(x, Array):
        aval: ShapedArray = x.aval
        return aval
    t, kind = unwrap(x, "typeof")
    return wrap(t, kind).aval

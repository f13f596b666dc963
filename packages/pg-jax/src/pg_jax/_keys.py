"""Arrays of typed random keys: ``key<fry>``, physically two uint32 words at the end of the shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg

from . import dtypes
from ._array import Array, ShapedArray


class PRNGKeyArray:
    """Random keys, as ``jax.random.key`` makes them; they are split, folded and indexed, not computed with.

    >>> import pg_jax as jax
    >>> jax.random.split(jax.random.key(0)).shape
    (2,)
    """

    __slots__ = ("__weakref__", "_t")
    _t: pg.Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return self._t.shape[:-1]

    @property
    def ndim(self) -> int:
        return self._t.ndim - 1

    @property
    def size(self) -> int:
        return self._t.size // 2

    @property
    def dtype(self) -> Any:
        return dtypes.key_type

    weak_type = False
    itemsize = 8

    @property
    def nbytes(self) -> int:
        return 8 * self.size

    @property
    def aval(self) -> ShapedArray:
        return ShapedArray(self.shape, self.dtype)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> PRNGKeyArray:
        from ._indexing import getitem

        whole = key if isinstance(key, tuple) else (key,)
        if Ellipsis not in [k for k in whole if k is Ellipsis]:
            whole = (*whole, Ellipsis)
        return make_keys(getitem(_plain(self), (*whole, slice(None)))._t)

    def reshape(self, *shape: Any) -> PRNGKeyArray:
        dims = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return make_keys(self._t.reshape((*dims, 2)))

    def ravel(self) -> PRNGKeyArray:
        return self.reshape(-1)

    flatten = ravel

    def squeeze(self, axis: Any = None) -> PRNGKeyArray:
        return self.reshape(tuple(d for i, d in enumerate(self.shape) if not _dropped(i, d, axis, self.ndim)))

    def __eq__(self, other: object) -> Any:
        from .numpy import all, equal

        if not isinstance(other, PRNGKeyArray):
            return NotImplemented
        return all(equal(_plain(self), _plain(other)), axis=-1)

    def __ne__(self, other: object) -> Any:
        same = self.__eq__(other)
        return same if same is NotImplemented else ~same

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'PRNGKeyArray'")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        raise TypeError(
            "JAX array with PRNGKey dtype cannot be converted to a NumPy array. Use jax.random.key_data"
        )

    def block_until_ready(self) -> PRNGKeyArray:
        self._t.eval()
        return self

    def is_deleted(self) -> bool:
        return _plain(self).is_deleted()

    def delete(self) -> None:
        plain = _plain(self)
        plain.delete()
        self._t = plain._t

    def __repr__(self) -> str:
        if self._t.is_abstract:
            return f"JitTracer({self.aval.str_short()})"
        return f"Array({self.shape}, dtype={self.dtype}) overlaying:\n{self._t.numpy()}"


def _dropped(i: int, d: int, axis: Any, ndim: int) -> bool:
    if axis is None:
        return d == 1
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return i in [a % ndim for a in axes]


def _plain(keys: PRNGKeyArray) -> Array:
    from ._array import make

    return make(keys._t)


_new = object.__new__


def make_keys(t: pg.Tensor) -> PRNGKeyArray:
    """The keys of a uint32 tensor whose last extent is 2."""
    keys = _new(PRNGKeyArray)
    keys._t = t
    return keys

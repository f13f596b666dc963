"""Odds and ends of the namespace: grids by slices, questions about dtypes, loading."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import lift
from ._creation import array, asarray


class _Through:
    """An index trick of NumPy's, whose result is an array."""

    def __init__(self, trick: Any) -> None:
        self._trick = trick

    def __getitem__(self, key: Any) -> Any:
        given = key if isinstance(key, tuple) else (key,)
        ready = tuple(np.asarray(k) if isinstance(k, Array) else k for k in given)
        made = self._trick[ready if isinstance(key, tuple) else ready[0]]
        if isinstance(made, (tuple, list)):
            return [array(m) for m in made]
        return array(made)


mgrid, ogrid, c_, r_ = _Through(np.mgrid), _Through(np.ogrid), _Through(np.c_), _Through(np.r_)


def load(file: Any, *args: Any, **kwargs: Any) -> Any:
    """The array of a .npy file.

    >>> import io, pg_jax.numpy as jnp
    >>> file = io.BytesIO()
    >>> jnp.save(file, jnp.arange(2))
    >>> _ = file.seek(0)
    >>> jnp.load(file)
    Array([0, 1], dtype=int32)
    """
    made = np.load(file, *args, **kwargs)
    return array(made) if isinstance(made, np.ndarray) else made


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Array:
    """An array of another library's.

    >>> import numpy as np, pg_jax.numpy as jnp
    >>> jnp.from_dlpack(np.ones(2, np.float32))
    Array([1., 1.], dtype=float32)
    """
    t = pg.from_dlpack(x, copy=copy)
    return make(t if t.dtype is dtypes.canonical(t.dtype) else t.astype(dtypes.canonical(t.dtype)))


def isscalar(element: Any) -> bool:
    """Whether a value is a number or an array of rank 0.

    >>> import pg_jax.numpy as jnp
    >>> jnp.isscalar(jnp.ones(())), jnp.isscalar([1])
    (True, False)
    """
    return np.isscalar(element) or (hasattr(element, "ndim") and element.ndim == 0)


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """NumPy's answer for dtypes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.can_cast("int8", "int16")
    True
    """
    return bool(np.can_cast(np.dtype(getattr(from_, "dtype", from_)), np.dtype(to), casting=casting))  # type: ignore[arg-type]


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a dtype is of a kind of the array API.

    >>> import pg_jax.numpy as jnp
    >>> jnp.isdtype(jnp.float32, "real floating")
    True
    """
    own = dtypes._kind_of(dtype)[0]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(pg.isdtype(own, k if isinstance(k, str) else dtypes._kind_of(k)[0]) for k in kinds)


def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex.

    >>> import pg_jax.numpy as jnp
    >>> jnp.iscomplexobj(jnp.ones(1))
    False
    """
    return bool(lift(x)._t.dtype.is_complex)


def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex.

    >>> import pg_jax.numpy as jnp
    >>> jnp.isrealobj(jnp.ones(1))
    True
    """
    return not iscomplexobj(asarray(x))

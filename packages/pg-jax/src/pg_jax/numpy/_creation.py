"""New arrays."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pequegrad as pg

from .. import _trees, dtypes
from .._array import Array, make
from .._keys import PRNGKeyArray
from .._lift import Tensor, cast, constant, extents, from_array, lift, number, sizes
from ..devices import place


def array(
    object: Any, dtype: Any = None, copy: bool = True, order: str | None = "K", ndmin: int = 0, *,
    device: Any = None, out_sharding: Any = None,
) -> Array:  # fmt: skip
    """An array of numbers, nested lists, or another array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.array([[1, 2], [3, 4]])
    Array([[1, 2],
           [3, 4]], dtype=int32)
    """
    if type(object) is PRNGKeyArray:
        return object  # type: ignore[return-value]
    kind = None if dtype is None else dtypes.of(dtype, "array")
    made = _array(object, kind)
    t = place(made._t, device)
    while t.ndim < ndmin:
        t = pg.expand_dims(t, 0)
    return make(t, made._w)


def _array(x: Any, kind: pg.DType | None) -> Array:
    if type(x) is Array:
        return x if kind is None else make(cast(x._t, kind))
    if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        if kind is None:
            return number(x)
        if isinstance(x, complex) and not kind.is_complex:
            raise TypeError("float() argument must be a string or a real number, not 'complex'")
        if kind.is_integer and isinstance(x, int) and not isinstance(x, bool):
            limits = np.iinfo(dtypes.NUMPY[kind])
            if not int(limits.min) <= x <= int(limits.max):
                raise OverflowError(f"Python integer {x} out of bounds for {kind.name}")
        return make(constant(x, kind) if not kind.is_integer else constant(int(x), kind))  # type: ignore[arg-type]
    if isinstance(x, (list, tuple, range)):
        return _nested(x, kind)
    if x is None:
        raise ValueError("None is not a valid value for jnp.array")
    if isinstance(x, (str, bytes)):
        raise TypeError(
            f"Value {x!r} of type {type(x)} is not a valid JAX array type. Only arrays of numeric types "
            "are supported by JAX."
        )
    if isinstance(x, (np.ndarray, np.generic)):
        return make(from_array(x, kind))
    if not hasattr(x, "__jax_array__") and not hasattr(x, "__array__") and not isinstance(x, Tensor):
        raise TypeError(
            f"Value '{x}' with type {type(x)} is not a valid JAX array type. Only arrays of numeric "
            "types are supported by JAX."
        )
    made = lift(x, "array")
    return made if kind is None else make(cast(made._t, kind))


def _nested(x: Any, kind: pg.DType | None) -> Array:
    leaves = _trees.flatten(list(x), lambda v: v is None)[0]
    if any(v is None for v in leaves):
        raise ValueError("None is not a valid value for jnp.array")
    if any(isinstance(v, str) for v in leaves):
        raise TypeError("Value of a list is not a valid JAX array type.")
    if any(isinstance(v, (Array, Tensor)) or hasattr(v, "__jax_array__") for v in leaves):
        rows = [_array(v, None) for v in x]
        joined = dtypes.join(*((r._t.dtype, r._w) for r in rows))[0]
        shapes = {r.shape for r in rows}
        if len(shapes) > 1:
            raise TypeError(
                "The numpy.ndarray conversion of a ragged list is not possible: the shapes are "
                f"{sorted(shapes)}"
            )
        return make(pg.stack([cast(r._t, kind or joined) for r in rows], 0))
    if not leaves:
        values = np.asarray(x, np.float32)
        return make(from_array(values, kind or dtypes.default_float()))
    own = dtypes.join(*{dtypes.type_of(v) for v in leaves})[0]
    try:
        values = np.array(x)
    except ValueError as error:
        raise ValueError(str(error)) from None
    if values.dtype == object:
        raise OverflowError("Python int too large to convert to C long")
    if own.is_integer and (kind is None or kind.is_integer):
        wanted = np.iinfo(dtypes.NUMPY[kind or own])
        if values.size and (int(values.max()) > int(wanted.max) or int(values.min()) < int(wanted.min)):
            raise OverflowError(f"Python integer out of bounds for {(kind or own).name}")
    return make(from_array(values, kind or own))


def asarray(
    a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, device: Any = None,
    out_sharding: Any = None,
) -> Array:  # fmt: skip
    """The array itself, or an array of what is given.

    >>> import pg_jax.numpy as jnp
    >>> jnp.asarray(3.0)
    Array(3., dtype=float32, weak_type=True)
    """
    if type(a) is Array and dtype is None and device is None:
        return a
    return array(a, dtype, device=device)


def _dtype(dtype: Any, what: str, default: Any = None) -> pg.DType:
    if dtype is None:
        return default or dtypes.default_float()
    return dtypes.of(dtype, what)


def zeros(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Array:
    """Zeros.

    >>> import pg_jax.numpy as jnp
    >>> jnp.zeros(2)
    Array([0., 0.], dtype=float32)
    """
    return make(place(constant(0, _dtype(dtype, "zeros"), extents(shape)), device))


def ones(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Array:
    """Ones.

    >>> import pg_jax.numpy as jnp
    >>> jnp.ones(2, "int8")
    Array([1, 1], dtype=int8)
    """
    return make(place(constant(1, _dtype(dtype, "ones"), extents(shape)), device))


def empty(shape: Any, dtype: Any = None, *, device: Any = None, out_sharding: Any = None) -> Array:
    """Zeros.

    >>> import pg_jax.numpy as jnp
    >>> jnp.empty(1)
    Array([0.], dtype=float32)
    """
    return zeros(shape, dtype, device=device)


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: Any = None) -> Array:
    """An array of one value.

    >>> import pg_jax.numpy as jnp
    >>> jnp.full((2,), 3)
    Array([3, 3], dtype=int32, weak_type=True)
    """
    value = asarray(fill_value)
    kind = value._t.dtype if dtype is None else dtypes.of(dtype, "full")
    t = pg.broadcast_to(cast(value._t, kind), extents(shape))
    return make(place(t, device), value._w and dtype is None)


def _like(a: Any, dtype: Any, shape: Any, what: str) -> tuple[tuple[int, ...], pg.DType, bool]:
    if hasattr(a, "dtype") and hasattr(a, "shape"):
        own, weak, dims = dtypes.of(a.dtype), bool(getattr(a, "weak_type", False)), tuple(a.shape)
    else:
        x = lift(a, what)
        own, weak, dims = x._t.dtype, x._w, x.shape
    kind = own if dtype is None else dtypes.of(dtype, what)
    return dims if shape is None else sizes(shape), kind, weak and dtype is None


def zeros_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Array:
    """Zeros of the shape and dtype of another array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.zeros_like(jnp.arange(2))
    Array([0, 0], dtype=int32)
    """
    dims, kind, weak = _like(a, dtype, shape, "zeros_like")
    return make(constant(0, kind, dims), weak)


def ones_like(a: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Array:
    """Ones of the shape and dtype of another array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.ones_like(jnp.arange(2))
    Array([1, 1], dtype=int32)
    """
    dims, kind, weak = _like(a, dtype, shape, "ones_like")
    return make(constant(1, kind, dims), weak)


empty_like = zeros_like


def full_like(a: Any, fill_value: Any, dtype: Any = None, shape: Any = None, *, device: Any = None) -> Array:
    """One value in the shape and dtype of another array.

    >>> import pg_jax.numpy as jnp
    >>> jnp.full_like(jnp.arange(2), 7)
    Array([7, 7], dtype=int32)
    """
    dims, kind, weak = _like(a, dtype, shape, "full_like")
    value = asarray(fill_value)
    return make(pg.broadcast_to(cast(value._t, kind), dims), weak and value.ndim == 0)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None, *, device: Any = None) -> Array:
    """Numbers counting from start to before stop.

    >>> import pg_jax.numpy as jnp
    >>> jnp.arange(1, 7, 2)
    Array([1, 3, 5], dtype=int32)
    """
    given = [v for v in (start, stop, step) if v is not None]
    for v in given:
        if isinstance(v, Array) and v._t.is_abstract:
            from .._array import concretization

            raise concretization(v, "It arose in the jnp.arange argument.")
        if np.ndim(v):
            raise ValueError(f"jax.numpy.arange: arguments must be scalars, got shape {np.shape(v)}")
    kind = (
        dtypes.join(*(dtypes.type_of(v) for v in given))[0] if dtype is None else dtypes.of(dtype, "arange")
    )
    numbers = [v.item() if isinstance(v, (Array, np.generic, np.ndarray)) else v for v in given]
    if stop is None:
        a, b, s = 0, numbers[0], 1
    else:
        a, b, s = numbers[0], numbers[1], numbers[2] if step is not None else 1
    if kind.kind in "iu" and all(isinstance(v, int) for v in (a, b, s)):
        return make(from_array(np.arange(a, b, s, dtype=dtypes.NUMPY[kind]), kind))
    count = max(math.ceil((b - a) / s), 0)
    values = np.arange(a, b, s) if kind.is_integer else a + np.arange(count) * s
    return make(from_array(values.astype(dtypes.NUMPY[kind]), kind))


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
    axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """Evenly spaced numbers.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linspace(0, 1, 3)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    a, b = asarray(start), asarray(stop)
    kind = dtypes.inexact(dtypes.join((a._t.dtype, a._w), (b._t.dtype, b._w))[0])
    wanted = kind if dtype is None else dtypes.of(dtype, "linspace")
    work = kind
    x, y = pg.broadcast_arrays(cast(a._t, work), cast(b._t, work))
    div = num - 1 if endpoint else num
    if num > 1:
        ramp = pg.arange(num, dtype=pg.int64).astype(work) / div
        ramp = pg.reshape(ramp, (num, *[1] * x.ndim))
        out = x * (1 - ramp) + y * ramp
        if endpoint:
            out = pg.concatenate([out[:-1], pg.expand_dims(y, 0)])
        step = (y - x) / div
    else:
        out = pg.expand_dims(x, 0)[:num]
        step = pg.full_like(x, float("nan")) if div <= 0 else (y - x) / div
    out = pg.moveaxis(out, 0, axis)
    if wanted.is_integer:
        out = pg.floor(out)
    made = make(cast(out, wanted))
    return (made, make(step)) if retstep else made


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """Powers of a base with evenly spaced exponents.

    >>> import pg_jax.numpy as jnp
    >>> jnp.logspace(0, 2, 3)
    Array([  1.,  10., 100.], dtype=float32)
    """
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    made = make(pg.power(cast(asarray(base)._t, exponents._t.dtype), exponents._t))
    return made if dtype is None else make(cast(made._t, dtypes.of(dtype, "logspace")))


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """A geometric progression.

    >>> import pg_jax.numpy as jnp
    >>> jnp.geomspace(1, 4, 3).shape
    (3,)
    """
    a, b = asarray(start), asarray(stop)
    kind = dtypes.inexact(dtypes.join((a._t.dtype, a._w), (b._t.dtype, b._w))[0])
    sign = pg.sign(cast(a._t, kind))
    logs = logspace(
        make(pg.log10(cast(a._t, kind) / sign)),
        make(pg.log10(cast(b._t, kind) / sign)),
        num,
        endpoint,
        axis=axis,
    )
    made = pg.moveaxis(pg.moveaxis(logs._t, axis, 0) * sign, 0, axis)
    return make(made if dtype is None else cast(made, dtypes.of(dtype, "geomspace")))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, device: Any = None) -> Array:
    """Ones on a diagonal.

    >>> import pg_jax.numpy as jnp
    >>> jnp.eye(2)
    Array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    (rows,) = sizes(N)
    columns = rows if M is None else sizes(M)[0]
    return make(pg.eye(rows, columns, k=operator.index(k), dtype=_dtype(dtype, "eye")))


def identity(n: int, dtype: Any = None) -> Array:
    """The unit matrix.

    >>> import pg_jax.numpy as jnp
    >>> jnp.identity(1)
    Array([[1.]], dtype=float32)
    """
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Array:
    """Ones on and below a diagonal.

    >>> import pg_jax.numpy as jnp
    >>> jnp.tri(2)
    Array([[1., 0.],
           [1., 1.]], dtype=float32)
    """
    return make(pg.tri(N, M, k, dtype=_dtype(dtype, "tri")))


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> list[Array]:
    """Coordinates of a grid.

    >>> import pg_jax.numpy as jnp
    >>> jnp.meshgrid(jnp.arange(2), jnp.arange(1))[0]
    Array([[0, 1]], dtype=int32)
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Valid values for indexing are 'xy' and 'ij', got {indexing}")
    xs = [lift(x, "meshgrid") for x in xi]
    order = [1, 0, *range(2, len(xs))] if indexing == "xy" and len(xs) > 1 else list(range(len(xs)))
    shape = [xs[order[i]].size for i in range(len(xs))]
    out = []
    for i, x in enumerate(xs):
        dims = [1] * len(xs)
        dims[order[i]] = x.size
        t = pg.reshape(x._t, dims)
        out.append(make(t if sparse else pg.broadcast_to(t, shape), x._w))
    return out


def indices(dimensions: Any, dtype: Any = None, sparse: bool = False) -> Any:
    """The indices of a grid.

    >>> import pg_jax.numpy as jnp
    >>> jnp.indices((1, 2)).shape
    (2, 1, 2)
    """
    dims, kind = sizes(dimensions), _dtype(dtype, "indices", dtypes.default_int())
    if sparse:
        return tuple(
            make(pg.reshape(pg.arange(n, dtype=kind), [n if i == j else 1 for j in range(len(dims))]))
            for i, n in enumerate(dims)
        )
    return make(cast(pg.indices(dims), kind))


def copy(a: Any, order: str | None = None) -> Array:
    """The array; arrays never change.

    >>> import pg_jax.numpy as jnp
    >>> jnp.copy(jnp.ones(1))
    Array([1.], dtype=float32)
    """
    made = array(a)
    return make(+made._t if made._t.dtype is not pg.bool_ else pg.asarray(made._t), made._w)


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """A function of the indices of a grid.

    >>> import pg_jax.numpy as jnp
    >>> jnp.fromfunction(lambda i, j: i + j, (2, 2), dtype=int)
    Array([[0, 1],
           [1, 2]], dtype=int32)
    """
    return function(*indices(shape, dtype), **kwargs)

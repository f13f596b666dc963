"""Sums, extremes and other reductions over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import Tensor, axes_of, cast, lift
from .._primitives import reductions as prims
from ._unary import named


def keep(t: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], keepdims: bool) -> Tensor:
    """The reduced axes again, with extent 1."""
    if not keepdims:
        return t
    return pg.reshape(t, [1 if i in axes else n for i, n in enumerate(shape)])


def _masked(t: Tensor, where: Any, value: Any) -> Tensor:
    if where is None:
        return t
    mask = cast(lift(where, "where")._t, pg.bool_)
    return pg.where(mask, t, pg.full((), value, dtype=t.dtype))


def _reduced(
    name: str,
    a: Any,
    axis: Any,
    keepdims: bool,
    f: Callable[..., Tensor],
    kind: pg.DType | None,
    initial: Any = None,
    where: Any = None,
    neutral: Any = None,
    join: Callable[..., Tensor] | None = None,
) -> Array:
    t = lift(a, name)._t
    axes = axes_of(axis, t.ndim)
    t = cast(t, kind or t.dtype)
    if where is not None:
        if neutral is None and initial is None:
            raise ValueError(f"{name}: where argument needs initial")
        t = _masked(t, where, initial if neutral is None else neutral)
    made = keep(f(t, axes=axes), t.shape, axes, keepdims)
    if initial is not None and join is not None:
        made = join(made, cast(lift(initial, name)._t, made.dtype))
    return make(made)


def _summed(kind: pg.DType) -> pg.DType:
    """Narrow integers are added up in the default integer."""
    if kind is pg.bool_:
        return dtypes.default_int()
    if kind.is_integer and kind.itemsize < dtypes.default_int().itemsize:
        unsigned = pg.uint64 if dtypes.default_int() is pg.int64 else pg.uint32
        return unsigned if kind.kind == "u" else dtypes.default_int()
    return kind


def sum(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any =
    None,
    where: Any = None, promote_integers: bool = True,
) -> Array:  # fmt: skip
    """The sum over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.sum(jnp.ones((2, 3)), axis=1)
    Array([3., 3.], dtype=float32)
    """
    own = lift(a, "sum")._t.dtype
    kind = dtypes.of(dtype, "sum") if dtype is not None else _summed(own) if promote_integers else own
    return _reduced("sum", a, axis, keepdims, prims.reduce_sum, kind, initial, where, 0, pg.add)


def prod(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False, initial: Any =
    None,
    where: Any = None, promote_integers: bool = True,
) -> Array:  # fmt: skip
    """The product over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.prod(jnp.arange(1, 4))
    Array(6, dtype=int32)
    """
    own = lift(a, "prod")._t.dtype
    kind = dtypes.of(dtype, "prod") if dtype is not None else _summed(own) if promote_integers else own
    return _reduced("prod", a, axis, keepdims, prims.reduce_prod, kind, initial, where, 1, pg.multiply)


def _extreme(
    name: str, f: Callable[..., Tensor], a: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Array:
    t = lift(a, name)._t
    axes = axes_of(axis, t.ndim)
    if initial is None and 0 in [t.shape[i] for i in axes]:
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    join = (pg.maximum if name == "max" else pg.minimum) if t.dtype is not pg.bool_ else pg.logical_or
    return _reduced(name, a, axis, keepdims, f, None, initial, where, None, join)


def max(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """The largest over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.max(jnp.array([[1, 5], [2, 3]]), axis=0)
    Array([2, 5], dtype=int32)
    """
    return _extreme("max", prims.reduce_max, a, axis, keepdims, initial, where)


def min(
    a: Any, axis: Any = None, out: None = None, keepdims: bool = False, initial: Any = None, where: Any = None
) -> Array:
    """The smallest over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.min(jnp.array([[1, 5], [2, 3]]), axis=0)
    Array([1, 3], dtype=int32)
    """
    return _extreme("min", prims.reduce_min, a, axis, keepdims, initial, where)


amax, amin = max, min


def _bools(name: str, f: Any, neutral: bool, doc: str) -> Any:
    def apply(
        a: Any, axis: Any = None, out: None = None, keepdims: bool = False, *, where: Any = None
    ) -> Array:
        return _reduced(name, a, axis, keepdims, f, pg.bool_, None, where, neutral)

    return named(apply, name, doc)


all = _bools("all", prims.reduce_and, True, "Whether all elements over axes are true.")
any = _bools("any", prims.reduce_or, False, "Whether any element over axes is true.")


def _count(t: Tensor, axes: tuple[int, ...], where: Any, keepdims: bool, kind: pg.DType) -> Any:
    if where is None:
        return float(np.prod([t.shape[i] for i in axes]))
    mask = pg.broadcast_to(cast(lift(where, "where")._t, pg.bool_), t.shape)
    return keep(prims.reduce_sum(mask.astype(kind), axes=axes), t.shape, axes, keepdims)


def _computed(t: Tensor) -> pg.DType:
    """Half floats are averaged in float32."""
    return pg.float32 if t.dtype in (pg.float16, pg.bfloat16) else t.dtype


def _mean_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    try:
        return axes_of(axis, ndim)
    except ValueError as error:
        raise IndexError(str(error)) from None


def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Any = None,
) -> Array:
    """The mean over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.mean(jnp.arange(4))
    Array(1.5, dtype=float32)
    """
    t = lift(a, "mean")._t
    kind = dtypes.inexact(t.dtype) if dtype is None else dtypes.of(dtype, "mean")
    axes = _mean_axes(axis, t.ndim)
    t = cast(t, kind)
    wide = cast(t, _computed(t))
    count = _count(t, axes, where, keepdims, wide.dtype)
    total = keep(prims.reduce_sum(_masked(wide, where, 0), axes=axes), t.shape, axes, keepdims)
    if not isinstance(count, Tensor) and count == 0:
        return make(pg.full(total.shape, float("nan"), dtype=kind))
    return make(cast(total / count, kind))


def var(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False, *,
    where: Any = None, correction: Any = None, mean: Any = None,
) -> Array:  # fmt: skip
    """The variance over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.var(jnp.arange(4.0))
    Array(1.25, dtype=float32)
    """
    t = lift(a, "var")._t
    kind = dtypes.inexact(t.dtype) if dtype is None else dtypes.of(dtype, "var")
    axes = _mean_axes(axis, t.ndim)
    wide = cast(t, kind)
    wide = cast(wide, _computed(wide))
    less = ddof if correction is None else correction
    count = _count(wide, axes, where, True, wide.dtype)
    if mean is None:
        total = keep(prims.reduce_sum(_masked(wide, where, 0), axes=axes), t.shape, axes, True)
        center = total / count if isinstance(count, Tensor) or count else total
    else:
        center = cast(lift(mean, "var")._t, wide.dtype)
    d = wide - center
    squares = pg.square(pg.abs(d)) if d.dtype.is_complex else d * d
    total = keep(prims.reduce_sum(_masked(squares, where, 0), axes=axes), t.shape, axes, keepdims)
    if isinstance(count, Tensor) and not keepdims:
        count = pg.reshape(count, total.shape)
    left = count - less
    if isinstance(left, Tensor):
        left = pg.maximum(left, 0)
        return make(cast(total / left, _real(kind)))
    if left <= 0:
        return make(pg.full(total.shape, float("nan"), dtype=_real(kind)))
    return make(cast(total / left, _real(kind)))


def _real(kind: pg.DType) -> pg.DType:
    return {pg.complex64: pg.float32, pg.complex128: pg.float64}.get(kind, kind)


def std(
    a: Any, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False, *,
    where: Any = None, correction: Any = None, mean: Any = None,
) -> Array:  # fmt: skip
    """The standard deviation over axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.std(jnp.array([1.0, 3.0]))
    Array(1., dtype=float32)
    """
    squares = var(a, axis, dtype, out, ddof, keepdims, where=where, correction=correction, mean=mean)
    return make(pg.sqrt(squares._t))


def ptp(a: Any, axis: Any = None, out: None = None, keepdims: bool = False) -> Array:
    """The largest less the smallest.

    >>> import pg_jax.numpy as jnp
    >>> jnp.ptp(jnp.array([1, 5]))
    Array(4, dtype=int32)
    """
    if lift(a, "ptp")._t.dtype is pg.bool_:
        raise TypeError("sub does not accept dtype bool.")
    return make(max(a, axis, keepdims=keepdims)._t - min(a, axis, keepdims=keepdims)._t)


def count_nonzero(a: Any, axis: Any = None, keepdims: bool = False) -> Array:
    """How many elements are not zero.

    >>> import pg_jax.numpy as jnp
    >>> jnp.count_nonzero(jnp.array([0, 1, 2]))
    Array(2, dtype=int32)
    """
    return sum(make(lift(a, "count_nonzero")._t != 0), axis, keepdims=keepdims)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False
) -> Any:
    """The weighted mean.

    >>> import pg_jax.numpy as jnp
    >>> jnp.average(jnp.array([1.0, 3.0]), weights=jnp.array([3.0, 1.0]))
    Array(1.5, dtype=float32)
    """
    x = lift(a, "average")
    if weights is None:
        made = mean(x, axis, keepdims=keepdims)
        count = x.size / np.maximum(made.size, 1)
        return (made, make(pg.full(made.shape, count, dtype=made._t.dtype))) if returned else made
    w = lift(weights, "average")
    kind = dtypes.inexact(dtypes.join((x._t.dtype, x._w), (w._t.dtype, w._w))[0])
    t, v = cast(x._t, kind), cast(w._t, kind)
    if t.shape != v.shape:
        if v.ndim != 1 or not isinstance(axis, int):
            raise ValueError("1D weights expected when shapes of a and weights differ.")
        v = pg.reshape(v, [n if i == axis % t.ndim else 1 for i, n in enumerate(t.shape)])
        v = pg.broadcast_to(v, t.shape)
    axes = axes_of(axis, t.ndim)
    total = keep(prims.reduce_sum(v, axes=axes), t.shape, axes, keepdims)
    made = make(keep(prims.reduce_sum(t * v, axes=axes), t.shape, axes, keepdims) / total)
    return (made, make(total)) if returned else made


# ---- positions


def _place(name: str, f: Callable[..., Tensor], doc: str) -> Any:
    def apply(a: Any, axis: int | None = None, out: None = None, keepdims: bool | None = None) -> Array:
        t = lift(a, name)._t
        if t.size == 0 or (axis is not None and t.shape[axis] == 0):
            raise ValueError(f"attempt to get {name} of an empty sequence")
        flat = pg.reshape(t, (-1,)) if axis is None else t
        (at,) = (0,) if axis is None else axes_of(axis, t.ndim)
        made = f(flat, axes=(at,), index_dtype=dtypes.NUMPY[dtypes.default_int()])
        if keepdims:
            made = pg.reshape(made, [1 if axis is None or i == at else n for i, n in enumerate(t.shape)])
        return make(made)

    return named(apply, name, doc)


argmax = _place("argmax", prims.argmax, "Where the first largest element is.")
argmin = _place("argmin", prims.argmin, "Where the first smallest element is.")


# ---- running


def _running(name: str, f: Callable[..., Tensor], doc: str) -> Any:
    def apply(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
        t = lift(a, name)._t
        if axis is None:
            t = pg.reshape(t, (-1,))
        (at,) = axes_of(0 if axis is None else axis, t.ndim)
        kind = (
            dtypes.of(dtype, name)
            if dtype is not None
            else dtypes.default_int()
            if t.dtype is pg.bool_
            else t.dtype
        )
        return make(f(cast(t, kind), axis=at))

    return named(apply, name, doc)


cumsum = _running("cumsum", prims.cumsum, "The sums of all prefixes.")
cumprod = _running("cumprod", prims.cumprod, "The products of all prefixes.")


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """The sums of all prefixes, with narrow integers widened.

    >>> import pg_jax.numpy as jnp
    >>> jnp.cumulative_sum(jnp.array([1, 2]), include_initial=True)
    Array([0, 1, 3], dtype=int32)
    """
    a = lift(x, "cumulative_sum")
    return _cumulative(a, axis, dtype, include_initial, cumsum, 0, _summed(a._t.dtype))


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Array:
    """The products of all prefixes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.cumulative_prod(jnp.array([2, 2]))
    Array([2, 4], dtype=int32)
    """
    return _cumulative(lift(x, "cumulative_prod"), axis, dtype, include_initial, cumprod, 1, None)


def _cumulative(
    a: Array, axis: int | None, dtype: Any, initial: bool, f: Any, first: int, kind: pg.DType | None
) -> Array:
    if a.ndim == 0:
        raise ValueError(
            "The input must be non-scalar to take a cumulative sum, however a scalar value was given."
        )
    if axis is None:
        if a.ndim > 1:
            raise ValueError(
                f"The input array has rank {a.ndim}, however axis was not set to an explicit value."
            )
        axis = 0
    made = f(a if dtype is not None or kind is None else make(cast(a._t, kind)), axis, dtype)
    if initial:
        shape = [1 if i == axis % a.ndim else n for i, n in enumerate(made.shape)]
        made = make(pg.concatenate([pg.full(shape, first, dtype=made._t.dtype), made._t], axis))
    return made

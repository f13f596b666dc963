"""Functions of ``jax.lax`` that move elements, reduce and multiply."""

# Size: short functions of one family, half of the lines are their documents and examples.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._keys import PRNGKeyArray, make_keys
from .._lift import Tensor, axis_of, cast, constant, lift, lift_all, sizes
from .._primitives import contractions, indexing, reductions
from .._primitives import shape as prims
from ..numpy._unary import named


def full(shape: Any, fill_value: Any, dtype: Any = None, *, sharding: Any = None) -> Array:
    """One value.

    >>> from pg_jax import lax
    >>> lax.full((2,), 1.0)
    Array([1., 1.], dtype=float32, weak_type=True)
    """
    from ..numpy import full as of_numpy

    return of_numpy(shape, fill_value, dtype)


def full_like(x: Any, fill_value: Any, dtype: Any = None, shape: Any = None, sharding: Any = None) -> Array:
    """One value in the shape and dtype of x.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.full_like(jnp.arange(2), 1)
    Array([1, 1], dtype=int32)
    """
    from ..numpy import full_like as of_numpy

    return of_numpy(x, fill_value, dtype, shape)


def iota(dtype: Any, size: int, *, sharding: Any = None) -> Array:
    """The numbers below ``size``.

    >>> from pg_jax import lax
    >>> lax.iota("int32", 3)
    Array([0, 1, 2], dtype=int32)
    """
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: Any, shape: Any, dimension: int, *, sharding: Any = None) -> Array:
    """The index along an axis.

    >>> from pg_jax import lax
    >>> lax.broadcasted_iota("int32", (2, 2), 0)
    Array([[0, 0],
           [1, 1]], dtype=int32)
    """
    return make(prims.iota(dtype=dtypes.of(dtype), shape=sizes(shape), dimension=dimension))


def broadcast(operand: Any, sizes: Any, *, out_sharding: Any = None) -> Array:
    """New leading axes.

    >>> from pg_jax import lax
    >>> lax.broadcast(1.0, (2,))
    Array([1., 1.], dtype=float32, weak_type=True)
    """
    x = lift(operand, "broadcast")
    return make(pg.broadcast_to(x._t, (*sizes, *x.shape)), x._w)


def broadcast_in_dim(
    operand: Any, shape: Any, broadcast_dimensions: Any, *, out_sharding: Any = None
) -> Array:
    """Stretched to a shape, of which the operand has some axes.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.broadcast_in_dim(jnp.arange(2), (2, 2), (0,))
    Array([[0, 0],
           [1, 1]], dtype=int32)
    """
    x = lift(operand, "broadcast_in_dim")
    if len(broadcast_dimensions) != x.ndim:
        raise TypeError(
            f"broadcast_in_dim broadcast_dimensions must have length equal to operand ndim; got "
            f"{broadcast_dimensions} for {x.shape}"
        )
    made = prims.broadcast_in_dim(x._t, shape=sizes(shape), broadcast_dimensions=tuple(broadcast_dimensions))
    return make(made, x._w)


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that shapes broadcast to.

    >>> from pg_jax import lax
    >>> lax.broadcast_shapes((2, 1), (1, 3))
    (2, 3)
    """
    from ..numpy import broadcast_shapes as of_numpy

    return of_numpy(*shapes)


def reshape(operand: Any, new_sizes: Any, dimensions: Any = None, *, out_sharding: Any = None) -> Array:
    """Another shape.

    >>> from pg_jax import lax
    >>> lax.reshape(1.0, (1, 1))
    Array([[1.]], dtype=float32, weak_type=True)
    """
    x = lift(operand, "reshape")
    dims = sizes(new_sizes)
    if int(np.prod(dims)) != x.size:
        raise TypeError(f"reshape total size must be unchanged, got new_sizes {dims} for shape {x.shape}.")
    return make(prims.reshape(x._t, new_sizes=dims, dimensions=dimensions), x._w)


def squeeze(array: Any, dimensions: Any) -> Array:
    """Without axes of extent 1.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.squeeze(jnp.ones((1, 2)), (0,))
    Array([1., 1.], dtype=float32)
    """
    from ..numpy import squeeze as of_numpy

    return of_numpy(array, tuple(dimensions))


def expand_dims(array: Any, dimensions: Any) -> Array:
    """New axes of extent 1.

    >>> from pg_jax import lax
    >>> lax.expand_dims(1.0, (0,))
    Array([1.], dtype=float32, weak_type=True)
    """
    from ..numpy import expand_dims as of_numpy

    return of_numpy(array, tuple(dimensions))


def transpose(operand: Any, permutation: Any) -> Array:
    """The axes in another order.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.transpose(jnp.ones((2, 3)), (1, 0)).shape
    (3, 2)
    """
    from ..numpy import transpose as of_numpy

    return of_numpy(operand, permutation)


def rev(operand: Any, dimensions: Any) -> Array:
    """Axes backwards.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.rev(jnp.arange(2), (0,))
    Array([1, 0], dtype=int32)
    """
    x = lift(operand, "rev")
    return make(prims.rev(x._t, dimensions=tuple(dimensions)), x._w)


def concatenate(operands: Any, dimension: int) -> Array:
    """One behind the other.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.concatenate([jnp.ones(1), jnp.zeros(1)], 0)
    Array([1., 0.], dtype=float32)
    """
    from ..numpy import concatenate as of_numpy

    if len({lift(x)._t.dtype for x in operands}) > 1:
        raise TypeError("lax.concatenate requires arguments to have equal dtypes")
    return of_numpy(operands, dimension)


def pad(operand: Any, padding_value: Any, padding_config: Any) -> Array:
    """Elements of one value around and between; negative amounts crop.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.pad(jnp.arange(2), 7, [(1, 0, 1)])
    Array([7, 0, 7, 1], dtype=int32)
    """
    x, value = lift_all("pad", operand, padding_value)
    return make(prims.pad(x._t, cast(value._t, x._t.dtype), padding_config=padding_config), x._w and value._w)


def slice(operand: Any, start_indices: Any, limit_indices: Any, strides: Any = None) -> Array:
    """The elements between bounds.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.slice(jnp.arange(5), (1,), (3,))
    Array([1, 2], dtype=int32)
    """
    x = lift(operand, "slice")
    starts, limits = sizes(start_indices), sizes(limit_indices)
    if len(starts) != x.ndim or len(limits) != x.ndim:
        raise TypeError(
            f"slice start_indices must have length equal to the number of dimensions, got {starts} and "
            f"{limits} for {x.shape}"
        )
    for a, b, n in zip(starts, limits, x.shape, strict=True):
        if not 0 <= a <= b <= n:
            raise TypeError(
                f"slice limit_indices must be between start_indices and the shape {x.shape}, got {starts} "
                f"and {limits}"
            )
    return make(prims.slice(x._t, start_indices=starts, limit_indices=limits, strides=strides), x._w)


def slice_in_dim(
    operand: Any, start_index: int | None, limit_index: int | None, stride: int = 1, axis: int = 0
) -> Array:
    """The elements between bounds of one axis.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.slice_in_dim(jnp.arange(5), 1, -1)
    Array([1, 2, 3], dtype=int32)
    """
    x = lift(operand, "slice_in_dim")
    at = axis_of(axis, x.ndim)
    key = [builtin_slice(None)] * at + [builtin_slice(start_index, limit_index, stride)]
    return make(x._t[tuple(key)], x._w)


builtin_slice = type(np.s_[:])


def index_in_dim(operand: Any, index: int, axis: int = 0, keepdims: bool = True) -> Array:
    """One slice along an axis.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.index_in_dim(jnp.arange(5), 1, keepdims=False)
    Array(1, dtype=int32)
    """
    x = lift(operand, "index_in_dim")
    at, n = axis_of(axis, x.ndim), x.shape[axis]
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for axis {at} with size {n}")
    i = index % n
    made = slice_in_dim(x, i, i + 1, axis=at)
    return made if keepdims else squeeze(made, (at,))


def split(operand: Any, sizes: Any, axis: int = 0) -> list[Array]:
    """Parts of given sizes.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.split(jnp.arange(3), (1, 2))
    [Array([0], dtype=int32), Array([1, 2], dtype=int32)]
    """
    x = lift(operand, "split")
    return [make(t, x._w) for t in prims.split(x._t, sizes=sizes, axis=axis_of(axis, x.ndim))]


def dynamic_slice(operand: Any, start_indices: Any, slice_sizes: Any) -> Array:
    """The window that begins at computed places, moved so that it lies inside.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dynamic_slice(jnp.arange(5), (4,), (2,))
    Array([3, 4], dtype=int32)
    """
    keys = type(operand) is PRNGKeyArray
    x = make(operand._t) if keys else lift(operand, "dynamic_slice")
    dims = (*sizes(slice_sizes), *((2,) if keys else ()))
    starts = _starts(x, start_indices, keys)
    if len(dims) != x.ndim or any(s > n for s, n in zip(dims, x.shape, strict=True)):
        raise TypeError(
            f"slice slice_sizes must be less than or equal to operand shape, got slice_sizes {dims} for "
            f"operand shape {x.shape}."
        )
    made = indexing.dynamic_slice(x._t, *starts, slice_sizes=dims)
    return make_keys(made) if keys else make(made, x._w)  # type: ignore[return-value]


def _starts(x: Array, given: Any, keys: bool = False) -> list[Tensor]:
    if isinstance(given, Array):
        given = [given[i] for i in range(x.ndim - keys)]
    starts = [lift(i, "dynamic_slice")._t for i in given] + ([constant(0, pg.int32)] if keys else [])
    if len(starts) != x.ndim:
        raise TypeError(
            f"dynamic_slice start_indices must have length equal to the number of dimensions, got "
            f"{len(starts)} for {x.shape}"
        )
    out = []
    for t, n in zip(starts, x.shape, strict=True):
        if not t.dtype.is_integer:
            raise TypeError("index arguments to dynamic_slice must be integers")
        if t.ndim:
            raise TypeError(
                f"start_indices arguments to dynamic_slice must be scalars,  got indices of shape {t.shape}"
            )
        out.append(
            pg.where(t < 0, t + n, t) if t.dtype.kind == "i" else t
        )  # negative ones count from the end
    return out


def dynamic_slice_in_dim(operand: Any, start_index: Any, slice_size: int, axis: int = 0) -> Array:
    """The window of one axis that begins at a computed place.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dynamic_slice_in_dim(jnp.arange(5), 1, 2)
    Array([1, 2], dtype=int32)
    """
    ndim, at = len(operand.shape), axis_of(axis, len(operand.shape))
    starts = [start_index if i == at else 0 for i in range(ndim)]
    dims = [slice_size if i == at else n for i, n in enumerate(operand.shape)]
    return dynamic_slice(operand, starts, dims)


def dynamic_index_in_dim(operand: Any, index: Any, axis: int = 0, keepdims: bool = True) -> Array:
    """One slice at a computed place.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dynamic_index_in_dim(jnp.arange(5), 3, keepdims=False)
    Array(3, dtype=int32)
    """
    made = dynamic_slice_in_dim(operand, index, 1, axis)
    at = axis_of(axis, len(operand.shape))
    return made if keepdims else made.reshape(tuple(n for i, n in enumerate(made.shape) if i != at))


def dynamic_update_slice(operand: Any, update: Any, start_indices: Any) -> Array:
    """The window that begins at computed places replaced.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dynamic_update_slice(jnp.zeros(3), jnp.ones(1), (1,))
    Array([0., 1., 0.], dtype=float32)
    """
    x, u = lift_all("dynamic_update_slice", operand, update)
    if x._t.dtype is not u._t.dtype:
        if not u._w:
            raise TypeError(
                f"lax.dynamic_update_slice requires arguments to have equal dtypes, got {x._t.dtype.name}, "
                f"{u._t.dtype.name}."
            )
        u = make(cast(u._t, x._t.dtype))
    if u.ndim != x.ndim or any(a > b for a, b in zip(u.shape, x.shape, strict=True)):
        raise TypeError(
            f"dynamic_update_slice update shape must be smaller than operand shape, got {u.shape} for "
            f"operand shape {x.shape}."
        )
    return make(indexing.dynamic_update_slice(x._t, u._t, *_starts(x, start_indices)), x._w)


def dynamic_update_slice_in_dim(operand: Any, update: Any, start_index: Any, axis: int) -> Array:
    """A window of one axis replaced.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dynamic_update_slice_in_dim(jnp.zeros(3), jnp.ones(1), 2, 0)
    Array([0., 0., 1.], dtype=float32)
    """
    x = lift(operand, "dynamic_update_slice")
    at = axis_of(axis, x.ndim)
    return dynamic_update_slice(x, update, [start_index if i == at else 0 for i in range(x.ndim)])


def dynamic_update_index_in_dim(operand: Any, update: Any, index: Any, axis: int) -> Array:
    """One slice replaced.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dynamic_update_index_in_dim(jnp.zeros(3), 5.0, 1, 0)
    Array([0., 5., 0.], dtype=float32)
    """
    x, u = lift_all("dynamic_update_index_in_dim", operand, update)
    at = axis_of(axis, x.ndim)
    if u.ndim != x.ndim:
        u = make(pg.expand_dims(u._t, at), u._w)
    return dynamic_update_slice_in_dim(x, u, index, at)


# ---- order


def sort(operand: Any, dimension: int = -1, is_stable: bool = True, num_keys: int = 1) -> Any:
    """Operands in the order of the first ones.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.sort((jnp.array([2, 1]), jnp.array([7, 8])))
    (Array([1, 2], dtype=int32), Array([8, 7], dtype=int32))
    """
    several = isinstance(operand, (tuple, list))
    xs = lift_all("sort", *(operand if several else (operand,)))
    if not several or len(xs) == 1:
        num_keys = 1
    made = indexing.sort(*[x._t for x in xs], dimension=axis_of(dimension, xs[0].ndim), num_keys=num_keys)
    out = tuple(make(t, x._w) for t, x in zip(made, xs, strict=True))
    return out if several else out[0]


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> Any:
    """Values in the order of keys.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.sort_key_val(jnp.array([2, 1]), jnp.array([7, 8]))[1]
    Array([8, 7], dtype=int32)
    """
    return sort((keys, values), dimension)


def top_k(operand: Any, k: int, *, axis: int = -1) -> list[Array]:
    """The k largest, and where they are.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.top_k(jnp.array([1, 3, 2]), 2)
    [Array([3, 2], dtype=int32), Array([1, 2], dtype=int32)]
    """
    x = lift(operand, "top_k")
    if not x.ndim or not 0 <= k <= x.shape[axis]:
        raise ValueError(
            f"k argument to top_k must be no larger than size along axis; got {k=} and shape={x.shape}"
        )
    values, places = indexing.top_k(x._t, k=k, axis=axis)
    return [make(values, x._w), make(places)]


def argmax(operand: Any, axis: int, index_dtype: Any) -> Array:
    """Where the first largest is.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.argmax(jnp.array([1, 3]), 0, jnp.int32)
    Array(1, dtype=int32)
    """
    return make(
        reductions.argmax(lift(operand, "argmax")._t, axes=(axis,), index_dtype=dtypes.of(index_dtype))
    )


def argmin(operand: Any, axis: int, index_dtype: Any) -> Array:
    """Where the first smallest is.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.argmin(jnp.array([1, 3]), 0, jnp.int32)
    Array(0, dtype=int32)
    """
    return make(
        reductions.argmin(lift(operand, "argmin")._t, axes=(axis,), index_dtype=dtypes.of(index_dtype))
    )


# ---- reductions


def _reduction(name: str, f: Any, doc: str) -> Any:
    def apply(operand: Any, axes: Sequence[int], **ignored: Any) -> Array:
        x = lift(operand, name)
        return make(f(x._t, axes=[axis_of(a, x.ndim) for a in axes]), x._w)

    return named(apply, name, doc)


reduce_sum = _reduction("reduce_sum", reductions.reduce_sum, "The sum over axes.")
reduce_prod = _reduction("reduce_prod", reductions.reduce_prod, "The product over axes.")
reduce_max = _reduction("reduce_max", reductions.reduce_max, "The largest over axes.")
reduce_min = _reduction("reduce_min", reductions.reduce_min, "The smallest over axes.")
reduce_and = _reduction("reduce_and", reductions.reduce_and, "All over axes.")
reduce_or = _reduction("reduce_or", reductions.reduce_or, "Any over axes.")
reduce_xor = _reduction("reduce_xor", reductions.reduce_xor, "An odd number over axes.")


def _running(name: str, f: Any, doc: str) -> Any:
    def apply(operand: Any, axis: int = 0, reverse: bool = False) -> Array:
        x = lift(operand, name)
        return make(f(x._t, axis=axis_of(axis, x.ndim), reverse=reverse), x._w)

    return named(apply, name, doc)


cumsum = _running("cumsum", reductions.cumsum, "The sums of all prefixes.")
cumprod = _running("cumprod", reductions.cumprod, "The products of all prefixes.")
cummax = _running("cummax", reductions.cummax, "The largest of all prefixes.")
cummin = _running("cummin", reductions.cummin, "The smallest of all prefixes.")
cumlogsumexp = _running("cumlogsumexp", reductions.cumlogsumexp, "``logsumexp`` of all prefixes.")


# ---- products


class Precision:
    """Accepted and ignored: products have the full precision of their dtype."""

    DEFAULT, HIGH, HIGHEST = "default", "high", "highest"


def dot_general(
    lhs: Any, rhs: Any, dimension_numbers: Any, precision: Any = None, preferred_element_type: Any = None,
    *, out_sharding: Any = None,
) -> Array:  # fmt: skip
    """The sum of products over contracted axes for each place of batch axes.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dot_general(jnp.ones((2, 3)), jnp.ones((3, 4)), (((1,), (0,)), ((), ()))).shape
    (2, 4)
    """
    x, y = lift_all("dot_general", lhs, rhs)
    kind, weak = dtypes.join((x._t.dtype, x._w), (y._t.dtype, y._w))
    (cx, cy), (bx, by) = dimension_numbers
    for a, b in ((cx, cy), (bx, by)):
        left, right = [x.shape[i] for i in a], [y.shape[i] for i in b]
        if left != right:
            raise TypeError(
                f"dot_general requires contracting dimensions to have the same shape, got {tuple(left)} "
                f"and {tuple(right)}."
            )
    preferred = None if preferred_element_type is None else dtypes.of(preferred_element_type)
    made = contractions.dot_general(
        cast(x._t, kind),
        cast(y._t, kind),
        dimension_numbers=dimension_numbers,
        preferred_element_type=preferred,
    )
    return make(made, weak and preferred is None)


def dot(
    lhs: Any,
    rhs: Any,
    *,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Array:
    """The product of vectors and matrices.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.dot(jnp.ones(2), jnp.ones(2))
    Array(2., dtype=float32)
    """
    if dimension_numbers is not None:
        return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)
    x, y = lift_all("dot", lhs, rhs)
    if not (1 <= x.ndim <= 2 and 1 <= y.ndim <= 2 and x.shape[-1] == y.shape[0]):
        raise TypeError(f"Incompatible shapes for dot: got {x.shape} and {y.shape}.")
    return dot_general(lhs, rhs, (((x.ndim - 1,), (0,)), ((), ())), precision, preferred_element_type)


def batch_matmul(lhs: Any, rhs: Any, precision: Any = None) -> Array:
    """Products of stacks of matrices.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.batch_matmul(jnp.ones((2, 1, 3)), jnp.ones((2, 3, 1))).shape
    (2, 1, 1)
    """
    x = lift(lhs, "batch_matmul")
    lead = tuple(range(x.ndim - 2))
    return dot_general(lhs, rhs, (((x.ndim - 1,), (x.ndim - 2,)), (lead, lead)))

"""Products of arrays; sums of half floats are kept in float32, as XLA keeps them."""

from __future__ import annotations

from typing import Any

import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import Tensor, axes_of, cast, lift, promote
from .._primitives import contractions as prims
from .._primitives import reductions


def _operands(what: str, a: Any, b: Any, preferred: Any) -> tuple[Tensor, Tensor, pg.DType, bool]:
    (x, y), kind, weak = promote(what, a, b)
    wanted = kind if preferred is None else dtypes.of(preferred, what)
    return x, y, wanted, weak and preferred is None


def _general(x: Tensor, y: Tensor, contract: Any, batch: Any, kind: pg.DType) -> Tensor:
    return prims.dot_general(
        x, y, dimension_numbers=(contract, batch), preferred_element_type=dtypes.NUMPY[kind]
    )


def dot(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Array:
    """The sum of products over the last axis of a and the last but one of b.

    >>> import pg_jax.numpy as jnp
    >>> jnp.dot(jnp.arange(3.0), jnp.ones(3))
    Array(3., dtype=float32)
    """
    x, y, kind, weak = _operands("dot", a, b, preferred_element_type)
    if x.ndim == 0 or y.ndim == 0:
        made = x * y if x.dtype is not pg.bool_ else pg.logical_and(x, y)
        return make(cast(made, kind), weak)
    over = 0 if y.ndim == 1 else y.ndim - 2
    if x.shape[-1] != y.shape[over]:
        raise TypeError(
            f"dot_general requires contracting dimensions to have the same shape, got ({x.shape[-1]},) and "
            f"({y.shape[over]},)."
        )
    return make(_general(x, y, ((x.ndim - 1,), (over,)), ((), ()), kind), weak)


def matmul(
    a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None, out_sharding: Any = None
) -> Array:
    """The product of matrices, or of stacks of them.

    >>> import pg_jax.numpy as jnp
    >>> jnp.matmul(jnp.eye(2), jnp.array([1.0, 2.0]))
    Array([1., 2.], dtype=float32)
    """
    x, y, kind, weak = _operands("matmul", a, b, preferred_element_type)
    for i, t in enumerate((x, y)):
        if not t.ndim:
            raise ValueError(f"matmul input operand {i} must have ndim at least 1, but it has ndim 0")
    over = y.ndim - 1 if y.ndim == 1 else y.ndim - 2
    if x.shape[-1] != y.shape[over]:
        raise TypeError(
            f"dot_general requires contracting dimensions to have the same shape, got ({x.shape[-1]},) and "
            f"({y.shape[over]},)."
        )
    if x.ndim <= 2 and y.ndim <= 2:
        return make(_general(x, y, ((x.ndim - 1,), (over,)), ((), ()), kind), weak)
    wide = kind if kind.itemsize >= x.dtype.itemsize else x.dtype
    try:
        made = pg.matmul(cast(x, wide), cast(y, wide))
    except pg.ShapeError as error:
        raise ValueError(str(error)) from None
    return make(cast(made, kind), weak)


def vdot(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Array:
    """The product of flattened arrays, the first conjugated.

    >>> import pg_jax.numpy as jnp
    >>> jnp.vdot(jnp.ones((2, 2)), jnp.ones((2, 2)))
    Array(4., dtype=float32)
    """
    x = lift(a, "vdot")
    t = pg.conj(x._t) if x._t.dtype.is_complex else x._t
    return dot(
        make(pg.reshape(t, (-1,)), x._w),
        make(pg.reshape(lift(b, "vdot")._t, (-1,)), lift(b, "vdot")._w),
        preferred_element_type=preferred_element_type,
    )


def inner(a: Any, b: Any, *, precision: Any = None, preferred_element_type: Any = None) -> Array:
    """The sum of products over the last axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.inner(jnp.eye(2), jnp.array([1.0, 2.0]))
    Array([1., 2.], dtype=float32)
    """
    x, y, kind, weak = _operands("inner", a, b, preferred_element_type)
    if not x.ndim or not y.ndim:
        return make(cast(x * y, kind), weak)
    return make(_general(x, y, ((x.ndim - 1,), (y.ndim - 1,)), ((), ()), kind), weak)


def outer(a: Any, b: Any, out: None = None) -> Array:
    """All products of elements of two arrays.

    >>> import pg_jax.numpy as jnp
    >>> jnp.outer(jnp.arange(2), jnp.arange(2))
    Array([[0, 0],
           [0, 1]], dtype=int32)
    """
    (x, y), kind, weak = promote("outer", a, b)
    left, right = pg.reshape(x, (-1, 1)), pg.reshape(y, (1, -1))
    return make(pg.logical_and(left, right) if kind is pg.bool_ else left * right, weak)


def tensordot(
    a: Any,
    b: Any,
    axes: Any = 2,
    *,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Array:
    """The sum of products over several axes.

    >>> import pg_jax.numpy as jnp
    >>> jnp.tensordot(jnp.ones((2, 3)), jnp.ones((3, 2)), 1).shape
    (2, 2)
    """
    x, y, kind, weak = _operands("tensordot", a, b, preferred_element_type)
    if isinstance(axes, int):
        if axes > min(x.ndim, y.ndim):
            raise TypeError(
                f"Number of tensordot axes (axes {axes}) exceeds input ranks ({x.shape} and {y.shape})"
            )
        over = (tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes)))
    else:
        left, right = axes
        over = (axes_of(left, x.ndim), axes_of(right, y.ndim))
    if [x.shape[i] for i in over[0]] != [y.shape[i] for i in over[1]]:
        raise TypeError(
            "dot_general requires contracting dimensions to have the same shape, got "
            f"{tuple(x.shape[i] for i in over[0])} and {tuple(y.shape[i] for i in over[1])}."
        )
    return make(_general(x, y, over, ((), ()), kind), weak)


def vecdot(
    x1: Any, x2: Any, /, *, axis: int = -1, precision: Any = None, preferred_element_type: Any = None
) -> Array:
    """Products of vectors along an axis, the first conjugated.

    >>> import pg_jax.numpy as jnp
    >>> jnp.vecdot(jnp.ones((2, 3)), jnp.ones(3))
    Array([3., 3.], dtype=float32)
    """
    x, y, kind, weak = _operands("vecdot", x1, x2, preferred_element_type)
    x = pg.conj(x) if x.dtype.is_complex else x
    product = x * y if kind is not pg.bool_ else pg.logical_and(x, y)
    return make(cast(reductions.reduce_sum(product, axes=(axis % product.ndim,)), kind), weak)


def matvec(x1: Any, x2: Any, /) -> Array:
    """Products of matrices and vectors.

    >>> import pg_jax.numpy as jnp
    >>> jnp.matvec(jnp.eye(2), jnp.ones(2))
    Array([1., 1.], dtype=float32)
    """
    made = matmul(x1, make(pg.expand_dims(lift(x2, "matvec")._t, -1), lift(x2)._w))
    return make(made._t[..., 0], made._w)


def vecmat(x1: Any, x2: Any, /) -> Array:
    """Products of vectors and matrices.

    >>> import pg_jax.numpy as jnp
    >>> jnp.vecmat(jnp.ones(2), jnp.eye(2))
    Array([1., 1.], dtype=float32)
    """
    x = lift(x1, "vecmat")
    t = pg.conj(x._t) if x._t.dtype.is_complex else x._t
    made = matmul(make(pg.expand_dims(t, -2), x._w), x2)
    return make(made._t[..., 0, :], made._w)


def kron(a: Any, b: Any) -> Array:
    """The Kronecker product.

    >>> import pg_jax.numpy as jnp
    >>> jnp.kron(jnp.array([1, 2]), jnp.array([1, 1]))
    Array([1, 1, 2, 2], dtype=int32)
    """
    (x, y), _, weak = promote("kron", a, b)
    return make(pg.kron(x, y), weak)


def einsum(
    subscripts: Any, /, *operands: Any, out: None = None, optimize: Any = "optimal", precision: Any = None,
    preferred_element_type: Any = None, out_sharding: Any = None, _dot_general: Any = None,
) -> Array:  # fmt: skip
    """Sums of products by letters.

    >>> import pg_jax.numpy as jnp
    >>> jnp.einsum("ij,j->i", jnp.eye(2), jnp.arange(2.0))
    Array([0., 1.], dtype=float32)
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _letters((subscripts, *operands))
    tensors, kind, weak = promote("einsum", *operands)
    wanted = kind if preferred_element_type is None else dtypes.of(preferred_element_type, "einsum")
    if kind is pg.bool_:
        return make(cast(pg.einsum(subscripts, *[cast(t, pg.int32) for t in tensors]), pg.bool_))
    wide = wanted if wanted.itemsize > kind.itemsize else kind
    try:
        made = pg.einsum(subscripts, *[cast(t, wide) for t in tensors])
    except (pg.ShapeError, pg.ArgumentError, pg.InvalidValueError) as error:
        raise ValueError(str(error)) from None
    return make(cast(made, wanted), weak)


def _letters(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The form ``einsum(x, [0, 1], y, [1], [0])`` as text."""

    def text(axes: Any) -> str:
        return "".join("..." if i is Ellipsis else chr(97 + i) for i in axes)

    operands, lists = given[0 : len(given) // 2 * 2 : 2], given[1::2]
    inputs = ",".join(text(axes) for axes in lists)
    return (f"{inputs}->{text(given[-1])}" if len(given) % 2 else inputs), operands


def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Array:
    """The sum along a diagonal.

    >>> import pg_jax.numpy as jnp
    >>> jnp.trace(jnp.eye(3))
    Array(3., dtype=float32)
    """
    from ._reductions import sum

    x = lift(a, "trace")
    return sum(make(pg.diagonal(x._t, offset, axis1, axis2)), -1, dtype=dtype)

"""Activations; each is written over ``pg_jax.numpy`` so that dtypes, weak types and derivatives are JAX's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .. import numpy as jnp
from .._array import Array, make
from .._lift import Tensor, axis_of, cast, lift, promote_inexact
from .._primitives import elementwise as prims
from .._primitives import reductions
from ..lax import logistic
from ..numpy._unary import floating

tanh = jnp.tanh
soft_sign = floating("soft_sign", lambda t: t / (pg.abs(t) + 1), "``x / (1 + |x|)``.")


def sigmoid(x: Any) -> Array:
    """``1 / (1 + exp(-x))``.

    >>> import pg_jax as jax
    >>> jax.nn.sigmoid(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return logistic(x)


def silu(x: Any) -> Array:
    """``x * sigmoid(x)``.

    >>> import pg_jax as jax
    >>> jax.nn.silu(0.0)
    Array(0., dtype=float32, weak_type=True)
    """
    a = lift(x, "silu")
    return a * sigmoid(a)


def relu(x: Any) -> Array:
    """The positive part; its derivative at 0 is 0.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.relu(jnp.array([-1.0, 2.0]))
    Array([0., 2.], dtype=float32)
    """
    a = lift(x, "relu")
    if a._t.dtype is pg.bool_:
        return a
    if not a._t.dtype.is_inexact:
        return make(pg.maximum(a._t, 0), a._w)
    return make(pg.relu(a._t), a._w)


def relu6(x: Any) -> Array:
    """The positive part, at most 6.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.relu6(jnp.array([-1.0, 7.0]))
    Array([0., 6.], dtype=float32)
    """
    return jnp.minimum(jnp.maximum(x, 0), 6.0)


def softplus(x: Any) -> Array:
    """``log(1 + exp(x))``.

    >>> import pg_jax as jax
    >>> jax.nn.softplus(0.0)
    Array(0.6931472, dtype=float32, weak_type=True)
    """
    return jnp.logaddexp(x, 0.0)


def sparse_plus(x: Any) -> Array:
    """0, a parabola between -1 and 1, then x.

    >>> import pg_jax as jax
    >>> jax.nn.sparse_plus(1.0)
    Array(1., dtype=float32, weak_type=True)
    """
    a = lift(x, "sparse_plus")
    return jnp.where(a <= -1.0, 0.0, jnp.where(a >= 1.0, a, (a + 1.0) ** 2 / 4))


def sparse_sigmoid(x: Any) -> Array:
    """A line from 0 to 1 between -1 and 1.

    >>> import pg_jax as jax
    >>> jax.nn.sparse_sigmoid(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return 0.5 * jnp.clip(lift(x) + 1.0, 0.0, 2.0)


def squareplus(x: Any, b: Any = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``.

    >>> import pg_jax as jax
    >>> jax.nn.squareplus(0.0)
    Array(1., dtype=float32, weak_type=True)
    """
    a = lift(x)
    return (a + jnp.sqrt(jnp.square(a) + b)) / 2


def log_sigmoid(x: Any) -> Array:
    """The logarithm of the sigmoid.

    >>> import pg_jax as jax
    >>> jax.nn.log_sigmoid(0.0)
    Array(-0.6931472, dtype=float32, weak_type=True)
    """
    return -softplus(-lift(x))


def elu(x: Any, alpha: Any = 1.0) -> Array:
    """x, or ``alpha * (exp(x) - 1)`` where it is negative.

    >>> import pg_jax as jax
    >>> jax.nn.elu(2.0)
    Array(2., dtype=float32, weak_type=True)
    """
    a = lift(x)
    low = jnp.where(a > 0, 0.0, a)
    return jnp.where(a > 0, a, alpha * jnp.expm1(low))


def selu(x: Any) -> Array:
    """A scaled ``elu``.

    >>> import pg_jax as jax
    >>> jax.nn.selu(1.0)
    Array(1.050701, dtype=float32, weak_type=True)
    """
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def celu(x: Any, alpha: Any = 1.0) -> Array:
    """x, or ``alpha * (exp(x / alpha) - 1)`` where it is negative.

    >>> import pg_jax as jax
    >>> jax.nn.celu(2.0)
    Array(2., dtype=float32, weak_type=True)
    """
    a = lift(x)
    return jnp.maximum(a, 0.0) + alpha * jnp.expm1(jnp.minimum(a, 0.0) / alpha)


def leaky_relu(x: Any, negative_slope: Any = 1e-2) -> Array:
    """x, or a small multiple of it where it is negative.

    >>> import pg_jax as jax
    >>> jax.nn.leaky_relu(-1.0)
    Array(-0.01, dtype=float32, weak_type=True)
    """
    a = lift(x)
    return jnp.where(a >= 0, a, negative_slope * a)


def hard_tanh(x: Any) -> Array:
    """x between -1 and 1.

    >>> import pg_jax as jax
    >>> jax.nn.hard_tanh(2.0)
    Array(1., dtype=float32, weak_type=True)
    """
    a = lift(x)
    return jnp.where(a > 1, 1, jnp.where(a < -1, -1, a))


def hard_sigmoid(x: Any) -> Array:
    """A line from 0 to 1 between -3 and 3.

    >>> import pg_jax as jax
    >>> jax.nn.hard_sigmoid(0.0)
    Array(0.5, dtype=float32, weak_type=True)
    """
    return relu6(lift(x) + 3.0) / 6.0


def hard_silu(x: Any) -> Array:
    """``x * hard_sigmoid(x)``.

    >>> import pg_jax as jax
    >>> jax.nn.hard_silu(3.0)
    Array(3., dtype=float32, weak_type=True)
    """
    a = lift(x)
    return a * hard_sigmoid(a)


def mish(x: Any) -> Array:
    """``x * tanh(softplus(x))``.

    >>> import pg_jax as jax
    >>> jax.nn.mish(0.0)
    Array(0., dtype=float32, weak_type=True)
    """
    a = lift(x)
    return a * jnp.tanh(softplus(a))


def gelu(x: Any, approximate: bool = True) -> Array:
    """x times the normal distribution function, by tanh or exactly.

    >>> import pg_jax as jax
    >>> jax.nn.gelu(1.0)
    Array(0.841192, dtype=float32, weak_type=True)
    """
    (t,), _, weak = promote_inexact("gelu", x)
    a = make(t, weak)
    if approximate:
        inner = np.sqrt(2 / np.pi).astype(a.dtype) * (a + 0.044715 * (a**3))
        cdf = 0.5 * (1.0 + jnp.tanh(inner))
        return make((a * cdf)._t, weak)
    root = np.sqrt(0.5).astype(a.dtype)
    return make(cast(0.5 * t * prims.erfc((-a * root)._t), t.dtype))


def glu(x: Any, axis: int = -1) -> Array:
    """One half times the sigmoid of the other.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.glu(jnp.array([2.0, 0.0]))
    Array([1.], dtype=float32)
    """
    a = lift(x)
    if a.shape[axis] % 2:
        raise ValueError("axis size must be divisible by 2")
    left, right = jnp.split(a, 2, axis)
    return left * sigmoid(right)


def logsumexp(
    a: Any,
    axis: Any = None,
    b: Any = None,
    keepdims: bool = False,
    return_sign: bool = False,
    where: Any = None,
) -> Any:
    """The logarithm of the sum of exponentials.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.logsumexp(jnp.zeros(2))
    Array(0.6931472, dtype=float32)
    """
    (t, *rest), kind, _ = promote_inexact("logsumexp", a, *([] if b is None else [b]))
    x = make(t)
    scale = make(rest[0]) if rest else None
    if where is not None:
        x = jnp.where(where, x, -jnp.inf)
    if scale is not None:
        x = jnp.where(scale != 0, x, -jnp.inf)
    top = jnp.max(x.real, axis, keepdims=True, initial=-np.inf)
    top = make(pg.stop_gradient(pg.where(pg.isfinite(top._t), top._t, 0.0).astype(top._t.dtype)))
    terms = jnp.exp(x - top)
    if scale is not None:
        terms = terms * scale
    total = jnp.sum(terms, axis, keepdims=keepdims)
    sign = jnp.sign(total)
    if return_sign or (scale is not None and not kind.is_complex):
        total = jnp.abs(total) if return_sign else total
    shift = top if keepdims else jnp.squeeze(top, axis if axis is not None else tuple(range(top.ndim)))
    out = jnp.log(total) + shift
    return (out, sign) if return_sign else out


def logmeanexp(x: Any, axis: Any = None, where: Any = None, keepdims: bool = False) -> Array:
    """The logarithm of the mean of exponentials.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.logmeanexp(jnp.zeros(2))
    Array(0., dtype=float32)
    """
    a = lift(x)
    total = logsumexp(a, axis, where=where, keepdims=keepdims)
    count = jnp.sum(jnp.ones_like(a, dtype=total.dtype), axis, keepdims=keepdims, where=where)
    return total - jnp.log(count)


def log1mexp(x: Any) -> Array:
    """``log(1 - exp(-x))``.

    >>> import pg_jax as jax
    >>> jax.nn.log1mexp(50.0)
    Array(-1.9287499e-22, dtype=float32, weak_type=True)
    """
    (t,), _, weak = promote_inexact("log1mexp", x)
    a = make(t, weak)
    return jnp.where(a < np.log(2.0), jnp.log(-jnp.expm1(-a)), jnp.log1p(-jnp.exp(-a)))


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    given = axis if isinstance(axis, (tuple, list)) else range(ndim) if axis is None else (axis,)
    return tuple(axis_of(i, ndim) for i in given)


def _centred(x: Any, axis: Any, where: Any, what: str) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    (t,), _, _ = promote_inexact(what, x)
    axes = _axes(axis, t.ndim)
    masked = t if where is None else pg.where(lift(where)._t, t, -np.inf)
    top = reductions.reduce_max(masked, axes=axes)
    top = pg.stop_gradient(pg.reshape(top, [1 if i in axes else n for i, n in enumerate(t.shape)]))
    return masked, top, axes


def softmax(x: Any, axis: Any = -1, where: Any = None) -> Array:
    """Exponentials divided by their sum.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.softmax(jnp.zeros(2))
    Array([0.5, 0.5], dtype=float32)
    """
    (t,), _, _ = promote_inexact("softmax", x)
    if where is None and isinstance(axis, int) and t.ndim:
        return make(pg.softmax(t, axis_of(axis, t.ndim)))
    masked, top, axes = _centred(x, axis, where, "softmax")
    terms = pg.exp(masked - top)
    total = reductions.reduce_sum(terms, axes=axes)
    made = terms / pg.reshape(total, top.shape)
    return make(made if where is None else pg.where(lift(where)._t, made, 0.0))


def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Array:
    """The logarithm of softmax.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.log_softmax(jnp.zeros(2))
    Array([-0.6931472, -0.6931472], dtype=float32)
    """
    (t,), _, _ = promote_inexact("log_softmax", x)
    if where is None and isinstance(axis, int) and t.ndim:
        return make(pg.log_softmax(t, axis_of(axis, t.ndim)))
    masked, top, axes = _centred(x, axis, where, "log_softmax")
    shifted = masked - top
    total = pg.reshape(reductions.reduce_sum(pg.exp(shifted), axes=axes), top.shape)
    made = shifted - pg.log(total)
    return make(made if where is None else pg.where(lift(where)._t, made, -np.inf))


def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Array:
    """A one at each index; indices out of range give zeros.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.one_hot(jnp.array([0, 2]), 3)
    Array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    a = jnp.asarray(x)
    at = axis_of(axis, a.ndim + 1)
    shape = [1] * (a.ndim + 1)
    shape[at] = int(num_classes)
    places = pg.reshape(
        pg.arange(int(num_classes), dtype=a._t.dtype if a._t.dtype.is_integer else pg.int32), shape
    )
    kind = dtypes.default_float() if dtype is None else dtypes.of(dtype, "one_hot")
    return make((pg.expand_dims(a._t, at) == places).astype(kind))


def standardize(
    x: Any, axis: Any = -1, mean: Any = None, variance: Any = None, epsilon: Any = 1e-5, where: Any = None
) -> Array:
    """Mean 0 and variance 1.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.nn.standardize(jnp.array([1.0, 3.0]), epsilon=0.0)
    Array([-1.,  1.], dtype=float32)
    """
    (t,), _, _ = promote_inexact("standardize", x)
    a = make(t)
    center = jnp.mean(a, axis, keepdims=True, where=where) if mean is None else mean
    if variance is None:
        variance = jnp.mean(jnp.square(a), axis, keepdims=True, where=where) - jnp.square(center)
    return (a - center) / jnp.sqrt(variance + epsilon)


def dot_product_attention(
    query: Any, key: Any, value: Any, bias: Any = None, mask: Any = None, *, scale: float | None = None,
    is_causal: bool = False, **options: Any,
) -> Array:  # fmt: skip
    """Attention of (..., length, heads, size), softmax of scaled products over the keys.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> q = jnp.ones((1, 2, 1, 4))
    >>> jax.nn.dot_product_attention(q, q, q).shape
    (1, 2, 1, 4)
    """
    if any(v is not None for v in options.values()):
        raise NotImplementedError(f"dot_product_attention: {sorted(options)} are not implemented")
    q, k, v = jnp.asarray(query), jnp.asarray(key), jnp.asarray(value)
    heads, groups = q.shape[-2], k.shape[-2]
    if heads != groups:
        k, v = jnp.repeat(k, heads // groups, -2), jnp.repeat(v, heads // groups, -2)
    factor = 1.0 / np.sqrt(q.shape[-1]) if scale is None else scale
    logits = jnp.einsum("...tnh,...snh->...nts", q, k, preferred_element_type=jnp.float32)
    logits = logits * np.asarray(factor, logits.dtype)
    if bias is not None:
        logits = logits + bias
    allowed = None if mask is None else lift(mask)
    if is_causal:
        causal = jnp.tril(jnp.ones(logits.shape[-2:], bool))
        allowed = causal if allowed is None else jnp.logical_and(allowed, causal)
    if allowed is not None:
        low = -0.7 * float(np.finfo(np.float32).max)
        logits = jnp.where(allowed, logits, np.asarray(low, logits.dtype))
    weights = softmax(logits.astype(jnp.float32), -1).astype(k.dtype)
    return jnp.einsum("...nts,...snh->...tnh", weights, v)

"""Distributions: signatures and, but for rejection samplers, numbers of ``jax.random``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .. import numpy as jnp
from .._array import Array, make
from .._config import config
from .._keys import PRNGKeyArray, make_keys
from .._lift import Tensor, axis_of, cast, lift, sizes
from .._primitives import random as prims
from ._keys import single, split


def _float(dtype: Any, what: str) -> pg.DType:
    kind = dtypes.default_float() if dtype is None else dtypes.of(dtype, what)
    if not kind.is_inexact:
        raise ValueError(f"dtype argument to `{what}` must be a float dtype, got {dtype}")
    return kind


def _shape(shape: Any) -> tuple[int, ...] | None:
    return None if shape is None else sizes(shape)


def _parameter(x: Any, kind: pg.DType) -> Any:
    return x if isinstance(x, (int, float)) else cast(lift(x)._t, kind)


def bits(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Array:
    """Random bits.

    >>> import pg_jax as jax
    >>> jax.random.bits(jax.random.key(0), (2,))
    Array([4070199207, 4202968722], dtype=uint32)
    """
    kind = (pg.uint64 if config.x64 else pg.uint32) if dtype is None else dtypes.of(dtype, "bits")
    if kind.kind != "u":
        raise ValueError(f"dtype argument to `bits` must be an unsigned int dtype, got {dtype}")
    made = prims.random_bits(single(key, "bits"), bit_width=8 * kind.itemsize, shape=sizes(shape))
    return make(cast(made, kind))


def uniform(
    key: Any,
    shape: Any = (),
    dtype: Any = None,
    minval: Any = 0.0,
    maxval: Any = 1.0,
    *,
    out_sharding: Any = None,
) -> Array:
    """Evenly distributed over [minval, maxval).

    >>> import pg_jax as jax
    >>> jax.random.uniform(jax.random.key(0), (2,))
    Array([0.947667 , 0.9785799], dtype=float32)
    """
    kind = _float(dtype, "uniform")
    low = float(minval) if isinstance(minval, (int, float)) else cast(lift(minval)._t, kind)
    high = float(maxval) if isinstance(maxval, (int, float)) else cast(lift(maxval)._t, kind)
    return make(pg.random.uniform(single(key, "uniform"), sizes(shape), kind, low, high))


def normal(key: Any, shape: Any = (), dtype: Any = None, *, out_sharding: Any = None) -> Array:
    """Standard normal numbers.

    >>> import pg_jax as jax
    >>> jax.random.normal(jax.random.key(0), ()).shape
    ()
    """
    kind = _float(dtype, "normal")
    words = single(key, "normal")
    if kind.is_complex:
        real = pg.float32 if kind is pg.complex64 else pg.float64
        keys = split(make(words))
        parts = [normal(keys[i], shape, dtypes.NUMPY[real])._t / math.sqrt(2) for i in range(2)]
        return make(pg.complex(*parts))
    return make(pg.random.normal(words, sizes(shape), kind))


def bernoulli(
    key: Any, p: Any = 0.5, shape: Any = None, mode: str = "low", *, out_sharding: Any = None
) -> Array:
    """True with probability p.

    >>> import pg_jax as jax
    >>> jax.random.bernoulli(jax.random.key(0), 1.0, (2,))
    Array([ True,  True], dtype=bool)
    """
    if mode != "low":
        raise NotImplementedError(f"bernoulli: mode {mode!r} is not implemented")
    chance = jnp.asarray(p)
    chance = make(cast(chance._t, dtypes.inexact(chance._t.dtype)))
    dims = chance.shape if shape is None else sizes(shape)
    return make(uniform(key, dims, chance.dtype)._t < chance._t)


def randint(
    key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = None, *, out_sharding: Any = None
) -> Array:
    """Integers in [minval, maxval).

    >>> import pg_jax as jax
    >>> jax.random.randint(jax.random.key(0), (3,), 0, 10)
    Array([9, 0, 2], dtype=int32)
    """
    kind = dtypes.default_int() if dtype is None else dtypes.of(dtype, "randint")
    if not kind.is_integer:
        raise TypeError(f"randint only accepts integer dtypes, got {dtype}")
    low, high = (v if isinstance(v, (int, np.integer)) else lift(v)._t for v in (minval, maxval))
    for v in (low, high):
        if isinstance(v, Tensor) and not v.dtype.is_integer:
            raise TypeError("minval and maxval must be integers")
    return make(pg.random.randint(single(key, "randint"), sizes(shape), low, high, kind))


def permutation(
    key: Any, x: Any, axis: int = 0, independent: bool = False, *, out_sharding: Any = None
) -> Any:
    """The numbers below x, or the slices of an array, in random order.

    >>> import pg_jax as jax
    >>> jax.random.permutation(jax.random.key(0), 4).shape
    (4,)
    """
    words = single(key, "permutation")
    if isinstance(x, (int, np.integer)):
        return make(cast(pg.random.permutation(words, int(x)), dtypes.default_int()))
    if type(x) is PRNGKeyArray:
        return make_keys(pg.random.permutation(words, x._t, axis_of(axis, x.ndim)))
    a = lift(x, "permutation")
    if not a.ndim:
        return make(cast(pg.random.permutation(words, int(a.item())), a._t.dtype))
    return make(pg.random.permutation(words, a._t, axis_of(axis, a.ndim), independent))


def choice(
    key: Any, a: Any, shape: Any = (), replace: bool = True, p: Any = None, axis: int = 0, mode: Any = None
) -> Array:
    """Elements drawn from an array, or from the numbers below an integer.

    >>> import pg_jax as jax
    >>> jax.random.choice(jax.random.key(0), 5, (3,)).shape
    (3,)
    """
    words, dims = single(key, "choice"), sizes(shape)
    whole = isinstance(a, (int, np.integer)) or not np.ndim(a)
    if p is None and replace:  # the bits of JAX's default integer
        source = None if whole else lift(a, "choice")
        count = int(a) if source is None else source.shape[axis_of(axis, source.ndim)]
        index = randint(key, dims, 0, count)
        return index if source is None else jnp.take(source, index, axis)
    chances = None if p is None else cast(lift(jnp.asarray(p))._t, dtypes.default_float())
    made = pg.random.choice(words, int(a) if whole else lift(a, "choice")._t, dims, replace, chances, axis)
    return make(cast(made, dtypes.default_int()) if whole else made)


def categorical(
    key: Any, logits: Any, axis: int = -1, shape: Any = None, replace: bool = True, mode: Any = None
) -> Array:
    """Indices with probabilities proportional to ``exp(logits)``.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.random.categorical(jax.random.key(0), jnp.array([0.0, -jnp.inf]))
    Array(0, dtype=int32)
    """
    x = jnp.asarray(logits)
    made = pg.random.categorical(
        single(key, "categorical"), cast(x._t, dtypes.inexact(x._t.dtype)), axis, _shape(shape), replace
    )
    return make(cast(made, dtypes.default_int()))


def _plain(name: str, doc: str) -> Any:
    f = getattr(pg.random, name)

    def draw(key: Any, shape: Any = (), dtype: Any = None, mode: Any = None, **ignored: Any) -> Array:
        kind = _float(dtype, name)
        return make(f(single(key, name), sizes(shape), kind))

    draw.__name__, draw.__doc__ = name, doc
    return draw


gumbel = _plain("gumbel", "Gumbel numbers.")
exponential = _plain("exponential", "Exponential numbers.")
laplace = _plain("laplace", "Laplace numbers.")
logistic = _plain("logistic", "Logistic numbers.")
cauchy = _plain("cauchy", "Cauchy numbers.")


def _with(name: str, count: int, doc: str, *defaults: Any) -> Any:
    f = getattr(pg.random, name)

    def draw(key: Any, *args: Any, shape: Any = None, dtype: Any = None, **named: Any) -> Array:
        given = list(args)
        if len(given) > count:
            shape, *more = given[count:]
            dtype = more[0] if more else dtype
            given = given[:count]
        given += list(named.values()) if named else []
        given += list(defaults[len(given) :])
        kind = _float(dtype, name)
        values = [_parameter(v, kind) for v in given]
        return make(f(single(key, name), *values, _shape(shape), kind))

    draw.__name__, draw.__doc__ = name, doc
    return draw


gamma = _with("gamma", 1, "Gamma numbers, by JAX's rejection loop (to some last places).")
loggamma = _with("loggamma", 1, "Logarithms of gamma numbers, by JAX's rejection loop (near 0 to 2e-4).")
beta = _with("beta", 2, "Beta numbers, as JAX's to some last places.")
dirichlet = _with("dirichlet", 1, "Dirichlet vectors, as JAX's to some last places.")
chisquare = _with("chisquare", 1, "Chi-square numbers, as JAX's to some last places.")
t = _with("t", 1, "Student's t numbers, as JAX's to some last places.")
f = _with("f", 2, "F numbers, as JAX's to some last places.")
pareto = _with("pareto", 1, "Pareto numbers.")
rayleigh = _with("rayleigh", 1, "Rayleigh numbers.")
lognormal = _with("lognormal", 1, "Numbers whose logarithms are normal.", 1.0)
weibull_min = _with("weibull_min", 2, "Weibull numbers.")
triangular = _with("triangular", 3, "Triangular numbers.")


def truncated_normal(
    key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = None, *, out_sharding: Any = None
) -> Array:
    """Normal numbers between bounds.

    >>> import pg_jax as jax
    >>> jax.random.truncated_normal(jax.random.key(0), -1.0, 1.0, (2,)).shape
    (2,)
    """
    kind = _float(dtype, "truncated_normal")
    low, high = (float(v) if isinstance(v, (int, float)) else cast(lift(v)._t, kind) for v in (lower, upper))
    return make(pg.random.truncated_normal(single(key, "truncated_normal"), low, high, _shape(shape), kind))


def rademacher(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """-1 or 1.

    >>> import pg_jax as jax
    >>> jax.random.rademacher(jax.random.key(0), (2,)).dtype
    dtype('int32')
    """
    kind = dtypes.default_int() if dtype is None else dtypes.of(dtype, "rademacher")
    drawn = bernoulli(key, 0.5, sizes(shape))._t
    return make(cast(2 * drawn.astype(pg.int32) - 1, kind))


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Poisson numbers, the same as JAX's.

    >>> import pg_jax as jax
    >>> jax.random.poisson(jax.random.key(0), 3.0, (2,)).dtype
    dtype('int32')
    """
    kind = dtypes.default_int() if dtype is None else dtypes.of(dtype, "poisson")
    rate = _parameter(lam, dtypes.default_float())
    return make(cast(pg.random.poisson(single(key, "poisson"), rate, _shape(shape)), kind))


def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Binomial numbers, the same as JAX's.

    >>> import pg_jax as jax
    >>> jax.random.binomial(jax.random.key(0), 5.0, 1.0, (1,))
    Array([5.], dtype=float32)
    """
    kind = _float(dtype, "binomial")
    made = pg.random.binomial(
        single(key, "binomial"), _parameter(n, kind), _parameter(p, kind), _shape(shape)
    )
    return make(cast(made, kind))


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Numbers of tries until the first success.

    >>> import pg_jax as jax
    >>> jax.random.geometric(jax.random.key(0), 1.0, (2,))
    Array([1, 1], dtype=int32)
    """
    kind = dtypes.default_int() if dtype is None else dtypes.of(dtype, "geometric")
    chance = _parameter(p, dtypes.default_float())
    return make(pg.random.geometric(single(key, "geometric"), chance, _shape(shape), kind))


def maxwell(key: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Lengths of normal vectors in space.

    >>> import pg_jax as jax
    >>> jax.random.maxwell(jax.random.key(0), (2,)).shape
    (2,)
    """
    return jnp.linalg.norm(normal(key, (*sizes(shape), 3), dtype), axis=-1)


def double_sided_maxwell(key: Any, loc: Any, scale: Any, shape: Any = (), dtype: Any = None) -> Array:
    """Maxwell numbers of either sign, scaled and moved.

    >>> import pg_jax as jax
    >>> jax.random.double_sided_maxwell(jax.random.key(0), 0.0, 1.0, (2,)).shape
    (2,)
    """
    keys = split(key)
    signs = rademacher(keys[0], shape, dtypes.NUMPY[_float(dtype, "double_sided_maxwell")])
    return signs * maxwell(keys[1], shape, dtype) * scale + loc


def generalized_normal(key: Any, p: float, shape: Any = (), dtype: Any = None) -> Array:
    """Numbers with density proportional to ``exp(-|x|**p)``.

    >>> import pg_jax as jax
    >>> jax.random.generalized_normal(jax.random.key(0), 2.0, (2,)).shape
    (2,)
    """
    keys = split(key)
    kind = _float(dtype, "generalized_normal")
    size = gamma(keys[0], 1 / p, shape, dtypes.NUMPY[kind])
    return rademacher(keys[1], shape, dtypes.NUMPY[kind]) * size ** (1 / p)


def ball(key: Any, d: int, p: float = 2, shape: Any = (), dtype: Any = None) -> Array:
    """Points of the unit ball.

    >>> import pg_jax as jax
    >>> jax.random.ball(jax.random.key(0), 3).shape
    (3,)
    """
    keys = split(key)
    g = generalized_normal(keys[0], p, (*sizes(shape), d), dtype)
    e = exponential(keys[1], sizes(shape), dtype)
    total = jnp.sum(jnp.abs(g) ** p, -1) + e
    return g / jnp.expand_dims(total ** (1 / p), -1)


def wald(key: Any, mean: Any, shape: Any = None, dtype: Any = None) -> Array:
    """Numbers of the inverse normal distribution.

    >>> import pg_jax as jax
    >>> jax.random.wald(jax.random.key(0), 1.0, (2,)).shape
    (2,)
    """
    keys = split(key)
    kind = dtypes.NUMPY[_float(dtype, "wald")]
    center = jnp.asarray(mean, kind)
    dims = center.shape if shape is None else sizes(shape)
    v, z = normal(keys[0], dims, kind), uniform(keys[1], dims, kind)
    y = v * v
    x = center + center**2 * y / 2 - center / 2 * jnp.sqrt(4 * center * y + center**2 * y**2)
    return jnp.where(z <= center / (center + x), x, center**2 / x)


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = None, method: str = "cholesky"
) -> Array:
    """Normal vectors of a covariance.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.random.multivariate_normal(jax.random.key(0), jnp.zeros(2), jnp.eye(2)).shape
    (2,)
    """
    kind = dtypes.NUMPY[_float(dtype, "multivariate_normal")]
    center, spread = jnp.asarray(mean, kind), jnp.asarray(cov, kind)
    lead = jnp.broadcast_shapes(center.shape[:-1], spread.shape[:-2]) if shape is None else sizes(shape)
    if method == "cholesky":
        factor = jnp.linalg.cholesky(spread)
    elif method == "eigh":
        values, vectors = jnp.linalg.eigh(spread)
        factor = vectors * jnp.sqrt(values[..., None, :])
    elif method == "svd":
        u, s, _ = jnp.linalg.svd(spread)
        factor = u * jnp.sqrt(s[..., None, :])
    else:
        raise ValueError("method must be one of {'svd', 'eigh', 'cholesky'}")
    drawn = normal(key, (*lead, center.shape[-1]), kind)
    return center + jnp.einsum("...ij,...j->...i", factor, drawn)


def orthogonal(key: Any, n: int, shape: Sequence[int] = (), dtype: Any = None, m: int | None = None) -> Array:
    """Uniformly distributed orthogonal matrices.

    >>> import pg_jax as jax
    >>> jax.random.orthogonal(jax.random.key(0), 2).shape
    (2, 2)
    """
    columns = n if m is None else m
    z = normal(key, (*sizes(shape), max(n, columns), min(n, columns)), dtype)
    q, r = jnp.linalg.qr(z)
    d = jnp.diagonal(r, axis1=-2, axis2=-1)
    x = q * jnp.expand_dims(jnp.sign(d), -2)
    return jnp.matrix_transpose(x) if n < columns else x

"""Distributions that follow from uniform and normal numbers by a formula.

Signatures are those of ``jax.random``; so are the numbers, to the last bit where they are made of
logarithms alone, and up to the rounding of other functions, which is correct here. All are differentiable
by their parameters: the draw is a function of them and of the key.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, axis_of, cast, positive_shape, reshape_to, to_float
from .._ops.creation import arange
from .._ops.elementwise import maximum, minimum, sign
from .._ops.indexing import getitem, take
from .._ops.logic import where
from .._ops.maths import erfinv, sqrt, tan
from .._ops.reduce import argmax, cumsum
from .._ops.selecting import searchsorted
from .._ops.shape import broadcast_shapes, moveaxis
from .._ops.sorting import topk
from .._ops.vectors import nextafter
from ..autodiff import stop_gradient
from ..errors import InvalidValueError, ShapeError
from .basic import (
    _MANTISSA,
    Generator,
    _float_type,
    _key_or_next,
    bernoulli,
    normal,
    permutation,
    randint,
    uniform,
)
from .elementary import erf, exp, log, log1p

_TINY = {"float16": 2.0**-14, "bfloat16": 2.0**-126, "float32": 2.0**-126, "float64": 2.0**-1022}


def _holds(dims: tuple[int, ...], common: tuple[int, ...]) -> bool:
    return len(common) <= len(dims) and all(c in (1, d) for c, d in zip(common[::-1], dims[::-1]))


def _parameters(
    what: str, shape: Any, dtype: Any, *values: TensorLike
) -> tuple[dt.DType, tuple[int, ...], list[Tensor]]:
    """The dtype, the shape of the draws and the parameters in that dtype; shape None means theirs."""
    kind = _float_type(dtype, what)
    given = [cast(to_float(v), kind) for v in values]
    common = broadcast_shapes(*(v.shape for v in given))
    if shape is None:
        return kind, common, given
    dims = positive_shape(shape, what)
    if not _holds(dims, common):
        raise ShapeError(
            f"{what}: the shape {dims} does not hold the parameters, whose common shape is {common}; leave "
            "it out, or give one that they broadcast to"
        )
    return kind, dims, given


def gumbel(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the standard Gumbel distribution, ``-log(-log(u))``.

    >>> pg.random.gumbel(pg.random.key(0), (3,)).shape
    (3,)
    """
    kind = _float_type(dtype, "gumbel")
    return -log(-log(uniform(k, shape, kind, _TINY[kind.name], 1.0, generator=generator)))


def exponential(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the exponential distribution with rate 1, ``-log(1 - u)``.

    >>> bool((pg.random.exponential(pg.random.key(0), (100,)) >= 0).all())
    True
    """
    return -log1p(-uniform(k, shape, dtype, generator=generator))


def laplace(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the standard Laplace distribution.

    >>> pg.random.laplace(pg.random.key(0), (3,)).shape
    (3,)
    """
    kind = _float_type(dtype, "laplace")
    u = uniform(k, shape, kind, -1.0 + 2.0 ** -(_MANTISSA[kind.name] + 1), 1.0, generator=generator)
    return sign(u) * log1p(-abs(u))


def logistic(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the standard logistic distribution, ``log(u / (1 - u))``.

    >>> pg.random.logistic(pg.random.key(0), (3,)).shape
    (3,)
    """
    kind = _float_type(dtype, "logistic")
    u = uniform(k, shape, kind, _TINY[kind.name], 1.0, generator=generator)
    return log(u) - log1p(-u)


def cauchy(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the standard Cauchy distribution, ``tan(pi (u - 1/2))``.

    >>> pg.random.cauchy(pg.random.key(0), (3,)).shape
    (3,)
    """
    kind = _float_type(dtype, "cauchy")
    u = uniform(k, shape, kind, 2.0 ** -_MANTISSA[kind.name], 1.0, generator=generator)
    return tan(math.pi * (u - 0.5))


def rademacher(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "int64",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """-1 or 1, evenly.

    >>> bool((abs(pg.random.rademacher(pg.random.key(0), (9,))) == 1).all())
    True
    """
    kind = dt.as_dtype(dtype)
    if kind.kind not in "if":
        raise dt.DTypeError(f"rademacher: needs a signed dtype, got {kind}")
    up = bernoulli(k, 0.5, positive_shape(shape, "rademacher"), generator=generator)
    return 2 * cast(up, kind) - 1


def truncated_normal(
    k: TensorLike | None = None,
    lower: TensorLike = -2.0,
    upper: TensorLike = 2.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Standard normal numbers inside (lower, upper).

    >>> x = pg.random.truncated_normal(pg.random.key(0), -1.0, 1.0, (100,))
    >>> bool((abs(x) < 1).all())
    True
    """
    kind, dims, (low, high) = _parameters("truncated_normal", shape, dtype, lower, upper)
    root = math.sqrt(2)
    u = uniform(k, dims, kind, erf(low / root), erf(high / root), generator=generator)
    made = erfinv(u) * root
    first, last = nextafter(stop_gradient(low), math.inf), nextafter(stop_gradient(high), -math.inf)
    return minimum(maximum(made, first), last)


def lognormal(
    k: TensorLike | None = None,
    sigma: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Exponentials of normal numbers with mean 0 and standard deviation sigma.

    >>> bool((pg.random.lognormal(pg.random.key(0), 0.5, (9,)) > 0).all())
    True
    """
    kind, dims, (scale,) = _parameters("lognormal", shape, dtype, sigma)
    return exp(normal(k, dims, kind, generator=generator) * scale)


def pareto(
    k: TensorLike | None = None,
    b: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the Pareto distribution with exponent b, from 1 upwards.

    >>> bool((pg.random.pareto(pg.random.key(0), 3.0, (9,)) >= 1).all())
    True
    """
    kind, dims, (power,) = _parameters("pareto", shape, dtype, b)
    return exp(exponential(k, dims, kind, generator=generator) / power)


def rayleigh(
    k: TensorLike | None = None,
    scale: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Lengths of plane vectors with two normal coordinates of standard deviation ``scale``.

    >>> bool((pg.random.rayleigh(pg.random.key(0), 2.0, (9,)) >= 0).all())
    True
    """
    kind, dims, (size,) = _parameters("rayleigh", shape, dtype, scale)
    u = uniform(k, dims, kind, generator=generator)
    return size * sqrt(
        -2.0 * log(where(u == 0, 2.0 ** -(_MANTISSA[kind.name] + 2), u))
    )  # the log of 0 is infinite


def weibull_min(
    k: TensorLike | None = None,
    scale: TensorLike = 1.0,
    concentration: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the Weibull distribution, ``scale * (-log(1 - u)) ** (1 / concentration)``.

    >>> bool((pg.random.weibull_min(pg.random.key(0), 1.0, 2.0, (9,)) >= 0).all())
    True
    """
    kind, dims, (size, power) = _parameters("weibull_min", shape, dtype, scale, concentration)
    return exponential(k, dims, kind, generator=generator) ** (1.0 / power) * size


def triangular(
    k: TensorLike | None = None,
    left: TensorLike = 0.0,
    mode: TensorLike = 0.5,
    right: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the triangular distribution over [left, right] with its peak at ``mode``.

    >>> bool((pg.random.triangular(pg.random.key(0), 0.0, 1.0, 3.0, (9,)) <= 3).all())
    True
    """
    kind, dims, (a, m, b) = _parameters("triangular", shape, dtype, left, mode, right)
    u = uniform(k, dims, kind, generator=generator)
    below = u < (m - a) / (b - a)
    rising = a + sqrt(where(below, u, 0.5) * (b - a) * (m - a))
    falling = b - sqrt(where(below, 0.5, 1.0 - u) * (b - a) * (b - m))
    return where(below, rising, falling)


def geometric(
    k: TensorLike | None = None,
    p: TensorLike = 0.5,
    shape: Any = None,
    dtype: Any = "int64",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """The number of trials up to the first success, each with probability p.

    >>> bool((pg.random.geometric(pg.random.key(0), 0.5, (9,)) >= 1).all())
    True
    """
    kind = dt.as_dtype(dtype)
    _, dims, (chance,) = _parameters("geometric", shape, "float32", p)
    u = uniform(k, dims, "float32", generator=generator)
    tries = (log(where(u == 0, 1.0, u)) / log1p(-stop_gradient(chance))).floor() + 1.0
    return cast(tries, kind)


def categorical(
    k: TensorLike | None = None,
    logits: TensorLike = (0.0,),
    axis: int = -1,
    shape: Any = None,
    replace: bool = True,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices along an axis, drawn with probabilities proportional to ``exp(logits)``.

    Adds Gumbel numbers and takes the largest; without replacement the largest few.

    Args:
        shape: of the result; its last part is the shape of the logits without the axis, which is the default.

    >>> pg.random.categorical(pg.random.key(0), pg.Tensor([0.0, -pg.inf]), shape=(3,)).tolist()
    [0, 0, 0]
    """
    weights = stop_gradient(to_float(logits))
    at = axis_of(axis, weights.ndim, "categorical")
    batch = weights.shape[:at] + weights.shape[at + 1 :]
    dims = batch if shape is None else positive_shape(shape, "categorical")
    lead = len(dims) - len(batch)
    if lead < 0 or not _holds(dims[lead:], batch):
        raise ShapeError(
            f"categorical: the shape {dims} must end in the shape of the logits without the axis, {batch}"
        )
    if replace:
        full = (*dims[:lead], *dims[lead : lead + at], weights.shape[at], *dims[lead + at :])
        noise = gumbel(k, full, weights.dtype, generator=generator)
        return argmax(noise + weights, lead + at)
    count, present = math.prod(dims[:lead]), weights.shape[at]
    if count > present:
        raise InvalidValueError(f"categorical: {count} draws without replacement from {present} categories")
    noisy = weights + gumbel(k, weights.shape, weights.dtype, generator=generator)
    _, index = topk(moveaxis(noisy, at, -1), count)
    return moveaxis(index, -1, 0).reshape(dims)


def choice(
    k: TensorLike | None = None,
    a: TensorLike = 0,
    shape: Any = (),
    replace: bool = True,
    p: TensorLike | None = None,
    axis: int = 0,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Elements drawn from the numbers below ``a``, or slices of a tensor along an axis.

    Args:
        p: the probability of each, of sum 1; without it all are alike. Drawing without replacement needs as
            many positive ones as there are draws.

    >>> pg.random.choice(pg.random.key(0), 5, (3,), replace=False).shape
    (3,)
    """
    chosen = _key_or_next(k, generator)
    dims = positive_shape(shape, "choice")
    number = isinstance(a, (int, np.integer))
    x = arange(int(a)) if number else as_tensor(a)
    at = axis_of(axis, x.ndim, "choice")
    count, wanted = x.shape[at], math.prod(dims)
    if (count < 1 and wanted) or (not replace and wanted > count):
        raise InvalidValueError(
            f"choice: {wanted} draws {'with' if replace else 'without'} replacement from {count} elements"
        )
    if p is not None:
        index = _choice_by(chosen, p, count, dims, replace)
    elif replace:
        index = randint(chosen, dims, 0, count)
    else:
        picked = getitem(permutation(chosen, x, at), (*[slice(None)] * at, slice(0, wanted)))
        return reshape_to(picked, (*x.shape[:at], *dims, *x.shape[at + 1 :]))
    return index if number else take(x, index, at)


def _choice_by(k: Tensor, p: TensorLike, count: int, dims: tuple[int, ...], replace: bool) -> Tensor:
    chances = stop_gradient(to_float(p))
    if chances.shape != (count,):
        raise ShapeError(
            f"choice: p has shape {chances.shape}, but there are {count} elements; give one probability each"
        )
    if replace:
        total = cumsum(chances)
        r = total[-1] * (1.0 - uniform(k, dims, chances.dtype))
        return searchsorted(total, r)
    noisy = gumbel(k, (count,), chances.dtype) + log(chances)
    return reshape_to(topk(noisy, math.prod(dims))[1], dims)

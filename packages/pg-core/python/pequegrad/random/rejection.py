"""Gamma, Poisson and binomial numbers, and what is made of them.

These are drawn by rejection: a loop inside the program that stops when every element is settled. Loops and
keys are those of ``jax.random``, so that the numbers are, too, up to roundings. A gamma number has a key of
its own; it depends on its own parameter and place only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, cast, fill, from_python, gauss, to_float
from .._ops.elementwise import maximum, minimum
from .._ops.indexing import getitem, take
from .._ops.keys import split
from .._ops.logic import where
from .._ops.maths import exp as exact_exp
from .._ops.maths import expm1, sqrt
from .._ops.maths import log as exact_log
from .._ops.maths import log1p as exact_log1p
from .._ops.reduce import any as _any
from .._ops.reduce import max as _max
from .._ops.reduce import sum as _sum
from .._ops.shape import broadcast_to, expand_dims
from .._ops.special import digamma, lgamma
from ..autodiff import stop_gradient
from ..batching import vmap
from ..control import while_loop
from ..custom import custom_jvp
from ..errors import ShapeError
from .basic import Generator, _float_type, _key_or_next, normal, uniform
from .distributions import _parameters
from .elementary import exp, log, log1p

# ---- gamma


def _cube(k: Tensor, a: Tensor) -> Tensor:
    """For one number a >= 1 the v = (1 + c x) ** 3 of which a gamma number is d v, with d = a - 1/3 and
    c = 1/3 / sqrt(d), by the method of Marsaglia and Tsang (2000): x is a normal number, and of several v the
    first that is positive and passes a test with a uniform number is taken.
    """
    d = a - _float(1.0 / 3.0, a)
    c = _float(1.0 / 3.0, a) / sqrt(d)
    usual = (a >= 1.0) & (a < math.inf)

    def step(state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        def next_x(inner: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
            pair = split(inner[0])
            x = normal(getitem(pair, 1), (), a.dtype)
            return getitem(pair, 0), x, x * c + 1.0

        three = split(state[0], 3)
        first = (getitem(three, 1), fill(0.0, a), fill(-1.0, a))
        _, x, root = while_loop(lambda inner: inner[2] <= 0, next_x, first)
        square, v = x * x, root * root * root
        u = uniform(getitem(three, 2), (), a.dtype)
        sure = u < 1.0 - (square * square) * 0.0331
        accepted = sure | (log(u) < square * 0.5 + d * ((1.0 - v) + log(v)))
        return getitem(three, 0), v, accepted

    state = while_loop(lambda state: ~state[2], step, (k, fill(1.0, a), ~usual))
    return where(usual, state[1], where(a == math.inf, 1.0, math.nan))


def _float(x: float, like: Tensor) -> float:
    """A number as the dtype has it."""
    return float(np.float32(x)) if like.dtype is dt.float32 else x


def _gamma_slope(a: Tensor, z: Tensor) -> Tensor:
    """dz/da along the quantile of the gamma distribution, for float64 a >= 1.

    It is the integral of ``(log x - digamma(a)) p(x) / p(z)`` over x beyond z, or of its negative below: on
    the side of ``exp(digamma(a))`` where z lies, the integrand has one sign. With x = z e^(+-u) it is smooth
    and falls by e^-40 within a length that Newton's method finds, so that 40 Gauss points do.
    """
    middle = digamma(a)
    gap = exact_log(z) - middle
    side = where(gap > 0, 1.0, fill(-1.0, z))

    def exponent(u: Tensor, a: Tensor, z: Tensor, side: Tensor) -> Tensor:
        return side * a * u - z * expm1(side * u)

    fixed_a, fixed_z = stop_gradient(a), stop_gradient(z)
    length = sqrt(80.0 / fixed_z) + 40.0 / fixed_a
    for _ in range(2):  # above, the exponent falls like -z e^u: Newton's method from afar would be slow
        shorter = exact_log1p((40.0 + fixed_a * length) / fixed_z)
        length = where(gap > 0, minimum(length, shorter), length)
    for _ in range(6):
        slope = side * (fixed_a - fixed_z * exact_exp(side * length))
        length = length - (exponent(length, fixed_a, fixed_z, side) + 40.0) / slope
    nodes, weights = (from_python(x, "float64") for x in gauss(40))
    wide = [expand_dims(v, -1) for v in (a, z, side, gap, length)]
    u = nodes * wide[4]
    values = (wide[2] * wide[3] + u) * exact_exp(exponent(u, wide[0], wide[1], wide[2]))
    return z * length * _sum(values * weights, -1)


@custom_jvp
def _cubes(keys: Tensor, a: Tensor) -> Tensor:
    return vmap(_cube)(keys, a)


_cubes.nondiff_argnums = (0,)


@_cubes.defjvp
def _(keys: Tensor, primals: tuple[Tensor], tangents: tuple[Tensor]) -> tuple[Tensor, Tensor]:
    (a,) = primals
    v = _cubes(keys, a)
    wide = cast(a, dt.float64)
    d = wide - 1.0 / 3.0
    slope = (_gamma_slope(wide, d * cast(v, dt.float64)) - cast(v, dt.float64)) / d
    return v, cast(slope, a.dtype) * tangents[0]


def _gamma_draws(k: Tensor, a: Tensor, dims: tuple[int, ...], logs: bool) -> Tensor:
    """Gamma numbers or their logarithms; each element has a key of its own. A number for a < 1 is one for a
    + 1, multiplied by u ** (1 / a).
    """
    kind = a.dtype
    a = broadcast_to(cast(a, dt.float32) if kind.itemsize == 2 else a, dims).ravel()
    if a.size == 0:
        return cast(fill(0.0, a), kind).reshape(dims)
    pairs = vmap(split)(split(k, a.size))
    raised = a < 1.0
    large = where(raised, a + 1.0, a)
    v = _cubes(pairs[:, 0], large)
    d = large - _float(1.0 / 3.0, a)
    u = vmap(lambda key: uniform(key, (), a.dtype))(pairs[:, 1])
    power = 1.0 / where(raised, a, 1.0)
    if logs:
        drawn = log1p(-u)
        made = (exact_log(d) + exact_log(v)) + where(raised & (drawn != 0), drawn * power, 0.0)
    else:
        made = d * v * where(raised, (1.0 - u) ** power, 1.0)
    return cast(where(a >= 0, made, math.nan), kind).reshape(dims)


def loggamma(
    k: TensorLike | None = None,
    a: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Logarithms of gamma numbers, which do not underflow for small a.

    >>> pg.random.loggamma(pg.random.key(0), 0.001, (3,)).shape
    (3,)
    """
    _kind, dims, (power,) = _parameters("loggamma", shape, dtype, a)
    return _gamma_draws(_key_or_next(k, generator), power, dims, True)


def gamma(
    k: TensorLike | None = None,
    a: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the gamma distribution with shape parameter a and scale 1; NaN for a < 0.

    The derivative by a is the implicit one for a >= 1: the draw moves along its quantile; below 1 it is
    that of ``gamma(a + 1) * u ** (1 / a)``.

    >>> bool((pg.random.gamma(pg.random.key(0), 2.0, (9,)) > 0).all())
    True
    """
    _kind, dims, (power,) = _parameters("gamma", shape, dtype, a)
    return _gamma_draws(_key_or_next(k, generator), power, dims, False)


def beta(
    k: TensorLike | None = None,
    a: TensorLike = 1.0,
    b: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the beta distribution, made of two gamma numbers.

    >>> x = pg.random.beta(pg.random.key(0), 2.0, 3.0, (9,))
    >>> bool(((x > 0) & (x < 1)).all())
    True
    """
    _kind, dims, (first, second) = _parameters("beta", shape, dtype, a, b)
    keys = split(_key_or_next(k, generator))
    x = _gamma_draws(getitem(keys, 0), first, dims, True)
    y = _gamma_draws(getitem(keys, 1), second, dims, True)
    top = maximum(x, y)
    x, y = exp(x - top), exp(y - top)
    return x / (x + y)


def dirichlet(
    k: TensorLike | None = None,
    alpha: TensorLike = (1.0,),
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Vectors of the Dirichlet distribution: not negative, of sum 1; alpha is (..., n).

    Args:
        shape: of the batch of draws, without n; the default is that of alpha.

    >>> pg.random.dirichlet(pg.random.key(0), pg.ones(3), (2,)).shape
    (2, 3)
    """
    given = to_float(as_tensor(alpha))
    if given.ndim < 1:
        raise ShapeError("dirichlet: alpha needs an axis")
    whole = None if shape is None else (*_dims(shape), given.shape[-1])
    _kind, dims, (power,) = _parameters("dirichlet", whole, dtype, given)
    logs = _gamma_draws(_key_or_next(k, generator), power, dims, True)
    e = exp(logs - stop_gradient(_max(logs, -1, True)))
    return e / _sum(e, -1, True)


def _dims(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


def chisquare(
    k: TensorLike | None = None,
    df: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the chi-square distribution with df degrees of freedom.

    >>> bool((pg.random.chisquare(pg.random.key(0), 3.0, (9,)) >= 0).all())
    True
    """
    _kind, dims, (degrees,) = _parameters("chisquare", shape, dtype, df)
    return exp(_gamma_draws(_key_or_next(k, generator), degrees / 2.0, dims, True)) * 2.0


def t(
    k: TensorLike | None = None,
    df: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of Student's t distribution with df degrees of freedom.

    >>> pg.random.t(pg.random.key(0), 3.0, (9,)).shape
    (9,)
    """
    kind, dims, (degrees,) = _parameters("t", shape, dtype, df)
    keys = split(_key_or_next(k, generator))
    half = degrees / 2.0
    drawn = _gamma_draws(getitem(keys, 1), half, dims, False)
    return normal(getitem(keys, 0), dims, kind) * sqrt(half / drawn)


def f(
    k: TensorLike | None = None,
    dfnum: TensorLike = 1.0,
    dfden: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the F distribution: a ratio of two chi-square numbers, each over its degrees of freedom.

    >>> bool((pg.random.f(pg.random.key(0), 3.0, 4.0, (9,)) >= 0).all())
    True
    """
    kind, dims, (above, below) = _parameters("f", shape, dtype, dfnum, dfden)
    keys = split(_key_or_next(k, generator))
    x = chisquare(getitem(keys, 1), above, dims, kind)
    y = chisquare(getitem(keys, 0), below, dims, kind)
    return (x / above) / (y / below)


# ---- counts


def _until(
    k: Tensor,
    dims: tuple[int, ...],
    settled: Tensor,
    propose: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Tensor:
    """For each element the last proposal that was accepted, when all have one; ``propose(u, v)`` gives
    counts and whether they are accepted.
    """

    def step(state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        three = split(state[0], 3)
        u, v = (uniform(getitem(three, i), dims, "float32") for i in (1, 2))
        made, accepted = propose(u - 0.5, v)
        return getitem(three, 0), where(accepted, made, state[1]), state[2] | accepted

    first = (k, broadcast_to(as_tensor(np.float32(-1.0)), dims), settled)
    return while_loop(lambda state: _any(~state[2]), step, first)[1]


def poisson(
    k: TensorLike | None = None,
    lam: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "int64",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Counts of the Poisson distribution with mean lam; -1 where lam is negative or NaN.

    Below 10 by counting how many uniform numbers have a product above exp(-lam) (Knuth), above by transformed
    rejection (Hörmann 1993), in float32. Counts have no derivative.

    >>> bool((pg.random.poisson(pg.random.key(0), 4.0, (9,)) >= 0).all())
    True
    """
    kind = dt.as_dtype(dtype)
    _, dims, (mean,) = _parameters("poisson", shape, "float32", lam)
    mean = stop_gradient(broadcast_to(mean, dims))
    chosen = _key_or_next(k, generator)
    high = mean >= 10.0
    small = where(high, 0.0, mean)

    def draw(state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        pair = split(state[0])
        count = where(state[2] > -small, state[1] + 1, state[1])
        return getitem(pair, 0), count, state[2] + log(uniform(getitem(pair, 1), dims, "float32"))

    zero = fill(0.0, mean)
    found = while_loop(lambda s: _any(s[2] > -small), draw, (chosen, cast(zero, dt.int64), zero))[1] - 1

    usual = high & (mean < math.inf)
    large = where(usual, mean, 1e5)
    b = 0.931 + 2.53 * sqrt(large)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2.0)

    def propose(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        edge = 0.5 - abs(u)
        count = ((2.0 * a / edge + b) * u + large + 0.43).floor()
        height = log(v * inverse_alpha / (a / (edge * edge) + b))
        inside = (count >= 0) & ~((edge < 0.013) & (v > edge))
        below = height <= -large + count * log(large) - lgamma(where(inside, count, 0.0) + 1.0)
        return count, ((edge >= 0.07) & (v <= sure)) | (inside & below)

    rejected = _until(chosen, dims, ~usual, propose)
    counts = where(high, cast(where(mean == math.inf, mean, rejected), dt.int64), found)
    return cast(where(mean == 0, 0, counts), kind)


# What Stirling's formula leaves of the logarithm of k!, for k from 0 to 9.
_TAILS = [
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
]


def _stirling_tail(k: Tensor) -> Tensor:
    few = k <= 9.0
    index = where(few & (k >= 0), k, 0.0)
    square = (k + 1.0) * (k + 1.0)
    series = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1.0)
    return where(few, take(from_python(_TAILS, k.dtype), cast(index, dt.int64)), series)


def binomial(
    k: TensorLike | None = None,
    n: TensorLike = 1,
    p: TensorLike = 0.5,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """The number of successes in n trials with probability p each; NaN where n < 0 or p is outside 0 .. 1.

    Means up to 10 by adding up geometric numbers, above by transformed rejection (Hörmann's BTRS, 1993), in
    float32. Counts have no derivative.

    >>> x = pg.random.binomial(pg.random.key(0), 10, 0.5, (9,))
    >>> bool(((x >= 0) & (x <= 10)).all())
    True
    """
    kind = _float_type(dtype, "binomial")
    _, dims, (trials, chance) = _parameters("binomial", shape, "float32", n, p)
    trials = stop_gradient(broadcast_to(trials, dims))
    chance = stop_gradient(broadcast_to(chance, dims))
    valid = (trials >= 0) & (chance >= 0) & (chance <= 1)
    flipped = ~(chance < 0.5)
    q = where(valid, where(flipped, 1.0 - chance, chance), 0.01)
    usual = valid & (trials < math.inf)
    low = ~usual | (trials * q <= 10.0)
    trials = trials.floor()
    chosen = _key_or_next(k, generator)

    few = where(low & usual, trials, 0.0)
    failing = log1p(-q)

    def draw(state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        pair = split(state[0])
        count = where(state[2] <= few, state[1] + 1.0, state[1])
        u = uniform(getitem(pair, 0), dims, "float32")
        return getitem(pair, 1), count, state[2] + (log(u) / failing).ceil()

    zero = fill(0.0, q)
    found = while_loop(lambda s: _any(s[2] <= few), draw, (chosen, zero, zero))[1] - 1.0

    many, q_many = where(low, 1e4, trials), where(low, 0.5, q)
    spread = sqrt(many * q_many * (1.0 - q_many))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * q_many
    centre = many * q_many + 0.5
    sure = 0.92 - 4.2 / b
    odds = q_many / (1.0 - q_many)
    alpha = (2.83 + 5.1 / b) * spread
    mode = ((many + 1.0) * q_many).floor()

    def propose(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        edge = 0.5 - abs(u)
        made = ((2.0 * a / edge + b) * u + centre).floor()
        inside = (made >= 0) & (made <= many)
        count = where(inside, made, 0.0)
        height = log(v * alpha / (a / (edge * edge) + b))
        bound = (
            (mode + 0.5) * log((mode + 1.0) / (odds * (many - mode + 1.0)))
            + (many + 1.0) * log((many - mode + 1.0) / (many - count + 1.0))
            + (count + 0.5) * log(odds * (many - count + 1.0) / (count + 1.0))
            + _stirling_tail(mode)
            + _stirling_tail(many - mode)
            - _stirling_tail(count)
            - _stirling_tail(many - count)
        )
        return made, ((edge >= 0.07) & (v <= sure)) | (inside & (height <= bound))

    made = where(low, found, _until(chosen, dims, low, propose))
    made = where(flipped, trials - made, made)
    made = where(trials == math.inf, math.inf, made)
    return cast(where(valid, made, math.nan), kind)

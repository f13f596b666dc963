"""Gamma, Poisson and binomial numbers, and what is made of them.

These are drawn by rejection or by searching a distribution function: a loop inside the program that stops
when every element is settled. Draw i of the loop has a key of its own, so an element's number depends on its
own parameters and place only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, cast, fill, from_python, to_float
from .._ops.elementwise import minimum
from .._ops.indexing import getitem
from .._ops.keys import fold_in, split
from .._ops.logic import where
from .._ops.maths import exp, expm1, log, log1p, sqrt
from .._ops.reduce import any as _any
from .._ops.reduce import max as _max
from .._ops.reduce import sum as _sum
from .._ops.shape import broadcast_to, expand_dims
from .._ops.special import digamma, lgamma
from ..autodiff import stop_gradient
from ..control import while_loop
from ..custom import custom_jvp
from ..errors import ShapeError
from .basic import Generator, _key_or_next, normal, uniform
from .distributions import _parameters


def _rejected(
    k: Tensor, settled: Tensor, start: Tensor, propose: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> Tensor:
    """Proposals until one is accepted, for each element that is not settled; ``propose(key)`` gives numbers
    and whether they are accepted.
    """

    def step(state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        turn, done, value = state
        made, accepted = propose(fold_in(k, turn))
        return turn + 1, done | accepted, where(done, value, made)

    first = from_python(np.array(0, np.uint32))
    return while_loop(lambda state: _any(~state[1]), step, (first, settled, start))[2]


# ---- gamma


def _gamma_above_one(k: Tensor, a: Tensor) -> Tensor:
    """Gamma numbers for float64 a >= 1, by the method of Marsaglia and Tsang (2000)."""
    d = a - 1.0 / 3.0
    c = 1.0 / (3.0 * sqrt(d))
    usual = (a >= 1.0) & (a < math.inf)

    def propose(k: Tensor) -> tuple[Tensor, Tensor]:
        keys = split(k)
        x = cast(normal(getitem(keys, 0), a.shape, "float32"), dt.float64)
        u = uniform(getitem(keys, 1), a.shape, "float64")
        root = 1.0 + c * x
        v = where(root > 0, root, 1.0) ** 3
        accepted = (root > 0) & (log(u) < 0.5 * x * x + d * (1.0 - v + log(v)))
        return d * v, accepted

    return _rejected(k, ~usual, where(a == math.inf, math.inf, fill(math.nan, a)), propose)


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


def _gamma_slope(a: Tensor, z: Tensor) -> Tensor:
    """dz/da along the quantile of the gamma distribution, for float64 a >= 1.

    It is the integral of ``(log x - digamma(a)) p(x) / p(z)`` over x beyond z, or of its negative below: on
    the side of ``exp(digamma(a))`` where z lies, the integrand has one sign. With x = z e^(+-u) it is smooth
    and falls by e^-40 within a length that Newton's method finds, so that 40 Gauss points do.
    """
    middle = digamma(a)
    gap = log(z) - middle
    side = where(gap > 0, 1.0, fill(-1.0, z))

    def exponent(u: Tensor, a: Tensor, z: Tensor, side: Tensor) -> Tensor:
        return side * a * u - z * expm1(side * u)

    fixed_a, fixed_z = stop_gradient(a), stop_gradient(z)
    length = sqrt(80.0 / fixed_z) + 40.0 / fixed_a
    for _ in range(2):  # above, the exponent falls like -z e^u: Newton's method from afar would be slow
        shorter = log1p((40.0 + fixed_a * length) / fixed_z)
        length = where(gap > 0, minimum(length, shorter), length)
    for _ in range(6):
        slope = side * (fixed_a - fixed_z * exp(side * length))
        length = length - (exponent(length, fixed_a, fixed_z, side) + 40.0) / slope
    nodes = from_python(0.5 * (_NODES + 1.0), "float64")
    weights = from_python(0.5 * _WEIGHTS, "float64")
    wide = [expand_dims(v, -1) for v in (a, z, side, gap, length)]
    u = nodes * wide[4]
    values = (wide[2] * wide[3] + u) * exp(exponent(u, wide[0], wide[1], wide[2]))
    return z * length * _sum(values * weights, -1)


@custom_jvp
def _standard_gamma(k: Tensor, a: Tensor) -> Tensor:
    return _gamma_above_one(k, a)


_standard_gamma.nondiff_argnums = (0,)


@_standard_gamma.defjvp
def _(k: Tensor, primals: tuple[Tensor], tangents: tuple[Tensor]) -> tuple[Tensor, Tensor]:
    (a,) = primals
    z = _standard_gamma(k, a)
    return z, _gamma_slope(a, z) * tangents[0]


def _log_gamma_number(k: Tensor, a: Tensor) -> Tensor:
    """The logarithm of a gamma number; below 1 that of a + 1 is multiplied by u^(1/a)."""
    keys = split(k)
    raised = a < 1.0
    large = _standard_gamma(getitem(keys, 0), where(raised, a + 1.0, a))
    boost = log1p(-uniform(getitem(keys, 1), a.shape, "float64")) / where(raised, a, 1.0)
    made = log(large) + where(raised, boost, 0.0)
    return where(a >= 0, made, math.nan)


def _log_gamma_draws(k: Tensor, a: Tensor, dims: tuple[int, ...]) -> Tensor:
    return _log_gamma_number(k, broadcast_to(cast(a, dt.float64), dims))


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
    kind, dims, (power,) = _parameters("loggamma", shape, dtype, a)
    return cast(_log_gamma_draws(_key_or_next(k, generator), power, dims), kind)


def gamma(
    k: TensorLike | None = None,
    a: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the gamma distribution with shape parameter a and scale 1; NaN for a < 0.

    The derivative by a is the implicit one: the draw moves along its quantile. The numbers are not those of
    JAX, whose loop has other keys.

    >>> bool((pg.random.gamma(pg.random.key(0), 2.0, (9,)) > 0).all())
    True
    """
    kind, dims, (power,) = _parameters("gamma", shape, dtype, a)
    return cast(exp(_log_gamma_draws(_key_or_next(k, generator), power, dims)), kind)


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
    kind, dims, (first, second) = _parameters("beta", shape, dtype, a, b)
    keys = split(_key_or_next(k, generator))
    x = _log_gamma_draws(getitem(keys, 0), first, dims)
    y = _log_gamma_draws(getitem(keys, 1), second, dims)
    return cast(1.0 / (1.0 + exp(y - x)), kind)


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
    kind, dims, (power,) = _parameters("dirichlet", whole, dtype, given)
    logs = _log_gamma_draws(_key_or_next(k, generator), power, dims)
    e = exp(logs - stop_gradient(_max(logs, -1, True)))
    return cast(e / _sum(e, -1, True), kind)


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
    kind, dims, (degrees,) = _parameters("chisquare", shape, dtype, df)
    return cast(2.0 * exp(_log_gamma_draws(_key_or_next(k, generator), degrees * 0.5, dims)), kind)


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
    half = cast(degrees, dt.float64) * 0.5
    logs = _log_gamma_draws(getitem(keys, 1), half, dims)
    return cast(normal(getitem(keys, 0), dims, "float64") * exp(0.5 * (log(half) - logs)), kind)


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
    above, below = cast(above, dt.float64), cast(below, dt.float64)
    keys = split(_key_or_next(k, generator))
    x, y = (_log_gamma_draws(getitem(keys, i), n * 0.5, dims) for i, n in ((0, above), (1, below)))
    return cast(exp(x - y) * (below / above), kind)


# ---- counts


def _searched(u: Tensor, first: Tensor, ratio: Callable[[Tensor], Tensor], settled: Tensor) -> Tensor:
    """The count whose distribution function first exceeds u; ``ratio(n)`` is P(n) / P(n - 1)."""

    def step(state: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        count, chance, total = state
        going = ~settled & (u >= total)
        following = chance * ratio(count + 1.0)
        # Past the mode what is left may round to nothing: then this is the last count.
        stuck = (total + following == total) & (following < chance)
        moved = going & ~stuck
        return (
            where(moved, count + 1.0, count),
            where(moved, following, chance),
            where(going, where(stuck, math.inf, total + following), total),
        )

    return while_loop(lambda s: _any(~settled & (u >= s[2])), step, (fill(0.0, u), first, first))[0]


def poisson(
    k: TensorLike | None = None,
    lam: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "int64",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Counts of the Poisson distribution with mean lam; -1 where lam is negative or NaN.

    Below 10 by searching the distribution function, above by transformed rejection (Hörmann 1993). Counts
    have no derivative.

    >>> bool((pg.random.poisson(pg.random.key(0), 4.0, (9,)) >= 0).all())
    True
    """
    kind = dt.as_dtype(dtype)
    _, dims, (mean,) = _parameters("poisson", shape, "float64", lam)
    mean = stop_gradient(broadcast_to(mean, dims))
    keys = split(_key_or_next(k, generator))
    low, high = (mean >= 0) & (mean < 10.0), (mean >= 10.0) & (mean < math.inf)
    small = where(low, mean, 1.0)
    found = _searched(uniform(getitem(keys, 0), dims, "float64"), exp(-small), lambda n: small / n, ~low)
    large = where(high, mean, 10.0)
    b = 0.931 + 2.53 * sqrt(large)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)

    def propose(k: Tensor) -> tuple[Tensor, Tensor]:
        pair = split(k)
        u = uniform(getitem(pair, 0), dims, "float64") - 0.5
        v = uniform(getitem(pair, 1), dims, "float64")
        edge = 0.5 - abs(u)
        count = ((2.0 * a / edge + b) * u + large + 0.43).floor()
        inside = (count >= 0) & ~((edge < 0.013) & (v > edge))
        safe = where(inside, count, 0.0)
        height = log(v * inverse_alpha / (a / (edge * edge) + b))
        accepted = inside & (height <= safe * log(large) - large - lgamma(safe + 1.0))
        return count, accepted

    rejected = _rejected(getitem(keys, 1), ~high, fill(-1.0, large), propose)
    return cast(where(low, found, where(mean == math.inf, mean, rejected)), kind)


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

    Means below 10 by searching the distribution function, above by transformed rejection (Hörmann's BTRS,
    1993). Counts have no derivative.

    >>> x = pg.random.binomial(pg.random.key(0), 10, 0.5, (9,))
    >>> bool(((x >= 0) & (x <= 10)).all())
    True
    """
    kind = dt.as_dtype(dtype)
    _, dims, (trials, chance) = _parameters("binomial", shape, "float64", n, p)
    trials = stop_gradient(broadcast_to(trials, dims)).floor()
    chance = stop_gradient(broadcast_to(chance, dims))
    valid = (trials >= 0) & (trials < math.inf) & (chance >= 0) & (chance <= 1)
    flipped = chance > 0.5
    q = where(valid, where(flipped, 1.0 - chance, chance), 0.5)
    count = where(valid, trials, 1.0)
    low = valid & (count * q < 10.0)
    high = valid & (count * q >= 10.0)
    keys = split(_key_or_next(k, generator))

    n_low, q_low = where(low, count, 1.0), where(low, q, 0.5)
    found = _searched(
        uniform(getitem(keys, 0), dims, "float64"),
        exp(n_low * log1p(-q_low)),
        lambda i: (n_low - i + 1.0) / i * (q_low / (1.0 - q_low)),
        ~low,
    )

    n_high, q_high = where(high, count, 40.0), where(high, q, 0.5)
    spread = sqrt(n_high * q_high * (1.0 - q_high))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * q_high
    centre = n_high * q_high + 0.5
    alpha = (2.83 + 5.1 / b) * spread
    mode = ((n_high + 1.0) * q_high).floor()
    odds = log(q_high / (1.0 - q_high))
    top = lgamma(mode + 1.0) + lgamma(n_high - mode + 1.0)

    def propose(k: Tensor) -> tuple[Tensor, Tensor]:
        pair = split(k)
        u = uniform(getitem(pair, 0), dims, "float64") - 0.5
        v = uniform(getitem(pair, 1), dims, "float64")
        edge = 0.5 - abs(u)
        made = ((2.0 * a / edge + b) * u + centre).floor()
        inside = (made >= 0) & (made <= n_high)
        safe = where(inside, made, 0.0)
        height = log(v * alpha / (a / (edge * edge) + b))
        bound = top - lgamma(safe + 1.0) - lgamma(n_high - safe + 1.0) + (safe - mode) * odds
        return made, inside & (height <= bound)

    rejected = _rejected(getitem(keys, 1), ~high, fill(0.0, count), propose)
    made = where(low, found, rejected)
    made = where(flipped, count - made, made)
    return cast(where(valid, made, math.nan), kind)

"""Incomplete gamma and beta functions, exponential integrals, and the error function scaled.

The integrals are Gauss sums of 64 points in float64, over a length beyond which nothing counts. In the
variables that are chosen the logarithm of the integrand is concave and falls from 0, so that the sum has
all digits of a float64, and derivatives of every order by every parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError, InvalidValueError
from .common import (
    TensorLike,
    as_tensor,
    axes_of,
    cast,
    check_count,
    elementwise,
    gauss,
    reshape_to,
    spelled,
    to_float,
)
from .elementwise import abs as _abs
from .elementwise import minimum
from .logic import where
from .maths import exp, expm1, log, log1p, sqrt
from .reduce import logsumexp
from .reduce import sum as _sum
from .shape import broadcast_arrays
from .special import betaln, lgamma

_DEPTH = 42.0  # exp(-42) is less than the last digit


def _wide(what: str, *xs: TensorLike) -> tuple[dt.DType, list[Tensor]]:
    """The common floating dtype, and the operands as float64 of one shape."""
    given = [to_float(x) for x in xs]
    kind = dt.all_dtypes[_core.promote(*given)[0]]
    if kind.kind != "f":
        raise DTypeError(f"{what}: needs real numbers, got {kind}")
    return kind, broadcast_arrays(*[cast(x, dt.float64) for x in given])


def _fixed(x: Tensor) -> Tensor:
    return _core.apply("stop_gradient", (x,))


def _integral(length: Tensor, logarithm: Callable[..., Tensor], *xs: Tensor) -> Tensor:
    """The integral of exp(logarithm(u, *xs)) over u from 0 to the length."""
    points, weights = gauss(64)
    aligned = [reshape_to(x, (*x.shape, 1)) for x in (length, *xs)]
    u = as_tensor(points) * aligned[0]
    values = exp(logarithm(u, *aligned[1:])) * as_tensor(weights)
    return length * _sum(values, -1)


def _length(first: Tensor, f: Callable[[Tensor], tuple[Tensor, Tensor]], steps: int = 8) -> Tensor:
    """Where a concave falling function is -42, or a little beyond: Newton's method comes nearer from beyond
    and never passes; f gives value and slope.
    """
    u = first
    for _ in range(steps):
        value, slope = f(u)
        u = u - (value + _DEPTH) / slope
    return u


# ---- gamma


def _log_density(a: Tensor, x: Tensor) -> Tensor:
    """``log(x ** a * exp(-x) / gamma(a))``; for large a by Stirling's formula, which keeps the digits."""
    large = a > 15.0
    b = where(large, a, 20.0)
    y = where(large, x, 20.0)
    gap = (y - b) / b
    r = 1.0 / b
    s = r * r
    rest = r * (
        1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * (691 / 360360)))))
    )
    close = _abs(gap) < 0.5
    ratio = where(close, log1p(where(close, gap, 0.0)), log(y / b))
    stirling = 0.5 * log(b / (2 * math.pi)) - b * (gap - ratio) - rest
    c = where(large, 1.0, a)
    return where(large, stirling, c * log(where(large, 1.0, x)) - where(large, 0.0, x) - lgamma(c))


def _gamma_parts(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The two regularised incomplete gamma functions, lower and upper, for float64 tensors of one shape."""
    usual = (a > 0) & (x > 0) & (a < math.inf) & (x < math.inf)
    a_, x_ = where(usual, a, 1.0), where(usual, x, 1.0)
    lower = (x_ < a_) | (x_ < 1.0)
    # Below 1 the integral from 0 is that for a + 1 and one term more.
    raised = lower & (a_ < 1.0)
    b = where(raised, a_ + 1.0, a_)
    side = where(lower, -1.0, _core.full(1.0, dt.float64.code, False, a_.shape, a_.device.pair))
    fa, fx = _fixed(b), _fixed(x_)

    def exponent(u: Tensor, a: Tensor, x: Tensor, side: Tensor) -> Tensor:
        return side * a * u - x * expm1(side * u)

    def at(u: Tensor) -> tuple[Tensor, Tensor]:
        return exponent(u, fa, fx, side), side * (fa - fx * exp(side * u))

    # Beyond the end, by bounds of the exponent: its tangent at 0, and what holds where that is flat.
    gap = fa - fx
    over_x = _DEPTH / fx
    tangent = _DEPTH / where(lower & (gap > 0), gap, 1e-300)
    below = minimum(tangent, sqrt(3.0 * over_x) + math.e * over_x)
    above = sqrt(2.0 * over_x)
    for _ in range(3):  # the exponent falls like -x e^u
        above = minimum(above, log1p((_DEPTH + fa * above) / fx))
    length = _length(where(lower, below, above), at)
    density = exp(_log_density(b, x_))
    part = density * _integral(length, exponent, b, x_, side)
    part = part + where(raised, density / x_, 0.0)  # x ** a exp(-x) / gamma(a + 1)
    under = where(lower, part, 1.0 - part)
    over = where(lower, 1.0 - part, part)
    none = (a == 0) & (x > 0) | (x == math.inf) & (a >= 0) & (a < math.inf)  # nothing is beyond
    every = (x == 0) & (a > 0) | (a == math.inf) & (x >= 0) & (x < math.inf)
    under = where(usual, under, where(every, 0.0, where(none, 1.0, math.nan)))
    over = where(usual, over, where(every, 1.0, where(none, 0.0, math.nan)))
    return under, over


def gammainc(a: TensorLike, x: TensorLike) -> Tensor:
    """The regularised lower incomplete gamma function: the integral of ``t ** (a - 1) * exp(-t)`` from 0 to
    x, over ``gamma(a)``; NaN for negative arguments. Differentiable by both.

    >>> [round(y, 4) for y in pg.gammainc(pg.Tensor([1.0]), 1.0).tolist()]
    [0.6321]
    """
    kind, (a, x) = _wide("gammainc", a, x)
    return cast(_gamma_parts(a, x)[0], kind)


def gammaincc(a: TensorLike, x: TensorLike) -> Tensor:
    """The regularised upper incomplete gamma function, ``1 - gammainc(a, x)``, with its own digits where it
    is small. Differentiable by both.

    >>> pg.gammaincc(pg.Tensor([1.0]), 0.0).tolist()
    [1.0]
    """
    kind, (a, x) = _wide("gammaincc", a, x)
    return cast(_gamma_parts(a, x)[1], kind)


# ---- beta


def betainc(a: TensorLike, b: TensorLike, x: TensorLike) -> Tensor:
    """The regularised incomplete beta function: the integral of ``t ** (a - 1) * (1 - t) ** (b - 1)`` from
    0 to x, over ``beta(a, b)``; NaN outside of ``a, b > 0`` and 0 <= x <= 1. Differentiable by all.

    >>> pg.betainc(pg.Tensor([2.0]), 2.0, 0.5).tolist()
    [0.5]
    """
    kind, (a, b, x) = _wide("betainc", a, b, x)
    valid = (a > 0) & (b > 0) & (x >= 0) & (x <= 1)
    usual = valid & (x > 0) & (x < 1) & (a < math.inf) & (b < math.inf)
    a_, b_, x_ = where(usual, a, 1.0), where(usual, b, 1.0), where(usual, x, 0.5)
    # The integral over the rest is the smaller one; or this one would end beside a pole, and that would not.
    less, more = b_ + 1.0, a_ + 1.0
    turned = x_ > a_ / (a_ + b_)
    turned = turned | (b_ < 1.0) & (x_ > 0.5) & ((1.0 - x_) * (where(a_ < 1.0, more, a_) + b_) < less)
    turned = turned & ~((a_ < 1.0) & (x_ <= 0.5) & (x_ * (where(b_ < 1.0, less, b_) + a_) < more))
    p, q = where(turned, b_, a_), where(turned, a_, b_)
    y, rest = where(turned, 1.0 - x_, x_), where(turned, x_, 1.0 - x_)
    # I(p, q) = I(p + 1, q) + ..., = I(p, q + 1) - ...: both parameters are raised to 1.
    raised_p, raised_q = p < 1.0, q < 1.0
    r, s = where(raised_p, p + 1.0, p), where(raised_q, q + 1.0, q)
    log_y, log_rest = log(y), log(rest)

    def exponent(u: Tensor, r: Tensor, s: Tensor, y: Tensor, log_rest: Tensor) -> Tensor:
        return (s - 1.0) * (log1p(-y * exp(-u)) - log_rest) - r * u

    fr, fs, fy, flog = (_fixed(v) for v in (r, s, y, log_rest))

    def at(u: Tensor) -> tuple[Tensor, Tensor]:
        t = fy * exp(-u)
        return exponent(u, fr, fs, fy, flog), (fs - 1.0) * t / (1.0 - t) - fr

    start = (_DEPTH - (fs - 1.0) * flog) / fr  # where the integrand is below e^-42 in any case
    made = exp(r * log_y + (s - 1.0) * log_rest - betaln(r, s)) * _integral(
        _length(start, at, 12), exponent, r, s, y, log_rest
    )
    made = made + where(raised_p, exp(p * log_y + q * log_rest - log(p) - betaln(p, q)), 0.0)
    made = made - where(raised_q, exp(r * log_y + q * log_rest - log(q) - betaln(r, q)), 0.0)
    made = where(turned, 1.0 - made, made)
    at_end = where(x == 0, 0.0, where(x == 1, 1.0, math.nan))
    return cast(where(usual, made, where(valid, at_end, math.nan)), kind)


# ---- the error function


def erfcx(x: TensorLike) -> Tensor:
    """``exp(x ** 2) * erfc(x)``, which neither underflows nor overflows for positive x.

    >>> [round(y, 9) for y in pg.erfcx(pg.Tensor([0.0, 1e4])).tolist()]
    [1.0, 5.6419e-05]
    """
    kind, (x,) = _wide("erfcx", x)
    y = _abs(x)
    z = where(y < 1e8, y, 1e8)
    length = sqrt(_fixed(z) ** 2 + _DEPTH) - _fixed(z)
    # The difference above has lost its digits where z is large.
    length = where(z > 1e3, _DEPTH / (2.0 * _fixed(z)), length)
    made = _integral(length, lambda u, z: -u * (u + 2.0 * z), z) * (2.0 / math.sqrt(math.pi))
    made = where(y < 1e8, made, 1.0 / (math.sqrt(math.pi) * where(y < 1e8, 1.0, y)))
    made = where(x < 0, 2.0 * exp(where(x < 0, x * x, 0.0)) - made, made)
    return cast(where(x == x, made, x), kind)


# ---- exponential integrals

_EULER = 0.57721566490153286061


def _entire(x: Tensor, terms: int) -> Tensor:
    """The sum of ``x ** k / (k * k!)`` for k from 1 on."""
    made: Any = 0.0
    for k in range(terms, 0, -1):
        made = (made + 1.0 / k) * x / float(k)
    return made


def _beyond_one(x: Tensor, n: int) -> Tensor:
    """E_n for x >= 1, or for any x where n is large: with t = e^u in its definition."""
    length = log1p(_DEPTH / _fixed(x))
    if n > 1:
        length = minimum(length, _DEPTH / (n - 1.0))
    return exp(-x) * _integral(length, lambda u, x: u * (1.0 - n) - x * expm1(u), x)


def expn(n: int, x: TensorLike) -> Tensor:
    """The exponential integral ``E_n(x)``, the integral of ``exp(-x t) / t ** n`` over t from 1 on, for an
    integer n >= 0; NaN for negative x.

    >>> pg.expn(2, pg.Tensor([0.0])).tolist()
    [1.0]
    """
    if not isinstance(n, (int, np.integer)) or n < 0:
        raise InvalidValueError(f"expn: the order is an integer from 0 on, got {n!r}")
    check_count(int(n), "expn")
    kind, (x,) = _wide("expn", x)
    inside = (x > 0) & (x < math.inf)
    y = where(inside, x, 1.0)
    if n == 0:
        made = exp(-y) / y
    elif n > 20:
        made = _beyond_one(y, int(n))
    else:
        near = y < 1.0
        z = where(near, y, 0.5)
        small = -_EULER - log(z) - _entire(-z, 18)
        for m in range(1, int(n)):
            small = (exp(-z) - z * small) / float(m)
        made = where(near, small, _beyond_one(where(near, 1.0, y), int(n)))
    at_zero = math.inf if n < 2 else 1.0 / (n - 1)
    made = where(inside, made, where(x == 0, at_zero, where(x == math.inf, 0.0, math.nan)))
    return cast(made, kind)


def exp1(x: TensorLike) -> Tensor:
    """The exponential integral ``E_1(x)``, the integral of ``exp(-t) / t`` over t from x on; NaN for
    negative x.

    >>> [round(y, 4) for y in pg.exp1(pg.Tensor([1.0])).tolist()]
    [0.2194]
    """
    return expn(1, x)


def expi(x: TensorLike) -> Tensor:
    """The exponential integral ``Ei(x)``: the principal value of the integral of ``exp(t) / t`` over t up
    to x.

    >>> [round(y, 4) for y in pg.expi(pg.Tensor([1.0])).tolist()]
    [1.8951]
    """
    kind, (x,) = _wide("expi", x)
    far = x > 40.0
    middle = where((x > 0) & ~far, x, 1.0)
    series = log(middle) + _EULER + _entire(middle, 140)
    y = where(far & (x < math.inf), x, 41.0)
    tail: Any = 1.0
    for k in range(40, 0, -1):
        tail = tail * (float(k) / y) + 1.0
    positive = where(far, exp(y) / y * tail, series)
    positive = where(x == math.inf, math.inf, positive)
    made = where(x > 0, positive, -cast(expn(1, where(x < 0, -x, 1.0)), dt.float64))
    return cast(where(x == 0, -math.inf, where(x == x, made, math.nan)), kind)


# ---- the gamma function


def gammasgn(x: TensorLike) -> Tensor:
    """The sign of the gamma function; NaN at its poles but 0.

    >>> pg.gammasgn(pg.Tensor([0.5, -0.5])).tolist()
    [1.0, -1.0]
    """
    x = _fixed(to_float(x))
    whole = _core.apply("floor", (x,))
    half = whole * 0.5
    odd = half != _core.apply("floor", (half,))
    negative = where(whole == x, math.nan, where(odd, -1.0, 1.0))
    zero = elementwise("copysign", 1.0, x)
    return cast(where(x > 0, 1.0, where(x == 0, zero, where(x == x, negative, math.nan))), x.dtype)


def gamma(x: TensorLike) -> Tensor:
    """The gamma function; NaN at negative integers.

    >>> pg.gamma(pg.Tensor([5.0, 0.5])).numpy().round(4).tolist()
    [24.0, 1.7725000381469727]
    """
    kind, (x,) = _wide("gamma", x)
    return cast(gammasgn(x) * exp(lgamma(x)), kind)


def factorial(n: TensorLike) -> Tensor:
    """``n!`` as ``gamma(n + 1)``, and 0 for negative n.

    >>> pg.factorial(pg.Tensor([0.0, 5.0])).numpy().round(3).tolist()
    [1.0, 120.0]
    """
    kind, (n,) = _wide("factorial", n)
    return cast(where(n < 0, 0.0, exp(lgamma(where(n < 0, 0.0, n) + 1.0))), kind)


# ---- logarithms of sums


def log1mexp(x: TensorLike) -> Tensor:
    """``log(1 - exp(-x))`` for x >= 0, with all digits near 0 and far from it.

    >>> pg.log1mexp(pg.Tensor([0.0])).tolist()
    [-inf]
    """
    x = to_float(x)
    near = x < math.log(2.0)
    small = log(-expm1(-where(near, x, 1.0)))
    return where(near, small, log1p(-exp(-where(near, 1.0, x))))


def logmeanexp(x: TensorLike, axis: Any = None, keepdims: bool = False, *, dim: Any = None) -> Tensor:
    """``log(mean(exp(x)))`` over axes, without overflow.

    >>> pg.logmeanexp(pg.Tensor([1000.0, 1000.0])).item()
    1000.0
    """
    x = to_float(x)
    axes = axes_of(spelled(axis, None, dim, "axis/dim", "logmeanexp"), x.ndim, "logmeanexp")
    count = math.prod(x.shape[a] for a in axes)
    return logsumexp(x, axes, keepdims) - math.log(max(count, 1))

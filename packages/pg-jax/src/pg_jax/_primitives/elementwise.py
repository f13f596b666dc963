"""Elementwise primitives. Operands have one dtype; scalars and extents of 1 broadcast.

Integers follow XLA: quotients are cut towards zero, ``x / 0`` has all bits set, ``x rem 0`` is x, and
shifts beyond the width leave nothing but copies of the sign.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from ._common import SIGNED, as_dtype, bits_of, total_order


def _unary(f: Callable[[Any], Tensor], doc: str) -> Callable[..., Tensor]:
    def primitive(x: Tensor, *, accuracy: Any = None) -> Tensor:
        return f(x)

    primitive.__doc__ = doc
    return primitive


exp = _unary(pg.exp, "The exponential.")
exp2 = _unary(pg.exp2, "Two to the power of x.")
expm1 = _unary(pg.expm1, "``exp(x) - 1`` without loss near 0.")
log = _unary(pg.log, "The natural logarithm.")
log1p = _unary(pg.log1p, "``log(1 + x)`` without loss near 0.")
sqrt = _unary(pg.sqrt, "The square root.")
rsqrt = _unary(pg.rsqrt, "One over the square root.")
cbrt = _unary(pg.cbrt, "The cube root.")
sin = _unary(pg.sin, "The sine.")
cos = _unary(pg.cos, "The cosine.")
tan = _unary(pg.tan, "The tangent.")
asin = _unary(pg.asin, "The inverse sine.")
acos = _unary(pg.acos, "The inverse cosine.")
atan = _unary(pg.atan, "The inverse tangent.")
sinh = _unary(pg.sinh, "The hyperbolic sine.")
cosh = _unary(pg.cosh, "The hyperbolic cosine.")
tanh = _unary(pg.tanh, "The hyperbolic tangent.")
asinh = _unary(pg.asinh, "The inverse hyperbolic sine.")
acosh = _unary(pg.acosh, "The inverse hyperbolic cosine.")
atanh = _unary(pg.atanh, "The inverse hyperbolic tangent.")
logistic = _unary(pg.sigmoid, "``1 / (1 + exp(-x))``.")
abs = _unary(pg.abs, "The magnitude.")
floor = _unary(pg.floor, "The next integer below.")
ceil = _unary(pg.ceil, "The next integer above.")
square = _unary(pg.square, "``x * x``.")
is_finite = _unary(pg.isfinite, "Whether a number is neither infinite nor NaN.")
stop_gradient = _unary(pg.stop_gradient, "x, of which no derivative is taken.")
population_count = _unary(lambda x: pg.bitwise_count(bits_of(x)).astype(x.dtype), "How many bits are set.")


def neg(x: Tensor) -> Tensor:
    """``-x``; unsigned numbers wrap."""
    return -x if x.dtype.kind != "u" else pg.zeros((), dtype=x.dtype) - x


def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1; of NaN NaN."""
    return pg.sign(x)


def add(x: Tensor, y: Tensor) -> Tensor:
    """``x + y``."""
    return pg.logical_or(x, y) if x.dtype.is_bool else x + y


add_any = add


def sub(x: Tensor, y: Tensor) -> Tensor:
    """``x - y``."""
    return x - y


def mul(x: Tensor, y: Tensor, *, out_dtype: Any = None) -> Tensor:
    """``x * y``."""
    if out_dtype is not None:
        x, y = x.astype(as_dtype(out_dtype)), y.astype(as_dtype(out_dtype))
    return pg.logical_and(x, y) if x.dtype.is_bool else x * y


def div(x: Tensor, y: Tensor) -> Tensor:
    """``x / y``, of integers the quotient cut towards zero."""
    if not x.dtype.is_integer:
        return x / y
    down = x // y
    if x.dtype.kind == "i":
        inexact = (x - down * y) != 0
        down = pg.where(inexact & (down < 0), down + 1, down)
        return pg.where(y == 0, -1, down)
    return pg.where(y == 0, ~pg.zeros((), dtype=x.dtype), down)


def rem(x: Tensor, y: Tensor) -> Tensor:
    """What division leaves, with the sign of the dividend."""
    made = pg.fmod(x, y)
    return pg.where(y == 0, x, made) if x.dtype.is_integer else made


def max(x: Tensor, y: Tensor) -> Tensor:
    """The larger; NaN if either is."""
    return pg.logical_or(x, y) if x.dtype.is_bool else pg.maximum(x, y)


def min(x: Tensor, y: Tensor) -> Tensor:
    """The smaller; NaN if either is."""
    return pg.logical_and(x, y) if x.dtype.is_bool else pg.minimum(x, y)


def pow(x: Tensor, y: Tensor) -> Tensor:
    """``x`` to the power of ``y``, which may be an integer tensor."""
    return pg.power(x, y.astype(x.dtype) if x.dtype.is_inexact and y.dtype.is_integer else y)


def integer_pow(x: Tensor, *, y: int) -> Tensor:
    """x to a known integer power, by squaring."""
    if y == 0:
        return pg.ones_like(x)
    base, n, made = x, -y if y < 0 else y, None
    while n:
        if n & 1:
            made = base if made is None else made * base
        n >>= 1
        if n:
            base = base * base
    assert made is not None
    return 1.0 / made if y < 0 else made


def atan2(x: Tensor, y: Tensor) -> Tensor:
    """The angle of the point (y, x)."""
    return pg.atan2(x, y)


def nextafter(x: Tensor, y: Tensor) -> Tensor:
    """The next number from x towards y."""
    return pg.nextafter(x, y)


def round(x: Tensor, *, rounding_method: Any) -> Tensor:
    """The nearest integer; halves go away from zero (method 0) or to the even one (method 1)."""
    if int(rounding_method) == 1:
        return pg.round(x)
    size = pg.abs(x)
    whole = pg.floor(size)
    return pg.copysign(whole + (size - whole >= 0.5).astype(x.dtype), x)


def clamp(low: Tensor, x: Tensor, high: Tensor) -> Tensor:
    """x moved between two bounds, of which the upper wins."""
    return pg.minimum(pg.maximum(low, x), high)


def select_n(which: Tensor, *cases: Tensor) -> Tensor:
    """``cases[which]``, elementwise; ``which`` is bool for two cases, else int32."""
    if len(cases) == 1:
        return cases[0]
    if which.dtype.is_bool:
        return pg.where(which, cases[1], cases[0])
    made = cases[-1]
    for i in reversed(range(len(cases) - 1)):
        made = pg.where(which <= i, cases[i], made)
    return made


# ---- comparisons


def eq(x: Tensor, y: Tensor) -> Tensor:
    """``x == y``."""
    return x == y


def ne(x: Tensor, y: Tensor) -> Tensor:
    """``x != y``."""
    return x != y


def lt(x: Tensor, y: Tensor) -> Tensor:
    """``x < y``."""
    return x < y


def le(x: Tensor, y: Tensor) -> Tensor:
    """``x <= y``."""
    return x <= y


def gt(x: Tensor, y: Tensor) -> Tensor:
    """``x > y``."""
    return x > y


def ge(x: Tensor, y: Tensor) -> Tensor:
    """``x >= y``."""
    return x >= y


def eq_to(x: Tensor, y: Tensor) -> Tensor:
    """``x == y`` in the total order of floats."""
    return total_order(x) == total_order(y)


def lt_to(x: Tensor, y: Tensor) -> Tensor:
    """``x < y`` in the total order of floats."""
    return total_order(x) < total_order(y)


def le_to(x: Tensor, y: Tensor) -> Tensor:
    """``x <= y`` in the total order of floats."""
    return total_order(x) <= total_order(y)


# ---- bits


def and_(x: Tensor, y: Tensor) -> Tensor:
    """Bits set in both."""
    return x & y


def or_(x: Tensor, y: Tensor) -> Tensor:
    """Bits set in either."""
    return x | y


def xor(x: Tensor, y: Tensor) -> Tensor:
    """Bits set in one of two."""
    return x ^ y


def not_(x: Tensor) -> Tensor:
    """All bits turned."""
    return ~x


def _too_far(x: Tensor, y: Tensor) -> Tensor:
    return (y < 0) | (y >= 8 * x.dtype.itemsize) if y.dtype.kind == "i" else y >= 8 * x.dtype.itemsize


def shift_left(x: Tensor, y: Tensor) -> Tensor:
    """Bits moved up."""
    return pg.where(_too_far(x, y), 0, x << y)


def shift_right_logical(x: Tensor, y: Tensor) -> Tensor:
    """Bits moved down, zeros from above."""
    return pg.shift_right_logical(x, y)


def shift_right_arithmetic(x: Tensor, y: Tensor) -> Tensor:
    """Bits moved down, copies of the sign from above."""
    if x.dtype.kind == "i":
        return pg.where(_too_far(x, y), x >> (8 * x.dtype.itemsize - 1), x >> y)
    kind = SIGNED[x.dtype.itemsize]
    return pg.bitcast(shift_right_arithmetic(pg.bitcast(x, kind), pg.bitcast(y, kind)), x.dtype)


def clz(x: Tensor) -> Tensor:
    """How many leading bits are zero."""
    return pg.count_leading_zeros(x)


# ---- other dtypes


def convert_element_type(x: Tensor, *, new_dtype: Any, weak_type: bool = False) -> Tensor:
    """x as another dtype: floats are cut towards zero when they become integers."""
    kind = as_dtype(new_dtype)
    if x.dtype is kind and not x.weak:
        return x
    if x.dtype.is_complex and not kind.is_complex and not kind.is_bool:
        x = pg.real(x)
    return x.astype(kind)


def bitcast_convert_type(x: Tensor, *, new_dtype: Any) -> Tensor:
    """The same bits as another dtype; narrower numbers lie along a new last axis."""
    return pg.bitcast(x, as_dtype(new_dtype))


def reduce_precision(x: Tensor, *, exponent_bits: int, mantissa_bits: int) -> Tensor:
    """x rounded to a float format of so many bits."""
    return pg.reduce_precision(x, int(exponent_bits), int(mantissa_bits))


# ---- complex numbers


def complex(re: Tensor, im: Tensor) -> Tensor:
    """``re + i im``."""
    return pg.complex(re, im)


def conj(x: Tensor, *, input_dtype: Any = None) -> Tensor:
    """The conjugate; a real operand becomes complex."""
    return pg.conj(x) if x.dtype.is_complex else pg.complex(x, pg.zeros_like(x))


def real(x: Tensor) -> Tensor:
    """The real part."""
    return pg.real(x)


def imag(x: Tensor) -> Tensor:
    """The imaginary part."""
    return pg.imag(x)


# ---- special functions

erf = _unary(pg.erf, "The error function.")
erfc = _unary(pg.erfc, "``1 - erf(x)`` without loss far from 0.")
erf_inv = _unary(pg.erfinv, "The inverse of the error function.")
lgamma = _unary(pg.lgamma, "The logarithm of the gamma function's magnitude.")
digamma = _unary(
    lambda x: pg.where(x == 0, float("nan"), pg.digamma(x)), "The derivative of ``lgamma``; NaN at its poles."
)
bessel_i0e = _unary(pg.i0e, "The scaled modified Bessel function of order 0.")
bessel_i1e = _unary(pg.i1e, "The scaled modified Bessel function of order 1.")


def zeta(s: Tensor, q: Tensor) -> Tensor:
    """The Hurwitz zeta function."""
    return pg.zeta(s, q)


def polygamma(m: Tensor, x: Tensor) -> Tensor:
    """The derivative of order m of ``digamma``, for integers m in floating tensors."""
    zeroth = m == 0
    order = pg.where(zeroth, 1.0, m)
    alternating = 1.0 - 2.0 * pg.remainder(order + 1.0, 2.0)
    factorial = pg.exp(pg.lgamma(order + 1.0))
    return pg.where(zeroth, pg.digamma(x), alternating * factorial * pg.zeta(order + 1.0, x))


def igamma(a: Tensor, x: Tensor) -> Tensor:
    """The lower incomplete gamma function, regularized."""
    return pg.gammainc(a, x)


def igammac(a: Tensor, x: Tensor) -> Tensor:
    """The upper incomplete gamma function, regularized."""
    return pg.gammaincc(a, x)


def igamma_grad_a(a: Tensor, x: Tensor) -> Tensor:
    """The derivative of ``igamma`` by its first operand."""
    made: Tensor = pg.jvp(lambda a: pg.gammainc(a, x))(a, pg.ones_like(a))
    return made


def regularized_incomplete_beta(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """The incomplete beta function, regularized."""
    return pg.betainc(a, b, x)

"""Elementary functions as JAX's compiler has them on CPUs, to the last bit: draws made of them are JAX's
draws.

They err by up to two units in the last place, so nothing else uses them. The polynomials are those of the
Cephes library and of Eigen, each step rounded once; in float32 that is a sum and a product in float64,
which is exact before it is rounded. Of other dtypes the half widths go through float32, and float64 has the
usual functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _core, dt
from .._core import Tensor
from .._ops import maths
from .._ops.common import cast, elementwise, fill
from .._ops.elementwise import abs as _abs
from .._ops.logic import where

_LOG = (
    (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1),
    (-1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1),
    (2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
_LN2 = (-2.12194440e-4, 0.693359375)  # the low and the high part
_NEAR_ONE_ABOVE = (
    4.5270000862445199635215e-5,
    4.9854102823193375972212e-1,
    6.5787325942061044846969,
    2.9911919328553073277375e1,
    6.0949667980987787057556e1,
    5.7112963590585538103336e1,
    2.0039553499201281259648e1,
)
_NEAR_ONE_BELOW = (
    1.0,
    1.5062909083469192043167e1,
    8.3047565967967209469434e1,
    2.2176239823732856465394e2,
    3.0909872225312059774938e2,
    2.1642788614495947685003e2,
    6.0118660497603843919306e1,
)


def _float32(x: float) -> float:
    """The nearest float32."""
    import numpy as np

    return float(np.float32(x))


def _fma(x: Tensor | float, y: Tensor, z: Tensor | float) -> Tensor:
    """x y + z of float32 numbers, rounded once."""
    a = _float32(x) if isinstance(x, float) else cast(x, dt.float64)
    c = _float32(z) if isinstance(z, float) else cast(z, dt.float64)
    return cast(cast(y, dt.float64) * a + c, dt.float32)


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    made: Tensor | float = coefficients[0]
    for c in coefficients[1:]:
        made = _fma(made, x, c)
    assert isinstance(made, Tensor)
    return made


def log(x: Tensor) -> Tensor:
    """The natural logarithm. It has no derivative, nor has ``log1p``: draws are differentiated by their
    parameters, not by their key.
    """
    if x.dtype.itemsize == 2:
        return cast(log(cast(x, dt.float32)), x.dtype)
    if x.dtype is not dt.float32:
        return maths.log(x)
    bits = _core.apply("bitcast", (elementwise("maximum", x, 2.0**-126),), (dt.int32.code,))
    power = cast((bits >> 23) - 126, dt.float32)
    # The mantissa in [1/2, 1), then in [sqrt(1/2), sqrt(2)), less 1.
    m = _core.apply("bitcast", ((bits & 0x7FFFFF) | 0x3F000000,), (dt.float32.code,))
    small = m < math.sqrt(0.5)
    power = where(small, power - 1.0, power)
    m = where(small, (m - 1.0) + m, m - 1.0)
    square = m * m
    cube = square * m
    first, second, third = (_polynomial(c, m) for c in _LOG)
    tail = _fma(_fma(first, cube, second), cube, third)
    tail = _fma(tail, cube, power * _float32(_LN2[0]))
    made = _fma(_LN2[1], power, (m - square * 0.5) + tail)
    made = where(x == 0, -math.inf, where(x > 0, made, math.nan))
    return where(x == math.inf, math.inf, made)


def log1p(x: Tensor) -> Tensor:
    """``log(1 + x)``."""
    if x.dtype.itemsize == 2:
        return cast(log1p(cast(x, dt.float32)), x.dtype)
    if x.dtype is not dt.float32:
        return maths.log1p(x)
    square = x * x
    ratio = _polynomial(_NEAR_ONE_ABOVE, x) / _polynomial(_NEAR_ONE_BELOW, x)
    near = x + _fma(-0.5, square, (x * square) * ratio)
    return where(_abs(x) < math.sqrt(2.0) - 1.0, near, log(x + fill(1.0, x)))


# ---- functions of parameters, which have the derivative of the usual ones


def _in_place_of(usual: Tensor, made: Tensor) -> Tensor:
    """The value of the second with the derivative of the first; both are so close that differences are
    exact."""
    near = _abs(made - usual) <= _abs(usual) * 0.5
    gap = _core.apply("stop_gradient", (where(near, made - usual, 0.0),))
    return usual + gap


_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)


def exp(x: Tensor) -> Tensor:
    """The exponential."""
    if x.dtype.itemsize == 2:
        return cast(exp(cast(x, dt.float32)), x.dtype)
    usual = maths.exp(x)
    if x.dtype is not dt.float32:
        return usual
    fixed = _core.apply("stop_gradient", (x,))
    fixed = where(_abs(fixed) < 87.0, fixed, 0.0)  # beyond, the usual one
    power = _core.apply("floor", (_fma(_float32(1.44269504088896341), fixed, 0.5),))
    rest = _fma(-_LN2[1], power, fixed)
    rest = _fma(-_LN2[0], power, rest)
    made = _fma(_polynomial(_EXP, rest), rest * rest, rest) + 1.0
    scale = _core.apply("bitcast", ((cast(power, dt.int32) + 127) << 23,), (dt.float32.code,))
    return _in_place_of(usual, where(_abs(x) < 87.0, made * scale, usual))


_ERF_ABOVE = (
    2.2905065861350646e-4,
    3.4082910107109506e-3,
    5.0955695062380861e-2,
    0.18520832239976145,
    1.128379143519084,
)
_ERF_BELOW = (
    -1.1791602954361697e-7,
    2.3547966471313185e-5,
    1.0179625278914885e-3,
    1.4070470171167667e-2,
    0.11098505178285362,
    0.49746925110067538,
    1.0,
)
_ERF_END = 3.832506856900711


def erf(x: Tensor) -> Tensor:
    """The error function."""
    if x.dtype.itemsize == 2:
        return cast(erf(cast(x, dt.float32)), x.dtype)
    usual = maths.erf(x)
    if x.dtype is not dt.float32:
        return usual
    fixed = elementwise(
        "maximum", elementwise("minimum", _core.apply("stop_gradient", (x,)), _ERF_END), -_ERF_END
    )
    square = fixed * fixed
    made = fixed * _polynomial(_ERF_ABOVE, square) / _polynomial(_ERF_BELOW, square)
    return _in_place_of(usual, made)

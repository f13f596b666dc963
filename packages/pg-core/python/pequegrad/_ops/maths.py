"""Exponentials, logarithms, trigonometry and error functions under NumPy's names: integers become float32."""

from __future__ import annotations

from .._core import Tensor
from .common import TensorLike, elementwise, float_unary, to_float


def sqrt(x: TensorLike) -> Tensor:
    """The square root of each element.

    >>> pg.sqrt(pg.Tensor([4.0, 9.0])).tolist()
    [2.0, 3.0]
    """
    return float_unary("sqrt", x)


def rsqrt(x: TensorLike) -> Tensor:
    """One over the square root of each element.

    >>> pg.rsqrt(pg.Tensor([4.0])).tolist()
    [0.5]
    """
    return float_unary("rsqrt", x)


def exp(x: TensorLike) -> Tensor:
    """The exponential of each element.

    >>> pg.exp(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    return float_unary("exp", x)


def exp2(x: TensorLike) -> Tensor:
    """Two to the power of each element.

    >>> pg.exp2(pg.Tensor([3.0])).tolist()
    [8.0]
    """
    return float_unary("exp2", x)


def expm1(x: TensorLike) -> Tensor:
    """``exp(x) - 1``, exact near 0.

    >>> pg.expm1(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("expm1", x)


def log(x: TensorLike) -> Tensor:
    """The natural logarithm of each element.

    >>> pg.log(pg.Tensor([1.0])).tolist()
    [0.0]
    """
    return float_unary("log", x)


def log2(x: TensorLike) -> Tensor:
    """The logarithm to base 2 of each element.

    >>> pg.log2(pg.Tensor([8.0])).tolist()
    [3.0]
    """
    return float_unary("log2", x)


def log10(x: TensorLike) -> Tensor:
    """The logarithm to base 10 of each element.

    >>> pg.log10(pg.Tensor([1.0])).tolist()
    [0.0]
    """
    return float_unary("log10", x)


def log1p(x: TensorLike) -> Tensor:
    """``log(1 + x)``, exact near 0.

    >>> pg.log1p(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("log1p", x)


def sin(x: TensorLike) -> Tensor:
    """The sine of each element, in radians.

    >>> pg.sin(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("sin", x)


def cos(x: TensorLike) -> Tensor:
    """The cosine of each element, in radians.

    >>> pg.cos(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    return float_unary("cos", x)


def tan(x: TensorLike) -> Tensor:
    """The tangent of each element, in radians.

    >>> pg.tan(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("tan", x)


def asin(x: TensorLike) -> Tensor:
    """The angle in [-pi/2, pi/2] whose sine is the element.

    >>> pg.asin(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("asin", x)


def acos(x: TensorLike) -> Tensor:
    """The angle in [0, pi] whose cosine is the element.

    >>> pg.acos(pg.Tensor([1.0])).tolist()
    [0.0]
    """
    return float_unary("acos", x)


def atan(x: TensorLike) -> Tensor:
    """The angle in [-pi/2, pi/2] whose tangent is the element.

    >>> pg.atan(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("atan", x)


def sinh(x: TensorLike) -> Tensor:
    """The hyperbolic sine of each element.

    >>> pg.sinh(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("sinh", x)


def cosh(x: TensorLike) -> Tensor:
    """The hyperbolic cosine of each element.

    >>> pg.cosh(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    return float_unary("cosh", x)


def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent of each element.

    >>> pg.tanh(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("tanh", x)


def asinh(x: TensorLike) -> Tensor:
    """The inverse hyperbolic sine of each element.

    >>> pg.asinh(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("asinh", x)


def acosh(x: TensorLike) -> Tensor:
    """The inverse hyperbolic cosine of each element.

    >>> pg.acosh(pg.Tensor([1.0])).tolist()
    [0.0]
    """
    return float_unary("acosh", x)


def atanh(x: TensorLike) -> Tensor:
    """The inverse hyperbolic tangent of each element.

    >>> pg.atanh(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("atanh", x)


def sigmoid(x: TensorLike) -> Tensor:
    """The logistic function ``1 / (1 + exp(-x))``.

    >>> pg.sigmoid(pg.Tensor([0.0])).tolist()
    [0.5]
    """
    return float_unary("sigmoid", x)


def erf(x: TensorLike) -> Tensor:
    """The error function of each element.

    >>> pg.erf(pg.Tensor([0.0])).tolist()
    [0.0]
    """
    return float_unary("erf", x)


def erfc(x: TensorLike) -> Tensor:
    """``1 - erf(x)``, exact for large elements.

    >>> pg.erfc(pg.Tensor([0.0])).tolist()
    [1.0]
    """
    return float_unary("erfc", x)


def atan2(x: TensorLike, y: TensorLike) -> Tensor:
    """The angle of the point (y, x), elementwise.

    >>> pg.atan2(pg.Tensor([0.0]), 1.0).tolist()
    [0.0]
    """
    return _float_binary("atan2", x, y)


def copysign(x: TensorLike, y: TensorLike) -> Tensor:
    """The magnitude of the first with the sign of the second, elementwise.

    >>> pg.copysign(pg.Tensor([1.0, 2.0]), -1.0).tolist()
    [-1.0, -2.0]
    """
    return _float_binary("copysign", x, y)


def _float_binary(op: str, x: TensorLike, y: TensorLike) -> Tensor:
    """A floating record of two operands; integers and bools become float32."""
    if not any(
        isinstance(v, (float, complex)) or (isinstance(v, Tensor) and v.dtype.is_inexact) for v in (x, y)
    ):
        x = to_float(x)
    return elementwise(op, x, y)


def erfinv(x: TensorLike) -> Tensor:
    """The inverse of the error function.

    float32 and narrower: the polynomials of M. Giles as XLA has them, so that normal draws have JAX's bits.
    float64: correct to 2 units in the last place, where JAX's own errs by up to 1e5.

    >>> pg.erfinv(pg.Tensor([0.0, 1.0])).tolist()
    [0.0, inf]
    """
    return float_unary("erfinv", x)


arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh

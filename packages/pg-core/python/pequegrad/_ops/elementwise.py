"""Arithmetic, rounding and classification under NumPy's names: operands promote and broadcast."""

from __future__ import annotations

import math
import operator

from .. import _core, dt
from .._core import Tensor
from ..errors import InvalidValueError
from .common import TensorLike, as_tensor, cast, elementwise, fill, float_unary, stated, to_float
from .complex import by_parts, direction
from .logic import where
from .maths import copysign, exp, log1p


def add(x: TensorLike, y: TensorLike) -> Tensor:
    """The sum, elementwise.

    >>> pg.add(pg.Tensor([1, 2]), 10).tolist()
    [11, 12]
    """
    return elementwise("add", x, y)


def subtract(x: TensorLike, y: TensorLike) -> Tensor:
    """The difference, elementwise.

    >>> pg.subtract(pg.Tensor([1, 2]), 1).tolist()
    [0, 1]
    """
    return elementwise("sub", x, y)


def multiply(x: TensorLike, y: TensorLike) -> Tensor:
    """The product, elementwise.

    >>> pg.multiply(pg.Tensor([1, 2]), 3).tolist()
    [3, 6]
    """
    return elementwise("mul", x, y)


def floor_divide(x: TensorLike, y: TensorLike) -> Tensor:
    """The quotient rounded down, elementwise; integers divided by 0 give 0.

    >>> pg.floor_divide(pg.Tensor([7, -7]), 2).tolist()
    [3, -4]
    """
    return elementwise("floor_divide", x, y)


def remainder(x: TensorLike, y: TensorLike) -> Tensor:
    """What floor division leaves, with the sign of the divisor; integers modulo 0 give 0.

    >>> pg.remainder(pg.Tensor([7, -7]), 4).tolist()
    [3, 1]
    """
    return elementwise("remainder", x, y)


def fmod(x: TensorLike, y: TensorLike) -> Tensor:
    """What division towards zero leaves, with the sign of the dividend.

    >>> pg.fmod(pg.Tensor([7, -7]), 4).tolist()
    [3, -3]
    """
    return elementwise("fmod", x, y)


def maximum(x: TensorLike, y: TensorLike) -> Tensor:
    """The larger of two, elementwise; NaN wins. The gradient of a tie is split evenly.

    >>> pg.maximum(pg.Tensor([1, 5]), 3).tolist()
    [3, 5]
    """
    return elementwise("maximum", x, y)


def minimum(x: TensorLike, y: TensorLike) -> Tensor:
    """The smaller of two, elementwise; NaN wins. The gradient of a tie is split evenly.

    >>> pg.minimum(pg.Tensor([1, 5]), 3).tolist()
    [1, 3]
    """
    return elementwise("minimum", x, y)


def divide(x: TensorLike, y: TensorLike, *, rounding_mode: str | None = None) -> Tensor:
    """The quotient, elementwise; integers divide to float32. With ``rounding_mode`` "floor" or "trunc" it is
    rounded down or towards zero, and integers stay integers (divided by 0 they give 0).

    >>> pg.divide(pg.Tensor([1, 3]), 2).tolist()
    [0.5, 1.5]
    >>> pg.divide(pg.Tensor([-7, 7]), 2, rounding_mode="trunc").tolist()
    [-3, 3]
    """
    if rounding_mode is None:
        return as_tensor(x) / y
    if rounding_mode not in ("floor", "trunc"):
        raise InvalidValueError(f"divide: rounding_mode is None, 'floor' or 'trunc', got {rounding_mode!r}")
    if rounding_mode == "floor":
        return elementwise("floor_divide", x, y)
    if dt.all_dtypes[_core.promote(as_tensor(x), as_tensor(y))[0]].kind in "iu":
        return elementwise("floor_divide", elementwise("sub", x, elementwise("fmod", x, y)), y)
    return trunc(as_tensor(x) / y)


def negative(x: TensorLike) -> Tensor:
    """The negative of each element.

    >>> pg.negative(pg.Tensor([1, -2])).tolist()
    [-1, 2]
    """
    return -as_tensor(x)


def positive(x: TensorLike) -> Tensor:
    """The elements as they are.

    >>> pg.positive(pg.Tensor([1, -2])).tolist()
    [1, -2]
    """
    return as_tensor(x)


def abs(x: TensorLike) -> Tensor:
    """The magnitude of each element, real also for complex numbers; its derivative at 0 is 0.

    >>> pg.abs(pg.Tensor([1, -2])).tolist()
    [1, 2]
    """
    x = as_tensor(x)
    return x if x.dtype.kind in "bu" else operator.abs(x)


def sign(x: TensorLike) -> Tensor:
    """-1, 0 or 1 by the sign of each element; of a complex number z the direction, z / abs(z).

    >>> pg.sign(pg.Tensor([-3.0, 0.0, 2.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    x = as_tensor(x)
    if x.dtype.is_complex:
        return direction(x)
    return x if x.dtype.is_bool else _core.apply("sign", (x,))


def _rounding(op: str, x: TensorLike) -> Tensor:
    x = as_tensor(x)
    return _core.apply(op, (x,)) if x.dtype.is_inexact else x  # integers are round already


def floor(x: TensorLike) -> Tensor:
    """The largest integer not above each element.

    >>> pg.floor(pg.Tensor([1.5, -1.5])).tolist()
    [1.0, -2.0]
    """
    return _rounding("floor", x)


def ceil(x: TensorLike) -> Tensor:
    """The smallest integer not below each element.

    >>> pg.ceil(pg.Tensor([1.5, -1.5])).tolist()
    [2.0, -1.0]
    """
    return _rounding("ceil", x)


def trunc(x: TensorLike) -> Tensor:
    """Each element without its fraction.

    >>> pg.trunc(pg.Tensor([1.5, -1.5])).tolist()
    [1.0, -1.0]
    """
    return _rounding("trunc", x)


def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """The nearest integer, halves to even; with ``decimals`` to that many places. Complex numbers by parts.

    >>> pg.round(pg.Tensor([0.5, 1.5, 2.4])).tolist()
    [0.0, 2.0, 2.0]
    """
    x = as_tensor(x)
    if x.dtype.is_complex:
        return by_parts(lambda part: round(part, decimals), x)
    if decimals == 0:
        return _rounding("round", x)
    scale = 10.0 ** math.fabs(decimals)
    if x.dtype.kind != "f":
        if decimals > 0:
            return x
        return cast(_core.apply("round", (cast(x, dt.float64) / scale,)) * scale, x.dtype)
    if decimals > 0:
        return _core.apply("round", (x * scale,)) / scale
    return _core.apply("round", (x / scale,)) * scale


def reciprocal(x: TensorLike) -> Tensor:
    """One over each element.

    >>> pg.reciprocal(pg.Tensor([4.0])).tolist()
    [0.25]
    """
    return float_unary("recip", x)


def square(x: TensorLike) -> Tensor:
    """Each element times itself.

    >>> pg.square(pg.Tensor([3.0])).tolist()
    [9.0]
    """
    x = as_tensor(x)
    return x * x


def power(x: TensorLike, y: TensorLike) -> Tensor:
    """The first to the power of the second, elementwise. Small integer exponents multiply, as NumPy's do.

    >>> pg.power(pg.Tensor([2.0, 3.0]), 2).tolist()
    [4.0, 9.0]
    """
    return as_tensor(x) ** y


def cbrt(x: TensorLike) -> Tensor:
    """The cube root of each element.

    >>> pg.cbrt(pg.Tensor([-8.0])).round(5).tolist()
    [-2.0]
    """
    x = to_float(x)
    wide = cast(x, dt.float64)
    plain = (wide == 0) | ~isfinite(wide)
    tiny = abs(wide) < 2.0**-1000
    size = abs(where(plain, 1.0, wide)) * where(tiny, 2.0**54, 1.0)
    root = _core.elementwise("pow", size, 1 / 3)
    # One Newton step takes away the rounding of 1/3.
    root = root - (root * root * root - size) / (3.0 * root * root)
    return cast(where(plain, wide, copysign(root * where(tiny, 2.0**-18, 1.0), wide)), x.dtype)


def hypot(x: TensorLike, y: TensorLike) -> Tensor:
    """The length of the vector (x, y), elementwise, without overflow.

    >>> pg.hypot(pg.Tensor([3.0]), 4.0).tolist()
    [5.0]
    """
    return _core.elementwise("hypot", to_float(x), to_float(y))


def logaddexp(x: TensorLike, y: TensorLike) -> Tensor:
    """``log(exp(x) + exp(y))`` without overflow.

    >>> pg.logaddexp(pg.Tensor([0.0]), 0.0).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    x, y = to_float(x), to_float(y)
    gap = abs(x - y)
    same_infinity = (x == y) & isinf(x)
    return where(same_infinity, x, maximum(x, y) + log1p(exp(-where(same_infinity, 0.0, gap))))


def softplus(x: TensorLike) -> Tensor:
    """``log(1 + exp(x))`` without overflow.

    >>> pg.softplus(pg.Tensor([-800.0, 800.0])).tolist()
    [0.0, 800.0]
    """
    x = to_float(x)
    made = maximum(x, fill(0.0, x)) + log1p(exp(-_core.apply("abs", (x,))))
    return stated("softplus", made, x)


def log_sigmoid(x: TensorLike) -> Tensor:
    """``log(sigmoid(x))`` without underflow.

    >>> pg.log_sigmoid(pg.Tensor([0.0])).numpy().round(4)
    array([-0.6931], dtype=float32)
    """
    return -softplus(-to_float(x))


def deg2rad(x: TensorLike) -> Tensor:
    """Degrees to radians.

    >>> pg.deg2rad(pg.Tensor([180.0])).numpy().round(4)
    array([3.1416], dtype=float32)
    """
    return to_float(x) * (math.pi / 180)


def rad2deg(x: TensorLike) -> Tensor:
    """Radians to degrees.

    >>> pg.rad2deg(pg.Tensor([3.14159265])).round(2).tolist()
    [180.0]
    """
    return to_float(x) * (180 / math.pi)


def divmod(x: TensorLike, y: TensorLike) -> tuple[Tensor, Tensor]:
    """Floor quotient and remainder.

    >>> quotient, rest = pg.divmod(pg.Tensor([7]), 4)
    >>> quotient.tolist(), rest.tolist()
    ([1], [3])
    """
    return floor_divide(x, y), remainder(x, y)


def isnan(x: TensorLike) -> Tensor:
    """Which elements are not a number.

    >>> pg.isnan(pg.Tensor([1.0, float("nan")])).tolist()
    [False, True]
    """
    x = as_tensor(x)
    return _core.apply("isnan", (x,)) if x.dtype.is_inexact else fill(False, cast(x, dt.bool_))


def isinf(x: TensorLike) -> Tensor:
    """Which elements are infinite.

    >>> pg.isinf(pg.Tensor([1.0, -float("inf")])).tolist()
    [False, True]
    """
    x = as_tensor(x)
    return _core.apply("isinf", (x,)) if x.dtype.is_inexact else fill(False, cast(x, dt.bool_))


def isfinite(x: TensorLike) -> Tensor:
    """Which elements are finite numbers.

    >>> pg.isfinite(pg.Tensor([1.0, float("inf")])).tolist()
    [True, False]
    """
    x = as_tensor(x)
    return _core.apply("isfinite", (x,)) if x.dtype.is_inexact else fill(True, cast(x, dt.bool_))


def signbit(x: TensorLike) -> Tensor:
    """Which elements have their sign bit set (also -0.0).

    >>> pg.signbit(pg.Tensor([1.0, -0.0])).tolist()
    [False, True]
    """
    x = as_tensor(x)
    return _core.apply("signbit", (x,)) if x.dtype.is_inexact else x < 0


def nan_to_num(
    x: TensorLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """Replace NaN and infinities; infinities become the largest finite numbers unless given.

    >>> pg.nan_to_num(pg.Tensor([float("nan"), 1.0])).tolist()
    [0.0, 1.0]
    """
    x = as_tensor(x)
    if x.dtype.is_complex:
        return by_parts(lambda part: nan_to_num(part, nan, posinf, neginf), x)
    if x.dtype.kind != "f":
        return x
    largest = _LARGEST[x.dtype.name]
    y = where(isnan(x), nan, x)
    y = where(x == math.inf, largest if posinf is None else posinf, y)
    return where(x == -math.inf, -largest if neginf is None else neginf, y)


_LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}


def heaviside(x: TensorLike, at_zero: TensorLike) -> Tensor:
    """0 below zero, ``at_zero`` at zero, 1 above.

    >>> pg.heaviside(pg.Tensor([-1.0, 0.0, 2.0]), 0.5).tolist()
    [0.0, 0.5, 1.0]
    """
    x = to_float(x)
    return where(isnan(x), x, where(x == 0, at_zero, where(x > 0, 1.0, 0.0)))


def clip(
    x: TensorLike,
    min: TensorLike | None = None,
    max: TensorLike | None = None,
    *,
    a_min: TensorLike | None = None,
    a_max: TensorLike | None = None,
) -> Tensor:
    """Each element brought into [min, max]; a bound may be None.

    >>> pg.clip(pg.Tensor([1, 5, 9]), 2, 6).tolist()
    [2, 5, 6]
    """
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    x = as_tensor(x)
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


sub, mul, div, true_divide, mod, neg, pow, absolute = (
    subtract,
    multiply,
    divide,
    divide,
    remainder,
    negative,
    power,
    abs,
)

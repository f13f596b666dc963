"""Floating-point numbers by their parts: fraction and exponent."""

from __future__ import annotations

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError
from .common import TensorLike, as_tensor, cast, fill, to_real_float
from .elementwise import abs as _abs
from .elementwise import isfinite, maximum, minimum, trunc
from .logic import where
from .shape import broadcast_arrays

# Bits of the fraction and bias of the exponent.
_FORMAT = {"float32": (23, 127), "float64": (52, 1023)}
_WORD = {"float32": dt.int32, "float64": dt.int64}


def _wide(x: Tensor) -> Tensor:
    """Halves as float32, which holds their every power of two."""
    return cast(x, dt.float32) if x.dtype.itemsize == 2 else x


def _power_of_two(n: Tensor, kind: dt.DType) -> Tensor:
    """``2.0 ** n`` for the exponents of normal numbers."""
    fraction, bias = _FORMAT[kind.name]
    word = _WORD[kind.name]
    return _core.apply("bitcast", ((cast(n, word) + bias) << fraction,), (kind.code,))


def frexp(x: TensorLike) -> tuple[Tensor, Tensor]:
    """A fraction with 0.5 <= abs(fraction) < 1 and an int32 exponent, so that ``x = fraction * 2**exponent``.

    Zeros, infinities and NaN are their own fraction, with exponent 0.

    >>> fraction, exponent = pg.frexp(pg.Tensor([8.0, 0.75]))
    >>> fraction.tolist(), exponent.tolist()
    ([0.5, 0.75], [4, 0])
    """
    x = to_real_float(x, "frexp")
    wide = _wide(x)
    kind = wide.dtype
    fraction, bias = _FORMAT[kind.name]
    tiny = _abs(wide) < 2.0 ** (1 - bias)
    normal = where(tiny, wide * 2.0 ** (fraction + 1), wide)
    bits = _core.apply("bitcast", (normal,), (_WORD[kind.name].code,))
    exponent = ((bits >> fraction) & (2 * bias + 1)) - (bias - 1)
    plain = (wide == 0) | ~isfinite(wide)
    own = where(plain, 0, exponent)
    # By a product, which is exact and differentiable; two steps, because 2 ** -exponent may be no number.
    half = own >> 1
    part = normal * _power_of_two(-half, kind) * _power_of_two(half - own, kind)
    made = cast(where(plain, 0, where(tiny, exponent - (fraction + 1), exponent)), dt.int32)
    return cast(part, x.dtype), made


def ldexp(x: TensorLike, n: TensorLike) -> Tensor:
    """``x * 2**n`` with one rounding, for integers n.

    >>> pg.ldexp(pg.Tensor([0.75, 1.0]), pg.Tensor([2, -1])).tolist()
    [3.0, 0.5]
    """
    x, n = broadcast_arrays(to_real_float(x, "ldexp"), as_tensor(n))
    if not n.dtype.is_integer:
        raise DTypeError(f"ldexp: the exponents are integers, got {n.dtype}; convert with .astype('int32')")
    made = _wide(x)
    kind = made.dtype
    fraction, bias = _FORMAT[kind.name]
    down = bias - 2 - fraction  # so far that what is subnormal then ends as zero: rounded once
    left = maximum(minimum(cast(n, dt.int64), 4 * bias), -4 * bias)
    for _ in range(3):
        step = maximum(minimum(left, bias), -(bias - 1))
        step = where(left < -(bias - 1), fill(-down, left), step)
        made = made * _power_of_two(step, kind)
        left = left - step
    return cast(made * _power_of_two(maximum(minimum(left, bias), -(bias - 1)), kind), x.dtype)


fix = trunc

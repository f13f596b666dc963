"""Further elementwise functions: mixtures, fractions, gaps between floats, complex numbers as pairs."""

from __future__ import annotations

from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError, ShapeError
from .common import TensorLike, as_tensor, cast, reshape_to, to_float
from .complex import complex as complex_of
from .complex import imag, real
from .elementwise import abs as _abs
from .elementwise import trunc
from .logic import where
from .maths import copysign, cos, sin
from .shape import part, stack
from .vectors import nextafter


def lerp(start: TensorLike, end: TensorLike, weight: TensorLike) -> Tensor:
    """``start + weight * (end - start)``, computed from the nearer end.

    >>> pg.lerp(pg.Tensor([0.0, 10.0]), pg.Tensor([4.0, 20.0]), 0.25).tolist()
    [1.0, 12.5]
    """
    start, end = to_float(start), to_float(end)
    w = weight if isinstance(weight, float) else to_float(weight)
    gap = end - start
    near = _abs(as_tensor(w)) < 0.5
    return where(near, start + w * gap, end - gap * (1.0 - w))


def addcmul(x: TensorLike, y: TensorLike, z: TensorLike, *, value: Any = 1) -> Tensor:
    """``x + value * y * z``.

    >>> pg.addcmul(pg.Tensor([1]), pg.Tensor([2]), pg.Tensor([3]), value=10).tolist()
    [61]
    """
    made = as_tensor(y) * z
    return as_tensor(x) + (made if isinstance(value, int) and value == 1 else made * value)


def addcdiv(x: TensorLike, y: TensorLike, z: TensorLike, *, value: Any = 1) -> Tensor:
    """``x + value * y / z``.

    >>> pg.addcdiv(pg.Tensor([1.0]), pg.Tensor([3.0]), pg.Tensor([2.0])).tolist()
    [2.5]
    """
    made = as_tensor(y) / z
    return as_tensor(x) + (made if isinstance(value, int) and value == 1 else made * value)


def frac(x: TensorLike) -> Tensor:
    """What is left without the integer part, with the sign of the element.

    >>> pg.frac(pg.Tensor([1.25, -1.25])).tolist()
    [0.25, -0.25]
    """
    x = to_float(x)
    return x - trunc(x)


def spacing(x: TensorLike) -> Tensor:
    """The distance to the next float away from zero, with the sign of the element.

    >>> pg.spacing(pg.Tensor([1.0])).item()
    1.1920928955078125e-07
    """
    x = _core.apply("stop_gradient", (to_float(x),))
    outward = nextafter(x, copysign(float("inf"), x))
    return where(_abs(x) < float("inf"), outward - x, float("nan"))


# ---- complex numbers as pairs


def polar(radius: TensorLike, angle: TensorLike) -> Tensor:
    """The complex numbers of given magnitudes and angles.

    >>> pg.polar(pg.Tensor([2.0]), pg.Tensor([0.0])).tolist()
    [(2+0j)]
    """
    radius, angle = (
        cast(x, dt.float32) if x.dtype.itemsize == 2 else x for x in (to_float(radius), to_float(angle))
    )
    return complex_of(radius * cos(angle), radius * sin(angle))


def view_as_real(x: TensorLike) -> Tensor:
    """The real and imaginary parts along a new last axis of 2.

    >>> pg.view_as_real(pg.Tensor([1 + 2j])).tolist()
    [[1.0, 2.0]]
    """
    x = as_tensor(x)
    if not x.dtype.is_complex:
        raise DTypeError(f"view_as_real: needs complex numbers, got {x.dtype}")
    return stack([real(x), imag(x)], -1)


def view_as_complex(x: TensorLike) -> Tensor:
    """The complex numbers whose parts stand along the last axis of 2.

    >>> pg.view_as_complex(pg.Tensor([[1.0, 2.0]])).tolist()
    [(1+2j)]
    """
    x = to_float(x)
    if x.ndim < 1 or x.shape[-1] != 2:
        raise ShapeError(f"view_as_complex: needs a last axis of 2, got shape {x.shape}")
    re, im = (reshape_to(part(x, x.ndim - 1, i, i + 1), x.shape[:-1]) for i in (0, 1))
    return complex_of(re, im)

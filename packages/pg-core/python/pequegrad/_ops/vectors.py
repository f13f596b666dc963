"""Products and norms of vectors along an axis, and neighbours of floats, as in the array API standard."""

from __future__ import annotations

import math

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError, ShapeError
from .common import Axis, TensorLike, as_tensor, axes_of, axis_of, cast, elementwise, to_float
from .complex import conj
from .elementwise import abs as _abs
from .indexing import getitem
from .logic import where
from .reduce import count_nonzero, norm
from .reduce import min as _min
from .reduce import sum as _sum
from .shape import broadcast_arrays, moveaxis, stack


def _aligned(x: TensorLike, y: TensorLike, axis: int, what: str) -> tuple[Tensor, Tensor, int]:
    """Both operands in one dtype and shape, where the axis has one length in both, and the axis."""
    x, y = as_tensor(x), as_tensor(y)
    kind = dt.all_dtypes[_core.promote(x, y)[0]]
    if min(x.ndim, y.ndim) < 1:
        raise ShapeError(f"{what}: operands need at least one axis, got shapes {x.shape} and {y.shape}")
    a, b = (z.shape[axis_of(axis, z.ndim, what)] for z in (x, y))
    if a != b:
        raise ShapeError(f"{what}: axis {axis} of shapes {x.shape} and {y.shape} differs in length")
    x, y = broadcast_arrays(cast(x, kind), cast(y, kind))
    return x, y, axis_of(axis, x.ndim, what)


def vecdot(x1: TensorLike, x2: TensorLike, *, axis: int = -1) -> Tensor:
    """The inner products of vectors along an axis, the first conjugated; the other axes broadcast.

    >>> pg.vecdot(pg.Tensor([[1, 2], [3, 4]]), pg.Tensor([1, 1])).tolist()
    [3, 7]
    """
    x, y, at = _aligned(x1, x2, axis, "vecdot")
    return _sum(conj(x) * y, at, dtype=x.dtype)


def cross(x1: TensorLike, x2: TensorLike, *, axis: int = -1) -> Tensor:
    """The vector products of vectors of 3 elements along an axis; the other axes broadcast.

    >>> pg.cross(pg.Tensor([1, 0, 0]), pg.Tensor([0, 1, 0])).tolist()
    [0, 0, 1]
    """
    x, y, at = _aligned(x1, x2, axis, "cross")
    if x.shape[at] != 3:
        raise ShapeError(f"cross: needs 3 elements along axis {axis}, got shape {x.shape}")
    a = [getitem(moveaxis(x, at, 0), i) for i in range(3)]
    b = [getitem(moveaxis(y, at, 0), i) for i in range(3)]
    return stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)], at)


def vector_norm(x: TensorLike, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm of vectors over axes (of all elements when None): the root of order ``ord`` of the sum of
    the powers of magnitudes; the largest (inf) or smallest (-inf) magnitude; how many are not 0 (0).

    >>> pg.linalg.vector_norm(pg.Tensor([3.0, 4.0])).item()
    5.0
    """
    x = to_float(x)
    x = _abs(x) if x.dtype.kind == "c" else x
    if ord == -math.inf:
        return _min(_abs(x), axis, keepdims)
    if ord == 0:
        return cast(count_nonzero(x, axis, keepdims), x.dtype)
    return norm(x, ord, axes_of(axis, x.ndim, "vector_norm"), keepdims)


# ---- neighbours

_INTS = {2: dt.int16, 4: dt.int32, 8: dt.int64}


def nextafter(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The next number of the dtype from the first in the direction of the second, elementwise.

    >>> pg.nextafter(pg.Tensor([1.0]), 2.0).item()
    1.0000001192092896
    """
    x, y = broadcast_arrays(to_float(x1), to_float(x2) if isinstance(x2, Tensor) else x2)
    kind = dt.all_dtypes[_core.promote(x, y)[0]]
    if kind.kind != "f":
        raise DTypeError(f"nextafter: {kind} numbers have no order")
    x, y = cast(x, kind), cast(y, kind)
    word = _INTS[kind.itemsize]
    bits = _core.apply("bitcast", (x,), (word.code,))
    away = elementwise("equal", y > x, x > 0)  # the words of both signs grow with the magnitude
    moved = _core.apply("bitcast", (bits + where(away, 1, -1),), (kind.code,))
    one = _core.full(1, word.code, False, x.shape, x.device.pair)
    smallest = elementwise("copysign", _core.apply("bitcast", (one,), (kind.code,)), y)
    made = where(x == y, y, where(x == 0, smallest, moved))
    made = where((x != x) | (y != y), math.nan, made)
    # Bits have no derivative: that of the identity comes from a difference that is zero (and keeps -0.0).
    return made - where(abs(x) < math.inf, x.detach() - x, 0.0)

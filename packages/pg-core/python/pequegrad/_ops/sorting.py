"""Sorting: stable, NaN last, as NumPy's."""

from __future__ import annotations

from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import InvalidValueError
from .common import TensorLike, as_tensor, axis_of, cast, iota, reshape_to, spelled
from .complex import imag, real
from .logic import bitwise_not, bitwise_or, where
from .shape import part


def _along(op: str, x: TensorLike, axis: int | None, dim: int | None) -> tuple[Tensor, int]:
    x = as_tensor(x)
    axis = spelled(axis, -1, dim, "axis/dim", op)
    if axis is None:
        x, axis = reshape_to(x, (x.size,)), 0
    return x, axis_of(axis, x.ndim, op)


def _places(x: Tensor, at: int, descending: bool, count: int) -> Tensor:
    """The first ``count`` of the indices that put x in order."""
    x = cast(x, dt.uint8) if x.dtype.is_bool else x
    return _core.apply("argsort", (x,), (at, int(descending), count))


def sort(
    x: TensorLike,
    axis: int | None = -1,
    *,
    descending: bool = False,
    dim: int | None = None,
    stable: Any = True,
) -> Tensor:
    """Elements in order along an axis (of the flattened tensor when None).

    >>> pg.sort(pg.Tensor([3, 1, 2])).tolist()
    [1, 2, 3]
    """
    x, at = _along("sort", x, axis, dim)
    if x.dtype.is_bool:
        return cast(_core.apply("sort", (cast(x, dt.uint8),), (at, int(descending))), dt.bool_)
    return _core.apply("sort", (x,), (at, int(descending)))


def argsort(
    x: TensorLike,
    axis: int | None = -1,
    *,
    descending: bool = False,
    dim: int | None = None,
    stable: Any = True,
) -> Tensor:
    """The indices that put elements in order along an axis, int64; equal elements keep their order.

    >>> pg.argsort(pg.Tensor([3, 1, 2])).tolist()
    [1, 2, 0]
    """
    x, at = _along("argsort", x, axis, dim)
    return _places(x, at, descending, x.shape[at])


_BITS = {2: dt.uint16, 4: dt.uint32, 8: dt.uint64}


def _falling(x: Tensor) -> Tensor:
    """Integers in the order of floats with NaN above all of them; both zeros are equal."""
    word = _BITS[x.dtype.itemsize]
    x = where(x != x, float("nan"), where(x == 0, 0.0, x))
    bits = _core.apply("bitcast", (_core.apply("stop_gradient", (x,)),), (word.code,))
    sign = 1 << (8 * word.itemsize - 1)
    return where(bits >= sign, bitwise_not(bits), bitwise_or(bits, sign))


def topk(
    x: TensorLike,
    k: int,
    axis: int = -1,
    *,
    dim: int | None = None,
    largest: bool = True,
    sorted: bool = True,
) -> tuple[Tensor, Tensor]:
    """The k largest elements along an axis in falling order, or the smallest in rising order, and their
    indices; of equal ones the first is taken first. NaN counts as the largest. They are in order whether
    ``sorted`` or not.

    >>> values, indices = pg.topk(pg.Tensor([3, 9, 5]), 2)
    >>> values.tolist(), indices.tolist()
    ([9, 5], [1, 2])
    >>> pg.topk(pg.Tensor([3, 9, 5]), 2, largest=False)[0].tolist()
    [3, 5]
    """
    from .indexing import take_along_axis

    x = as_tensor(x)
    at = axis_of(spelled(axis, -1, dim, "axis/dim", "topk"), x.ndim, "topk")
    if not 0 <= k <= x.shape[at]:
        raise InvalidValueError(f"topk: k = {k} of {x.shape[at]} elements along axis {at} of shape {x.shape}")
    key = _falling(x) if largest and x.dtype.kind == "f" else x
    order = _places(key, at, largest, k)
    return take_along_axis(x, order, at), order


def kthvalue(
    x: TensorLike, k: int, axis: int = -1, keepdims: bool = False, *, dim: int | None = None
) -> tuple[Tensor, Tensor]:
    """The k-th smallest element along an axis, counted from 1, and its index; NaN is the largest.

    >>> value, index = pg.kthvalue(pg.Tensor([3, 9, 5]), 2)
    >>> value.item(), index.item()
    (5, 2)
    """
    from .indexing import take_along_axis

    x = as_tensor(x)
    at = axis_of(spelled(axis, -1, dim, "axis/dim", "kthvalue"), x.ndim, "kthvalue")
    if not 1 <= k <= x.shape[at]:
        raise InvalidValueError(f"kthvalue: k = {k} of {x.shape[at]} elements along axis {at}")
    order = part(_places(x, at, False, k), at, k - 1, k)
    found = take_along_axis(x, order, at)
    kept = found.shape if keepdims else (*x.shape[:at], *x.shape[at + 1 :])
    return reshape_to(found, kept), reshape_to(order, kept)


def sort_complex(x: TensorLike) -> Tensor:
    """The elements along the last axis in order, as complex numbers: by the real part, then the imaginary.

    >>> pg.sort_complex(pg.Tensor([2 + 1j, 1 + 5j, 2 - 1j])).tolist()
    [(1+5j), (2-1j), (2+1j)]
    """
    x = as_tensor(x)
    if not x.dtype.is_complex:
        x = sort(x)
        wide = x.dtype.itemsize > 4 or x.dtype in (dt.int32, dt.uint32)  # as NumPy
        return cast(x, dt.complex128 if wide else dt.complex64)
    from .general import sort_together

    parts = [real(x), imag(x)]
    order = sort_together([*parts, iota(x.shape, x.ndim - 1, dt.int64, x.device.pair)], -1, 2)[2]
    from .indexing import take_along_axis

    return take_along_axis(x, order, -1)

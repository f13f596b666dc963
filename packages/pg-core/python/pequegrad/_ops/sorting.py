"""Sorting: stable, NaN last, as NumPy's."""

from __future__ import annotations

from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import InvalidValueError
from .common import TensorLike, as_tensor, axis_of, cast, reshape_to, spelled
from .shape import part


def _ordered(op: str, x: TensorLike, axis: int | None, dim: int | None, descending: bool) -> Tensor:
    x = as_tensor(x)
    axis = spelled(axis, -1, dim, "axis/dim", op)
    if axis is None:
        x, axis = reshape_to(x, (x.size,)), 0
    at = axis_of(axis, x.ndim, op)
    if x.dtype.is_bool:
        made = _core.apply(op, (cast(x, dt.uint8),), (at, int(descending)))
        return cast(made, dt.bool_) if op == "sort" else made
    return _core.apply(op, (x,), (at, int(descending)))


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
    return _ordered("sort", x, axis, dim, descending)


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
    return _ordered("argsort", x, axis, dim, descending)


def topk(x: TensorLike, k: int, axis: int = -1, *, dim: int | None = None) -> tuple[Tensor, Tensor]:
    """The k largest elements along an axis, in descending order, and their indices.

    >>> values, indices = pg.topk(pg.Tensor([3, 9, 5]), 2)
    >>> values.tolist(), indices.tolist()
    ([9, 5], [1, 2])
    """
    from .indexing import take_along_axis

    x = as_tensor(x)
    at = axis_of(spelled(axis, -1, dim, "axis/dim", "topk"), x.ndim, "topk")
    if not 0 <= k <= x.shape[at]:
        raise InvalidValueError(f"topk: k = {k} of {x.shape[at]} elements along axis {at} of shape {x.shape}")
    order = part(argsort(x, at, descending=True), at, 0, k)
    return take_along_axis(x, order, at), order

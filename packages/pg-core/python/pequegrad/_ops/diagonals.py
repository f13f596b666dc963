"""Triangles and diagonals of matrices."""

from __future__ import annotations

from .. import _core, dt
from .._core import Tensor
from ..errors import ShapeError
from .common import TensorLike, as_tensor, fill, iota, reshape_to
from .logic import where
from .shape import moveaxis, part


def tril(x: TensorLike, k: int = 0) -> Tensor:
    """The elements on and below diagonal k, zeros above.

    >>> pg.tril(pg.ones((2, 2))).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _triangle(as_tensor(x), k, True)


def triu(x: TensorLike, k: int = 0) -> Tensor:
    """The elements on and above diagonal k, zeros below.

    >>> pg.triu(pg.ones((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    return _triangle(as_tensor(x), k, False)


def _triangle(x: Tensor, k: int, lower: bool) -> Tensor:
    if x.ndim < 2:
        raise ShapeError(f"tril and triu need at least 2 axes, got shape {x.shape}")
    gap = iota(x.shape, x.ndim - 1, dt.int64, x.device.pair) - iota(
        x.shape, x.ndim - 2, dt.int64, x.device.pair
    )
    return where(gap <= k if lower else gap >= k, x, fill(0, x))


def diagonal(x: TensorLike, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor:
    """The diagonal of two axes (the last two); it becomes the last axis.

    >>> pg.diagonal(pg.Tensor([[1, 2], [3, 4]])).tolist()
    [1, 4]
    """
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: needs at least 2 axes, got shape {x.shape}")
    if (axis1, axis2) != (-2, -1):
        x = moveaxis(x, (axis1, axis2), (-2, -1))
    rows, columns = x.shape[-2:]
    length = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    flat = reshape_to(x, (*x.shape[:-2], rows * columns))
    first = offset if offset >= 0 else -offset * columns
    if length == 0:
        return part(flat, flat.ndim - 1, 0, 0)
    words = [w for d in flat.shape[:-1] for w in (0, d, 1)]
    return _core.apply(
        "slice", (flat,), (*words, first, first + (length - 1) * (columns + 1) + 1, columns + 1)
    )


def diag(x: TensorLike, k: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on diagonal k.

    >>> pg.diag(pg.Tensor([1, 2])).tolist()
    [[1, 0], [0, 2]]
    """
    x = as_tensor(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag: needs a vector or a matrix, got shape {x.shape}")
    n = x.size + abs(k)
    if x.size == 0:
        return _core.full(0, x.dtype.code, False, (n, n), x.device.pair)
    # Element i lies at flat place i * (n + 1) + first: an interior pad puts it there.
    first = k if k >= 0 else -k * n
    last = first + (x.size - 1) * (n + 1)
    zero = _core.full(0, x.dtype.code, False, (), x.device.pair)
    return reshape_to(_core.apply("pad", (x, zero), (first, n * n - last - 1, n)), (n, n))

"""Products of matrices and vectors in torch's and NumPy's further names, and matrices put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import ArgumentError, ShapeError
from .common import TensorLike, as_tensor, axis_of, cast, iota, reshape_to
from .complex import conj
from .linalg import matmul, outer
from .logic import where
from .reduce import sum as _sum
from .shape import broadcast_to, concatenate, expand_dims, moveaxis, pad, squeeze


def _ranks(what: str, *given: tuple[Tensor, int]) -> None:
    if any(x.ndim != rank for x, rank in given):
        raise ShapeError(
            f"{what}: needs ranks {', '.join(str(rank) for _, rank in given)}, got shapes "
            + ", ".join(str(x.shape) for x, _ in given)
        )


def mm(x: TensorLike, y: TensorLike) -> Tensor:
    """The product of two matrices.

    >>> pg.mm(pg.ones((2, 3)), pg.ones((3, 1))).tolist()
    [[3.0], [3.0]]
    """
    x, y = as_tensor(x), as_tensor(y)
    _ranks("mm", (x, 2), (y, 2))
    return matmul(x, y)


def mv(x: TensorLike, y: TensorLike) -> Tensor:
    """The product of a matrix and a vector.

    >>> pg.mv(pg.ones((2, 3)), pg.ones(3)).tolist()
    [3.0, 3.0]
    """
    x, y = as_tensor(x), as_tensor(y)
    _ranks("mv", (x, 2), (y, 1))
    return matmul(x, y)


def bmm(x: TensorLike, y: TensorLike) -> Tensor:
    """The products of two stacks of matrices.

    >>> pg.bmm(pg.ones((2, 1, 3)), pg.ones((2, 3, 1))).tolist()
    [[[3.0]], [[3.0]]]
    """
    x, y = as_tensor(x), as_tensor(y)
    _ranks("bmm", (x, 3), (y, 3))
    if x.shape[0] != y.shape[0]:
        raise ShapeError(f"bmm: stacks of shapes {x.shape} and {y.shape} differ in length")
    return matmul(x, y)


def _plus(c: TensorLike, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    if product.dtype.is_bool:
        raise dt.DTypeError("bools are not added; cast them with .astype('int64')")
    made = product if isinstance(alpha, int) and alpha == 1 else product * alpha
    if isinstance(beta, (int, float)) and beta == 0:  # what c holds does not matter then
        return made
    c = as_tensor(c)
    return (c if isinstance(beta, int) and beta == 1 else c * beta) + made


def addmm(c: TensorLike, x: TensorLike, y: TensorLike, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * c + alpha * (x @ y)`` of matrices.

    >>> pg.addmm(pg.ones(1), pg.ones((2, 3)), pg.ones((3, 1)), alpha=2).tolist()
    [[7.0], [7.0]]
    """
    return _plus(c, mm(x, y), beta, alpha)


def addmv(c: TensorLike, x: TensorLike, y: TensorLike, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * c + alpha * (x @ y)`` of a matrix and a vector.

    >>> pg.addmv(pg.ones(2), pg.ones((2, 3)), pg.ones(3)).tolist()
    [4.0, 4.0]
    """
    return _plus(c, mv(x, y), beta, alpha)


def addr(c: TensorLike, x: TensorLike, y: TensorLike, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * c + alpha * outer(x, y)``.

    >>> pg.addr(pg.ones((1, 2)), pg.Tensor([2.0]), pg.Tensor([3.0, 4.0])).tolist()
    [[7.0, 9.0]]
    """
    x, y = as_tensor(x), as_tensor(y)
    _ranks("addr", (x, 1), (y, 1))
    return _plus(c, outer(x, y), beta, alpha)


def baddbmm(c: TensorLike, x: TensorLike, y: TensorLike, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * c + alpha * (x @ y)`` of stacks of matrices.

    >>> pg.baddbmm(pg.ones(1), pg.ones((2, 1, 3)), pg.ones((2, 3, 1))).tolist()
    [[[4.0]], [[4.0]]]
    """
    return _plus(c, bmm(x, y), beta, alpha)


def addbmm(c: TensorLike, x: TensorLike, y: TensorLike, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """``beta * c + alpha * (x @ y).sum(0)`` of stacks of matrices.

    >>> pg.addbmm(pg.ones(1), pg.ones((2, 1, 3)), pg.ones((2, 3, 1))).tolist()
    [[7.0]]
    """
    made = bmm(x, y)
    return _plus(c, _sum(made, 0, dtype=made.dtype), beta, alpha)


def matvec(x: TensorLike, y: TensorLike) -> Tensor:
    """The products of matrices (..., m, n) and vectors (..., n).

    >>> pg.matvec(pg.ones((2, 3)), pg.ones((4, 3))).shape
    (4, 2)
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim < 2 or y.ndim < 1:
        raise ShapeError(f"matvec: needs (..., m, n) and (..., n), got shapes {x.shape} and {y.shape}")
    return squeeze(matmul(x, expand_dims(y, -1)), -1)


def vecmat(x: TensorLike, y: TensorLike) -> Tensor:
    """The products of vectors (..., m), conjugated, and matrices (..., m, n).

    >>> pg.vecmat(pg.ones((4, 2)), pg.ones((2, 3))).shape
    (4, 3)
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim < 1 or y.ndim < 2:
        raise ShapeError(f"vecmat: needs (..., m) and (..., m, n), got shapes {x.shape} and {y.shape}")
    return squeeze(matmul(expand_dims(conj(x), -2), y), -2)


def block_diag(*xs: TensorLike) -> Tensor:
    """Matrices (vectors count as rows) along the diagonal of a matrix of zeros.

    >>> pg.block_diag(pg.Tensor([[1, 2]]), 3).tolist()
    [[1, 2, 0], [0, 0, 3]]
    """
    blocks = [as_tensor(x) for x in xs] or [_core.full(0, dt.float32.code, False, (1, 0), (0, 0))]
    if any(b.ndim > 2 for b in blocks):
        raise ShapeError(f"block_diag: needs matrices, got shapes {', '.join(str(b.shape) for b in blocks)}")
    blocks = [reshape_to(b, (1,) * (2 - b.ndim) + b.shape) for b in blocks]
    width = sum(b.shape[1] for b in blocks)
    rows, left = [], 0
    for b in blocks:
        rows.append(pad(b, ((0, 0), (left, width - left - b.shape[1]))))
        left += b.shape[1]
    return concatenate(rows, 0)


def diag_embed(x: TensorLike, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, over two new axes, with the last axis of x on a diagonal and zeros elsewhere.

    >>> pg.diag_embed(pg.Tensor([1, 2])).tolist()
    [[1, 0], [0, 2]]
    """
    x = as_tensor(x)
    if x.ndim < 1:
        raise ShapeError("diag_embed: a tensor of rank 0 has no diagonal; reshape it to (1,)")
    n, shift = x.shape[-1], abs(offset)
    first = axis_of(dim1, x.ndim + 1, "diag_embed")
    second = axis_of(dim2, x.ndim + 1, "diag_embed")
    if first == second:
        raise ArgumentError(f"diag_embed: the diagonal needs two different axes, got {dim1} and {dim2}")
    size, place = n + shift, x.device.pair
    wide = pad(x, [(0, 0)] * (x.ndim - 1) + [(max(offset, 0), max(-offset, 0))])  # by column
    row, column = iota((size, size), 0, dt.int64, place), iota((size, size), 1, dt.int64, place)
    rows = broadcast_to(expand_dims(wide, -2), (*x.shape[:-1], size, size))
    made = where(column - row == offset, rows, cast(as_tensor(0), x.dtype))
    return moveaxis(made, (-2, -1), (first, second))


def cartesian_prod(*xs: TensorLike) -> Tensor:
    """All combinations of an element of each of the vectors, one per row; of one vector, itself.

    >>> pg.cartesian_prod(pg.Tensor([1, 2]), pg.Tensor([3, 4])).tolist()
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    from .creation import meshgrid
    from .shape import stack

    vectors: Sequence[Tensor] = [as_tensor(x) for x in xs]
    if not vectors or any(v.ndim != 1 for v in vectors):
        raise ShapeError(f"cartesian_prod: needs vectors, got shapes {[v.shape for v in vectors]}")
    if len(vectors) == 1:
        return vectors[0]
    grids = meshgrid(*vectors, indexing="ij")
    return stack([reshape_to(g, (g.size,)) for g in grids], 1)

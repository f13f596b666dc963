"""Products of tensors: all of them are ``dot_general`` with labels, so that no operand is copied into
shape.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .. import _core, dt
from .._core import Tensor
from ..errors import AxisError, ShapeError
from .common import TensorLike, as_tensor, axis_of, cast, reshape_to
from .complex import conj
from .diagonals import diagonal
from .logic import logical_and
from .reduce import sum as _sum
from .shape import broadcast_to


def _same_dtype(x: TensorLike, y: TensorLike, what: str) -> tuple[Tensor, Tensor, bool]:
    """Both operands in one dtype; bools are counted as int64 and the caller turns the result back."""
    x, y = as_tensor(x), as_tensor(y)
    code, _ = _core.promote(x, y)
    kind = dt.all_dtypes[code]
    if kind.is_bool:
        return cast(x, dt.int64), cast(y, dt.int64), True
    return cast(x, kind), cast(y, kind), False


def contract(x: Tensor, y: Tensor, a: Sequence[int], b: Sequence[int], c: Sequence[int]) -> Tensor:
    """The sum of products over the labels that c lacks; a label of one operand alone must be in c, and the
    other way round.
    """
    return _core.apply("dot_general", (x, y), (len(a), len(b), len(c), *a, *b, *c))


def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """The matrix product of the last two axes, the others broadcast; vectors count as a row on the left, a
    column on the right.

    >>> pg.matmul(pg.Tensor([[1, 2], [3, 4]]), pg.Tensor([1, 1])).tolist()
    [3, 7]
    """
    return _core.matmul(as_tensor(x), as_tensor(y))


def tensordot(x: TensorLike, y: TensorLike, axes: Any = 2) -> Tensor:
    """The sum of products over pairs of axes: so many last of x with first of y, or two lists of axes.

    >>> pg.tensordot(pg.ones((2, 3)), pg.ones((3, 2)), 1).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    x, y, boolean = _same_dtype(x, y, "tensordot")
    if isinstance(axes, (tuple, list)):
        left = [
            axis_of(a, x.ndim, "tensordot")
            for a in (axes[0] if isinstance(axes[0], (tuple, list)) else [axes[0]])
        ]
        right = [
            axis_of(a, y.ndim, "tensordot")
            for a in (axes[1] if isinstance(axes[1], (tuple, list)) else [axes[1]])
        ]
    else:
        if axes > min(x.ndim, y.ndim):
            raise AxisError(f"tensordot: {axes} axes asked of shapes {x.shape} and {y.shape}")
        left, right = list(range(x.ndim - axes, x.ndim)), list(range(axes))
    if len(left) != len(right):
        raise AxisError(
            f"tensordot: {len(left)} axes of the first for {len(right)} of the second; give equally many"
        )
    for i, j in zip(left, right, strict=True):
        if x.shape[i] != y.shape[j]:
            raise ShapeError(f"tensordot: axis {i} of {x.shape} and axis {j} of {y.shape} differ in length")
    a = list(range(x.ndim))
    b = [a[left[right.index(j)]] if j in right else x.ndim + j for j in range(y.ndim)]
    out = [i for i in a if i not in left] + [label for label in b if label >= x.ndim]
    made = contract(x, y, a, b, out)
    return made != 0 if boolean else made


def dot_general(
    x: TensorLike,
    y: TensorLike,
    contracting: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Tensor:
    """The sum of products over pairs of axes, ``contracting``, for every place of further pairs, ``batch``.

    The result has the batch axes, then the rest of x, then the rest of y: XLA's general product.

    >>> pg.dot_general(pg.ones((2, 3, 4)), pg.ones((4, 2, 5)), ((2,), (0,)), ((0,), (1,))).shape
    (2, 3, 5)
    """
    what = "dot_general"
    x, y, boolean = _same_dtype(x, y, what)
    over, over_y = (
        tuple(axis_of(a, t.ndim, what) for a in p) for p, t in zip(contracting, (x, y), strict=True)
    )
    lead, lead_y = (tuple(axis_of(a, t.ndim, what) for a in p) for p, t in zip(batch, (x, y), strict=True))
    left, right = lead + over, lead_y + over_y
    if len(lead) != len(lead_y) or len(over) != len(over_y):
        raise AxisError(f"{what}: contracting={contracting}, batch={batch} need as many axes of x as of y")
    if len(set(left)) != len(left) or len(set(right)) != len(right):
        raise AxisError(f"{what}: contracting={contracting} and batch={batch} name an axis twice")
    for i, j in zip(left, right, strict=True):
        if x.shape[i] != y.shape[j]:
            raise ShapeError(f"{what}: axis {i} of {x.shape} and axis {j} of {y.shape} differ in length")
    a = list(range(x.ndim))
    b = [left[right.index(j)] if j in right else x.ndim + j for j in range(y.ndim)]
    out = [*lead, *(i for i in a if i not in left), *(k for k in b if k >= x.ndim)]
    made = contract(x, y, a, b, out)
    return made != 0 if boolean else made


def _product(x: Tensor, y: Tensor) -> Tensor:
    """The elementwise product as matrix products have it: of bools, whether both hold."""
    return logical_and(x, y) if x.dtype.is_bool and y.dtype.is_bool else x * y


def dot(x: TensorLike, y: TensorLike) -> Tensor:
    """NumPy's dot: inner product of vectors, matrix product of matrices, else over the last axis of x and
    second last of y.

    >>> pg.dot(pg.Tensor([1, 2]), pg.Tensor([3, 4])).item()
    11
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.ndim == 0 or y.ndim == 0:
        return _product(x, y)
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, ([x.ndim - 1], [max(y.ndim - 2, 0)]))


def vdot(x: TensorLike, y: TensorLike) -> Tensor:
    """The inner product of all elements; of complex vectors the first is conjugated.

    >>> pg.vdot(pg.ones((2, 2)), pg.ones((2, 2))).item()
    4.0
    """
    x, y = as_tensor(x), as_tensor(y)
    return matmul(reshape_to(conj(x), (x.size,)), reshape_to(y, (y.size,)))


def inner(x: TensorLike, y: TensorLike) -> Tensor:
    """The sum of products over the last axes.

    >>> pg.inner(pg.Tensor([1, 2]), pg.Tensor([3, 4])).item()
    11
    """
    x, y = as_tensor(x), as_tensor(y)
    return x * y if x.ndim == 0 or y.ndim == 0 else tensordot(x, y, ([x.ndim - 1], [y.ndim - 1]))


def outer(x: TensorLike, y: TensorLike) -> Tensor:
    """All products of two vectors (flattened).

    >>> pg.outer(pg.Tensor([1, 2]), pg.Tensor([3, 4])).tolist()
    [[3, 4], [6, 8]]
    """
    x, y = as_tensor(x), as_tensor(y)
    return _product(reshape_to(x, (x.size, 1)), reshape_to(y, (1, y.size)))


def trace(x: TensorLike, offset: int = 0, axis1: int = -2, axis2: int = -1, dtype: Any = None) -> Tensor:
    """The sum of the diagonal of two axes (the last two).

    >>> pg.trace(pg.eye(3)).item()
    3.0
    """
    return _sum(diagonal(x, offset, axis1, axis2), axis=-1, dtype=dtype)


def matrix_power(x: TensorLike, n: int) -> Tensor:
    """A square matrix times itself, n >= 0 times.

    >>> pg.matrix_power(pg.Tensor([[1, 1], [0, 1]]), 3).tolist()
    [[1, 3], [0, 1]]
    """
    x, n = as_tensor(x), operator.index(n)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or n < 0:
        raise ShapeError(f"matrix_power: needs square matrices and n >= 0, got shape {x.shape} and n = {n}")
    from .creation import eye

    made = cast(broadcast_to(eye(x.shape[-1]), x.shape), x.dtype)
    square = x
    for bit in range(max(n.bit_length(), 1)):
        if n >> bit & 1:
            made = square if n & ((1 << bit) - 1) == 0 else made @ square
        if n >> (bit + 1):
            square = square @ square
    return made

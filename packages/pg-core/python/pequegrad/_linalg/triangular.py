"""Systems with triangular matrices."""

from __future__ import annotations

from typing import Any

from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, known
from .._ops.shape import expand_dims, squeeze
from ..errors import InvalidValueError, ShapeError
from .common import common, conj, matrix, solve_lower_or_upper, transposed


def triangular_solve(
    a: TensorLike,
    b: TensorLike,
    *,
    left_side: bool = True,
    lower: bool = False,
    transpose_a: bool = False,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    """x with ``op(a) @ x = b``, or with ``left_side=False`` ``x @ op(a) = b``, of triangular matrices a
    (..., n, n). Only the named triangle is read; a zero on the diagonal gives infinities.

    >>> pg.linalg.triangular_solve(pg.Tensor([[2.0, 1.0], [0.0, 4.0]]), pg.Tensor([[4.0], [8.0]])).tolist()
    [[1.0], [2.0]]
    """
    a, b = common((a, b), "triangular_solve")
    a, b = matrix(a, "triangular_solve", square=True), matrix(b, "triangular_solve")
    if b.shape[-2 if left_side else -1] != a.shape[-1]:
        raise ShapeError(
            f"linalg.triangular_solve: matrices {a.shape} do not fit right sides {b.shape}, which need "
            f"{a.shape[-1]} {'rows' if left_side else 'columns'}"
        )
    if conjugate_a:
        a = conj(a)
    if left_side:
        return solve_lower_or_upper(a, b, lower, transpose_a, unit_diagonal)
    return transposed(solve_lower_or_upper(a, transposed(b), lower, not transpose_a, unit_diagonal))


_TRANS: dict[Any, tuple[bool, bool]] = {
    0: (False, False), "N": (False, False), 1: (True, False), "T": (True, False), 2: (True, True),
    "C": (True, True),
}  # fmt: skip


def solve_triangular(
    a: TensorLike, b: TensorLike, *, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Tensor:
    """x with ``op(a) @ x = b`` under scipy's names; b is a vector (n,) or matrices (..., n, k). ``trans``:
    0 or "N" a, 1 or "T" its transpose, 2 or "C" its conjugate transpose.

    >>> a = pg.Tensor([[2.0, 0.0], [1.0, 4.0]])
    >>> pg.linalg.solve_triangular(a, pg.Tensor([4.0, 6.0]), lower=True).tolist()
    [2.0, 1.0]
    """
    if not known(trans, _TRANS):
        raise InvalidValueError(f"linalg.solve_triangular: trans is 0, 1, 2, 'N', 'T' or 'C', got {trans!r}")
    transpose, conjugate = _TRANS[trans]
    b = as_tensor(b)
    x = triangular_solve(
        a,
        expand_dims(b, -1) if b.ndim == 1 else b,
        lower=lower,
        transpose_a=transpose,
        conjugate_a=conjugate,
        unit_diagonal=unit_diagonal,
    )
    return squeeze(x, -1) if b.ndim == 1 else x


def cho_solve(c_and_lower: tuple[TensorLike, bool], b: TensorLike) -> Tensor:
    """x with ``a @ x = b``, given ``(c, lower)``: a Cholesky factor of a and whether it is the lower one.

    >>> factor = pg.linalg.cholesky(pg.Tensor([[4.0, 2.0], [2.0, 5.0]]))
    >>> pg.linalg.cho_solve((factor, True), pg.Tensor([8.0, 12.0])).tolist()
    [1.0, 2.0]
    """
    factor, lower = c_and_lower
    half = solve_triangular(factor, b, lower=lower, trans=0 if lower else 2)
    return solve_triangular(factor, half, lower=lower, trans=2 if lower else 0)

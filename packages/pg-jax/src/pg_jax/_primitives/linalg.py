"""Factorisations of matrices (..., m, n), and Fourier transforms.

What jax answers with NaN, such as the Cholesky factor of a matrix that is not positive definite, is a
``LinAlgError`` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pequegrad as pg
from pequegrad import Tensor

from ._common import ints


def cholesky(x: Tensor, **_: Any) -> Tensor:
    """The lower factor of positive definite matrices, of which the lower triangle is read."""
    low = pg.tril(x)
    strict = pg.tril(x, -1)
    return pg.linalg.cholesky(low + pg.conj(pg.matrix_transpose(strict)))


def triangular_solve(
    a: Tensor,
    b: Tensor,
    *,
    left_side: bool,
    lower: bool,
    transpose_a: bool,
    conjugate_a: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    """x with ``op(a) @ x = b``, or ``x @ op(a) = b``."""
    return pg.linalg.triangular_solve(
        a,
        b,
        left_side=bool(left_side),
        lower=bool(lower),
        transpose_a=bool(transpose_a),
        conjugate_a=bool(conjugate_a),
        unit_diagonal=bool(unit_diagonal),
    )


def lu(x: Tensor) -> list[Tensor]:
    """L and U in one matrix, the row that each step took, and the resulting order of the rows."""
    packed, pivots = pg.linalg.lu_factor(x)
    return [packed, pivots, _order(pivots, x.shape[-2])]


def lu_pivots_to_permutation(pivots: Tensor, *, permutation_size: int) -> Tensor:
    """The order of rows that exchanges, one after the other, lead to."""
    return _order(pivots, int(permutation_size))


def _order(pivots: Tensor, size: int) -> Tensor:
    rows = pg.broadcast_to(pg.arange(size, dtype="int32"), (*pivots.shape[:-1], size))
    places = pg.arange(size, dtype="int32")

    def exchange(rows: Tensor, step: tuple[Tensor, Tensor]) -> tuple[Tensor, None]:
        here, there = step
        there = there[..., None]
        mine = pg.sum(pg.where(places == here, rows, 0), -1, True, dtype="int32")
        theirs = pg.sum(pg.where(places == there, rows, 0), -1, True, dtype="int32")
        moved = pg.where(places == there, mine, rows)
        return pg.where(places == here, theirs, moved), None

    steps = pg.arange(pivots.shape[-1], dtype="int32")
    made: Tensor = pg.scan(exchange, rows, (steps, pg.moveaxis(pivots, -1, 0)))[0]
    return made


def _whole(subset: Any, what: str) -> None:
    if subset is not None:
        raise pg.UnsupportedError(f"{what}: subset_by_index={subset} is not supported")


def eigh(
    x: Tensor, *, lower: bool = True, sort_eigenvalues: bool = True, subset_by_index: Any = None, **_: Any
) -> list[Tensor]:
    """Eigenvectors and ascending eigenvalues of Hermitian matrices."""
    _whole(subset_by_index, "eigh")
    half = pg.tril if lower else pg.triu
    strict = half(x, -1 if lower else 1)
    values, vectors = pg.linalg.eigh(half(x) + pg.conj(pg.matrix_transpose(strict)))
    return [vectors, values]


def svd(
    x: Tensor, *, full_matrices: bool, compute_uv: bool, subset_by_index: Any = None, **_: Any
) -> list[Tensor]:
    """Singular values, and left and right singular vectors if asked for."""
    _whole(subset_by_index, "svd")
    if not compute_uv:
        return [pg.linalg.svdvals(x)]
    u, s, vh = pg.linalg.svd(x, full_matrices=bool(full_matrices))
    return [s, u, vh]


def qr(x: Tensor, *, full_matrices: bool, pivoting: bool = False, **_: Any) -> list[Tensor]:
    """Orthonormal columns and an upper triangle."""
    if pivoting:
        raise pg.UnsupportedError("qr: pivoting=True is not supported")
    return list(pg.linalg.qr(x, mode="complete" if full_matrices else "reduced"))


def eig(
    x: Tensor, *, compute_left_eigenvectors: bool, compute_right_eigenvectors: bool, **_: Any
) -> list[Tensor]:
    """Eigenvalues and right eigenvectors of any square matrices."""
    if compute_left_eigenvectors:
        raise pg.UnsupportedError("eig: left eigenvectors are not supported")
    if not compute_right_eigenvectors:
        return [pg.linalg.eigvals(x)]
    return list(pg.linalg.eig(x))


def tridiagonal_solve(low: Tensor, main: Tensor, high: Tensor, b: Tensor, **_: Any) -> Tensor:
    """x with ``a @ x = b`` for matrices given by three diagonals: elimination along the rows."""

    def down(state: Any, row: Any) -> Any:
        factor, value = state
        left, middle, right, rhs = row
        pivot = middle - left * factor
        factor, value = right / pivot, (rhs - left[..., None] * value) / pivot[..., None]
        return (factor, value), (factor, value)

    def up(after: Any, row: Any) -> Any:
        factor, value = row
        made = value - factor[..., None] * after
        return made, made

    rows = [pg.moveaxis(x, -1, 0) for x in (low, main, high)]
    rhs = pg.moveaxis(b, -2, 0)
    start = (pg.zeros_like(rows[0][0]), pg.zeros_like(rhs[0]))
    _, (factors, values) = pg.scan(down, start, (*rows, rhs))
    _, x = pg.scan(up, pg.zeros_like(rhs[0]), (factors, values), reverse=True)
    return pg.moveaxis(x, 0, -2)


def fft(x: Tensor, *, fft_type: Any, fft_lengths: Sequence[int]) -> Tensor:
    """Fourier transforms over the last axes: 0 forward, 1 inverse, 2 of real numbers, 3 to real numbers."""
    kind, lengths = int(fft_type), ints(fft_lengths)
    axes = list(range(x.ndim - len(lengths), x.ndim))
    transform = (pg.fft.fftn, pg.fft.ifftn, pg.fft.rfftn, pg.fft.irfftn)[kind]
    return transform(x, list(lengths), axes)


def householder_product(a: Tensor, taus: Tensor) -> Tensor:
    """The product of reflections, whose vectors lie below the diagonal of a: the Q of a QR factorisation."""
    m, n = a.shape[-2:]
    made = pg.broadcast_to(pg.eye(m, n, dtype=a.dtype), a.shape)
    rows = pg.arange(m)
    for i in reversed(range(taus.shape[-1])):
        v = pg.where(rows < i, 0, pg.where(rows == i, 1, a[..., i]))
        along = pg.matmul(pg.conj(v)[..., None, :], made)
        made = made - taus[..., i, None, None] * v[..., None] * along
    return made

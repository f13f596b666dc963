"""Factorisations: host calls, each with a forward derivative written in ops.

Derivatives follow M. Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), and for QR and SVD the same argument: differentiate the product and the constraints,
and separate triangles. Reverse mode is their transpose.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import dt
from .._core import Tensor
from .._ops.common import TensorLike, cast, iota, known
from .._ops.diagonals import tril, triu
from .._ops.indexing import take_along_axis
from .._ops.linalg import matmul
from .._ops.logic import where
from .._ops.reduce import argmax
from .._ops.reduce import sum as _sum
from .._ops.shape import broadcast_to, concatenate, pad, part
from ..custom import custom_jvp
from ..errors import DifferentiationError, InvalidValueError
from . import host
from .common import (
    adjoint,
    conj,
    diagonal_of,
    gaps,
    identity,
    is_complex,
    lower_half,
    matrix,
    real,
    same_batch,
    shape_like,
    solve_from_right,
    solve_lower_or_upper,
)


def real_type(x: Tensor) -> dt.DType:
    """The dtype of magnitudes."""
    kind = x.dtype
    return kind if kind.kind != "c" else dt.float32 if kind is dt.complex64 else dt.float64


def _complex_type(x: Tensor) -> dt.DType:
    return dt.as_dtype({"float32": "complex64", "float64": "complex128"}.get(x.dtype.name, x.dtype.name))


def hermitian_part(a: Tensor) -> Tensor:
    """(a + a^H) / 2, which is what functions of Hermitian matrices read."""
    return 0.5 * (a + adjoint(a))


# ---- Cholesky


@custom_jvp
def _cholesky(a: Tensor) -> Tensor:
    return host.call(host.cholesky, [(a.shape, a.dtype)], a)[0]


@_cholesky.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    factor, da = _cholesky(a), hermitian_part(da)
    # L^-1 dA L^-H, of which L^-1 dL is the lower half
    inner = adjoint(
        solve_lower_or_upper(factor, adjoint(solve_lower_or_upper(factor, da, lower=True)), lower=True)
    )
    return factor, matmul(factor, lower_half(inner))


def cholesky(x: TensorLike, /, *, upper: bool = False) -> Tensor:
    """The lower L with ``L L^H = x`` of positive definite matrices (..., n, n), or the upper U with
    ``U^H U = x``. The Hermitian part ``(x + x^H) / 2`` is factorised.

    Raises LinAlgError, when it is computed, for a matrix that is not positive definite.

    >>> pg.linalg.cholesky(pg.Tensor([[4.0, 2.0], [2.0, 5.0]])).tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    made = _cholesky(matrix(x, "cholesky", square=True))
    return adjoint(made) if upper else made


# ---- LU


def rows(x: Tensor, perm: Tensor) -> Tensor:
    """The rows of matrices in another order."""
    return take_along_axis(x, broadcast_to(perm[..., None], (*perm.shape, x.shape[-1])), -2)


def _split(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Square L (m, m) with ones on its diagonal and square U (n, n), filled up with unit rows and columns."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    none = [(0, 0)] * (packed.ndim - 2)
    low = pad(tril(part(packed, packed.ndim - 1, 0, k), -1), [*none, (0, 0), (0, m - k)])
    high = pad(triu(part(packed, packed.ndim - 2, 0, k)), [*none, (0, n - k), (0, 0)])
    if n > k:
        at = iota((n, n), 0, dt.int64, packed.device.pair)
        high = high + where((at >= k), identity(n, packed), 0.0)
    return low + identity(m, packed), high


def _lu_plain(strict: bool, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = a.shape[-2:]
    types = [(a.shape, a.dtype), (shape_like(a, min(m, n)), dt.int32), (shape_like(a, m), dt.int64)]
    packed, pivots, perm = host.call(host.lu_nonsingular if strict else host.lu, types, a)
    return packed, pivots, perm


lu_packed = custom_jvp(_lu_plain, (0,))


@lu_packed.defjvp
def _(strict: bool, primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    packed, pivots, perm = lu_packed(strict, a)
    low, high = _split(packed)
    # L^-1 P dA U^-1 = L^-1 dL + dU U^-1, one strictly lower and one upper
    inner = solve_lower_or_upper(low, rows(da, perm), lower=True, unit=True)
    inner = solve_from_right(high, inner, lower=False)
    change = matmul(low, tril(inner, -1)) + matmul(triu(inner), high)
    zero = (cast(pivots * 0, dt.int32), cast(perm * 0, dt.int64))
    return (packed, pivots, perm), (change, *zero)


def solve_by_factors(packed: Tensor, perm: Tensor, b: Tensor) -> Tensor:
    """x with ``a @ x = b``, given LU of a: linear in b, as rules of derivatives need it."""
    packed, b = same_batch(packed, b, "solve")
    lead = b.shape[:-2]
    if perm.shape[:-1] != lead:
        perm = broadcast_to(perm, (*lead, perm.shape[-1]))
    x = solve_lower_or_upper(packed, rows(b, perm), lower=True, unit=True)
    return solve_lower_or_upper(packed, x, lower=False)


class LU(NamedTuple):
    """A factorisation ``P A = L U``: both factors in one matrix, and the exchanges of rows, as in
    ``scipy.linalg.lu_factor``.

    >>> pg.linalg.lu_factor(pg.Tensor([[0.0, 1.0], [2.0, 0.0]])).pivots.tolist()
    [1, 1]
    """

    lu: Tensor
    pivots: Tensor


def lu_factor(x: TensorLike, /) -> LU:
    """L and U of matrices (..., m, n) in one matrix, and the row that each step took (int32).

    >>> pg.linalg.lu_factor(pg.Tensor([[1.0, 2.0], [2.0, 2.0]])).lu.tolist()
    [[2.0, 2.0], [0.5, 1.0]]
    """
    packed, pivots, _ = lu_packed(False, matrix(x, "lu_factor"))
    return LU(packed, pivots)


def lu(x: TensorLike, /) -> tuple[Tensor, Tensor, Tensor]:
    """P, L and U with ``x = P @ L @ U``: a permutation matrix, lower with ones on the diagonal, upper.

    >>> p, l, u = pg.linalg.lu(pg.Tensor([[1.0, 2.0], [2.0, 2.0]]))
    >>> (p @ l @ u).tolist()
    [[1.0, 2.0], [2.0, 2.0]]
    """
    x = matrix(x, "lu")
    packed, _, perm = lu_packed(False, x)
    m, n = x.shape[-2:]
    low, high = _split(packed)
    places = iota((*perm.shape, m), perm.ndim, dt.int64, x.device.pair)
    exchanged = cast(places == perm[..., None], x.dtype)  # row i of P^T has its one at perm[i]
    k = min(m, n)
    return (
        exchanged.mT,
        part(low, low.ndim - 1, 0, k),
        part(high, high.ndim - 2, 0, k),
    )


# ---- QR


@custom_jvp
def _qr(a: Tensor) -> tuple[Tensor, Tensor]:
    m, n = a.shape[-2:]
    k = min(m, n)
    q, r = host.call(host.qr_reduced, [(shape_like(a, m, k), a.dtype), (shape_like(a, k, n), a.dtype)], a)
    return q, r


@_qr.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents  # no wider than tall
    q, r = _qr(a)
    right = solve_from_right(r, da, lower=False)  # dA R^-1 = dQ + Q dR R^-1
    inner = matmul(adjoint(q), right)
    below = tril(inner, -1)
    turn = below - adjoint(below)  # Q^H dQ is skew
    if is_complex(a):
        unit = identity(inner.shape[-1], inner)
        turn = turn + unit * (inner - cast(real(inner), inner.dtype))
    return (q, r), (matmul(q, turn - inner) + right, matmul(inner - turn, r))


@custom_jvp
def _qr_complete(a: Tensor) -> tuple[Tensor, Tensor]:
    m = a.shape[-2]
    q, r = host.call(host.qr_complete, [(shape_like(a, m, m), a.dtype), (a.shape, a.dtype)], a)
    return q, r


@_qr_complete.defjvp
def _(primals: Any, tangents: Any) -> Any:
    raise DifferentiationError(
        "qr: mode='complete' of a tall matrix has no derivative, because its last columns are arbitrary; use "
        "mode='reduced'"
    )


class QR(NamedTuple):
    """``x = Q @ R``.

    >>> pg.linalg.qr(pg.eye(2)).R.shape
    (2, 2)
    """

    Q: Tensor
    R: Tensor


def qr(x: TensorLike, /, *, mode: str = "reduced") -> Any:
    """Q with orthonormal columns and upper R with ``x = Q @ R``, of matrices (..., m, n).

    ``mode``: ``"reduced"`` (k = min(m, n) columns), ``"complete"`` (square Q), ``"r"`` (R alone).

    >>> q, r = pg.linalg.qr(pg.Tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> abs(r.numpy()).round(4).tolist()
    [[5.0, 2.200000047683716], [0.0, 0.4000000059604645]]
    """
    x = matrix(x, "qr")
    m, n = x.shape[-2:]
    if not known(mode, ("reduced", "complete", "r")):
        raise InvalidValueError(f"linalg.qr: mode is 'reduced', 'complete' or 'r', got {mode!r}")
    if mode == "complete" and m > n:
        return QR(*_qr_complete(x))
    if m >= n:
        q, r = _qr(x)
    else:  # the left square decides about Q; the other columns follow
        q, r = _qr(part(x, x.ndim - 1, 0, m))
        r = concatenate([r, matmul(adjoint(q), part(x, x.ndim - 1, m, n))], axis=-1)
    return r if mode == "r" else QR(q, r)


# ---- singular values


@custom_jvp
def _svd(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = a.shape[-2:]
    k = min(m, n)
    types = [
        (shape_like(a, m, k), a.dtype),
        (shape_like(a, k), real_type(a)),
        (shape_like(a, k, n), a.dtype),
    ]
    u, s, vh = host.call(host.svd_reduced, types, a)
    return u, s, vh


@_svd.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    u, s, vh = _svd(a)
    m, n = a.shape[-2:]
    v = adjoint(vh)
    inner = matmul(matmul(adjoint(u), da), v)
    ds = real(diagonal_of(inner))
    row, column = cast(s[..., None, :], a.dtype), cast(s[..., :, None], a.dtype)
    apart = cast(gaps(s * s), a.dtype)
    left, right = inner * row, inner * column
    du = matmul(u, apart * (left + adjoint(left)))
    dv = matmul(v, apart * (right + adjoint(right)))
    zero = s == 0
    inverse = cast(where(zero, 0.0, 1.0 / where(zero, 1.0, s)), a.dtype)[..., None, :]
    if is_complex(a):  # the phase of a pair of vectors, given to u alone
        unit = identity(inner.shape[-1], inner)
        du = du + matmul(u, unit * (0.5 * (inner - adjoint(inner))) * inverse)
    if m > n:
        over = matmul(da, v)
        du = du + (over - matmul(u, matmul(adjoint(u), over))) * inverse
    if n > m:
        over = matmul(adjoint(da), u)
        dv = dv + (over - matmul(v, matmul(vh, over))) * inverse
    return (u, s, vh), (du, ds, adjoint(dv))


@custom_jvp
def _svd_full(a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = a.shape[-2:]
    types = [
        (shape_like(a, m, m), a.dtype),
        (shape_like(a, min(m, n)), real_type(a)),
        (shape_like(a, n, n), a.dtype),
    ]
    u, s, vh = host.call(host.svd_full, types, a)
    return u, s, vh


@_svd_full.defjvp
def _(primals: Any, tangents: Any) -> Any:
    raise DifferentiationError(
        "svd: full_matrices=True of a matrix that is not square has no derivative, because its last vectors "
        "are arbitrary; use full_matrices=False"
    )


@custom_jvp
def _svdvals(a: Tensor) -> Tensor:
    k = min(a.shape[-2:])
    return host.call(host.svdvals, [(shape_like(a, k), real_type(a))], a)[0]


@_svdvals.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    u, s, vh = _svd(a)
    return s, real(_sum(conj(u) * matmul(da, adjoint(vh)), -2))


class SVD(NamedTuple):
    """``x = U @ diag(S) @ Vh``.

    >>> pg.linalg.svd(pg.eye(2)).S.tolist()
    [1.0, 1.0]
    """

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(x: TensorLike, /, *, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values, descending, and orthonormal vectors with ``x = U @ diag(S) @ Vh``, of matrices
    (..., m, n). With ``full_matrices`` U and Vh are square; with ``compute_uv=False`` only S is returned.

    Derivatives of the vectors leave out pairs of equal singular values, whose vectors are arbitrary.

    >>> pg.linalg.svd(pg.Tensor([[3.0, 0.0], [0.0, -2.0]])).S.tolist()
    [3.0, 2.0]
    """
    x = matrix(x, "svd")
    if not compute_uv:
        return _svdvals(x)
    square = x.shape[-1] == x.shape[-2]
    return SVD(*(_svd(x) if square or not full_matrices else _svd_full(x)))


def svdvals(x: TensorLike, /) -> Tensor:
    """Singular values of matrices (..., m, n), descending.

    >>> pg.linalg.svdvals(pg.Tensor([[3.0, 0.0], [0.0, -2.0]])).tolist()
    [3.0, 2.0]
    """
    return _svdvals(matrix(x, "svdvals"))


# ---- eigenvalues


@custom_jvp
def _eigh(a: Tensor) -> tuple[Tensor, Tensor]:
    w, v = host.call(host.eigh, [(a.shape[:-1], real_type(a)), (a.shape, a.dtype)], a)
    return w, v


@_eigh.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    w, v = _eigh(a)
    inner = matmul(matmul(adjoint(v), hermitian_part(da)), v)
    return (w, v), (real(diagonal_of(inner)), matmul(v, cast(gaps(w), a.dtype) * inner))


@custom_jvp
def _eigvalsh(a: Tensor) -> Tensor:
    return host.call(host.eigvalsh, [(a.shape[:-1], real_type(a))], a)[0]


@_eigvalsh.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    w, v = _eigh(a)
    return w, real(_sum(conj(v) * matmul(hermitian_part(da), v), -2))


def _in_basis(v: Tensor, change: Tensor) -> Tensor:
    """v^-1 change v."""
    packed, _, perm = lu_packed(True, v)
    return solve_by_factors(packed, perm, matmul(cast(change, v.dtype), v))


@custom_jvp
def _eig(a: Tensor) -> tuple[Tensor, Tensor]:
    kind = _complex_type(a)
    w, v = host.call(host.eig, [(a.shape[:-1], kind), (a.shape, kind)], a)
    return w, v


@_eig.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    w, v = _eig(a)
    inner = _in_basis(v, da)
    free = matmul(v, gaps(w) * inner)
    # LAPACK scales every vector to length 1 with a real largest component, which both hold along the change.
    length = cast(real(_sum(conj(v) * free, -2)), v.dtype)
    dv = free - v * length[..., None, :]
    top = argmax(real(conj(v) * v), -2)[..., None, :]
    pivot, change = take_along_axis(v, top, -2), take_along_axis(dv, top, -2)
    ratio = change * conj(pivot) / (pivot * conj(pivot))
    dv = dv - v * (ratio - cast(real(ratio), v.dtype))
    return (w, v), (diagonal_of(inner), dv)


@custom_jvp
def _eigvals(a: Tensor) -> Tensor:
    return host.call(host.eigvals, [(a.shape[:-1], _complex_type(a))], a)[0]


@_eigvals.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    w, v = _eig(a)
    return w, diagonal_of(_in_basis(v, da))


class Eigen(NamedTuple):
    """Eigenvalues and, as columns, eigenvectors.

    >>> pg.linalg.eigh(pg.eye(2)).eigenvalues.tolist()
    [1.0, 1.0]
    """

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(x: TensorLike, /) -> Eigen:
    """Eigenvalues (real, ascending) and orthonormal eigenvectors of Hermitian matrices (..., n, n); the
    Hermitian part ``(x + x^H) / 2`` is used.

    Derivatives of the vectors leave out pairs of equal eigenvalues, whose vectors are arbitrary.

    >>> pg.linalg.eigh(pg.Tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
    [1.0, 2.0]
    """
    return Eigen(*_eigh(matrix(x, "eigh", square=True)))


def eigvalsh(x: TensorLike, /) -> Tensor:
    """Eigenvalues of Hermitian matrices (..., n, n), ascending.

    >>> pg.linalg.eigvalsh(pg.Tensor([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]
    """
    return _eigvalsh(matrix(x, "eigvalsh", square=True))


def eig(x: TensorLike, /) -> Eigen:
    """Complex eigenvalues and eigenvectors of length 1 of matrices (..., n, n), in LAPACK's order.

    The derivative needs distinct eigenvalues.

    >>> pg.linalg.eig(pg.Tensor([[0.0, -1.0], [1.0, 0.0]])).eigenvalues.numpy().round(4).tolist()
    [1j, -1j]
    """
    return Eigen(*_eig(matrix(x, "eig", square=True)))


def eigvals(x: TensorLike, /) -> Tensor:
    """Complex eigenvalues of matrices (..., n, n), in LAPACK's order.

    >>> pg.linalg.eigvals(pg.Tensor([[2.0, 1.0], [0.0, 1.0]])).tolist()
    [(2+0j), (1+0j)]
    """
    return _eigvals(matrix(x, "eigvals", square=True))

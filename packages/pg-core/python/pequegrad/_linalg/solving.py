"""Linear systems, inverses, determinants, least squares."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, cast, reshape_to
from .._ops.linalg import matmul
from .._ops.logic import where
from .._ops.reduce import max as _max
from .._ops.reduce import sum as _sum
from .._ops.shape import expand_dims, squeeze
from ..custom import custom_jvp
from ..errors import InvalidValueError, ShapeError
from . import host
from .common import (
    adjoint,
    common,
    conj,
    identity,
    is_complex,
    matrix,
    real,
    same_batch,
    trace_of,
    transposed,
)
from .factorizations import _svd, lu_packed, real_type, solve_by_factors, svdvals

# ---- general systems


def lu_solve(lu_and_pivots: tuple[TensorLike, TensorLike], b: TensorLike) -> Tensor:
    """x with ``a @ x = b``, given what ``lu_factor(a)`` returned.

    >>> factors = pg.linalg.lu_factor(pg.Tensor([[0.0, 2.0], [4.0, 0.0]]))
    >>> pg.linalg.lu_solve(factors, pg.Tensor([2.0, 4.0])).tolist()
    [1.0, 1.0]
    """
    packed, pivots = lu_and_pivots
    packed, b = common((packed, b), "lu_solve")
    packed, pivots = matrix(packed, "lu_solve", square=True), as_tensor(pivots)
    vector = b.ndim == 1
    b = expand_dims(b, -1) if vector else b
    if b.shape[-2] != packed.shape[-1]:
        raise ShapeError(f"linalg.lu_solve: matrices {packed.shape} do not fit right sides {b.shape}")
    x = solve_by_factors(packed, host.call(host.permutation, [(pivots.shape, dt.int64)], pivots)[0], b)
    return squeeze(x, -1) if vector else x


@custom_jvp
def _solve(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[:-2] == b.shape[:-2]:
        return host.call(host.solve, [(b.shape, b.dtype)], a, b)[0]
    packed, _, perm = lu_packed(True, a)  # once for the right sides of many
    return solve_by_factors(packed, perm, b)


@_solve.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a, b), (da, db) = primals, tangents
    x = _solve(a, b)
    packed, _, perm = lu_packed(True, a)
    return x, solve_by_factors(packed, perm, db - matmul(da, x))


def solve(a: TensorLike, b: TensorLike, /) -> Tensor:
    """x with ``a @ x = b`` for matrices a (..., n, n) and b a vector (n,) or matrices (..., n, k).

    Raises LinAlgError, when it is computed, for a singular matrix.

    >>> pg.linalg.solve(pg.Tensor([[2.0, 0.0], [0.0, 4.0]]), pg.Tensor([2.0, 8.0])).tolist()
    [1.0, 2.0]
    """
    a, b = common((a, b), "solve")
    a = matrix(a, "solve", square=True)
    vector = b.ndim == 1
    if b.ndim == 0:
        raise ShapeError("linalg.solve: the right side is a number; give a vector or matrices")
    b = expand_dims(b, -1) if vector else b
    if b.shape[-2] != a.shape[-1]:
        raise ShapeError(
            f"linalg.solve: matrices {a.shape} do not fit right sides {b.shape}, which need "
            f"{a.shape[-1]} rows"
        )
    same_batch(a, b, "solve")
    x = _solve(a, b)
    return squeeze(x, -1) if vector else x


@custom_jvp
def _inv(a: Tensor) -> Tensor:
    return host.call(host.inv, [(a.shape, a.dtype)], a)[0]


@_inv.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    made = _inv(a)
    return made, -matmul(matmul(made, da), made)


def inv(x: TensorLike, /) -> Tensor:
    """The inverses of matrices (..., n, n). Raises LinAlgError, when it is computed, for a singular one.

    >>> pg.linalg.inv(pg.Tensor([[2.0, 1.0], [1.0, 1.0]])).tolist()
    [[1.0, -1.0], [-1.0, 2.0]]
    """
    return _inv(matrix(x, "inv", square=True))


# ---- determinants


@custom_jvp
def _adjugate(a: Tensor) -> Tensor:
    return host.call(host.adjugate, [(a.shape, a.dtype)], a)[0]


@_adjugate.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    made = _adjugate(a)
    packed, _, perm = lu_packed(True, a)  # of singular matrices only the first derivative of det is known
    step = solve_by_factors(packed, perm, da)
    return made, trace_of(step)[..., None, None] * made - matmul(step, made)


@custom_jvp
def _det(a: Tensor) -> Tensor:
    return host.call(host.det, [(a.shape[:-2], a.dtype)], a)[0]


@_det.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    return _det(a), _sum(transposed(_adjugate(a)) * da, (-2, -1))


def det(x: TensorLike, /) -> Tensor:
    """The determinants of matrices (..., n, n). The gradient is right for singular matrices too.

    >>> pg.linalg.det(pg.Tensor([[0.0, 2.0], [3.0, 0.0]])).item()
    -6.0
    """
    return _det(matrix(x, "det", square=True))


class SlogDet(NamedTuple):
    """A determinant as ``sign * exp(logabsdet)``.

    >>> pg.linalg.slogdet(pg.eye(3)).sign.item()
    1.0
    """

    sign: Tensor
    logabsdet: Tensor


@custom_jvp
def _slogdet(a: Tensor) -> tuple[Tensor, Tensor]:
    sign, size = host.call(host.slogdet, [(a.shape[:-2], a.dtype), (a.shape[:-2], real_type(a))], a)
    return sign, size


@_slogdet.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    sign, size = _slogdet(a)
    packed, _, perm = lu_packed(False, a)
    rate = trace_of(solve_by_factors(packed, perm, da))
    turn = sign * (rate - cast(real(rate), rate.dtype)) if is_complex(a) else sign * 0
    return (sign, size), (turn, real(rate))


def slogdet(x: TensorLike, /) -> SlogDet:
    """Sign and logarithm of the magnitude of the determinants of matrices (..., n, n): no overflow. A
    singular matrix has sign 0 and logarithm -inf.

    >>> pg.linalg.slogdet(pg.Tensor([[0.0, 1.0], [1.0, 0.0]])).sign.item()
    -1.0
    """
    return SlogDet(*_slogdet(matrix(x, "slogdet", square=True)))


# ---- rank-deficient systems


def _relative_cutoff(x: Tensor, tol: Any) -> Tensor:
    """What counts as zero among singular values, over the largest; with an axis for them."""
    eps = {"float32": 2.0**-23, "float64": 2.0**-52}[real_type(x).name]
    factor = cast(as_tensor(max(x.shape[-2:]) * eps if tol is None else tol), real_type(x))
    return factor[..., None] if factor.ndim else factor


def _kept(s: Tensor, factor: Tensor) -> Tensor:
    """Which singular values do not count as zero."""
    return s > factor * _max(s, -1, keepdims=True) if s.shape[-1] else s > 0


def _inverse_values(s: Tensor, factor: Tensor, kind: dt.DType) -> Tensor:
    kept = _kept(s, factor)
    return cast(where(kept, 1.0 / where(kept, s, 1.0), 0.0), kind)


@custom_jvp
def _pinv(a: Tensor, factor: Tensor) -> Tensor:
    u, s, vh = _svd(a)
    return matmul(adjoint(vh) * _inverse_values(s, factor, a.dtype)[..., None, :], adjoint(u))


def _change_of_pinv(a: Tensor, p: Tensor, da: Tensor) -> Tensor:
    # G. Golub and V. Pereyra (1973): three terms, the last two of what lies outside the ranges.
    ph, dh = adjoint(p), adjoint(da)
    m, n = a.shape[-2:]
    left = matmul(matmul(p, ph), matmul(dh, identity(m, a) - matmul(a, p)))
    right = matmul(matmul(identity(n, a) - matmul(p, a), dh), matmul(ph, p))
    return left + right - matmul(p, matmul(da, p))


@_pinv.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a, factor), (da, _) = primals, tangents
    p = _pinv(a, factor)
    return p, _change_of_pinv(a, p, da)


def pinv(x: TensorLike, /, *, rtol: Any = None) -> Tensor:
    """The pseudo-inverses of matrices (..., m, n). Singular values up to ``rtol`` times the largest count as
    zero; by default ``max(m, n) * eps``. The derivative holds while the rank stays.

    >>> pg.linalg.pinv(pg.Tensor([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.0]]
    """
    x = matrix(x, "pinv")
    if 0 in x.shape[-2:]:
        return transposed(x)
    return _pinv(x, _relative_cutoff(x, rtol))


def matrix_rank(x: TensorLike, /, *, rtol: Any = None) -> Tensor:
    """How many singular values of matrices (..., m, n) exceed ``rtol`` times the largest; by default
    ``max(m, n) * eps``.

    >>> pg.linalg.matrix_rank(pg.Tensor([[1.0, 1.0], [1.0, 1.0]])).item()
    1
    """
    x = matrix(x, "matrix_rank")
    return _sum(cast(_kept(svdvals(x).detach(), _relative_cutoff(x, rtol)), dt.int64), -1)


class LeastSquares(NamedTuple):
    """What ``lstsq`` returns; NumPy's order.

    >>> pg.linalg.lstsq(pg.eye(2), pg.ones(2)).rank.item()
    2
    """

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


@custom_jvp
def _least_squares(a: Tensor, b: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    u, s, vh = _svd(a)
    x = matmul(adjoint(u), b) * _inverse_values(s, factor, a.dtype)[..., :, None]
    return matmul(adjoint(vh), x), s


@_least_squares.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a, b, factor), (da, db, _) = primals, tangents
    p = _pinv(a, factor)
    u, _, vh = _svd(a)
    ds = real(_sum(conj(u) * matmul(da, adjoint(vh)), -2))
    return _least_squares(a, b, factor), (matmul(_change_of_pinv(a, p, da), b) + matmul(p, db), ds)


def lstsq(a: TensorLike, b: TensorLike, /, *, rcond: Any = None) -> LeastSquares:
    """The x of least norm with the least ``|a @ x - b|``, for matrices a (..., m, n) and b a vector (m,) or
    matrices (..., m, k); the squares of what is left over, the rank, and the singular values.

    Unlike NumPy's the residuals are always there, also where the rank is deficient.

    >>> pg.linalg.lstsq(pg.Tensor([[1.0], [1.0]]), pg.Tensor([1.0, 3.0])).solution.numpy().round(4).tolist()
    [2.0]
    """
    a, b = common((a, b), "lstsq")
    a = matrix(a, "lstsq")
    vector = b.ndim == 1
    if b.ndim == 0 or (b.shape[0] if vector else b.shape[-2]) != a.shape[-2]:
        raise ShapeError(
            f"linalg.lstsq: matrices {a.shape} do not fit right sides {b.shape}, which need "
            f"{a.shape[-2]} rows"
        )
    b = expand_dims(b, -1) if vector else b
    x, s = _least_squares(a, b, _relative_cutoff(a, rcond))
    left = matmul(a, x) - b
    residuals = _sum(real(conj(left) * left), -2)
    if vector:
        x, residuals = squeeze(x, -1), squeeze(residuals, -1)
    rank = _sum(cast(_kept(s.detach(), _relative_cutoff(a, rcond)), dt.int64), -1)
    return LeastSquares(x, residuals, rank, s)


# ---- tensors as matrices


def tensorinv(a: TensorLike, ind: int = 2) -> Tensor:
    """The inverse of a tensor as a map from its last axes to its first ``ind`` ones.

    >>> pg.linalg.tensorinv(pg.eye(4).reshape(2, 2, 4), 2).shape
    (4, 2, 2)
    """
    a = as_tensor(a)
    if not isinstance(ind, int) or not 0 < ind <= a.ndim:
        raise InvalidValueError(f"linalg.tensorinv: ind is between 1 and the rank {a.ndim}, got {ind!r}")
    n = math.prod(a.shape[:ind])
    if math.prod(a.shape[ind:]) != n:
        raise ShapeError(
            f"linalg.tensorinv: {a.shape[:ind]} and {a.shape[ind:]} have different numbers of elements"
        )
    return reshape_to(inv(reshape_to(a, (n, n))), (*a.shape[ind:], *a.shape[:ind]))


def tensorsolve(a: TensorLike, b: TensorLike) -> Tensor:
    """x with ``tensordot(a, x, x.ndim) = b``.

    >>> pg.linalg.tensorsolve(pg.eye(4).reshape(2, 2, 4), pg.ones((2, 2))).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    a, b = common((a, b), "tensorsolve")
    n, tail = b.size, a.shape[b.ndim :]
    if a.shape[: b.ndim] != b.shape or math.prod(tail) != n:
        raise ShapeError(f"linalg.tensorsolve: shapes {a.shape} and {b.shape} make no square system")
    return reshape_to(solve(reshape_to(a, (n, n)), reshape_to(b, (n,))), tail)

"""Linear systems, inverses, determinants, least squares."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, cast, reshape_to
from .._ops.elementwise import abs as _abs
from .._ops.elementwise import sign as _sign
from .._ops.linalg import matmul
from .._ops.logic import where
from .._ops.maths import log
from .._ops.reduce import max as _max
from .._ops.reduce import prod as _prod
from .._ops.reduce import sum as _sum
from .._ops.shape import expand_dims, squeeze
from ..custom import ShapeDtype, custom_jvp, host_call
from ..errors import InvalidValueError, ShapeError
from . import host
from .common import (
    adjoint,
    common,
    conj,
    diagonal_of,
    identity,
    is_complex,
    matrix,
    real,
    same_batch,
    trace_of,
    transposed,
)
from .factorizations import _svd, lu_packed, solve_by_factors, svdvals

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
    types = ShapeDtype(pivots.shape, dt.int64)
    x = solve_by_factors(packed, host_call(host.permutation, types, pivots, vectorized=True), b)
    return squeeze(x, -1) if vector else x


@custom_jvp
def _solve(a: Tensor, packed: Tensor, perm: Tensor, b: Tensor) -> Tensor:
    return solve_by_factors(packed, perm, b)


@_solve.defjvp
def _(primals: Any, tangents: Any) -> Any:
    a, packed, perm, b = primals
    da, _, _, db = tangents  # the factors are those of a, so their change is that of a
    x = _solve(a, packed, perm, b)
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
    packed, _, perm = lu_packed(True, a)
    x = _solve(a, packed, perm, b)
    return squeeze(x, -1) if vector else x


def inv(x: TensorLike, /) -> Tensor:
    """The inverses of matrices (..., n, n). Raises LinAlgError, when it is computed, for a singular one.

    >>> pg.linalg.inv(pg.Tensor([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]
    """
    x = matrix(x, "inv", square=True)
    return solve(x, identity(x.shape[-1], x))


# ---- determinants


@custom_jvp
def _adjugate(a: Tensor) -> Tensor:
    return host_call(host.adjugate, ShapeDtype(a.shape, a.dtype), a, vectorized=True)


@_adjugate.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a,), (da,) = primals, tangents
    made = _adjugate(a)
    packed, _, perm = lu_packed(True, a)  # of singular matrices only the first derivative of det is known
    step = solve_by_factors(packed, perm, da)
    return made, trace_of(step)[..., None, None] * made - matmul(step, made)


def _signature(packed: Tensor, pivots: Tensor) -> Tensor:
    """The sign of the permutation: -1 for an odd number of exchanges."""
    from .._ops.common import iota

    steps = iota(pivots.shape, pivots.ndim - 1, dt.int64, pivots.device.pair)
    odd = _sum(cast(pivots != steps, dt.int64), -1) % 2
    return cast(1 - 2 * odd, packed.dtype)


@custom_jvp
def _det(a: Tensor) -> Tensor:
    packed, pivots, _ = lu_packed(False, a)
    return _signature(packed, pivots) * _prod(diagonal_of(packed), -1)


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
    packed, pivots, _ = lu_packed(False, a)
    main = diagonal_of(packed)
    return _signature(packed, pivots) * _prod(_sign(main), -1), _sum(log(_abs(main)), -1)


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


def _cutoff(s: Tensor, x: Tensor, tol: Any) -> Tensor:
    """What counts as zero among singular values."""
    from .. import _core

    kind = s.dtype.name
    eps = {"float32": 2.0**-23, "float64": 2.0**-52}[kind]
    factor = max(x.shape[-2:]) * eps if tol is None else tol
    scale = _max(s, -1, keepdims=True) if s.shape[-1] else _core.full(0, s.dtype.code, False, (1,), (0, 0))
    factor = as_tensor(factor)
    return scale * cast(factor[..., None] if factor.ndim else factor, s.dtype)


def _pinv_plain(a: Tensor, cut: Tensor) -> Tensor:
    u, s, vh = _svd(a)
    kept = s > cut
    inverse = cast(where(kept, 1.0 / where(kept, s, 1.0), 0.0), a.dtype)
    return matmul(adjoint(vh) * inverse[..., None, :], adjoint(u))


_pinv = custom_jvp(_pinv_plain)


@_pinv.defjvp
def _(primals: Any, tangents: Any) -> Any:
    # G. Golub and V. Pereyra (1973): three terms, the last two of what lies outside the ranges.
    (a, cut), (da, _) = primals, tangents
    p = _pinv(a, cut)
    ph, dh = adjoint(p), adjoint(da)
    m, n = a.shape[-2:]
    left = matmul(matmul(p, ph), matmul(dh, identity(m, a) - matmul(a, p)))
    right = matmul(matmul(identity(n, a) - matmul(p, a), dh), matmul(ph, p))
    return p, left + right - matmul(p, matmul(da, p))


def pinv(x: TensorLike, /, *, rtol: Any = None) -> Tensor:
    """The pseudo-inverses of matrices (..., m, n). Singular values up to ``rtol`` times the largest count as
    zero; by default ``max(m, n) * eps``. The derivative holds while the rank stays.

    >>> pg.linalg.pinv(pg.Tensor([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.0]]
    """
    x = matrix(x, "pinv")
    if 0 in x.shape[-2:]:
        return transposed(x)
    s = svdvals(x).detach()
    return _pinv(x, _cutoff(s, x, rtol))


def matrix_rank(x: TensorLike, /, *, rtol: Any = None) -> Tensor:
    """How many singular values of matrices (..., m, n) exceed ``rtol`` times the largest; by default
    ``max(m, n) * eps``.

    >>> pg.linalg.matrix_rank(pg.Tensor([[1.0, 1.0], [1.0, 1.0]])).item()
    1
    """
    x = matrix(x, "matrix_rank")
    s = svdvals(x).detach()
    return _sum(cast(s > _cutoff(s, x, rtol), dt.int64), -1)


class LeastSquares(NamedTuple):
    """What ``lstsq`` returns; NumPy's order.

    >>> pg.linalg.lstsq(pg.eye(2), pg.ones(2)).rank.item()
    2
    """

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


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
    x = matmul(pinv(a, rtol=rcond), b)
    left = matmul(a, x) - b
    residuals = _sum(real(conj(left) * left), -2)
    if vector:
        x, residuals = squeeze(x, -1), squeeze(residuals, -1)
    s = svdvals(a)
    return LeastSquares(x, residuals, matrix_rank(a, rtol=rcond), s)


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

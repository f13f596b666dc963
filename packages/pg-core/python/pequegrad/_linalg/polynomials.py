"""Roots, fits and quotients of polynomials, by coefficients from the highest power to the lowest."""

from __future__ import annotations

import numpy as np

from .. import _core, dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, as_tensor_like, cast, check_count, fill, to_float
from .._ops.complex import real
from .._ops.datatypes import finfo
from .._ops.maths import sqrt
from .._ops.polynomials import vander
from .._ops.reduce import sum as _sum
from .._ops.shape import concatenate, expand_dims, pad, part, ravel
from ..errors import DTypeError, InvalidValueError, ShapeError, TraceError
from .factorizations import eigvals
from .solving import inv, lstsq


def _vector(p: TensorLike, what: str) -> Tensor:
    p = to_float(p)
    if p.ndim > 1:
        raise ShapeError(f"{what}: the coefficients are a vector, got shape {p.shape}")
    return ravel(p)


def roots(p: TensorLike, *, strip_zeros: bool = True) -> Tensor:
    """The roots of a polynomial, complex: the eigenvalues of its companion matrix.

    Leading zeros are dropped, and trailing ones are roots at 0. That looks at the values: inside jit say
    ``strip_zeros=False``, where the first coefficient must not be 0.

    >>> sorted(pg.roots(pg.Tensor([1.0, -3.0, 2.0])).numpy().real.round(4).tolist())
    [1.0, 2.0]
    """
    p = _vector(p, "roots")
    if p.dtype.itemsize == 2:
        p = cast(p, dt.float32)
    zeros = 0
    if strip_zeros:
        if p.is_abstract:
            raise TraceError(
                "roots: which coefficients are 0 is not known inside pg.jit; pass strip_zeros=False"
            )
        places = np.nonzero(p.numpy())[0]
        if not places.size:
            return _zeros(0, p)
        zeros = p.size - 1 - int(places[-1])
        p = part(p, 0, int(places[0]), int(places[-1]) + 1)
    n = p.size - 1
    if n < 1:
        return _zeros(zeros, p)
    row = -part(p, 0, 1, n + 1) / part(p, 0, 0, 1)
    below = as_tensor(np.eye(n - 1, n))
    companion = concatenate([expand_dims(row, 0), cast(below, p.dtype)], 0)
    return concatenate([eigvals(companion), _zeros(zeros, p)])


def _zeros(count: int, like: Tensor) -> Tensor:
    wide = like.dtype in (dt.float64, dt.complex128)
    return _core.full(0, (dt.complex128 if wide else dt.complex64).code, False, (count,), like.device.pair)


def poly(seq_of_zeros: TensorLike) -> Tensor:
    """The coefficients of the polynomial that has these roots and begins with 1; of a square matrix its
    characteristic polynomial. Complex roots give complex coefficients.

    >>> pg.poly(pg.Tensor([1.0, 2.0])).tolist()
    [1.0, -3.0, 2.0]
    """
    x = to_float(seq_of_zeros)
    real_matrix = x.ndim == 2 and not x.dtype.is_complex  # its eigenvalues come in conjugate pairs
    if x.ndim == 2 and x.shape[0] == x.shape[1] and x.shape[0]:
        x = eigvals(x)
    elif x.ndim > 1:
        raise ShapeError(f"poly: needs a vector of roots or a square matrix, got shape {x.shape}")
    x = ravel(x)
    made = _core.full(1, x.dtype.code, False, (1,), x.device.pair)
    for i in range(x.size):
        made = pad(made, (0, 1)) - pad(made * part(x, 0, i, i + 1), (1, 0))
    return real(made) if real_matrix else made


def polydiv(u: TensorLike, v: TensorLike) -> tuple[Tensor, Tensor]:
    """The quotient of two polynomials, and the rest. The first coefficient of v must not be 0. The rest has
    as many coefficients as v without one, also where the first ones are 0.

    >>> [x.tolist() for x in pg.polydiv(pg.Tensor([1.0, 0.0, 3.0]), pg.Tensor([1.0, 1.0]))]
    [[1.0, -1.0], [4.0]]
    """
    u, v = _vector(u, "polydiv"), _vector(v, "polydiv")
    if not v.size or not u.size:
        raise ShapeError(f"polydiv: needs coefficients, got shapes {u.shape} and {v.shape}")
    check_count(u.size, "polydiv")
    kind = dt.all_dtypes[_core.promote(u, v)[0]]
    u, v = cast(u, kind), cast(v, kind)
    steps = u.size - v.size + 1
    if steps < 1:
        return fill(0.0, u)[:1], u
    quotient, rest = [], u
    for _ in range(steps):
        factor = part(rest, 0, 0, 1) / part(v, 0, 0, 1)
        quotient.append(factor)
        rest = part(rest - pad(factor * v, (0, rest.size - v.size)), 0, 1, rest.size)
    return concatenate(quotient), rest if rest.size else fill(0.0, u)[:1]


def polyfit(
    x: TensorLike,
    y: TensorLike,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: TensorLike | None = None,
    cov: bool | str = False,
) -> Tensor | tuple[Tensor, ...]:
    """The coefficients of the polynomial of degree ``deg`` that is nearest to the points (x, y) in the sum of
    (weighted) squares; y may have a column per set of points.

    With ``full`` also the sums of squares left, the rank, the singular values and ``rcond``; with ``cov`` the
    covariance of the coefficients ("unscaled" takes the weights as they are).

    >>> pg.polyfit(pg.Tensor([0.0, 1.0, 2.0]), pg.Tensor([1.0, 3.0, 5.0]), 1).numpy().round(4).tolist()
    [2.0, 1.0]
    """
    x, y = as_tensor(x), as_tensor(y)
    if x.dtype.is_bool or y.dtype.is_bool:
        raise DTypeError("polyfit: places and values are numbers, got bool; convert with .astype('float32')")
    x, y = to_float(x), to_float(y)
    if deg < 0:
        raise InvalidValueError(f"polyfit: the degree must not be negative, got {deg}")
    if x.ndim != 1 or not x.size or y.ndim not in (1, 2) or y.shape[0] != x.size:
        raise ShapeError(f"polyfit: needs places (n,) and values (n,) or (n, k), got {x.shape} and {y.shape}")
    kind = dt.all_dtypes[_core.promote(x, y)[0]]
    x, y = cast(x, kind), cast(y, kind)
    if rcond is None:
        rcond = x.size * float(finfo(kind).eps)
    left = vander(x, deg + 1)
    if w is not None:
        weights = cast(as_tensor_like(w, x), kind)
        if weights.shape != x.shape:
            raise ShapeError(f"polyfit: needs a weight per place, got shape {weights.shape}")
        left = left * expand_dims(weights, 1)
        y = y * (weights if y.ndim == 1 else expand_dims(weights, 1))
    scale = sqrt(_sum(left * left, 0))  # columns of one length, for the condition
    left = left / scale
    found, residuals, rank, values = lstsq(left, y, rcond=rcond)
    fit = found / (scale if y.ndim == 1 else expand_dims(scale, 1))
    if full:
        return fit, residuals, rank, values, as_tensor(rcond)
    if not cov:
        return fit
    base = inv(left.T @ left) / (expand_dims(scale, 1) * scale)
    if cov != "unscaled":
        if x.size <= deg + 1:
            raise InvalidValueError(
                f"polyfit: {x.size} points are too few for the covariance at degree {deg}"
            )
        base = (
            base * (residuals / (x.size - deg - 1))
            if y.ndim == 1
            else base[..., None] * (residuals / (x.size - deg - 1))
        )
    return fit, base

"""Random vectors and matrices, and what is made of several numbers. Signatures and keys are those of
``jax.random``.
"""

from __future__ import annotations

from typing import Any

from .. import dt
from .._core import Tensor
from .._linalg.factorizations import cholesky, eigh, qr, svd
from .._ops.common import TensorLike, as_tensor, axis_of, cast, positive_shape, to_float
from .._ops.diagonals import diagonal
from .._ops.elementwise import abs as _abs
from .._ops.elementwise import clip, sign
from .._ops.indexing import getitem
from .._ops.keys import split
from .._ops.linalg import matmul
from .._ops.logic import where
from .._ops.maths import sqrt
from .._ops.reduce import cumsum, norm
from .._ops.reduce import sum as _sum
from .._ops.shape import broadcast_shapes, broadcast_to, expand_dims, matrix_transpose, moveaxis, squeeze
from ..control import scan
from ..errors import InvalidValueError, ShapeError
from .basic import Generator, _float_type, _key_or_next, normal, uniform
from .distributions import _parameters, exponential, rademacher
from .rejection import binomial, gamma


def multivariate_normal(
    k: TensorLike | None = None,
    mean: TensorLike = (0.0,),
    cov: TensorLike = ((1.0,),),
    shape: Any = None,
    dtype: Any = "float32",
    method: str = "cholesky",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Normal vectors with mean (..., n) and covariance (..., n, n).

    Args:
        shape: of the batch of draws, without n; the default is that of mean and covariance. method: how the
        root of the covariance is made: "cholesky", or "eigh" or "svd", which take matrices that are not of
        full rank.

    >>> pg.random.multivariate_normal(pg.random.key(0), pg.zeros(2), pg.eye(2), (3,)).shape
    (3, 2)
    """
    kind = _float_type(dtype, "multivariate_normal")
    mean, cov = cast(to_float(mean), kind), cast(to_float(cov), kind)
    if mean.ndim < 1 or cov.ndim < 2 or cov.shape[-2:] != (mean.shape[-1], mean.shape[-1]):
        raise ShapeError(
            f"multivariate_normal: needs a mean (..., n) and a covariance (..., n, n), got shapes "
            f"{mean.shape} and {cov.shape}"
        )
    batch = broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
    dims = batch if shape is None else positive_shape(shape, "multivariate_normal")
    if broadcast_shapes(dims, batch) != dims:
        raise ShapeError(
            f"multivariate_normal: the shape {dims} does not hold the parameters of shape {batch}"
        )
    if method == "cholesky":
        factor = cholesky(cov)
    elif method == "eigh":
        values, vectors = eigh(cov)
        factor = vectors * expand_dims(sqrt(values), -2)
    elif method == "svd":
        left, singular, _ = svd(cov)
        factor = left * expand_dims(sqrt(singular), -2)
    else:
        raise InvalidValueError(f"multivariate_normal: method is cholesky, eigh or svd, got {method!r}")
    drawn = normal(k, (*dims, mean.shape[-1]), kind, generator=generator)
    return mean + squeeze(matmul(factor, expand_dims(drawn, -1)), -1)


def orthogonal(
    k: TensorLike | None = None,
    n: int = 1,
    shape: Any = (),
    dtype: Any = "float32",
    m: int | None = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Orthogonal matrices n x n, evenly distributed, or n x m with orthonormal columns (rows if n < m).

    >>> q = pg.random.orthogonal(pg.random.key(0), 3)
    >>> bool(pg.allclose(q @ q.T, pg.eye(3), atol=1e-5))
    True
    """
    kind = _float_type(dtype, "orthogonal")
    columns = n if m is None else m
    if n < 0 or columns < 0:
        raise InvalidValueError(f"orthogonal: a matrix of {n} rows and {columns} columns")
    dims = (*positive_shape(shape, "orthogonal"), max(n, columns), min(n, columns))
    q, r = qr(normal(k, dims, kind, generator=generator))
    x = q * expand_dims(sign(diagonal(r, 0, -2, -1)), -2)
    return matrix_transpose(x) if n < columns else x


def maxwell(
    k: TensorLike | None = None,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Lengths of vectors of three standard normal numbers.

    >>> bool((pg.random.maxwell(pg.random.key(0), (9,)) >= 0).all())
    True
    """
    kind = _float_type(dtype, "maxwell")
    return norm(normal(k, (*positive_shape(shape, "maxwell"), 3), kind, generator=generator), axis=-1)


def double_sided_maxwell(
    k: TensorLike | None = None,
    loc: TensorLike = 0.0,
    scale: TensorLike = 1.0,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Maxwell numbers with a random sign, times scale, plus loc. The shape of the parameters comes behind
    ``shape``.

    >>> pg.random.double_sided_maxwell(pg.random.key(0), 1.0, 2.0, (3,)).shape
    (3,)
    """
    kind, own, (centre, width) = _parameters("double_sided_maxwell", None, dtype, loc, scale)
    dims = (*(positive_shape(shape, "double_sided_maxwell") or own), *own)
    keys = split(_key_or_next(k, generator))
    signs = rademacher(getitem(keys, 1), dims, kind)
    return signs * maxwell(getitem(keys, 0), dims, kind) * width + centre


def wald(
    k: TensorLike | None = None,
    mean: TensorLike = 1.0,
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers of the inverse Gaussian distribution with a mean and scale 1 (Michael, Schucany and Haas 1976).

    >>> bool((pg.random.wald(pg.random.key(0), 2.0, (9,)) > 0).all())
    True
    """
    kind, dims, (mu,) = _parameters("wald", shape, dtype, mean)
    keys = split(_key_or_next(k, generator))
    y = normal(getitem(keys, 0), dims, kind) ** 2
    z = uniform(getitem(keys, 1), dims, kind)
    root = sqrt(4.0 * mu * y + mu * mu * (y * y))
    x = mu + mu * mu * y / 2.0 - mu / 2.0 * root
    return where(z <= mu / (mu + x), x, mu * mu / x)


def generalized_normal(
    k: TensorLike | None = None,
    p: float = 2.0,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers with a density proportional to ``exp(-|x| ** p)``.

    >>> pg.random.generalized_normal(pg.random.key(0), 1.5, (3,)).shape
    (3,)
    """
    kind = _float_type(dtype, "generalized_normal")
    dims = positive_shape(shape, "generalized_normal")
    keys = split(_key_or_next(k, generator))
    drawn = gamma(getitem(keys, 0), 1.0 / p, dims, kind)
    return rademacher(getitem(keys, 1), dims, kind) * drawn ** (1.0 / p)


def ball(
    k: TensorLike | None = None,
    d: int = 1,
    p: float = 2.0,
    shape: Any = (),
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Vectors of d numbers, evenly distributed in the unit ball of the p-norm.

    >>> x = pg.random.ball(pg.random.key(0), 3, shape=(9,))
    >>> bool(((x * x).sum(-1) <= 1.0).all())
    True
    """
    kind = _float_type(dtype, "ball")
    if d < 0 or not p > 0:
        raise InvalidValueError(f"ball: needs d >= 0 and p > 0, got {d} and {p}")
    dims = positive_shape(shape, "ball")
    keys = split(_key_or_next(k, generator))
    drawn = generalized_normal(getitem(keys, 0), p, (*dims, d), kind)
    more = exponential(getitem(keys, 1), dims, kind)
    return drawn / expand_dims((_sum(_abs(drawn) ** p, -1) + more) ** (1.0 / p), -1)


def multinomial(
    k: TensorLike | None = None,
    n: TensorLike = 1,
    p: TensorLike = (1.0,),
    shape: Any = None,
    dtype: Any = "float32",
    *,
    generator: Generator | None = None,
) -> Tensor:
    """How often each outcome comes in n trials; p (..., m) holds the probabilities, of sum 1.

    Args:
        shape: of the result, m included; the default is that of p.

    >>> pg.random.multinomial(pg.random.key(0), 10, pg.Tensor([0.5, 0.5])).sum().item()
    10.0
    """
    kind = dt.as_dtype(dtype)
    chances = cast(to_float(p), dt.float32)
    if chances.ndim < 1:
        raise ShapeError("multinomial: p needs an axis of outcomes")
    dims = chances.shape if shape is None else positive_shape(shape, "multinomial")
    trials = broadcast_to(cast(as_tensor(n), dt.float32), dims[:-1])
    rows = moveaxis(broadcast_to(chances, dims), axis_of(-1, len(dims), "multinomial"), 0)
    left = cumsum(rows, 0, reverse=True)
    ratios = clip(rows / where(left == 0, 1.0, left), 0.0, 1.0)
    keys = split(_key_or_next(k, generator), rows.shape[0])

    def step(remaining: Tensor, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        count = binomial(given[1], remaining, given[0])
        return remaining - count, count

    return cast(moveaxis(scan(step, trials, (ratios, keys))[1], 0, -1), kind)

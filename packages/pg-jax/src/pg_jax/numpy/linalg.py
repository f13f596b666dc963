"""``jax.numpy.linalg``: factorisations, equations, norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import Tensor, cast, lift, promote_inexact
from .._missing import missing
from .._primitives import linalg as prims
from ._products import matmul as matmul
from ._products import outer as outer
from ._products import tensordot as tensordot
from ._products import vecdot as vecdot
from ._shapes import matrix_transpose as matrix_transpose


class EighResult(NamedTuple):
    """Eigenvalues and eigenvectors."""

    eigenvalues: Array
    eigenvectors: Array


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors."""

    eigenvalues: Array
    eigenvectors: Array


class SVDResult(NamedTuple):
    """A singular value decomposition."""

    U: Array
    S: Array
    Vh: Array


class QRResult(NamedTuple):
    """A QR factorisation."""

    Q: Array
    R: Array


class SlogdetResult(NamedTuple):
    """The sign of a determinant and the logarithm of its magnitude."""

    sign: Array
    logabsdet: Array


def _matrix(what: str, a: Any) -> Tensor:
    (t,), _, _ = promote_inexact(what, a)
    if t.ndim < 2:
        raise ValueError(f"{what}: expected at least a matrix, got shape {t.shape}")
    return t


def _square(what: str, a: Any) -> Tensor:
    t = _matrix(what, a)
    if t.shape[-1] != t.shape[-2]:
        raise ValueError(
            f"Argument to {what} must be a square matrix (or a stack of them), got shape {t.shape}"
        )
    return t


def _nan_where_singular(f: Callable[[], Tensor], like: Tensor) -> Tensor:
    """JAX answers NaN where there is no factor."""
    try:
        return f().eval() if not like.is_abstract else f()
    except pg.LinAlgError:
        return pg.full(like.shape, float("nan"), dtype=like.dtype)


def _symmetric(t: Tensor, wanted: bool) -> Tensor:
    return (t + pg.conj(pg.matrix_transpose(t))) / 2 if wanted else t


def cholesky(a: Any, *, upper: bool = False, symmetrize_input: bool = True) -> Array:
    """The triangular factor of a positive definite matrix.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.cholesky(jnp.array([[4.0]]))
    Array([[2.]], dtype=float32)
    """
    t = _symmetric(_square("cholesky", a), symmetrize_input)
    made = pg.tril(_nan_where_singular(lambda: prims.cholesky(t), t))
    return make(pg.conj(pg.matrix_transpose(made)) if upper else made)


def solve(a: Any, b: Any) -> Array:
    """x with ``a @ x = b``.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.solve(jnp.array([[2.0]]), jnp.array([4.0]))
    Array([2.], dtype=float32)
    """
    (x, y), _, _ = promote_inexact("linalg.solve", a, b)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"The arguments to solve must have shapes a=[..., m, m] and b=[..., m, k] or b=[..., m]; got "
            f"a={x.shape} and b={y.shape}"
        )
    return make(pg.linalg.solve(x, y))


def inv(a: Any) -> Array:
    """The inverse.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.inv(jnp.array([[2.0]]))
    Array([[0.5]], dtype=float32)
    """
    return make(pg.linalg.inv(_square("inv", a)))


def det(a: Any) -> Array:
    """The determinant.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.det(jnp.diag(jnp.array([2.0, 3.0])))
    Array(6., dtype=float32)
    """
    return make(pg.linalg.det(_square("det", a)))


def slogdet(a: Any, *, method: str | None = None) -> SlogdetResult:
    """The determinant as sign and logarithm.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.slogdet(jnp.eye(2)).sign
    Array(1., dtype=float32)
    """
    sign, size = pg.linalg.slogdet(_square("slogdet", a))
    return SlogdetResult(make(sign), make(size))


def eigh(a: Any, UPLO: str | None = None, symmetrize_input: bool = True) -> EighResult:
    """Eigenvalues and eigenvectors of a symmetric matrix.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.eigh(jnp.diag(jnp.array([2.0, 1.0]))).eigenvalues
    Array([1., 2.], dtype=float32)
    """
    t = _symmetric(_square("eigh", a), symmetrize_input)
    vectors, values = prims.eigh(t, lower=UPLO in (None, "L"))
    return EighResult(make(values), make(vectors))


def eigvalsh(a: Any, UPLO: str | None = "L", *, symmetrize_input: bool = True) -> Array:
    """Eigenvalues of a symmetric matrix.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.eigvalsh(jnp.diag(jnp.array([2.0, 1.0])))
    Array([1., 2.], dtype=float32)
    """
    return eigh(a, UPLO, symmetrize_input).eigenvalues


def eig(a: Any) -> EigResult:
    """Eigenvalues and eigenvectors of any square matrix, complex.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.eig(jnp.eye(1)).eigenvalues
    Array([1.+0.j], dtype=complex64)
    """
    values, vectors = pg.linalg.eig(_square("eig", a))
    return EigResult(_complex(values), _complex(vectors))


def eigvals(a: Any) -> Array:
    """Eigenvalues of any square matrix, complex.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.eigvals(jnp.eye(1))
    Array([1.+0.j], dtype=complex64)
    """
    return _complex(pg.linalg.eigvals(_square("eigvals", a)))


def _complex(t: Tensor) -> Array:
    return make(t if t.dtype.is_complex else cast(t, dtypes.default_complex()))


def svd(
    a: Any,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,
    subset_by_index: Any = None,
) -> Any:
    """Singular values and vectors.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.svd(jnp.eye(2))[1]
    Array([1., 1.], dtype=float32)
    """
    made = prims.svd(
        _matrix("svd", a), full_matrices=full_matrices, compute_uv=compute_uv, subset_by_index=subset_by_index
    )
    if not compute_uv:
        return make(made[0])
    return SVDResult(make(made[1]), make(made[0]), make(made[2]))


def svdvals(x: Any, /) -> Array:
    """Singular values.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.svdvals(jnp.eye(2))
    Array([1., 1.], dtype=float32)
    """
    return svd(x, compute_uv=False)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Orthonormal columns and an upper triangle.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.qr(jnp.eye(2)).R.shape
    (2, 2)
    """
    if mode not in ("reduced", "r", "complete", "full"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'")
    q, r = prims.qr(_matrix("qr", a), full_matrices=mode in ("complete", "full"))
    return make(r) if mode == "r" else QRResult(make(q), make(r))


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """The norm of vectors or matrices; its derivative at 0 is NaN.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.norm(jnp.array([3.0, 4.0]))
    Array(5., dtype=float32)
    """
    from . import _reductions as red

    (t,), kind, _ = promote_inexact("norm", x)
    a = make(t)
    if (
        ord is None
        or (ord == 2 and ((axis is None and t.ndim == 1) or isinstance(axis, int)))
        or (ord == "fro")
    ):
        squares = pg.real(t * pg.conj(t)) if kind.is_complex else t * t
        return make(pg.sqrt(red.sum(make(squares), axis, keepdims=keepdims)._t))
    ndim = t.ndim if axis is None else 1 if isinstance(axis, int) else len(axis)
    if ndim == 1:
        at = axis if axis is None or isinstance(axis, int) else axis[0]
        size = pg.abs(t)
        if ord == float("inf"):
            return red.max(make(size), at, keepdims=keepdims)
        if ord == -float("inf"):
            return red.min(make(size), at, keepdims=keepdims)
        if ord == 0:
            return make(cast(red.sum(make(size != 0), at, keepdims=keepdims)._t, size.dtype))
        if ord == 1:
            return red.sum(make(size), at, keepdims=keepdims)
        if isinstance(ord, str):
            raise ValueError(f"Invalid order '{ord}' for vector norm.")
        total = red.sum(make(pg.power(size, float(ord))), at, keepdims=keepdims)
        return make(pg.power(total._t, 1.0 / ord))
    axes = tuple(range(t.ndim)) if axis is None else tuple(axis)
    if len(axes) != 2:
        raise ValueError(f"Improper number of axes for norm: {axes}")
    moved = pg.moveaxis(t, axes, (-2, -1))
    made = pg.linalg.matrix_norm(moved, ord=ord)
    if keepdims:
        made = pg.reshape(made, [1 if i in [k % t.ndim for k in axes] else n for i, n in enumerate(a.shape)])
    return make(made)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """The norm of vectors.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.vector_norm(jnp.array([3.0, 4.0]))
    Array(5., dtype=float32)
    """
    a = lift(x)
    if axis is None:
        made = norm(make(pg.reshape(a._t, (-1,))), ord)
        return make(pg.reshape(made._t, [1] * a.ndim)) if keepdims else made
    if isinstance(axis, tuple):
        (t,), _, _ = promote_inexact("vector_norm", x)
        return make(pg.linalg.vector_norm(t, axis=axis, keepdims=keepdims, ord=ord))
    return norm(x, ord, axis, keepdims)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """The norm of matrices.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.matrix_norm(jnp.ones((2, 2)))
    Array(2., dtype=float32)
    """
    return norm(x, ord, (-2, -1), keepdims)


def matrix_power(a: Any, n: int) -> Array:
    """A square matrix to an integer power.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.matrix_power(jnp.array([[2.0]]), 3)
    Array([[8.]], dtype=float32)
    """
    return make(pg.linalg.matrix_power(_square("matrix_power", a), n))


def pinv(a: Any, rtol: Any = None, hermitian: bool = False, *, rcond: Any = None) -> Array:
    """The pseudoinverse.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.pinv(jnp.array([[2.0]]))
    Array([[0.5]], dtype=float32)
    """
    t = _matrix("pinv", a)
    limit = rtol if rtol is not None else rcond
    if limit is None:
        limit = 10.0 * max(t.shape[-2:]) * float(dtypes.finfo(t.dtype).eps)
    return make(pg.linalg.pinv(t, rtol=limit))


def matrix_rank(M: Any, rtol: Any = None, *, tol: Any = None) -> Array:
    """How many singular values are not negligible.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.matrix_rank(jnp.eye(2))
    Array(2, dtype=int32)
    """
    t = _matrix("matrix_rank", M)
    values = pg.linalg.svdvals(t)
    limit = rtol if rtol is not None else max(t.shape[-2:]) * float(dtypes.finfo(t.dtype).eps)
    bound = values[..., :1] * limit if tol is None else tol
    return make(cast(pg.sum((values > bound).astype(pg.int32), -1), dtypes.default_int()))


def lstsq(a: Any, b: Any, rcond: float | None = None, *, numpy_resid: bool = False) -> Any:
    """Least squares: solution, residuals, rank, singular values.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.lstsq(jnp.array([[2.0]]), jnp.array([4.0]))[0]
    Array([2.], dtype=float32)
    """
    (x, y), _, _ = promote_inexact("lstsq", a, b)
    solution = pinv(make(x))._t @ y
    rest = y - x @ solution
    columns = rest if rest.ndim == 2 else pg.expand_dims(rest, 1)
    residuals = pg.sum(columns * columns, 0)
    return make(solution), make(residuals), matrix_rank(make(x)), svdvals(make(x))


def cond(x: Any, p: Any = None) -> Array:
    """The condition number.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.cond(jnp.diag(jnp.array([4.0, 2.0])))
    Array(2., dtype=float32)
    """
    t = _matrix("cond", x)
    if p is None or p == 2:
        values = pg.linalg.svdvals(t)
        return make(values[..., 0] / values[..., -1])
    return make(norm(make(t), p, (-2, -1))._t * norm(inv(make(t)), p, (-2, -1))._t)


def multi_dot(arrays: Any, *, precision: Any = None) -> Array:
    """The product of several matrices.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.multi_dot([jnp.eye(2), jnp.eye(2), jnp.ones((2, 1))]).shape
    (2, 1)
    """
    from .._lift import promote

    tensors, _, weak = promote("multi_dot", *arrays)
    return make(pg.linalg.multi_dot(tensors), weak)


def diagonal(x: Any, /, *, offset: int = 0) -> Array:
    """The diagonals of matrices.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.diagonal(jnp.eye(2))
    Array([1., 1.], dtype=float32)
    """
    a = lift(x)
    return make(pg.diagonal(a._t, offset, -2, -1), a._w)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """The sums of the diagonals of matrices.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.trace(jnp.eye(2))
    Array(2., dtype=float32)
    """
    from ._products import trace as of_axes

    return of_axes(x, offset, -2, -1, dtype)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Array:
    """The vector product.

    >>> import pg_jax.numpy as jnp
    >>> jnp.linalg.cross(jnp.array([1.0, 0.0, 0.0]), jnp.array([0.0, 1.0, 0.0]))
    Array([0., 0., 1.], dtype=float32)
    """
    from ._more import cross as of_axes

    return of_axes(x1, x2, axis=axis)


def __getattr__(name: str) -> Any:
    raise missing("numpy.linalg", name)

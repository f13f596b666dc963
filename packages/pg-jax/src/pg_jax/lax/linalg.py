"""``jax.lax.linalg``: factorisations."""

from __future__ import annotations

from typing import Any

from .._array import Array, make
from .._lift import lift, lift_all
from .._missing import missing
from .._primitives import linalg as prims


def cholesky(a: Any, *, symmetrize_input: bool = True) -> Array:
    """The lower factor of a positive definite matrix.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.linalg.cholesky(jnp.array([[4.0]]))
    Array([[2.]], dtype=float32)
    """
    from ..numpy.linalg import cholesky as of_numpy

    return of_numpy(a, symmetrize_input=symmetrize_input)


def triangular_solve(
    a: Any, b: Any, *, left_side: bool = False, lower: bool = False, transpose_a: bool = False,
    conjugate_a: bool = False, unit_diagonal: bool = False,
) -> Array:  # fmt: skip
    """x with ``a @ x = b``, or ``x @ a = b``, for a triangular a.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.linalg.triangular_solve(jnp.array([[2.0]]), jnp.array([[4.0]]), left_side=True)
    Array([[2.]], dtype=float32)
    """
    x, y = lift_all("triangular_solve", a, b)
    vector = y.ndim == x.ndim - 1
    t = y._t[..., None] if vector and left_side else y._t[..., None, :] if vector else y._t
    made = prims.triangular_solve(
        x._t, t, left_side=left_side, lower=lower, transpose_a=transpose_a, conjugate_a=conjugate_a,
        unit_diagonal=unit_diagonal,
    )  # fmt: skip
    if vector:
        made = made[..., 0] if left_side else made[..., 0, :]
    return make(made)


def eigh(
    x: Any, *, lower: bool = True, symmetrize_input: bool = True, sort_eigenvalues: bool = True, **_: Any
) -> tuple[Array, Array]:
    """Eigenvectors and eigenvalues of a symmetric matrix.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.linalg.eigh(jnp.eye(2))[1]
    Array([1., 1.], dtype=float32)
    """
    vectors, values = prims.eigh(lift(x, "eigh")._t, lower=lower)
    return make(vectors), make(values)


def qr(x: Any, *, pivoting: bool = False, full_matrices: bool = True, **_: Any) -> tuple[Array, Array]:
    """Orthonormal columns and an upper triangle.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.linalg.qr(jnp.eye(2))[1].shape
    (2, 2)
    """
    q, r = prims.qr(lift(x, "qr")._t, full_matrices=full_matrices, pivoting=pivoting)
    return make(q), make(r)


def svd(x: Any, *, full_matrices: bool = True, compute_uv: bool = True, **_: Any) -> Any:
    """Singular values and vectors.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.linalg.svd(jnp.eye(2), compute_uv=False)
    Array([1., 1.], dtype=float32)
    """
    from ..numpy.linalg import svd as of_numpy

    return of_numpy(x, full_matrices, compute_uv)


def lu(x: Any) -> tuple[Array, ...]:
    """L and U in one matrix, the pivots, and the order of the rows.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.linalg.lu(jnp.eye(2))[2]
    Array([0, 1], dtype=int32)
    """
    return tuple(make(t) for t in prims.lu(lift(x, "lu")._t))


def __getattr__(name: str) -> Any:
    raise missing("lax.linalg", name)

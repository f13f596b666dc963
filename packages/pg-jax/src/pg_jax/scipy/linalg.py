"""``jax.scipy.linalg``."""

from __future__ import annotations

from typing import Any

import pequegrad as pg

from .. import numpy as jnp
from .._array import Array, make
from .._lift import promote_inexact
from .._missing import missing


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Array:
    """The triangular factor of a positive definite matrix.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.scipy.linalg.cholesky(jnp.array([[4.0]]))
    Array([[2.]], dtype=float32)
    """
    return jnp.linalg.cholesky(a, upper=not lower, symmetrize_input=False)


def cho_factor(a: Any, lower: bool = False, **ignored: Any) -> tuple[Array, bool]:
    """The factor that ``cho_solve`` takes.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.scipy.linalg.cho_factor(jnp.array([[4.0]]))[1]
    False
    """
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: tuple[Any, bool], b: Any, **ignored: Any) -> Array:
    """x with ``a @ x = b``, from a's factor.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> factor = jax.scipy.linalg.cho_factor(jnp.array([[4.0]]))
    >>> jax.scipy.linalg.cho_solve(factor, jnp.array([8.0]))
    Array([2.], dtype=float32)
    """
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


def solve_triangular(
    a: Any, b: Any, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False, **ignored: Any
) -> Array:
    """x with ``a @ x = b`` for a triangular a.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.scipy.linalg.solve_triangular(jnp.array([[2.0]]), jnp.array([4.0]))
    Array([2.], dtype=float32)
    """
    from ..lax.linalg import triangular_solve

    (x, y), _, _ = promote_inexact("solve_triangular", a, b)
    turned = trans in (1, 2, "T", "C")
    return triangular_solve(
        make(x), make(y), left_side=True, lower=lower, transpose_a=turned, conjugate_a=trans in (2, "C"),
        unit_diagonal=unit_diagonal,
    )  # fmt: skip


def solve(a: Any, b: Any, lower: bool = False, assume_a: str = "gen", **ignored: Any) -> Array:
    """x with ``a @ x = b``.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.scipy.linalg.solve(jnp.array([[2.0]]), jnp.array([4.0]))
    Array([2.], dtype=float32)
    """
    if assume_a in ("pos", "positive definite"):
        return cho_solve(cho_factor(a, lower), b)
    return jnp.linalg.solve(a, b)


def expm(A: Any, *, upper_triangular: bool = False, max_squarings: int = 16) -> Array:
    """The exponential of a matrix.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.scipy.linalg.expm(jnp.zeros((1, 1)))
    Array([[1.]], dtype=float32)
    """
    (t,), _, _ = promote_inexact("expm", A)
    return make(pg.linalg.matrix_exp(t))


def block_diag(*arrs: Any) -> Array:
    """Matrices along a diagonal.

    >>> import pg_jax as jax, pg_jax.numpy as jnp
    >>> jax.scipy.linalg.block_diag(jnp.ones((1, 1)), 2 * jnp.ones((1, 1)))
    Array([[1., 0.],
           [0., 2.]], dtype=float32)
    """
    blocks = [jnp.atleast_2d(x) for x in arrs]
    width = sum(x.shape[1] for x in blocks)
    rows, start = [], 0
    for x in blocks:
        rows.append(jnp.pad(x, ((0, 0), (start, width - start - x.shape[1]))))
        start += x.shape[1]
    return jnp.concatenate(rows, axis=0)


det, inv = jnp.linalg.det, jnp.linalg.inv


def __getattr__(name: str) -> Any:
    raise missing("scipy.linalg", name)

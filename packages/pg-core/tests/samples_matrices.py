"""Rows of linear algebra.

Vectors of factorisations have arbitrary signs, so their squares are compared; matrices are made well
conditioned inside the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
from rows import COMPLEX, INTS, A, Row, S

EXACT = ("float32", "float64", *COMPLEX)
HALVES = ("float16", "bfloat16")
HALVES_TOO = (*HALVES, *EXACT, *INTS, "bool")
_linear: dict[str, Any] = {"out": "any", "dtypes": (*EXACT, *INTS, "bool"), "tolerance": 400}


def _solved(a: Any, b: Any) -> Any:
    """NumPy before 2 takes one matrix for a stack of vectors where `a` is a stack."""
    columns = b[:, None] if b.ndim == 1 else b
    stack = np.broadcast_shapes(a.shape[:-2], columns.shape[:-2])
    x = nl.solve(
        np.broadcast_to(a, stack + a.shape[-2:]), np.broadcast_to(columns, stack + columns.shape[-2:])
    )
    return x[..., 0] if b.ndim == 1 else x


def _is_ours(x: Any) -> bool:
    return isinstance(x, pg.Tensor)


def _h(x: Any) -> Any:
    t = x.mT if _is_ours(x) else np.swapaxes(x, -1, -2)
    return (pg.conj if _is_ours(x) else np.conj)(t) if "complex" in str(x.dtype) else t


def spread(x: Any) -> Any:
    """Distinct eigenvalues, far from zero: the random part is small against a fixed diagonal."""
    m, n = x.shape[-2:]
    base = np.zeros((m, n))
    base[range(min(m, n)), range(min(m, n))] = 2.0 + 1.5 * np.arange(min(m, n))
    return x * 0.25 + (pg.Tensor(base).astype(x.dtype) if _is_ours(x) else base)


def positive(x: Any) -> Any:
    y = spread(x)
    return y @ _h(y)


def hermitian(x: Any) -> Any:
    y = spread(x)
    return (y + _h(y)) * 0.5


def lower(x: Any) -> Any:
    return (pg.tril if _is_ours(x) else np.tril)(spread(x))


def in_dtype(make: Callable[..., Any]) -> Callable[..., Any]:
    """Integers stay integers: the made matrix is rounded."""

    def made(x: Any) -> Any:
        if str(x.dtype) in (*HALVES, *EXACT):
            return make(x)
        y = make(x.astype("float64") * 0.25)  # small beside the diagonal also after rounding
        if str(x.dtype) == "bool":
            return y > 1.5  # the diagonal
        return (pg.round(y) if _is_ours(y) else np.round(y)).astype(x.dtype)

    return made


def square(x: Any) -> Any:
    y = pg.abs(x) if _is_ours(x) else np.abs(x)
    return y * y


def row(
    name: str,
    samples: Any,
    make: Callable[..., Any],
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    **more: Any,
) -> Row:
    """One function of pg.linalg on matrices made by ``make``."""
    make = in_dtype(make)
    return Row(
        name,
        samples,
        lambda x, *rest, **k: theirs(make(x), *rest, **k),
        call=lambda x, *rest, **k: ours(make(x), *rest, **k),
        **{**_linear, **more},
    )


SQUARES = [S(A(3, 3)), S(A(2, 4, 4)), S(A(1, 1))]
TALL = [S(A(4, 3)), S(A(2, 3, 3))]
ANY = [*TALL, S(A(2, 3))]
la, nl = pg.linalg, np.linalg


def _eig_of(x: Any) -> Any:
    """Symmetric functions of the eigenvalues, whose order is LAPACK's."""
    w = la.eigvals(x) if _is_ours(x) else nl.eigvals(x)
    return [w.sum(-1), (w * w).sum(-1), (w * w * w).sum(-1)]


def _lu_theirs(x: Any) -> Any:
    """Doolittle's elimination; the matrices are dominated by their diagonals, so that no row is exchanged."""
    m, n = x.shape[-2:]
    k = min(m, n)
    up = np.array(x, np.result_type(x.dtype, np.float32))
    low = np.zeros((*x.shape[:-2], m, k), up.dtype)
    for j in range(k):
        low[..., j, j] = 1
        for i in range(j + 1, m):
            low[..., i, j] = up[..., i, j] / up[..., j, j]
            up[..., i, :] -= low[..., i, j, None] * up[..., j, :]
    return [low, up[..., :k, :]]


def _expm(x: Any) -> Any:
    scaled, term = x / 2.0**10, np.eye(x.shape[-1])
    total = term + 0 * x
    for k in range(1, 20):
        term = term @ scaled / k
        total = total + term
    for _ in range(10):
        total = total @ total
    return total


def _small(x: Any) -> Any:
    return x * 0.5


def _same(x: Any) -> Any:
    return x


_rows_f: list[Row] = [
    row("linalg.cholesky", SQUARES, positive, la.cholesky, nl.cholesky),
    row("linalg.cholesky", SQUARES[:1], positive, lambda x: la.cholesky(x, upper=True), lambda x: _h(nl.cholesky(x)), why="upper"),
    row("linalg.lu", [S(A(3, 3)), S(A(4, 3)), S(A(2, 2, 3))], spread, lambda x: list(la.lu(x)[1:]), _lu_theirs),
    row("linalg.lu_factor", [S(A(3, 3))], spread, lambda x: la.lu_factor(x).lu, lambda x: (lambda low, up: np.tril(low, -1) + up)(*_lu_theirs(x))),
    row("linalg.qr", ANY, spread, lambda x: [square(y) for y in la.qr(x)], lambda x: [square(y) for y in nl.qr(x)]),
    row("linalg.svd", ANY, spread, lambda x: (lambda u, s, v: [square(u), s, square(v)])(*la.svd(x, full_matrices=False)), lambda x: (lambda u, s, v: [square(u), s, square(v)])(*nl.svd(x, full_matrices=False))),
    row("linalg.svdvals", ANY, spread, la.svdvals, lambda x: nl.svd(x, compute_uv=False)),
    row("linalg.eigh", SQUARES, hermitian, lambda x: (lambda w, v: [w, square(v)])(*la.eigh(x)), lambda x: (lambda w, v: [w, square(v)])(*nl.eigh(x))),
    row("linalg.eigvalsh", SQUARES, hermitian, la.eigvalsh, nl.eigvalsh),
    row("linalg.eigvals", SQUARES, spread, _eig_of, _eig_of),
    row("linalg.eig", SQUARES, spread, lambda x: (lambda w, v: [w.sum(-1), square(v).sum((-2, -1))])(*la.eig(x)), lambda x: (lambda w, v: [w.sum(-1), square(v).sum((-2, -1))])(*nl.eig(x))),
    row("linalg.inv", SQUARES, spread, la.inv, nl.inv),
    row("linalg.det", SQUARES, spread, la.det, nl.det),
    row("linalg.slogdet", SQUARES, spread, lambda x: la.slogdet(x).logabsdet, lambda x: nl.slogdet(x)[1]),
    row("linalg.pinv", ANY, spread, la.pinv, nl.pinv),
    row("linalg.matrix_exp", SQUARES, _small, la.matrix_exp, _expm),
    row("linalg.matrix_power", SQUARES[:1], spread, lambda x: la.matrix_power(x, -2), lambda x: nl.matrix_power(x, -2)),
    row("linalg.matrix_rank", ANY, spread, la.matrix_rank, nl.matrix_rank, diff=(), out="int64"),
    row("linalg.cond", ANY, spread, la.cond, nl.cond),
    *[
        row("linalg.matrix_norm", ANY, spread, lambda x, p=p: la.matrix_norm(x, ord=p), lambda x, p=p: nl.norm(x, p, (-2, -1)), why=str(p), dtypes=HALVES_TOO if p in ("fro", 1, -1, np.inf, -np.inf) else _linear["dtypes"])
        for p in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ],
    row("linalg.norm", [S(A(3, 4), None, 1), S(A(3, 4))], _same, la.norm, nl.norm, dtypes=HALVES_TOO),
    row("linalg.norm", [S(A(3, 4), 2, (1, 0))], _same, la.norm, nl.norm, why="by singular values"),
    row("linalg.multi_dot", [S(A(2, 3))], _same, lambda x: la.multi_dot([x, _h(x), x]), lambda x: nl.multi_dot([x, _h(x), x]), dtypes=HALVES_TOO),
    row("linalg.tensorinv", [S(A(4, 4))], spread, lambda x: la.tensorinv(x.reshape(2, 2, 4), 2), lambda x: nl.tensorinv(x.reshape(2, 2, 4), 2)),
]  # fmt: skip


def _pair(name: str, samples: Any, make: Any, ours: Any, theirs: Any, **more: Any) -> Row:
    return row(name, samples, make, ours, theirs, **{"diff": (0, 1), **more})


SYSTEMS = [S(A(3, 3), A(3, 2)), S(A(2, 3, 3), A(3, 1)), S(A(3, 3), A(3))]
_rows_pairs = [
    _pair("linalg.solve", SYSTEMS, spread, la.solve, _solved),
    _pair("linalg.solve_triangular", SYSTEMS, lower, lambda a, b: la.solve_triangular(a, b, lower=True), _solved),
    _pair("linalg.triangular_solve", [S(A(3, 3), A(2, 3))], lower, lambda a, b: la.triangular_solve(a, b, left_side=False, lower=True), lambda a, b: b @ nl.inv(a)),
    _pair("linalg.cho_solve", [S(A(3, 3), A(3, 2))], positive, lambda a, b: la.cho_solve((la.cholesky(a), True), b), nl.solve),
    _pair("linalg.lu_solve", [S(A(3, 3), A(3, 2))], spread, lambda a, b: la.lu_solve(la.lu_factor(a), b), nl.solve),
    _pair("linalg.lstsq", [S(A(4, 3), A(4, 2)), S(A(4, 3), A(4))], spread, lambda a, b: la.lstsq(a, b).solution, lambda a, b: nl.pinv(a) @ b),
    _pair("linalg.tensorsolve", [S(A(4, 4), A(2, 2))], spread, lambda a, b: la.tensorsolve(a.reshape(2, 2, 4), b), lambda a, b: nl.tensorsolve(a.reshape(2, 2, 4), b)),
    _pair("linalg.kron", [S(A(2, 3), A(3, 2)), S(A(2), A(2, 2))], _same, la.kron, np.kron, dtypes=(*HALVES, *EXACT, *INTS)),
]  # fmt: skip

ROWS = [*_rows_f, *_rows_pairs]

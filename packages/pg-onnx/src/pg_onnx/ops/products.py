"""Products of matrices and sums of products."""

from __future__ import annotations

import pequegrad as pg
from pequegrad import Tensor

from .arithmetic import aligned
from .registry import op


@op("MatMul", 1, 9, 13)
def matmul(a: Tensor, b: Tensor) -> Tensor:
    return pg.matmul(a, b)


def _gemm(a: Tensor, b: Tensor, alpha: float, trans_a: bool, trans_b: bool) -> Tensor:
    made = pg.matmul(pg.matrix_transpose(a) if trans_a else a, pg.matrix_transpose(b) if trans_b else b)
    return made if alpha == 1.0 else (made * alpha).astype(a.dtype)


@op("Gemm", 7, 9, 11, 13)
def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: bool = False,
    transB: bool = False,
) -> Tensor:
    made = _gemm(a, b, alpha, transA, transB)
    if c is None:
        return made
    return pg.add(made, c if beta == 1.0 else (c * beta).astype(c.dtype))


@op("Gemm", 6)
def gemm_6(
    a: Tensor,
    b: Tensor,
    c: Tensor,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: bool = False,
    transB: bool = False,
    broadcast: bool = False,
) -> Tensor:
    made = _gemm(a, b, alpha, transA, transB)
    return made + beta * aligned(pg, made, c, None, broadcast)


@op("Einsum", 12, 28)
def einsum(*xs: Tensor, equation: str) -> Tensor:
    made = pg.einsum(equation, *xs)
    return made.astype(xs[0].dtype)


@op("Det", 11, 22)
def det(x: Tensor) -> Tensor:
    return pg.linalg.det(x)

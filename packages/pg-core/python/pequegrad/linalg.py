"""Linear algebra under the names of the array API standard, of ``numpy.linalg`` and of ``scipy.linalg``.

Functions of matrices take stacks (..., m, n) of float32, float64, complex64 or complex128; integers become
float32, and 16-bit floats raise. What depends on values, a singular matrix, raises ``LinAlgError`` when it is
computed. Everything is differentiable, of every order.

>>> import pequegrad as pg
>>> pg.linalg.solve(pg.Tensor([[2.0, 1.0], [1.0, 3.0]]), pg.Tensor([3.0, 4.0])).tolist()
[1.0, 1.0]
"""

from ._linalg.factorizations import (
    cholesky,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lu,
    lu_factor,
    qr,
    svd,
    svdvals,
)
from ._linalg.norms import cond, kron, matrix_exp, matrix_norm, matrix_power, multi_dot, norm
from ._linalg.solving import (
    det,
    inv,
    lstsq,
    lu_solve,
    matrix_rank,
    pinv,
    slogdet,
    solve,
    tensorinv,
    tensorsolve,
)
from ._linalg.triangular import cho_solve, solve_triangular, triangular_solve
from ._ops.diagonals import diagonal
from ._ops.linalg import matmul, outer, tensordot, trace
from ._ops.shape import matrix_transpose
from ._ops.vectors import cross, vecdot, vector_norm

__all__ = [
    "cho_solve",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "kron",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "triangular_solve",
    "vecdot",
    "vector_norm",
]

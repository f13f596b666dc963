"""Linear algebra under the names of the array API standard and of ``numpy.linalg``.

>>> import pequegrad as pg
>>> pg.linalg.vecdot(pg.Tensor([1.0, 2.0]), pg.Tensor([3.0, 4.0])).item()
11.0
"""

from ._ops.diagonals import diagonal
from ._ops.linalg import matmul, matrix_power, outer, tensordot, trace
from ._ops.reduce import norm
from ._ops.shape import matrix_transpose
from ._ops.vectors import cross, vecdot, vector_norm

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_power",
    "matrix_transpose",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

"""Norms of matrices, powers and exponentials, products of many."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from .. import dt
from .._core import Tensor
from .._ops.common import (
    Axis,
    TensorLike,
    as_tensor,
    axes_of,
    axis_of,
    cast,
    items_of,
    known,
    reshape_to,
    to_float,
)
from .._ops.elementwise import abs as _abs
from .._ops.elementwise import ceil, clip
from .._ops.linalg import matmul
from .._ops.linalg import matrix_power as _positive_power
from .._ops.logic import where
from .._ops.maths import exp2, log2
from .._ops.reduce import max as _max
from .._ops.reduce import min as _min
from .._ops.reduce import sum as _sum
from .._ops.shape import expand_dims, moveaxis
from .._ops.vectors import vector_norm
from ..errors import AxisError, InvalidValueError, ShapeError
from .common import identity, matrix
from .factorizations import svdvals
from .solving import inv, solve

_ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def matrix_norm(x: TensorLike, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norms of matrices (..., m, n): ``"fro"`` root of the sum of squares, ``"nuc"`` sum of the singular
    values, 2 and -2 the largest and the smallest of them, 1 and -1 the largest and smallest sum of
    magnitudes of a column, inf and -inf of a row.

    >>> pg.linalg.matrix_norm(pg.Tensor([[3.0, 4.0], [0.0, 0.0]])).item()
    5.0
    """
    x = to_float(x)
    if x.ndim < 2:
        raise ShapeError(f"linalg.matrix_norm: needs matrices (..., m, n), got shape {x.shape}")
    if not known(ord, _ORDERS):
        raise InvalidValueError(
            f"linalg.matrix_norm: ord is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}"
        )
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        s = svdvals(matrix(x, "matrix_norm"))
        made = _sum(s, -1) if ord == "nuc" else _max(s, -1) if ord == 2 else _min(s, -1)
    else:
        sums = _sum(_abs(x), -2 if abs(ord) == 1 else -1)
        made = _max(sums, -1) if ord > 0 else _min(sums, -1)
    return expand_dims(expand_dims(made, -1), -1) if keepdims else made


def norm(x: TensorLike, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The norm of vectors along one axis or of matrices in two axes, as ``numpy.linalg.norm``. Without an
    axis it is that of a vector or matrix, or, with ``ord=None``, of all elements.

    >>> pg.linalg.norm(pg.Tensor([[3.0, 4.0], [0.0, 0.0]]), axis=1).tolist()
    [5.0, 0.0]
    """
    x = to_float(x)
    if axis is None and (ord is None or (ord in (2, "fro") and x.ndim == {2: 1, "fro": 2}[ord])):
        return vector_norm(x, axis=None, keepdims=keepdims)
    if axis is None and x.ndim not in (1, 2):
        raise ShapeError(
            f"linalg.norm: ord={ord!r} needs a vector or a matrix, got shape {x.shape}; name the axes"
        )
    places = axes_of(axis, x.ndim, "norm") if axis is None or isinstance(axis, int) else tuple(
        axis_of(a, x.ndim, "norm") for a in axis
    )  # fmt: skip
    if len(places) == 1:
        if isinstance(ord, str):
            raise InvalidValueError(f"linalg.norm: ord={ord!r} is a norm of matrices, and one axis is given")
        return vector_norm(x, axis=places, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(places) != 2 or places[0] == places[1]:
        raise AxisError(f"linalg.norm: needs one axis or two different ones, got {axis!r}")
    made = matrix_norm(moveaxis(x, places, (-2, -1)), ord="fro" if ord is None else ord)
    for place in sorted(places) if keepdims else ():
        made = expand_dims(made, place)
    return made


def cond(x: TensorLike, p: Any = None) -> Tensor:
    """The condition numbers of matrices: by singular values for p None, 2 and -2, else the norm times that of
    the inverse.

    >>> pg.linalg.cond(pg.Tensor([[4.0, 0.0], [0.0, 2.0]])).item()
    2.0
    """
    x = matrix(x, "cond")
    if p in (None, 2, -2):
        s = svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


def matrix_power(x: TensorLike, n: int, /) -> Tensor:
    """Matrices (..., n, n) multiplied n times with themselves; a negative power takes the inverse.

    >>> pg.linalg.matrix_power(pg.Tensor([[2.0, 1.0], [1.0, 1.0]]), -1).tolist()
    [[1.0, -1.0], [-1.0, 2.0]]
    """
    if isinstance(n, int) and n < 0:
        return _positive_power(inv(x), -n)
    return _positive_power(x, n)


# Numerators of diagonal Pade approximants of exp, and the largest 1-norm at which they are good to the last
# bit of double or single precision: N. Higham, "The scaling and squaring method for the matrix exponential
# revisited" (2005).
_PADE: dict[str, tuple[tuple[float, ...], float]] = {
    "float32": (
        (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0),
        3.925724783138660,
    ),
    "float64": (
        (
            64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
            129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
            960960.0, 16380.0, 182.0, 1.0,
        ),
        5.371920351148152,
    ),
}  # fmt: skip
_MOST_SQUARINGS = 24


def matrix_exp(x: TensorLike, /) -> Tensor:
    """The exponentials of matrices (..., n, n), by scaling and squaring (Higham 2005).

    The matrix is halved up to 24 times, so its 1-norm may be up to about 1e8; beyond that the result is NaN.

    >>> pg.linalg.matrix_exp(pg.zeros((2, 2))).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    from ..control import while_loop

    x = matrix(x, "matrix_exp", square=True)
    n = x.shape[-1]
    if n == 0:
        return x
    kind = "float64" if x.dtype.name in ("float64", "complex128") else "float32"
    coefficients, theta = _PADE[kind]
    size = matrix_norm(x.detach(), ord=1)
    steps = clip(ceil(log2(where(size > theta, size / theta, 1.0))), 0.0, float(_MOST_SQUARINGS))
    a = x * cast(exp2(-steps), x.dtype)[..., None, None]
    square, unit = matmul(a, a), identity(n, x)
    even, odd, power = unit * coefficients[0], unit * coefficients[1], None
    for k in range(2, len(coefficients), 2):
        power = square if power is None else matmul(power, square)
        even = even + power * coefficients[k]
        if k + 1 < len(coefficients):
            odd = odd + power * coefficients[k + 1]
    odd = matmul(a, odd)
    made = solve(even - odd, even + odd)
    last = cast(_max(steps), dt.int32)

    def squared(state: Any) -> Any:
        i, y = state
        more = cast(i, steps.dtype) < steps
        return i + 1, where(more[..., None, None], matmul(y, y), y)

    _, made = while_loop(lambda state: state[0] < last, squared, (last * 0, made), max_steps=_MOST_SQUARINGS)
    return made


def kron(a: TensorLike, b: TensorLike, /) -> Tensor:
    """The Kronecker product: every element of the first times the whole second, over axes counted from the
    last.

    >>> pg.linalg.kron(pg.Tensor([1, 10]), pg.Tensor([1, 2])).tolist()
    [1, 2, 10, 20]
    """
    a, b = as_tensor(a), as_tensor(b)
    rank = max(a.ndim, b.ndim)
    left, right = (1,) * (rank - a.ndim) + a.shape, (1,) * (rank - b.ndim) + b.shape
    a = reshape_to(a, tuple(d for extent in left for d in (extent, 1)))
    b = reshape_to(b, tuple(d for extent in right for d in (1, extent)))
    return reshape_to(a * b, tuple(p * q for p, q in zip(left, right, strict=True)))


def multi_dot(arrays: Sequence[TensorLike]) -> Tensor:
    """The product of matrices in the order that needs the fewest multiplications; the first and the last may
    be vectors.

    >>> pg.linalg.multi_dot([pg.ones((2, 3)), pg.ones((3, 4)), pg.ones(4)]).tolist()
    [12.0, 12.0]
    """
    xs = [as_tensor(x) for x in items_of(arrays, "linalg.multi_dot")]
    if len(xs) < 2:
        raise InvalidValueError(f"linalg.multi_dot: needs at least two arrays, got {len(xs)}")
    for i, x in enumerate(xs):
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(xs) - 1)):
            raise ShapeError(f"linalg.multi_dot: array {i} has shape {x.shape}; give matrices")
    dims = [x.shape[0] if x.ndim == 2 else (1 if i == 0 else x.shape[0]) for i, x in enumerate(xs)]
    dims.append(xs[-1].shape[1] if xs[-1].ndim == 2 else 1)

    @functools.cache
    def cost(i: int, j: int) -> tuple[int, int]:
        """Of the product i to j: multiplications, and where it is split."""
        if i == j:
            return 0, i
        return min(
            (cost(i, k)[0] + cost(k + 1, j)[0] + dims[i] * dims[k + 1] * dims[j + 1], k) for k in range(i, j)
        )

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return xs[i]
        k = cost(i, j)[1]
        return matmul(product(i, k), product(k + 1, j))

    return product(0, len(xs) - 1)

"""What the functions of linear algebra share: checked operands, adjoints, triangular systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _core, dt
from .._core import Tensor
from .._ops.common import TensorLike, as_tensor, cast, iota
from .._ops.complex import conj as _conj
from .._ops.complex import real as _real
from .._ops.diagonals import tril
from .._ops.logic import where
from .._ops.reduce import sum as _sum
from .._ops.shape import broadcast_shapes, broadcast_to, swapaxes
from ..errors import DTypeError, ShapeError


def inexact(x: TensorLike, what: str) -> Tensor:
    """The operand as float32, float64 or complex; integers and bools become float32."""
    x = as_tensor(x)
    if x.dtype.kind in "biu":
        return cast(x, dt.float32)
    if x.dtype.itemsize < 4:
        raise DTypeError(
            f"linalg.{what}: {x.dtype} is too coarse for factorisations; convert with .astype('float32') and "
            "back"
        )
    return +x if x.weak else x


def matrix(x: TensorLike, what: str, square: bool = False) -> Tensor:
    """A stack of matrices."""
    x = inexact(x, what)
    if x.ndim < 2:
        raise ShapeError(f"linalg.{what}: needs matrices (..., m, n), got shape {x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"linalg.{what}: needs square matrices (..., n, n), got shape {x.shape}")
    return x


def common(xs: Sequence[TensorLike], what: str) -> list[Tensor]:
    """Operands in one dtype."""
    made = [inexact(x, what) for x in xs]
    kind = made[0].dtype
    if all(x.dtype is kind for x in made):
        return made
    for x in made[1:]:
        kind = dt.all_dtypes[_core.promote(_core.full(0, kind.code, False, (), (0, 0)), x)[0]]
    return [cast(x, kind) for x in made]


def stretch(x: Tensor, batch: tuple[int, ...]) -> Tensor:
    """A stack of matrices over other leading axes."""
    return x if x.shape[:-2] == batch else broadcast_to(x, (*batch, *x.shape[-2:]))


def same_batch(a: Tensor, b: Tensor, what: str) -> tuple[Tensor, Tensor]:
    """Two stacks of matrices over common leading axes."""
    if a.shape[:-2] == b.shape[:-2]:
        return a, b
    try:
        batch = tuple(broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    except ShapeError:
        raise ShapeError(f"linalg.{what}: leading axes of {a.shape} and {b.shape} do not broadcast") from None
    return stretch(a, batch), stretch(b, batch)


def is_complex(x: Tensor) -> bool:
    """Whether the numbers are complex."""
    return x.dtype.kind == "c"


def conj(x: Tensor) -> Tensor:
    """The conjugate; real tensors as they are."""
    return _conj(x) if is_complex(x) else x


def real(x: Tensor) -> Tensor:
    """The real part; real tensors as they are."""
    return _real(x) if is_complex(x) else x


def transposed(x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


def adjoint(x: Tensor) -> Tensor:
    """The conjugate transpose."""
    return conj(transposed(x))


def identity(n: int, like: Tensor) -> Tensor:
    """The unit matrix in the dtype of another tensor."""
    device = like.device.pair
    rows, columns = iota((n, n), 0, dt.int64, device), iota((n, n), 1, dt.int64, device)
    return cast(rows == columns, like.dtype)


def diagonal_of(x: Tensor) -> Tensor:
    """The main diagonal of the last two axes."""
    from .._ops.diagonals import diagonal

    return diagonal(x)


def trace_of(x: Tensor) -> Tensor:
    """The sum of the main diagonal."""
    return _sum(diagonal_of(x), -1)


def lower_half(x: Tensor) -> Tensor:
    """The lower triangle with half of the diagonal: what a Cholesky factor takes of a Hermitian change."""
    return tril(x) - 0.5 * (x * identity(x.shape[-1], x))


def gaps(values: Tensor) -> Tensor:
    """1 / (v[j] - v[i]) off the diagonal, 0 on it and where two values are equal: there nothing tells which
    combination of their vectors is meant, and functions that have a derivative do not depend on it.
    """
    difference = values[..., None, :] - values[..., :, None]
    equal = difference == 0
    return where(equal, 0.0, 1.0 / where(equal, 1.0, difference))


def solve_lower_or_upper(
    a: Tensor, b: Tensor, lower: bool, transpose: bool = False, unit: bool = False
) -> Tensor:
    """x with op(a) x = b for stacks of matrices over the same leading axes."""
    a, b = same_batch(a, b, "solve_triangular")
    return _core.apply("triangular_solve", (a, b), (int(lower), int(transpose), int(unit)))


def solve_from_right(a: Tensor, b: Tensor, lower: bool, unit: bool = False) -> Tensor:
    """x with x a = b."""
    return transposed(solve_lower_or_upper(a, transposed(b), lower, True, unit))


def shape_like(x: Any, *tail: int) -> tuple[int, ...]:
    """The leading axes of a stack of matrices, with other last ones."""
    return (*x.shape[:-2], *tail)

"""Comparisons, logic, bits and selection under NumPy's names."""

from __future__ import annotations

from .. import _core, dt
from .._core import Tensor
from ..errors import DTypeError
from .common import TensorLike, as_tensor, cast, elementwise


def equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Where the two are equal.

    >>> pg.equal(pg.Tensor([1, 2]), 2).tolist()
    [False, True]
    """
    return elementwise("equal", x, y)


def not_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Where the two differ.

    >>> pg.not_equal(pg.Tensor([1, 2]), 2).tolist()
    [True, False]
    """
    return elementwise("not_equal", x, y)


def less(x: TensorLike, y: TensorLike) -> Tensor:
    """Where the first is smaller.

    >>> pg.less(pg.Tensor([1, 2]), 2).tolist()
    [True, False]
    """
    return elementwise("less", x, y)


def less_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Where the first is smaller or equal.

    >>> pg.less_equal(pg.Tensor([1, 3]), 2).tolist()
    [True, False]
    """
    return elementwise("less_equal", x, y)


def greater(x: TensorLike, y: TensorLike) -> Tensor:
    """Where the first is larger.

    >>> pg.greater(pg.Tensor([1, 3]), 2).tolist()
    [False, True]
    """
    return elementwise("less", y, x)


def greater_equal(x: TensorLike, y: TensorLike) -> Tensor:
    """Where the first is larger or equal.

    >>> pg.greater_equal(pg.Tensor([1, 2]), 2).tolist()
    [False, True]
    """
    return elementwise("less_equal", y, x)


def _truth(x: TensorLike) -> Tensor:
    x = as_tensor(x)
    return x if x.dtype.is_bool else x != 0


def logical_not(x: TensorLike) -> Tensor:
    """Where an element is zero or False.

    >>> pg.logical_not(pg.Tensor([0, 2])).tolist()
    [True, False]
    """
    return _core.apply("not", (_truth(x),))


def logical_and(x: TensorLike, y: TensorLike) -> Tensor:
    """Where both are nonzero.

    >>> pg.logical_and(pg.Tensor([0, 2]), True).tolist()
    [False, True]
    """
    return elementwise("and", _truth(x), _truth(y))


def logical_or(x: TensorLike, y: TensorLike) -> Tensor:
    """Where one or both are nonzero.

    >>> pg.logical_or(pg.Tensor([0, 2]), False).tolist()
    [False, True]
    """
    return elementwise("or", _truth(x), _truth(y))


def logical_xor(x: TensorLike, y: TensorLike) -> Tensor:
    """Where exactly one is nonzero.

    >>> pg.logical_xor(pg.Tensor([0, 2]), True).tolist()
    [True, False]
    """
    return elementwise("xor", _truth(x), _truth(y))


def _bits(op: str, *xs: TensorLike) -> Tensor:
    for x in xs:
        if isinstance(x, (float, complex)) or (isinstance(x, Tensor) and x.dtype.is_inexact):
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise DTypeError(
                f"bitwise {op} needs integers or bools, got {kind}; convert with .astype('int32')"
            )
    return elementwise(op, *xs)


def bitwise_not(x: TensorLike) -> Tensor:
    """All bits turned; bools are negated.

    >>> pg.bitwise_not(pg.Tensor([0, 5])).tolist()
    [-1, -6]
    """
    return _bits("not", x)


def bitwise_and(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits set in both.

    >>> pg.bitwise_and(pg.Tensor([6]), 3).tolist()
    [2]
    """
    return _bits("and", x, y)


def bitwise_or(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits set in one or both.

    >>> pg.bitwise_or(pg.Tensor([6]), 3).tolist()
    [7]
    """
    return _bits("or", x, y)


def bitwise_xor(x: TensorLike, y: TensorLike) -> Tensor:
    """The bits set in exactly one.

    >>> pg.bitwise_xor(pg.Tensor([6]), 3).tolist()
    [5]
    """
    return _bits("xor", x, y)


def left_shift(x: TensorLike, y: TensorLike) -> Tensor:
    """Bits moved up; a shift by the width or more gives 0.

    >>> pg.left_shift(pg.Tensor([1]), 3).tolist()
    [8]
    """
    return _bits("shift_left", x, y)


def right_shift(x: TensorLike, y: TensorLike) -> Tensor:
    """Bits moved down, keeping the sign; a shift by the width or more leaves only the sign.

    >>> pg.right_shift(pg.Tensor([8, -8]), 2).tolist()
    [2, -2]
    """
    return _bits("shift_right", x, y)


def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """Elements of ``x`` where the condition holds, else of ``y``.

    A NaN or infinite derivative in the branch not taken still reaches the gradient (0 * inf): make the
    *argument* safe, too, as
    in ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    >>> pg.where(pg.Tensor([True, False]), 1.0, pg.Tensor([5.0, 6.0])).tolist()
    [1.0, 6.0]
    """
    return elementwise("where", _truth(condition), x, y)


def isclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where ``|x - y| <= atol + rtol * |y|``.

    >>> pg.isclose(pg.Tensor([1.0, 2.0]), 1.0).tolist()
    [True, False]
    """
    x, y = as_tensor(x), as_tensor(y)
    if not x.dtype.is_inexact and not y.dtype.is_inexact:
        x, y = cast(x, dt.float64), cast(y, dt.float64)
    near = (abs(x - y) <= atol + rtol * abs(y)) & (abs(y) < float("inf"))
    near = near | (x == y)
    return near | ((x != x) & (y != y)) if equal_nan else near


def allclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether all elements are close.

    >>> bool(pg.allclose(pg.Tensor([1.0]), 1.0))
    True
    """
    from .reduce import all

    return all(isclose(x, y, rtol, atol, equal_nan))

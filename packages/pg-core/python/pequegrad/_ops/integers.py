"""Divisors of integers."""

from __future__ import annotations

from .. import _core, dt
from .._core import Tensor
from ..control import while_loop
from ..errors import DTypeError
from .common import TensorLike, as_tensor, cast, elementwise
from .elementwise import abs as _abs
from .logic import where
from .reduce import any as _any
from .shape import broadcast_arrays


def _magnitudes(x: TensorLike, y: TensorLike, what: str) -> tuple[dt.DType, Tensor, Tensor]:
    """The common dtype, and the magnitudes in the unsigned dtype of its width, where all of them fit."""
    x, y = broadcast_arrays(as_tensor(x), as_tensor(y))
    kind = dt.all_dtypes[_core.promote(x, y)[0]]
    if not kind.is_integer:
        raise DTypeError(f"{what}: needs integers, got {x.dtype} and {y.dtype}")
    unsigned = dt.as_dtype(f"uint{8 * kind.itemsize}")
    return kind, cast(_abs(cast(x, kind)), unsigned), cast(_abs(cast(y, kind)), unsigned)


def _gcd(a: Tensor, b: Tensor) -> Tensor:
    """Euclid's method, in a loop that ends with the last element."""

    def step(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        a, b = pair
        return where(b == 0, a, b), elementwise("remainder", a, b)  # x % 0 is 0

    return while_loop(lambda pair: _any(pair[1] != 0), step, (a, b))[0]


def gcd(x: TensorLike, y: TensorLike) -> Tensor:
    """The greatest common divisor of two integers, elementwise; that of 0 and 0 is 0.

    >>> pg.gcd(pg.Tensor([12, -12, 0]), 18).tolist()
    [6, 6, 18]
    """
    kind, a, b = _magnitudes(x, y, "gcd")
    return cast(_gcd(a, b), kind)


def lcm(x: TensorLike, y: TensorLike) -> Tensor:
    """The least common multiple of two integers, elementwise; with 0 it is 0.

    >>> pg.lcm(pg.Tensor([4, -4, 0]), 6).tolist()
    [12, 12, 0]
    """
    kind, a, b = _magnitudes(x, y, "lcm")
    return cast(elementwise("floor_divide", a, _gcd(a, b)) * b, kind)  # x // 0 is 0

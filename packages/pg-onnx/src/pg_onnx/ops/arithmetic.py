"""Arithmetic of two or more operands, comparisons and logic, elementwise with broadcasting."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg
from pequegrad import Tensor

from ..errors import InvalidModelError
from .registry import op

Two = Callable[[Any, Any, Any], Any]


def aligned(xp: Any, a: Any, b: Any, axis: int | None, broadcast: bool) -> Any:
    """The second operand as versions before 7 broadcast it: only if asked to, its axes from ``axis`` on."""
    if not broadcast:
        if tuple(a.shape) != tuple(b.shape):
            raise InvalidModelError(
                f"shapes {tuple(a.shape)} and {tuple(b.shape)} differ without broadcast=1"
            )
        return b
    if axis is None:
        return b
    first = axis + a.ndim if axis < 0 else axis
    if first < 0 or first + b.ndim > a.ndim:
        raise InvalidModelError(f"axis {axis} leaves no room for {b.ndim} axes in {a.ndim}")
    return xp.reshape(b, (*b.shape, *(1,) * (a.ndim - first - b.ndim)))


def _division(xp: Any, a: Any, b: Any) -> Any:
    if np.dtype(str(a.dtype)).kind in "iu" if a.dtype != "bfloat16" else False:
        return truncated(xp, a, b)
    return xp.divide(a, b)


def truncated(xp: Any, a: Any, b: Any) -> Any:
    """The quotient of integers rounded towards zero, as in C."""
    quotient = xp.floor_divide(a, b)
    exact = quotient * b == a
    return xp.where(
        ((a < 0) != (b < 0)) & ~exact if xp is np else _differ(a, b, exact), quotient + 1, quotient
    )


def _differ(a: Tensor, b: Tensor, exact: Tensor) -> Tensor:
    return pg.logical_and(pg.logical_xor(a < 0, b < 0), pg.logical_not(exact))


def _power(xp: Any, a: Any, b: Any) -> Any:
    """The result has the type of the base."""
    kind = a.dtype
    if kind == b.dtype:
        return xp.power(a, b)
    wide = pg.float64 if "64" in str(b.dtype) + str(kind) else pg.float32
    return cast(xp, xp.power(cast(xp, a, wide), cast(xp, b, wide)), kind)


def cast(xp: Any, x: Any, dtype: Any) -> Any:
    """x with another element type, on either side."""
    return x.astype(str(dtype)) if xp is np else x.astype(dtype)


def _both(name: str, old: tuple[int, ...], new: tuple[int, ...], f: Two) -> None:
    """Register an operator of two operands: ``old`` versions broadcast by attributes, ``new`` ones as
    NumPy.
    """

    def compute(xp: Any, a: Tensor, b: Tensor) -> Any:
        return f(xp, a, b)

    def compute_old(
        xp: Any, a: Tensor, b: Tensor, *, axis: int | None = None, broadcast: bool = False
    ) -> Any:
        return f(xp, a, aligned(xp, a, b, axis, broadcast))

    if old:
        op(name, *old)(compute_old)
    op(name, *new)(compute)


def _by_name(name: str) -> Two:
    return lambda xp, a, b: getattr(xp, name)(a, b)


_both("Add", (6,), (7, 13, 14), _by_name("add"))
_both("Sub", (6,), (7, 13, 14), _by_name("subtract"))
_both("Mul", (6,), (7, 13, 14), _by_name("multiply"))
_both("Div", (6,), (7, 13, 14), _division)
_both("Pow", (1,), (7, 12, 13, 15), _power)
_both("And", (1,), (7,), _by_name("logical_and"))
_both("Or", (1,), (7,), _by_name("logical_or"))
_both("Xor", (1,), (7,), _by_name("logical_xor"))
_both("Equal", (1,), (7, 11, 13, 19), _by_name("equal"))
_both("Greater", (1,), (7, 9, 13), _by_name("greater"))
_both("Less", (1,), (7, 9, 13), _by_name("less"))
_both("GreaterOrEqual", (), (12, 16), _by_name("greater_equal"))
_both("LessOrEqual", (), (12, 16), _by_name("less_equal"))
_both("BitwiseAnd", (), (18,), _by_name("bitwise_and"))
_both("BitwiseOr", (), (18,), _by_name("bitwise_or"))
_both("BitwiseXor", (), (18,), _by_name("bitwise_xor"))


@op("BitShift", 11, 28)
def bit_shift(x: Tensor, by: Tensor, *, direction: str) -> Tensor:
    if direction not in ("LEFT", "RIGHT"):
        raise InvalidModelError(f"direction is LEFT or RIGHT, got {direction!r}")
    return (pg.left_shift if direction == "LEFT" else pg.right_shift)(x, by)


@op("Mod", 10, 13, 28)
def mod(xp: Any, a: Tensor, b: Tensor, *, fmod: bool = False) -> Any:
    return xp.fmod(a, b) if fmod else xp.remainder(a, b)


@op("Not", 1)
def logical_not(xp: Any, x: Tensor) -> Any:
    return xp.logical_not(x)


@op("BitwiseNot", 18)
def bitwise_not(x: Tensor) -> Tensor:
    return pg.bitwise_not(x)


@op("Where", 9, 16)
def where(xp: Any, condition: Tensor, a: Tensor, b: Tensor) -> Any:
    return xp.where(condition, a, b)


# ---- any number of operands


def _many(name: str, function: str) -> None:
    def compute(xp: Any, *xs: Tensor) -> Any:
        return functools.reduce(getattr(xp, function), xs)

    op(name, 6, 8, *((12,) if name in ("Max", "Min") else ()), 13)(compute)


_many("Max", "maximum")
_many("Min", "minimum")
_many("Sum", "add")


@op("Mean", 6, 8, 13)
def mean(*xs: Tensor) -> Tensor:
    return functools.reduce(pg.add, xs) / len(xs)

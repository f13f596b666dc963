"""Arithmetic: functions of two operands, each the operator of arrays and the function of ``jnp`` at once.

What has one dtype already goes straight to the tensors; the rest is promoted first.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from . import dtypes
from ._array import Array, _new, make
from ._lift import Tensor, broadcast_error, cast, lift_all, promote, promote_inexact, run
from ._primitives.elementwise import integer_pow
from .errors import UnexpectedTracerError

_F, _I = frozenset("fc"), frozenset("iu")
Binary = Callable[[Any, Any], Array]


def _explain(name: str, error: Exception, x: Array, y: Any) -> Exception:
    if isinstance(error, pg.ShapeError):
        return broadcast_error(name, [np.shape(v) if not isinstance(v, Array) else v.shape for v in (x, y)])
    return UnexpectedTracerError(f"Encountered an unexpected tracer: {error}")


def arithmetic(name: str, op: Callable[..., Any], bools: Callable[..., Any] | None = None) -> Binary:
    """add, subtract, multiply and what keeps the common dtype."""

    def fast(x: Any, y: Any) -> Array:
        if type(x) is Array:
            a = x._t
            kind = type(y)
            if kind is Array:
                b = y._t
                if a.dtype is b.dtype and a.dtype is not pg.bool_:
                    try:
                        z = _new(Array)
                        z._t = op(a, b)
                        z._w = x._w and y._w
                        return z
                    except (pg.ShapeError, pg.TraceError) as error:
                        raise _explain(name, error, x, y) from None
            elif (kind is float and a.dtype.kind in _F) or (kind is int and a.dtype.kind in _F):
                try:
                    return make(op(a, y), x._w)
                except pg.TraceError as error:
                    raise _explain(name, error, x, y) from None
            elif kind is int and a.dtype.kind in _I and -128 <= y <= 127 and (y >= 0 or a.dtype.kind == "i"):
                return make(op(a, y), x._w)
        return slow(x, y)

    def slow(x: Any, y: Any) -> Array:
        (a, b), kind, weak = promote(name, x, y)
        if kind is pg.bool_:
            if bools is None:
                raise TypeError(f"{name} does not accept dtype bool.")
            return make(run(name, bools, a, b))
        return make(run(name, op, a, b), weak)

    fast.__name__ = fast.__qualname__ = name
    return fast


def inexact(name: str, op: Callable[..., Any]) -> Binary:
    """Functions of two floating operands."""

    def apply(x: Any, y: Any) -> Array:
        if type(x) is Array and x._t.dtype.kind in _F:
            if type(y) is Array and x._t.dtype is y._t.dtype:
                return make(run(name, op, x._t, y._t), x._w and y._w)
            if (type(y) is float or type(y) is int) and op is operator.truediv:
                return make(op(x._t, y), x._w)
        (a, b), _, weak = promote_inexact(name, x, y)
        return make(run(name, op, a, b), weak)

    apply.__name__ = apply.__qualname__ = name
    return apply


def comparison(name: str, op: Callable[..., Any]) -> Binary:
    """Comparisons give bools."""

    def compare(x: Any, y: Any) -> Array:
        if type(x) is Array:
            a = x._t
            if type(y) is Array and a.dtype is y._t.dtype:
                return make(run(name, op, a, y._t), x._w and y._w)
            if (type(y) is float or type(y) is int) and a.dtype.kind in _F and not a.dtype.is_complex:
                return make(op(a, y), x._w)
        (a, b), _, weak = promote(name, x, y)
        return make(run(name, op, a, b), weak)

    compare.__name__ = compare.__qualname__ = name
    return compare


def bitwise(name: str, op: Callable[..., Any], bools: Callable[..., Any]) -> Binary:
    """and, or, xor: of integers bit by bit, of bools logical."""

    def apply(x: Any, y: Any) -> Array:
        (a, b), kind, weak = promote(name, x, y)
        if kind.is_inexact:
            raise TypeError(
                f"{name} does not accept dtype {kind.name}. Accepted dtypes are subtypes of integer, bool."
            )
        return make(run(name, bools if kind is pg.bool_ else op, a, b), weak)

    apply.__name__ = apply.__qualname__ = name
    return apply


def _shift(name: str, op: Callable[..., Any]) -> Binary:
    def apply(x: Any, y: Any) -> Array:
        (a, b), kind, weak = promote(name, x, y)
        if kind is pg.bool_:
            a, b = cast(a, dtypes.default_int()), cast(b, dtypes.default_int())
        if kind.is_inexact:
            raise TypeError(f"{name} does not accept dtype {kind.name}.")
        return make(run(name, op, a, b), weak)

    apply.__name__ = apply.__qualname__ = name
    return apply


add = arithmetic("add", operator.add, pg.logical_or)
subtract = arithmetic("subtract", operator.sub)
multiply = arithmetic("multiply", operator.mul, pg.logical_and)
maximum = arithmetic("maximum", pg.maximum, pg.logical_or)
minimum = arithmetic("minimum", pg.minimum, pg.logical_and)
true_divide = inexact("true_divide", operator.truediv)
arctan2 = inexact("arctan2", pg.arctan2)
logaddexp = inexact("logaddexp", pg.logaddexp)
logaddexp2 = inexact("logaddexp2", pg.logaddexp2)
nextafter = inexact("nextafter", pg.nextafter)
copysign = inexact("copysign", pg.copysign)
hypot = inexact("hypot", pg.hypot)
equal = comparison("equal", operator.eq)
not_equal = comparison("not_equal", operator.ne)
less = comparison("less", operator.lt)
less_equal = comparison("less_equal", operator.le)
greater = comparison("greater", operator.gt)
greater_equal = comparison("greater_equal", operator.ge)
bitwise_and = bitwise("bitwise_and", operator.and_, pg.logical_and)
bitwise_or = bitwise("bitwise_or", operator.or_, pg.logical_or)
bitwise_xor = bitwise("bitwise_xor", operator.xor, pg.logical_xor)
left_shift = _shift("left_shift", operator.lshift)
right_shift = _shift("right_shift", operator.rshift)


def _quotient(a: Tensor, b: Any) -> Tensor:
    """Integers divided by 0 have all bits set, less one where the dividend is not 0 (a signed quotient is "
    "rounded)."""
    if a.dtype.is_inexact or (not isinstance(b, Tensor) and b != 0):
        return a // b
    ones = pg.full_like(a, 0) - 1
    by_zero = ones - (a != 0).astype(a.dtype) if a.dtype.kind == "i" else ones
    return pg.where(b == 0, by_zero, a // b) if isinstance(b, Tensor) else by_zero


_remainder = arithmetic("remainder", operator.mod)
_floor_divide = arithmetic("floor_divide", _quotient)


def _ints(x: Any, y: Any) -> tuple[Any, Any]:
    """Two bools become integers, which division and powers of bools need."""
    a, b = lift_all("remainder", x, y)
    if a._t.dtype is pg.bool_ and b._t.dtype is pg.bool_:
        kind = dtypes.default_int()
        return make(cast(a._t, kind)), make(cast(b._t, kind))
    return a, b


def remainder(x: Any, y: Any) -> Array:
    """The rest of a division, with the sign of the divisor."""
    if type(x) is not Array or x._t.dtype is pg.bool_:
        x, y = _ints(x, y)
    return _remainder(x, y)


def floor_divide(x: Any, y: Any) -> Array:
    """The quotient rounded down."""
    if type(x) is not Array or x._t.dtype is pg.bool_:
        x, y = _ints(x, y)
    return _floor_divide(x, y)


def power(x: Any, y: Any) -> Array:
    """x to the power y; a Python int as exponent is a chain of products."""
    if isinstance(y, int) and not isinstance(y, bool):
        (a,) = lift_all("power", x)
        if a._t.dtype is pg.bool_:
            a = make(cast(a._t, dtypes.default_int()))
        if y < 0 and not a._t.dtype.is_inexact:
            raise TypeError(f"Integers cannot be raised to negative powers, got integer_pow({a.aval}, {y})")
        return make(integer_pow(a._t, y=y), a._w)
    (base, exponent), kind, weak = promote("power", x, y)
    if kind is pg.bool_:
        base, exponent = cast(base, dtypes.default_int()), cast(exponent, dtypes.default_int())
    return make(run("power", operator.pow, base, exponent), weak)

"""Elementwise functions of ``jax.lax``: operands have one dtype and one shape, except that numbers adapt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pequegrad as pg

from .. import dtypes
from .._array import Array, make
from .._lift import Tensor, cast, lift_all, run
from .._primitives import elementwise as prims
from ..numpy._unary import abs_of, named

_NUMBERS = (bool, int, float, complex)


def _operands(name: str, *xs: Any) -> tuple[list[Tensor], bool]:
    arrays = lift_all(name, *xs)
    strong = {a._t.dtype for a, x in zip(arrays, xs, strict=True) if not _scalar(x)}
    of_kind = {k.kind for k in strong}
    apart = [
        a
        for a, x in zip(arrays, xs, strict=True)
        if _scalar(x) and of_kind and a._t.dtype.kind not in of_kind
    ]
    if len(strong) > 1 or any(a._t.dtype.kind != "i" or of_kind != {"u"} for a in apart):
        raise TypeError(
            f"lax.{name} requires arguments to have the same dtypes, got "
            f"{', '.join(a._t.dtype.name for a in arrays)}. (Tip: jnp functions promote their arguments.)"
        )
    kind, weak = dtypes.join(*((a._t.dtype, a._w) for a in arrays))
    if strong:
        (kind,) = strong
    shapes = {a.shape for a in arrays if a.ndim}
    if len({len(s) for s in shapes}) > 1 or (len(shapes) > 1 and not _broadcast(shapes)):
        raise TypeError(
            f"{name} got incompatible shapes for broadcasting: {', '.join(str(a.shape) for a in arrays)}."
        )
    return [cast(a._t, kind) for a in arrays], weak


def _broadcast(shapes: set[tuple[int, ...]]) -> bool:
    return all(len({n for n in extents if n != 1}) <= 1 for extents in zip(*shapes, strict=True))


def _scalar(x: Any) -> bool:
    return isinstance(x, _NUMBERS) and not isinstance(x, np.generic)


def elementwise(
    name: str, f: Callable[..., Tensor], doc: str, *, accepts: str = "", predicate: bool = False
) -> Any:
    """A function of operands of one dtype; ``accepts`` lists the kinds that it takes (b i f c)."""

    def apply(*xs: Any, accuracy: Any = None) -> Array:
        tensors, weak = _operands(name, *xs)
        kind = tensors[0].dtype
        letter = "b" if kind is pg.bool_ else "i" if kind.is_integer else "c" if kind.is_complex else "f"
        if accepts and letter not in accepts:
            raise TypeError(f"{name} does not accept dtype {kind.name}.")
        return make(run(name, f, *tensors), weak)

    return named(apply, name, doc)


def _f(name: str, f: Any, doc: str) -> Any:
    return elementwise(name, f, doc, accepts="fc")


exp, exp2, expm1 = (
    _f("exp", prims.exp, "The exponential."),
    _f("exp2", prims.exp2, "Two to the power of x."),
    _f("expm1", prims.expm1, "``exp(x) - 1``."),
)
log, log1p = _f("log", prims.log, "The natural logarithm."), _f("log1p", prims.log1p, "``log(1 + x)``.")
sqrt, rsqrt = (
    _f("sqrt", prims.sqrt, "The square root."),
    _f("rsqrt", prims.rsqrt, "One over the square root."),
)
cbrt = _f("cbrt", prims.cbrt, "The cube root.")
sin, cos, tan = (
    _f("sin", prims.sin, "The sine."),
    _f("cos", prims.cos, "The cosine."),
    _f("tan", prims.tan, "The tangent."),
)
asin, acos, atan = (
    _f("asin", prims.asin, "The inverse sine."),
    _f("acos", prims.acos, "The inverse cosine."),
    _f("atan", prims.atan, "The inverse tangent."),
)
sinh, cosh, tanh = (
    _f("sinh", prims.sinh, "The hyperbolic sine."),
    _f("cosh", prims.cosh, "The hyperbolic cosine."),
    _f("tanh", prims.tanh, "The hyperbolic tangent."),
)
asinh, acosh, atanh = (
    _f("asinh", prims.asinh, "The inverse hyperbolic sine."),
    _f("acosh", prims.acosh, "The inverse hyperbolic cosine."),
    _f("atanh", prims.atanh, "The inverse hyperbolic tangent."),
)
logistic = _f("logistic", prims.logistic, "``1 / (1 + exp(-x))``.")
erf, erfc, erf_inv = (
    _f("erf", prims.erf, "The error function."),
    _f("erfc", prims.erfc, "``1 - erf(x)``."),
    _f("erf_inv", prims.erf_inv, "The inverse of the error function."),
)
lgamma, digamma = (
    _f("lgamma", prims.lgamma, "The logarithm of the gamma function."),
    _f("digamma", prims.digamma, "The derivative of ``lgamma``."),
)
bessel_i0e = _f("bessel_i0e", prims.bessel_i0e, "The scaled modified Bessel function of order 0.")
bessel_i1e = _f("bessel_i1e", prims.bessel_i1e, "The scaled modified Bessel function of order 1.")
zeta = _f("zeta", prims.zeta, "The Hurwitz zeta function.")
polygamma = _f("polygamma", prims.polygamma, "Derivatives of ``digamma``.")
floor, ceil = (
    elementwise("floor", prims.floor, "The next integer below.", accepts="f"),
    elementwise("ceil", prims.ceil, "The next integer above.", accepts="f"),
)
is_finite = elementwise("is_finite", prims.is_finite, "Whether a number is finite.", accepts="f")
square = elementwise("square", prims.square, "``x * x``.", accepts="ifc")
neg = elementwise("neg", prims.neg, "``-x``.", accepts="ifc")
sign = elementwise("sign", prims.sign, "-1, 0 or 1.", accepts="ifc")
abs = elementwise("abs", abs_of, "The magnitude.", accepts="ifc")
population_count = elementwise(
    "population_count", prims.population_count, "How many bits are set.", accepts="i"
)
clz = elementwise("clz", prims.clz, "How many leading bits are zero.", accepts="i")
bitwise_not = elementwise(
    "bitwise_not",
    lambda t: pg.logical_not(t) if t.dtype is pg.bool_ else prims.not_(t),
    "All bits turned.",
    accepts="bi",
)

add, sub, mul = (
    elementwise("add", prims.add, "``x + y``."),
    elementwise("sub", prims.sub, "``x - y``.", accepts="ifc"),
    elementwise("mul", prims.mul, "``x * y``."),
)
div, rem = (
    elementwise("div", prims.div, "``x / y``; of integers cut towards zero.", accepts="ifc"),
    elementwise("rem", prims.rem, "What division leaves, with the sign of the dividend.", accepts="if"),
)
max, min = elementwise("max", prims.max, "The larger."), elementwise("min", prims.min, "The smaller.")
atan2, nextafter = (
    elementwise("atan2", prims.atan2, "The angle of a point.", accepts="fc"),
    elementwise("nextafter", prims.nextafter, "The next number towards y.", accepts="f"),
)


def _bits(name: str, of_ints: Any, of_bools: Any) -> Any:
    return elementwise(
        name,
        lambda x, y: of_bools(x, y) if x.dtype is pg.bool_ else of_ints(x, y),
        f"{name} of bits.",
        accepts="bi",
    )


bitwise_and = _bits("bitwise_and", prims.and_, pg.logical_and)
bitwise_or = _bits("bitwise_or", prims.or_, pg.logical_or)
bitwise_xor = _bits("bitwise_xor", prims.xor, pg.logical_xor)
shift_left = elementwise("shift_left", prims.shift_left, "Bits moved up.", accepts="i")
shift_right_logical = elementwise(
    "shift_right_logical", prims.shift_right_logical, "Bits moved down.", accepts="i"
)
shift_right_arithmetic = elementwise(
    "shift_right_arithmetic", prims.shift_right_arithmetic, "Bits moved down with the sign.", accepts="i"
)
eq, ne = elementwise("eq", prims.eq, "``x == y``."), elementwise("ne", prims.ne, "``x != y``.")
lt, le = elementwise("lt", prims.lt, "``x < y``."), elementwise("le", prims.le, "``x <= y``.")
gt, ge = elementwise("gt", prims.gt, "``x > y``."), elementwise("ge", prims.ge, "``x >= y``.")
complex = elementwise("complex", prims.complex, "``re + i im``.", accepts="f")
real = elementwise("real", prims.real, "The real part.", accepts="c")
imag = elementwise("imag", prims.imag, "The imaginary part.", accepts="c")
conj = elementwise("conj", prims.conj, "The conjugate.", accepts="fc")


def pow(x: Any, y: Any) -> Array:
    """x to the power y, which may be an integer.

    >>> from pg_jax import lax
    >>> lax.pow(2.0, 3)
    Array(8., dtype=float32, weak_type=True)
    """
    a, b = lift_all("pow", x, y)
    if b._t.dtype.is_integer and a._t.dtype.is_inexact:
        return make(run("pow", prims.pow, a._t, b._t), a._w)
    (s, t), weak = _operands("pow", x, y)
    return make(run("pow", prims.pow, s, t), weak)


def integer_pow(x: Any, y: int) -> Array:
    """x to a known integer power.

    >>> from pg_jax import lax
    >>> lax.integer_pow(3, 2)
    Array(9, dtype=int32, weak_type=True)
    """
    (a,) = lift_all("integer_pow", x)
    return make(prims.integer_pow(a._t, y=y), a._w)


class RoundingMethod:
    """What ``round`` does with halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


def round(x: Any, rounding_method: Any = RoundingMethod.AWAY_FROM_ZERO) -> Array:
    """The nearest integer.

    >>> from pg_jax import lax
    >>> lax.round(2.5)
    Array(3., dtype=float32, weak_type=True)
    """
    (a,) = lift_all("round", x)
    return make(prims.round(a._t, rounding_method=int(rounding_method)), a._w)


def clamp(min: Any, x: Any, max: Any) -> Array:
    """x moved between two bounds.

    >>> from pg_jax import lax
    >>> lax.clamp(0.0, 7.0, 1.0)
    Array(1., dtype=float32, weak_type=True)
    """
    (low, t, high), weak = _operands_clamp(min, x, max)
    return make(prims.clamp(low, t, high), weak)


def _operands_clamp(low: Any, x: Any, high: Any) -> tuple[list[Tensor], bool]:
    arrays = lift_all("clamp", low, x, high)
    given = (low, x, high)
    strong = {a._t.dtype for a, v in zip(arrays, given, strict=True) if not _scalar(v)}
    if len(strong) > 1:
        raise TypeError(
            f"clamp requires arguments to have equal dtypes, got {sorted(k.name for k in strong)}"
        )
    kind, weak = dtypes.join(*((a._t.dtype, a._w) for a in arrays))
    kind = next(iter(strong), kind)
    for a in (arrays[0], arrays[2]):
        if a.shape not in ((), arrays[1].shape):
            raise TypeError(
                f"clamp requires bounds to be scalars or of shape {arrays[1].shape}, got {a.shape}"
            )
    return [cast(a._t, kind) for a in arrays], weak


def select(pred: Any, on_true: Any, on_false: Any) -> Array:
    """on_true where pred holds, else on_false.

    >>> from pg_jax import lax
    >>> lax.select(True, 1, 2)
    Array(1, dtype=int32, weak_type=True)
    """
    return select_n(pred, on_false, on_true)


def select_n(which: Any, *cases: Any) -> Array:
    """``cases[which]``, element by element.

    >>> from pg_jax import lax
    >>> lax.select_n(False, 1, 2)
    Array(1, dtype=int32, weak_type=True)
    """
    (w,) = lift_all("select_n", which)
    tensors, weak = _operands("select_n", *cases)
    if not (w._t.dtype is pg.bool_ or w._t.dtype is pg.int32):
        raise TypeError(f"select_n which must be bool or int32, got {w._t.dtype.name}")
    if len({t.shape for t in tensors}) > 1 or w.shape not in ((), tensors[0].shape):
        raise TypeError("select_n cases must have the same shapes, and which that shape or none")
    return make(prims.select_n(w._t, *tensors), weak)


def convert_element_type(operand: Any, new_dtype: Any) -> Array:
    """The operand in another dtype.

    >>> from pg_jax import lax
    >>> lax.convert_element_type(1.7, int)
    Array(1, dtype=int32, weak_type=True)
    """
    (a,) = lift_all("convert_element_type", operand)
    kind = dtypes.of(new_dtype)
    weak = new_dtype in _NUMBERS[1:] if isinstance(new_dtype, type) else False
    return make(prims.convert_element_type(a._t, new_dtype=kind), weak)


def bitcast_convert_type(operand: Any, new_dtype: Any) -> Array:
    """The bits as another dtype.

    >>> from pg_jax import lax
    >>> import pg_jax.numpy as jnp
    >>> lax.bitcast_convert_type(jnp.float32(1.0), jnp.int32)
    Array(1065353216, dtype=int32)
    """
    (a,) = lift_all("bitcast_convert_type", operand)
    return make(prims.bitcast_convert_type(a._t, new_dtype=dtypes.of(new_dtype)))


def reduce_precision(operand: Any, exponent_bits: int, mantissa_bits: int) -> Array:
    """The operand rounded to a narrower format.

    >>> from pg_jax import lax
    >>> lax.reduce_precision(1.001, 5, 3)
    Array(1., dtype=float32, weak_type=True)
    """
    (a,) = lift_all("reduce_precision", operand)
    return make(prims.reduce_precision(a._t, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits), a._w)


def stop_gradient(x: Any) -> Any:
    """The leaves of a pytree as constants of differentiation.

    >>> import pg_jax as jax
    >>> jax.grad(lambda x: x * jax.lax.stop_gradient(x))(3.0)
    Array(3., dtype=float32, weak_type=True)
    """
    from .. import _trees
    from .._keys import PRNGKeyArray

    def stop(leaf: Any) -> Any:
        if type(leaf) is PRNGKeyArray:
            return leaf
        (a,) = lift_all("stop_gradient", leaf)
        return make(prims.stop_gradient(a._t), a._w) if a._t.dtype.is_inexact else a

    leaves, tree = _trees.flatten(x)
    return _trees.unflatten(tree, [stop(leaf) for leaf in leaves])
